/* Answers calls after a time of the test's loop. */
#include "resilience/fake_client.h"

#include <stdlib.h>
#include <strings.h>

struct fake_call {
    struct http_client *client;
    struct http_call call;
    struct fake_answer answer;
    struct loop_timer timer;
};

static const char *retry_after;

static const char *header(const struct http_reply *reply, const char *name)
{
    (void)reply;
    return strcasecmp(name, "Retry-After") == 0 ? retry_after : NULL;
}

static void answer(void *context)
{
    struct fake_call *it = context;
    struct http_reply reply = {.status = it->answer.status, .header = header};
    struct error err = {0};

    if (reply.status == 0) error_set(&err, it->answer.reason, "could not reach the fake");
    retry_after = it->answer.retry_after;
    it->client->outstanding--;
    it->call.done(it->call.context, &reply, reply.status == 0 ? &err : NULL);
    free(it);
}

void http_client_call(struct http_client *client, const struct http_call *call)
{
    struct fake_call *it = need_memory(sizeof *it);

    *it = (struct fake_call){.client = client, .call = *call};
    it->answer = client->decide(client->context, call);
    it->timer = (struct loop_timer){.fire = answer, .context = it};
    if (!it->answer.never && it->answer.after_ms > call->timeout_ms)
        it->answer = (struct fake_answer){.reason = REASON_TIMEOUT, .after_ms = call->timeout_ms};
    client->calls++;
    client->outstanding++;
    if (client->outstanding > client->most_outstanding)
        client->most_outstanding = client->outstanding;
    loop_timer_set(client->loop, &it->timer, it->answer.after_ms * 1000000);
}
