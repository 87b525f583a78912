/*
 * What the oracle keeps, for its own sources: a table of accounts, one of transfers, and the
 * history of changes, all in the order in which they were applied and never shortened but by an
 * undone chain.
 */
#ifndef MICROPAY_ORACLE_STATE_H
#define MICROPAY_ORACLE_STATE_H

#include "oracle.h"

enum { NONE = UINT32_MAX };

#define TIME_MAX      ((uint64_t)INT64_MAX)
#define NS_PER_SECOND UINT64_C(1000000000)

struct account {
    mp_account created; /* as it was created, with its time; its sums are 0 for ever */
    uint16_t flags;     /* as of now */
    mp_balance balance;
    uint64_t sequence;
};

enum state {
    NO_RESERVATION = 0,
    OPEN,
    POSTED,
    VOIDED,
    EXPIRED,
};

/* What becomes of a transfer after it was recorded. */
struct fate {
    enum state state;
    mp_amount left;     /* what is reserved; once it has ended: what was left just before */
    uint64_t expires;   /* 0 = never */
    mp_amount reversed; /* sum of its reversals */
};

/* A transfer as recorded; never changes. */
struct transfer {
    mp_transfer record;
    uint32_t debit, credit; /* accounts, by number */
    uint32_t origin;        /* the reservation, or the transfer reversed; else NONE */
    mp_amount left_before;  /* of the reservation: a post or void */
};

/* Something that has taken an id. */
enum holder { ACCOUNT, TRANSFER, UPDATE, BOUND };

struct id_entry {
    mp_id id;
    enum holder holder;
    uint32_t number;     /* of the account, transfer or change (of an update) */
    uint32_t bound_code; /* BOUND: the refusal */
    uint32_t next;       /* of the same bucket */
    uint64_t sequence;
};

enum { BUCKETS = 1 << 16 };

struct id_table {
    struct id_entry *entries;
    uint32_t count, room;
    uint32_t buckets[BUCKETS];
};

/* A line of the history: what a caller sees, and the accounts by number. */
struct change {
    mp_change seen;
    uint32_t debit, credit; /* credit: NONE for an account update */
};

/* What a broken chain has to bring back. */
struct snapshot {
    struct account *accounts;
    struct fate *fates;
    uint32_t account_count, transfer_count, change_count, account_id_count, id_count;
    uint64_t newest_account, newest_transfer, newest_change, sequence;
    uint64_t updates;
};

struct oracle {
    struct account *accounts;
    struct transfer *transfers;
    struct fate *fates; /* one for each transfer */
    struct change *changes;
    uint32_t account_count, account_room;
    uint32_t transfer_count, transfer_room, fate_room;
    uint32_t change_count, change_room;
    struct id_table account_ids, ids;
    uint64_t newest_account; /* times of the newest of each, however stamped */
    uint64_t newest_transfer;
    uint64_t newest_change; /* transfer, expiry or account update */
    uint64_t last;          /* the last time given to any event, refused ones included */
    uint64_t sequence;
    uint64_t expiries, updates, bound;
};

/* Where an event stands: what its checks may know besides the state. */
struct place {
    uint64_t first; /* time of the batch's first event */
    uint64_t now;   /* this event's own */
    bool imported;  /* the batch is */
};

/* Makes room for one more element; returns the array. */
void *oracle_room(void *array, uint32_t count, uint32_t *room, size_t size);

struct id_entry *oracle_id_find(const struct id_table *table, mp_id id);
struct id_entry *oracle_id_take(struct id_table *table, mp_id id, enum holder holder,
                                uint32_t number);
void oracle_id_cut(struct id_table *table, uint32_t count);

/* Number of an account or transfer, or NONE. */
uint32_t oracle_account_number(const struct oracle *o, mp_id id);
uint32_t oracle_transfer_number(const struct oracle *o, mp_id id);

/* One event each: checks it, applies it if nothing is against it, and says what became of it. */
uint32_t oracle_account_create(struct oracle *o, const mp_account *event, const struct place *place,
                               mp_result *result);
uint32_t oracle_account_update(struct oracle *o, const mp_account_update *event,
                               const struct place *place, mp_result *result);
uint32_t oracle_transfer_create(struct oracle *o, const mp_transfer *event,
                                const struct place *place, mp_result *result);

/* How a transfer compares with the one recorded under its id. */
uint32_t oracle_transfer_exists(const struct oracle *o, const mp_transfer *event, uint32_t number);

/* Whether a transfer has one of some flags. */
static inline bool has_flag(const mp_transfer *transfer, unsigned flags)
{
    return (transfer->flags & flags) != 0;
}

/* Whether flags go together. */
bool oracle_flags_agree(unsigned flags);

/* A transfer that passed all checks. Fills in time and sequence of the result. */
void oracle_transfer_record(struct oracle *o, const struct transfer *transfer, mp_change_type type,
                            uint64_t time, mp_result *result);
/* Appends a change of two accounts (or one) as they stand now; returns it. */
mp_change *oracle_change_record(struct oracle *o, mp_change_type type, uint32_t debit,
                                uint32_t credit, uint64_t time);

/* Checks shared by all that moves money between two accounts; 0 = nothing against it. */
uint32_t oracle_check_closed_frozen(const struct oracle *o, uint32_t debit, uint32_t credit);
uint32_t oracle_check_sums(const struct oracle *o, uint32_t debit, uint32_t credit,
                           mp_amount amount, bool pending);
uint32_t oracle_check_limits(const struct oracle *o, uint32_t debit, uint32_t credit,
                             mp_amount amount);
uint32_t oracle_check_imported_time(const struct oracle *o, const mp_transfer *event);
bool oracle_timeout_overflows(uint64_t time, uint32_t timeout);

/* The kinds that refer to an earlier transfer, behind flags and idempotency */
uint32_t oracle_reservation_settle(struct oracle *o, const mp_transfer *event,
                                   const struct place *place, mp_result *result);
uint32_t oracle_reservation_increase(struct oracle *o, const mp_transfer *event,
                                     const struct place *place, mp_result *result);
uint32_t oracle_transfer_reverse(struct oracle *o, const mp_transfer *event,
                                 const struct place *place, mp_result *result);

/* Ends a reservation in a state; undoes its closing flags where a void or expiry does. */
void oracle_reservation_end(struct oracle *o, uint32_t number, enum state state);

#define REFUSE_IF(condition, NAME)                                                                 \
    do {                                                                                           \
        if (condition) return MP_TRANSFER_##NAME;                                                  \
    } while (0)

/* Returns a refusal found by a helper. */
#define REFUSE_BY(check)                                                                           \
    do {                                                                                           \
        uint32_t refusal_ = (check);                                                               \
        if (refusal_ != 0) return refusal_;                                                        \
    } while (0)

#endif
