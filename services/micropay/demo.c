/* demo crash: payments while the process is killed again and again, and what is left of them */
#include "child.h"
#include "platform.h"
#include "progress.h"
#include "wallets.h"

#include "wire/amount.h"
#include "wire/buffer.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    WALLETS = 10,
    CLIENTS = 16,
    AGAIN_MS = 20,
    PAYMENTS_MAX = 100000,
    KILLS_MAX = 1000,
    PAGE = 1000,
};

/* A payment of the demonstration, by its number. */
struct demo_payment {
    char id[37];     /* as it was answered last; empty = it never was */
    bool final;      /* answered 201, with a status that doesn't change by itself */
    bool changed_id; /* two answers to the same key had two ids */
};

struct demo;

struct client {
    struct demo *demo;
    unsigned payment; /* that it asks for */
    struct loop_timer again;
    char key[32], body[256];
};

struct demo {
    struct command *command;
    char data[64];
    struct child child;
    struct platform platform;
    char wallets[WALLETS][37];
    int64_t expected[WALLETS]; /* minor units */
    unsigned payment_count, kill_count, killed, answered, next;
    struct demo_payment *payments;
    struct client clients[CLIENTS];
    unsigned busy;          /* clients that wait for an answer */
    unsigned kill_at;       /* answers after which this life ends */
    uint64_t kill_delay_ns; /* and how long after them */
    struct loop_timer kill;
    bool kill_set, dead, failed;
    struct progress progress;
    /* what was found */
    unsigned listed, doubled, stuck, odd;
    bool books, verified;
};

/* --- the payments --- */

static unsigned payer_of(unsigned payment) { return payment % WALLETS; }
static unsigned payee_of(unsigned payment)
{
    return (payment + 1 + payment / WALLETS % (WALLETS - 1)) % WALLETS;
}
static int64_t amount_of_payment(unsigned payment) { return 1 + payment * 7919 % 1000; }

static void next_payment(struct client *client);

/* --- lives --- */

/* Draws when this life ends: after so many answers, and so long after. */
static void draw_end(struct demo *demo)
{
    unsigned left = demo->payment_count - demo->answered, lives = demo->kill_count - demo->killed;
    uint32_t random[2];

    loop_random(demo->platform.loop, random, sizeof random);
    demo->kill_set = false;
    demo->kill_at = demo->answered + random[0] % (1 + 2 * left / (lives + 1));
    demo->kill_delay_ns = random[1] % 30000000;
}

static void on_kill(void *context)
{
    struct demo *demo = context;

    child_kill(&demo->child);
    demo->killed++;
    demo->dead = true;
    if (demo->busy == 0) platform_stop(&demo->platform); /* else when the last of them has ended */
}

/* Whether it is time; called after each answer. */
static void look_at_end(struct demo *demo)
{
    if (demo->killed == demo->kill_count || demo->kill_set || demo->answered < demo->kill_at)
        return;
    demo->kill_set = true;
    demo->kill = (struct loop_timer){.fire = on_kill, .context = demo};
    loop_timer_set(demo->platform.loop, &demo->kill, demo->kill_delay_ns);
}

static enum exit_status begin_life(struct demo *demo)
{
    if (demo->child.process == 0) {
        enum exit_status status = child_start(demo->command, demo->data, &demo->child);

        if (status != EXIT_DONE) return status;
        platform_again(&demo->platform);
    }
    demo->dead = false;
    draw_end(demo);
    return EXIT_DONE;
}

/* --- clients --- */

