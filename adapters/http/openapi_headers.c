/* Parameters and headers that many routes have: each described once. */
#include "http/openapi_parts.h"

#include "http/pages.h"

const char *const openapi_header_words[OPENAPI_HEADERS] = {
    [HEADER_KEY] = "idempotency_key", [HEADER_PREFER] = "prefer",
    [HEADER_AT_LEAST] = "at_least",   [HEADER_SIMULATE] = "simulate",
    [HEADER_TRACE] = "traceparent",   [QUERY_LIMIT] = "limit",
    [QUERY_CURSOR] = "cursor",
};

static const struct {
    const char *name, *in, *schema, *help;
} parameters[OPENAPI_HEADERS] = {
    [HEADER_KEY] = {"Idempotency-Key", "header",
                    "{\"type\":\"string\",\"pattern\":\"^[!-~]+$\",\"minLength\":1,"
                    "\"maxLength\":255,\"example\":\"order-4711\"}",
                    "Names this request: what is sent again with the same key happens once, "
                    "whenever and wherever it comes. A repeat gets the same answer, with "
                    "Idempotent-Replayed: true."},
    [HEADER_PREFER] = {"Prefer", "header", "{\"type\":\"string\",\"example\":\"wait=10\"}",
                       "wait=N waits up to N seconds, 0 to 30, for what was asked to be done; 2 "
                       "unless said. If it isn't done then, the answer is 202."},
    [HEADER_AT_LEAST] =
        {"Micropay-At-Least", "header",
         "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_-]{1,36}[.][A-Za-z0-9_-]{1,36}[.]"
         "(0|[1-9][0-9]{0,18})$\",\"example\":\"0.0.42\"}",
         "What a write answered as Micropay-Sequence: the answer has seen that write. Waits up to "
         "two seconds for it."},
    [HEADER_SIMULATE] = {"Simulate", "header",
                         "{\"type\":\"string\",\"pattern\":\"^[!-~]+$\",\"minLength\":1,"
                         "\"maxLength\":64}",
                         "In test mode alone: forces an outcome."},
    [HEADER_TRACE] = {"traceparent", "header",
                      "{\"type\":\"string\","
                      "\"example\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}",
                      "W3C Trace Context: the caller's span, which the request becomes part of."},
    [QUERY_LIMIT] = {"limit", "query", NULL, "Rows of a page."},
    [QUERY_CURSOR] = {"cursor", "query", "{\"type\":\"string\",\"minLength\":1}",
                      "`next` of the page before, with the same sort and filters."},
};

static const struct {
    const char *word, *schema, *help;
} answer_headers[] = {
    {"location", "{\"type\":\"string\",\"format\":\"uri-reference\"}",
     "Path of what was made or changed."},
    {"sequence", "{\"type\":\"string\"}",
     "Place in the ledger's history, timeline.shard.sequence: for Micropay-At-Least."},
    {"replayed", "{\"type\":\"string\",\"enum\":[\"true\"]}",
     "The Idempotency-Key was used before; nothing happened again."},
    {"traceparent", "{\"type\":\"string\"}", "The request's span."},
    {"retry_after", "{\"type\":\"string\",\"pattern\":\"^[0-9]+$\"}",
     "Seconds after which the same request may be sent again."},
    {"challenge", "{\"type\":\"string\"}", "How to say who asks: Bearer."},
};

bool openapi_takes(const struct http_route *route, enum openapi_header header)
{
    switch (header) {
    case HEADER_KEY: return route->key == HTTP_KEY_REQUIRED;
    case HEADER_PREFER: return route->waits;
    case HEADER_AT_LEAST:
        return route->method == HTTP_GET && openapi_refuses(route, REASON_NOT_YET_VISIBLE);
    case HEADER_SIMULATE: return route->key == HTTP_KEY_REQUIRED;
    case HEADER_TRACE: return true;
    case QUERY_LIMIT:
    case QUERY_CURSOR: return route->lists;
    default: return false;
    }
}

void openapi_parameters(struct buffer *out)
{
    member(out, "parameters");
    buffer_char(out, '{');
    for (unsigned i = 0; i < OPENAPI_HEADERS; i++) {
        member(out, openapi_header_words[i]);
        buffer_char(out, '{');
        member_text(out, "name", parameters[i].name);
        member_text(out, "in", parameters[i].in);
        member_text(out, "description", parameters[i].help);
        if (i == HEADER_KEY) buffer_text(out, ",\"required\":true");
        member(out, "schema");
        if (i == QUERY_LIMIT)
            buffer_format(out, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":%u,\"default\":%u}",
                          PAGE_LIMIT_MAX, PAGE_LIMIT_DEFAULT);
        else
            buffer_text(out, parameters[i].schema);
        buffer_char(out, '}');
    }
    buffer_char(out, '}');
}

void openapi_answer_headers(struct buffer *out)
{
    member(out, "headers");
    buffer_char(out, '{');
    for (unsigned i = 0; i < sizeof answer_headers / sizeof *answer_headers; i++) {
        member(out, answer_headers[i].word);
        buffer_char(out, '{');
        member_text(out, "description", answer_headers[i].help);
        member(out, "schema");
        buffer_text(out, answer_headers[i].schema);
        buffer_char(out, '}');
    }
    buffer_char(out, '}');
}
