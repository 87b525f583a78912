/* Bulk transfers on the wire. */
#include "wire/batch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mp_transfer taken[MP_BATCH_MAX];
static uint32_t count;
static struct error err;

static enum outcome read_json(const char *text)
{
    err = (struct error){0};
    memset(taken, 0xa5, sizeof *taken);
    return batch_read_json(text, strlen(text), taken, &count, &err);
}

static enum outcome read_binary(const void *bytes, size_t length)
{
    err = (struct error){0};
    return batch_read_binary(bytes, length, taken, &count, &err);
}

static void expect_fault(const char *text, const char *field, const char *words)
{
    cr_expect_eq(read_json(text), OUTCOME_REFUSED, "%s was accepted", text);
    cr_expect_eq(err.reason, REASON_INVALID_REQUEST);
    cr_assert_gt(err.fault_count, 0);
    cr_expect_str_eq(err.faults[0].field, field, "%s: %s", text, err.faults[0].field);
    cr_expect_not_null(strstr(err.faults[0].message, words), "%s: %s", text, err.faults[0].message);
}

/* --- JSON --- */

Test(batch, every_field_of_a_transfer_arrives_as_it_was_written)
{
    mp_transfer expected = {
        .id = MP_U128(UINT64_C(0x0190163d8694739b), UINT64_C(0xaea5966c26f8ad91)),
        .debit_account_id = MP_U128_MAX,
        .credit_account_id = 2,
        .amount = MP_U128(UINT64_C(5421010862427522170), UINT64_C(687399551400673280)),
        .pending_id = 4,
        .user_data_128 = 5,
        .user_data_64 = UINT64_MAX,
        .user_data_32 = UINT32_MAX,
        .timeout = 60,
        .ledger = 7,
        .code = 65535,
        .flags = MP_TRANSFER_LINKED | MP_TRANSFER_PENDING,
        .timestamp = UINT64_C(1767225600000000001),
    };

    cr_assert_eq(read_json("[{\"id\":\"0190163d-8694-739B-aea5-966c26f8ad91\","
                           "\"debit_account_id\":\"340282366920938463463374607431768211455\","
                           "\"credit_account_id\":\"2\","
                           "\"amount\":\"100000000000000000000000000000000000000\","
                           "\"pending_id\":\"4\",\"user_data_128\":\"5\","
                           "\"user_data_64\":\"18446744073709551615\",\"user_data_32\":4294967295,"
                           "\"timeout\":60,\"ledger\":\"7\",\"code\":65535,"
                           "\"flags\":[\"pending\",\"linked\"],"
                           "\"timestamp\":\"1767225600000000001\"}]"),
                 OUTCOME_DONE);
    cr_assert_eq(count, 1);
    cr_expect(memcmp(&taken[0], &expected, sizeof expected) == 0);
}

Test(batch, members_may_come_in_any_order_with_blanks_and_be_left_out)
{
    cr_assert_eq(
        read_json(" [ {\"code\" : 1 , \"id\":\"9\"} ,\n{\"id\":\"8\",\"code\":2},\t{ } ] "),
        OUTCOME_DONE);
    cr_assert_eq(count, 3);
    cr_expect(taken[0].id == 9 && taken[0].code == 1);
    cr_expect(taken[1].id == 8 && taken[1].code == 2);
    cr_expect(taken[2].id == 0 && taken[2].code == 0 && taken[2].amount == 0);
}

Test(batch, flags_are_a_number_a_name_or_names)
{
    cr_assert_eq(read_json("[{\"flags\":4096},{\"flags\":\"reversal\"},{\"flags\":[]},"
                           "{\"flags\":[\"linked\",\"keep_pending\"]},{\"flags\":\"3\"}]"),
                 OUTCOME_REFUSED);
    cr_assert_eq(err.fault_count, 1);
    cr_expect_str_eq(err.faults[0].field, "/4/flags");
    cr_expect_eq(taken[0].flags, MP_TRANSFER_BIND_ID);
    cr_expect_eq(taken[1].flags, MP_TRANSFER_REVERSAL);
    cr_expect_eq(taken[2].flags, 0);
    cr_expect_eq(taken[3].flags, MP_TRANSFER_LINKED | MP_TRANSFER_KEEP_PENDING);
}

Test(batch, an_empty_array_is_an_empty_batch)
{
    cr_expect_eq(read_json("[]"), OUTCOME_DONE);
    cr_expect_eq(count, 0);
}