static void on_answer(void *context, const struct reply *reply)
{
    struct client *client = context;
    struct demo *demo = client->demo;
    struct demo_payment *payment = &demo->payments[client->payment];
    const char *id = reply_text(reply, "id");

    demo->busy--;
    if (reply->status == 201 && id[0] != '\0') {
        if (payment->id[0] != '\0' && strcmp(payment->id, id) != 0) payment->changed_id = true;
        memcpy(payment->id, id, strnlen(id, 36) + 1);
        payment->final = strcmp(reply_text(reply, "status"), "completed") == 0;
        demo->odd += !payment->final;
        demo->answered++;
        progress_show(&demo->progress, demo->answered, demo->answered, demo->payment_count);
        look_at_end(demo);
        client->payment = UINT32_MAX;
    } else if (reply->status >= 400 && reply->status < 500) {
        complain(demo->command, "payment %u was refused: %s", client->payment, reply->body);
        demo->failed = true;
    }
    if (demo->failed || (demo->dead && demo->busy == 0)) platform_stop(&demo->platform);
    if (demo->failed || demo->dead) return;
    next_payment(client);
}

static void ask(void *context)
{
    struct client *client = context;
    struct demo *demo = client->demo;
    struct request request = {.service = "payment",
                              .method = HTTP_POST,
                              .path = "/api/v1/payments",
                              .key = client->key,
                              .body = client->body,
                              .headers = {"Prefer: wait=30"}};
    unsigned payment = client->payment;
    int64_t minor = amount_of_payment(payment);

    if (demo->dead) return; /* the next life asks */
    snprintf(client->key, sizeof client->key, "demo:%u", payment);
    snprintf(client->body, sizeof client->body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"%lld.%02lld\",\"currency\":\"EUR\"}",
             demo->wallets[payer_of(payment)], demo->wallets[payee_of(payment)],
             (long long)(minor / 100), (long long)(minor % 100));
    demo->busy++;
    platform_send(&demo->platform, &request, on_answer, client);
}

/* Sends again what was not answered, a while later; else the next one. */
static void next_payment(struct client *client)
{
    struct demo *demo = client->demo;

    if (client->payment != UINT32_MAX) {
        client->again = (struct loop_timer){.fire = ask, .context = client};
        loop_timer_set(demo->platform.loop, &client->again, AGAIN_MS * UINT64_C(1000000));
        return;
    }
    if (demo->next < demo->payment_count) {
        client->payment = demo->next++;
        ask(client);
    } else if (demo->answered == demo->payment_count && demo->killed == demo->kill_count) {
        platform_stop(&demo->platform);
    }
}

/* One life of the process, until it is killed or all is answered. */
static enum exit_status live(struct demo *demo)
{
    enum exit_status status = begin_life(demo);

    if (status != EXIT_DONE) return status;
    look_at_end(demo);
    for (unsigned i = 0; i < CLIENTS && !demo->dead; i++) {
        struct client *client = &demo->clients[i];

        if (client->payment != UINT32_MAX) /* what the life before left unanswered */
            ask(client);
        else
            next_payment(client);
    }
    platform_run(&demo->platform);
    for (unsigned i = 0; i < CLIENTS; i++)
        loop_timer_cancel(demo->platform.loop, &demo->clients[i].again);
    loop_timer_cancel(demo->platform.loop, &demo->kill);
    return demo->failed ? EXIT_REFUSED : EXIT_DONE;
}

static enum exit_status live_all(struct demo *demo)
{
    enum exit_status status = EXIT_DONE;

    while (status == EXIT_DONE &&
           (demo->answered < demo->payment_count || demo->killed < demo->kill_count))
        status = live(demo);
    /* killed after the last answer: what is durable is looked at in yet another life */
    return status == EXIT_DONE ? begin_life(demo) : status;
}

/* --- before --- */

static enum exit_status open_wallets(struct demo *demo)
{
    for (unsigned i = 0; i < WALLETS; i++) {
        struct wallet wallet;
        char name[32];
        enum exit_status status;

        snprintf(name, sizeof name, "wallet-%u", i);
        status = wallet_by_name(&demo->platform, name, "EUR", &wallet);
        if (status != EXIT_DONE) return status;
        memcpy(demo->wallets[i], wallet.id, sizeof demo->wallets[i]);
        demo->expected[i] = 100000;
    }
    return EXIT_DONE;
}

