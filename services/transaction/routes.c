/* The transaction service's routes. */
#include "transaction.h"

#include "runtime/dead_letters.h"

#include "wire/batch.h"

static const char *const sorts[] = {"-timestamp", NULL};
static const char *const journal_sorts[] = {"position", NULL};

static const struct http_query transaction_queries[] = {
    {"account", RECORD_ACCOUNT, NULL, false, "Account that is debited or credited."},
    {"ledger", RECORD_COUNT_OF, NULL, false, "Number of the ledger."},
    {"code", RECORD_COUNT_OF, NULL, false, "What they are for."},
    {"payment", RECORD_ID, NULL, false,
     "The payment that they are part of; of bulk transfers, their user_data_128."},
    {"timestamp", RECORD_TIME, NULL, true, "When they were booked."},
    {.name = NULL},
};

static const struct http_query journal_queries[] = {
    {"after", RECORD_BIG, NULL, false, "Position of the ledger's log; from the start unless said."},
    {.name = NULL},
};

DEAD_LETTERS_OF(struct transactions);

const struct http_route transaction_routes[] = {
    {
        .method = HTTP_POST,
        .path = "/api/v1/transactions",
        .handle = bulk_create,
        .scope = "bulk",
        .raw = true,
        .consumes = "application/json, " BATCH_MEDIA_TYPE,
        .produces = "application/json, " BATCH_MEDIA_TYPE,
        .refuses = {REASON_BUSY, REASON_OUT_OF_SPACE, REASON_LEDGER_STOPPED},
        .summary = "Books transfers in bulk",
        .help = "Up to 8,190 transfers, as a JSON array or a binary batch; the answer has the "
                "ledger's result for each, in the same form. Amounts are minor units. A request "
                "that can't be understood, or that names a ledger of others, is refused whole. "
                "Needs no Idempotency-Key: a transfer that is sent again answers `exists`. With "
                "`Prefer: return=minimal` JSON lists the refused ones alone, beside the counts.",
    },
    {
        .method = HTTP_GET,
        .path = "/api/v1/transactions",
        .handle = transactions_list,
        .scope = "transactions:read",
        .gives = &transaction_body_record,
        .lists = true,
        .query = transaction_queries,
        .sorts = sorts,
        .refuses = {REASON_ACCOUNT_NOT_FOUND},
        .summary = "Lists the ledger's transfers",
        .help =
            "Newest first unless sorted otherwise. Without `account` all of the ledger may have "
            "to be looked through: then a page may have fewer rows than `limit`, or none, and "
            "yet a `next`.",
    },
    {
        .method = HTTP_GET,
        .path = "/api/v1/transactions/{id}",
        .handle = transactions_get,
        .scope = "transactions:read",
        .gives = &transaction_body_record,
        .refuses = {REASON_NOT_FOUND},
        .summary = "Shows a transfer of the ledger",
        .help = "By its id as a UUID: that of the number which bulk takes in decimal too.",
    },
    {
        .method = HTTP_POST,
        .path = "/api/v1/transactions/{id}/reversals",
        .handle = reversals_create,
        .scope = "bulk",
        .key = HTTP_KEY_REQUIRED,
        .waits = true,
        .takes = &reversal_request_record,
        .gives = &reversal_body_record,
        .success = 201,
        .refuses = {REASON_NOT_FOUND, REASON_PAYMENT_CAPTURED, REASON_AMOUNT_TOO_LARGE,
                    REASON_INSUFFICIENT_FUNDS, REASON_ACCOUNT_FROZEN, REASON_ACCOUNT_CLOSED,
                    REASON_KEY_REUSED},
        .summary = "Undoes a transaction, in whole or in part",
        .help =
            "A transfer in the other direction, for no more in all than was moved. What is part "
            "of a payment is refunded instead.",
    },
    {
        .method = HTTP_GET,
        .path = "/api/v1/transactions/{id}/reversals/{reversal}",
        .handle = reversals_get,
        .scope = "transactions:read",
        .gives = &reversal_body_record,
        .refuses = {REASON_NOT_FOUND},
        .summary = "Shows a reversal",
        .help = "As far as the ledger has answered it.",
    },
    {
        .method = HTTP_GET,
        .path = "/api/v1/ledgers",
        .handle = ledgers_list,
        .scope = "transactions:read",
        .gives = &ledgers_body_record,
        .summary = "Lists the tenant's books",
        .help = "One for each currency that was ever used, with the system's accounts.",
    },
    {
        .method = HTTP_GET,
        .path = "/api/v1/journal",
        .handle = journal_list,
        .scope = "transactions:read",
        .gives = &journal_entry_record,
        .lists = true,
        .query = journal_queries,
        .sorts = journal_sorts,
        .summary = "Lists all changes of the tenant's books",
        .help = "Oldest first; transfers, expiries and account updates, with the balances after "
                "each. `next` is never null: ask for it, at once or later, and none is missed.",
    },
    DEAD_LETTER_ROUTES,
    {.path = NULL},
};
