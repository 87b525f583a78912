/* The balance service's routes. */
#include "balance.h"

#include "runtime/dead_letters.h"

static const struct http_query get_query[] = {
    {.name = "at", .kind = RECORD_TIME, .help = "As it stood at that instant; now unless said."},
    {.name = "by",
     .kind = RECORD_CHOICE,
     .choices = balance_orders,
     .help = "What `at` is of: booking (default), or value dates."},
    {.name = NULL},
};

static const struct http_query history_query[] = {
    {.name = "from", .kind = RECORD_TIME, .help = "From that instant on."},
    {.name = "to", .kind = RECORD_TIME, .help = "Up to before that instant."},
    {.name = NULL},
};
static const char *const history_sorts[] = {"-time", NULL};

static const struct http_query list_query[] = {
    {.name = "status",
     .kind = RECORD_CHOICE,
     .choices = reservation_statuses,
     .help = "Those of a status; all that are open unless said."},
    {.name = "reference", .kind = RECORD_TEXT, .help = "The caller's own."},
    {.name = "created_at", .kind = RECORD_TIME, .range = true, .help = "When they were asked for."},
    {.name = NULL},
};
static const char *const list_sorts[] = {"-created_at", NULL};

DEAD_LETTERS_OF(struct balances);

const struct http_route balance_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v1/balances/{account}",
     .handle = balances_get,
     .scope = "balances:read",
     .gives = &balance_body_record,
     .query = get_query,
     .refuses = {REASON_ACCOUNT_NOT_FOUND, REASON_NOT_YET_VISIBLE, REASON_AMOUNT_TOO_LARGE,
                 REASON_NOT_READY},
     .summary = "Show a balance",
     .help =
         "Now, or as it stood at an instant; with the place in the ledger's history that it has "
         "seen."},
    {.method = HTTP_GET,
     .path = "/api/v1/balances/{account}/history",
     .handle = balances_history,
     .scope = "balances:read",
     .gives = &balance_history_row_record,
     .lists = true,
     .query = history_query,
     .sorts = history_sorts,
     .refuses = {REASON_ACCOUNT_NOT_FOUND, REASON_NOT_YET_VISIBLE, REASON_AMOUNT_TOO_LARGE,
                 REASON_NOT_READY},
     .summary = "Show what moved a balance",
     .help = "Each movement, hold and end of a hold, with the sums right after it; newest first."},
    {.method = HTTP_POST,
     .path = "/api/v1/balances/{account}/reservations",
     .handle = reservations_create,
     .scope = "balances:write",
     .key = HTTP_KEY_REQUIRED,
     .waits = true,
     .takes = &reservation_request_record,
     .gives = &reservation_body_record,
     .success = 201,
     .refuses = {REASON_ACCOUNT_NOT_FOUND, REASON_ACCOUNT_CLOSED, REASON_ACCOUNT_FROZEN,
                 REASON_INSUFFICIENT_FUNDS, REASON_SAME_ACCOUNT, REASON_CURRENCY_MISMATCH,
                 REASON_KEY_REUSED, REASON_BUSY, REASON_NOT_READY},
     .summary = "Set money aside",
     .help = "A reservation that is no payment's: held for another account until it is released or "
             "its time is over."},
    {.method = HTTP_GET,
     .path = "/api/v1/balances/{account}/reservations",
     .handle = reservations_list,
     .scope = "balances:read",
     .gives = &reservation_body_record,
     .lists = true,
     .query = list_query,
     .sorts = list_sorts,
     .refuses = {REASON_ACCOUNT_NOT_FOUND, REASON_NOT_READY},
     .summary = "List reservations",
     .help =
         "Those of the account that are open, newest first; payments' holds are not among them."},
    {.method = HTTP_GET,
     .path = "/api/v1/balances/{account}/reservations/{id}",
     .handle = reservations_get,
     .scope = "balances:read",
     .gives = &reservation_body_record,
     .refuses = {REASON_NOT_FOUND},
     .summary = "Show a reservation",
     .help = "Also one that has ended."},
    {.method = HTTP_DELETE,
     .path = "/api/v1/balances/{account}/reservations/{id}",
     .handle = reservations_release,
     .scope = "balances:write",
     .waits = true,
     .gives = &reservation_body_record,
     .refuses = {REASON_NOT_FOUND},
     .summary = "Release a reservation",
     .help = "The money is free again; once more does nothing."},
    DEAD_LETTER_ROUTES,
    REPLAY_ROUTE,
    {.path = NULL},
};
