/* The world of the payment's table: life, faults, time. */
#include "table.h"
#include "wire/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

const struct books table_books = {"main", false};
static const char currency_name[4] = "EUR";
static const struct currency euro = {"EUR", 978, 2, "Euro"};

bool table_fail(struct world *world, const char *format, ...)
{
    va_list list;

    if (world->problem[0] != '\0') return false;
    va_start(list, format);
    vsnprintf(world->problem, sizeof world->problem, format, list);
    va_end(list);
    return false;
}

struct account_id table_wallet(unsigned number)
{
    struct account_id account = {{{0}}};

    account.uuid.bytes[0] = 0xa0;
    account.uuid.bytes[15] = (uint8_t)(number + 1);
    return account;
}

static uint64_t below(struct world *world, uint64_t limit)
{
    return test_loop_below(world->loop, limit);
}
static bool chance(struct world *world, unsigned percent) { return below(world, 100) < percent; }
static bool fault(struct world *world, unsigned percent)
{
    return !world->healing && chance(world, percent);
}

/* --- the disk that every run begins with --- */

static mp_options how(struct sim *sim)
{
    return (mp_options){.flags = MP_OPEN_MANUAL, .env = sim_env(sim), .memory_max = 32 << 20};
}

static void must(bool that, const char *what)
{
    if (that) return;
    fprintf(stderr, "%s: %s\n", what, mp_last_error());
    abort();
}

struct sim *table_image(void)
{
    struct sim *sim = sim_make(1);
    mp_options options = how(sim);
    mp_ledger *ledger;
    struct chain chain;
    mp_result results[CHAIN_MAX];
    uint32_t number = ledger_number(&table_books, currency_name, 0);

    must(mp_init("books", &options) == MP_OK, "init");
    must(mp_open("books", &options, &ledger) == MP_OK, "open");
    chain_of_books(&table_books, currency_name, number, &chain);
    must(mp_create_accounts(ledger, chain.events.accounts, chain.count, results) == MP_OK, "books");
    for (unsigned i = 0; i < WALLETS; i++) {
        mp_account wallet = {
            .id = id_of_uuid(table_wallet(i).uuid),
            .ledger = number,
            .code = ACCOUNT_CODE_WALLET,
            .flags = MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS,
        };
        mp_transfer deposit = {
            .id = 1000 + i,
            .debit_account_id =
                system_account(&table_books, currency_name, ACCOUNT_CODE_BANK, (struct uuid){{0}}),
            .credit_account_id = wallet.id,
            .amount = 100000,
            .ledger = number,
            .code = TRANSFER_CODE_DEPOSIT,
        };

        must(mp_create_accounts(ledger, &wallet, 1, results) == MP_OK &&
                 results[0].result == MP_CREATED,
             "wallet");
        must(mp_create_transfers(ledger, &deposit, 1, results) == MP_OK &&
                 results[0].result == MP_CREATED,
             "deposit");
    }
    must(mp_close(ledger) == MP_OK, "close");
    return sim;
}

/* --- the database: payments as they were committed --- */

static struct payment *copy_of(const struct payment *p)
{
    struct payment *copy = payment_make();

    *copy = *p;
    copy->operations = need_memory(p->operation_room * sizeof *copy->operations);
    for (unsigned i = 0; i < p->operation_count; i++) {
        copy->operations[i] = p->operations[i];
        copy->operations[i].row = ROW_SAME;
        copy->operations[i].chain = need_memory(p->operations[i].chain_length);
        memcpy(copy->operations[i].chain, p->operations[i].chain, p->operations[i].chain_length);
    }
    return copy;
}

/* --- messages --- */

static void post_message(struct world *world, const struct message *message, uint64_t delay_ns)
{
    struct message *copy;

    if (world->message_count == MESSAGES_MAX) return; /* lost, as networks do */
    copy = need_memory(sizeof *copy);
    *copy = *message;
    copy->due_ns = loop_elapsed_ns(world->loop) + delay_ns;
    world->messages[world->message_count++] = copy;
}

