/* The verbs, in the order of the help */
#include "command.h"

enum { NO_LIMIT = 100000 }; /* more than a command line can hold */

#define OPTIONS(...)                                                                               \
    (const enum option[]) { __VA_ARGS__, OPT_END }
#define NO_OPTIONS ((const enum option[]){OPT_END})
#define USER_DATA  OPT_USER_DATA_128, OPT_USER_DATA_64, OPT_USER_DATA_32

/* How times are written, for verbs that take one */
#define TIMES                                                                                      \
    "TIME is in UTC: nanoseconds since 1970, 2024-12-31 (its first instant), or "                  \
    "2024-12-31T23:59:59.999999999Z."
#define BOOKED                                                                                     \
    "Prints the event's id, result and time, and the accounts' sums after it. Exit status 1 if "   \
    "it is refused."

#define WALLETS                                                                                    \
    "A wallet is a name, or the id of an account. In test mode one that is named appears, with "   \
    "1,000.00 in it."

const struct verb verbs[] = {
    {
        .name = "up",
        .summary = "starts the whole platform in one process",
        .usage = "[--data DIR] [--port-base N] [--config FILE] [--set NAME=VALUE] ...",
        .examples = "micropay up\n"
                    "micropay up --data /srv/micropay --port-base 9000",
        .options = NO_OPTIONS,
        .platform = true,
        .program = program_up,
    },
    {
        .name = "pay",
        .summary = "pays from one wallet to another",
        .usage = "PAYER PAYEE AMOUNT CURRENCY [--watch] [--curl] [--key TEXT] [--simulate OUTCOME]",
        .more = WALLETS " Exit status 1, and a problem, if it fails.",
        .examples = "micropay pay alice bob 12.50 EUR --watch\n"
                    "micropay pay alice bob 12.50 EUR --curl | sh\n"
                    "micropay pay alice bob 5000 EUR",
        .options = OPTIONS(OPT_WATCH, OPT_CURL, OPT_KEY, OPT_SIMULATE),
        .arguments_min = 4,
        .arguments_max = 4,
        .platform = true,
        .run = verb_pay,
    },
    {
        .name = "hold",
        .summary = "holds an amount, to be captured by 'payment capture'",
        .usage = "PAYER PAYEE AMOUNT CURRENCY [--watch] [--curl] [--key TEXT] [--simulate OUTCOME]",
        .more = WALLETS,
        .examples = "micropay hold alice shop 80 EUR\n"
                    "micropay payment capture 30",
        .options = OPTIONS(OPT_WATCH, OPT_CURL, OPT_KEY, OPT_SIMULATE),
        .arguments_min = 4,
        .arguments_max = 4,
        .platform = true,
        .run = verb_hold,
    },
    {
        .name = "payment",
        .summary = "captures, adds to, cancels, refunds, shows a payment",
        .usage = "capture [AMOUNT] [--final] [--id ID]\n"
                 "increase AMOUNT [--id ID]\n"
                 "extend DURATION [--id ID]\n"
                 "cancel [--id ID]\n"
                 "refund [AMOUNT] [--id ID]\n"
                 "show [--id ID]\n"
                 "list [--limit N]",
        .more = "The payment that was made last from this data directory, or the one that --id "
                "names. Without an amount all that is left. Shows what was held, captured and "
                "refunded after each step. DURATION is such as P7D or PT12H.",
        .examples = "micropay payment capture 30\n"
                    "micropay payment increase 20\n"
                    "micropay payment refund 25\n"
                    "micropay payment list --limit 5",
        .options = OPTIONS(OPT_PAYMENT_ID, OPT_FINAL, OPT_KEY, OPT_CURL, OPT_LIMIT),
        .arguments_min = 1,
        .arguments_max = 2,
        .platform = true,
        .run = verb_payment,
    },
    {
        .name = "wallet",
        .summary = "opens, lists, freezes, shows wallets",
        .usage = "open NAME [--currency CUR]\n"
                 "list\n"
                 "freeze NAME [--currency CUR]\n"
                 "unfreeze NAME [--currency CUR]\n"
                 "statement NAME [--currency CUR] [--limit N] [--newest]",
        .more = WALLETS,
        .examples = "micropay wallet list\n"
                    "micropay wallet statement alice\n"
                    "micropay wallet freeze alice",
        .options = OPTIONS(OPT_CURRENCY, OPT_LIMIT, OPT_NEWEST),
        .arguments_min = 1,
        .arguments_max = 2,
        .platform = true,
        .run = verb_wallet,
    },
    {
        .name = "events",
        .summary = "shows events as they happen",
        .usage = "[--watch]",
        .more = "Those of the API key's tenant, until it is interrupted.",
        .examples = "micropay events --watch\n"
                    "micropay events --watch --json",
        .options = OPTIONS(OPT_WATCH),
        .platform = true,
        .run = verb_events,
    },
    {
        .name = "topics",
        .summary = "lists topics and event types, or writes their schemas",
        .usage = "[--asyncapi | --schemas DIR]",
        .examples = "micropay topics\n"
                    "micropay topics --asyncapi >asyncapi.json\n"
                    "micropay topics --schemas schemas",
        .options = OPTIONS(OPT_ASYNCAPI, OPT_SCHEMAS),
        .platform = true,
        .run = verb_topics,
    },
    {
        .name = "dlq",
        .summary = "lists, shows, applies, drops events that a service could not apply",
        .usage = "list [--service NAME] [--limit N]\n"
                 "show NUMBER --service NAME\n"
                 "replay NUMBER --service NAME\n"
                 "drop NUMBER --service NAME",
        .more =
            "An event that can't be applied is parked, and the later ones of its key behind it, so "
            "that nothing is lost. 'replay' applies all of the key, the oldest first, and ends "
            "at one that is refused again: exit status 1, and what was applied stays so. 'drop' "
            "deletes one alone, for good. Numbers are a service's own, so the last "
            "three need --service; 'list' asks all without it. The API key needs the scope admin.",
        .examples = "micropay dlq list\n"
                    "micropay dlq show 3 --service balance\n"
                    "micropay dlq replay 3 --service balance\n"
                    "micropay dlq drop 3 --service balance",
        .options = OPTIONS(OPT_SERVICE, OPT_LIMIT),
        .arguments_min = 1,
        .arguments_max = 2,
        .platform = true,
        .run = verb_dlq,
    },
    {
        .name = "replay",
        .summary = "has a service read a topic again",
        .usage = "SERVICE TOPIC [--after POSITION]",
        .more =
            "From the oldest record that is kept on, or from behind a position of each "
            "partition. Refused unless all that the service does with the topic is to change "
            "its own rows; dead letters stay where they are. The API key needs the scope admin.",
        .examples = "micropay replay balance micropay.account\n"
                    "micropay replay balance micropay.account --after 1200",
        .options = OPTIONS(OPT_AFTER_RECORD),
        .arguments_min = 2,
        .arguments_max = 2,
        .platform = true,
        .run = verb_replay,
    },
    {
        .name = "demo",
        .summary = "shows what becomes of payments when the process is killed",
        .usage = "crash [--payments N] [--kills N]",
        .more = "Starts a platform of its own in a temporary directory and sends payments to it "
                "from several clients. The process is killed at random instants and started "
                "again; what was not answered is sent again with the same key. Then counts what "
                "is final, doubled and stuck, compares each balance with the payments that were "
                "acknowledged, and verifies the ledger. Exit status 1 if anything is wrong.",
        .examples = "micropay demo crash\n"
                    "micropay demo crash --payments 10000 --kills 100",
        .options = OPTIONS(OPT_PAYMENTS, OPT_KILLS),
        .arguments_min = 1,
        .arguments_max = 1,
        .platform = true,
        .run = verb_demo,
    },
    {
        .name = "init",
        .summary = "makes an empty ledger in a directory",
        .usage = "DIR",
        .examples = "micropay init books",
        .options = NO_OPTIONS,
        .arguments_min = 1,
        .arguments_max = 1,
        .run = verb_init,
    },
    {
        .name = "import",
        .summary = "books the rows of a CSV file",
        .usage = "DIR FILE [--create-accounts] [--scale N] [--results FILE] [--batch] [--strict]\n"
                 "DIR FILE --accounts [--results FILE] [--batch] [--strict]",
        .more = "FILE is plain or compressed with gzip; '-' is standard input. Its header names "
                "fields of a transfer (of an account), in any order, with ',' or ';' between "
                "them; what is missing or empty is 0:\n"
                "id debit_account_id credit_account_id amount pending_id user_data_128 "
                "user_data_64 user_data_32 timeout ledger code flags timestamp; for accounts id "
                "user_data_128 user_data_64 user_data_32 ledger code flags timestamp.\n"
                "Flags go by name, joined with '|', or by number. Amounts are in minor units; "
                "--scale 2 reads 12.34 as 1234. An amount of 'max' takes all that is left. Rows "
                "with the flag imported bring their time with them and come in its order.\n"
                "The import may be broken off at any point and run again: ids make sure that "
                "nothing is booked twice. A row that can't be read is named and left out; of a "
                "chain that it is part of nothing is booked. Exit status 1 if a row was refused "
                "or couldn't be read.",
        .examples =
            "micropay import books payments.csv.gz --scale 2\n"
            "micropay import books history.csv --create-accounts --results results.csv\n"
            "micropay generate --movements 1000000 | micropay import books - --create-accounts\n"
            "micropay import books accounts.csv --accounts",
        .options =
            OPTIONS(OPT_CREATE_ACCOUNTS, OPT_ACCOUNTS_FILE, OPT_RESULTS, OPT_BATCH, OPT_STRICT),
        .arguments_min = 2,
        .arguments_max = 2,
        .run = verb_import,
    },
    {
        .name = "generate",
        .summary = "makes up a bank's movements, as CSV for import",
        .usage = "[--movements N] [--accounts N] [--seed N] [--start DATE] [-o FILE] ...",
        .more = "Customers have the ids 1 to N, the bank's cash, cards, interest, fees, loans "
                "and other banks 1000000001 to 1000000006. Code tells the kind of movement. "
                "Customers never go below zero. Rows have the flag imported and lie at least 4 "
                "ns apart, unless --live.",
        .examples =
            "micropay generate --movements 1000000 --accounts 10000 -o bank.csv\n"
            "micropay generate --movements 100000000 --accounts 1000000 | gzip -1 >bank.csv.gz\n"
            "micropay generate --live --reservations --seed 7",
        .options = OPTIONS(OPT_MOVEMENTS, OPT_ACCOUNT_COUNT, OPT_SEED, OPT_START, OPT_DAYS,
                           OPT_LIVE, OPT_RESERVATIONS, OPT_FIRST_ID, OPT_OUTPUT),
        .arguments_min = 0,
        .arguments_max = 0,
        .run = verb_generate,
    },
    {
        .name = "accounts",
        .summary = "lists accounts, or adds some",
        .usage = "DIR [ID...] [--ledger N] [--code N] [--from TIME] [--to TIME] ...\n"
                 "DIR add ID... --ledger N --code N [--flags A|B]",
        .more = "Flags: debits_must_not_exceed_credits or credits_must_not_exceed_debits "
                "(limits), history, closed, frozen_debits, frozen_credits; linked; imported with "
                "--timestamp. Adding an account again changes nothing and is no error. " TIMES,
        .examples = "micropay accounts books\n"
                    "micropay accounts books add 1001 1002 --ledger 840 --code 10 --flags "
                    "debits_must_not_exceed_credits\n"
                    "micropay accounts books 1001 --json",
        .options = OPTIONS(OPT_LEDGER, OPT_CODE, OPT_ACCOUNT_FLAGS, USER_DATA, OPT_TIMESTAMP,
                           OPT_FROM, OPT_TO, OPT_LIMIT, OPT_NEWEST),
        .arguments_min = 1,
        .arguments_max = NO_LIMIT,
        .run = verb_accounts,
    },
    {
        .name = "transfer",
        .summary = "books one transfer",
        .usage = "DIR --debit ID --credit ID --amount N --ledger N --code N [--id ID] ...",
        .more = "Flags: pending, balancing_debit, balancing_credit, closing_debit, "
                "closing_credit, imported; those that refer to --pending-id: "
                "post_pending_transfer, void_pending_transfer, keep_pending, increase_pending, "
                "reversal; bind_id. " BOOKED,
        .examples = "micropay transfer books --debit 1001 --credit 1002 --amount 2500 --ledger 840 "
                    "--code 1\n"
                    "micropay transfer books --debit 1001 --credit 1002 --amount 25.00 --scale 2 "
                    "--ledger 840 --code 1 --id 77",
        .options =
            OPTIONS(OPT_DEBIT, OPT_CREDIT, OPT_AMOUNT, OPT_LEDGER, OPT_CODE, OPT_ID,
                    OPT_TRANSFER_FLAGS, OPT_PENDING_ID, OPT_TIMEOUT, OPT_TIMESTAMP, USER_DATA),
        .arguments_min = 1,
        .arguments_max = 1,
        .run = verb_transfer,
    },
    {
        .name = "reserve",
        .summary = "sets an amount aside, to be captured or released",
        .usage = "DIR --debit ID --credit ID --amount N --ledger N --code N [--timeout S] ...",
        .more = BOOKED,
        .examples = "micropay reserve books --debit 1001 --credit 1002 --amount 5000 --ledger 840 "
                    "--code 1 --timeout 3600 --id 88",
        .options = OPTIONS(OPT_DEBIT, OPT_CREDIT, OPT_AMOUNT, OPT_LEDGER, OPT_CODE, OPT_TIMEOUT,
                           OPT_ID, OPT_TRANSFER_FLAGS, USER_DATA),
        .arguments_min = 1,
        .arguments_max = 1,
        .run = verb_reserve,
    },
    {
        .name = "capture",
        .summary = "books a reservation, whole or in part",
        .usage = "DIR RESERVATION [--amount N] [--keep] [--id ID] ...",
        .more = "Without --amount all that is left. " BOOKED,
        .examples = "micropay capture books 88\n"
                    "micropay capture books 88 --amount 2000 --keep",
        .options = OPTIONS(OPT_AMOUNT, OPT_KEEP, OPT_ID, USER_DATA),
        .arguments_min = 2,
        .arguments_max = 2,
        .run = verb_capture,
    },
    {
        .name = "increase",
        .summary = "adds to a reservation, or extends it",
        .usage = "DIR RESERVATION [--amount N] [--timeout S] [--id ID] ...",
        .more = BOOKED,
        .examples = "micropay increase books 88 --amount 1000\n"
                    "micropay increase books 88 --timeout 7200",
        .options = OPTIONS(OPT_AMOUNT, OPT_TIMEOUT, OPT_ID, USER_DATA),
        .arguments_min = 2,
        .arguments_max = 2,
        .run = verb_increase,
    },
    {
        .name = "release",
        .summary = "gives a reservation back",
        .usage = "DIR RESERVATION [--id ID] ...",
        .more = BOOKED,
        .examples = "micropay release books 88",
        .options = OPTIONS(OPT_ID, USER_DATA),
        .arguments_min = 2,
        .arguments_max = 2,
        .run = verb_release,
    },
    {
        .name = "reverse",
        .summary = "books a transfer backwards, whole or in part",
        .usage = "DIR TRANSFER [--amount N] [--code N] [--id ID] ...",
        .more = "Without --amount all that isn't reversed yet. " BOOKED,
        .examples = "micropay reverse books 77\n"
                    "micropay reverse books 77 --amount 500 --code 9",
        .options = OPTIONS(OPT_AMOUNT, OPT_CODE, OPT_ID, USER_DATA),
        .arguments_min = 2,
        .arguments_max = 2,
        .run = verb_reverse,
    },
    {
        .name = "freeze",
        .summary = "lets nothing be debited from, credited to an account",
        .usage = "DIR ACCOUNT [--debits|--credits] [--id ID] [--code N] ...",
        .more = "Without --debits or --credits both. Reservations may still be released. " BOOKED,
        .examples = "micropay freeze books 1001 --debits",
        .options = OPTIONS(OPT_DEBITS, OPT_CREDITS, OPT_ID, OPT_CODE, USER_DATA),
        .arguments_min = 2,
        .arguments_max = 2,
        .run = verb_freeze,
    },
    {
        .name = "unfreeze",
        .summary = "undoes freeze",
        .usage = "DIR ACCOUNT [--debits|--credits] [--id ID] [--code N] ...",
        .more = "Without --debits or --credits both. " BOOKED,
        .examples = "micropay unfreeze books 1001",
        .options = OPTIONS(OPT_DEBITS, OPT_CREDITS, OPT_ID, OPT_CODE, USER_DATA),
        .arguments_min = 2,
        .arguments_max = 2,
        .run = verb_unfreeze,
    },
    {
        .name = "close",
        .summary = "closes an empty account",
        .usage = "DIR ACCOUNT [--reopen] [--id ID] [--code N] ...",
        .more = "Its debits and credits must be equal, and nothing pending. " BOOKED,
        .examples = "micropay close books 1001\n"
                    "micropay close books 1001 --reopen",
        .options = OPTIONS(OPT_REOPEN, OPT_ID, OPT_CODE, USER_DATA),
        .arguments_min = 2,
        .arguments_max = 2,
        .run = verb_close,
    },
    {
        .name = "balance",
        .summary = "shows accounts' sums, now or as of an instant",
        .usage = "DIR ACCOUNT... [--at TIME]",
        .more = "Several accounts are shown as of one point of the history. credits-debits are "
                "the posted sums' difference: what a bank owes its customer. " TIMES,
        .examples = "micropay balance books 1001 1002\n"
                    "micropay balance books 1001 --at 2024-12-31T23:59:59Z --json",
        .options = OPTIONS(OPT_AT),
        .arguments_min = 2,
        .arguments_max = NO_LIMIT,
        .run = verb_balance,
    },
    {
        .name = "statement",
        .summary = "lists what moved an account, with its balance after each",
        .usage = "DIR ACCOUNT [--from TIME] [--to TIME] [--limit N] [--newest] ...",
        .more = TIMES,
        .examples = "micropay statement books 1001 --from 2024-01-01 --limit 20\n"
                    "micropay statement books 1001 --newest --json",
        .options = OPTIONS(OPT_FROM, OPT_TO, OPT_LIMIT, OPT_NEWEST, OPT_DEBITS, OPT_CREDITS,
                           OPT_CODE, OPT_ALL, OPT_CURSOR, USER_DATA),
        .arguments_min = 2,
        .arguments_max = 2,
        .run = verb_statement,
    },
    {
        .name = "transfers",
        .summary = "lists transfers, or looks some up",
        .usage = "DIR [ID...] [--ledger N] [--code N] [--from TIME] [--to TIME] [--limit N] ...",
        .more = TIMES,
        .examples = "micropay transfers books 77 88\n"
                    "micropay transfers books --code 1 --newest --limit 10",
        .options =
            OPTIONS(OPT_LEDGER, OPT_CODE, OPT_FROM, OPT_TO, OPT_LIMIT, OPT_NEWEST, USER_DATA),
        .arguments_min = 1,
        .arguments_max = NO_LIMIT,
        .run = verb_transfers,
    },
    {
        .name = "changes",
        .summary = "lists every change with both accounts after it, oldest first",
        .usage = "DIR [--after POSITION] [--from TIME] [--to TIME] [--limit N]",
        .more = "The position of the last change, given to --after, goes on where this one "
                "ended. " TIMES,
        .examples = "micropay changes books --json\n"
                    "micropay changes books --after 16785408 --limit 100",
        .options = OPTIONS(OPT_AFTER, OPT_FROM, OPT_TO, OPT_LIMIT),
        .arguments_min = 1,
        .arguments_max = 1,
        .run = verb_changes,
    },
    {
        .name = "verify",
        .summary = "recomputes every invariant from the log alone",
        .usage = "DIR [--memory-max SIZE] [--temporary DIRECTORY]",
        .more = "Works beside a live writer; names each violation. Exit status 1 if there is one.",
        .examples = "micropay verify books\n"
                    "micropay verify books --memory-max 2G --json",
        .options = OPTIONS(OPT_TEMPORARY),
        .arguments_min = 1,
        .arguments_max = 1,
        .run = verb_verify,
    },
    {
        .name = "dump",
        .summary = "writes the log, a record a line, as JSON",
        .usage = "DIR [--limit N]",
        .examples = "micropay dump books | jq 'select(.kind == \"account\").account.id'",
        .options = OPTIONS(OPT_LIMIT),
        .arguments_min = 1,
        .arguments_max = 1,
        .run = verb_dump,
    },
    {
        .name = "export",
        .summary = "writes the posted movements as a journal",
        .usage = "DIR --format hledger",
        .more = "Accounts are called code-CODE:ID, commodities L and the ledger number; a debit "
                "is positive. --json changes nothing here; 'micropay dump' writes JSON.",
        .examples = "micropay export books --format hledger | hledger -f - balance",
        .options = OPTIONS(OPT_FORMAT),
        .arguments_min = 1,
        .arguments_max = 1,
        .run = verb_export,
    },
    {
        .name = "stats",
        .summary = "shows counters and gauges",
        .usage = "DIR",
        .examples = "micropay stats books --json",
        .options = NO_OPTIONS,
        .arguments_min = 1,
        .arguments_max = 1,
        .run = verb_stats,
    },
    {
        .name = "version",
        .summary = "shows the version",
        .usage = "",
        .examples = "micropay version",
        .options = NO_OPTIONS,
        .run = verb_version,
    },
    {
        .name = "help",
        .summary = "shows the verbs, or how one goes",
        .usage = "[VERB]",
        .examples = "micropay help import",
        .options = NO_OPTIONS,
        .arguments_max = 1,
        .run = verb_help,
    },
    {.name = NULL},
};

