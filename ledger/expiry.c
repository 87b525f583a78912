/* The order in which reservations expire: by (expires, made), exactly. How is told in
 * reservations.h.
 *
 * Lists are numbered: the wheel's by slot, then the radix heaps' by slot's lowest bit, level and
 * digit, then the three others. A list of the heap holds what differs from `popped` (or, in the
 * next slot's heap, from the slot's beginning) first in the level's six bits, where it has the
 * digit. */
#include "reservations.h"

enum {
    SLOT_SHIFT = 36, /* ns in a slot of the wheel: 2^36 */
    DIGIT_BITS = 6,
    NEAR_FIRST = EXPIRY_WHEEL,
    NEAR_LISTS = EXPIRY_LEVELS * EXPIRY_DIGITS,
    LIST_DUE = NEAR_FIRST + 2 * NEAR_LISTS,
    LIST_LATE,
    LIST_FAR,
    AHEAD_MAX = 4096, /* entries of the next slot that are split at once */
};
_Static_assert(EXPIRY_LEVELS *DIGIT_BITS == SLOT_SHIFT, "");

mp_status expiry_open(struct reservations *reservations, struct memory *memory)
{
    return arena_reserve(&reservations->expiry.wheel, memory, EXPIRY_WHEEL * sizeof(uint32_t),
                         "the wheel of expiries");
}

void expiry_close(struct reservations *reservations) { arena_free(&reservations->expiry.wheel); }

static uint64_t wheel_slot(uint64_t time) { return time >> SLOT_SHIFT; }

/* --- lists --- */

static uint32_t *head_of(struct expiry *expiry, uint32_t list)
{
    if (list < EXPIRY_WHEEL) return (uint32_t *)(void *)expiry->wheel.base + list;
    if (list < LIST_DUE) {
        uint32_t index = list - NEAR_FIRST;

        return &expiry->near[index / NEAR_LISTS][index % NEAR_LISTS / EXPIRY_DIGITS]
                            [index % EXPIRY_DIGITS];
    }
    return list == LIST_DUE ? &expiry->due : list == LIST_LATE ? &expiry->late : &expiry->far;
}

/* Keeps the bit that says whether a list is empty. */
static void mark(struct expiry *expiry, uint32_t list, bool used)
{
    uint64_t *word;

    if (list < EXPIRY_WHEEL) {
        word = &expiry->wheel_used[list / 64];
    } else if (list < LIST_DUE) {
        uint32_t index = list - NEAR_FIRST;

        word = &expiry->near_used[index / NEAR_LISTS][index % NEAR_LISTS / EXPIRY_DIGITS];
    } else {
        return;
    }
    *word = (*word & ~(1ull << list % 64)) | (uint64_t)used << list % 64;
    if (list < EXPIRY_WHEEL) {
        uint32_t bit = list / 64;
        uint64_t *words = &expiry->wheel_words[bit / 64];

        *words = (*words & ~(1ull << bit % 64)) | (uint64_t)(*word != 0) << bit % 64;
    }
}
_Static_assert(EXPIRY_DIGITS == 64 && NEAR_FIRST % 64 == 0, "a list's number modulo 64 is its bit");

static void link_to(struct reservations *reservations, uint32_t slot, uint32_t list)
{
    struct reservation *reservation = reservation_at(reservations, slot);
    uint32_t *head = head_of(&reservations->expiry, list);

    MP_ASSERT(reservation->list == EXPIRY_NONE);
    reservation->list = list;
    reservation->previous = SLOT_NONE;
    reservation->next = *head - 1; /* SLOT_NONE if empty */
    if (*head != 0) {
        reservation_at(reservations, *head - 1)->previous = slot;
    } else {
        mark(&reservations->expiry, list, true);
    }
    *head = slot + 1;
}

void expiry_remove(struct reservations *reservations, uint32_t slot)
{
    struct reservation *reservation = reservation_at(reservations, slot);
    uint32_t list = reservation->list;

    if (list == EXPIRY_NONE) return;
    if (reservation->next != SLOT_NONE)
        reservation_at(reservations, reservation->next)->previous = reservation->previous;
    if (reservation->previous != SLOT_NONE) {
        reservation_at(reservations, reservation->previous)->next = reservation->next;
    } else {
        MP_ASSERT(*head_of(&reservations->expiry, list) == slot + 1);
        *head_of(&reservations->expiry, list) = reservation->next + 1;
        if (reservation->next == SLOT_NONE) mark(&reservations->expiry, list, false);
    }
    reservation->list = EXPIRY_NONE;
}

/* The list within a wheel's slot for what expires at `time`, `from` being the slot's beginning or
 * `popped`. */
