#include "csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

enum {
    BUFFER = 1 << 20,
    LINES_IN_QUOTES_MAX = 64, /* a row with line ends within quotes has at most these many lines */
};

bool csv_open(struct csv *csv, const char *path)
{
    struct stat status;
    bool standard = strcmp(path, "-") == 0;
    int file = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

    *csv = (struct csv){.next_line = 1};
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
        csv->size = (uint64_t)status.st_size;
        csv->device = status.st_dev;
        csv->inode = status.st_ino;
    }
    csv->file = file >= 0 ? gzdopen(file, "r") : NULL;
    csv->buffer = malloc(BUFFER);
    if (csv->file != NULL && csv->buffer != NULL) {
        (void)gzbuffer(csv->file, 1 << 18);
        return true;
    }
    snprintf(csv->why, sizeof csv->why, "%s", strerror(errno));
    if (csv->file != NULL)
        (void)gzclose_r(csv->file);
    else if (file >= 0)
        (void)close(file);
    free(csv->buffer);
    return false;
}

void csv_close(struct csv *csv)
{
    (void)gzclose_r(csv->file);
    free(csv->buffer);
}

bool csv_reads(const struct csv *csv, const struct stat *status)
{
    return csv->inode != 0 && csv->device == status->st_dev && csv->inode == status->st_ino;
}

uint64_t csv_done(const struct csv *csv)
{
    long done = gzoffset(csv->file);

    return done > 0 ? (uint64_t)done : 0;
}

/* Reads on behind what isn't consumed, which moves to the front. False at the end or on failure. */
static bool fill(struct csv *csv)
{
    if (csv->at_end || csv->failed) return false;
    memmove(csv->buffer, csv->buffer + csv->begin, csv->end - csv->begin);
    csv->end -= csv->begin;
    csv->begin = 0;
    int count = gzread(csv->file, csv->buffer + csv->end, (unsigned)(BUFFER - csv->end));
    if (count > 0) {
        csv->end += (size_t)count;
        return true;
    }
    int code = Z_OK;
    const char *message = gzerror(csv->file, &code);
    if (count < 0 ||
        code != Z_OK) { /* a cut-off gzip file ends with an error, not with a last row */
        const char *words = strstr(message, ": "); /* behind zlib's "<fd:3>" */
        if (*message == '<' && words != NULL) message = words + 2;
        csv->failed = true;
        snprintf(csv->why, sizeof csv->why, "%s", code == Z_ERRNO ? strerror(errno) : message);
    } else {
        csv->at_end = true;
    }
    return false;
}

/* Finds the end of the line that begins `from` bytes behind the begin: its LF, or the end of the
 * file. False, and *length as it was, if there is no such line, or the row would be too long. */
static bool find_line(struct csv *csv, size_t from, size_t *length)
{
    size_t end = 0;

    for (bool found = false; !found;) {
        size_t there = csv->end - csv->begin;
        const char *start = csv->buffer + csv->begin;
        const char *lf = from < there ? memchr(start + from, '\n', there - from) : NULL;
        found = lf != NULL;
        end = found ? (size_t)(lf - start) : there;
        if (end > CSV_ROW_MAX) return false;
        if (!found && !fill(csv)) {
            if (!csv->at_end || end <= from) return false;
            found = true; /* a last line without LF */
        }
    }
    *length = end;
    return true;
}

static void consume(struct csv *csv, size_t length, unsigned lines)
{
    csv->begin += length;
    if (csv->begin < csv->end) csv->begin++; /* the LF */
    csv->next_line += lines;
}

/* Passes over a line that is too long. */
static void skip_line(struct csv *csv)
{
    const char *found;

    while ((found = memchr(csv->buffer + csv->begin, '\n', csv->end - csv->begin)) == NULL) {
        csv->begin = csv->end;
        if (!fill(csv)) return;
    }
    csv->begin = (size_t)(found - csv->buffer);
    consume(csv, 0, 1);
}

enum split { SPLIT_DONE, SPLIT_OPEN_QUOTE, SPLIT_BEHIND_QUOTE, SPLIT_TOO_MANY };

/* The end of a quoted field that begins at a quote: behind its closing quote, NULL if there is
 * none. */
static const char *closing_quote(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at != '"') continue;
        if (at + 1 == end || at[1] != '"') return at + 1;
        at++;
    }
    return NULL;
}

/* Splits a row into fields, quotes still on. */
static enum split split(struct csv *csv)
{
    const char *at = csv->row.data, *end = at + csv->row.length;

