/*
 * What the files of the account service share: an account, what is asked of the ledger for it, and
 * the rows of a turn.
 *
 * An account is a row here and an account in the ledger with the same id. What the ledger must know
 * (that it exists, that it is frozen or closed) is a change: a row with the exact chain that is
 * sent, answered once. The account's row follows the answers, in the ledger's order, and events
 * follow the row. Limits are this service's alone.
 *
 * In code the account is called a wallet, since `account` is the ledger's and the API's word.
 */
#ifndef ACCOUNT_ACCOUNT_H
#define ACCOUNT_ACCOUNT_H

#include "account_settings.h"
#include "bodies.h"
#include "http/waiting.h"
#include "ledger/ids.h"
#include "ledger/place.h"
#include "ledger/resend.h"
#include "runtime/service.h"
#include "store/texts.h"
#include "store/turn.h"

/* `frozen` is enum account_sides, whose numbers are bits; 0 = none. */
_Static_assert(ACCOUNT_SIDE_ALL == (ACCOUNT_SIDE_DEBITS | ACCOUNT_SIDE_CREDITS), "sides are bits");

struct wallet {
    struct uuid id;
    struct books books; /* tenant and mode */
    struct uuid owner;  /* zero = none */
    const struct currency *currency;
    char reference[65], name[129]; /* empty = none */
    uint64_t created_ns;

    uint32_t ledger; /* number of its books; 0 while these are being made */
    unsigned status; /* enum account_statuses, as if nothing were frozen */
    unsigned frozen;
    char frozen_reason[256];
    struct account_limits limits;
    uint64_t updated_ns;
    uint64_t version;  /* grows with each change */
    uint64_t sequence; /* of the ledger's last answer */

    uint64_t stored_version; /* in the database; 0 = it isn't there */
    bool gone;               /* to be deleted */
    struct wallet *next, *same_bucket;
};

/* Numbers are stored: they are for ever. */
enum change_state {
    CHANGE_WAITING = 1, /* an account whose books are being made */
    CHANGE_SENT = 2,
    CHANGE_APPLIED = 3,
    CHANGE_REFUSED = 4,
};

struct change {
    struct uuid id;
    enum step step; /* ACCOUNT, FREEZE, CLOSE or BOOKS */
    struct uuid account;
    uint64_t created_ns;
    bool lifts; /* a FREEZE that unfreezes */
    unsigned side;
    char reason[256];
    char trace[56]; /* the request's traceparent */

    enum change_state state;
    uint8_t *chain; /* chain_encode(); owned; NULL while waiting, and in copies */
    size_t chain_length;
    uint32_t code; /* the ledger's answer; 0 = none */
    uint64_t answered_ns, sequence;

    bool fresh, changed, gone;
    struct change *next, *same_bucket;
};

/* The ledger number of a currency of one tenant and mode. */
struct currency_books {
    struct books books;
    const struct currency *currency;
    struct uuid change;
    uint32_t number;
    unsigned tries;
    bool made, fresh, changed;
    struct currency_books *next;
};

/* What the pieces of a turn share. Rows stay until the next turn begins, so that each piece's
 * done() sees how they ended. */
enum { ROWS_BUCKETS = 512 };
struct rows {
    struct wallet *wallets, **wallets_end, *wallet_buckets[ROWS_BUCKETS];
    struct change *changes, **changes_end, *change_buckets[ROWS_BUCKETS];
    struct currency_books *books;
    bool damaged; /* a chain was loaded that is none */
};

/* The service. */
struct wallets {
    struct turns *turns; /* first, as runtime/dead_letters.h asks */
    struct service_context context;
    const struct account_settings *settings;
    struct texts *texts;
    struct resend *resend;
    struct waiting *waiting; /* exchanges, by the change that they wait for */
    struct places *places;
    struct rows rows;
    struct statement *statements;   /* being read */
    struct forwarding *forwardings; /* asked of the payment service */
    bool stopping;
};

/* --- account.c --- */
unsigned wallet_status(const struct wallet *wallet); /* enum account_statuses */
bool wallet_of_caller(const struct wallet *wallet, const struct caller *caller);
/* REFUSED, whatever else the reason would be: it ends one piece of a turn alone. */
enum outcome account_refuse(struct error *err);
/* The wallet of a request: there, of the caller's tenant, open. */
enum outcome wallet_find(struct rows *rows, struct uuid id, const struct caller *caller,
                         struct wallet **out, struct error *err) MUST_USE;
enum outcome wallet_must_be_open(const struct wallet *wallet, struct error *err) MUST_USE;

/* --- rows.c: rows of a turn --- */
void account_rows_begin(void *service, struct turn *turn);
enum outcome account_rows_write(void *service, struct turn *turn, struct error *err);
void account_rows_end(void *service, struct turn *turn, bool committed);
void account_rows_free(struct rows *rows);
struct wallet *account_rows_wallet(const struct rows *rows, struct uuid id);
struct change *account_rows_change(const struct rows *rows, struct uuid id);
struct currency_books *account_rows_books(const struct rows *rows, const struct books *books,
                                          const struct currency *currency);
