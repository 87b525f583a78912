/* What a request asks for: the path's segments and the query's parameters, decoded. */
#ifndef ADAPTERS_HTTP_TARGET_H
#define ADAPTERS_HTTP_TARGET_H

#include "runtime/error.h"

enum { TARGET_SEGMENTS_MAX = 16, TARGET_PARAMETERS_MAX = 32 };

struct target_parameter {
    const char *name, *value;
};

struct target {
    char *path; /* as it came, without the query */
    unsigned segment_count;
    const char *segments[TARGET_SEGMENTS_MAX];
    unsigned parameter_count;
    struct target_parameter parameters[TARGET_PARAMETERS_MAX];
};

/* Reads "/a/b?c=d"; adds a fault for everything that isn't well-formed: an escape that is none, a
 * NUL, bytes that aren't UTF-8, control characters, too much of anything, a parameter that stands
 * there twice. What it read is valid in any case. */
void target_read(struct target *target, const char *text, struct error *err);
/* The value of a parameter; NULL if it isn't there. */
const char *target_parameter(const struct target *target, const char *name);
void target_done(struct target *target);

#endif
