#include "checkpoint.h"
#include "checkpoint_format.h"
#include "pump.h"
#include "stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PACE (400ull << 20) /* bytes a second that a checkpoint writes at most */

enum slice_state { SLICE_NONE, SLICE_WANTED, SLICE_READY };
enum phase { PHASE_IDLE, PHASE_COPYING, PHASE_WAITING };

struct checkpoint {
    uint64_t after;            /* bytes of log behind the last one that start a new one */
    uint64_t number;           /* of the one being written, or of the last */
    _Atomic uint64_t position; /* S of the last finished one */
    uint64_t size;             /* bytes of the last finished one */
    _Atomic uint64_t finished;

    /* between helper and writer: whose turn it is says `slice` */
    _Atomic uint32_t slice;
    uint16_t kind;
    uint64_t next;      /* slot to go on with */
    bool last;          /* nothing of this kind is left */
    uint64_t copied_to; /* log position up to which the copy may reflect records */

    /* the helper's */
    enum phase phase;
    int file;
    uint32_t chunks;
    uint64_t start;  /* S of this one */
    uint64_t newest; /* E */
    uint64_t accounts, reservations;
    uint64_t not_before; /* boot ns: pace */
    uint8_t *buffer;     /* one chunk, aligned */
};

static struct chunk_head *chunk_head(struct checkpoint *checkpoint)
{
    return (struct chunk_head *)checkpoint->buffer;
}
static uint8_t *payload(struct checkpoint *checkpoint)
{
    return checkpoint->buffer + sizeof(struct chunk_head);
}

/* --- the writer's side --- */

static uint32_t copy_globals(const struct mp_ledger *ledger, uint8_t *to, uint32_t *bytes)
{
    struct checkpoint_globals globals = {
        .position = ledger->wal.end,
        .prev_sum = ledger->wal.prev_sum,
        .sequence = ledger->wal.sequence,
        .last_time = ledger->wal.last_time,
        .last_block = ledger->wal.last_block,
        .newest_time = ledger->newest.time,
        .newest_account = ledger->newest.account,
        .newest_transfer = ledger->newest.transfer,
        .newest_other = ledger->newest.other,
        .transfers = ledger->counters.transfers,
        .updates = ledger->counters.updates,
        .expiries = ledger->counters.expiries,
        .ids_bound = ledger->counters.ids_bound,
        .last_epoch = ledger->wal.identity.epoch,
    };
    uint8_t *pair = to + sizeof globals;

    for (uint32_t i = 0; i < ledger->source_count; i++) {
        if (ledger->sources[i].position == 0) continue;
        memcpy(pair, &ledger->sources[i].source, 8);
        memcpy(pair + 8, &ledger->sources[i].position, 8);
        pair += 16;
        globals.sources++;
    }
    memcpy(to, &globals, sizeof globals);
    *bytes = (uint32_t)(pair - to);
    return 1;
}

static uint32_t copy_account(const struct accounts *accounts, uint32_t slot, uint8_t *to)
{
    const struct account_line *line = account_line(accounts, slot);
    const struct account_cold *cold = account_cold(accounts, slot);
    const struct account_rest *rest = account_rest(accounts, slot);
    struct account_item item = {
        .id = line->id,
        .user_data_128 = MP_U128(cold->user_data_128[1], cold->user_data_128[0]),
        .user_data_64 = cold->user_data_64,
        .timestamp = rest->timestamp,
        .code = rest->code,
        .ledger = line->ledger,
        .user_data_32 = rest->user_data_32,
        .flags = line->flags,
        .flags_created = cold->flags_created,
        .digits = (uint8_t)(cold->inline_count + cold->overflow_count),
    };

    memcpy(item.sums, line->sums, sizeof item.sums);
    if (line->wide != 0)
        memcpy(item.high, account_wide(accounts, line->wide - 1)->high, sizeof item.high);
    memcpy(item.last, line->last, sizeof item.last);
    memcpy(to, &item, sizeof item);
    digits_save(accounts, slot, (struct digit *)(to + sizeof item));
    return (uint32_t)(sizeof item + item.digits * sizeof(struct digit));
}

static uint32_t copy_accounts(struct checkpoint *checkpoint, const struct accounts *accounts,
                              uint8_t *to, uint32_t *bytes)
{
    const uint32_t most = sizeof(struct account_item) + 64 * sizeof(struct digit);
    uint32_t count = 0;

    *bytes = 0;
    while (checkpoint->next < accounts->count && *bytes + most <= CHUNK_PAYLOAD) {
        *bytes += copy_account(accounts, (uint32_t)checkpoint->next++, to + *bytes);
        count++;
    }
    checkpoint->last = checkpoint->next >= accounts->count;
    return count;
}

