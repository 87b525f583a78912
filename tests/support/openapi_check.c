/* Rows against the document. */
#include "support/openapi_check.h"

#include "http/openapi.h"
#include "http/router.h"
#include "runtime/health.h"
#include "wire/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- reading --- */

cJSON *openapi_document(const struct service *service)
{
    struct buffer text = {0};
    struct error err = {0};
    cJSON *document;

    openapi_print(service, &text);
    document = json_parse(text.bytes, text.length, &err);
    cr_assert_not_null(document, "%s: %s", service->name, err.faults[0].message);
    buffer_done(&text);
    return document;
}

const cJSON *openapi_at(const cJSON *json, const char *path)
{
    char copy[256], *rest, *name;

    snprintf(copy, sizeof copy, "%s", path);
    for (name = strtok_r(copy, "|", &rest); name != NULL; name = strtok_r(NULL, "|", &rest))
        json = cJSON_GetObjectItemCaseSensitive(json, name);
    return json;
}

const char *openapi_text(const cJSON *json, const char *path)
{
    const char *text = cJSON_GetStringValue(openapi_at(json, path));

    return text != NULL ? text : "";
}

const cJSON *openapi_operation_of(const cJSON *document, const struct http_route *route)
{
    static const char *const methods[] = {"get", "post", "put", "delete"};
    const cJSON *path =
        cJSON_GetObjectItemCaseSensitive(openapi_at(document, "paths"), route->path);
    const cJSON *operation = cJSON_GetObjectItemCaseSensitive(path, methods[route->method]);

    cr_assert_not_null(operation, "%s %s is not described", methods[route->method], route->path);
    return operation;
}

/* What "$ref": "#/a/b" stands for; the value itself if it is no reference. */
static const cJSON *resolved(const cJSON *document, const cJSON *json)
{
    const char *reference = openapi_text(json, "$ref");
    char path[256];

    if (*reference == '\0') return json;
    cr_assert_eq(strncmp(reference, "#/", 2), 0, "%s", reference);
    snprintf(path, sizeof path, "%s", reference + 2);
    for (char *c = path; *c != '\0'; c++)
        if (*c == '/') *c = '|';
    json = openapi_at(document, path);
    cr_assert_not_null(json, "%s leads nowhere", reference);
    return json;
}

static const cJSON *find_parameter(const cJSON *document, const cJSON *operation, const char *name)
{
    const cJSON *parameter;

    cJSON_ArrayForEach(parameter, openapi_at(operation, "parameters"))
    {
        const cJSON *found = resolved(document, parameter);

        if (strcmp(openapi_text(found, "name"), name) == 0) return found;
    }
    return NULL;
}

static bool has_text(const cJSON *array, const char *text)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, array)
    {
        if (strcmp(cJSON_GetStringValue(item), text) == 0) return true;
    }
    return false;
}

/* --- a record --- */

static const cJSON *schema_of(const cJSON *document, const struct record *record)
{
    const cJSON *schema =
        cJSON_GetObjectItemCaseSensitive(openapi_at(document, "components|schemas"), record->name);

    cr_assert_not_null(schema, "the schema of %s is missing", record->name);
    return schema;
}

static void check_record(const cJSON *document, const struct record *record, bool closed)
{
    const cJSON *schema = schema_of(document, record), *required = openapi_at(schema, "required");
    int needed = 0, count = 0;

    for (const struct record_field *field = record_fields(record); field->name != NULL; field++) {
        const cJSON *property =
            cJSON_GetObjectItemCaseSensitive(openapi_at(schema, "properties"), field->name);

        cr_assert_not_null(property, "%s.%s is not described", record->name, field->name);
        cr_assert_str_eq(openapi_text(property, "description"), field->help);
        cr_assert_eq(has_text(required, field->name), field->need == NEEDED, "%s.%s", record->name,
                     field->name);
        needed += field->need == NEEDED;
        count++;
        if (field->record != NULL) check_record(document, field->record, closed);
    }
    cr_assert_eq(cJSON_GetArraySize(openapi_at(schema, "properties")), count, "%s", record->name);
    cr_assert_eq(cJSON_GetArraySize(required), needed, "%s", record->name);
    if (closed)
        cr_assert(cJSON_IsFalse(openapi_at(schema, "additionalProperties")), "%s is read strictly",
                  record->name);
}

