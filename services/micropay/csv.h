/*
 * Reading CSV: plain or gzip, ',' or ';' (the header tells), quotes as RFC 4180 has them, LF or
 * CRLF. Rows come one by one; their fields lie in the reader's buffer until the next. One thread.
 */
#ifndef COMMAND_CSV_H
#define COMMAND_CSV_H

#include "slice.h"

#include <stdint.h>
#include <sys/stat.h>

enum {
    CSV_FIELDS_MAX = 64,
    CSV_ROW_MAX = 1 << 16, /* bytes */
};

enum csv_outcome {
    CSV_ROW,        /* fields are set */
    CSV_UNREADABLE, /* `why` says why; the next row can be read all the same */
    CSV_END,
    CSV_FAILED, /* the file can't be read on; `why` says why */
};

struct csv {
    struct slice fields[CSV_FIELDS_MAX];
    unsigned count;   /* fields of this row */
    unsigned wanted;  /* fields of every row; 0 while the header is read */
    uint64_t line;    /* at which this row begins, from 1 */
    struct slice row; /* all of it */
    char why[160];

    void *file; /* zlib's */
    char *buffer;
    size_t begin, end; /* what of the buffer isn't consumed */
    uint64_t next_line;
    uint64_t size; /* bytes of the file, 0 if not known */
    dev_t device;  /* of a regular file, with its inode, which is never 0 */
    ino_t inode;
    char delimiter;
    bool quoted; /* the row has quotes to take off */
    bool at_end; /* the file is read */
    bool failed;
};

/* Opens a file, "-" being standard input. On failure `why` says why; there is nothing to close
 * then. */
bool csv_open(struct csv *csv, const char *path);
/* The next row; empty lines are passed over. The first row is the header: it fixes delimiter and
 * count of fields. */
enum csv_outcome csv_next(struct csv *csv);
/* Whether this is the file that is read. */
bool csv_reads(const struct csv *csv, const struct stat *status);
/* Bytes of the file read so far (of a compressed one, compressed). */
uint64_t csv_done(const struct csv *csv);
void csv_close(struct csv *csv);

#endif
