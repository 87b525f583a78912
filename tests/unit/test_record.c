/* Records in hand-made pages, and the numbers of an account's chain. */
#include "walk.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define POSITION (3 * (uint64_t)PAGE_SIZE)
#define TIME     UINT64_C(1800000000000000000)

static uint8_t page[PAGE_SIZE];

static struct transfer_record *transfer_at(unsigned offset, unsigned extensions)
{
    struct transfer_record *record = (struct transfer_record *)(page + offset);

    memset(record, 0, sizeof *record);
    record->kind = MP_RECORD_TRANSFER;
    record->extensions = (uint8_t)extensions;
    record->time_offset = 7;
    return record;
}

Test(record, a_plain_transfer_has_four_units_and_its_blocks_time)
{
    struct record_view view;

    transfer_at(128, 0)->amount = 5;
    cr_assert(record_view(page + 128, POSITION + 128, TIME, &view));
    cr_assert(view.units == 4 && view.timestamp == TIME + 7 && view.position == POSITION + 128);
    cr_assert(record_amount(&view) == 5 && record_left(&view) == 0 && record_reversed(&view) == 0);
    cr_assert(view.pending == NULL && view.reservation == NULL && view.user_data == NULL);
}

Test(record, extensions_stand_in_the_order_of_their_bits)
{
    struct record_view view;

    for (unsigned extensions = 0; extensions < 128; extensions++) {
        const uint8_t *at = page + 128;

        transfer_at(0, extensions);
        memset(page + 128, 0, 7 * UNIT_SIZE);
        cr_assert(record_view(page, POSITION, TIME, &view));
        cr_assert(view.units == 4u + (unsigned)__builtin_popcount(extensions));
        const uint8_t *found[7] = {
            (const uint8_t *)view.pending,     (const uint8_t *)view.reservation,
            (const uint8_t *)view.user_data,   (const uint8_t *)view.reversal,
            (const uint8_t *)view.posted_high, (const uint8_t *)view.pending_high,
            (const uint8_t *)view.amount_high,
        };
        for (unsigned bit = 0; bit < 7; bit++) {
            bool is = (extensions >> bit & 1) != 0;

            cr_assert(found[bit] == (is ? at : NULL), "extensions 0x%x, bit %u", extensions, bit);
            if (is) at += UNIT_SIZE;
        }
    }
}

Test(record, wide_sums_and_amounts_come_from_both_halves)
{
    struct transfer_record *record = transfer_at(
        0, EXT_PENDING | EXT_RESERVATION | EXT_POSTED_HIGH | EXT_PENDING_HIGH | EXT_AMOUNT_HIGH);
    uint64_t *words = (uint64_t *)(page + 128);
    struct record_view view;
    struct sums debit, credit;

    record->amount = 1;
    record->debit_debits_posted = 2;
    record->debit_credits_posted = 3;
    record->credit_debits_posted = 4;
    record->credit_credits_posted = 5;
    for (unsigned i = 0; i < 20; i++) words[i] = 100 + i;
    cr_assert(record_view(page, POSITION, TIME, &view));
    record_sums(&view, &debit, &credit);
    cr_assert(debit.of[DEBITS_PENDING] == MP_U128(112, 100) &&
              debit.of[CREDITS_PENDING] == MP_U128(113, 101));
    cr_assert(credit.of[DEBITS_PENDING] == MP_U128(114, 102) &&
              credit.of[CREDITS_PENDING] == MP_U128(115, 103));
    cr_assert(debit.of[DEBITS_POSTED] == MP_U128(108, 2) &&
              debit.of[CREDITS_POSTED] == MP_U128(109, 3));
    cr_assert(credit.of[DEBITS_POSTED] == MP_U128(110, 4) &&
              credit.of[CREDITS_POSTED] == MP_U128(111, 5));
    cr_assert(record_amount(&view) == MP_U128(116, 1) && record_left(&view) == MP_U128(117, 106));
}

Test(record, an_imported_time_is_the_timestamp)
{
    struct ext_user_data *user_data = (struct ext_user_data *)(page + 128);
    struct record_view view;

    transfer_at(0, EXT_USER_DATA);
    *user_data = (struct ext_user_data){.user_data_128 = 9};
    cr_assert(record_view(page, POSITION, TIME, &view) && view.timestamp == TIME + 7);
    user_data->imported_time = 44;
    cr_assert(record_view(page, POSITION, TIME, &view) && view.timestamp == 44);
}

