/*
 * read_model.c: folding into SQLite.
 *
 * A transaction loads the generation's row, applies events from the position in it, saves the new position and commits. So
 * whoever committed before, this process or another, is where it goes on; and nothing that is remembered here counts beyond
 * sparing a look.
 *
 * Holds: the connection is outside of a transaction whenever a call returns.
 */
#include <batpak/read_model.h>

#include <string.h>

#include "base/error.h"
#include "projection/read_sql.h"

void bp_read_options_default(bp_read_options *options, size_t size)
{
    bp_read_options defaults = {.size = size, .transaction_events = 1000};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

#ifdef BPI_HAVE_SQLITE

#include <inttypes.h>

#include <batpak/cursor.h>

#include "follow/hub.h"
#include "store/read.h"

struct bp_read_handle {
    const bp_allocator *allocator;
    bpi_hub *hub; /* held: the way to the store, as long as it is open */
    sqlite3 *db;
    bp_read_model model;
    bp_region region;
    char *source;
    size_t source_size;
    uint64_t generation;
    bool building;
    char prefix[BPI_READ_PREFIX];
    sqlite3_stmt **statements;
    bp_cursor *cursor; /* NULL: to be opened */
    bool durable;      /* what the cursor was opened for */
    bool moved;        /* the cursor has gone beyond what was committed */
    bp_position position;
};

/* ---- transactions ---- */

static bp_status begin(sqlite3 *db, bp_error *error)
{
    if (sqlite3_get_autocommit(db) == 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the SQLite connection is inside a transaction");
    }
    return bpi_sqlite_status(db, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), "cannot begin", error);
}

/* Commits after BP_OK, else undoes. The status, or why it could not be committed. */
static bp_status end(sqlite3 *db, bp_status status, bp_error *error)
{
    if (status == BP_OK) {
        status = bpi_sqlite_status(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), "cannot commit", error);
    }
    if (status != BP_OK && sqlite3_get_autocommit(db) == 0) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

/* ---- opening ---- */

static bp_status check_model(const bp_read_model *model, bp_error *error)
{
    if (model == NULL || !bpi_size_fits(model, sizeof *model, sizeof *model) || model->apply == NULL ||
        model->schema == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a read model needs its size, a schema and an apply function");
    }
    if (!bpi_read_name_is_good(model->name)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a read model's name is 1 to 60 letters, digits and underscores");
    }
    if ((model->tables == NULL && model->table_count > 0) || (model->kinds == NULL && model->kind_count > 0) ||
        (model->statements == NULL && model->statement_count > 0)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "read model %s: an array is NULL", model->name);
    }
    for (size_t i = 0; i < model->table_count; i++) {
        if (!bpi_read_name_is_good(model->tables[i])) {
            return bpi_error_set(error, BP_ERR_ARGUMENT,
                                 "read model %s: a table's name is 1 to 60 letters, digits and underscores",
                                 model->name);
        }
    }
    for (size_t i = 0; i < model->statement_count; i++) {
        if (model->statements[i] == NULL) {
            return bpi_error_set(error, BP_ERR_ARGUMENT, "read model %s: a statement is NULL", model->name);
        }
    }
    return BP_OK;
}

/* Finds or makes the generation this handle folds into; inside a transaction. */
static bp_status settle(bp_read_handle *handle, bool anew, bp_error *error)
{
    bpi_generation live;
    bpi_generation building;
    sqlite3 *db = handle->db;
    const bp_read_model *model = &handle->model;
    bp_status status = bpi_read_prepare_table(db, error);
    if (status == BP_OK) {
        status = bpi_read_find(db, model, handle->source, &live, &building, error);
    }
    /* What a newer version builds beside it is not our concern; a rebuild of our own is to be finished. */
    bool going_on = status == BP_OK && !anew && live.ours && !building.ours;
    if (status == BP_OK && (live.version > model->version || (building.version > model->version && !going_on))) {
        bpi_error_set(error, BP_ERR_VERSION, "read model %s is there in version %u, newer than %u", model->name,
                      (unsigned)(live.version > building.version ? live.version : building.version),
                      (unsigned)model->version);
        bpi_error_hint(error, "use the newer program");
        return BP_ERR_VERSION;
    }
    if (status == BP_OK && building.number != 0 && (anew || !building.ours) && building.version <= model->version) {
        status = bpi_read_drop(db, model, &building, error);
        building.number = 0;
    }
    if (status != BP_OK) {
        return status;
    }
    if (going_on) {
        handle->generation = live.number;
        handle->building = false;
        return BP_OK;
    }
    handle->building = live.number != 0;
    handle->generation = building.number != 0 ? building.number : live.number + 1;
    return building.number != 0 ? BP_OK
                                : bpi_read_make(db, model, handle->source, handle->generation, live.number == 0, error);
}