/* --- a route --- */

static void check_query(const cJSON *document, const cJSON *operation,
                        const struct http_route *route)
{
    static const char *const suffixes[] = {"", "[gte]", "[gt]", "[lte]", "[lt]"};

    for (const struct http_query *q = route->query; q != NULL && q->name != NULL; q++) {
        for (unsigned i = 0; i < 5; i++) {
            char name[64];
            bool there;

            snprintf(name, sizeof name, "%s%s", q->name, suffixes[i]);
            there = find_parameter(document, operation, name) != NULL;
            cr_assert_eq(there, i == 0 || q->range, "%s of %s", name, route->path);
        }
    }
    cr_assert_eq(find_parameter(document, operation, "sort") != NULL, route->sorts != NULL);
    cr_assert_eq(find_parameter(document, operation, "limit") != NULL, route->lists);
    cr_assert_eq(find_parameter(document, operation, "cursor") != NULL, route->lists);
}

static unsigned check_path(const cJSON *document, const cJSON *operation,
                           const struct http_route *route)
{
    unsigned count = 0;

    for (const char *at = route->path; (at = strchr(at, '{')) != NULL; at++) {
        char name[32];
        const cJSON *parameter;

        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1, "}"), at + 1);
        parameter = find_parameter(document, operation, name);
        cr_assert_not_null(parameter, "%s of %s", name, route->path);
        cr_assert_str_eq(openapi_text(parameter, "in"), "path");
        cr_assert_eq(strcmp(openapi_text(parameter, "schema|format"), "uuid") == 0,
                     !route->text_params);
        count++;
    }
    return count;
}

static void check_success(const cJSON *operation, const struct http_route *route)
{
    const cJSON *responses = openapi_at(operation, "responses");
    char status[16];

    snprintf(status, sizeof status, "%u", route->success != 0 ? route->success : 200);
    cr_assert_not_null(openapi_at(responses, status), "%s of %s", status, route->path);
    cr_assert_eq(openapi_at(responses, "202") != NULL, route->waits || route->success == 202, "%s",
                 route->path);
    cr_assert_eq(openapi_at(openapi_at(responses, status), "content") != NULL,
                 route->gives != NULL || route->produces != NULL, "%s", route->path);
}

/* The problem's types and the reasons that a status has: all that are of that status and that the
 * route can be refused for, and no others. */
static void check_reasons(const cJSON *operation, const struct http_route *route)
{
    for (unsigned i = 1; i < REASON_COUNT; i++) {
        const struct reason_row *row = reason_row((enum reason)i);
        char status[16], uri[128];
        const cJSON *answer, *types;
        bool refuses = openapi_refuses(route, (enum reason)i);

        snprintf(status, sizeof status, "%u", row->status);
        snprintf(uri, sizeof uri, "https://micropay.dev/problems/%s", row->type);
        answer = openapi_at(openapi_at(operation, "responses"), status);
        types = openapi_at(answer, "content|application/problem+json|schema|allOf");
        types = openapi_at(cJSON_GetArrayItem(types, 1), "properties|type|enum");
        cr_assert_eq(has_text(openapi_at(answer, "x-reasons"), row->name), refuses, "%s of %s",
                     row->name, route->path);
        cr_assert_eq(has_text(types, uri), refuses, "%s of %s", uri, route->path);
    }
    for (unsigned i = 0; i < HTTP_REFUSES_MAX && route->refuses[i] != REASON_NONE; i++)
        cr_assert(openapi_refuses(route, route->refuses[i]));
}

