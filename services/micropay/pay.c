/* pay, hold: a payment from one wallet to another */
#include "feed.h"
#include "payments.h"
#include "table.h"
#include "wallets.h"

#include <stdio.h>
#include <string.h>

enum { WATCH_MORE_MS = 700 };

/* What is seen of a payment while it is made. As long as the platform: a question for events may
 * still be out when all has been seen. */
struct watch {
    struct feed feed;
    struct loop_timer end; /* events that were not seen a while after the answer don't come */
    uint64_t since_ns;
    char payment[37], last[64]; /* of the events so far: whose they are, type of the last */
    bool answered;
};

/* A payment that is to be made. */
struct order {
    struct platform platform;
    struct wallet payer, payee;
    const char *amount;
    char key[300], body[400], simulate[96];
    struct request request;
    struct reply reply;
    struct watch watch;
};

static enum exit_status read_order(struct command *command, struct order *order)
{
    const char *currency = command->arguments[3];
    struct amount amount;
    enum exit_status status = currency_check(command, currency);

    if (status != EXIT_DONE) return status;
    order->amount = command->arguments[2];
    if (!amount_read(order->amount, &amount))
        return usage_error(command, "'%s' is no amount, such as 12.50", order->amount);
    status = platform_open(command, &order->platform);
    if (status != EXIT_DONE) return status;
    status = wallet_by_name(&order->platform, command->arguments[0], currency, &order->payer);
    if (status == EXIT_DONE)
        status = wallet_by_name(&order->platform, command->arguments[1], currency, &order->payee);
    return status;
}

static void plan(struct order *order, bool hold)
{
    const struct command *command = order->platform.command;
    char random[33];

    platform_random(&order->platform, random);
    snprintf(order->key, sizeof order->key, "%s",
             given(command, OPT_KEY) ? command->values[OPT_KEY].text : random);
    snprintf(order->body, sizeof order->body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"%.40s\",\"currency\":\"%s\"%s}",
             order->payer.id, order->payee.id, order->amount, order->payer.currency,
             hold ? ",\"capture\":\"manual\"" : "");
    order->request = (struct request){.service = "payment",
                                      .method = HTTP_POST,
                                      .path = "/api/v1/payments",
                                      .key = order->key,
                                      .body = order->body,
                                      .headers = {"Prefer: wait=30"}};
    if (!given(command, OPT_SIMULATE)) return;
    snprintf(order->simulate, sizeof order->simulate, "Simulate: %s",
             command->values[OPT_SIMULATE].text);
    order->request.headers[1] = order->simulate;
}

/* --- watching --- */

static const cJSON *payment_of(const struct reply *reply)
{
    const cJSON *within = cJSON_GetObjectItem(reply->json, "payment");

    return within != NULL ? within : reply->json;
}

static void end_watch(struct order *order)
{
    order->watch.feed.stopped = true;
    platform_stop(&order->platform);
}

/* All has been seen once the event of the answer's status was. A payment that waits for somebody
 * has none: then it ends a while after the answer. */
static void look(struct order *order)
{
    static const struct {
        const char *status, *type;
    } ends[] = {{"completed", "payment.completed"},
                {"failed", "payment.failed"},
                {"cancelled", "payment.cancelled"},
                {"in_review", "payment.review.started"}};
    const char *status = json_member(payment_of(&order->reply), "status");

    for (unsigned i = 0; order->watch.answered && i < sizeof ends / sizeof *ends; i++)
        if (strcmp(status, ends[i].status) == 0 && strcmp(order->watch.last, ends[i].type) == 0)
            end_watch(order);
}

static bool is_about(struct order *order, const cJSON *event)
{
    struct watch *watch = &order->watch;
    const cJSON *data = cJSON_GetObjectItem(event, "data");
    const char *subject = json_member(event, "subject");

    if (watch->payment[0] == '\0' && strcmp(json_member(event, "type"), "payment.initiated") == 0 &&
        strcmp(json_member(data, "payer"), order->payer.id) == 0 &&
        strcmp(json_member(data, "payee"), order->payee.id) == 0)
        snprintf(watch->payment, sizeof watch->payment, "%s", subject);
    return watch->payment[0] != '\0' &&
           (strcmp(subject, watch->payment) == 0 || strcmp(subject, order->payer.id) == 0 ||
            strcmp(subject, order->payee.id) == 0);
}

static void on_event(void *context, const cJSON *event)
{
    struct order *order = context;

    if (!is_about(order, event)) return;
    event_show(&order->platform, event, order->watch.since_ns);
    snprintf(order->watch.last, sizeof order->watch.last, "%s", json_member(event, "type"));
    look(order);
}

static void on_feed_failed(void *context, const struct reply *reply)
{
    struct order *order = context;

    platform_refused(&order->platform, reply);
    if (order->watch.answered) end_watch(order);
}

static void on_time_over(void *context) { end_watch(context); }

