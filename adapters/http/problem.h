/* Errors as RFC 9457 has them: application/problem+json. */
#ifndef ADAPTERS_HTTP_PROBLEM_H
#define ADAPTERS_HTTP_PROBLEM_H

#include "http/http.h"

/* Prints an error as an object; without `instance` or `traceid` where those are NULL. */
void problem_print(struct buffer *out, const struct error *err, const char *instance,
                   const char *traceparent);

#endif
