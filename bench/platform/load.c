/*
 * load: sends payments, or batches of transfers, to a platform that runs, and says how long the
 * answers took.
 *
 * Open loop (--rate, --find): requests are due on a schedule that no answer can delay. A request's
 * latency counts from the instant at which it was due, so one that found all connections taken, or
 * the server asleep, counts with all of its wait. Closed loop (--callers): each caller sends its
 * next request when the answer to the last one is there.
 *
 * With an open loop it looks at the clock and the sockets every TICK_NS alone, so that it takes
 * little of the processors that it shares with the server: a latency may seem longer by as much,
 * never shorter.
 */
#include "clients.h"
#include "histogram.h"
#include "traffic.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)
#define TICK_NS   UINT64_C(500000)

static const char usage[] =
    "usage: load --port PORT --wallets FILE [OPTION]...\n"
    "\n"
    "FILE has the id of a wallet in EUR on each line. The API key is in MICROPAY_KEY.\n"
    "  --kind KIND      payments (default), bulk-binary, bulk-json\n"
    "  --rate N         requests a second, whatever becomes of them (default 100)\n"
    "  --find N         finds the highest rate that holds p99 < 1 s, beginning at N\n"
    "  --callers N      closed loop of so many callers\n"
    "  --seconds N      that are measured; with --find of each step (default 10)\n"
    "  --warm N         seconds before that, not measured (default 1)\n"
    "  --connections N  kept open (default 512; with --callers as many)\n"
    "  --wait N         seconds that a payment's request asks the server to wait (default 30)\n"
    "  --path PATH      of the request, instead of the kind's own\n"
    "  --batch N        bulk: transfers in a request (default 8190)\n"
    "  --ledger N       bulk: number of the wallets' ledger\n"
    "  --net FILE       gets what all right answers have moved into each wallet, in cents\n"
    "  --json           one JSON object instead of text\n";

static struct {
    unsigned port, connections, wait_s, callers, batch;
    uint32_t ledger;
    double rate, find, seconds, warm;
    const char *wallets, *path, *net;
    const struct traffic_kind *kind;
    bool json;
} options = {
    .connections = 512,
    .wait_s = 30,
    .batch = 8190,
    .rate = 100,
    .seconds = 10,
    .warm = 1,
    .kind = &traffic_payments,
};

/* One run at one rate. */
struct run {
    struct traffic *traffic;
    struct clients *clients;
    double rate; /* 0: closed loop */
    uint64_t begin_ns, measure_ns, end_ns;
    uint64_t first, sent; /* number of the run's first request; how many were sent */
    uint64_t answered, in_time, bad_before;
    uint64_t late_max; /* requests that were due and waited for a connection, at most */
    uint64_t *sent_ns; /* closed loop: by number less first */
    size_t sent_room;
    struct histogram histogram;
};

/* What a run came to. */
struct outcome {
    double rate, per_s, cpu_us, drain_s;
    uint64_t sent, bad, late_max;
    struct histogram histogram;
};

static uint64_t numbered; /* requests of all runs */
static struct run *running;

/* --- one run --- */

static uint64_t due_ns(const struct run *run, uint64_t index)
{
    return run->begin_ns + (uint64_t)((double)index * (1e9 / run->rate));
}

static uint64_t began_ns(const struct run *run, uint64_t index)
{
    return run->rate > 0 ? due_ns(run, index) : run->sent_ns[index];
}

static void send_one(struct run *run)
{
    if (run->rate == 0) {
        if (run->sent == run->sent_room) {
            run->sent_room = run->sent_room > 0 ? 2 * run->sent_room : 4096;
            run->sent_ns = realloc(run->sent_ns, run->sent_room * sizeof *run->sent_ns);
            if (run->sent_ns == NULL) abort();
        }
        run->sent_ns[run->sent] = clients_now_ns();
    }
    options.kind->send(run->traffic, run->clients, run->first + run->sent++);
    numbered++;
}

/* Sends what is due as long as there are connections. Returns when the next one is due; UINT64_MAX:
 * the run is over. */