static uint32_t copy_reservations(struct checkpoint *checkpoint,
                                  const struct reservations *reservations, uint8_t *to,
                                  uint32_t *bytes)
{
    const uint32_t most = CHUNK_PAYLOAD / sizeof(struct reservation_item);
    struct reservation_item *items = (struct reservation_item *)to;
    uint32_t count = 0;

    for (; checkpoint->next < reservations->slots && count < most; checkpoint->next++) {
        const struct reservation *reservation =
            reservation_at(reservations, (uint32_t)checkpoint->next);
        struct reservation_item *item = &items[count];

        if (reservation->id == 0) continue;
        *item = (struct reservation_item){
            .id = reservation->id,
            .left = reservation_left(reservations, reservation),
            .user_data_128 = reservation->user_data_128,
            .user_data_64 = reservation->user_data_64,
            .expires = reservation->expires,
            .user_data_32 = reservation->user_data_32,
            .debit_slot = reservation->debit_slot,
            .credit_slot = reservation->credit_slot,
            .code = reservation->code,
            .flags = reservation->flags & (uint16_t)~RESERVATION_WIDE,
        };
        memcpy(item->made, reservation->made, sizeof item->made);
        memcpy(item->last, reservation->last, sizeof item->last);
        count++;
    }
    checkpoint->last = checkpoint->next >= reservations->slots;
    *bytes = count * (uint32_t)sizeof(struct reservation_item);
    return count;
}

bool checkpoint_slice(struct mp_ledger *ledger)
{
    struct checkpoint *checkpoint = ledger->checkpoint;
    struct chunk_head *head;
    uint32_t bytes = 0, count;

    if (checkpoint == NULL ||
        atomic_load_explicit(&checkpoint->slice, memory_order_acquire) != SLICE_WANTED) {
        return false;
    }
    MP_ASSERT(!ledger->pump->applier.block.open && !ledger->pump->applier.in_chain);
    head = chunk_head(checkpoint);
    memset(head, 0, sizeof *head);
    head->first = checkpoint->next;
    switch (checkpoint->kind) {
    case CHUNK_START: count = copy_globals(ledger, payload(checkpoint), &bytes); break;
    case CHUNK_ACCOUNTS:
        count = copy_accounts(checkpoint, &ledger->accounts, payload(checkpoint), &bytes);
        break;
    default:
        count = copy_reservations(checkpoint, &ledger->reservations, payload(checkpoint), &bytes);
        break;
    }
    head->count = count;
    head->bytes = bytes;
    checkpoint->copied_to = ledger->wal.end;
    atomic_store_explicit(&checkpoint->slice, SLICE_READY, memory_order_release);
    helper_wake(ledger);
    return true;
}

/* --- the helper's side --- */

static void path_of(const struct mp_ledger *ledger, uint64_t number, const char *suffix,
                    char path[PATH_MAX_BYTES])
{
    snprintf(path, PATH_MAX_BYTES, "%.4000s/checkpoint/%08" PRIu64 ".ckpt%s", ledger->wal.directory,
             number, suffix);
}

static void give_up(struct mp_ledger *ledger)
{
    struct checkpoint *checkpoint = ledger->checkpoint;
    char path[PATH_MAX_BYTES];

    if (checkpoint->file >= 0) ledger->env->file_close(ledger->env->context, checkpoint->file);
    checkpoint->file = -1;
    path_of(ledger, checkpoint->number, ".tmp", path);
    ledger->env->remove(ledger->env->context, path);
    checkpoint->phase = PHASE_IDLE;
    checkpoint->not_before = ledger->env->boot_ns(ledger->env->context) + 10 * NS_PER_S;
}

static bool write_chunk(struct mp_ledger *ledger, uint16_t kind)
{
    struct checkpoint *checkpoint = ledger->checkpoint;
    struct chunk_head *head = chunk_head(checkpoint);
    mp_env_piece piece = {checkpoint->buffer, CHUNK_BYTES};
    const mp_env *env = ledger->env;

    head->magic = CHECKPOINT_MAGIC;
    head->version = FORMAT_VERSION;
    head->kind = kind;
    head->number = checkpoint->chunks;
    head->timeline = ledger->wal.identity.timeline;
    head->checkpoint = checkpoint->number;
    head->sum = 0;
    memset(payload(checkpoint) + head->bytes, 0, CHUNK_PAYLOAD - head->bytes);
    head->sum = XXH3_64bits(checkpoint->buffer, sizeof *head + head->bytes);
    if (env->file_write(env->context, checkpoint->file, &piece, 1,
                        (uint64_t)checkpoint->chunks * CHUNK_BYTES,
                        false) != (int64_t)CHUNK_BYTES) {
        return false;
    }
    checkpoint->chunks++;
    if ((ledger->flags & MP_OPEN_MANUAL) == 0) {
        checkpoint->not_before = env->boot_ns(env->context) + CHUNK_BYTES * NS_PER_S / PACE;
    }
    return true;
}

