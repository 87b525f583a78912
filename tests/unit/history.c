#include "history.h"

#include "given.h"
#include "oracle/oracle.h"

#include <string.h>

enum { SENT_MAX = 512 };

static struct {
    struct history_profile profile;
    uint64_t random;
    uint64_t next_id; /* of transfers and updates */
    uint64_t next_account;
    mp_transfer sent[SENT_MAX]; /* to be sent again */
    mp_account_update sent_updates[SENT_MAX];
    uint32_t sent_count, sent_update_count;
    union {
        mp_account accounts[MP_BATCH_MAX];
        mp_transfer transfers[MP_BATCH_MAX];
        mp_account_update updates[MP_BATCH_MAX];
    } events;
    uint64_t imported_time; /* of the next imported event; 0 = the batch is none */
} history;

/* xorshift64* */
uint64_t history_dice(uint64_t sides)
{
    history.random ^= history.random >> 12;
    history.random ^= history.random << 25;
    history.random ^= history.random >> 27;
    return (history.random * UINT64_C(0x2545F4914F6CDD1D) >> 11) % sides;
}

static bool percent(unsigned chance) { return history_dice(100) < chance; }

void history_begin(uint64_t seed, const struct history_profile *profile)
{
    memset(&history, 0, sizeof(history));
    history.profile = *profile;
    history.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    history.next_id = 1;
    history.next_account = 1;
}

static const struct oracle *state(void) { return subject_oracle_state(); }

/* --- what events are about --- */

static mp_id some_account(void)
{
    const uint32_t count = oracle_account_count(state());

    if (count == 0 || percent(1)) return MP_U128('A', history_dice(history.next_account + 2));
    if (percent(history.profile.odd) && percent(10)) return percent(50) ? 0 : MP_U128_MAX;
    return oracle_account_id(state(), (uint32_t)history_dice(count));
}

static mp_id some_id(void)
{
    if (percent(history.profile.odd) && percent(5)) return percent(50) ? 0 : MP_U128_MAX;
    if (percent(history.profile.retries))
        return MP_U128('T', 1 + history_dice(history.next_id + 2));
    return MP_U128('T', history.next_id++);
}

/* A transfer, rather a recent one; NULL if there is none. */
static const mp_transfer *some_transfer(void)
{
    const uint32_t count = oracle_transfer_count(state());
    const uint32_t recent = count < 60 ? count : 60;

    if (count == 0) return NULL;
    return oracle_transfer(state(), percent(85) ? count - 1 - (uint32_t)history_dice(recent)
                                                : (uint32_t)history_dice(count));
}

/* An open reservation if one is found soon, else sometimes a closed one. */
static const mp_transfer *some_reservation(mp_amount *left)
{
    const uint32_t count = oracle_transfer_count(state());
    const mp_transfer *found = NULL;
    uint64_t expires;

    for (int i = 0; i < 30 && count > 0; i++) {
        const uint32_t back = (uint32_t)history_dice(count < 80 ? count : 80);
        const mp_transfer *t = oracle_transfer(state(), count - 1 - back);
        if ((t->flags & MP_TRANSFER_PENDING) == 0) continue;
        if (oracle_open_reservation(state(), count - 1 - back, left, &expires) || percent(2))
            return t;
        found = t;
    }
    return percent(25) ? found : NULL;
}

static mp_amount wide_amount(void)
{
    static const unsigned bits[] = {63, 64, 65, 96, 126, 127};
    const mp_amount near = (mp_amount)1 << bits[history_dice(6)];

    switch (history_dice(4)) {
    case 0: return MP_U128_MAX - history_dice(3);
    case 1: return near - history_dice(3);
    case 2: return near + history_dice(3);
    default: return near / (1 + history_dice(9));
    }
}

static mp_amount some_amount(void)
{
    if (percent(history.profile.wide)) return wide_amount();
    return percent(10) ? 0 : history_dice(percent(50) ? 10 : 1000);
}

/* About what is there. */
static mp_amount amount_about(mp_amount whole)
{
    switch (history_dice(8)) {
    case 0: return MP_AMOUNT_MAX;
    case 1: return whole;
    case 2: return whole + 1;
    case 3: return whole - 1;
    case 4: return 0;
    default: return whole == 0 ? 0 : history_dice((uint64_t)whole == 0 ? 1 : (uint64_t)whole);
    }
}

