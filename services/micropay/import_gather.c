/*
 * Batches of up to MP_BATCH_MAX rows in the order of the file. A chain of linked rows is never cut,
 * nor is a batch mixed of imported rows and such that the clock stamps. A row that can't be read
 * breaks the chain it lies in: an event that the engine must refuse stands in its place.
 */
#include "import.h"

#include "session.h"

/* How far before its first row an account is imported */
enum { DEBIT_BEFORE_NS = 2, CREDIT_BEFORE_NS = 1 };

static uint64_t clock_ns(const struct import *import)
{
    const mp_env *env = import->command->env;

    return env->real_ns(env->context);
}

enum exit_status gather_begin(struct import *import)
{
    mp_query_filter newest = {.limit = 1, .flags = MP_FILTER_REVERSED};
    mp_account account;
    mp_transfer transfer;
    uint32_t accounts = 0, transfers = 0;

    if (!import->create_accounts) return EXIT_DONE;
    mp_status status = mp_query_accounts(import->ledger, &newest, &account, &accounts);
    if (status == MP_OK)
        status = mp_query_transfers(import->ledger, &newest, &transfer, &transfers);
    if (status != MP_OK)
        return session_failed(import->command, status,
                              "could not read what is newest in the ledger");
    if (accounts > 0) import->newest_ns = account.timestamp;
    if (transfers > 0 && transfer.timestamp > import->newest_ns)
        import->newest_ns = transfer.timestamp;
    return EXIT_DONE;
}

static uint16_t flags_of(const struct import *import, const void *event)
{
    return import->accounts ? ((const mp_account *)event)->flags
                            : ((const mp_transfer *)event)->flags;
}

static void add_row(struct import *import, enum fate fate, uint32_t event)
{
    struct slot *slot = slot_filled(import);

    if (slot_add_row(slot, (struct row){.line = import->csv.line, .event = event, .fate = fate}))
        return;
    complain(import->command, "there is no memory left for a batch of %zu rows", slot->row_count);
    import->failed = true;
}

/* --- accounts before the rows that name them --------------------------------------------- */

static void make_account(struct import *import, mp_id id, const mp_transfer *transfer,
                         unsigned before_ns)
{
    struct slot *slot = slot_filled(import);
    bool imported = transfer->flags & MP_TRANSFER_IMPORTED;

    if (id == 0 || id == MP_U128_MAX || !account_set_add(&import->made, id)) return;
    slot->account_lines[slot->account_count] = import->csv.line;
    slot->accounts[slot->account_count++] = (mp_account){
        .id = id,
        .ledger = transfer->ledger,
        .code = 1,
        .flags = imported ? MP_ACCOUNT_IMPORTED : 0,
        .timestamp = imported ? transfer->timestamp - before_ns : 0,
    };
}

/*
 * An imported account must be later than every account and transfer, and the accounts of a batch go
 * before its transfers. Since rows rise in time, an account 2 ns before its row is behind all rows
 * before it, too; where it wouldn't be, the engine would refuse it even right before its row, so it
 * isn't tried, nor taken for made.
 */
static void make_accounts(struct import *import, const mp_transfer *transfer)
{
    bool imported = transfer->flags & MP_TRANSFER_IMPORTED;
    uint64_t time_ns = transfer->timestamp;
    bool possible = transfer->ledger != 0;

    if (imported != (import->kind != 0)) return; /* the engine refuses the row */
    if (imported) {
        if (time_ns > import->now_ns) import->now_ns = clock_ns(import);
        if (time_ns > import->now_ns) return;
        possible =
            possible && time_ns > DEBIT_BEFORE_NS && time_ns - DEBIT_BEFORE_NS > import->newest_ns;
        if (time_ns > import->newest_ns) import->newest_ns = time_ns;
    }
    if (!possible) return;
    make_account(import, transfer->debit_account_id, transfer, DEBIT_BEFORE_NS);
    make_account(import, transfer->credit_account_id, transfer, CREDIT_BEFORE_NS);
}

/* --- batches and chains ------------------------------------------------------------------- */

/* Sends what comes before the open chain; the chain begins the next slot. */
static void send_before_chain(struct import *import)
{
    struct slot *full = slot_filled(import);
    uint32_t first = import->chain_event, count = full->count - first;
    size_t first_row = import->chain_row, rows = full->row_count - first_row;

    full->count = first;
    full->row_count = first_row;
    send_slot(import);
    struct slot *slot = slot_filled(import); /* another one: there are several */
    memcpy(slot->events, (char *)full->events + first * event_bytes(import),
           count * event_bytes(import));
    slot->count = count;
    for (size_t i = 0; i < rows; i++) {
        struct row row = full->rows[first_row + i];
        if (row.fate == FATE_SENT) row.event -= first;
        if (!slot_add_row(slot, row)) import->failed = true;
    }
    import->chain_event = 0;
    import->chain_row = 0;
}

