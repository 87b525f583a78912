#include "checkpoint.h"
#include "checkpoint_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    READ_AHEAD_CHUNKS = 16,
    ITEMS_AHEAD = 16,          /* accounts between a prefetch and the insertion */
    COMMIT_STEP = 1 << 15,     /* accounts whose memory a thread brings in at once */
    COMMIT_FROM = COMMIT_STEP, /* accounts from which there is one */
};

/* A checkpoint being read. */
struct loader {
    struct mp_ledger *ledger;
    struct checkpoint_start *start;
    uint64_t number;
    int file;
    uint32_t chunks; /* taken */
    uint8_t *buffer; /* READ_AHEAD_CHUNKS chunks */
    bool ended;
    uint64_t accounts, reservations;
    struct checkpoint_end end; /* of the last chunk, read before all; zero when it couldn't be */
};

static mp_status unsound(const struct loader *loader, const char *what)
{
    return fail(MP_CORRUPT, "%s/checkpoint/%08" PRIu64 ".ckpt: chunk %u %s",
                loader->ledger->wal.directory, loader->number, loader->chunks, what);
}

static bool chunk_is_sound(const struct loader *loader, const uint8_t *chunk)
{
    struct chunk_head head;
    XXH3_state_t state;

    memcpy(&head, chunk, sizeof head);
    if (head.magic != CHECKPOINT_MAGIC || head.version != FORMAT_VERSION ||
        head.number != loader->chunks || head.checkpoint != loader->number ||
        head.timeline != loader->ledger->wal.identity.timeline || head.bytes > CHUNK_PAYLOAD) {
        return false;
    }
    uint64_t sum = head.sum;
    head.sum = 0;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, &head, sizeof head);
    XXH3_64bits_update(&state, chunk + sizeof head, head.bytes);
    return XXH3_64bits_digest(&state) == sum;
}

static mp_status load_globals(struct loader *loader, const struct chunk_head *head,
                              const uint8_t *payload)
{
    struct mp_ledger *ledger = loader->ledger;
    struct checkpoint_globals globals;

    if (loader->chunks != 0 || head->bytes < sizeof globals) return unsound(loader, "is no start");
    memcpy(&globals, payload, sizeof globals);
    if (globals.sources > SOURCES_MAX || head->bytes != sizeof globals + globals.sources * 16) {
        return unsound(loader, "has a wrong number of sources");
    }
    loader->start->position = globals.position;
    loader->start->prev_sum = globals.prev_sum;
    loader->start->sequence = globals.sequence;
    ledger->wal.last_time = globals.last_time;
    ledger->wal.last_block = globals.last_block;
    ledger->wal.last_epoch = globals.last_epoch;
    ledger->newest = (struct newest){globals.newest_time, globals.newest_account,
                                     globals.newest_transfer, globals.newest_other};
    ledger->counters =
        (struct counters){globals.transfers, globals.updates, globals.expiries, globals.ids_bound};
    for (uint32_t i = 0; i < globals.sources; i++) {
        uint64_t pair[2];

        memcpy(pair, payload + sizeof globals + i * sizeof pair, sizeof pair);
        if (!source_set(ledger, pair[0], pair[1])) return unsound(loader, "has too many sources");
    }
    return MP_OK;
}

static mp_status load_account(struct loader *loader, const struct account_item *item,
                              const uint8_t *digits)
{
    struct accounts *accounts = &loader->ledger->accounts;
    mp_account account = {.user_data_128 = item->user_data_128,
                          .user_data_64 = item->user_data_64,
                          .user_data_32 = item->user_data_32,
                          .code = item->code,
                          .flags = item->flags_created};
    uint32_t slot =
        accounts_add(accounts, item->id, id_hash(accounts->hash_secret, item->id), item->ledger);
    struct account_line *line = account_line(accounts, slot);
    struct sums sums;

    for (int i = 0; i < SUMS; i++) sums.of[i] = MP_U128(item->high[i], item->sums[i]);
    account_set_sums(accounts, line, &sums);
    memcpy(line->last, item->last, sizeof line->last);
    line->flags = item->flags;
    account_details_set(accounts, slot, &account, item->timestamp);
    return digits_load(accounts, slot, (const struct digit *)digits, item->digits);
}