const struct verb *verb_find(const char *name)
{
    const struct verb *verb = verbs;

    while (verb->name != NULL && strcmp(verb->name, name) != 0) verb++;
    return verb->name != NULL ? verb : NULL;
}

static void help_list(struct text *out, bool platform)
{
    for (const struct verb *verb = verbs; verb->name != NULL; verb++)
        if (verb->platform == platform) text_format(out, "  %-11s %s\n", verb->name, verb->summary);
}

void help_all(struct text *out)
{
    text_string(out,
                "micropay pays and keeps books.\n\n"
                "usage: micropay VERB ...        asks the platform that 'micropay up' starts\n");
    help_list(out, true);
    text_string(out,
                "\nusage: micropay VERB DIR ...    works on the ledger in a directory: that of "
                "the platform is DATA/ledger\n");
    help_list(out, false);
    text_string(out, "\n'micropay VERB --help' has usage, options and examples of each. Ids are "
                     "decimal, hexadecimal behind 0x, "
                     "or UUIDs.\n"
                     "Exit status: 0 done; 1 an event was refused, or something was found wrong or "
                     "missing; 2 usage; 3 the "
                     "ledger or the\nplatform could not be reached or has failed. "
                     "MICROPAY_NOW=NANOSECONDS in the "
                     "environment stops the "
                     "clock at that instant.\n");
}
