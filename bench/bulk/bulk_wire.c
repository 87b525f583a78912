/*
 * bulk_wire: what reading and printing bulk transfers costs, without network and ledger: the binary
 * form, the JSON form, and the JSON form by way of a cJSON tree for comparison. Prints a line of
 * JSON with nanoseconds of CPU a transfer, the best of several rounds.
 */
#include "wire/batch.h"
#include "wire/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 30 };

static mp_transfer given[MP_BATCH_MAX], taken[MP_BATCH_MAX];
static mp_result results[MP_BATCH_MAX];

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "bulk_wire: %s\n", what);
    exit(1);
}

static uint64_t random64(void)
{
    static uint64_t state = 1;

    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state ^ state >> 29;
}

static void print_wide(struct buffer *out, mp_u128 number)
{
    char digits[39];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + (unsigned)(number % 10));
        number /= 10;
    } while (number > 0);
    buffer_add(out, digits + at, sizeof digits - at);
}

/* A transfer as a caller would write it, ids of the full width. */
static void make(struct buffer *json)
{
    buffer_char(json, '[');
    for (unsigned i = 0; i < MP_BATCH_MAX; i++) {
        mp_transfer *t = &given[i];

        *t = (mp_transfer){
            .id = MP_U128(random64(), random64()),
            .debit_account_id = MP_U128(random64(), random64()),
            .credit_account_id = MP_U128(random64(), random64()),
            .amount = random64() % 1000000,
            .ledger = (uint32_t)random64(),
            .code = 400,
        };
        buffer_text(json, i > 0 ? ",{\"id\":\"" : "{\"id\":\"");
        print_wide(json, t->id);
        buffer_text(json, "\",\"debit_account_id\":\"");
        print_wide(json, t->debit_account_id);
        buffer_text(json, "\",\"credit_account_id\":\"");
        print_wide(json, t->credit_account_id);
        buffer_text(json, "\",\"amount\":\"");
        print_wide(json, t->amount);
        buffer_format(json, "\",\"ledger\":%u,\"code\":%u}", t->ledger, t->code);
        results[i] = (mp_result){.result = MP_CREATED,
                                 .timestamp = UINT64_C(1767225600000000000) + i,
                                 .sequence = 1000000 + i};
    }
    buffer_char(json, ']');
}

/* --- what is measured --- */

static const struct buffer *json_body, *binary_body;
static struct buffer out;

static void read_json(void)
{
    struct error err = {0};
    uint32_t count;

    if (batch_read_json(json_body->bytes, json_body->length, taken, &count, &err) != OUTCOME_DONE)
        fail(err.faults[0].message);
}

static void read_binary(void)
{
    struct error err = {0};
    uint32_t count;

    if (batch_read_binary(binary_body->bytes, binary_body->length, taken, &count, &err) !=
        OUTCOME_DONE)
        fail(err.faults[0].message);
}

static mp_u128 tree_wide(const cJSON *object, const char *name)
{
    const char *text = json_text(object, name);
    mp_u128 value = 0;

    for (; text != NULL && *text != '\0'; text++) value = 10 * value + (unsigned)(*text - '0');
    return value;
}

static void read_tree(void)
{
    struct error err = {0};
    cJSON *tree = json_parse(json_body->bytes, json_body->length, &err), *object;
    mp_transfer *t = taken;

    if (tree == NULL) fail(err.faults[0].message);
    cJSON_ArrayForEach(object, tree)
    {
        uint64_t ledger = 0, code = 0;

        t->id = tree_wide(object, "id");
        t->debit_account_id = tree_wide(object, "debit_account_id");
        t->credit_account_id = tree_wide(object, "credit_account_id");
        t->amount = tree_wide(object, "amount");
        if (!json_count(cJSON_GetObjectItemCaseSensitive(object, "ledger"), &ledger) ||
            !json_count(cJSON_GetObjectItemCaseSensitive(object, "code"), &code))
            fail("the tree has no numbers");
        t->ledger = (uint32_t)ledger;
        t->code = (uint16_t)code;
        t++;
    }
    cJSON_Delete(tree);
}

static void print_json(void)
{
    buffer_clear(&out);
    batch_print_json(results, MP_BATCH_MAX, false, &out);
}

static void print_minimal(void)
{
    buffer_clear(&out);
    batch_print_json(results, MP_BATCH_MAX, true, &out);
}

static void print_binary(void)
{
    buffer_clear(&out);
    batch_print_binary(results, MP_BATCH_MAX, &out);
}

/* Nanoseconds a transfer; checks what was read. */
static double measure(void (*run)(void), bool reads)
{
    double best = 1e18;

    for (unsigned round = 0; round < ROUNDS; round++) {
        double begin, took;

        memset(taken, 0, sizeof taken);
        begin = now_ns();
        run();
        took = now_ns() - begin;
        if (reads && memcmp(taken, given, sizeof given) != 0) fail("not what was written");
        if (took < best) best = took;
    }
    return best / MP_BATCH_MAX;
}

int main(void)
{
    struct buffer json = {0}, binary = {0};
    struct {
        char magic[4];
        uint16_t version, kind;
        uint32_t count, reserved;
    } head = {{'M', 'P', 'B', 'T'}, BATCH_VERSION, BATCH_TRANSFERS, MP_BATCH_MAX, 0};

    make(&json);
    buffer_add(&binary, &head, sizeof head);
    buffer_add(&binary, given, sizeof given);
    json_body = &json;
    binary_body = &binary;
    printf("{\"json_bytes\":%zu,\"binary_bytes\":%zu,\"read_json_ns\":%.0f,\"read_tree_ns\":%.0f,"
           "\"read_binary_ns\":%.1f,\"print_json_ns\":%.0f,\"print_minimal_ns\":%.1f,"
           "\"print_binary_ns\":%.1f}\n",
           json.length / MP_BATCH_MAX, binary.length / MP_BATCH_MAX, measure(read_json, true),
           measure(read_tree, true), measure(read_binary, true), measure(print_json, false),
           measure(print_minimal, false), measure(print_binary, false));
    buffer_done(&json);
    buffer_done(&binary);
    buffer_done(&out);
    return 0;
}