static void some_user_data(mp_u128 *ud128, uint64_t *ud64, uint32_t *ud32)
{
    if (percent(20)) *ud128 = percent(30) ? MP_U128(history_dice(3), 1) : history_dice(4);
    if (percent(20)) *ud64 = history_dice(4);
    if (percent(20)) *ud32 = (uint32_t)history_dice(4);
}

/* --- transfers --- */

static void make_move(mp_transfer *t)
{
    t->debit_account_id = some_account();
    t->credit_account_id = some_account();
    while (t->credit_account_id == t->debit_account_id && percent(95))
        t->credit_account_id = some_account();
    t->amount = some_amount();
    t->ledger = percent(97) ? 1 : 2;
    t->code = (uint16_t)(1 + history_dice(3));
    if (percent(6)) t->flags |= MP_TRANSFER_BALANCING_DEBIT;
    if (percent(6)) t->flags |= MP_TRANSFER_BALANCING_CREDIT;
    if (!percent(history.profile.pending)) return;
    t->flags |= MP_TRANSFER_PENDING;
    if (percent(history.profile.timeouts) && history.imported_time == 0)
        t->timeout =
            1 + (uint32_t)history_dice(percent(5) ? UINT32_MAX : 2 * history.profile.seconds);
    if (percent(1)) t->flags |= MP_TRANSFER_CLOSING_DEBIT;
    if (percent(1)) t->flags |= MP_TRANSFER_CLOSING_CREDIT;
}

/* Names what may be left out; now and then wrongly. */
static void name_the_rest(mp_transfer *t, mp_id debit, mp_id credit, uint16_t code)
{
    if (percent(20)) t->debit_account_id = percent(95) ? debit : some_account();
    if (percent(20)) t->credit_account_id = percent(95) ? credit : some_account();
    if (percent(20)) t->ledger = percent(95) ? 1 : 2;
    if (percent(20)) t->code = percent(95) ? code : (uint16_t)history_dice(4);
}

static void make_resolution(mp_transfer *t)
{
    mp_amount left = 0;
    const mp_transfer *p = some_reservation(&left);

    if (p == NULL && percent(80)) {
        make_move(t);
        return;
    }
    if (p == NULL || percent(3)) p = some_transfer();
    t->pending_id = p == NULL ? MP_U128('T', 1 + history_dice(history.next_id + 2)) : p->id;
    if (p != NULL) name_the_rest(t, p->debit_account_id, p->credit_account_id, p->code);
    if (p != NULL && percent(15)) {
        t->user_data_128 = p->user_data_128;
        t->user_data_64 = p->user_data_64;
        t->user_data_32 = p->user_data_32;
    }
    switch (history_dice(history.imported_time == 0 ? 10 : 7)) {
    case 0:
    case 1:
    case 2:
        t->flags |= MP_TRANSFER_POST_PENDING;
        t->amount = amount_about(left);
        break;
    case 3:
    case 4:
        t->flags |= MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING;
        t->amount = amount_about(left);
        break;
    case 5:
    case 6:
        t->flags |= MP_TRANSFER_VOID_PENDING;
        t->amount = percent(60) ? 0 : percent(80) ? left : amount_about(left);
        break;
    default:
        t->flags |= MP_TRANSFER_INCREASE_PENDING;
        t->amount = some_amount();
        if (percent(40)) t->timeout = 1 + (uint32_t)history_dice(2 * history.profile.seconds);
    }
}

static void make_reversal(mp_transfer *t)
{
    const mp_transfer *original = some_transfer();

    t->flags |= MP_TRANSFER_REVERSAL;
    if (original == NULL) return;
    t->pending_id = original->id;
    t->amount = amount_about(original->amount);
    name_the_rest(t, original->credit_account_id, original->debit_account_id, original->code);
}

/* One field of an event emptied: often it means the same then. */
static void leave_out(mp_transfer *t)
{
    switch (history_dice(9)) {
    case 0: t->debit_account_id = 0; break;
    case 1: t->credit_account_id = 0; break;
    case 2: t->amount = percent(50) ? 0 : MP_AMOUNT_MAX; break;
    case 3: t->user_data_128 = 0; break;
    case 4: t->user_data_64 = 0; break;
    case 5: t->user_data_32 = 0; break;
    case 6: t->timeout = 0; break;
    case 7: t->ledger = 0; break;
    default: t->code = 0;
    }
}

