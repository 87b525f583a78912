/* Tables and memory against naive models: what they find, how they grow, what they cost, where they
 * stop. */
#include <criterion/criterion.h>

#include "hash.h"
#include "ids.h"
#include "slot_table.h"

#include <stdlib.h>
#include <sys/resource.h>

static uint64_t random_state;

static uint64_t random_64(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t limit) { return random_64() % limit; }

static void *room_for(size_t count, size_t size)
{
    void *room = calloc(count, size);

    cr_assert_not_null(room);
    return room;
}

static void ok(mp_status status) { cr_assert_eq(status, MP_OK, "%s", mp_last_error()); }

/* --- memory --- */

Test(arena, grows_in_place_zeroed_and_counts_what_it_takes)
{
    struct memory memory = {.max = MIB(32)};
    struct arena arena;

    ok(arena_reserve(&arena, &memory, MIB(20), "things"));
    cr_expect_eq(memory.committed, 0);
    cr_expect_eq((uintptr_t)arena.base % MIB(2), 0);
    for (uint64_t bytes = 1; bytes < MIB(20); bytes += bytes / 3 + 1) {
        const uint8_t *base = arena.base;

        ok(arena_commit(&arena, bytes));
        cr_expect_eq(arena.base, base);
        cr_expect_geq(arena.committed, bytes);
        cr_expect_leq(arena.committed, bytes + bytes / 64 + KIB(128));
        cr_expect_eq(memory.committed, arena.committed);
        cr_expect_eq(arena.base[bytes - 1], 0);
        memset(arena.base, 0xee, bytes);
    }
    arena_free(&arena);
    cr_expect_eq(memory.committed, 0);
    arena_free(&arena);
}

Test(arena, never_passes_memory_max_and_says_so)
{
    struct memory memory = {.max = MIB(3) - KIB(20)};
    struct arena one, other;

    ok(arena_reserve(&one, &memory, MIB(64), "ones"));
    ok(arena_reserve(&other, &memory, MIB(64), "others"));
    ok(arena_commit(&one, MIB(2)));
    ok(arena_commit(&other, MIB(1) - KIB(40))); /* though a step would be larger */
    cr_expect_leq(memory.committed, memory.max);
    cr_expect(!arena_has_room(&one, MIB(3)));
    cr_expect_eq(arena_commit(&one, MIB(3)), MP_LIMIT);
    cr_expect(strstr(mp_last_error(), "ones") != NULL &&
              strstr(mp_last_error(), "memory_max") != NULL);
    cr_expect_eq(one.committed, MIB(2));
    arena_free(&other);
    ok(arena_commit(&one, MIB(3) - KIB(20)));
    cr_expect_eq(arena_commit(&one, MIB(65)), MP_LIMIT, "beyond what is reserved");
    arena_free(&one);
}

Test(arena, says_when_the_system_refuses)
{
    const struct rlimit limit = {.rlim_cur = MIB(512), .rlim_max = MIB(512)};
    struct memory memory = {.max = MIB(4096)};
    struct arena arena;

    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    cr_expect_eq(arena_reserve(&arena, &memory, MIB(1024), "things"), MP_NO_MEMORY);
    cr_expect(strstr(mp_last_error(), "things") != NULL);
    arena_free(&arena);
    cr_expect_eq(arena_reserve(&arena, &memory, UINT64_MAX, "things"), MP_NO_MEMORY);
    cr_expect_eq(memory.committed, 0);
}

static const char *files[8][2]; /* name, contents */

static int fake_open(void *context, const char *path, unsigned flags)
{
    (void)context, (void)flags;
    for (int i = 0; i < 8 && files[i][0] != NULL; i++) {
        if (strcmp(files[i][0], path) == 0) return i;
    }
    return -2;
}

static int64_t fake_read(void *context, int file, void *buffer, size_t length, uint64_t offset)
{
    size_t size = strlen(files[file][1]);

    (void)context, (void)offset;
    memcpy(buffer, files[file][1], size < length ? size : length);
    return (int64_t)(size < length ? size : length);
}

static int fake_close(void *context, int file)
{
    (void)context, (void)file;
    return 0;
}

