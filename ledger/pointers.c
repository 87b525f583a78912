/* Jump pointers: the digits of each account's skew-binary number of records (Myers 1983). */
#include "accounts.h"

#define CHUNK_STEP 48u /* bytes; size class k holds 4 << k digits */

static uint64_t digit_position(const struct digit *digit)
{
    return (digit->low & ((1ull << 43) - 1)) * UNIT_SIZE;
}
static unsigned digit_rank(const struct digit *digit) { return (unsigned)(digit->low >> 43) & 63; }
static uint64_t digit_time(const struct digit *digit)
{
    return digit->low >> 49 | (uint64_t)digit->high << 15;
}

static struct digit digit_make(uint64_t position, unsigned rank, uint64_t coarse_time)
{
    return (struct digit){.low = position / UNIT_SIZE | (uint64_t)rank << 43 | coarse_time << 49,
                          .high = (uint32_t)(coarse_time >> 15)};
}

static struct digit *chunk_at(const struct accounts *accounts, uint32_t chunk)
{
    return (struct digit *)(accounts->chunks.base + (uint64_t)(chunk - 1) * CHUNK_STEP);
}

/* Size class that holds `count` digits. */
static unsigned chunk_class(unsigned count)
{
    unsigned class = 0;

    while ((4u << class) < count) class ++;
    return class;
}

/* Two steps each, and some more for the few that need more: those of 2^17 records and more. */
mp_status chunks_prepare(struct accounts *accounts, uint64_t accounts_touched)
{
    uint64_t steps = 2 * accounts_touched + 32;

    return arena_commit(&accounts->chunks, (accounts->chunk_bytes_used + steps) * CHUNK_STEP);
}

static uint32_t chunk_take(struct accounts *accounts, unsigned class)
{
    uint32_t chunk = accounts->chunk_free[class];

    if (chunk != 0) {
        memcpy(&accounts->chunk_free[class], chunk_at(accounts, chunk), sizeof chunk);
        return chunk;
    }
    chunk = accounts->chunk_bytes_used + 1;
    accounts->chunk_bytes_used += 1u << class;
    MP_ASSERT(arena_commit(&accounts->chunks, (uint64_t)accounts->chunk_bytes_used * CHUNK_STEP) ==
              MP_OK);
    return chunk;
}

static void chunk_give(struct accounts *accounts, uint32_t chunk, unsigned class)
{
    memcpy(chunk_at(accounts, chunk), &accounts->chunk_free[class], sizeof chunk);
    accounts->chunk_free[class] = chunk;
}

/* Moves the older half of the inline digits to the chunk. */
static void digits_spill(struct accounts *accounts, struct account_cold *cold)
{
    const unsigned moved = DIGITS_INLINE / 2;
    unsigned count = cold->overflow_count;
    unsigned class = chunk_class(count + moved);
    struct digit *chunk;

    if (count == 0) {
        if (cold->chunk == 0) cold->chunk = chunk_take(accounts, class);
    } else if (class != chunk_class(count)) {
        uint32_t larger = chunk_take(accounts, class);

        memcpy(chunk_at(accounts, larger), chunk_at(accounts, cold->chunk),
               count * sizeof(struct digit));
        chunk_give(accounts, cold->chunk, chunk_class(count));
        cold->chunk = larger;
    }
    chunk = chunk_at(accounts, cold->chunk);
    for (unsigned i = 0; i < moved; i++) {
        chunk[count + i] = cold->digits[DIGITS_INLINE - 1 - i];
        cold->digits[DIGITS_INLINE - 1 - i] = (struct digit){0};
    }
    cold->inline_count = (uint8_t)(cold->inline_count - moved);
    cold->overflow_count = (uint8_t)(count + moved);
}

/* Brings digits back from the chunk: three must be at hand to add a record. Overflow comes and goes
 * by fours, so the chunk's size class follows from the count alone. */
static void digits_refill(struct accounts *accounts, struct account_cold *cold)
{
    const unsigned moved = DIGITS_INLINE / 2;
    unsigned count = cold->overflow_count;
    struct digit *chunk = chunk_at(accounts, cold->chunk);

    MP_ASSERT(count >= moved && cold->inline_count + moved <= DIGITS_INLINE);
    for (unsigned i = 0; i < moved; i++)
        cold->digits[cold->inline_count + i] = chunk[count - 1 - i];
    cold->inline_count = (uint8_t)(cold->inline_count + moved);
    cold->overflow_count = (uint8_t)(count - moved);
    if (cold->overflow_count == 0) {
        chunk_give(accounts, cold->chunk, chunk_class(count));
        cold->chunk = 0;
    } else if (chunk_class(count) != chunk_class(cold->overflow_count)) {
        uint32_t smaller = chunk_take(accounts, chunk_class(cold->overflow_count));

        memcpy(chunk_at(accounts, smaller), chunk, cold->overflow_count * sizeof(struct digit));
        chunk_give(accounts, cold->chunk, chunk_class(count));
        cold->chunk = smaller;
    }
}