static enum exit_status set_up(struct demo *demo)
{
    const char *temporary = getenv("TMPDIR");
    enum exit_status status;

    snprintf(demo->data, sizeof demo->data, "%.40s/micropay-demo-XXXXXX",
             temporary != NULL && strlen(temporary) <= 40 ? temporary : "/tmp");
    if (mkdtemp(demo->data) == NULL) {
        complain(demo->command, "could not make %s: %s", demo->data, strerror(errno));
        return EXIT_LEDGER;
    }
    demo->payments = need_memory(demo->payment_count * sizeof *demo->payments);
    for (unsigned i = 0; i < CLIENTS; i++)
        demo->clients[i] = (struct client){.demo = demo, .payment = UINT32_MAX};
    status = child_start(demo->command, demo->data, &demo->child);
    if (status == EXIT_DONE) status = platform_open_at(demo->command, demo->data, &demo->platform);
    return status == EXIT_DONE ? open_wallets(demo) : status;
}

/* --- after --- */

static bool is_final(const char *status)
{
    return strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0 ||
           strcmp(status, "cancelled") == 0 || strcmp(status, "refunded") == 0;
}

/* All payments that there are. */
static enum exit_status list_payments(struct demo *demo)
{
    char path[1200], cursor[1024] = "";
    enum exit_status status = EXIT_DONE;

    do {
        struct request request = {.service = "payment", .method = HTTP_GET, .path = path};
        struct reply reply;
        const cJSON *row;

        snprintf(path, sizeof path, "/api/v1/payments?kind=payment&limit=%d%s%s", PAGE,
                 cursor[0] != '\0' ? "&cursor=" : "", cursor);
        status = platform_ask(&demo->platform, &request, &reply);
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(reply.json, "data"))
        {
            demo->listed++;
            demo->stuck += !is_final(json_member(row, "status"));
        }
        snprintf(cursor, sizeof cursor, "%s", reply_text(&reply, "next"));
        reply_done(&reply);
    } while (status == EXIT_DONE && cursor[0] != '\0');
    return status;
}

static int compare_ids(const void *a, const void *b) { return strcmp(a, b); }

/* A payment that is there twice has two ids, and two that are one share an id. */
static void count_doubled(struct demo *demo)
{
    char(*ids)[37] = need_memory(demo->payment_count * sizeof *ids);

    for (unsigned i = 0; i < demo->payment_count; i++) {
        memcpy(ids[i], demo->payments[i].id, sizeof *ids);
        demo->doubled += demo->payments[i].changed_id;
    }
    qsort(ids, demo->payment_count, sizeof *ids, compare_ids);
    for (unsigned i = 1; i < demo->payment_count; i++)
        demo->doubled += strcmp(ids[i - 1], ids[i]) == 0;
    if (demo->listed > demo->payment_count) demo->doubled += demo->listed - demo->payment_count;
    free(ids);
}

/* Each wallet has what the payments that were acknowledged leave it, and nothing is held. */
static enum exit_status compare_books(struct demo *demo)
{
    for (unsigned i = 0; i < demo->payment_count; i++) {
        demo->expected[payer_of(i)] -= amount_of_payment(i);
        demo->expected[payee_of(i)] += amount_of_payment(i);
    }
    demo->books = true;
    for (unsigned i = 0; i < WALLETS; i++) {
        struct wallet wallet = {.id = ""};
        char expected[AMOUNT_TEXT_MAX];
        enum exit_status status;

        memcpy(wallet.id, demo->wallets[i], sizeof wallet.id);
        status = wallet_refresh(&demo->platform, &wallet);
        if (status != EXIT_DONE) return status;
        amount_print(amount_of(demo->expected[i], currency_find("EUR")), expected);
        if (strcmp(wallet.posted, expected) == 0 && strcmp(wallet.available, expected) == 0)
            continue;
        complain(demo->command, "wallet-%u has %s, of it %s available, and should have %s", i,
                 wallet.posted, wallet.available, expected);
        demo->books = false;
    }
    return EXIT_DONE;
}

