/* The rules, and their place between two topics. */
#include "service.h"
#include "velocity.h"

#include "bus/events.h"
#include "observe/trace.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS_NAME fraud_rules
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_struct.h"
#define SETTINGS_NAME fraud_rules
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_rows.h"

#define MS UINT64_C(1000000)
enum { PARTITIONS_MAX = 256 };

/* At the start the newest records of each partition are read again, as many as the bus may have
 * committed before the process died without giving a verdict. A second verdict is ignored, and what
 * is older than a minute was given up. */
enum { READ_AGAIN = 250 };
#define READ_AGAIN_NS UINT64_C(60000000000)

struct fraud_rules {
    const struct service_context *context;
    const struct fraud_rules_settings *settings;
    struct velocity *velocity;
    struct bus_reader reader;
    const struct topic *topics[2];
    char source[SOURCE_MAX + 1]; /* a new one each time: nothing of an earlier life is repeated */
    uint64_t sequence;
    uint64_t last[PARTITIONS_MAX]; /* sequence of the last verdict in each partition */
    unsigned published;            /* not yet confirmed */
    bool stopped;
};

/* A verdict on its way to the bus. */
struct verdict_record {
    struct bus_record record;
    struct fraud_rules *service;
    struct buffer text;
};

/* --- the rules --- */

static bool exceeds(struct amount amount, struct amount limit)
{
    __int128 left = amount.units, right = limit.units;

    if (limit.units == 0) return false;
    for (unsigned i = amount.digits; i < limit.digits; i++) left *= 10;
    for (unsigned i = limit.digits; i < amount.digits; i++) right *= 10;
    return left > right;
}

static void add_rule(struct fraud_risk_assessed_event *verdict, const char *name, unsigned points)
{
    struct fraud_rule *rule = &verdict->rules.rows[verdict->rules.count++];

    strncpy(rule->name, name, sizeof rule->name - 1);
    rule->points = points;
    verdict->score = verdict->score + points > 1000 ? 1000 : verdict->score + points;
    verdict->present |= RECORD_BIT(fraud_risk_assessed_event, rules);
}

static void judge(struct fraud_rules *service, const struct payment_initiated_event *payment,
                  struct fraud_risk_assessed_event *verdict)
{
    const struct fraud_rules_settings *settings = service->settings;
    uint64_t now = loop_elapsed_ns(service->context->loop);
    uint64_t count =
        velocity_count(service->velocity, payment->payer, now, settings->velocity_window_ms * MS);

    memset(verdict, 0, sizeof *verdict);
    verdict->payment = payment->payment;
    verdict->decision = FRAUD_ALLOW;
    if (settings->velocity_count > 0 && count > settings->velocity_count)
        add_rule(verdict, "velocity_count", 500);
    if (exceeds(payment->amount, settings->review_above)) add_rule(verdict, "review_above", 500);
    if (exceeds(payment->amount, settings->deny_above)) {
        add_rule(verdict, "deny_above", 1000);
        verdict->decision = FRAUD_DENY;
    } else if (verdict->score > 0) {
        verdict->decision = FRAUD_REVIEW;
    }
}

/* --- between two topics --- */

static void published(struct bus_record *record, enum outcome outcome, const struct error *err)
{
    struct verdict_record *verdict = record->context;
    struct fraud_rules *service = verdict->service;

    (void)outcome; /* lost, it costs the payment its time-out */
    (void)err;
    event_release(record->event);
    buffer_done(&verdict->text);
    free(verdict);
    service->published--;
    if (service->published == 0 && !service->stopped)
        service->context->bus->ops->ready(service->context->bus, &service->reader);
    if (service->published == 0 && service->stopped) {
        velocity_free(service->velocity);
        free(service);
    }
}

static struct uuid verdict_id(struct uuid payment)
{
    struct hash_field fields[] = {{"fraud.risk.assessed", 19}, {payment.bytes, sizeof payment}};
    uint8_t hash[32];

    hash_fields(fields, 2, hash);
    return uuid_8(hash);
}

