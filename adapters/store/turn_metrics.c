#include "store/turn_metrics.h"

#include "observe/metrics.h"

void turns_metrics(struct turns *turns, const struct store *store, const char *name,
                   uint64_t now_ns)
{
    uint16_t service = metric_word(LABEL_service, name);
    struct turns_state state;
    uint64_t age_ns;

    turns_state(turns, &state);
    age_ns = state.outbox_oldest_ns != 0 && state.outbox_oldest_ns < now_ns
                 ? now_ns - state.outbox_oldest_ns
                 : 0;
    metric_set(METRIC_consumer_lag, (double)state.lag, .service = service);
    metric_set(METRIC_dlq_depth, state.parked, .service = service);
    metric_set(METRIC_outbox_oldest_seconds, (double)age_ns / 1e9, .service = service);
    metric_set(METRIC_outbox_rows, (double)state.outbox_rows, .service = service);
    metric_set(METRIC_turns_waiting, state.waiting, .service = service);
    metric_total(METRIC_turn_pieces_total, state.pieces, .service = service);
    metric_total(METRIC_turns_total, state.turns, .service = service);
    metric_total(METRIC_store_commits_total, store_counted(&store->commits), .service = service);
    metric_total(METRIC_store_rows_written_total, store_counted(&store->rows_written),
                 .service = service);
    metric_total(METRIC_store_statements_total, store_counted(&store->statements),
                 .service = service);
}
