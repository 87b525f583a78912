#include "tail.h"

#include <sys/mman.h>

mp_status tail_open(struct tail *tail, uint64_t size)
{
    void *bytes;

    MP_ASSERT(size >= PAGE_SIZE && (size & (size - 1)) == 0);
    bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bytes == MAP_FAILED)
        return fail(MP_NO_MEMORY, "no memory for the log's tail of %zu bytes", (size_t)size);
    madvise(bytes, size, MADV_DONTFORK);
    madvise(bytes, size, MADV_HUGEPAGE);
    tail->bytes = bytes;
    tail->size = size;
    atomic_init(&tail->start, UINT64_MAX);
    atomic_init(&tail->low, 0);
    return MP_OK;
}

void tail_close(struct tail *tail)
{
    if (tail->bytes != NULL) munmap(tail->bytes, tail->size);
    tail->bytes = NULL;
}

void tail_claim(struct tail *tail, uint64_t position, uint64_t bytes)
{
    uint64_t low = position + bytes > tail->size ? position + bytes - tail->size : 0;

    MP_ASSERT(bytes <= tail->size);
    if (atomic_load_explicit(&tail->start, memory_order_relaxed) == UINT64_MAX)
        atomic_store_explicit(&tail->start, position, memory_order_relaxed);
    if (low > atomic_load_explicit(&tail->low, memory_order_relaxed)) {
        atomic_store_explicit(&tail->low, low, memory_order_relaxed);
        atomic_thread_fence(
            memory_order_seq_cst); /* readers must see this before the bytes change */
    }
}

/* The copy may race with the writer who overwrites: `low` says afterwards whether it did, and the
 * copy is dropped. */
__attribute__((no_sanitize("thread"))) static void copy_words(uint64_t *to,
                                                              const volatile uint64_t *from)
{
    for (unsigned i = 0; i < PAGE_SIZE / sizeof *to; i++) to[i] = from[i];
}

bool tail_read_page(const struct tail *tail, uint64_t position, uint8_t page[PAGE_SIZE])
{
    uint64_t words[PAGE_SIZE / sizeof(uint64_t)];

    if (tail->bytes == NULL ||
        position < atomic_load_explicit(&tail->start, memory_order_relaxed)) {
        return false;
    }
    if (position < atomic_load_explicit(&tail->low, memory_order_acquire)) return false;
    copy_words(words, (const volatile uint64_t *)tail_at(tail, position));
    atomic_thread_fence(memory_order_acquire);
    if (position < atomic_load_explicit(&tail->low, memory_order_relaxed)) return false;
    memcpy(page, words, PAGE_SIZE);
    return true;
}
