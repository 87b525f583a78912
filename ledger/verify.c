/* Verification: reads the log as often as the tables need, and tells what is wrong. */
#include "verify.h"
#include "block_walk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_DEFAULT MIB(256)
#define MEMORY_LEAST   MIB(16)
#define PROGRESS_BYTES MIB(16)
enum { PARTS_MAX = 1 << 14 };

/* --- telling --- */

const char *verify_number(mp_u128 value, char text[40])
{
    char *at = text + 39;

    *at = 0;
    do {
        *--at = (char)('0' + (unsigned)(value % 10));
        value /= 10;
    } while (value > 0);
    return at;
}

static const char *kind_of(const struct record_view *view)
{
    switch (view->record[0]) {
    case MP_RECORD_ACCOUNT: return "account";
    case MP_RECORD_TRANSFER: return "transfer";
    case MP_RECORD_EXPIRY: return "expiry of";
    case MP_RECORD_UPDATE: return "account update";
    case MP_RECORD_BOUND_ID: return "bound id";
    default: return "input position";
    }
}

/* What is meant, as "FILE: offset N: transfer ID: ". */
static int write_place(const struct verifier *verifier, char *text, size_t size)
{
    const struct record_view *view = &verifier->view;
    uint64_t position = view->position != 0 ? view->position : verifier->block_begin;
    uint32_t ordinal = segment_of(position);
    char number[40];
    mp_id id = 0;
    int length;

    if (view->position == 0 && verifier->block == NULL) return 0;
    length = snprintf(text, size, "%s/wal/%08u.wal: offset %" PRIu64 ": ", verifier->wal.directory,
                      ordinal, position - segment_base(ordinal));
    if (view->position == 0)
        return length + snprintf(text + length, size - (size_t)length, "block: ");
    if (view->record == NULL) return length;
    if (view->record[0] != MP_RECORD_INPUT_POSITION) memcpy(&id, view->record + 8, sizeof id);
    if (view->record[0] == MP_RECORD_EXPIRY && view->reservation != NULL)
        id = view->reservation->pending_id;
    return length + snprintf(text + length, size - (size_t)length, "%s %s: ", kind_of(view),
                             id_text(id, number));
}

static void tell(struct verifier *verifier, const char *format, va_list arguments)
{
    char text[PATH_MAX_BYTES + 1024];
    int length = write_place(verifier, text, sizeof text);

    vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
    verifier->report->problems++;
    if (verifier->problem != NULL) verifier->problem(verifier->user, text);
}

void verify_problem(struct verifier *verifier, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(verifier, format, arguments);
    va_end(arguments);
}

void verify_table_problem(struct verifier *verifier, const char *format, ...)
{
    va_list arguments;

    if (verifier->view.position <= verifier->told) return;
    va_start(arguments, format);
    tell(verifier, format, arguments);
    va_end(arguments);
}

/* --- tables --- */

static mp_status tables_open(struct verifier *verifier)
{
    mp_status status = verify_accounts_open(verifier);

    verifier->tables = true;
    return status == MP_OK ? verify_pending_open(verifier) : status;
}

static void tables_close(struct verifier *verifier)
{
    verifier->tables = false;
    verify_accounts_close(verifier);
    verify_pending_close(verifier);
}

static mp_status tables_record(struct verifier *verifier)
{
    mp_status status = verify_pending_record(verifier);

    if (status == MP_OK) status = verify_accounts_record(verifier);
    if (status == MP_OK) verify_pending_leave(verifier);
    return status;
}

/* --- reading --- */

/* The tables don't fit beside all else: they are left for readings of their own. */
static mp_status postpone_tables(struct verifier *verifier, mp_status status)
{
    if (!verifier->first || status != MP_LIMIT) return status;
    verifier->told = verifier->view.position - 1;
    tables_close(verifier);
    return MP_OK;
}

