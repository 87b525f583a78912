/*
 * limit_apply: how fast one thread can apply transfers in memory, with nothing else around it.
 *
 * For each transfer of a workload file, in order: both accounts are looked up by 128-bit id in an
 * open-addressing table, both 64-byte balance lines are checked against their limits and updated,
 * the id goes into a set of 128-bit ids, and the 128-byte record is copied out. No log, no
 * durability, no reservations, no chains. Shares no code with the engine.
 *
 * Five cache lines a transfer are touched at random, so the work runs in three stages, each AHEAD
 * transfers before the next one: hash, and prefetch both tables; probe the account table, and
 * prefetch the balances; apply. What a stage found out is kept for the next one.
 */
#include "workload_format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: limit_apply FILE [--repeat N] [--json]\n"
    "\n"
    "Applies the transfers of a workload file (see make_workload) in memory, in one thread.\n"
    "  --repeat N  number of timed runs, each from empty books (default 5)\n"
    "  --json      one JSON object instead of text\n";

enum {
    AHEAD = 12, /* transfers from one stage to the next; 8 to 16 do about as well */
    RING = 32,  /* transfers whose stages are under way: more than 2 * AHEAD, a power of two */
    OUTPUT_SIZE = 1 << 20,
    ACCOUNT_PLACES = 4, /* places an account in the table, at least */
    REPEAT_MAX = 1000,
    BUCKET_IDS = 4,
    SET_FILL_PERCENT = 60,
};

/* Flags of an account that the check looks at. */
enum {
    DEBITS_MUST_NOT_EXCEED_CREDITS = 1 << 1,
    CREDITS_MUST_NOT_EXCEED_DEBITS = 1 << 2,
    CLOSED = 1 << 5,
};

struct balance {
    struct workload_id id;
    uint64_t debits_pending;
    uint64_t debits_posted;
    uint64_t credits_pending;
    uint64_t credits_posted;
    uint32_t ledger;
    uint32_t flags;
    uint64_t transfers;
};

/* slot + 1 with the lower half of the hash; a free place is 0. The id stands in the balance. */
struct account_entry {
    uint32_t tag;
    uint32_t slot_plus_1;
};

struct account_table {
    struct account_entry *entries;
    unsigned shift; /* 64 - log2 of the number of entries */
    uint64_t mask;
};

/* One cache line; filled from the front, a free place is id 0. */
struct id_bucket {
    struct workload_id ids[BUCKET_IDS];
};

struct books {
    struct account_table accounts;
    struct balance *balances;
    struct id_bucket *buckets;
    uint64_t account_count;
    uint64_t bucket_count;
    uint8_t *output; /* OUTPUT_SIZE bytes, written round and round */
};

/* What is known of a transfer between its first stage and its last. */
struct prepared {
    uint64_t debit_hash;
    uint64_t credit_hash;
    uint64_t bucket;
    uint32_t debit_slot;
    uint32_t credit_slot;
};

struct workload {
    struct workload_header header;
    const struct workload_id *accounts;
    const struct workload_transfer *transfers;
};

static_assert(RING > 2 * AHEAD, "a stage must not overwrite what a later one needs");
static_assert(sizeof(struct balance) == 64, "a balance is one cache line");
static_assert(sizeof(struct id_bucket) == 64, "a bucket is one cache line");

static struct workload read_workload(const char *path);
static struct books make_books(const struct workload *workload);
static void reset_books(struct books *books, const struct workload *workload);
static uint64_t apply_all(struct books *books, const struct workload_transfer *transfers,
                          uint64_t count);
static void check_books(const struct books *books, const struct workload *workload,
                        uint64_t accepted);
static double now_s(void);
static int compare_doubles(const void *a, const void *b);
_Noreturn static void die(const char *what, const char *why);

