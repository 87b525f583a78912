/* Sources of requests: how far each has come, and what holds it up. */
#include "pump.h"

static struct source *source_find(struct mp_ledger *ledger, uint64_t number)
{
    for (uint32_t i = 0; i < ledger->source_count; i++) {
        if (ledger->sources[i].source == number) return &ledger->sources[i];
    }
    return NULL;
}

mp_status source_check(struct mp_ledger *ledger, const mp_request *request)
{
    const struct source *source;

    if (request->source == 0 || request->source_position == 0) return MP_OK;
    source = source_find(ledger, request->source);
    if (source == NULL) return ledger->source_count < SOURCES_MAX ? MP_OK : MP_LIMIT;
    if (request->source_position <= source->position) return MP_OUT_OF_ORDER;
    if (source->refused != 0 && request->source_position > source->refused) return source->refusal;
    return MP_OK;
}

bool source_set(struct mp_ledger *ledger, uint64_t number, uint64_t position)
{
    struct source *source = source_find(ledger, number);

    if (source == NULL) {
        if (ledger->source_count == SOURCES_MAX) return false;
        source = &ledger->sources[ledger->source_count++];
        source->source = number;
    }
    source->position = position;
    return true;
}

void source_done(struct mp_ledger *ledger, const mp_request *request, mp_status status)
{
    struct source *source;

    if (request->source == 0 || request->source_position == 0 || status == MP_OUT_OF_ORDER) return;
    source = source_find(ledger, request->source);
    if (status == MP_OK) {
        source->refused = 0; /* apply has set its position */
        return;
    }
    if (source == NULL) {
        if (!source_set(ledger, request->source, 0)) return; /* all of its requests are refused */
        source = source_find(ledger, request->source);
    }
    if (source->refused != 0 && request->source_position > source->refused) return;
    source->refused = request->source_position;
    source->refusal = status;
}
