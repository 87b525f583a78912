/* The files, byte for byte. docs/format.md says the same in words; a test in another language reads
 * by it. Everything is little-endian and packed; what is named `zero` is zero. */
#ifndef LEDGER_FORMAT_H
#define LEDGER_FORMAT_H

#include "types.h"

#define FORMAT_VERSION   1
#define PAGE_SIZE        4096u
#define UNIT_SIZE        32u
#define PAGE_UNITS       126u /* of records; the trailer takes the last two */
#define PAGE_DATA        (PAGE_UNITS * UNIT_SIZE)
#define BLOCK_MAX        ((uint64_t)6 << 20) /* bytes */
#define BLOCK_TARGET     ((uint64_t)1 << 20) /* a block takes no further batch beyond this */
#define BLOCK_PAGES_MAX  (BLOCK_MAX / PAGE_SIZE)
#define EXPIRIES_MAX     8190u /* a block */
#define RECORD_UNITS_MAX 11u
#define SEGMENT_FIRST    ((uint64_t)16 << 20)  /* bytes; each segment is twice the one before ... */
#define SEGMENT_MAX      ((uint64_t)256 << 20) /* ... up to this */
#define FOOTER_SIZE      8192u                 /* last bytes of a sealed segment */
#define POSITION_MAX     (((uint64_t)1 << 48) - 1)

#define LEDGER_MAGIC  0x315245474445504dull /* "MPEDGER1" as bytes: ledger.mp */
#define SEGMENT_MAGIC 0x314745534c41574dull /* "MWALSEG1" */
#define FOOTER_MAGIC  0x31544f4f464c574dull /* "MWLFOOT1" */
#define BLOCK_MAGIC   0x314b434f4c42504dull /* "MPBLOCK1" */

#define PACKED __attribute__((packed))

/* Last 64 bytes of every page of a block. */
struct PACKED page_trailer {
    uint64_t time; /* the block's, ns */
    /* of the page's first record (of the next one to come if it has none) */
    uint64_t first_sequence;
    uint64_t timeline_low;
    uint32_t epoch;
    uint16_t page;       /* number in the block, from 0 */
    uint16_t units_used; /* of PAGE_UNITS; the block header's 4 count on page 0 */
    uint8_t zero[24];
    uint64_t sum; /* XXH3-64 of the page's first 4,088 bytes, seed = the page's log position */
};

enum block_flags { BLOCK_SEAL = 1, BLOCK_POSITIONS_ONLY = 2 };

/* First 4 units of page 0 of a block. */
struct PACKED block_header {
    uint64_t magic;
    uint16_t version;
    uint16_t flags;
    uint32_t pages;
    mp_u128 timeline;
    uint32_t epoch;
    uint32_t zero1;
    uint64_t position;
    /* of the block's first sequenced record; of the next to come when it has none */
    uint64_t first_sequence;
    uint32_t count;    /* of sequenced records, expiries among them */
    uint32_t expiries; /* the first so many records */
    uint64_t time;     /* ns */
    uint64_t mark;     /* log position known to be durable when this block was submitted */
    mp_u128 prev_sum;  /* XXH3-128 of all page sums of the block before; 0 for the first */
    mp_u128 sum;       /* XXH3-128 of the sums of pages 1 to n-1 (8 bytes each, in order) */
    uint32_t input_positions;
    uint8_t zero2[12];
};

/* Record kinds are enum mp_record_kind. A record is head + extensions, in units of 32 bytes, never
 * across pages. */
enum record_extensions {
    EXT_PENDING = 1 << 0,      /* P: pending sums after */
    EXT_RESERVATION = 1 << 1,  /* R: pending id, what is left */
    EXT_USER_DATA = 1 << 2,    /* U: user_data_128, imported time */
    EXT_REVERSAL = 1 << 3,     /* V */
    EXT_POSTED_HIGH = 1 << 4,  /* PH: high halves of the posted sums (update: of all four sums) */
    EXT_PENDING_HIGH = 1 << 5, /* QH: high halves of the pending sums */
    EXT_AMOUNT_HIGH = 1 << 6,  /* AH: high halves of amount and left */
};