static void verify(struct demo *demo)
{
    char ledger[96];
    const char *const arguments[] = {"micropay", "verify", ledger, NULL};

    snprintf(ledger, sizeof ledger, "%s/ledger", demo->data);
    demo->verified = child_run(demo->data, "verify.log", arguments) == 0;
}

static enum exit_status check(struct demo *demo)
{
    enum exit_status status = list_payments(demo);

    if (status == EXIT_DONE) status = compare_books(demo);
    if (status != EXIT_DONE) return status;
    count_doubled(demo);
    if (child_stop(&demo->child) != 0) {
        complain(demo->command, "the process did not end in order");
        return EXIT_REFUSED;
    }
    verify(demo);
    return EXIT_DONE;
}

static bool is_good(const struct demo *demo)
{
    return demo->answered == demo->payment_count && demo->listed == demo->payment_count &&
           demo->doubled == 0 && demo->stuck == 0 && demo->odd == 0 && demo->books &&
           demo->verified;
}

static void report(struct demo *demo)
{
    double seconds = (double)progress_elapsed(&demo->progress) / 1e9;
    struct text *out = &demo->command->out;

    if (demo->command->json) {
        struct json json = json_begin(out);

        json_number(&json, "payments", demo->payment_count);
        json_number(&json, "kills", demo->killed);
        json_number(&json, "final", demo->listed - demo->stuck);
        json_number(&json, "doubled", demo->doubled);
        json_number(&json, "stuck", demo->stuck);
        json_number(&json, "not_completed", demo->odd);
        json_bool(&json, "books_balance", demo->books);
        json_bool(&json, "ledger_verified", demo->verified);
        json_decimal(&json, "seconds", seconds);
        json_end(&json);
        return;
    }
    text_format(out,
                "%u payments from %d clients, the process killed %u times in between, %.1f s\n",
                demo->payment_count, CLIENTS, demo->killed, seconds);
    text_format(out, "%u final, %u doubled, %u stuck, books %s\n", demo->listed - demo->stuck,
                demo->doubled, demo->stuck, demo->books ? "balance" : "do not balance");
    text_format(out, "the ledger %s\n",
                demo->verified ? "was verified: every invariant holds" : "could not be verified");
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

static enum exit_status crash(struct command *command)
{
    struct demo demo = {.command = command,
                        .payment_count =
                            given(command, OPT_PAYMENTS) ? u32_of(command, OPT_PAYMENTS) : 1000,
                        .kill_count = given(command, OPT_KILLS) ? u32_of(command, OPT_KILLS) : 20,
                        .progress = progress_begin()};
    enum exit_status status;

    if (demo.payment_count == 0 || demo.payment_count > PAYMENTS_MAX)
        return usage_error(command, "--payments: 1 to %d", PAYMENTS_MAX);
    if (demo.kill_count > KILLS_MAX) return usage_error(command, "--kills: 0 to %d", KILLS_MAX);
    status = set_up(&demo);
    if (status == EXIT_DONE) status = live_all(&demo);
    progress_end(&demo.progress);
    if (status == EXIT_DONE) status = check(&demo);
    if (status == EXIT_DONE) report(&demo);
    if (status == EXIT_DONE && !is_good(&demo)) status = EXIT_REFUSED;
    child_kill(&demo.child);
    if (demo.platform.command != NULL) platform_close(&demo.platform);
    free(demo.payments);
    if (status == EXIT_DONE)
        nftw(demo.data, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    else
        complain(command, "what is left of it stands in %s", demo.data);
    return status;
}

enum exit_status verb_demo(struct command *command)
{
    if (strcmp(command->arguments[0], "crash") != 0)
        return usage_error(command, "there is no demonstration '%s'", command->arguments[0]);
    return crash(command);
}
