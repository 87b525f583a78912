/*
 * A world in which the payment's table is driven: the real engine in the simulated disk, the real
 * port, payments as they would be in a database, a network that loses, doubles, delays and
 * reorders, a process that dies at any point. All by one seed.
 */
#ifndef TESTS_SERVICES_PAYMENT_TABLE_H
#define TESTS_SERVICES_PAYMENT_TABLE_H

#include "payment.h"

#include "sim_env.h"
#include "support/test_loop.h"

enum { PAYMENTS_MAX = 6, WALLETS = 5, MESSAGES_MAX = 512, HISTORY_MAX = 64, ROWS_MAX = 80 };

/* What was told to the world about a payment, in order */
struct told {
    enum payment_event kind;
    int64_t captured, refunded;
};

struct message {
    enum { TO_LEDGER, FROM_LEDGER, FROM_FRAUD } kind;
    unsigned payment;
    uint64_t due_ns;
    struct chain chain;          /* TO_LEDGER */
    struct ledger_answer answer; /* FROM_LEDGER */
    enum verdict verdict;        /* FROM_FRAUD */
};

struct slot {
    struct payment *live; /* in the process's memory */
    struct payment *kept; /* as committed */
    struct told told[HISTORY_MAX];
    unsigned told_count;
    int64_t limit_amount; /* counted, and not given back */
    int limit_count;
};

struct world {
    uint64_t seed;
    struct sim *sim;
    struct loop *loop;
    mp_ledger *ledger;
    struct ledger_port *port;
    unsigned listener;
    uint64_t expiry_position; /* as committed */
    struct slot slots[PAYMENTS_MAX];
    unsigned slot_count;
    struct message *messages[MESSAGES_MAX];
    unsigned message_count;
    struct account_id wallets[WALLETS];
    bool frozen[WALLETS];
    bool healing; /* no more faults */
    unsigned alerts;
    unsigned crashes;
    uint64_t rows_taken[ROWS_MAX]; /* of the table, see table_rows.c */
    char problem[256];
    char stray[128]; /* the first status that changed by no row */
};

/* Runs a seed; 0 = all that must hold does, else world->problem says what doesn't. */
int table_run(struct world *world, const struct sim *image, uint64_t seed);
/* A disk with a ledger, its accounts and their money. */
struct sim *table_image(void);

/* table_check.c: recomputes everything from the ledger's log alone. */
bool table_check(struct world *world);
/* A payment has just ended: nothing may be reserved for it then, and not only once that expires. */
void table_check_end(struct world *world, unsigned number);

/* table_rows.c: which rows of the table were taken. Notes a step that was committed; world->stray
 * says if it moved the payment by none of them. */
void table_note(struct world *world, const struct payment *before,
                const struct payment_input *input, const struct payment *after);
/* Whether each row was taken, or is one that can't be; else `problem` names it. */
bool table_rows_taken(const uint64_t *taken, char *problem, size_t size);
void table_print_rows(const uint64_t *taken);

extern const struct books table_books;
struct account_id table_wallet(unsigned number);

__attribute__((format(printf, 2, 3))) bool table_fail(struct world *world, const char *format, ...);

#endif
