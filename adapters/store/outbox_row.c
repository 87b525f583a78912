/*
 * The form of an outbox row: its events one behind the other, each of them
 *
 *     4 bytes  length of the body
 *     1 byte   length of the topic's name
 *     16       the key
 *              the topic's name, the body (bus/envelope.h)
 */
#include "store/outbox.h"

#include <stdlib.h>
#include <string.h>

struct head {
    uint32_t body;
    uint8_t topic;
    struct uuid key;
} __attribute__((packed));

void outbox_row_add(struct buffer *bytes, const struct topic *topic, struct uuid key,
                    const char *body, size_t length)
{
    size_t topic_length = strlen(topic->name);
    struct head head = {(uint32_t)length, (uint8_t)topic_length, key};

    buffer_add(bytes, &head, sizeof head);
    buffer_add(bytes, topic->name, topic_length);
    buffer_add(bytes, body, length);
}

static const struct topic *topic_of(const char *name, size_t length)
{
    char text[256]; /* a length of one byte */

    memcpy(text, name, length);
    text[length] = '\0';
    return topic_find(text);
}

/* Fills in one event from the bytes at *at, and moves behind it. */
static bool read_event(struct outbox_row *row, struct outbox_event *event, size_t *at)
{
    struct head head;
    const char *name = row->bytes + *at + sizeof head;

    if (row->size - *at < sizeof head) return false;
    memcpy(&head, row->bytes + *at, sizeof head);
    *at += sizeof head;
    if (row->size - *at < head.topic || row->size - *at - head.topic < head.body) return false;
    *at += (size_t)head.topic + head.body;
    event->row = row;
    event->body = name + head.topic;
    event->length = head.body;
    event->record.key = head.key;
    event->record.topic = topic_of(name, head.topic);
    if (event->record.topic == NULL) return false;
    event->record.partition = topic_partition(event->record.topic, head.key);
    return true;
}

struct outbox_row *outbox_row_make(char *bytes, size_t size, unsigned count)
{
    struct outbox_row *row;
    size_t at = 0;

    if (count == 0 || count > size / sizeof(struct head)) {
        free(bytes);
        return NULL;
    }
    row = need_memory(sizeof *row + count * sizeof row->events[0]);
    row->bytes = bytes;
    row->size = size;
    row->memory = sizeof *row + count * sizeof row->events[0] + size;
    row->count = row->unconfirmed = count;
    for (unsigned i = 0; i < count; i++)
        if (!read_event(row, &row->events[i], &at)) at = SIZE_MAX, i = count;
    if (at == size) return row;
    outbox_row_free(row);
    return NULL;
}

void outbox_row_free(struct outbox_row *row)
{
    if (row == NULL) return;
    for (unsigned i = 0; i < row->count; i++) {
        free((char *)row->events[i].record.value);
        event_release(row->events[i].event);
    }
    free(row->bytes);
    free(row);
}