/* Passes a message on as a bad network does: not at all, late, twice. */
static void pass_on(struct world *world, const struct message *message)
{
    uint64_t delay = 0;

    if (fault(world, 10)) return;
    if (fault(world, 30)) delay = below(world, 3000) * MS;
    if (fault(world, 3)) delay = below(world, 200) * S;
    post_message(world, message, delay);
    if (fault(world, 15)) post_message(world, message, below(world, 20000) * MS);
}

static void send_operation(struct world *world, unsigned number, const struct operation *op)
{
    struct message message = {.kind = TO_LEDGER, .payment = number};

    must(operation_chain(op, &message.chain), "a stored chain can be read");
    pass_on(world, &message);
}

static int number_of(const struct world *world, struct uuid id)
{
    for (unsigned i = 0; i < world->slot_count; i++)
        if (uuid_equal(world->slots[i].kept->id, id)) return (int)i;
    return -1;
}

static void answered(void *context, const struct ledger_answer *answer)
{
    struct world *world = context;
    struct message message = {.kind = FROM_LEDGER, .answer = *answer};
    int number = number_of(world, answer->reply);

    if (number < 0) return;
    message.payment = (unsigned)number;
    if (answer->expiry) /* kept in the log until its position is committed: late, never lost */
        post_message(world, &message, fault(world, 20) ? below(world, 2000) * MS : 0);
    else
        pass_on(world, &message);
}

/* --- life and death --- */

static void open_ledger(struct world *world)
{
    mp_options options = how(world->sim);
    struct ledger_listener listener = {
        .answered = answered,
        .context = world,
        .code_min = TRANSFER_CODE_PAYMENT_MIN,
        .code_max = TRANSFER_CODE_PAYMENT_MAX,
        .expiry_position = world->expiry_position,
    };
    struct error err = {0};

    must(mp_open("books", &options, &world->ledger) == MP_OK, "open");
    must(ledger_port_open(world->loop, world->ledger, &world->port, &err) == OUTCOME_DONE, "port");
    world->listener = world->port->ops->listen(world->port, &listener);
}

static void forget_messages(struct world *world)
{
    for (unsigned i = 0; i < world->message_count; i++) free(world->messages[i]);
    world->message_count = 0;
}

static void resend_all(struct world *world)
{
    for (unsigned i = 0; i < world->slot_count; i++)
        for (unsigned k = 0; k < world->slots[i].live->operation_count; k++)
            if (world->slots[i].live->operations[k].state == OPERATION_SENT)
                send_operation(world, i, &world->slots[i].live->operations[k]);
}

/* The process dies: what wasn't committed is gone, as is what was on its way. */
static void crash(struct world *world)
{
    world->crashes++;
    ledger_port_close(world->port);
    (void)mp_close(world->ledger);
    if (chance(world, 50))
        sim_kill(world->sim);
    else
        sim_power_cut(world->sim, SIM_CUT_RANDOM);
    test_loop_forget(world->loop);
    forget_messages(world);
    for (unsigned i = 0; i < world->slot_count; i++) {
        payment_free(world->slots[i].live);
        world->slots[i].live = copy_of(world->slots[i].kept);
    }
    open_ledger(world);
    resend_all(world);
}

static void drive(struct world *world)
{
    bool worked = true, more;
    unsigned rounds = 0;

    while (worked) {
        if (++rounds > 100000) {
            printf("seed %llu: ledger and port never come to rest\n",
                   (unsigned long long)world->seed);
            exit(1);
        }
        worked = test_loop_run(world->loop) > 0;
        must(mp_step(world->ledger, &more) == MP_OK, "step");
        worked |= more;
        worked |= ledger_port_drive(world->port);
    }
}

static void pass(struct world *world, uint64_t ns)
{
    sim_pass(world->sim, ns);
    test_loop_pass(world->loop, ns);
    drive(world);
}

/* --- a step of a payment, its commit and what follows --- */

