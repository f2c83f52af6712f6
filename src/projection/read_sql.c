/*
 * read_sql.c: the SQL of read models.
 *
 * Holds: names that are put into SQL are letters, digits and underscores; everything else is bound.
 */
#include "projection/read_sql.h"

#ifdef BPI_HAVE_SQLITE

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

#define POSITIONS "batpak_read_models"
#define TABLES "batpak_read_tables"

enum { TABLE_NAME = 2 * BPI_READ_PREFIX };

/* ---- texts ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* How long the name at `text` is. */
static size_t name_length(const char *text)
{
    size_t length = 0;
    while (is_letter(text[length]) || (length > 0 && is_digit(text[length]))) {
        length++;
    }
    return length;
}

bool bpi_read_name_is_good(const char *name)
{
    size_t length = name == NULL ? 0 : name_length(name);
    return length > 0 && length <= BPI_READ_NAME_MAX && name[length] == '\0';
}

void bpi_read_prefix(const bp_read_model *model, uint64_t number, char prefix_out[BPI_READ_PREFIX])
{
    (void)snprintf(prefix_out, BPI_READ_PREFIX, "%s_%" PRIu64 "_", model->name, number);
}

static bool put(bpi_buffer *buffer, const char *text)
{
    return bpi_buffer_append(buffer, text, strlen(text));
}

char *bpi_read_source(const bp_read_model *model, size_t *size_out)
{
    bpi_buffer buffer;
    char kind[8];
    bpi_buffer_init(&buffer, bp_allocator_system());
    size_t length = bp_region_format(model->region, NULL, 0);
    bool good = bpi_buffer_reserve(&buffer, length + 1);
    if (good) {
        (void)bp_region_format(model->region, (char *)buffer.data, length + 1);
        buffer.size = length;
        good = put(&buffer, model->kind_count > 0 ? " kinds" : "");
    }
    for (size_t i = 0; good && i < model->kind_count; i++) {
        (void)snprintf(kind, sizeof kind, " %04X", (unsigned)model->kinds[i]);
        good = put(&buffer, kind);
    }
    good = good && bpi_buffer_append(&buffer, "", 1);
    if (!good) {
        bpi_buffer_fini(&buffer);
        return NULL;
    }
    *size_out = buffer.capacity;
    return (char *)buffer.data;
}

/* {name} becomes <prefix>name; any other brace stays. False: no memory. */
static bool expand(bpi_buffer *buffer, const char *sql, const char *prefix)
{
    bool good = true;
    while (good && *sql != '\0') {
        size_t plain = strcspn(sql, "{");
        good = bpi_buffer_append(buffer, sql, plain);
        sql += plain;
        size_t name = *sql == '{' ? name_length(sql + 1) : 0;
        if (name > 0 && sql[1 + name] == '}') {
            good = good && put(buffer, prefix) && bpi_buffer_append(buffer, sql + 1, name);
            sql += name + 2;
        } else if (*sql == '{') {
            good = good && bpi_buffer_append(buffer, sql++, 1);
        }
    }
    return good && bpi_buffer_append(buffer, "", 1);
}

bp_status bpi_read_exec(sqlite3 *db, const char *sql, const char *prefix, const char *what, bp_error *error)
{
    bpi_buffer buffer;
    bpi_buffer_init(&buffer, bp_allocator_system());
    bp_status status = expand(&buffer, sql, prefix) ? BP_OK : BP_ERR_NO_MEMORY;
    if (status == BP_OK) {
        status = bpi_sqlite_status(db, sqlite3_exec(db, (const char *)buffer.data, NULL, NULL, NULL), what, error);
    } else {
        bpi_error_set(error, status, "no memory for a statement");
    }
    bpi_buffer_fini(&buffer);
    return status;
}

