/* Aligned columns. Rows are gathered by the hundred to find the widths, so a table of any length
 * needs little memory and shows its first rows soon. */
#ifndef COMMAND_TABLE_H
#define COMMAND_TABLE_H

#include "text.h"

enum {
    TABLE_COLUMNS_MAX = 12,
    TABLE_ROWS = 200, /* gathered before they are written */
    TABLE_CELL_MAX = 160,
};

struct column {
    const char *title; /* NULL ends the list */
    bool right;        /* aligned to the right, as numbers are */
};

struct table {
    struct text *out;
    const struct column *columns;
    unsigned count;      /* columns */
    unsigned rows, cell; /* gathered; next cell of the last row */
    unsigned widths[TABLE_COLUMNS_MAX];
    bool titled; /* the titles are out */
    char (*cells)[TABLE_CELL_MAX];
};

/* Begins a table; false without memory. `columns` is the caller's until the end. */
bool table_begin(struct table *table, struct text *out, const struct column *columns);
/* The next cell of the row; a row is full when it has all its cells. What is too long is cut. */
__attribute__((format(printf, 2, 3))) void table_cell(struct table *table, const char *format, ...);
void table_number(struct table *table, mp_u128 number);
/* Writes what is gathered and frees. A table without rows shows its titles. */
void table_end(struct table *table);

#endif
