/* A query to filters, sort and limit; rows to a page. */
#include "http/pages.h"

#include "http/pages_cursor.h"
#include "http/target.h"
#include "wire/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_suffixes[] = {[PAGE_IS] = "",
                                          [PAGE_GTE] = "[gte]",
                                          [PAGE_GT] = "[gt]",
                                          [PAGE_LTE] = "[lte]",
                                          [PAGE_LT] = "[lt]"};

/* Adds a fault of a parameter. */
__attribute__((format(printf, 3, 4))) static void fault(struct error *err, const char *parameter,
                                                        const char *format, ...)
{
    char field[64], message[128];
    va_list list;

    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    snprintf(field, sizeof field, "query %s", parameter);
    error_fault(err, field, "%s", message);
}

/* --- limit, sort --- */

static void read_limit(struct page *page, const char *text, struct error *err)
{
    uint64_t limit = PAGE_LIMIT_DEFAULT;

    if (text != NULL &&
        (!record_value(RECORD_COUNT_OF, text, &limit) || limit == 0 || limit > PAGE_LIMIT_MAX)) {
        fault(err, "limit", "must be a whole number from 1 to %u", PAGE_LIMIT_MAX);
        limit = PAGE_LIMIT_DEFAULT;
    }
    page->limit = (unsigned)limit;
}

/* The route's name of a field; NULL if it isn't one that it can be sorted by. */
static const char *find_sort(const char *const *sorts, const char *name, size_t length)
{
    for (; *sorts != NULL; sorts++) {
        const char *field = **sorts == '-' ? *sorts + 1 : *sorts;

        if (strncmp(field, name, length) == 0 && field[length] == '\0') return field;
    }
    return NULL;
}

static bool is_sorted_by(const struct page *page, const char *field)
{
    for (unsigned i = 0; i < page->sort_count; i++)
        if (page->sorts[i].field == field) return true;
    return false;
}

static void list_sorts(const char *const *sorts, struct buffer *out)
{
    for (; *sorts != NULL; sorts++)
        buffer_format(out, "%s%s", out->length > 0 ? ", " : "",
                      **sorts == '-' ? *sorts + 1 : *sorts);
}

static void read_sort(struct page *page, const char *const *sorts, const char *text,
                      struct error *err)
{
    while (true) {
        bool descending = *text == '-';
        const char *name = text + descending, *field;
        size_t length = strcspn(name, ",");

        field = find_sort(sorts, name, length);
        if (field == NULL) {
            struct buffer known = {0};

            list_sorts(sorts, &known);
            fault(err, "sort", "can be by: %s", buffer_str(&known));
            buffer_done(&known);
            return;
        }
        if (is_sorted_by(page, field)) {
            fault(err, "sort", "names %s twice", field);
            return;
        }
        if (page->sort_count == PAGE_SORTS_MAX) {
            fault(err, "sort", "names more than %u fields", PAGE_SORTS_MAX);
            return;
        }
        page->sorts[page->sort_count++] = (struct page_sort){field, descending};
        if (name[length] == '\0') return;
        text = name + length + 1;
    }
}

/* --- filters --- */

static void list_choices(const char *const *choices, char *out, size_t size)
{
    size_t length = 0;

    out[0] = '\0';
    for (; *choices != NULL && length < size; choices++)
        length +=
            (size_t)snprintf(out + length, size - length, "%s%s", length > 0 ? ", " : "", *choices);
}

static bool read_choice(const struct http_query *query, const char *parameter, const char *text,
                        union page_value *out, struct error *err)
{
    char known[100];

    for (unsigned i = 0; query->choices[i] != NULL; i++) {
        if (strcmp(query->choices[i], text) != 0) continue;
        out->number = i + 1;
        return true;
    }
    list_choices(query->choices, known, sizeof known);
    fault(err, parameter, "must be one of: %s", known);
    return false;
}

static bool read_value(const struct http_query *query, const char *parameter, const char *text,
                       union page_value *out, struct error *err)
{
    size_t length = strlen(text);

    if (query->kind == RECORD_CHOICE) return read_choice(query, parameter, text, out, err);
    if (query->kind == RECORD_TEXT) {
        if (length == 0 || length > PAGE_TEXT_MAX || !utf8_printable(text, length)) {
            fault(err, parameter, "must have 1 to %u bytes", PAGE_TEXT_MAX);
            return false;
        }
        out->text = text;
        return true;
    }
    if (record_value(query->kind, text, out)) return true;
    fault(err, parameter, "must be %s", record_kind_words(query->kind));
    return false;
}

