/*
 * What the files of the transaction service share. It hosts the ledger's writer: takes transfers in
 * bulk, shows what the ledger has, reverses transactions, and announces what was posted by
 * following the ledger's own log.
 */
#ifndef TRANSACTION_TRANSACTION_H
#define TRANSACTION_TRANSACTION_H

#include "bodies.h"
#include "http/waiting.h"
#include "ledger/catalogue.h"
#include "ledger/place.h"
#include "ledger/port.h"
#include "ledger/resend.h"
#include "runtime/service.h"
#include "store/turn.h"
#include "transaction_settings.h"

struct asking;
struct bulk;
struct follow;
struct scan;

struct transactions {
    struct turns *turns; /* first, as runtime/dead_letters.h asks */
    const struct service_context *context;
    const struct transaction_settings *settings;
    mp_ledger *ledger; /* for reading */
    struct catalogue *catalogue;
    struct places *places;
    struct follow *follow;
    struct bulk *bulks; /* under way */
    unsigned bulk_count;
    struct scan *scans; /* under way */

    unsigned listener;
    struct resend *resend;
    struct waiting *waiting;
    struct asking *made; /* in the turn that runs */
    bool broken;         /* a stored chain can't be read */

    void (*drained)(void *context); /* NULL = it is not draining */
    void *drained_context;
    bool turns_drain;
    uint64_t write_us[MP_HISTOGRAM_BUCKETS]; /* the ledger's, as metrics have them */
};

static inline struct books books_of(const struct caller *caller)
{
    struct books books = {.live = caller->live};

    __builtin_memcpy(books.tenant, caller->tenant, sizeof books.tenant);
    return books;
}
/* The books of a ledger number, if they are the caller's; else NULL. */
const struct ledger_book *book_of(const struct transactions *service, const struct caller *caller,
                                  uint32_t number);

/* --- bulk.c --- */
void bulk_create(struct http_exchange *exchange);
/* The service stops: what is under way ends by itself and answers nobody. */
void bulk_stop(struct transactions *service);

/* --- show.c --- */
void transaction_show(const mp_transfer *transfer, const struct ledger_book *book,
                      struct transaction_body *out);
void journal_show(const mp_change *change, const struct ledger_book *book,
                  struct journal_entry *out);
void ledger_sums_show(const mp_balance *balance, struct ledger_sums *out);

/* --- reads.c: what is found by its id --- */
void transactions_get(struct http_exchange *exchange);
void ledgers_list(struct http_exchange *exchange);

/* --- list.c, journal.c: what is found by looking through the ledger, a piece at a time --- */
void transactions_list(struct http_exchange *exchange);
void journal_list(struct http_exchange *exchange);

/*
 * A look through the ledger's records for a request, in pieces between which the loop does other
 * things. `look` looks at the next piece and answers when it has enough or comes to the end: then
 * it says false.
 */
struct scan {
    struct transactions *service;
    struct http_exchange *exchange;
    bool (*look)(struct scan *scan);
    uint64_t looked; /* records so far */
    struct loop_task task;
    struct scan *next;
};
/* Takes over `scan`, which was allocated, and frees it at the end. */
void scan_begin(struct scan *scan, struct http_exchange *exchange, bool (*look)(struct scan *scan));
void scan_stop(struct transactions *service);

/* --- reversals.c --- */
void reversals_create(struct http_exchange *exchange);
void reversals_get(struct http_exchange *exchange);
void reversals_begin(void *service, struct turn *turn); /* hook */
enum outcome reversals_start(struct transactions *service, struct error *err) MUST_USE;

/* --- follow.c --- */
enum outcome follow_start(struct transactions *service, struct follow **out,
                          struct error *err) MUST_USE;
/* Reads no further, and stores how far it is; service_idle() is called as it comes closer. */
void follow_drain(struct follow *follow);
bool follow_is_idle(const struct follow *follow);
/* False, and why, if the log can't be read. */
bool follow_ready(const struct follow *follow, struct error *err);
/* Records that are not announced yet. */
uint64_t follow_lag(const struct follow *follow);
void follow_stop(struct follow *follow); /* NULL is allowed */

/* --- service.c --- */
/* Something has come to its end: while draining it looks whether all has. */
void service_idle(struct transactions *service);

extern const struct http_route transaction_routes[];

#endif
