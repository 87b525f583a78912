#include "runtime/common.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_NAME shop
#define SETTINGS_FILE "adapters/runtime/shop.def"
#include "runtime/settings_struct.h"

#define SETTINGS_NAME shop
#define SETTINGS_FILE "adapters/runtime/shop.def"
#include "runtime/settings_rows.h"

enum { ALLOW, REVIEW, DENY };

static char folder[] = "/tmp/micropay-settings.XXXXXX";
static const struct settings *const sections[] = {&common_settings, &shop_settings, NULL};
static const char *const others[] = {"bank", "shop", NULL};
static struct settings_sources sources;
static struct settings_loaded *loaded;
static struct error err;

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    sources = (struct settings_sources){.others = others};
}

static void remove_folder(void)
{
    char command[128];

    settings_free(loaded);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

/* A file in the test's folder; its path lives until the next call but seven. */
static const char *file(const char *name, const char *text)
{
    static char paths[8][96];
    static unsigned next;
    char *path = paths[next++ % 8];
    FILE *out;

    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    out = fopen(path, "w");
    cr_assert_not_null(out);
    cr_assert_eq(fputs(text, out) == EOF, 0);
    fclose(out);
    return path;
}

static void add_file(const char *path) { sources.files[sources.file_count++] = path; }

static const struct shop_settings *load(void)
{
    settings_free(loaded);
    loaded = NULL;
    cr_assert_eq(settings_load(&sources, sections, &loaded, &err), OUTCOME_DONE, "%s: %s: %s",
                 err.message, err.faults[0].field, err.faults[0].message);
    return settings_values(loaded, &shop_settings);
}

/* Loading fails with a fault of that origin and text. */
static void expect_fault(const char *origin, const char *message)
{
    struct error found = {0};

    cr_assert_eq(settings_load(&sources, sections, &loaded, &found), OUTCOME_BROKEN);
    cr_assert_eq(found.reason, REASON_BAD_SETTING);
    cr_assert_eq(found.fault_count, 1, "%s", found.faults[1].message);
    cr_assert_str_eq(found.faults[0].field, origin);
    cr_assert_str_eq(found.faults[0].message, message);
}

TestSuite(settings, .init = make_folder, .fini = remove_folder);

Test(settings, without_any_source_each_has_the_default_of_its_row)
{
    const struct shop_settings *shop = load();
    const struct common_settings *common = settings_values(loaded, &common_settings);

    cr_assert_eq(shop->cache, 1 << 20);
    cr_assert_eq(shop->change.units, 2050);
    cr_assert_eq(shop->change.digits, 2);
    cr_assert(!shop->gifts);
    cr_assert_str_eq(shop->motto, "good # cheap");
    cr_assert_eq(shop->policy, REVIEW);
    cr_assert_str_eq(shop->till_key, "");
    cr_assert_eq(shop->tills, 3);
    cr_assert_eq(shop->wait_ms, 2000);
    cr_assert_str_eq(common->listen, "127.0.0.1");
    cr_assert_str_eq(common->data, "./data");
}

Test(settings, the_command_line_beats_the_environment_beats_files_beat_defaults)
{
    static char *environment[] = {"MICROPAY_SHOP_TILLS=6", "MICROPAY_SHOP_WAIT_MS=600", "HOME=/",
                                  NULL};
    const struct shop_settings *shop;

    add_file(file("first", "[shop]\ntills = 4\nwait_ms = 400\ncache = 4KiB\npolicy = allow\n"));
    add_file(file("second", "[shop]\ntills = 5\nwait_ms = 500\ncache = 5 KiB\n"));
    sources.environment = environment;
    sources.sets[sources.set_count++] = "shop.tills=7";
    sources.sets[sources.set_count++] = "shop.tills=8";
    shop = load();
    cr_assert_eq(shop->tills, 8);
    cr_assert_eq(shop->wait_ms, 600);
    cr_assert_eq(shop->cache, 5 << 10);
    cr_assert_eq(shop->policy, ALLOW);
}

Test(settings, a_file_is_read_as_it_was_meant)
{
    const struct common_settings *common;
    const struct shop_settings *shop;

    add_file(file("conf", "# ours\r\n"
                          "listen=0.0.0.0\r\n"
                          "  log_level   =   debug   # for a day\n"
                          "\n"
                          "[ shop ] # the only one\n"
                          "motto = \"  two # words \"   # quoted\n"
                          "gifts = true\n"
                          "[bank]\n"
                          "anything = of another process\n"
                          "[common]\n"
                          "data = a#b")); /* no newline at the end */
    shop = load();
    common = settings_values(loaded, &common_settings);
    cr_assert_str_eq(common->listen, "0.0.0.0");
    cr_assert_eq(common->log_level, 0);
    cr_assert_str_eq(common->data, "a#b");
    cr_assert_str_eq(shop->motto, "  two # words ");
    cr_assert(shop->gifts);
}

Test(settings, a_bad_value_refuses_to_start_and_names_its_line)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"tills = 0", "shop.tills: \"0\" is not a whole number, 1 to 50"},
        {"tills = 51", "shop.tills: \"51\" is not a whole number, 1 to 50"},
        {"tills = 03", "shop.tills: \"03\" is not a whole number, 1 to 50"},
        {"tills = -1", "shop.tills: \"-1\" is not a whole number, 1 to 50"},
        {"tills =", "shop.tills: \"\" is not a whole number, 1 to 50"},
        {"tills = 4294967297", "shop.tills: \"4294967297\" is not a whole number, 1 to 50"},
        {"tills = 99999999999999999999999",
         "shop.tills: \"99999999999999999999\" is not a whole number, 1 to 50"},
        {"wait_ms = 2s", "shop.wait_ms: \"2s\" is not milliseconds, 50 to 60000"},
        {"cache = 2 GiB", "shop.cache: \"2 GiB\" is not bytes, 1024 to 1073741824"},
        {"cache = 17179869185 GiB",
         "shop.cache: \"17179869185 GiB\" is not bytes, 1024 to 1073741824"},
        {"cache = 1 kB", "shop.cache: \"1 kB\" is not bytes, 1024 to 1073741824"},
        {"change = 1,5", "shop.change: \"1,5\" is not a decimal amount"},
        {"change = -1", "shop.change: \"-1\" is not a decimal amount"},
        {"gifts = yes", "shop.gifts: \"yes\" is not true or false"},
        {"policy = revie", "shop.policy: \"revie\" is not one of: allow review deny"},
        {"motto = 0123456789012345678901234567890123456789x",
         "shop.motto: \"01234567890123456789\" is not text of at most 40 bytes"},
        {"motto = a\x01", "shop.motto: \"a\x01\" is not text of at most 40 bytes"},
        {"motto = a \"b\"", "motto: quotes stand around the whole value"},
        {"till_key = 1234", "shop.till_key: must be file:PATH, never the secret itself"},
        {"till_key = file:", "shop.till_key: must be file:PATH, never the secret itself"},
        {"tils = 3", "no setting is called \"shop.tils\""},
        {"tills", "a line is \"name = value\", \"[service]\" or # text"},
        {"[stall]", "no service is called \"stall\""},
        {"[shop", "a section is written [name]"},
        {"tills = 3\ntills = 3", "shop.tills: set before, at %s:3"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256], origin[128], message[256];
        const char *path;

        snprintf(text, sizeof text, "\n[shop]\n%s\n[common]\nlisten = ::1\n", cases[i].line);
        path = file("conf", text);
        sources.file_count = 0;
        add_file(path);
        snprintf(origin, sizeof origin, "%s:%d", path, strchr(cases[i].line, '\n') ? 4 : 3);
        snprintf(message, sizeof message, "%s", cases[i].message);
        if (strstr(message, "%s") != NULL)
            snprintf(message, sizeof message, cases[i].message, path);
        expect_fault(origin, message);
    }
}