bp_status bpi_read_prepare(sqlite3 *db, const char *sql, const char *prefix, sqlite3_stmt **statement_out,
                           bp_error *error)
{
    bpi_buffer buffer;
    *statement_out = NULL;
    bpi_buffer_init(&buffer, bp_allocator_system());
    bp_status status = expand(&buffer, sql, prefix) ? BP_OK : BP_ERR_NO_MEMORY;
    if (status == BP_OK) {
        int code =
            sqlite3_prepare_v3(db, (const char *)buffer.data, -1, SQLITE_PREPARE_PERSISTENT, statement_out, NULL);
        status = bpi_sqlite_status(db, code, sql, error);
    } else {
        bpi_error_set(error, status, "no memory for a statement");
    }
    bpi_buffer_fini(&buffer);
    if (status == BP_OK && *statement_out == NULL) {
        status = bpi_error_set(error, BP_ERR_ARGUMENT, "a statement of the model is empty");
    }
    return status;
}

/* ---- statements of our own ---- */

/* Prepares, with the model's name bound first; NULL: *status_out says why. */
static sqlite3_stmt *prepare(sqlite3 *db, const char *sql, const bp_read_model *model, bp_status *status_out,
                             bp_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_text(statement, 1, model->name, -1, SQLITE_STATIC);
    }
    *status_out = bpi_sqlite_status(db, code, "positions of read models", error);
    if (*status_out != BP_OK) {
        (void)sqlite3_finalize(statement);
        statement = NULL;
    }
    return statement;
}

/* Runs to the end and finalizes. */
static bp_status finish(sqlite3 *db, sqlite3_stmt *statement, bp_error *error)
{
    int code = sqlite3_step(statement);
    bp_status status = bpi_sqlite_status(db, code, "positions of read models", error);
    (void)sqlite3_finalize(statement);
    return status;
}

bp_status bpi_read_prepare_table(sqlite3 *db, bp_error *error)
{
    return bpi_read_exec(db,
                         "CREATE TABLE IF NOT EXISTS " POSITIONS "("
                         "name TEXT NOT NULL, generation INTEGER NOT NULL, live INTEGER NOT NULL, version INTEGER NOT "
                         "NULL, source TEXT NOT NULL, views TEXT NOT NULL, next INTEGER NOT NULL, epoch INTEGER NOT "
                         "NULL, event_hash BLOB NOT NULL, PRIMARY KEY(name, generation)) WITHOUT ROWID;"
                         "CREATE TABLE IF NOT EXISTS " TABLES "("
                         "name TEXT NOT NULL, generation INTEGER NOT NULL, tables TEXT NOT NULL, PRIMARY KEY(name, "
                         "generation)) WITHOUT ROWID",
                         "", "positions of read models", error);
}

/* generation, live, version, source, next, epoch, event_hash */
static void take_row(sqlite3_stmt *row, const bp_read_model *model, const char *source, bpi_generation *generation)
{
    const unsigned char *text = sqlite3_column_text(row, 3);
    *generation = (bpi_generation){.number = (uint64_t)sqlite3_column_int64(row, 0),
                                   .live = sqlite3_column_int(row, 1) != 0,
                                   .version = (uint32_t)sqlite3_column_int64(row, 2)};
    generation->ours = generation->version == model->version && text != NULL && strcmp((const char *)text, source) == 0;
    generation->position.next = (uint64_t)sqlite3_column_int64(row, 4);
    generation->position.epoch = (uint32_t)sqlite3_column_int64(row, 5);
    if (sqlite3_column_bytes(row, 6) == sizeof generation->position.event_hash) {
        memcpy(generation->position.event_hash.bytes, sqlite3_column_blob(row, 6), sizeof(bp_hash));
    }
}

#define ROW "SELECT generation, live, version, source, next, epoch, event_hash FROM " POSITIONS " WHERE name = ?1"

bp_status bpi_read_find(sqlite3 *db, const bp_read_model *model, const char *source, bpi_generation *live_out,
                        bpi_generation *building_out, bp_error *error)
{
    bp_status status = BP_OK;
    *live_out = (bpi_generation){0};
    *building_out = (bpi_generation){0};
    sqlite3_stmt *statement = prepare(db, ROW " ORDER BY generation", model, &status, error);
    if (statement == NULL) {
        return status;
    }
    int code = SQLITE_OK;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        take_row(statement, model, source, sqlite3_column_int(statement, 1) != 0 ? live_out : building_out);
    }
    status = bpi_sqlite_status(db, code, "positions of read models", error);
    (void)sqlite3_finalize(statement);
    return status;
}

