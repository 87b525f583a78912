/*
 * A world of its own for a ledger under test: clocks, random bytes, files and rings in memory, all
 * decided by a seed. Its disk loses power, its process dies, its calls fail when and where a test
 * says so. A ledger is opened in it with MP_OPEN_MANUAL: no threads run, and a sleep that nothing
 * could end aborts the test.
 *
 * The model
 *
 * - Each file has what a read sees (the page cache) and what is durable, and between them its
 * pending changes, in order. file_sync and the sync of a ring write make all pending changes of the
 * file durable; a durable file_write only its own sectors (settings.durable_covers_all widens that
 * to the file). Names are changes of their directory, which only dir_sync of that directory makes
 * durable.
 * - A power cut decides on each pending write, independently: there, not there, or torn, that is
 * any subset of its 512-byte sectors. A file's size grows with what is there of it. A cut or growth
 * of a file is there or not; nothing of the file that was issued behind a cut that isn't there is
 * there. Of a directory's changes those up to some point are there; a rename is there wholly or not
 * at all, and one between two directories takes what came before it in both along. Then the machine
 * has restarted: nothing is open, nothing locked.
 * - A kill is the death of the process alone: what was issued stays, what was in flight (ring
 * writes, the operation that a crash cut off) is there, not there, or torn; it becomes durable by
 * the next sync, or not at a power cut.
 * - Ring operations take effect when they are reaped, after as many calls and in such order as the
 * seed says; the memory of a write must be as it was, that of a read holds rubbish until then.
 * - sim_crash_at stops the world in the middle of an operation: that one is in flight, and from
 * then on every call returns -EIO and changes nothing. Close the ledger, then sim_kill or
 * sim_power_cut.
 * - A write that fails by a fault with -EIO may have done any part of its work. A failed sync
 * leaves its changes pending, or drops them as Linux does: reads go on to see them, no later sync
 * writes them.
 *
 * Limits: one thread at a time; a sim and its clones belong to one thread together. No permissions,
 * links or times. Space counts by pages of 4 KiB, names cost nothing. A sector is never torn, never
 * changes unwritten (but see sim_flip), and what was reported durable stays so. Failed syncs don't
 * evict the page cache.
 */
#ifndef TESTS_SIM_ENV_H
#define TESTS_SIM_ENV_H

#include <micropay/env.h>
#include <stdio.h>

enum { SIM_PAGE = 4096, SIM_SECTOR = 512, SIM_PATH_MAX = 512 };

struct sim;

/* --- life --- */

/* What a test may change at any time. */
struct sim_settings {
    uint64_t real_ns, boot_ns; /* the clocks; both go on by step_ns at each look at one of them */
    uint64_t step_ns;
    uint64_t process;        /* number of the process */
    uint64_t disk_bytes;     /* space that files can take in all; writes beyond it get -ENOSPC */
    int filesystem;          /* enum mp_env_filesystem */
    unsigned ring_delay_max; /* so many calls of ring_reap later at most an operation is done */
    bool no_ring;            /* ring_open is -ENOSYS */
    bool no_direct;          /* MP_ENV_DIRECT is -EINVAL */
    bool read_only;          /* whatever changes anything is -EROFS */
    bool durable_covers_all; /* a durable write syncs the whole file */
    FILE *trace;             /* gets a line for each change */
};

/* A world with an empty root directory. Paths are "a/b" or "/a/b"; "." is the root. */
struct sim *sim_make(uint64_t seed);
/* The same disk with all that is pending and in flight, the same settings, random state and faults;
 * nothing is open, and no hook or crash is set. Of a world in which a ledger is open it is the
 * state that sim_kill and sim_power_cut decide on: call one of them before opening anything. */
struct sim *sim_clone(const struct sim *sim);
void sim_free(struct sim *sim);

/* Lives as long as the sim. */
const mp_env *sim_env(struct sim *sim);
struct sim_settings *sim_settings(struct sim *sim);
/* Starts the random numbers anew: what is decided from here on depends on this seed. */
void sim_seed(struct sim *sim, uint64_t seed);
/* A number below `limit`, for tests that want to decide something by the same seed. */
uint64_t sim_random(struct sim *sim, uint64_t limit);
/* Lets time pass on both clocks. */
void sim_pass(struct sim *sim, uint64_t ns);

/* How often an event was signalled since it was read last, as a read of an eventfd tells. */
uint64_t sim_event_read(struct sim *sim, int number);
unsigned sim_events(const struct sim *sim); /* that are open */

/* --- crashes --- */

/* Operations that change something, begun so far: writes, syncs, creations, renames and so on.
 * Reading, opening what is there and closing don't count; a ring write counts when it is queued. */
uint64_t sim_operations(const struct sim *sim);
/* The last of them in words, such as "write a/b 4096+512". */
const char *sim_operation(const struct sim *sim);
/* The n-th operation from now (1 = the next) does not complete, nor does any call after it. 0 =
 * none. */