static mp_status read_page_records(struct verifier *verifier, const uint8_t *page,
                                   uint64_t position, uint32_t number)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    unsigned end = trailer->units_used * UNIT_SIZE;

    verifier->view = (struct record_view){0};
    if (verifier->first) verify_page(verifier, page, number);
    for (unsigned at = page_first(number); at < end; at += verifier->view.units * UNIT_SIZE) {
        mp_status status = MP_OK;

        if (!record_view(page + at, position + at, trailer->time, &verifier->view) ||
            at + verifier->view.units * UNIT_SIZE > end) {
            verifier->view = (struct record_view){.position = position + at};
            verify_problem(verifier, "no record, though the page's checksum is right");
            return fail(MP_CORRUPT,
                        "%s/wal/%08u.wal: offset %" PRIu64
                        ": no record, though the page's checksum is right",
                        verifier->wal.directory, segment_of(position),
                        position + at - segment_base(segment_of(position)));
        }
        if (verifier->first) status = verify_record(verifier);
        if (status == MP_OK && verifier->tables)
            status = postpone_tables(verifier, tables_record(verifier));
        if (status != MP_OK) return status;
    }
    verifier->view = (struct record_view){0};
    return MP_OK;
}

static void report_progress(struct verifier *verifier, uint64_t bytes)
{
    uint64_t before = verifier->report->bytes_done;

    verifier->report->bytes_done += bytes;
    if (verifier->progress == NULL) return;
    if (before / PROGRESS_BYTES != verifier->report->bytes_done / PROGRESS_BYTES) {
        verifier->progress(verifier->user, verifier->report);
    }
}

static mp_status read_block(void *context, const struct block_view *block)
{
    struct verifier *verifier = context;
    uint32_t pages = block->header->pages;

    verifier->block = block->header;
    verifier->block_begin = block->position;
    verifier->view = (struct record_view){0};
    if (verifier->first) verify_block_begin(verifier, block);
    for (uint32_t number = 0; number < pages; number++) {
        mp_status status =
            read_page_records(verifier, block->pages + (uint64_t)number * PAGE_SIZE,
                              block->position + (uint64_t)number * PAGE_SIZE, number);

        if (status != MP_OK) return status;
    }
    if (verifier->first) verify_block_end(verifier);
    if (block->header->count > 0) {
        verifier->last_time = block->header->time;
        verifier->last_expiries = block->header->expiries;
    }
    if (verifier->first) verifier->report->position = block->position + (uint64_t)pages * PAGE_SIZE;
    report_progress(verifier, (uint64_t)pages * PAGE_SIZE);
    return MP_OK;
}

static mp_status tables_end(struct verifier *verifier)
{
    mp_status status;

    verifier->block = NULL;
    verifier->view = (struct record_view){0};
    status = verify_checkpoints(verifier);
    if (status == MP_OK) status = verify_accounts_end(verifier);
    if (status == MP_OK) verify_pending_end(verifier);
    return status;
}

/* The first reading: all that needs no tables, and the tables as long as they fit. */
static mp_status read_first(struct verifier *verifier)
{
    mp_status status = verify_course_open(verifier), read;

    verifier->first = true;
    verifier->parts = 1;
    if (status == MP_OK) status = verify_ids_open(verifier);
    if (status == MP_OK) status = tables_open(verifier);
    if (status != MP_OK) return status;
    read = wal_scan_reader(&verifier->wal, PAGE_SIZE, 0, 1, read_block, verifier);
    verifier->end = verifier->wal.end;
    if (read == MP_OK && !wal_writer_alive(&verifier->wal)) read = wal_check_end(&verifier->wal, 0);
    if (read != MP_OK && read != MP_CORRUPT) return read;
    if (verifier->tables) status = tables_end(verifier);
    if (status == MP_OK) status = verify_ids_end(verifier);
    return status == MP_OK ? read : status;
}

