/*
 * A statement: the movements of one account, read straight from the ledger, a page at a time.
 *
 * Booked, it is the ledger's own order, and a page is read where it begins. By value date the order
 * is another: all movements are looked at, those of the page are kept and the balance before them
 * is summed. A page takes as many rounds of the loop as that needs, so that nobody else waits.
 */
#ifndef ACCOUNT_STATEMENT_H
#define ACCOUNT_STATEMENT_H

#include "account.h"

__extension__ typedef __int128 signed_sum;

/* Where a movement stands in a statement. */
struct statement_place {
    uint64_t time_ns; /* of booking, or the value date */
    uint64_t position;
};

struct statement_line {
    struct statement_place place;
    uint64_t booked_ns, effective_ns;
    mp_id payment, counterparty, transfer;
    uint16_t code;
    bool debit;
    mp_amount amount;
    signed_sum balance; /* after it */
};

struct statement {
    struct wallets *service;
    struct http_exchange *exchange;
    const struct currency *currency;
    struct uuid wallet;
    bool csv, effective, descending;
    uint64_t from_ns, to_ns; /* from <= t < to */
    bool goes_on;            /* behind a place */
    struct statement_place after;

    mp_statement *rows; /* NULL = the ledger has no such account yet */
    signed_sum sum;     /* by value date: of what lies before the page, or before its end */
    unsigned count, room;
    struct statement_line *lines; /* one more than the page, if there is more */
    struct loop_task task;
    struct statement *next, **link;
};

/* statement_show.c: answers with the lines. */
void account_statement_answer(struct statement *statement);

#endif