Test(settings, a_service_whose_name_is_misspelt_hides_none_of_its_lines)
{
    add_file(file("conf", "[shopp]\ntills = 0\n"));
    cr_assert_eq(settings_load(&sources, sections, &loaded, &err), OUTCOME_BROKEN);
    cr_assert_eq(err.fault_count, 1);
    cr_assert_str_eq(err.faults[0].message, "no service is called \"shopp\"");
}

Test(settings, all_faults_are_told_at_once)
{
    static char *environment[] = {"MICROPAY_SHOP_TILLS=0", "MICROPAY_SHOP_TILSL=3",
                                  "MICROPAY_LISTENN=x", NULL};

    add_file(file("conf", "logg_level = debug\n[shop]\ntills = 0\n\nnothing\n"));
    add_file("/nowhere/at/all.conf");
    sources.environment = environment;
    sources.sets[sources.set_count++] = "shop.gifts=maybe";
    sources.sets[sources.set_count++] = "shop.gifts";
    cr_assert_eq(settings_load(&sources, sections, &loaded, &err), OUTCOME_BROKEN);
    cr_assert_eq(err.fault_count, 9);
    cr_assert_str_eq(err.message, "cannot use the settings: 9 faults");
    cr_assert_str_eq(err.faults[3].field, "/nowhere/at/all.conf");
    cr_assert_str_eq(err.faults[4].field, "MICROPAY_SHOP_TILLS");
    cr_assert_str_eq(err.faults[5].field, "MICROPAY_SHOP_TILSL");
    cr_assert_str_eq(err.faults[5].message, "no setting has that variable");
    cr_assert_str_eq(err.faults[6].field, "MICROPAY_LISTENN");
    cr_assert_str_eq(err.faults[7].field, "--set");
    cr_assert_str_eq(err.faults[8].message, "shop.gifts: is written --set name=value");
}

