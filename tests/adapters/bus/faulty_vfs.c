#include "bus/faulty_vfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <stddef.h>

struct faulty_vfs faulty_vfs;

/* A table of functions as the system has it, and with ours in their place. */
struct table {
    sqlite3_io_methods methods; /* first: what a file points at */
    const sqlite3_io_methods *plain;
};
enum { TABLES_MAX = 8 }; /* the system has a few, by the locks that a file needs */

static struct table tables[TABLES_MAX];
static sqlite3_vfs *plain;

static const sqlite3_io_methods *plain_methods(sqlite3_file *file)
{
    return ((const struct table *)file->pMethods)->plain;
}

static int write_file(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at)
{
    if (faulty_vfs.writes != 0) return faulty_vfs.writes;
    return plain_methods(file)->xWrite(file, bytes, length, at);
}

static int sync_file(sqlite3_file *file, int flags)
{
    if (faulty_vfs.syncs != 0) return faulty_vfs.syncs;
    return plain_methods(file)->xSync(file, flags);
}

static int read_file(sqlite3_file *file, void *bytes, int length, sqlite3_int64 at)
{
    if (faulty_vfs.reads != 0) return faulty_vfs.reads;
    return plain_methods(file)->xRead(file, bytes, length, at);
}

static const sqlite3_io_methods *with_faults(const sqlite3_io_methods *methods)
{
    unsigned i = 0;

    while (tables[i].plain != NULL && tables[i].plain != methods) i++;
    assert(i < TABLES_MAX - 1);
    tables[i].plain = methods;
    tables[i].methods = *methods;
    tables[i].methods.xWrite = write_file;
    tables[i].methods.xSync = sync_file;
    tables[i].methods.xRead = read_file;
    return &tables[i].methods;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    int code = plain->xOpen(plain, name, file, flags, out_flags);

    (void)vfs;
    if (code == SQLITE_OK && file->pMethods != NULL) file->pMethods = with_faults(file->pMethods);
    return code;
}

void faulty_vfs_install(void)
{
    static sqlite3_vfs vfs;

    plain = sqlite3_vfs_find(NULL);
    vfs = *plain;
    vfs.zName = "faulty";
    vfs.xOpen = open_file;
    sqlite3_vfs_register(&vfs, 1);
}
