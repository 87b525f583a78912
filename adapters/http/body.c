/* A JSON body to the struct of its route. */
#include "http/dispatch.h"
#include "wire/json.h"

void body_read(struct http_exchange *exchange, struct error *err)
{
    const struct http_route *route = exchange->route;
    cJSON *json;

    if (route->raw) return;
    if (route->takes == NULL) {
        if (exchange->body_length > 0) error_fault(err, "", "must be empty");
        return;
    }
    if (exchange->body_length > BODY_JSON_MAX) {
        error_set(err, REASON_BODY_TOO_LARGE, "the body has more than %u bytes", BODY_JSON_MAX);
        return;
    }
    json = exchange->body_length > 0 ? json_parse(exchange->body, exchange->body_length, err)
                                     : json_parse("{}", 2, err);
    if (json == NULL) return;
    exchange->dispatched->input = need_memory(route->takes->size);
    if (record_read(route->takes, json, true, "", exchange->dispatched->input, err) == OUTCOME_DONE)
        exchange->input = exchange->dispatched->input;
    cJSON_Delete(json);
}