static uint64_t send_due(struct run *run)
{
    uint64_t now_ns = clients_now_ns(), late;
    bool over = now_ns >= run->end_ns;

    if (over) now_ns = run->end_ns;
    if (run->rate == 0) {
        while (!over && clients_free(run->clients) > 0) send_one(run);
        return over ? UINT64_MAX : run->end_ns;
    }
    while (due_ns(run, run->sent) < now_ns && clients_free(run->clients) > 0) send_one(run);
    if (over) return UINT64_MAX;
    if (due_ns(run, run->sent) >= now_ns) return due_ns(run, run->sent);
    late = (uint64_t)((double)(now_ns - run->begin_ns) * run->rate / 1e9) - run->sent;
    if (late > run->late_max) run->late_max = late;
    return run->end_ns;
}

static void on_answer(void *context, const struct client_answer *answer)
{
    struct run *run = running;
    uint64_t now_ns = clients_now_ns(), began = began_ns(run, answer->tag - run->first);

    (void)context;
    run->answered++;
    if (!options.kind->check(run->traffic, answer)) return;
    if (now_ns >= run->measure_ns && now_ns < run->end_ns) run->in_time++;
    if (began >= run->measure_ns) histogram_add(&run->histogram, now_ns - began);
}

static double cpu_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return 1e6 * (double)time.tv_sec + 1e-3 * (double)time.tv_nsec;
}

/* Those that were due and found no connection until the end count as bad: they'd have waited. */
static uint64_t never_sent(const struct run *run)
{
    uint64_t due = run->rate == 0
                       ? run->sent
                       : (uint64_t)((double)(run->end_ns - run->begin_ns) * run->rate / 1e9);

    return due > run->sent ? due - run->sent : 0;
}

/* Handles what comes until something is due. */
static void wait_for(struct run *run, uint64_t next_ns)
{
    uint64_t tick_ns = clients_now_ns() + TICK_NS;

    if (run->rate == 0) {
        clients_wait(run->clients, next_ns);
        return;
    }
    if (next_ns < tick_ns) next_ns = tick_ns;
    clients_wait(run->clients, next_ns);
    if (clients_now_ns() < tick_ns) clients_sleep(tick_ns);
}

static void measure(struct traffic *traffic, struct clients *clients, double rate, double warm_s,
                    struct outcome *out)
{
    static struct run run;
    double cpu = cpu_us();

    run = (struct run){.traffic = traffic,
                       .clients = clients,
                       .rate = rate,
                       .first = numbered,
                       .bad_before = traffic_problem_count(traffic),
                       .begin_ns = clients_now_ns()};
    run.measure_ns = run.begin_ns + (uint64_t)(warm_s * 1e9);
    run.end_ns = run.measure_ns + (uint64_t)(options.seconds * 1e9);
    running = &run;
    for (;;) {
        uint64_t next_ns = send_due(&run);
        uint64_t give_up_ns = run.end_ns + (options.wait_s + 5) * SECOND_NS;

        if (next_ns == UINT64_MAX && run.answered == run.sent) break;
        if (clients_now_ns() > give_up_ns) break;
        wait_for(&run, next_ns == UINT64_MAX ? give_up_ns + 1 : next_ns);
    }
    *out = (struct outcome){
        .rate = rate,
        .per_s = (double)run.in_time / options.seconds,
        .cpu_us = run.sent > 0 ? (cpu_us() - cpu) / (double)run.sent : 0,
        .drain_s = (double)(clients_now_ns() - run.end_ns) / 1e9,
        .sent = run.sent,
        .bad = traffic_problem_count(traffic) - run.bad_before + never_sent(&run) + run.sent -
               run.answered,
        .late_max = run.late_max,
        .histogram = run.histogram,
    };
    free(run.sent_ns);
    if (run.answered < run.sent) {
        fprintf(stderr, "load: %llu requests got no answer\n",
                (unsigned long long)(run.sent - run.answered));
        exit(1);
    }
}

static double ms(uint64_t ns) { return (double)ns / 1e6; }
static double quantile_ms(const struct outcome *run, double part)
{
    return ms(histogram_quantile(&run->histogram, part));
}

