/*
 * engine_sqlite.c: SQLite as its own pages advise for many small transactions of one process: a write-ahead log,
 * prepared statements, a mapped file, a cache that holds the store, no locking between processes. The sequence is the
 * rowid, so the table grows at its end; WITHOUT ROWID is for keys that are no integers and rows that are small.
 */
#include "peer.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum statement {
    BEGIN,
    COMMIT,
    INSERT,
    GET,
    STREAM,
    SCOPE,
    KIND,
    PREFIX,
    SCAN,
    WHEN,
    NEWEST,
    BETWEEN,
    SEQUENCES,
    WALK,
    HEAD,
    STATEMENTS
};

static const char walk_text[] =
    "SELECT b.payload FROM events a JOIN events b ON b.entity = a.entity AND b.clock <= a.clock WHERE a.id = ?1"
    " ORDER BY b.clock DESC LIMIT ?2";

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [INSERT] = "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [GET] = "SELECT payload FROM events WHERE id = ?1",
    [STREAM] = "SELECT payload FROM events WHERE entity = ?1 ORDER BY clock",
    [SCOPE] = "SELECT payload FROM events WHERE scope = ?1 ORDER BY sequence",
    [KIND] = "SELECT payload FROM events WHERE kind = ?1 ORDER BY sequence",
    [PREFIX] = "SELECT payload FROM events WHERE entity >= ?1 AND entity < ?2 ORDER BY entity, clock",
    [SCAN] = "SELECT payload FROM events ORDER BY sequence",
    [WHEN] = "SELECT time FROM events WHERE sequence = ?1",
    [NEWEST] = "SELECT max(sequence) FROM events",
    [BETWEEN] = "SELECT payload FROM events WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence",
    [SEQUENCES] = "SELECT sequence FROM events WHERE kind = ?1 ORDER BY sequence",
    [WALK] = walk_text,
    [HEAD] = "SELECT clock, event_hash FROM events WHERE entity = ?1 ORDER BY clock DESC LIMIT 1",
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS events (sequence INTEGER PRIMARY KEY, id BLOB NOT NULL, entity TEXT NOT NULL,"
    " scope TEXT NOT NULL, kind INTEGER NOT NULL, clock INTEGER NOT NULL, time INTEGER NOT NULL,"
    " content_hash BLOB NOT NULL, event_hash BLOB NOT NULL, payload BLOB NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS by_id ON events (id);"
    "CREATE UNIQUE INDEX IF NOT EXISTS by_entity ON events (entity, clock);"
    "CREATE INDEX IF NOT EXISTS by_scope ON events (scope);" /* an index ends with the rowid by itself */
    "CREATE INDEX IF NOT EXISTS by_kind ON events (kind);";

struct handle {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS];
    struct ledger ledger;
};

static const char *settings(void)
{
    return "SQLite " SQLITE_VERSION ", WAL, synchronous NORMAL (durable: FULL), checkpoint every 10,000 pages, "
           "locking_mode EXCLUSIVE, cache 256 MiB, mmap 8 GiB, prepared statements, indexes (id), (entity, clock), "
           "(scope), (kind); one write transaction at a time, threads wait for a mutex";
}

static bool failed(const struct handle *handle, const char *what)
{
    fprintf(stderr, "sqlite: %s: %s\n", what, sqlite3_errmsg(handle->database));
    return false;
}

static bool execute(struct handle *handle, const char *text)
{
    return sqlite3_exec(handle->database, text, NULL, NULL, NULL) == SQLITE_OK || failed(handle, text);
}

static bool step_once(struct handle *handle, enum statement which)
{
    sqlite3_stmt *statement = handle->statements[which];
    int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    return result == SQLITE_DONE || failed(handle, texts[which]);
}

/* The next row; false at the end, and *good_out false if that came early. */
static bool row(struct handle *handle, enum statement which, bool *good_out)
{
    int result = sqlite3_step(handle->statements[which]);
    if (result == SQLITE_ROW) {
        return true;
    }
    *good_out = result == SQLITE_DONE || failed(handle, texts[which]);
    sqlite3_reset(handle->statements[which]);
    return false;
}

static bool close_database(void *pointer)
{
    struct handle *handle = pointer;
    bool good = true;
    for (size_t index = 0; index < STATEMENTS; index++) {
        sqlite3_finalize(handle->statements[index]);
    }
    if (sqlite3_close(handle->database) != SQLITE_OK) {
        good = failed(handle, "close");
    }
    ledger_end(&handle->ledger);
    free(handle);
    return good;
}