static uint32_t near_list(uint64_t time, uint64_t from)
{
    uint32_t level = time == from ? 0 : (63 - (uint32_t)__builtin_clzll(time ^ from)) / DIGIT_BITS;
    uint32_t digit = (uint32_t)(time >> level * DIGIT_BITS) % EXPIRY_DIGITS;

    MP_ASSERT(time >= from && level < EXPIRY_LEVELS);
    return NEAR_FIRST + (uint32_t)(wheel_slot(time) % 2) * NEAR_LISTS + level * EXPIRY_DIGITS +
           digit;
}

void expiry_insert(struct reservations *reservations, uint32_t slot)
{
    struct expiry *expiry = &reservations->expiry;
    uint64_t expires = reservation_at(reservations, slot)->expires;
    uint64_t away = wheel_slot(expires) - wheel_slot(expiry->popped);
    uint32_t list;

    MP_ASSERT(expires != 0 &&
              atomic_load_explicit(&expiry->wheel.committed, memory_order_relaxed) != 0);
    if (expires <= expiry->popped) {
        list = LIST_LATE;
    } else if (away == 0) {
        list = near_list(expires, expiry->popped);
    } else if (away < EXPIRY_WHEEL) {
        list = (uint32_t)(wheel_slot(expires) % EXPIRY_WHEEL);
    } else {
        if (expiry->far == 0) expiry->far_slot = wheel_slot(expiry->popped);
        list = LIST_FAR;
    }
    link_to(reservations, slot, list);
}

/* Empties a list and inserts what was in it anew, which puts it elsewhere since `popped` has grown.
 */
static void split(struct reservations *reservations, uint32_t list)
{
    uint32_t *head = head_of(&reservations->expiry, list);
    uint32_t slot = *head - 1;

    if (*head == 0) return;
    *head = 0;
    mark(&reservations->expiry, list, false);
    while (slot != SLOT_NONE) {
        struct reservation *reservation = reservation_at(reservations, slot);
        uint32_t next = reservation->next;

        if (next != SLOT_NONE) PREFETCH_WRITE(reservation_at(reservations, next));
        reservation->list = EXPIRY_NONE;
        expiry_insert(reservations, slot);
        slot = next;
    }
}

/* --- sorting --- */

static bool is_before(const struct reservation *a, const struct reservation *b)
{
    if (a->expires != b->expires) return a->expires < b->expires;
    return load_48(a->made) < load_48(b->made);
}

/* Merges two sorted lists, linked by `next` alone. */
static uint32_t merge(struct reservations *reservations, uint32_t a, uint32_t b)
{
    uint32_t first = SLOT_NONE, *end = &first;

    while (a != SLOT_NONE && b != SLOT_NONE) {
        uint32_t *from =
            is_before(reservation_at(reservations, b), reservation_at(reservations, a)) ? &b : &a;

        *end = *from;
        end = &reservation_at(reservations, *from)->next;
        *from = *end;
    }
    *end = a != SLOT_NONE ? a : b;
    return first;
}

/* Sorts what is late and merges it into what is due. */
static void settle(struct reservations *reservations)
{
    struct expiry *expiry = &reservations->expiry;
    uint32_t sorted[32], slot = expiry->late - 1, previous = SLOT_NONE, all;

    /* Runs of 1, 2, 4, ... entries, as a binary counter carries. */
    for (unsigned i = 0; i < 32; i++) sorted[i] = SLOT_NONE;
    while (slot != SLOT_NONE) {
        uint32_t run = slot;
        unsigned i = 0;

        slot = reservation_at(reservations, slot)->next;
        reservation_at(reservations, run)->next = SLOT_NONE;
        reservation_at(reservations, run)->list = LIST_DUE;
        for (; i < 31 && sorted[i] != SLOT_NONE; i++) {
            run = merge(reservations, sorted[i], run);
            sorted[i] = SLOT_NONE;
        }
        sorted[i] = sorted[i] == SLOT_NONE ? run : merge(reservations, sorted[i], run);
    }
    all = SLOT_NONE;
    for (unsigned i = 0; i < 32; i++) all = merge(reservations, sorted[i], all);
    expiry->late = 0;
    expiry->due = merge(reservations, all, expiry->due - 1) + 1;
    for (slot = expiry->due - 1; slot != SLOT_NONE;
         slot = reservation_at(reservations, slot)->next) {
        reservation_at(reservations, slot)->previous = previous;
        previous = slot;
    }
}

/* --- what is due --- */

/* The lowest list of a heap that isn't empty, and the time from which on its entries expire; false
 * if all are empty. */
static bool near_lowest(const struct expiry *expiry, uint64_t slot, uint64_t popped, uint32_t *list,
                        uint64_t *from)
{
    for (uint32_t level = 0; level < EXPIRY_LEVELS; level++) {
        uint64_t used = expiry->near_used[slot % 2][level];
        uint32_t shift = level * DIGIT_BITS, digit;

        if (used == 0) continue;
        digit = (uint32_t)__builtin_ctzll(used);
        *list = NEAR_FIRST + (uint32_t)(slot % 2) * NEAR_LISTS + level * EXPIRY_DIGITS + digit;
        *from = (popped >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS)) | (uint64_t)digit << shift;
        return true;
    }
    return false;
}

