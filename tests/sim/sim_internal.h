/* The inside of the simulated world; sim_env.h explains the model. */
#ifndef TESTS_SIM_INTERNAL_H
#define TESTS_SIM_INTERNAL_H

#include "sim_env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64, HANDLES = 1024, EVENTS = 8, ROOT = 0, RING_PIECES = 4 };

/* What must hold, of the sim itself and of whoever uses it. */
#define SIM_CHECK(condition, ...)                                                                  \
    do {                                                                                           \
        if (!(condition)) sim_broken(__VA_ARGS__);                                                 \
    } while (0)
_Noreturn void sim_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *sim_memory(size_t size);                           /* zeros; never NULL */
void *sim_more(void *memory, size_t count, size_t size); /* room for one more; see sim_env.c */

/* Mixes another number into a digest. */
static inline uint64_t digest_mix(uint64_t digest, uint64_t number)
{
    digest = (digest ^ number) * 0x9e3779b97f4a7c15ull;
    return digest ^ digest >> 32;
}

/* --- sim_image.c: bytes of a file, in pages that images share until one changes --- */

struct sim_page;

struct image {
    struct sim_page **pages; /* NULL = a hole: no space is taken, reads as zeros */
    uint64_t count;          /* of `pages` */
    uint64_t size;           /* bytes */
};

void image_free(struct image *image);
void image_copy(struct image *to, const struct image *from);
size_t image_read(const struct image *image, void *buffer, size_t length, uint64_t offset);
/* data NULL = zeros */
void image_write(struct image *image, const uint8_t *data, uint64_t length, uint64_t offset);
void image_allocate(struct image *image, uint64_t offset, uint64_t length);
void image_resize(struct image *image, uint64_t size);
/* Takes over what another image has in a range. */
void image_take(struct image *to, const struct image *from, uint64_t length, uint64_t offset);
/* Pages that take space, in a range. */
uint64_t image_taken(const struct image *image, uint64_t length, uint64_t offset);
/* Over size and bytes. */
uint64_t image_digest(const struct image *image, uint64_t seed);
/* Cheap: may say no of a page that only reads as zeros. */
bool image_page_is_zero(const struct image *image, uint64_t page);

/* --- what a disk is made of --- */

/* A file or directory. */
struct node {
    bool directory;
    bool reachable;              /* while garbage is collected */
    bool lost;                   /* while power is cut: later changes of it are not there */
    int lock;                    /* number of the file that has the lock; 0 = nobody */
    struct image cache, durable; /* of a file: what reads see; what a power cut leaves */
};

struct entry {
    uint32_t directory, node;
    char name[NAME_MAX_BYTES];
};

struct names {
    struct entry *entries;
    uint32_t count;
};

struct bytes {
    unsigned references;
    uint8_t bytes[];
};

enum change_kind { WRITE, RESIZE, ALLOCATE, LINK, UNLINK, RENAME };

/* A change of a file or directory that isn't durable yet. */
struct change {
    enum change_kind kind;
    bool flying;             /* not yet in what reads see */
    bool cuts;               /* RESIZE: to a smaller size */
    uint64_t number;         /* rising */
    uint32_t node;           /* the file; of LINK, UNLINK and RENAME: what the name stands for */
    uint64_t offset, length; /* RESIZE: length = size */
    struct bytes *data;      /* NULL = zeros */
    uint8_t *sectors; /* NULL = all are there; else 1 or 0 for each sector that the write touches */
    uint32_t from, to; /* directories; `to` is LINK's and RENAME's, `from` UNLINK's and RENAME's */
    char from_name[NAME_MAX_BYTES], to_name[NAME_MAX_BYTES];
};

struct handle {
    int number; /* 0 = free */
    uint32_t node;
    unsigned flags;
};

struct ring_operation {
    bool write;
    uint64_t user;
    unsigned delay;  /* calls of ring_reap until it is done */
    uint64_t number; /* of a write's change */
    uint32_t node;
    int file;
    mp_env_piece pieces[RING_PIECES];
    unsigned count;
    uint8_t *buffer;
    size_t length;
    uint64_t offset;
};

struct mp_env_ring {
    struct mp_env_ring *next;
    uint64_t life; /* of the machine's process; a ring of an earlier one is of no use */
    bool woken;
    unsigned entries, count;
    struct ring_operation operations[];
};

struct event {
    int number;       /* 0 = free */
    uint64_t signals; /* since it was looked at */
};

struct sim {
    mp_env env;
    struct sim_settings settings;
    uint64_t chance, bytes,
        order;           /* random states: what becomes of things; mp_env.random; dir_list */
    struct node **nodes; /* NULL = free */
    uint32_t node_count;
    struct names live, durable;
    struct change *changes; /* in order of time */
    uint32_t change_count;
    uint64_t last_change;
    struct handle handles[HANDLES];
    struct event events[EVENTS];
    int last_file; /* or event */
    struct mp_env_ring *rings;
    uint64_t life;
    struct sim_fault *faults;
    uint32_t fault_count;
    uint64_t struck;
    uint64_t operations, crash_at;
    bool dead;
    uint64_t idle; /* sleeps since death */
    char operation[SIM_PATH_MAX + 64];
    void (*hook)(void *context, struct sim *sim);
    void *hook_context;
};

/* --- sim_env.c --- */