Test(memory_default, is_a_quarter_of_the_least_limit)
{
    static const struct {
        const char *files[8][2];
        uint64_t expected;
    } cases[] = {
        {{{NULL, NULL}}, MIB(256)},
        {{{"/proc/meminfo", "MemTotal:       8388608 kB\nMemFree: 1 kB\n"}}, MIB(2048)},
        {{{"/proc/meminfo", "MemTotal:       8388608 kB\n"},
          {"/proc/self/cgroup", "0::/\n"},
          {"/sys/fs/cgroup/memory.max", "1073741824\n"}},
         MIB(256)},
        {{{"/proc/meminfo", "MemTotal:       8388608 kB\n"},
          {"/proc/self/cgroup", "0::/system.slice/bank.service\n"},
          {"/sys/fs/cgroup/system.slice/bank.service/memory.max", "max\n"},
          {"/sys/fs/cgroup/system.slice/memory.max", "4294967296\n"}},
         MIB(1024)},
        {{{"/proc/meminfo", "MemTotal:       8388608 kB\n"},
          {"/proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/abc\n0::/\n"},
          {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"},
          {"/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n"}},
         MIB(128)},
        {{{"/proc/meminfo", "MemTotal:       8388608 kB\n"},
          {"/sys/fs/cgroup/memory.max", "50331648\n"}},
         MIB(32)},
    };
    const mp_env env = {.file_open = fake_open, .file_read = fake_read, .file_close = fake_close};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(files, cases[i].files, sizeof files);
        cr_expect_eq(memory_default(&env), cases[i].expected, "case %zu: %zu", i,
                     (size_t)memory_default(&env));
    }
}

/* --- slot table --- */

static struct memory memory;
static struct slot_table table;

struct known {
    uint64_t hash;
    bool present;
};

static bool table_has(uint64_t hash, uint32_t slot)
{
    struct slot_probe probe, shared;
    uint32_t found = slot_table_first(&table, hash, &probe);
    uint32_t found_shared =
        slot_table_first_shared(&table, slot_table_home(&table, hash), hash, &shared);

    for (;;) {
        cr_assert_eq(found, found_shared);
        if (found == slot || found == SLOT_NONE) return found == slot;
        found = slot_table_next(&table, &probe);
        found_shared = slot_table_next_shared(&table, &shared);
    }
}

/* Every entry is found from its home, its bucket's entries are the first ones, and the count is
 * right. */
static void table_is_sound(void)
{
    uint64_t count = 0;

    for (uint64_t bucket = 0; bucket < table.buckets + BUCKETS_SPARE; bucket++) {
        const uint64_t *entries = slot_table_bucket(&table, bucket);

        for (unsigned i = 0; i < SLOT_BUCKET && entries[i] != 0; i++) {
            uint64_t home = slot_table_home(&table, entries[i]);

            cr_assert_leq(home, bucket);
            for (; home < bucket; home++)
                cr_assert_neq(slot_table_bucket(&table, home)[SLOT_BUCKET - 1], 0);
            count++;
        }
        for (unsigned i = 1; i < SLOT_BUCKET; i++)
            cr_assert(entries[i] == 0 || entries[i - 1] != 0);
    }
    cr_assert_eq(count, table.count);
}

static void table_knows(const struct known *known, uint32_t slots)
{
    uint64_t present = 0;

    for (uint32_t slot = 0; slot < slots; slot++) {
        cr_assert_eq(table_has(known[slot].hash, slot), known[slot].present, "slot %u", slot);
        present += known[slot].present;
    }
    cr_assert_eq(present, table.count);
    table_is_sound();
}

static void table_insert(struct known *known, uint32_t slot, uint64_t hash)
{
    known[slot] = (struct known){.hash = hash, .present = true};
    slot_table_insert(&table, hash, slot);
}

static void table_remove(struct known *known, uint32_t slot)
{
    known[slot].present = false;
    slot_table_remove(&table, known[slot].hash, slot);
}

/* Changes that are undone in reverse, as a failed chain's are; `hash` spreads a random number. */
static void table_chain(struct known *known, uint32_t slots, unsigned length,
                        uint64_t (*hash)(uint64_t))
{
    uint32_t changed[64];

    for (unsigned i = 0; i < length; i++) {
        changed[i] = (uint32_t)below(slots);
        if (known[changed[i]].present) {
            table_remove(known, changed[i]);
        } else {
            /* the hash of an absent one is free to change */
            table_insert(known, changed[i], hash(random_64()));
        }
    }
    for (unsigned i = length; i-- > 0;) {
        if (known[changed[i]].present) {
            table_remove(known, changed[i]);
        } else {
            table_insert(known, changed[i], known[changed[i]].hash);
        }
    }
}

