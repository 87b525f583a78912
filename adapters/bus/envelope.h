/*
 * CloudEvents 1.0 in JSON: what stands around an event's data.
 *
 * An event is written to the outbox in the transaction of its change, when nobody knows yet as
 * which one of its lane it will go out. So its text is made of two parts: a body, stored, and a
 * head, which the relay puts in front at publishing. Both together are one JSON object:
 *
 *     {"specversion":"1.0","source":"/payment/3/INCARNATION","sequence":"12","prev":"9",  head
 *     "id":"...","type":"payment.initiated", ... ,"data":{...}}                           body
 *
 * 64-bit numbers are strings, as CloudEvents' integers have 32 bits.
 */
#ifndef ADAPTERS_BUS_ENVELOPE_H
#define ADAPTERS_BUS_ENVELOPE_H

#include "wire/record.h"

struct event_type;

#define SCHEMA_BASE "https://micropay.dev/schemas/"

enum {
    SOURCE_MAX = 79,
    TENANT_MAX = 32,
    TRACEPARENT_MAX = 55,
    EVENT_NAME_MAX = 63,
};

struct envelope {
    struct uuid id;                /* UUIDv7 */
    char source[SOURCE_MAX + 1];   /* "/SERVICE/LANE/INCARNATION" */
    uint64_t sequence, prev;       /* in its lane; prev: the last one in the same partition */
    char type[EVENT_NAME_MAX + 1]; /* "payment.initiated" */
    unsigned major;                /* of the data's schema */
    struct uuid subject;           /* the event's key */
    uint64_t time_ns;              /* of the fact */
    char tenant[TENANT_MAX + 1];
    bool live;                             /* mode: live or test */
    uint64_t entity_version;               /* of the subject; 0 = none */
    struct uuid correlation, causation;    /* zero = none */
    char traceparent[TRACEPARENT_MAX + 1]; /* W3C; empty = none */
    uint64_t ledger_sequence;              /* 0 = none */
};

/* "/SERVICE/LANE/INCARNATION", cut to fit. */
void envelope_source(const char *service, unsigned lane, const char *incarnation,
                     char out[SOURCE_MAX + 1]);
/* The head: source, sequence and prev. */
void envelope_print_head(const char *source, uint64_t sequence, uint64_t prev, struct buffer *out);
/* The body: all the rest, with the data as the type's record prints it. */
void envelope_print_body(const struct envelope *envelope, const struct event_type *type,
                         const void *data, struct buffer *out);

struct cJSON;
/* Reads what stands around the data; ignores members that it doesn't know. REFUSED names the member
 * that is missing or wrong. */
enum outcome envelope_read(const struct cJSON *json, struct envelope *out,
                           struct error *err) MUST_USE;

#endif
