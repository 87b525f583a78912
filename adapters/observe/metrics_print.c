/* Prometheus' text form. */
#include "observe/metrics_internal.h"

#include <stdio.h>
#include <string.h>

static const char prefix[] = "micropay_";

/* A series while it is printed. */
struct series {
    const struct metric_row *row;
    uint16_t values[METRIC_LABELS_MAX];
    const uint64_t *cell;
};

/* Its name and labels; `le` NULL = none. */
static void print_name(const struct series *series, const char *suffix, const char *le,
                       struct buffer *out)
{
    char between = '{';

    buffer_format(out, "%s%s%s", prefix, series->row->name, suffix);
    for (unsigned i = 0; i < METRIC_LABELS_MAX && series->row->labels[i] != LABEL_NONE; i++) {
        enum metric_label label = series->row->labels[i];
        const char *word = metric_word_text(label, series->values[i]);

        buffer_format(out, "%c%s=", between, label_rows[label].name);
        buffer_json(out, word, strlen(word)); /* escapes as Prometheus does */
        between = ',';
    }
    if (le != NULL) {
        buffer_format(out, "%cle=\"%s\"", between, le);
        between = ',';
    }
    buffer_text(out, between == ',' ? "} " : " ");
}

static uint64_t load(const uint64_t *cell) { return __atomic_load_n(cell, __ATOMIC_RELAXED); }

static void print_histogram(const struct series *series, struct buffer *out)
{
    uint64_t count = 0;

    for (unsigned i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        char le[32] = "+Inf";

        if (i < HISTOGRAM_BUCKETS)
            snprintf(le, sizeof le, "%g", (double)series->row->bounds[i] / 1e9);
        count += load(series->cell + i);
        print_name(series, "_bucket", le, out);
        buffer_number(out, count);
        buffer_char(out, '\n');
    }
    print_name(series, "_sum", NULL, out);
    buffer_format(out, "%.9f\n", (double)load(series->cell + HISTOGRAM_SUM) / 1e9);
    print_name(series, "_count", NULL, out);
    buffer_format(out, "%llu\n", (unsigned long long)count);
}

static bool was_touched(const struct series *series)
{
    unsigned count = series->row->kind == KIND_HISTOGRAM ? HISTOGRAM_CELLS : 1;

    if (series->row->labels[0] == LABEL_NONE && series->row->kind != KIND_GAUGE) return true;
    for (unsigned i = 0; i < count; i++)
        if (load(series->cell + i) != 0) return true;
    return false;
}

static void print_series(const struct series *series, struct buffer *out)
{
    uint64_t bits = load(series->cell) - GAUGE_IS_SET;
    double value;

    if (!was_touched(series)) return;
    switch (series->row->kind) {
    case KIND_COUNTER:
        print_name(series, "", NULL, out);
        buffer_number(out, load(series->cell));
        buffer_char(out, '\n');
        break;
    case KIND_GAUGE:
        memcpy(&value, &bits, sizeof value);
        print_name(series, "", NULL, out);
        buffer_format(out, "%.15g\n", value);
        break;
    case KIND_HISTOGRAM: print_histogram(series, out); break;
    }
}

/* Prints the series of the values from label `at` on. */
static void print_from(struct series *series, unsigned at, size_t index, struct buffer *out)
{
    enum metric_label label = at < METRIC_LABELS_MAX ? series->row->labels[at] : LABEL_NONE;

    if (label == LABEL_NONE) {
        series->cell = series->row->cells +
                       index * (series->row->kind == KIND_HISTOGRAM ? HISTOGRAM_CELLS : 1);
        print_series(series, out);
        return;
    }
    for (uint16_t value = 0; value < metric_words(label); value++) {
        series->values[at] = value;
        print_from(series, at + 1, index * label_rows[label].most + value, out);
    }
}

void metrics_print(struct buffer *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};

    for (unsigned i = 0; i < METRICS; i++) {
        struct series series = {.row = &metric_rows[i]};

        buffer_format(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, series.row->name,
                      series.row->help, prefix, series.row->name, kinds[series.row->kind]);
        print_from(&series, 0, 0, out);
    }
}
