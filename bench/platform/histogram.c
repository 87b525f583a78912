/* Buckets: the first 2 * 2^SHIFT have a nanosecond each, each further 2^SHIFT cover the next power
 * of two. */
#include "histogram.h"

#define PER_POWER (UINT64_C(1) << HISTOGRAM_SHIFT)

static unsigned bucket_of(uint64_t ns)
{
    unsigned power;
    uint64_t bucket;

    if (ns < PER_POWER) return (unsigned)ns;
    power = 63 - HISTOGRAM_SHIFT - (unsigned)__builtin_clzll(ns);
    bucket = ((uint64_t)power << HISTOGRAM_SHIFT) + (ns >> power);
    return bucket < HISTOGRAM_BUCKETS ? (unsigned)bucket : HISTOGRAM_BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t middle_of(unsigned bucket)
{
    unsigned power;

    if (bucket < 2 * PER_POWER) return bucket;
    power = (bucket >> HISTOGRAM_SHIFT) - 1;
    return ((PER_POWER + bucket % PER_POWER) << power) + (UINT64_C(1) << power >> 1);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->sum_ns += ns;
    if (ns > histogram->max_ns) histogram->max_ns = ns;
    histogram->buckets[bucket_of(ns)]++;
}

uint64_t histogram_quantile(const struct histogram *histogram, double part)
{
    double wanted = part * (double)histogram->count;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && histogram->count > 0; i++) {
        seen += histogram->buckets[i];
        if ((double)seen < wanted || seen == 0) continue;
        return middle_of(i) < histogram->max_ns ? middle_of(i) : histogram->max_ns;
    }
    return histogram->max_ns;
}

double histogram_mean_ns(const struct histogram *histogram)
{
    return histogram->count > 0 ? (double)histogram->sum_ns / (double)histogram->count : 0;
}
