#include "store/fault_vfs.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

/* A file of ours: the system's follows it in memory. */
struct layer {
    sqlite3_file file;
    enum fault_file kind;
    sqlite3_file *real;
};

static struct {
    int code; /* SQLITE_OK = none */
    enum fault_file file;
    unsigned after;
} faults[FAULT_VERBS];
static unsigned calls[FAULT_VERBS][FAULT_FILES];
static sqlite3_vfs *real_vfs;

static sqlite3_file *real_of(sqlite3_file *file) { return ((struct layer *)file)->real; }

static enum fault_file kind_of(const char *name)
{
    size_t length = name != NULL ? strlen(name) : 0;

    return length > 4 && strcmp(name + length - 4, "-wal") == 0 ? FAULT_WAL : FAULT_DATABASE;
}

static int fault_of(sqlite3_file *file, enum fault_verb verb)
{
    enum fault_file kind = ((struct layer *)file)->kind;

    calls[verb][kind]++;
    if (faults[verb].code == SQLITE_OK || faults[verb].file != kind) return SQLITE_OK;
    if (faults[verb].after > 0) {
        faults[verb].after--;
        return SQLITE_OK;
    }
    return faults[verb].code;
}

static int close_file(sqlite3_file *file) { return real_of(file)->pMethods->xClose(real_of(file)); }

static int read_file(sqlite3_file *file, void *out, int length, sqlite3_int64 at)
{
    int code = fault_of(file, FAULT_READ);

    return code ? code : real_of(file)->pMethods->xRead(real_of(file), out, length, at);
}

static int write_file(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at)
{
    int code = fault_of(file, FAULT_WRITE);

    return code ? code : real_of(file)->pMethods->xWrite(real_of(file), bytes, length, at);
}

static int sync_file(sqlite3_file *file, int flags)
{
    int code = fault_of(file, FAULT_SYNC);

    return code ? code : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int size_of_file(sqlite3_file *file, sqlite3_int64 *out)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int lock_file(sqlite3_file *file, int how)
{
    return real_of(file)->pMethods->xLock(real_of(file), how);
}

static int unlock_file(sqlite3_file *file, int how)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), how);
}

static int reserved_lock(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int control_file(sqlite3_file *file, int what, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}

static int sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* Version 1 has no shared memory: the store needs none. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = reserved_lock,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
};

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *out)
{
    struct layer *ours = (struct layer *)file;
    int code;

    (void)vfs;
    *ours = (struct layer){.kind = kind_of(name), .real = (sqlite3_file *)(ours + 1)};
    code = real_vfs->xOpen(real_vfs, name, ours->real, flags, out);
    if (ours->real->pMethods != NULL) ours->file.pMethods = &methods;
    return code;
}

void fault_vfs_install(void)
{
    static sqlite3_vfs vfs;

    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "faults";
    vfs.szOsFile = (int)sizeof(struct layer) + real_vfs->szOsFile;
    vfs.xOpen = open_file;
    sqlite3_vfs_register(&vfs, 1);
}

void fault_set(enum fault_verb verb, enum fault_file file, unsigned after, int code)
{
    faults[verb].file = file;
    faults[verb].after = after;
    faults[verb].code = code;
}

void fault_clear(void) { memset(faults, 0, sizeof faults); }

unsigned fault_calls(enum fault_verb verb, enum fault_file file) { return calls[verb][file]; }
