/* The three states of a circuit breaker over a rolling window. */
#include "resilience/breaker.h"

#include <string.h>

static const uint64_t ms = 1000000;

void breaker_make(struct breaker *breaker, struct loop *loop, const struct breaker_policy *policy)
{
    *breaker = (struct breaker){.loop = loop, .policy = *policy};
    for (unsigned i = 0; i < BREAKER_BUCKETS; i++) breaker->buckets[i].number = UINT64_MAX;
}

static void enter(struct breaker *breaker, enum breaker_state state)
{
    breaker->state = state;
    breaker->era++;
    breaker->probes_out = breaker->probes_good = 0;
    if (state == BREAKER_OPEN) {
        breaker->opened_ns = loop_elapsed_ns(breaker->loop);
        breaker->opened++;
    }
    if (state == BREAKER_CLOSED) /* what opened it must not open it again */
        for (unsigned i = 0; i < BREAKER_BUCKETS; i++) breaker->buckets[i].number = UINT64_MAX;
}

uint64_t breaker_rest_ns(const struct breaker *breaker)
{
    uint64_t open_ns = breaker->policy.open_ms * ms;
    uint64_t passed_ns = loop_elapsed_ns(breaker->loop) - breaker->opened_ns;

    if (breaker->state != BREAKER_OPEN || passed_ns >= open_ns) return 0;
    return open_ns - passed_ns;
}

bool breaker_allow(struct breaker *breaker, struct breaker_pass *pass)
{
    if (breaker->state == BREAKER_OPEN && breaker_rest_ns(breaker) == 0)
        enter(breaker, BREAKER_HALF_OPEN);
    if (breaker->state == BREAKER_OPEN) return false;
    if (breaker->state == BREAKER_HALF_OPEN) {
        if (breaker->probes_out + breaker->probes_good >= breaker->policy.probes) return false;
        breaker->probes_out++;
    }
    pass->era = breaker->era;
    return true;
}

static uint64_t bucket_number(const struct breaker *breaker)
{
    uint64_t span_ns = breaker->policy.window_ms * ms / BREAKER_BUCKETS;

    return loop_elapsed_ns(breaker->loop) / (span_ns > 0 ? span_ns : 1);
}

static void count(struct breaker *breaker, bool good)
{
    uint64_t number = bucket_number(breaker);
    struct breaker_bucket *bucket = &breaker->buckets[number % BREAKER_BUCKETS];

    if (bucket->number != number) *bucket = (struct breaker_bucket){.number = number};
    if (good)
        bucket->good++;
    else
        bucket->bad++;
}

static bool fails_too_often(const struct breaker *breaker)
{
    uint64_t now = bucket_number(breaker), good = 0, bad = 0;

    for (unsigned i = 0; i < BREAKER_BUCKETS; i++) {
        const struct breaker_bucket *bucket = &breaker->buckets[i];

        if (bucket->number == UINT64_MAX || now - bucket->number >= BREAKER_BUCKETS) continue;
        good += bucket->good;
        bad += bucket->bad;
    }
    return breaker->policy.volume > 0 && good + bad >= breaker->policy.volume &&
           bad * 100 >= (good + bad) * breaker->policy.failure_percent;
}

static void report_probe(struct breaker *breaker, enum breaker_verdict verdict)
{
    breaker->probes_out--;
    if (verdict == BREAKER_BAD) {
        enter(breaker, BREAKER_OPEN);
    } else if (verdict == BREAKER_GOOD) {
        breaker->probes_good++;
        if (breaker->probes_good >= breaker->policy.probes) enter(breaker, BREAKER_CLOSED);
    }
}

void breaker_report(struct breaker *breaker, struct breaker_pass pass, enum breaker_verdict verdict)
{
    if (pass.era != breaker->era) return;
    if (breaker->state == BREAKER_HALF_OPEN) {
        report_probe(breaker, verdict);
    } else if (breaker->state == BREAKER_CLOSED && verdict != BREAKER_NEITHER) {
        count(breaker, verdict == BREAKER_GOOD);
        if (verdict == BREAKER_BAD && fails_too_often(breaker)) enter(breaker, BREAKER_OPEN);
    }
}
