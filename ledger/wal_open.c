/* Making a log and opening one: ledger.mp, its lock, the list of segments. */
#include "wal_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- both --- */

static mp_status check_path(const char *directory)
{
    size_t length = strlen(directory);

    if (length == 0) return fail(MP_INVALID, "the ledger's directory has no name");
    if (length > PATH_MAX_BYTES - 256)
        return fail(MP_INVALID, "the ledger's path is too long: %zu bytes", length);
    return MP_OK;
}

/* The directory that holds `directory`. */
static void parent_of(const char *directory, char parent[PATH_MAX_BYTES])
{
    size_t length = strlen(directory);

    while (length > 1 && directory[length - 1] == '/') length--;
    while (length > 0 && directory[length - 1] != '/') length--;
    while (length > 1 && directory[length - 1] == '/') length--;
    snprintf(parent, PATH_MAX_BYTES, "%.*s", (int)length, directory);
    if (length == 0) snprintf(parent, PATH_MAX_BYTES, ".");
}

static mp_status check_filesystem(const mp_env *env, const char *path, bool force)
{
    int kind = env->filesystem(env->context, path);

    if (kind == MP_ENV_FS_NETWORK && !force) {
        return fail(
            MP_FILESYSTEM,
            "%s: lies on a network or FUSE file system, whose locks and syncs can't be trusted: "
            "use a local disk, or force it if you know better",
            path);
    }
    return MP_OK; /* a kind that can't be told is taken for local: what is wrong with the path shows
                     at once */
}

mp_status wal_list(const mp_env *env, const char *path, char **names)
{
    for (size_t size = KIB(16); size <= MIB(16); size *= 4) {
        char *memory = malloc(size);
        int result;

        if (memory == NULL) return fail(MP_NO_MEMORY, "no memory to list %s", path);
        result = env->dir_list(env->context, path, memory, size);
        if (result >= 0) {
            *names = memory;
            return MP_OK;
        }
        free(memory);
        if (result == -ENOENT) {
            return fail(MP_CORRUPT,
                        "%s: this directory of the ledger is missing; put it back from a copy",
                        path);
        }
        if (result != -ENOBUFS) return wal_failed_file(path, "listed", result);
    }
    return fail(MP_IO, "%s: holds too many files: move away what isn't the ledger's", path);
}

/* Ordinal of a segment by its file's name, NNNNNNNN.wal; 0 = none. */
static uint32_t ordinal_of(const char *name)
{
    uint32_t ordinal = 0;

    if (strlen(name) != 12 || strcmp(name + 8, ".wal") != 0) return 0;
    for (unsigned i = 0; i < 8; i++) {
        if (name[i] < '0' || name[i] > '9') return 0;
        ordinal = ordinal * 10 + (uint32_t)(name[i] - '0');
    }
    return ordinal <= SEGMENTS_MAX ? ordinal : 0;
}

static uint32_t newest_segment(const char *names)
{
    uint32_t newest = 0;

    MP_ASSERT(names != NULL);
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1) {
        uint32_t ordinal = ordinal_of(name);

        if (ordinal > newest) newest = ordinal;
    }
    return newest;
}

static void wal_reset(struct wal *wal, const mp_env *env, const char *directory)
{
    memset(wal, 0, sizeof *wal);
    wal->env = env;
    wal->files_max = FILES_MAX;
    snprintf(wal->directory, sizeof wal->directory, "%s", directory);
    wal->lock_file = wal->file = wal->file_previous = wal->maker.file = -1;
}

/* --- making one --- */

static const char *const folders[] = {"wal", "checkpoint", "index", "orphaned"};

static mp_status make_directories(const mp_env *env, const char *directory)
{
    char path[PATH_MAX_BYTES];
    int result = env->dir_make(env->context, directory);

    if (result < 0 && result != -EEXIST) return wal_failed_file(directory, "made", result);
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) {
        wal_path(directory, path, "%s", folders[i]);
        result = env->dir_make(env->context, path);
        if (result < 0 && result != -EEXIST) return wal_failed_file(path, "made", result);
    }
    result = env->dir_sync(env->context, directory);
    if (result < 0) return wal_failed_file(directory, "synced", result);
    parent_of(directory, path);
    result = env->dir_sync(env->context, path);
    if (result < 0 && result != -EACCES) return wal_failed_file(path, "synced", result);
    return MP_OK;
}

/* An interrupted making leaves one segment at most, without a block. More than that is a log that
 * has lost its ledger.mp, and nothing to write over. */
