/*
 * Metrics: counters, gauges and histograms of the process, declared as rows (metrics.def), shown in
 * Prometheus' text form.
 *
 * A label's values are a closed list (labels.def) or are given once at start, at most as many as
 * its row says, so that no request can make new series. Values are numbers from metric_word(): ask
 * at start and keep them; 0 is "other".
 *
 *     metric_add(METRIC_payments_total, 1, .status = failed, .reason = metric_reason(err.reason));
 *
 * Bumping is a few nanoseconds, takes no lock and may be done by any thread; the rest is for the
 * loop's thread. Counters wrap at 2^64, which Prometheus takes for a restart.
 */
#ifndef ADAPTERS_OBSERVE_METRICS_H
#define ADAPTERS_OBSERVE_METRICS_H

#include "runtime/error.h"
#include "wire/amount.h"
#include "wire/buffer.h"

enum metric {
#define COUNTER(name, help, labels)            METRIC_##name,
#define GAUGE(name, help, labels)              METRIC_##name,
#define HISTOGRAM(name, buckets, help, labels) METRIC_##name,
#include "observe/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
    METRICS,
};

enum metric_label {
    LABEL_NONE,
#define LABEL(name, label, most, words) LABEL_##name,
#include "observe/labels.def"
#undef LABEL
    LABELS,
};

/* The values of a series' labels; those that a metric doesn't have are ignored. */
struct metric_labels {
    uint16_t none;
#define LABEL(name, label, most, words) uint16_t name;
#include "observe/labels.def"
#undef LABEL
};

/* The number of a label's value. One without values of its own takes a new one as long as there is
 * room; else 0, "other". */
uint16_t metric_word(enum metric_label label, const char *word);
/* The same without a search. */
static inline uint16_t metric_reason(enum reason reason) { return (uint16_t)(1 + reason); }
static inline uint16_t metric_currency(const struct currency *currency)
{
    return (uint16_t)(1 + (currency - currencies));
}

/* A counter goes up. */
#define metric_add(metric, n, ...)                                                                 \
    metric_add_to((metric), (n), (struct metric_labels){0, ##__VA_ARGS__})
/* A counter that somebody else keeps has this value now. */
#define metric_total(metric, value, ...)                                                           \
    metric_total_of((metric), (value), (struct metric_labels){0, ##__VA_ARGS__})
/* A gauge has this value now. */
#define metric_set(metric, value, ...)                                                             \
    metric_set_of((metric), (value), (struct metric_labels){0, ##__VA_ARGS__})
/* A histogram of durations gets one more. */
#define metric_observe(metric, ns, ...)                                                            \
    metric_observe_in((metric), (ns), (struct metric_labels){0, ##__VA_ARGS__})

void metric_add_to(enum metric metric, uint64_t n, struct metric_labels labels);
void metric_total_of(enum metric metric, uint64_t value, struct metric_labels labels);
void metric_set_of(enum metric metric, double value, struct metric_labels labels);
void metric_observe_in(enum metric metric, uint64_t ns, struct metric_labels labels);

/* What a counter has, or how many a histogram got: for the bench and tests. */
#define metric_read(metric, ...) metric_read_of((metric), (struct metric_labels){0, ##__VA_ARGS__})
uint64_t metric_read_of(enum metric metric, struct metric_labels labels);

/* Prints all in text form 0.0.4; gauges and series that were never touched are left out. */
void metrics_print(struct buffer *out);
#define METRICS_MEDIA_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
