/* Durations of spans by name, in buckets of a sixteenth of a power of two. */
#include "observe/trace.h"

#include <string.h>

enum { SHIFT = 4, PER_POWER = 1 << SHIFT, POWERS = 40, BUCKETS = POWERS * PER_POWER };

static struct {
    uint64_t count, sum_ns, max_ns;
    uint32_t buckets[BUCKETS];
} times[SPANS];

/* Below PER_POWER a bucket each, then PER_POWER buckets for each power of two. */
static unsigned bucket_of(uint64_t ns)
{
    unsigned power, index;

    if (ns < PER_POWER) return (unsigned)ns;
    power = 63 - (unsigned)__builtin_clzll(ns) - SHIFT;
    index = (power << SHIFT) + (unsigned)(ns >> power);
    return index < BUCKETS ? index : BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t middle_of(unsigned bucket)
{
    unsigned power;

    if (bucket < 2 * PER_POWER) return bucket;
    power = (bucket >> SHIFT) - 1;
    return ((uint64_t)(PER_POWER + bucket % PER_POWER) << power) + (UINT64_C(1) << power >> 1);
}

void span_took(enum span_name name, uint64_t ns)
{
    times[name].count++;
    times[name].sum_ns += ns;
    if (ns > times[name].max_ns) times[name].max_ns = ns;
    times[name].buckets[bucket_of(ns)]++;
}

/* The duration that `part` of a thousand don't exceed. */
static uint64_t quantile(enum span_name name, unsigned part)
{
    uint64_t wanted = (times[name].count * part + 999) / 1000, seen = 0;

    if (times[name].count == 0) return 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += times[name].buckets[i];
        if (seen >= wanted)
            return middle_of(i) < times[name].max_ns ? middle_of(i) : times[name].max_ns;
    }
    return times[name].max_ns;
}

void span_times(enum span_name name, struct span_times *out)
{
    *out = (struct span_times){
        .count = times[name].count,
        .sum_ns = times[name].sum_ns,
        .max_ns = times[name].max_ns,
        .p50_ns = quantile(name, 500),
        .p99_ns = quantile(name, 990),
    };
}

void trace_forget_times(void) { memset(times, 0, sizeof times); }

const char *span_shown(enum span_name name)
{
    static const char *const shown[SPANS] = {
#define SPAN(name, shown, kind, help) shown,
#include "observe/spans.def"
#undef SPAN
    };

    return shown[name];
}

/* --- printing --- */

static double us(uint64_t ns) { return (double)ns / 1000; }

void trace_report(struct buffer *out)
{
    bool printed[SPANS] = {false};

    buffer_format(out, "%-16s %10s %10s %10s %10s %10s %10s\n", "span", "count", "sum s", "mean us",
                  "p50 us", "p99 us", "max us");
    for (;;) {
        unsigned longest = SPANS;
        struct span_times t;

        for (unsigned i = 0; i < SPANS; i++)
            if (!printed[i] && times[i].count > 0 &&
                (longest == SPANS || times[i].sum_ns > times[longest].sum_ns))
                longest = i;
        if (longest == SPANS) return;
        printed[longest] = true;
        span_times((enum span_name)longest, &t);
        buffer_format(out, "%-16s %10llu %10.3f %10.1f %10.1f %10.1f %10.1f\n",
                      span_shown((enum span_name)longest), (unsigned long long)t.count,
                      (double)t.sum_ns / 1e9, us(t.sum_ns) / (double)t.count, us(t.p50_ns),
                      us(t.p99_ns), us(t.max_ns));
    }
}

void trace_print_metrics(struct buffer *out)
{
    static const char name[] = "micropay_span_seconds";

    buffer_format(out, "# HELP %s Durations of spans, by name.\n# TYPE %s summary\n", name, name);
    for (unsigned i = 0; i < SPANS; i++) {
        const char *shown = span_shown((enum span_name)i);
        struct span_times t;

        if (times[i].count == 0) continue;
        span_times((enum span_name)i, &t);
        buffer_format(out, "%s{span=\"%s\",quantile=\"0.5\"} %.9f\n", name, shown,
                      (double)t.p50_ns / 1e9);
        buffer_format(out, "%s{span=\"%s\",quantile=\"0.99\"} %.9f\n", name, shown,
                      (double)t.p99_ns / 1e9);
        buffer_format(out, "%s_sum{span=\"%s\"} %.9f\n", name, shown, (double)t.sum_ns / 1e9);
        buffer_format(out, "%s_count{span=\"%s\"} %llu\n", name, shown,
                      (unsigned long long)t.count);
    }
}
