/*
 * What the files of the balance service share.
 *
 * Balances are read from the ledger, never kept: this service knows whose an account is and what
 * its currency is, and asks the writer's read handle for the rest. Money that is set aside for no
 * payment is a reservation: a row here, a pending transfer in the ledger. What becomes of balances
 * is told as it stands in the ledger's log (journal.h).
 */
#ifndef BALANCE_BALANCE_H
#define BALANCE_BALANCE_H

#include "balance_settings.h"
#include "bodies.h"
#include "http/waiting.h"
#include "ledger/ids.h"
#include "ledger/place.h"
#include "ledger/resend.h"
#include "runtime/service.h"
#include "store/texts.h"
#include "store/turn.h"

enum { HOLD_DEFAULT_S = 7 * 86400, HOLD_MAX_S = 31 * 86400 };

/* An account as this service knows it. */
struct known_account {
    struct uuid id;
    struct books books; /* an empty tenant: a wallet that nobody has told of */
    const struct currency *currency;
    uint32_t ledger;
    uint64_t version;
    bool found;
};

struct reservation {
    struct uuid id;
    struct books books;
    struct uuid account, payee;
    const struct currency *currency;
    uint32_t ledger;
    int64_t amount;
    uint64_t hold_s;
    char reference[65], trace[56];
    uint64_t created_ns;

    unsigned status;    /* enum reservation_statuses */
    bool release;       /* asked for while the ledger had not answered */
    enum reason reason; /* of a rejection */
    uint64_t expires_ns, updated_ns, version, sequence;
    uint8_t *chain; /* what was sent and is not answered; owned; NULL = nothing */
    size_t chain_length;

    uint64_t stored_version; /* in the database; 0 = it isn't there */
    struct reservation *next, *same_bucket;
};

/* The reservations of a turn: each loaded once, written once. They stay until the next turn begins.
 */
enum { RESERVATION_BUCKETS = 256 };
struct reservations {
    struct reservation *first, **end, *buckets[RESERVATION_BUCKETS];
    bool damaged; /* a chain was loaded that is none */
};

struct journal;

/* The service. */
struct balances {
    struct turns *turns; /* first, as runtime/dead_letters.h asks */
    struct service_context context;
    const struct balance_settings *settings;
    struct texts *texts;
    struct resend *resend;
    struct waiting *waiting; /* exchanges, by reservation */
    struct places *places;
    struct reservations reservations; /* of the turn that runs */
    struct asking *askings;           /* of the account service */
    struct scan *scans;               /* balances by value date that are being summed */
    struct journal *journal;          /* NULL without a ledger to read */
    uint64_t expiries, expiries_stored;
    bool stopping;
};

/* --- accounts.c --- */
extern const struct consume balance_consumes[];
/* Asks the account service for an account in the name of a caller; it is stored before `done`,
 * which gets NULL or why it can't be had. */
void balance_ask(struct balances *service, struct uuid account, const struct caller *caller,
                 void (*done)(void *context, const struct error *err), void *context);
/* The process stops: those who wait are told. */
void balance_asks_end(struct balances *service);
bool balance_of_caller(const struct books *books, const struct caller *caller);
/* Whether an account is one of the caller's; REFUSED with `what` it isn't. */
enum outcome balance_check_account(const struct known_account *account, const struct caller *caller,
                                   const char *what, struct error *err) MUST_USE;

/* A request about the account in its path, whose copy is loaded; one that isn't known is asked for
 * once. Answers what goes wrong; else `found` is called, with the account. */
void balance_find(struct http_exchange *exchange,
                  void (*found)(struct http_exchange *exchange,
                                const struct known_account *account));

/* --- sql.c: every statement --- */
enum outcome balance_sql_load_account(struct store *store, struct uuid id,
                                      struct known_account *out, struct error *err) MUST_USE;
/* Unless a newer version is there. */
enum outcome balance_sql_store_account(struct store *store, const struct known_account *account,
                                       struct error *err) MUST_USE;
enum outcome balance_sql_load_reservation(struct reservations *rows, struct store *store,
                                          struct uuid id, struct error *err) MUST_USE;
enum outcome balance_sql_store_reservation(struct store *store, const struct reservation *row,
                                           struct error *err) MUST_USE;
extern const char balance_sql_select_reservations[];
void balance_sql_read_reservation(const struct store_row *row, struct reservation *out);
struct positions {
    uint64_t expiries, journal;
    char tails[400]; /* 16 numbers of 20 digits, and blanks */
};
enum outcome balance_sql_load_positions(struct store *store, struct positions *out,
                                        struct error *err) MUST_USE;
enum outcome balance_sql_store_expiries(struct store *store, uint64_t position,
                                        struct error *err) MUST_USE;
enum outcome balance_sql_store_journal(struct store *store, const struct positions *positions,
                                       struct error *err) MUST_USE;
enum outcome balance_sql_send_unanswered(struct store *store, struct resend *resend,
                                         struct error *err) MUST_USE;

/* --- rows.c --- */
void balance_rows_begin(void *service, struct turn *turn);
enum outcome balance_rows_write(void *service, struct turn *turn, struct error *err);
void balance_rows_end(void *service, struct turn *turn, bool committed);
void balance_rows_free(struct reservations *rows);
struct reservation *balance_rows_find(const struct reservations *rows, struct uuid id);
struct reservation *balance_rows_add(struct reservations *rows, struct uuid id);
void reservation_touch(struct reservation *row, uint64_t now_ns);
/* Gives it a chain, sent when the turn is durable; NULL: nothing is under way any more. */
void reservation_send(struct reservation *row, const struct chain *chain);
enum outcome balance_damaged(struct error *err);

/* --- holds.c: what the ledger says of reservations --- */
void reservation_send_hold(struct reservation *row);
void reservation_send_void(struct reservation *row);
void balance_answered(void *service, const struct ledger_answer *answer);

/* --- show.c --- */
/* The four sums as the API has them; false if they have more than 18 digits. */
struct shown_sums {
    struct amount posted, available, pending_out, pending_in;
};
bool balance_show_sums(const mp_balance *sums, const struct currency *currency,
                       struct shown_sums *out);
void balance_too_large(struct error *err);
void reservation_show(const struct reservation *row, struct reservation_body *out);
/* Answers, or waits for the ledger as long as the caller wants to. */
void reservation_wait(struct balances *service, struct http_exchange *exchange,
                      const struct reservation *row, bool replayed);
void reservation_tell(struct balances *service, const struct reservation *row);

/* --- handlers --- */
extern const struct http_route balance_routes[];
void balances_get(struct http_exchange *exchange);
void balances_history(struct http_exchange *exchange);
void reservations_create(struct http_exchange *exchange);
void reservations_list(struct http_exchange *exchange);
void reservations_get(struct http_exchange *exchange);
void reservations_release(struct http_exchange *exchange);
/* value.c: the balance by value date. */
void balance_by_value(struct http_exchange *exchange, const struct known_account *account,
                      uint64_t at_ns);
void balance_scans_end(struct balances *service);

#endif