static void drop_statements(const bp_read_handle *handle, struct sqlite3_stmt **statements)
{
    for (size_t i = 0; i < handle->model.statement_count; i++) {
        (void)sqlite3_finalize(statements[i]);
        statements[i] = NULL;
    }
}

static bp_status prepare_statements(bp_read_handle *handle, struct sqlite3_stmt **statements, bp_error *error)
{
    bp_status status = BP_OK;
    bpi_read_prefix(&handle->model, handle->generation, handle->prefix);
    for (size_t i = 0; status == BP_OK && i < handle->model.statement_count; i++) {
        status = bpi_read_prepare(handle->db, handle->model.statements[i], handle->prefix, &statements[i], error);
    }
    return status;
}

/* Settles on a generation and prepares for it; after an error the handle is with the one it was with. */
static bp_status attach(bp_read_handle *handle, bool anew, bp_error *error)
{
    size_t count = handle->model.statement_count + 1;
    uint64_t generation = handle->generation;
    bool building = handle->building;
    struct sqlite3_stmt **fresh = bpi_allocate_array(handle->allocator, count, sizeof *fresh);
    if (fresh == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a read model");
    }
    bp_status status = begin(handle->db, error);
    if (status == BP_OK) {
        status = settle(handle, anew, error);
        if (status == BP_OK) {
            status = prepare_statements(handle, fresh, error);
        }
        status = end(handle->db, status, error);
    }
    if (status == BP_OK) {
        struct sqlite3_stmt **old = handle->statements;
        handle->statements = fresh;
        fresh = old;
    } else {
        handle->generation = generation;
        handle->building = building;
        bpi_read_prefix(&handle->model, generation, handle->prefix);
    }
    drop_statements(handle, fresh);
    bpi_release(handle->allocator, fresh, count * sizeof *fresh);
    handle->moved = true; /* the cursor, if there is one, is somewhere else */
    return status;
}

bp_status bp_read_model_open(bp_store *store, struct sqlite3 *db, const bp_read_model *model,
                             bp_read_handle **handle_out, bp_error *error)
{
    if (handle_out == NULL || db == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", db == NULL ? "db" : "handle_out");
    }
    *handle_out = NULL;
    bp_status status = check_model(model, error);
    if (status != BP_OK) {
        return status;
    }
    const bp_allocator *allocator = bp_allocator_system();
    bp_read_handle *handle = bpi_allocate_zero(allocator, sizeof *handle);
    if (handle == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a read model");
    }
    handle->allocator = allocator;
    handle->db = db;
    handle->model = *model;
    status = bpi_hub_of(store, &handle->hub, error);
    if (status == BP_OK) {
        status = bpi_region_take(model->region, &handle->region, error);
    }
    handle->model.region = &handle->region;
    if (status == BP_OK) {
        handle->source = bpi_read_source(&handle->model, &handle->source_size);
        handle->statements = bpi_allocate_array(allocator, model->statement_count + 1, sizeof *handle->statements);
        if (handle->source == NULL || handle->statements == NULL) {
            status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a read model");
        }
    }
    if (status == BP_OK) {
        status = attach(handle, false, error);
    }
    if (status != BP_OK) {
        bp_read_model_close(handle);
        return status;
    }
    *handle_out = handle;
    return BP_OK;
}

void bp_read_model_close(bp_read_handle *handle)
{
    if (handle == NULL) {
        return;
    }
    if (handle->statements != NULL) {
        drop_statements(handle, handle->statements);
        bpi_release(handle->allocator, handle->statements,
                    (handle->model.statement_count + 1) * sizeof *handle->statements);
    }
    bp_cursor_close(handle->cursor);
    bpi_hub_drop(handle->hub);
    bpi_release(handle->allocator, handle->source, handle->source_size);
    bpi_release(handle->allocator, handle, sizeof *handle);
}

bp_status bp_read_model_rebuild(bp_read_handle *handle, bp_error *error)
{
    if (handle == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "handle is NULL");
    }
    return attach(handle, true, error);
}

/* ---- folding ---- */

