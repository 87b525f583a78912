/* What was posted as events. */
#include "announce.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct announced_tails) == 8 * ANNOUNCED_PARTITIONS, "is stored as it is");

/* --- how far they are --- */

static const struct store_statement select_announced = {
    "read how far the log is announced",
    "SELECT timeline, block, position, tails FROM announced WHERE only = 1"};
static const struct store_statement upsert_announced = {
    "store how far the log is announced",
    "INSERT INTO announced (only, timeline, block, position, tails) VALUES (1, $1, $2, $3, $4)"
    " ON CONFLICT (only) DO UPDATE SET timeline = $1, block = $2, position = $3, tails = $4"};

struct stored {
    uint8_t timeline[16];
    uint64_t block, position;
    struct announced_tails tails;
    bool sound;
};

static void on_row(void *context, const struct store_row *row)
{
    struct stored *stored = context;

    stored->block = (uint64_t)store_read_integer(row, 1);
    stored->position = (uint64_t)store_read_integer(row, 2);
    stored->sound = row->values[0].length == sizeof stored->timeline &&
                    row->values[3].length == sizeof stored->tails;
    if (!stored->sound) return;
    memcpy(stored->timeline, row->values[0].bytes, sizeof stored->timeline);
    memcpy(&stored->tails, row->values[3].bytes, sizeof stored->tails);
}

static void name_source(struct announcer *announcer, const mp_stats *stats)
{
    char incarnation[33];

    memcpy(announcer->timeline, &stats->timeline_high, 8);
    memcpy(announcer->timeline + 8, &stats->timeline_low, 8);
    snprintf(incarnation, sizeof incarnation, "%016llx%016llx",
             (unsigned long long)stats->timeline_high, (unsigned long long)stats->timeline_low);
    envelope_source("transaction", ANNOUNCED_LANE, incarnation, announcer->source);
}

enum outcome announcer_load(struct announcer *announcer, mp_ledger *ledger, struct store *store,
                            uint64_t *block, uint64_t *position, struct error *err)
{
    struct stored stored = {.sound = true};
    mp_stats stats;

    mp_read_stats(ledger, &stats);
    name_source(announcer, &stats);
    if (store_begin(store, err) != OUTCOME_DONE) return err->outcome;
    if (store_query(store, &select_announced, NULL, 0, on_row, &stored, err) != OUTCOME_DONE ||
        store_sync(store, err) != OUTCOME_DONE) {
        store_rollback(store);
        return err->outcome;
    }
    if (store_commit(store, err) != OUTCOME_DONE) return err->outcome;
    if (!stored.sound)
        return error_set(err, REASON_CORRUPT, "cannot understand how far the log is announced");
    *block = *position = 0;
    if (memcmp(stored.timeline, announcer->timeline, sizeof stored.timeline) != 0)
        return OUTCOME_DONE;
    if (stored.position > stats.position) {
        error_set(err, REASON_CORRUPT, "the ledger is older than what was announced of it");
        error_detail(err, "The log ends at %llu; announced is all up to %llu.",
                     (unsigned long long)stats.position, (unsigned long long)stored.position);
        error_hint(err, "Bring the ledger's newest files back.");
        return err->outcome;
    }
    *block = stored.block;
    *position = stored.position;
    announcer->tails = stored.tails;
    return OUTCOME_DONE;
}

enum outcome announced_store(struct store *store, const struct announcer *announcer, uint64_t block,
                             uint64_t position, const struct announced_tails *tails,
                             struct error *err)
{
    struct store_value arguments[] = {
        store_bytes(announcer->timeline, sizeof announcer->timeline),
        store_integer((int64_t)block),
        store_integer((int64_t)position),
        store_bytes(tails, sizeof *tails),
    };

    return store_exec(store, &upsert_announced, arguments, 4, 1, err);
}

/* --- events --- */

