/*
 * Writes what this folder has of the code's own tables: `docs_tables DIR` replaces what stands
 * between the lines "<!-- made: NAME -->" and "<!-- end -->" in the folder's Markdown files, and
 * writes asyncapi.json and schemas/TYPE.MAJOR.json. `docs_tables --check DIR` changes nothing and
 * names each file that would change; exit status 1 if there is one. A table that no file has, and a
 * name that is no table, are faults.
 */
#include "services.h"

#include "bus/docs.h"
#include "runtime/docs.h"
#include "wire/buffer.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The settings of the payment service alone: how long it waits for what. */
static void payment_settings(const struct service *const *services, struct buffer *out)
{
    for (; *services != NULL; services++)
        if (strcmp((*services)->name, "payment") == 0)
            settings_print_help((*services)->settings, out);
}

static struct {
    const char *name;
    void (*of_services)(const struct service *const *services, struct buffer *out);
    void (*print)(struct buffer *out);
    bool used;
} tables[] = {
    {.name = "consumers", .of_services = docs_consumers},
    {.name = "events", .print = docs_events},
    {.name = "payment-settings", .of_services = payment_settings},
    {.name = "reasons", .print = docs_reasons},
    {.name = "results", .print = docs_results},
    {.name = "routes", .of_services = docs_routes},
    {.name = "schemas", .of_services = docs_schemas},
    {.name = "scopes", .print = docs_scopes},
    {.name = "services", .of_services = docs_services},
    {.name = "settings", .of_services = docs_settings},
    {.name = "topics", .print = docs_topics},
};
enum { TABLES = sizeof tables / sizeof *tables };

static const char *folder;
static bool check;
static unsigned faults;

static void fault(const char *file, const char *what)
{
    fprintf(stderr, "%s: %s\n", file, what);
    faults++;
}

/* --- files --- */

static bool read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "r");
    char part[4096];
    size_t length;

    if (file == NULL) return false;
    while ((length = fread(part, 1, sizeof part, file)) > 0) buffer_add(out, part, length);
    return fclose(file) == 0;
}

/* The file has this text now, or is named as one that hasn't. */
static void put_file(const char *path, const struct buffer *text)
{
    struct buffer old = {0};
    bool same = read_file(path, &old) && strcmp(buffer_str(&old), buffer_str(text)) == 0;
    FILE *file;

    buffer_done(&old);
    if (same) return;
    if (check) {
        fault(path, "differs from the code; ./dev docs writes it anew");
        return;
    }
    file = fopen(path, "w");
    if (file == NULL || fwrite(text->bytes, 1, text->length, file) != text->length ||
        fclose(file) != 0) {
        fault(path, strerror(errno));
        return;
    }
    printf("%s\n", path);
}

/* --- Markdown --- */

static void add_table(const char *path, const char *name, struct buffer *out)
{
    for (unsigned i = 0; i < TABLES; i++) {
        if (strcmp(tables[i].name, name) != 0) continue;
        if (tables[i].print != NULL)
            tables[i].print(out);
        else
            tables[i].of_services(services_all, out);
        tables[i].used = true;
        return;
    }
    fault(path, "has a table that isn't made here");
}

/* Copies a file, with its tables made anew. False if it has none. */
static bool remake(const char *path, const char *text, struct buffer *out)
{
    static const char begin[] = "<!-- made: ", end[] = "<!-- end -->";
    const char *at;
    bool any = false;

    while ((at = strstr(text, begin)) != NULL) {
        const char *line_end = strchr(at, '\n'), *close = strstr(at, end);
        char name[64];

        if (line_end == NULL || close == NULL) {
            fault(path, "has a table without an end");
            return false;
        }
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + strlen(begin), " "),
                 at + strlen(begin));
        buffer_add(out, text, (size_t)(line_end + 1 - text));
        add_table(path, name, out);
        text = close;
        any = true;
    }
    buffer_text(out, text);
    return any;
}

static void remake_file(const char *name)
{
    struct buffer path = {0}, text = {0}, made = {0};
    size_t length = strlen(name);

    if (length < 3 || strcmp(name + length - 3, ".md") != 0) return;
    buffer_format(&path, "%s/%s", folder, name);
    if (!read_file(path.bytes, &text))
        fault(path.bytes, strerror(errno));
    else if (remake(path.bytes, buffer_str(&text), &made))
        put_file(path.bytes, &made);
    buffer_done(&path);
    buffer_done(&text);
    buffer_done(&made);
}

static void remake_folder(void)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;

    if (directory == NULL) {
        fault(folder, strerror(errno));
        return;
    }
    while ((entry = readdir(directory)) != NULL) remake_file(entry->d_name);
    closedir(directory);
    for (unsigned i = 0; i < TABLES; i++)
        if (!tables[i].used) fault(tables[i].name, "is a table that no file has");
}

/* --- JSON --- */

static void put_json(const char *name, const struct buffer *json)
{
    struct buffer path = {0}, text = {0};
    cJSON *tree = cJSON_ParseWithLength(json->bytes, json->length);
    char *printed = cJSON_Print(tree);

    buffer_format(&path, "%s/%s", folder, name);
    buffer_format(&text, "%s\n", printed != NULL ? printed : "");
    put_file(path.bytes, &text);
    free(printed);
    cJSON_Delete(tree);
    buffer_done(&path);
    buffer_done(&text);
}

static void put_schemas(void)
{
    struct buffer path = {0}, json = {0};

    buffer_format(&path, "%s/schemas", folder);
    if (!check && mkdir(path.bytes, 0777) != 0 && errno != EEXIST)
        fault(path.bytes, strerror(errno));
    for (const struct event_type *type = event_types; type->name != NULL; type++) {
        char name[96];

        buffer_clear(&json);
        schema_of_event(type, &json);
        snprintf(name, sizeof name, "schemas/%s.%u.json", type->name, type->major);
        put_json(name, &json);
    }
    buffer_clear(&json);
    asyncapi_print(&json);
    put_json("asyncapi.json", &json);
    buffer_done(&path);
    buffer_done(&json);
}

int main(int argc, char **argv)
{
    check = argc > 1 && strcmp(argv[1], "--check") == 0;
    if (argc != (check ? 3 : 2)) {
        fprintf(stderr, "usage: docs_tables [--check] DIR\n");
        return 2;
    }
    folder = argv[argc - 1];
    remake_folder();
    put_schemas();
    return faults > 0 ? 1 : 0;
}