static void tell_events(struct slot *slot, const struct payment_effects *effects)
{
    for (unsigned i = 0; i < effects->event_count && slot->told_count < HISTORY_MAX; i++)
        slot->told[slot->told_count++] =
            (struct told){effects->events[i].kind, slot->live->captured, slot->live->refunded};
    slot->limit_amount -= effects->limits_back;
    slot->limit_count -= effects->limits_back_one;
}

static unsigned captures(const struct payment *p)
{
    unsigned count = 0;

    for (unsigned i = 0; i < p->operation_count; i++)
        count += p->operations[i].step == STEP_CAPTURE;
    return count;
}

/* False: refused, or the process died before or after the commit. */
static bool step(struct world *world, unsigned number, const struct payment_input *input,
                 uint64_t expiry_position)
{
    struct slot *slot = &world->slots[number];
    struct payment_effects effects;
    struct error err = {0};
    bool giving_up = slot->live->giving_up != REASON_NONE;
    unsigned captures_before = captures(slot->live);

    if (payment_step(slot->live, input, &payment_policy_default, loop_now_ns(world->loop), &effects,
                     &err) != OUTCOME_DONE)
        return false;
    if (fault(world, 2)) {
        crash(world);
        return false;
    }
    table_note(world, slot->kept, input, slot->live);
    if (!status_is_final(slot->kept->status) && status_is_final(slot->live->status))
        table_check_end(world, number);
    payment_free(slot->kept);
    slot->kept = copy_of(slot->live);
    if (expiry_position > world->expiry_position) world->expiry_position = expiry_position;
    tell_events(slot, &effects);
    world->alerts += effects.alert;
    if (giving_up && captures(slot->live) != captures_before)
        table_fail(world, "payment %u: a capture was sent while it was given up", number);
    if (fault(world, 2)) {
        crash(world);
        return false;
    }
    for (unsigned i = 0; i < effects.send_count; i++)
        send_operation(world, number, &slot->live->operations[effects.sends[i]]);
    return true;
}

static void deliver(struct world *world, const struct message *message)
{
    struct payment_input input = {0};

    switch (message->kind) {
    case TO_LEDGER:
        ledger_send(world->port, world->listener, &message->chain,
                    world->slots[message->payment].kept->id);
        break;
    case FROM_LEDGER:
        input.kind = INPUT_ANSWER;
        input.answer = &message->answer;
        step(world, message->payment, &input, message->answer.expiry_position);
        break;
    case FROM_FRAUD:
        input.kind = INPUT_VERDICT;
        input.verdict = message->verdict;
        step(world, message->payment, &input, 0);
        break;
    }
}

/* Expiries come in their own order, since their position is all that says which are known. */
static unsigned in_order(const struct world *world, unsigned chosen)
{
    const struct message *message = world->messages[chosen];

    if (message->kind != FROM_LEDGER || !message->answer.expiry) return chosen;
    for (unsigned i = 0; i < world->message_count; i++) {
        const struct message *other = world->messages[i];

        if (other->kind == FROM_LEDGER && other->answer.expiry &&
            other->answer.expiry_position < world->messages[chosen]->answer.expiry_position)
            chosen = i;
    }
    return chosen;
}

/* Delivers what is due, in an order drawn by the seed while there are faults. */
static bool deliver_one(struct world *world)
{
    unsigned due[MESSAGES_MAX], count = 0, chosen;
    struct message *message;

    for (unsigned i = 0; i < world->message_count; i++)
        if (world->messages[i]->due_ns <= loop_elapsed_ns(world->loop)) due[count++] = i;
    if (count == 0) return false;
    chosen = in_order(world, world->healing ? due[0] : due[below(world, count)]);
    message = world->messages[chosen];
    world->message_count--;
    memmove(world->messages + chosen, world->messages + chosen + 1,
            (world->message_count - chosen) * sizeof *world->messages);
    deliver(world, message);
    free(message);
    drive(world);
    return true;
}

