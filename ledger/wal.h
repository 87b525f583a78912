/* The write-ahead log: segments, blocks, the rules of opening. Positions are log positions (bytes,
 * all segments laid end to end, heads and footers included).
 *
 * Who may do what: `struct wal` is opened, scanned and settled by one thread. Then the pump
 * (whoever drives it) owns end, prev_sum, sequence, last_*, file, ordinal and identity; one helper
 * at a time calls wal_helper_step; any thread reads by wal_read_page, wal_cursor_*, segment_file
 * and segment_footer_read. */
#ifndef LEDGER_WAL_H
#define LEDGER_WAL_H

#include "format.h"

#define PATH_MAX_BYTES 4096
#define SEGMENTS_MAX   65536u /* 16 TiB of log */
#define FILES_MAX      128u
#define WAL_RESERVE    (2 * BLOCK_MAX) /* stays allocated: for expiries, what was taken, the seal */

#define WAL_CURSOR_BYTES MIB(14) /* address space of a cursor; committed as it is used */
#define WAL_HELPER_BYTES MIB(4)  /* what the helper's uses, with blocks of up to 2 MiB */

struct segment {
    uint64_t base;
    uint64_t size;
    _Atomic uint64_t kept; /* its file, if it is open for reading: see segment_files.c */
    bool exists;
    bool ids_damaged; /* its ids file is missing or damaged: the helper writes it again */
};

/* A segment being made: NNNNNNNN.wal.tmp. Belongs to whoever holds wal->making. */
struct segment_maker {
    uint32_t ordinal; /* 0 = none */
    int file;
    uint64_t done;  /* bytes written with zeros */
    bool allocated; /* all of it: writing it can't fail for want of space */
};

struct page_cache;
struct wal_helper;

struct wal {
    const mp_env *env;
    char directory[PATH_MAX_BYTES];
    bool write;    /* opened for writing */
    bool direct;   /* O_DIRECT works here */
    bool no_ring;  /* the caller's, after wal_open: scan without a ring (MP_OPEN_NO_RING) */
    int lock_file; /* ledger.mp */
    /* the pump sets mark, newest_time; ledger_file_write stores them */
    struct ledger_slot identity;
    struct segment *segments; /* index = ordinal - 1 */
    _Atomic uint32_t segment_count;

    /* where the chain ends: set by wal_scan, moved on by the writer */
    uint64_t end;        /* log position where the last valid block ends */
    mp_u128 prev_sum;    /* of the last block: XXH3-128 of its page sums */
    uint64_t sequence;   /* next sequence */
    uint64_t last_time;  /* newest block's time */
    uint64_t last_mark;  /* highest durable mark seen in a block */
    uint64_t last_block; /* position of the last valid block; 0 = none */
    uint32_t last_epoch; /* of the last valid block; 0 = none */

    /* the writer's */
    int file;          /* the segment being written, -1 = none */
    int file_previous; /* the one before: a block may still be in flight in it; -1 = none */
    uint32_t ordinal;  /* of the segment being written */
    _Atomic uint32_t next_ready; /* ordinal up to which segments are made ready */
    _Atomic uint32_t making; /* who works on `maker`: 0 = nobody, 1 = the helper, 2 = the writer */
    struct segment_maker maker;
    uint32_t sealed; /* the helper's: ordinal up to which segments have footer and ids file */
    struct wal_helper *helper;
    uint32_t files_max; /* segments kept open for reading, beside those in use */
    _Atomic uint32_t files_kept;
    _Atomic uint32_t files_turn; /* which one is looked at next, to be closed */
    struct page_cache *cache;
    _Atomic uint64_t disk_reads; /* pages read by wal_read_page */
    char notices[8][256];
    unsigned notice_count;
};

/* A verified block in memory. */
struct block_view {
    uint64_t position;
    const uint8_t *pages; /* header->pages * PAGE_SIZE bytes; for a ring: see tail.h */
    const struct block_header *header;
};

/* --- ledger_file.c: ledger.mp --- */
/* Reads the newer sound slot. MP_NOT_FOUND, MP_VERSION, MP_CORRUPT (no sound slot), MP_IO. */
MP_MUST_USE mp_status ledger_file_read(const mp_env *env, const char *directory,
                                       struct ledger_slot *out);