Test(record, what_crosses_its_page_or_is_of_no_kind_is_no_record)
{
    struct record_view view;

    transfer_at(PAGE_DATA - 128, 0);
    cr_assert(record_view(page + PAGE_DATA - 128, POSITION + PAGE_DATA - 128, TIME, &view));
    page[PAGE_DATA - 127] = EXT_PENDING;
    cr_assert(!record_view(page + PAGE_DATA - 128, POSITION + PAGE_DATA - 128, TIME, &view));
    transfer_at(PAGE_DATA - 96, 0);
    cr_assert(!record_view(page + PAGE_DATA - 96, POSITION + PAGE_DATA - 96, TIME, &view));
    cr_assert(!record_view(page + PAGE_DATA, POSITION + PAGE_DATA, TIME, &view));
    transfer_at(16, 0);
    cr_assert(!record_view(page + 16, POSITION + 16, TIME, &view));
    for (unsigned kind = 0; kind < 256; kind++) {
        memset(page, 0, 128);
        page[0] = (uint8_t)kind;
        cr_assert(record_view(page, POSITION, TIME, &view) == (kind >= 1 && kind <= 6), "kind %u",
                  kind);
    }
    transfer_at(0, 0x80);
    cr_assert(!record_view(page, POSITION, TIME, &view));
    page[0] = MP_RECORD_ACCOUNT;
    page[1] = EXT_PENDING;
    cr_assert(!record_view(page, POSITION, TIME, &view));
    page[0] = MP_RECORD_UPDATE;
    cr_assert(!record_view(page, POSITION, TIME, &view));
    page[1] = EXT_POSTED_HIGH;
    cr_assert(record_view(page, POSITION, TIME, &view) && view.units == 5 &&
              view.posted_high != NULL);
}

/* On heap memory that ends with the page, so that a sanitizer sees a step beyond. */
Test(record, any_bytes_can_be_looked_at)
{
    uint8_t *bytes = malloc(PAGE_SIZE);

    srandom(1);
    for (int round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < PAGE_SIZE; i += 4) {
            uint32_t word = (uint32_t)random() ^ (uint32_t)random() << 16;

            memcpy(bytes + i, &word, 4);
        }
        for (unsigned at = 0; at < PAGE_SIZE; at += UNIT_SIZE) {
            struct sums debit, credit;
            struct record_view view;

            if (random() % 2 == 0) bytes[at] %= 8;
            if (!record_view(bytes + at, POSITION + at, TIME, &view)) continue;
            cr_assert(at + view.units * UNIT_SIZE <= PAGE_DATA && view.units <= RECORD_UNITS_MAX);
            record_sums(&view, &debit, &credit);
            (void)record_amount(&view);
            (void)record_left(&view);
            (void)record_reversed(&view);
        }
        cr_assert(page_sequence(bytes, POSITION, (unsigned)(random() % PAGE_SIZE)) != 1);
    }
    free(bytes);
}

/* --- an account's chain: what a number alone says is what the writer's digits say --- */

Test(chain, a_number_tells_where_the_jump_leads)
{
    enum { RECORDS = 20000 };
    static const uint64_t secret[2] = {1, 2};
    struct memory memory = {.max = MIB(256)};
    struct accounts accounts;
    uint32_t slot;

    cr_assert(accounts_open(&accounts, &memory, 10, secret) == MP_OK);
    cr_assert(accounts_prepare(&accounts, 1, 1, false) == MP_OK);
    slot = accounts_add(&accounts, 7, id_hash(secret, 7), 1);
    for (uint64_t number = 1; number <= RECORDS; number++) {
        struct jump jump = digits_push(&accounts, slot, number * UNIT_SIZE, number << 16);

        cr_assert(jump.previous == (number - 1) * UNIT_SIZE);
        cr_assert(jump.target == chain_jump_number(number) * UNIT_SIZE, "record %u",
                  (unsigned)number);
        cr_assert(jump.target_time == chain_jump_number(number));
        cr_assert(digits_count(&accounts, slot) == number);
    }
    cr_assert(chain_jump_number(0) == 0 && chain_jump_number(1) == 0 && chain_jump_number(2) == 1);
    cr_assert(chain_jump_number((1ull << 40) - 1) == 0 &&
              chain_jump_number(1ull << 40) == (1ull << 40) - 1);
    accounts_close(&accounts);
}
