/* What all kinds of traffic share. */
#include "traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void traffic_begin(struct traffic *traffic, const struct traffic_config *config)
{
    memset(traffic, 0, sizeof *traffic);
    traffic->config = *config;
    traffic->random[0] = config->seed | 1;
    traffic->random[1] = config->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

void traffic_end(struct traffic *traffic) { free(traffic->asked); }

/* xoroshiro128+ */
uint64_t traffic_random(struct traffic *traffic)
{
    uint64_t a = traffic->random[0], b = traffic->random[1], sum = a + b;

    b ^= a;
    traffic->random[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    traffic->random[1] = b << 37 | b >> 27;
    return sum;
}

/* The last part of a problem's type. */
static bool problem_type(const char *body, char *out, size_t size)
{
    static const char mark[] = "/problems/";
    const char *at = strstr(body, mark);
    size_t length;

    if (at == NULL) return false;
    at += sizeof mark - 1;
    length = strcspn(at, "\"");
    snprintf(out, size, "%.*s", (int)length, at);
    return true;
}

bool traffic_problem(struct traffic *traffic, const struct client_answer *answer, const char *what)
{
    char type[64], name[sizeof traffic->problems[0].name];
    unsigned at = 0;

    if (answer->status == 0)
        snprintf(name, sizeof name, "connection lost");
    else if (problem_type(answer->body, type, sizeof type))
        snprintf(name, sizeof name, "%u %s", answer->status, type);
    else
        snprintf(name, sizeof name, "%u %s", answer->status, what);
    while (at < traffic->problem_count && strcmp(traffic->problems[at].name, name) != 0) at++;
    if (at == TRAFFIC_PROBLEMS_MAX) at--;
    if (at == traffic->problem_count) {
        traffic->problem_count++;
        memcpy(traffic->problems[at].name, name, sizeof name);
        fprintf(stderr, "load: the first answer of kind \"%s\": %.400s\n", name, answer->body);
    }
    traffic->problems[at].count++;
    return false;
}

uint64_t traffic_problem_count(const struct traffic *traffic)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < traffic->problem_count; i++) count += traffic->problems[i].count;
    return count;
}