uint64_t random_below(uint64_t *state, uint64_t limit);
/* Begins an operation that changes something: it may crash (-EIO, sim->dead) or be struck by a
 * fault, whose `dropped` is set (NULL = not wanted). */
int operation_begin(struct sim *sim, unsigned bit, const char *what, const char *path,
                    uint64_t offset, uint64_t length, enum sim_dropped *dropped);
/* The error of a fault that strikes, or 0. */
int fault_strike(struct sim *sim, unsigned bit, const char *path, uint64_t offset, uint64_t length,
                 enum sim_dropped *dropped);
/* -EIO or -EROFS when nothing can be changed now, else 0. */
int guard(const struct sim *sim);

/* --- sim_names.c --- */

struct place {
    uint32_t directory;
    char name[NAME_MAX_BYTES]; /* "" = the root itself */
    struct entry *entry;       /* NULL = nothing has that name */
};

uint32_t node_make(struct sim *sim, bool directory);
/* Frees what no name, file or change knows any more. */
void nodes_collect(struct sim *sim);
struct entry *names_find(const struct names *names, uint32_t directory, const char *name);
void names_apply(struct names *names, const struct change *change);
void names_copy(struct names *to, const struct names *from);
/* Where a path leads among the live names; -ENOENT, -ENOTDIR, -ENAMETOOLONG. */
int place_find(const struct sim *sim, const char *path, struct place *out);
int directory_find(const struct sim *sim, const char *path, uint32_t *out);
void node_path(const struct sim *sim, uint32_t node, char path[SIM_PATH_MAX]);
int place_link(struct sim *sim, const struct place *place, bool directory, uint32_t *node);

int sim_dir_make(void *context, const char *path);
int sim_dir_list(void *context, const char *path, char *names, size_t size);
int sim_dir_sync(void *context, const char *path);
int sim_filesystem(void *context, const char *path);
int sim_rename_call(void *context, const char *from, const char *to);
int sim_remove_call(void *context, const char *path);

/* --- sim_change.c --- */

/* Adds a change in flight, and takes over its data; returns its number. */
uint64_t change_add(struct sim *sim, struct change change);
void change_free(struct change *change);
void change_forget(struct sim *sim, uint32_t index);
struct change change_copy(const struct change *change);
bool change_is_of_names(const struct change *change);
uint64_t change_sectors(const struct change *change); /* that a write touches */
uint8_t *change_mask(struct change *change);          /* its `sectors`, made if there are none */
void image_change(struct image *image, const struct change *change);
struct bytes *bytes_gather(const mp_env_piece *pieces, unsigned count, uint64_t length);
/* Carries a change in flight out, so that it is seen. */
void change_land(struct sim *sim, uint64_t number);
/* Ends a change in flight that failed; after -EIO any part of a write may have been done. */
void change_fail(struct sim *sim, uint64_t number, int error);
/* A write in flight gets no further than this. */
void change_shorten(struct sim *sim, uint64_t number, uint64_t length);
/* Adds a change, begins the operation, and lands or fails the change. */
int change_carry_out(struct sim *sim, unsigned bit, const char *what, struct change change);
/* Makes the sectors of a landed write durable. */
void change_settle(struct sim *sim, uint64_t number);
void file_settle(struct sim *sim, uint32_t node);
/* What a failed sync does. */
void file_drop(struct sim *sim, uint32_t node, enum sim_dropped dropped);
void directory_settle(struct sim *sim, uint32_t directory);

/* --- sim_cut.c --- */

/* Decides by chance whether a change is there; a write may lose sectors. */
bool change_decide(struct sim *sim, struct change *change);

/* --- sim_files.c --- */

struct handle *handle_find(struct sim *sim, int file);
bool aligned(const struct handle *handle, const void *data, size_t length, uint64_t offset);
/* How many of the bytes fit on the disk. */
uint64_t room_for(const struct sim *sim, const struct node *node, uint64_t length, uint64_t offset);
int sim_file_open(void *context, const char *path, unsigned flags);
int sim_file_close(void *context, int file);
int64_t sim_file_size(void *context, int file);
int sim_file_allocate(void *context, int file, uint64_t offset, uint64_t length);
int sim_file_settle(void *context, int file);
int64_t sim_file_read(void *context, int file, void *buffer, size_t length, uint64_t offset);
int64_t sim_file_write(void *context, int file, const mp_env_piece *pieces, unsigned count,
                       uint64_t offset, bool durable);
int sim_file_sync(void *context, int file);
int sim_file_resize(void *context, int file, uint64_t size);
int sim_file_lock(void *context, int file);
int sim_file_locked(void *context, int file);

/* --- sim_ring.c --- */

bool ring_uses(const struct sim *sim, int file);
int sim_ring_open(void *context, unsigned entries, mp_env_ring **out);
void sim_ring_close(void *context, mp_env_ring *ring);
int sim_ring_write(void *context, mp_env_ring *ring, int file, const mp_env_piece *pieces,
                   unsigned count, uint64_t offset, uint64_t user);
int sim_ring_read(void *context, mp_env_ring *ring, int file, void *buffer, size_t length,
                  uint64_t offset, uint64_t user);
int sim_ring_reap(void *context, mp_env_ring *ring, mp_env_completion *completions, unsigned max,
                  uint64_t timeout_ns);
void sim_ring_wake(void *context, mp_env_ring *ring);

#endif