int main(int argc, char **argv)
{
    static double rates[REPEAT_MAX];
    const char *path = NULL;
    size_t repeat = 5;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc) {
            repeat = (size_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        } else if (argv[i][0] != '-' && path == NULL) {
            path = argv[i];
        } else {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (path == NULL || repeat == 0 || repeat > REPEAT_MAX) {
        fputs(usage, stderr);
        return 2;
    }

    const struct workload workload = read_workload(path);
    struct books books = make_books(&workload);

    for (size_t i = 0; i < repeat; i++) {
        reset_books(&books, &workload);

        const double start = now_s();
        const uint64_t accepted =
            apply_all(&books, workload.transfers, workload.header.transfer_count);
        const double elapsed = now_s() - start;

        rates[i] = (double)workload.header.transfer_count / elapsed;
        check_books(&books, &workload, accepted);
    }
    qsort(rates, repeat, sizeof rates[0], compare_doubles);

    const double median = (rates[(repeat - 1) / 2] + rates[repeat / 2]) / 2;

    if (json) {
        printf("{\"accounts\":%" PRIu64 ",\"transfers\":%" PRIu64 ",\"runs\":%zu,"
               "\"limit_apply_transfers_per_s\":%.0f,\"min\":%.0f,\"max\":%.0f,"
               "\"ns_per_transfer\":%.2f}\n",
               workload.header.account_count, workload.header.transfer_count, repeat, median,
               rates[0], rates[repeat - 1], 1e9 / median);
    } else {
        printf("reference apply, %" PRIu64 " accounts, %" PRIu64 " transfers, median of %zu runs:\n"
               "  %.2f million transfers/s (%.2f to %.2f), %.1f ns a transfer\n",
               workload.header.account_count, workload.header.transfer_count, repeat, median / 1e6,
               rates[0] / 1e6, rates[repeat - 1] / 1e6, 1e9 / median);
    }
    return EXIT_SUCCESS;
}

/* One 64x64 multiplication folded; the upper bits are the good ones. */
static inline uint64_t hash_id(struct workload_id id)
{
    const unsigned __int128 product = (unsigned __int128)(id.lo ^ UINT64_C(0x9e3779b97f4a7c15)) *
                                      (id.hi ^ UINT64_C(0xd6e8feb86659fd93));

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline bool id_equal(struct workload_id a, struct workload_id b)
{
    return ((a.lo ^ b.lo) | (a.hi ^ b.hi)) == 0;
}

static inline bool id_is_zero(struct workload_id id) { return (id.lo | id.hi) == 0; }

static inline uint64_t bucket_of(const struct books *books, uint64_t hash)
{
    return (uint64_t)(((unsigned __int128)hash * books->bucket_count) >> 64);
}

/* The first account whose tag fits, mostly the right one; account_count if there is none. */
static inline uint32_t probe_account(const struct account_table *table, uint64_t hash,
                                     uint32_t none)
{
    for (uint64_t at = hash >> table->shift;; at = (at + 1) & table->mask) {
        const struct account_entry entry = table->entries[at];

        if (__builtin_expect(entry.tag == (uint32_t)hash && entry.slot_plus_1 != 0, 1)) {
            return entry.slot_plus_1 - 1;
        }
        if (entry.slot_plus_1 == 0) {
            return none;
        }
    }
}

/* The exact look-up, for the rare case that another account's tag came first. */
__attribute__((noinline, cold)) static struct balance *find_account(const struct books *books,
                                                                    struct workload_id id)
{
    const uint64_t hash = hash_id(id);

    for (uint64_t at = hash >> books->accounts.shift;; at = (at + 1) & books->accounts.mask) {
        const struct account_entry entry = books->accounts.entries[at];

        if (entry.slot_plus_1 == 0) {
            return NULL;
        }
        if (id_equal(books->balances[entry.slot_plus_1 - 1].id, id)) {
            return &books->balances[entry.slot_plus_1 - 1];
        }
    }
}

/* The place of an id, or NULL if it is there already. */
static inline struct workload_id *find_free(const struct books *books, uint64_t bucket,
                                            struct workload_id id)
{
    for (;;) {
        struct id_bucket *line = &books->buckets[bucket];

        for (unsigned i = 0; i < BUCKET_IDS; i++) {
            if (id_is_zero(line->ids[i])) {
                return &line->ids[i];
            }
            if (__builtin_expect(id_equal(line->ids[i], id), 0)) {
                return NULL;
            }
        }
        bucket = bucket + 1 == books->bucket_count ? 0 : bucket + 1;
    }
}

static inline bool apply_one(const struct books *books, const struct workload_transfer *transfer,
                             const struct prepared *prepared, uint8_t *output)
{
    struct balance *debit = &books->balances[prepared->debit_slot];
    struct balance *credit = &books->balances[prepared->credit_slot];

    if (__builtin_expect(!id_equal(debit->id, transfer->debit_account_id) |
                             !id_equal(credit->id, transfer->credit_account_id),
                         0)) {
        debit = find_account(books, transfer->debit_account_id);
        credit = find_account(books, transfer->credit_account_id);
        if (debit == NULL || credit == NULL) {
            return false;
        }
    }

    const uint64_t amount = transfer->amount.lo;
    uint64_t debits_posted;
    uint64_t credits_posted;
    uint64_t debits_all;
    uint64_t credits_all;
    bool bad = __builtin_add_overflow(debit->debits_posted, amount, &debits_posted);

    bad |= __builtin_add_overflow(credit->credits_posted, amount, &credits_posted);
    bad |= __builtin_add_overflow(debits_posted, debit->debits_pending, &debits_all);
    bad |= __builtin_add_overflow(credits_posted, credit->credits_pending, &credits_all);
    bad |= ((debit->flags & DEBITS_MUST_NOT_EXCEED_CREDITS) != 0) &
           (debits_all > debit->credits_posted);
    bad |= ((credit->flags & CREDITS_MUST_NOT_EXCEED_DEBITS) != 0) &
           (credits_all > credit->debits_posted);
    bad |= ((debit->flags | credit->flags) & CLOSED) != 0;
    bad |= (debit == credit) | (transfer->amount.hi != 0) | (transfer->flags != 0);
    bad |= (debit->ledger != transfer->ledger) | (credit->ledger != transfer->ledger);
    if (__builtin_expect(bad, 0)) {
        return false;
    }

    struct workload_id *place = find_free(books, prepared->bucket, transfer->id);

    if (__builtin_expect(place == NULL, 0)) {
        return false;
    }
    *place = transfer->id;
    debit->debits_posted = debits_posted;
    debit->transfers++;
    credit->credits_posted = credits_posted;
    credit->transfers++;
    memcpy(output, transfer, sizeof *transfer);
    return true;
}

static inline void stage_hash(const struct books *books, const struct workload_transfer *transfer,
                              struct prepared *prepared)
{
    prepared->debit_hash = hash_id(transfer->debit_account_id);
    prepared->credit_hash = hash_id(transfer->credit_account_id);
    prepared->bucket = bucket_of(books, hash_id(transfer->id));
    __builtin_prefetch(&books->accounts.entries[prepared->debit_hash >> books->accounts.shift]);
    __builtin_prefetch(&books->accounts.entries[prepared->credit_hash >> books->accounts.shift]);
    __builtin_prefetch(&books->buckets[prepared->bucket], 1);
}

static inline void stage_probe(const struct books *books, struct prepared *prepared)
{
    const uint32_t none = (uint32_t)books->account_count;
    const struct id_bucket *bucket = &books->buckets[prepared->bucket];
    const bool full = !id_is_zero(bucket->ids[BUCKET_IDS - 1]);

    __builtin_prefetch(bucket + full, 1); /* a full one overflows into the next */
    prepared->debit_slot = probe_account(&books->accounts, prepared->debit_hash, none);
    prepared->credit_slot = probe_account(&books->accounts, prepared->credit_hash, none);
    __builtin_prefetch(&books->balances[prepared->debit_slot], 1);
    __builtin_prefetch(&books->balances[prepared->credit_slot], 1);
}

static uint64_t apply_all(struct books *books, const struct workload_transfer *transfers,
                          uint64_t count)
{
    const struct books held = *books; /* so that no store can change what the loops look at */
    struct prepared ring[RING];
    uint64_t accepted = 0;

    for (uint64_t i = 0; i < count + 2 * AHEAD; i++) {
        if (i < count) {
            stage_hash(&held, &transfers[i], &ring[i % RING]);
        }
        if (i >= AHEAD && i - AHEAD < count) {
            stage_probe(&held, &ring[(i - AHEAD) % RING]);
        }
        if (i >= 2 * AHEAD) {
            uint8_t *output = held.output + accepted * sizeof *transfers % OUTPUT_SIZE;

            accepted +=
                apply_one(&held, &transfers[i - 2 * AHEAD], &ring[(i - 2 * AHEAD) % RING], output);
        }
    }
    return accepted;
}

/* Zeroed memory in huge pages where the kernel grants them. */
static void *allocate(size_t size)
{
    const size_t huge = (size_t)1 << 21;
    const size_t rounded = (size + huge - 1) / huge * huge;
    uint8_t *region =
        mmap(NULL, rounded + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (region == MAP_FAILED) {
        die("memory", strerror(errno));
    }
    region += -(uintptr_t)region % huge;
    (void)madvise(region, rounded, MADV_HUGEPAGE); /* without it: slower, not wrong */
    memset(region, 0, rounded);
    return region;
}

static struct books make_books(const struct workload *workload)
{
    struct books books = {.account_count = workload->header.account_count};
    unsigned bits = 4;

    while (((uint64_t)1 << bits) < ACCOUNT_PLACES * books.account_count) {
        bits++;
    }
    books.accounts.shift = 64 - bits;
    books.accounts.mask = ((uint64_t)1 << bits) - 1;
    books.accounts.entries = allocate(sizeof(struct account_entry) << bits);
    books.balances = allocate((books.account_count + 1) * sizeof *books.balances);
    books.bucket_count = workload->header.transfer_count * 100 / SET_FILL_PERCENT / BUCKET_IDS + 1;
    books.buckets = allocate(books.bucket_count * sizeof *books.buckets);
    books.output = allocate(OUTPUT_SIZE);
    for (uint64_t i = 0; i < books.account_count; i++) {
        const uint64_t hash = hash_id(workload->accounts[i]);
        uint64_t at = hash >> books.accounts.shift;

        while (books.accounts.entries[at].slot_plus_1 != 0) {
            at = (at + 1) & books.accounts.mask;
        }
        books.accounts.entries[at] = (struct account_entry){(uint32_t)hash, (uint32_t)(i + 1)};
    }
    return books;
}

static void reset_books(struct books *books, const struct workload *workload)
{
    memset(books->buckets, 0, books->bucket_count * sizeof *books->buckets);
    memset(books->balances, 0, (books->account_count + 1) * sizeof *books->balances);
    for (uint64_t i = 0; i < books->account_count; i++) {
        books->balances[i].id = workload->accounts[i];
        books->balances[i].ledger = workload->header.ledger;
    }
}

/* A limit that doesn't do the work would be none. */
static void check_books(const struct books *books, const struct workload *workload,
                        uint64_t accepted)
{
    const uint64_t count = workload->header.transfer_count;
    uint64_t amounts = 0;
    uint64_t debits = 0;
    uint64_t credits = 0;
    uint64_t sides = 0;
    uint64_t ids = 0;

    for (uint64_t i = 0; i < count; i++) {
        amounts += workload->transfers[i].amount.lo;
    }
    for (uint64_t i = 0; i < books->account_count; i++) {
        debits += books->balances[i].debits_posted;
        credits += books->balances[i].credits_posted;
        sides += books->balances[i].transfers;
    }
    for (uint64_t i = 0; i < books->bucket_count; i++) {
        for (unsigned j = 0; j < BUCKET_IDS; j++) {
            ids += !id_is_zero(books->buckets[i].ids[j]);
        }
    }
    if (accepted != count || ids != count || sides != 2 * count || debits != amounts ||
        credits != amounts) {
        die("books", "not every transfer was applied once");
    }
}

static void read_fully(int fd, void *into, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = pread(fd, (uint8_t *)into + done, size - done, (off_t)(offset + done));

        if (got <= 0) {
            die("workload", got == 0 ? "file ends early" : strerror(errno));
        }
        done += (size_t)got;
    }
}

static struct workload read_workload(const char *path)
{
    struct workload workload;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        die(path, strerror(errno));
    }
    read_fully(fd, &workload.header, sizeof workload.header, 0);
    if (workload.header.magic != WORKLOAD_MAGIC || workload.header.account_count < 2 ||
        workload.header.account_count >= UINT32_MAX || workload.header.transfer_count == 0 ||
        workload.header.transfer_count > UINT64_C(1) << 32) {
        die(path, "not a workload file");
    }

    const size_t accounts_size = workload.header.account_count * sizeof *workload.accounts;
    const size_t transfers_size = workload.header.transfer_count * sizeof *workload.transfers;
    void *accounts = allocate(accounts_size);
    void *transfers = allocate(transfers_size);

    read_fully(fd, accounts, accounts_size, workload.header.accounts_offset);
    read_fully(fd, transfers, transfers_size, workload.header.transfers_offset);
    close(fd);
    workload.accounts = accounts;
    workload.transfers = transfers;
    return workload;
}

static double now_s(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

_Noreturn static void die(const char *what, const char *why)
{
    fprintf(stderr, "limit_apply: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}
