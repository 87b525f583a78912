/* Ids must be unique: accounts among themselves; transfers, account updates and bound ids among
 * themselves.
 *
 * Kept are keyed hashes with positions, sorted in runs of what fits into memory; runs go to a
 * temporary file and are merged. Equal hashes are looked at in the log: two ids may share one,
 * though hardly ever. */
#include "verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUNS_MAX = sizeof((struct verify_ids){0}.runs) / sizeof(uint64_t), MERGE_MIN = 256 };
#define IS_ACCOUNT 1u /* in the position's low bits */

struct entry {
    uint64_t hash;
    uint64_t position; /* | IS_ACCOUNT */
};

mp_status verify_ids_open(struct verifier *verifier)
{
    struct verify_ids *ids = &verifier->ids;
    uint64_t bytes = verifier->memory_max / 3;

    ids->memory.max = bytes + MIB(2); /* the last step may be larger than needed */
    ids->file = -1;
    ids->count = 0;
    ids->run_count = 0;
    ids->room = bytes / sizeof(struct entry);
    return arena_reserve(&ids->arena, &ids->memory, bytes, "ids to verify");
}

void verify_ids_close(struct verifier *verifier)
{
    struct verify_ids *ids = &verifier->ids;

    arena_free(&ids->arena);
    if (ids->file >= 0) {
        verifier->env->file_close(verifier->env->context, ids->file);
        verifier->env->remove(verifier->env->context, ids->path);
    }
    ids->file = -1;
}

static struct entry *entries_of(const struct verify_ids *ids)
{
    return (struct entry *)ids->arena.base;
}

/* --- sorting: keyed hashes are random, so the middle is a good pivot --- */

static bool is_less(const struct entry *a, const struct entry *b)
{
    return a->hash < b->hash || (a->hash == b->hash && a->position < b->position);
}

