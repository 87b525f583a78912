/* Parked events: the rows, and in memory how many of each key there are. */
#include "store/parked_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const struct store_statement select_counts = {
    "read which keys are parked",
    "SELECT reader, topic, key, COUNT(*), MAX(number) FROM parked GROUP BY reader, topic, key"};
static const struct store_statement insert_row = {
    "park an event",
    "INSERT INTO parked (number, reader, topic, partition, position, key, parked_at, reason,"
    " message, value) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"};
static const struct store_statement delete_row = {"delete a parked event",
                                                  "DELETE FROM parked WHERE number = $1"};

/* A reader, topic and key, by their hash; count 0 = none any more. */
struct key_count {
    XXH128_hash_t hash;
    unsigned count;
    bool used;
};

struct parked {
    struct turns *turns;
    struct key_count *table; /* hash table, at most half full */
    unsigned room, used;
    unsigned total;
    unsigned told;  /* total, as the loop may ask for it */
    int64_t newest; /* number */

    struct parking *adds; /* of this turn */
    unsigned add_count, add_room;
    int64_t *removes; /* numbers */
    unsigned remove_count, remove_room;
};

/* --- keys --- */

static XXH128_hash_t hash_of(const char *reader, const char *topic, struct uuid key)
{
    char bytes[160];
    int length = snprintf(bytes, sizeof bytes - sizeof key, "%s/%s/", reader, topic);
    size_t at =
        (size_t)length < sizeof bytes - sizeof key ? (size_t)length : sizeof bytes - sizeof key;

    memcpy(bytes + at, &key, sizeof key);
    return XXH3_128bits(bytes, at + sizeof key);
}

static struct key_count *place_of(const struct parked *parked, XXH128_hash_t hash)
{
    unsigned at = (unsigned)hash.low64 & (parked->room - 1);

    while (parked->table[at].used && !XXH128_isEqual(parked->table[at].hash, hash))
        at = (at + 1) & (parked->room - 1);
    return &parked->table[at];
}

static void grow(struct parked *parked)
{
    struct key_count *before = parked->table;
    unsigned room = parked->room;

    parked->room = room > 0 ? 2 * room : 64;
    parked->table = need_memory(parked->room * sizeof *parked->table);
    parked->used = 0;
    for (unsigned i = 0; i < room; i++) {
        if (!before[i].used || before[i].count == 0) continue;
        *place_of(parked, before[i].hash) = before[i];
        parked->used++;
    }
    free(before);
}

static void count_key(struct parked *parked, XXH128_hash_t hash, unsigned count)
{
    struct key_count *place = place_of(parked, hash);

    if (!place->used) {
        if (2 * (parked->used + 1) > parked->room) {
            grow(parked);
            place = place_of(parked, hash);
        }
        *place = (struct key_count){.hash = hash, .used = true};
        parked->used++;
    }
    place->count += count;
    parked->total += count;
}

bool parked_has(const struct parked *parked, const char *reader, const char *topic, struct uuid key)
{
    return parked->total > 0 && place_of(parked, hash_of(reader, topic, key))->count > 0;
}

/* --- a turn --- */

unsigned parked_waiting(const struct parked *parked, const struct parked_event *event)
{
    return place_of(parked, hash_of(event->reader, event->topic, event->key))->count;
}

bool parked_add(struct parked *parked, const struct parking *parking, struct error *err)
{
    XXH128_hash_t hash = hash_of(parking->reader, parking->topic, parking->key);
    const struct key_count *place = place_of(parked, hash);

    if (place->count >= PARKED_MAX || (!place->used && parked->used >= PARKED_KEYS_MAX)) {
        error_set(err, REASON_OUT_OF_SPACE, "could not park an event of %s/%u: %s", parking->topic,
                  parking->partition,
                  place->used ? "its key has too many already" : "too many keys are parked");
        error_hint(err,
                   "Apply or drop what is parked (micropay dlq), then let the partition go on.");
        return false;
    }
    if (parked->add_count == parked->add_room) {
        parked->add_room = parked->add_room > 0 ? 2 * parked->add_room : 16;
        parked->adds = need_more_memory(parked->adds, parked->add_room * sizeof *parked->adds);
    }
    parked->adds[parked->add_count++] = *parking;
    count_key(parked, hash, 1);
    return true;
}

void parked_remove(struct parked *parked, const struct parked_event *event)
{
    struct key_count *place = place_of(parked, hash_of(event->reader, event->topic, event->key));

    if (parked->remove_count == parked->remove_room) {
        parked->remove_room = parked->remove_room > 0 ? 2 * parked->remove_room : 16;
        parked->removes =
            need_more_memory(parked->removes, parked->remove_room * sizeof *parked->removes);
    }
    parked->removes[parked->remove_count++] = event->number;
    if (place->count == 0) return; /* somebody else has deleted it: the delete will say so */
    place->count--;
    parked->total--;
}

static void on_count(void *context, const struct store_row *row)
{
    struct parked *parked = context;
    int64_t newest = store_read_integer(row, 4);
    char reader[64], topic[64];

    store_read_text(row, 0, reader, sizeof reader);
    store_read_text(row, 1, topic, sizeof topic);
    count_key(parked, hash_of(reader, topic, store_read_uuid(row, 2)),
              (unsigned)store_read_integer(row, 3));
    if (newest > parked->newest) parked->newest = newest;
}

enum outcome parked_load(struct parked *parked, struct error *err)
{
    memset(parked->table, 0, parked->room * sizeof *parked->table);
    parked->used = parked->total = 0;
    return store_query(parked->turns->store, &select_counts, NULL, 0, on_count, parked, err);
}

static enum outcome insert(struct store *store, int64_t number, uint64_t now_ns,
                           const struct parking *add, struct error *err)
{
    struct store_value arguments[] = {
        store_integer(number),
        store_text(add->reader),
        store_text(add->topic),
        store_integer(add->partition),
        store_integer((int64_t)add->position),
        store_bytes(add->key.bytes, sizeof add->key.bytes),
        store_integer((int64_t)now_ns),
        store_text(add->reason),
        store_text(add->message),
        store_bytes(add->value, add->length),
    };

    return store_exec(store, &insert_row, arguments, 10, 1, err);
}

enum outcome parked_write(struct parked *parked, struct turn *turn, struct error *err)
{
    struct store *store = parked->turns->store;

    for (unsigned i = 0; i < parked->remove_count; i++) {
        struct store_value number = store_integer(parked->removes[i]);

        if (store_exec(store, &delete_row, &number, 1, 1, err) != OUTCOME_DONE) return err->outcome;
    }
    for (unsigned i = 0; i < parked->add_count; i++)
        if (insert(store, ++parked->newest, turn->now_ns, &parked->adds[i], err) != OUTCOME_DONE)
            return err->outcome;
    return OUTCOME_DONE;
}

void parked_end(struct parked *parked, bool committed)
{
    (void)committed; /* after a turn that failed all is loaded again */
    parked->add_count = parked->remove_count = 0;
    parked->told = parked->total;
}

void parked_state(const struct parked *parked, struct turns_state *out)
{
    out->parked = parked->told;
}

struct parked *parked_make(struct turns *turns)
{
    struct parked *parked = need_memory(sizeof *parked);

    parked->turns = turns;
    grow(parked);
    return parked;
}

void parked_free(struct parked *parked)
{
    free(parked->table);
    free(parked->adds);
    free(parked->removes);
    free(parked);
}
