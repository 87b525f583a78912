/* Memory: reserved once, committed in steps, counted. */
#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    SMALL_PAGE = 4096,
    STEP_MIN = 64 << 10,
    STEP_MAX = 2 << 20,     /* a huge page */
    STEP_PART = 64,         /* a step is at most this part of what is there */
    LARGE_FROM = 128 << 20, /* bytes from which an arena grows by whole huge pages */
    SPINS = 64,
};
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

/* --- reserving --- */

mp_status arena_reserve(struct arena *arena, struct memory *memory, uint64_t bytes,
                        const char *name)
{
    uint64_t size = round_up(max_u64(bytes, 1), STEP_MAX);
    uint64_t lead;
    uint8_t *base;

    MP_ASSERT(memory != NULL && name != NULL);
    *arena = (struct arena){.memory = memory, .name = name};
    if (size < bytes || size > (1ull << 46)) {
        return fail(MP_NO_MEMORY, "%s: an address space of %" PRIu64 " bytes is beyond any machine",
                    name, bytes);
    }
    base =
        mmap(NULL, size + STEP_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return fail(MP_NO_MEMORY, "%s: the system refused %" PRIu64 " MiB of address space: %s",
                    name, size >> 20, strerror(errno));
    }
    /* Only what is aligned to huge pages is kept. */
    lead = (STEP_MAX - (uintptr_t)base % STEP_MAX) % STEP_MAX;
    if (lead > 0) munmap(base, lead);
    munmap(base + lead + size, STEP_MAX - lead);
    base += lead;
    madvise(base, size, MADV_DONTFORK);
    madvise(base, size,
            MADV_HUGEPAGE); /* refused without transparent huge pages: then small ones serve */
    arena->base = base;
    arena->reserved = size;
    return MP_OK;
}

void arena_free(struct arena *arena)
{
    if (arena->base == NULL) return;
    MP_ASSERT(atomic_load(&arena->growing) == 0);
    munmap(arena->base, arena->reserved);
    atomic_fetch_sub(&arena->memory->committed, atomic_load(&arena->committed));
    *arena = (struct arena){0};
}

/* --- committing --- */

uint64_t arena_step(uint64_t bytes) { return bytes < LARGE_FROM ? STEP_MIN : STEP_MAX; }

static uint64_t rounded(uint64_t bytes) { return round_up(bytes, arena_step(bytes)); }