static void print_run(FILE *out, const struct outcome *run)
{
    if (run->rate > 0)
        fprintf(out, "%9.0f", run->rate);
    else
        fprintf(out, "%9s", "-");
    fprintf(out, " %9.1f %9llu %6llu %9.2f %9.2f %9.2f %9.2f %9.2f %8llu %7.1f\n", run->per_s,
            (unsigned long long)run->sent, (unsigned long long)run->bad, quantile_ms(run, 0.5),
            quantile_ms(run, 0.9), quantile_ms(run, 0.99), quantile_ms(run, 0.999),
            ms(run->histogram.max_ns), (unsigned long long)run->late_max, run->cpu_us);
    fflush(out);
}

static void print_head(FILE *out)
{
    fprintf(out, "%9s %9s %9s %6s %9s %9s %9s %9s %9s %8s %7s\n", "rate/s", "right/s", "sent",
            "wrong", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "queued", "cpu us");
}

/* --- the highest rate --- */

static bool holds(const struct outcome *run)
{
    return run->bad == 0 && quantile_ms(run, 0.99) < 1000 && run->per_s >= 0.98 * run->rate;
}

/* By steps of 1.25 up, then halving what is left until it is 3 %. */
static double find_rate(struct traffic *traffic, struct clients *clients)
{
    double good = 0, bad = 0, rate = options.find;
    struct outcome run;

    print_head(stderr);
    while (bad == 0 || (bad - good) / bad > 0.03) {
        measure(traffic, clients, rate, options.warm, &run);
        print_run(stderr, &run);
        if (holds(&run))
            good = rate;
        else
            bad = rate;
        if (bad == 0)
            rate *= 1.25;
        else if (good > 0)
            rate = (good + bad) / 2;
        else if ((rate /= 2) < 1)
            return 0;
    }
    return good;
}

/* --- the command line --- */

static void bad_usage(void)
{
    fputs(usage, stderr);
    exit(2);
}

static const struct traffic_kind *find_kind(const char *name)
{
    static const struct traffic_kind *const kinds[] = {&traffic_payments, &traffic_bulk_binary,
                                                       &traffic_bulk_json};

    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    bad_usage();
    return NULL;
}

static void parse(int argc, char **argv)
{
    static const struct option known[] = {{"port", required_argument, NULL, 'p'},
                                          {"wallets", required_argument, NULL, 'w'},
                                          {"kind", required_argument, NULL, 'k'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"find", required_argument, NULL, 'f'},
                                          {"callers", required_argument, NULL, 'c'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"warm", required_argument, NULL, 'm'},
                                          {"wait", required_argument, NULL, 'i'},
                                          {"connections", required_argument, NULL, 'n'},
                                          {"path", required_argument, NULL, 'a'},
                                          {"batch", required_argument, NULL, 'b'},
                                          {"ledger", required_argument, NULL, 'l'},
                                          {"net", required_argument, NULL, 't'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        unsigned long number = optarg != NULL ? strtoul(optarg, NULL, 10) : 0;

        switch (option) {
        case 'p': options.port = (unsigned)number; break;
        case 'w': options.wallets = optarg; break;
        case 'k': options.kind = find_kind(optarg); break;
        case 'r': options.rate = strtod(optarg, NULL); break;
        case 'f': options.find = strtod(optarg, NULL); break;
        case 'c': options.callers = (unsigned)number; break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'm': options.warm = strtod(optarg, NULL); break;
        case 'i': options.wait_s = (unsigned)number; break;
        case 'n': options.connections = (unsigned)number; break;
        case 'a': options.path = optarg; break;
        case 'b': options.batch = (unsigned)number; break;
        case 'l': options.ledger = (uint32_t)number; break;
        case 't': options.net = optarg; break;
        case 'j': options.json = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: bad_usage();
        }
    }
    if (options.port == 0 || options.wallets == NULL || options.rate <= 0 || options.seconds <= 0 ||
        options.batch == 0 || options.batch > MP_BATCH_MAX || optind < argc)
        bad_usage();
}

/* A UUID's text as the id of an account of the ledger. */
static mp_id read_id(const char *text)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t high = 0, low = 0;

    for (; *text != '\0'; text++) {
        const char *digit = strchr(digits, tolower((unsigned char)*text));

        if (digit == NULL) continue;
        high = high << 4 | low >> 60;
        low = low << 4 | (uint64_t)(digit - digits);
    }
    return (mp_id)high << 64 | low;
}

