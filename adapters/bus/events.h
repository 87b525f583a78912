/*
 * Event types, one .def file an owner in events/: for each a struct such as struct
 * payment_initiated_event, its record, and a row of event_types[]. Also an event as it is handed
 * about in a process: parsed once, shared by all readers, counted.
 *
 * Within a major version fields are only added, and optional; readers ignore what they don't know.
 * Personal data is `sealed` or absent.
 */
#ifndef ADAPTERS_BUS_EVENTS_H
#define ADAPTERS_BUS_EVENTS_H

#include "bus/envelope.h"
#include "bus/topics.h"

/* The names of all reasons (runtime/reasons.def), NULL-ended */
extern const char *const reason_words[];

#define RECORD_FILE "bus/events/account.def"
#include "wire/record_struct.h"
#define RECORD_FILE "bus/events/balance.def"
#include "wire/record_struct.h"
#define RECORD_FILE "bus/events/fraud.def"
#include "wire/record_struct.h"
#define RECORD_FILE "bus/events/payment.def"
#include "wire/record_struct.h"
#define RECORD_FILE "bus/events/transaction.def"
#include "wire/record_struct.h"

struct event_type {
    const char *name; /* "payment.initiated" */
    unsigned major;
    const struct topic *topic;
    const struct record *record; /* of the data */
    uint32_t size;               /* of the data's struct */
    const char *help;
};

enum event_number {
#include "wire/record_none.h"
#undef EVENT
#define EVENT(name, type, major, help, ...) EVENT_##name,
#include "bus/events/account.def"
#include "bus/events/balance.def"
#include "bus/events/fraud.def"
#include "bus/events/payment.def"
#include "bus/events/transaction.def"
#include "wire/record_end.h"
    EVENT_COUNT,
};
/* By topic, then in the order of the rows; ended by one without name. */
extern const struct event_type event_types[];
/* A type by its name in C: EVENT_TYPE(payment_initiated) */
#define EVENT_TYPE(name) (&event_types[EVENT_##name])
/* NULL if there is none. */
const struct event_type *event_type_find(const char *name, unsigned major);

/* An envelope and its data. Never changed once made. */
struct event {
    struct envelope envelope;
    const struct event_type
        *type;        /* NULL: a type or major version that is newer than this program */
    const void *data; /* the type's struct; NULL if the type is */
    uint32_t references;
};

/* Copies both; one reference, which is the caller's. */
struct event *event_make(const struct envelope *envelope, const struct event_type *type,
                         const void *data);
/* Reads an event's JSON. Members that aren't known are ignored, so is the data of a type that
 * isn't. REFUSED names the member that is missing or wrong. *out has one reference, the caller's.
 */
enum outcome event_parse(const char *text, size_t length, struct event **out,
                         struct error *err) MUST_USE;
/* One more reference. Events are held and freed on the loop's thread alone. */
const struct event *event_hold(const struct event *event);
/* Gives a reference back; NULL is allowed. */
void event_release(const struct event *event);

#endif