static void publish(struct fraud_rules *service, const struct event *cause,
                    const struct fraud_risk_assessed_event *data)
{
    const struct event_type *type = EVENT_TYPE(fraud_risk_assessed);
    struct verdict_record *verdict = need_memory(sizeof *verdict);
    struct bus_record *record = &verdict->record;
    struct envelope envelope = cause->envelope;

    envelope.id = verdict_id(data->payment);
    strcpy(envelope.type, type->name);
    strcpy(envelope.source, service->source);
    envelope.major = type->major;
    envelope.causation = cause->envelope.id;
    envelope.time_ns = loop_now_ns(service->context->loop);
    envelope.entity_version = 0;
    envelope.ledger_sequence = 0;
    record->topic = type->topic;
    record->key = data->payment;
    record->partition = topic_partition(type->topic, data->payment);
    envelope.sequence = ++service->sequence;
    envelope.prev = service->last[record->partition];
    service->last[record->partition] = envelope.sequence;
    envelope_print_head(envelope.source, envelope.sequence, envelope.prev, &verdict->text);
    envelope_print_body(&envelope, type, data, &verdict->text);
    record->value = verdict->text.bytes;
    record->length = verdict->text.length;
    record->event = event_make(&envelope, type, data);
    record->done = published;
    record->context = verdict;
    verdict->service = service;
    service->published++;
    service->context->bus->ops->publish(service->context->bus, record);
}

static void records(void *context, const struct bus_message *messages, unsigned count)
{
    struct fraud_rules *service = context;
    uint64_t now_ns = loop_now_ns(service->context->loop);

    for (unsigned i = 0; i < count; i++) {
        const struct event *event = messages[i].event;
        struct fraud_risk_assessed_event verdict;
        const struct payment_initiated_event *payment;
        uint64_t from = loop_elapsed_ns(service->context->loop);

        if (event == NULL || event->type != EVENT_TYPE(payment_initiated)) continue;
        if (event->envelope.time_ns + READ_AGAIN_NS < now_ns) continue;
        payment = event->data;
        if (payment->kind != PAYMENT_KIND_PAYMENT) continue; /* others aren't asked about */
        judge(service, payment, &verdict);
        publish(service, event, &verdict);
        span_took(SPAN_fraud_assess, loop_elapsed_ns(service->context->loop) - from);
    }
    if (service->published == 0)
        service->context->bus->ops->ready(service->context->bus, &service->reader);
}

/* From shortly before the end. */
static uint64_t position(void *context, const struct topic *topic, unsigned partition)
{
    struct fraud_rules *service = context;
    struct error err = {0};
    uint64_t oldest = 0, newest = 0;

    if (service->context->bus->ops->range(service->context->bus, topic, partition, &oldest, &newest,
                                          &err) != OUTCOME_DONE)
        return 0;
    if (newest > READ_AGAIN && newest - READ_AGAIN > oldest) return newest - READ_AGAIN;
    return oldest > 0 ? oldest - 1 : 0;
}

static void failed(void *context, const struct topic *topic, unsigned partition,
                   const struct error *err)
{
    (void)context;
    (void)topic;
    (void)partition;
    (void)err; /* payments go on by their policy */
}

/* --- life --- */

static enum outcome start(const struct service_context *context, void **out, struct error *err)
{
    struct fraud_rules *service = need_memory(sizeof *service);
    uint8_t drawn[16];
    char incarnation[33];

    loop_random(context->loop, drawn, sizeof drawn);
    for (unsigned i = 0; i < sizeof drawn; i++) snprintf(incarnation + 2 * i, 3, "%02x", drawn[i]);
    envelope_source("fraud", 0, incarnation, service->source);
    service->context = context;
    service->settings = context->settings;
    service->velocity = velocity_make();
    service->topics[0] = topic_find("micropay.payment");
    service->reader = (struct bus_reader){
        .group = "fraud",
        .topics = service->topics,
        .position = position,
        .records = records,
        .failed = failed,
        .context = service,
    };
    if (context->bus->ops->join(context->bus, &service->reader, err) != OUTCOME_DONE) {
        velocity_free(service->velocity);
        free(service);
        return err->outcome;
    }
    *out = service;
    return OUTCOME_DONE;
}

static void stop(void *context)
{
    struct fraud_rules *service = context;

    service->context->bus->ops->leave(service->context->bus, &service->reader);
    service->stopped = true;
    if (service->published > 0) return; /* freed when the bus has answered */
    velocity_free(service->velocity);
    free(service);
}

const struct service fraud_rules_service = {
    .name = "fraud_rules",
    .help = "Fraud's verdict from a few rules, until there is a fraud service.",
    .settings = &fraud_rules_settings,
    .start = start,
    .stop = stop,
};
