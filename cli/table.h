/*
 * table.h: aligned columns for people. The widths come from the first rows, which are held back for that; later rows
 * that are wider than their column just move the rest.
 */
#ifndef BATPAK_CLI_TABLE_H
#define BATPAK_CLI_TABLE_H

#include "text.h"

enum { TABLE_COLUMNS_MAX = 8, TABLE_ROWS_HELD = 100 };

struct column {
    const char *title;
    bool right; /* numbers */
};

struct table {
    const struct column *columns;
    size_t count;
    bool titled; /* the titles are out */
    size_t cell; /* of the row that is being filled */
    size_t rows;
    struct text cells; /* of the rows held */
    size_t ends[TABLE_ROWS_HELD * TABLE_COLUMNS_MAX];
    size_t widths[TABLE_COLUMNS_MAX];
};

void table_begin(struct table *table, const struct column *columns, size_t count);
/* The text of the next cell is added to this; then table_next. */
struct text *table_cell(struct table *table);
void table_next(struct table *table);
void table_add(struct table *table, const char *string);
void table_add_count(struct table *table, uint64_t value);
/* Writes the rows held. */
void table_flush(struct table *table);
void table_end(struct table *table);

#endif
