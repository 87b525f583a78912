/* What an operator does to a reader: lets it go on, reads again. */
#include "store/inbox.h"

#include <stdlib.h>
#include <string.h>

static struct inbox *inbox_of(struct turns *turns, const char *group)
{
    struct inbox *inbox = turns->inboxes;

    while (inbox != NULL && strcmp(inbox->reader, group) != 0) inbox = inbox->next;
    return inbox;
}

void turns_resume(struct turns *turns, const char *group, const struct topic *topic,
                  unsigned partition)
{
    struct inbox *inbox = inbox_of(turns, group);
    struct inbox_partition *there =
        inbox != NULL ? inbox_partition_of(inbox, topic, partition) : NULL;

    if (there == NULL) return;
    there->resumes = true;
    inbox_settle(inbox, there);
}

/* --- reading again --- */

struct rewind {
    struct work work;
    struct inbox *inbox;
    const struct topic *topic;
    uint64_t position;
    void (*done)(void *context, const struct error *err);
    void *context;
};

/* The first type of a topic that a reader may not read again; NULL if there is none. */
static const struct consume *acting(const struct inbox *inbox, const struct topic *topic)
{
    for (const struct consume *row = inbox->consumes; row->apply != NULL; row++)
        if (row->kind == CONSUME_ACTING && event_type_find(row->type, row->major)->topic == topic)
            return row;
    return NULL;
}

static enum outcome rewind_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct rewind *rewind = (struct rewind *)work;
    struct inbox *inbox = rewind->inbox;
    const struct consume *row = inbox != NULL ? acting(inbox, rewind->topic) : NULL;
    unsigned found = 0;

    (void)turn;
    if (row != NULL)
        return error_set(err, REASON_FORBIDDEN,
                         "cannot read %s again: %s moves money or calls others",
                         rewind->topic->name, row->type);
    for (unsigned i = 0; inbox != NULL && i < inbox->partition_count; i++) {
        struct inbox_partition *partition = &inbox->partitions[i];

        if (partition->topic != rewind->topic) continue;
        found++;
        if (partition->position <= rewind->position) continue;
        partition->position = rewind->position;
        partition->source_count = 0; /* sequences come again */
        partition->whole = false;    /* the bus may have dropped what came before */
        partition->touched = partition->seeks = true;
    }
    if (found > 0) return OUTCOME_DONE;
    return error_set(err, REASON_NOT_FOUND, "cannot read %s again: nothing reads it here",
                     rewind->topic->name);
}

static void rewind_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct rewind *rewind = (struct rewind *)work;

    rewind->done(rewind->context, outcome == OUTCOME_DONE ? NULL : err);
    free(rewind);
}

void turns_rewind(struct turns *turns, const char *group, const struct topic *topic,
                  uint64_t position, void (*done)(void *context, const struct error *err),
                  void *context)
{
    struct rewind *rewind = need_memory(sizeof *rewind);

    *rewind = (struct rewind){
        .work = {.apply = rewind_apply, .done = rewind_done},
        .inbox = inbox_of(turns, group),
        .topic = topic,
        .position = position,
        .done = done,
        .context = context,
    };
    turns_add(turns, &rewind->work);
}