static uint64_t spread_evenly(uint64_t random) { return random; }
/* Half of all into a 64th of the table: long runs, which cross the frontier again and again. */
static uint64_t spread_unevenly(uint64_t random) { return random & 1 ? random : random >> 6; }
/* All into the lowest eighth: one long run from there on, too long to be copied at once. */
static uint64_t spread_low(uint64_t random) { return random >> 3; }
/* Few different tags: many candidates that aren't the right one. */
static uint64_t spread_coarsely(uint64_t random) { return random & 0xff00f0f000000000ull; }

/* Inserts and removes at random, on average growing up to `slots` and shrinking again, `rounds`
 * times. */
static void table_at_random(uint64_t buckets, uint32_t slots, unsigned rounds,
                            uint64_t (*hash)(uint64_t))
{
    struct known *known = room_for(slots, sizeof *known);
    uint64_t steps = 0;

    memory = (struct memory){.max = MIB(64)};
    for (unsigned round = 0; round < rounds; round++) {
        ok(slot_table_open(&table, &memory, slots, "slots"));
        table.buckets = buckets;
        memset(known, 0, slots * sizeof *known);
        for (unsigned phase = 0; phase < 6; phase++) {
            uint64_t inserted_of_8 = phase % 2 == 0 ? 7 : 2;

            for (uint64_t batches = slots / 8; batches > 0; batches--) {
                uint64_t size = 1 + below(64), chain = below(8) == 0 ? below(64) : 0;

                ok(slot_table_prepare(&table, size + chain));
                for (uint64_t i = 0; i < size; i++) {
                    uint32_t slot = (uint32_t)below(slots);
                    bool insert = below(8) < inserted_of_8;

                    if (insert && !known[slot].present)
                        table_insert(known, slot, hash(random_64()));
                    if (!insert && known[slot].present) table_remove(known, slot);
                }
                table_chain(known, slots, (unsigned)chain, hash);
                if (++steps % 1024 == 0) table_knows(known, slots);
            }
            table_knows(known, slots);
        }
        slot_table_close(&table);
        cr_assert_eq(memory.committed, 0);
    }
    free(known);
}

Test(slot_table, finds_what_it_holds_and_nothing_else)
{
    random_state = 1;
    for (uint64_t buckets = 1; buckets <= 40; buckets += 3)
        table_at_random(buckets, 3000, 2, spread_evenly);
    table_at_random(2, 100000, 1, spread_evenly);
}

Test(slot_table, finds_what_it_holds_when_hashes_crowd)
{
    random_state = 2;
    for (uint64_t buckets = 1; buckets <= 40; buckets += 6)
        table_at_random(buckets, 1500, 1, spread_coarsely);
    for (uint64_t buckets = 40; buckets <= 100; buckets += 20)
        table_at_random(buckets, 1000, 2, spread_unevenly);
    table_at_random(300, 6000, 2, spread_low);
}

Test(slot_table, costs_at_most_12_bytes_an_entry_however_far_it_has_grown)
{
    memory = (struct memory){.max = MIB(256)};
    random_state = 3;
    ok(slot_table_open(&table, &memory, 5000000, "slots"));
    for (uint32_t count = 0; count < 5000000;) {
        uint64_t size = 1 + below(MP_BATCH_MAX);

        ok(slot_table_prepare(&table, size));
        for (; size > 0; size--) slot_table_insert(&table, random_64(), count++);
        cr_assert(count < 100000 || table.arena.committed <= 12 * (uint64_t)count,
                  "%zu bytes for %u", (size_t)table.arena.committed, count);
    }
    table_is_sound();
    slot_table_close(&table);
}

Test(slot_table, refuses_what_memory_max_has_no_room_for_and_stays_sound)
{
    uint32_t count = 0;
    mp_status status;

    memory = (struct memory){.max = MIB(1)};
    random_state = 4;
    ok(slot_table_open(&table, &memory, 5000000, "slots"));
    while ((status = slot_table_prepare(&table, 100)) == MP_OK) {
        for (unsigned i = 0; i < 100; i++) slot_table_insert(&table, random_64(), count++);
    }
    cr_expect_eq(status, MP_LIMIT);
    cr_expect_leq(memory.committed, memory.max);
    cr_expect_geq(count * 10ull, MIB(1) - KIB(64), "only %u entries", count);
    table_is_sound();
    slot_table_close(&table);
}

