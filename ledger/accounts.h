/* Accounts in RAM: 64 bytes that the writer works on, 64 bytes that readers see, 128 + 16 bytes
 * that are rarely used.
 *
 * The writer's line runs ahead of what is durable; the published line follows when a block is. A
 * slot is an account's ordinal of creation, from 0. Sums of 2^63 and more are wide: their high
 * halves lie in a side slot. */
#ifndef LEDGER_ACCOUNTS_H
#define LEDGER_ACCOUNTS_H

#include "format.h"
#include "hash.h"
#include "slot_table.h"

enum sum { DEBITS_PENDING, DEBITS_POSTED, CREDITS_PENDING, CREDITS_POSTED, SUMS };

struct sums {
    mp_u128 of[SUMS];
};

/* The writer's. */
struct account_line {
    mp_id id;
    uint64_t sums[SUMS]; /* low halves */
    uint32_t ledger;     /* never changes */
    uint32_t wide;       /* side slot + 1; 0 = no sum is wide */
    uint8_t last[6];     /* log position of the newest record; 0 = none */
    uint8_t flags;
    uint8_t zero;
};
_Static_assert(sizeof(struct account_line) == 64, "");

/* The readers': eight words under a seqlock, so one cache line.
 * 0: version (32 bits; odd while it is written) | flags << 32 | records bits 16 to 39 << 40
 * 1: log position of the newest record (48 bits) | records bits 0 to 15 << 48
 * 2 to 5: sums; word 2 with its top bit set: all four are in side slot (word 2 less that bit)
 * 6, 7: id, low half first; 0 = nothing published yet */
struct account_published {
    _Atomic uint64_t words[8];
};
#define PUBLISHED_WIDE (1ull << 63)

/* A digit of the account's skew-binary number of records: where a complete tree of 2^rank - 1
 * records begins. The stack of digits is the chain of jump targets, newest first (E. W. Myers, "An
 * applicative random-access stack", 1983). */
struct PACKED digit {
    /* position / 32 (43 bits) | rank << 43 (6 bits) | coarse time's low 15 bits << 49 */
    uint64_t low;
    uint32_t high; /* coarse time's next 32 bits; coarse time = timestamp / 2^16 */
};
#define DIGITS_INLINE 8

struct account_cold {
    uint32_t chunk;         /* of the digits that don't fit, + 1; 0 = none */
    uint8_t inline_count;   /* digits[0] is the newest */
    uint8_t overflow_count; /* older ones, in the chunk, oldest first */
    uint8_t flags_created;  /* as at creation */
    uint8_t zero;
    struct digit digits[DIGITS_INLINE]; /* those that aren't there are zero */
    uint64_t user_data_128[2];          /* low, high */
    uint64_t user_data_64;
};
_Static_assert(sizeof(struct account_cold) == 128, "");

struct account_rest {
    uint64_t timestamp;
    uint32_t user_data_32;
    uint16_t code;
    uint16_t zero;
};

struct wide_sums {
    uint64_t high[SUMS]; /* the writer's */
    /* the readers': low, high of each sum, under the account's version */
    _Atomic uint64_t published[8];
};

struct accounts {
    struct arena lines, published, cold, rest, wide, chunks;
    struct slot_table table;
    const uint64_t *hash_secret;
    uint32_t count; /* created, undecided ones included */
    uint32_t max;
    uint32_t wide_count;
    bool near_wide;            /* some sum is 2^62 or more */
    uint32_t chunk_bytes_used; /* of chunks, in 48-byte steps */
    uint32_t chunk_free[8];    /* free lists by size class, + 1; 0 = none */
    uint64_t waiting; /* accounts' records in the open block: their digits come when it is closed */
    _Atomic uint32_t published_count; /* accounts that readers may see */
    _Atomic uint64_t publications;    /* odd while a block is being published */
};

MP_MUST_USE mp_status accounts_open(struct accounts *accounts, struct memory *memory, uint64_t max,
                                    const uint64_t *hash_secret);
void accounts_close(struct accounts *accounts);
/* The memory of so many accounts, without the table that finds them. Safe from two threads. */
MP_MUST_USE mp_status accounts_commit(struct accounts *accounts, uint64_t count);
/* Room for `more` new accounts, for `touched` more digits, and for as many sums becoming wide when
 * amounts are `large` (2^48 or more) or some sum is near. MP_LIMIT. Between batches. */
MP_MUST_USE mp_status accounts_prepare(struct accounts *accounts, uint64_t more, uint64_t touched,
                                       bool large);

static inline struct account_line *account_line(const struct accounts *accounts, uint32_t slot)
{
    return (struct account_line *)accounts->lines.base + slot;
}
static inline struct account_published *account_published(const struct accounts *accounts,
                                                          uint32_t slot)
{
    return (struct account_published *)accounts->published.base + slot;
}
static inline struct account_cold *account_cold(const struct accounts *accounts, uint32_t slot)
{
    return (struct account_cold *)accounts->cold.base + slot;
}
static inline struct account_rest *account_rest(const struct accounts *accounts, uint32_t slot)
{
    return (struct account_rest *)accounts->rest.base + slot;
}
static inline struct wide_sums *account_wide(const struct accounts *accounts, uint32_t index)
{
    return (struct wide_sums *)accounts->wide.base + index;
}

