/*
 * A bus under test and those who use it: publishers that remember their answers, readers that
 * remember what they got and what they applied. Everything is checked as it comes: positions rise,
 * no answer comes twice or inside a call.
 */
#ifndef TESTS_ADAPTERS_BUS_GIVEN_BUS_H
#define TESTS_ADAPTERS_BUS_GIVEN_BUS_H

#include "bus/contract.h"
#include "bus/events.h"

enum { GOT_MAX = 100000, PARTITIONS = 12 };

struct given {
    const struct contract *contract;
    char directory[64], url[128];
    struct loop *loop;
    struct bus *bus;
    bool inside; /* a call of the bus that must not answer */
    unsigned published, answered, done, again, unknown, refused;
    struct error last; /* of an answer that wasn't DONE */
};

/* A value is its number as JSON text, or what the test gives. */
struct got {
    unsigned partition;
    uint64_t position;
    struct uuid key;
    long number;
};

struct given_reader {
    struct bus_reader api;
    struct given *given;
    const struct topic *topics[2];
    uint64_t applied[PARTITIONS]; /* by position(); of its one topic */
    struct got *got;
    unsigned count, calls, failures;
    unsigned failed_partition;
    struct error why;
    bool stands_still;         /* isn't ready again by itself */
    bool leaves;               /* in its next call */
    const struct event *event; /* of the last record, lent */
};

void given_open(struct given *given, const struct contract *contract);
/* Closes, until given_reopen(); both: a restart, with the contract's in between. */
void given_close(struct given *given);
void given_reopen(struct given *given);
void given_restart(struct given *given);
void given_end(struct given *given);

/* Publishes a number under a key made of another. */
void given_publish(struct given *given, const struct topic *topic, unsigned key, long number);
void given_publish_text(struct given *given, const struct topic *topic, unsigned key,
                        const char *text, size_t length, const struct event *event);
struct uuid given_key(unsigned key);
/* Runs until all that was published is answered. */
void given_answers(struct given *given);

/* Joins as a group that has applied what reader->applied says. */
void given_join(struct given *given, struct given_reader *reader, const char *group,
                const struct topic *topic);
/* Runs until a reader has got so many records. */
void given_got(struct given *given, struct given_reader *reader, unsigned count);
void given_failed(struct given *given, struct given_reader *reader);
/* Lets the loop do what it can; nothing more is to come. */
void given_quiet(struct given *given);

#endif