/* Behind the account item at `at` and its digits; 0 when it goes beyond the payload. */
static uint32_t item_end(const struct chunk_head *head, const uint8_t *payload, uint32_t at)
{
    struct account_item item;
    uint64_t end = at + sizeof item;

    if (end > head->bytes) return 0;
    memcpy(&item, payload + at, sizeof item);
    end += item.digits * sizeof(struct digit);
    return item.digits > 64 || end > head->bytes ? 0 : (uint32_t)end;
}

static bool items_are_whole(const struct chunk_head *head, const uint8_t *payload)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < head->count; i++) {
        at = item_end(head, payload, at);
        if (at == 0) return false;
    }
    return true;
}

/* Brings in where an account item's id will stand in the table. */
PREFETCHES uint32_t prefetch_item(const struct accounts *accounts, const struct chunk_head *head,
                                  const uint8_t *payload, uint32_t at)
{
    mp_id id;

    memcpy(&id, payload + at + offsetof(struct account_item, id), sizeof id);
    slot_table_prefetch(&accounts->table, id_hash(accounts->hash_secret, id));
    return item_end(head, payload, at);
}

static mp_status load_accounts(struct loader *loader, const struct chunk_head *head,
                               const uint8_t *payload)
{
    struct accounts *accounts = &loader->ledger->accounts;
    const uint32_t ahead_count = head->count < ITEMS_AHEAD ? head->count : ITEMS_AHEAD;
    uint32_t at = 0, ahead = 0;
    mp_status status = accounts_prepare(accounts, head->count, head->count, true);

    if (status == MP_OK && head->first != accounts->count)
        return unsound(loader, "leaves out accounts");
    if (!items_are_whole(head, payload)) return unsound(loader, "ends within an account");
    for (uint32_t i = 0; i < ahead_count; i++)
        ahead = prefetch_item(accounts, head, payload, ahead);
    for (uint32_t i = 0; i < head->count && status == MP_OK; i++) {
        struct account_item item;

        if (i + ahead_count < head->count) ahead = prefetch_item(accounts, head, payload, ahead);
        memcpy(&item, payload + at, sizeof item);
        status = load_account(loader, &item, payload + at + sizeof item);
        at = item_end(head, payload, at);
    }
    loader->accounts += head->count;
    return status;
}

static mp_status load_reservations(struct loader *loader, const struct chunk_head *head,
                                   const uint8_t *payload)
{
    struct reservations *reservations = &loader->ledger->reservations;
    mp_status status = reservations_prepare(reservations, head->count);

    if (status == MP_OK && head->bytes != head->count * sizeof(struct reservation_item)) {
        return unsound(loader, "has a wrong length");
    }
    for (uint32_t i = 0; i < head->count && status == MP_OK; i++) {
        struct reservation *reservation;
        struct reservation_item item;
        uint32_t slot;

        memcpy(&item, payload + i * sizeof item, sizeof item);
        if (item.debit_slot >= loader->ledger->accounts.count ||
            item.credit_slot >= loader->ledger->accounts.count) {
            continue; /* made after the accounts were copied: the log behind the checkpoint has both
                       */
        }
        slot = reservations_add(reservations, item.id, id_hash(reservations->hash_secret, item.id));
        reservation = reservation_at(reservations, slot);
        reservation->user_data_128 = item.user_data_128;
        reservation->user_data_64 = item.user_data_64;
        reservation->user_data_32 = item.user_data_32;
        reservation->expires = item.expires;
        reservation->debit_slot = item.debit_slot;
        reservation->credit_slot = item.credit_slot;
        reservation->code = item.code;
        reservation->flags = item.flags;
        memcpy(reservation->made, item.made, sizeof item.made);
        memcpy(reservation->last, item.last, sizeof item.last);
        reservation_set_left(reservations, reservation, item.left);
        if (item.expires != 0) expiry_insert(reservations, slot);
    }
    loader->reservations += head->count;
    return status;
}

/* The last chunk, before its turn: a hint, so that whatever is wrong with it is left to load_end.
 */
static void read_end(struct loader *loader)
{
    const mp_env *env = loader->ledger->env;
    int64_t size = env->file_size(env->context, loader->file);
    struct chunk_head head;

    if (size < 2 * (int64_t)CHUNK_BYTES || size % CHUNK_BYTES != 0) return;
    if (env->file_read(env->context, loader->file, loader->buffer, CHUNK_BYTES,
                       (uint64_t)size - CHUNK_BYTES) != CHUNK_BYTES)
        return;
    loader->chunks = (uint32_t)(size / CHUNK_BYTES - 1);
    memcpy(&head, loader->buffer, sizeof head);
    if (chunk_is_sound(loader, loader->buffer) && head.kind == CHUNK_END &&
        head.bytes == sizeof loader->end)
        memcpy(&loader->end, loader->buffer + sizeof head, sizeof loader->end);
    loader->end.accounts = min_u64(loader->end.accounts, loader->ledger->accounts.max);
    loader->chunks = 0;
}

