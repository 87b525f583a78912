/* stats: counters and gauges of a ledger */
#include "session.h"
#include "show.h"

#include <stdio.h>

/* A counter's name, and where it lies in mp_stats */
struct counter {
    const char *name;
    size_t offset;
};

#define COUNTER(name) #name, offsetof(mp_stats, name)

static const struct counter counters[] = {
    {COUNTER(accounts)},
    {COUNTER(accounts_max)},
    {COUNTER(transfers)},
    {COUNTER(updates)},
    {COUNTER(expiries)},
    {COUNTER(ids_bound)},
    {COUNTER(reservations_open)},
    {COUNTER(reservations_max)},
    {COUNTER(sequence)},
    {COUNTER(position)},
    {COUNTER(segments)},
    {COUNTER(log_bytes)},
    {COUNTER(account_bytes)},
    {COUNTER(reservation_bytes)},
    {COUNTER(memory_bytes)},
    {COUNTER(memory_max)},
    {COUNTER(checkpoint_position)},
    {COUNTER(epoch)},
    {COUNTER(opened_replayed_bytes)},
    {COUNTER(opened_replayed_records)},
    {COUNTER(opened_ns)},
};

enum { COUNTERS = sizeof counters / sizeof counters[0] };

static uint64_t counter_of(const mp_stats *stats, unsigned index)
{
    uint64_t value;

    memcpy(&value, (const char *)stats + counters[index].offset, sizeof value);
    return value;
}

static void show_json(struct command *command, const mp_stats *stats, const char *timeline)
{
    struct json json = json_begin(&command->out);

    for (unsigned i = 0; i < COUNTERS; i++)
        json_number(&json, counters[i].name, counter_of(stats, i));
    json_digits(&json, "newest_ns", stats->newest_ns);
    json_string(&json, "timeline", timeline);
    json_end(&json);
}

static enum exit_status show_table(struct command *command, const mp_stats *stats,
                                   const char *timeline)
{
    static const struct column columns[] = {{"figure", false}, {"value", true}, {NULL, false}};
    struct table table;
    char text[SCALED_TEXT_MAX];

    if (!table_begin(&table, &command->out, columns)) return no_memory(command);
    for (unsigned i = 0; i < COUNTERS; i++) {
        scaled_print(counter_of(stats, i), 0, command->terminal, text);
        table_cell(&table, "%s", counters[i].name);
        table_cell(&table, "%s", text);
    }
    table_cell(&table, "newest record");
    cell_time(&table, stats->newest_ns);
    table_cell(&table, "timeline");
    table_cell(&table, "%s", timeline);
    table_end(&table);
    text_string(&command->out,
                "\nMemory, its limits, and opened_* are those of this look. The index of ids, and "
                "what writes, waits\nand reads there were, the process that has the ledger open "
                "for writing alone knows.\n");
    return EXIT_DONE;
}

enum exit_status verb_stats(struct command *command)
{
    mp_ledger *ledger;
    mp_stats stats;
    char timeline[33];
    enum exit_status status = session_open(command, MP_OPEN_READ, &ledger);

    if (status != EXIT_DONE) return status;
    mp_read_stats(ledger, &stats);
    snprintf(timeline, sizeof timeline, "%016llx%016llx", (unsigned long long)stats.timeline_high,
             (unsigned long long)stats.timeline_low);
    if (command->json)
        show_json(command, &stats, timeline);
    else
        status = show_table(command, &stats, timeline);
    return session_close(command, ledger, status);
}
