/* topics: what services tell each other, as tables or for machines */
#include "command.h"
#include "table.h"

#include "bus/docs.h"
#include "wire/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void show_topics(struct command *command)
{
    static const struct column columns[] = {
        {"topic", false},    {"published by", false}, {"key", false}, {"partitions", true},
        {"days kept", true}, {"event types", false},  {NULL, false}};
    struct table table;

    if (!table_begin(&table, &command->out, columns)) return;
    for (const struct topic *topic = topics; topic->name != NULL; topic++) {
        bool first = true;

        table_cell(&table, "%s", topic->name);
        table_cell(&table, "%s", topic->owner);
        table_cell(&table, "%s", topic->key);
        table_cell(&table, "%u", topic->partitions);
        if (topic->retention_ms == 0)
            table_cell(&table, "for ever");
        else
            table_cell(&table, "%llu", (unsigned long long)(topic->retention_ms / 86400000));
        for (const struct event_type *type = event_types; type->name != NULL; type++) {
            if (type->topic != topic) continue;
            for (unsigned i = 0; !first && i < 5; i++) table_cell(&table, "%s", "");
            table_cell(&table, "%s", type->name);
            first = false;
        }
        if (first) table_cell(&table, "%s", "");
    }
    table_end(&table);
}

static void show_json(struct command *command)
{
    for (const struct event_type *type = event_types; type->name != NULL; type++) {
        struct json json = json_begin(&command->out);

        json_string(&json, "type", type->name);
        json_number(&json, "version", type->major);
        json_string(&json, "topic", type->topic->name);
        json_string(&json, "owner", type->topic->owner);
        json_number(&json, "partitions", type->topic->partitions);
        json_string(&json, "help", type->help);
        json_end(&json);
    }
}

static bool write_schema(const char *directory, const struct event_type *type)
{
    struct buffer path = {0}, schema = {0};
    FILE *file;
    bool written = false;

    buffer_format(&path, "%s/%s.%u.json", directory, type->name, type->major);
    schema_of_event(type, &schema);
    buffer_char(&schema, '\n');
    file = fopen(path.bytes, "we");
    if (file != NULL) {
        written = fwrite(schema.bytes, 1, schema.length, file) == schema.length;
        written = fclose(file) == 0 && written;
    }
    buffer_done(&path);
    buffer_done(&schema);
    return written;
}

static enum exit_status write_schemas(const struct command *command, const char *directory)
{
    if (mkdir(directory, 0777) != 0 && errno != EEXIST) {
        complain(command, "could not make %s: %s", directory, strerror(errno));
        return EXIT_REFUSED;
    }
    for (const struct event_type *type = event_types; type->name != NULL; type++) {
        if (write_schema(directory, type)) continue;
        complain(command, "could not write the schema of %s to %s: %s", type->name, directory,
                 strerror(errno));
        return EXIT_REFUSED;
    }
    return EXIT_DONE;
}

enum exit_status verb_topics(struct command *command)
{
    if (given(command, OPT_ASYNCAPI)) {
        struct buffer document = {0};

        asyncapi_print(&document);
        text_bytes(&command->out, document.bytes, document.length);
        text_char(&command->out, '\n');
        buffer_done(&document);
        return EXIT_DONE;
    }
    if (given(command, OPT_SCHEMAS))
        return write_schemas(command, command->values[OPT_SCHEMAS].text);
    if (command->json)
        show_json(command);
    else
        show_topics(command);
    return EXIT_DONE;
}
