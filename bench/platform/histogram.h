/*
 * Durations, counted in buckets that grow with them: any quantile is right within half a percent,
 * from a nanosecond to an hour. Not shared between threads.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SHIFT = 7, /* so many bits are exact */
    HISTOGRAM_POWERS = 36,
    HISTOGRAM_BUCKETS = (HISTOGRAM_POWERS + 1) << HISTOGRAM_SHIFT,
};

/* Zero is empty. */
struct histogram {
    uint64_t count, sum_ns, max_ns;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);
/* What `part` of all don't exceed, 0.5 being the median; 0 if it is empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double part);
double histogram_mean_ns(const struct histogram *histogram);

#endif