void sim_crash_at(struct sim *sim, uint64_t n);
bool sim_crashed(const struct sim *sim);
/* Called in the middle of each operation: a clone made here is what a crash there leaves. NULL = no
 * longer. */
void sim_hook(struct sim *sim, void (*hook)(void *context, struct sim *sim), void *context);

/* The process dies, the machine lives. */
void sim_kill(struct sim *sim);

/* The machine loses power. */
enum sim_cut {
    SIM_CUT_RANDOM,  /* each pending change by the seed */
    SIM_CUT_ABSENT,  /* nothing that was pending is there */
    SIM_CUT_PRESENT, /* everything is */
};
void sim_power_cut(struct sim *sim, enum sim_cut cut);

/* Every outcome of a power cut in turn, with writes decided page by page. All states begin as 0:
 *
 *     uint8_t states[8] = {0};
 *     cr_assert_leq(sim_cut_units(sim), sizeof states);
 *     do {
 *         struct sim *copy = sim_clone(sim);
 *         sim_power_cut_as(copy, states);
 *         ...
 *         sim_free(copy);
 *     } while (sim_cut_next(sim, states));
 *
 * TORN pages have lost some of their sectors, which ones is decided by a hash of the page's number.
 * A page of zeros over zeros is left out: its states are all the same. */
enum sim_unit { SIM_ABSENT, SIM_PRESENT, SIM_TORN };
uint32_t sim_cut_units(const struct sim *sim);
bool sim_cut_next(const struct sim *sim, uint8_t *states);
void sim_power_cut_as(struct sim *sim, const uint8_t *states);

/* --- faults --- */

enum sim_operation_bits {
    SIM_READ = 1 << 0,  /* file_read, ring_read */
    SIM_WRITE = 1 << 1, /* file_write, ring_write: the latter's result */
    SIM_SYNC = 1 << 2,
    SIM_DIR_SYNC = 1 << 3,
    SIM_OPEN = 1 << 4,   /* of a file that is there */
    SIM_CREATE = 1 << 5, /* of a file or directory */
    SIM_RENAME = 1 << 6,
    SIM_REMOVE = 1 << 7,
    SIM_RESIZE = 1 << 8,
    SIM_ALLOCATE = 1 << 9,
    SIM_LIST = 1 << 10,
    SIM_RING = 1 << 11,  /* ring_write is refused at once */
    SIM_EVENT = 1 << 12, /* event_open */
};

/* What becomes of pending changes when their sync fails. */
enum sim_dropped { SIM_KEPT, SIM_DROPPED, SIM_DROPPED_RANDOM };

/* Zero-initialise; what is 0 is no condition. */
struct sim_fault {
    unsigned operations;     /* enum sim_operation_bits */
    const char *path;        /* pattern of fnmatch(3) for the whole path, as "*.wal"; copied */
    uint64_t offset, length; /* only reads and writes that touch this range */
    uint64_t after;          /* so many that match are let through first */
    uint64_t times;          /* so many fail; 0 = all from then on */
    int error;               /* a negative errno */
    enum sim_dropped dropped;
};
void sim_fault(struct sim *sim, const struct sim_fault *fault);
void sim_no_faults(struct sim *sim);
/* How often a fault has struck. */
uint64_t sim_faults_struck(const struct sim *sim);

/* --- the disk as a test sees it --- */

/* These see what a read sees, and make durable at once what they change. Those that return an int
 * return 0, or -ENOENT when there is nothing of that name. */
bool sim_exists(const struct sim *sim, const char *path);
/* Size of a file; -ENOENT. */
int64_t sim_size(const struct sim *sim, const char *path);
/* Bytes read; -ENOENT. */
int64_t sim_read_file(const struct sim *sim, const char *path, void *buffer, size_t length,
                      uint64_t offset);
/* Overwrites a part of a file; makes it, and the directories above it, if missing. */
void sim_write_file(struct sim *sim, const char *path, const void *data, size_t length,
                    uint64_t offset);
int sim_cut_file(struct sim *sim, const char *path, uint64_t size);
/* Turns one bit over, on the disk and in the page cache. */
int sim_flip(struct sim *sim, const char *path, uint64_t offset, unsigned bit);
/* Removes a file, or a directory with all that is in it; who has something of it open may go on. */
int sim_remove(struct sim *sim, const char *path);
/* As mp_env.dir_list, in alphabetical order. */
int sim_list(const struct sim *sim, const char *path, char *names, size_t size);
/* Bytes that files take of settings.disk_bytes. */
uint64_t sim_used(const struct sim *sim);
/* A number over all names and what is in the files: disks that differ have different ones. */
uint64_t sim_digest(const struct sim *sim);
/* Copies everything into a directory of the real disk, to be looked at. */
int sim_export(const struct sim *sim, const char *directory);

#endif
