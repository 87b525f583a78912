#include "table.h"

#include "numbers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool table_begin(struct table *table, struct text *out, const struct column *columns)
{
    *table = (struct table){.out = out, .columns = columns};
    while (columns[table->count].title != NULL) {
        table->widths[table->count] = (unsigned)strlen(columns[table->count].title);
        table->count++;
    }
    table->cells = malloc(sizeof *table->cells * TABLE_ROWS * table->count);
    return table->cells != NULL;
}

/* One line, without blanks at its end where the last cell is aligned to the left. */
static void line(struct table *table, const char *(*cell)(const struct table *, unsigned, unsigned),
                 unsigned row)
{
    for (unsigned i = 0; i < table->count; i++) {
        const char *text = cell(table, row, i);
        bool right = table->columns[i].right, last = i + 1 == table->count;
        int width = right || !last ? (int)table->widths[i] : 0;
        if (last && text[0] == '\0') break;
        text_format(table->out, right ? "%s%*s" : "%s%-*s", i > 0 ? "  " : "", width, text);
    }
    text_char(table->out, '\n');
}

static const char *title_of(const struct table *table, unsigned row, unsigned column)
{
    (void)row;
    return table->columns[column].title;
}

static const char *cell_of(const struct table *table, unsigned row, unsigned column)
{
    return table->cells[row * table->count + column];
}

static void write_rows(struct table *table)
{
    if (!table->titled) line(table, title_of, 0);
    table->titled = true;
    for (unsigned i = 0; i < table->rows; i++) line(table, cell_of, i);
    table->rows = 0;
}

void table_cell(struct table *table, const char *format, ...)
{
    char *cell = table->cells[table->rows * table->count + table->cell];
    va_list list;

    va_start(list, format);
    int length = vsnprintf(cell, TABLE_CELL_MAX, format, list);
    va_end(list);
    unsigned width = length < 0                ? 0
                     : length < TABLE_CELL_MAX ? (unsigned)length
                                               : TABLE_CELL_MAX - 1;
    if (width > table->widths[table->cell]) table->widths[table->cell] = width;
    if (++table->cell < table->count) return;
    table->cell = 0;
    if (++table->rows == TABLE_ROWS) write_rows(table);
}

void table_number(struct table *table, mp_u128 number)
{
    char text[NUMBER_TEXT_MAX];

    number_print(number, text);
    table_cell(table, "%s", text);
}

void table_end(struct table *table)
{
    write_rows(table);
    free(table->cells);
    table->cells = NULL;
}
