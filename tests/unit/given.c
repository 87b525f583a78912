#include "given.h"

#include "oracle/oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A day in 2027; what is imported lies before it. */
static const uint64_t start_ns = UINT64_C(1800000000000000000);
static const uint64_t millisecond_ns = 1000000;

static struct {
    uint64_t clock_ns;
    mp_operation operation; /* of the last batch */
    uint64_t batches;
    bool wants_sums; /* of the last batch: every other one; without them there is a shorter way */
    char context[200];
    mp_result results[SUBJECTS_MAX][MP_BATCH_MAX];
    mp_result_sums sums[SUBJECTS_MAX][MP_BATCH_MAX];
    union {
        mp_account accounts[MP_BATCH_MAX];
        mp_transfer transfers[MP_BATCH_MAX];
        mp_account_update updates[MP_BATCH_MAX];
    } events;
} given;

void given_open(void)
{
    given.clock_ns = start_ns;
    given.batches = 0;
    for (int i = 0; subjects[i] != NULL; i++)
        if (!subjects[i]->reads_only) subjects[i]->open(given.clock_ns);
}

void given_close(void)
{
    for (int i = SUBJECTS_MAX - 1; i >= 0; i--)
        if (subjects[i] != NULL) subjects[i]->close(given.clock_ns);
}

void given_context(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(given.context, sizeof(given.context), format, arguments);
    va_end(arguments);
}

const char *given_context_text(void) { return given.context; }

/* --- clock --- */

uint64_t given_now(void) { return given.clock_ns; }

void clock_set(uint64_t ns)
{
    cr_assert(ns >= given.clock_ns, "the clock would go back");
    given.clock_ns = ns;
}

void clock_advance_ns(uint64_t ns) { clock_set(given.clock_ns + ns); }

void clock_advance_seconds(uint64_t seconds) { clock_set(given.clock_ns + seconds * 1000000000); }

/* Beyond all times given, so that no time hangs on what a seal or an opening takes. */
static void clock_leave_behind(void)
{
    clock_set(oracle_block_time(subject_oracle_state(), given.clock_ns) + millisecond_ns);
}

/* What has come due by now is released, wherever an idle ledger would have got to it. */
static void settle(void)
{
    for (int i = 0; subjects[i] != NULL; i++)
        if (!subjects[i]->reads_only) subjects[i]->idle(given.clock_ns);
}

static uint64_t expiries(void)
{
    mp_stats stats;

    oracle_stats(subject_oracle_state(), &stats);
    return stats.expiries;
}

/* Until nothing has come due for 20 ms: then a seal vouches for all. */
void idle(void)
{
    uint64_t before;
    int quiet = -1;

    while (quiet < 1) {
        before = expiries();
        settle();
        quiet = expiries() == before ? quiet + 1 : 0;
        clock_leave_behind();
        clock_advance_ns(20 * millisecond_ns);
    }
}

void reopen(void)
{
    clock_leave_behind();
    for (int i = 0; subjects[i] != NULL; i++)
        if (!subjects[i]->reads_only) subjects[i]->reopen(given.clock_ns);
    idle();
}

/* --- batches --- */

static mp_status submit_to(int subject, const void *events, uint32_t count)
{
    const struct subject *s = subjects[subject];

    switch (given.operation) {
    case MP_CREATE_ACCOUNTS:
        return s->create_accounts(given.clock_ns, events, count, given.results[subject]);
    case MP_CREATE_TRANSFERS:
        return s->create_transfers(given.clock_ns, events, count, given.results[subject],
                                   given.wants_sums ? given.sums[subject] : NULL);
    default: return s->update_accounts(given.clock_ns, events, count, given.results[subject]);
    }
}

static void say_event(const void *events, uint32_t i, char *text, size_t size)
{
    switch (given.operation) {
    case MP_CREATE_ACCOUNTS: words_say_account((const mp_account *)events + i, text, size); break;
    case MP_CREATE_TRANSFERS:
        words_say_transfer((const mp_transfer *)events + i, text, size);
        break;
    default: words_say_update((const mp_account_update *)events + i, text, size);
    }
}

/* Only of what was created an engine must know the record; of others (exists, bound ids) it may say
 * 0. */
static bool sequence_agrees(const mp_result *result, const mp_result *wanted)
{
    return result->sequence == wanted->sequence ||
           (result->result != MP_CREATED && result->sequence == 0);
}

static bool sums_agree(int subject, uint32_t i)
{
    return given.operation != MP_CREATE_TRANSFERS || !given.wants_sums ||
           given.results[0][i].result != MP_CREATED ||
           memcmp(&given.sums[subject][i], &given.sums[0][i], sizeof(mp_result_sums)) == 0;
}

static void say_result(const mp_result *r, char *text, size_t size)
{
    snprintf(text, size, "%s, time %llu, bound by %u, sequence %llu", given_name(r->result),
             (unsigned long long)r->timestamp, r->bound_code, (unsigned long long)r->sequence);
}

