/* One route: its parameters, body, answers and refusals. */
#include "http/openapi_parts.h"

#include "http/pages.h"
#include "http/router.h"

#include <stdio.h>

/* --- what it can be refused for --- */

static bool is_named(const struct http_route *route, enum reason reason)
{
    for (unsigned i = 0; i < HTTP_REFUSES_MAX && route->refuses[i] != REASON_NONE; i++)
        if (route->refuses[i] == reason) return true;
    return false;
}

bool openapi_refuses(const struct http_route *route, enum reason reason)
{
    if (is_named(route, reason)) return true;
    switch (reason) {
    case REASON_BODY_TOO_LARGE:
    case REASON_INTERNAL:
    case REASON_INVALID_REQUEST: return true;
    case REASON_NOT_FOUND: return strchr(route->path, '{') != NULL;
    case REASON_KEY_MISSING: return route->key == HTTP_KEY_REQUIRED;
    case REASON_NOT_ACCEPTABLE: return route->gives != NULL || route->produces != NULL;
    case REASON_UNSUPPORTED_MEDIA: return route->takes != NULL || route->raw;
    case REASON_CONFLICT:
    case REASON_CORRUPT:
    case REASON_FORBIDDEN:
    case REASON_LEDGER_STOPPED:
    case REASON_NOT_READY:
    case REASON_OUT_OF_SPACE:
    case REASON_STORE_UNREACHABLE:
    case REASON_UNAUTHORIZED: return route->scope != NULL;
    default: return false;
    }
}

/* --- names --- */

void openapi_path_parameters(const char *path, void (*each)(struct buffer *out, const char *name),
                             struct buffer *out)
{
    while ((path = strchr(path, '{')) != NULL) {
        char name[32];

        snprintf(name, sizeof name, "%.*s", (int)strcspn(path + 1, "}"), path + 1);
        each(out, name);
        path++;
    }
}

/* "post_payments_id_captures" of POST /api/v1/payments/{id}/captures */
static void add_operation_id(const struct http_route *route, struct buffer *out)
{
    const char *path = route->path, *version = "/api/v1/";

    if (strncmp(path, version, strlen(version)) == 0) path += strlen(version) - 1;
    buffer_char(out, '"');
    for (const char *c = http_method_name(route->method); *c != '\0'; c++)
        buffer_char(out, (char)(*c | 0x20));
    for (; *path != '\0'; path++)
        if (*path != '{' && *path != '}')
            buffer_char(out, strchr("/.-", *path) != NULL ? '_' : *path);
    buffer_char(out, '"');
}

/* --- parameters --- */

static void add_reference(struct buffer *out, const char *kind, const char *word)
{
    next_member(out);
    buffer_format(out, "{\"$ref\":\"#/components/%s/%s\"}", kind, word);
}

static void add_path_parameter(struct buffer *out, const char *name)
{
    next_member(out);
    buffer_text(out, "{\"in\":\"path\",\"required\":true");
    member_text(out, "name", name);
}

static void add_uuid(struct buffer *out, const char *name)
{
    add_path_parameter(out, name);
    buffer_text(out, ",\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}");
}

static void add_word(struct buffer *out, const char *name)
{
    add_path_parameter(out, name);
    buffer_text(out, ",\"schema\":{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9._-]+$\","
                     "\"minLength\":1,\"maxLength\":64}}");
}

static void add_filter(const struct http_query *query, const char *suffix, const char *meaning,
                       struct buffer *out)
{
    char name[64], help[256];

    snprintf(name, sizeof name, "%s%s", query->name, suffix);
    snprintf(help, sizeof help, "%s%s", query->help != NULL ? query->help : "", meaning);
    next_member(out);
    buffer_text(out, "{\"in\":\"query\"");
    member_text(out, "name", name);
    member_text(out, "description", help);
    member(out, "schema");
    if (query->kind == RECORD_TEXT) /* that a text may be empty is no filter */
        buffer_format(out,
                      "{\"type\":\"string\",\"minLength\":1,\"maxLength\":%u,"
                      "\"pattern\":\"^[^\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f]*$\"}",
                      PAGE_TEXT_MAX);
    else
        record_schema_kind(query->kind, query->choices, out);
    buffer_char(out, '}');
}