static void ring_timers(struct world *world)
{
    struct payment_input input = {.kind = INPUT_TIME};

    for (unsigned i = 0; i < world->slot_count; i++) {
        uint64_t due = payment_due(world->slots[i].live, &payment_policy_default);

        if (due != 0 && due <= loop_now_ns(world->loop)) step(world, i, &input, 0);
    }
}

/* --- what people do --- */

static struct uuid drawn_id(struct world *world)
{
    struct uuid id;

    loop_random(world->loop, id.bytes, sizeof id.bytes);
    return id;
}

static void ask_fraud(struct world *world, unsigned number)
{
    struct message message = {.kind = FROM_FRAUD, .payment = number};
    uint64_t draw = below(world, 100);

    if (!world->healing && draw < 8) return; /* dead */
    message.verdict = draw < 80 ? VERDICT_ALLOW : draw < 90 ? VERDICT_REVIEW : VERDICT_DENY;
    post_message(world, &message, draw % 3 == 0 ? below(world, 6000) * MS : 0);
    if (draw % 5 == 0) post_message(world, &message, below(world, 100000) * MS);
}

static void fill_legs(struct world *world, struct payment *p, unsigned payee)
{
    unsigned splits = chance(world, 30) ? 1 + (unsigned)below(world, 2) : 0;
    int64_t left = p->amount;

    p->legs[0].credit = p->payee;
    p->leg_count = 1;
    for (unsigned i = 0; i < splits; i++) {
        struct leg *leg = &p->legs[p->leg_count++];

        leg->credit = table_wallet((payee + 1 + i) % WALLETS);
        if (uuid_equal(leg->credit.uuid, p->payer.uuid)) leg->credit = p->payee;
        leg->held = (int64_t)below(world, (uint64_t)left / 2 + 1);
        left -= leg->held;
    }
    p->legs[0].held = left;
    if (!chance(world, 40)) return;
    p->fee_leg = true;
    p->fee_fixed = (int64_t)below(world, 50);
    /* a fixed fee alone is taken whole by the first capture, while the hold goes on */
    p->fee_ppm = chance(world, 50) ? 0 : (int64_t)below(world, 30000);
    p->legs[p->leg_count].held = fee_of(p, p->amount);
    p->legs[p->leg_count++].credit.uuid = uuid_of_id(
        system_account(&table_books, currency_name, ACCOUNT_CODE_FEES, (struct uuid){{0}}));
}

static void start_payment(struct world *world)
{
    unsigned number = world->slot_count, payer = (unsigned)below(world, WALLETS);
    unsigned payee = (payer + 1 + (unsigned)below(world, WALLETS - 1)) % WALLETS;
    struct slot *slot = &world->slots[number];
    struct payment_input input = {.kind = INPUT_CREATED};
    struct payment *p = payment_make();

    *p = (struct payment){
        .id = drawn_id(world),
        .books = table_books,
        .kind = KIND_PAYMENT,
        .status = STATUS_INITIATED,
        .payer = table_wallet(payer),
        .payee = table_wallet(payee),
        .currency = &euro,
        .ledger = ledger_number(&table_books, currency_name, 0),
        .amount = 1 + (int64_t)below(world, chance(world, 20) ? 150000 : 20000),
        .capture = chance(world, 50) ? CAPTURE_MANUAL : CAPTURE_AUTOMATIC,
        .refund_fees = chance(world, 50) ? REFUND_FEES_PRO_RATA : REFUND_FEES_NONE,
        .created_ns = loop_now_ns(world->loop),
        .effective_ns = loop_now_ns(world->loop),
    };
    p->timeout = p->capture == CAPTURE_AUTOMATIC
                     ? 120
                     : 30 + (uint32_t)below(world, chance(world, 40) ? 60 : 1000);
    fill_legs(world, p, payee);
    *slot = (struct slot){.live = p, .kept = copy_of(p)};
    slot->limit_amount = p->amount;
    slot->limit_count = 1;
    world->slot_count++;
    if (!step(world, number, &input, 0) && slot->kept->operation_count == 0) {
        payment_free(slot->live); /* died before the commit: it never was */
        payment_free(slot->kept);
        world->slot_count--;
        return;
    }
    ask_fraud(world, number);
}