static void compare_result(int subject, const void *events, uint32_t i)
{
    const mp_result *r = &given.results[subject][i], *judge = &given.results[0][i];
    char event[1200], said[400], wanted[400];

    if (r->result == judge->result && r->timestamp == judge->timestamp &&
        r->bound_code == judge->bound_code && r->reserved == 0 && sequence_agrees(r, judge) &&
        sums_agree(subject, i))
        return;
    say_event(events, i, event, sizeof(event));
    say_result(r, said, sizeof(said));
    say_result(judge, wanted, sizeof(wanted));
    cr_assert_fail("%s: event %u of the batch at %llu: %s\n  %s: %s%s\n  oracle: %s", given.context,
                   i, (unsigned long long)given.clock_ns, event, subjects[subject]->name, said,
                   sums_agree(subject, i) ? "" : " (sums differ)", wanted);
}

/* $MICROPAY_TRACE set: tells all events and what the oracle says of them, to cut a failure down by
 * hand. */
static void trace(const void *events, uint32_t count)
{
    char event[1200], said[400];

    if (getenv("MICROPAY_TRACE") == NULL) return;
    fprintf(stderr, "-- %s, clock %llu\n", given.context, (unsigned long long)given.clock_ns);
    for (uint32_t i = 0; i < count; i++) {
        say_event(events, i, event, sizeof(event));
        say_result(&given.results[0][i], said, sizeof(said));
        fprintf(stderr, "%s => %s\n", event, said);
    }
}

static uint64_t waits(int subject)
{
    return subjects[subject]->waits != NULL ? subjects[subject]->waits() : 0;
}

/* Returns how often the batch was put aside. */
static uint64_t submit_one(int subject, const void *events, uint32_t count)
{
    uint64_t before = waits(subject);
    mp_status status;

    memset(given.results[subject], 0xee, count * sizeof(mp_result));
    status = submit_to(subject, events, count);
    cr_assert(status == MP_OK, "%s: %s refuses a batch: %d", given.context, subjects[subject]->name,
              (int)status);
    return waits(subject) - before;
}

void given_submit(mp_operation operation, const void *events, uint32_t count)
{
    const char *broken;
    uint64_t waited = 0;

    given.operation = operation;
    given.wants_sums = given.batches++ % 2 == 0;
    for (int s = 1; subjects[s] != NULL; s++) {
        if (!subjects[s]->reads_only) waited += submit_one(s, events, count);
    }
    while (waited-- > 0) oracle_begin(subject_oracle_state(), given.clock_ns);
    submit_one(0, events, count);
    trace(events, count);
    for (int s = 0; subjects[s] != NULL; s++) {
        if (subjects[s]->reads_only) continue;
        for (uint32_t i = 0; i < count; i++) compare_result(s, events, i);
    }
    settle();
    broken = oracle_check(subject_oracle_state());
    cr_assert(broken == NULL, "%s: the oracle is broken: %s", given.context, broken);
}

const mp_result *given_results(void) { return given.results[0]; }

const char *given_name(uint32_t result) { return words_result_name(given.operation, result); }

/* --- the language --- */

static uint64_t recorded_time(mp_id id)
{
    mp_transfer transfer;
    mp_account account;
    uint32_t found = 0;

    subject_oracle.lookup_transfers(&id, 1, &transfer, &found);
    if (found == 1) return transfer.timestamp;
    subject_oracle.lookup_accounts(&id, 1, &account, &found);
    return found == 1 ? account.timestamp : 0;
}

static void put_event(mp_operation operation, uint32_t i, const char *line)
{
    const struct words_times times = {given.clock_ns, recorded_time};

    cr_assert(i < MP_BATCH_MAX, "too many lines");
    switch (operation) {
    case MP_CREATE_ACCOUNTS: given.events.accounts[i] = words_account(line, &times); break;
    case MP_CREATE_TRANSFERS: given.events.transfers[i] = words_transfer(line, &times); break;
    default: given.events.updates[i] = words_update(line);
    }
}

const char *lines_of(const char *format, ...)
{
    static char texts[4][4096];
    static unsigned next;
    char *text = texts[next++ % 4];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(texts[0]), format, arguments);
    va_end(arguments);
    return text;
}

uint32_t given_one(mp_operation operation, const char *line)
{
    put_event(operation, 0, line);
    given_submit(operation, &given.events, 1);
    return given.results[0][0].result;
}

static void expect_line(const char *text, uint32_t actual, const char *name, int line)
{
    const char *expected = *name == '\0' ? "created" : name;

    cr_assert(actual == words_result(given.operation, expected), "line %d: %s: %s instead of %s",
              line, text, given_name(actual), expected);
}

void given_batch(mp_operation operation, const char *lines, int line)
{
    static char texts[MP_BATCH_MAX][WORDS_LINE_MAX], names[MP_BATCH_MAX][WORDS_LINE_MAX];
    uint32_t count = 0;

    while (words_line(&lines, texts[count], names[count])) {
        put_event(operation, count, texts[count]);
        count++;
    }
    given_submit(operation, &given.events, count);
    for (uint32_t i = 0; i < count; i++)
        expect_line(texts[i], given.results[0][i].result, names[i], line);
}

