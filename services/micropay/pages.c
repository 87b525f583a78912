#include "pages.h"

static void set_limit(struct pages *pages)
{
    pages->filter.limit = pages->left < MP_BATCH_MAX ? (uint32_t)pages->left : MP_BATCH_MAX;
    pages->more = pages->left > 0;
}

struct pages pages_begin(const struct command *command)
{
    struct pages pages = {
        .filter =
            {
                .user_data_128 = number_of(command, OPT_USER_DATA_128),
                .user_data_64 = u64_of(command, OPT_USER_DATA_64),
                .user_data_32 = u32_of(command, OPT_USER_DATA_32),
                .ledger = u32_of(command, OPT_LEDGER),
                .code = u16_of(command, OPT_CODE),
                .timestamp_min = u64_of(command, OPT_FROM),
                .timestamp_max = u64_of(command, OPT_TO),
                .flags = given(command, OPT_NEWEST) ? MP_FILTER_REVERSED : 0,
            },
        .left = given(command, OPT_LIMIT) ? u64_of(command, OPT_LIMIT) : UINT64_MAX,
    };

    set_limit(&pages);
    return pages;
}

void pages_next(struct pages *pages, uint32_t count, uint64_t last_timestamp)
{
    bool full = count == pages->filter.limit;

    pages->left -= count;
    set_limit(pages);
    if (pages->filter.flags & MP_FILTER_REVERSED) {
        /* an upper bound of 0 would mean none */
        if (last_timestamp <= 1) full = false;
        pages->filter.timestamp_max = last_timestamp - 1;
    } else {
        pages->filter.timestamp_min = last_timestamp + 1;
    }
    if (!full) pages->more = false;
}
