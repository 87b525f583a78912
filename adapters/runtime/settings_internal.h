/* What the files settings*.c share; nobody else includes it. */
#ifndef ADAPTERS_RUNTIME_SETTINGS_INTERNAL_H
#define ADAPTERS_RUNTIME_SETTINGS_INTERNAL_H

#include "runtime/settings.h"

enum { SETTING_WHY_MAX = 96, SETTING_ORIGIN_MAX = 256 };

/* What the winning source said of a row; text NULL = none has. */
struct setting_given {
    char *text, *origin;
    unsigned source; /* which one, counted as they are read */
};

struct settings_section {
    const struct settings *of;
    void *values;
    struct setting_given *given; /* a row each */
};

struct settings_loaded {
    struct settings_section *sections;
    unsigned section_count;
    unsigned source; /* the one that is being read */
    struct settings_sources sources;
    char **environment; /* a copy of MICROPAY_ variables alone; NULL-ended */
};

/* --- settings_value.c --- */

/* Reads a value into its field; `field` NULL checks it alone, without opening a secret's file.
 * False says why in words that follow the setting's name. */
bool setting_read(const struct setting *row, const char *text, void *field,
                  char why[SETTING_WHY_MAX]);
/* What a value must be: "a whole number from 1 to 5". */
void setting_describe(const struct setting *row, char *out, size_t size);

/* --- settings.c --- */

bool settings_is_common(const struct settings *section);
/* Keeps what a source says of `name` in a section (NULL = the common one), or adds a fault. */
void settings_put(struct settings_loaded *loaded, const char *section, const char *name,
                  const char *value, const char *origin, struct error *err);
/* Whether another process has a section of that name. */
bool settings_is_other(const struct settings_loaded *loaded, const char *section);
struct settings_section *settings_section_find(const struct settings_loaded *loaded,
                                               const char *name);
/* "name" or "service.name" as section (NULL = common) and name; changes the text. */
void settings_split(char *text, const char **section, const char **name);
/* Adds a fault; of a long origin the end is kept. */
__attribute__((format(printf, 3, 4))) void settings_fault(struct error *err, const char *origin,
                                                          const char *format, ...);

/* --- the sources --- */

void settings_read_file(struct settings_loaded *loaded, const char *path, struct error *err);
void settings_read_environment(struct settings_loaded *loaded, struct error *err);
void settings_read_sets(struct settings_loaded *loaded, struct error *err);
/* The variable of a row: MICROPAY_SERVICE_NAME. */
void setting_variable(const struct settings *section, const struct setting *row, char *out,
                      size_t size);

#endif
