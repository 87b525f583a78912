/* Reservations against a naive model: what is open, what is left, and who expires when. */
#include <criterion/criterion.h>

#include "hash.h"
#include "reservations.h"

#include <stdlib.h>

static const uint64_t secret[2] = {0x0123456789abcdef, 0xfedcba9876543210};
static struct memory memory;
static struct reservations reservations;
static uint64_t random_state;

static uint64_t random_64(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t limit) { return random_64() % limit; }
static void ok(mp_status status) { cr_assert_eq(status, MP_OK, "%s", mp_last_error()); }

static void setup(void)
{
    memory = (struct memory){.max = MIB(512)};
    ok(reservations_open(&reservations, &memory, 1000000, secret));
}

static void teardown(void)
{
    reservations_close(&reservations);
    cr_expect_eq(memory.committed, 0);
}

static uint32_t find(mp_id id) { return reservations_find(&reservations, id, id_hash(secret, id)); }

static uint32_t add(mp_id id, uint64_t expires, uint64_t made)
{
    uint32_t slot = reservations_add(&reservations, id, id_hash(secret, id));
    struct reservation *reservation = reservation_at(&reservations, slot);

    reservation->expires = expires;
    store_48(reservation->made, made);
    if (expires != 0) expiry_insert(&reservations, slot);
    return slot;
}

static void end(uint32_t slot)
{
    reservations_remove(&reservations, slot);
    reservations_recycle(&reservations, slot);
}

/* Ends what is due at `now` and counts it; checks that it comes in order. */
static uint64_t end_all_due(uint64_t now)
{
    uint64_t expires = 0, made = 0, count = 0;
    uint32_t slot;

    while ((slot = expiry_due(&reservations, now)) != SLOT_NONE) {
        const struct reservation *reservation = reservation_at(&reservations, slot);

        cr_assert_leq(reservation->expires, now);
        cr_assert(reservation->expires > expires ||
                  (reservation->expires == expires && load_48(reservation->made) > made));
        expires = reservation->expires;
        made = load_48(reservation->made);
        end(slot);
        count++;
    }
    return count;
}

TestSuite(reservations, .init = setup, .fini = teardown);
TestSuite(expiry, .init = setup, .fini = teardown);

Test(reservations, are_found_until_they_end_and_their_slots_are_used_again)
{
    ok(reservations_prepare(&reservations, 3));
    cr_expect_eq(add(1, 0, 32), 0);
    cr_expect_eq(add(2, 0, 64), 1);
    cr_expect_eq(find(1), 0);
    cr_expect_eq(find(3), SLOT_NONE);
    reservations_remove(&reservations, 0);
    cr_expect_eq(find(1), SLOT_NONE);
    cr_expect_eq(reservations.open, 1);
    reservations_restore(&reservations, 0);
    cr_expect_eq(find(1), 0);
    end(0);
    cr_expect_eq(add(3, 0, 96), 0);
    cr_expect_eq(find(3), 0);
    cr_expect_eq(reservations.open, 2);
}

Test(reservations, wide_amounts_stay_exact)
{
    static const mp_amount amounts[] = {
        1, UINT64_MAX, (mp_amount)UINT64_MAX + 1, MP_U128_MAX, MP_U128(1, 0), 7, MP_U128(5, 6), 0,
    };
    uint32_t slots[100];

    ok(reservations_prepare(&reservations, 100));
    for (uint32_t i = 0; i < 100; i++) slots[i] = add(i + 1, 0, 32);
    for (unsigned round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            struct reservation *reservation = reservation_at(&reservations, slots[i]);

            reservation_set_left(&reservations, reservation, amounts[(i + round) % 8]);
        }
        for (uint32_t i = 0; i < 100; i++) {
            cr_assert(reservation_left(&reservations, reservation_at(&reservations, slots[i])) ==
                      amounts[(i + round) % 8]);
        }
    }
    for (unsigned again = 0; again < 3; again++) { /* the side amounts are given back */
        for (uint32_t i = 0; i < 100; i++) {
            reservation_set_left(&reservations, reservation_at(&reservations, slots[i]),
                                 MP_U128(3, i));
        }
        for (uint32_t i = 0; i < 100; i++) end(slots[i]);
        ok(reservations_prepare(&reservations, 100));
        for (uint32_t i = 0; i < 100; i++) slots[i] = add(1000 + i, 0, 32);
    }
    cr_expect_leq(reservations.wide_used, 100);
}

