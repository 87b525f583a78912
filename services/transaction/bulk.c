/*
 * POST /transactions: transfers in bulk, past payments and their rules. Their safety is their ids:
 * sent again they are there already. A request is refused whole before anything of it was handed
 * over, or each of its transfers gets the ledger's own result.
 *
 * What isn't left to the ledger: every transfer names a ledger number of the caller's tenant and
 * mode (the ledger then refuses accounts and reservations of others), and none has a code of the
 * platform's own, nor inherits one: else a hold could be ended behind its payment's back, which
 * would wait for it for ever.
 */
#include "transaction.h"

#include "observe/metrics.h"
#include "wire/batch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request under way: what the ledger reads and writes meanwhile. */
struct bulk {
    struct transactions *service; /* NULL: it has stopped, nobody is to be told */
    struct http_exchange *exchange;
    struct bulk *next;
    bool binary, minimal;
    uint32_t count;
    mp_result results[MP_BATCH_MAX];
    mp_transfer transfers[MP_BATCH_MAX];
};

/* --- what comes in --- */

static bool is_binary(const struct http_exchange *exchange)
{
    const char *type = http_header(exchange, "Content-Type");
    size_t length = sizeof BATCH_MEDIA_TYPE - 1;

    return type != NULL && strncasecmp(type, BATCH_MEDIA_TYPE, length) == 0;
}

static bool is_minimal(const struct http_exchange *exchange)
{
    const char *prefer = http_header(exchange, "Prefer");

    return prefer != NULL && strcasestr(prefer, "return=minimal") != NULL;
}

__attribute__((format(printf, 4, 5))) static void fault(struct error *err, uint32_t index,
                                                        const char *field, const char *format, ...)
{
    char at[32], message[128];
    va_list list;

    snprintf(at, sizeof at, "/%u/%s", index, field);
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    error_fault(err, at, "%s", message);
}

/* Flags of transfers that take a code of 0 from the one that they refer to. */
enum {
    REFERRING = MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING | MP_TRANSFER_INCREASE_PENDING |
                MP_TRANSFER_REVERSAL
};

static void check_transfer(const mp_transfer *transfer, uint32_t index, struct error *err)
{
    if ((transfer->flags & MP_TRANSFER_BIND_ID) != 0)
        fault(err, index, "flags", "bind_id is not taken in bulk");
    if (transfer->code >= TRANSFER_CODE_PLATFORM_MIN &&
        transfer->code <= TRANSFER_CODE_PLATFORM_MAX)
        fault(err, index, "code", "must not be of the platform's own, %d to %d",
              TRANSFER_CODE_PLATFORM_MIN, TRANSFER_CODE_PLATFORM_MAX);
    if (transfer->code == 0 && (transfer->flags & REFERRING) != 0)
        fault(err, index, "code",
              "must be given here, where the ledger alone would not ask for it");
}

static enum outcome check(struct bulk *bulk, struct error *err)
{
    const struct caller *caller = &bulk->exchange->caller;
    const struct ledger_book *book = NULL; /* of the transfer before */

    for (uint32_t i = 0; i < bulk->count; i++) {
        const mp_transfer *transfer = &bulk->transfers[i];

        if (book == NULL || book->number != transfer->ledger)
            book = book_of(bulk->service, caller, transfer->ledger);
        if (book == NULL) fault(err, i, "ledger", "is no ledger of the API key's tenant and mode");
        check_transfer(transfer, i, err);
        if (err->fault_count > ERROR_FAULTS_MAX) break;
    }
    return err->fault_count > 0 ? err->outcome : OUTCOME_DONE;
}

static enum outcome read_body(struct bulk *bulk, struct error *err)
{
    const struct http_exchange *exchange = bulk->exchange;

    if (bulk->binary)
        return batch_read_binary(exchange->body, exchange->body_length, bulk->transfers,
                                 &bulk->count, err);
    return batch_read_json(exchange->body, exchange->body_length, bulk->transfers, &bulk->count,
                           err);
}

/* --- what goes out --- */

