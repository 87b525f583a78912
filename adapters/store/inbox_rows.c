/* The inbox's rows: position and sources of each partition. */
#include "store/inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct store_statement select_rows = {
    "read how far a reader is",
    "SELECT topic, partition, position, whole, sources FROM inbox WHERE reader = $1"};
static const struct store_statement insert_row = {
    "store where a reader begins",
    "INSERT INTO inbox (reader, topic, partition, position, whole, sources)"
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (reader, topic, partition) DO NOTHING"};
static const struct store_statement update_row = {
    "move a reader on", "UPDATE inbox SET position = $4, whole = $5, sources = $6"
                        " WHERE reader = $1 AND topic = $2 AND partition = $3 AND position = $7"};

/* --- sources --- */

/* Length of the part of a source's name that says which lane it is: up to the last slash. */
static size_t lane_length(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash != NULL ? (size_t)(slash - name) : strlen(name);
}

/* The entry of a source's lane; NULL if there is none. */
static struct source *lane_of(const struct inbox_partition *partition, const char *name)
{
    size_t length = lane_length(name);

    for (unsigned i = 0; i < partition->source_count; i++) {
        struct source *source = &partition->sources[i];

        if (lane_length(source->name) == length && memcmp(source->name, name, length) == 0)
            return source;
    }
    return NULL;
}

enum arrival inbox_arrival(struct inbox_partition *partition, const struct envelope *envelope,
                           struct error *err)
{
    const struct source *lane = lane_of(partition, envelope->source);
    bool same = lane != NULL && strcmp(lane->name, envelope->source) == 0;
    uint64_t have = same ? lane->sequence : 0;

    if (same && envelope->sequence <= have) return ARRIVAL_AGAIN;
    if (envelope->prev <= have) return ARRIVAL_NEW;
    /* nothing is known of a source that is new here, unless all was read from the beginning */
    if (!same && lane == NULL && !partition->whole) return ARRIVAL_NEW;
    if (partition->forgives && !partition->forgiven) {
        partition->forgiven = true;
        return ARRIVAL_NEW;
    }
    error_set(err, REASON_INTERNAL, "cannot read on in %s/%u: events are missing",
              partition->topic->name, partition->index);
    error_detail(err, "The next one of %s comes after %llu, what came last was %llu.",
                 envelope->source, (unsigned long long)envelope->prev, (unsigned long long)have);
    error_hint(err, "Find out what became of them, then let the partition go on.");
    return ARRIVAL_GAP;
}

static void set_source(struct inbox_partition *partition, const char *name, uint64_t sequence)
{
    struct source *source = lane_of(partition, name);

    if (source == NULL) {
        partition->sources = need_more_memory(partition->sources, (partition->source_count + 1) *
                                                                      sizeof *partition->sources);
        source = &partition->sources[partition->source_count++];
    }
    snprintf(source->name, sizeof source->name, "%s", name);
    source->sequence = sequence;
}

void inbox_note(struct inbox_partition *partition, const struct envelope *envelope)
{
    if (envelope->sequence > 0) set_source(partition, envelope->source, envelope->sequence);
}

static void print_sources(const struct inbox_partition *partition, struct buffer *out)
{
    for (unsigned i = 0; i < partition->source_count; i++)
        buffer_format(out, "%s %llu\n", partition->sources[i].name,
                      (unsigned long long)partition->sources[i].sequence);
}

static bool read_sources(struct inbox_partition *partition, const char *text, size_t length)
{
    char line[SOURCE_MAX + 32], name[SOURCE_MAX + 1];
    unsigned long long sequence;

    partition->source_count = 0;
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t size = end != NULL ? (size_t)(end - text) : sizeof line;

        if (size >= sizeof line) return false;
        memcpy(line, text, size);
        line[size] = '\0';
        if (sscanf(line, "%79s %llu", name, &sequence) != 2) return false;
        set_source(partition, name, sequence);
        text += size + 1;
        length -= size + 1;
    }
    return true;
}

/* --- rows --- */

struct reading {
    struct inbox *inbox;
    bool damaged;
};

static void on_row(void *context, const struct store_row *row)
{
    struct reading *reading = context;
    struct inbox_partition *partition;
    const struct topic *topic;
    uint64_t position = (uint64_t)store_read_integer(row, 2);
    char name[64];

    store_read_text(row, 0, name, sizeof name);
    topic = topic_find(name);
    if (topic == NULL) return;
    partition = inbox_partition_of(reading->inbox, topic, (unsigned)store_read_integer(row, 1));
    if (partition == NULL) return; /* of a topic that is read no more */
    /* somebody has put it back while the bus was read on */
    if (partition->known && position < partition->durable) partition->seeks = true;
    partition->known = true;
    partition->position = partition->durable = position;
    partition->whole = store_read_integer(row, 3) != 0;
    if (!read_sources(partition, row->values[4].bytes, row->values[4].length))
        reading->damaged = true;
}

enum outcome inbox_load(struct inbox *inbox, struct error *err)
{
    struct store *store = inbox->turns->store;
    struct store_value reader = store_text(inbox->reader);
    struct reading reading = {.inbox = inbox};

    for (unsigned i = 0; i < inbox->partition_count; i++) {
        struct inbox_partition *partition = &inbox->partitions[i];

        if (partition->known) continue;
        partition->position = 0;
        partition->source_count = 0;
    }
    if (store_query(store, &select_rows, &reader, 1, on_row, &reading, err) != OUTCOME_DONE ||
        store_sync(store, err) != OUTCOME_DONE)
        return err->outcome;
    if (reading.damaged)
        return error_set(err, REASON_CORRUPT, "cannot understand how far the reader %s is",
                         inbox->reader);
    return OUTCOME_DONE;
}

enum outcome inbox_write(struct inbox *inbox, struct error *err)
{
    struct buffer sources = {0};
    enum outcome outcome = OUTCOME_DONE;

    for (unsigned i = 0; i < inbox->partition_count && outcome == OUTCOME_DONE; i++) {
        const struct inbox_partition *partition = &inbox->partitions[i];
        struct store_value arguments[] = {
            store_text(inbox->reader),
            store_text(partition->topic->name),
            store_integer(partition->index),
            store_integer((int64_t)partition->position),
            store_integer(partition->whole),
            {.kind = STORE_NULL},
            store_integer((int64_t)partition->durable),
        };

        if (!partition->touched) continue;
        buffer_clear(&sources);
        print_sources(partition, &sources);
        arguments[5] = store_text(buffer_str(&sources));
        outcome = partition->known
                      ? store_exec(inbox->turns->store, &update_row, arguments, 7, 1, err)
                      : store_exec(inbox->turns->store, &insert_row, arguments, 6, 1, err);
    }
    buffer_done(&sources);
    return outcome;
}