static void on_paid(void *context, const struct reply *reply)
{
    struct order *order = context;
    struct watch *watch = &order->watch;

    reply_copy(reply, &order->reply);
    watch->answered = true;
    watch->end = (struct loop_timer){.fire = on_time_over, .context = order};
    loop_timer_set(order->platform.loop, &watch->end, WATCH_MORE_MS * UINT64_C(1000000));
    look(order);
}

/* Sends it, and shows events until they say what the answer says. */
static enum exit_status pay_watched(struct order *order)
{
    struct platform *platform = &order->platform;
    struct watch *watch = &order->watch;
    enum exit_status status;

    watch->feed = (struct feed){
        .platform = platform, .each = on_event, .failed = on_feed_failed, .context = order};
    status = feed_begin(&watch->feed);
    if (status != EXIT_DONE) return status;
    watch->since_ns = loop_now_ns(platform->loop);
    feed_poll(&watch->feed);
    platform_send(platform, &order->request, on_paid, order);
    platform_run(platform);
    loop_timer_cancel(platform->loop, &watch->end);
    return reply_is_good(&order->reply) ? EXIT_DONE : platform_refused(platform, &order->reply);
}

/* --- showing --- */

/* What the ledger booked for it, in the payer's statement. */
static void show_records(struct order *order)
{
    static const struct column columns[] = {
        {"ledger transfer", false}, {"account", false}, {"debit", true},
        {"credit", true},           {"balance", true},  {NULL, false}};
    struct platform *platform = &order->platform;
    const struct wallet *sides[] = {&order->payer, &order->payee};
    const char *payment = json_member(payment_of(&order->reply), "id");
    struct table table;

    if (!table_begin(&table, &platform->command->out, columns)) return;
    for (unsigned i = 0; i < 2; i++) {
        char path[120];
        struct request request = {.service = "account", .method = HTTP_GET, .path = path};
        struct reply reply;
        const cJSON *row;

        snprintf(path, sizeof path, "/api/v1/accounts/%s/statement?sort=-time&limit=10",
                 sides[i]->id);
        platform_ask(platform, &request, &reply);
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(reply.json, "data"))
        {
            if (strcmp(json_member(row, "payment"), payment) != 0) continue;
            table_cell(&table, "%s", json_member(row, "transfer"));
            table_cell(&table, "%s", platform_name(platform, sides[i]->id));
            table_cell(&table, "%s", json_member(row, "debit"));
            table_cell(&table, "%s", json_member(row, "credit"));
            table_cell(&table, "%s", json_member(row, "balance"));
        }
        reply_done(&reply);
    }
    table_end(&table);
}

static enum exit_status show_balances(struct order *order)
{
    static const struct column columns[] = {
        {"wallet", false}, {"available before", true}, {"after", true}, {NULL, false}};
    struct wallet sides[] = {order->payer, order->payee};
    struct table table;

    for (unsigned i = 0; i < 2; i++) {
        enum exit_status status = wallet_refresh(&order->platform, &sides[i]);

        if (status != EXIT_DONE) return status;
    }
    if (!table_begin(&table, &order->platform.command->out, columns)) return EXIT_LEDGER;
    for (unsigned i = 0; i < 2; i++) {
        table_cell(&table, "%s", platform_name(&order->platform, sides[i].id));
        table_cell(&table, "%s", i == 0 ? order->payer.available : order->payee.available);
        table_cell(&table, "%s", sides[i].available);
    }
    table_end(&table);
    return EXIT_DONE;
}

static enum exit_status show(struct order *order)
{
    struct command *command = order->platform.command;

    if (command->json) {
        text_string(&command->out, order->reply.body);
        text_char(&command->out, '\n');
        return EXIT_DONE;
    }
    payment_line(&order->platform, order->reply.json);
    if (order->reply.replayed)
        text_string(&command->out, "The key was used before: nothing was paid again.\n");
    if (given(command, OPT_WATCH)) show_records(order);
    return show_balances(order);
}

static void show_curl(struct order *order)
{
    struct text *out = &order->platform.command->out;

    wallet_curl(&order->platform, &order->payer, out);
    wallet_curl(&order->platform, &order->payee, out);
    platform_curl(&order->platform, &order->request, out);
}

static enum exit_status pay(struct order *order)
{
    const struct command *command = order->platform.command;
    enum exit_status status;
    const char *id;

    if (given(command, OPT_WATCH))
        status = pay_watched(order);
    else
        status = platform_ask(&order->platform, &order->request, &order->reply);
    id = json_member(payment_of(&order->reply), "id");
    if (id[0] != '\0') payment_remember(&order->platform, id);
    return status == EXIT_DONE ? show(order) : status;
}

static enum exit_status order_payment(struct command *command, bool hold)
{
    struct order order = {.amount = NULL};
    enum exit_status status = read_order(command, &order);

    if (status == EXIT_DONE) {
        plan(&order, hold);
        if (given(command, OPT_CURL))
            show_curl(&order);
        else
            status = pay(&order);
    }
    reply_done(&order.reply);
    if (order.platform.command != NULL) platform_close(&order.platform);
    return status;
}

enum exit_status verb_pay(struct command *command) { return order_payment(command, false); }
enum exit_status verb_hold(struct command *command) { return order_payment(command, true); }
