/*
 * What is told of balances, from the ledger's log: account.balance.reserved and .released of each
 * hold, and account.balance.updated of each wallet, its newest a block.
 *
 * The events follow from the log alone: the same blocks give the same events with the same ids and
 * numbers (made of the ledger's sequence), however often they are read. So they go onto the bus
 * directly, without an outbox, and only then is stored how far the log was told; after a crash
 * between the two they are told again as the repeats that they are. The source is
 * "/balance/16/TIMELINE", beside the outbox's lanes.
 *
 * Of each wallet must be known whose it is. The journal waits for news of one that isn't known; one
 * of which nothing is heard for a while was made in bulk, and is remembered as nobody's. What a
 * final capture leaves free is told by the payment's own events; a refused hold leaves no record.
 *
 * On the loop's thread.
 */
#ifndef BALANCE_JOURNAL_H
#define BALANCE_JOURNAL_H

#include "balance.h"

enum { JOURNAL_LANE = OUTBOX_LANES, JOURNAL_PARTITIONS = 16 };

/* An account of the ledger, as the journal knows it. */
enum holder_state {
    HOLDER_SYSTEM,  /* no wallet: nobody is told of it */
    HOLDER_UNKNOWN, /* a wallet; whose is still to be found out */
    HOLDER_KNOWN,
    HOLDER_NOBODY, /* a wallet that nobody has told of */
};
struct holder {
    mp_id id;
    enum holder_state state;
    struct known_account account;
    uint64_t block; /* the last in which it was updated, */
    unsigned fact;  /* and by which fact */
    struct holder *same_bucket;
    struct holder *next; /* of those that are wanted in this batch */
    bool wanted;
};

enum fact_kind { FACT_RESERVED, FACT_RELEASED, FACT_UPDATED };

/* What becomes an event, if its holder is known. */
struct fact {
    enum fact_kind kind;
    struct holder *holder;
    uint64_t number;    /* the event's, of its lane */
    uint64_t timestamp; /* the ledger's */
    uint64_t sequence;
    mp_u128 payment;     /* RESERVED, RELEASED */
    mp_amount amount;    /* RESERVED, RELEASED */
    uint64_t expires_ns; /* RESERVED; 0 = never */
    bool expired;        /* RELEASED */
    mp_balance sums;     /* UPDATED */
};

/* A batch goes through these in turn. */
enum journal_state {
    JOURNAL_IDLE,
    JOURNAL_FINDING,    /* a piece of work looks whose the wallets are */
    JOURNAL_WAITING,    /* for news of some, or before something that failed is tried again */
    JOURNAL_PUBLISHING, /* the bus has the events */
    JOURNAL_STORING,    /* a piece of work stores how far it is */
};

enum { HOLDER_BUCKETS = 4096, HOLDERS_MAX = 65536 };

struct journal {
    struct balances *service;
    struct loop *loop;
    enum journal_state state;
    bool closed;
    char source[SOURCE_MAX + 1];
    struct loop_task task;
    struct ledger_follower follower;
    struct loop_timer timer;
    void (*again)(struct journal *journal); /* what the timer does */

    mp_log *log;
    mp_record ahead; /* read, but of the next batch */
    bool has_ahead, at_end;
    uint64_t position;                  /* where the next block begins at the earliest, */
    uint64_t began;                     /* and where the first one of this batch did */
    uint64_t stored;                    /* what the database has */
    uint64_t seen;                      /* the end of the log when it was read last */
    uint64_t tails[JOURNAL_PARTITIONS]; /* number of the last event of each */
    uint64_t tails_before[JOURNAL_PARTITIONS];

    struct holder *holders[HOLDER_BUCKETS];
    unsigned holder_count;
    struct holder *wanted;    /* unknown, and needed for this batch */
    uint64_t wanted_since_ns; /* 0 = nothing was waited for yet */

    struct fact *facts;
    unsigned fact_count, fact_room, block_first; /* facts from there are of the block being read */

    struct work work;
    struct message *messages;
    unsigned message_count, unconfirmed;
    bool failed; /* the bus gave one back */
};

enum outcome journal_open(struct balances *service, struct journal **out,
                          struct error *err) MUST_USE;
/* Nothing is told any more. Freed once the bus has nothing of it; NULL is allowed. */
void journal_close(struct journal *journal);

/* --- journal_read.c --- */
/* Reads whole blocks until they make a batch, or there are no more. False: the log can't be read
 * now. */
bool journal_gather(struct journal *journal);
void journal_forget_batch(struct journal *journal);
void journal_free_holders(struct journal *journal);

/* --- journal_tell.c --- */
/* Publishes the batch; `told` is called once all is confirmed or something failed. */
void journal_publish(struct journal *journal, void (*told)(struct journal *journal));
bool journal_read_tails(struct journal *journal, const char *text);
void journal_print_tails(const struct journal *journal, char *out, size_t size);
void journal_free_messages(struct journal *journal);

#endif
