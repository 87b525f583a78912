/* A payment in words and tables. */
#include "payments.h"

#include "table.h"
#include "wire/amount.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the newest one --- */

static void path_of(const struct platform *platform, struct buffer *out)
{
    buffer_format(out, "%s/last-payment", platform->data);
}

void payment_remember(const struct platform *platform, const char *id)
{
    struct buffer path = {0};
    FILE *file;

    path_of(platform, &path);
    file = fopen(path.bytes, "we");
    buffer_done(&path);
    if (file == NULL) return; /* the platform is elsewhere: --id names it then */
    fprintf(file, "%s\n", id);
    fclose(file);
}

enum exit_status payment_id(const struct platform *platform, char out[37])
{
    const struct command *command = platform->command;
    struct buffer path = {0};
    struct uuid uuid;
    FILE *file;

    out[0] = '\0';
    if (given(command, OPT_PAYMENT_ID)) {
        if (!uuid_read(command->values[OPT_PAYMENT_ID].text, &uuid))
            return usage_error(command, "--id: '%s' is no UUID",
                               command->values[OPT_PAYMENT_ID].text);
        uuid_print(uuid, out);
        return EXIT_DONE;
    }
    path_of(platform, &path);
    file = fopen(path.bytes, "re");
    buffer_done(&path);
    if (file != NULL) {
        if (fscanf(file, "%36s", out) != 1) out[0] = '\0';
        fclose(file);
    }
    if (uuid_read(out, &uuid)) return EXIT_DONE;
    return usage_error(command, "no payment was made from %s yet: name one by --id",
                       platform->data);
}

/* --- showing --- */

static void learn_name(struct platform *platform, const char *id)
{
    char path[80];
    struct request request = {.service = "account", .method = HTTP_GET, .path = path};
    struct reply reply;

    if (id[0] == '\0' || platform_name(platform, id) != id) return;
    snprintf(path, sizeof path, "/api/v1/accounts/%.36s", id);
    /* an account that isn't there is the tenant's own: bank, cash */
    if (platform_try(platform, &request, &reply) == EXIT_DONE &&
        reply_text(&reply, "name")[0] != '\0')
        platform_remember(platform, id, reply_text(&reply, "name"));
    reply_done(&reply);
}

void payment_names(struct platform *platform, const cJSON *payment)
{
    learn_name(platform, json_member(payment, "payer"));
    learn_name(platform, json_member(payment, "payee"));
}

void payment_line(struct platform *platform, const cJSON *payment)
{
    struct text *out = &platform->command->out;
    const char *reason = json_member(payment, "reason");

    text_format(out, "%s %s  %s%s%s", json_member(payment, "kind"), json_member(payment, "id"),
                json_member(payment, "status"), reason[0] != '\0' ? ": " : "", reason);
    text_format(out, "  %s %s  from %s", json_member(payment, "amount"),
                json_member(payment, "currency"),
                platform_name(platform, json_member(payment, "payer")));
    text_format(out, " to %s\n", platform_name(platform, json_member(payment, "payee")));
}

/* What the operations so far came to, in minor units. */
struct sums {
    const struct currency *currency;
    int64_t held, captured, refunded;
};

static int64_t minor_of(const struct sums *sums, const cJSON *operation)
{
    struct amount amount;
    int64_t minor = 0;

    if (!amount_read(json_member(operation, "amount"), &amount) ||
        !amount_minor(amount, sums->currency, &minor))
        return 0;
    return minor;
}

static void apply(struct sums *sums, const char *kind, int64_t amount, bool final)
{
    if (strcmp(kind, "reserve") == 0 || strcmp(kind, "increment") == 0) sums->held += amount;
    if (strcmp(kind, "void") == 0) sums->held = 0;
    if (strcmp(kind, "refund") == 0 || strcmp(kind, "return") == 0) sums->refunded += amount;
    if (strcmp(kind, "capture") != 0) return;
    sums->captured += amount;
    sums->held = final || amount > sums->held ? 0 : sums->held - amount;
}

static void cell_of(struct table *table, const struct sums *sums, int64_t minor)
{
    char text[AMOUNT_TEXT_MAX];

    amount_print(amount_of(minor, sums->currency), text);
    table_cell(table, "%s", text);
}

static void bill_row(struct table *table, struct sums *sums, const cJSON *operation)
{
    const char *kind = json_member(operation, "kind"), *status = json_member(operation, "status");
    const char *reason = json_member(operation, "reason");

    if (strcmp(kind, "bind") == 0) return; /* makes sure that nothing comes late: not on a bill */
    if (strcmp(status, "succeeded") == 0)
        apply(sums, kind, minor_of(sums, operation),
              cJSON_IsTrue(cJSON_GetObjectItem(operation, "final")));
    table_cell(table, "%.19s", json_member(operation, "created_at"));
    table_cell(table, "%s", strcmp(kind, "reserve") == 0 ? "hold" : kind);
    table_cell(table, "%s", json_member(operation, "amount"));
    cell_of(table, sums, sums->held);
    cell_of(table, sums, sums->captured);
    cell_of(table, sums, sums->refunded);
    table_cell(table, "%s%s%s", status, reason[0] != '\0' ? ": " : "", reason);
}

void payment_bill(struct platform *platform, const cJSON *payment)
{
    static const struct column columns[] = {{"time", false}, {"what", false},    {"amount", true},
                                            {"held", true},  {"captured", true}, {"refunded", true},
                                            {"", false},     {NULL, false}};
    struct sums sums = {.currency = currency_find(json_member(payment, "currency"))};
    struct table table;
    const cJSON *operation;

    payment_names(platform, payment);
    payment_line(platform, payment);
    if (sums.currency == NULL || !table_begin(&table, &platform->command->out, columns)) return;
    cJSON_ArrayForEach(operation, cJSON_GetObjectItem(payment, "operations"))
        bill_row(&table, &sums, operation);
    table_end(&table);
}
