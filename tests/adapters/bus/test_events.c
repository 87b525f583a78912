#include "bus/events.h"

#include "wire/fill.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct error err;

static struct uuid uuid_of(const char *text)
{
    struct uuid id;

    cr_assert(uuid_read(text, &id), "%s", text);
    return id;
}

static struct envelope given_envelope(void)
{
    struct envelope envelope = {
        .id = uuid_of("018f3a7e-0000-7abc-8def-000000000001"),
        .type = "fraud.risk.assessed",
        .major = 1,
        .subject = uuid_of("018f3a7e-0000-7abc-8def-000000000002"),
        .time_ns = UINT64_C(1769862896000000001),
        .tenant = "main",
        .live = true,
        .sequence = UINT64_MAX,
        .prev = 7,
        .entity_version = 3,
        .correlation = uuid_of("018f3a7e-0000-7abc-8def-000000000003"),
        .causation = uuid_of("018f3a7e-0000-7abc-8def-000000000004"),
        .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        .ledger_sequence = 12,
    };

    envelope_source("fraud", 3, "5f3a", envelope.source);
    return envelope;
}

static struct fraud_risk_assessed_event given_data(void)
{
    return (struct fraud_risk_assessed_event){
        .present = RECORD_BIT(fraud_risk_assessed_event, rules),
        .payment = uuid_of("018f3a7e-0000-7abc-8def-000000000002"),
        .decision = FRAUD_REVIEW,
        .score = 610,
        .rules = {.count = 1, .rows = {{.name = "new_payee", .points = 300}}},
    };
}

static const char given_text[] =
    "{\"specversion\":\"1.0\",\"source\":\"/fraud/3/5f3a\",\"sequence\":\"18446744073709551615\","
    "\"prev\":\"7\",\"id\":\"018f3a7e-0000-7abc-8def-000000000001\",\"type\":\"fraud.risk."
    "assessed\","
    "\"subject\":\"018f3a7e-0000-7abc-8def-000000000002\",\"time\":\"2026-01-31T12:34:56."
    "000000001Z\","
    "\"dataschema\":\"https://micropay.dev/schemas/fraud.risk.assessed/1\","
    "\"datacontenttype\":\"application/json\",\"tenant\":\"main\",\"mode\":\"live\","
    "\"entityversion\":\"3\",\"correlationid\":\"018f3a7e-0000-7abc-8def-000000000003\","
    "\"causationid\":\"018f3a7e-0000-7abc-8def-000000000004\","
    "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\","
    "\"ledgersequence\":\"12\",\"data\":{\"payment\":\"018f3a7e-0000-7abc-8def-000000000002\","
    "\"decision\":\"review\",\"score\":610,\"rules\":[{\"name\":\"new_payee\",\"points\":300}]}}";

static void print_given(struct buffer *out)
{
    struct envelope envelope = given_envelope();
    struct fraud_risk_assessed_event data = given_data();

    envelope_print_head(envelope.source, envelope.sequence, envelope.prev, out);
    envelope_print_body(&envelope, EVENT_TYPE(fraud_risk_assessed), &data, out);
}

Test(events, head_and_body_are_one_cloud_event)
{
    struct buffer out = {0};

    print_given(&out);
    cr_assert_str_eq(buffer_str(&out), given_text);
    buffer_done(&out);
}

Test(events, what_is_empty_is_left_out)
{
    struct envelope envelope = {.id = uuid_of("018f3a7e-0000-7abc-8def-000000000001"),
                                .subject = uuid_of("018f3a7e-0000-7abc-8def-000000000002"),
                                .tenant = "main"};
    struct fraud_risk_assessed_event data = given_data();
    struct buffer out = {0};

    envelope_print_body(&envelope, EVENT_TYPE(fraud_risk_assessed), &data, &out);
    cr_assert_null(strstr(out.bytes, "entityversion"));
    cr_assert_null(strstr(out.bytes, "correlationid"));
    cr_assert_null(strstr(out.bytes, "causationid"));
    cr_assert_null(strstr(out.bytes, "traceparent"));
    cr_assert_null(strstr(out.bytes, "ledgersequence"));
    cr_assert_not_null(strstr(out.bytes, "\"mode\":\"test\""));
    buffer_done(&out);
}

Test(events, one_that_was_written_is_read_as_it_was)
{
    struct envelope envelope = given_envelope();
    struct fraud_risk_assessed_event data = given_data();
    const struct fraud_risk_assessed_event *read;
    struct event *event, *made;

    cr_assert_eq(event_parse(given_text, strlen(given_text), &event, &err), OUTCOME_DONE, "%s",
                 err.message);
    cr_assert_eq(event->type, EVENT_TYPE(fraud_risk_assessed));
    cr_assert_eq(memcmp(&event->envelope, &envelope, sizeof envelope), 0);
    read = event->data;
    cr_assert_eq(read->decision, FRAUD_REVIEW);
    cr_assert_eq(read->rules.count, 1);
    cr_assert_str_eq(read->rules.rows[0].name, "new_payee");

    made = event_make(&envelope, EVENT_TYPE(fraud_risk_assessed), &data);
    cr_assert_eq(memcmp(&made->envelope, &event->envelope, sizeof envelope), 0);
    cr_assert_eq(((const struct fraud_risk_assessed_event *)made->data)->score, 610);
    cr_assert_eq(event_hold(event), event);
    event_release(event);
    cr_assert_eq(event->references, 1);
    event_release(event);
    event_release(made);
    event_release(NULL);
}

/* The given event with one part replaced by another; returns what reading it says. */
static enum outcome read_with(const char *part, const char *other, struct event **out)
{
    struct buffer text = {0};
    const char *at = strstr(given_text, part);
    enum outcome outcome;

