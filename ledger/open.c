/* Opening and closing. */
#include "checkpoint.h"
#include "checkpoint_format.h"
#include "id_feed.h"
#include "page_cache.h"
#include "pump.h"
#include "replay.h"
#include "stats.h"

#include <stdlib.h>

#define TAIL_LEAST MIB(16)
#define TAIL_MOST  MIB(64)

mp_status mp_init(const char *directory, const mp_options *options)
{
    const mp_env *env = options != NULL && options->env != NULL ? options->env : mp_env_posix();

    if (directory == NULL) return fail(MP_INVALID, "mp_init needs a directory");
    return wal_init(env, directory, options != NULL && (options->flags & MP_OPEN_FORCE_FS) != 0);
}

/* What is in use beside the tables, however full they are: counted once. */
static mp_status open_fixed(struct mp_ledger *ledger)
{
    struct memory *memory = &ledger->memory;
    struct wal *wal = &ledger->wal;
    uint64_t tail = TAIL_LEAST;
    uint64_t pages = min_u64(PAGE_CACHE_DEFAULT, memory->max / 32 / PAGE_SIZE);
    uint64_t bytes = sizeof *ledger;
    mp_status status = MP_OK;

    while (tail < TAIL_MOST && 2 * tail <= memory->max / 8) tail *= 2;
    page_cache_close(wal->cache);
    wal->cache = page_cache_open((uint32_t)pages);
    if (wal->cache == NULL) return fail(MP_NO_MEMORY, "no memory for the cache of pages");
    bytes += page_cache_bytes(wal->cache);
    if ((ledger->flags & MP_OPEN_READ) == 0) {
        bytes += tail + sizeof(struct pump) + CHUNK_BYTES + WAL_HELPER_BYTES;
        status = tail_open(&ledger->tail, tail);
    }
    atomic_fetch_add(&memory->committed, bytes);
    return status;
}

static mp_status open_tables(struct mp_ledger *ledger, const mp_options *options)
{
    uint64_t memory_max =
        options->memory_max != 0 ? options->memory_max : memory_default(ledger->env);
    uint64_t *secret = ledger->hash_secret;
    mp_status status;

    if (memory_max < MEMORY_MIN) {
        return fail(MP_INVALID, "memory_max is %llu bytes; at least 32 MiB are needed",
                    (unsigned long long)memory_max);
    }
    ledger->memory.max = memory_max;
    memcpy(secret, ledger->wal.identity.hash_secret, sizeof ledger->hash_secret);
    status = open_fixed(ledger);
    if (status == MP_OK) {
        status = accounts_open(
            &ledger->accounts, &ledger->memory,
            options->accounts_max != 0 ? options->accounts_max : memory_max / 288, secret);
    }
    if (status == MP_OK) {
        status = reservations_open(
            &ledger->reservations, &ledger->memory,
            options->reservations_max != 0 ? options->reservations_max : memory_max / 112, secret);
    }
    if (status == MP_OK) status = ids_open(&ledger->ids, &ledger->memory);
    return status;
}

static mp_status insert_id(void *context, const struct id_file_entry *entry)
{
    return id_feed_put(context, entry->hash, (enum id_tag)(entry->position_tag & 3),
                       entry->position_tag & ~3ull);
}

static mp_status feed_segments(struct mp_ledger *ledger, uint64_t before, struct id_feed *feed)
{
    mp_status status = MP_OK;

    for (uint32_t ordinal = 1; segment_base(ordinal) + PAGE_SIZE < before && status == MP_OK;
         ordinal++) {
        bool whole = before > segment_base(ordinal) + segment_size(ordinal);

        status = MP_NOT_FOUND;
        if (whole) status = ids_file_read(&ledger->wal, ordinal, insert_id, feed);
        if (status == MP_NOT_FOUND) {
            status = ids_scan(&ledger->wal, ordinal, whole ? UINT64_MAX : before, insert_id, feed);
        }
    }
    return status;
}

static mp_status open_feed(struct mp_ledger *ledger, struct id_feed *feed)
{
    return id_feed_open(feed, &ledger->ids, ledger->env, (ledger->flags & MP_OPEN_MANUAL) == 0);
}

mp_status load_ids(struct mp_ledger *ledger, uint64_t before)
{
    struct id_feed feed;
    mp_status status = open_feed(ledger, &feed);

    if (status != MP_OK) return status;
    return id_feed_close(&feed, feed_segments(ledger, before, &feed));
}

/* The tables as the newest checkpoint and the log behind it have them. */
static mp_status replay_log(struct mp_ledger *ledger, const struct checkpoint_start *start)
{
    struct id_feed feed;
    mp_status status = open_feed(ledger, &feed);

    if (status != MP_OK) return status;
    ledger->feed = &feed;
    status = feed_segments(ledger, start->position, &feed);
    if (status == MP_OK) {
        status = wal_scan(&ledger->wal, start->position, start->prev_sum, start->sequence,
                          UINT64_MAX, replay_block, ledger);
    }
    ledger->feed = NULL;
    return id_feed_close(&feed, status);
}

static void sum_up_counters(struct mp_ledger *ledger, uint64_t began)
{
    atomic_store(&ledger->mark, ledger->wal.end);
    atomic_store(&ledger->sequence, ledger->wal.sequence - 1);
    ledger->newest.time = max_u64(ledger->newest.time, ledger->wal.last_time);
    STAT_SET(ledger->stats.opened_ns, ledger->env->boot_ns(ledger->env->context) - began);
    stats_refresh(ledger);
}

