/* Loading settings: sources in order, the values that win, and changing them later. */
#include "runtime/settings_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool settings_is_common(const struct settings *section)
{
    return strcmp(section->name, "common") == 0;
}

void settings_fault(struct error *err, const char *origin, const char *format, ...)
{
    size_t room = sizeof err->faults[0].field - 1, length = strlen(origin);
    char message[sizeof err->faults[0].message], field[sizeof err->faults[0].field];
    va_list list;

    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    if (length <= room)
        snprintf(field, sizeof field, "%s", origin);
    else
        snprintf(field, sizeof field, "...%s", origin + length - (room - 3));
    error_fault(err, field, "%s", message);
}

struct settings_section *settings_section_find(const struct settings_loaded *loaded,
                                               const char *name)
{
    for (unsigned i = 0; i < loaded->section_count; i++)
        if (strcmp(loaded->sections[i].of->name, name) == 0) return &loaded->sections[i];
    return NULL;
}

bool settings_is_other(const struct settings_loaded *loaded, const char *section)
{
    const char *const *others = loaded->sources.others;

    for (; others != NULL && *others != NULL; others++)
        if (strcmp(*others, section) == 0) return settings_section_find(loaded, section) == NULL;
    return false;
}

void settings_split(char *text, const char **section, const char **name)
{
    char *dot = strchr(text, '.');

    *section = NULL;
    *name = text;
    if (dot == NULL) return;
    *dot = '\0';
    *section = text;
    *name = dot + 1;
}

static const struct setting *row_find(const struct settings *section, const char *name)
{
    for (unsigned i = 0; i < section->count; i++)
        if (strcmp(section->rows[i].name, name) == 0) return &section->rows[i];
    return NULL;
}

/* The section and row of a name; NULL and a fault if there is none. */
static const struct setting *find(const struct settings_loaded *loaded, const char *section,
                                  const char *name, const char *origin,
                                  struct settings_section **out, struct error *err)
{
    const struct setting *row;

    *out = settings_section_find(loaded, section != NULL ? section : "common");
    row = *out != NULL ? row_find((*out)->of, name) : NULL;
    if (row == NULL)
        settings_fault(err, origin, "no setting is called \"%.32s%s%.48s\"",
                       section != NULL ? section : "", section != NULL ? "." : "", name);
    return row;
}

static void *field_of(const struct settings_section *section, const struct setting *row)
{
    return (char *)section->values + row->offset;
}

static struct setting_given *given_of(const struct settings_section *section,
                                      const struct setting *row)
{
    return &section->given[row - section->of->rows];
}

static void give(struct setting_given *given, const char *text, const char *origin, unsigned source)
{
    free(given->text);
    free(given->origin);
    given->text = need_copy(text);
    given->origin = need_copy(origin);
    given->source = source;
}

/* The name of a row for people. */
static void row_name(const struct settings *section, const struct setting *row, char *out,
                     size_t size)
{
    if (settings_is_common(section))
        snprintf(out, size, "%s", row->name);
    else
        snprintf(out, size, "%s.%s", section->name, row->name);
}

static void value_fault(const struct settings *section, const struct setting *row,
                        const char *origin, const char *why, struct error *err)
{
    char name[96];

    row_name(section, row, name, sizeof name);
    settings_fault(err, origin, "%.48s: %s", name, why);
}

void settings_put(struct settings_loaded *loaded, const char *section, const char *name,
                  const char *value, const char *origin, struct error *err)
{
    struct settings_section *in;
    const struct setting *row;
    struct setting_given *given;
    char why[SETTING_WHY_MAX];

    if (section != NULL && settings_is_other(loaded, section)) return;
    row = find(loaded, section, name, origin, &in, err);
    if (row == NULL) return;
    given = given_of(in, row);
    if (given->text != NULL && given->source == loaded->source) {
        snprintf(why, sizeof why, "set before, at %.64s", given->origin);
        value_fault(in->of, row, origin, why, err);
    } else if (!setting_read(row, value, NULL, why)) {
        value_fault(in->of, row, origin, why, err);
    } else {
        give(given, value, origin, loaded->source);
    }
}

/* --- loading --- */

static unsigned count_of(const struct settings *const *sections)
{
    unsigned count = 0;

    while (sections[count] != NULL) count++;
    return count;
}

/* A copy of the MICROPAY_ variables. */
static char **copy_environment(char *const *environment)
{
    unsigned count = 0;
    char **copy;

    for (unsigned i = 0; environment != NULL && environment[i] != NULL; i++)
        if (strncmp(environment[i], "MICROPAY_", strlen("MICROPAY_")) == 0) count++;
    copy = need_memory((count + 1) * sizeof *copy);
    count = 0;
    for (unsigned i = 0; environment != NULL && environment[i] != NULL; i++)
        if (strncmp(environment[i], "MICROPAY_", strlen("MICROPAY_")) == 0)
            copy[count++] = need_copy(environment[i]);
    return copy;
}

static struct settings_loaded *loaded_make(const struct settings_sources *sources,
                                           const struct settings *const *sections)
{
    struct settings_loaded *loaded = need_memory(sizeof *loaded);

    loaded->section_count = count_of(sections);
    loaded->sections = need_memory(loaded->section_count * sizeof *loaded->sections);
    for (unsigned i = 0; i < loaded->section_count; i++)
        loaded->sections[i] = (struct settings_section){
            .of = sections[i],
            .values = need_memory(sections[i]->size),
            .given = need_memory(sections[i]->count * sizeof(struct setting_given)),
        };
    loaded->sources = *sources;
    for (unsigned i = 0; i < sources->file_count; i++)
        loaded->sources.files[i] = need_copy(sources->files[i]);
    for (unsigned i = 0; i < sources->set_count; i++)
        loaded->sources.sets[i] = need_copy(sources->sets[i]);
    loaded->environment = copy_environment(sources->environment);
    loaded->sources.environment = loaded->environment;
    return loaded;
}