uint64_t digits_count(const struct accounts *accounts, uint32_t slot)
{
    const struct account_cold *cold = account_cold(accounts, slot);
    uint64_t count = 0;

    for (unsigned i = 0; i < cold->inline_count; i++)
        count += (1ull << digit_rank(&cold->digits[i])) - 1;
    if (cold->overflow_count > 0) {
        const struct digit *chunk = chunk_at(accounts, cold->chunk);

        for (unsigned i = 0; i < cold->overflow_count; i++)
            count += (1ull << digit_rank(&chunk[i])) - 1;
    }
    return count;
}

void digits_save(const struct accounts *accounts, uint32_t slot, struct digit *digits)
{
    const struct account_cold *cold = account_cold(accounts, slot);
    const struct digit *chunk = cold->overflow_count > 0 ? chunk_at(accounts, cold->chunk) : NULL;

    for (unsigned i = 0; i < cold->inline_count; i++) digits[i] = cold->digits[i];
    for (unsigned i = 0; i < cold->overflow_count; i++) {
        digits[cold->inline_count + i] = chunk[cold->overflow_count - 1 - i];
    }
}

mp_status digits_load(struct accounts *accounts, uint32_t slot, const struct digit *digits,
                      unsigned count)
{
    const unsigned step = DIGITS_INLINE / 2;
    struct account_cold *cold = account_cold(accounts, slot);
    unsigned overflow =
        count <= DIGITS_INLINE ? 0 : (count - DIGITS_INLINE + step - 1) / step * step;
    unsigned at_hand = count - overflow;
    struct digit *chunk;
    mp_status status;

    if (count > 64)
        return fail(MP_CORRUPT, "an account has %u jump pointers, more than its records can need",
                    count);
    cold->inline_count = (uint8_t)at_hand;
    cold->overflow_count = (uint8_t)overflow;
    memset(cold->digits, 0, sizeof cold->digits);
    memcpy(cold->digits, digits, at_hand * sizeof *digits);
    if (overflow == 0) return MP_OK;
    status = chunks_prepare(accounts, 0);
    if (status != MP_OK) return status;
    cold->chunk = chunk_take(accounts, chunk_class(overflow));
    chunk = chunk_at(accounts, cold->chunk);
    for (unsigned i = 0; i < overflow; i++) chunk[i] = digits[count - 1 - i];
    return MP_OK;
}

struct jump digits_push(struct accounts *accounts, uint32_t slot, uint64_t position,
                        uint64_t timestamp)
{
    struct account_cold *cold = account_cold(accounts, slot);
    struct digit *digits = cold->digits, kept[DIGITS_INLINE - 2], last, target;
    const uint8_t *from;
    struct jump jump;
    unsigned rank;
    uint64_t merges, stays; /* 1 or 0; all bits or none */

    if (UNLIKELY(cold->inline_count < 3 && cold->overflow_count > 0)) digits_refill(accounts, cold);
    if (UNLIKELY(cold->inline_count == DIGITS_INLINE)) digits_spill(accounts, cold);
    rank = digit_rank(&digits[0]);
    /* Two equal trees become one. Digits that aren't there are zero, so nothing is asked of the
     * count, and neither case is a branch. */
    merges = (rank != 0) & (rank == digit_rank(&digits[1]));
    stays = merges - 1;
    from =
        (const uint8_t *)cold + offsetof(struct account_cold, digits) + merges * 2 * sizeof *digits;
    memcpy(&target, from, sizeof target);
    jump.previous = digit_position(&digits[0]);
    jump.target = digit_position(&target);
    jump.target_time = digit_time(&target);
    memcpy(kept, from, sizeof kept);
    memcpy(&last, from + sizeof kept,
           sizeof last); /* of a merge what lies behind the digits: none */
    memcpy(digits + 1, kept, sizeof kept);
    digits[DIGITS_INLINE - 1].low = last.low & stays;
    digits[DIGITS_INLINE - 1].high = last.high & (uint32_t)stays;
    digits[0] = digit_make(position, 1 + rank * (unsigned)merges, timestamp >> 16);
    cold->inline_count = (uint8_t)(cold->inline_count + 1 - 2 * merges);
    return jump;
}
