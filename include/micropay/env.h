/**
 * @file env.h
 * Everything a ledger asks of the world: time, randomness, waiting, threads, files. The engine
 * calls nothing else, so a simulator that fills in this struct owns time, disk and scheduling.
 * Programs normally never need it: mp_env_posix() is the default.
 *
 * Functions that can fail return a negative errno value (as in -ENOSPC), never -EINTR; else 0 or a
 * count. Every function gets the struct's `context`. All may be called from several threads at
 * once, except that one ring is used by one thread at a time (mp_env.ring_wake excepted).
 */
#ifndef MICROPAY_ENV_H
#define MICROPAY_ENV_H

#include <micropay/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mp_env_open_flags {
    MP_ENV_WRITE = 1 << 0,  /**< for reading and writing; without it for reading only */
    MP_ENV_CREATE = 1 << 1, /**< make the file if it is missing */
    /** Past the page cache (O_DIRECT): buffers, lengths, offsets in multiples of 4,096; -EINVAL
     * where refused. */
    MP_ENV_DIRECT = 1 << 2,
};

enum mp_env_filesystem {
    MP_ENV_FS_LOCAL = 0,
    MP_ENV_FS_MEMORY = 1,  /**< tmpfs and the like: nothing survives a power cut */
    MP_ENV_FS_NETWORK = 2, /**< NFS, SMB, FUSE: locks and syncs can't be trusted */
};

/** An asynchronous queue of reads and durable writes; owned by the environment. */
typedef struct mp_env_ring mp_env_ring;

/** A piece of memory to write. */
typedef struct mp_env_piece {
    const void *data;
    size_t length; /**< bytes */
} mp_env_piece;

/** A finished ring operation. */
typedef struct mp_env_completion {
    uint64_t user; /**< as given at submission */
    /** Bytes, or a negative errno; a write's are never less than asked for, a read's only at the
     * end of the file. */
    int64_t result;
} mp_env_completion;

