/* dump: the whole log, a record a line, as JSON */
#include "names.h"
#include "outcome.h"
#include "session.h"
#include "show.h"

static void show_fields(struct json *json, const mp_record *record)
{
    char unnamed[32];

    switch (record->kind) {
    case MP_RECORD_ACCOUNT:
        json_number(json, "slot", record->slot);
        json_object(json, "account");
        json_account(json, &record->account);
        json_object_end(json);
        break;
    case MP_RECORD_TRANSFER:
    case MP_RECORD_EXPIRY:
        json_object(json, "change");
        json_change(json, &record->change);
        json_object_end(json);
        json_digits(json, "left", record->left);
        json_digits(json, "reversed", record->reversed);
        break;
    case MP_RECORD_UPDATE:
        json_object(json, "change");
        json_change(json, &record->change);
        json_object_end(json);
        break;
    case MP_RECORD_BOUND_ID:
        json_digits(json, "bound_id", record->bound_id);
        json_string(json, "bound_by", transfer_result_text(record->bound_code, unnamed));
        break;
    case MP_RECORD_INPUT_POSITION:
        json_digits(json, "source", record->source);
        json_digits(json, "source_position", record->source_position);
        break;
    }
}

static void show(struct command *command, const mp_record *record)
{
    struct json json = json_begin(&command->out);

    json_string(&json, "kind", record_name(record->kind));
    json_digits(&json, "sequence", record->sequence);
    json_digits(&json, "timestamp", record->timestamp);
    json_digits(&json, "position", record->position);
    json_digits(&json, "block_position", record->block_position);
    json_digits(&json, "block_time", record->block_time);
    json_number(&json, "block_pages", record->block_pages);
    show_fields(&json, record);
    json_end(&json);
}

static enum exit_status show_all(struct command *command, mp_log *log)
{
    uint64_t left = given(command, OPT_LIMIT) ? u64_of(command, OPT_LIMIT) : UINT64_MAX;
    mp_status status = MP_OK;
    mp_record record;

    for (; left > 0 && (status = mp_log_next(log, &record)) == MP_OK; left--)
        show(command, &record);
    if (status == MP_OK || status == MP_END) return EXIT_DONE;
    return session_failed(command, status, "could not read on in the log");
}

enum exit_status verb_dump(struct command *command)
{
    mp_ledger *ledger;
    mp_log *log;
    enum exit_status status = session_open(command, MP_OPEN_READ, &ledger);

    if (status != EXIT_DONE) return status;
    mp_status opened = mp_log_open(ledger, 0, &log);
    if (opened != MP_OK) {
        status = session_failed(command, opened, "could not read the log");
    } else {
        status = show_all(command, log);
        mp_log_close(log);
    }
    return session_close(command, ledger, status);
}