struct currency_books *account_rows_books_of_change(const struct rows *rows, struct uuid change);
/* Add a row; it must not be there yet. */
struct wallet *account_rows_add_wallet(struct rows *rows, struct uuid id);
struct change *account_rows_add_change(struct rows *rows, struct uuid id);
struct currency_books *account_rows_add_books(struct rows *rows, const struct books *books,
                                              const struct currency *currency);
/* The row has changed: it gets a new version and is written with the turn. */
void wallet_touch(struct wallet *wallet, uint64_t now_ns);
/* Gives a change its chain: it is sent when the turn is durable. */
void wallet_change_send(struct change *change, const struct chain *chain);

/* --- sql.c: every statement; loading puts rows into `rows` unless they are there --- */
enum outcome account_sql_load_wallet(struct rows *rows, struct store *store, struct uuid id,
                                     struct error *err) MUST_USE;
enum outcome account_sql_load_change(struct rows *rows, struct store *store, struct uuid id,
                                     struct error *err) MUST_USE;
/* What an answer is for: the change, its wallet, or the books with all wallets that wait for them.
 */
enum outcome account_sql_load_answered(struct rows *rows, struct store *store, struct uuid change,
                                       struct error *err) MUST_USE;
enum outcome account_sql_load_books(struct rows *rows, struct store *store,
                                    const struct books *books, const struct currency *currency,
                                    struct error *err) MUST_USE;
/* *out = the wallet that has the reference, or stays. */
enum outcome account_sql_find_reference(struct store *store, const struct books *books,
                                        const char *reference, struct uuid *out,
                                        struct error *err) MUST_USE;
enum outcome account_sql_store_wallet(struct store *store, const struct wallet *wallet,
                                      struct error *err) MUST_USE;
enum outcome account_sql_store_change(struct store *store, const struct change *change,
                                      struct error *err) MUST_USE;
enum outcome account_sql_store_books(struct store *store, const struct currency_books *books,
                                     struct error *err) MUST_USE;
/* Sends every change that was sent in an earlier life and not answered. */
enum outcome account_sql_send_unanswered(struct store *store, struct resend *resend,
                                         struct error *err) MUST_USE;
enum outcome account_damaged(struct error *err);
/* The beginning of a page's query, and a row of its answer. */
extern const char account_sql_select_wallets[];
void account_sql_read_wallet(const struct store_row *row, struct wallet *out);

/* --- show.c: wallets to answers --- */
void wallet_show(const struct wallets *service, const struct wallet *wallet, struct account *out);
void wallet_answer(const struct wallets *service, struct http_exchange *exchange, unsigned status,
                   const struct wallet *wallet);
/* Answers, or waits for the change as long as the caller wants to. */
void wallet_change_wait(struct wallets *service, struct http_exchange *exchange,
                        const struct wallet *wallet, const struct change *change, bool replayed);
/* The change was answered: tells who waits for it. */
void wallet_change_tell(struct wallets *service, const struct wallet *wallet,
                        const struct change *change);

/* --- events.c --- */
enum outcome wallet_announce_created(struct turn *turn, const struct wallet *wallet,
                                     const struct change *change, struct error *err) MUST_USE;
enum outcome wallet_announce_change(struct turn *turn, const struct wallet *wallet,
                                    const struct change *change, struct error *err) MUST_USE;
enum outcome wallet_announce_limits(struct turn *turn, const struct wallet *wallet,
                                    const char *traceparent, struct error *err) MUST_USE;

/* --- answers.c --- */
void account_answered(void *service, const struct ledger_answer *answer);

/* --- opening.c --- */
/* Gives a waiting wallet's opening its chain. */
void wallet_send_opening(struct wallet *wallet, struct change *change, uint32_t number);
/* Gives books the chain of their next candidate. */
void wallet_books_send(struct currency_books *books, struct change *change);

/* --- handlers --- */
extern const struct http_route account_routes[];
void accounts_open(struct http_exchange *exchange);
void accounts_list(struct http_exchange *exchange);
void accounts_get(struct http_exchange *exchange);
void accounts_freeze(struct http_exchange *exchange);
void accounts_unfreeze(struct http_exchange *exchange);
void accounts_close(struct http_exchange *exchange);
void accounts_limits_get(struct http_exchange *exchange);
void accounts_limits_put(struct http_exchange *exchange);
void accounts_statement(struct http_exchange *exchange);
/* The process stops: statements that are being read are refused. */
void account_statements_end(struct wallets *service);
/* Requests that wait for the payment service are answered. */
void account_forwardings_end(struct wallets *service);
void accounts_deposit(struct http_exchange *exchange);
void accounts_withdraw(struct http_exchange *exchange);

#endif
