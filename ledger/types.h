/* Small things that every file of the engine uses: 128-bit helpers, assertions, errors. */
#ifndef LEDGER_TYPES_H
#define LEDGER_TYPES_H

#include <micropay/micropay.h>
#include <stdatomic.h>
#include <string.h>

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
/* For functions that only prefetch: GCC 12 takes those for ones that do nothing and drops the
 * calls. */
#define PREFETCHES              __attribute__((always_inline)) static inline
#define PREFETCH(address)       __builtin_prefetch((address), 0, 3)
#define PREFETCH_WRITE(address) __builtin_prefetch((address), 1, 3)

#define NS_PER_S 1000000000ull
#define TIME_MAX ((1ull << 63) - 1) /* ns */
#define KIB(n)   ((uint64_t)(n) << 10)
#define MIB(n)   ((uint64_t)(n) << 20)

/* What must hold; on in release too. A broken invariant ends the process: going on could only book
 * wrongly. */
_Noreturn void assert_failed(const char *what, const char *file, int line);
#define MP_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (UNLIKELY(!(condition))) assert_failed(#condition, __FILE__, __LINE__);                 \
    } while (0)

/* Sets this thread's mp_last_error() and returns the status, so that a failure is one line:
 *     return fail(MP_IO, "%s: can't be read at offset %" PRIu64 ": %s", path, offset, strerror(e));
 */
mp_status fail(mp_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline uint64_t round_up(uint64_t value, uint64_t step)
{
    return (value + step - 1) / step * step;
}
static inline uint64_t u128_high(mp_u128 value) { return (uint64_t)(value >> 64); }
static inline uint64_t u128_low(mp_u128 value) { return (uint64_t)value; }

/* 48-bit little-endian numbers: log positions, distances, coarse times. */
static inline uint64_t load_48(const uint8_t from[6])
{
    uint64_t value = 0;
    memcpy(&value, from, 6);
    return value;
}
static inline void store_48(uint8_t to[6], uint64_t value) { memcpy(to, &value, 6); }

#endif
