#include "observe/log.h"

#include "observe/metrics.h"
#include "support/test_loop.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct loop *loop;
static char lines[64][LOG_LINE_MAX + 1];
static unsigned line_count;
static cJSON *parsed;

static void keep(void *context, const char *line, size_t length)
{
    (void)context;
    cr_assert_leq(length, LOG_LINE_MAX);
    cr_assert_eq(line[length - 1], '\n');
    cr_assert_eq(memchr(line, '\n', length), line + length - 1, "one line is one line");
    snprintf(lines[line_count++ % 64], LOG_LINE_MAX + 1, "%.*s", (int)length, line);
}

static void make(void)
{
    loop = test_loop_make(NULL);
    log_open(loop, "micropay", LOG_LEVEL_INFO);
    log_to(keep, NULL);
}

static void finish(void)
{
    cJSON_Delete(parsed);
    log_close();
    test_loop_free(loop);
}

/* A member of a line; "" if it isn't there. Numbers as text. */
static const char *said(unsigned line, const char *name)
{
    static char number[32];
    const cJSON *value;

    cJSON_Delete(parsed);
    parsed = cJSON_Parse(lines[line]);
    cr_assert_not_null(parsed, "no JSON: %s", lines[line]);
    value = cJSON_GetObjectItemCaseSensitive(parsed, name);
    if (cJSON_IsNumber(value)) snprintf(number, sizeof number, "%.0f", value->valuedouble);
    return cJSON_IsString(value) ? value->valuestring : cJSON_IsNumber(value) ? number : "";
}

TestSuite(log, .init = make, .fini = finish);