bp_status bpi_read_load(sqlite3 *db, const bp_read_model *model, const char *source, uint64_t number,
                        bpi_generation *generation_out, bp_error *error)
{
    bp_status status = BP_OK;
    *generation_out = (bpi_generation){0};
    sqlite3_stmt *statement = prepare(db, ROW " AND generation = ?2", model, &status, error);
    if (statement == NULL) {
        return status;
    }
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)number);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        take_row(statement, model, source, generation_out);
    }
    status = bpi_sqlite_status(db, code, "positions of read models", error);
    (void)sqlite3_finalize(statement);
    return status;
}

/* ---- lists of names ---- */

/* The text that `sql` answers, for a generation and with `text` as ?3 (NULL: none), copied with a NUL: what stays under way would
 * keep tables from being dropped. */
static bp_status read_names(sqlite3 *db, const char *sql, const bp_read_model *model, uint64_t number, const char *text,
                            bpi_buffer *names_out, bp_error *error)
{
    bp_status status = BP_OK;
    sqlite3_stmt *row = prepare(db, sql, model, &status, error);
    if (row == NULL) {
        return status;
    }
    (void)sqlite3_bind_int64(row, 2, (sqlite3_int64)number);
    (void)sqlite3_bind_text(row, 3, text, -1, SQLITE_STATIC);
    int code = sqlite3_step(row);
    const char *names = code == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
    status = bpi_sqlite_status(db, code, "positions of read models", error);
    if (status == BP_OK && !(put(names_out, names != NULL ? names : "") && bpi_buffer_append(names_out, "", 1))) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a read model");
    }
    (void)sqlite3_finalize(row);
    return status;
}

/* Drops views or tables, as `what` says; `most`: letters of a name that can be. */
static bp_status drop_names(sqlite3 *db, const char *names, const char *what, size_t most, bp_error *error)
{
    char sql[TABLE_NAME + 32];
    bp_status status = BP_OK;
    while (status == BP_OK && *names != '\0') {
        size_t length = name_length(names);
        if (length == 0 || length > most) {
            return bpi_error_set(error, BP_ERR_CORRUPT, "a read model has a %s whose name cannot be", what);
        }
        (void)snprintf(sql, sizeof sql, "DROP %s IF EXISTS %.*s", what, (int)length, names);
        status = bpi_read_exec(db, sql, "", "what a read model had", error);
        names += names[length] == ' ' ? length + 1 : length;
    }
    return status;
}

/* ---- views ---- */

static bp_status make_views(sqlite3 *db, const bp_read_model *model, const char *prefix, bp_error *error)
{
    char sql[3 * BPI_READ_NAME_MAX + 64];
    bp_status status = BP_OK;
    for (size_t i = 0; status == BP_OK && i < model->table_count; i++) {
        (void)snprintf(sql, sizeof sql, "CREATE VIEW %s AS SELECT * FROM {%s}", model->tables[i], model->tables[i]);
        status = bpi_read_exec(db, sql, prefix, "views of a read model", error);
    }
    return status;
}

/* Those that the generation's row names: an older version of the model may have had others. */
static bp_status drop_views(sqlite3 *db, const bp_read_model *model, uint64_t number, bp_error *error)
{
    bpi_buffer names;
    bpi_buffer_init(&names, bp_allocator_system());
    bp_status status = read_names(db, "SELECT views FROM " POSITIONS " WHERE name = ?1 AND generation = ?2", model,
                                  number, NULL, &names, error);
    if (status == BP_OK) {
        status = drop_names(db, (const char *)names.data, "VIEW", BPI_READ_NAME_MAX, error);
    }
    bpi_buffer_fini(&names);
    return status;
}

/* ---- tables ---- */

