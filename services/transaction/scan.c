/* Looking through the ledger's records, a piece at a time. */
#include "transaction.h"

#include <stdlib.h>

static void unlink_scan(struct scan *scan)
{
    struct scan **link = &scan->service->scans;

    while (*link != scan) link = &(*link)->next;
    *link = scan->next;
}

static void run(void *context)
{
    struct scan *scan = context;
    struct transactions *service = scan->service;

    if (scan->look(scan)) {
        loop_post(service->context->loop, &scan->task);
        return;
    }
    unlink_scan(scan);
    free(scan);
    service_idle(service);
}

void scan_begin(struct scan *scan, struct http_exchange *exchange, bool (*look)(struct scan *scan))
{
    struct transactions *service = exchange->service;

    scan->service = service;
    scan->exchange = exchange;
    scan->look = look;
    scan->task = (struct loop_task){.run = run, .context = scan};
    scan->next = service->scans;
    service->scans = scan;
    loop_post(service->context->loop, &scan->task);
}

void scan_stop(struct transactions *service)
{
    while (service->scans != NULL) {
        struct scan *scan = service->scans;

        service->scans = scan->next;
        loop_task_cancel(service->context->loop, &scan->task);
        free(scan);
    }
}