static bool prepare(struct handle *handle, const struct opening *opening)
{
    if (!execute(handle, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                         "PRAGMA wal_autocheckpoint = 10000; PRAGMA cache_size = -262144;"
                         "PRAGMA mmap_size = 8589934592; PRAGMA temp_store = MEMORY") ||
        !execute(handle, opening->mode == MODE_DURABLE ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL") ||
        (opening->make && !execute(handle, schema))) {
        return false;
    }
    for (size_t index = 0; index < STATEMENTS; index++) {
        if (sqlite3_prepare_v3(handle->database, texts[index], -1, SQLITE_PREPARE_PERSISTENT,
                               &handle->statements[index], NULL) != SQLITE_OK) {
            return failed(handle, texts[index]);
        }
    }
    return true;
}

static bool when(void *pointer, uint64_t sequence, uint64_t *time_out)
{
    struct handle *handle = pointer;
    bool good = true;
    bool found = false;
    sqlite3_bind_int64(handle->statements[WHEN], 1, (sqlite3_int64)sequence);
    while (row(handle, WHEN, &good)) {
        *time_out = (uint64_t)sqlite3_column_int64(handle->statements[WHEN], 0);
        found = true;
    }
    return good && found;
}

/* One more than the newest sequence. */
static bool next_sequence(struct handle *handle, uint64_t *next_out)
{
    bool good = true;
    *next_out = 0;
    while (row(handle, NEWEST, &good)) {
        if (sqlite3_column_type(handle->statements[NEWEST], 0) != SQLITE_NULL) {
            *next_out = (uint64_t)sqlite3_column_int64(handle->statements[NEWEST], 0) + 1;
        }
    }
    return good;
}

static bool open_database(const char *folder, const struct opening *opening, void **handle_out)
{
    struct handle *handle = memory_get(sizeof *handle);
    char path[FOLDER_SIZE + 16];
    uint64_t next = 0;
    uint64_t last_us = 0;
    snprintf(path, sizeof path, "%s/events.db", folder);
    ledger_begin(&handle->ledger, 0, 0);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (opening->make ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &handle->database, flags, NULL) != SQLITE_OK) {
        failed(handle, path);
    } else if (prepare(handle, opening) && next_sequence(handle, &next) &&
               (next == 0 || when(handle, next - 1, &last_us))) {
        ledger_end(&handle->ledger);
        ledger_begin(&handle->ledger, next, last_us);
        *handle_out = handle;
        return true;
    }
    close_database(handle);
    return false;
}

static bool find_head(void *pointer, const char *entity, struct head *head_out)
{
    struct handle *handle = pointer;
    sqlite3_stmt *statement = handle->statements[HEAD];
    bool good = true;
    sqlite3_bind_text(statement, 1, entity, -1, SQLITE_STATIC);
    while (row(handle, HEAD, &good)) {
        head_out->next_clock = (uint64_t)sqlite3_column_int64(statement, 0) + 1;
        memcpy(head_out->event.bytes, sqlite3_column_blob(statement, 1), sizeof head_out->event.bytes);
    }
    return good;
}

static bool insert(struct handle *handle, const struct fact *fact, const struct stamp *stamp)
{
    sqlite3_stmt *statement = handle->statements[INSERT];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)stamp->sequence);
    sqlite3_bind_blob(statement, 2, stamp->id.bytes, sizeof stamp->id.bytes, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, fact->entity, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 4, fact->scope, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 5, (int)fact->kind);
    sqlite3_bind_int64(statement, 6, (sqlite3_int64)stamp->clock);
    sqlite3_bind_int64(statement, 7, (sqlite3_int64)stamp->time_us);
    sqlite3_bind_blob(statement, 8, stamp->content.bytes, sizeof stamp->content.bytes, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 9, stamp->event.bytes, sizeof stamp->event.bytes, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 10, fact->payload, (int)fact->payload_size, SQLITE_STATIC);
    return step_once(handle, INSERT);
}

static bool append(void *pointer, const struct fact *facts, size_t count, struct id *ids_out)
{
    static _Thread_local struct stamp stamps[BATCH_MOST];
    struct handle *handle = pointer;
    stamp_contents(facts, count, stamps);
    pthread_mutex_lock(&handle->ledger.lock);
    bool good = ledger_assign(&handle->ledger, find_head, handle, facts, count, stamps) && step_once(handle, BEGIN);
    for (size_t index = 0; good && index < count; index++) {
        good = insert(handle, &facts[index], &stamps[index]);
        if (ids_out != NULL) {
            ids_out[index] = stamps[index].id;
        }
    }
    good = good && step_once(handle, COMMIT);
    pthread_mutex_unlock(&handle->ledger.lock);
    return good;
}

