/* Open reservations: a slab of slots, a table by id, and the order in which they expire.
 *
 * The order is by (expires, made), kept by a wheel and, within its current slot, by a radix heap;
 * both work because block time only grows. All are doubly linked lists through the slots, so insert
 * and remove are O(1) and a reservation moves at most eight times in its life. The wheel has 65,536
 * slots of 2^36 ns (69 s): 52 days; what expires later waits in a list of its own that is looked
 * through every 26 days. The radix heap splits a slot by six bits at a time, and only what comes
 * next; the next slot is split ahead of time, some thousand entries a call. */
#ifndef LEDGER_RESERVATIONS_H
#define LEDGER_RESERVATIONS_H

#include "slot_table.h"

enum reservation_state {
    RESERVATION_WIDE = 1 << 15
}; /* in `flags`: `left` is an index into the wide amounts */

struct reservation {
    mp_id id; /* 0 = free slot */
    mp_u128 user_data_128;
    uint64_t left_low; /* use reservation_left() */
    uint64_t user_data_64;
    uint64_t expires; /* ns; 0 = never */
    uint8_t made[6];  /* log position of the record that made it */
    uint8_t last[6];  /* log position of the newest record that touched it */
    uint32_t user_data_32;
    uint32_t debit_slot;
    uint32_t credit_slot;
    uint32_t previous, next; /* slots of the expiry list, or of the free list */
    uint16_t code;
    uint16_t flags; /* the pending transfer's (bits 0 to 12), and RESERVATION_WIDE */
    uint32_t list;  /* expiry list it stands in; EXPIRY_NONE */
};
_Static_assert(sizeof(struct reservation) == 96, "");
#define EXPIRY_NONE UINT32_MAX

enum { EXPIRY_WHEEL = 65536, EXPIRY_LEVELS = 6, EXPIRY_DIGITS = 64 };

/* Heads are the first slot + 1; 0 = empty list. */
struct expiry {
    /* all that expires at or before it is in `due` or `late`; never runs backwards */
    uint64_t popped;
    uint32_t due;      /* sorted */
    uint32_t late;     /* not sorted yet */
    uint32_t far;      /* beyond the wheel when it was last looked through */
    uint64_t far_slot; /* the wheel's slot at that time */
    /* The radix heaps of the wheel's current slot and the next, by the slot's lowest bit, with a
     * bit for each list. */
    uint32_t near[2][EXPIRY_LEVELS][EXPIRY_DIGITS];
    uint64_t near_used[2][EXPIRY_LEVELS];
    struct arena wheel; /* uint32_t heads */
    uint64_t wheel_used[EXPIRY_WHEEL / 64];
    uint64_t wheel_words[EXPIRY_WHEEL / 64 / 64]; /* which words of wheel_used aren't 0 */
};

struct reservations {
    struct arena slab; /* struct reservation */
    struct arena wide; /* mp_u128 amounts of wide reservations */
    struct slot_table table;
    const uint64_t *hash_secret;
    uint32_t slots;      /* ever used */
    uint32_t free_first; /* SLOT_NONE = none */
    uint32_t free_count;
    uint32_t wide_used;       /* ever used */
    uint32_t wide_free_first; /* list through the wide amounts; SLOT_NONE = none */
    uint64_t open;
    uint64_t max;
    struct expiry expiry;
};

/* `max` is cut to what 32-bit slots can number. */
MP_MUST_USE mp_status reservations_open(struct reservations *reservations, struct memory *memory,
                                        uint64_t max, const uint64_t *hash_secret);
void reservations_close(struct reservations *reservations);
/* Makes room for `more` new reservations, and for a batch of amounts that become wide; MP_LIMIT
 * when max or memory_max is reached. Between batches: before each that makes or increases a
 * reservation. */
MP_MUST_USE mp_status reservations_prepare(struct reservations *reservations, uint64_t more);

static inline struct reservation *reservation_at(const struct reservations *reservations,
                                                 uint32_t slot)
{
    return (struct reservation *)reservations->slab.base + slot;
}
void reservations_prefetch(const struct reservations *reservations,
                           uint64_t hash); /* the table's bucket */
uint32_t reservations_find(const struct reservations *reservations, mp_id id,
                           uint64_t hash); /* SLOT_NONE */
/* Takes a free slot, sets id and everything else 0 (list EXPIRY_NONE), enters it in the table;
 * `open` + 1. */
uint32_t reservations_add(struct reservations *reservations, mp_id id, uint64_t hash);
/* Takes a reservation out of table and expiry order; the slot's contents stay until
 * reservations_recycle. `open` - 1. Undo: reservations_restore (back into the table, and into the
 * expiry order if expires != 0). */
void reservations_remove(struct reservations *reservations, uint32_t slot);
void reservations_restore(struct reservations *reservations, uint32_t slot);
/* Gives a removed slot back to the free list (frees its wide amount). */
void reservations_recycle(struct reservations *reservations, uint32_t slot);

mp_amount reservation_left(const struct reservations *reservations,
                           const struct reservation *reservation);
/* Sets what is left; below 2^64 inline, else in a wide amount (room for it was made by
 * reservations_prepare). A wide amount is no part of the 96 bytes: who saves those for undo saves
 * reservation_left too and sets it back by this. */
void reservation_set_left(struct reservations *reservations, struct reservation *reservation,
                          mp_amount left);

/* --- expiry.c --- */

MP_MUST_USE mp_status expiry_open(struct reservations *reservations, struct memory *memory);
void expiry_close(struct reservations *reservations);
/* Into the expiry order by `expires` (not 0; may lie before the last time asked for: then it is due
 * at once) and `made`, neither of which may change while it is in it. */
void expiry_insert(struct reservations *reservations, uint32_t slot);
void expiry_remove(struct reservations *reservations, uint32_t slot); /* no-op when not in it */
/* The next reservation due at or before `now`, by (expires, made); SLOT_NONE when none. It stays in
 * the order until expiry_remove. */
uint32_t expiry_due(struct reservations *reservations, uint64_t now);
/* Earliest expiry, or a bound before it (for sleeping), which lies behind `now` once
 * expiry_due(now) has found none; UINT64_MAX when none. */
uint64_t expiry_next(const struct reservations *reservations);

#endif
