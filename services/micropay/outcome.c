#include "outcome.h"

#include "names.h"
#include "session.h"
#include "show.h"
#include "times.h"

#include <stdio.h>

bool account_result_good(uint32_t result)
{
    return result == MP_CREATED || result == MP_ACCOUNT_EXISTS;
}

bool transfer_result_good(uint32_t result)
{
    return result == MP_CREATED || result == MP_TRANSFER_EXISTS || result == MP_TRANSFER_ID_BOUND;
}

static const char *result_text(const char *name, uint32_t result, char out[32])
{
    if (name != NULL) return name;
    snprintf(out, 32, "%u", result);
    return out;
}

const char *account_result_text(uint32_t result, char out[32])
{
    return result_text(mp_account_result_name(result), result, out);
}

const char *transfer_result_text(uint32_t result, char out[32])
{
    return result_text(mp_transfer_result_name(result), result, out);
}

enum exit_status outcome_id(const struct command *command, mp_id *out)
{
    *out = number_of(command, OPT_ID);
    if (given(command, OPT_ID)) return EXIT_DONE;
    int status = command->env->random(command->env->context, out, sizeof *out);
    if (status == 0) return EXIT_DONE;
    complain(command, "could not draw an id: %s. Give one by --id", strerror(-status));
    return EXIT_LEDGER;
}

/* An account after the event: its sums as told with the result, or as they are now. */
struct side {
    mp_id id;
    mp_balance sums;
    const char *name; /* the JSON member */
    bool known;
};

static void side_now(mp_ledger *ledger, struct side *side)
{
    side->known = side->id != 0 && mp_read_balance(ledger, side->id, &side->sums) == MP_OK;
}

static void show_json(struct command *command, mp_id id, const char *name, const mp_result *result,
                      const struct side *sides, unsigned count)
{
    struct json json = json_begin(&command->out);
    char bound[32];

    json_digits(&json, "id", id);
    json_string(&json, "result", name);
    if (result->bound_code != 0)
        json_string(&json, "bound_by", transfer_result_text(result->bound_code, bound));
    json_digits(&json, "timestamp", result->timestamp);
    json_digits(&json, "sequence", result->sequence);
    for (unsigned i = 0; i < count; i++) {
        if (!sides[i].known) continue;
        json_object(&json, sides[i].name);
        json_digits(&json, "id", sides[i].id);
        json_sums(&json, &sides[i].sums);
        json_object_end(&json);
    }
    json_end(&json);
}

static enum exit_status show_table(struct command *command, mp_id id, const char *name,
                                   const mp_result *result, const struct side *sides,
                                   unsigned count)
{
    static const struct column columns[] = {{"account", true}, SUMS_COLUMNS, {NULL, false}};
    struct table table;
    char bound[32];

    text_string(&command->out, "id         ");
    text_number(&command->out, id);
    text_format(&command->out, "\nresult     %s", name);
    if (result->bound_code != 0)
        text_format(&command->out, " (by %s)", transfer_result_text(result->bound_code, bound));
    text_string(&command->out, "\ntimestamp  ");
    text_number(&command->out, result->timestamp);
    text_string(&command->out, "  ");
    text_time(&command->out, result->timestamp);
    text_char(&command->out, '\n');
    if (!sides[0].known && (count < 2 || !sides[1].known)) return EXIT_DONE;
    text_char(&command->out, '\n');
    if (!table_begin(&table, &command->out, columns)) return no_memory(command);
    for (unsigned i = 0; i < count; i++) {
        if (!sides[i].known) continue;
        table_number(&table, sides[i].id);
        cell_sums(&table, command, &sides[i].sums);
    }
    table_end(&table);
    return EXIT_DONE;
}

static enum exit_status show(struct command *command, mp_id id, const mp_result *result,
                             const struct side *sides, unsigned count)
{
    char unnamed[32];
    const char *name = transfer_result_text(result->result, unnamed);
    enum exit_status status = EXIT_DONE;

    if (command->json)
        show_json(command, id, name, result, sides, count);
    else
        status = show_table(command, id, name, result, sides, count);
    if (status != EXIT_DONE) return status;
    return transfer_result_good(result->result) ? EXIT_DONE : EXIT_REFUSED;
}

/* Sends one event; says what to do if its fate is unknown. */
static enum exit_status send(struct command *command, mp_ledger *ledger, uint32_t operation,
                             mp_id id, const void *event, mp_result *result, mp_result_sums *sums)
{
    mp_request request = {
        .operation = operation, .count = 1, .events = event, .results = result, .sums = sums};
    mp_status status = mp_execute(ledger, &request);
    char text[NUMBER_TEXT_MAX];

    if (status == MP_OK) return EXIT_DONE;
    number_print(id, text);
    return session_failed(command, status, "could not book id %s (to try again, add --id %s)", text,
                          text);
}

enum exit_status outcome_transfer(struct command *command, const mp_transfer *transfer)
{
    struct side sides[2] = {{.name = "debit_account", .id = transfer->debit_account_id},
                            {.name = "credit_account", .id = transfer->credit_account_id}};
    mp_result result = {0};
    mp_result_sums sums = {0};
    mp_transfer booked;
    mp_ledger *ledger;
    uint32_t found = 0;
    enum exit_status status = session_open(command, 0, &ledger);

    if (status != EXIT_DONE) return status;
    status = send(command, ledger, MP_CREATE_TRANSFERS, transfer->id, transfer, &result, &sums);
    if (status != EXIT_DONE) return session_close(command, ledger, status);
    /* the record knows the accounts that a capture or release inherits */
    if (mp_lookup_transfers(ledger, &transfer->id, 1, &booked, &found) == MP_OK && found == 1) {
        sides[0].id = booked.debit_account_id;
        sides[1].id = booked.credit_account_id;
    }
    side_now(ledger, &sides[0]);
    side_now(ledger, &sides[1]);
    if (result.result == MP_CREATED) {
        sides[0].sums = sums.debit;
        sides[1].sums = sums.credit;
    }
    status = show(command, transfer->id, &result, sides, 2);
    return session_close(command, ledger, status);
}

enum exit_status outcome_update(struct command *command, const mp_account_update *update)
{
    struct side side = {.name = "account", .id = update->account_id};
    mp_result result = {0};
    mp_ledger *ledger;
    enum exit_status status = session_open(command, 0, &ledger);

    if (status != EXIT_DONE) return status;
    status = send(command, ledger, MP_UPDATE_ACCOUNTS, update->id, update, &result, NULL);
    if (status == EXIT_DONE) {
        side_now(ledger, &side);
        status = show(command, update->id, &result, &side, 1);
    }
    return session_close(command, ledger, status);
}