/* Writes wal->identity (written + 1) into the slot whose turn it is, durably. */
MP_MUST_USE mp_status ledger_file_write(struct wal *wal);
/* The same at a clean close: all that was written is durable and sealed, nothing is written behind
 * wal->end any more. So the next opening needn't search there. */
MP_MUST_USE mp_status ledger_file_write_closed(struct wal *wal);

/* --- segment.c --- */
uint64_t segment_size(uint32_t ordinal);
uint64_t segment_base(uint32_t ordinal);
uint32_t segment_of(uint64_t position); /* ordinal */
/* Log position where its footer begins: no block reaches beyond. */
uint64_t segment_data_end(uint32_t ordinal);
/* Makes segment `ordinal` ready: file of full size written with zeros, head, fsync, rename from
 * *.tmp, directory fsync. `allocate_only`: space allocated but not zeroed (when the writer can't
 * wait); then a segment that the helper has begun is finished. Not beside a helper or writer that
 * makes one: they use wal_next_segment. */
MP_MUST_USE mp_status segment_make(struct wal *wal, uint32_t ordinal, bool allocate_only);

/* --- segment_files.c --- */
/* For reading, held until segment_release, whatever is under way on a ring included: number, or
 * negative errno (mp_last_error() says more): -EBADMSG when it is missing or its head or size is
 * wrong, else -EIO. Opened at first use; some are kept open. Any thread. */
int segment_file(struct wal *wal, uint32_t ordinal);
void segment_release(struct wal *wal, uint32_t ordinal);

/* --- segment_pass.c: one reading of a segment for both footer and ids --- */
/* Writes footer, ids file or both of a finished segment, by one reading. MP_NOT_FOUND: it isn't
 * finished (the next one holds no block yet); MP_CORRUPT: a block in it is damaged. */
MP_MUST_USE mp_status segment_finish(struct wal *wal, uint32_t ordinal, bool footer, bool ids);
/* Writes the footer of a finished segment. */
MP_MUST_USE mp_status segment_seal(struct wal *wal, uint32_t ordinal);
/* Reads a segment's footer; computes (and, when writing, rewrites) a damaged one. MP_NOT_FOUND: not
 * finished yet. */
MP_MUST_USE mp_status segment_footer_read(struct wal *wal, uint32_t ordinal,
                                          struct segment_footer *out);

/* --- block.c --- */
/* Fills in trailers and header of a built block: pages lie at page(i) = ring + (position + i *
 * PAGE_SIZE) % ring_size. The header's fields but sum, and each trailer's units_used and
 * first_sequence, are set already. Returns the block's own sum for the next block's prev_sum. */
mp_u128 block_finish(uint8_t *ring, uint64_t ring_size, uint64_t position);
/* Verifies one page as the page of some block at `position`: sum, position, timeline. */
bool page_valid(const uint8_t *page, uint64_t position, uint64_t timeline_low);
/* Verifies page 0 of a block alone: page_valid, and a header of this position and timeline that
 * makes sense. What it says (the mark above all) may be trusted though the rest of the block be
 * torn. */
bool block_header_valid(const uint8_t *page, uint64_t position, mp_u128 timeline);
/* Verifies a whole block in contiguous memory; sets *sum. `available` bytes lie behind it. */
bool block_valid(const uint8_t *bytes, uint64_t available, uint64_t position, mp_u128 timeline,
                 mp_u128 *sum);

/* --- wal_open.c --- */
/* Makes an empty log: directories, ledger.mp, first segment, all durable. */
MP_MUST_USE mp_status wal_init(const mp_env *env, const char *directory, bool force);
/* Reads ledger.mp (taking the lock when writing), lists segments. Nothing is changed. On failure
 * nothing is left open. */
MP_MUST_USE mp_status wal_open(struct wal *wal, const mp_env *env, const char *directory,
                               bool write, bool force);