static void read_filter(struct page *page, const struct http_query *query, enum page_op op,
                        const struct target *target, struct error *err)
{
    struct page_filter *filter = &page->filters[page->filter_count];
    char parameter[64];
    const char *text;

    snprintf(parameter, sizeof parameter, "%s%s", query->name, op_suffixes[op]);
    text = target_parameter(target, parameter);
    if (text == NULL) return;
    if (page->filter_count == PAGE_FILTERS_MAX) {
        fault(err, parameter, "is one filter more than %u", PAGE_FILTERS_MAX);
        return;
    }
    *filter = (struct page_filter){.query = query, .op = op};
    if (read_value(query, parameter, text, &filter->value, err)) page->filter_count++;
}

/* --- what the route doesn't know --- */

static bool is_known(const struct http_route *route, const char *name)
{
    if (route->lists && (strcmp(name, "limit") == 0 || strcmp(name, "cursor") == 0)) return true;
    if (route->sorts != NULL && strcmp(name, "sort") == 0) return true;
    for (const struct http_query *q = route->query; q != NULL && q->name != NULL; q++) {
        size_t length = strlen(q->name);

        if (strncmp(name, q->name, length) != 0) continue;
        for (unsigned op = PAGE_IS; op <= (q->range ? PAGE_LT : PAGE_IS); op++)
            if (strcmp(name + length, op_suffixes[op]) == 0) return true;
    }
    return false;
}

static void refuse_unknown(const struct http_route *route, const struct target *target,
                           struct error *err)
{
    for (unsigned i = 0; i < target->parameter_count; i++)
        if (!is_known(route, target->parameters[i].name))
            fault(err, target->parameters[i].name, "is not known here");
}

void page_read(struct page *page, const struct http_route *route, const struct target *target,
               struct error *err)
{
    unsigned faults = err->fault_count;
    const char *sort, *cursor;

    refuse_unknown(route, target, err);
    read_limit(page, route->lists ? target_parameter(target, "limit") : NULL, err);
    if (route->sorts != NULL) {
        sort = target_parameter(target, "sort");
        read_sort(page, route->sorts, sort != NULL ? sort : route->sorts[0], err);
    }
    for (const struct http_query *q = route->query; q != NULL && q->name != NULL; q++)
        for (unsigned op = PAGE_IS; op <= (q->range ? PAGE_LT : PAGE_IS); op++)
            read_filter(page, q, (enum page_op)op, target, err);
    if (!route->lists) return;
    page_digest(page, route);
    cursor = target_parameter(target, "cursor");
    if (cursor == NULL || err->fault_count > faults) return; /* a faulty sort fits no cursor */
    if (!page_cursor_read(page, cursor))
        fault(err, "cursor", "is not the `next` of a page with this sort and these filters");
}

void page_done(struct page *page)
{
    free(page->cursor_bytes);
    page->cursor_bytes = NULL;
}

const union page_value *page_filter(const struct page *page, const char *name, enum page_op op)
{
    for (unsigned i = 0; i < page->filter_count; i++)
        if (page->filters[i].op == op && strcmp(page->filters[i].query->name, name) == 0)
            return &page->filters[i].value;
    return NULL;
}

/* --- answering --- */

void page_begin(struct http_exchange *exchange) { buffer_text(&exchange->out, "{\"data\":["); }

void page_row(struct http_exchange *exchange, const void *record)
{
    if (exchange->out.bytes[exchange->out.length - 1] != '[') buffer_char(&exchange->out, ',');
    record_print(exchange->route->gives, record, &exchange->out);
}

void page_answer(struct http_exchange *exchange, const struct store_value *last)
{
    buffer_text(&exchange->out, "],\"next\":");
    if (last != NULL) {
        buffer_char(&exchange->out, '"');
        page_cursor_print(exchange->page, last, &exchange->out);
        buffer_char(&exchange->out, '"');
    } else {
        buffer_text(&exchange->out, "null");
    }
    buffer_char(&exchange->out, '}');
    http_answer(exchange, 200);
}