static void insertion_sort(struct entry *entries, uint64_t count)
{
    for (uint64_t i = 1; i < count; i++) {
        struct entry entry = entries[i];
        uint64_t at = i;

        for (; at > 0 && is_less(&entry, &entries[at - 1]); at--) entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

static void sort(struct entry *entries, uint64_t count)
{
    while (count > 16) {
        struct entry pivot = entries[count / 2];
        uint64_t low = 0, high = count - 1;

        for (;;) {
            while (is_less(&entries[low], &pivot)) low++;
            while (is_less(&pivot, &entries[high])) high--;
            if (low >= high) break;
            struct entry swapped = entries[low];
            entries[low++] = entries[high];
            entries[high--] = swapped;
        }
        /* The shorter part by recursion, so its depth is bounded. */
        if (low < count - low) {
            sort(entries, low);
            entries += low;
            count -= low;
        } else {
            sort(entries + low, count - low);
            count = low;
        }
    }
    insertion_sort(entries, count);
}

/* --- runs --- */

static mp_status temporary_failed(const struct verify_ids *ids, const char *verb, int64_t result)
{
    return fail(result == -ENOSPC ? MP_DISK_FULL : MP_IO, "%s: can't be %s: %s", ids->path, verb,
                result < 0 ? strerror((int)-result) : "too few bytes");
}

static mp_status open_file(struct verifier *verifier)
{
    struct verify_ids *ids = &verifier->ids;
    const mp_env *env = verifier->env;
    uint64_t number = 0;

    if (env->random(env->context, &number, sizeof number) < 0)
        return fail(MP_IO, "no random number for a file's name");
    snprintf(ids->path, sizeof ids->path, "%s/micropay-verify-%016" PRIx64 ".tmp",
             verifier->temporary, number);
    ids->file = env->file_open(env->context, ids->path, MP_ENV_WRITE | MP_ENV_CREATE);
    return ids->file < 0 ? temporary_failed(ids, "made", ids->file) : MP_OK;
}

/* Sorts what is in memory and appends it to the file. */
static mp_status write_run(struct verifier *verifier)
{
    struct verify_ids *ids = &verifier->ids;
    uint64_t offset = 0;
    mp_status status = MP_OK;

    if (ids->run_count == RUNS_MAX)
        return fail(MP_LIMIT, "too many ids to verify in so little memory");
    sort(entries_of(ids), ids->count);
    if (ids->file < 0) status = open_file(verifier);
    if (status != MP_OK) return status;
    for (uint32_t i = 0; i < ids->run_count; i++) offset += ids->runs[i] * sizeof(struct entry);
    for (uint64_t done = 0; done < ids->count * sizeof(struct entry);) {
        mp_env_piece piece = {ids->arena.base + done,
                              min_u64(MIB(8), ids->count * sizeof(struct entry) - done)};
        int64_t written = verifier->env->file_write(verifier->env->context, ids->file, &piece, 1,
                                                    offset + done, false);

        if (written != (int64_t)piece.length) return temporary_failed(ids, "written", written);
        done += piece.length;
    }
    ids->runs[ids->run_count++] = ids->count;
    ids->count = 0;
    return MP_OK;
}

mp_status verify_ids_add(struct verifier *verifier, mp_id id, bool account)
{
    struct verify_ids *ids = &verifier->ids;
    mp_status status = MP_OK;

    if (ids->count == ids->room) status = write_run(verifier);
    if (status == MP_OK)
        status = arena_commit(&ids->arena, (ids->count + 1) * sizeof(struct entry));
    if (status != MP_OK) return status;
    entries_of(ids)[ids->count++] = (struct entry){
        .hash = id_hash(verifier->secret, id) ^ (account ? ~0ull : 0),
        .position = verifier->view.position | (account ? IS_ACCOUNT : 0),
    };
    return MP_OK;
}

/* --- finding those that stand twice --- */

static mp_status id_at(struct verifier *verifier, const struct entry *entry, mp_id *id)
{
    uint64_t position = entry->position & ~(uint64_t)IS_ACCOUNT;
    uint8_t page[PAGE_SIZE];
    mp_status status = wal_read_page(&verifier->wal, position / PAGE_SIZE * PAGE_SIZE, page);

    /* Accounts, transfers, updates and bound ids have it at the same place. */
    if (status == MP_OK) memcpy(id, page + position % PAGE_SIZE + 8, sizeof *id);
    return status;
}

static mp_status compare(struct verifier *verifier, const struct entry *one,
                         const struct entry *other)
{
    char text[40];
    mp_id id, other_id;
    mp_status status;

    if (LIKELY(one->hash != other->hash) || ((one->position ^ other->position) & IS_ACCOUNT) != 0)
        return MP_OK;
    status = id_at(verifier, one, &id);
    if (status == MP_OK) status = id_at(verifier, other, &other_id);
    if (status != MP_OK || id != other_id) return status;
    verifier->view = (struct record_view){.position = other->position & ~(uint64_t)IS_ACCOUNT};
    verify_problem(verifier,
                   "the id %s stands here for the second time: it is also at log position %" PRIu64,
                   id_text(id, text), one->position & ~(uint64_t)IS_ACCOUNT);
    return MP_OK;
}

/* --- merging runs --- */

/* A run being read. */
struct run {
    uint64_t offset, left; /* entries in the file */
    struct entry *buffer;
    uint32_t at, count;
};

static mp_status refill(struct verifier *verifier, struct run *run, uint32_t room)
{
    uint64_t count = min_u64(run->left, room);
    int64_t bytes = (int64_t)(count * sizeof(struct entry)), got = 0;

    run->at = 0;
    run->count = (uint32_t)count;
    if (count == 0) return MP_OK;
    got = verifier->env->file_read(verifier->env->context, verifier->ids.file, run->buffer,
                                   (size_t)bytes, run->offset * sizeof(struct entry));
    if (got != bytes) return temporary_failed(&verifier->ids, "read", got);
    run->offset += count;
    run->left -= count;
    return MP_OK;
}

/* A heap of runs by their next entry. */
static void sift(struct run **heap, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        struct run *moved = heap[at];

        if (child >= count) return;
        if (child + 1 < count && is_less(&heap[child + 1]->buffer[heap[child + 1]->at],
                                         &heap[child]->buffer[heap[child]->at])) {
            child++;
        }
        if (!is_less(&heap[child]->buffer[heap[child]->at], &moved->buffer[moved->at])) return;
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

static mp_status merge(struct verifier *verifier, struct run *runs, struct run **heap,
                       uint32_t count, uint32_t room)
{
    struct entry before = {0};
    bool any = false;
    mp_status status = MP_OK;

    for (uint32_t i = 0; i < count && status == MP_OK; i++) {
        heap[i] = &runs[i];
        status = refill(verifier, heap[i], room);
    }
    for (uint32_t i = count; status == MP_OK && i-- > 0;) sift(heap, count, i);
    while (status == MP_OK && count > 0) {
        struct run *first = heap[0];
        struct entry entry = first->buffer[first->at++];

        if (any) status = compare(verifier, &before, &entry);
        before = entry;
        any = true;
        if (status == MP_OK && first->at == first->count) status = refill(verifier, first, room);
        if (first->count == 0) heap[0] = heap[--count];
        if (count > 0) sift(heap, count, 0);
    }
    return status;
}

static mp_status merge_all(struct verifier *verifier)
{
    struct verify_ids *ids = &verifier->ids;
    uint32_t count = ids->run_count;
    uint64_t room = max_u64(MERGE_MIN, ids->room / (count + 1));
    struct run *runs = calloc(count, sizeof *runs);
    struct run **heap = calloc(count, sizeof(struct run *));
    struct entry *buffers = calloc(count * room, sizeof *buffers);
    uint64_t offset = 0;
    mp_status status;

    MP_ASSERT(count > 0);
    if (runs == NULL || heap == NULL || buffers == NULL) {
        status = fail(MP_NO_MEMORY, "no memory to merge ids");
    } else {
        for (uint32_t i = 0; i < count; i++) {
            runs[i] =
                (struct run){.offset = offset, .left = ids->runs[i], .buffer = buffers + i * room};
            offset += ids->runs[i];
        }
        status = merge(verifier, runs, heap, count, (uint32_t)room);
    }
    free(buffers);
    free(heap);
    free(runs);
    return status;
}

mp_status verify_ids_end(struct verifier *verifier)
{
    struct verify_ids *ids = &verifier->ids;
    mp_status status = MP_OK;

    verifier->block = NULL;
    if (ids->run_count == 0) {
        const struct entry *entries = entries_of(ids);

        sort(entries_of(ids), ids->count);
        for (uint64_t i = 1; i < ids->count && status == MP_OK; i++) {
            status = compare(verifier, &entries[i - 1], &entries[i]);
        }
        return status;
    }
    if (ids->count > 0) status = write_run(verifier);
    arena_free(&ids->arena); /* the merge has buffers of its own */
    return status == MP_OK ? merge_all(verifier) : status;
}
