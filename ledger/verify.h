/* Verification: what its parts share. The log is read from its start, at first once; tables that
 * don't fit into memory are made in parts, with one more reading for each. Each table is judged by
 * its own file, from records alone:
 *
 *   verify_log.c       blocks, sequences, times, fields; accounts in order; ids to be unique
 *   verify_accounts.c  sums, flags, limits, pointers, record by record on both sides
 *   verify_pending.c   reservations, closed once and by what is left; reversals, never beyond their
 * original verify_ids.c       ids unique: sorted in runs, in a temporary file when they don't fit
 *   verify_checkpoint.c  checkpoints agree with the log */
#ifndef LEDGER_VERIFY_H
#define LEDGER_VERIFY_H

#include "read.h"

struct verify_pending;

/* A tree of the account's skew-binary number of records: where its newest record stands, and when
 * it was. */
struct PACKED verify_tree {
    uint8_t position[6];
    uint8_t coarse_time[6];
};
enum { TREES_INLINE = 9, TREES_MAX = 64 };

/* An account as recomputed so far. */
struct verify_account {
    mp_id id; /* 0 = not made yet */
    struct sums sums;
    uint64_t records;
    uint64_t last;      /* log position of the newest record; 0 = none */
    uint64_t timestamp; /* of its creation */
    uint32_t ledger;
    uint32_t more; /* further trees, + 1; 0 = none */
    uint8_t flags;
    uint8_t trees_count; /* oldest first */
    struct verify_tree trees[TREES_INLINE];
};

/* Known of all accounts during the first reading. */
struct verify_meta {
    uint64_t timestamp;
    uint32_t ledger;
};

/* What the log must go on from. */
struct verify_course {
    uint64_t sequence;       /* next */
    uint64_t clock;          /* newest time given by the clock */
    uint64_t newest_account; /* timestamps */
    uint64_t newest_transfer;
    uint64_t newest_change;   /* transfer, expiry or account update */
    uint64_t newest_imported; /* of the block at hand */
    uint32_t accounts;
    uint32_t epoch;
    uint64_t mark;
    struct source *sources; /* SOURCES_MAX */
    uint32_t source_count;
};

/* Ids to be unique, as keyed hashes with positions, 16 bytes each. */
struct verify_ids {
    struct memory memory;
    struct arena arena;
    uint64_t count; /* in memory */
    uint64_t room;  /* that fit */
    int file;       /* sorted runs; -1 = none yet */
    char path[PATH_MAX_BYTES];
    uint64_t runs[4096]; /* entries of each */
    uint32_t run_count;
};

struct verifier {
    const mp_env *env;
    struct wal wal;
    const char *temporary;
    uint64_t memory_max;
    void (*problem)(void *user, const char *text);
    void (*progress)(void *user, const mp_verify_report *report);
    void *user;
    mp_verify_report *report;

    /* the block and record at hand */
    const struct block_header *block;
    uint64_t block_begin;
    struct record_view view;

    /* the reading at hand */
    bool first;             /* the first one: verify_log.c */
    bool tables;            /* verify_accounts.c and verify_pending.c take part */
    uint32_t part, parts;   /* of the tables */
    uint64_t told;          /* up to here the tables' problems have been told already */
    uint64_t end;           /* log position where the log ends; 0 = not known yet */
    uint64_t last_time;     /* of the newest block with records ... */
    uint32_t last_expiries; /* ... and its expiries */

    struct verify_course course;
    struct verify_ids ids;
    uint64_t secret[2];    /* of hashes; the ledger's own */
    struct memory memory;  /* of the tables */
    struct memory small;   /* of the metas: not counted, 16 bytes an account */
    struct arena metas;    /* struct verify_meta */
    struct arena accounts; /* struct verify_account, those of this part */
    struct arena more;     /* trees beyond TREES_INLINE: TREES_MAX - TREES_INLINE each */
    uint32_t more_used;
    struct verify_pending *pending;
    struct verify_total *totals; /* by ledger number */
    uint32_t total_count, total_room;
};

/* --- verify.c --- */
/* A violation about the record at hand (or, without one, the block): file, offset and id are put in
 * front. */
void verify_problem(struct verifier *verifier, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same by a table: silent when it has been told in an earlier reading. */
void verify_table_problem(struct verifier *verifier, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* An amount in decimal; `text` has room for 40 characters. */
const char *verify_number(mp_u128 value, char text[40]);
/* The record at hand. */
static inline const struct transfer_record *verify_transfer(const struct verifier *verifier)
{
    return (const struct transfer_record *)verifier->view.record;
}

/* --- verify_log.c --- */
MP_MUST_USE mp_status verify_course_open(struct verifier *verifier);
void verify_course_close(struct verifier *verifier);
void verify_block_begin(struct verifier *verifier, const struct block_view *block);
void verify_page(struct verifier *verifier, const uint8_t *page, uint32_t number);
MP_MUST_USE mp_status verify_record(struct verifier *verifier);
void verify_block_end(struct verifier *verifier);

/* --- verify_accounts.c --- */
MP_MUST_USE mp_status verify_accounts_open(struct verifier *verifier);
void verify_accounts_close(struct verifier *verifier);
/* The record at hand, on both sides. MP_LIMIT: the part is too large. */
MP_MUST_USE mp_status verify_accounts_record(struct verifier *verifier);
/* The log has been read: adds up the part's sums by ledger number. */
MP_MUST_USE mp_status verify_accounts_end(struct verifier *verifier);
/* All parts have been read: debits must equal credits. */
void verify_totals(struct verifier *verifier);
void verify_totals_clear(struct verifier *verifier);
/* What a post gives back beyond its amount. */
mp_amount verify_released(const struct record_view *view);
struct verify_account *verify_account(const struct verifier *verifier,
                                      uint32_t slot); /* NULL: of another part */

/* --- verify_pending.c --- */
MP_MUST_USE mp_status verify_pending_open(struct verifier *verifier);
void verify_pending_close(struct verifier *verifier);
MP_MUST_USE mp_status verify_pending_record(struct verifier *verifier);
/* The record at hand has been looked at by all: a reservation that it ends is forgotten. */
void verify_pending_leave(struct verifier *verifier);
/* Account flags that the reservation named by the record at hand has set: bits of
 * MP_TRANSFER_CLOSING_*. */
uint16_t verify_closing(const struct verifier *verifier);
/* The log has been read. Behind verify_accounts_end: the accounts' pending sums are used up. */
void verify_pending_end(struct verifier *verifier);

/* --- verify_ids.c --- */
MP_MUST_USE mp_status verify_ids_open(struct verifier *verifier);
void verify_ids_close(struct verifier *verifier);
/* Enters the id of the record at hand. */
MP_MUST_USE mp_status verify_ids_add(struct verifier *verifier, mp_id id, bool account);
/* All ids are in: tells those that stand twice. */
MP_MUST_USE mp_status verify_ids_end(struct verifier *verifier);

/* --- verify_checkpoint.c --- */
/* The log has been read, the part's accounts are at its end: each checkpoint, brought forward by
 * the log behind it, must end in the same accounts, and its reservations in their pending sums.
 * Takes the RAM that opening the ledger takes. */
MP_MUST_USE mp_status verify_checkpoints(struct verifier *verifier);

#endif
