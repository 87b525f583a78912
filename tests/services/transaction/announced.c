/* What micropay.transaction has. */
#include "transaction/announced.h"

#include "ledger/ids.h"
#include "wire/buffer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 20000 };

static struct announced *events;
static unsigned event_count;
static struct platform *read_from;

static void forget_all(void)
{
    for (unsigned i = 0; i < event_count; i++) {
        event_release(events[i].event);
        free(events[i].text);
    }
    event_count = 0;
}

/* The part of an event that readers compare: all of it. */
static void take(const struct bus_message *message)
{
    const struct envelope *envelope = &message->event->envelope;
    struct announced *last = NULL;

    for (unsigned i = 0; i < event_count; i++) {
        struct announced *e = &events[i];

        if (e->partition != message->partition || strcmp(e->source, envelope->source) != 0)
            continue;
        if (e->sequence == envelope->sequence) {
            e->times++;
            cr_assert(strlen(e->text) == message->length &&
                          memcmp(e->text, message->value, message->length) == 0,
                      "another under the same number: %s", e->text);
            return;
        }
        if (last == NULL || e->sequence > last->sequence) last = e;
    }
    cr_assert(last == NULL || envelope->sequence > last->sequence, "%s/%llu comes too late",
              envelope->source, (unsigned long long)envelope->sequence);
    cr_assert_eq(envelope->prev, last != NULL ? last->sequence : 0, "%s/%llu names another before",
                 envelope->source, (unsigned long long)envelope->sequence);
    cr_assert_lt(event_count, EVENTS_MAX);
    events[event_count] = (struct announced){
        .event = event_hold(message->event),
        .sequence = envelope->sequence,
        .partition = message->partition,
        .times = 1,
    };
    strcpy(events[event_count].source, envelope->source);
    events[event_count].text = strndup(message->value, message->length);
    event_count++;
}

static void on_records(void *context, const struct bus_message *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_not_null(messages[i].event, "%.*s", (int)messages[i].length, messages[i].value);
        take(&messages[i]);
    }
    bus_ready(process_bus(platform_process(read_from)), context);
}

static void failed(void *context, const struct topic *topic, unsigned partition,
                   const struct error *err)
{
    (void)context;
    cr_assert(false, "%s/%u: %s", topic->name, partition, err->message);
}

static uint64_t from_the_start(void *context, const struct topic *topic, unsigned partition)
{
    (void)context;
    (void)topic;
    (void)partition;
    return 0;
}

static int by_sequence(const void *a, const void *b)
{
    uint64_t first = ((const struct announced *)a)->sequence,
             second = ((const struct announced *)b)->sequence;

    return first < second ? -1 : first > second;
}

const struct announced *announced(struct platform *platform, unsigned *count)
{
    static const struct topic *topics_read[] = {&topics[TOPIC_transaction], NULL};
    struct bus_reader reader = {
        .group = "test",
        .topics = topics_read,
        .position = from_the_start,
        .records = on_records,
        .failed = failed,
    };
    struct bus *bus = process_bus(platform_process(platform));
    struct error err = {0};

    if (events == NULL) events = need_memory(EVENTS_MAX * sizeof *events);
    forget_all();
    read_from = platform;
    reader.context = &reader;
    cr_assert_eq(bus_join(bus, &reader, &err), OUTCOME_DONE, "%s", err.message);
    platform_pass(platform, 1);
    bus_leave(bus, &reader);
    qsort(events, event_count, sizeof *events, by_sequence);
    *count = event_count;
    return events;
}

unsigned announced_of(struct platform *platform, const char *type)
{
    unsigned count, of_type = 0;
    const struct announced *all = announced(platform, &count);

    for (unsigned i = 0; i < count; i++) of_type += strcmp(all[i].event->envelope.type, type) == 0;
    return of_type;
}

/* All types begin alike: created's fields will do for what they share. */
static const struct transaction_created_event *data_of(const struct announced *e)
{
    return e->event->data;
}

const char *announced_text(struct platform *platform)
{
    static struct buffer text;
    unsigned count;
    const struct announced *all = announced(platform, &count);

    buffer_clear(&text);
    for (unsigned i = 0; i < count; i++)
        buffer_format(&text, "%s%s %llu %llu", i > 0 ? "; " : "",
                      all[i].event->envelope.type + strlen("transaction."),
                      (unsigned long long)data_of(&all[i])->transfers,
                      (unsigned long long)data_of(&all[i])->amount);
    return buffer_str(&text);
}

/* --- against the ledger --- */

struct sums {
    unsigned transfers;
    mp_amount amount;
};

static void add(struct sums *sums, uint64_t transfers, mp_amount amount)
{
    sums->transfers += (unsigned)transfers;
    sums->amount += amount;
}

/* What is posted, but platform's reversals, and these. */
static void sum_ledger(mp_ledger *ledger, struct sums *posted, struct sums *reversed)
{
    static mp_change changes[1024];
    mp_change_filter filter = {.limit = 1024};
    uint32_t count;

    do {
        cr_assert_eq(mp_changes(ledger, &filter, changes, &count), MP_OK);
        for (uint32_t i = 0; i < count; i++) {
            const mp_transfer *t = &changes[i].transfer;
            bool platforms = t->code >= 100 && t->code <= 399;

            filter.after = changes[i].position;
            switch (changes[i].type) {
            case MP_CHANGE_REVERSAL: add(platforms ? reversed : posted, 1, t->amount); break;
            case MP_CHANGE_SINGLE_PHASE:
            case MP_CHANGE_TWO_PHASE_POSTED:
            case MP_CHANGE_TWO_PHASE_PART_POSTED: add(posted, 1, t->amount); break;
            default: break;
            }
        }
    } while (count == 1024);
}

void announced_check(struct platform *platform)
{
    struct sums posted = {0}, reversed = {0}, created = {0}, settled = {0}, undone = {0};
    unsigned count;
    const struct announced *all = announced(platform, &count);

    for (unsigned i = 0; i < count; i++) {
        const char *type = all[i].event->envelope.type;
        const struct transaction_created_event *data = data_of(&all[i]);

        for (unsigned j = 0; j < i; j++)
            cr_assert_not(uuid_equal(all[i].event->envelope.id, all[j].event->envelope.id));
        if (strcmp(type, "transaction.created") == 0) add(&created, data->transfers, data->amount);
        if (strcmp(type, "transaction.settled") == 0) add(&settled, data->transfers, data->amount);
        if (strcmp(type, "transaction.reversed") == 0) add(&undone, data->transfers, data->amount);
    }
    sum_ledger(process_ledger(platform_process(platform)), &posted, &reversed);
    cr_assert_eq(created.transfers, posted.transfers, "%u created, %u posted", created.transfers,
                 posted.transfers);
    cr_assert_eq(settled.transfers, posted.transfers);
    cr_assert_eq(undone.transfers, reversed.transfers);
    cr_assert(created.amount == posted.amount && settled.amount == posted.amount &&
              undone.amount == reversed.amount);
}
