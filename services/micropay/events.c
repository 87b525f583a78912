/* events: what happens, as it happens */
#include "feed.h"

static void on_event(void *context, const cJSON *event)
{
    struct feed *feed = context;

    event_show(feed->platform, event, 0);
}

static void on_failed(void *context, const struct reply *reply)
{
    struct feed *feed = context;

    platform_refused(feed->platform, reply);
    platform_stop(feed->platform);
}

/* Ends by a signal, or when the platform does. */
enum exit_status verb_events(struct command *command)
{
    struct platform platform;
    struct feed feed = {
        .platform = &platform, .each = on_event, .failed = on_failed, .context = &feed};
    enum exit_status status = platform_open(command, &platform);

    if (status != EXIT_DONE) return status;
    status = feed_begin(&feed);
    if (status == EXIT_DONE) {
        feed_poll(&feed);
        platform_run(&platform);
        status = EXIT_LEDGER;
    }
    feed.stopped = true;
    platform_close(&platform);
    return status;
}
