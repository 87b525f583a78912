/* Tables of the manual. */
#include "runtime/docs.h"

#include "bus/events.h"
#include "http/router.h"
#include "ledger/port.h"
#include "security/scopes.h"

#include <string.h>

extern const struct migrations adapters_migrations, security_migrations;

/* Text within a cell: a bar would end it. */
static void add_cell(struct buffer *out, const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '|') buffer_char(out, '\\');
        buffer_char(out, *text);
    }
}

/* --- services --- */

void docs_services(const struct service *const *services, struct buffer *out)
{
    buffer_text(out, "| service | port | what for | publishes to | database |\n"
                     "|---|---|---|---|---|\n");
    for (; *services != NULL; services++) {
        const struct service *service = *services;
        bool any = false;

        buffer_format(out, "| %s | ", service->name);
        if (service->routes != NULL) buffer_number(out, service->port);
        buffer_text(out, " | ");
        add_cell(out, service->help);
        buffer_text(out, " |");
        for (const struct topic *topic = topics; topic->name != NULL; topic++) {
            if (strcmp(topic->owner, service->name) != 0) continue;
            buffer_format(out, "%s `%s`", any ? "," : "", topic->name);
            any = true;
        }
        if (service->migrations != NULL)
            buffer_format(out, " | `%s.db` |\n", service->name);
        else
            buffer_text(out, " | none |\n");
    }
}

static void add_route(const struct http_route *route, struct buffer *out)
{
    buffer_format(out, "| %s | `%s` | ", http_method_name(route->method), route->path);
    add_cell(out, route->summary);
    buffer_format(out, " | %s | %s |", route->scope != NULL ? route->scope : "",
                  route->key == HTTP_KEY_REQUIRED ? "yes" : "");
    for (unsigned i = 0; i < HTTP_REFUSES_MAX && route->refuses[i] != REASON_NONE; i++)
        buffer_format(out, "%s %s", i > 0 ? "," : "", reason_row(route->refuses[i])->name);
    buffer_text(out, " |\n");
}

void docs_routes(const struct service *const *services, struct buffer *out)
{
    for (const struct service *const *s = services; *s != NULL; s++) {
        if ((*s)->routes == NULL) continue;
        buffer_format(out, "%s### %s\n\n", s > services ? "\n" : "", (*s)->name);
        buffer_text(out, "| method | path | what for | scope | Idempotency-Key | refuses with |\n"
                         "|---|---|---|---|---|---|\n");
        for (const struct http_route *r = (*s)->routes; r->path != NULL; r++) add_route(r, out);
    }
}

void docs_consumers(const struct service *const *services, struct buffer *out)
{
    buffer_text(out, "| type | read by | may be replayed |\n|---|---|---|\n");
    for (const struct event_type *type = event_types; type->name != NULL; type++)
        for (const struct service *const *s = services; *s != NULL; s++)
            for (const struct consume *c = (*s)->consumes; c != NULL && c->apply != NULL; c++)
                if (strcmp(c->type, type->name) == 0 && c->major == type->major)
                    buffer_format(out, "| `%s` | %s | %s |\n", type->name, (*s)->name,
                                  c->kind == CONSUME_PURE ? "yes" : "no: it acts");
}

/* --- databases --- */

static void add_migrations(const struct migrations *migrations, struct buffer *out)
{
    for (const struct migration *m = migrations->rows; m->name != NULL; m++)
        buffer_format(out, "Migration %04u, %s:\n```sql\n%s```\n", m->number, m->name, m->sql);
}

void docs_schemas(const struct service *const *services, struct buffer *out)
{
    buffer_text(out, "### In every service's database\n");
    add_migrations(&adapters_migrations, out);
    buffer_text(out, "\n### security.db: API keys\n");
    add_migrations(&security_migrations, out);
    for (; *services != NULL; services++) {
        if ((*services)->migrations == NULL) continue;
        buffer_format(out, "\n### %s.db\n", (*services)->name);
        add_migrations((*services)->migrations, out);
    }
}

/* --- settings --- */

void docs_settings(const struct service *const *services, struct buffer *out)
{
    buffer_text(out, "### The process\n\n");
    settings_print_help(&common_settings, out);
    for (; *services != NULL; services++) {
        if ((*services)->settings == NULL) continue;
        buffer_format(out, "\n### %s\n\n", (*services)->name);
        settings_print_help((*services)->settings, out);
    }
}

/* --- reasons and results --- */

static const char *repeat_of(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_AGAIN: return "the same request, later";
    case OUTCOME_UNKNOWN: return "the same request with the same key: it may have happened";
    case OUTCOME_BROKEN: return "no; tell the operator";
    default: return "no";
    }
}

void docs_reasons(struct buffer *out)
{
    buffer_text(out, "| status | reason | title | may a repeat succeed | what to do |\n"
                     "|---|---|---|---|---|\n");
    for (unsigned status = 400; status < 600; status++) {
        for (unsigned i = 1; i < REASON_COUNT; i++) {
            const struct reason_row *row = reason_row((enum reason)i);

            if (row->status != status) continue;
            buffer_format(out, "| %u | `%s` | %s | %s | ", status, row->name, row->title,
                          repeat_of(row->outcome));
            add_cell(out, row->help);
            buffer_text(out, " |\n");
        }
    }
}

static void add_result(uint32_t number, const char *name, bool binds, struct buffer *out)
{
    enum reason reason = ledger_reason(number);
    const struct reason_row *row = reason_row(reason);

    buffer_format(out, "| %u | `%s` | ", number, name);
    if (reason == REASON_NONE)
        buffer_text(out, "none: it is done | as the first time | |");
    else
        buffer_format(out, "[%s](#reasons) | %u | %s |", row->name, row->status,
                      repeat_of(row->outcome));
    buffer_format(out, " %s |\n", binds ? "yes" : "");
}

void docs_results(struct buffer *out)
{
    buffer_text(out,
                "| number | result of the ledger | problem | status | may a repeat succeed | the "
                "transfer's id is used up |\n|---|---|---|---|---|---|\n");
#define MP_X(NAME, name, number, binds) add_result(number, #name, (binds) != 0, out);
    MP_TRANSFER_RESULTS(MP_X)
#undef MP_X
}

void docs_scopes(struct buffer *out)
{
    buffer_text(out, "| scope | who has it |\n|---|---|\n");
    for (const struct scope *scope = scopes; scope->name != NULL; scope++)
        buffer_format(out, "| `%s` | %s |\n", scope->name, scope->help);
}