#define PREFIX "?1 || '_' || ?2 || '_'"
/* Tables whose names begin as those of the generation, as one text; ends with what else is to hold of `m`. */
#define TABLES_LIKE                                                                                                 \
    "SELECT coalesce(group_concat(name, ' '), '') FROM (SELECT m.name FROM sqlite_master m WHERE m.type = 'table' " \
    "AND substr(m.name, 1, length(" PREFIX ")) = " PREFIX " AND m.name NOT GLOB '*[^A-Za-z0-9_]*' AND "

/* All but those that were there before: another model's name, or a table of the user's, may begin so, too. */
static const char tables_made[] = TABLES_LIKE "instr(' ' || ?3 || ' ', ' ' || m.name || ' ') = 0 ORDER BY m.rowid)";

/* What was noted. Where nothing was, since an older library made it: all but what can only be another model's. */
static const char tables_noted[] =
    "SELECT coalesce((SELECT tables FROM " TABLES " WHERE name = ?1 AND generation = ?2), (" TABLES_LIKE
    "substr(m.name, length(" PREFIX ") + 1, 1) NOT GLOB '[0-9]' AND NOT EXISTS (SELECT 1 FROM " POSITIONS
    " o WHERE length(o.name) > length(?1) AND substr(m.name, 1, length(o.name || '_' || o.generation || '_')) = "
    "o.name || '_' || o.generation || '_') ORDER BY m.rowid)), ?3)";

static bp_status note_tables(sqlite3 *db, const bp_read_model *model, uint64_t number, const char *names,
                             bp_error *error)
{
    bp_status status = BP_OK;
    sqlite3_stmt *row = prepare(db, "INSERT OR REPLACE INTO " TABLES " VALUES (?1, ?2, ?3)", model, &status, error);
    if (row == NULL) {
        return status;
    }
    (void)sqlite3_bind_int64(row, 2, (sqlite3_int64)number);
    (void)sqlite3_bind_text(row, 3, names, -1, SQLITE_STATIC);
    return finish(db, row, error);
}

/* Runs the schema, and notes which tables it made. */
static bp_status make_tables(sqlite3 *db, const bp_read_model *model, uint64_t number, const char *prefix,
                             bp_error *error)
{
    bpi_buffer before;
    bpi_buffer made;
    bpi_buffer_init(&before, bp_allocator_system());
    bpi_buffer_init(&made, bp_allocator_system());
    bp_status status = read_names(db, tables_made, model, number, "", &before, error);
    if (status == BP_OK) {
        status = bpi_read_exec(db, model->schema, prefix, "schema of a read model", error);
    }
    if (status == BP_OK) {
        status = read_names(db, tables_made, model, number, (const char *)before.data, &made, error);
    }
    if (status == BP_OK) {
        status = note_tables(db, model, number, (const char *)made.data, error);
    }
    bpi_buffer_fini(&before);
    bpi_buffer_fini(&made);
    return status;
}

static bp_status drop_tables(sqlite3 *db, const bp_read_model *model, uint64_t number, bp_error *error)
{
    bpi_buffer names;
    bpi_buffer_init(&names, bp_allocator_system());
    bp_status status = read_names(db, tables_noted, model, number, "", &names, error);
    if (status == BP_OK) { /* until the transaction ends: rows may refer to rows of a table that goes before theirs */
        status = bpi_read_exec(db, "PRAGMA defer_foreign_keys = ON", "", "foreign keys of a read model", error);
    }
    if (status == BP_OK) {
        status = drop_names(db, (const char *)names.data, "TABLE", TABLE_NAME, error);
    }
    bpi_buffer_fini(&names);
    return status;
}

/* ---- generations ---- */