/* A thread's work: the accounts' memory, ahead of the one that fills it. The last eighth of
 * memory_max, where what is needed comes before what will be, is left to that one. */
static void commit_ahead(void *argument)
{
    const struct loader *loader = argument;
    struct mp_ledger *ledger = loader->ledger;
    const uint64_t all = loader->end.accounts, room = ledger->memory.max / 8 * 7;
    mp_status status = MP_OK;

    for (uint64_t count = 0; count < all && status == MP_OK;) {
        if (atomic_load(&ledger->memory.committed) > room) return;
        count = min_u64(count + COMMIT_STEP, all);
        status = accounts_commit(&ledger->accounts, count);
    }
}

static bool commit_ahead_begin(struct loader *loader, uint64_t *thread)
{
    const mp_env *env = loader->ledger->env;

    if ((loader->ledger->flags & MP_OPEN_MANUAL) != 0 || loader->end.accounts < COMMIT_FROM)
        return false;
    return env->thread_start(env->context, commit_ahead, loader, "micropay-memory", thread) >= 0;
}

static mp_status load_end(struct loader *loader, const struct chunk_head *head,
                          const uint8_t *payload)
{
    struct checkpoint_end end;

    if (head->bytes != sizeof end) return unsound(loader, "is no end");
    memcpy(&end, payload, sizeof end);
    if (end.accounts != loader->accounts || end.reservations != loader->reservations) {
        return unsound(loader, "counts other accounts or reservations than there are");
    }
    loader->start->mark = end.newest_position;
    loader->ended = true;
    return MP_OK;
}

static mp_status load_chunk(struct loader *loader, const uint8_t *chunk)
{
    const uint8_t *payload = chunk + sizeof(struct chunk_head);
    struct chunk_head head;
    mp_status status;

    if (loader->ended || !chunk_is_sound(loader, chunk))
        return unsound(loader, "fails its checksum");
    memcpy(&head, chunk, sizeof head);
    switch (head.kind) {
    case CHUNK_START: status = load_globals(loader, &head, payload); break;
    case CHUNK_ACCOUNTS: status = load_accounts(loader, &head, payload); break;
    case CHUNK_RESERVATIONS: status = load_reservations(loader, &head, payload); break;
    case CHUNK_END: status = load_end(loader, &head, payload); break;
    default: status = unsound(loader, "is of no known kind"); break;
    }
    loader->chunks++;
    return status;
}

static mp_status load_file(struct loader *loader)
{
    const mp_env *env = loader->ledger->env;
    mp_status status = MP_OK;

    while (status == MP_OK && !loader->ended) {
        int64_t got =
            env->file_read(env->context, loader->file, loader->buffer,
                           READ_AHEAD_CHUNKS * CHUNK_BYTES, (uint64_t)loader->chunks * CHUNK_BYTES);

        if (got < (int64_t)CHUNK_BYTES)
            return unsound(loader, got < 0 ? "can't be read" : "is missing");
        for (int64_t at = 0; at + CHUNK_BYTES <= got && status == MP_OK; at += CHUNK_BYTES) {
            status = load_chunk(loader, loader->buffer + at);
        }
    }
    return status;
}

/* Empties the tables after half a checkpoint was loaded. */
static mp_status reset(struct mp_ledger *ledger)
{
    uint64_t accounts_max = ledger->accounts.max, reservations_max = ledger->reservations.max;
    const uint64_t *secret = ledger->accounts.hash_secret;
    mp_status status;

    accounts_close(&ledger->accounts);
    reservations_close(&ledger->reservations);
    ledger->newest = (struct newest){0};
    ledger->counters = (struct counters){0};
    ledger->source_count = 0;
    ledger->wal.last_time = 0;
    ledger->wal.last_block = 0;
    ledger->wal.last_epoch = 0;
    status = accounts_open(&ledger->accounts, &ledger->memory, accounts_max, secret);
    if (status == MP_OK)
        status =
            reservations_open(&ledger->reservations, &ledger->memory, reservations_max, secret);
    return status;
}

