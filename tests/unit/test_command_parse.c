/* How the command reads and writes numbers, times, flags and columns. */
#include "../../services/micropay/columns.h"
#include "../../services/micropay/names.h"
#include "../../services/micropay/numbers.h"
#include "../../services/micropay/times.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *printed(mp_u128 number)
{
    static char text[NUMBER_TEXT_MAX];

    number_print(number, text);
    return text;
}

Test(command_parse, an_id_is_read_in_each_form_and_nothing_else_is)
{
    static const struct {
        const char *text, *decimal; /* NULL: refused */
    } cases[] = {
        {"0", "0"},
        {"42", "42"},
        {"007", "7"},
        {"9999999999999999999", "9999999999999999999"},
        {"18446744073709551616", "18446744073709551616"},
        {"340282366920938463463374607431768211455", "340282366920938463463374607431768211455"},
        {"340282366920938463463374607431768211456", NULL},
        {"999999999999999999999999999999999999999", NULL},
        {"0x0", "0"},
        {"0xff", "255"},
        {"0XFfFfFfFfFfFfFfFfFfFfFfFfFfFfFfFf", "340282366920938463463374607431768211455"},
        {"0x100000000000000000000000000000000", NULL},
        {"0x", NULL},
        {"0xg", NULL},
        {"00000000-0000-0000-0000-0000000000ff", "255"},
        {"FFFFFFFF-ffff-ffff-ffff-ffffffffffff", "340282366920938463463374607431768211455"},
        {"00000000-0000-0000-00000000000000ff", NULL},
        {"00000000-0000-0000-0000-0000000000fg", NULL},
        {"", NULL},
        {"-1", NULL},
        {"+1", NULL},
        {"1 ", NULL},
        {"1.0", NULL},
        {"1e3", NULL},
        {"12a", NULL},
        {":", NULL},
        {"/", NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        mp_id id = 0;
        bool read = id_parse(slice_of(cases[i].text), &id);
        cr_expect_eq(read, cases[i].decimal != NULL, "'%s'", cases[i].text);
        if (read) cr_expect_str_eq(printed(id), cases[i].decimal, "'%s'", cases[i].text);
    }
}

Test(command_parse, an_amount_keeps_every_unit_and_a_doubtful_one_is_refused)
{
    static const struct {
        const char *text;
        unsigned scale;
        const char *decimal; /* NULL: refused */
    } cases[] = {
        {"1234", 0, "1234"},
        {"12.34", 2, "1234"},
        {"12.3", 2, "1230"},
        {"12", 2, "1200"},
        {"12.", 2, "1200"},
        {".5", 2, "50"},
        {"0.05", 2, "5"},
        {"12.340", 2, "1234"},
        {"12.3400000", 2, "1234"},
        {"12.345", 2, NULL},
        {"12.34", 0, NULL},
        {"12,34", 2, NULL},
        {"-1", 0, NULL},
        {"-1.00", 2, NULL},
        {"", 2, NULL},
        {".", 2, NULL},
        {"1.2.3", 2, NULL},
        {"1.00E+07", 2, NULL},
        {"max", 0, "340282366920938463463374607431768211455"},
        {"max", 2, "340282366920938463463374607431768211455"},
        {"3402823669209384634633746074317682114.55", 2, "340282366920938463463374607431768211455"},
        {"3402823669209384634633746074317682114.56", 2, NULL},
        {"3402823669209384634633746074317682115", 2, NULL},
        {"0.000000000000000000000000000001", 30, "1"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        mp_amount amount = 0;
        const char *why = amount_parse(slice_of(cases[i].text), cases[i].scale, &amount);
        cr_expect_eq(why == NULL, cases[i].decimal != NULL, "'%s'", cases[i].text);
        if (why == NULL) cr_expect_str_eq(printed(amount), cases[i].decimal, "'%s'", cases[i].text);
    }
}

Test(command_parse, an_amount_is_shown_with_its_decimals)
{
    static const struct {
        const char *amount;
        unsigned scale;
        bool separators;
        const char *text;
    } cases[] = {
        {"0", 0, false, "0"},
        {"0", 2, true, "0.00"},
        {"5", 2, false, "0.05"},
        {"123456", 2, false, "1234.56"},
        {"123456", 2, true, "1,234.56"},
        {"123", 0, true, "123"},
        {"1000", 0, true, "1,000"},
        {"1234567", 0, true, "1,234,567"},
        {"100000", 2, true, "1,000.00"},
        {"340282366920938463463374607431768211455", 0, true,
         "340,282,366,920,938,463,463,374,607,431,768,211,455"},
        {"1", 30, true, "0.000000000000000000000000000001"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[SCALED_TEXT_MAX];
        mp_amount amount = 0;
        cr_assert(number_parse(slice_of(cases[i].amount), &amount));
        size_t length = scaled_print(amount, cases[i].scale, cases[i].separators, text);
        cr_expect_str_eq(text, cases[i].text);
        cr_expect_eq(length, strlen(text));
    }
}

Test(command_parse, a_balance_below_zero_is_shown_as_such)
{
    char text[SCALED_TEXT_MAX];

    difference_print(100, 350, 2, false, text);
    cr_expect_str_eq(text, "-2.50");
    difference_print(350, 100, 2, false, text);
    cr_expect_str_eq(text, "2.50");
    difference_print(0, MP_U128_MAX, 0, true, text);
    cr_expect_str_eq(text, "-340,282,366,920,938,463,463,374,607,431,768,211,455");
}

Test(command_parse, a_size_is_read_with_its_unit)
{
    static const struct {
        const char *text;
        uint64_t bytes; /* 0: refused */
    } cases[] = {
        {"33554432", 33554432},
        {"512M", 512ull << 20},
        {"512m", 512ull << 20},
        {"2GiB", 2ull << 30},
        {"1k", 1024},
        {"1T", 1ull << 40},
        {"M", 0},
        {"1X", 0},
        {"1MB", 0},
        {"1GiBs", 0},
        {"99999999T", 0},
        {"-1M", 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t bytes = 0;
        bool read = size_parse(slice_of(cases[i].text), &bytes);
        cr_expect_eq(read, cases[i].bytes != 0, "'%s'", cases[i].text);
        if (read) cr_expect_eq(bytes, cases[i].bytes, "'%s'", cases[i].text);
    }
}

Test(command_parse, a_time_is_read_to_the_nanosecond_and_no_false_date_is)
{
    static const struct {
        const char *text;
        uint64_t ns;
        bool good;
    } cases[] = {
        {"0", 0, true},
        {"1700000000123456789", 1700000000123456789u, true},
        {"9223372036854775807", 9223372036854775807u, true},
        {"9223372036854775808", 0, false},
        {"1970-01-01", 0, true},
        {"1970-01-02", 86400000000000u, true},
        {"2000-02-29", 951782400000000000u, true},
        {"1993-01-01", 725846400000000000u, true},
        {"2024-12-31T23:59:59Z", 1735689599000000000u, true},
        {"2024-12-31T23:59:59", 1735689599000000000u, true},
        {"2024-12-31 23:59", 1735689540000000000u, true},
        {"2024-12-31T23:59:59.5Z", 1735689599500000000u, true},
        {"2024-12-31T23:59:59.000000001Z", 1735689599000000001u, true},
        {"2262-04-11T23:47:16.854775807Z", 9223372036854775807u, true},
        {"2262-04-11T23:47:16.854775808Z", 0, false},
        {"2262-12-31", 0, false},
        {"2263-01-01", 0, false},
        {"1969-12-31", 0, false},
        {"2023-02-29", 0, false},
        {"2100-02-29", 0, false},
        {"2024-13-01", 0, false},
        {"2024-00-01", 0, false},
        {"2024-04-31", 0, false},
        {"2024-01-00", 0, false},
        {"2024-1-1", 0, false},
        {"2024-01-01T24:00:00Z", 0, false},
        {"2024-01-01T00:60:00Z", 0, false},
        {"2024-01-01T00:00:60Z", 0, false},
        {"2024-01-01T00:00:00.Z", 0, false},
        {"2024-01-01T00:00:00.1234567890Z", 0, false},
        {"2024-01-01T00:00:00ZZ", 0, false},
        {"2024-01-01x", 0, false},
        {"", 0, false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t ns = 0;
        bool read = time_parse(slice_of(cases[i].text), &ns);
        cr_expect_eq(read, cases[i].good, "'%s'", cases[i].text);
        if (read) cr_expect_eq(ns, cases[i].ns, "'%s': %lu", cases[i].text, ns);
    }
}

Test(command_parse, every_day_is_written_as_it_is_read)
{
    char text[TIME_TEXT_MAX];

    for (uint64_t day = 0; day < 106751; day++) { /* until April 2262 */
        uint64_t ns = 0;
        size_t length = date_print(day * DAY_NS + DAY_NS - 1, text);
        cr_assert_eq(length, 10);
        cr_assert(time_parse(slice_of(text), &ns));
        cr_assert_eq(ns, day * DAY_NS);
    }
}

Test(command_parse, a_time_is_written_with_as_many_digits_as_it_needs)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1735689599500000000u, "2024-12-31T23:59:59.500Z"},
        {1735689599000001000u, "2024-12-31T23:59:59.000001Z"},
        {1735689599000000001u, "2024-12-31T23:59:59.000000001Z"},
        {9223372036854775807u, "2262-04-11T23:47:16.854775807Z"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[TIME_TEXT_MAX];
        size_t length = time_print(cases[i].ns, text);
        cr_expect_str_eq(text, cases[i].text);
        cr_expect_eq(length, strlen(text));
    }
}

Test(command_parse, flags_go_by_name_or_number_and_a_misspelt_one_is_refused)
{
    static const struct {
        const char *text;
        int flags; /* -1: refused */
    } cases[] = {
        {"", 0},
        {"pending", MP_TRANSFER_PENDING},
        {"linked|pending", MP_TRANSFER_LINKED | MP_TRANSFER_PENDING},
        {" linked | imported ", MP_TRANSFER_LINKED | MP_TRANSFER_IMPORTED},
        {"post_pending_transfer|keep_pending", MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING},
        {"258", MP_TRANSFER_PENDING | MP_TRANSFER_IMPORTED},
        {"0x8000|linked", 0x8001},
        {"65535", 65535},
        {"65536", -1},
        {"Pending", -1},
        {"pendin", -1},
        {"pending|", -1},
        {"|pending", -1},
        {"pending,linked", -1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint16_t flags = 0;
        const char *why = flags_parse(&transfer_flag_names, slice_of(cases[i].text), &flags);
        cr_expect_eq(why == NULL, cases[i].flags >= 0, "'%s'", cases[i].text);
        if (why == NULL) cr_expect_eq(flags, cases[i].flags, "'%s'", cases[i].text);
    }
}

Test(command_parse, all_flags_are_written_as_they_are_read)
{
    static const struct flag_names *names[] = {&account_flag_names, &transfer_flag_names};

    for (size_t which = 0; which < COUNT(names); which++) {
        for (unsigned flags = 0; flags <= UINT16_MAX; flags++) {
            char text[FLAGS_TEXT_MAX];
            uint16_t again = 0;
            flags_print(names[which], (uint16_t)flags, text);
            cr_assert_null(flags_parse(names[which], slice_of(text), &again), "'%s'", text);
            cr_assert_eq(again, flags, "'%s'", text);
        }
    }
}

/* --- columns -------------------------------------------------------------------------------------
 */

/* A row as the reader would give it; fields split at commas. */
static void set_row(struct csv *csv, const char *text)
{
    csv->count = 0;
    csv->row = slice_of(text);
    for (;;) {
        size_t length = strcspn(text, ",");
        csv->fields[csv->count++] = (struct slice){text, length};
        text += length;
        if (*text == '\0') break;
        text++;
    }
    if (csv->wanted == 0) csv->wanted = csv->count;
}

static unsigned unknown_columns;

static void on_unknown(void *user, struct slice name)
{
    (void)user;
    (void)name;
    unknown_columns++;
}

Test(command_parse, columns_come_in_any_order_and_what_is_missing_is_zero)
{
    struct csv csv = {0};
    struct columns columns;
    mp_transfer transfer;
    char why[160];

    set_row(&csv, "timestamp, amount ,note,flags,id,code,batch");
    cr_assert(columns_bind(&columns, &csv, false, 2, on_unknown, NULL, why));
    cr_expect_eq(unknown_columns, 1);
    set_row(&csv, "2024-12-31,12.34,whatever,imported,0xff,, 7");
    cr_assert(columns_read(&columns, &csv, &transfer, why), "%s", why);
    cr_expect(transfer.id == 255 && transfer.amount == 1234);
    cr_expect_eq(transfer.timestamp, 1735603200000000000u);
    cr_expect_eq(transfer.flags, MP_TRANSFER_IMPORTED);
    cr_expect_eq(transfer.code, 0);
    cr_expect(transfer.debit_account_id == 0 && transfer.ledger == 0);
    cr_expect(slice_is(columns_batch(&columns, &csv), " 7"));
}

Test(command_parse, a_field_that_does_not_fit_is_named)
{
    static const struct {
        const char *row, *why;
    } cases[] = {
        {"x,,,,", "id: 'x' is no id"},
        {",70000,,,", "code: '70000' is too large"},
        {",,4294967296,,", "ledger: '4294967296' is too large"},
        {",,,18446744073709551616,", "timestamp: '18446744073709551616' is too large"},
        {",,,,pend", "flags: 'pend' has a flag"},
    };
    struct csv csv = {0};
    struct columns columns;
    mp_transfer transfer;
    char why[160];

    set_row(&csv, "id,code,ledger,timestamp,flags");
    cr_assert(columns_bind(&columns, &csv, false, 0, on_unknown, NULL, why));
    for (size_t i = 0; i < COUNT(cases); i++) {
        set_row(&csv, cases[i].row);
        cr_expect_not(columns_read(&columns, &csv, &transfer, why));
        cr_expect_eq(strncmp(why, cases[i].why, strlen(cases[i].why)), 0, "%s", why);
    }
    set_row(&csv, "id,id,ledger");
    cr_expect_not(columns_bind(&columns, &csv, false, 0, on_unknown, NULL, why));
    cr_expect_str_eq(why, "column 'id' comes twice");
}

Test(command_parse, an_unreadable_row_still_tells_whether_it_is_chained)
{
    struct csv csv = {0};
    struct columns columns;
    char why[160];

    set_row(&csv, "id,flags");
    cr_assert(columns_bind(&columns, &csv, false, 0, on_unknown, NULL, why));
    set_row(&csv, "x,linked|pending");
    cr_expect(columns_linked(&columns, &csv, false));
    set_row(&csv, "x,1");
    cr_expect(columns_linked(&columns, &csv, false));
    set_row(&csv, "x,pending");
    cr_expect_not(columns_linked(&columns, &csv, false));
    set_row(&csv, "x,linked|nonsense");
    cr_expect(columns_linked(&columns, &csv, false));
    set_row(&csv, "x,linked,7");
    cr_expect(columns_linked(&columns, &csv, false));
    set_row(&csv, "x");
    cr_expect_not(columns_linked(&columns, &csv, false));
}
