/* Real threads in a world that delays, fails and kills at random: what was told must be so after
 * the next opening. The simulator's histories run on one thread; here threads meet.
 *
 * MICROPAY_CHAOS=FIRST-LAST runs these seeds instead of the few that take seconds. A seed decides
 * what is asked and what fails, not how threads take turns: one that failed may need many runs to
 * fail again. Its directory stays. */
#include "chaos.h"

#include <dirent.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIVES = 3, LIFE_MAX_MS = 60000, CHECK_MAX_S = 120 };

struct world *world;
static char plan[512];

void differs(const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "chaos: seed %llu, life %u: %s\n  in %s\n", (unsigned long long)world->seed,
            world->life, text, world->directory);
    chaos_describe(plan, sizeof plan);
    fprintf(stderr, "  %s\n", plan);
    abort();
}

/* --- stacks of a process that hangs --- */

static void dump_stack(int signal)
{
    void *frames[64];

    (void)signal;
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    (void)!write(STDERR_FILENO, "\n", 1);
}

static void dump_stacks(int signal)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;

    (void)signal;
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        int task = atoi(entry->d_name);

        if (task > 0) syscall(SYS_tgkill, getpid(), task, SIGUSR2);
        usleep(50000);
    }
    if (tasks != NULL) closedir(tasks);
    abort();
}

static void watch(void)
{
    void *frame;

    (void)!backtrace(&frame, 1); /* loads what it needs */
    signal(SIGUSR2, dump_stack);
    signal(SIGUSR1, dump_stacks);
    signal(SIGALRM, dump_stacks);
}

/* --- a history --- */

static void make_ledger(void)
{
    mp_account accounts[BASE] = {0};
    mp_transfer first = {.id = MP_U128(1, 1),
                         .debit_account_id = 1,
                         .credit_account_id = BASE,
                         .amount = 5000,
                         .ledger = 1,
                         .code = 1};
    struct sent *sent = &world->workers[0].sent[0];
    mp_options options = {.memory_max = UINT64_C(64) << 20};
    mp_result results[BASE];
    mp_ledger *ledger;

    for (unsigned i = 0; i < BASE; i++) {
        accounts[i] = (mp_account){.id = i + 1, .ledger = 1, .code = 1};
        if (i >= BASE - LIMITED) accounts[i].flags = MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
    }
    MUST(mp_init(world->directory, &options) == MP_OK);
    MUST(mp_open(world->directory, &options, &ledger) == MP_OK);
    MUST(mp_create_accounts(ledger, accounts, BASE, results) == MP_OK);
    for (unsigned i = 0; i < BASE; i++) MUST(results[i].result == MP_CREATED);
    MUST(mp_create_transfers(ledger, &first, 1, results) == MP_OK &&
         results[0].result == MP_CREATED);
    MUST(mp_close(ledger) == MP_OK);
    sent->transfer = first;
    sent->kind = TRANSFER;
    sent->timestamp = results[0].timestamp;
    sent->sequence = results[0].sequence;
    atomic_store(&sent->knowledge, PRESENT);
    atomic_store(&world->workers[0].sent_count, 1);
}

static void live_once(void)
{
    int status = 0, waited = 0;
    pid_t child;

    fflush(NULL);
    random_begin(world->seed * 1000 + world->life);
    chaos_plan();
    child = fork();
    MUST(child >= 0);
    if (child == 0) {
        live();
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        usleep(2000);
        waited += 2;
        if (waited == LIFE_MAX_MS) {
            fprintf(stderr, "chaos: seed %llu, life %u hangs; its threads:\n",
                    (unsigned long long)world->seed, world->life);
            kill(child, SIGUSR1);
        }
        if (waited > LIFE_MAX_MS + 10000) kill(child, SIGKILL);
    }
    if (WIFSIGNALED(status)) atomic_fetch_add(&world->killed, 1);
    if (waited >= LIFE_MAX_MS || !((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                                   (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)))
        differs("ended with wait status %x", (unsigned)status);
}

static void run(uint64_t seed)
{
    const char *parent = getenv("MICROPAY_TEST_DIR");
    char command[300];

    if (parent == NULL) parent = getenv("TMPDIR");
    memset(world->workers, 0, sizeof world->workers);
    memset(world->seen, 0, sizeof world->seen);
    world->seed = seed;
    snprintf(world->directory, sizeof world->directory, "%s/micropay-chaos-XXXXXX",
             parent != NULL ? parent : "/tmp");
    MUST(mkdtemp(world->directory) != NULL);
    alarm(CHECK_MAX_S);
    make_ledger();
    for (world->life = 1; world->life <= LIVES; world->life++) {
        alarm(0);
        live_once();
        random_begin(seed * 1000 + 500 + world->life);
        alarm(CHECK_MAX_S);
        check();
    }
    alarm(0);
    snprintf(command, sizeof command, "rm -r %s", world->directory);
    MUST(system(command) == 0);
}

static void tell(const char *what, _Atomic uint32_t *counts)
{
    printf("%s:", what);
    for (int i = 0; i < STATUSES; i++) {
        if (counts[i] != 0) printf(" %s %u", mp_status_name((mp_status)-i), counts[i]);
    }
    printf("\n");
}

int main(void)
{
    const char *text = getenv("MICROPAY_CHAOS");
    unsigned long long first = 17, last = 19;

    if (text != NULL && sscanf(text, "%llu-%llu", &first, &last) == 1) last = first;
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (world == MAP_FAILED) return 1;
    chaos_env_make();
    watch();
    for (unsigned long long seed = first; seed <= last; seed++) run(seed);
    tell("opened", world->opened);
    tell("closed", world->closed);
    tell("requests", world->told);
    printf("chaos: passed; %u lives were cut short by a kill, %u blocks went by a ring\n",
           atomic_load(&world->killed), atomic_load(&world->ring_writes));
    return 0;
}
