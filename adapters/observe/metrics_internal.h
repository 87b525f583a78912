/* What metrics.c and metrics_print.c share; nobody else includes it. */
#ifndef ADAPTERS_OBSERVE_METRICS_INTERNAL_H
#define ADAPTERS_OBSERVE_METRICS_INTERNAL_H

#include "observe/metrics.h"

enum {
    METRIC_LABELS_MAX = 3,
    HISTOGRAM_BUCKETS = 16,                /* with a bound; one more has none */
    HISTOGRAM_SUM = HISTOGRAM_BUCKETS + 1, /* the cell of the sum, in nanoseconds */
    HISTOGRAM_CELLS = HISTOGRAM_BUCKETS + 2,
    GAUGE_IS_SET = 1, /* added to a gauge's bits, so that 0 is one never set */
};

enum metric_kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

/* A row of metrics.def */
struct metric_row {
    const char *name, *help;
    enum metric_kind kind;
    enum metric_label labels[METRIC_LABELS_MAX]; /* the first LABEL_NONE ends them */
    const uint64_t *bounds;                      /* of a histogram, in nanoseconds */
    uint64_t *cells;
};
extern const struct metric_row metric_rows[METRICS];

/* A row of labels.def */
struct label_row {
    const char *name, *words; /* with blanks between */
    uint16_t most;
};
extern const struct label_row label_rows[LABELS];

/* Values that a label has so far, "other" among them. */
uint16_t metric_words(enum metric_label label);
const char *metric_word_text(enum metric_label label, uint16_t number);

#endif
