/* checkpoint/NNNNNNNN.ckpt: chunks of 256 KiB, each with its sum. */
#ifndef LEDGER_CHECKPOINT_FORMAT_H
#define LEDGER_CHECKPOINT_FORMAT_H

#include "accounts.h"
#include "reservations.h"

#define CHECKPOINT_MAGIC 0x31544e5043504dull /* "MPCPNT1" */
#define CHUNK_BYTES      (256u << 10)

enum chunk_kind {
    CHUNK_START = 1,    /* the first: struct checkpoint_globals, then the sources (16 bytes each) */
    CHUNK_ACCOUNTS = 2, /* struct account_item each, in order of slots from `first` on */
    CHUNK_RESERVATIONS = 3, /* struct reservation_item each */
    CHUNK_END = 4,          /* the last: struct checkpoint_end */
};

struct PACKED chunk_head {
    uint64_t magic;
    uint16_t version;
    uint16_t kind;
    uint32_t number; /* of the chunk, from 0 */
    uint32_t count;  /* items */
    uint32_t bytes;  /* of payload; the rest of the chunk is zero */
    mp_u128 timeline;
    uint64_t first;      /* accounts: slot of the first item */
    uint64_t checkpoint; /* number of the checkpoint */
    uint64_t sum;        /* XXH3-64 of this head with sum = 0 and the payload */
};
#define CHUNK_PAYLOAD (CHUNK_BYTES - (uint32_t)sizeof(struct chunk_head))

struct PACKED checkpoint_globals {
    uint64_t position;   /* S: replay from here */
    mp_u128 prev_sum;    /* of the block before S */
    uint64_t sequence;   /* next */
    uint64_t last_time;  /* of the block before S */
    uint64_t last_block; /* its position; 0 = none */
    uint64_t newest_time, newest_account, newest_transfer, newest_other;
    uint64_t transfers, updates, expiries, ids_bound;
    uint32_t last_epoch;
    uint32_t sources; /* (source u64, position u64) pairs behind this struct */
};

/* An account at the end of some block between S and E. */
struct PACKED account_item {
    mp_id id;
    uint64_t sums[SUMS];
    uint64_t high[SUMS];
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint64_t timestamp;
    uint8_t last[6]; /* log position of the newest record; 0 = none */
    uint16_t code;
    uint32_t ledger;
    uint32_t user_data_32;
    uint8_t flags, flags_created;
    uint8_t digits; /* so many of 12 bytes follow, newest first (struct digit) */
    uint8_t zero[5];
};

struct PACKED reservation_item {
    mp_id id;
    mp_amount left;
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint64_t expires;
    uint8_t made[6];
    uint8_t last[6];
    uint32_t user_data_32;
    uint32_t debit_slot, credit_slot;
    uint16_t code, flags;
    uint8_t zero[4];
};

struct PACKED checkpoint_end {
    uint64_t newest_position; /* E: a log position not before any record that an item reflects */
    uint64_t accounts, reservations;
};

_Static_assert(sizeof(struct chunk_head) == 64, "");
_Static_assert(sizeof(struct checkpoint_globals) == 120, "");
_Static_assert(sizeof(struct account_item) == 136, "");
_Static_assert(sizeof(struct reservation_item) == 96, "");

#endif
