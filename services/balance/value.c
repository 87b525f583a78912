/*
 * The balance by value date: the sum of all movements whose value date is not behind an instant, in
 * whatever order they were booked. It takes as many rounds of the loop as there are movements to
 * look at, so that nobody else waits.
 */
#include "balance.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_STEP = 256 }; /* that are looked at in one round of the loop */

__extension__ typedef __int128 signed_sum;

struct scan {
    struct balances *service;
    struct http_exchange *exchange;
    struct known_account account;
    uint64_t at_ns, sequence;
    mp_statement *rows; /* NULL = none was ever booked */
    signed_sum sum;
    struct loop_task task;
    struct scan *next, **link;
};

static void end(struct scan *scan)
{
    *scan->link = scan->next;
    if (scan->next != NULL) scan->next->link = scan->link;
    mp_statement_close(scan->rows);
    free(scan);
}

static void refuse(struct scan *scan, const struct error *err)
{
    http_answer_problem(scan->exchange, err);
    end(scan);
}

static void answer(struct scan *scan)
{
    struct balance_body body = {0};
    struct error err;

    if (scan->sum > AMOUNT_MAX || scan->sum < -AMOUNT_MAX) {
        balance_too_large(&err);
        refuse(scan, &err);
        return;
    }
    body.account.uuid = scan->account.id;
    memcpy(body.currency.code, scan->account.currency->code, sizeof body.currency.code);
    body.posted = amount_of((int64_t)scan->sum, scan->account.currency);
    body.as_of = scan->at_ns;
    body.by = BALANCE_EFFECTIVE;
    body.present = RECORD_BIT(balance_body, as_of) | RECORD_BIT(balance_body, by);
    body.durability = BALANCE_LOCAL;
    ledger_place_print(scan->service->context.reads, scan->account.books.live, scan->sequence,
                       body.sequence);
    http_answer_record(scan->exchange, 200, &body);
    end(scan);
}

static bool moves_money(const mp_statement_row *row)
{
    switch (row->type) {
    case MP_CHANGE_SINGLE_PHASE:
    case MP_CHANGE_TWO_PHASE_POSTED:
    case MP_CHANGE_TWO_PHASE_PART_POSTED:
    case MP_CHANGE_REVERSAL: return true;
    default: return false;
    }
}

static void add(struct scan *scan, const mp_statement_row *row)
{
    const mp_transfer *transfer = &row->transfer;
    uint64_t effective_ns =
        transfer->user_data_64 != 0 ? transfer->user_data_64 : transfer->timestamp;

    if (!moves_money(row) || effective_ns > scan->at_ns) return;
    scan->sum += row->debit ? -(signed_sum)transfer->amount : (signed_sum)transfer->amount;
}

static void read_on(void *context)
{
    static mp_statement_row rows[ROWS_STEP];
    struct scan *scan = context;
    uint32_t count = 0;
    mp_status status = mp_statement_next(scan->rows, rows, ROWS_STEP, &count);
    struct error err;

    if (status != MP_OK) {
        error_set(&err, status == MP_CORRUPT ? REASON_CORRUPT : REASON_INTERNAL,
                  "could not read the ledger");
        error_detail(&err, "%s: %s", mp_status_name(status), mp_last_error());
        refuse(scan, &err);
        return;
    }
    for (uint32_t i = 0; i < count; i++) add(scan, &rows[i]);
    if (count == 0)
        answer(scan);
    else
        loop_post(scan->service->context.loop, &scan->task);
}

void balance_by_value(struct http_exchange *exchange, const struct known_account *account,
                      uint64_t at_ns)
{
    struct scan *scan = need_memory(sizeof *scan);
    mp_account_filter filter = {
        .account_id = id_of_uuid(account->id),
        .flags = MP_FILTER_DEBITS | MP_FILTER_CREDITS,
    };

    scan->service = exchange->service;
    scan->exchange = exchange;
    scan->account = *account;
    scan->at_ns = at_ns;
    scan->sequence = ledger_newest(scan->service->context.reads);
    scan->task = (struct loop_task){.run = read_on, .context = scan};
    scan->link = &scan->service->scans;
    scan->next = *scan->link;
    if (scan->next != NULL) scan->next->link = &scan->next;
    *scan->link = scan;
    if (mp_statement_open(scan->service->context.reads, &filter, 0, 0, &scan->rows) == MP_OK)
        loop_post(scan->service->context.loop, &scan->task);
    else
        answer(scan); /* the ledger has no such account yet: nothing was booked */
}

void balance_scans_end(struct balances *service)
{
    struct error err;

    error_set(&err, REASON_NOT_READY, "the service stops");
    while (service->scans != NULL) {
        loop_task_cancel(service->context.loop, &service->scans->task);
        refuse(service->scans, &err);
    }
}
