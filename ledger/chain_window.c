#include "chain_window.h"

#include <stdlib.h>

enum { PLAIN_AT_MOST = 3 }; /* so few records aren't worth a ring */

struct window_entry {
    uint64_t position; /* 0 = not known yet */
    uint32_t next;     /* in the queue, or of those who wait for the same page, + 1 */
    struct chain_record record;
};

void window_open(struct chain_window *window, mp_ledger *ledger, uint32_t slot)
{
    *window = (struct chain_window){.ledger = ledger, .slot = slot, .low = 1};
}

void window_close(struct chain_window *window)
{
    page_reads_close(&window->reads);
    free(window->entries);
    window->entries = NULL;
}

const struct chain_record *window_record(const struct chain_window *window, uint64_t number)
{
    MP_ASSERT(number >= window->low && number <= window->high);
    return &window->entries[number - window->low].record;
}

/* A record's position has become known. */
static mp_status learn(struct chain_window *window, uint64_t number, uint64_t position)
{
    struct window_entry *entry;
    uint32_t index;

    if (number < window->low) return MP_OK;
    index = (uint32_t)(number - window->low);
    entry = &window->entries[index];
    if (entry->position != 0) {
        if (entry->position == position) return MP_OK;
        return record_corrupt(window->ledger, position,
                              "two records of an account disagree about where a third stands");
    }
    entry->position = position;
    entry->next = 0;
    if (window->first == 0)
        window->first = index + 1;
    else
        window->entries[window->last - 1].next = index + 1;
    window->last = index + 1;
    return MP_OK;
}

/* An entry's page is here. */
static mp_status take(struct chain_window *window, uint32_t index, uint32_t place)
{
    struct window_entry *entry = &window->entries[index];
    struct chain_record *record = &entry->record;
    mp_status status =
        chain_take(window->ledger, window->slot, page_reads_bytes(&window->reads, place),
                   entry->position, window->low + index, record);

    if (status != MP_OK) return status;
    window->missing--;
    if (record->jump != 0) status = learn(window, chain_jump_number(record->number), record->jump);
    if (status == MP_OK && record->previous != 0)
        status = learn(window, record->number - 1, record->previous);
    return status;
}

static mp_status take_arrived(struct chain_window *window)
{
    uint32_t places[PAGE_READS];
    unsigned count;
    mp_status status = page_reads_reap(&window->reads, places, &count);

    for (unsigned i = 0; i < count; i++) {
        struct place *place = &window->reads.places[places[i]];

        while (place->waiting != 0 && status == MP_OK) {
            uint32_t index = place->waiting - 1;

            place->waiting = window->entries[index].next;
            status = take(window, index, places[i]);
        }
    }
    return status;
}

/* Asks for the first entry of the queue. */
static mp_status ask(struct chain_window *window)
{
    uint32_t index = window->first - 1;
    struct window_entry *entry = &window->entries[index];
    uint32_t place;
    mp_status status =
        page_reads_ask(&window->reads, entry->position / PAGE_SIZE * PAGE_SIZE, &place);

    if (status == MP_BUSY) return take_arrived(window);
    if (status != MP_OK) return status;
    window->first = entry->next;
    if (window->reads.places[place].state == PLACE_READY) return take(window, index, place);
    entry->next = window->reads.places[place].waiting;
    window->reads.places[place].waiting = index + 1;
    return MP_OK;
}

static mp_status make_room(struct chain_window *window, uint32_t count)
{
    if (window->reads.ledger == NULL) {
        mp_status status = page_reads_open(&window->reads, window->ledger);

        if (status != MP_OK) return status;
    }
    window->reads.plain = count <= PLAIN_AT_MOST;
    if (count > window->room) {
        struct window_entry *entries = realloc(window->entries, count * sizeof *entries);

        if (entries == NULL)
            return fail(MP_NO_MEMORY, "no memory for %u records of a statement", count);
        window->entries = entries;
        window->room = count;
    }
    for (uint32_t i = 0; i < count; i++) window->entries[i].position = 0;
    return MP_OK;
}

mp_status window_load(struct chain_window *window, uint64_t low, uint64_t high, uint64_t position)
{
    uint32_t count = (uint32_t)(high - low + 1);
    mp_status status;

    MP_ASSERT(low >= 1 && low <= high && high - low < WINDOW_MAX);
    status = make_room(window, count);
    if (status != MP_OK) return status;
    window->low = low;
    window->high = high;
    window->first = window->last = 0;
    window->missing = count;
    status = learn(window, high, position);
    while (status == MP_OK && window->missing > 0) {
        status = window->first != 0 ? ask(window) : take_arrived(window);
    }
    if (status == MP_OK) return MP_OK;
    page_reads_drain(&window->reads);
    window->low = window->high + 1;
    return status;
}
