/*
 * read_model.h: events folded into tables of an SQLite database of yours, for questions that SQL answers best.
 *
 * A model says which tables there are, which statements it writes with, and what an event does. Rows and the position up to
 * which they were folded are committed in one transaction, so that after any crash the tables are those of exactly the events
 * below the position, and folding goes on from there, each event once.
 *
 * The tables lie in *generations*: those of generation 3 of the model `shop` are called shop_3_orders, and so on. Readers use
 * views with the plain names (`orders`). A new version of the model, or bp_read_model_rebuild, folds a second generation
 * while the views show the first, and when it has caught up the views are switched and the first is dropped, in one
 * transaction. Nobody ever sees half of either. What goes with a generation are the tables that `schema` made, which
 * batpak_read_tables names; tables of yours may be called alike.
 *
 * sqlite3.h is not included here; the structs are SQLite's own. Built without SQLite, bp_read_model_open answers
 * BP_ERR_UNSUPPORTED.
 */
#ifndef BATPAK_READ_MODEL_H
#define BATPAK_READ_MODEL_H

#include <batpak/query.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3;
struct sqlite3_stmt;

/* What a model's apply is given. All of it lives during the call. */
typedef struct bp_read_step {
    struct sqlite3 *db;                     /* inside the transaction; do not end it */
    struct sqlite3_stmt *const *statements; /* the model's, reset and without bindings */
    size_t statement_count;
    const char *prefix; /* what the names of this generation's tables begin with */
    const bp_event *event;
} bp_read_step;

/*
 * In `schema` and `statements`, {orders} stands for the name of this generation's table, index or trigger `orders`. Names of
 * models and tables are 1 to 60 letters, digits and underscores, no digit first. Texts and arrays must live as long as the
 * handle.
 */
typedef struct bp_read_model {
    size_t size;               /* sizeof(bp_read_model) */
    const char *name;          /* of the model */
    uint32_t version;          /* raise it when schema or code change: the tables are then folded anew */
    const bp_region *region;   /* NULL: everything but system events. Another region is another model: folded anew */
    const bp_kind_code *kinds; /* the relevant ones */
    size_t kind_count;         /* 0: all */
    const char *const *tables; /* those that get a view of that name */
    size_t table_count;
    const char *schema; /* statements that make the tables and indexes */
    const char *const *statements;
    size_t statement_count;
    void *context;
    /* What an event does. `error` is never NULL; any answer but BP_OK undoes the transaction and is the call's. */
    bp_status (*apply)(void *context, const bp_read_step *step, bp_error *error);
} bp_read_model;

typedef struct bp_read_handle bp_read_handle;

/*
 * Finds the model in the database, or makes its tables. The tables batpak_read_models and batpak_read_tables are ours. The
 * connection is the caller's, stays open, and is used by one thread at a time together with the handle.
 *
 * If the database has the model in another version or of another region or kinds, the handle folds a second generation, and the
 * views stay with the first until it has caught up. A program of the older version may go on updating the first meanwhile.
 *
 *   BP_ERR_UNSUPPORTED  built without SQLite
 *   BP_ERR_ARGUMENT     a NULL, a name that is none, SQL that SQLite refuses, a connection inside a transaction
 *   BP_ERR_VERSION      the database has the model in a newer version
 *   BP_ERR_LOCKED       SQLite is busy: try again
 *   BP_ERR_CORRUPT, BP_ERR_IO, BP_ERR_NO_SPACE, BP_ERR_READ_ONLY  as SQLite says
 *   BP_ERR_NO_MEMORY, BP_ERR_FORKED, BP_ERR_CLOSED
 */
BP_API BP_MUST_USE bp_status bp_read_model_open(bp_store *store, struct sqlite3 *db, const bp_read_model *model,
                                                bp_read_handle **handle_out, bp_error *error);

typedef struct bp_read_options {
    size_t size;
    uint64_t max_events;         /* at most so many; 0 = all that are there */
    uint32_t transaction_events; /* applied in one transaction; default 1000 */
    bool published;              /* events too that a power cut could still take back; default: durable ones only */
} bp_read_options;

BP_API void bp_read_options_default(bp_read_options *options, size_t size);
static inline void bp_read_options_init(bp_read_options *options)
{
    bp_read_options_default(options, sizeof *options);
}

typedef struct bp_read_progress {
    bp_position position; /* committed with the rows */
    uint64_t applied;     /* events of this call */
    bool caught_up;       /* nothing more is there now */
    bool building;        /* into tables that the views do not show yet */
    bool switched;        /* in this call the views were switched */
} bp_read_progress;

/*
 * Applies what has come since. Each transaction is whole or not there. progress_out may be NULL.
 *   BP_ERR_DIVERGED  the rows come from a history this store does not have; they stay as they are. bp_read_model_rebuild
 *   BP_ERR_CONFLICT  another process has switched to another generation: open the model again
 *   BP_ERR_LOCKED    SQLite is busy; what was committed stays. Try again
 *   BP_ERR_CLOSED    the store was closed; the handle is still to be closed
 *   what apply answered, with the event named; what reading gives; as bp_read_model_open
 */
BP_API BP_MUST_USE bp_status bp_read_model_update(bp_read_handle *handle, const bp_read_options *options,
                                                  bp_read_progress *progress_out, bp_error *error);

/* Begins a second generation from the first event. The views go on showing the first; updates build and then switch. */
BP_API BP_MUST_USE bp_status bp_read_model_rebuild(bp_read_handle *handle, bp_error *error);

/* NULL is allowed. What was committed stays. To be closed before the connection. */
BP_API void bp_read_model_close(bp_read_handle *handle);

/* For apply: runs one of the step's statements to its end. Errors as SQLite says; BP_ERR_CONFLICT: a constraint. */
BP_API BP_MUST_USE bp_status bp_read_run(const bp_read_step *step, size_t statement, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
