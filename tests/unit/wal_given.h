/* A log in a temporary directory, a writer's part to append to it, and a world that fails when told
 * to. */
#ifndef TESTS_WAL_GIVEN_H
#define TESTS_WAL_GIVEN_H

#include "wal.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#define PAGE_BYTES ((uint64_t)PAGE_SIZE)

extern char directory[PATH_MAX_BYTES];
extern mp_env env; /* the posix one, but for `world` */
extern struct wal wal;

struct world {
    int64_t read_fails_at; /* offset in any file from which reads fail; -1 = none */
    const char
        *write_fails; /* writes to files opened under a path with this in it fail; NULL = none */
    bool full;        /* no space can be allocated */
    bool no_ring, no_direct;
    int failing_file;
    int changes_left; /* after so many changes to files and directories none works any more; -1 = no
                         end */
};
extern struct world world;

struct seen {
    unsigned blocks;
    uint64_t records;
};

/* --- before and after each test --- */
void given_a_directory(void);
void given_a_ledger(void);
void remove_all(void);

/* --- what is expected --- */
void expect(mp_status status, mp_status expected);
void expect_error(const char *text); /* in mp_last_error() */
/* Makes something fail after 0, 1, 2 ... changes until it goes through; `again` must find all right
 * each time. */
void die_at_each_change(mp_status (*attempt)(void), void (*again)(void));

/* --- opening --- */
mp_status count_block(void *context, const struct block_view *block); /* context: struct seen */
mp_status scan(struct wal *log, struct seen *seen);
mp_status open_writer(struct seen *seen); /* opens as a writer does; NULL is allowed */
void reopen(unsigned blocks);             /* and finds so many */

/* --- blocks: of plain transfers whose ids are their sequences --- */
extern uint8_t *block_bytes; /* of the block built last */
struct block_header *build(uint64_t position, uint32_t pages, uint32_t epoch, uint64_t mark);
mp_u128 finish_block(void);
/* Writes some pages of the block built last, as a power cut may leave it: bit i of `pages` = page i
 * is there. */
void write_pages(uint64_t pages);
void block_counts(mp_u128 sum); /* the block built last is the log's last one now */
/* Appends a block, durably; the one before is known to be durable. Returns its position. */
uint64_t append(uint32_t pages);
void fill_to(uint32_t ordinal); /* fills segments until the log has one block in this one */

/* --- files of the ledger --- */
void path_of(char path[PATH_MAX_BYTES], const char *name);
void flip(const char *name, uint64_t offset); /* one bit */
uint64_t file_bytes(const char *name);        /* 0 = missing */
unsigned files_in(const char *name);
uint64_t contents(void); /* a sum over the log and ledger.mp, to see that nothing changed */

#endif
