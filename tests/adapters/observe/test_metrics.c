#include "observe/metrics.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct buffer out;

static bool shows(const char *line)
{
    buffer_clear(&out);
    metrics_print(&out);
    return strstr(buffer_str(&out), line) != NULL;
}

static void finish(void) { buffer_done(&out); }
TestSuite(metrics, .fini = finish);

Test(metrics, a_dashboard_finds_each_name_of_the_contract)
{
    static const char *const names[] = {
        "payments_total counter",
        "payment_duration_seconds histogram",
        "payment_amount_minor_total counter",
        "saga_open gauge",
        "operations_unanswered gauge",
        "outbox_oldest_seconds gauge",
        "consumer_lag gauge",
        "dlq_depth gauge",
        "reservations_open gauge",
        "ledger_block_seconds histogram",
        "ledger_stopped gauge",
        "verify_last_ok_timestamp gauge",
        "revenue_minor_total counter",
        "http_request_duration_seconds histogram",
    };

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char line[96];

        snprintf(line, sizeof line, "\n# TYPE micropay_%s\n", names[i]);
        cr_assert(shows(line), "%s", names[i]);
    }
}

Test(metrics, a_counter_counts_by_its_labels)
{
    uint16_t failed = metric_word(LABEL_status, "failed");
    const struct currency *euro = currency_find("EUR");

    for (unsigned i = 0; i < 3; i++)
        metric_add(METRIC_payments_total, 1, .status = failed, .currency = metric_currency(euro),
                   .reason = metric_reason(REASON_INSUFFICIENT_FUNDS));
    metric_add(METRIC_payments_total, 40, .status = metric_word(LABEL_status, "completed"),
               .reason = metric_reason(REASON_NONE), .currency = metric_currency(euro));
    cr_assert(shows("micropay_payments_total{status=\"failed\",reason=\"insufficient-funds\","
                    "currency=\"EUR\"} 3\n"));
    cr_assert(shows("micropay_payments_total{status=\"completed\",reason=\"none\",currency=\"EUR\"}"
                    " 40\n"));
    cr_assert_eq(metric_read(METRIC_payments_total, .status = failed,
                             .reason = metric_reason(REASON_INSUFFICIENT_FUNDS),
                             .currency = metric_currency(euro)),
                 3);
}

Test(metrics, every_reason_and_currency_is_shown_under_its_own_name)
{
    for (unsigned i = 0; i < REASON_COUNT; i++)
        cr_assert_eq(metric_word(LABEL_reason, reason_row((enum reason)i)->name),
                     metric_reason((enum reason)i));
    for (const struct currency *row = currencies; row->name != NULL; row++)
        cr_assert_eq(metric_word(LABEL_currency, row->code), metric_currency(row));
}

Test(metrics, a_gauge_shows_what_it_was_set_to_even_zero_and_nothing_before)
{
    cr_assert(!shows("\nmicropay_ledger_stopped "));
    metric_set(METRIC_ledger_stopped, 0);
    cr_assert(shows("\nmicropay_ledger_stopped 0\n"));
    metric_set(METRIC_ledger_stopped, 1);
    cr_assert(shows("\nmicropay_ledger_stopped 1\n"));
    metric_set(METRIC_outbox_oldest_seconds, 0.25, .service = metric_word(LABEL_service, "bank"));
    cr_assert(shows("\nmicropay_outbox_oldest_seconds{service=\"bank\"} 0.25\n"));
    metric_set(METRIC_verify_last_ok_timestamp, 1796022016.125);
    cr_assert(shows("\nmicropay_verify_last_ok_timestamp 1796022016.125\n"));
    metric_set(METRIC_saga_open, -1);
    cr_assert(shows("\nmicropay_saga_open -1\n"));
}