/* --- ids --- */

static struct ids ids;

struct known_id {
    uint64_t hash;
    uint64_t position;
    enum id_tag tag;
};

static bool ids_has(const struct known_id *id)
{
    struct ids_probe probe;
    uint64_t position = ids_first(&ids, id->hash, id->tag, &probe);

    while (position != 0 && position != id->position) position = ids_next(&ids, &probe);
    return position != 0;
}

static void ids_know(const struct known_id *known, uint64_t count)
{
    cr_assert_eq(ids.count, count);
    for (uint64_t i = 0; i < count; i++) cr_assert(ids_has(&known[i]), "id %zu", (size_t)i);
}

static struct known_id id_at_random(const struct known_id *known, uint64_t count)
{
    struct known_id id = {.hash = random_64(), .position = 32 + 32 * below((1ull << 43) - 1)};

    if (count > 0 && below(4) == 0) { /* of an id that is there already */
        id.hash = known[below(count)].hash;
        id.tag = (enum id_tag)(1 + below(2));
    }
    return id;
}

static void id_insert(const struct known_id *id)
{
    ids_insert(&ids, id->hash, id->tag, id->position);
}

/* Gives the entry another position; returns the old one. */
static uint64_t id_replace(struct known_id *id, uint64_t position)
{
    struct ids_probe probe;
    uint64_t found = ids_first(&ids, id->hash, id->tag, &probe), before = id->position;

    while (found != id->position) {
        cr_assert_neq(found, 0);
        found = ids_next(&ids, &probe);
    }
    cr_assert_eq(ids_replace(&ids, &probe, position), before);
    id->position = position;
    return before;
}

/* Insertions and replacements that are undone in reverse. */
static void ids_chain(struct known_id *known, uint64_t count, unsigned length)
{
    struct {
        uint64_t replaced, before; /* of which entry; which position */
        struct known_id inserted;
    } changes[64] = {0};

    for (unsigned i = 0; i < length; i++) {
        if (count > 0 && below(3) == 0) {
            changes[i].replaced = below(count);
            changes[i].before =
                id_replace(&known[changes[i].replaced], 32 + 32 * below(1ull << 42));
        } else {
            changes[i].inserted = id_at_random(known, count);
            id_insert(&changes[i].inserted);
            cr_assert(ids_has(&changes[i].inserted));
        }
    }
    for (unsigned i = length; i-- > 0;) {
        if (changes[i].before != 0) {
            struct known_id *id = &known[changes[i].replaced];

            ids_put_back(&ids, id->hash, id->tag, id->position, changes[i].before);
            id->position = changes[i].before;
        } else {
            const struct known_id *id = &changes[i].inserted;

            ids_remove_last(&ids, id->hash, id->tag, id->position);
            cr_assert(!ids_has(id));
        }
    }
}

Test(ids, finds_every_id_while_it_grows_and_chains_are_undone)
{
    enum { IDS = 3000000 };
    struct known_id *known = room_for(IDS + MP_BATCH_MAX, sizeof *known);
    uint64_t count = 0, checked = 1000;

    memory = (struct memory){.max = MIB(256)};
    random_state = 5;
    ok(ids_open(&ids, &memory));
    while (count < IDS) {
        uint64_t size = 1 + below(below(4) == 0 ? MP_BATCH_MAX : 20),
                 chain = below(4) == 0 ? below(64) : 0;

        ok(ids_prepare(&ids, size + chain));
        for (; size > 0; size--) {
            known[count] = id_at_random(known, count);
            id_insert(&known[count++]);
        }
        ids_chain(known, count, (unsigned)chain);
        if (count >= checked) {
            ids_know(known, count);
            checked += checked / 8;
        }
    }
    ids_know(known, count);
    ids_close(&ids);
    cr_assert_eq(memory.committed, 0);
    free(known);
}