/* With memory for all accounts ahead of them, as far as the last chunk tells. */
static mp_status load_file_ahead(struct loader *loader)
{
    const mp_env *env = loader->ledger->env;
    uint64_t thread = 0;
    bool threaded;
    mp_status status;

    read_end(loader);
    if (slot_table_prepare(&loader->ledger->accounts.table, loader->end.accounts) != MP_OK) {
        /* Then it grows as accounts come, which needs less at once. */
    }
    threaded = commit_ahead_begin(loader, &thread);
    status = load_file(loader);
    if (threaded) env->thread_join(env->context, thread);
    return status;
}

static mp_status load_number(struct mp_ledger *ledger, uint64_t number, uint8_t *buffer,
                             struct checkpoint_start *start)
{
    const mp_env *env = ledger->env;
    struct loader loader = {.ledger = ledger, .start = start, .number = number, .buffer = buffer};
    char path[PATH_MAX_BYTES];
    mp_status status;

    snprintf(path, sizeof path, "%.4000s/checkpoint/%08" PRIu64 ".ckpt", ledger->wal.directory,
             number);
    loader.file = env->file_open(env->context, path, ledger->wal.direct ? MP_ENV_DIRECT : 0u);
    if (loader.file < 0) return unsound(&loader, "can't be opened");
    status = load_file_ahead(&loader);
    start->number = number;
    start->size = (uint64_t)loader.chunks * CHUNK_BYTES;
    env->file_close(env->context, loader.file);
    return status;
}

/* Number of a checkpoint by its file's name; 0 = it isn't one's. */
static uint64_t number_of(const char *name)
{
    uint64_t number = strtoull(name, NULL, 10);
    char right[64];

    snprintf(right, sizeof right, "%08" PRIu64 ".ckpt", number);
    return strcmp(name, right) == 0 ? number : 0;
}

/* The checkpoints in the directory, newest first; of more than 8 the newest. */
unsigned checkpoint_numbers(const struct mp_ledger *ledger, uint64_t numbers[8])
{
    char path[PATH_MAX_BYTES], *names;
    unsigned count = 0;

    snprintf(path, sizeof path, "%.4000s/checkpoint", ledger->wal.directory);
    if (wal_list(ledger->env, path, &names) != MP_OK) return 0;
    for (const char *name = names; *name != 0; name += strlen(name) + 1) {
        uint64_t number = number_of(name);
        unsigned at = count < 8 ? count : 7;

        if (number == 0 || (count == 8 && number < numbers[7])) continue;
        for (; at > 0 && numbers[at - 1] < number; at--) numbers[at] = numbers[at - 1];
        numbers[at] = number;
        if (count < 8) count++;
    }
    free(names);
    return count;
}

mp_status checkpoint_load(struct mp_ledger *ledger, struct checkpoint_start *start)
{
    const struct checkpoint_start beginning = {.position = PAGE_SIZE, .sequence = 1};
    uint64_t numbers[8];
    unsigned count = checkpoint_numbers(ledger, numbers);
    uint8_t *buffer;
    mp_status status = MP_OK;

    *start = beginning;
    if (count == 0) return MP_OK;
    buffer = aligned_alloc(PAGE_SIZE, READ_AHEAD_CHUNKS * CHUNK_BYTES);
    if (buffer == NULL) return fail(MP_NO_MEMORY, "no memory to read a checkpoint");
    for (unsigned i = 0; i < count; i++) {
        status = load_number(ledger, numbers[i], buffer, start);
        if (status == MP_OK || status == MP_LIMIT || status == MP_NO_MEMORY) break;
        wal_notice(&ledger->wal, "%s; the one before it is used", mp_last_error());
        status = reset(ledger);
        *start = beginning;
        start->number = numbers[0]; /* a new one gets a number of its own */
        if (status != MP_OK) break;
    }
    free(buffer);
    return status;
}

mp_status checkpoint_load_number(struct mp_ledger *ledger, uint64_t number,
                                 struct checkpoint_start *start)
{
    uint8_t *buffer = aligned_alloc(PAGE_SIZE, READ_AHEAD_CHUNKS * CHUNK_BYTES);
    mp_status status;

    if (buffer == NULL) return fail(MP_NO_MEMORY, "no memory to read a checkpoint");
    *start = (struct checkpoint_start){.position = PAGE_SIZE, .sequence = 1};
    status = load_number(ledger, number, buffer, start);
    free(buffer);
    return status;
}