/* The cursor at the position that was committed last, by whomever. */
static bp_status place_cursor(bp_read_handle *handle, const bp_position *position, bool durable, bp_error *error)
{
    if (handle->cursor != NULL && handle->durable != durable) {
        bp_cursor_close(handle->cursor);
        handle->cursor = NULL;
    }
    bool there = !handle->moved && position->next == handle->position.next &&
                 bp_hash_equal(&position->event_hash, &handle->position.event_hash);
    if (handle->cursor != NULL && there) {
        return BP_OK;
    }
    bp_status status = BP_OK;
    if (handle->cursor != NULL) {
        status = bp_cursor_seek(handle->cursor, position, error);
    } else {
        bp_cursor_options options;
        bp_cursor_options_init(&options);
        options.from = position;
        options.durable = durable;
        options.kinds = handle->model.kinds;
        options.kind_count = handle->model.kind_count;
        status = bp_cursor_open(handle->hub->store, &handle->region, &options, &handle->cursor, error);
        handle->durable = durable;
    }
    if (status == BP_OK) {
        handle->position = *position;
        handle->moved = false;
    } else if (status == BP_ERR_DIVERGED) {
        bpi_error_wrap(error, status, "read model %s", handle->model.name);
        bpi_error_hint(error, "bp_read_model_rebuild folds it anew");
    }
    return status;
}

static bp_status apply(bp_read_handle *handle, const bp_event *event, bp_error *error)
{
    bp_error own = {0};
    bp_read_step step = {.db = handle->db,
                         .statements = handle->statements,
                         .statement_count = handle->model.statement_count,
                         .prefix = handle->prefix,
                         .event = event};
    for (size_t i = 0; i < step.statement_count; i++) {
        (void)sqlite3_reset(handle->statements[i]);
        (void)sqlite3_clear_bindings(handle->statements[i]);
    }
    bpi_call_frame frame;
    bpi_call_begin(&frame, handle->hub); /* apply may not close the store */
    bp_status status = handle->model.apply(handle->model.context, &step, &own);
    bpi_call_end(&frame);
    status = bpi_error_callback(&own, status, "apply");
    if (status == BP_OK && sqlite3_get_autocommit(handle->db) != 0) {
        status = bpi_error_set(&own, BP_ERR_ARGUMENT, "apply has ended the transaction");
    }
    if (status != BP_OK) {
        bpi_error_wrap(&own, status, "read model %s, event %" PRIu64, handle->model.name, event->sequence);
        bpi_error_entity(&own, event->entity);
        own.sequence = event->sequence;
        own.has_sequence = true;
        if (error != NULL) {
            *error = own;
        }
    }
    return status;
}

/* Applies at most `most` events; *caught_out: there were fewer. */
static bp_status apply_some(bp_read_handle *handle, uint64_t most, uint64_t *applied_out, bool *caught_out,
                            bp_error *error)
{
    bp_status status = BP_OK;
    *applied_out = 0;
    while (status == BP_OK && *applied_out < most) {
        const bp_event *event = NULL;
        status = bp_cursor_next(handle->cursor, &event, error);
        if (status == BP_OK) {
            handle->moved = true;
            status = apply(handle, event, error);
            (*applied_out)++;
        }
    }
    *caught_out = status == BP_END;
    for (size_t i = 0; i < handle->model.statement_count; i++) {
        (void)sqlite3_reset(handle->statements[i]); /* one that is under way keeps a table locked */
    }
    return status == BP_END ? BP_OK : status;
}

/* The views change over to what has been built, and what they showed goes. */
static bp_status switch_views(bp_read_handle *handle, bp_error *error)
{
    bpi_generation live;
    bpi_generation building;
    bp_status status = bpi_read_find(handle->db, &handle->model, handle->source, &live, &building, error);
    if (status == BP_OK && live.number != 0) {
        status = bpi_read_drop(handle->db, &handle->model, &live, error);
    }
    return status == BP_OK ? bpi_read_show(handle->db, &handle->model, handle->generation, error) : status;
}

static bp_status gone(const bp_read_handle *handle, bp_error *error)
{
    bpi_error_set(error, BP_ERR_CONFLICT, "read model %s: generation %" PRIu64 " was replaced by another process",
                  handle->model.name, handle->generation);
    bpi_error_hint(error, "open the model again");
    return BP_ERR_CONFLICT;
}