/* Transfers and expiries: 4 units. Sums are the accounts' after the record. */
struct PACKED transfer_record {
    uint8_t kind;
    uint8_t extensions;
    uint16_t code;
    uint16_t flags;
    uint8_t debit_flags;  /* the debit account's flags after */
    uint8_t credit_flags; /* the credit account's flags after */
    mp_id id;             /* expiry: 0 */
    uint32_t debit_slot;  /* ordinal of the account's creation, from 0 */
    uint32_t credit_slot;
    /* low half; what was moved (post: posted, void and expiry: released, increase: added) */
    uint64_t amount;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t time_offset;      /* timestamp = block time + this, unless imported */
    uint8_t debit_previous[6]; /* distance back to the account's record before; 0 = none */
    uint8_t credit_previous[6];
    uint8_t debit_jump[6]; /* distance back to the jump target; 0 = none */
    uint8_t credit_jump[6];
    uint8_t debit_jump_time[6]; /* the jump target's timestamp / 2^16 */
    uint8_t credit_jump_time[6];
    uint32_t timeout; /* seconds, as given */
    uint64_t debit_debits_posted;
    uint64_t debit_credits_posted;
    uint64_t credit_debits_posted;
    uint64_t credit_credits_posted;
};

/* P and QH: low, high halves. */
struct PACKED ext_pending {
    uint64_t debit_debits;
    uint64_t debit_credits;
    uint64_t credit_debits;
    uint64_t credit_credits;
};

/* a post or void (never an increase): fields that are the reservation's, given as 0 or not */
enum inherited_bits {
    INHERITED_USER_DATA_128 = 1 << 0,
    INHERITED_USER_DATA_64 = 1 << 1,
    INHERITED_USER_DATA_32 = 1 << 2,
    /* post: posted all that was left; reversal: reversed all that was left */
    TOOK_ALL = 1 << 3,
    CLOSES = 1 << 4,         /* this record ends the reservation */
    INHERITED_CODE = 1 << 5, /* reversal: its code is the original's */
};

/* R: posts, voids, increases, reversals, expiries. */
struct PACKED ext_reservation {
    mp_id pending_id; /* expiry: the reservation; reversal: the original */
    uint64_t left;    /* low half; of the reservation after this record */
    uint8_t inherited;
    /* a post that closes: what it gave back beyond its amount; 2^56-1 = see EXT_REVERSAL */
    uint8_t released[7];
};
#define RELEASED_MAX ((1ull << 56) - 1)

/* U: present when user_data_128 != 0 or the record is imported. */
struct PACKED ext_user_data {
    mp_u128 user_data_128;
    uint64_t imported_time; /* 0 = not imported */
    uint64_t zero;
};

/* V: reversals; and posts that close and release 2^56-1 or more (`reversed` is then what they
 * released). */
struct PACKED ext_reversal {
    uint64_t reversed; /* low half; sum of all reversals of the original up to and with this one */
    uint8_t original[6]; /* log position of the original; a post: 0 */
    uint8_t zero[2];
    uint64_t reversed_high;
    uint64_t zero2;
};

/* PH: high halves of the four posted sums in the record's order. */
struct PACKED ext_high {
    uint64_t high[4];
};

struct PACKED ext_amount_high {
    uint64_t amount;
    uint64_t left;
    uint64_t zero[2];
};

/* 3 units. */
struct PACKED account_record {
    uint8_t kind;
    uint8_t extensions; /* 0 */
    uint16_t code;
    uint16_t flags;
    uint16_t zero1;
    mp_id id;
    uint32_t slot;
    uint32_t ledger;
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t time_offset;
    uint64_t imported_time; /* 0 = not imported */
    uint8_t zero2[24];
};

/* 4 units, + EXT_POSTED_HIGH when a sum is wide. */
struct PACKED update_record {
    uint8_t kind;
    uint8_t extensions;
    uint16_t code;
    uint16_t flags;
    uint8_t account_flags_before;
    uint8_t account_flags_after;
    mp_id id;
    uint32_t slot;
    uint16_t flags_set;
    uint16_t flags_clear;
    uint64_t user_data_64;
    mp_u128 user_data_128;
    uint32_t user_data_32;
    uint32_t time_offset;
    uint8_t previous[6];
    uint8_t jump[6];
    uint8_t jump_time[6];
    uint8_t zero[14];
    uint64_t sums[4]; /* debits_pending, debits_posted, credits_pending, credits_posted */
};

