#include "ledger/resend.h"

#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

/* A port that keeps what it is sent, and answers nothing by itself. */
static struct {
    struct ledger_port port;
    bool stopped;
    unsigned sent;
    struct {
        unsigned listener;
        struct chain chain;
        struct uuid reply;
        uint64_t at_ns;
    } log[4096];
} fake;

static struct loop *loop;
static struct resend *table;

static void fake_send(struct ledger_port *port, unsigned listener, const struct chain *chain,
                      struct uuid reply)
{
    (void)port;
    cr_assert_lt(fake.sent, 4096);
    fake.log[fake.sent].listener = listener;
    fake.log[fake.sent].chain = *chain;
    fake.log[fake.sent].reply = reply;
    fake.log[fake.sent].at_ns = loop_elapsed_ns(loop);
    fake.sent++;
}

static bool fake_running(struct ledger_port *port)
{
    (void)port;
    return !fake.stopped;
}

static const struct ledger_port_ops fake_ops = {.send = fake_send, .running = fake_running};

static void begin(void)
{
    fake.port.ops = &fake_ops;
    loop = test_loop_make(NULL);
    table = resend_make(loop, &fake.port, 3);
}

static void end(void)
{
    resend_free(table);
    test_loop_free(loop);
}

static struct uuid reply_of(unsigned n) { return (struct uuid){{(uint8_t)n, (uint8_t)(n >> 8)}}; }

static size_t chain_bytes(unsigned n, uint16_t flags, uint8_t out[CHAIN_BYTES_MAX])
{
    struct chain chain = {.operation = MP_CREATE_TRANSFERS, .count = 2};

    chain.events.transfers[0] = (mp_transfer){.id = n, .amount = 10 * n, .flags = flags};
    chain.events.transfers[1] = (mp_transfer){.id = 1000000 + n, .amount = n};
    if ((flags & MP_TRANSFER_BIND_ID) != 0) chain.count = 1;
    return chain_encode(&chain, out);
}

static void add(unsigned n, uint16_t flags)
{
    uint8_t bytes[CHAIN_BYTES_MAX];
    size_t length = chain_bytes(n, flags, bytes);

    cr_assert(resend_add(table, bytes, length, reply_of(n)));
}

static bool answer(unsigned n, bool bind)
{
    struct ledger_answer answer = {.command = n, .bind = bind, .applied = !bind};

    return resend_answered(table, &answer);
}

TestSuite(resend, .init = begin, .fini = end);

Test(resend, what_is_added_is_sent_at_once_as_it_was_stored)
{
    uint8_t bytes[CHAIN_BYTES_MAX], sent[CHAIN_BYTES_MAX];
    size_t length = chain_bytes(7, MP_TRANSFER_LINKED, bytes);

    cr_assert(resend_add(table, bytes, length, reply_of(7)));
    memset(bytes, 0xaa, sizeof bytes); /* the table has its own copy */
    cr_assert_eq(fake.sent, 1);
    cr_assert_eq(fake.log[0].listener, 3);
    cr_assert(uuid_equal(fake.log[0].reply, reply_of(7)));
    test_loop_pass(loop, 6 * SECOND);
    cr_assert_eq(fake.sent, 2);
    length = chain_bytes(7, MP_TRANSFER_LINKED, bytes);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(chain_encode(&fake.log[i].chain, sent), length);
        cr_assert_arr_eq(sent, bytes, length);
    }
}

Test(resend, what_is_not_answered_is_sent_again_for_ever_with_longer_pauses)
{
    static const uint64_t at_s[] = {0, 5, 15, 35, 75, 135, 195, 255};

    add(1, 0);
    test_loop_pass(loop, 260 * SECOND);
    cr_assert_eq(fake.sent, 8);
    for (unsigned i = 0; i < 8; i++) cr_assert_eq(fake.log[i].at_ns, at_s[i] * SECOND);
    test_loop_pass(loop, 3600 * SECOND);
    cr_assert_eq(fake.sent, 8 + 60);
}