static void add_filters(const struct http_route *route, struct buffer *out)
{
    for (const struct http_query *q = route->query; q != NULL && q->name != NULL; q++) {
        add_filter(q, "", "", out);
        if (!q->range) continue;
        add_filter(q, "[gte]", " From that on.", out);
        add_filter(q, "[gt]", " After that.", out);
        add_filter(q, "[lte]", " Up to that.", out);
        add_filter(q, "[lt]", " Before that.", out);
    }
}

static void add_sort(const struct http_route *route, struct buffer *out)
{
    if (route->sorts == NULL) return;
    next_member(out);
    buffer_format(out,
                  "{\"name\":\"sort\",\"in\":\"query\",\"style\":\"form\",\"explode\":false,"
                  "\"description\":\"Fields with commas between, each at most once; a minus "
                  "before one that descends. %s unless said.\","
                  "\"schema\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":%u,"
                  "\"uniqueItems\":true,\"items\":{\"type\":\"string\",\"enum\":[",
                  route->sorts[0], PAGE_SORTS_MAX);
    for (unsigned i = 0; route->sorts[i] != NULL; i++) {
        const char *field = route->sorts[i] + (*route->sorts[i] == '-');

        next_member(out);
        buffer_format(out, "\"%s\",\"-%s\"", field, field);
    }
    buffer_text(out, "]}}}");
}

static void add_parameters(const struct http_route *route, struct buffer *out)
{
    member(out, "parameters");
    buffer_char(out, '[');
    openapi_path_parameters(route->path, route->text_params ? add_word : add_uuid, out);
    add_filters(route, out);
    add_sort(route, out);
    for (unsigned i = 0; i < OPENAPI_HEADERS; i++)
        if (openapi_takes(route, (enum openapi_header)i))
            add_reference(out, "parameters", openapi_header_words[i]);
    buffer_char(out, ']');
}

/* --- bodies --- */

void openapi_media_types(const char *list,
                         void (*each)(const struct http_route *route, const char *type,
                                      struct buffer *out),
                         const struct http_route *route, struct buffer *out)
{
    if (list == NULL) list = "application/json";
    while (*list != '\0') {
        char type[80];

        snprintf(type, sizeof type, "%.*s", (int)strcspn(list, ","), list);
        each(route, type, out);
        list += strcspn(list, ",");
        list += strspn(list, ", ");
    }
}

/* What no record describes. */
static void add_free_schema(const char *type, struct buffer *out)
{
    bool json = strstr(type, "json") != NULL;

    buffer_text(out, json ? "{\"schema\":{}}" : "{\"schema\":{\"type\":\"string\"}}");
}

static void add_taken(const struct http_route *route, const char *type, struct buffer *out)
{
    member(out, type);
    if (route->takes == NULL) {
        add_free_schema(type, out);
        return;
    }
    buffer_format(
        out, "{\"schema\":{\"$ref\":\"" OPENAPI_SCHEMAS "%s\"},\"example\":", route->takes->name);
    openapi_example(route->takes, out);
    buffer_char(out, '}');
}

static bool needs_body(const struct http_route *route)
{
    if (route->takes == NULL) return false;
    for (const struct record_field *f = record_fields(route->takes); f->name != NULL; f++)
        if (f->need == NEEDED) return true;
    return false;
}

static void add_body(const struct http_route *route, struct buffer *out)
{
    if (route->takes == NULL && !route->raw) return;
    member(out, "requestBody");
    buffer_format(out, "{\"required\":%s,\"content\":{", needs_body(route) ? "true" : "false");
    openapi_media_types(route->consumes, add_taken, route, out);
    buffer_text(out, "}}");
}

/* --- answers --- */

