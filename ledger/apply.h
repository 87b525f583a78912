/* The state machine: what accounts, reservations and ids become when events are applied.
 *
 * A deterministic function of state, input and time. Events are checked in the order of SEMANTICS
 * (docs/api.md), applied to the writer's lines, and their effects encoded into the open block. Room
 * for everything was made before. */
#ifndef LEDGER_APPLY_H
#define LEDGER_APPLY_H

#include "block_build.h"
#include "engine.h"
#include "fetch.h"

enum undo_kind {
    UNDO_LINE,        /* an account's line as it was */
    UNDO_ACCOUNT,     /* an account was added */
    UNDO_RESERVATION, /* a reservation as it was */
    UNDO_ADDED,       /* a reservation was added */
    UNDO_REMOVED,     /* a reservation was removed */
    UNDO_ID_INSERT,
    UNDO_ID_REPLACE,
};

struct undo {
    enum undo_kind kind;
    uint32_t slot;
    uint64_t hash;
    union {
        struct account_line line;
        struct reservation reservation;
        struct {
            enum id_tag tag;
            uint64_t position, to;
        } id;
    };
    uint64_t high[SUMS]; /* UNDO_LINE of a wide account */
};
enum { UNDO_PER_EVENT = 6 };

/* The writer's state while it applies. */
struct applier {
    struct mp_ledger *ledger;
    struct tail *tail;
    struct block block;
    struct fetch fetch; /* records read ahead from disk */

    /* the batch at hand */
    uint64_t batch_time; /* time of its first event */
    bool batch_imported;
    mp_result_sums *sums; /* NULL, or where the event at hand writes both accounts' sums */

    /* the chain at hand */
    bool in_chain;
    struct arena undo; /* struct undo */
    uint32_t undo_count;
    struct block block_before;
    struct newest newest_before;
    struct counters counters_before;
};

/* What a probe before applying has found, for each event of a batch. */
struct event_hint {
    uint64_t hash;       /* of the event's id */
    uint32_t debit_slot; /* SLOT_NONE = not found */
    uint32_t credit_slot;
};

/* An event's way through the checks: what becomes of it. */
struct outcome {
    uint32_t code; /* MP_CREATED or the refusal */
    uint32_t bound_code;
    uint64_t timestamp; /* of the object, when it isn't the event's */
    uint64_t sequence;
};
static inline struct outcome refused(uint32_t code) { return (struct outcome){.code = code}; }

/* --- apply_batch.c: chains, times, results --- */
void apply_accounts(struct applier *applier, const mp_account *events, uint32_t count,
                    uint64_t time, mp_result *results);
void apply_transfers(struct applier *applier, const mp_transfer *events, uint32_t count,
                     uint64_t time, const struct event_hint *hints, mp_result *results,
                     mp_result_sums *sums);
void apply_updates(struct applier *applier, const mp_account_update *events, uint32_t count,
                   uint64_t time, mp_result *results);
/* Releases what has expired at the block's time, at most `most`; returns how many. */
uint32_t apply_expiries(struct applier *applier, uint32_t most);
void apply_input_position(struct applier *applier, uint64_t source, uint64_t position);

/* Events that refer to a reservation. */
#define RESOLVES                                                                                   \
    (MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING | MP_TRANSFER_INCREASE_PENDING)

/* Brings in where a reservation is looked up, and where its end will be entered. */
PREFETCHES void prefetch_target(const struct applier *applier, const mp_transfer *event)
{
    const struct mp_ledger *ledger = applier->ledger;
    uint64_t hash = id_hash(ledger->accounts.hash_secret, event->pending_id);

    slot_table_prefetch(&ledger->reservations.table, hash);
    ids_prefetch_tag(&ledger->ids, hash, ID_CLOSED);
}

/* Then the reservation itself. */
PREFETCHES void prefetch_reservation(const struct applier *applier, const mp_transfer *event)
{
    const struct reservations *reservations = &applier->ledger->reservations;
    uint64_t hash = id_hash(applier->ledger->accounts.hash_secret, event->pending_id);
    struct slot_probe probe;
    uint32_t slot = slot_table_first(&reservations->table, hash, &probe);

    if (slot == SLOT_NONE) return;
    PREFETCH_WRITE(reservation_at(reservations, slot));
    PREFETCH_WRITE((uint8_t *)reservation_at(reservations, slot) + 64);
}

