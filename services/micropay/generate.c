/* generate: the books of a made-up bank, as CSV that import reads */
#include "command.h"
#include "generate_bank.h"
#include "names.h"
#include "progress.h"
#include "show.h"
#include "times.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define MOVEMENTS_MAX UINT64_C(1000000000)
#define START_NS      UINT64_C(1704067200000000000) /* 2024-01-01 */

static uint64_t value_or(const struct command *command, enum option option, uint64_t otherwise)
{
    return given(command, option) ? u64_of(command, option) : otherwise;
}

static enum exit_status settings_of(const struct command *command, struct bank_settings *out)
{
    mp_id first = given(command, OPT_FIRST_ID) ? number_of(command, OPT_FIRST_ID) : 1;

    *out = (struct bank_settings){
        .movements = value_or(command, OPT_MOVEMENTS, 100000),
        .customers = value_or(command, OPT_ACCOUNT_COUNT, 1000),
        .seed = value_or(command, OPT_SEED, 1),
        .start_ns = value_or(command, OPT_START, START_NS),
        .length_ns = value_or(command, OPT_DAYS, 366) * DAY_NS,
        .live = given(command, OPT_LIVE),
        .reservations = given(command, OPT_RESERVATIONS),
        .first_id = first,
    };
    if (out->customers == 0 || out->customers > BANK_CUSTOMERS_MAX)
        return usage_error(command, "--accounts: 1 to %d", BANK_CUSTOMERS_MAX);
    if (out->movements == 0 || out->movements > MOVEMENTS_MAX)
        return usage_error(command, "--movements: 1 to %llu", (unsigned long long)MOVEMENTS_MAX);
    if (first == 0 || first > MP_U128_MAX - MOVEMENTS_MAX)
        return usage_error(command, "--first-id: 1 to 2^128 - %llu",
                           (unsigned long long)MOVEMENTS_MAX);
    if (out->length_ns == 0 || out->length_ns > (UINT64_C(1) << 62) ||
        out->start_ns + out->length_ns > (UINT64_C(1) << 63) - 1)
        return usage_error(command, "--start and --days: the books must end before 2262");
    return EXIT_DONE;
}

static void write_row(struct text *out, const mp_transfer *row)
{
    char flags[FLAGS_TEXT_MAX];

    text_number(out, row->id);
    text_char(out, ',');
    if (row->debit_account_id != 0) text_number(out, row->debit_account_id);
    text_char(out, ',');
    if (row->credit_account_id != 0) text_number(out, row->credit_account_id);
    text_char(out, ',');
    text_number(out, row->amount);
    text_char(out, ',');
    if (row->pending_id != 0) text_number(out, row->pending_id);
    text_char(out, ',');
    if (row->user_data_64 != 0) text_number(out, row->user_data_64);
    text_char(out, ',');
    if (row->ledger != 0) text_number(out, row->ledger);
    text_char(out, ',');
    if (row->code != 0) text_number(out, row->code);
    text_char(out, ',');
    if (row->flags == MP_TRANSFER_IMPORTED)
        text_bytes(out, "imported", 8);
    else if (row->flags != 0)
        text_string(out, flags_print(&transfer_flag_names, row->flags, flags));
    text_char(out, ',');
    if (row->timestamp != 0) text_number(out, row->timestamp);
    text_char(out, '\n');
}

static enum exit_status write_rows(struct command *command, const struct bank_settings *settings,
                                   struct text *out)
{
    struct progress progress = progress_begin();
    static struct bank bank;
    mp_transfer row;

    if (!bank_begin(&bank, settings)) return no_memory(command);
    text_string(
        out,
        "id,debit_account_id,credit_account_id,amount,pending_id,user_data_64,ledger,code,flags,"
        "timestamp\n");
    while (bank.made < settings->movements && !out->failed) {
        bank_next(&bank, &row);
        write_row(out, &row);
        if (bank.made % 65536 == 0)
            progress_show(&progress, bank.made, bank.made, settings->movements);
    }
    progress_end(&progress);
    bank_end(&bank);
    return EXIT_DONE;
}

enum exit_status verb_generate(struct command *command)
{
    const char *path = command->values[OPT_OUTPUT].text;
    struct bank_settings settings;
    struct text out;
    enum exit_status status = settings_of(command, &settings);

    if (status != EXIT_DONE) return status;
    if (!given(command, OPT_OUTPUT) || strcmp(path, "-") == 0)
        return write_rows(command, &settings, &command->out);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) return usage_error(command, "could not write '%s': %s", path, strerror(errno));
    if (!text_begin(&out, file)) {
        status = no_memory(command);
    } else {
        status = write_rows(command, &settings, &out);
        if (!text_end(&out) && status == EXIT_DONE) {
            complain(command, "could not write '%s': %s", path, strerror(out.error));
            status = EXIT_LEDGER;
        }
    }
    if (close(file) != 0 && status == EXIT_DONE) {
        complain(command, "could not write '%s': %s", path, strerror(errno));
        status = EXIT_LEDGER;
    }
    return status;
}
