/* Readers probe a slot table while the writer grows it, adds and removes: nobody misses what is
 * there all the time, or finds what never was. Two more threads commit one arena at once. */
#include "hash.h"
#include "slot_table.h"
#include "support/must.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { READERS = 3, SLOTS = 200000, LASTING = 2, ROUNDS = 3 };

static struct memory memory;
static struct slot_table table;
static const uint64_t secret[2] = {11, 12};
static _Atomic uint64_t published[SLOTS]; /* id in this slot; 0 = none */
static _Atomic uint32_t lasting; /* slots below it that are multiples of LASTING stay for ever */
static _Atomic bool stop;
static _Atomic uint64_t found_all, retried_all;

static uint64_t hash_of(uint64_t id) { return id_hash(secret, id); }

/* As accounts_find_shared does it. */
static uint32_t find(uint64_t id, uint64_t *retried)
{
    for (;; ++*retried) {
        uint64_t version = atomic_load_explicit(&table.version, memory_order_acquire);
        struct slot_probe probe;
        uint32_t slot = slot_table_first_shared(&table, slot_table_home(&table, hash_of(id)),
                                                hash_of(id), &probe);

        for (; slot != SLOT_NONE; slot = slot_table_next_shared(&table, &probe)) {
            MUST(slot < SLOTS);
            if (atomic_load_explicit(&published[slot], memory_order_acquire) == id) return slot;
        }
        atomic_thread_fence(memory_order_acquire);
        if (version % 2 == 0 &&
            atomic_load_explicit(&table.version, memory_order_relaxed) == version)
            return SLOT_NONE;
    }
}

static void *read_on(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument, found = 0, retried = 0;

    while (!atomic_load(&stop)) {
        uint32_t limit = atomic_load_explicit(&lasting, memory_order_acquire), slot;

        if (limit == 0) continue;
        random = random * 6364136223846793005u + 1442695040888963407u;
        slot = (uint32_t)(random >> 33) % limit / LASTING * LASTING;
        MUST(find(slot + 1, &retried) == slot);
        if (found % 8 == 0) MUST(find(SLOTS + 1 + (random >> 33), &retried) == SLOT_NONE);
        found++;
    }
    atomic_fetch_add(&found_all, found);
    atomic_fetch_add(&retried_all, retried);
    return NULL;
}

static void add(uint32_t slot)
{
    atomic_store_explicit(&published[slot], slot + 1, memory_order_release);
    slot_table_insert(&table, hash_of(slot + 1), slot);
}

/* Adds a slot and takes another one that isn't lasting away, again and again. */
static void write_on(void)
{
    uint32_t removed = 1;

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        MUST(slot_table_prepare(&table, 1) == MP_OK);
        add(slot);
        if (slot % LASTING == 0) atomic_store_explicit(&lasting, slot + 1, memory_order_release);
        if (slot % 8 == 7 && removed < slot) {
            slot_table_remove(&table, hash_of(removed + 1), removed);
            removed += LASTING;
        }
    }
    MUST(table.count == SLOTS - SLOTS / 8);
}

static void *commit_on(void *argument)
{
    struct arena *arena = argument;

    for (uint64_t bytes = 1; bytes <= MIB(24); bytes += 12345) {
        MUST(arena_commit(arena, bytes) == MP_OK);
        MUST(((volatile uint8_t *)arena->base)[bytes - 1] == 0);
    }
    return NULL;
}

int main(void)
{
    pthread_t readers[READERS], commits[2];
    struct arena arena;

    memory.max = MIB(64);
    for (unsigned round = 0; round < ROUNDS; round++) {
        MUST(slot_table_open(&table, &memory, SLOTS, "slots") == MP_OK);
        atomic_store(&stop, false);
        for (unsigned i = 0; i < READERS; i++) {
            MUST(pthread_create(&readers[i], NULL, read_on, (void *)(uintptr_t)(round * 8 + i)) ==
                 0);
        }
        write_on();
        atomic_store(&stop, true);
        for (unsigned i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
        atomic_store(&lasting, 0);
        slot_table_close(&table);
    }
    MUST(arena_reserve(&arena, &memory, MIB(32), "things") == MP_OK);
    for (unsigned i = 0; i < 2; i++)
        MUST(pthread_create(&commits[i], NULL, commit_on, &arena) == 0);
    for (unsigned i = 0; i < 2; i++) pthread_join(commits[i], NULL);
    MUST(atomic_load(&memory.committed) == atomic_load(&arena.committed));
    MUST(atomic_load(&memory.committed) < MIB(25));
    arena_free(&arena);
    MUST(atomic_load(&memory.committed) == 0);
    printf("%zu found, %zu tries again\n", (size_t)found_all, (size_t)retried_all);
    return 0;
}