/* --- one event each --- */
struct outcome apply_account(struct applier *applier, const mp_account *event, uint64_t time);
struct outcome apply_transfer(struct applier *applier, const mp_transfer *event, uint64_t time,
                              const struct event_hint *hint);
struct outcome apply_post_or_void(struct applier *applier, const mp_transfer *event, uint64_t time,
                                  uint64_t hash);
struct outcome apply_increase(struct applier *applier, const mp_transfer *event, uint64_t time,
                              uint64_t hash);
struct outcome apply_reversal(struct applier *applier, const mp_transfer *event, uint64_t time,
                              uint64_t hash);
struct outcome apply_update(struct applier *applier, const mp_account_update *event, uint64_t time);
/* Writes the record that binds an id to its refusal. */
void apply_bound_id(struct applier *applier, mp_id id, uint64_t hash, uint32_t code, uint64_t time);

/* --- apply_post.c, shared --- */
/* Finds what a pending_id names. */
struct pending_target {
    uint32_t
        code; /* 0 = open; else the refusal for its state: not found, not pending, posted, ... */
    uint32_t slot; /* open: the reservation */
    uint64_t hash;
    uint32_t debit_slot, credit_slot;
    uint16_t transfer_code, flags;
    mp_amount left; /* open: now; closed: when it was closed */
};
struct pending_target pending_find(struct applier *applier, mp_id pending_id);
/* Checks 25 to 30: the target exists, is pending, and the event's accounts, ledger and code agree.
 */
uint32_t pending_check(struct applier *applier, const struct pending_target *target,
                       const mp_transfer *event);

/* --- apply_reversal.c, shared --- */
/* Log position of the newest reversal of a transfer and the sum reversed by it and those before; 0
 * = none. */
uint64_t reversal_newest(struct applier *applier, mp_id original, uint64_t hash,
                         mp_amount *reversed);

/* --- exists.c --- */
struct outcome exists_account(const struct applier *applier, const mp_account *event,
                              uint32_t slot);
/* 0 when the id is free; else exists, exists_with_different_*, id_already_failed. */
struct outcome exists_transfer(struct applier *applier, const mp_transfer *event, uint64_t hash);
struct outcome exists_update(struct applier *applier, const mp_account_update *event,
                             uint64_t hash);
/* The record that bears an id; false when there is none. */
bool find_object(struct applier *applier, mp_id id, uint64_t hash, struct record_view *view);

/* --- effects.c: what every effect does --- */
/* Remembers for undo, within a chain. */
void undo_line(struct applier *applier, uint32_t slot);
void undo_reservation(struct applier *applier, uint32_t slot);
struct undo *undo_push(struct applier *applier, enum undo_kind kind);
void chain_begin(struct applier *applier);
void chain_commit(struct applier *applier);
void chain_undo(struct applier *applier);

uint32_t check_closed(const struct account_line *debit, const struct account_line *credit);
uint32_t check_frozen(const struct account_line *debit, const struct account_line *credit);
/* 47 to 52, for an amount that is added. */
uint32_t check_overflow(const struct sums *debit, const struct sums *credit, mp_amount amount,
                        bool pending);
/* 54, 55. */
uint32_t check_limits(const struct account_line *debit, const struct account_line *credit,
                      const struct sums *debit_sums, const struct sums *credit_sums,
                      mp_amount amount);
/* 60 for an imported transfer. */
uint32_t check_imported_time(const struct applier *applier, uint64_t timestamp);

/* A transfer or expiry about to be written. */
struct effect {
    uint8_t kind;
    mp_id id;
    uint64_t hash;
    uint32_t debit_slot, credit_slot;
    mp_amount amount;
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t timeout;
    uint16_t code, flags;
    uint64_t timestamp;
    /* reservation extension */
    mp_id pending_id; /* 0 = no extension */
    mp_amount left;
    mp_amount released;
    uint8_t inherited;
    /* reversal extension */
    mp_amount reversed;
    uint64_t original; /* log position; 0 = no extension */
};
/* Encodes the record with both accounts' sums (already applied to their lines), sets their last
 * position, enters the id. Returns the log position; *sequence is the record's. */
uint64_t effect_write(struct applier *applier, const struct effect *effect,
                      const struct sums *debit, const struct sums *credit, uint64_t *sequence);
/* The same for a plain transfer with amount and sums below 2^63, sums as the lines have them. */
void effect_write_narrow(struct applier *applier, const mp_transfer *event, uint64_t time,
                         const struct event_hint *hint, uint64_t *sequence);

#endif