    cr_assert_not_null(at, "%s", part);
    buffer_add(&text, given_text, (size_t)(at - given_text));
    buffer_text(&text, other);
    buffer_text(&text, at + strlen(part));
    outcome = event_parse(text.bytes, text.length, out, &err);
    buffer_done(&text);
    return outcome;
}

Test(events, a_reader_takes_what_a_newer_release_adds)
{
    struct event *event;

    cr_assert_eq(read_with("\"score\":610", "\"score\":610,\"mood\":{\"a\":[1]}", &event),
                 OUTCOME_DONE);
    event_release(event);
    cr_assert_eq(read_with("\"tenant\"", "\"partitionkey\":\"x\",\"tenant\"", &event),
                 OUTCOME_DONE);
    event_release(event);
}

Test(events, a_newer_type_or_major_version_is_read_without_its_data)
{
    struct event *event;

    cr_assert_eq(read_with("assessed/1", "assessed/2", &event), OUTCOME_DONE);
    cr_assert_null(event->type);
    cr_assert_null(event->data);
    cr_assert_eq(event->envelope.major, 2);
    cr_assert_eq(event->envelope.prev, 7);
    cr_assert_str_eq(event->envelope.type, "fraud.risk.assessed");
    event_release(event);
}

Test(events, one_that_cannot_be_read_says_which_member)
{
    struct {
        const char *part, *other, *message;
    } cases[] = {
        {"\"1.0\"", "\"0.3\"", "cannot read the event: /specversion must be 1.0"},
        {"\"prev\":\"7\",", "", "cannot read the event: /prev is missing"},
        {"\"7\"", "7",
         "cannot read the event: /prev must be a whole number in a string, below 2^64"},
        {"\"live\"", "\"trial\"", "cannot read the event: /mode must be one of: test, live"},
        {"/json", "/xml", "cannot read the event: /datacontenttype must be application/json"},
        {"assessed/1", "assessed/0",
         "cannot read the event: /dataschema must end in /fraud.risk.assessed/ and a major "
         "version"},
        {"assessed/1", "assessed",
         "cannot read the event: /dataschema must end in /fraud.risk.assessed/ and a major "
         "version"},
        {"schemas/fraud.", "schemas/flood.",
         "cannot read the event: /dataschema must end in /fraud.risk.assessed/ and a major "
         "version"},
        {"610", "1001", "cannot read the event: /data/score must be a whole number from 0 to 1000"},
        {"\"review\"", "\"maybe\"",
         "cannot read the event: /data/decision must be one of: allow, review, deny"},
        {"\"points\":300", "\"weight\":3",
         "cannot read the event: /data/rules/0/points is missing"},
        {"\"data\":", "\"date\":", "cannot read the event: /data is missing"},
        {"}]}}", "}]}", "cannot read the event: is not JSON, at byte"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct event *event = NULL;

        cr_assert_eq(read_with(cases[i].part, cases[i].other, &event), OUTCOME_REFUSED, "%s",
                     cases[i].message);
        cr_assert_null(event);
        cr_assert_eq(strncmp(err.message, cases[i].message, strlen(cases[i].message)), 0, "%s",
                     err.message);
    }
}

/* --- the tables --- */

static void check_no_clear_personal_data(const struct record *record, const char *type)
{
    const struct record_field *field = record_fields(record);

    for (; field->name != NULL; field++) {
        cr_assert(!field->personal, "%s: %s", type, field->name);
        if (field->record != NULL) check_no_clear_personal_data(field->record, type);
    }
}

Test(events, none_has_personal_data_in_clear)
{
    for (const struct event_type *type = event_types; type->name != NULL; type++)
        check_no_clear_personal_data(type->record, type->name);
}

static bool is_identifying(enum record_kind kind)
{
    return kind == RECORD_ID || kind == RECORD_ACCOUNT;
}

Test(events, each_type_belongs_to_a_topic_and_begins_with_its_key)
{
    unsigned count = 0;

    for (const struct event_type *type = event_types; type->name != NULL; type++, count++) {
        cr_assert_eq(event_type_find(type->name, type->major), type);
        cr_assert_eq(type->topic, topic_find(type->topic->name));
        cr_assert_eq(type->size, type->record->size);
        cr_assert(is_identifying(record_fields(type->record)->kind), "%s", type->name);
        cr_assert_leq(strlen(type->name), EVENT_NAME_MAX);
    }
    cr_assert_eq(count, EVENT_COUNT);
    cr_assert_str_eq(EVENT_TYPE(payment_initiated)->name, "payment.initiated");
    cr_assert_eq(EVENT_TYPE(account_frozen)->topic, &topics[TOPIC_account]);
    cr_assert_null(event_type_find("payment.initiated", 2));
    cr_assert_null(event_type_find("payment", 1));
}

/* Every field of every type, with values of all kinds. */
Test(events, every_type_is_read_as_it_was_written)
{
    for (const struct event_type *type = event_types; type->name != NULL; type++) {
        for (unsigned seed = 0; seed < 50; seed++) {
            struct envelope envelope = given_envelope();
            void *data = need_memory(type->size);
            struct buffer out = {0}, again = {0};
            struct event *event;

            fill_record(type->record, seed, data);
            envelope_print_head(envelope.source, 1, 0, &out);
            envelope_print_body(&envelope, type, data, &out);
            cr_assert_eq(event_parse(out.bytes, out.length, &event, &err), OUTCOME_DONE, "%s: %s",
                         err.message, out.bytes);
            cr_assert_eq(event->type, type);
            envelope_print_head(envelope.source, 1, 0, &again);
            envelope_print_body(&event->envelope, type, event->data, &again);
            cr_assert_str_eq(again.bytes, out.bytes);
            event_release(event);
            buffer_done(&again);
            buffer_done(&out);
            free(data);
        }
    }
}
