/*
 * JSON as it comes in: what cJSON lets pass and a payment must not. Text behind the value, bytes
 * that aren't UTF-8, control characters, "\u0000" (which would cut a string short unseen), numbers
 * that aren't JSON, integers beyond what a double holds exactly, and nesting are all refused.
 *
 * Strings of a parsed tree are therefore UTF-8 without NUL. Going out, records print themselves
 * (wire/record.h).
 */
#ifndef ADAPTERS_WIRE_JSON_H
#define ADAPTERS_WIRE_JSON_H

#include "runtime/error.h"

#include <cjson/cJSON.h>

/* Whole numbers up to here are exact in every reader: 2^53 - 1 */
#define JSON_COUNT_MAX UINT64_C(9007199254740991)
enum { JSON_DEPTH_MAX = 32 };

/* The tree of a text, freed by cJSON_Delete(); NULL with a fault in err. Needs no NUL. */
cJSON *json_parse(const char *text, size_t length, struct error *err);
/* A whole number from 0 to JSON_COUNT_MAX; false if it is anything else. */
bool json_count(const cJSON *value, uint64_t *out);
/* A member that is a string; NULL if it isn't there or is none. */
const char *json_text(const cJSON *object, const char *name);

#endif