/* created, settled and reversed begin alike */
#define FILL(event, name)                                                                          \
    do {                                                                                           \
        (event)->transaction = uuid_of_id(posted->first);                                          \
        (event)->transfers = posted->count;                                                        \
        (event)->ledger = posted->book->number;                                                    \
        (event)->amount = posted->amount;                                                          \
        memcpy((event)->currency.code, posted->book->currency->code, 4);                           \
        (event)->present |= RECORD_BIT(name, currency);                                            \
        if (posted->payment != 0) {                                                                \
            (event)->payment = uuid_of_id(posted->payment);                                        \
            (event)->present |= RECORD_BIT(name, payment);                                         \
        }                                                                                          \
        if (!posted->bulk) {                                                                       \
            (event)->debit.uuid = uuid_of_id(posted->debit);                                       \
            (event)->credit.uuid = uuid_of_id(posted->credit);                                     \
            (event)->present |= RECORD_BIT(name, debit) | RECORD_BIT(name, credit);                \
        }                                                                                          \
    } while (0)
#define FILL_EFFECTIVE(event, name)                                                                \
    do {                                                                                           \
        if (posted->effective_ns == 0) break;                                                      \
        (event)->effective_at = posted->effective_ns;                                              \
        (event)->present |= RECORD_BIT(name, effective_at);                                        \
    } while (0)

union data {
    struct transaction_created_event created;
    struct transaction_settled_event settled;
    struct transaction_reversed_event reversed;
};

static void fill(const struct event_type *type, const struct posted *posted, union data *out)
{
    memset(out, 0, sizeof *out);
    if (type == EVENT_TYPE(transaction_created)) {
        FILL(&out->created, transaction_created_event);
        FILL_EFFECTIVE(&out->created, transaction_created_event);
    } else if (type == EVENT_TYPE(transaction_settled)) {
        FILL(&out->settled, transaction_settled_event);
        FILL_EFFECTIVE(&out->settled, transaction_settled_event);
    } else {
        FILL(&out->reversed, transaction_reversed_event);
        out->reversed.reverses = uuid_of_id(posted->reverses);
    }
}

/* UUIDv7 of the fact's time; what is random elsewhere follows from ledger, sequence and type. */
static struct uuid event_id(const struct announcer *announcer, const struct event_type *type,
                            const struct posted *posted)
{
    struct hash_field fields[] = {
        {announcer->timeline, sizeof announcer->timeline},
        {&posted->sequence, sizeof posted->sequence},
        {type->name, strlen(type->name)},
    };
    uint8_t hash[32];

    hash_fields(fields, 3, hash);
    return uuid_7(posted->timestamp, hash);
}

void announce_posted(struct announcer *announcer, const struct event_type *type,
                     const struct posted *posted, uint64_t sequence, struct buffer *text,
                     struct bus_record *record)
{
    struct envelope envelope = {
        .id = event_id(announcer, type, posted),
        .sequence = sequence,
        .major = type->major,
        .subject = uuid_of_id(posted->payment != 0 ? posted->payment : posted->first),
        .time_ns = posted->timestamp,
        .live = posted->book->books.live,
        .ledger_sequence = posted->sequence,
    };
    union data data;

    fill(type, posted, &data);
    record->topic = type->topic;
    record->key = envelope.subject;
    record->partition = topic_partition(record->topic, record->key);
    envelope.prev = announcer->tails.sequences[record->partition];
    announcer->tails.sequences[record->partition] = sequence;
    memcpy(envelope.source, announcer->source, sizeof envelope.source);
    snprintf(envelope.type, sizeof envelope.type, "%s", type->name);
    memcpy(envelope.tenant, posted->book->books.tenant, sizeof posted->book->books.tenant);
    envelope_print_head(envelope.source, envelope.sequence, envelope.prev, text);
    envelope_print_body(&envelope, type, &data, text);
    record->value = text->bytes;
    record->length = text->length;
    record->event = event_make(&envelope, type, &data);
}