void settings_free(struct settings_loaded *loaded)
{
    if (loaded == NULL) return;
    for (unsigned i = 0; i < loaded->section_count; i++) {
        struct settings_section *section = &loaded->sections[i];

        for (unsigned j = 0; j < section->of->count; j++) {
            free(section->given[j].text);
            free(section->given[j].origin);
        }
        explicit_bzero(section->values, section->of->size);
        free(section->values);
        free(section->given);
    }
    free(loaded->sections);
    for (unsigned i = 0; i < loaded->sources.file_count; i++)
        free((char *)loaded->sources.files[i]);
    for (unsigned i = 0; i < loaded->sources.set_count; i++) free((char *)loaded->sources.sets[i]);
    for (char **at = loaded->environment; *at != NULL; at++) free(*at);
    free(loaded->environment);
    free(loaded);
}

/* Reads the values that won into the structs. */
static void read_values(struct settings_loaded *loaded, struct error *err)
{
    for (unsigned i = 0; i < loaded->section_count; i++) {
        const struct settings_section *section = &loaded->sections[i];

        for (unsigned j = 0; j < section->of->count; j++) {
            const struct setting *row = &section->of->rows[j];
            const struct setting_given *given = &section->given[j];
            char why[SETTING_WHY_MAX];

            if (!setting_read(row, given->text != NULL ? given->text : row->initial,
                              field_of(section, row), why))
                value_fault(section->of, row, given->text != NULL ? given->origin : "default", why,
                            err);
        }
    }
}

/* Makes the faults that were collected those of settings. */
static enum outcome refused(struct error *err)
{
    err->reason = REASON_BAD_SETTING;
    err->outcome = OUTCOME_BROKEN;
    snprintf(err->message, sizeof err->message, "cannot use the settings: %u fault%s",
             err->fault_count, err->fault_count == 1 ? "" : "s");
    error_hint(err, "Mend each where it comes from; --help-settings lists all settings.");
    return OUTCOME_BROKEN;
}

enum outcome settings_load(const struct settings_sources *sources,
                           const struct settings *const *sections, struct settings_loaded **out,
                           struct error *err)
{
    struct settings_loaded *loaded = loaded_make(sources, sections);

    for (unsigned i = 0; i < loaded->sources.file_count; i++) {
        loaded->source++;
        settings_read_file(loaded, loaded->sources.files[i], err);
    }
    settings_read_environment(loaded, err);
    settings_read_sets(loaded, err);
    read_values(loaded, err);
    if (err->fault_count > 0) {
        settings_free(loaded);
        return refused(err);
    }
    *out = loaded;
    return OUTCOME_DONE;
}

const void *settings_values(const struct settings_loaded *loaded, const struct settings *section)
{
    for (unsigned i = 0; i < loaded->section_count; i++)
        if (loaded->sections[i].of == section) return loaded->sections[i].values;
    return NULL;
}

/* --- changing --- */

/* Takes over a row from settings that were loaded anew. */
static void take_over(struct settings_section *section, const struct settings_section *fresh,
                      const struct setting *row, struct buffer *later)
{
    struct setting_given *old = given_of(section, row), *new = given_of(fresh, row);
    struct setting_given kept = *old;
    char name[96];

    if (memcmp(field_of(section, row), field_of(fresh, row), row->size) == 0) return;
    if (row->apply == SETTING_RESTART) {
        row_name(section->of, row, name, sizeof name);
        buffer_format(later, "%s\n", name);
        return;
    }
    memcpy(field_of(section, row), field_of(fresh, row), row->size);
    *old = *new;
    *new = kept;
}

enum outcome settings_reload(struct settings_loaded *loaded, struct buffer *later,
                             struct error *err)
{
    const struct settings **sections;
    struct settings_loaded *fresh = NULL;
    enum outcome outcome;

    *err = (struct error){0};
    sections = need_memory((loaded->section_count + 1) * sizeof(const struct settings *));
    for (unsigned i = 0; i < loaded->section_count; i++) sections[i] = loaded->sections[i].of;
    outcome = settings_load(&loaded->sources, sections, &fresh, err);
    free(sections);
    if (outcome != OUTCOME_DONE) return outcome;
    for (unsigned i = 0; i < loaded->section_count; i++)
        for (unsigned j = 0; j < loaded->sections[i].of->count; j++)
            take_over(&loaded->sections[i], &fresh->sections[i], &loaded->sections[i].of->rows[j],
                      later);
    settings_free(fresh);
    return OUTCOME_DONE;
}

enum outcome settings_change(struct settings_loaded *loaded, const char *name, const char *value,
                             struct error *err)
{
    char text[128], why[SETTING_WHY_MAX];
    const char *section_name, *row_part;
    struct settings_section *section;
    const struct setting *row;

    *err = (struct error){0};
    snprintf(text, sizeof text, "%s", name);
    settings_split(text, &section_name, &row_part);
    row = find(loaded, section_name, row_part, "name", &section, err);
    if (row == NULL) return err->outcome;
    if (row->apply == SETTING_RESTART) {
        settings_fault(err, "name", "%.64s is changed by a restart alone", name);
        return err->outcome;
    }
    if (!setting_read(row, value, field_of(section, row), why)) {
        value_fault(section->of, row, "value", why, err);
        return err->outcome;
    }
    give(given_of(section, row), value, "changed while running", loaded->source);
    return OUTCOME_DONE;
}
