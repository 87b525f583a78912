/* Facts to events on the bus. */
#include "journal.h"

#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An event that the bus has. */
struct message {
    struct bus_record record;
    struct journal *journal;
    struct buffer value;
    const struct event *event;
};

static const struct topic *topic(void) { return &topics[TOPIC_balance]; }

/* --- tails: the number of the last event of each partition --- */

bool journal_read_tails(struct journal *journal, const char *text)
{
    memset(journal->tails, 0, sizeof journal->tails);
    for (unsigned i = 0; i < topic()->partitions && *text != '\0'; i++) {
        char *end;

        journal->tails[i] = strtoull(text, &end, 10);
        if (end == text || (*end != ' ' && *end != '\0')) return false;
        text = end + (*end == ' ');
    }
    return *text == '\0';
}

void journal_print_tails(const struct journal *journal, char *out, size_t size)
{
    size_t length = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < topic()->partitions && length < size; i++)
        length += (size_t)snprintf(out + length, size - length, "%s%llu", i > 0 ? " " : "",
                                   (unsigned long long)journal->tails[i]);
}

/* --- an event --- */

/* UUIDv8 of the source and the number in it. */
static struct uuid id_of(const struct journal *journal, uint64_t number)
{
    uint8_t hash[32];

    hash_fields(
        (struct hash_field[]){{journal->source, strlen(journal->source)}, {&number, sizeof number}},
        2, hash);
    return uuid_8(hash);
}

static void publish(struct journal *journal, struct message *message, const struct fact *fact,
                    const struct event_type *type, const void *data, struct uuid key)
{
    const struct books *books = &fact->holder->account.books;
    unsigned partition = topic_partition(topic(), key);
    struct envelope envelope = {
        .id = id_of(journal, fact->number),
        .sequence = fact->number,
        .prev = journal->tails[partition],
        .major = type->major,
        .subject = key,
        .time_ns = fact->timestamp,
        .live = books->live,
        .ledger_sequence = fact->sequence,
    };

    memcpy(envelope.source, journal->source, sizeof envelope.source);
    snprintf(envelope.type, sizeof envelope.type, "%s", type->name);
    snprintf(envelope.tenant, sizeof envelope.tenant, "%s", books->tenant);
    if (fact->kind != FACT_UPDATED) envelope.correlation = key;
    envelope_print_head(envelope.source, envelope.sequence, envelope.prev, &message->value);
    envelope_print_body(&envelope, type, data, &message->value);
    journal->tails[partition] = fact->number;
    message->event = event_make(&envelope, type, data);
    message->record.topic = topic();
    message->record.partition = partition;
    message->record.key = key;
    message->record.value = message->value.bytes;
    message->record.length = message->value.length;
    message->record.event = message->event;
    bus_publish(journal->service->context.bus, &message->record);
}

#define FILL_HOLD(event, fact)                                                                     \
    do {                                                                                           \
        const struct known_account *of = &(fact)->holder->account;                                 \
                                                                                                   \
        (event)->payment = uuid_of_id((fact)->payment);                                            \
        (event)->account.uuid = of->id;                                                            \
        memcpy((event)->currency.code, of->currency->code, sizeof(event)->currency.code);          \
        (event)->amount = amount_of((int64_t)(fact)->amount, of->currency);                        \
    } while (0)

static void publish_reserved(struct journal *journal, struct message *message,
                             const struct fact *fact)
{
    struct account_balance_reserved_event event = {0};

    FILL_HOLD(&event, fact);
    if (fact->expires_ns != 0) {
        event.expires_at = fact->expires_ns;
        event.present |= RECORD_BIT(account_balance_reserved_event, expires_at);
    }
    publish(journal, message, fact, EVENT_TYPE(account_balance_reserved), &event, event.payment);
}

static void publish_released(struct journal *journal, struct message *message,
                             const struct fact *fact)
{
    struct account_balance_released_event event = {0};

    FILL_HOLD(&event, fact);
    event.expired = fact->expired;
    publish(journal, message, fact, EVENT_TYPE(account_balance_released), &event, event.payment);
}

static void publish_updated(struct journal *journal, struct message *message,
                            const struct fact *fact)
{
    const struct known_account *account = &fact->holder->account;
    struct account_balance_updated_event event = {
        .account = {account->id},
        .digits = account->currency->digits,
        .debits_posted = fact->sums.debits_posted,
        .debits_pending = fact->sums.debits_pending,
        .credits_posted = fact->sums.credits_posted,
        .credits_pending = fact->sums.credits_pending,
        .as_of = fact->timestamp,
    };

    memcpy(event.currency.code, account->currency->code, sizeof event.currency.code);
    publish(journal, message, fact, EVENT_TYPE(account_balance_updated), &event, account->id);
}

/* --- a batch --- */

/* Whether anybody is told. Amounts that the API can't show are of no payment. */
static bool is_told(const struct fact *fact)
{
    return fact->holder->state == HOLDER_KNOWN &&
           (fact->kind == FACT_UPDATED ||
            (fact->payment != 0 && fact->amount <= (mp_amount)AMOUNT_MAX));
}

void journal_free_messages(struct journal *journal)
{
    for (unsigned i = 0; i < journal->message_count; i++) {
        buffer_done(&journal->messages[i].value);
        event_release(journal->messages[i].event);
    }
    free(journal->messages);
    journal->messages = NULL;
    journal->message_count = 0;
}

static void on_published(struct bus_record *record, enum outcome outcome, const struct error *err)
{
    struct journal *journal = ((struct message *)record->context)->journal;

    (void)err; /* it is told again */
    if (outcome != OUTCOME_DONE) journal->failed = true;
    if (--journal->unconfirmed > 0) return;
    journal_free_messages(journal);
    journal->again(journal);
}

void journal_publish(struct journal *journal, void (*told)(struct journal *journal))
{
    unsigned at = 0;

    journal->again = told;
    journal->failed = false;
    journal->message_count = 0;
    for (unsigned i = 0; i < journal->fact_count; i++)
        journal->message_count += is_told(&journal->facts[i]);
    if (journal->message_count == 0) {
        told(journal);
        return;
    }
    journal->messages = need_memory(journal->message_count * sizeof *journal->messages);
    journal->unconfirmed = journal->message_count;
    for (unsigned i = 0; i < journal->fact_count; i++) {
        const struct fact *fact = &journal->facts[i];
        struct message *message = &journal->messages[at];

        if (!is_told(fact)) continue;
        at++;
        message->journal = journal;
        message->record.done = on_published;
        message->record.context = message;
        switch (fact->kind) {
        case FACT_RESERVED: publish_reserved(journal, message, fact); break;
        case FACT_RELEASED: publish_released(journal, message, fact); break;
        case FACT_UPDATED: publish_updated(journal, message, fact); break;
        }
    }
}