/* One transaction. */
static bp_status fold_some(bp_read_handle *handle, uint64_t most, bool durable, bp_read_progress *progress,
                           bp_error *error)
{
    bpi_generation generation;
    bp_position position = {0};
    uint64_t applied = 0;
    bool caught_up = false;
    bp_status status = begin(handle->db, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_read_load(handle->db, &handle->model, handle->source, handle->generation, &generation, error);
    if (status == BP_OK && !generation.ours) { /* gone, or its number was taken again */
        status = gone(handle, error);
    }
    if (status == BP_OK) {
        status = place_cursor(handle, &generation.position, durable, error);
    }
    if (status == BP_OK) {
        status = apply_some(handle, most, &applied, &caught_up, error);
    }
    if (status == BP_OK) {
        status = bp_cursor_position(handle->cursor, &position, error);
    }
    if (status == BP_OK && position.next != generation.position.next) {
        status = bpi_read_save(handle->db, &handle->model, handle->generation, &position, error);
    }
    bool switching = status == BP_OK && caught_up && !generation.live;
    if (switching) {
        status = switch_views(handle, error);
    }
    status = end(handle->db, status, error);
    if (status != BP_OK) {
        return status;
    }
    handle->position = position;
    handle->moved = false;
    handle->building = !generation.live && !switching;
    progress->position = position;
    progress->applied += applied;
    progress->caught_up = caught_up;
    progress->building = handle->building;
    progress->switched = progress->switched || switching;
    return BP_OK;
}

bp_status bp_read_model_update(bp_read_handle *handle, const bp_read_options *options, bp_read_progress *progress_out,
                               bp_error *error)
{
    bp_read_options taken;
    bp_read_progress progress = {0};
    bp_read_options_init(&taken);
    if (progress_out != NULL) {
        *progress_out = progress;
    }
    if (handle == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "handle is NULL");
    }
    bp_status status = bpi_options_take(options, sizeof taken, &taken, sizeof taken, "bp_read_options", error);
    if (status == BP_OK && taken.transaction_events == 0) {
        status = bpi_error_set(error, BP_ERR_ARGUMENT, "bp_read_options: transaction_events is 0");
    }
    if (status == BP_OK) {
        status = bpi_hub_enter(handle->hub, error);
    }
    bool inside = status == BP_OK;
    uint64_t left = taken.max_events == 0 ? UINT64_MAX : taken.max_events;
    while (status == BP_OK && left > 0 && !progress.caught_up) {
        uint64_t before = progress.applied;
        uint64_t most = left < taken.transaction_events ? left : taken.transaction_events;
        status = fold_some(handle, most, !taken.published, &progress, error);
        left -= progress.applied - before;
    }
    if (inside) {
        bpi_hub_leave(handle->hub);
    }
    if (progress_out != NULL) {
        *progress_out = progress;
    }
    return status;
}

bp_status bp_read_run(const bp_read_step *step, size_t statement, bp_error *error)
{
    if (step == NULL || statement >= step->statement_count) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_read_run: there is no such statement");
    }
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW) {
        code = sqlite3_step(step->statements[statement]);
    }
    bp_status status = bpi_sqlite_status(step->db, code, "a statement of the model", error);
    (void)sqlite3_reset(step->statements[statement]);
    return status;
}

#else

static bp_status left_out(bp_error *error)
{
    bpi_error_set(error, BP_ERR_UNSUPPORTED, "this library was built without SQLite");
    bpi_error_hint(error, "a build with libsqlite3-dev has read models");
    return BP_ERR_UNSUPPORTED;
}

bp_status bp_read_model_open(bp_store *store, struct sqlite3 *db, const bp_read_model *model,
                             bp_read_handle **handle_out, bp_error *error)
{
    (void)store;
    (void)db;
    (void)model;
    if (handle_out != NULL) {
        *handle_out = NULL;
    }
    return left_out(error);
}

void bp_read_model_close(bp_read_handle *handle)
{
    (void)handle;
}

bp_status bp_read_model_rebuild(bp_read_handle *handle, bp_error *error)
{
    (void)handle;
    return left_out(error);
}

bp_status bp_read_model_update(bp_read_handle *handle, const bp_read_options *options, bp_read_progress *progress_out,
                               bp_error *error)
{
    (void)handle;
    (void)options;
    (void)progress_out;
    return left_out(error);
}

bp_status bp_read_run(const bp_read_step *step, size_t statement, bp_error *error)
{
    (void)step;
    (void)statement;
    return left_out(error);
}

#endif