Test(log, a_line_is_json_with_the_names_that_elastic_knows)
{
    struct error err;

    error_set(&err, REASON_STORE_UNREACHABLE, "could not reach the database");
    error_detail(&err, "It said \"no\".");
    error_hint(&err, "Start it.");
    log_error((&(struct log_about){
                  .service = "payment",
                  .action = "payment.stuck",
                  .err = &err,
                  .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                  .fields = {{.name = "http.request.method", .text = "POST"},
                             {.name = "http.response.status_code", .number = 503}},
              }),
              "gave up after %d attempts", 7);
    cr_assert_eq(line_count, 1);
    cr_assert_str_eq(said(0, "@timestamp"), "2026-01-01T00:00:00Z");
    cr_assert_str_eq(said(0, "log.level"), "error");
    cr_assert_str_eq(said(0, "message"), "gave up after 7 attempts");
    cr_assert_str_eq(said(0, "ecs.version"), "8.11.0");
    cr_assert_str_eq(said(0, "service.name"), "payment");
    cr_assert_str_eq(said(0, "event.action"), "payment.stuck");
    cr_assert_str_eq(said(0, "event.outcome"), "failure");
    cr_assert_str_eq(said(0, "error.code"), "store-unreachable");
    cr_assert_str_eq(said(0, "error.message"), "could not reach the database");
    cr_assert_str_eq(said(0, "micropay.error.detail"), "It said \"no\".");
    cr_assert_str_eq(said(0, "micropay.error.hint"), "Start it.");
    cr_assert_str_eq(said(0, "trace.id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    cr_assert_str_eq(said(0, "span.id"), "00f067aa0ba902b7");
    cr_assert_str_eq(said(0, "http.request.method"), "POST");
    cr_assert_str_eq(said(0, "http.response.status_code"), "503");
}

Test(log, a_line_about_nothing_has_what_every_line_has)
{
    test_loop_pass(loop, 1234567890);
    log_info(NULL, "ready");
    cr_assert_str_eq(lines[0],
                     "{\"@timestamp\":\"2026-01-01T00:00:01.234Z\",\"log.level\":\"info\","
                     "\"message\":\"ready\",\"ecs.version\":\"8.11.0\","
                     "\"service.name\":\"micropay\"}\n");
}

Test(log, secrets_never_stand_in_a_line_whatever_way_they_came)
{
    struct error err = {0};

    error_fault(&err, "/key", "mp_live_4f9KqzT1x8LmN0pQ7rVbW2 is no key");
    error_detail(&err, "alice@example.com paid with 4111111111111111");
    log_warn((&(struct log_about){
                 .err = &err,
                 .fields = {{.name = "http.request.authorization", .text = "Bearer xyz"},
                            {.name = "user.password", .number = 4711},
                            {.name = "url.original", .text = "/x?iban=DE89370400440532013000"}},
             }),
             "key %s", "mp_test_4f9KqzT1x8LmN0pQ7rVbW2");
    cr_assert_null(strstr(lines[0], "4f9K"));
    cr_assert_null(strstr(lines[0], "alice"));
    cr_assert_null(strstr(lines[0], "4111"));
    cr_assert_null(strstr(lines[0], "xyz"));
    cr_assert_null(strstr(lines[0], "4711"));
    cr_assert_null(strstr(lines[0], "DE89"));
    cr_assert_str_eq(said(0, "message"), "key mp_test_***");
    cr_assert_str_eq(said(0, "http.request.authorization"), "***");
}

Test(log, lines_below_the_level_are_not_written_and_the_level_can_change)
{
    log_debug(NULL, "a");
    cr_assert_eq(line_count, 0);
    log_level_set(LOG_LEVEL_DEBUG);
    log_debug(NULL, "b");
    cr_assert_eq(line_count, 1);
    log_level_set(LOG_LEVEL_ERROR);
    log_warn(NULL, "c");
    cr_assert_eq(line_count, 1);
}

Test(log, text_from_outside_can_forge_no_line)
{
    log_info(NULL, "path %s", "/x\n{\"log.level\":\"error\"}\r\n\xff\x01\"");
    cr_assert_eq(line_count, 1);
    cr_assert_str_eq(said(0, "log.level"), "info");
    cr_assert_str_eq(said(0, "message"),
                     "path /x\n{\"log.level\":\"error\"}\r\n\xef\xbf\xbd\x01\"");
}

Test(log, an_overlong_line_is_cut_and_stays_json)
{
    static char text[8000], escapes[2000];
    struct error err = {0};
    struct log_about about = {.err = &err};

    memset(text, 'x', sizeof text - 1);
    memset(escapes, 1, sizeof escapes - 1);
    for (unsigned i = 0; i < LOG_FIELDS_MAX; i++)
        about.fields[i] = (struct log_field){.name = "micropay.text", .text = text};
    for (unsigned i = 0; i < 40; i++) error_fault(&err, "/field", "%s", text);
    log_warn(&about, "%s", text);
    cr_assert_eq(
        cJSON_IsTrue((said(0, "message"), cJSON_GetObjectItem(parsed, "micropay.log.cut"))), true);
    log_warn(&about, "%s", escapes);
    cr_assert_eq(
        cJSON_IsTrue((said(1, "message"), cJSON_GetObjectItem(parsed, "micropay.log.cut"))), true);
}

Test(log, what_repeats_is_written_ten_times_and_then_counted)
{
    struct log_about about = {.action = "peer.failed"};

    for (unsigned i = 0; i < 1000; i++) log_warn(&about, "could not reach peer %u", i);
    log_warn(&about, "something else");
    cr_assert_eq(line_count, 11);
    cr_assert_str_eq(said(9, "message"), "could not reach peer 9");
    cr_assert_str_eq(said(10, "message"), "something else");
    test_loop_pass(loop, UINT64_C(10000000000));
    cr_assert_eq(line_count, 12);
    cr_assert_str_eq(said(11, "message"),
                     "suppressed 990 more lines of \"could not reach peer %u\"");
    cr_assert_str_eq(said(11, "event.action"), "peer.failed");
    log_warn(&about, "could not reach peer %u", 5000);
    cr_assert_eq(line_count, 13);
    cr_assert_eq(metric_read(METRIC_log_lines_suppressed_total), 990);
    cr_assert_eq(test_loop_timers(loop), 0);
}

Test(log, lines_that_must_all_be_there_are)
{
    struct log_about about = {.every = true};

    for (unsigned i = 0; i < 50; i++) log_info(&about, "request %u", i);
    cr_assert_eq(line_count, 50);
}

Test(log, what_was_suppressed_is_told_at_the_end)
{
    for (unsigned i = 0; i < 15; i++) log_info(NULL, "again");
    log_close();
    cr_assert_eq(line_count, 11);
    cr_assert_str_eq(said(10, "message"), "suppressed 5 more lines of \"again\"");
}

Test(log, a_reader_of_standard_error_that_hangs_holds_up_nobody)
{
    struct log_about about = {.every = true};
    char text[4096];
    int ends[2];
    ssize_t length;

    cr_assert_eq(pipe(ends), 0);
    fflush(stderr);
    cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    log_to(NULL, NULL);
    for (unsigned i = 0; i < 5000; i++) log_info(&about, "line %u", i); /* would block for ever */
    cr_assert_gt(metric_read(METRIC_log_lines_suppressed_total), 1000);
    length = read(ends[0], text, sizeof text);
    cr_assert_gt(length, 0);
    cr_assert(strncmp(text, "{\"@timestamp\"", 13) == 0);
}