/* Makes room for an event. False if there is none: the row is of a chain that is too long. */
static bool make_room(struct import *import, uint16_t kind)
{
    struct slot *slot = slot_filled(import);

    if (import->in_chain) {
        if (slot->count < MP_BATCH_MAX) return true;
        if (import->chain_event > 0) {
            send_before_chain(import);
            return true;
        }
        send_slot(import); /* refused: its last event leaves the chain open */
        import->in_chain = false;
        import->chain_dead = true;
        return false;
    }
    bool full = slot->count == MP_BATCH_MAX || slot->row_count >= SLOT_ROWS_MAX;
    if (full || (slot->count > 0 && kind != import->kind)) send_slot(import);
    return true;
}

/* Adds an event to the slot, in which there is room. */
static void add_event(struct import *import, const void *event, enum fate fate)
{
    struct slot *slot = slot_filled(import);
    bool linked = flags_of(import, event) & MP_TRANSFER_LINKED;

    if (slot->count == 0) import->kind = flags_of(import, event) & imported_flag(import);
    if (linked && !import->in_chain) {
        import->chain_event = slot->count;
        import->chain_row = slot->row_count;
    }
    import->in_chain = linked;
    memcpy((char *)slot->events + slot->count * event_bytes(import), event, event_bytes(import));
    add_row(import, fate, slot->count);
    slot->count++;
    if (import->create_accounts && fate == FATE_SENT) make_accounts(import, event);
}

/* --batch: begins a batch if the row has another value than the row before it. */
static void follow_batch(struct import *import)
{
    struct slice name = columns_batch(&import->columns, &import->csv);

    if (import->any_row && name.length == import->batch_name_length &&
        memcmp(name.data, import->batch_name, name.length) == 0)
        return;
    if (import->any_row) send_slot(import);
    memcpy(import->batch_name, name.data, name.length);
    import->batch_name_length = name.length;
    import->in_chain = false;
}

static void take_event(struct import *import, const void *event, enum fate fate)
{
    uint16_t flags = flags_of(import, event);

    if (import->by_batch) {
        struct slot *slot = slot_filled(import);
        if (slot->count < MP_BATCH_MAX && !slot->too_large) {
            add_event(import, event, fate);
            return;
        }
        if (!slot->too_large) { /* none of it goes */
            slot->too_large = true;
            for (size_t i = 0; i < slot->row_count; i++)
                if (slot->rows[i].fate == FATE_SENT) slot->rows[i].fate = FATE_BATCH_TOO_LARGE;
        }
        add_row(import, fate == FATE_SENT ? FATE_BATCH_TOO_LARGE : fate, 0);
        return;
    }
    if (!import->chain_dead && make_room(import, flags & imported_flag(import))) {
        add_event(import, event, fate);
        return;
    }
    if (slot_filled(import)->row_count >= SLOT_ROWS_MAX) send_slot(import);
    add_row(import, fate == FATE_SENT ? FATE_CHAIN_TOO_LONG : fate, 0);
    import->chain_dead = flags & MP_TRANSFER_LINKED;
}

/* A row that can't be read. In a chain, an event that can't be booked takes its place. */
static void take_unreadable(struct import *import)
{
    union {
        mp_transfer transfer;
        mp_account account;
    } breaker = {0};
    bool linked = columns_linked(&import->columns, &import->csv, import->accounts);

    if (!linked && !import->in_chain && !import->chain_dead) {
        if (!import->by_batch && slot_filled(import)->row_count >= SLOT_ROWS_MAX) send_slot(import);
        add_row(import, FATE_UNREADABLE, 0);
        return;
    }
    uint16_t flags = (uint16_t)(import->kind | (linked ? MP_TRANSFER_LINKED : 0));
    if (import->accounts)
        breaker.account.flags = flags; /* id 0: always refused */
    else
        breaker.transfer.flags = flags;
    take_event(import, &breaker, FATE_UNREADABLE);
}

void gather_row(struct import *import, const void *event, const char *why)
{
    bool split = import->csv.count == import->csv.wanted; /* else no column can be told */

    if (import->by_batch && split) {
        if (columns_batch(&import->columns, &import->csv).length <= BATCH_NAME_MAX)
            follow_batch(import);
        else
            why = "batch: is longer than 256 bytes";
    }
    import->any_row = true;
    if (why == NULL) {
        take_event(import, event, FATE_SENT);
    } else {
        report_unreadable(import, import->csv.line, why);
        take_unreadable(import);
    }
}

void gather_end(struct import *import, bool whole)
{
    struct slot *slot = slot_filled(import);

    if (!whole && import->by_batch)
        slot->count = 0, slot->row_count = 0, slot->account_count = 0;
    else if (!whole && import->in_chain)
        slot->count = import->chain_event, slot->row_count = import->chain_row;
    slot->send_empty = whole && import->by_batch && !import->any_row;
    if (slot->row_count > 0 || slot->send_empty) send_slot(import);
    send_finish(import);
}
