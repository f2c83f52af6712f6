/*
 * table.c: aligned columns. See table.h.
 */
#include "table.h"

#include <string.h>

#include "output.h"
#include "payload.h"
#include "utf8.h"

void table_begin(struct table *table, const struct column *columns, size_t count)
{
    memset(table, 0, sizeof *table);
    table->columns = columns;
    table->count = count;
    for (size_t i = 0; i < count; i++) {
        table->widths[i] = strlen(columns[i].title);
    }
}

struct text *table_cell(struct table *table)
{
    return &table->cells;
}

void table_next(struct table *table)
{
    table->ends[table->rows * table->count + table->cell] = table->cells.size;
    if (++table->cell == table->count) {
        table->cell = 0;
        if (++table->rows == TABLE_ROWS_HELD) {
            table_flush(table);
        }
    }
}

void table_add(struct table *table, const char *string)
{
    text_add_shown(&table->cells, string, strlen(string), 0);
    table_next(table);
}

void table_add_count(struct table *table, uint64_t value)
{
    text_add_count(&table->cells, value);
    table_next(table);
}

/* `used` columns of the line are taken; returns how many are then. */
static size_t write_cell(const struct table *table, size_t column, const char *data, size_t size, size_t used)
{
    struct text *text = out();
    size_t most = output_columns();
    size_t width = utf8_columns(data, size);
    size_t padding = width < table->widths[column] ? table->widths[column] - width : 0;
    bool last = column + 1 == table->count;

    if (column > 0) {
        text_add_string(text, "  ");
        used += 2;
    }
    if (table->columns[column].right) {
        text_add_repeated(text, ' ', padding);
        used += padding;
    }
    if (most > 0 && used + width > most) {
        width = most > used + 1 ? most - used : 1;
        text_add_shown(text, data, size, width);
    } else {
        text_add(text, data, size);
    }
    if (!table->columns[column].right && !last) {
        text_add_repeated(text, ' ', padding);
        used += padding;
    }
    return used + width;
}

static void write_titles(const struct table *table)
{
    size_t used = 0;

    text_add_style(out(), STYLE_HEAD);
    for (size_t i = 0; i < table->count; i++) {
        used = write_cell(table, i, table->columns[i].title, strlen(table->columns[i].title), used);
    }
    text_add_style(out(), STYLE_PLAIN);
    text_add_char(out(), '\n');
}

void table_flush(struct table *table)
{
    size_t start = 0;

    if (table->rows == 0) {
        return;
    }
    for (size_t row = 0; row < table->rows; row++) {
        for (size_t i = 0; i < table->count; i++) {
            size_t end = table->ends[row * table->count + i];
            size_t width = utf8_columns(table->cells.data + start, end - start);

            /* The last column is never padded, unless it is one of numbers. */
            if (width > table->widths[i] && (i + 1 < table->count || table->columns[i].right)) {
                table->widths[i] = width;
            }
            start = end;
        }
    }
    if (!table->titled) {
        write_titles(table);
        table->titled = true;
    }
    start = 0;
    for (size_t row = 0; row < table->rows; row++) {
        size_t used = 0;

        for (size_t i = 0; i < table->count; i++) {
            size_t end = table->ends[row * table->count + i];

            used = write_cell(table, i, table->cells.data + start, end - start, used);
            start = end;
        }
        text_add_char(out(), '\n');
    }
    table->rows = 0;
    table->cells.size = 0;
    out_commit();
}

void table_end(struct table *table)
{
    table_flush(table);
    text_free(&table->cells);
}