/* One field of an event changed, whichever. */
static void spoil(mp_transfer *t)
{
    switch (history_dice(14)) {
    case 0: t->flags ^= (uint16_t)(1u << history_dice(16)); break;
    case 1: t->flags ^= (uint16_t)(1u << (1 + history_dice(12))); break;
    case 2:
        t->pending_id = percent(50) ? 0 : MP_U128('T', history_dice(history.next_id + 1));
        break;
    case 3: t->timeout = (uint32_t)history_dice(3); break;
    case 4: t->debit_account_id = some_account(); break;
    case 5: t->credit_account_id = some_account(); break;
    case 6:
        t->amount = percent(50) ? t->amount ^ (mp_amount)1 << history_dice(128) : some_amount();
        break;
    case 7: t->user_data_128 ^= (mp_u128)1 << history_dice(128); break;
    case 8: t->user_data_64 ^= UINT64_C(1) << history_dice(64); break;
    case 9: t->user_data_32 ^= 1u << history_dice(32); break;
    case 10: t->ledger = (uint32_t)history_dice(3); break;
    case 11: t->code = (uint16_t)history_dice(4); break;
    case 12: t->timestamp = percent(50) ? 0 : history_dice(UINT64_MAX); break;
    default: t->debit_account_id = t->credit_account_id;
    }
}

static mp_transfer new_transfer(void)
{
    mp_transfer t = {.id = some_id()};

    if (history.imported_time != 0) {
        t.flags = MP_TRANSFER_IMPORTED;
        t.timestamp = history.imported_time;
    }
    some_user_data(&t.user_data_128, &t.user_data_64, &t.user_data_32);
    if (percent(1) && history.imported_time == 0)
        t = (mp_transfer){.id = t.id, .flags = MP_TRANSFER_BIND_ID};
    else if (percent(history.profile.pending))
        make_resolution(&t);
    else if (percent(12) && history.imported_time == 0)
        make_reversal(&t);
    else
        make_move(&t);
    return t;
}

/* An event sent before: as it was sent, or as it was recorded, or nearly so. */
static mp_transfer again(void)
{
    const uint32_t sent = history.sent_count < SENT_MAX ? history.sent_count : SENT_MAX;
    const mp_transfer *recorded = some_transfer();
    mp_transfer t = history.sent[history_dice(sent)];

    if (recorded != NULL && percent(60)) {
        t = *recorded;
        if ((t.flags & MP_TRANSFER_IMPORTED) == 0) t.timestamp = 0;
        for (unsigned fields = percent(50) ? 0 : 4; fields > 0; fields--) leave_out(&t);
    }
    if (percent(25)) spoil(&t);
    if (percent(50)) t.flags &= (uint16_t)~MP_TRANSFER_LINKED;
    return t;
}

static mp_transfer next_transfer(void)
{
    mp_transfer t;

    if (history.sent_count > 0 && percent(history.profile.retries)) return again();
    t = new_transfer();
    if (percent(history.profile.odd)) spoil(&t);
    if (percent(history.profile.linked)) t.flags |= MP_TRANSFER_LINKED;
    history.sent[history.sent_count++ % SENT_MAX] = t;
    return t;
}

static void submit_transfers(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        history.events.transfers[i] = next_transfer();
        if (history.imported_time != 0) history.imported_time += history_dice(20);
    }
    if (percent(90)) history.events.transfers[count - 1].flags &= (uint16_t)~MP_TRANSFER_LINKED;
    given_submit(MP_CREATE_TRANSFERS, history.events.transfers, count);
}

/* --- accounts and updates --- */

static mp_account next_account_event(void)
{
    static const uint16_t likely[] = {
        0,
        0,
        0,
        MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS,
        MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS,
        MP_ACCOUNT_HISTORY,
    };
    mp_account a = {.ledger = percent(95) ? 1 : 2, .code = (uint16_t)(1 + history_dice(3))};

    a.id =
        MP_U128('A', percent(80) ? history.next_account++ : history_dice(history.next_account + 2));
    a.flags = likely[history_dice(sizeof(likely) / sizeof(likely[0]))];
    some_user_data(&a.user_data_128, &a.user_data_64, &a.user_data_32);
    if (history.imported_time != 0) {
        a.flags |= MP_ACCOUNT_IMPORTED;
        a.timestamp = history.imported_time;
        history.imported_time += history_dice(20);
    }
    if (percent(1)) a.flags |= MP_ACCOUNT_CLOSED;
    if (percent(history.profile.linked)) a.flags |= MP_ACCOUNT_LINKED;
    if (percent(history.profile.odd)) a.flags ^= (uint16_t)(1u << history_dice(16));
    if (percent(history.profile.odd)) a.timestamp = history_dice(UINT64_MAX);
    if (percent(history.profile.odd)) a.code = 0;
    return a;
}