/* Freezes a wallet in the ledger, then tells the payments, as the account service does. */
static void freeze(struct world *world)
{
    unsigned wallet = (unsigned)below(world, WALLETS);
    mp_account_update update = {
        .id = 5000000 + below(world, UINT64_C(1) << 60),
        .account_id = id_of_uuid(table_wallet(wallet).uuid),
        .code = TRANSFER_CODE_FREEZE,
    };
    mp_request request = {.operation = MP_UPDATE_ACCOUNTS, .count = 1, .events = &update};
    mp_result result;
    bool now = !world->frozen[wallet];

    if (now)
        update.flags_set = MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS;
    else
        update.flags_clear = MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS;
    request.results = &result;
    must(mp_execute(world->ledger, &request) == MP_OK, "freeze");
    drive(world);
    world->frozen[wallet] = now;
    for (unsigned i = 0; now && i < world->slot_count; i++) {
        struct payment_input input = {.kind = INPUT_FREEZE, .reason = REASON_ACCOUNT_FROZEN};
        const struct payment *p = world->slots[i].live;
        bool hit = uuid_equal(p->payer.uuid, table_wallet(wallet).uuid);

        for (unsigned leg = 0; leg < p->leg_count; leg++)
            hit |= uuid_equal(p->legs[leg].credit.uuid, table_wallet(wallet).uuid);
        if (hit && payment_is_open(p) && !fault(world, 10)) step(world, i, &input, 0);
    }
}

/* A wallet spends all that it has elsewhere, or is paid: refunds from it must wait, or can go on.
 */
static void spend(struct world *world)
{
    mp_id wallet = id_of_uuid(table_wallet((unsigned)below(world, WALLETS)).uuid);
    mp_id bank = system_account(&table_books, currency_name, ACCOUNT_CODE_BANK, (struct uuid){{0}});
    bool spends = chance(world, 60);
    mp_transfer transfer = {
        .id = 6000000 + below(world, UINT64_C(1) << 60),
        .debit_account_id = spends ? wallet : bank,
        .credit_account_id = spends ? bank : wallet,
        .amount = spends ? MP_AMOUNT_MAX : 50000,
        .ledger = ledger_number(&table_books, currency_name, 0),
        .code = spends ? TRANSFER_CODE_WITHDRAWAL : TRANSFER_CODE_DEPOSIT,
        .flags = spends ? MP_TRANSFER_BALANCING_DEBIT : 0,
    };
    mp_request request = {.operation = MP_CREATE_TRANSFERS, .count = 1, .events = &transfer};
    mp_result result;

    request.results = &result;
    must(mp_execute(world->ledger, &request) == MP_OK, "spend");
    drive(world);
}

static void ask(struct world *world)
{
    static const enum input_kind kinds[] = {
        INPUT_CAPTURE, INPUT_CAPTURE, INPUT_CAPTURE, INPUT_CANCEL, INPUT_INCREASE,
        INPUT_EXTEND,  INPUT_REFUND,  INPUT_REFUND,  INPUT_REFUND, INPUT_REVIEW,
    };
    struct payment_input input = {.kind = kinds[below(world, sizeof kinds / sizeof *kinds)]};
    unsigned number;

    if (world->slot_count == 0) return;
    number = (unsigned)below(world, world->slot_count);
    input.operation = drawn_id(world);
    input.amount = chance(world, 30) ? 0 : 1 + (int64_t)below(world, 15000);
    if (input.kind == INPUT_INCREASE && input.amount == 0) input.amount = 7;
    input.final = chance(world, 30);
    input.seconds = 10 + below(world, 2000);
    input.verdict = chance(world, 60) ? VERDICT_ALLOW : VERDICT_DENY;
    input.on_insufficient = chance(world, 50) ? INSUFFICIENT_FAIL : INSUFFICIENT_WAIT;
    step(world, number, &input, 0);
}