void wal_close(struct wal *wal);
/* Names in a directory, as mp_env.dir_list gives them; to be freed. MP_CORRUPT: it is missing. */
MP_MUST_USE mp_status wal_list(const mp_env *env, const char *path, char **names);
/* Readers: whether somebody has the ledger open for writing (also when that can't be told). */
bool wal_writer_alive(struct wal *wal);
/* Adds a sentence that a person should know of (mp_notice); from the ninth on they are dropped. */
void wal_notice(struct wal *wal, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- wal_scan.c --- */
/* Called for each valid block in order; the view is valid during the call. */
typedef mp_status (*wal_block_fn)(void *context, const struct block_view *block);
/* Reads the chain from `from` (4,096 = the start, or a block's end) with prev_sum of the block
 * before; large reads, several at once; stops at the first place where no valid next block begins,
 * there or on the second page of the next segment, and at the first block that ends beyond `stop`
 * (UINT64_MAX = none). Moves end, prev_sum, sequence, last_*; a caller who starts from a checkpoint
 * sets last_time, last_epoch and last_block first, as far as it knows them (0 = not known). When fn
 * fails, its status is returned and its block doesn't count as read. */
MP_MUST_USE mp_status wal_scan(struct wal *wal, uint64_t from, mp_u128 prev_sum, uint64_t sequence,
                               uint64_t stop, wal_block_fn fn, void *context);
/* The same for readers, also beside a live writer: a block is given out only when it is known to be
 * durable: the mark of ledger.mp or of a later block covers it, or nobody had the ledger open for
 * writing when the call began. Reads ledger.mp again. To look again later: wal_scan_reader(wal,
 * wal->end, wal->prev_sum, wal->sequence, ...). */
MP_MUST_USE mp_status wal_scan_reader(struct wal *wal, uint64_t from, mp_u128 prev_sum,
                                      uint64_t sequence, wal_block_fn fn, void *context);

/* --- wal_cursor.c: block after block, for any thread; a cursor belongs to one --- */
struct wal_cursor;
/* Begins at `from`: 4,096, or where a block begins or ends (wal_find). `ring`: reads ahead by a
 * ring of its own, which dies with the thread that calls; otherwise plain reads. MP_NO_MEMORY. */
MP_MUST_USE mp_status wal_cursor_open(struct wal *wal, uint64_t from, bool ring,
                                      struct wal_cursor **out);
/* The next block that ends at or before `stop`, a durable position which may grow from call to
 * call; nothing beyond it is read. The view is valid until the next call. MP_END: none; MP_CORRUPT:
 * there should be one, names file and offset. */
MP_MUST_USE mp_status wal_cursor_next(struct wal_cursor *cursor, uint64_t stop,
                                      struct block_view *out);
void wal_cursor_close(struct wal_cursor *cursor); /* NULL is allowed */
/* Where the first block that begins at or behind `position` begins (or the block before it ends);
 * `stop` when that isn't durable yet. MP_CORRUPT, MP_IO. */
MP_MUST_USE mp_status wal_find(struct wal *wal, uint64_t position, uint64_t stop, uint64_t *from);
/* Where the block begins that holds `position`, which must be a durable record's. MP_CORRUPT,
 * MP_IO. */
MP_MUST_USE mp_status wal_block_of(struct wal *wal, uint64_t position, uint64_t *block);

/* --- wal_settle.c --- */
/* After wal_scan, when nobody writes: MP_CORRUPT if anything proves that a block behind `end` was
 * acknowledged (the mark of ledger.mp, of a checkpoint: `mark`, 0 = none, or of any valid block up
 * to the end of the last segment). Reads all that lies there; MP_IO when it can't. Changes nothing.
 */
MP_MUST_USE mp_status wal_check_end(struct wal *wal, uint64_t mark);
/* The same, but looks no further than two largest blocks behind the end and into each later
 * segment: a reader's look, which finds the block behind a damaged one. */
MP_MUST_USE mp_status wal_check_end_near(struct wal *wal, uint64_t mark);
/* The rules of opening for writing, after wal_scan: wal_check_end, without reading all that lies
 * there if the ledger was closed cleanly; then what was in flight behind `end` is copied to
 * orphaned/, cut with a notice and overwritten with zeros; the tail segment is fsynced; epoch + 1
 * is durable. Unfinished files (*.tmp) in the ledger's folders are removed. The writer's fields are
 * set. */
MP_MUST_USE mp_status wal_settle(struct wal *wal, uint64_t mark);

/* --- wal_place.c: the pump's --- */
/* Whether a batch may be taken: with `bytes` more behind `end` (the open block, at most, and the
 * batch's) at least WAL_RESERVE stays allocated. Makes the next segment when it must. MP_DISK_FULL:
 * nothing was changed; MP_LIMIT: the log has all the segments it can have; MP_IO. */
MP_MUST_USE mp_status wal_can_accept(struct wal *wal, uint64_t bytes);
/* Where a block of at most `bytes` begins: at `end`, or on the second page of the next segment. In
 * that case file, ordinal and end are the next segment's from now on, and ledger.mp is written with
 * last_mark. Makes the segment when the helper hasn't. The block goes to wal->file at position -
 * segment_base(wal->ordinal). MP_DISK_FULL, MP_LIMIT, MP_IO. */
MP_MUST_USE mp_status wal_place(struct wal *wal, uint64_t bytes, uint64_t *position);
/* Room left for a block in the present segment. */
uint64_t wal_room(const struct wal *wal);
/* Makes the segment behind the present one now, if it isn't there: finishes what the helper has
 * begun, or allocates. */
MP_MUST_USE mp_status wal_next_segment(struct wal *wal);

/* --- wal_helper.c: step functions of the helper thread --- */
/* A bounded piece of work: writes zeros of the next segment (paced by how full the present one is;
 * ready at 75 %), or reads on in a finished segment that lacks footer or ids file. `written_to`: a
 * durable log position (a block's end), never less than before. *worked: call again soon. A full
 * disk is no failure here; MP_CORRUPT and MP_IO about a finished segment are returned once, then
 * that segment is left out. */
MP_MUST_USE mp_status wal_helper_step(struct wal *wal, uint64_t written_to, bool *worked);

/* --- wal_read.c --- */
/* Reads and verifies the page at a log position (a multiple of PAGE_SIZE) from disk, through the
 * page cache. MP_CORRUPT names file and offset; MP_IO. Any thread. */
MP_MUST_USE mp_status wal_read_page(struct wal *wal, uint64_t position, uint8_t page[PAGE_SIZE]);
/* For those who read by a ring of their own (segment_file, offset = position - segment_base): */
bool wal_cached_page(struct wal *wal, uint64_t position, uint8_t page[PAGE_SIZE]);
/* Verifies what was read (`result`: bytes or negative errno) and keeps it in the cache. MP_CORRUPT,
 * MP_IO. */
MP_MUST_USE mp_status wal_take_page(struct wal *wal, uint64_t position, int64_t result,
                                    const uint8_t page[PAGE_SIZE]);

/* --- ids_file.c: index/NNNNNNNN.ids --- */
struct id_file_entry {
    uint64_t hash;
    uint64_t position_tag; /* log position | enum id_tag */
};
typedef mp_status (*id_entry_fn)(void *context, const struct id_file_entry *entry);
/* Scans a finished segment and writes its ids file (tmp, fsync, rename, directory fsync). */
MP_MUST_USE mp_status ids_file_write(struct wal *wal, uint32_t ordinal);
/* Calls fn for each entry of a segment in log order. MP_NOT_FOUND when the file is missing or its
 * head damaged (nothing was delivered: ids_scan); damage further in is no failure: the rest comes
 * from the segment itself. */
MP_MUST_USE mp_status ids_file_read(struct wal *wal, uint32_t ordinal, id_entry_fn fn,
                                    void *context);
/* The same from the segment's blocks up to `stop`, a durable position, a block's end; when that
 * lies beyond the segment (or is UINT64_MAX): all of a finished one (MP_NOT_FOUND when it isn't).
 * By the opening thread. */
MP_MUST_USE mp_status ids_scan(struct wal *wal, uint32_t ordinal, uint64_t stop, id_entry_fn fn,
                               void *context);

#endif
