#include "bus/docs.h"

#include "wire/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct buffer out;
static struct error err;

static cJSON *parsed(void)
{
    cJSON *json = json_parse(out.bytes, out.length, &err);

    cr_assert_not_null(json, "%s", err.faults[0].message);
    return json;
}

static unsigned lines_with(const char *text, const char *what)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) count++;
    return count;
}

Test(bus_docs, every_topic_is_in_the_table)
{
    docs_topics(&out);
    cr_assert_eq(lines_with(out.bytes, "\n"), 2 + TOPIC_COUNT);
    for (const struct topic *topic = topics; topic->name != NULL; topic++) {
        char begin[80];

        snprintf(begin, sizeof begin, "| `%s` | ", topic->name);
        cr_assert_eq(lines_with(out.bytes, begin), 1);
    }
    cr_assert_not_null(
        strstr(out.bytes, "| `micropay.payment` | payment | payment | 12 | 30 days |"));
    cr_assert_not_null(
        strstr(out.bytes, "| `micropay.account` | account | account | 12 | for ever |"));
    buffer_done(&out);
}

Test(bus_docs, every_type_and_field_is_described)
{
    docs_events(&out);
    cr_assert_eq(lines_with(out.bytes, "### "), 1 + EVENT_COUNT);
    cr_assert_eq(lines_with(out.bytes, "\n`account_limit`: "), 1);
    cr_assert_eq(lines_with(out.bytes, "\n`fraud_rule`: "), 1);
    cr_assert_eq(lines_with(out.bytes, "|  |"), 0);
    cr_assert_not_null(
        strstr(out.bytes, "| `decision` | one of `allow`, `review`, `deny` | always |"));
    buffer_done(&out);
}

/* Whether "#/a/b" names something in a document. */
static bool resolves(const cJSON *document, const char *reference)
{
    char path[256], *rest, *name;
    const cJSON *at = document;

    cr_assert_eq(strncmp(reference, "#/", 2), 0, "%s", reference);
    snprintf(path, sizeof path, "%s", reference + 2);
    for (name = strtok_r(path, "/", &rest); name != NULL; name = strtok_r(NULL, "/", &rest)) {
        at = cJSON_GetObjectItemCaseSensitive(at, name);
        if (at == NULL) return false;
    }
    return true;
}

static unsigned check_references(const cJSON *document, const cJSON *at)
{
    unsigned count = 0;
    const cJSON *child;

    cJSON_ArrayForEach(child, at)
    {
        if (child->string != NULL && strcmp(child->string, "$ref") == 0) {
            cr_assert(resolves(document, child->valuestring), "%s", child->valuestring);
            count++;
        }
        count += check_references(document, child);
    }
    return count;
}

Test(bus_docs, the_schema_of_each_type_stands_alone)
{
    unsigned references = 0;

    for (const struct event_type *type = event_types; type->name != NULL; type++) {
        char id[128];
        cJSON *schema;

        buffer_clear(&out);
        schema_of_event(type, &out);
        schema = parsed();
        snprintf(id, sizeof id, SCHEMA_BASE "%s/%u", type->name, type->major);
        cr_assert_str_eq(json_text(schema, "$id"), id);
        cr_assert_str_eq(json_text(schema, "type"), "object");
        references += check_references(schema, schema);
        cJSON_Delete(schema);
    }
    cr_assert_gt(references, 0);
    buffer_done(&out);
}

Test(bus_docs, asyncapi_has_every_topic_and_type_and_refers_to_nothing_else)
{
    cJSON *document, *components;

    asyncapi_print(&out);
    document = parsed();
    components = cJSON_GetObjectItemCaseSensitive(document, "components");
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(document, "channels")),
                 TOPIC_COUNT);
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(document, "operations")),
                 TOPIC_COUNT);
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(components, "messages")),
                 EVENT_COUNT);
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(components, "schemas")),
                 EVENT_COUNT + 3); /* the envelope, limits, rules */
    cr_assert_gt(check_references(document, document), 3 * EVENT_COUNT);
    cJSON_Delete(document);
    buffer_done(&out);
}
