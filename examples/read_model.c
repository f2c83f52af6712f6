/*
 * read_model.c: orders as events, and as tables of SQLite that answer what events alone answer slowly.
 *
 *   read_model DIR place ORDER CUSTOMER CENTS     appends order.placed
 *   read_model DIR cancel ORDER                   appends order.cancelled
 *   read_model DIR report                         brings the tables up to date, then asks: who spent most?
 *   read_model DIR rebuild                        folds the tables anew; queries see the old ones until it is done
 *
 * Events live in DIR/events, the tables in DIR/shop.sqlite, which any program may query while this one updates it.
 * Deleting it loses nothing.
 */
#include <batpak/batpak.h>

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PLACED = 0xF001, CANCELLED = 0xF002, INSERT = 0, REMOVE = 1 };

/* Payloads are "CUSTOMER CENTS". */
static bp_status apply(void *context, const bp_read_step *step, bp_error *error)
{
    const bp_event *event = step->event;
    (void)context;
    sqlite3_stmt *statement = step->statements[event->kind == PLACED ? INSERT : REMOVE];
    sqlite3_bind_text(statement, 1, event->entity.data, (int)event->entity.size, SQLITE_STATIC);
    if (event->kind == CANCELLED) {
        return bp_read_run(step, REMOVE, error);
    }
    const char *text = event->payload;
    const char *space = memchr(text, ' ', event->payload_size);
    if (space == NULL) {
        return bp_error_set(error, BP_ERR_FORMAT, "an order without an amount");
    }
    sqlite3_bind_text(statement, 2, text, (int)(space - text), SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, space + 1, (int)(event->payload_size - (size_t)(space + 1 - text)), SQLITE_STATIC);
    return bp_read_run(step, INSERT, error);
}

static const bp_kind_code kinds[] = {PLACED, CANCELLED};
static const char *const tables[] = {"orders"};
static const char *const statements[] = {
    [INSERT] = "INSERT INTO {orders}(id, customer, cents) VALUES (?1, ?2, CAST(?3 AS INTEGER))",
    [REMOVE] = "DELETE FROM {orders} WHERE id = ?1",
};
static const bp_read_model shop = {
    .size = sizeof(bp_read_model),
    .name = "shop",
    .version = 1,
    .kinds = kinds,
    .kind_count = 2,
    .tables = tables,
    .table_count = 1,
    .schema = "CREATE TABLE {orders}(id TEXT PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL);"
              "CREATE INDEX {orders_by_customer} ON {orders}(customer)",
    .statements = statements,
    .statement_count = 2,
    .apply = apply,
};

static int print_row(void *context, int count, char **values, char **names)
{
    (void)context;
    (void)count;
    (void)names;
    printf("%-12s %3s orders %8s cents\n", values[0], values[1], values[2]);
    return 0;
}

static bp_status report(bp_store *store, sqlite3 *db, bool anew, bp_error *error)
{
    bp_read_handle *handle = NULL;
    bp_read_progress progress;
    bp_status status = bp_read_model_open(store, db, &shop, &handle, error);
    if (status == BP_OK && anew) {
        status = bp_read_model_rebuild(handle, error);
    }
    if (status == BP_OK) {
        status = bp_read_model_update(handle, NULL, &progress, error);
    }
    bp_read_model_close(handle);
    if (status != BP_OK) {
        return status;
    }
    printf("%llu events applied%s\n", (unsigned long long)progress.applied, progress.switched ? ", switched" : "");
    int code = sqlite3_exec(db,
                            "SELECT customer, count(*), sum(cents) AS total FROM orders"
                            " GROUP BY customer ORDER BY total DESC, customer LIMIT 10",
                            print_row, NULL, NULL);
    return code == SQLITE_OK ? BP_OK : bp_error_set(error, BP_ERR_IO, "%s", sqlite3_errmsg(db));
}

static bp_status append(bp_store *store, const char *order, bp_kind_code kind, const char *payload, bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.expect.kind = kind == PLACED ? BP_EXPECT_NONE : BP_EXPECT_ANY;
    return bp_append(store, bp_at(order, "shop"), kind, bp_raw(payload, strlen(payload)), &options, NULL, error);
}

int main(int argc, char **argv)
{
    const char *verb = argc < 3 ? "" : argv[2];
    bool places = argc == 6 && strcmp(verb, "place") == 0;
    bool cancels = argc == 4 && strcmp(verb, "cancel") == 0;
    bool rebuilds = argc == 3 && strcmp(verb, "rebuild") == 0;
    if (!places && !cancels && !rebuilds && !(argc == 3 && strcmp(verb, "report") == 0)) {
        fputs("usage: read_model DIR place ORDER CUSTOMER CENTS | cancel ORDER | report | rebuild\n", stderr);
        return 2;
    }
    char path[1024];
    char payload[256];
    bp_error error = {0};
    bp_store *store = NULL;
    sqlite3 *db = NULL;
    (void)mkdir(argv[1], 0700);
    snprintf(path, sizeof path, "%s/events", argv[1]);
    bp_status status = bp_open(path, NULL, &store, &error);
    if (status == BP_OK && (places || cancels)) {
        snprintf(payload, sizeof payload, "%s %s", places ? argv[4] : "", places ? argv[5] : "");
        status = append(store, argv[3], places ? PLACED : CANCELLED, payload, &error);
    } else if (status == BP_OK) {
        snprintf(path, sizeof path, "%s/shop.sqlite", argv[1]);
        status = sqlite3_open(path, &db) == SQLITE_OK ? report(store, db, rebuilds, &error)
                                                      : bp_error_set(&error, BP_ERR_IO, "%s", sqlite3_errmsg(db));
    }
    sqlite3_close(db);
    bp_status closed = bp_close(store, status == BP_OK ? &error : NULL);
    return status == BP_OK && closed == BP_OK ? 0 : bp_print_error(stderr, &error);
}