/* Slot of an account, the writer's view; SLOT_NONE. */
static inline uint32_t accounts_find(const struct accounts *accounts, mp_id id, uint64_t hash)
{
    struct slot_probe probe;
    uint32_t slot = slot_table_first(&accounts->table, hash, &probe);

    while (UNLIKELY(slot != SLOT_NONE && account_line(accounts, slot)->id != id)) {
        slot = slot_table_next(&accounts->table, &probe);
    }
    return slot;
}
/* Adds an account (room was prepared); its line is zeroed but for id and ledger. */
uint32_t accounts_add(struct accounts *accounts, mp_id id, uint64_t hash, uint32_t ledger);
/* What stays as it was at creation: flags, user data, code, timestamp. */
void account_details_set(struct accounts *accounts, uint32_t slot, const mp_account *account,
                         uint64_t timestamp);
/* Undo of the newest accounts_add. */
void accounts_remove_last(struct accounts *accounts, uint64_t hash);

struct sums account_sums(const struct accounts *accounts, const struct account_line *line);
void account_set_sums(struct accounts *accounts, struct account_line *line,
                      const struct sums *sums);

/* What readers see of an account. */
struct account_view {
    mp_id id;
    mp_balance balance;
    uint64_t last; /* log position of the newest record; 0 = none */
    uint64_t records;
    uint16_t flags;
};
/* Any thread: slot of a published account; SLOT_NONE. */
uint32_t accounts_find_shared(const struct accounts *accounts, mp_id id);
/* Any thread: a consistent view of one account; false if nothing is published in that slot. */
bool account_read(const struct accounts *accounts, uint32_t slot, struct account_view *out);
/* The account as created, with the view's sums and flags. */
void account_fill(const struct accounts *accounts, uint32_t slot, const struct account_view *view,
                  mp_account *out);
/* Lets readers see an account's id, when it was made or loaded: before its first publication. The
 * writer only, as all that publishes, within an odd `publications`. */
void account_publish_id(struct accounts *accounts, uint32_t slot);
/* Publishes sums, flags, the log position of the newest record (0 = as it was) and how many more
 * records there are. */
void account_publish(struct accounts *accounts, uint32_t slot, const struct sums *sums,
                     uint8_t flags, uint64_t last, uint64_t records_more);

/* --- publishing, inline --- */

#define VERSION_MASK 0xffffffffull

static inline uint64_t version_next(uint64_t head)
{
    return (head & ~VERSION_MASK) | ((head + 1) & VERSION_MASK);
}

/* From here on readers wait; returns what publish_end wants as `head`. */
static inline uint64_t publish_begin(struct account_published *published)
{
    uint64_t head = atomic_load_explicit(&published->words[0], memory_order_relaxed);

    atomic_store_explicit(&published->words[0], version_next(head), memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    return version_next(head);
}

static inline void publish_end(struct account_published *published, uint64_t head,
                               const uint64_t words[SUMS], uint8_t flags, uint64_t last,
                               uint64_t records_more)
{
    uint64_t where = atomic_load_explicit(&published->words[1], memory_order_relaxed);
    uint64_t records = ((head >> 40) << 16 | where >> 48) + records_more;

    if (last == 0) last = where & POSITION_MAX;
    atomic_store_explicit(&published->words[1], last | records << 48, memory_order_relaxed);
    for (int i = 0; i < SUMS; i++)
        atomic_store_explicit(&published->words[2 + i], words[i], memory_order_relaxed);
    atomic_store_explicit(&published->words[0],
                          (version_next(head) & VERSION_MASK) | (uint64_t)flags << 32 |
                              (records >> 16) << 40,
                          memory_order_release);
}

/* account_publish for sums below 2^63. */
static inline void account_publish_words(struct accounts *accounts, uint32_t slot,
                                         const uint64_t sums[SUMS], uint8_t flags, uint64_t last,
                                         uint64_t records_more)
{
    struct account_published *published = account_published(accounts, slot);

    publish_end(published, publish_begin(published), sums, flags, last, records_more);
}

/* --- pointers.c --- */
/* Room for the digits of so many accounts that outgrow their place. */
MP_MUST_USE mp_status chunks_prepare(struct accounts *accounts, uint64_t accounts_touched);
struct jump {
    uint64_t previous, target; /* log positions; 0 = none */
    uint64_t target_time;      /* coarse */
};
/* All of an account's digits, newest first, out of the tables and back in. MP_LIMIT; MP_CORRUPT for
 * too many. */
void digits_save(const struct accounts *accounts, uint32_t slot, struct digit *digits);
MP_MUST_USE mp_status digits_load(struct accounts *accounts, uint32_t slot,
                                  const struct digit *digits, unsigned count);
/* Number of records in the account's chain. */
uint64_t digits_count(const struct accounts *accounts, uint32_t slot);
/* Adds the record at `position` to the account's chain and says where its pointers lead. */
struct jump digits_push(struct accounts *accounts, uint32_t slot, uint64_t position,
                        uint64_t timestamp);

#endif
