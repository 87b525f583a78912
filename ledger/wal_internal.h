/* What the files of the log share among themselves; others include wal.h. */
#ifndef LEDGER_WAL_INTERNAL_H
#define LEDGER_WAL_INTERNAL_H

#include "page_cache.h"
#include "wal.h"
#include <inttypes.h>

static inline const struct page_trailer *trailer_of(const uint8_t *page)
{
    return (const struct page_trailer *)(page + (size_t)PAGE_DATA);
}

/* --- segment.c --- */
/* Zeros to write, aligned for O_DIRECT. */
#define ZEROS_SIZE KIB(64)
extern const uint8_t wal_zeros[ZEROS_SIZE];

/* Path of something in the ledger's directory. */
void wal_path(const char *directory, char path[PATH_MAX_BYTES], const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A file operation failed at an offset: `verb` as in "read"; `result` is a negative errno or a
 * short count. */
mp_status wal_failed(const char *path, uint64_t offset, const char *verb, int64_t result);
/* An operation on a whole file or directory failed: `verb` as in "opened". */
mp_status wal_failed_file(const char *path, const char *verb, int64_t result);
/* Opens with O_DIRECT where the file system takes it: number, or negative errno. */
int wal_file_open(const struct wal *wal, const char *path, unsigned flags);
/* Writes zeros from an offset on, not durably. */
MP_MUST_USE mp_status wal_write_zeros(const mp_env *env, int file, const char *path,
                                      uint64_t offset, uint64_t length);
/* Makes a file durable under its final name: fsync, rename, directory fsync. Closes it in any
 * case. */
MP_MUST_USE mp_status wal_publish(const mp_env *env, int file, const char *from, const char *to,
                                  const char *directory);
/* Opens a segment for reading, for the caller alone, who closes it. MP_CORRUPT when it is missing,
 * or its head or size is wrong. Any thread. */
MP_MUST_USE mp_status segment_open_own(struct wal *wal, uint32_t ordinal, int *file);
/* Opens an existing segment for writing. */
MP_MUST_USE mp_status segment_open_write(const struct wal *wal, uint32_t ordinal, int *file);
/* Whether a segment exists; a reader looks whether a live writer has made it meanwhile. */
bool segment_there(struct wal *wal, uint32_t ordinal);
void segment_register(struct wal *wal, uint32_t ordinal);
/* Reads one page without cache or verification of its contents. */
MP_MUST_USE mp_status segment_read_page(struct wal *wal, uint64_t position,
                                        uint8_t page[PAGE_SIZE]);
/* The block that should begin at a position is damaged or missing: MP_CORRUPT with the page at
 * fault. */
mp_status block_corrupt(struct wal *wal, uint64_t position, const char *why);

/* --- segment_files.c --- */
/* As segment_file, with a status. */
MP_MUST_USE mp_status segment_hold(struct wal *wal, uint32_t ordinal, int *file);
void segment_files_close(struct wal *wal); /* all */

/* --- ledger_file.c --- */
MP_MUST_USE mp_status ledger_file_open(const mp_env *env, const char *directory, bool write,
                                       int *file);
/* Reads the newer sound slot of an open ledger.mp. */
MP_MUST_USE mp_status ledger_file_load(const mp_env *env, const char *directory, int file,
                                       struct ledger_slot *out);
/* After the scan: whether the log was closed cleanly just where, and as, its chain ends now. */
bool ledger_file_says_closed(const struct wal *wal);
/* Writes the slot whose turn it is (written + 1), durably. */
MP_MUST_USE mp_status ledger_file_store(const mp_env *env, int file, const char *path,
                                        struct ledger_slot *identity);

/* --- segment_make.c: a segment being made, in wal->maker --- */
MP_MUST_USE mp_status maker_begin(struct wal *wal, uint32_t ordinal);
MP_MUST_USE mp_status maker_zero(struct wal *wal, uint64_t bytes); /* of the next `bytes` */
MP_MUST_USE mp_status maker_publish(struct wal *wal);
void maker_abandon(struct wal *wal); /* closes and removes it; nothing to do when there is none */

/* --- log_reader.c: a window on a segment that slides forward, read ahead --- */
enum { READS_MAX = 8 };

struct log_reader {
    struct wal *wal;
    mp_env_ring *ring; /* NULL: plain reads, none ahead */
    uint8_t *memory;   /* room for a block, then the ring of bytes */
    uint32_t ordinal;  /* segment; 0 = none yet */
    int file;          /* its own: who reads all segments must not keep them all open */
    uint64_t origin;   /* log position at the ring's start */
    uint64_t begin;    /* held from here ... */
    uint64_t loaded;   /* ... to here; */
    uint64_t issued;   /* reads are under way up to here */
    uint64_t limit;    /* nothing is read from here on */
    uint64_t ahead;    /* bytes to read ahead: grows while reading goes on */
    struct {
        uint64_t position;
        uint64_t length;
        int64_t result;
        bool done;
    } reads[READS_MAX]; /* in order of position, from `first` on */
    unsigned first, count;
};

/* `ring`: reads ahead by a ring, if the environment has one. */
MP_MUST_USE mp_status log_reader_open(struct log_reader *reader, struct wal *wal, bool ring);
void log_reader_close(struct log_reader *reader);
/* Goes to a position; reads nothing at or beyond `limit`, a position within the same segment. */
MP_MUST_USE mp_status log_reader_seek(struct log_reader *reader, uint64_t position, uint64_t limit);
/* The bytes at a position, at most BLOCK_MAX and below the limit, in one piece, and valid until the
 * next release. MP_IO. */
MP_MUST_USE mp_status log_reader_get(struct log_reader *reader, uint64_t position, uint64_t bytes,
                                     const uint8_t **data);
/* What lies before is not needed any more. */
void log_reader_release(struct log_reader *reader, uint64_t position);

/* --- wal_cursor.c --- */
struct wal_cursor {
    struct wal *wal;
    struct log_reader reader;
    bool one_segment; /* never goes on to the next segment */
    bool chained;     /* the next five are known: a block that doesn't follow is none */
    uint32_t epoch;   /* of the block before */
    uint64_t time;
    uint64_t sequence; /* the next one's first */
    mp_u128 prev_sum;
    uint64_t end;  /* where the block before ended */
    uint64_t stop; /* no block that ends beyond it */
    bool beyond;   /* a block was found that ends beyond `stop` */
    mp_u128 sum;   /* of the block looked at */
    struct block_view view;
};

MP_MUST_USE mp_status cursor_open(struct wal_cursor *cursor, struct wal *wal, uint64_t from,
                                  bool ring);
void cursor_close(struct wal_cursor *cursor);
/* Finds the next valid block, in cursor->view; MP_END when none begins there, nor in the next
 * segment. */
MP_MUST_USE mp_status cursor_look(struct wal_cursor *cursor);
/* Whether a valid page 0 belongs to a block that continues the chain behind the block before. */
bool cursor_continues(const struct wal_cursor *cursor, const struct block_header *header);
void cursor_take(struct wal_cursor *cursor); /* goes on behind the block looked at */

/* --- segment_pass.c: reads a segment's blocks once, for footer and ids --- */
struct segment_pass {
    struct wal *wal;
    uint32_t ordinal;
    uint64_t stop;      /* UINT64_MAX: all of a finished segment */
    uint64_t secret[2]; /* of the id hash */
    struct wal_cursor *cursor;
    struct segment_footer *footer; /* being computed; sum set by segment_pass_step at the end */
    id_entry_fn entry;             /* NULL: ids are not wanted */
    void *entry_context;
};

MP_MUST_USE mp_status segment_pass_open(struct segment_pass *pass, struct wal *wal,
                                        uint32_t ordinal, uint64_t stop, bool ring,
                                        id_entry_fn entry, void *entry_context);
/* Goes on by about `bytes`; *done at the end. MP_NOT_FOUND: the segment isn't finished. */
MP_MUST_USE mp_status segment_pass_step(struct segment_pass *pass, uint64_t bytes, bool *done);
void segment_pass_close(struct segment_pass *pass);
MP_MUST_USE mp_status segment_footer_write(struct wal *wal, const struct segment_footer *footer);
/* Whether the footer on disk is sound. */
MP_MUST_USE mp_status segment_footer_check(struct wal *wal, uint32_t ordinal,
                                           struct segment_footer *footer, bool *sound);

/* --- ids_file.c --- */
/* An ids file being written. */
struct ids_writer {
    struct wal *wal;
    uint32_t ordinal;
    int file;        /* -1 = none */
    uint64_t offset; /* of the buffer in the file */
    uint64_t count;  /* entries taken */
    uint64_t used;   /* bytes of the buffer */
    uint8_t *buffer;
};

MP_MUST_USE mp_status ids_writer_open(struct ids_writer *writer, struct wal *wal, uint32_t ordinal);
/* An id_entry_fn; context: the writer. */
mp_status ids_writer_entry(void *context, const struct id_file_entry *entry);
/* Gives the file its name, durably. */
MP_MUST_USE mp_status ids_writer_finish(struct ids_writer *writer, uint64_t end);
/* Drops what isn't finished; frees. */
void ids_writer_close(struct ids_writer *writer);
/* Whether there is an ids file with a sound head. */
MP_MUST_USE mp_status ids_file_check(struct wal *wal, uint32_t ordinal, bool *sound);

/* --- wal_settle.c --- */
/* Whether a durable mark says that a block behind `end`, where the chain ends, was acknowledged. */
bool wal_mark_beyond(uint64_t mark, uint64_t end);
/* Where the block behind `end` begins, or should begin: there, or on the second page of the next
 * segment. */
uint64_t wal_end_of_chain(struct wal *wal);

/* --- wal_tidy.c --- */
/* Makes folders that are missing, removes what the library left unfinished, all durably. */
MP_MUST_USE mp_status wal_tidy(struct wal *wal);

/* --- wal_helper.c --- */
void wal_helper_free(struct wal *wal);

#endif