static unsigned read_wallets(struct wallet **out)
{
    FILE *file = fopen(options.wallets, "r");
    unsigned count = 0, room = 0;
    char line[64];

    *out = NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (count == room) {
            room = room > 0 ? 2 * room : 256;
            *out = realloc(*out, room * sizeof **out);
            if (*out == NULL) abort();
        }
        line[strcspn(line, "\n")] = '\0';
        (*out)[count] = (struct wallet){.id = read_id(line)};
        snprintf((*out)[count++].text, sizeof(*out)->text, "%.36s", line);
    }
    if (file != NULL) fclose(file);
    if (count >= 2) return count;
    fprintf(stderr, "load: %s must have two wallets at least\n", options.wallets);
    exit(2);
}

static void write_net(const struct wallet *wallets, unsigned count)
{
    FILE *file = fopen(options.net, "w");
    bool written = file != NULL;

    for (unsigned i = 0; i < count && written; i++)
        written = fprintf(file, "%s %lld\n", wallets[i].text, (long long)wallets[i].net) > 0;
    if (file != NULL) written &= fclose(file) == 0;
    if (written) return;
    fprintf(stderr, "load: could not write %s\n", options.net);
    exit(1);
}

static void print_json(const struct traffic *traffic, const struct outcome *run)
{
    unsigned items = options.kind->items > 0 ? options.kind->items : options.batch;

    printf("{\"rate\": %.1f, \"per_s\": %.1f, \"items_per_s\": %.1f, \"sent\": %llu, \"wrong\": "
           "%llu, \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, "
           "\"max_ms\": %.3f, \"mean_ms\": %.3f, \"queued_max\": %llu, \"cpu_us\": %.2f, "
           "\"right\": %llu, \"moved_minor\": %llu",
           run->rate, run->per_s, run->per_s * items, (unsigned long long)run->sent,
           (unsigned long long)run->bad, quantile_ms(run, 0.5), quantile_ms(run, 0.9),
           quantile_ms(run, 0.99), quantile_ms(run, 0.999), ms(run->histogram.max_ns),
           histogram_mean_ns(&run->histogram) / 1e6, (unsigned long long)run->late_max, run->cpu_us,
           (unsigned long long)traffic->right, (unsigned long long)traffic->moved);
    for (unsigned i = 0; i < traffic->problem_count; i++)
        printf(", \"wrong: %s\": %llu", traffic->problems[i].name,
               (unsigned long long)traffic->problems[i].count);
    printf("}\n");
}

static void report(const struct traffic *traffic, const struct outcome *run)
{
    if (options.json) {
        print_json(traffic, run);
        return;
    }
    print_head(stdout);
    print_run(stdout, run);
    for (unsigned i = 0; i < traffic->problem_count; i++)
        printf("wrong: %s: %llu\n", traffic->problems[i].name,
               (unsigned long long)traffic->problems[i].count);
}

int main(int argc, char **argv)
{
    static struct outcome run;
    struct traffic traffic;
    struct traffic_config config = {.key = getenv("MICROPAY_KEY")};
    struct clients *clients;

    parse(argc, argv);
    if (config.key == NULL) bad_usage();
    config.wallet_count = read_wallets(&config.wallets);
    config.path = options.path;
    config.wait_s = options.wait_s;
    config.ledger = options.ledger;
    config.batch_count = options.batch;
    config.seed = clients_now_ns();
    traffic_begin(&traffic, &config);
    if (options.callers > 0) {
        options.connections = options.callers;
        options.rate = 0;
    }
    clients = clients_open(options.port, options.connections, on_answer, NULL);
    if (options.find > 0) options.rate = find_rate(&traffic, clients);
    if (options.find == 0 || options.rate > 0)
        measure(&traffic, clients, options.rate, options.warm, &run);
    if (options.net != NULL) write_net(config.wallets, config.wallet_count);
    report(&traffic, &run);
    clients_close(clients);
    traffic_end(&traffic);
    free(config.wallets);
    return run.bad == 0 && run.sent > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
