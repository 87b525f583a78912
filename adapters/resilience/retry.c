/* Exponential back-off with full jitter. */
#include "resilience/retry.h"

static const uint64_t ms = 1000000;

void retry_begin(struct retry *retry, const struct retry_policy *policy, struct loop *loop)
{
    *retry = (struct retry){.policy = *policy, .began_ns = loop_elapsed_ns(loop)};
}

/* The longest delay after that many attempts. */
static uint64_t longest_ns(const struct retry_policy *policy, unsigned attempts)
{
    uint64_t longest = policy->first_ms;

    for (unsigned i = 1; i < attempts && longest < policy->most_ms; i++) longest *= 2;
    return (longest < policy->most_ms ? longest : policy->most_ms) * ms;
}

/* A number from 0 to most, each as likely. */
static uint64_t draw(struct loop *loop, uint64_t most)
{
    uint64_t random;

    loop_random(loop, &random, sizeof random);
    return (uint64_t)((unsigned __int128)random * ((unsigned __int128)most + 1) >> 64);
}

bool retry_again(struct retry *retry, struct loop *loop, enum outcome outcome, uint64_t at_least_ns,
                 uint64_t *delay_ns)
{
    uint64_t passed_ns = loop_elapsed_ns(loop) - retry->began_ns;
    uint64_t delay, budget_ns = retry->policy.budget_ms * ms;

    retry->attempts++;
    if (outcome != OUTCOME_AGAIN && outcome != OUTCOME_UNKNOWN) return false;
    if (retry->attempts >= retry->policy.attempts) return false;
    delay = draw(loop, longest_ns(&retry->policy, retry->attempts));
    if (delay < at_least_ns) delay = at_least_ns;
    if (budget_ns > 0 && (passed_ns > budget_ns || delay > budget_ns - passed_ns)) return false;
    *delay_ns = delay;
    return true;
}
