/* A limit of concurrency with a queue. */
#include "resilience/bulkhead.h"

static void link_last(struct bulkhead *bulkhead, struct bulkhead_place *place)
{
    place->next = NULL;
    place->before = bulkhead->last;
    if (bulkhead->last != NULL)
        bulkhead->last->next = place;
    else
        bulkhead->first = place;
    bulkhead->last = place;
    bulkhead->waiting++;
}

static void unlink_place(struct bulkhead *bulkhead, struct bulkhead_place *place)
{
    if (place->before != NULL)
        place->before->next = place->next;
    else
        bulkhead->first = place->next;
    if (place->next != NULL)
        place->next->before = place->before;
    else
        bulkhead->last = place->before;
    bulkhead->waiting--;
}

static void admit_some(void *context)
{
    struct bulkhead *bulkhead = context;

    while (bulkhead->first != NULL && bulkhead->inside < bulkhead->policy.inside) {
        struct bulkhead_place *place = bulkhead->first;

        bulkhead_give_up(place);
        bulkhead->inside++;
        place->admitted(place->context);
    }
}

static void waited_too_long(void *context)
{
    struct bulkhead_place *place = context;

    unlink_place(place->bulkhead, place);
    place->refused(place->context);
}

void bulkhead_make(struct bulkhead *bulkhead, struct loop *loop,
                   const struct bulkhead_policy *policy)
{
    *bulkhead = (struct bulkhead){.loop = loop, .policy = *policy};
    bulkhead->admit = (struct loop_task){.run = admit_some, .context = bulkhead};
}

enum bulkhead_answer bulkhead_enter(struct bulkhead *bulkhead, struct bulkhead_place *place)
{
    if (bulkhead->inside < bulkhead->policy.inside && bulkhead->first == NULL) {
        bulkhead->inside++;
        return BULKHEAD_ADMITTED;
    }
    if (bulkhead->waiting >= bulkhead->policy.waiting) return BULKHEAD_FULL;
    place->bulkhead = bulkhead;
    place->timer = (struct loop_timer){.fire = waited_too_long, .context = place};
    link_last(bulkhead, place);
    if (bulkhead->policy.wait_ms > 0)
        loop_timer_set(bulkhead->loop, &place->timer, bulkhead->policy.wait_ms * 1000000);
    return BULKHEAD_WAITS;
}

void bulkhead_leave(struct bulkhead *bulkhead)
{
    bulkhead->inside--;
    if (bulkhead->first != NULL) loop_post(bulkhead->loop, &bulkhead->admit);
}

void bulkhead_done(struct bulkhead *bulkhead)
{
    loop_task_cancel(bulkhead->loop, &bulkhead->admit);
}

void bulkhead_give_up(struct bulkhead_place *place)
{
    loop_timer_cancel(place->bulkhead->loop, &place->timer);
    unlink_place(place->bulkhead, place);
}
