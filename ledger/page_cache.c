#include "page_cache.h"

#include <stdlib.h>

enum { WAYS = 4, WORDS = PAGE_SIZE / sizeof(uint64_t) };

struct slot {
    _Atomic uint64_t version;  /* odd: being written */
    _Atomic uint64_t position; /* of the page; 0 = empty (position 0 is a segment's head, never a
                                  block's page) */
};

struct page_cache {
    uint64_t sets; /* a power of two */
    _Atomic uint64_t *words;
    _Atomic uint32_t victim; /* which way of a set is replaced next, in turn */
    struct slot slots[];
};

static uint64_t first_slot(const struct page_cache *cache, uint64_t position)
{
    uint64_t mixed = position / PAGE_SIZE * 0x9e3779b97f4a7c15ull;

    return (mixed >> 32 & (cache->sets - 1)) * WAYS;
}

struct page_cache *page_cache_open(uint32_t pages)
{
    struct page_cache *cache;
    uint64_t sets = 1;

    MP_ASSERT(pages <= 1u << 30);
    while (sets * WAYS < pages) sets *= 2;
    cache = calloc(1, sizeof *cache + sets * WAYS * sizeof *cache->slots);
    if (cache == NULL) return NULL;
    cache->sets = sets;
    cache->words = calloc(sets * WAYS, PAGE_SIZE);
    if (cache->words == NULL) {
        free(cache);
        return NULL;
    }
    return cache;
}

void page_cache_close(struct page_cache *cache)
{
    if (cache == NULL) return;
    free(cache->words);
    free(cache);
}

uint64_t page_cache_bytes(const struct page_cache *cache)
{
    return sizeof *cache + cache->sets * WAYS * (PAGE_SIZE + sizeof *cache->slots);
}

static bool slot_get(struct page_cache *cache, uint64_t number, uint64_t position, uint8_t *page)
{
    struct slot *slot = &cache->slots[number];
    _Atomic uint64_t *words = cache->words + number * WORDS;
    uint64_t version = atomic_load_explicit(&slot->version, memory_order_acquire);

    if (atomic_load_explicit(&slot->position, memory_order_relaxed) != position || version % 2 != 0)
        return false;
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);

        memcpy(page + i * sizeof word, &word, sizeof word);
    }
    atomic_thread_fence(memory_order_acquire);
    /* The position was read before, or it may be that of the page that came next. */
    return atomic_load_explicit(&slot->version, memory_order_relaxed) == version;
}

bool page_cache_get(struct page_cache *cache, uint64_t position, uint8_t page[PAGE_SIZE])
{
    uint64_t first = first_slot(cache, position);

    MP_ASSERT(position != 0 && position % PAGE_SIZE == 0);
    for (unsigned way = 0; way < WAYS; way++) {
        if (slot_get(cache, first + way, position, page)) return true;
    }
    return false;
}

void page_cache_put(struct page_cache *cache, uint64_t position, const uint8_t page[PAGE_SIZE])
{
    uint64_t first = first_slot(cache, position);
    uint64_t number =
        first + atomic_fetch_add_explicit(&cache->victim, 1, memory_order_relaxed) % WAYS;
    struct slot *slot;
    uint64_t version;

    MP_ASSERT(position != 0 && position % PAGE_SIZE == 0);
    for (unsigned way = 0; way < WAYS; way++) {
        uint64_t held =
            atomic_load_explicit(&cache->slots[first + way].position, memory_order_relaxed);

        if (held == position) return; /* there already, or on its way */
        if (held == 0) number = first + way;
    }
    slot = &cache->slots[number];
    version = atomic_load_explicit(&slot->version, memory_order_relaxed);
    if (version % 2 != 0) return;
    if (!atomic_compare_exchange_strong_explicit(&slot->version, &version, version + 1,
                                                 memory_order_acquire, memory_order_relaxed)) {
        return;
    }
    atomic_thread_fence(memory_order_release); /* the odd version is seen before any word changes */
    atomic_store_explicit(&slot->position, position, memory_order_relaxed);
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t word;

        memcpy(&word, page + i * sizeof word, sizeof word);
        atomic_store_explicit(&cache->words[number * WORDS + i], word, memory_order_relaxed);
    }
    atomic_store_explicit(&slot->version, version + 2, memory_order_release);
}
