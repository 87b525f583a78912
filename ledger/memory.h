/* Memory: address space is reserved once, pages are committed in steps and counted against
 * memory_max. */
#ifndef LEDGER_MEMORY_H
#define LEDGER_MEMORY_H

#include "types.h"
#include <micropay/env.h>

#define MEMORY_MIN MIB(32) /* the least memory_max that is accepted */

struct memory {
    uint64_t max;               /* bytes */
    _Atomic uint64_t committed; /* bytes, all arenas together */
};

/* An array that grows in place and never moves. Its base is aligned to 2 MiB. */
struct arena {
    struct memory *memory;
    uint8_t *base;
    uint64_t reserved;          /* bytes of address space */
    _Atomic uint64_t committed; /* bytes usable from base; only grows */
    _Atomic uint32_t growing;   /* 1 while a thread commits */
    /* bytes that arena_extend added and no thread may have touched yet */
    _Atomic uint64_t fresh_begin, fresh_end;
    const char *name; /* for messages: "accounts" */
};

/* Reserves address space (PROT_NONE, MADV_DONTFORK, MADV_HUGEPAGE); commits nothing. MP_NO_MEMORY
 * when the system refuses. `name` must live as long as the arena. */
MP_MUST_USE mp_status arena_reserve(struct arena *arena, struct memory *memory, uint64_t bytes,
                                    const char *name);
/* Makes at least the first `bytes` usable, zeroed and backed by pages. Steps: 64 KiB at first, then
 * 1/64 of what is there, at most 2 MiB; less near memory_max. Safe from two threads (a helper
 * commits ahead of the writer). MP_LIMIT beyond memory_max or the reservation, MP_NO_MEMORY when
 * the system refuses. */
MP_MUST_USE mp_status arena_commit(struct arena *arena, uint64_t bytes);
/* The same, but in one step of just these bytes (rounded up to arena_step), and pages come only at
 * first touch: for tables, which grow by a quarter at once and then fill the new part little by
 * little. */
MP_MUST_USE mp_status arena_extend(struct arena *arena, uint64_t bytes);
/* A helper's step: backs the last huge page of what arena_extend added, so that the writer, who
 * fills it from its end, seldom has to. False when there is nothing left to do. */
bool arena_touch_ahead(struct arena *arena);
/* Sizes are multiples of this: 64 KiB, from 128 MiB on 2 MiB. */
uint64_t arena_step(uint64_t bytes);
/* Whether the first `bytes` could be usable without passing memory_max (room for others is not
 * looked at). */
bool arena_has_room(const struct arena *arena, uint64_t bytes);
/* Gives everything back; harmless on an arena that is all zero or was freed. */
void arena_free(struct arena *arena);

/* Pages of zeros, used as they are touched, and the system's again at once when they are freed: for
 * large buffers that come and go, which the heap would keep. Not counted. NULL: none to be had. */
void *pages_take(uint64_t bytes);
void pages_free(void *pages, uint64_t bytes); /* NULL is allowed */

/* Default of memory_max: a quarter of the smallest limit among this process's cgroups, or of the
 * machine's RAM if that is less; never below MEMORY_MIN. Without any of the files that tell: a
 * quarter of 1 GiB. */
uint64_t memory_default(const mp_env *env);

#endif
