/* A file of settings: lines, sections, comments. */
#include "runtime/settings_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 20 };

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* Without the blanks around it. */
static char *trim(char *text)
{
    char *end;

    while (is_blank(*text)) text++;
    end = text + strlen(text);
    while (end > text && is_blank(end[-1])) end--;
    *end = '\0';
    return text;
}

/* Ends the text where a comment starts: at its beginning or after a blank, not within quotes. */
static void cut_comment(char *text)
{
    bool quoted = false;

    for (char *at = text; *at != '\0'; at++) {
        if (*at == '"') quoted = !quoted;
        if (*at == '#' && !quoted && (at == text || is_blank(at[-1]))) {
            *at = '\0';
            return;
        }
    }
}

/* The text within double quotes, or as it stands; false if quotes are elsewhere than around it. */
static bool unquote(char **value)
{
    size_t length = strlen(*value);
    char *quote = strchr(*value, '"');

    if (quote == NULL) return true;
    if (quote != *value || length < 2 || strchr(*value + 1, '"') != *value + length - 1)
        return false;
    (*value)[length - 1] = '\0';
    (*value)++;
    return true;
}

/* What is read from one line to the next. */
struct reading {
    struct settings_loaded *loaded;
    const char *path;
    unsigned line;
    char section[64]; /* "" = common */
    bool skip;        /* a section of another process, or one that is a fault already */
    char origin[SETTING_ORIGIN_MAX];
};

static void read_section(struct reading *reading, char *text, struct error *err)
{
    size_t length = strlen(text);
    char *name;

    reading->skip = true;
    if (text[length - 1] != ']') {
        settings_fault(err, reading->origin, "a section is written [name]");
        return;
    }
    text[length - 1] = '\0';
    name = trim(text + 1);
    if (settings_is_other(reading->loaded, name)) return;
    if (settings_section_find(reading->loaded, name) == NULL) {
        settings_fault(err, reading->origin, "no service is called \"%.40s\"", name);
        return;
    }
    snprintf(reading->section, sizeof reading->section, "%s", name);
    reading->skip = false;
}

static void read_line(struct reading *reading, char *text, struct error *err)
{
    char *equals, *name, *value;

    snprintf(reading->origin, sizeof reading->origin, "%s:%u", reading->path, reading->line);
    cut_comment(text);
    text = trim(text);
    if (*text == '\0') return;
    if (*text == '[') {
        read_section(reading, text, err);
        return;
    }
    equals = strchr(text, '=');
    if (equals == NULL) {
        settings_fault(err, reading->origin, "a line is \"name = value\", \"[service]\" or # text");
        return;
    }
    *equals = '\0';
    name = trim(text);
    value = trim(equals + 1);
    if (!unquote(&value)) {
        settings_fault(err, reading->origin, "%.60s: quotes stand around the whole value", name);
        return;
    }
    if (!reading->skip)
        settings_put(reading->loaded, reading->section[0] != '\0' ? reading->section : NULL, name,
                     value, reading->origin, err);
}

static void read_lines(struct reading *reading, char *text, size_t length, struct error *err)
{
    char *end = text + length;

    while (text < end) {
        char *line_end = memchr(text, '\n', (size_t)(end - text));

        if (line_end == NULL) line_end = end;
        *line_end = '\0';
        reading->line++;
        if (strlen(text) != (size_t)(line_end - text) || line_end - text > SETTING_VALUE_MAX) {
            snprintf(reading->origin, sizeof reading->origin, "%s:%u", reading->path,
                     reading->line);
            settings_fault(err, reading->origin, "a line is text of at most %d bytes",
                           SETTING_VALUE_MAX);
        } else {
            read_line(reading, text, err);
        }
        text = line_end + 1;
    }
}

void settings_read_file(struct settings_loaded *loaded, const char *path, struct error *err)
{
    struct reading reading = {.loaded = loaded, .path = path};
    FILE *file = fopen(path, "re");
    size_t length;
    char *text;

    if (file == NULL) {
        settings_fault(err, path, "the file could not be opened: %s", strerror(errno));
        return;
    }
    text = need_memory(FILE_BYTES_MAX + 1);
    length = fread(text, 1, FILE_BYTES_MAX + 1, file);
    if (ferror(file))
        settings_fault(err, path, "the file could not be read: %s", strerror(errno));
    else if (length > FILE_BYTES_MAX)
        settings_fault(err, path, "the file has more than %d bytes", FILE_BYTES_MAX);
    else
        read_lines(&reading, text, length, err);
    fclose(file);
    free(text);
}
