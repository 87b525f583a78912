/* Printed by hand, in two parts; read as a record. */
#include "bus/envelope.h"

#include "bus/cloud_event.h"
#include "bus/events.h"
#include "wire/json.h"
#include "wire/times.h"

#include <stdio.h>
#include <string.h>

#define RECORD_FILE "bus/envelope.def"
#include "wire/record_rows.h"

static const char json_type[] = "application/json";

_Static_assert(SOURCE_MAX + 1 == sizeof((struct cloud_event *)0)->source, "as in envelope.def");
_Static_assert(TENANT_MAX + 1 == sizeof((struct cloud_event *)0)->tenant, "as in envelope.def");
_Static_assert(EVENT_NAME_MAX + 1 == sizeof((struct cloud_event *)0)->type, "as in envelope.def");
_Static_assert(TRACEPARENT_MAX + 1 == sizeof((struct cloud_event *)0)->traceparent,
               "as in envelope.def");

void envelope_source(const char *service, unsigned lane, const char *incarnation,
                     char out[SOURCE_MAX + 1])
{
    snprintf(out, SOURCE_MAX + 1, "/%s/%u/%s", service, lane, incarnation);
}

/* --- printing --- */

/* A member behind the first one. */
static void add_text(struct buffer *out, const char *name, const char *value)
{
    buffer_text(out, ",\"");
    buffer_text(out, name);
    buffer_text(out, "\":");
    buffer_json(out, value, strlen(value));
}

static void add_id(struct buffer *out, const char *name, struct uuid id)
{
    char text[UUID_TEXT + 1];

    if (uuid_is_zero(id)) return;
    uuid_print(id, text);
    add_text(out, name, text);
}

static void add_number(struct buffer *out, const char *name, uint64_t number)
{
    buffer_text(out, ",\"");
    buffer_text(out, name);
    buffer_text(out, "\":\"");
    buffer_number(out, number);
    buffer_char(out, '"');
}

void envelope_print_head(const char *source, uint64_t sequence, uint64_t prev, struct buffer *out)
{
    buffer_text(out, "{\"specversion\":\"1.0\"");
    add_text(out, "source", source);
    add_number(out, "sequence", sequence);
    add_number(out, "prev", prev);
    buffer_char(out, ',');
}

void envelope_print_body(const struct envelope *envelope, const struct event_type *type,
                         const void *data, struct buffer *out)
{
    char id[UUID_TEXT + 1], time[INSTANT_TEXT_MAX];

    uuid_print(envelope->id, id);
    instant_print(envelope->time_ns, time);
    buffer_text(out, "\"id\":\"");
    buffer_text(out, id);
    buffer_char(out, '"');
    add_text(out, "type", type->name);
    add_id(out, "subject", envelope->subject);
    add_text(out, "time", time);
    buffer_text(out, ",\"dataschema\":\"" SCHEMA_BASE);
    buffer_text(out, type->name);
    buffer_char(out, '/');
    buffer_number(out, type->major);
    buffer_char(out, '"');
    add_text(out, "datacontenttype", json_type);
    add_text(out, "tenant", envelope->tenant);
    add_text(out, "mode", event_modes[(envelope->live ? EVENT_MODE_LIVE : EVENT_MODE_TEST) - 1]);
    if (envelope->entity_version > 0) add_number(out, "entityversion", envelope->entity_version);
    add_id(out, "correlationid", envelope->correlation);
    add_id(out, "causationid", envelope->causation);
    if (envelope->traceparent[0] != '\0') add_text(out, "traceparent", envelope->traceparent);
    if (envelope->ledger_sequence > 0) add_number(out, "ledgersequence", envelope->ledger_sequence);
    buffer_text(out, ",\"data\":");
    record_print(type->record, data, out);
    buffer_char(out, '}');
}

/* --- reading --- */

/* The major version at the end of ".../TYPE/MAJOR". */
static bool read_schema(const struct cloud_event *in, unsigned *out_major)
{
    size_t length = strlen(in->type);
    const char *slash = strrchr(in->dataschema, '/');
    uint64_t major;

    if (slash == NULL || (size_t)(slash - in->dataschema) <= length) return false;
    if (slash[-(ptrdiff_t)length - 1] != '/' || strncmp(slash - length, in->type, length) != 0)
        return false;
    if (strlen(slash + 1) > 4 || !record_value(RECORD_COUNT_OF, slash + 1, &major) || major == 0)
        return false;
    *out_major = (unsigned)major;
    return true;
}

static void copy_out(const struct cloud_event *in, unsigned major, struct envelope *out)
{
    *out = (struct envelope){
        .id = in->id,
        .sequence = in->sequence,
        .prev = in->prev,
        .major = major,
        .subject = in->subject,
        .time_ns = in->time,
        .live = in->mode == EVENT_MODE_LIVE,
        .entity_version = in->entityversion,
        .correlation = in->correlationid,
        .causation = in->causationid,
        .ledger_sequence = in->ledgersequence,
    };
    memcpy(out->source, in->source, sizeof out->source);
    memcpy(out->type, in->type, sizeof out->type);
    memcpy(out->tenant, in->tenant, sizeof out->tenant);
    memcpy(out->traceparent, in->traceparent, sizeof out->traceparent);
}

enum outcome envelope_read(const cJSON *json, struct envelope *out, struct error *err)
{
    struct cloud_event in = {0};
    unsigned major;
    enum outcome outcome = record_read(&cloud_event_record, json, false, "", &in, err);

    if (outcome != OUTCOME_DONE) return outcome;
    if (strcmp(in.specversion, "1.0") != 0)
        error_fault(err, "/specversion", "must be 1.0");
    else if (strcmp(in.datacontenttype, json_type) != 0)
        error_fault(err, "/datacontenttype", "must be %s", json_type);
    else if (!read_schema(&in, &major))
        error_fault(err, "/dataschema", "must end in /%s/ and a major version", in.type);
    else
        return copy_out(&in, major, out), OUTCOME_DONE;
    return err->outcome;
}