static void want(struct mp_ledger *ledger, uint16_t kind, uint64_t next)
{
    struct checkpoint *checkpoint = ledger->checkpoint;

    checkpoint->kind = kind;
    checkpoint->next = next;
    checkpoint->last = false;
    atomic_store_explicit(&checkpoint->slice, SLICE_WANTED, memory_order_release);
}

static bool begin(struct mp_ledger *ledger)
{
    struct checkpoint *checkpoint = ledger->checkpoint;
    const mp_env *env = ledger->env;
    char path[PATH_MAX_BYTES];
    int file;

    checkpoint->number++;
    path_of(ledger, checkpoint->number, ".tmp", path);
    env->remove(env->context, path);
    file = env->file_open(env->context, path,
                          MP_ENV_WRITE | MP_ENV_CREATE | (ledger->wal.direct ? MP_ENV_DIRECT : 0u));
    if (file < 0) {
        checkpoint->not_before = env->boot_ns(env->context) + 10 * NS_PER_S;
        return false;
    }
    checkpoint->file = file;
    checkpoint->chunks = 0;
    checkpoint->accounts = checkpoint->reservations = 0;
    checkpoint->newest = 0;
    checkpoint->phase = PHASE_COPYING;
    want(ledger, CHUNK_START, 0);
    return true;
}

/* All is copied: the end, on stable storage. */
static bool write_end(struct mp_ledger *ledger)
{
    struct checkpoint *checkpoint = ledger->checkpoint;
    struct chunk_head *head = chunk_head(checkpoint);
    struct checkpoint_end end = {checkpoint->newest, checkpoint->accounts,
                                 checkpoint->reservations};

    memset(head, 0, sizeof *head);
    head->count = 1;
    head->bytes = sizeof end;
    memcpy(payload(checkpoint), &end, sizeof end);
    return write_chunk(ledger, CHUNK_END) &&
           ledger->env->file_sync(ledger->env->context, checkpoint->file) == 0;
}

static bool take_slice(struct mp_ledger *ledger)
{
    struct checkpoint *checkpoint = ledger->checkpoint;
    uint16_t kind = checkpoint->kind;
    uint32_t count = chunk_head(checkpoint)->count;

    atomic_store_explicit(&checkpoint->slice, SLICE_NONE, memory_order_relaxed);
    if (kind == CHUNK_START) {
        checkpoint->start = ((struct checkpoint_globals *)payload(checkpoint))->position;
    }
    checkpoint->newest = max_u64(checkpoint->newest, checkpoint->copied_to);
    if (kind == CHUNK_ACCOUNTS) checkpoint->accounts += count;
    if (kind == CHUNK_RESERVATIONS) checkpoint->reservations += count;
    if (!write_chunk(ledger, kind)) return false;
    if (kind == CHUNK_START) {
        want(ledger, CHUNK_ACCOUNTS, 0);
    } else if (!checkpoint->last) {
        want(ledger, kind, checkpoint->next);
    } else if (kind == CHUNK_ACCOUNTS) {
        want(ledger, CHUNK_RESERVATIONS, 0);
    } else {
        if (!write_end(ledger)) return false;
        checkpoint->phase = PHASE_WAITING;
    }
    return true;
}

/* Of those in the directory the two newest stay. A failed attempt has left a gap in the numbers. */
static void remove_older(struct mp_ledger *ledger)
{
    char path[PATH_MAX_BYTES];
    uint64_t numbers[8];
    unsigned count = checkpoint_numbers(ledger, numbers);

    for (unsigned i = 2; i < count; i++) {
        path_of(ledger, numbers[i], "", path);
        ledger->env->remove(ledger->env->context, path);
    }
}