/** The environment. The struct and its context must outlive every ledger opened with it. */
typedef struct mp_env {
    void *context;

    /** Wall clock, nanoseconds since the Unix epoch. */
    uint64_t (*real_ns)(void *context);
    /** Nanoseconds since boot, suspension included (CLOCK_BOOTTIME). Never runs backwards. */
    uint64_t (*boot_ns)(void *context);
    /** Fills a buffer with random bytes. */
    int (*random)(void *context, void *buffer, size_t length);
    /** Number of this process; differs in a forked child. */
    uint64_t (*process)(void *context);

    /** Sleeps while *word == value, at most timeout_ns (UINT64_MAX = for ever); may wake early. */
    void (*wait)(void *context, const uint32_t *word, uint32_t value, uint64_t timeout_ns);
    /** Wakes up to `count` sleepers on a word. */
    void (*wake)(void *context, const uint32_t *word, uint32_t count);
    /** Makes an event for programs with a loop of their own: returns a descriptor that poll() finds
     * readable from event_signal on, until somebody reads it. -ENOSYS where there are none. */
    int (*event_open)(void *context);
    /** Makes an event readable. */
    void (*event_signal)(void *context, int event);
    void (*event_close)(void *context, int event);
    /** Runs run(argument) on a new thread with all signals blocked. */
    int (*thread_start)(void *context, void (*run)(void *argument), void *argument,
                        const char *name, uint64_t *thread);
    /** Waits until a thread has ended. */
    void (*thread_join)(void *context, uint64_t thread);

    /** Makes a directory; -EEXIST if it is there. */
    int (*dir_make)(void *context, const char *path);
    /** Writes the names in a directory, in any order, each ended by NUL, the last by two (none: two
     * NULs); returns their number; -ENOBUFS if `size` bytes do not suffice. */
    int (*dir_list)(void *context, const char *path, char *names, size_t size);
    /** Makes creations, renames and removals in a directory durable: mp_env.file_sync doesn't. */
    int (*dir_sync)(void *context, const char *path);
    /** Kind of file system a path lies on (enum mp_env_filesystem). */
    int (*filesystem)(void *context, const char *path);
    /** Renames a file; one that has the new name is replaced, so that the name is never missing. */
    int (*rename)(void *context, const char *from, const char *to);
    /** Removes a file. */
    int (*remove)(void *context, const char *path);

    /** Opens a file (enum mp_env_open_flags); returns a file number. */
    int (*file_open)(void *context, const char *path, unsigned flags);
    /** Closes a file, which no ring may be working on. */
    int (*file_close)(void *context, int file);
    int64_t (*file_size)(void *context, int file);
    /** Allocates disk space for a range, so that writing it can't fail with -ENOSPC; grows the
     * file. What is there stays, the rest reads as zeros. Nobody may write the range meanwhile. */
    int (*file_allocate)(void *context, int file, uint64_t offset, uint64_t length);
    /** Waits until no write to the file is under way, also none that a process which has died since
     * had handed to the disk: what is read then stays. */
    int (*file_settle)(void *context, int file);
    /** Reads; returns the bytes read, less than asked only at the end of the file. */
    int64_t (*file_read)(void *context, int file, void *buffer, size_t length, uint64_t offset);
    /** Writes all pieces in a row at an offset; returns their bytes, never less: after an error any
     * part of them may be there. With `durable` they are on stable storage on return, and the
     * file's size with them; writes made before without `durable` needn't be. */
    int64_t (*file_write)(void *context, int file, const mp_env_piece *pieces, unsigned count,
                          uint64_t offset, bool durable);
    /** Makes a file's data and size durable, whoever wrote it. After an error what was written
     * since the last success may be lost even if a later call succeeds. */
    int (*file_sync)(void *context, int file);
    /** Cuts or grows a file to a size. */
    int (*file_resize)(void *context, int file, uint64_t size);
    /** Takes the exclusive lock of a file for this opening of it, which needs MP_ENV_WRITE; -EAGAIN
     * when another one has it. Ends when it is closed here and in every forked child. */
    int (*file_lock)(void *context, int file);
    /** Whether another opening of the file has that lock: 1 or 0. */
    int (*file_locked)(void *context, int file);

    /** Opens a ring that carries so many operations at once (1 to 4,096); -ENOSYS, -EPERM, -EACCES
     * or -ENOMEM where rings are refused: the engine then uses the calls above. Operations may fail
     * when the thread that started them ends before they do. */
    int (*ring_open)(void *context, unsigned entries, mp_env_ring **ring);
    /** Waits for what the ring carries, then frees it; what was not reaped is not told. */
    void (*ring_close)(void *context, mp_env_ring *ring);
    /** Queues a write that is followed by a data sync (as mp_env.file_sync); the completion comes
     * when both are done. 1 to 4 pieces, which are copied; the memory they point to must stay as it
     * is until then. -EBUSY when the ring is full. */
    int (*ring_write)(void *context, mp_env_ring *ring, int file, const mp_env_piece *pieces,
                      unsigned count, uint64_t offset, uint64_t user);
    /** Queues a read; as mp_env.file_read. -EBUSY when the ring is full. */
    int (*ring_read)(void *context, mp_env_ring *ring, int file, void *buffer, size_t length,
                     uint64_t offset, uint64_t user);
    /** Starts what is queued and returns up to `max` completions, in any order; sleeps up to
     * timeout_ns for the first one (0 = doesn't sleep, UINT64_MAX = for ever). Returns early,
     * perhaps with 0, after ring_wake. */
    int (*ring_reap)(void *context, mp_env_ring *ring, mp_env_completion *completions, unsigned max,
                     uint64_t timeout_ns);
    /** Ends a sleep in ring_reap, or the next one before it begins. Any thread; cheap when nobody
     * sleeps. */
    void (*ring_wake)(void *context, mp_env_ring *ring);
} mp_env;

/** The environment of a POSIX system (Linux). Never NULL; lives for ever. */
MP_API const mp_env *mp_env_posix(void);

#ifdef __cplusplus
}
#endif
#endif
