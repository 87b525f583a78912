/* The parts of the POSIX environment, for the table in env_posix.c; the functions of mp_env by
 * their names. */
#ifndef LEDGER_ENV_POSIX_H
#define LEDGER_ENV_POSIX_H

#include "types.h"

/* --- env_files.c --- */
int env_dir_make(void *context, const char *path);
int env_dir_list(void *context, const char *path, char *names, size_t size);
int env_dir_sync(void *context, const char *path);
int env_filesystem(void *context, const char *path);
int env_rename(void *context, const char *from, const char *to);
int env_remove(void *context, const char *path);
int env_file_open(void *context, const char *path, unsigned flags);
int env_file_close(void *context, int file);
int64_t env_file_size(void *context, int file);
int env_file_allocate(void *context, int file, uint64_t offset, uint64_t length);
int env_file_settle(void *context, int file);
int64_t env_file_read(void *context, int file, void *buffer, size_t length, uint64_t offset);
int64_t env_file_write(void *context, int file, const mp_env_piece *pieces, unsigned count,
                       uint64_t offset, bool durable);
int env_file_sync(void *context, int file);
int env_file_resize(void *context, int file, uint64_t size);
int env_file_lock(void *context, int file);
int env_file_locked(void *context, int file);

/* --- env_ring.c --- */
int env_ring_open(void *context, unsigned entries, mp_env_ring **out);
void env_ring_close(void *context, mp_env_ring *ring);
int env_ring_write(void *context, mp_env_ring *ring, int file, const mp_env_piece *pieces,
                   unsigned count, uint64_t offset, uint64_t user);
int env_ring_read(void *context, mp_env_ring *ring, int file, void *buffer, size_t length,
                  uint64_t offset, uint64_t user);
int env_ring_reap(void *context, mp_env_ring *ring, mp_env_completion *completions, unsigned max,
                  uint64_t timeout_ns);
void env_ring_wake(void *context, mp_env_ring *ring);

#endif
