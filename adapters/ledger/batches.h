/* Requests to the engine that are being filled or under way; the port's own. */
#ifndef ADAPTERS_LEDGER_BATCHES_H
#define ADAPTERS_LEDGER_BATCHES_H

#include "ledger/port.h"

/* What to do with the result of a chain. */
enum entry_purpose {
    ENTRY_CHAIN, /* answer it */
    ENTRY_BIND,  /* the port's own bind_id, behind a refusal that binds nothing */
};

/* A refusal that waits until its first id is bound. */
struct refusal {
    struct chain chain;
    uint32_t code, broke;
};

/* One chain of a batch. */
struct entry {
    uint32_t listener;
    uint32_t first, count; /* events */
    enum entry_purpose purpose;
    struct uuid reply;
    struct refusal *refusal; /* ENTRY_BIND; owned */
};

/* One request; all its chains are of one operation. Or one that came whole: then events and
 * results are the asker's, and there are no entries. */
struct batch {
    mp_request request;
    void (*whole_done)(void *context, mp_status status); /* NULL: it is made of chains */
    void *whole_context;
    struct batch *next;
    uint64_t number; /* of the submission */
    uint32_t event_room, entry_room, entry_count;
    uint8_t *events;
    mp_result *results;
    mp_result_sums *sums;
    struct entry *entries;
};

/* The size of an event of an operation. */
size_t operation_event_size(uint32_t operation);
struct batch *batch_make(void);
void batch_free(struct batch *batch);
/* Whether a chain of so many events has room. */
bool batch_has_room(const struct batch *batch, uint32_t events);
/* Adds a chain; the batch has room for it and is of its operation, or empty. */
struct entry *batch_add(struct batch *batch, const struct chain *chain);
/* The chain of an entry, with its linked flags as they were given. */
void batch_chain(const struct batch *batch, const struct entry *entry, struct chain *out);

#endif
