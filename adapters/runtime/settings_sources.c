/* The command line and the environment as sources of settings. */
#include "runtime/settings_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "MICROPAY_";

/* Variables that are no settings: of clients, scripts and tests. */
static const char *const not_settings[] = {
    "BUILD", "CHAOS", "CUTS", "KEY", "NOW", "RUNS", "SEED", "SOURCE", "TRACE", "URL",
};

/* --- the command line --- */

/* The value behind --option, in this argument or in the next one; NULL if it isn't that option. */
static const char *option(const char *name, int argc, char *const *argv, int *at, struct error *err)
{
    const char *argument = argv[*at];
    size_t length = strlen(name);

    if (strncmp(argument, name, length) != 0) return NULL;
    if (argument[length] == '=') return argument + length + 1;
    if (argument[length] != '\0') return NULL;
    if (*at + 1 < argc) return argv[++*at];
    settings_fault(err, name, "needs a value");
    return "";
}

bool settings_argument(struct settings_sources *sources, int argc, char *const *argv, int *at,
                       struct error *err)
{
    const char *value;

    if (strcmp(argv[*at], "--print-config") == 0) return sources->print_config = true;
    if (strcmp(argv[*at], "--help-settings") == 0) return sources->help_settings = true;
    value = option("--config", argc, argv, at, err);
    if (value != NULL) {
        if (sources->file_count == SETTINGS_FILES_MAX)
            settings_fault(err, "--config", "at most %d files", SETTINGS_FILES_MAX);
        else if (*value != '\0')
            sources->files[sources->file_count++] = value;
        return true;
    }
    value = option("--set", argc, argv, at, err);
    if (value == NULL) return false;
    if (sources->set_count == SETTINGS_SETS_MAX)
        settings_fault(err, "--set", "at most %d times", SETTINGS_SETS_MAX);
    else if (*value != '\0')
        sources->sets[sources->set_count++] = value;
    return true;
}

static void read_set(struct settings_loaded *loaded, const char *set, struct error *err)
{
    char text[SETTING_VALUE_MAX + 1];
    const char *section, *name;
    char *equals;

    if (strlen(set) > SETTING_VALUE_MAX) {
        settings_fault(err, "--set", "longer than %d bytes", SETTING_VALUE_MAX);
        return;
    }
    snprintf(text, sizeof text, "%s", set);
    equals = strchr(text, '=');
    if (equals == NULL) {
        settings_fault(err, "--set", "%.60s: is written --set name=value", text);
        return;
    }
    *equals = '\0';
    settings_split(text, &section, &name);
    settings_put(loaded, section, name, equals + 1, "--set", err);
}

void settings_read_sets(struct settings_loaded *loaded, struct error *err)
{
    for (unsigned i = 0; i < loaded->sources.set_count; i++) {
        loaded->source++;
        read_set(loaded, loaded->sources.sets[i], err);
    }
}

/* --- the environment --- */

static void append_upper(char *out, size_t size, const char *text)
{
    size_t length = strlen(out);

    for (; *text != '\0' && length + 1 < size; text++)
        out[length++] = *text == '-' ? '_' : (char)toupper((unsigned char)*text);
    out[length] = '\0';
}

void setting_variable(const struct settings *section, const struct setting *row, char *out,
                      size_t size)
{
    snprintf(out, size, "%s", prefix);
    if (!settings_is_common(section)) {
        append_upper(out, size, section->name);
        append_upper(out, size, "_");
    }
    append_upper(out, size, row->name);
}

/* The row whose variable that is; *as_file: the variable is that of a secret with _FILE behind. */
static const struct setting *row_of(const struct settings *section, const char *variable,
                                    bool *as_file)
{
    for (unsigned i = 0; i < section->count; i++) {
        const struct setting *row = &section->rows[i];
        char name[128];
        size_t length;

        setting_variable(section, row, name, sizeof name);
        length = strlen(name);
        if (strncmp(variable, name, length) != 0) continue;
        *as_file = row->kind == SETTING_KIND_SECRET && strcmp(variable + length, "_FILE") == 0;
        if (*as_file || variable[length] == '\0') return row;
    }
    return NULL;
}

static bool is_no_setting(const struct settings_loaded *loaded, const char *variable)
{
    const char *name = variable + strlen(prefix);
    const char *const *others = loaded->sources.others;

    if (strncmp(name, "TEST_", strlen("TEST_")) == 0) return true;
    for (unsigned i = 0; i < sizeof not_settings / sizeof *not_settings; i++)
        if (strcmp(name, not_settings[i]) == 0) return true;
    for (; others != NULL && *others != NULL; others++) {
        char other[64] = "";

        if (!settings_is_other(loaded, *others)) continue;
        append_upper(other, sizeof other, *others);
        append_upper(other, sizeof other, "_");
        if (strncmp(name, other, strlen(other)) == 0) return true;
    }
    return false;
}

static void read_variable(struct settings_loaded *loaded, const char *variable, const char *value,
                          struct error *err)
{
    for (unsigned i = 0; i < loaded->section_count; i++) {
        const struct settings *section = loaded->sections[i].of;
        bool as_file = false;
        const struct setting *row = row_of(section, variable, &as_file);
        char text[SETTING_VALUE_MAX + 8];

        if (row == NULL) continue;
        if (strlen(value) > SETTING_VALUE_MAX) {
            settings_fault(err, variable, "longer than %d bytes", SETTING_VALUE_MAX);
            return;
        }
        snprintf(text, sizeof text, "%s%s", as_file && *value != '\0' ? "file:" : "", value);
        settings_put(loaded, settings_is_common(section) ? NULL : section->name, row->name, text,
                     variable, err);
        return;
    }
    if (!is_no_setting(loaded, variable))
        settings_fault(err, variable, "no setting has that variable");
}

void settings_read_environment(struct settings_loaded *loaded, struct error *err)
{
    loaded->source++;
    for (char **at = loaded->environment; *at != NULL; at++) {
        const char *equals = strchr(*at, '=');
        char variable[SETTING_ORIGIN_MAX];

        if (equals == NULL) continue;
        snprintf(variable, sizeof variable, "%.*s", (int)(equals - *at), *at);
        read_variable(loaded, variable, equals + 1, err);
    }
}
