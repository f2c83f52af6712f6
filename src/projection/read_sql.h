/*
 * read_sql.h: the SQL of read models: names of generations, texts with the names filled in, and the table of positions.
 *
 * batpak_read_models has a row for each generation there is: its model, number, whether the views show it, what it is folded
 * from (version, region, kinds), up to where, and the names of its views. batpak_read_tables has the names of the tables that its
 * schema made: names alone do not tell, since `shop` may have a generation 1 and `shop_1` be another model.
 */
#ifndef BPI_PROJECTION_READ_SQL_H
#define BPI_PROJECTION_READ_SQL_H

#include "projection/sqlite.h"

#ifdef BPI_HAVE_SQLITE

#include <batpak/read_model.h>

#include "base/memory.h"

enum { BPI_READ_NAME_MAX = 60, BPI_READ_PREFIX = BPI_READ_NAME_MAX + 24 };

typedef struct bpi_generation {
    uint64_t number; /* 0: none */
    bool live;
    uint32_t version;
    bool ours; /* same version, region and kinds as asked for */
    bp_position position;
} bpi_generation;

/* What a generation is folded from, as a text: region and kinds. From the system's allocator, *size_out to release; NULL: no
 * memory. */
char *bpi_read_source(const bp_read_model *model, size_t *size_out);

bool bpi_read_name_is_good(const char *name);
void bpi_read_prefix(const bp_read_model *model, uint64_t number, char prefix_out[BPI_READ_PREFIX]);

/* Runs statements; {name} in them is prefix and name. */
bp_status bpi_read_exec(sqlite3 *db, const char *sql, const char *prefix, const char *what, bp_error *error);
bp_status bpi_read_prepare(sqlite3 *db, const char *sql, const char *prefix, sqlite3_stmt **statement_out,
                           bp_error *error);

/* ---- inside a transaction ---- */

/* The table of positions, if it is missing. */
bp_status bpi_read_prepare_table(sqlite3 *db, bp_error *error);
/* The generation the views show, and the one that is being built; number 0 where there is none. */
bp_status bpi_read_find(sqlite3 *db, const bp_read_model *model, const char *source, bpi_generation *live_out,
                        bpi_generation *building_out, bp_error *error);
/* One by its number; number 0: it is gone. */
bp_status bpi_read_load(sqlite3 *db, const bp_read_model *model, const char *source, uint64_t number,
                        bpi_generation *generation_out, bp_error *error);
/* Makes tables and row of a generation; a live one's views too. */
bp_status bpi_read_make(sqlite3 *db, const bp_read_model *model, const char *source, uint64_t number, bool live,
                        bp_error *error);
/* Drops a generation's tables, row, and views if it has them. */
bp_status bpi_read_drop(sqlite3 *db, const bp_read_model *model, const bpi_generation *generation, bp_error *error);
/* The views show `number` from now on. */
bp_status bpi_read_show(sqlite3 *db, const bp_read_model *model, uint64_t number, bp_error *error);
bp_status bpi_read_save(sqlite3 *db, const bp_read_model *model, uint64_t number, const bp_position *position,
                        bp_error *error);

#endif

#endif
