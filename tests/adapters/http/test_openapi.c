/* The description of the desk's routes, which have all that a row can say. */
#include "http/desk.h"
#include "http/openapi.h"
#include "support/http_memory.h"
#include "support/openapi_check.h"
#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct service service = {
    .name = "desk", .port = 8089, .help = "Items.", .routes = desk_routes};

static cJSON *document;
static const struct http_route *route_at(enum http_method method, const char *path)
{
    for (const struct http_route *r = desk_routes; r->path != NULL; r++)
        if (r->method == method && strcmp(r->path, path) == 0) return r;
    cr_assert_fail("no route %s", path);
    return NULL;
}

static const cJSON *described(enum http_method method, const char *path)
{
    return openapi_operation_of(document, route_at(method, path));
}

static void set_up(void) { document = openapi_document(&service); }
static void tear_down(void) { cJSON_Delete(document); }

Test(openapi, rows_and_document_say_the_same, .init = set_up, .fini = tear_down)
{
    cr_assert_str_eq(openapi_text(document, "openapi"), "3.1.0");
    openapi_check_rows(&service, document);
    openapi_check_nothing_else(&service, document);
}

Test(openapi, what_answers_nothing_has_no_content, .init = set_up, .fini = tear_down)
{
    struct http_route bare[] = {{.method = HTTP_DELETE, .path = "/v1/x/{id}", .success = 204},
                                {.path = NULL}};
    struct service other = service;
    cJSON *of_other;

    other.routes = bare;
    of_other = openapi_document(&other);
    cr_assert_not_null(openapi_at(openapi_operation_of(of_other, bare), "responses|204"));
    cr_assert_null(openapi_at(openapi_operation_of(of_other, bare), "responses|204|content"));
    cr_assert_null(openapi_at(openapi_operation_of(of_other, bare), "responses|200"));
    cr_assert_null(openapi_at(openapi_operation_of(of_other, bare), "responses|406"));
    cJSON_Delete(of_other);
}

Test(openapi, all_media_types_of_a_raw_body_are_named, .init = set_up, .fini = tear_down)
{
    const cJSON *content =
        openapi_at(described(HTTP_POST, "/v1/files/{name}"), "requestBody|content");

    cr_assert_eq(cJSON_GetArraySize(content), 2);
    cr_assert_not_null(openapi_at(content, "application/octet-stream"));
    cr_assert_not_null(openapi_at(content, "text/plain"));
}

Test(openapi, a_page_is_its_rows_and_the_next_cursor, .init = set_up, .fini = tear_down)
{
    const cJSON *schema = openapi_at(described(HTTP_GET, "/v1/items"),
                                     "responses|200|content|application/json|schema");

    cr_assert_str_eq(openapi_text(schema, "properties|data|items|$ref"),
                     "#/components/schemas/seen");
    cr_assert_not_null(openapi_at(schema, "properties|next"));
}

Test(openapi, the_example_of_a_body_is_one_that_is_taken, .init = set_up, .fini = tear_down)
{
    const cJSON *example = openapi_at(described(HTTP_POST, "/v1/items"),
                                      "requestBody|content|application/json|example");
    struct item_request item = {0};
    struct error err = {0};

    cr_assert_eq(record_read(&item_request_record, example, true, "", &item, &err), OUTCOME_DONE,
                 "%s %s", err.faults[0].field, err.faults[0].message);
    cr_assert_str_eq(item.currency.code, "EUR");
}

Test(openapi, what_is_made_is_linked_to_what_can_be_done_with_it, .init = set_up, .fini = tear_down)
{
    const cJSON *links = openapi_at(described(HTTP_POST, "/v1/items"), "responses|201|links");

    cr_assert_eq(cJSON_GetArraySize(links), 4);
    cr_assert_str_eq(openapi_text(links, "get_v1_items_id|parameters|id"), "$response.body#/id");
}

static void keep(void *context, const struct http_memory_reply *reply)
{
    struct buffer *text = context;

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(http_memory_reply_header(reply, "Content-Type"), "application/json");
    buffer_add(text, reply->body, reply->length);
}

Test(openapi, the_service_hands_it_out_to_everybody)
{
    struct test_loop_options options = {.seed = 1};
    struct loop *loop = test_loop_make(&options);
    struct http_router *router = http_router_make();
    struct buffer printed = {0}, answered = {0};

    openapi_print(&service, &printed);
    http_router_add(router, openapi_routes, &printed);
    http_memory_call(router, loop, "GET", "/openapi.json", NULL, NULL, keep, &answered);
    test_loop_run(loop);
    cr_assert_str_eq(buffer_str(&answered), buffer_str(&printed));
    buffer_done(&printed);
    buffer_done(&answered);
    http_router_free(router);
    test_loop_free(loop);
}