Test(reservations, cost_at_most_112_bytes_each)
{
    random_state = 1;
    for (uint32_t count = 0; count < 1000000;) {
        ok(reservations_prepare(&reservations, 1000));
        for (unsigned i = 0; i < 1000; i++, count++)
            add(count + 1, NS_PER_S * (1 + below(30 * 86400ull)), count + 1);
        cr_assert(count < 300000 || memory.committed <= 112 * (uint64_t)count, "%zu bytes for %u",
                  (size_t)memory.committed, count);
    }
    cr_expect_eq(reservations_prepare(&reservations, 1), MP_LIMIT);
    cr_expect(strstr(mp_last_error(), "reservations_max") != NULL);
}

/* The naive model: an array, searched from end to end. */
struct known {
    mp_id id;
    uint64_t expires, made;
    mp_amount left;
    uint32_t slot;
};
enum { KNOWN_MAX = 400 };
static struct known known[KNOWN_MAX];
static uint32_t known_count;
static uint64_t now, made_last;

static struct known *known_due(void)
{
    struct known *first = NULL;

    for (uint32_t i = 0; i < known_count; i++) {
        struct known *one = &known[i];

        if (one->expires == 0 || one->expires > now) continue;
        if (first == NULL || one->expires < first->expires ||
            (one->expires == first->expires && one->made < first->made)) {
            first = one;
        }
    }
    return first;
}

/* Durations as people give them, and some that nobody does. */
static uint64_t expiry_at_random(void)
{
    static const uint64_t units[] = {1,
                                     1000,
                                     NS_PER_S,
                                     60 * NS_PER_S,
                                     3600 * NS_PER_S,
                                     86400 * NS_PER_S,
                                     60 * 86400ull * NS_PER_S,
                                     3000 * 86400ull * NS_PER_S};
    uint64_t unit = units[below(8)];

    if (below(8) == 0) return 0;
    if (below(16) == 0) return max_u64(now - min_u64(now, unit * below(3)), 1); /* in the past */
    return now + unit * (1 + below(4));
}

static void known_add(void)
{
    struct known *one = &known[known_count++];

    *one = (struct known){.id = random_64() | 1,
                          .expires = expiry_at_random(),
                          .made = made_last += 32 * (1 + below(9))};
    one->left = below(4) == 0 ? MP_U128(random_64(), random_64()) : random_64();
    one->slot = add(one->id, one->expires, one->made);
    reservation_set_left(&reservations, reservation_at(&reservations, one->slot), one->left);
}

static void known_end(struct known *one)
{
    end(one->slot);
    *one = known[--known_count];
}

/* Another expiry and another amount, as an increase gives. */
static void known_change(struct known *one)
{
    struct reservation *reservation = reservation_at(&reservations, one->slot);

    one->left = below(2) == 0 ? MP_U128(1 + below(9), random_64()) : random_64();
    one->expires = expiry_at_random();
    expiry_remove(&reservations, one->slot);
    reservation->expires = one->expires;
    reservation_set_left(&reservations, reservation, one->left);
    if (one->expires != 0) expiry_insert(&reservations, one->slot);
}

/* Makes, changes and ends some, then undoes that in reverse, as a failed chain does. */
static void chain(void)
{
    enum { LENGTH = 16, ADDED, CHANGED, REMOVED };
    struct {
        int kind;
        uint32_t slot;
        struct reservation before;
        mp_amount left;
    } undo[LENGTH];
    bool removed[KNOWN_MAX] = {false};

    for (unsigned i = 0; i < LENGTH; i++) {
        uint32_t at = known_count == 0 ? 0 : (uint32_t)below(known_count);

        undo[i].kind = known_count == 0 || removed[at] ? ADDED : (int)(ADDED + below(3));
        if (undo[i].kind == ADDED) {
            undo[i].slot = add(random_64() | 1, expiry_at_random(), made_last + 32ull * (i + 1));
            reservation_set_left(&reservations, reservation_at(&reservations, undo[i].slot),
                                 MP_U128(i & 1, i));
        } else {
            struct reservation *reservation = reservation_at(&reservations, known[at].slot);

            undo[i].slot = known[at].slot;
            undo[i].before = *reservation;
            undo[i].left = reservation_left(&reservations, reservation);
            if (undo[i].kind == REMOVED) {
                reservations_remove(&reservations, undo[i].slot);
                removed[at] = true;
            } else {
                struct known copy = known[at];

                known_change(&copy);
            }
        }
    }
    for (unsigned i = LENGTH; i-- > 0;) {
        struct reservation *reservation = reservation_at(&reservations, undo[i].slot);

        switch (undo[i].kind) {
        case ADDED: end(undo[i].slot); break;
        case REMOVED: reservations_restore(&reservations, undo[i].slot); break;
        default:
            expiry_remove(&reservations, undo[i].slot);
            reservation->expires = undo[i].before.expires;
            reservation_set_left(&reservations, reservation, undo[i].left);
            if (reservation->expires != 0) expiry_insert(&reservations, undo[i].slot);
        }
    }
}