static void add_given(const struct http_route *route, const char *type, struct buffer *out)
{
    member(out, type);
    if (route->gives == NULL || strstr(type, "json") == NULL)
        add_free_schema(type, out);
    else if (route->lists)
        buffer_format(out,
                      "{\"schema\":{\"type\":\"object\",\"properties\":{\"data\":{\"type\":"
                      "\"array\",\"maxItems\":%u,\"items\":{\"$ref\":\"" OPENAPI_SCHEMAS "%s\"}},"
                      "\"next\":{\"type\":[\"string\",\"null\"],\"description\":\"`cursor` of the "
                      "page behind this one; null if there is none.\"}},"
                      "\"required\":[\"data\",\"next\"]}}",
                      PAGE_LIMIT_MAX, route->gives->name);
    else
        buffer_format(out, "{\"schema\":{\"$ref\":\"" OPENAPI_SCHEMAS "%s\"}}", route->gives->name);
}

static void add_header(struct buffer *out, const char *name, const char *word)
{
    member(out, name);
    buffer_format(out, "{\"$ref\":\"#/components/headers/%s\"}", word);
}

/* Whether an answer of one route has the id that another one's path takes: what POST /things makes
 * is at /things/{id}. */
static bool leads_to(const struct http_route *from, const struct http_route *to)
{
    size_t length = strlen(from->path);
    const char *rest = to->path + length;

    return from->method == HTTP_POST && from->gives != NULL && !from->lists &&
           record_bit(from->gives, "id") != 0 && strncmp(to->path, from->path, length) == 0 &&
           strncmp(rest, "/{id}", 5) == 0 && strchr(rest + 1, '{') == strrchr(rest + 1, '{');
}

static void add_links(const struct http_route *route, const struct http_route *all,
                      struct buffer *out)
{
    bool any = false;

    for (; all != NULL && all->path != NULL; all++) {
        if (!leads_to(route, all)) continue;
        if (!any) {
            member(out, "links");
            buffer_char(out, '{');
        }
        any = true;
        next_member(out);
        add_operation_id(all, out);
        buffer_text(out, ":{\"operationId\":");
        add_operation_id(all, out);
        buffer_text(out, ",\"parameters\":{\"id\":\"$response.body#/id\"}}");
    }
    if (any) buffer_char(out, '}');
}

static void add_success(const struct http_route *route, unsigned status, const char *help,
                        const struct http_route *all, struct buffer *out)
{
    char text[16];

    snprintf(text, sizeof text, "%u", status);
    member(out, text);
    buffer_char(out, '{');
    member_text(out, "description", help);
    member(out, "headers");
    buffer_char(out, '{');
    add_header(out, "traceparent", "traceparent");
    if (route->key == HTTP_KEY_REQUIRED) {
        add_header(out, "Location", "location");
        add_header(out, "Idempotent-Replayed", "replayed");
        add_header(out, "Micropay-Sequence", "sequence");
    }
    buffer_char(out, '}');
    if (route->gives != NULL || route->produces != NULL) {
        member(out, "content");
        buffer_char(out, '{');
        openapi_media_types(route->produces, add_given, route, out);
        buffer_char(out, '}');
    }
    add_links(route, all, out);
    buffer_char(out, '}');
}

/* A problem of a status, whose type is one of those that it can be. */
static void add_problem(const struct http_route *route, unsigned status, struct buffer *out)
{
    buffer_text(out, "{\"schema\":{\"allOf\":[{\"$ref\":\"" OPENAPI_SCHEMAS "problem\"},"
                     "{\"properties\":{\"type\":{\"enum\":[");
    for (unsigned i = 1; i < REASON_COUNT; i++) {
        const struct reason_row *row = reason_row((enum reason)i);

        if (row->status != status || !openapi_refuses(route, (enum reason)i)) continue;
        next_member(out);
        buffer_format(out, "\"https://micropay.dev/problems/%s\"", row->type);
    }
    buffer_format(out, "]},\"status\":{\"const\":%u}}}]}}", status);
}

