#include "page_reads.h"
#include "read.h"

#include <stdlib.h>

enum { PLAIN_AT_MOST = 2 }; /* so few records aren't worth a ring */

mp_status page_reads_open(struct page_reads *reads, mp_ledger *ledger)
{
    *reads = (struct page_reads){
        .ledger = ledger, .refused = ledger->wal.no_ring || (ledger->flags & MP_OPEN_NO_RING) != 0};
    reads->bytes = aligned_alloc(PAGE_SIZE, (uint64_t)PAGE_READS * PAGE_SIZE);
    if (reads->bytes == NULL) return fail(MP_NO_MEMORY, "no memory to read pages of the log");
    return MP_OK;
}

/* --- reads under way --- */

static void release_file(struct page_reads *reads, uint32_t place)
{
    segment_release(&reads->ledger->wal, segment_of(reads->places[place].position));
}

/* Takes in ended reads; sets their result. */
static int reap(struct page_reads *reads, mp_env_completion *completions)
{
    const mp_env *env = reads->ledger->env;
    int count = env->ring_reap(env->context, reads->ring, completions, PAGE_READS, UINT64_MAX);

    for (int i = 0; i < count; i++) {
        MP_ASSERT(completions[i].user < PAGE_READS);
        MP_ASSERT(reads->places[completions[i].user].state == PLACE_FLYING);
        reads->places[completions[i].user].state = PLACE_READY;
        release_file(reads, (uint32_t)completions[i].user);
        reads->flying--;
    }
    if (count < 0) reads->broken = true;
    return count;
}

static mp_status take_page(struct page_reads *reads, uint32_t place, int64_t result)
{
    return wal_take_page(&reads->ledger->wal, reads->places[place].position, result,
                         page_reads_bytes(reads, place));
}

mp_status page_reads_reap(struct page_reads *reads, uint32_t places[PAGE_READS], unsigned *count)
{
    mp_env_completion completions[PAGE_READS];
    mp_status status = MP_OK;
    int ended;

    MP_ASSERT(reads->flying > 0);
    *count = 0;
    ended = reap(reads, completions);
    if (ended < 0) return fail(MP_IO, "the ring for reading the log failed: open without rings");
    for (int i = 0; i < ended; i++) {
        uint32_t place = (uint32_t)completions[i].user;
        mp_status taken = take_page(reads, place, completions[i].result);

        if (taken == MP_OK) {
            places[(*count)++] = place;
        } else {
            reads->places[place].state = PLACE_FREE;
            status = taken;
        }
    }
    return status;
}

void page_reads_drain(struct page_reads *reads)
{
    mp_env_completion completions[PAGE_READS];

    while (reads->flying > 0 && !reads->broken) {
        int ended = reap(reads, completions);

        for (int i = 0; i < ended; i++)
            reads->places[completions[i].user].state = PLACE_FREE; /* not verified */
    }
    for (unsigned i = 0; i < PAGE_READS; i++) reads->places[i].waiting = 0;
}

void page_reads_close(struct page_reads *reads)
{
    if (reads->ledger == NULL) return;
    page_reads_drain(reads);
    if (reads->ring != NULL)
        reads->ledger->env->ring_close(reads->ledger->env->context, reads->ring);
    for (uint32_t place = 0; place < PAGE_READS; place++) { /* of a broken ring */
        if (reads->places[place].state == PLACE_FLYING) release_file(reads, place);
    }
    free(reads->bytes);
    *reads = (struct page_reads){0};
}

/* --- asking --- */

static uint32_t find_page(const struct page_reads *reads, uint64_t position)
{
    for (uint32_t place = 0; place < PAGE_READS; place++) {
        if (reads->places[place].position == position && reads->places[place].state != PLACE_FREE)
            return place;
    }
    return PLACE_NONE;
}

/* A place that nobody waits for. */
static uint32_t free_place(struct page_reads *reads)
{
    for (unsigned i = 0; i < PAGE_READS; i++) {
        uint32_t place = reads->turn++ % PAGE_READS;

        if (reads->places[place].state != PLACE_FLYING && reads->places[place].waiting == 0)
            return place;
    }
    return PLACE_NONE;
}

static bool have_ring(struct page_reads *reads)
{
    const mp_env *env = reads->ledger->env;

    if (reads->refused || reads->plain) return false;
    if (reads->ring == NULL && env->ring_open(env->context, 2 * PAGE_READS, &reads->ring) < 0) {
        reads->ring = NULL;
        reads->refused = true;
    }
    return reads->ring != NULL;
}