static void everything_due_ends(void)
{
    uint64_t next = UINT64_MAX;

    for (struct known *one = known_due(); one != NULL; one = known_due()) {
        cr_assert_leq(expiry_next(&reservations), one->expires);
        cr_assert_eq(expiry_due(&reservations, now), one->slot);
        known_end(one);
    }
    cr_assert_eq(expiry_due(&reservations, now), SLOT_NONE);
    for (uint32_t i = 0; i < known_count; i++) {
        if (known[i].expires != 0) next = min_u64(next, known[i].expires);
    }
    cr_assert_leq(expiry_next(&reservations), next);
    cr_assert_gt(expiry_next(&reservations), now);
    cr_assert((expiry_next(&reservations) == UINT64_MAX) == (next == UINT64_MAX));
}

Test(expiry, comes_exactly_in_order_whatever_happens_meanwhile)
{
    for (uint64_t seed = 1; seed <= 16; seed++) {
        random_state = seed;
        now = below(2) == 0 ? 1 : 1750000000 * NS_PER_S;
        for (unsigned step = 0; step < 60000; step++) {
            ok(reservations_prepare(&reservations, 17));
            switch (below(8)) {
            case 0:
            case 1:
            case 2:
                if (known_count < KNOWN_MAX) known_add();
                break;
            case 3:
                if (known_count > 0) known_end(&known[below(known_count)]);
                break;
            case 4:
                if (known_count > 0) known_change(&known[below(known_count)]);
                break;
            case 5: chain(); break;
            case 6:                  /* time passes; often just to an expiry or 1 ns before it */
                if (seed % 4 == 0) { /* evenly */
                    now += below(86400) * NS_PER_S;
                } else if (known_count > 0 && below(2) == 0) {
                    now = max_u64(now, known[below(known_count)].expires - below(2));
                    if (known[0].expires == 0) now++;
                } else {
                    now += below(8) == 0 ? below(40000 * 86400ull) * NS_PER_S / 400
                                         : below(1ull << below(50));
                }
                if (now > TIME_MAX / 2) now = TIME_MAX / 2;
                break;
            case 7: everything_due_ends(); break;
            }
            cr_assert_eq(reservations.open, known_count);
        }
        for (uint32_t i = 0; i < known_count; i++) {
            const struct reservation *reservation = reservation_at(&reservations, known[i].slot);

            cr_assert_eq(find(known[i].id), known[i].slot);
            cr_assert(reservation_left(&reservations, reservation) == known[i].left);
            cr_assert_eq(reservation->expires, known[i].expires);
        }
        reservations_close(&reservations);
        known_count = 0;
        setup();
    }
}

Test(expiry, of_20000_due_at_once_is_in_order_of_creation)
{
    enum { COUNT = 20000 };
    uint64_t second = 1750000000;

    random_state = 3;
    now = second * NS_PER_S;
    ok(reservations_prepare(&reservations, COUNT));
    for (uint64_t i = 0; i < COUNT; i++) {
        /* 7919 has no divisor in common with 20,000: each number once, in disorder */
        add(i + 1, now + 7 * 86400ull * NS_PER_S, 32 * (1 + i * 7919 % COUNT));
    }
    cr_expect_eq(end_all_due(now + 7 * 86400ull * NS_PER_S - 1), 0);
    cr_expect_eq(end_all_due(now + 7 * 86400ull * NS_PER_S), COUNT);
    cr_expect_eq(reservations.open, 0);
}

Test(expiry, of_300000_over_four_years_misses_none)
{
    enum { COUNT = 300000 };
    uint64_t ended = 0;

    random_state = 4;
    now = 1750000000 * NS_PER_S;
    ok(reservations_prepare(&reservations, COUNT));
    for (uint64_t i = 1; i <= COUNT; i++) {
        uint64_t seconds = below(2) == 0 ? below(7 * 86400ull) : below(4ull * 365 * 86400);

        add(i, now + (1 + seconds) * NS_PER_S + below(3), 32 * i);
    }
    for (unsigned step = 0; ended < COUNT; step++) {
        now += step < 2000 ? 300 * NS_PER_S : below(20 * 86400ull) * NS_PER_S;
        ended += end_all_due(now);
        cr_assert_gt(expiry_next(&reservations), now);
        cr_assert_eq(reservations.open, COUNT - ended);
    }
}

Test(expiry, of_all_after_years_of_standstill_is_in_order)
{
    random_state = 5;
    now = 1000 * NS_PER_S;
    ok(reservations_prepare(&reservations, 100000));
    for (uint64_t i = 1; i <= 100000; i++) {
        add(i, now + (1 + below(9ull * 365 * 86400)) * NS_PER_S, 32 * i);
    }
    cr_expect_eq(end_all_due(now + 10ull * 365 * 86400 * NS_PER_S), 100000);
}
