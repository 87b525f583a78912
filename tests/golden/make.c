/* Makes the golden ledger of the present format: every kind of record, transfer and extension, and
 * a checkpoint in the middle. To be run once for each version of the format:
 *
 *     ninja -C build tests/make_golden && build/tests/make_golden FOLDER
 *
 * tests/golden/golden.py says what becomes of it. */
#include "sim_env.h"
#include "support/must.h"
#include "unit/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 32 };

static struct sim *sim;
static mp_ledger *ledger;

union events {
    mp_account accounts[EVENTS_MAX];
    mp_transfer transfers[EVENTS_MAX];
    mp_account_update updates[EVENTS_MAX];
};

/* One batch: a line for each event, and what is expected of it behind =>. */
static void book(mp_operation operation, uint64_t source, uint64_t position, const char *lines)
{
    static const struct words_times times = {0};
    union events events;
    mp_result results[EVENTS_MAX];
    uint32_t expected[EVENTS_MAX], count = 0;
    char line[WORDS_LINE_MAX], result[WORDS_LINE_MAX];

    for (; words_line(&lines, line, result); count++) {
        MUST(count < EVENTS_MAX);
        expected[count] = *result == '\0' ? MP_CREATED : words_result(operation, result);
        if (operation == MP_CREATE_ACCOUNTS)
            events.accounts[count] = words_account(line, &times);
        else if (operation == MP_UPDATE_ACCOUNTS)
            events.updates[count] = words_update(line);
        else
            events.transfers[count] = words_transfer(line, &times);
    }
    mp_request request = {.operation = operation,
                          .count = count,
                          .events = &events,
                          .results = results,
                          .source = source,
                          .source_position = position};
    MUST(mp_execute(ledger, &request) == MP_OK);
    for (uint32_t i = 0; i < count; i++) {
        if (results[i].result == expected[i]) continue;
        fprintf(stderr, "event %u: %s instead of %s\n", i,
                words_result_name(operation, results[i].result),
                words_result_name(operation, expected[i]));
        exit(1);
    }
}

static void accounts(const char *lines) { book(MP_CREATE_ACCOUNTS, 0, 0, lines); }
static void transfers(const char *lines) { book(MP_CREATE_TRANSFERS, 0, 0, lines); }
static void updates(const char *lines) { book(MP_UPDATE_ACCOUNTS, 0, 0, lines); }

/* Time passes; what is due expires, the log is sealed, a checkpoint is made. */
static void pass(uint64_t seconds)
{
    bool worked = true;

    sim_pass(sim, seconds * UINT64_C(1000000000));
    while (worked) MUST(mp_step(ledger, &worked) == MP_OK);
}

static void before_the_checkpoint(void)
{
    accounts("I1 imported at=1000000001 ud128=5; I2 imported at=1000000002 code=9");
    transfers("H1 I1 -> I2 70 imported at=1000000011 ud128=2^64+1 ud64=2 ud32=3\n"
              "H2 I1 -> I2 9 imported pending at=1000000012\n"
              "H3 post H2 4 imported at=1000000013\n");
    accounts("A1 ud128=1 ud64=2 ud32=3; A2 history; A3 debits_must_not_exceed_credits code=3\n"
             "A4 credits_must_not_exceed_debits; A5; A6; W1; W2; B1 ledger=2; B2 ledger=2");
    transfers("T1 A1 -> A2 1000 ud128=2^100 ud64=77 ud32=8 code=5\n"
              "T2 A2 -> A3 300\n"
              "T3 A1 -> A2 10 linked\n"
              "T4 A1 -> A3 20\n"
              "T5 A1 -> A2 1 linked => linked_event_failed\n"
              "T6 A3 -> A1 5000 linked => exceeds_credits\n"
              "T7 A1 -> A2 1 => linked_event_failed\n"
              "T8 A1 -> Z9 1 => credit_account_not_found\n"
              "T9 B1 -> B2 5 ledger=2\n"
              "T10 bind => id_bound\n");
    transfers("P1 A1 -> A2 100 pending timeout=5 ud128=9 ud64=8 ud32=7\n"
              "P2 A1 -> A2 50 pending\n"
              "P3 A2 -> A1 25 pending timeout=100000\n"
              "P4 A3 -> A2 40 pending\n"
              "P5 W1 -> W2 2^60 pending\n"
              "P6 A1 -> A5 0 pending closing_credit\n"
              "P7 A1 -> A6 0 pending closing_credit\n");
    transfers("C1 post P2 20 keep_pending; C2 increase P2 15 timeout=60; C3 post P2 30\n"
              "C4 void P4; C5 post P5 1; C6 void P7 0\n");
    pass(6); /* P1 expires */
}

static void behind_the_checkpoint(void)
{
    transfers("R1 reverse T1 400; R2 reverse T1 600; R3 reverse C1 max code=6\n"
              "D1 A2 -> A3 max balancing_debit; D2 A3 -> A4 7 balancing_debit balancing_credit\n");
    transfers("W3 W1 -> W2 2^64+5; W4 W1 -> W2 2^70 pending; W5 post W4 2^69 keep_pending\n"
              "W6 reverse W3 2^64; W7 increase W4 2^66\n");
    updates("U1 A2 set=frozen_debits ud128=3 ud64=4 ud32=5 code=6; U2 A2 clear=frozen_debits\n"
            "U3 A6 set=closed; U4 W2 set=frozen_credits; U5 A1 set=closed => account_not_empty\n");
    book(MP_CREATE_TRANSFERS, 7, 100, "S1 A1 -> A2 1");
    book(MP_CREATE_TRANSFERS, 8, 2,
         "S2 A1 -> A2 2; S3 A1 -> A5 2 => credit_account_already_closed");
    book(MP_CREATE_TRANSFERS, 7, 101, "");
    pass(1);
    transfers("E1 A1 -> A2 3; E2 A2 -> A1 4 pending timeout=7");
}

int main(int count, char **words)
{
    mp_options options;
    mp_stats stats;

    MUST(count == 2);
    sim = sim_make(1);
    options = (mp_options){.flags = MP_OPEN_MANUAL,
                           .env = sim_env(sim),
                           .memory_max = UINT64_C(64) << 20,
                           .checkpoint_after = 1};
    MUST(mp_init("format1", &options) == MP_OK);
    MUST(mp_open("format1", &options, &ledger) == MP_OK);
    before_the_checkpoint();
    mp_read_stats(ledger, &stats);
    MUST(stats.checkpoints == 1);
    behind_the_checkpoint();
    MUST(mp_close(ledger) == MP_OK);
    MUST(sim_export(sim, words[1]) == 0);
    sim_free(sim);
    return 0;
}