/* The mark has passed E: the checkpoint gets its name, the last but one goes. */
static bool finish(struct mp_ledger *ledger)
{
    struct checkpoint *checkpoint = ledger->checkpoint;
    const mp_env *env = ledger->env;
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES], directory[PATH_MAX_BYTES];

    env->file_close(env->context, checkpoint->file);
    checkpoint->file = -1;
    path_of(ledger, checkpoint->number, ".tmp", temporary);
    path_of(ledger, checkpoint->number, "", path);
    snprintf(directory, sizeof directory, "%.4000s/checkpoint", ledger->wal.directory);
    if (env->rename(env->context, temporary, path) < 0 ||
        env->dir_sync(env->context, directory) < 0)
        return false;
    remove_older(ledger);
    checkpoint->size = (uint64_t)checkpoint->chunks * CHUNK_BYTES;
    atomic_store_explicit(&checkpoint->position, checkpoint->start, memory_order_relaxed);
    atomic_fetch_add(&checkpoint->finished, 1);
    checkpoint->phase = PHASE_IDLE;
    return true;
}

/* Nobody drives: the helper lets the writer's part happen itself. */
static void serve_slice(struct mp_ledger *ledger)
{
    if (!pump_claim(ledger->pump)) return;
    if (!ledger->pump->applier.block.open) checkpoint_slice(ledger);
    pump_unclaim(ledger, DRIVER_CALLER);
}

bool checkpoint_step(struct mp_ledger *ledger)
{
    struct checkpoint *checkpoint = ledger->checkpoint;
    uint64_t mark = ledger_mark(ledger);
    bool worked = false;

    if (checkpoint == NULL) return false;
    if (ledger->env->boot_ns(ledger->env->context) < checkpoint->not_before) return false;
    switch (checkpoint->phase) {
    case PHASE_IDLE:
        if (mark - atomic_load_explicit(&checkpoint->position, memory_order_relaxed) >
            max_u64(checkpoint->after, 2 * checkpoint->size))
            worked = begin(ledger);
        break;
    case PHASE_COPYING:
        if (atomic_load_explicit(&checkpoint->slice, memory_order_acquire) == SLICE_WANTED)
            serve_slice(ledger);
        if (atomic_load_explicit(&checkpoint->slice, memory_order_acquire) != SLICE_READY) break;
        worked = true;
        if (!take_slice(ledger)) give_up(ledger);
        break;
    case PHASE_WAITING:
        if (mark < checkpoint->newest) break;
        worked = true;
        if (!finish(ledger)) give_up(ledger);
        break;
    }
    return worked;
}

uint64_t checkpoint_wait_ns(const struct mp_ledger *ledger)
{
    const struct checkpoint *checkpoint = ledger->checkpoint;
    uint64_t now = ledger->env->boot_ns(ledger->env->context);

    if (checkpoint == NULL || checkpoint->phase == PHASE_IDLE) return NS_PER_S;
    return checkpoint->not_before > now ? checkpoint->not_before - now : 1000000;
}

/* --- life --- */

mp_status checkpoint_open(struct mp_ledger *ledger, uint64_t after, uint64_t number,
                          uint64_t position, uint64_t size)
{
    struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);

    if (checkpoint == NULL) return fail(MP_NO_MEMORY, "no memory for checkpoints");
    checkpoint->buffer = aligned_alloc(PAGE_SIZE, CHUNK_BYTES);
    if (checkpoint->buffer == NULL) {
        free(checkpoint);
        return fail(MP_NO_MEMORY, "no memory for checkpoints");
    }
    checkpoint->after = after != 0 ? after : (1ull << 30);
    checkpoint->number = number;
    checkpoint->position = position;
    checkpoint->size = size;
    checkpoint->file = -1;
    ledger->checkpoint = checkpoint;
    return MP_OK;
}

void checkpoint_close(struct mp_ledger *ledger)
{
    struct checkpoint *checkpoint = ledger->checkpoint;

    if (checkpoint == NULL) return;
    if (checkpoint->phase != PHASE_IDLE) give_up(ledger);
    free(checkpoint->buffer);
    free(checkpoint);
    ledger->checkpoint = NULL;
}

void checkpoint_stats(const struct mp_ledger *ledger, mp_stats *out)
{
    const struct checkpoint *checkpoint = ledger->checkpoint;

    if (checkpoint == NULL) return;
    out->checkpoint_position = atomic_load_explicit(&checkpoint->position, memory_order_relaxed);
    out->checkpoints = atomic_load_explicit(&checkpoint->finished, memory_order_relaxed);
    out->checkpoint_running =
        atomic_load_explicit(&checkpoint->slice, memory_order_relaxed) != SLICE_NONE;
}
