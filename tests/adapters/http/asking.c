#include "http/asking.h"

#include "support/http_memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct loop *asking_loop;
struct http_router *asking_router;
struct desk asking_desk;

void asking_open(void)
{
    asking_loop = test_loop_make(NULL);
    asking_router = desk_router(&asking_desk);
}

void asking_close(void)
{
    http_router_free(asking_router);
    test_loop_free(asking_loop);
}

static void copy_header(const struct http_memory_reply *reply, const char *name, char *out,
                        size_t size)
{
    const char *value = http_memory_reply_header(reply, name);

    snprintf(out, size, "%s", value != NULL ? value : "");
}

static void on_answer(void *context, const struct http_memory_reply *reply)
{
    struct answer *answer = context;

    answer->count++;
    answer->status = reply->status;
    cr_assert_lt(reply->length, sizeof answer->body);
    memcpy(answer->body, reply->body, reply->length);
    copy_header(reply, "Content-Type", answer->type, sizeof answer->type);
    copy_header(reply, "Allow", answer->allow, sizeof answer->allow);
    copy_header(reply, "Retry-After", answer->retry, sizeof answer->retry);
    copy_header(reply, "traceparent", answer->trace, sizeof answer->trace);
    copy_header(reply, "WWW-Authenticate", answer->challenge, sizeof answer->challenge);
}

const struct answer *ask(const char *method, const char *target, const char *headers,
                         const char *body)
{
    static struct answer answer;
    char lines[2048];
    const char *list[16];
    unsigned count = 0;

    snprintf(lines, sizeof lines, "%s", headers != NULL ? headers : "Authorization: Bearer writer");
    for (char *line = strtok(lines, "\n"); line != NULL; line = strtok(NULL, "\n"))
        list[count++] = line;
    list[count] = NULL;
    answer = (struct answer){0};
    http_memory_call(asking_router, asking_loop, method, target, list, body, on_answer, &answer);
    cr_assert_eq(answer.count, 0, "answered inside the call");
    test_loop_run(asking_loop);
    cr_assert_leq(answer.count, 1);
    return &answer;
}

const char *member(const struct answer *answer, const char *name)
{
    static char text[512];
    cJSON *json = cJSON_Parse(answer->body);
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));

    snprintf(text, sizeof text, "%s", value != NULL ? value : "");
    cJSON_Delete(json);
    return text;
}

double member_number(const struct answer *answer, const char *name)
{
    cJSON *json = cJSON_Parse(answer->body);
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, name);
    double number = cJSON_IsNumber(value) ? value->valuedouble : -1;

    cJSON_Delete(json);
    return number;
}

void expect_problem(const struct answer *answer, unsigned status, const char *type)
{
    char uri[128];

    snprintf(uri, sizeof uri, "https://micropay.dev/problems/%s", type);
    cr_assert_eq(answer->status, status, "%u: %s", answer->status, answer->body);
    cr_assert_str_eq(answer->type, "application/problem+json");
    cr_assert_str_eq(member(answer, "type"), uri, "%s", answer->body);
    cr_assert_eq((unsigned)member_number(answer, "status"), status);
    cr_assert_str_neq(member(answer, "title"), "");
    cr_assert_str_neq(member(answer, "detail"), "");
    cr_assert_str_neq(member(answer, "hint"), "");
    cr_assert_eq(strncmp(member(answer, "traceid"), answer->trace + 3, 32), 0);
}

void expect_faults(const struct answer *answer, const char *fields)
{
    struct buffer found = {0};
    cJSON *json = cJSON_Parse(answer->body);
    const cJSON *fault;

    expect_problem(answer, 400, "invalid-request");
    cJSON_ArrayForEach(fault, cJSON_GetObjectItemCaseSensitive(json, "errors"))
    {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(fault, "message"));

        cr_assert(text != NULL && *text != '\0');
        if (found.length > 0) buffer_char(&found, '|');
        buffer_text(&found, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(fault, "field")));
    }
    cr_assert_str_eq(buffer_str(&found), fields, "%s", answer->body);
    cJSON_Delete(json);
    buffer_done(&found);
}