Test(settings, a_bad_value_refuses_to_start_even_where_a_better_source_overrides_it)
{
    const char *path = file("conf", "[shop]\ntills = many\n");
    char origin[128];

    add_file(path);
    sources.sets[sources.set_count++] = "shop.tills=4";
    snprintf(origin, sizeof origin, "%s:2", path);
    expect_fault(origin, "shop.tills: \"many\" is not a whole number, 1 to 50");
}

Test(settings, variables_of_tests_clients_and_other_processes_stop_nobody)
{
    static char *environment[] = {"MICROPAY_KEY=mp_test_x", "MICROPAY_TEST_DATA=/",
                                  "MICROPAY_BANK_X=1",      "MICROPAY=./micropay",
                                  "MICROPAY_SHOP_TILLS=9",  NULL};

    sources.environment = environment;
    cr_assert_eq(load()->tills, 9);
}

Test(settings, a_files_long_path_keeps_the_end_that_tells_where_to_look)
{
    char path[512], *at = path;

    at += snprintf(path, sizeof path, "/nowhere/");
    for (unsigned i = 0; i < 20; i++) at += sprintf(at, "deep-%02u/", i);
    sprintf(at, "micropay.conf");
    add_file(path);
    cr_assert_eq(settings_load(&sources, sections, &loaded, &err), OUTCOME_BROKEN);
    cr_assert_eq(strlen(err.faults[0].field), sizeof err.faults[0].field - 1);
    cr_assert(strncmp(err.faults[0].field, "...", 3) == 0);
    cr_assert_not_null(strstr(err.faults[0].field, "/deep-19/micropay.conf"));
}

Test(settings, odd_bytes_in_a_file_are_faults_not_crashes)
{
    char *text = malloc(2 << 20);
    FILE *out;

    memset(text, 'x', 2 << 20);
    text[10000] = '\0';
    add_file(file("long", text));
    text[10000] = 'x';
    text[(2 << 20) - 1] = '\0';
    add_file(file("huge", text));
    add_file(file("nul", ""));
    out = fopen(sources.files[2], "w");
    fwrite("a\0b\nlisten = ::1\n", 1, 17, out);
    fclose(out);
    add_file(folder);
    cr_assert_eq(settings_load(&sources, sections, &loaded, &err), OUTCOME_BROKEN);
    cr_assert_eq(err.fault_count, 4);
    cr_assert_str_eq(err.faults[0].message, "a line is text of at most 4096 bytes");
    cr_assert_str_eq(err.faults[1].message, "the file has more than 1048576 bytes");
    cr_assert_str_eq(err.faults[2].message, "a line is text of at most 4096 bytes");
    cr_assert_not_null(strstr(err.faults[3].message, "could not be"));
    free(text);
}