Test(resend, what_was_answered_is_never_sent_again)
{
    add(1, 0);
    add(2, 0);
    test_loop_pass(loop, 4 * SECOND);
    cr_assert(answer(1, false));
    cr_assert_eq(resend_count(table), 1);
    test_loop_pass(loop, 10 * SECOND);
    cr_assert_eq(fake.sent, 3);
    cr_assert_eq((unsigned)fake.log[2].chain.events.transfers[0].id, 2);
    cr_assert(answer(2, false));
    test_loop_pass(loop, 1000 * SECOND);
    cr_assert_eq(fake.sent, 3);
    cr_assert_eq(test_loop_timers(loop), 0, "an idle table sets no timer");
}

Test(resend, a_second_answer_and_an_expiry_are_for_nobody)
{
    struct ledger_answer expiry = {.command = 1, .expiry = true};

    add(1, 0);
    cr_assert_not(resend_answered(table, &expiry));
    cr_assert(answer(1, false));
    cr_assert_not(answer(1, false));
    cr_assert_not(answer(2, false));
}

Test(resend, a_bind_is_another_command_than_the_chain_that_it_binds)
{
    add(1, 0);
    add(1, MP_TRANSFER_BIND_ID);
    cr_assert_eq(fake.sent, 2);
    cr_assert(answer(1, true));
    cr_assert_eq(resend_count(table), 1);
    test_loop_pass(loop, 6 * SECOND);
    cr_assert_eq(fake.sent, 3);
    cr_assert_eq(fake.log[2].chain.events.transfers[0].flags, 0);
    cr_assert(answer(1, false));
    cr_assert_eq(resend_count(table), 0);
}

Test(resend, one_that_is_under_way_is_not_added_twice)
{
    add(1, 0);
    add(1, 0);
    cr_assert_eq(fake.sent, 1);
    cr_assert_eq(resend_count(table), 1);
}

Test(resend, a_late_one_is_due_before_an_old_one_that_waits_long)
{
    add(1, 0);
    test_loop_pass(loop, 76 * SECOND); /* its next sending is at 135 s */
    cr_assert_eq(fake.sent, 5);
    add(2, 0);
    test_loop_pass(loop, 5 * SECOND);
    cr_assert_eq(fake.sent, 7);
    cr_assert_eq((unsigned)fake.log[6].chain.events.transfers[0].id, 2);
}

Test(resend, while_the_writer_has_stopped_nothing_piles_up_before_it)
{
    add(1, 0);
    fake.stopped = true;
    add(2, 0);
    test_loop_pass(loop, 1000 * SECOND);
    cr_assert_eq(fake.sent, 1);
    fake.stopped = false;
    test_loop_pass(loop, 60 * SECOND);
    cr_assert_eq(fake.sent, 3, "both are sent again");
}

Test(resend, bytes_that_are_no_chain_are_refused)
{
    uint8_t bytes[CHAIN_BYTES_MAX];
    size_t length = chain_bytes(1, 0, bytes);

    cr_assert_not(resend_add(table, bytes, length - 1, reply_of(1)));
    cr_assert_not(resend_add(table, bytes, 0, reply_of(1)));
    bytes[4] = CHAIN_MAX + 1;
    cr_assert_not(resend_add(table, bytes, length, reply_of(1)));
    cr_assert_eq(fake.sent, 0);
    cr_assert_eq(resend_count(table), 0);
}

Test(resend, thousands_under_way_are_each_found_and_counted_by_age)
{
    for (unsigned n = 1; n <= 1000; n++) add(n, 0);
    test_loop_pass(loop, 61 * SECOND);
    cr_assert_eq(fake.sent, 4000); /* at 0, 5, 15 and 35 s */
    for (unsigned n = 2001; n <= 2050; n++) add(n, 0);
    cr_assert_eq(resend_count(table), 1050);
    cr_assert_eq(resend_older(table, 60 * SECOND), 1000);
    for (unsigned n = 1; n <= 1000; n += 2) cr_assert(answer(n, false));
    cr_assert_eq(resend_older(table, 60 * SECOND), 500);
    for (unsigned n = 2; n <= 1000; n += 2) cr_assert(answer(n, false));
    cr_assert_eq(resend_older(table, 60 * SECOND), 0);
    cr_assert_eq(resend_count(table), 50);
}
