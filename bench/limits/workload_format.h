/**
 * The workload file: transfers that the engine's benchmark and limits/limit_apply read alike.
 *
 *   offset 0                 struct workload_header (64 bytes), zeros up to accounts_offset
 *   accounts_offset (4096)   account_count ids of 16 bytes, zeros up to transfers_offset
 *   transfers_offset         transfer_count records of 128 bytes; a multiple of 4096
 *
 * All integers are little-endian. A u128 is two u64, low half first. A record has the layout of a
 * public transfer, field by field: id u128, debit_account_id u128, credit_account_id u128,
 * amount u128, pending_id u128, user_data_128 u128, user_data_64 u64, user_data_32 u32,
 * timeout u32, ledger u32, code u16, flags u16, timestamp u64.
 *
 * What a reader may rely on: ids are distinct and neither 0 nor 2^128-1; both accounts of a
 * transfer are in the table and differ; amounts are 1 to 9999; pending_id, user_data_128, timeout,
 * flags and timestamp are 0; ledger and code are the header's. Applied in order to accounts
 * without flags, every transfer is accepted.
 */
#ifndef WORKLOAD_FORMAT_H
#define WORKLOAD_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define WORKLOAD_MAGIC UINT64_C(0x314c4b524f57504d) /* the bytes "MPWORKL1" */
#define WORKLOAD_ALIGN UINT64_C(4096)

enum workload_id_order {
    WORKLOAD_IDS_RANDOM = 0,    /* 128 random bits each */
    WORKLOAD_IDS_ASCENDING = 1, /* a random high half, the low half counts up */
};

struct workload_id {
    uint64_t lo;
    uint64_t hi;
};

struct workload_header {
    uint64_t magic;
    uint64_t transfer_count;
    uint64_t account_count;
    uint64_t seed;
    uint64_t accounts_offset;
    uint64_t transfers_offset;
    uint32_t id_order; /* enum workload_id_order */
    uint32_t ledger;
    uint16_t code;
    uint8_t zero[6];
};

struct workload_transfer {
    struct workload_id id;
    struct workload_id debit_account_id;
    struct workload_id credit_account_id;
    struct workload_id amount;
    struct workload_id pending_id;
    struct workload_id user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t timeout;
    uint32_t ledger;
    uint16_t code;
    uint16_t flags;
    uint64_t timestamp;
};

static_assert(sizeof(struct workload_header) == 64, "layout");
static_assert(sizeof(struct workload_transfer) == 128, "layout");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian machines only");

#endif