void given_table(mp_operation operation, const char *lines, int line)
{
    char text[WORDS_LINE_MAX], name[WORDS_LINE_MAX];

    while (words_line(&lines, text, name))
        expect_line(text, given_one(operation, text), name, line);
}

void given_accounts(const char *names)
{
    char text[4096];
    char *rest = text, *word;
    uint32_t count = 0;

    cr_assert(strlen(names) < sizeof(text), "too many accounts");
    strcpy(text, names);
    while ((word = strsep(&rest, " \n")) != NULL) {
        if (*word == '\0') continue;
        for (char *at = word; *at != '\0'; at++)
            if (*at == ':' || *at == ',') *at = ' ';
        put_event(MP_CREATE_ACCOUNTS, count++, word);
    }
    given_submit(MP_CREATE_ACCOUNTS, &given.events, count);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(given.results[0][i].result == MP_CREATED, "account %u of '%s': %s", i, names,
                  given_name(given.results[0][i].result));
}

/* --- expectations --- */

static void compare_balance(const char *name, const char *who, const mp_balance *said,
                            const mp_balance *expected, int line)
{
    const mp_amount pairs[4][2] = {
        {said->debits_pending, expected->debits_pending},
        {said->debits_posted, expected->debits_posted},
        {said->credits_pending, expected->credits_pending},
        {said->credits_posted, expected->credits_posted},
    };
    static const char *const sums[4] = {"debits_pending", "debits_posted", "credits_pending",
                                        "credits_posted"};
    char have[48], want[48];

    for (int i = 0; i < 4; i++) {
        words_say_number(pairs[i][0], have);
        words_say_number(pairs[i][1], want);
        cr_assert(pairs[i][0] == pairs[i][1], "line %d: %s of %s, says the %s, is %s instead of %s",
                  line, sums[i], name, who, have, want);
    }
}

void given_expect_balance(const char *name, mp_balance expected, int line)
{
    for (int i = 0; subjects[i] != NULL; i++) {
        mp_balance said = {0};
        if (subjects[i]->reads_only) continue;
        const mp_status status = subjects[i]->balance(words_id(name), &said);
        cr_assert(status == MP_OK, "line %d: %s has no %s", line, subjects[i]->name, name);
        compare_balance(name, subjects[i]->name, &said, &expected, line);
    }
}

void given_expect_balance_at(const char *name, uint64_t at_ns, mp_balance expected, int line)
{
    for (int i = 0; subjects[i] != NULL; i++) {
        mp_balance said = {0};
        if (subjects[i]->reads_only) continue;
        const mp_status status = subjects[i]->balance_at(words_id(name), at_ns, &said);
        cr_assert(status == MP_OK, "line %d: %s has no %s then", line, subjects[i]->name, name);
        compare_balance(name, subjects[i]->name, &said, &expected, line);
    }
}

mp_account given_account(const char *name)
{
    const mp_id id = words_id(name);
    mp_account seen[SUBJECTS_MAX];

    for (int i = 0; subjects[i] != NULL; i++) {
        uint32_t found = 0;
        if (subjects[i]->reads_only) continue;
        const mp_status status = subjects[i]->lookup_accounts(&id, 1, &seen[i], &found);
        cr_assert(status == MP_OK && found == 1, "%s finds no %s", subjects[i]->name, name);
        cr_assert(memcmp(&seen[i], &seen[0], sizeof(seen[0])) == 0, "%s sees another %s",
                  subjects[i]->name, name);
    }
    return seen[0];
}

mp_transfer given_transfer(const char *name)
{
    const mp_id id = words_id(name);
    mp_transfer seen[SUBJECTS_MAX];

    for (int i = 0; subjects[i] != NULL; i++) {
        uint32_t found = 0;
        if (subjects[i]->reads_only) continue;
        const mp_status status = subjects[i]->lookup_transfers(&id, 1, &seen[i], &found);
        cr_assert(status == MP_OK && found == 1, "%s finds no %s", subjects[i]->name, name);
        cr_assert(memcmp(&seen[i], &seen[0], sizeof(seen[0])) == 0, "%s sees another %s",
                  subjects[i]->name, name);
    }
    return seen[0];
}

bool given_has_transfer(const char *name)
{
    const mp_id id = words_id(name);
    uint32_t found[SUBJECTS_MAX] = {0};

    for (int i = 0; subjects[i] != NULL; i++) {
        mp_transfer seen;
        if (subjects[i]->reads_only) continue;
        const mp_status status = subjects[i]->lookup_transfers(&id, 1, &seen, &found[i]);
        cr_assert(status == MP_OK && found[i] == found[0], "%s: %s found %u times",
                  subjects[i]->name, name, found[i]);
    }
    return found[0] > 0;
}

uint16_t given_flags(const char *name)
{
    return given_account(name).flags &
           (MP_ACCOUNT_CLOSED | MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS);
}

uint64_t given_time(const char *name) { return recorded_time(words_id(name)); }
