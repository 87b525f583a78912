/* A statement's page as JSON or CSV. */
#include "statement.h"

#include "http/pages.h"
#include "http/pages_cursor.h"
#include "wire/times.h"

#include <stdio.h>
#include <string.h>

static unsigned kind_of(uint16_t code)
{
    switch (code) {
    case TRANSFER_CODE_PAYMENT: return STATEMENT_PAYMENT;
    case TRANSFER_CODE_FEE: return STATEMENT_FEE;
    case TRANSFER_CODE_DEPOSIT: return STATEMENT_DEPOSIT;
    case TRANSFER_CODE_WITHDRAWAL: return STATEMENT_WITHDRAWAL;
    case TRANSFER_CODE_REFUND: return STATEMENT_REFUND;
    case TRANSFER_CODE_RETURN: return STATEMENT_RETURN;
    case TRANSFER_CODE_RESERVATION: return STATEMENT_RESERVATION;
    case TRANSFER_CODE_BULK: return STATEMENT_BULK;
    default: return STATEMENT_OTHER;
    }
}

static void show(const struct statement *s, const struct statement_line *line,
                 struct account_statement_row *out)
{
    struct amount amount = amount_of((int64_t)line->amount, s->currency);

    memset(out, 0, sizeof *out);
    out->booked_at = line->booked_ns;
    out->effective_at = line->effective_ns;
    out->payment = uuid_of_id(line->payment);
    if (line->payment != 0) out->present |= RECORD_BIT(account_statement_row, payment);
    out->kind = kind_of(line->code);
    out->counterparty.uuid = uuid_of_id(line->counterparty);
    *(line->debit ? &out->debit : &out->credit) = amount;
    out->present |= line->debit ? RECORD_BIT(account_statement_row, debit)
                                : RECORD_BIT(account_statement_row, credit);
    out->balance = amount_of((int64_t)line->balance, s->currency);
    out->transfer = uuid_of_id(line->transfer);
}

/* Sums of the ledger have 128 bits; what the API shows has 18 digits. */
static bool fits(const struct statement_line *line)
{
    return line->amount <= (mp_amount)AMOUNT_MAX && line->balance <= AMOUNT_MAX &&
           line->balance >= -AMOUNT_MAX;
}

/* --- CSV, as RFC 4180 has it --- */

static void csv_amount(struct buffer *out, bool given, struct amount amount)
{
    char text[AMOUNT_TEXT_MAX];

    if (given) buffer_add(out, text, amount_print(amount, text));
    buffer_char(out, ',');
}

static void csv_time(struct buffer *out, uint64_t ns)
{
    char text[INSTANT_TEXT_MAX];

    buffer_add(out, text, instant_print(ns, text));
    buffer_char(out, ',');
}

static void csv_id(struct buffer *out, struct uuid id)
{
    char text[UUID_TEXT + 1];

    uuid_print(id, text);
    if (!uuid_is_zero(id)) buffer_text(out, text);
}

static void csv_row(const struct statement *s, const struct account_statement_row *row,
                    struct buffer *out)
{
    csv_time(out, row->booked_at);
    csv_time(out, row->effective_at);
    csv_id(out, row->payment);
    buffer_format(out, ",%s,", statement_kinds[row->kind - 1]);
    csv_id(out, row->counterparty.uuid);
    buffer_format(out, ",%s,", s->currency->code);
    csv_amount(out, (row->present & RECORD_BIT(account_statement_row, debit)) != 0, row->debit);
    csv_amount(out, (row->present & RECORD_BIT(account_statement_row, credit)) != 0, row->credit);
    csv_amount(out, true, row->balance);
    csv_id(out, row->transfer);
    buffer_text(out, "\r\n");
}

static void csv_begin(const struct statement *s)
{
    struct http_exchange *exchange = s->exchange;
    char name[100], id[UUID_TEXT + 1];

    uuid_print(s->wallet, id);
    snprintf(name, sizeof name, "attachment; filename=\"statement-%s.csv\"", id);
    http_set_header(exchange, "Content-Type", "text/csv; charset=utf-8; header=present");
    http_set_header(exchange, "Content-Disposition", name);
    buffer_text(&exchange->out, "booked_at,effective_at,payment,kind,counterparty,currency,debit,"
                                "credit,balance,transfer\r\n");
}

static void csv_answer(struct http_exchange *exchange, const struct store_value *last)
{
    struct buffer cursor = {0};

    if (last != NULL) {
        page_cursor_print(exchange->page, last, &cursor);
        http_set_header(exchange, "Micropay-Next", buffer_str(&cursor));
    }
    buffer_done(&cursor);
    http_answer(exchange, 200);
}

/* --- the answer --- */

static void refuse(const struct statement *s)
{
    struct error err;

    error_set(&err, REASON_AMOUNT_TOO_LARGE, "the statement has amounts of more than 18 digits");
    error_hint(&err, "Read it in bulk, or from the ledger's files.");
    http_answer_problem(s->exchange, &err);
}

void account_statement_answer(struct statement *s)
{
    struct http_exchange *exchange = s->exchange;
    unsigned limit = s->room - 1, count = s->count < limit ? s->count : limit;
    struct store_value last[2];
    struct account_statement_row row;

    for (unsigned i = 0; i < count; i++)
        if (!fits(&s->lines[i])) {
            refuse(s);
            return;
        }
    if (s->csv) {
        csv_begin(s);
    } else {
        http_set_header(exchange, "Content-Type", "application/json");
        page_begin(exchange);
    }
    for (unsigned i = 0; i < count; i++) {
        show(s, &s->lines[i], &row);
        if (s->csv)
            csv_row(s, &row, &exchange->out);
        else
            page_row(exchange, &row);
        last[0] = store_integer((int64_t)s->lines[i].place.time_ns);
        last[1] = store_integer((int64_t)s->lines[i].place.position);
    }
    ledger_place_header(s->service->context.reads, exchange,
                        ledger_newest(s->service->context.reads));
    if (s->csv)
        csv_answer(exchange, s->count > limit ? last : NULL);
    else
        page_answer(exchange, s->count > limit ? last : NULL);
}