static void add_refusal(const struct http_route *route, unsigned status, struct buffer *out)
{
    struct buffer titles = {0}, names = {0};
    char text[16];

    for (unsigned i = 1; i < REASON_COUNT; i++) {
        const struct reason_row *row = reason_row((enum reason)i);

        if (row->status != status || !openapi_refuses(route, (enum reason)i)) continue;
        buffer_format(&titles, "%s%s", titles.length > 0 ? ". " : "", row->title);
        buffer_format(&names, "%s\"%s\"", names.length > 0 ? "," : "", row->name);
    }
    if (names.length > 0) {
        snprintf(text, sizeof text, "%u", status);
        member(out, text);
        buffer_char(out, '{');
        member_text(out, "description", buffer_str(&titles));
        buffer_format(out, ",\"x-reasons\":[%s],\"headers\":{", buffer_str(&names));
        add_header(out, "traceparent", "traceparent");
        if (status == 401) add_header(out, "WWW-Authenticate", "challenge");
        if (status == 429 || status == 503) add_header(out, "Retry-After", "retry_after");
        buffer_text(out, "},\"content\":{\"application/problem+json\":");
        add_problem(route, status, out);
        /* what is open to all says how it is in its own form: health */
        if (route->scope == NULL && status == 503 && route->gives != NULL)
            openapi_media_types(route->produces, add_given, route, out);
        buffer_text(out, "}}");
    }
    buffer_done(&titles);
    buffer_done(&names);
}

static void add_answers(const struct http_route *route, const struct http_route *all,
                        struct buffer *out)
{
    unsigned success = route->success != 0 ? route->success : 200;

    member(out, "responses");
    buffer_char(out, '{');
    add_success(route, success,
                success == 204   ? "Done."
                : success == 201 ? "Made, or there before."
                                 : "What was asked for.",
                all, out);
    if (route->waits)
        add_success(route, 202, "Accepted and durable, but not yet done. GET shows when it is.",
                    all, out);
    for (unsigned status = 400; status < 600; status++) add_refusal(route, status, out);
    buffer_char(out, '}');
}

/* --- the whole --- */

static void add_curl(const struct http_route *route, struct buffer *out)
{
    struct buffer curl = {0};

    buffer_format(&curl, "curl -X %s \"$MICROPAY_URL%s\"", http_method_name(route->method),
                  route->path);
    if (route->scope != NULL)
        buffer_text(&curl, " \\\n  -H \"Authorization: Bearer $MICROPAY_KEY\"");
    if (route->key == HTTP_KEY_REQUIRED)
        buffer_text(&curl, " \\\n  -H \"Idempotency-Key: order-4711\"");
    if (route->takes != NULL) {
        buffer_text(&curl, " \\\n  -H \"Content-Type: application/json\" -d '");
        openapi_example(route->takes, &curl);
        buffer_char(&curl, '\'');
    }
    member(out, "x-codeSamples");
    buffer_text(out, "[{\"lang\":\"Shell\",\"label\":\"curl\"");
    member_text(out, "source", buffer_str(&curl));
    buffer_text(out, "}]");
    buffer_done(&curl);
}

void openapi_operation(const struct http_route *route, const char *tag,
                       const struct http_route *all, struct buffer *out)
{
    char method[8] = "";

    for (unsigned i = 0; http_method_name(route->method)[i] != '\0'; i++)
        method[i] = (char)(http_method_name(route->method)[i] | 0x20);
    member(out, method);
    buffer_char(out, '{');
    member(out, "operationId");
    add_operation_id(route, out);
    member(out, "tags");
    buffer_format(out, "[\"%s\"]", tag);
    member_text(out, "summary", route->summary);
    member_text(out, "description", route->help);
    if (route->scope != NULL) {
        member(out, "security");
        buffer_format(out, "[{\"api_key\":[\"%s\"]}]", route->scope);
    }
    add_parameters(route, out);
    add_body(route, out);
    add_answers(route, all, out);
    add_curl(route, out);
    buffer_char(out, '}');
}