/* One person captures a part; another one may cancel before the answer is there. */
static void race(struct world *world)
{
    struct payment_input capture = {.kind = INPUT_CAPTURE}, cancel = {.kind = INPUT_CANCEL};

    for (unsigned i = 0; i < world->slot_count; i++) {
        const struct payment *p = world->slots[i].live;

        if (p->status != STATUS_REQUIRES_CAPTURE && p->status != STATUS_PARTIALLY_CAPTURED)
            continue;
        capture.operation = drawn_id(world);
        capture.amount = 1 + (int64_t)below(world, (uint64_t)(p->amount - p->captured));
        if (step(world, i, &capture, 0) && chance(world, 60)) step(world, i, &cancel, 0);
        return;
    }
}

/* --- a run --- */

static void live(struct world *world)
{
    unsigned rounds = 20 + (unsigned)below(world, 60);

    for (unsigned i = 0; i < rounds; i++) {
        uint64_t draw = below(world, 100);

        if (draw < 15 && world->slot_count < PAYMENTS_MAX)
            start_payment(world);
        else if (draw < 40)
            ask(world);
        else if (draw < 43)
            freeze(world);
        else if (draw < 45)
            race(world);
        else if (draw < 47)
            spend(world);
        else if (draw < 50)
            crash(world);
        else if (draw < 55)
            resend_all(world);
        else if (draw < 60)
            pass(world, below(world, 40) * S);
        else
            pass(world, below(world, 1500) * MS);
        ring_timers(world);
        for (unsigned k = 0; k < 3 && deliver_one(world); k++) {
        }
    }
}

static bool is_quiet(const struct world *world)
{
    for (unsigned i = 0; i < world->message_count; i++)
        if (world->messages[i]->kind == FROM_LEDGER && world->messages[i]->answer.expiry)
            return false; /* a hold has ended, and its payment hasn't heard */
    for (unsigned i = 0; i < world->slot_count; i++) {
        const struct payment *p = world->slots[i].live;

        if (!payment_is_settled(p) || p->status == STATUS_IN_REVIEW) return false;
        for (unsigned k = 0; k < p->operation_count; k++)
            if (p->operations[k].state == OPERATION_SENT) return false;
    }
    return true;
}

/* No more faults: everything is resent until it is answered, and time goes by. */
static bool heal(struct world *world)
{
    world->healing = true;
    for (unsigned i = 0; i < 400; i++) {
        resend_all(world);
        while (deliver_one(world)) {
        }
        ring_timers(world);
        while (deliver_one(world)) {
        }
        if (is_quiet(world)) return true;
        pass(world, (i < 50 ? 5 : 3600) * S);
    }
    for (unsigned i = 0; i < world->slot_count; i++) {
        const struct payment *p = world->slots[i].live;

        if (!payment_is_settled(p) || p->status == STATUS_IN_REVIEW)
            return table_fail(world, "payment %u is stuck as %s, hold %d, giving up %d", i,
                              payment_statuses[p->status - 1], (int)p->hold, (int)p->giving_up);
    }
    return table_fail(world, "an operation is never answered");
}

static void end(struct world *world)
{
    ledger_port_close(world->port);
    (void)mp_close(world->ledger);
    forget_messages(world);
    for (unsigned i = 0; i < world->slot_count; i++) {
        payment_free(world->slots[i].live);
        payment_free(world->slots[i].kept);
    }
    test_loop_free(world->loop);
    sim_free(world->sim);
}

int table_run(struct world *world, const struct sim *image, uint64_t seed)
{
    struct test_loop_options options = {.seed = seed, .shuffle = true};

    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->sim = sim_clone(image);
    sim_seed(world->sim, seed);
    options.now_ns = sim_settings(world->sim)->real_ns;
    world->loop = test_loop_make(&options);
    open_ledger(world);
    live(world);
    if (heal(world) && table_check(world) && world->stray[0] != '\0')
        table_fail(world, "%s", world->stray);
    end(world);
    return world->problem[0] != '\0';
}