static mp_status start_read(struct page_reads *reads, uint32_t number)
{
    const mp_env *env = reads->ledger->env;
    struct place *place = &reads->places[number];
    uint32_t ordinal = segment_of(place->position);
    uint8_t *bytes = reads->bytes + (uint64_t)number * PAGE_SIZE;
    mp_status status;

    if (have_ring(reads)) {
        int file = segment_file(&reads->ledger->wal, ordinal);

        if (file >= 0 && env->ring_read(env->context, reads->ring, file, bytes, PAGE_SIZE,
                                        place->position - segment_base(ordinal), number) >= 0) {
            place->state = PLACE_FLYING;
            reads->flying++;
            return MP_OK;
        }
        if (file >= 0) segment_release(&reads->ledger->wal, ordinal);
    }
    status = wal_read_page(&reads->ledger->wal, place->position, bytes);
    if (status == MP_OK) place->state = PLACE_READY;
    return status;
}

mp_status page_reads_ask(struct page_reads *reads, uint64_t position, uint32_t *place)
{
    uint8_t *bytes;

    if (reads->broken)
        return fail(MP_IO, "the ring for reading the log failed: open without rings");
    *place = find_page(reads, position);
    if (*place != PLACE_NONE) return MP_OK;
    *place = free_place(reads);
    if (*place == PLACE_NONE) return MP_BUSY;
    reads->places[*place] = (struct place){.position = position};
    bytes = reads->bytes + (uint64_t)*place * PAGE_SIZE;
    if (tail_read_page(&reads->ledger->tail, position, bytes) ||
        wal_cached_page(&reads->ledger->wal, position, bytes)) {
        reads->places[*place].state = PLACE_READY;
        return MP_OK;
    }
    return start_read(reads, *place);
}

/* --- records at known positions --- */

struct fetching {
    struct page_reads reads;
    const uint64_t *positions;
    uint32_t *next; /* of those who wait for the same page, + 1 */
    record_fn fn;
    void *context;
};

static mp_status give(struct fetching *fetching, uint32_t number, uint32_t place)
{
    const uint8_t *page = page_reads_bytes(&fetching->reads, place);
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    uint64_t position = fetching->positions[number];
    struct record_view view;

    if (position % PAGE_SIZE >= trailer->units_used * UNIT_SIZE ||
        !record_view(page + position % PAGE_SIZE, position, trailer->time, &view)) {
        return record_corrupt(fetching->reads.ledger, position,
                              "no record stands where the id index says one does");
    }
    return fetching->fn(fetching->context, number, page, &view);
}

static mp_status give_arrived(struct fetching *fetching)
{
    uint32_t places[PAGE_READS];
    unsigned count;
    mp_status status = page_reads_reap(&fetching->reads, places, &count);

    for (unsigned i = 0; i < count; i++) {
        struct place *place = &fetching->reads.places[places[i]];

        while (place->waiting != 0 && status == MP_OK) {
            uint32_t number = place->waiting - 1;

            place->waiting = fetching->next[number];
            status = give(fetching, number, places[i]);
        }
    }
    return status;
}

static mp_status fetch_one(struct fetching *fetching, uint32_t number)
{
    uint32_t place = PLACE_NONE;
    mp_status status;

    for (;;) {
        status = page_reads_ask(&fetching->reads,
                                fetching->positions[number] / PAGE_SIZE * PAGE_SIZE, &place);
        if (status != MP_BUSY) break;
        status = give_arrived(fetching);
        if (status != MP_OK) return status;
    }
    if (status != MP_OK) return status;
    MP_ASSERT(place < PAGE_READS);
    if (fetching->reads.places[place].state == PLACE_READY) return give(fetching, number, place);
    fetching->next[number] = fetching->reads.places[place].waiting;
    fetching->reads.places[place].waiting = number + 1;
    return MP_OK;
}

mp_status read_records(mp_ledger *ledger, const uint64_t *positions, uint32_t count, record_fn fn,
                       void *context)
{
    struct fetching fetching = {.positions = positions, .fn = fn, .context = context};
    mp_status status = page_reads_open(&fetching.reads, ledger);

    fetching.reads.plain = count <= PLAIN_AT_MOST;
    if (status == MP_OK) {
        fetching.next = malloc(((uint64_t)count + 1) * sizeof *fetching.next);
        if (fetching.next == NULL)
            status = fail(MP_NO_MEMORY, "no memory to look up %u records", count);
    }
    for (uint32_t i = 0; i < count && status == MP_OK; i++) {
        if (positions[i] != 0) status = fetch_one(&fetching, i);
    }
    while (status == MP_OK && fetching.reads.flying > 0) status = give_arrived(&fetching);
    free(fetching.next);
    page_reads_close(&fetching.reads);
    return status;
}