/* Number of the first slot behind `slot` in which something expires, far ones aside; UINT64_MAX
 * when there is none. */
static uint64_t wheel_next(const struct expiry *expiry, uint64_t slot)
{
    uint64_t next = slot + 1, used = expiry->wheel_used[next % EXPIRY_WHEEL / 64] >> next % 64;

    for (unsigned level = 0; level < EXPIRY_LEVELS; level++) {
        if (expiry->near_used[next % 2][level] != 0) return next;
    }
    if (used != 0) return next + (uint64_t)__builtin_ctzll(used);
    /* The last word is the first one again, for what lies before `next`. */
    for (uint64_t word = next / 64 + 1; word <= next / 64 + EXPIRY_WHEEL / 64;) {
        uint64_t index = word % (EXPIRY_WHEEL / 64),
                 words = expiry->wheel_words[index / 64] >> index % 64;

        if (words == 0) {
            word = (word / 64 + 1) * 64;
            continue;
        }
        index += (uint64_t)__builtin_ctzll(words);
        word += (uint64_t)__builtin_ctzll(words);
        used = expiry->wheel_used[index];
        if (used != 0) return word * 64 + (uint64_t)__builtin_ctzll(used);
        word++;
    }
    return UINT64_MAX;
}

/* Goes on to the next slot of the wheel with something in it, at most to `to`; false when nothing
 * is there. */
static bool wheel_advance(struct reservations *reservations, uint64_t to)
{
    struct expiry *expiry = &reservations->expiry;
    uint64_t slot = wheel_slot(expiry->popped), limit = to, next;

    if (to <= slot) return false;
    /* What is far lies at least a wheel's length behind where it was looked through. */
    if (expiry->far != 0) limit = min_u64(to, expiry->far_slot + EXPIRY_WHEEL - 1);
    next = wheel_next(expiry, slot);
    expiry->popped = min_u64(next, limit) << SLOT_SHIFT;
    if (next <= limit) split(reservations, (uint32_t)(next % EXPIRY_WHEEL));
    slot = wheel_slot(expiry->popped);
    if (expiry->far != 0 && slot - expiry->far_slot >= EXPIRY_WHEEL / 2) {
        expiry->far_slot = slot;
        split(reservations, LIST_FAR);
    }
    return next <= limit || limit < to;
}

/* Splits some of the next slot, so that its beginning finds little left to do. */
static void split_ahead(struct reservations *reservations)
{
    struct expiry *expiry = &reservations->expiry;
    uint64_t slot = wheel_slot(expiry->popped) + 1;
    uint32_t list = (uint32_t)(slot % EXPIRY_WHEEL);

    if ((expiry->wheel_used[list / 64] >> list % 64 & 1) == 0) return;
    for (uint32_t moved = 0; moved < AHEAD_MAX && *head_of(expiry, list) != 0; moved++) {
        uint32_t first = *head_of(expiry, list) - 1;

        expiry_remove(reservations, first);
        link_to(reservations, first,
                near_list(reservation_at(reservations, first)->expires, slot << SLOT_SHIFT));
    }
}

uint32_t expiry_due(struct reservations *reservations, uint64_t now)
{
    struct expiry *expiry = &reservations->expiry;

    for (;;) {
        uint32_t list;
        uint64_t from;

        if (expiry->late != 0) settle(reservations);
        if (expiry->due != 0) {
            const struct reservation *first = reservation_at(reservations, expiry->due - 1);

            if (first->expires > now) return SLOT_NONE;
            if (first->next != SLOT_NONE) PREFETCH_WRITE(reservation_at(reservations, first->next));
            return expiry->due - 1;
        }
        if (near_lowest(expiry, wheel_slot(expiry->popped), expiry->popped, &list, &from)) {
            if (from > now) break;
            MP_ASSERT(from >= expiry->popped);
            expiry->popped = from;
            split(reservations, list);
        } else if (!wheel_advance(reservations, wheel_slot(now))) {
            break;
        }
    }
    if (reservations->open > 0) split_ahead(reservations);
    return SLOT_NONE;
}

uint64_t expiry_next(const struct reservations *reservations)
{
    const struct expiry *expiry = &reservations->expiry;
    uint64_t from, slot = wheel_slot(expiry->popped), next = UINT64_MAX;
    uint32_t list;

    if (expiry->late != 0) return 0;
    if (expiry->due != 0) return reservation_at(reservations, expiry->due - 1)->expires;
    if (near_lowest(expiry, slot, expiry->popped, &list, &from)) return from;
    slot = wheel_next(expiry, slot);
    if (slot != UINT64_MAX) next = slot << SLOT_SHIFT;
    if (expiry->far != 0) next = min_u64(next, (expiry->far_slot + EXPIRY_WHEEL) << SLOT_SHIFT);
    return next;
}