Test(batch, what_is_no_transfer_is_refused_and_the_fault_says_where)
{
    static const struct {
        const char *text, *field, *words;
    } cases[] = {
        {"", "", "array"},
        {"{}", "", "array"},
        {"[", "/0", "object"},
        {"[{\"id\":\"1\"}", "/0", "array's end"},
        {"[{\"id\":\"1\"},]", "/1", "object"},
        {"[{\"id\":\"1\"}] x", "", "behind"},
        {"[{\"id\":\"1\"},{\"id\":\"x\"}]", "/1/id", "below 2^128"},
        {"[{\"id\":\"\"}]", "/0/id", "below 2^128"},
        {"[{\"id\":\"01\"}]", "/0/id", "below 2^128"},
        {"[{\"id\":\"-1\"}]", "/0/id", "below 2^128"},
        {"[{\"id\":\"340282366920938463463374607431768211456\"}]", "/0/id", "below 2^128"},
        {"[{\"id\":\"0190163d-8694-739b-aea5-966c26f8ad9\"}]", "/0/id", "below 2^128"},
        {"[{\"id\":\"0190163d-8694-739b-aea50966c26f8ad91\"}]", "/0/id", "below 2^128"},
        {"[{\"id\":1}]", "/0/id", "string"},
        {"[{\"id\":null}]", "/0/id", "string"},
        {"[{\"id\":{\"id\":\"1\"}}]", "/0/id", "string"},
        {"[{\"amount\":\"1.5\"}]", "/0/amount", "below 2^128"},
        {"[{\"ledger\":4294967296}]", "/0/ledger", "fits"},
        {"[{\"ledger\":-1}]", "/0/ledger", "string"},
        {"[{\"ledger\":1.0}]", "/0/ledger", "whole"},
        {"[{\"ledger\":1e2}]", "/0/ledger", "whole"},
        {"[{\"ledger\":01}]", "/0/ledger", "fits"},
        {"[{\"code\":65536}]", "/0/code", "fits"},
        {"[{\"user_data_64\":9007199254740992}]", "/0/user_data_64", "fits"},
        {"[{\"user_data_64\":\"18446744073709551616\"}]", "/0/user_data_64", "fits"},
        {"[{\"flags\":\"none\"}]", "/0/flags", "name of a flag"},
        {"[{\"flags\":[\"linked\"}]", "/0/flags", "end"},
        {"[{\"flags\":65536}]", "/0/flags", "fits"},
        {"[{\"id\":\"1\",\"id\":\"1\"}]", "/0/id", "twice"},
        {"[{\"note\":\"1\"}]", "/0", "member"},
        {"[{\"\\u0069d\":\"1\"}]", "/0", "escape"},
        {"[{\"id\":\"1\n\"}]", "/0/id", "control"},
        {"[{\"id\":\"1", "/0/id", "ends"},
        {"[{\"id\" \"1\"}]", "/0/id", "colon"},
        {"[{\"id\":\"1\" \"code\":1}]", "/0", "comma"},
        {"[1]", "/0", "object"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_fault(cases[i].text, cases[i].field, cases[i].words);
}

Test(batch, all_faulty_values_are_told_not_the_first_alone)
{
    cr_expect_eq(read_json("[{\"id\":\"a\",\"code\":70000},{\"id\":\"1\"},{\"flags\":\"b\"}]"),
                 OUTCOME_REFUSED);
    cr_assert_eq(err.fault_count, 3);
    cr_expect_str_eq(err.faults[0].field, "/0/id");
    cr_expect_str_eq(err.faults[1].field, "/0/code");
    cr_expect_str_eq(err.faults[2].field, "/2/flags");
}

static char *array_of(unsigned objects)
{
    char *text = malloc(3 * objects + 3), *at = text;

    cr_assert_not_null(text);
    *at++ = '[';
    for (unsigned i = 0; i < objects; i++) {
        memcpy(at, "{},", 3);
        at += 3;
    }
    strcpy(at - 1, "]");
    return text;
}

Test(batch, a_batch_has_at_most_8190_transfers)
{
    char *most = array_of(MP_BATCH_MAX), *more = array_of(MP_BATCH_MAX + 1);

    cr_expect_eq(read_json(most), OUTCOME_DONE);
    cr_expect_eq(count, MP_BATCH_MAX);
    expect_fault(more, "", "8190");
    free(most);
    free(more);
}

/* --- binary --- */

struct body {
    char magic[4];
    uint16_t version, kind;
    uint32_t count, reserved;
    uint8_t transfers[2 * 128];
};

static struct body good_body(void)
{
    struct body body = {{'M', 'P', 'B', 'T'}, 1, 1, 2, 0, {0}};

    for (unsigned i = 0; i < sizeof body.transfers; i++) body.transfers[i] = (uint8_t)(i * 7);
    return body;
}

Test(batch, a_binary_batch_is_the_transfers_themselves)
{
    struct body body = good_body();

    cr_assert_eq(read_binary(&body, sizeof body), OUTCOME_DONE);
    cr_expect_eq(count, 2);
    cr_expect(memcmp(taken, body.transfers, sizeof body.transfers) == 0);
}

Test(batch, a_binary_batch_that_is_not_whole_is_refused)
{
    struct body body = good_body();

    for (size_t length = 0; length < sizeof body; length++)
        cr_expect_eq(read_binary(&body, length), OUTCOME_REFUSED, "%zu bytes", length);
    body.count = 1; /* one more than it says */
    cr_expect_eq(read_binary(&body, sizeof body), OUTCOME_REFUSED);
    body.count = MP_BATCH_MAX + 1;
    cr_expect_eq(read_binary(&body, sizeof body), OUTCOME_REFUSED);
    body.count = UINT32_MAX / 128 + 3; /* 128 times it overflows 32 bits */
    cr_expect_eq(read_binary(&body, sizeof body), OUTCOME_REFUSED);
}

Test(batch, a_binary_batch_of_another_kind_is_refused)
{
    struct body body = good_body();

    body.magic[3] = 'X';
    cr_expect_eq(read_binary(&body, sizeof body), OUTCOME_REFUSED);
    body = good_body();
    body.version = 2;
    cr_expect_eq(read_binary(&body, sizeof body), OUTCOME_REFUSED);
    body = good_body();
    body.kind = 2;
    cr_expect_eq(read_binary(&body, sizeof body), OUTCOME_REFUSED);
    body = good_body();
    body.reserved = 1;
    cr_expect_eq(read_binary(&body, sizeof body), OUTCOME_REFUSED);
}

/* --- results --- */

static const mp_result results[] = {
    {.result = MP_CREATED, .timestamp = 10, .sequence = 1},
    {.result = MP_TRANSFER_EXISTS, .timestamp = 5, .sequence = 0},
    {.result = MP_TRANSFER_EXCEEDS_CREDITS, .timestamp = 12},
    {.result = MP_TRANSFER_ID_ALREADY_FAILED,
     .bound_code = MP_TRANSFER_DEBIT_ACCOUNT_FROZEN,
     .timestamp = UINT64_MAX,
     .sequence = UINT64_MAX},
};

Test(batch, results_are_named_and_counted)
{
    struct buffer out = {0};

    batch_print_json(results, 4, false, &out);
    cr_expect_str_eq(
        buffer_str(&out),
        "{\"counts\":{\"created\":1,\"exists\":1,\"refused\":2},\"results\":["
        "{\"index\":0,\"result\":\"created\",\"timestamp\":\"10\",\"sequence\":\"1\"},"
        "{\"index\":1,\"result\":\"exists\",\"timestamp\":\"5\",\"sequence\":\"0\"},"
        "{\"index\":2,\"result\":\"exceeds_credits\",\"timestamp\":\"12\",\"sequence\":\"0\"},"
        "{\"index\":3,\"result\":\"id_already_failed\",\"bound\":\"debit_account_frozen\","
        "\"timestamp\":\"18446744073709551615\",\"sequence\":\"18446744073709551615\"}],"
        "\"durability\":\"local\"}");
    buffer_done(&out);
}

Test(batch, a_minimal_answer_lists_only_what_was_refused)
{
    struct buffer out = {0};

    batch_print_json(results, 3, true, &out);
    cr_expect_str_eq(buffer_str(&out),
                     "{\"counts\":{\"created\":1,\"exists\":1,\"refused\":1},\"results\":["
                     "{\"index\":2,\"result\":\"exceeds_credits\",\"timestamp\":\"12\","
                     "\"sequence\":\"0\"}],\"durability\":\"local\"}");
    buffer_done(&out);
}

Test(batch, binary_results_are_the_results_themselves)
{
    struct buffer out = {0};
    uint32_t number;

    batch_print_binary(results, 4, &out);
    cr_assert_eq(out.length, BATCH_HEAD + sizeof results);
    cr_expect(memcmp(out.bytes, "MPBT", 4) == 0);
    memcpy(&number, out.bytes + 4, sizeof number);
    cr_expect_eq(number, BATCH_VERSION | BATCH_RESULTS << 16);
    memcpy(&number, out.bytes + 8, sizeof number);
    cr_expect_eq(number, 4);
    cr_expect(memcmp(out.bytes + BATCH_HEAD, results, sizeof results) == 0);
    buffer_done(&out);
}

Test(batch, every_result_of_the_ledger_has_a_name_that_fits_the_answer)
{
    struct buffer out = {0};
    mp_result result = {.timestamp = UINT64_MAX, .sequence = UINT64_MAX};

#define MP_X(NAME, name, number, binds)                                                            \
    result.result = result.bound_code = (number);                                                  \
    batch_print_json(&result, 1, false, &out);                                                     \
    cr_expect_not_null(strstr(buffer_str(&out), #name));                                           \
    buffer_clear(&out);
    MP_TRANSFER_RESULTS(MP_X)
#undef MP_X
    buffer_done(&out);
}