static size_t draw(size_t limit)
{
    static uint32_t state = 5;

    state = state * 1664525 + 1013904223;
    return (state >> 8) % limit;
}

Test(settings, any_bytes_in_a_file_either_load_or_are_faults)
{
    static const char *const pieces[] = {
        "[shop]", "[",  "]",    "tills",    "=",      "3",  "\n",     "\r\n", "#",     "\"",   " ",
        "motto",  "\t", "\xff", "till_key", "file:/", "\1", "change", "1.5",  "cache", "4 KiB"};
    char text[512];

    for (unsigned round = 0; round < 3000; round++) {
        struct error found = {0};

        text[0] = '\0';
        for (size_t i = draw(40); i > 0; i--)
            strcat(text, pieces[draw(sizeof pieces / sizeof *pieces)]);
        sources.files[0] = file("any", text);
        sources.file_count = 1;
        if (settings_load(&sources, sections, &loaded, &found) == OUTCOME_DONE) {
            settings_free(loaded);
            loaded = NULL;
        } else {
            cr_assert_gt(found.fault_count, 0);
        }
    }
}

Test(settings, a_secret_comes_from_its_file_and_is_printed_nowhere)
{
    const char *path = file("key", "open sesame\n");
    static char variable[128], *environment[] = {variable, NULL};
    char value[128];
    struct buffer out = {0};

    snprintf(variable, sizeof variable, "MICROPAY_SHOP_TILL_KEY_FILE=%s", path);
    snprintf(value, sizeof value, "till_key = file:%s", path);
    sources.environment = environment;
    cr_assert_str_eq(load()->till_key, "open sesame");
    settings_print(loaded, &out);
    cr_assert_null(strstr(buffer_str(&out), "sesame"));
    cr_assert_not_null(strstr(buffer_str(&out), value));
    cr_assert_not_null(strstr(buffer_str(&out), "# MICROPAY_SHOP_TILL_KEY_FILE"));
    buffer_done(&out);
}

Test(settings, a_secret_that_stands_in_clear_is_refused_and_not_repeated)
{
    static char *environment[] = {"MICROPAY_SHOP_TILL_KEY=hunter2", NULL};

    sources.environment = environment;
    expect_fault("MICROPAY_SHOP_TILL_KEY",
                 "shop.till_key: must be file:PATH, never the secret itself");
}

Test(settings, a_secret_whose_file_is_missing_empty_or_too_long_refuses_to_start)
{
    char set[160], text[SETTING_SECRET_MAX + 2];

    sources.sets[0] = set;
    sources.set_count = 1;
    strcpy(set, "shop.till_key=file:/nowhere/key");
    expect_fault("--set", "shop.till_key: its file could not be opened: No such file or directory");
    snprintf(set, sizeof set, "shop.till_key=file:%s", file("empty", "\n"));
    expect_fault("--set", "shop.till_key: its file must hold 1 to 1024 bytes of text");
    memset(text, 'x', sizeof text);
    text[SETTING_SECRET_MAX + 1] = '\0';
    snprintf(set, sizeof set, "shop.till_key=file:%s", file("long", text));
    expect_fault("--set", "shop.till_key: its file must hold 1 to 1024 bytes of text");
    text[SETTING_SECRET_MAX] = '\0';
    snprintf(set, sizeof set, "shop.till_key=file:%s", file("longest", text));
    cr_assert_str_eq(load()->till_key, text);
}

