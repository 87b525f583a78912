/*
 * What was posted: records of the ledger's log, gathered into what there is to announce.
 *
 * The platform's chains (codes of its own) are one announcement each, made when the chain ends. All
 * else is bulk: of each block what was posted on a ledger number is one announcement, made when the
 * block ends, or before the next chain, so that announcements have rising sequences. Only records
 * decide, so whoever reads the log again gathers the same.
 */
#ifndef TRANSACTION_POSTED_H
#define TRANSACTION_POSTED_H

#include "ledger/catalogue.h"

enum posted_kind {
    POSTED_INTERNAL,  /* the payee has the money */
    POSTED_EXTERNAL,  /* it is in transit: its rail has to confirm it */
    POSTED_CONFIRMED, /* a rail has */
    POSTED_REVERSAL,
};

struct posted {
    enum posted_kind kind;
    const struct ledger_book *book;
    bool bulk;
    mp_id first;                   /* transfer: the transaction's id */
    mp_id debit, credit, reverses; /* of the first */
    mp_u128 payment;               /* 0 = none */
    uint32_t count;                /* transfers; 0 = nothing was posted */
    mp_amount amount;              /* that they move together */
    uint64_t effective_ns;         /* value date; 0 = none */
    uint64_t timestamp, sequence;  /* of the last */
};

enum { POSTED_GROUPS_MAX = 32 };

struct postings {
    struct catalogue *catalogue;
    void (*say)(void *context, const struct posted *posted);
    void *context;
    bool chained; /* within a chain */
    struct posted chain;
    uint64_t block;                          /* position of the one at hand */
    struct posted groups[POSTED_GROUPS_MAX]; /* bulk of that block, one a ledger number */
    unsigned group_count;
};

void postings_begin(struct postings *postings, struct catalogue *catalogue,
                    void (*say)(void *context, const struct posted *posted), void *context);
/* Takes the next record. */
void postings_take(struct postings *postings, const mp_record *record);
/* All that is durable was taken, so the block at hand has ended. */
void postings_end(struct postings *postings);
/* Whether all that was taken has been said. */
static inline bool postings_all_said(const struct postings *postings)
{
    return !postings->chained && postings->group_count == 0;
}

#endif
