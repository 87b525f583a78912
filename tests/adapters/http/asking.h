/* Asking the desk in memory: one question, one answer. */
#ifndef TESTS_ADAPTERS_HTTP_ASKING_H
#define TESTS_ADAPTERS_HTTP_ASKING_H

#include "http/desk.h"
#include "support/test_loop.h"

#include <cjson/cJSON.h>

struct answer {
    unsigned status, count; /* count: how often an answer came */
    char body[8192];
    char type[64], allow[64], retry[16], trace[64], challenge[32];
};

extern struct loop *asking_loop;
extern struct http_router *asking_router;
extern struct desk asking_desk;

void asking_open(void);
void asking_close(void);
/* `headers`: "Name: value" lines; NULL = "Authorization: Bearer writer". */
const struct answer *ask(const char *method, const char *target, const char *headers,
                         const char *body);
/* Checks that an answer is a well-formed problem of a type. */
void expect_problem(const struct answer *answer, unsigned status, const char *type);
/* The same with status 400, and just these fields in `errors`: "query limit|/price". */
void expect_faults(const struct answer *answer, const char *fields);
/* A member of the answer as a text; "" if it isn't there or no string. */
const char *member(const struct answer *answer, const char *name);
double member_number(const struct answer *answer, const char *name);

#endif
