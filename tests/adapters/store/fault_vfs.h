/* A disk for SQLite that fails on order: a layer over the system's files, made the default. */
#ifndef TESTS_ADAPTERS_STORE_FAULT_VFS_H
#define TESTS_ADAPTERS_STORE_FAULT_VFS_H

enum fault_verb { FAULT_READ, FAULT_WRITE, FAULT_SYNC, FAULT_VERBS };
enum fault_file { FAULT_DATABASE, FAULT_WAL, FAULT_FILES };

/* Before any database is opened. */
void fault_vfs_install(void);
/* After `after` more calls, every call of this verb on such a file answers `code`
 * (SQLITE_IOERR_WRITE, SQLITE_FULL, ...) and does nothing. */
void fault_set(enum fault_verb verb, enum fault_file file, unsigned after, int code);
void fault_clear(void);
/* Calls of the verb on such files since the installation. */
unsigned fault_calls(enum fault_verb verb, enum fault_file file);

#endif