static void count_results(const struct bulk *bulk, uint64_t *newest)
{
    uint32_t created = 0;

    for (uint32_t i = 0; i < bulk->count; i++) {
        created += bulk->results[i].result == MP_CREATED;
        if (bulk->results[i].sequence > *newest) *newest = bulk->results[i].sequence;
    }
    metric_add(METRIC_bulk_transfers_total, created);
    metric_add(METRIC_bulk_refused_total, bulk->count - created);
}

static void answer(struct bulk *bulk)
{
    struct http_exchange *exchange = bulk->exchange;
    uint64_t newest = 0;

    count_results(bulk, &newest);
    ledger_place_header(bulk->service->ledger, exchange, newest);
    http_set_header(exchange, "Content-Type", bulk->binary ? BATCH_MEDIA_TYPE : "application/json");
    if (bulk->binary)
        batch_print_binary(bulk->results, bulk->count, &exchange->out);
    else
        batch_print_json(bulk->results, bulk->count, bulk->minimal, &exchange->out);
    http_answer(exchange, 200);
}

/* The ledger refused the request whole. */
static void refuse(struct bulk *bulk, mp_status status)
{
    struct error err = {0};

    switch (status) {
    case MP_UNKNOWN:
    case MP_STOPPED:
        error_set(&err, REASON_LEDGER_STOPPED, "the ledger has stopped");
        error_hint(&err, "Send the same transfers again later: those that were booked answer "
                         "`exists`.");
        break;
    case MP_LIMIT:
    case MP_DISK_FULL:
    case MP_NO_MEMORY:
        error_set(&err, REASON_OUT_OF_SPACE, "the ledger has no room; nothing was booked");
        break;
    default: error_set(&err, REASON_INTERNAL, "the ledger refused the batch; nothing was booked");
    }
    error_detail(&err, "It answered %s.", mp_status_name(status));
    http_answer_problem(bulk->exchange, &err);
}

static void unlink_bulk(struct bulk *bulk)
{
    struct bulk **link = &bulk->service->bulks;

    while (*link != bulk) link = &(*link)->next;
    *link = bulk->next;
    bulk->service->bulk_count--;
}

static void on_done(void *context, mp_status status)
{
    struct bulk *bulk = context;
    struct transactions *service = bulk->service;

    if (service != NULL) {
        unlink_bulk(bulk);
        if (status == MP_OK)
            answer(bulk);
        else
            refuse(bulk, status);
        service_idle(service);
    }
    free(bulk);
}

/* --- the handler --- */

static void submit(struct bulk *bulk)
{
    struct transactions *service = bulk->service;
    mp_request request = {
        .operation = MP_CREATE_TRANSFERS,
        .count = bulk->count,
        .events = bulk->transfers,
        .results = bulk->results,
    };

    bulk->next = service->bulks;
    service->bulks = bulk;
    service->bulk_count++;
    ledger_port_submit(service->context->ledger, &request, on_done, bulk);
}

void bulk_create(struct http_exchange *exchange)
{
    struct transactions *service = exchange->service;
    struct bulk *bulk;
    struct error err = {0};

    if (service->bulk_count >= service->settings->bulk_open_max) {
        error_set(&err, REASON_BUSY, "%u bulk requests are under way", service->bulk_count);
        http_answer_problem(exchange, &err);
        return;
    }
    bulk = need_memory(sizeof *bulk);
    bulk->service = service;
    bulk->exchange = exchange;
    bulk->binary = is_binary(exchange);
    bulk->minimal = is_minimal(exchange);
    if (read_body(bulk, &err) == OUTCOME_DONE && check(bulk, &err) == OUTCOME_DONE) {
        submit(bulk);
        return;
    }
    http_answer_problem(exchange, &err);
    free(bulk);
}

void bulk_stop(struct transactions *service)
{
    for (struct bulk *bulk = service->bulks; bulk != NULL; bulk = bulk->next) bulk->service = NULL;
    service->bulks = NULL;
    service->bulk_count = 0;
}
