/*
 * What was posted as events of micropay.transaction: their text, their numbers, and the row that
 * keeps how far they are.
 */
#ifndef TRANSACTION_ANNOUNCE_H
#define TRANSACTION_ANNOUNCE_H

#include "posted.h"

#include "bus/events.h"
#include "store/store.h"

enum {
    ANNOUNCED_PARTITIONS = 12, /* of the topic */
    ANNOUNCED_LANE = 16,       /* of the source: those below are the outbox's */
};

/* The last sequence in each partition. */
struct announced_tails {
    uint64_t sequences[ANNOUNCED_PARTITIONS];
};

struct announcer {
    uint8_t timeline[16]; /* of the ledger: its numbers rise in it */
    char source[SOURCE_MAX + 1];
    struct announced_tails tails; /* of what was handed to the bus */
};

/* Reads how far the announcements are: from the start if the ledger is another one. BROKEN if it is
 * older than what was announced of it. */
enum outcome announcer_load(struct announcer *announcer, mp_ledger *ledger, struct store *store,
                            uint64_t *block, uint64_t *position, struct error *err) MUST_USE;
/* Writes it in the transaction at hand. */
enum outcome announced_store(struct store *store, const struct announcer *announcer, uint64_t block,
                             uint64_t position, const struct announced_tails *tails,
                             struct error *err) MUST_USE;
/* Makes the event of a type; fills in the record, whose value is `text` and whose event is held. */
void announce_posted(struct announcer *announcer, const struct event_type *type,
                     const struct posted *posted, uint64_t sequence, struct buffer *text,
                     struct bus_record *record);

#endif