static bp_status add_row(sqlite3 *db, const bp_read_model *model, const char *source, uint64_t number, bool live,
                         bp_error *error)
{
    static const uint8_t no_hash[sizeof(bp_hash)];
    bpi_buffer views;
    bp_status status = BP_OK;
    bpi_buffer_init(&views, bp_allocator_system());
    bool good = true;
    for (size_t i = 0; good && i < model->table_count; i++) {
        good = (i == 0 || put(&views, " ")) && put(&views, model->tables[i]);
    }
    sqlite3_stmt *row = NULL;
    if (good) {
        row = prepare(db, "INSERT INTO " POSITIONS " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7)", model, &status, error);
    } else {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a read model");
    }
    if (row != NULL) {
        (void)sqlite3_bind_int64(row, 2, (sqlite3_int64)number);
        (void)sqlite3_bind_int(row, 3, live);
        (void)sqlite3_bind_int64(row, 4, (sqlite3_int64)model->version);
        (void)sqlite3_bind_text(row, 5, source, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(row, 6, views.size == 0 ? "" : (const char *)views.data, (int)views.size,
                                SQLITE_STATIC);
        (void)sqlite3_bind_blob(row, 7, no_hash, sizeof no_hash, SQLITE_STATIC);
        status = finish(db, row, error);
    }
    bpi_buffer_fini(&views);
    return status;
}

bp_status bpi_read_make(sqlite3 *db, const bp_read_model *model, const char *source, uint64_t number, bool live,
                        bp_error *error)
{
    char prefix[BPI_READ_PREFIX];
    bpi_read_prefix(model, number, prefix);
    bp_status status = make_tables(db, model, number, prefix, error);
    if (status == BP_OK) {
        status = add_row(db, model, source, number, live, error);
    }
    return status == BP_OK && live ? make_views(db, model, prefix, error) : status;
}

/* Deletes what a table of ours has of the generation. */
static bp_status delete_row(sqlite3 *db, const char *sql, const bp_read_model *model, uint64_t number, bp_error *error)
{
    bp_status status = BP_OK;
    sqlite3_stmt *row = prepare(db, sql, model, &status, error);
    if (row == NULL) {
        return status;
    }
    (void)sqlite3_bind_int64(row, 2, (sqlite3_int64)number);
    return finish(db, row, error);
}

bp_status bpi_read_drop(sqlite3 *db, const bp_read_model *model, const bpi_generation *generation, bp_error *error)
{
    uint64_t number = generation->number;
    bp_status status = generation->live ? drop_views(db, model, number, error) : BP_OK;
    if (status == BP_OK) {
        status = drop_tables(db, model, number, error);
    }
    if (status == BP_OK) {
        status = delete_row(db, "DELETE FROM " TABLES " WHERE name = ?1 AND generation = ?2", model, number, error);
    }
    return status != BP_OK
               ? status
               : delete_row(db, "DELETE FROM " POSITIONS " WHERE name = ?1 AND generation = ?2", model, number, error);
}

bp_status bpi_read_show(sqlite3 *db, const bp_read_model *model, uint64_t number, bp_error *error)
{
    char prefix[BPI_READ_PREFIX];
    bp_status status = BP_OK;
    sqlite3_stmt *row =
        prepare(db, "UPDATE " POSITIONS " SET live = 1 WHERE name = ?1 AND generation = ?2", model, &status, error);
    if (row == NULL) {
        return status;
    }
    (void)sqlite3_bind_int64(row, 2, (sqlite3_int64)number);
    status = finish(db, row, error);
    bpi_read_prefix(model, number, prefix);
    return status == BP_OK ? make_views(db, model, prefix, error) : status;
}

bp_status bpi_read_save(sqlite3 *db, const bp_read_model *model, uint64_t number, const bp_position *position,
                        bp_error *error)
{
    bp_status status = BP_OK;
    sqlite3_stmt *row = prepare(
        db, "UPDATE " POSITIONS " SET next = ?3, epoch = ?4, event_hash = ?5 WHERE name = ?1 AND generation = ?2",
        model, &status, error);
    if (row == NULL) {
        return status;
    }
    (void)sqlite3_bind_int64(row, 2, (sqlite3_int64)number);
    (void)sqlite3_bind_int64(row, 3, (sqlite3_int64)position->next);
    (void)sqlite3_bind_int64(row, 4, (sqlite3_int64)position->epoch);
    (void)sqlite3_bind_blob(row, 5, position->event_hash.bytes, sizeof position->event_hash.bytes, SQLITE_STATIC);
    return finish(db, row, error);
}

#else

typedef int bpi_no_read_sql;

#endif
