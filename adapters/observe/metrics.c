/* The cells of all metrics, and bumping them. */
#include "observe/metrics_internal.h"

#include <string.h>

/* Most values of each label, "other" among them. */
enum {
#define LABEL(name, label, most, words) MOST_##name = (most),
#include "observe/labels.def"
#undef LABEL
};

/* A metric's cells: one for each combination of its labels' values, HISTOGRAM_CELLS in a histogram.
 * They lie in zeroed memory that costs nothing until it is written. */
#define L0          1
#define L1(a)       MOST_##a
#define L2(a, b)    (MOST_##a * MOST_##b)
#define L3(a, b, c) (MOST_##a * MOST_##b * MOST_##c)
static struct cells {
#define COUNTER(name, help, labels)            uint64_t name[labels];
#define GAUGE(name, help, labels)              uint64_t name[labels];
#define HISTOGRAM(name, buckets, help, labels) uint64_t name[(labels)*HISTOGRAM_CELLS];
#include "observe/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
} cells;
#undef L0
#undef L1
#undef L2
#undef L3

static const uint64_t us = 1000, ms = 1000000, s = 1000000000;
_Static_assert(HISTOGRAM_BUCKETS == 16, "as many bounds below");
/* What people and other services wait for */
static const uint64_t REQUEST[HISTOGRAM_BUCKETS] = {
    250 * us, 500 * us, 1 * ms,   2500 * us, 5 * ms,    10 * ms, 25 * ms, 50 * ms,
    100 * ms, 250 * ms, 500 * ms, 1 * s,     2500 * ms, 5 * s,   10 * s,  30 * s};
/* What disks do */
static const uint64_t BLOCK[HISTOGRAM_BUCKETS] = {
    50 * us, 100 * us, 200 * us, 500 * us, 1 * ms,   2 * ms, 5 * ms, 10 * ms,
    20 * ms, 50 * ms,  100 * ms, 200 * ms, 500 * ms, 1 * s,  2 * s,  5 * s};

/* Lists in braces can't stand in brackets. */
// NOLINTBEGIN(bugprone-macro-parentheses)
// clang-format off
#define L0          {0}
#define L1(a)       {LABEL_##a}
#define L2(a, b)    {LABEL_##a, LABEL_##b}
#define L3(a, b, c) {LABEL_##a, LABEL_##b, LABEL_##c}
#define ROW(title, what, ...) \
    .name = #title, .help = (what), .labels = __VA_ARGS__, .cells = cells.title
const struct metric_row metric_rows[METRICS] = {
#define COUNTER(title, what, which) {.kind = KIND_COUNTER, ROW(title, what, which)},
#define GAUGE(title, what, which)   {.kind = KIND_GAUGE, ROW(title, what, which)},
#define HISTOGRAM(title, buckets, what, which) \
    {.kind = KIND_HISTOGRAM, .bounds = (buckets), ROW(title, what, which)},
#include "observe/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};
// clang-format on
// NOLINTEND(bugprone-macro-parentheses)

const struct label_row label_rows[LABELS] = {
    [LABEL_NONE] = {.most = 1},
#define LABEL(title, shown, count, list)                                                           \
    [LABEL_##title] = {.name = (shown), .words = (list), .most = (count)},
#include "observe/labels.def"
#undef LABEL
};
_Static_assert(sizeof(struct metric_labels) == LABELS * sizeof(uint16_t), "indexed by label");
_Static_assert((int)REASON_COUNT + 1 <= (int)MOST_reason, "every reason has its series");

/* The cell of a series; one whose label is beyond its list counts as "other". */
static uint64_t *cell_of(enum metric metric, const struct metric_labels *labels)
{
    const struct metric_row *row = &metric_rows[metric];
    const uint16_t *values = (const uint16_t *)labels;
    size_t index = 0;

    for (unsigned i = 0; i < METRIC_LABELS_MAX && row->labels[i] != LABEL_NONE; i++) {
        uint16_t most = label_rows[row->labels[i]].most, value = values[row->labels[i]];

        index = index * most + (value < most ? value : 0);
    }
    return row->cells + index * (row->kind == KIND_HISTOGRAM ? HISTOGRAM_CELLS : 1);
}

static void add(uint64_t *cell, uint64_t n) { __atomic_fetch_add(cell, n, __ATOMIC_RELAXED); }

void metric_add_to(enum metric metric, uint64_t n, struct metric_labels labels)
{
    add(cell_of(metric, &labels), n);
}

void metric_total_of(enum metric metric, uint64_t value, struct metric_labels labels)
{
    __atomic_store_n(cell_of(metric, &labels), value, __ATOMIC_RELAXED);
}

void metric_set_of(enum metric metric, double value, struct metric_labels labels)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    __atomic_store_n(cell_of(metric, &labels), bits + GAUGE_IS_SET, __ATOMIC_RELAXED);
}

void metric_observe_in(enum metric metric, uint64_t ns, struct metric_labels labels)
{
    const uint64_t *bounds = metric_rows[metric].bounds;
    uint64_t *cell = cell_of(metric, &labels);
    unsigned bucket = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) bucket += ns > bounds[i];
    add(cell + bucket, 1);
    add(cell + HISTOGRAM_SUM, ns);
}

uint64_t metric_read_of(enum metric metric, struct metric_labels labels)
{
    const uint64_t *cell = cell_of(metric, &labels);
    uint64_t sum = 0;

    if (metric_rows[metric].kind != KIND_HISTOGRAM) return __atomic_load_n(cell, __ATOMIC_RELAXED);
    for (unsigned i = 0; i <= HISTOGRAM_BUCKETS; i++)
        sum += __atomic_load_n(cell + i, __ATOMIC_RELAXED);
    return sum;
}