static void check_route(const cJSON *document, const struct http_route *route)
{
    const cJSON *operation = openapi_operation_of(document, route);
    bool has_key = find_parameter(document, operation, "Idempotency-Key") != NULL;
    bool has_scope = openapi_at(operation, "security") != NULL;

    cr_assert_str_neq(openapi_text(operation, "operationId"), "");
    check_path(document, operation, route);
    check_query(document, operation, route);
    check_success(operation, route);
    check_reasons(operation, route);
    cr_assert_eq(has_key, route->key == HTTP_KEY_REQUIRED, "%s", route->path);
    cr_assert_eq(has_scope, route->scope != NULL, "%s", route->path);
    cr_assert_eq(find_parameter(document, operation, "Prefer") != NULL, route->waits);
    cr_assert_eq(openapi_at(operation, "requestBody") != NULL, route->takes != NULL || route->raw);
    if (route->takes != NULL) check_record(document, route->takes, true);
    if (route->gives != NULL) check_record(document, route->gives, false);
}

/* --- all --- */

static void each_route(const struct service *service, const cJSON *document,
                       void (*each)(const cJSON *document, const struct http_route *route))
{
    const struct http_route *tables[] = {service->routes, health_routes, openapi_routes};

    for (unsigned i = 0; i < 3; i++)
        for (const struct http_route *r = tables[i]; r != NULL && r->path != NULL; r++)
            each(document, r);
}

void openapi_check_rows(const struct service *service, const cJSON *document)
{
    each_route(service, document, check_route);
}

static const struct record *gathered[256];
static unsigned gathered_count, route_count;

static void gather(const struct record *record)
{
    for (unsigned i = 0; i < gathered_count; i++)
        if (gathered[i] == record) return;
    gathered[gathered_count++] = record;
    for (const struct record_field *field = record_fields(record); field->name != NULL; field++)
        if (field->record != NULL) gather(field->record);
}

static void count_route(const cJSON *document, const struct http_route *route)
{
    const cJSON *answer;

    route_count++;
    if (route->takes != NULL) gather(route->takes);
    if (route->gives != NULL) gather(route->gives);
    cJSON_ArrayForEach(answer, openapi_at(openapi_operation_of(document, route), "responses"))
    {
        const cJSON *name;
        unsigned status = (unsigned)atoi(answer->string);

        cr_assert(status < 300 || cJSON_GetArraySize(openapi_at(answer, "x-reasons")) > 0);
        cJSON_ArrayForEach(name, openapi_at(answer, "x-reasons"))
        {
            enum reason reason = reason_find(cJSON_GetStringValue(name));

            cr_assert_neq(reason, REASON_NONE);
            cr_assert_eq(reason_row(reason)->status, status);
        }
    }
}

static void check_references(const cJSON *document, const cJSON *at)
{
    const cJSON *child;

    resolved(document, at);
    cJSON_ArrayForEach(child, at) { check_references(document, child); }
}

/* Links of an operation's answers lead to operations. */
static void check_links(const cJSON *operation, const char *const *ids, unsigned count)
{
    const cJSON *answer, *link;

    cJSON_ArrayForEach(answer, openapi_at(operation, "responses"))
    {
        cJSON_ArrayForEach(link, openapi_at(answer, "links"))
        {
            unsigned i = 0;

            while (i < count && strcmp(ids[i], openapi_text(link, "operationId")) != 0) i++;
            cr_assert_lt(i, count, "there is no %s", openapi_text(link, "operationId"));
        }
    }
}

static void check_ids(const cJSON *paths)
{
    const char *ids[256];
    unsigned count = 0;
    const cJSON *path, *operation;

    cJSON_ArrayForEach(path, paths)
    {
        cJSON_ArrayForEach(operation, path)
        {
            const char *id = openapi_text(operation, "operationId");

            for (unsigned i = 0; i < count; i++) cr_assert_str_neq(ids[i], id);
            ids[count++] = id;
        }
    }
    cr_assert_eq(count, route_count, "%u operations, %u routes", count, route_count);
    cJSON_ArrayForEach(path, paths)
    {
        cJSON_ArrayForEach(operation, path) { check_links(operation, ids, count); }
    }
}

void openapi_check_nothing_else(const struct service *service, const cJSON *document)
{
    gathered_count = route_count = 0;
    each_route(service, document, count_route);
    check_ids(openapi_at(document, "paths"));
    check_references(document, document);
    cr_assert_eq(cJSON_GetArraySize(openapi_at(document, "components|schemas")),
                 (int)gathered_count + 1); /* the problem */
}
