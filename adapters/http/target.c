/* Paths and queries, taken apart. */
#include "http/target.h"

#include "wire/buffer.h"
#include "wire/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Decodes in place; NULL, or what is wrong. */
static const char *decode(char *text, bool plus_is_blank)
{
    char *out = text;

    for (const char *in = text; *in != '\0'; in++) {
        char c = *in;

        if (c == '+' && plus_is_blank) {
            c = ' ';
        } else if (c == '%') {
            int high = hex(in[1]), low = high < 0 ? -1 : hex(in[2]);

            if (low < 0) return "has a % without two hexadecimal digits";
            c = (char)(high << 4 | low);
            if (c == '\0') return "has a NUL";
            in += 2;
        }
        *out++ = c;
    }
    *out = '\0';
    return utf8_printable(text, (size_t)(out - text)) ? NULL
                                                      : "has control characters or is not UTF-8";
}

static void read_path(struct target *target, char *path, struct error *err)
{
    if (*path != '/') {
        error_fault(err, "path", "does not begin with a slash");
        return;
    }
    while (path != NULL) {
        char *segment = path + 1;
        const char *wrong;

        path = strchr(segment, '/');
        if (path != NULL) *path = '\0';
        if (target->segment_count == TARGET_SEGMENTS_MAX) {
            error_fault(err, "path", "has more than %u segments", TARGET_SEGMENTS_MAX);
            return;
        }
        wrong = decode(segment, false);
        if (wrong != NULL) {
            error_fault(err, "path", "%s", wrong);
            return;
        }
        target->segments[target->segment_count++] = segment;
    }
}

static void read_parameter(struct target *target, char *name, struct error *err)
{
    static char nothing[] = "";
    char *value = strchr(name, '=');
    const char *wrong;
    char field[64];

    if (value != NULL)
        *value++ = '\0';
    else
        value = nothing;
    wrong = decode(name, true);
    if (wrong != NULL) {
        error_fault(err, "query", "%s in the name of a parameter", wrong);
        return;
    }
    snprintf(field, sizeof field, "query %s", name);
    wrong = decode(value, true);
    if (wrong != NULL) {
        error_fault(err, field, "%s", wrong);
    } else if (target_parameter(target, name) != NULL) {
        error_fault(err, field, "stands there twice");
    } else if (target->parameter_count == TARGET_PARAMETERS_MAX) {
        error_fault(err, "query", "has more than %u parameters", TARGET_PARAMETERS_MAX);
    } else {
        target->parameters[target->parameter_count++] = (struct target_parameter){name, value};
    }
}

static void read_query(struct target *target, char *query, struct error *err)
{
    while (query != NULL) {
        char *parameter = query;

        query = strchr(parameter, '&');
        if (query != NULL) *query++ = '\0';
        if (*parameter == '\0') continue;
        read_parameter(target, parameter, err);
        if (err->fault_count > ERROR_FAULTS_MAX) return; /* enough has been said */
    }
}

void target_read(struct target *target, const char *text, struct error *err)
{
    size_t length = strlen(text), path_length = strcspn(text, "?");
    char *path = need_memory(path_length + 1 + length + 1), *copy = path + path_length + 1;
    bool has_query = text[path_length] == '?';

    memcpy(path, text, path_length);
    memcpy(copy, text, length + 1);
    copy[path_length] = '\0';
    target->path = path;
    target->segment_count = target->parameter_count = 0;
    read_path(target, copy, err);
    if (has_query) read_query(target, copy + path_length + 1, err);
}

const char *target_parameter(const struct target *target, const char *name)
{
    for (unsigned i = 0; i < target->parameter_count; i++)
        if (strcmp(target->parameters[i].name, name) == 0) return target->parameters[i].value;
    return NULL;
}

void target_done(struct target *target)
{
    free(target->path);
    target->path = NULL;
}