Test(metrics, a_histogram_puts_each_duration_into_its_bucket_and_sums_them)
{
    metric_observe(METRIC_ledger_block_seconds, 50000);     /* on a bound: within */
    metric_observe(METRIC_ledger_block_seconds, 50001);     /* just beyond */
    metric_observe(METRIC_ledger_block_seconds, 150000000); /* 0.15 s */
    metric_observe(METRIC_ledger_block_seconds, 60000000000);
    cr_assert(shows("_block_seconds_bucket{le=\"5e-05\"} 1\n"));
    cr_assert(shows("_block_seconds_bucket{le=\"0.0001\"} 2\n"));
    cr_assert(shows("_block_seconds_bucket{le=\"0.1\"} 2\n"));
    cr_assert(shows("_block_seconds_bucket{le=\"0.2\"} 3\n"));
    cr_assert(shows("_block_seconds_bucket{le=\"5\"} 3\n"));
    cr_assert(shows("_block_seconds_bucket{le=\"+Inf\"} 4\n"));
    cr_assert(shows("_block_seconds_sum 60.150100001\n"));
    cr_assert(shows("_block_seconds_count 4\n"));
    cr_assert_eq(metric_read(METRIC_ledger_block_seconds), 4);
}

Test(metrics, no_request_can_make_more_series_than_the_label_has_room_for)
{
    char word[32];

    cr_assert_eq(metric_word(LABEL_status, "invented"), 0);
    cr_assert_eq(metric_word(LABEL_http_status, "299"), 0);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(word, sizeof word, "peer-%u", i);
        metric_add(METRIC_peer_attempts_total, 1, .peer = metric_word(LABEL_peer, word));
    }
    cr_assert(shows("micropay_peer_attempts_total{peer=\"other\"} 969\n"));
    cr_assert(shows("micropay_peer_attempts_total{peer=\"peer-30\"} 1\n"));
    cr_assert(!shows("peer-31"));
    cr_assert_eq(metric_word(LABEL_peer, "peer-7"), metric_word(LABEL_peer, "peer-7"));
}

Test(metrics, a_number_beyond_the_list_is_counted_as_other_not_elsewhere)
{
    metric_add(METRIC_peer_attempts_total, 1, .peer = 65535);
    cr_assert_eq(metric_read(METRIC_peer_attempts_total), 1);
}

Test(metrics, odd_words_do_not_break_the_text_form)
{
    metric_add(METRIC_peer_attempts_total, 1, .peer = metric_word(LABEL_peer, "a\"b\\c"));
    cr_assert(shows("{peer=\"a\\\"b\\\\c\"} 1\n"));
}

static void *bump(void *context)
{
    for (unsigned i = 0; i < 100000; i++) {
        metric_add(METRIC_spans_sent_total, 1);
        metric_observe(METRIC_ledger_block_seconds, i * 1000);
    }
    return context;
}

Test(metrics, nothing_is_lost_when_several_threads_count)
{
    pthread_t threads[4];

    for (unsigned i = 0; i < 4; i++) pthread_create(&threads[i], NULL, bump, NULL);
    for (unsigned i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    cr_assert_eq(metric_read(METRIC_spans_sent_total), 400000);
    cr_assert_eq(metric_read(METRIC_ledger_block_seconds), 400000);
}

static void touch_all(void)
{
    uint16_t word = metric_word(LABEL_service, "bank");

#define COUNTER(name, help, labels)            metric_add(METRIC_##name, 3, .service = word);
#define GAUGE(name, help, labels)              metric_set(METRIC_##name, 0.5, .service = word);
#define HISTOGRAM(name, buckets, help, labels) metric_observe(METRIC_##name, 77, .service = word);
#include "observe/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
}

Test(metrics, prometheus_own_checker_finds_no_fault)
{
    char path[] = "/tmp/micropay-metrics.XXXXXX", command[96];
    FILE *file;
    int status;

    if (system("command -v promtool >/dev/null") != 0)
        cr_skip_test("promtool (Debian: prometheus) is not installed");
    touch_all();
    file = fdopen(mkstemp(path), "w");
    buffer_clear(&out);
    metrics_print(&out);
    cr_assert_eq(fwrite(out.bytes, 1, out.length, file), out.length);
    fclose(file);
    snprintf(command, sizeof command, "promtool check metrics < %s", path);
    status = system(command);
    unlink(path);
    cr_assert_eq(status, 0);
}
