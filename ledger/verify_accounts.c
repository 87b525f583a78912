/* Accounts recomputed: each record's effect on either side, in the order of the log. */
#include "verify.h"

#include <inttypes.h>
#include <stdlib.h>

/* Sums of all accounts of a ledger number. */
struct verify_total {
    uint32_t ledger; /* 0 = free */
    struct sums sums;
};

#define MORE_BYTES ((TREES_MAX - TREES_INLINE) * sizeof(struct verify_tree))

mp_status verify_accounts_open(struct verifier *verifier)
{
    uint64_t bytes = verifier->memory_max; /* more can't be committed */
    mp_status status =
        arena_reserve(&verifier->accounts, &verifier->memory, bytes, "accounts to verify");

    verifier->more_used = 0;
    if (status == MP_OK)
        status = arena_reserve(&verifier->more, &verifier->memory, bytes, "pointers to verify");
    return status;
}

void verify_accounts_close(struct verifier *verifier)
{
    arena_free(&verifier->accounts);
    arena_free(&verifier->more);
}

struct verify_account *verify_account(const struct verifier *verifier, uint32_t slot)
{
    uint64_t index = slot / verifier->parts;
    struct verify_account *account = (struct verify_account *)verifier->accounts.base + index;

    if (slot % verifier->parts != verifier->part) return NULL;
    if ((index + 1) * sizeof *account > verifier->accounts.committed || account->id == 0)
        return NULL;
    return account;
}

/* --- pointers --- */

static struct verify_tree *tree(const struct verifier *verifier, struct verify_account *account,
                                unsigned number)
{
    if (number < TREES_INLINE) return &account->trees[number];
    return (struct verify_tree *)(verifier->more.base + (account->more - 1) * MORE_BYTES) +
           (number - TREES_INLINE);
}

/* Whether record `number` makes one tree of the two before: then the last digits of number - 1 are
 * equal. */
static bool joins_trees(uint64_t number)
{
    uint64_t rest = number - 1, before = 0;

    while (rest > 0) {
        uint64_t size = 1;

        while (2 * size + 1 <= rest) size = 2 * size + 1;
        if (size == rest) return before == size;
        rest -= size;
        before = size;
    }
    return false;
}

static mp_status push_tree(struct verifier *verifier, struct verify_account *account)
{
    struct verify_tree *top;

    if (account->trees_count == TREES_INLINE && account->more == 0) {
        mp_status status = arena_commit(&verifier->more, (verifier->more_used + 1ull) * MORE_BYTES);

        if (status != MP_OK) return status;
        account->more = ++verifier->more_used;
    }
    MP_ASSERT(account->trees_count < TREES_MAX);
    top = tree(verifier, account, account->trees_count++);
    store_48(top->position, verifier->view.position);
    store_48(top->coarse_time, verifier->view.timestamp >> 16);
    return MP_OK;
}

static uint64_t place(uint64_t position, const uint8_t distance[6])
{
    uint64_t back = load_48(distance);

    return back == 0 ? 0 : position - back;
}

static mp_status check_pointers(struct verifier *verifier, struct verify_account *account,
                                const char *side, const uint8_t previous[6], const uint8_t jump[6],
                                const uint8_t jump_time[6])
{
    uint64_t position = verifier->view.position;
    const struct verify_tree *target = NULL;

    if (place(position, previous) != account->last) {
        verify_table_problem(verifier,
                             "the %s account's record before stands at log position %" PRIu64
                             ", not %" PRIu64,
                             side, account->last, place(position, previous));
    }
    account->records++;
    if (joins_trees(account->records)) account->trees_count = (uint8_t)(account->trees_count - 2);
    /* Over the tree that it makes of two, or to the record before. */
    if (account->trees_count > 0) target = tree(verifier, account, account->trees_count - 1u);
    if (place(position, jump) != (target == NULL ? 0 : load_48(target->position)) ||
        load_48(jump_time) != (target == NULL ? 0 : load_48(target->coarse_time))) {
        verify_table_problem(verifier,
                             "the %s account's jump pointer leads to log position %" PRIu64
                             ", but should lead to %" PRIu64,
                             side, place(position, jump),
                             target == NULL ? 0 : load_48(target->position));
    }
    account->last = position;
    return push_tree(verifier, account);
}

