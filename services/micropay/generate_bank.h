/*
 * A made-up bank: customers, its own accounts behind them, and movements drawn from a seed. The
 * same settings give the same movements on every machine. Customers never go below zero. One
 * thread.
 */
#ifndef COMMAND_GENERATE_BANK_H
#define COMMAND_GENERATE_BANK_H

#include <micropay/micropay.h>

enum {
    BANK_CUSTOMERS_MAX = 1000000000, /* ids 1 to the number of customers */
    BANK_HOLDS_MAX = 256,            /* reservations open at once */
};

/* The bank's own accounts lie behind all customers: their ids are this plus enum bank_account. */
#define BANK_ACCOUNT_BASE UINT64_C(1000000000)

enum bank_account {
    BANK_CASH = 1,
    BANK_CARDS,
    BANK_INTEREST,
    BANK_FEES,
    BANK_LOANS,
    BANK_OTHER_BANKS
};

struct bank_settings {
    uint64_t movements, customers, seed;
    uint64_t start_ns,
        length_ns; /* of the books; movements are spread over it, at least 4 ns apart */
    bool live;     /* no dates: the clock will stamp them */
    bool reservations;
    mp_id first_id;
};

/* A reservation that is neither captured nor released */
struct bank_hold {
    mp_id id;
    uint64_t customer; /* index */
    uint64_t amount;   /* what is left */
};

struct bank {
    struct bank_settings settings;
    uint64_t state[4];     /* of the random numbers */
    uint64_t made, opened; /* movements made; customers that have an account */
    uint64_t *available;   /* of each customer */
    struct bank_hold holds[BANK_HOLDS_MAX];
    unsigned hold_first, hold_count;
};

/* False without memory. Settings must make sense: at least one customer, at most
 * BANK_CUSTOMERS_MAX. */
bool bank_begin(struct bank *bank, const struct bank_settings *settings);
void bank_end(struct bank *bank);

/* Draws the next movement. */
void bank_next(struct bank *bank, mp_transfer *out);

#endif