static mp_status check_unused(const mp_env *env, const char *directory)
{
    _Alignas(PAGE_SIZE) uint8_t page[PAGE_SIZE];
    char path[PATH_MAX_BYTES];
    char *names = NULL;
    uint32_t newest;
    int file;
    int64_t result;
    mp_status status;

    wal_path(directory, path, "ledger.mp");
    file = env->file_open(env->context, path, 0);
    if (file >= 0) {
        env->file_close(env->context, file);
        return fail(MP_EXISTS, "%s: there is a ledger already", directory);
    }
    if (file != -ENOENT) return wal_failed_file(path, "opened", file);

    wal_path(directory, path, "wal");
    status = wal_list(env, path, &names);
    if (status != MP_OK) return status;
    newest = newest_segment(names);
    free(names);
    if (newest == 0) return MP_OK;
    wal_path(directory, path, "wal/%08u.wal", newest);
    if (newest == 1) {
        file = env->file_open(env->context, path, 0);
        if (file < 0) return wal_failed_file(path, "opened", file);
        result = env->file_read(env->context, file, page, sizeof page, PAGE_SIZE);
        env->file_close(env->context, file);
        if (result < 0) return wal_failed(path, PAGE_SIZE, "read", result);
        if (result == (int64_t)sizeof page && memcmp(page, wal_zeros, PAGE_SIZE) == 0) return MP_OK;
    }
    return fail(
        MP_EXISTS,
        "%s: is the log of a ledger that has lost its ledger.mp: put that back, or use an empty "
        "directory",
        path);
}

static mp_status make_segment(struct wal *wal)
{
    mp_status status;

    wal->direct = true; /* falls back where it is refused */
    wal->segments = calloc(1, sizeof *wal->segments);
    if (wal->segments == NULL) return fail(MP_NO_MEMORY, "no memory to make a ledger");
    status = segment_make(wal, 1, false);
    free(wal->segments);
    wal->segments = NULL;
    return status;
}

/* Everything but ledger.mp's name. `file` is ledger.mp.tmp, locked: nobody else makes a ledger here
 * meanwhile. */
static mp_status make_contents(struct wal *wal, int file, const char *path)
{
    const mp_env *env = wal->env;
    mp_env_piece piece = {wal_zeros, 2 * sizeof wal->identity};
    uint64_t random[4];
    int64_t written;
    mp_status status = check_unused(env, wal->directory);
    int result;

    if (status != MP_OK) return status;
    result = env->random(env->context, random, sizeof random);
    if (result < 0) return fail(MP_IO, "the system gives no random numbers: %s", strerror(-result));
    wal->identity.timeline = MP_U128(random[0], random[1]);
    wal->identity.hash_secret[0] = random[2];
    wal->identity.hash_secret[1] = random[3];
    wal->identity.created = env->real_ns(env->context);
    status = make_segment(wal);
    if (status != MP_OK) return status;

    result = env->file_resize(env->context, file, 0);
    if (result < 0) return wal_failed_file(path, "emptied", result);
    written = env->file_write(env->context, file, &piece, 1, 0, false);
    if (written != (int64_t)piece.length) return wal_failed(path, 0, "written", written);
    return ledger_file_store(env, file, path, &wal->identity);
}

mp_status wal_init(const mp_env *env, const char *directory, bool force)
{
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
    struct wal *wal;
    mp_status status = check_path(directory);
    int file, result;

    if (status != MP_OK) return status;
    parent_of(directory, path);
    status = check_filesystem(env, env->filesystem(env->context, directory) < 0 ? path : directory,
                              force);
    if (status == MP_OK) status = make_directories(env, directory);
    if (status != MP_OK) return status;

    wal_path(directory, temporary, "ledger.mp.tmp");
    wal_path(directory, path, "ledger.mp");
    file = env->file_open(env->context, temporary, MP_ENV_WRITE | MP_ENV_CREATE);
    if (file < 0) return wal_failed_file(temporary, "made", file);
    result = env->file_lock(env->context, file);
    wal = malloc(sizeof *wal);
    if (result == -EAGAIN) {
        status = fail(MP_LOCKED, "%s: another process is making a ledger here", directory);
    } else if (result < 0) {
        status = wal_failed_file(temporary, "locked", result);
    } else if (wal == NULL) {
        status = fail(MP_NO_MEMORY, "no memory to make a ledger");
    } else {
        wal_reset(wal, env, directory);
        status = make_contents(wal, file, temporary);
    }
    free(wal);
    if (status == MP_OK) return wal_publish(env, file, temporary, path, directory);
    if (result >= 0) env->remove(env->context, temporary); /* by whoever has the lock */
    env->file_close(env->context, file);
    return status;
}

/* --- opening one --- */

static mp_status take_lock(struct wal *wal)
{
    const mp_env *env = wal->env;
    int result = env->file_lock(env->context, wal->lock_file);

    if (result == -EAGAIN) {
        return fail(
            MP_LOCKED,
            "%s: another process has the ledger open for writing (or a child that such a process "
            "has forked): end it, or open for reading",
            wal->directory);
    }
    if (result < 0) return wal_failed_file(wal->directory, "locked", result);
    return MP_OK;
}