    csv->count = 0;
    csv->quoted = false;
    for (;;) {
        const char *field = at;
        if (csv->count == CSV_FIELDS_MAX) return SPLIT_TOO_MANY;
        if (at < end && *at == '"') {
            csv->quoted = true;
            at = closing_quote(at, end);
            if (at == NULL) return SPLIT_OPEN_QUOTE;
            if (at < end && *at != csv->delimiter) return SPLIT_BEHIND_QUOTE;
        } else {
            at = memchr(at, csv->delimiter, (size_t)(end - at));
            if (at == NULL) at = end;
        }
        csv->fields[csv->count++] = (struct slice){field, (size_t)(at - field)};
        if (at == end) return SPLIT_DONE;
        at++;
    }
}

/* Takes the quotes off, in the buffer itself. */
static void unquote(struct csv *csv)
{
    for (unsigned i = 0; i < csv->count; i++) {
        struct slice *field = &csv->fields[i];
        if (field->length == 0 || *field->data != '"') continue;
        char *to = csv->buffer + (field->data - csv->buffer), *start = to;
        for (const char *from = field->data + 1, *end = field->data + field->length - 1;
             from < end;) {
            if (*from == '"') from++; /* the first of two */
            *to++ = *from++;
        }
        *field = (struct slice){start, (size_t)(to - start)};
    }
}

static void choose_delimiter(struct csv *csv)
{
    unsigned commas = 0, semicolons = 0;

    for (size_t i = 0; i < csv->row.length; i++) {
        commas += csv->row.data[i] == ',';
        semicolons += csv->row.data[i] == ';';
    }
    csv->delimiter = semicolons > commas ? ';' : ',';
}

static void set_row(struct csv *csv, size_t length)
{
    csv->row = (struct slice){csv->buffer + csv->begin, length};
    if (length > 0 && csv->row.data[length - 1] == '\r') csv->row.length--;
    if (csv->line == 1 && length >= 3 && memcmp(csv->row.data, "\xef\xbb\xbf", 3) == 0) {
        csv->row.data += 3; /* the mark that some editors put in front of UTF-8 */
        csv->row.length -= 3;
    }
    if (csv->wanted == 0) choose_delimiter(csv);
}

/* Splits the row of `length` bytes; with a quote open at its end, looks whether it goes on in the
 * next lines. */
static enum csv_outcome read_row(struct csv *csv, size_t length)
{
    size_t whole = length;
    unsigned lines = 1;

    set_row(csv, whole);
    enum split result = split(csv);
    while (result == SPLIT_OPEN_QUOTE && lines < LINES_IN_QUOTES_MAX &&
           find_line(csv, whole + 1, &whole)) {
        lines++;
        set_row(csv, whole);
        result = split(csv);
    }
    if (lines > 1 && (result != SPLIT_DONE || csv->count != csv->wanted)) {
        lines = 1; /* a stray quote: it spoils its own line only */
        set_row(csv, whole = length);
        result = split(csv);
    }
    consume(csv, whole, lines);
    if (result == SPLIT_DONE && (csv->wanted == 0 || csv->count == csv->wanted)) {
        if (csv->quoted) unquote(csv);
        csv->wanted = csv->count;
        return CSV_ROW;
    }
    if (result == SPLIT_DONE)
        snprintf(csv->why, sizeof csv->why, "has %u fields, the header has %u", csv->count,
                 csv->wanted);
    else
        snprintf(csv->why, sizeof csv->why, "%s",
                 result == SPLIT_OPEN_QUOTE     ? "a quote is not closed"
                 : result == SPLIT_BEHIND_QUOTE ? "there is text behind a closing quote"
                                                : "has more than 64 fields");
    return CSV_UNREADABLE;
}

enum csv_outcome csv_next(struct csv *csv)
{
    for (;;) {
        size_t length = 0;
        csv->line = csv->next_line;
        if (!find_line(csv, 0, &length)) {
            if (csv->failed) return CSV_FAILED;
            if (csv->at_end && csv->begin == csv->end) return CSV_END;
            csv->row = (struct slice){csv->buffer + csv->begin, 0};
            csv->count = 0;
            skip_line(csv);
            snprintf(csv->why, sizeof csv->why, "is longer than %d bytes", CSV_ROW_MAX);
            return CSV_UNREADABLE;
        }
        const char *start = csv->buffer + csv->begin;
        if (length > 1 || (length == 1 && *start != '\r')) return read_row(csv, length);
        consume(csv, length, 1); /* an empty line */
    }
}