static bool settle(void *pointer)
{
    return execute(pointer, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize");
}

/* ---- asking ---- */

static bool count_rows(struct handle *handle, enum statement which, struct tally *tally)
{
    sqlite3_stmt *statement = handle->statements[which];
    bool good = true;
    while (row(handle, which, &good)) {
        const void *payload = sqlite3_column_blob(statement, 0);
        tally_add(tally, payload, (size_t)sqlite3_column_bytes(statement, 0));
    }
    return good;
}

static bool get(void *pointer, const struct id *id, struct tally *tally)
{
    struct handle *handle = pointer;
    sqlite3_bind_blob(handle->statements[GET], 1, id->bytes, sizeof id->bytes, SQLITE_STATIC);
    return count_rows(handle, GET, tally);
}

static bool stream(void *pointer, const char *entity, struct tally *tally)
{
    struct handle *handle = pointer;
    sqlite3_bind_text(handle->statements[STREAM], 1, entity, -1, SQLITE_STATIC);
    return count_rows(handle, STREAM, tally);
}

static bool scope(void *pointer, const char *name, struct tally *tally)
{
    struct handle *handle = pointer;
    sqlite3_bind_text(handle->statements[SCOPE], 1, name, -1, SQLITE_STATIC);
    return count_rows(handle, SCOPE, tally);
}

static bool kind(void *pointer, unsigned number, struct tally *tally)
{
    struct handle *handle = pointer;
    sqlite3_bind_int(handle->statements[KIND], 1, (int)number);
    return count_rows(handle, KIND, tally);
}

static bool prefix(void *pointer, const char *start, struct tally *tally)
{
    struct handle *handle = pointer;
    char first[NAME_SIZE + 2];
    char behind[NAME_SIZE + 2];
    snprintf(first, sizeof first, "%s:", start);
    snprintf(behind, sizeof behind, "%s;", start); /* what follows a colon */
    sqlite3_bind_text(handle->statements[PREFIX], 1, first, -1, SQLITE_STATIC);
    sqlite3_bind_text(handle->statements[PREFIX], 2, behind, -1, SQLITE_STATIC);
    return count_rows(handle, PREFIX, tally);
}

static bool scan(void *pointer, struct tally *tally)
{
    return count_rows(pointer, SCAN, tally);
}

/* The first sequence whose commit time is not below, by halving: commit times rise with sequences. */
static bool lower_bound(struct handle *handle, uint64_t time, uint64_t *sequence_out)
{
    uint64_t low = 0;
    uint64_t high = handle->ledger.next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t found = 0;
        if (!when(handle, middle, &found)) {
            return false;
        }
        if (found < time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *sequence_out = low;
    return true;
}

static bool between(void *pointer, uint64_t from, uint64_t to, struct tally *tally)
{
    struct handle *handle = pointer;
    uint64_t first = 0;
    uint64_t behind = 0;
    if (!lower_bound(handle, from, &first) || !lower_bound(handle, to + 1, &behind)) {
        return false;
    }
    sqlite3_bind_int64(handle->statements[BETWEEN], 1, (sqlite3_int64)first);
    sqlite3_bind_int64(handle->statements[BETWEEN], 2, (sqlite3_int64)behind - 1);
    return count_rows(handle, BETWEEN, tally);
}

static bool kind_sequences(void *pointer, unsigned number, struct tally *tally)
{
    struct handle *handle = pointer;
    bool good = true;
    sqlite3_bind_int(handle->statements[SEQUENCES], 1, (int)number);
    while (row(handle, SEQUENCES, &good)) {
        tally->events++;
        tally->sum += (uint64_t)sqlite3_column_int64(handle->statements[SEQUENCES], 0);
    }
    return good;
}

static bool walk(void *pointer, const struct id *id, uint64_t limit, struct tally *tally)
{
    struct handle *handle = pointer;
    sqlite3_bind_blob(handle->statements[WALK], 1, id->bytes, sizeof id->bytes, SQLITE_STATIC);
    sqlite3_bind_int64(handle->statements[WALK], 2, (sqlite3_int64)limit);
    return count_rows(handle, WALK, tally);
}

const struct engine engine_sqlite = {
    .name = "sqlite",
    .settings = settings,
    .open = open_database,
    .append = append,
    .settle = settle,
    .close = close_database,
    .get = get,
    .stream = stream,
    .scope = scope,
    .kind = kind,
    .prefix = prefix,
    .scan = scan,
    .when = when,
    .between = between,
    .kind_sequences = kind_sequences,
    .walk = walk,
};