Test(ids, of_one_hash_are_told_apart_by_their_tags)
{
    memory = (struct memory){.max = MIB(32)};
    random_state = 9;
    ok(ids_open(&ids, &memory));
    for (uint64_t i = 1; i <= 10000; i++) {
        uint64_t hash = random_64();

        ok(ids_prepare(&ids, 3));
        for (unsigned tag = 0; tag < 3; tag++)
            ids_insert(&ids, hash, (enum id_tag)tag, i * 128 + tag * 32ull);
        for (unsigned tag = 0; tag < 3; tag++) {
            struct ids_probe probe;

            cr_assert_eq(ids_first(&ids, hash, (enum id_tag)tag, &probe), i * 128 + tag * 32ull);
            cr_assert_eq(ids_next(&ids, &probe), 0);
        }
    }
    ids_close(&ids);
}

/* A hash whose home in the old layout is this bucket. */
static uint64_t hash_of_home(uint64_t home)
{
    uint64_t width = UINT64_MAX / ids.buckets_old;

    return home * width + home / 64 + width / 8 + below(width / 2);
}

Test(ids, that_crowd_before_the_frontier_are_carried_over_like_all_others)
{
    struct known_id *known = room_for(200000, sizeof *known);
    uint64_t count = 0, crowds = 0;

    memory = (struct memory){.max = MIB(64)};
    random_state = 10;
    ok(ids_open(&ids, &memory));
    while (count < 100000) {
        unsigned crowd = ids.frontier != 0 && ids.frontier < 3000 ? 100 : 0;

        ok(ids_prepare(&ids, crowd + 1));
        if (crowd > 0 && ids.frontier != 0) {
            for (; crowd > 0; crowd--) {
                known[count] = (struct known_id){hash_of_home(ids.frontier - 1 - below(8)),
                                                 32 * (count + 1), ID_OBJECT};
                cr_assert_lt(bucket_of(known[count].hash, ids.buckets_old), ids.frontier);
                id_insert(&known[count++]);
            }
            crowds++;
        }
        known[count] = id_at_random(known, count);
        id_insert(&known[count++]);
        if (crowd > 0) ids_know(known, count);
    }
    ids_know(known, count);
    cr_assert_gt(crowds, 8);
    ids_close(&ids);
    free(known);
}

Test(ids, takes_hardly_any_id_for_another)
{
    uint64_t found = 0;

    memory = (struct memory){.max = MIB(256)};
    random_state = 6;
    ok(ids_open(&ids, &memory));
    for (uint64_t i = 1; i <= 1000000; i++) {
        ok(ids_prepare(&ids, 1));
        ids_insert(&ids, random_64(), ID_OBJECT, i * 32);
    }
    for (unsigned i = 0; i < 4000000; i++) {
        struct ids_probe probe;

        found += ids_first(&ids, random_64(), ID_OBJECT, &probe) != 0;
    }
    cr_expect_leq(found, 20, "%zu of 4,000,000", (size_t)found); /* 1 is to be expected */
    ids_close(&ids);
}

Test(ids, cost_at_most_20_bytes_each_however_many_there_are)
{
    memory = (struct memory){.max = MIB(256)};
    random_state = 7;
    for (uint64_t batch = 1; batch <= MP_BATCH_MAX; batch = batch * 9 + 1) {
        ok(ids_open(&ids, &memory));
        for (uint64_t count = 0; count < 5000000;) {
            uint64_t size = min_u64(batch, MP_BATCH_MAX);

            ok(ids_prepare(&ids, size));
            for (; size > 0; size--) ids_insert(&ids, random_64(), ID_OBJECT, ++count * 32);
            cr_assert(count < 100000 || ids_bytes(&ids) <= 20 * count, "%zu bytes for %zu",
                      (size_t)ids_bytes(&ids), (size_t)count);
        }
        ids_close(&ids);
    }
}

Test(ids, are_refused_at_memory_max_only_when_it_is_used)
{
    struct known_id *known = room_for(4000000, sizeof *known);
    uint64_t count = 0;
    mp_status status;

    memory = (struct memory){.max = MIB(33)};
    random_state = 8;
    ok(ids_open(&ids, &memory));
    while ((status = ids_prepare(&ids, 1000)) == MP_OK) {
        for (unsigned i = 0; i < 1000; i++) {
            known[count] = id_at_random(known, count);
            id_insert(&known[count++]);
        }
    }
    cr_expect_eq(status, MP_LIMIT);
    cr_expect_leq(memory.committed, memory.max);
    cr_expect_geq(count * 15, MIB(32), "only %zu ids", (size_t)count);
    ids_know(known, count);
    ids_close(&ids);
    free(known);
}