/* Counts bytes against memory_max; false, and nothing counted, when they would pass it. */
static bool memory_take(struct memory *memory, uint64_t bytes)
{
    uint64_t committed = atomic_load(&memory->committed);

    do {
        if (committed > memory->max || bytes > memory->max - committed) return false;
    } while (!atomic_compare_exchange_weak(&memory->committed, &committed, committed + bytes));
    return true;
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* Brings pages of fresh memory in, so that nobody waits for the kernel at first touch. False when
 * there are none. */
static bool populate(uint8_t *from, uint64_t bytes)
{
    if (madvise(from, bytes, MADV_POPULATE_WRITE) == 0) return true;
    if (errno != EINVAL) return false;
    for (uint64_t at = 0; at < bytes; at += SMALL_PAGE) ((volatile uint8_t *)from)[at] = 0;
    return true;
}

/* Turns what has become whole huge pages, small step by small step, into such; they make look-ups
 * far faster. Where it is refused, the kernel does it by and by. */
static void collapse(const struct arena *arena, uint64_t from, uint64_t to)
{
    uint64_t begin = from / STEP_MAX * STEP_MAX, end = to / STEP_MAX * STEP_MAX;

    if (from != begin && end > begin) madvise(arena->base + begin, end - begin, MADV_COLLAPSE);
}

/* Makes the range [from, to) usable; the caller has claimed the arena. */
static mp_status grow(struct arena *arena, uint64_t from, uint64_t to, bool now)
{
    uint8_t *begin = arena->base + from;
    uint64_t bytes = to - from;

    MP_ASSERT(to > from && to <= arena->reserved && from % SMALL_PAGE == 0 && to % SMALL_PAGE == 0);
    if (!memory_take(arena->memory, bytes)) {
        uint64_t max = arena->memory->max;

        return fail(MP_LIMIT,
                    "%s: no room for %" PRIu64 " KiB more: memory_max is %" PRIu64
                    " MiB, and %" PRIu64 " KiB of it are left",
                    arena->name, bytes >> 10, max >> 20,
                    (max - min_u64(atomic_load(&arena->memory->committed), max)) >> 10);
    }
    if (mprotect(begin, bytes, PROT_READ | PROT_WRITE) != 0 || (now && !populate(begin, bytes))) {
        int error = errno;

        madvise(begin, bytes, MADV_DONTNEED);
        mprotect(begin, bytes, PROT_NONE);
        atomic_fetch_sub(&arena->memory->committed, bytes);
        return fail(MP_NO_MEMORY, "%s: the system refused %" PRIu64 " KiB of memory: %s",
                    arena->name, bytes >> 10, strerror(error));
    }
    atomic_store_explicit(&arena->committed, to, memory_order_release);
    return MP_OK;
}

/* One thread at a time commits. Others that need more, which is rare, wait for it: it never waits
 * itself. */
static void claim(struct arena *arena)
{
    for (unsigned tries = 0;
         atomic_exchange_explicit(&arena->growing, 1, memory_order_acquire) != 0; tries++) {
        if (tries >= SPINS) sched_yield();
    }
}

static void unclaim(struct arena *arena)
{
    atomic_store_explicit(&arena->growing, 0, memory_order_release);
}

mp_status arena_commit(struct arena *arena, uint64_t bytes)
{
    mp_status status = MP_OK;
    uint64_t have;

    MP_ASSERT(arena->base != NULL);
    if (bytes <= atomic_load_explicit(&arena->committed, memory_order_acquire)) return MP_OK;
    if (bytes > arena->reserved) {
        return fail(MP_LIMIT, "%s: all of the %" PRIu64 " MiB reserved for them are used",
                    arena->name, arena->reserved >> 20);
    }
    claim(arena);
    have = atomic_load_explicit(&arena->committed, memory_order_relaxed);
    if (bytes > have) {
        uint64_t least = round_up(bytes, SMALL_PAGE);
        uint64_t step = min_u64(max_u64(have / STEP_PART, STEP_MIN), STEP_MAX);
        uint64_t to = min_u64(rounded(max_u64(bytes, have + step)), arena->reserved);

        /* Near the limit only what is needed. */
        if (!arena_has_room(arena, to)) to = least;
        status = grow(arena, have, to, true);
        if (status == MP_OK) collapse(arena, have, to);
    }
    unclaim(arena);
    return status;
}

mp_status arena_extend(struct arena *arena, uint64_t bytes)
{
    mp_status status = MP_OK;
    uint64_t have, to = rounded(bytes);

    MP_ASSERT(arena->base != NULL);
    if (to > arena->reserved) {
        return fail(MP_LIMIT, "%s: all of the %" PRIu64 " MiB reserved for them are used",
                    arena->name, arena->reserved >> 20);
    }
    claim(arena);
    have = atomic_load_explicit(&arena->committed, memory_order_relaxed);
    if (to > have) {
        status = grow(arena, have, to, false);
        /* What is new becomes huge pages at first touch; the one that it shares with what was there
         * doesn't. */
        if (status == MP_OK) {
            collapse(arena, have, min_u64(to, round_up(have, STEP_MAX)));
            atomic_store_explicit(&arena->fresh_begin, round_up(have, STEP_MAX),
                                  memory_order_relaxed);
            atomic_store_explicit(&arena->fresh_end, to, memory_order_release);
        }
    }
    unclaim(arena);
    return status;
}

bool arena_touch_ahead(struct arena *arena)
{
    uint64_t end = atomic_load_explicit(&arena->fresh_end, memory_order_acquire);
    uint64_t begin = atomic_load_explicit(&arena->fresh_begin, memory_order_relaxed);
    uint64_t from;

    if (end <= begin) return false;
    from = max_u64(begin, (end - 1) / STEP_MAX * STEP_MAX);
    /* The writer may be there already. Where it fails each page comes at its first touch. */
    if (madvise(arena->base + from, end - from, MADV_POPULATE_WRITE) != 0) from = begin;
    atomic_compare_exchange_strong(&arena->fresh_end, &end, from); /* unless more came meanwhile */
    return true;
}

bool arena_has_room(const struct arena *arena, uint64_t bytes)
{
    uint64_t have = atomic_load_explicit(&arena->committed, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&arena->memory->committed, memory_order_relaxed);

    if (bytes <= have) return true;
    return bytes <= arena->reserved && used <= arena->memory->max &&
           bytes - have <= arena->memory->max - used;
}

/* --- pages --- */

void *pages_take(uint64_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (pages == MAP_FAILED) return NULL;
    madvise(pages, bytes, MADV_DONTFORK);
    madvise(pages, bytes, MADV_NOHUGEPAGE); /* what isn't needed is never touched */
    return pages;
}

void pages_free(void *pages, uint64_t bytes)
{
    if (pages != NULL) munmap(pages, bytes);
}

/* --- how much there is --- */

/* Reads a small text file; false when it is missing or empty. */
static bool read_text(const mp_env *env, const char *path, char *text, size_t size)
{
    int file = env->file_open(env->context, path, 0);
    int64_t length;

    if (file < 0) return false;
    length = env->file_read(env->context, file, text, size - 1, 0);
    env->file_close(env->context, file);
    if (length <= 0) return false;
    text[length] = '\0';
    return true;
}

/* The limit in a cgroup's file; UINT64_MAX when there is none ("max"). */
static uint64_t read_limit(const mp_env *env, const char *root, const char *group, const char *name)
{
    char path[512], text[64], *end;
    uint64_t limit;
    int length = snprintf(path, sizeof path, "%s%s/%s", root, group, name);

    if (length < 0 || (size_t)length >= sizeof path || !read_text(env, path, text, sizeof text))
        return UINT64_MAX;
    errno = 0;
    limit = strtoull(text, &end, 10);
    return end == text || errno != 0 ? UINT64_MAX : limit;
}

/* The least limit of a group and all groups above it. A container may see its own group as the
 * root. */
static uint64_t group_limit(const mp_env *env, const char *root, const char *group,
                            const char *name)
{
    char path[256];
    uint64_t limit = read_limit(env, root, "", name);

    if (group == NULL || snprintf(path, sizeof path, "%s", group) >= (int)sizeof path) return limit;
    for (char *slash = path + strlen(path); slash != NULL; slash = strrchr(path, '/')) {
        *slash = '\0';
        if (path[0] == '\0') break;
        limit = min_u64(limit, read_limit(env, root, path, name));
    }
    return limit;
}

/* The path of this process's group: the rest of the line in /proc/self/cgroup that has `mark` in
 * it. */
static char *group_path(char *text, const char *mark)
{
    char *path = strstr(text, mark);

    if (path == NULL) return NULL;
    path += strlen(mark);
    return strndup(path, strcspn(path, "\n"));
}

/* MemTotal in /proc/meminfo, bytes; UINT64_MAX when it can't be read. */
static uint64_t machine_ram(const mp_env *env)
{
    char text[1024], *line;

    if (!read_text(env, "/proc/meminfo", text, sizeof text)) return UINT64_MAX;
    line = strstr(text, "MemTotal:");
    return line == NULL ? UINT64_MAX : KIB(strtoull(line + strlen("MemTotal:"), NULL, 10));
}

uint64_t memory_default(const mp_env *env)
{
    char text[4096] = "";
    char *unified, *legacy;
    uint64_t limit = machine_ram(env);

    if (!read_text(env, "/proc/self/cgroup", text, sizeof text)) text[0] = '\0';
    unified = group_path(text, "0::");
    legacy = group_path(text, ":memory:");
    limit = min_u64(limit, group_limit(env, "/sys/fs/cgroup", unified, "memory.max"));
    limit =
        min_u64(limit, group_limit(env, "/sys/fs/cgroup/memory", legacy, "memory.limit_in_bytes"));
    free(unified);
    free(legacy);
    if (limit == UINT64_MAX) limit = MIB(1024);
    return max_u64(limit / 4, MEMORY_MIN);
}