/* 1 unit. */
struct PACKED bound_record {
    uint8_t kind;
    uint8_t zero1;
    uint16_t result; /* the refusal that bound it */
    uint32_t time_offset;
    mp_id id;
    uint64_t zero2;
};

/* 1 unit; has no sequence. */
struct PACKED input_position_record {
    uint8_t kind;
    uint8_t zero1[7];
    uint64_t source;
    uint64_t position;
    uint64_t zero2;
};

/* First page of a segment. */
struct PACKED segment_head {
    uint64_t magic;
    uint16_t version;
    uint16_t zero1;
    uint32_t ordinal; /* from 1 */
    mp_u128 timeline;
    uint64_t base; /* log position of the segment's first byte */
    uint64_t size; /* bytes */
    uint8_t zero2[PAGE_SIZE - 56];
    uint64_t sum; /* XXH3-64 of the bytes before, seed = base */
};

struct PACKED footer_entry {
    /* first block that begins in this MiB (or the first after it): its first sequence ... */
    uint64_t sequence;
    uint64_t time;     /* ... block time ... */
    uint64_t position; /* ... and log position; 0 = none */
};

/* Last 8 KiB of a sealed segment; derived: damaged, it is computed again. */
struct PACKED segment_footer {
    uint64_t magic;
    uint16_t version;
    uint16_t zero1;
    uint32_t ordinal;
    uint64_t base;
    uint64_t end; /* log position where the last block ends */
    uint64_t first_sequence, last_sequence;
    uint64_t first_time, last_time; /* of blocks */
    uint64_t oldest_timestamp,
        newest_timestamp; /* of transfers, imported ones among them; 0 when none */
    uint8_t zero2[32];
    uint64_t sum; /* XXH3-64 of head (sum = 0) and entries, seed = base */
    struct footer_entry entries[256];
    uint8_t zero3[FOOTER_SIZE - 120 - 256 * 24];
};

/* ledger.mp: two slots of one page each, written in turn; the sound one with the higher `written`
 * counts. */
struct PACKED ledger_slot {
    uint64_t magic;
    uint16_t version;
    uint16_t zero1;
    uint32_t epoch;   /* grows by one at each opening for writing */
    uint64_t written; /* number of this writing */
    mp_u128 timeline;
    mp_u128 parent; /* timeline it departed from; 0 = none */
    uint64_t departure_sequence;
    uint64_t departure_position;
    uint64_t mark;           /* log position known to be durable when this was written */
    uint64_t created;        /* ns */
    uint64_t hash_secret[2]; /* of the id hash */
    uint64_t newest_time; /* time of the newest block known when this was written, ns; 0 = none */
    /* At a clean close, when `closed` equals `written`: the log ended at `mark`, like this. */
    uint64_t closed;
    uint64_t closed_sequence; /* the next one */
    mp_u128 closed_sum;       /* XXH3-128 of the page sums of the last block; 0 = none */
    uint8_t zero2[PAGE_SIZE - 152];
    uint64_t sum; /* XXH3-64 of the bytes before, seed 0 */
};

_Static_assert(sizeof(struct page_trailer) == 64, "");
_Static_assert(sizeof(struct block_header) == 128, "");
_Static_assert(sizeof(struct transfer_record) == 128, "");
_Static_assert(sizeof(struct ext_pending) == 32, "");
_Static_assert(sizeof(struct ext_reservation) == 32, "");
_Static_assert(sizeof(struct ext_user_data) == 32, "");
_Static_assert(sizeof(struct ext_reversal) == 32, "");
_Static_assert(sizeof(struct ext_high) == 32, "");
_Static_assert(sizeof(struct ext_amount_high) == 32, "");
_Static_assert(sizeof(struct account_record) == 96, "");
_Static_assert(sizeof(struct update_record) == 128, "");
_Static_assert(sizeof(struct bound_record) == 32, "");
_Static_assert(sizeof(struct input_position_record) == 32, "");
_Static_assert(sizeof(struct segment_head) == PAGE_SIZE, "");
_Static_assert(sizeof(struct segment_footer) == FOOTER_SIZE, "");
_Static_assert(sizeof(struct ledger_slot) == PAGE_SIZE, "");

#endif
