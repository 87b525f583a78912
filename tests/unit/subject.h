/*
 * What a case is played to: the oracle, the engine, a second handle that only reads. All behind one
 * table, so that the same case asks all of them, and what they say is compared.
 *
 * Times are given: every call that writes gets the clock, which stands still during the call.
 */
#ifndef MICROPAY_TEST_SUBJECT_H
#define MICROPAY_TEST_SUBJECT_H

#include <micropay/ledger.h>
#include <micropay/query.h>

struct subject {
    const char *name;
    bool reads_only; /* takes no batches, and is asked only while it is up to date */

    void (*open)(uint64_t clock_ns);  /* a fresh ledger; for a reader: the writer's, as it stands */
    void (*close)(uint64_t clock_ns); /* and forget it */
    void (*reopen)(uint64_t clock_ns);
    void (*idle)(uint64_t clock_ns); /* releases all that is due, and seals */

    mp_status (*create_accounts)(uint64_t clock_ns, const mp_account *events, uint32_t count,
                                 mp_result *results);
    mp_status (*create_transfers)(uint64_t clock_ns, const mp_transfer *events, uint32_t count,
                                  mp_result *results, mp_result_sums *sums);
    mp_status (*update_accounts)(uint64_t clock_ns, const mp_account_update *events, uint32_t count,
                                 mp_result *results);

    mp_status (*balance)(mp_id account, mp_balance *out);
    mp_status (*balance_at)(mp_id account, uint64_t at_ns, mp_balance *out);
    mp_status (*lookup_accounts)(const mp_id *ids, uint32_t count, mp_account *out,
                                 uint32_t *found);
    mp_status (*lookup_transfers)(const mp_id *ids, uint32_t count, mp_transfer *out,
                                  uint32_t *found);
    mp_status (*account_transfers)(const mp_account_filter *filter, mp_transfer *out,
                                   uint32_t *count);
    mp_status (*account_balances)(const mp_account_filter *filter, mp_account_balance *out,
                                  uint32_t *count);
    mp_status (*query_accounts)(const mp_query_filter *filter, mp_account *out, uint32_t *count);
    mp_status (*query_transfers)(const mp_query_filter *filter, mp_transfer *out, uint32_t *count);
    mp_status (*changes)(const mp_change_filter *filter, mp_change *out, uint32_t *count);
    mp_status (*statement)(const mp_account_filter *filter, unsigned flags, mp_statement_row *rows,
                           uint32_t max, uint32_t *count);
    void (*stats)(mp_stats *out);
    /* How often a batch was put aside so far, until records had been read: the block that was begun
     * for it went ahead with what had expired. NULL = that doesn't happen here. */
    uint64_t (*waits)(void);
};

enum { SUBJECTS_MAX = 4 };

/* Ends with NULL; the first is the oracle, by which the others are judged. Which others:
 * subject_engine.c says. */
extern const struct subject *const subjects[SUBJECTS_MAX];

extern const struct subject subject_oracle;

/* The oracle's own state, for tests that look for likely targets. */
struct oracle;
struct oracle *subject_oracle_state(void);

#endif