/* Reads once more for a part of the tables. */
static mp_status read_part(struct verifier *verifier)
{
    struct wal *wal = &verifier->wal;
    mp_status status = tables_open(verifier);

    if (status == MP_OK) {
        wal->last_time = wal->last_block = wal->last_mark = wal->last_epoch = 0;
        status = wal_scan(wal, PAGE_SIZE, 0, 1, verifier->end, read_block, verifier);
    }
    if (status == MP_OK) status = tables_end(verifier);
    tables_close(verifier);
    return status;
}

static uint64_t log_bytes(const struct verifier *verifier)
{
    return verifier->end - (verifier->end > PAGE_SIZE ? PAGE_SIZE : 0);
}

/* As many parts as the accounts need; twice as many when that was too few. */
static mp_status read_parts(struct verifier *verifier)
{
    uint64_t needed = verifier->report->accounts *
                      (sizeof(struct verify_account) + sizeof(struct verify_tree) * 16);
    uint64_t open = verifier->report->reservations_open;
    mp_status status = MP_LIMIT;

    verifier->first = false;
    for (uint32_t parts = (uint32_t)(needed / (verifier->memory_max / 2)) + 1;
         status == MP_LIMIT && parts <= PARTS_MAX; parts *= 2) {
        verifier->parts = parts;
        verifier->report->reservations_open = open;
        verifier->report->bytes_done = log_bytes(verifier);
        verifier->report->bytes_total = log_bytes(verifier) * (parts + 1ull);
        verifier->memory.max = verifier->memory_max;
        status = MP_OK;
        for (verifier->part = 0; verifier->part < parts && status == MP_OK; verifier->part++) {
            status = read_part(verifier);
        }
        if (status == MP_LIMIT) verify_totals_clear(verifier);
    }
    return status;
}

static mp_status verify_all(struct verifier *verifier)
{
    struct segment *last = &verifier->wal.segments[max_u64(verifier->wal.segment_count, 1) - 1];
    mp_status status, read;

    verifier->report->bytes_total = last->base + last->size;
    read = read_first(verifier);
    if (read != MP_OK && read != MP_CORRUPT) return read;
    status = MP_OK;
    if (verifier->tables)
        tables_close(verifier);
    else {
        verify_ids_close(verifier);
        status = read_parts(verifier);
    }
    if (status != MP_OK) return status;
    verify_totals(verifier);
    verifier->report->bytes_done = verifier->report->bytes_total =
        max_u64(verifier->report->bytes_done, 1);
    if (verifier->progress != NULL) verifier->progress(verifier->user, verifier->report);
    return status == MP_OK ? read : status;
}

mp_status mp_verify(const char *directory, const mp_env *env, uint64_t memory_max,
                    const char *temporary, void (*problem)(void *user, const char *text),
                    void (*progress)(void *user, const mp_verify_report *report), void *user,
                    mp_verify_report *report)
{
    struct verifier *verifier;
    mp_status status;

    if (directory == NULL || report == NULL)
        return fail(MP_INVALID, "mp_verify needs a directory and a report");
    memset(report, 0, sizeof *report);
    verifier = calloc(1, sizeof *verifier);
    if (verifier == NULL) return fail(MP_NO_MEMORY, "no memory to verify");
    verifier->env = env != NULL ? env : mp_env_posix();
    verifier->temporary = temporary != NULL ? temporary : "/tmp";
    verifier->memory_max = max_u64(memory_max != 0 ? memory_max : MEMORY_DEFAULT, MEMORY_LEAST);
    verifier->memory.max =
        verifier->memory_max - verifier->memory_max / 3; /* beside the ids, at first */
    verifier->small.max = UINT64_MAX;
    verifier->problem = problem;
    verifier->progress = progress;
    verifier->user = user;
    verifier->report = report;
    verifier->ids.file = -1;
    status = wal_open(&verifier->wal, verifier->env, directory, false, true);
    if (status == MP_OK) {
        memcpy(verifier->secret, verifier->wal.identity.hash_secret, sizeof verifier->secret);
        status = verify_all(verifier);
        tables_close(verifier);
        verify_ids_close(verifier);
        verify_course_close(verifier);
        wal_close(&verifier->wal);
    }
    free(verifier);
    return status;
}