static mp_status open_for_writing(struct mp_ledger *ledger, const mp_options *options)
{
    struct checkpoint_start start;
    mp_status status = checkpoint_load(ledger, &start);

    if (status == MP_OK) status = replay_log(ledger, &start);
    if (status == MP_OK) status = clock_check_opening(ledger);
    if (status == MP_OK) status = wal_settle(&ledger->wal, start.mark);
    if (status != MP_OK) return status;
    replay_publish_all(ledger);
    sum_up_counters(ledger, ledger->stats.opened_ns);
    status = checkpoint_open(ledger, options->checkpoint_after, start.number, start.position,
                             start.size);
    return status == MP_OK ? pump_open(ledger, options) : status;
}

/* A log that ends where something acknowledged is damaged must not pass for a shorter one. Beside a
 * writer nothing can be said. Nor when one that has gone meanwhile wrote on: then there is more to
 * be scanned. */
static mp_status scan_for_reading(struct mp_ledger *ledger, uint64_t mark, uint64_t written,
                                  wal_block_fn fn)
{
    struct wal *wal = &ledger->wal;
    mp_status status;

    for (bool again = false;; again = true) {
        uint64_t end = wal->end;

        status = wal_scan_reader(wal, wal->end, wal->prev_sum, wal->sequence, fn, ledger);
        if (status != MP_OK) return status;
        if (again && wal->end == end) return wal_check_end_near(wal, mark); /* says it once more */
        if (wal_writer_alive(wal)) return MP_OK;
        status = wal_check_end_near(wal, mark);
        if (status == MP_OK) {
            ledger->looked_end = wal->end;
            ledger->looked_written = written;
        }
        if (status != MP_CORRUPT) return status;
    }
}

mp_status read_on(struct mp_ledger *ledger, uint64_t mark, wal_block_fn fn)
{
    struct wal *wal = &ledger->wal;
    struct ledger_slot slot;
    mp_status status = ledger_file_read(wal->env, wal->directory, &slot);

    if (status != MP_OK) return status;
    if (ledger->looked_written == slot.written && ledger->looked_end == wal->end &&
        !wal_writer_alive(wal)) {
        return MP_OK; /* nobody has been there since */
    }
    return scan_for_reading(ledger, mark, slot.written, fn);
}

static mp_status open_for_reading(struct mp_ledger *ledger)
{
    struct checkpoint_start start;
    mp_status status = checkpoint_load(ledger, &start);

    ledger->wal.end = start.position;
    ledger->wal.prev_sum = start.prev_sum;
    ledger->wal.sequence = start.sequence;
    if (status == MP_OK) status = read_on(ledger, start.mark, replay_block);
    if (status != MP_OK) return status;
    replay_publish_all(ledger);
    sum_up_counters(ledger, ledger->stats.opened_ns);
    return MP_OK;
}

static void ledger_free(struct mp_ledger *ledger)
{
    pump_free(ledger);
    checkpoint_close(ledger);
    accounts_close(&ledger->accounts);
    reservations_close(&ledger->reservations);
    ids_close(&ledger->ids);
    tail_close(&ledger->tail);
    wal_close(&ledger->wal);
    free(ledger);
}

mp_status mp_open(const char *directory, const mp_options *options, mp_ledger **out)
{
    static const mp_options defaults;
    struct mp_ledger *ledger;
    mp_status status;
    bool write;

    if (directory == NULL || out == NULL)
        return fail(MP_INVALID, "mp_open needs a directory and a place for the handle");
    if (options == NULL) options = &defaults;
    ledger = aligned_alloc(64, (sizeof *ledger + 63) / 64 * 64);
    if (ledger == NULL) return fail(MP_NO_MEMORY, "no memory for a ledger");
    memset(ledger, 0, sizeof *ledger);
    ledger->env = options->env != NULL ? options->env : mp_env_posix();
    ledger->flags = options->flags;
    ledger->process = ledger->env->process(ledger->env->context);
    ledger->stats.opened_ns =
        ledger->env->boot_ns(ledger->env->context); /* until opening is through: when it began */
    write = (options->flags & MP_OPEN_READ) == 0;
    status = wal_open(&ledger->wal, ledger->env, directory, write,
                      (options->flags & MP_OPEN_FORCE_FS) != 0);
    if (status != MP_OK) {
        free(ledger);
        return status;
    }
    ledger->wal.no_ring = (options->flags & MP_OPEN_NO_RING) != 0;
    status = open_tables(ledger, options);
    if (status == MP_OK)
        status = write ? open_for_writing(ledger, options) : open_for_reading(ledger);
    if (status != MP_OK) {
        ledger_free(ledger);
        return status;
    }
    *out = ledger;
    return MP_OK;
}

mp_status mp_close(mp_ledger *ledger)
{
    mp_status status = MP_OK;

    if (ledger == NULL) return MP_OK;
    if (check_process(ledger) != MP_OK) return MP_WRONG_PROCESS;
    if (ledger->pump != NULL) status = pump_close(ledger);
    ledger_free(ledger);
    return status;
}

const char *mp_notice(const mp_ledger *ledger, unsigned number)
{
    return number < ledger->wal.notice_count ? ledger->wal.notices[number] : NULL;
}
