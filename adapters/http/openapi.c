/* The document: what stands around the operations of a service. */
#include "http/openapi_parts.h"

#include "runtime/health.h"
#include "runtime/service.h"
#include "security/scopes.h"

#include <micropay/micropay.h>

enum { ROUTES_MAX = 128, RECORDS_MAX = 128 };

/* What a document is made of. */
struct parts {
    const struct http_route *routes[ROUTES_MAX];
    const char *tags[ROUTES_MAX];
    unsigned route_count;
    struct {
        const struct record *record;
        bool closed; /* is read strictly, as bodies of requests are */
    } records[RECORDS_MAX];
    unsigned record_count;
};

/* --- gathering --- */

static void add_record(struct parts *parts, const struct record *record, bool closed)
{
    unsigned i = 0;

    while (i < parts->record_count && parts->records[i].record != record) i++;
    if (i < parts->record_count && (parts->records[i].closed || !closed)) return;
    if (i == RECORDS_MAX) return;
    if (i == parts->record_count) parts->record_count++;
    parts->records[i].record = record;
    parts->records[i].closed = closed;
    for (const struct record_field *field = record_fields(record); field->name != NULL; field++)
        if (field->record != NULL) add_record(parts, field->record, closed);
}

static void add_routes(struct parts *parts, const struct http_route *routes, const char *tag)
{
    for (; routes != NULL && routes->path != NULL; routes++) {
        if (parts->route_count == ROUTES_MAX) return;
        parts->tags[parts->route_count] = tag;
        parts->routes[parts->route_count++] = routes;
        if (routes->gives != NULL) add_record(parts, routes->gives, false);
        if (routes->takes != NULL) add_record(parts, routes->takes, true);
    }
}

/* --- printing --- */

static void add_info(const struct service *service, struct buffer *out)
{
    buffer_text(out, "\"openapi\":\"3.1.0\",\"info\":{\"title\":");
    buffer_format(out, "\"MicroPay %s\",\"version\":\"%s\"", service->name, mp_version());
    member_text(out, "summary", service->help);
    member_text(
        out, "description",
        "Amounts are decimal text, instants RFC 3339 in UTC, lengths of time ISO 8601.\n\n"
        "A refusal is a problem of RFC 9457: `type` says which, `detail` what was refused, `hint` "
        "what to do, and `errors` lists every fault of a request. `x-reasons` of an answer lists "
        "what it can be.\n\n"
        "A method that a path doesn't have is answered 405, with Allow.\n\n"
        "Readers of answers ignore members that they don't know: within v1 members are only "
        "added.");
    buffer_text(out, ",\"license\":{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}}");
    buffer_format(out,
                  ",\"servers\":[{\"url\":\"/\",\"description\":\"Who serves this document: "
                  "http://127.0.0.1:%u unless set otherwise\"}]",
                  service->port);
    buffer_format(out, ",\"tags\":[{\"name\":\"%s\"", service->name);
    member_text(out, "description", service->help);
    buffer_text(out, "},{\"name\":\"operation\",\"description\":\"Health, metrics, and this "
                     "document; open to all.\"}]");
}

static bool path_is_new(const struct parts *parts, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (strcmp(parts->routes[i]->path, parts->routes[index]->path) == 0) return false;
    return true;
}

static void add_paths(const struct parts *parts, const struct http_route *all, struct buffer *out)
{
    member(out, "paths");
    buffer_char(out, '{');
    for (unsigned i = 0; i < parts->route_count; i++) {
        if (!path_is_new(parts, i)) continue;
        member(out, parts->routes[i]->path);
        buffer_char(out, '{');
        for (unsigned j = i; j < parts->route_count; j++)
            if (strcmp(parts->routes[i]->path, parts->routes[j]->path) == 0)
                openapi_operation(parts->routes[j], parts->tags[j], all, out);
        buffer_char(out, '}');
    }
    buffer_char(out, '}');
}

static void add_problem(struct buffer *out)
{
    member(out, "problem");
    buffer_text(
        out,
        "{\"type\":\"object\",\"description\":\"Why a request was refused: RFC 9457. A reason may "
        "have more members: what is available, what is missing, the payment.\",\"properties\":{"
        "\"type\":{\"type\":\"string\",\"format\":\"uri\",\"description\":\"Which problem it "
        "is.\"},"
        "\"title\":{\"type\":\"string\",\"description\":\"The same in words, always alike.\"},"
        "\"status\":{\"type\":\"integer\",\"description\":\"As of the answer.\"},"
        "\"detail\":{\"type\":\"string\",\"description\":\"What was refused.\"},"
        "\"hint\":{\"type\":\"string\",\"description\":\"What to do.\"},"
        "\"errors\":{\"type\":\"array\",\"description\":\"Every fault of the request.\","
        "\"items\":{\"type\":\"object\",\"properties\":{"
        "\"field\":{\"type\":\"string\",\"description\":\"A JSON pointer into the body, or "
        "'query NAME', 'header NAME'.\"},"
        "\"message\":{\"type\":\"string\",\"description\":\"What is wrong with it.\"}},"
        "\"required\":[\"field\",\"message\"]}},"
        "\"errors_left_out\":{\"type\":\"integer\",\"description\":\"Faults that `errors` has no "
        "room for.\"},"
        "\"instance\":{\"type\":\"string\",\"format\":\"uri-reference\",\"description\":\"Path of "
        "the request.\"},"
        "\"traceid\":{\"type\":\"string\",\"description\":\"To be told to who operates this.\"}},"
        "\"required\":[\"type\",\"title\",\"status\",\"hint\"]}");
}

static void add_components(const struct parts *parts, struct buffer *out)
{
    member(out, "components");
    buffer_text(out, "{\"securitySchemes\":{\"api_key\":{\"type\":\"http\",\"scheme\":\"bearer\"");
    member_text(out, "description",
                "An API key: mp_test_... or mp_live_..., which also says for which tenant, and "
                "with which scopes. A route names the scope that it needs.");
    buffer_text(out, ",\"x-scopes\":{");
    for (const struct scope *scope = scopes; scope->name != NULL; scope++)
        member_text(out, scope->name, scope->help);
    buffer_text(out, "}}}");
    openapi_parameters(out);
    openapi_answer_headers(out);
    member(out, "schemas");
    buffer_char(out, '{');
    add_problem(out);
    for (unsigned i = 0; i < parts->record_count; i++) {
        const struct record *record = parts->records[i].record;

        member(out, record->name);
        if (parts->records[i].closed)
            record_schema_closed(record, OPENAPI_SCHEMAS, out);
        else
            record_schema(record, OPENAPI_SCHEMAS, out);
    }
    buffer_text(out, "}}");
}

void openapi_print(const struct service *service, struct buffer *out)
{
    struct parts parts = {.route_count = 0};

    add_routes(&parts, service->routes, service->name);
    add_routes(&parts, health_routes, "operation");
    add_routes(&parts, openapi_routes, "operation");
    buffer_char(out, '{');
    add_info(service, out);
    add_paths(&parts, service->routes, out);
    add_components(&parts, out);
    buffer_char(out, '}');
}

/* --- serving --- */

static void get_openapi(struct http_exchange *exchange)
{
    const struct buffer *document = exchange->service;

    buffer_add(&exchange->out, document->bytes, document->length);
    http_answer(exchange, 200);
}

const struct http_route openapi_routes[] = {
    {.method = HTTP_GET,
     .path = "/openapi.json",
     .handle = get_openapi,
     .produces = "application/json",
     .summary = "Describes this API.",
     .help = "OpenAPI 3.1, made of the same rows as the code."},
    {.path = NULL},
};
