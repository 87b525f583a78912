#include "http/asking.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define ID   "00000000-0000-4000-8000-0000000000aa"
#define ITEM "{\"name\":\"chair\",\"price\":\"12.50\",\"currency\":\"EUR\"}"

TestSuite(idempotency, .init = asking_open, .fini = asking_close, .timeout = 60);

static void id_of(const char *caller, const char *key, const char *target, char out[64])
{
    char headers[200];
    const char *body = strcmp(target, "/v1/items") == 0 ? ITEM : NULL;

    snprintf(headers, sizeof headers, "Authorization: Bearer %s\nIdempotency-Key: %s", caller, key);
    snprintf(out, 64, "%s", member(ask("POST", target, headers, body), "derived"));
    cr_assert_eq(strlen(out), 36);
    cr_assert_eq(out[14], '8'); /* UUIDv8 */
}

Test(idempotency, the_same_key_gives_the_same_id_for_ever)
{
    char id[64];

    id_of("writer", "k1", "/v1/items", id);
    cr_assert_str_eq(id, "544011f0-537b-8e87-8c7b-5f6318c38a1b"); /* stored ids depend on it */
}

Test(idempotency, another_caller_mode_path_or_key_gives_another_id)
{
    static const char *const cases[][3] = {
        {"writer", "k1", "/v1/items"},
        {"writer", "k2", "/v1/items"},
        {"other", "k1", "/v1/items"},
        {"live", "k1", "/v1/items"},
        {"writer", "k1", "/v1/items/" ID "/sell"},
        {"writer", "k1", "/v1/items/00000000-0000-4000-8000-0000000000ab/sell"},
    };
    enum { COUNT = sizeof cases / sizeof *cases };
    char ids[COUNT][64];

    for (unsigned i = 0; i < COUNT; i++) {
        id_of(cases[i][0], cases[i][1], cases[i][2], ids[i]);
        for (unsigned j = 0; j < i; j++) cr_assert_str_neq(ids[i], ids[j]);
    }
}

Test(idempotency, the_way_a_path_is_written_makes_no_difference)
{
    char one[64], other[64];

    id_of("writer", "k1", "/v1/items/" ID "/sell", one);
    id_of("writer", "k1", "/v1/%69tems/00000000-0000-4000-8000-0000000000AA/sell", other);
    cr_assert_str_eq(one, other);
}

Test(idempotency, without_a_key_there_is_no_id)
{
    cr_assert_str_eq(member(ask("GET", "/v1/items/" ID, NULL, NULL), "derived"), "");
}

static void print_of(const char *body, char out[64])
{
    const struct answer *answer =
        ask("POST", "/v1/items", "Authorization: Bearer writer\nIdempotency-Key: k", body);

    cr_assert_eq(answer->status, 201, "%s", answer->body);
    snprintf(out, 64, "%s", member(answer, "print"));
    cr_assert_eq(strlen(out), 32);
}

Test(idempotency, the_way_a_body_is_written_makes_no_difference_to_its_fingerprint)
{
    char plain[64], other[64];

    print_of(ITEM, plain);
    print_of("\n{ \"currency\" : \"EUR\",\t\"price\":\"12.50\", \"name\":\"ch\\u0061ir\" }\r\n",
             other);
    cr_assert_str_eq(plain, other);
}

Test(idempotency, another_body_has_another_fingerprint)
{
    static const char *const bodies[] = {
        ITEM,
        "{\"name\":\"chair\",\"price\":\"12.51\",\"currency\":\"EUR\"}",
        "{\"name\":\"chair\",\"price\":\"12.50\",\"currency\":\"USD\"}",
        "{\"name\":\"chair\",\"price\":\"12.50\",\"currency\":\"EUR\",\"state\":\"open\"}",
        "{\"name\":\"chair\",\"price\":\"12.50\",\"currency\":\"EUR\",\"parts\":[]}",
        "{\"name\":\"chair\",\"price\":\"12.50\",\"currency\":\"EUR\",\"parts\":[{\"name\":\"l\"}]"
        "}",
    };
    enum { COUNT = sizeof bodies / sizeof *bodies };
    char prints[COUNT][64];

    for (unsigned i = 0; i < COUNT; i++) {
        print_of(bodies[i], prints[i]);
        for (unsigned j = 0; j < i; j++) cr_assert_str_neq(prints[i], prints[j]);
    }
}
