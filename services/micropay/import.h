/*
 * Importing, in four parts: import.c reads the file; import_gather.c puts rows together to batches;
 * import_send.c keeps several batches under way and takes the answers in the order of the file;
 * import_report.c counts and names them.
 *
 * A batch lies in a slot: its events, the accounts to make before them, and the rows they came
 * from. Slots go round: one is filled while the others are with the engine. One thread.
 */
#ifndef COMMAND_IMPORT_H
#define COMMAND_IMPORT_H

#include "account_set.h"
#include "columns.h"
#include "command.h"
#include "csv.h"
#include "progress.h"

enum {
    SLOTS = 6,
    SLOT_ROWS_MAX = 4 * MP_BATCH_MAX,     /* rows, unreadable ones too, after which it is sent */
    SLOT_ACCOUNTS_MAX = 2 * MP_BATCH_MAX, /* accounts that a batch may need */
    BATCH_NAME_MAX = 256,                 /* bytes of a value in the column "batch" */
    REFUSALS_SHOWN_MAX = 20,
};

/* What happened to a row before the engine saw it */
enum fate {
    FATE_SENT,
    FATE_UNREADABLE,
    FATE_CHAIN_TOO_LONG, /* of a chain that no batch can hold */
    FATE_BATCH_TOO_LARGE,
};

struct row {
    uint64_t line;
    uint32_t event; /* of the slot; only with FATE_SENT */
    enum fate fate;
};

enum slot_state {
    SLOT_FREE,
    SLOT_HELD,  /* its accounts are sent, its events wait for them */
    SLOT_FLYING /* its events are sent */
};

struct slot {
    enum slot_state state;
    mp_request request;
    void *events; /* mp_transfer or mp_account; MP_BATCH_MAX */
    mp_result *results;
    uint32_t count;

    struct row *rows;
    size_t row_count, row_capacity;

    mp_request account_requests[2];
    mp_account *accounts; /* to make first; SLOT_ACCOUNTS_MAX */
    mp_result *account_results;
    uint64_t *account_lines;
    uint32_t account_count;
    bool too_large;  /* --batch: more rows than a batch may have; none is sent */
    bool send_empty; /* --batch: goes in though it has no events */
    bool unsent;     /* the ledger failed before it could be sent */
};

/* Counts, messages and the file of results */
struct report {
    struct command *command;
    const char *file; /* as named on the command line */
    struct text results;
    bool has_results;
    bool accounts; /* the rows are accounts */
    uint64_t rows, created, exists, refused, unreadable, accounts_created;
    uint64_t refusals_shown;
    uint64_t by_result[2048]; /* by code; the last: all others */
};

struct import {
    struct command *command;
    mp_ledger *ledger;
    struct csv csv;
    struct columns columns;
    struct report report;
    struct progress progress;
    bool accounts, create_accounts, by_batch;

    /* slots: tail is the oldest that is under way, head the one being filled */
    struct slot slots[SLOTS];
    unsigned head, tail, under_way;
    bool failed; /* the ledger has failed, which was told; nothing more is sent */
    bool cut;    /* a slot was lost by that: those behind it aren't reported */

    /* gathering */
    bool in_chain;        /* the last event is chained to the next */
    bool chain_dead;      /* rows of a chain that was too long still come */
    uint32_t chain_event; /* where the open chain begins: event and row of the slot being filled */
    size_t chain_row;
    uint16_t kind;           /* MP_TRANSFER_IMPORTED or 0: of the batch's first event */
    uint64_t newest_ns;      /* imported: newest account or transfer, in the ledger or sent */
    uint64_t now_ns;         /* the clock when it was last looked at */
    struct account_set made; /* accounts sent for creation */
    char batch_name[BATCH_NAME_MAX];
    size_t batch_name_length;
    bool any_row;
};

/* The flag "imported" has another bit in an account than in a transfer. */
static inline uint16_t imported_flag(const struct import *import)
{
    return import->accounts ? MP_ACCOUNT_IMPORTED : MP_TRANSFER_IMPORTED;
}

static inline size_t event_bytes(const struct import *import)
{
    return import->accounts ? sizeof(mp_account) : sizeof(mp_transfer);
}

/* import_gather.c */
/* Learns what is newest in the ledger; for --create-accounts. */
enum exit_status gather_begin(struct import *import);
/* Takes the row that the reader has just read; `why` NULL if it can be read. */
void gather_row(struct import *import, const void *event, const char *why);
/* Ends: what is gathered goes. Without `whole` (the file ended before its end) an open chain or
 * batch doesn't. */
void gather_end(struct import *import, bool whole);

/* import_send.c */
bool send_begin(struct import *import);
/* The slot being filled. */
static inline struct slot *slot_filled(struct import *import)
{
    return &import->slots[import->head];
}
/* Adds a row to a slot; false without memory. */
bool slot_add_row(struct slot *slot, struct row row);
/* Sends the slot being filled and makes another the one being filled, empty. */
void send_slot(struct import *import);
/* Waits for all that is under way. */
void send_finish(struct import *import);
void send_end(struct import *import);

/* import_report.c */
/* Makes the file of results, with the CSV file open. */
enum exit_status report_begin(struct import *import);
/* Names a row that can't be read. */
void report_unreadable(struct import *import, uint64_t line, const char *why);
/* Counts and writes out an answered slot. */
void report_slot(struct import *import, const struct slot *slot);
/* The summary; returns how the import went. */
enum exit_status report_summary(const struct report *report, double seconds,
                                enum exit_status status);
/* Ends the file of results, whatever happened; EXIT_LEDGER if it isn't whole. */
enum exit_status report_end(struct report *report, enum exit_status status);

#endif