Test(settings, a_secrets_file_that_is_overridden_need_not_exist)
{
    char set[160];

    add_file(file("conf", "[shop]\ntill_key = file:/nowhere/key\n"));
    snprintf(set, sizeof set, "shop.till_key=file:%s", file("key", "k"));
    sources.sets[sources.set_count++] = set;
    cr_assert_str_eq(load()->till_key, "k");
}

Test(settings, both_variables_of_one_secret_are_one_too_many)
{
    static char *environment[] = {"MICROPAY_SHOP_TILL_KEY=file:/a",
                                  "MICROPAY_SHOP_TILL_KEY_FILE=/b", NULL};

    sources.environment = environment;
    cr_assert_eq(settings_load(&sources, sections, &loaded, &err), OUTCOME_BROKEN);
    cr_assert_str_eq(err.faults[0].field, "MICROPAY_SHOP_TILL_KEY_FILE");
    cr_assert_str_eq(err.faults[0].message, "shop.till_key: set before, at MICROPAY_SHOP_TILL_KEY");
}

Test(settings, the_command_line_is_understood_in_both_forms_and_leaves_the_rest)
{
    char *argv[] = {"micropay-shop",  "--config", "a",   "--set=shop.tills=4", "--port",
                    "--config=b",     "--set",    "x=y", "--print-config",     "--settle",
                    "--help-settings"};
    unsigned left = 0;

    for (int at = 1; at < 11; at++)
        if (!settings_argument(&sources, 11, argv, &at, &err)) left++;
    cr_assert_eq(left, 2); /* --port, --settle */
    cr_assert_eq(err.fault_count, 0);
    cr_assert_eq(sources.file_count, 2);
    cr_assert_str_eq(sources.files[1], "b");
    cr_assert_eq(sources.set_count, 2);
    cr_assert_str_eq(sources.sets[0], "shop.tills=4");
    cr_assert(sources.print_config && sources.help_settings);
}

Test(settings, an_option_without_its_value_is_told_together_with_the_other_faults)
{
    char *argv[] = {"micropay-shop", "--set", "shop.tills=0", "--config"};

    for (int at = 1; at < 4; at++) cr_assert(settings_argument(&sources, 4, argv, &at, &err));
    cr_assert_eq(settings_load(&sources, sections, &loaded, &err), OUTCOME_BROKEN);
    cr_assert_eq(err.fault_count, 2);
    cr_assert_str_eq(err.faults[0].field, "--config");
    cr_assert_str_eq(err.faults[0].message, "needs a value");
}

Test(settings, what_is_printed_says_where_each_value_is_from_and_can_be_given_back)
{
    static char *environment[] = {"MICROPAY_LOG_LEVEL=warn", NULL};
    struct buffer out = {0};
    const char *path = file("conf", "[shop]\nmotto = \" a # b\"\ncache = 2 MiB\n");
    char line[160];

    add_file(path);
    sources.environment = environment;
    sources.sets[sources.set_count++] = "shop.wait_ms=70";
    load();
    settings_print(loaded, &out);
    cr_assert_not_null(strstr(buffer_str(&out), "log_level = warn                        "
                                                "# MICROPAY_LOG_LEVEL\n"));
    cr_assert_not_null(strstr(buffer_str(&out), "wait_ms = 70                            # --set"));
    cr_assert_not_null(strstr(buffer_str(&out), "tills = 3                               "
                                                "# default\n"));
    snprintf(line, sizeof line, "cache = 2 MiB                           # %s:3\n", path);
    cr_assert_not_null(strstr(buffer_str(&out), line));

    settings_free(loaded);
    loaded = NULL;
    sources =
        (struct settings_sources){.files = {file("printed", buffer_str(&out))}, .file_count = 1};
    cr_assert_str_eq(load()->motto, " a # b");
    cr_assert_eq(load()->cache, 2 << 20);
    cr_assert_eq(load()->wait_ms, 70);
    buffer_done(&out);
}

