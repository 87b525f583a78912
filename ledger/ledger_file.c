/* ledger.mp: who the ledger is, and what is known to be durable. Two slots written in turn, so that
 * a torn write leaves the other one. */
#include "hash.h"
#include "wal_internal.h"

#include <errno.h>

enum { SLOTS = 2 };

static uint64_t slot_sum(const struct ledger_slot *slot)
{
    return XXH3_64bits(slot, sizeof *slot - sizeof slot->sum);
}

static mp_status read_slots(const mp_env *env, int file, const char *path, struct ledger_slot *out)
{
    _Alignas(PAGE_SIZE) struct ledger_slot slots[SLOTS] = {0};
    const struct ledger_slot *newest = NULL;
    int64_t result = env->file_read(env->context, file, slots, sizeof slots, 0);

    if (result < 0) return wal_failed(path, 0, "read", result);
    for (unsigned i = 0; i < SLOTS; i++) { /* what a short file lacks is zero, thus not sound */
        if (slots[i].magic != LEDGER_MAGIC || slots[i].sum != slot_sum(&slots[i])) continue;
        if (newest == NULL || slots[i].written > newest->written) newest = &slots[i];
    }
    if (newest == NULL) {
        return fail(MP_CORRUPT,
                    "%s: offset 0: both slots are damaged; put the file back from a copy", path);
    }
    if (newest->version > FORMAT_VERSION) {
        return fail(
            MP_VERSION,
            "%s: the ledger has format %u, this program knows formats up to %u: use a newer one",
            path, newest->version, FORMAT_VERSION);
    }
    *out = *newest;
    return MP_OK;
}

static mp_status not_found(const mp_env *env, const char *directory)
{
    char path[PATH_MAX_BYTES];
    int file;

    wal_path(directory, path, "ledger.mp.tmp");
    file = env->file_open(env->context, path, 0);
    if (file < 0)
        return fail(MP_NOT_FOUND, "%s: there is no ledger (no ledger.mp): make one first",
                    directory);
    env->file_close(env->context, file);
    return fail(MP_NOT_FOUND, "%s: the making of this ledger was interrupted: make it again",
                directory);
}

mp_status ledger_file_open(const mp_env *env, const char *directory, bool write, int *file)
{
    char path[PATH_MAX_BYTES];
    int number;

    wal_path(directory, path, "ledger.mp");
    number = env->file_open(env->context, path, write ? MP_ENV_WRITE : 0);
    if (number == -ENOENT || number == -ENOTDIR) return not_found(env, directory);
    if (number < 0) return wal_failed_file(path, write ? "opened for writing" : "opened", number);
    *file = number;
    return MP_OK;
}

mp_status ledger_file_load(const mp_env *env, const char *directory, int file,
                           struct ledger_slot *out)
{
    char path[PATH_MAX_BYTES];

    wal_path(directory, path, "ledger.mp");
    return read_slots(env, file, path, out);
}

mp_status ledger_file_read(const mp_env *env, const char *directory, struct ledger_slot *out)
{
    int file = -1;
    mp_status status;

    if (strlen(directory) > PATH_MAX_BYTES - 256)
        return fail(MP_INVALID, "the ledger's path is too long");
    status = ledger_file_open(env, directory, false, &file);
    if (status != MP_OK) return status;
    status = ledger_file_load(env, directory, file, out);
    env->file_close(env->context, file);
    return status;
}

mp_status ledger_file_store(const mp_env *env, int file, const char *path,
                            struct ledger_slot *identity)
{
    _Alignas(PAGE_SIZE) struct ledger_slot slot;
    mp_env_piece piece = {&slot, sizeof slot};
    uint64_t offset;
    int64_t written;

    identity->magic = LEDGER_MAGIC;
    identity->version = FORMAT_VERSION;
    identity->written++;
    identity->sum = slot_sum(identity);
    slot = *identity;
    offset = identity->written % SLOTS * sizeof slot;
    written = env->file_write(env->context, file, &piece, 1, offset, true);
    if (written != (int64_t)sizeof slot) return wal_failed(path, offset, "written", written);
    return MP_OK;
}

static mp_status write_slot(struct wal *wal)
{
    char path[PATH_MAX_BYTES];

    MP_ASSERT(wal->write && wal->lock_file >= 0);
    wal_path(wal->directory, path, "ledger.mp");
    return ledger_file_store(wal->env, wal->lock_file, path, &wal->identity);
}

mp_status ledger_file_write(struct wal *wal)
{
    wal->identity.closed = wal->identity.closed_sequence = 0;
    wal->identity.closed_sum = 0;
    return write_slot(wal);
}

mp_status ledger_file_write_closed(struct wal *wal)
{
    wal->identity.mark = wal->end;
    wal->identity.closed = wal->identity.written + 1;
    wal->identity.closed_sequence = wal->sequence;
    wal->identity.closed_sum = wal->prev_sum;
    return write_slot(wal);
}

bool ledger_file_says_closed(const struct wal *wal)
{
    const struct ledger_slot *slot = &wal->identity;

    return slot->closed != 0 && slot->closed == slot->written && slot->mark == wal->end &&
           slot->closed_sequence == wal->sequence && slot->closed_sum == wal->prev_sum;
}
