#include "generate_bank.h"

#include "times.h"

#include <stdlib.h>

/* A kind of movement between a customer and one of the bank's accounts (0: another customer) */
struct kind {
    enum bank_account account;
    bool in;           /* the customer is credited */
    unsigned weight;   /* of 1,000 */
    uint64_t smallest; /* amount in minor units; they go up to 128 times that, rarely */
};

/* Shares as in the books of a real retail bank, transfers between its customers added */
static const struct kind kinds[] = {
    {BANK_CASH, true, 190, 10000},
    {BANK_CASH, false, 260, 2000},
    {BANK_CARDS, false, 90, 300},
    {BANK_INTEREST, true, 120, 50},
    {BANK_FEES, false, 80, 30},
    {BANK_OTHER_BANKS, true, 80, 8000},
    {BANK_OTHER_BANKS, false, 110, 1500},
    {BANK_LOANS, false, 20, 3000},
    {(enum bank_account)0, false, 50, 1000},
};

enum { KINDS = sizeof kinds / sizeof kinds[0], CARD = 2, DEPOSIT = 0 };

/* --- random numbers: xoshiro256** by Blackman and Vigna, seeded by splitmix64 --------------- */

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static uint64_t draw(struct bank *bank)
{
    uint64_t *s = bank->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* 0 to below - 1 */
static uint64_t draw_below(struct bank *bank, uint64_t below)
{
    return (uint64_t)((mp_u128)draw(bank) * below >> 64);
}

static void seed(struct bank *bank, uint64_t value)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = value += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        bank->state[i] = z ^ z >> 31;
    }
}

/* --- the bank ------------------------------------------------------------------------------ */

bool bank_begin(struct bank *bank, const struct bank_settings *settings)
{
    *bank = (struct bank){.settings = *settings};
    bank->available = calloc(settings->customers, sizeof *bank->available);
    seed(bank, settings->seed);
    return bank->available != NULL;
}

void bank_end(struct bank *bank) { free(bank->available); }

/* Some customers are busier than others: the density falls with the root of the index. */
static uint64_t draw_customer(struct bank *bank)
{
    uint64_t place = draw(bank) >> 32;

    return (uint64_t)((mp_u128)(place * place) * bank->opened >> 64);
}

static uint64_t draw_amount(struct bank *bank, uint64_t smallest)
{
    uint64_t bits = draw(bank);
    uint64_t scale = smallest << (bits & 3) << (bits >> 2 & 3);

    return scale + draw_below(bank, scale);
}

static const struct kind *draw_kind(struct bank *bank)
{
    uint64_t point = draw_below(bank, 1000);

    for (unsigned i = 0;; i++) {
        if (point < kinds[i].weight || i == KINDS - 1) return &kinds[i];
        point -= kinds[i].weight;
    }
}

static void fill(mp_transfer *out, const struct kind *kind, uint64_t customer, mp_id other,
                 uint64_t amount)
{
    mp_id own = customer + 1;

    out->debit_account_id = kind->in ? other : own;
    out->credit_account_id = kind->in ? own : other;
    out->amount = amount;
    out->ledger = 1;
    out->code = (uint16_t)(kind - kinds + 1);
}

/* A movement of `kind`; a customer who can't pay brings money instead. */
static void move(struct bank *bank, const struct kind *kind, uint64_t customer, mp_transfer *out)
{
    uint64_t amount = draw_amount(bank, kind->smallest), *available = &bank->available[customer];
    mp_id other = BANK_ACCOUNT_BASE + kind->account;

    if (!kind->in && *available < amount) {
        kind = &kinds[DEPOSIT];
        other = BANK_ACCOUNT_BASE + BANK_CASH;
        amount = draw_amount(bank, kind->smallest);
    }
    if (kind->account == 0) {
        uint64_t payee = draw_customer(bank);
        if (payee == customer) payee = (customer + 1) % bank->opened;
        other = payee + 1;
        if (payee == customer) { /* the only customer pays the bank */
            kind = &kinds[CARD];
            other = BANK_ACCOUNT_BASE + BANK_CARDS;
        } else {
            bank->available[payee] += amount;
        }
    }
    *available = kind->in ? *available + amount : *available - amount;
    fill(out, kind, customer, other, amount);
}

static void reserve(struct bank *bank, mp_transfer *out)
{
    struct bank_hold hold = {.id = out->id,
                             .customer = (uint64_t)out->debit_account_id - 1,
                             .amount = (uint64_t)out->amount};

    out->flags |= MP_TRANSFER_PENDING;
    bank->holds[(bank->hold_first + bank->hold_count++) % BANK_HOLDS_MAX] = hold;
}

/* Captures the oldest reservation, mostly whole; or in part, or a first part of it; or releases it.
 */
static void resolve(struct bank *bank, mp_transfer *out)
{
    struct bank_hold *hold = &bank->holds[bank->hold_first];
    uint64_t point = draw_below(bank, 100), rest = hold->amount;

    out->pending_id = hold->id;
    if (point < 15) {
        out->flags |= MP_TRANSFER_VOID_PENDING;
    } else {
        out->flags |= MP_TRANSFER_POST_PENDING;
        if (point < 40)
            rest = draw_below(bank, hold->amount);
        else
            rest = 0;
        out->amount = hold->amount - rest;
        if (point < 20 && rest > 0) {
            out->flags |= MP_TRANSFER_KEEP_PENDING;
            hold->amount = rest;
            return;
        }
    }
    bank->available[hold->customer] += rest;
    bank->hold_first = (bank->hold_first + 1) % BANK_HOLDS_MAX;
    bank->hold_count--;
}

/* Accounts are opened during the first half of the books, each by a first deposit. */
static bool opens_account(const struct bank *bank)
{
    const struct bank_settings *settings = &bank->settings;
    uint64_t half = settings->movements / 2 + 1;

    if (bank->opened == settings->customers) return false;
    if (bank->opened == 0) return true;
    return (mp_u128)bank->opened * half < (mp_u128)bank->made * settings->customers;
}

static void stamp(struct bank *bank, mp_transfer *out)
{
    const struct bank_settings *settings = &bank->settings;
    uint64_t step = settings->length_ns / settings->movements;

    if (settings->live) return;
    out->flags |= MP_TRANSFER_IMPORTED;
    out->timestamp = settings->start_ns + bank->made * step + 3 + draw_below(bank, step - 3);
    out->user_data_64 = out->timestamp - out->timestamp % DAY_NS; /* the value date */
}

void bank_next(struct bank *bank, mp_transfer *out)
{
    *out = (mp_transfer){.id = bank->settings.first_id + bank->made};
    if (opens_account(bank)) {
        move(bank, &kinds[DEPOSIT], bank->opened++, out);
    } else if (bank->hold_count > 0 &&
               (bank->hold_count == BANK_HOLDS_MAX || draw_below(bank, 10) == 0)) {
        resolve(bank, out);
    } else {
        const struct kind *kind = draw_kind(bank);
        move(bank, kind, draw_customer(bank), out);
        if (bank->settings.reservations && out->code == CARD + 1) reserve(bank, out);
    }
    stamp(bank, out);
    bank->made++;
}