Test(settings, the_manuals_table_has_a_line_for_each)
{
    struct buffer out = {0};
    unsigned lines = 0;

    settings_print_help(&shop_settings, &out);
    for (const char *at = out.bytes; *at != '\0'; at++) lines += *at == '\n';
    cr_assert_eq(lines, 2 + shop_settings.count);
    cr_assert_not_null(strstr(out.bytes,
                              "| `tills`<br>`MICROPAY_SHOP_TILLS` | `3` | a whole number, "
                              "1 to 50 | at a restart | Open at once. |\n"));
    cr_assert_not_null(strstr(out.bytes, "| `till_key`<br>`MICROPAY_SHOP_TILL_KEY_FILE` | |"));
    buffer_done(&out);
}

Test(settings, a_reload_changes_what_is_live_and_tells_what_waits_for_a_restart)
{
    const struct shop_settings *shop;
    struct buffer later = {0};

    add_file(file("conf", "listen = ::1\n[shop]\nwait_ms = 100\ntills = 4\n"));
    shop = load();
    file("conf", "listen = ::1\n[shop]\nwait_ms = 200\ntills = 5\n");
    cr_assert_eq(settings_reload(loaded, &later, &err), OUTCOME_DONE);
    cr_assert_eq(shop->wait_ms, 200);
    cr_assert_eq(shop->tills, 4);
    cr_assert_str_eq(buffer_str(&later), "shop.tills\n");
    buffer_done(&later);
}

Test(settings, a_reload_with_a_fault_changes_nothing)
{
    const struct shop_settings *shop;
    struct buffer later = {0};

    add_file(file("conf", "[shop]\nwait_ms = 100\n"));
    shop = load();
    file("conf", "[shop]\nwait_ms = 200\npolicy = perhaps\n");
    cr_assert_eq(settings_reload(loaded, &later, &err), OUTCOME_BROKEN);
    cr_assert_eq(err.fault_count, 1);
    cr_assert_eq(shop->wait_ms, 100);
    cr_assert_eq(later.length, 0);
}

Test(settings, one_live_setting_is_changed_while_running_within_its_bounds_alone)
{
    const struct shop_settings *shop = load();
    struct buffer out = {0};

    cr_assert_eq(settings_change(loaded, "shop.policy", "deny", &err), OUTCOME_DONE);
    cr_assert_eq(shop->policy, DENY);
    cr_assert_eq(settings_change(loaded, "shop.wait_ms", "49", &err), OUTCOME_REFUSED);
    cr_assert_eq(shop->wait_ms, 2000);
    cr_assert_eq(settings_change(loaded, "shop.tills", "4", &err), OUTCOME_REFUSED);
    cr_assert_eq(shop->tills, 3);
    cr_assert_eq(settings_change(loaded, "shop.nothing", "4", &err), OUTCOME_REFUSED);
    cr_assert_eq(settings_change(loaded, "log_level", "error", &err), OUTCOME_DONE);
    settings_print(loaded, &out);
    cr_assert_not_null(strstr(buffer_str(&out), "# changed while running"));
    buffer_done(&out);
}

Test(settings, a_secret_is_kept_when_its_new_file_cannot_be_read)
{
    const struct shop_settings *shop;
    char set[160];

    snprintf(set, sizeof set, "shop.till_key=file:%s", file("key", "first"));
    sources.sets[sources.set_count++] = set;
    shop = load();
    cr_assert_eq(settings_change(loaded, "shop.till_key", "file:/nowhere/key", &err),
                 OUTCOME_REFUSED);
    cr_assert_str_eq(shop->till_key, "first");
}

Test(settings, no_two_rows_share_a_variable_and_every_default_is_within_its_bounds)
{
    cr_assert_eq(shop_settings.size, sizeof(struct shop_settings));
    for (unsigned s = 0; sections[s] != NULL; s++)
        for (unsigned i = 1; i < sections[s]->count; i++)
            cr_assert_lt(strcmp(sections[s]->rows[i - 1].name, sections[s]->rows[i].name), 0,
                         "%s is not in alphabetical order", sections[s]->rows[i].name);
    load();
}