/* --- sums --- */

static const char *const sum_names[SUMS] = {"pending debits", "posted debits", "pending credits",
                                            "posted credits"};

static void check_sums(struct verifier *verifier, struct verify_account *account, const char *side,
                       const struct sums *expected, const struct sums *recorded)
{
    char should[40], does[40];

    for (int i = 0; i < SUMS; i++) {
        if (expected->of[i] == recorded->of[i]) continue;
        verify_table_problem(verifier,
                             "the %s account's %s after it are said to be %s, but come to %s", side,
                             sum_names[i], verify_number(recorded->of[i], does),
                             verify_number(expected->of[i], should));
    }
    account->sums = *recorded; /* so that one mistake is told once */
}

static bool adds_up(const struct sums *sums)
{
    mp_u128 none;

    return !__builtin_add_overflow(sums->of[DEBITS_PENDING], sums->of[DEBITS_POSTED], &none) &&
           !__builtin_add_overflow(sums->of[CREDITS_PENDING], sums->of[CREDITS_POSTED], &none);
}

static void check_limits(struct verifier *verifier, const struct verify_account *account,
                         const char *side)
{
    const struct sums *sums = &account->sums;

    if (!adds_up(sums)) {
        verify_table_problem(verifier, "the %s account's sums overflow", side);
        return;
    }
    if ((account->flags & MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0 &&
        sums->of[DEBITS_PENDING] + sums->of[DEBITS_POSTED] > sums->of[CREDITS_POSTED]) {
        verify_table_problem(verifier,
                             "the %s account's debits exceed its credits, against its limit", side);
    }
    if ((account->flags & MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 &&
        sums->of[CREDITS_PENDING] + sums->of[CREDITS_POSTED] > sums->of[DEBITS_POSTED]) {
        verify_table_problem(verifier,
                             "the %s account's credits exceed its debits, against its limit", side);
    }
}

mp_amount verify_released(const struct record_view *view)
{
    uint64_t released = 0;

    if (view->reservation == NULL) return 0;
    memcpy(&released, view->reservation->released, sizeof view->reservation->released);
    return released == RELEASED_MAX ? record_reversed(view) : released;
}

/* What the record does to the pending and posted sum of a side: taken off, put on. */
struct movement {
    mp_amount pending_less, pending_more, posted_more;
};

static struct movement movement_of(const struct verifier *verifier)
{
    const struct transfer_record *record = verify_transfer(verifier);
    mp_amount amount = record_amount(&verifier->view);

    if (record->kind == MP_RECORD_EXPIRY || (record->flags & MP_TRANSFER_VOID_PENDING) != 0) {
        return (struct movement){.pending_less = amount};
    }
    if ((record->flags & MP_TRANSFER_POST_PENDING) != 0) {
        return (struct movement){.pending_less = amount + verify_released(&verifier->view),
                                 .posted_more = amount};
    }
    if ((record->flags & (MP_TRANSFER_PENDING | MP_TRANSFER_INCREASE_PENDING)) != 0) {
        return (struct movement){.pending_more = amount};
    }
    return (struct movement){.posted_more = amount};
}

/* --- flags --- */

static uint8_t flags_after(const struct verifier *verifier, uint8_t before, bool debit)
{
    const struct transfer_record *record = verify_transfer(verifier);
    unsigned closing = debit ? MP_TRANSFER_CLOSING_DEBIT : MP_TRANSFER_CLOSING_CREDIT;

    if (record->kind == MP_RECORD_EXPIRY || (record->flags & MP_TRANSFER_VOID_PENDING) != 0) {
        return (verify_closing(verifier) & closing) != 0 ? (uint8_t)(before & ~MP_ACCOUNT_CLOSED)
                                                         : before;
    }
    return (record->flags & closing) != 0 ? before | MP_ACCOUNT_CLOSED : before;
}

static void check_flags(struct verifier *verifier, struct verify_account *account, bool debit)
{
    const struct transfer_record *record = verify_transfer(verifier);
    const char *side = debit ? "debit" : "credit";
    unsigned frozen = debit ? MP_ACCOUNT_FROZEN_DEBITS : MP_ACCOUNT_FROZEN_CREDITS;
    uint8_t recorded = debit ? record->debit_flags : record->credit_flags;
    uint8_t expected = flags_after(verifier, account->flags, debit);

    if (record->kind != MP_RECORD_EXPIRY && (record->flags & MP_TRANSFER_VOID_PENDING) == 0) {
        if ((account->flags & MP_ACCOUNT_CLOSED) != 0)
            verify_table_problem(verifier, "the %s account is closed", side);
        if ((account->flags & frozen) != 0)
            verify_table_problem(verifier, "the %s account is frozen", side);
    }
    if (recorded != expected) {
        verify_table_problem(
            verifier, "the %s account's flags after it are said to be 0x%x, but come to 0x%x", side,
            recorded, expected);
    }
    account->flags = recorded;
}

/* --- records --- */

static mp_status account_made(struct verifier *verifier)
{
    const struct account_record *record = (const struct account_record *)verifier->view.record;
    struct verify_account *account =
        (struct verify_account *)verifier->accounts.base + record->slot / verifier->parts;
    mp_status status;

    if (record->slot % verifier->parts != verifier->part) return MP_OK;
    status = arena_commit(&verifier->accounts,
                          (record->slot / verifier->parts + 1ull) * sizeof *account);
    if (status != MP_OK) return status;
    account->id = record->id;
    account->ledger = record->ledger;
    account->flags = (uint8_t)record->flags;
    account->timestamp = verifier->view.timestamp;
    return MP_OK;
}

static mp_status side(struct verifier *verifier, bool debit, const struct sums *recorded)
{
    const struct transfer_record *record = verify_transfer(verifier);
    struct verify_account *account =
        verify_account(verifier, debit ? record->debit_slot : record->credit_slot);
    const char *name = debit ? "debit" : "credit";
    enum sum pending = debit ? DEBITS_PENDING : CREDITS_PENDING;
    enum sum posted = debit ? DEBITS_POSTED : CREDITS_POSTED;
    struct movement movement = movement_of(verifier);
    struct sums expected;

    if (account == NULL) return MP_OK; /* another part's */
    expected = account->sums;
    if (__builtin_sub_overflow(expected.of[pending], movement.pending_less,
                               &expected.of[pending])) {
        verify_table_problem(
            verifier, "it takes more off the %s account's pending sum than stands there", name);
    }
    if (__builtin_add_overflow(expected.of[pending], movement.pending_more,
                               &expected.of[pending]) ||
        __builtin_add_overflow(expected.of[posted], movement.posted_more, &expected.of[posted])) {
        verify_table_problem(verifier, "the %s account's sums overflow", name);
    }
    check_sums(verifier, account, name, &expected, recorded);
    check_flags(verifier, account, debit);
    check_limits(verifier, account, name);
    return check_pointers(verifier, account, name,
                          debit ? record->debit_previous : record->credit_previous,
                          debit ? record->debit_jump : record->credit_jump,
                          debit ? record->debit_jump_time : record->credit_jump_time);
}

static mp_status update(struct verifier *verifier)
{
    const struct update_record *record = (const struct update_record *)verifier->view.record;
    struct verify_account *account = verify_account(verifier, record->slot);
    struct sums recorded, none, expected;
    uint8_t flags;

    if (account == NULL) return MP_OK;
    expected = account->sums;
    record_sums(&verifier->view, &recorded, &none);
    flags = (uint8_t)((account->flags | record->flags_set) & ~record->flags_clear);
    check_sums(verifier, account, "updated", &expected, &recorded);
    if (record->account_flags_before != account->flags || record->account_flags_after != flags) {
        verify_table_problem(
            verifier,
            "the account's flags are said to become 0x%x from 0x%x, but become 0x%x from 0x%x",
            record->account_flags_after, record->account_flags_before, flags, account->flags);
    }
    if ((record->flags_set & MP_ACCOUNT_CLOSED) != 0 &&
        (expected.of[DEBITS_POSTED] != expected.of[CREDITS_POSTED] ||
         expected.of[DEBITS_PENDING] != 0 || expected.of[CREDITS_PENDING] != 0)) {
        verify_table_problem(verifier, "it closes an account that isn't empty");
    }
    account->flags = record->account_flags_after;
    return check_pointers(verifier, account, "updated", record->previous, record->jump,
                          record->jump_time);
}

mp_status verify_accounts_record(struct verifier *verifier)
{
    struct sums debit, credit;
    mp_status status;

    switch (verifier->view.record[0]) {
    case MP_RECORD_ACCOUNT: return account_made(verifier);
    case MP_RECORD_UPDATE: return update(verifier);
    case MP_RECORD_TRANSFER:
    case MP_RECORD_EXPIRY:
        record_sums(&verifier->view, &debit, &credit);
        status = side(verifier, true, &debit);
        return status == MP_OK ? side(verifier, false, &credit) : status;
    default: return MP_OK;
    }
}

/* --- totals --- */

static struct verify_total *total_of(struct verify_total *totals, uint32_t room, uint32_t ledger)
{
    uint32_t at = ledger * 2654435761u % room;

    while (totals[at].ledger != 0 && totals[at].ledger != ledger) at = (at + 1) % room;
    return &totals[at];
}

static mp_status totals_grow(struct verifier *verifier)
{
    uint32_t room = verifier->total_room == 0 ? 64 : 2 * verifier->total_room;
    struct verify_total *totals = calloc(room, sizeof *totals);

    if (totals == NULL) return fail(MP_NO_MEMORY, "no memory for the sums of %u ledgers", room);
    for (uint32_t i = 0; i < verifier->total_room; i++) {
        const struct verify_total *total = &verifier->totals[i];

        if (total->ledger != 0) *total_of(totals, room, total->ledger) = *total;
    }
    free(verifier->totals);
    verifier->totals = totals;
    verifier->total_room = room;
    return MP_OK;
}

mp_status verify_accounts_end(struct verifier *verifier)
{
    uint64_t count = verifier->accounts.committed / sizeof(struct verify_account);

    for (uint64_t i = 0; i < count; i++) {
        const struct verify_account *account =
            (const struct verify_account *)verifier->accounts.base + i;
        struct verify_total *total;

        if (account->id == 0) continue;
        if (2 * verifier->total_count >= verifier->total_room) {
            mp_status status = totals_grow(verifier);

            if (status != MP_OK) return status;
        }
        total = total_of(verifier->totals, verifier->total_room, account->ledger);
        if (total->ledger == 0) verifier->total_count++;
        total->ledger = account->ledger;
        for (int sum = 0; sum < SUMS; sum++)
            total->sums.of[sum] += account->sums.of[sum]; /* modulo 2^128 */
    }
    return MP_OK;
}

static void check_total(struct verifier *verifier, const struct verify_total *total,
                        enum sum debits, enum sum credits)
{
    char debited[40], credited[40];

    if (total->sums.of[debits] == total->sums.of[credits]) return;
    verifier->block = NULL;
    verify_problem(verifier, "ledger %u: all %s come to %s, all %s to %s", total->ledger,
                   sum_names[debits], verify_number(total->sums.of[debits], debited),
                   sum_names[credits], verify_number(total->sums.of[credits], credited));
}

void verify_totals(struct verifier *verifier)
{
    for (uint32_t i = 0; i < verifier->total_room; i++) {
        if (verifier->totals[i].ledger == 0) continue;
        check_total(verifier, &verifier->totals[i], DEBITS_PENDING, CREDITS_PENDING);
        check_total(verifier, &verifier->totals[i], DEBITS_POSTED, CREDITS_POSTED);
    }
    verify_totals_clear(verifier);
}

void verify_totals_clear(struct verifier *verifier)
{
    free(verifier->totals);
    verifier->totals = NULL;
    verifier->total_room = verifier->total_count = 0;
}