static void submit_accounts(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) history.events.accounts[i] = next_account_event();
    if (percent(90)) history.events.accounts[count - 1].flags &= (uint16_t)~MP_ACCOUNT_LINKED;
    given_submit(MP_CREATE_ACCOUNTS, history.events.accounts, count);
}

/* Opens and thaws more often than it closes and freezes, else nothing would move after a while. */
static mp_account_update next_update(void)
{
    static const uint16_t may[] = {MP_ACCOUNT_FROZEN_DEBITS, MP_ACCOUNT_FROZEN_CREDITS,
                                   MP_ACCOUNT_CLOSED};
    mp_account_update u = {.id = some_id(), .account_id = some_account()};

    for (int i = 0; i < 3; i++) {
        if (percent(6)) u.flags_set |= may[i];
        if (percent(70)) u.flags_clear |= may[i];
        if (percent(95)) u.flags_clear &= (uint16_t)~u.flags_set;
    }
    some_user_data(&u.user_data_128, &u.user_data_64, &u.user_data_32);
    if (percent(20)) u.code = (uint16_t)history_dice(4);
    memset(u.ignored, (int)history_dice(256), sizeof(u.ignored));
    if (percent(history.profile.odd)) u.flags_set ^= (uint16_t)(1u << history_dice(16));
    if (percent(history.profile.linked)) u.flags |= MP_UPDATE_LINKED;
    return u;
}

static mp_account_update next_update_event(void)
{
    mp_account_update u;

    if (history.sent_update_count > 0 && percent(history.profile.retries)) {
        u = history.sent_updates[history_dice(
            history.sent_update_count < SENT_MAX ? history.sent_update_count : SENT_MAX)];
        if (percent(30)) u.account_id = some_account();
        if (percent(30)) u.code ^= 1;
        return u;
    }
    u = next_update();
    history.sent_updates[history.sent_update_count++ % SENT_MAX] = u;
    return u;
}

static void submit_updates(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) history.events.updates[i] = next_update_event();
    if (percent(90)) history.events.updates[count - 1].flags = 0;
    given_submit(MP_UPDATE_ACCOUNTS, history.events.updates, count);
}

/* --- steps --- */

/* To a few ns before, at or behind the end of a reservation, so that a batch lies across it. */
static void move_clock_to_an_end(void)
{
    const uint32_t count = oracle_transfer_count(state());
    mp_amount left;
    uint64_t expires;

    for (int i = 0; i < 50 && count > 0; i++) {
        const uint32_t number = (uint32_t)history_dice(count);
        if (!oracle_open_reservation(state(), number, &left, &expires)) continue;
        if (expires < given_now() + 40 || expires > given_now() + UINT64_C(1000000000000)) continue;
        clock_set(expires + history_dice(20) - 18);
        return;
    }
}

static void move_clock(void)
{
    switch (history_dice(6)) {
    case 0: break;
    case 1: clock_advance_ns(history_dice(10)); break;
    case 2: clock_advance_seconds(history_dice(1 + history.profile.seconds)); break;
    case 3: move_clock_to_an_end(); break;
    default: clock_advance_ns(history_dice(1000000)); break;
    }
}

/* Between the newest record and now. */
static void choose_imported_time(void)
{
    const uint64_t newest = oracle_newest(state());

    history.imported_time = 0;
    if (!percent(history.profile.imported)) return;
    clock_advance_ns(1000000);
    if (newest == 0)
        history.imported_time = 1000;
    else
        history.imported_time = newest + history_dice(percent(80) ? 1000 : given_now() - newest);
}

static uint32_t some_count(void)
{
    const unsigned most = history.profile.batch;

    if (percent(30)) return 1;
    return 1 + (uint32_t)history_dice(percent(50) && most > 20 ? 20 : most);
}

void history_step(void)
{
    const uint32_t have = oracle_account_count(state());

    move_clock();
    choose_imported_time();
    if (have < history.profile.accounts ? percent(have < 4 ? 90 : 15) : percent(1))
        submit_accounts(1 + (uint32_t)history_dice(4));
    else if (percent(history.profile.updates)) {
        history.imported_time = 0;
        submit_updates(1 + (uint32_t)history_dice(6));
    } else
        submit_transfers(some_count());
}
