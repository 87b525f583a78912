/* A ring of events. */
#include "kept.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

static void drop_oldest(struct kept *kept)
{
    struct kept_event *row = &kept->rows[kept->first];

    kept->bytes -= row->length;
    event_release(row->event);
    free(row->text);
    kept->first = (kept->first + 1) % KEPT_MAX;
    kept->count--;
}

void kept_add(struct kept *kept, const struct bus_message *message)
{
    struct kept_event *row;

    while (kept->count > 0 &&
           (kept->count == KEPT_MAX || kept->bytes + message->length > KEPT_BYTES_MAX))
        drop_oldest(kept);
    row = &kept->rows[(kept->first + kept->count++) % KEPT_MAX];
    *row = (struct kept_event){
        .position = ++kept->newest,
        .subject = message->event->envelope.subject,
        .event = event_hold(message->event),
        .text = need_memory(message->length + 1),
        .length = message->length,
    };
    memcpy(row->text, message->value, message->length);
    kept->bytes += row->length;
}

const struct kept_event *kept_at(const struct kept *kept, unsigned i)
{
    return &kept->rows[(kept->first + i) % KEPT_MAX];
}

unsigned kept_behind(const struct kept *kept, uint64_t position)
{
    uint64_t oldest = kept->newest - kept->count; /* position before the first that is kept */

    if (position <= oldest) return 0;
    return position >= kept->newest ? kept->count : (unsigned)(position - oldest);
}

void kept_done(struct kept *kept)
{
    while (kept->count > 0) drop_oldest(kept);
}
