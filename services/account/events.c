/* What the service says of a wallet that has changed. */
#include "account.h"

#include <string.h>

/* The fields that all events of an account have (bus/events/account.def) */
#define FILL(event, type, wallet)                                                                  \
    do {                                                                                           \
        (event)->account.uuid = (wallet)->id;                                                      \
        memcpy((event)->currency.code, (wallet)->currency->code, sizeof(event)->currency.code);    \
        (event)->ledger = (wallet)->ledger;                                                        \
        (event)->status = wallet_status(wallet);                                                   \
        if (!uuid_is_zero((wallet)->owner)) {                                                      \
            (event)->owner = (wallet)->owner;                                                      \
            (event)->present |= RECORD_BIT(type, owner);                                           \
        }                                                                                          \
        if ((wallet)->frozen != 0) {                                                               \
            (event)->frozen = (wallet)->frozen;                                                    \
            (event)->present |= RECORD_BIT(type, frozen);                                          \
        }                                                                                          \
    } while (0)

static enum outcome say(struct turn *turn, const struct wallet *wallet,
                        const struct event_type *type, const void *data, struct uuid cause,
                        const char *traceparent, uint64_t sequence, struct error *err)
{
    struct turn_event event = {
        .type = type,
        .data = data,
        .tenant = wallet->books.tenant,
        .live = wallet->books.live,
        .key = wallet->id,
        .time_ns = wallet->updated_ns,
        .entity_version = wallet->version,
        .correlation = cause,
        .traceparent = traceparent,
        .ledger_sequence = sequence,
    };

    return turn_event(turn, &event, err);
}

enum outcome wallet_announce_created(struct turn *turn, const struct wallet *wallet,
                                     const struct change *change, struct error *err)
{
    struct account_created_event event = {0};

    FILL(&event, account_created_event, wallet);
    if (wallet->reference[0] != '\0') {
        memcpy(event.reference, wallet->reference, sizeof event.reference);
        event.present |= RECORD_BIT(account_created_event, reference);
    }
    return say(turn, wallet, EVENT_TYPE(account_created), &event, change->id, change->trace,
               change->sequence, err);
}

enum outcome wallet_announce_change(struct turn *turn, const struct wallet *wallet,
                                    const struct change *change, struct error *err)
{
    const struct event_type *type;
    union {
        struct account_closed_event closed;
        struct account_frozen_event frozen;
        struct account_unfrozen_event unfrozen;
    } event;

    memset(&event, 0, sizeof event);
    if (change->step == STEP_CLOSE) {
        FILL(&event.closed, account_closed_event, wallet);
        type = EVENT_TYPE(account_closed);
    } else if (change->lifts) {
        FILL(&event.unfrozen, account_unfrozen_event, wallet);
        type = EVENT_TYPE(account_unfrozen);
    } else {
        FILL(&event.frozen, account_frozen_event, wallet);
        type = EVENT_TYPE(account_frozen);
    }
    return say(turn, wallet, type, &event, change->id, change->trace, change->sequence, err);
}

enum outcome wallet_announce_limits(struct turn *turn, const struct wallet *wallet,
                                    const char *traceparent, struct error *err)
{
    struct account_limit_changed_event event = {0};

    FILL(&event, account_limit_changed_event, wallet);
    _Static_assert(sizeof event.limits == sizeof wallet->limits.limits, "the same list");
    memcpy(&event.limits, &wallet->limits.limits, sizeof event.limits);
    return say(turn, wallet, EVENT_TYPE(account_limit_changed), &event, (struct uuid){{0}},
               traceparent, 0, err);
}