static mp_status find_segments(struct wal *wal)
{
    char path[PATH_MAX_BYTES];
    uint32_t newest;
    char *names = NULL;
    mp_status status;

    wal->segments =
        calloc(SEGMENTS_MAX, sizeof *wal->segments); /* pages of it are used as segments come */
    if (wal->segments == NULL) return fail(MP_NO_MEMORY, "no memory for the list of segments");
    wal_path(wal->directory, path, "wal");
    status = wal_list(wal->env, path, &names);
    if (status != MP_OK) return status;
    newest = newest_segment(names);
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1) {
        uint32_t ordinal = ordinal_of(name);

        if (ordinal != 0) wal->segments[ordinal - 1].exists = true;
    }
    free(names);
    for (uint32_t ordinal = 1; ordinal <= max_u64(newest, 1); ordinal++) {
        if (!wal->segments[ordinal - 1].exists) {
            return fail(
                MP_CORRUPT,
                "%s/wal/%08u.wal: offset 0: this segment of the log is missing; put it back from a "
                "copy",
                wal->directory, ordinal);
        }
        segment_register(wal, ordinal);
    }
    atomic_store_explicit(&wal->next_ready, newest, memory_order_release);
    return MP_OK;
}

/* Whether O_DIRECT works is seen by the first segment. */
static void try_direct(struct wal *wal)
{
    const mp_env *env = wal->env;
    char path[PATH_MAX_BYTES];
    int file;

    wal_path(wal->directory, path, "wal/%08u.wal", 1u);
    file = env->file_open(env->context, path, MP_ENV_DIRECT);
    wal->direct = file != -EINVAL;
    if (file >= 0) env->file_close(env->context, file);
}

/* A process that was killed may have left a block on its way to the disk. It must not come behind
 * the end that is found now: such a block goes into the last segment or, when the next one has been
 * made, into the last but one. */
static mp_status settle_writes(struct wal *wal)
{
    const mp_env *env = wal->env;
    uint32_t newest = atomic_load_explicit(&wal->next_ready, memory_order_relaxed);

    for (uint32_t ordinal = newest > 1 ? newest - 1 : newest; ordinal <= newest; ordinal++) {
        char path[PATH_MAX_BYTES];
        int file, result;

        if (ordinal == 0) continue;
        wal_path(wal->directory, path, "wal/%08u.wal", ordinal);
        file = wal_file_open(wal, path, MP_ENV_WRITE);
        if (file < 0) return wal_failed_file(path, "opened", file);
        result = env->file_settle(env->context, file);
        env->file_close(env->context, file);
        if (result < 0) return wal_failed_file(path, "waited for", result);
    }
    return MP_OK;
}

static mp_status open_all(struct wal *wal, bool force)
{
    mp_status status = check_filesystem(wal->env, wal->directory, force);
    int file = -1;

    if (status == MP_OK)
        status = ledger_file_open(wal->env, wal->directory, wal->write, &wal->lock_file);
    if (status == MP_OK && wal->write) status = take_lock(wal);
    if (status == MP_OK)
        status = ledger_file_load(wal->env, wal->directory, wal->lock_file, &wal->identity);
    if (status == MP_OK) status = find_segments(wal);
    if (status == MP_OK && wal->write) status = settle_writes(wal);
    if (status != MP_OK) return status;
    try_direct(wal);
    wal->end = PAGE_SIZE;
    wal->sequence = 1;
    wal->cache = page_cache_open(PAGE_CACHE_DEFAULT);
    if (wal->cache == NULL) return fail(MP_NO_MEMORY, "no memory for the cache of pages");
    status = segment_hold(wal, 1, &file); /* so that a foreign or damaged log is seen at once */
    if (status == MP_OK) segment_release(wal, 1);
    return status;
}

mp_status wal_open(struct wal *wal, const mp_env *env, const char *directory, bool write,
                   bool force)
{
    mp_status status = check_path(directory);

    if (status != MP_OK) return status;
    wal_reset(wal, env, directory);
    wal->write = write;
    status = open_all(wal, force);
    if (status != MP_OK) wal_close(wal);
    return status;
}

void wal_close(struct wal *wal)
{
    const mp_env *env = wal->env;

    if (env == NULL) return;
    wal_helper_free(wal);
    maker_abandon(wal);
    segment_files_close(wal);
    free(wal->segments);
    page_cache_close(wal->cache);
    if (wal->file >= 0) env->file_close(env->context, wal->file);
    if (wal->file_previous >= 0) env->file_close(env->context, wal->file_previous);
    if (wal->lock_file >= 0)
        env->file_close(env->context, wal->lock_file); /* the lock ends here, last */
    wal->lock_file = wal->file = wal->file_previous = -1;
    wal->segments = NULL;
    wal->cache = NULL;
    wal->env = NULL;
}

bool wal_writer_alive(struct wal *wal)
{
    return wal->env->file_locked(wal->env->context, wal->lock_file) != 0;
}

void wal_notice(struct wal *wal, const char *format, ...)
{
    va_list arguments;

    if (wal->notice_count == sizeof wal->notices / sizeof *wal->notices) return;
    va_start(arguments, format);
    vsnprintf(wal->notices[wal->notice_count++], sizeof *wal->notices, format, arguments);
    va_end(arguments);
}
