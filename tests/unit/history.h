/*
 * Random histories: batches that look for trouble. A seed gives the same batches everywhere, as
 * long as the results are the same.
 */
#ifndef MICROPAY_TEST_HISTORY_H
#define MICROPAY_TEST_HISTORY_H

#include <micropay/ledger.h>

/* What a history is like; percentages unless said otherwise. */
struct history_profile {
    unsigned accounts; /* how many, about */
    unsigned batch;    /* events at most */
    unsigned wide;     /* amounts of 63 bits and more */
    unsigned linked;   /* events chained to the next */
    unsigned pending;  /* reservations among the moves, and what resolves them */
    unsigned timeouts; /* reservations that expire */
    unsigned imported; /* batches */
    unsigned updates;  /* batches */
    unsigned retries;  /* events sent before, as they were or with a field changed */
    unsigned odd;      /* events with a mistake in them */
    unsigned seconds;  /* the clock's steps at most */
};

void history_begin(uint64_t seed, const struct history_profile *profile);

/* Moves the clock and submits a batch. */
void history_step(void);

uint64_t history_dice(uint64_t sides);

#endif
