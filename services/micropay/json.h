/* One JSON object a line. What may be beyond 2^53 (ids, amounts, times, positions) is a string of
 * decimal digits, since most readers keep numbers as doubles; the rest are numbers. */
#ifndef COMMAND_JSON_H
#define COMMAND_JSON_H

#include "text.h"

struct json {
    struct text *out;
    bool behind; /* a member came before: a comma is due */
};

/* Begins a line. */
struct json json_begin(struct text *out);
/* Ends it. */
void json_end(struct json *json);

void json_object(struct json *json, const char *name);
void json_object_end(struct json *json);

void json_string(struct json *json, const char *name, const char *value);
void json_digits(struct json *json, const char *name, mp_u128 value);
void json_number(struct json *json, const char *name, uint64_t value);
/* With three decimals */
void json_decimal(struct json *json, const char *name, double value);
void json_bool(struct json *json, const char *name, bool value);

#endif
