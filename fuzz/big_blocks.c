/* Large buffers (of an opening, of a cursor) are kept for the next run instead of being mapped and
 * unmapped each time, which took most of a run. Linked with --wrap for aligned_alloc and free.
 *
 * A buffer that isn't in use is poisoned, and only ever used again for the very same size: so a
 * sanitizer sees what it would see anyway. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

enum { BLOCKS = 64, BIG = 256 << 10 };

static struct {
    void *address;
    size_t size;
    bool used;
} blocks[BLOCKS];

void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *address);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *address);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    void *made;

    if (size < BIG) return __real_aligned_alloc(alignment, size);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (blocks[i].used || blocks[i].size != size ||
            (uintptr_t)blocks[i].address % alignment != 0)
            continue;
        ASAN_UNPOISON_MEMORY_REGION(blocks[i].address, size);
        blocks[i].used = true;
        return blocks[i].address;
    }
    made = __real_aligned_alloc(alignment, size);
    for (unsigned i = 0; made != NULL && i < BLOCKS; i++) {
        if (blocks[i].address != NULL) continue;
        blocks[i].address = made;
        blocks[i].size = size;
        blocks[i].used = true;
        break;
    }
    return made;
}

void __wrap_free(void *address)
{
    for (unsigned i = 0; address != NULL && i < BLOCKS; i++) {
        if (blocks[i].address != address) continue;
        if (!blocks[i].used) {
            fprintf(stderr, "a buffer of %zu bytes is freed twice\n", blocks[i].size);
            abort();
        }
        blocks[i].used = false;
        ASAN_POISON_MEMORY_REGION(address, blocks[i].size);
        return;
    }
    __real_free(address);
}
