/* The events service, asked for more and more. */
#include "feed.h"

#include "wire/amount.h"
#include "wire/times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep_position(struct feed *feed, const struct reply *reply)
{
    snprintf(feed->position, sizeof feed->position, "%s", reply_text(reply, "next"));
}

enum exit_status feed_begin(struct feed *feed)
{
    struct request request = {.service = "events", .method = HTTP_GET, .path = "/api/v1/events"};
    struct reply reply;
    enum exit_status status = platform_ask(feed->platform, &request, &reply);

    if (status == EXIT_DONE) keep_position(feed, &reply);
    reply_done(&reply);
    return status;
}

static void on_events(void *context, const struct reply *reply)
{
    struct feed *feed = context;
    const cJSON *event;

    if (feed->stopped) return;
    if (!reply_is_good(reply)) {
        feed->failed(feed->context, reply);
        return;
    }
    keep_position(feed, reply);
    cJSON_ArrayForEach(event, cJSON_GetObjectItem(reply->json, "data")) if (!feed->stopped)
        feed->each(feed->context, event);
    if (!feed->stopped) feed_poll(feed);
}

void feed_poll(struct feed *feed)
{
    struct request request = {.service = "events", .method = HTTP_GET, .path = feed->path};

    snprintf(feed->path, sizeof feed->path, "/api/v1/events?after=%s&wait=20", feed->position);
    platform_send(feed->platform, &request, on_events, feed);
}

/* --- in words --- */

/* A sum of account.balance.updated: what was paid in less what was paid out and is held. */
static void add_balance(struct text *out, const cJSON *data)
{
    const struct currency *currency = currency_find(json_member(data, "currency"));
    int64_t available = strtoll(json_member(data, "credits_posted"), NULL, 10) -
                        strtoll(json_member(data, "debits_posted"), NULL, 10) -
                        strtoll(json_member(data, "debits_pending"), NULL, 10);
    char text[AMOUNT_TEXT_MAX];

    if (currency == NULL || available < 0) return;
    amount_print(amount_of(available, currency), text);
    text_format(out, "  available %s", text);
}

/* What an event is about, beside its type. */
static void add_about(struct platform *platform, const cJSON *event)
{
    static const char *const shown[] = {"status", "decision", "amount", "currency", "reason"};
    struct text *out = &platform->command->out;
    const cJSON *data = cJSON_GetObjectItem(event, "data");
    const char *subject = json_member(event, "subject");

    text_format(out, "  %s", platform_name(platform, subject));
    if (strcmp(json_member(event, "type"), "account.balance.updated") == 0) add_balance(out, data);
    for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++)
        if (json_member(data, shown[i])[0] != '\0')
            text_format(out, "  %s", json_member(data, shown[i]));
    if (json_member(event, "ledgersequence")[0] != '\0')
        text_format(out, "  ledger %s", json_member(event, "ledgersequence"));
}

static void show_json(struct text *out, const cJSON *event)
{
    char *text = cJSON_PrintUnformatted(event);

    text_string(out, text != NULL ? text : "{}");
    cJSON_free(text);
}

static void show_line(struct platform *platform, const cJSON *event, uint64_t since_ns)
{
    struct text *out = &platform->command->out;
    const char *time = json_member(event, "time");
    uint64_t at_ns;

    if (since_ns != 0 && instant_read(time, &at_ns))
        text_format(out, "%+8.1f ms", ((double)at_ns - (double)since_ns) / 1e6);
    else
        text_format(out, "%.23s", time);
    text_format(out, "  %-24s", json_member(event, "type"));
    add_about(platform, event);
}

void event_show(struct platform *platform, const cJSON *event, uint64_t since_ns)
{
    struct text *out = &platform->command->out;

    if (platform->command->json)
        show_json(out, event);
    else
        show_line(platform, event, since_ns);
    text_char(out, '\n');
    text_flush(out);
}
