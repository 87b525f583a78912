/* Open reservations: slots, their table, wide amounts. Their order of expiry is in expiry.c. */
#include "reservations.h"

#include "hash.h"

#include <inttypes.h>

/* Slots beyond `max`: those removed within a batch and not yet given back. */
enum { SLOTS_EXTRA = 2 * MP_BATCH_MAX };

mp_status reservations_open(struct reservations *reservations, struct memory *memory, uint64_t max,
                            const uint64_t *hash_secret)
{
    uint64_t slots;
    mp_status status;

    *reservations = (struct reservations){
        .hash_secret = hash_secret,
        .free_first = SLOT_NONE,
        .wide_free_first = SLOT_NONE,
        .max = min_u64(max, SLOT_NONE - SLOTS_EXTRA - 1),
    };
    slots = reservations->max + SLOTS_EXTRA;
    status = arena_reserve(&reservations->slab, memory, slots * sizeof(struct reservation),
                           "reservations");
    if (status == MP_OK) {
        status = arena_reserve(&reservations->wide, memory, slots * sizeof(mp_u128),
                               "wide reservations");
    }
    if (status == MP_OK) {
        status = slot_table_open(&reservations->table, memory, reservations->max,
                                 "the table of reservations");
    }
    if (status == MP_OK) status = expiry_open(reservations, memory);
    if (status != MP_OK) reservations_close(reservations);
    return status;
}

void reservations_close(struct reservations *reservations)
{
    expiry_close(reservations);
    slot_table_close(&reservations->table);
    arena_free(&reservations->wide);
    arena_free(&reservations->slab);
    *reservations = (struct reservations){0};
}

mp_status reservations_prepare(struct reservations *reservations, uint64_t more)
{
    uint64_t slots = reservations->slots +
                     (more > reservations->free_count ? more - reservations->free_count : 0);
    uint64_t wide =
        min_u64(reservations->wide_used + (uint64_t)MP_BATCH_MAX, reservations->max + SLOTS_EXTRA);
    mp_status status;

    if (more > reservations->max - min_u64(reservations->open, reservations->max)) {
        return fail(MP_LIMIT,
                    "reservations_max is %" PRIu64 " and %" PRIu64
                    " reservations are open: no room for %" PRIu64 " more",
                    reservations->max, reservations->open, more);
    }
    status = slot_table_prepare(&reservations->table, more);
    if (status == MP_OK)
        status = arena_commit(&reservations->slab, slots * sizeof(struct reservation));
    if (status == MP_OK) status = arena_commit(&reservations->wide, wide * sizeof(mp_u128));
    if (status == MP_OK) {
        status = arena_commit(&reservations->expiry.wheel, EXPIRY_WHEEL * sizeof(uint32_t));
    }
    return status;
}

/* --- slots --- */

void reservations_prefetch(const struct reservations *reservations, uint64_t hash)
{
    slot_table_prefetch(&reservations->table, hash);
}

uint32_t reservations_find(const struct reservations *reservations, mp_id id, uint64_t hash)
{
    struct slot_probe probe;
    uint32_t slot = slot_table_first(&reservations->table, hash, &probe);

    while (slot != SLOT_NONE && reservation_at(reservations, slot)->id != id) {
        slot = slot_table_next(&reservations->table, &probe);
    }
    return slot;
}

uint32_t reservations_add(struct reservations *reservations, mp_id id, uint64_t hash)
{
    uint32_t slot = reservations->free_first;
    struct reservation *reservation;

    MP_ASSERT(id != 0 && reservations->open < reservations->max);
    if (slot != SLOT_NONE) {
        reservation = reservation_at(reservations, slot);
        MP_ASSERT(reservation->id == 0);
        reservations->free_first = reservation->next;
        reservations->free_count--;
    } else {
        slot = reservations->slots++;
        MP_ASSERT(reservations->slots * sizeof(struct reservation) <=
                  atomic_load_explicit(&reservations->slab.committed, memory_order_relaxed));
        reservation = reservation_at(reservations, slot);
    }
    *reservation = (struct reservation){.id = id, .list = EXPIRY_NONE};
    slot_table_insert(&reservations->table, hash, slot);
    reservations->open++;
    return slot;
}

void reservations_remove(struct reservations *reservations, uint32_t slot)
{
    mp_id id = reservation_at(reservations, slot)->id;

    MP_ASSERT(id != 0 && reservations->open > 0);
    expiry_remove(reservations, slot);
    slot_table_remove(&reservations->table, id_hash(reservations->hash_secret, id), slot);
    reservations->open--;
}

void reservations_restore(struct reservations *reservations, uint32_t slot)
{
    const struct reservation *reservation = reservation_at(reservations, slot);

    MP_ASSERT(reservation->id != 0 && reservation->list == EXPIRY_NONE);
    slot_table_insert(&reservations->table, id_hash(reservations->hash_secret, reservation->id),
                      slot);
    if (reservation->expires != 0) expiry_insert(reservations, slot);
    reservations->open++;
}

void reservations_recycle(struct reservations *reservations, uint32_t slot)
{
    struct reservation *reservation = reservation_at(reservations, slot);

    MP_ASSERT(reservation->id != 0 && reservation->list == EXPIRY_NONE);
    reservation_set_left(reservations, reservation, 0);
    reservation->id = 0;
    reservation->next = reservations->free_first;
    reservations->free_first = slot;
    reservations->free_count++;
}

/* --- amounts --- */

static mp_u128 *wide_at(const struct reservations *reservations, uint64_t index)
{
    mp_u128 *wide = (mp_u128 *)reservations->wide.base;

    return wide + index;
}

mp_amount reservation_left(const struct reservations *reservations,
                           const struct reservation *reservation)
{
    if (LIKELY((reservation->flags & RESERVATION_WIDE) == 0)) return reservation->left_low;
    return *wide_at(reservations, reservation->left_low);
}

static uint64_t wide_take(struct reservations *reservations)
{
    uint64_t index = reservations->wide_free_first;

    if (index != SLOT_NONE) {
        reservations->wide_free_first = (uint32_t)*wide_at(reservations, index);
        return index;
    }
    index = reservations->wide_used++;
    MP_ASSERT(reservations->wide_used * sizeof(mp_u128) <=
              atomic_load_explicit(&reservations->wide.committed, memory_order_relaxed));
    return index;
}

void reservation_set_left(struct reservations *reservations, struct reservation *reservation,
                          mp_amount left)
{
    bool was_wide = (reservation->flags & RESERVATION_WIDE) != 0, is_wide = u128_high(left) != 0;

    if (LIKELY(!was_wide && !is_wide)) {
        reservation->left_low = u128_low(left);
        return;
    }
    if (!was_wide) {
        reservation->left_low = wide_take(reservations);
        reservation->flags |= RESERVATION_WIDE;
    }
    if (is_wide) {
        *wide_at(reservations, reservation->left_low) = left;
    } else {
        *wide_at(reservations, reservation->left_low) = reservations->wide_free_first;
        reservations->wide_free_first = (uint32_t)reservation->left_low;
        reservation->left_low = u128_low(left);
        reservation->flags &= (uint16_t)~RESERVATION_WIDE;
    }
}
