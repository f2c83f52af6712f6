/*
 * sqlite.c: SQLite's answers as ours.
 */
#include "projection/sqlite.h"

#ifdef BPI_HAVE_SQLITE

#include "base/error.h"

static bp_status status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return BP_ERR_LOCKED;
    case SQLITE_NOMEM:
        return BP_ERR_NO_MEMORY;
    case SQLITE_FULL:
        return BP_ERR_NO_SPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return BP_ERR_CORRUPT;
    case SQLITE_READONLY:
        return BP_ERR_READ_ONLY;
    case SQLITE_TOOBIG:
        return BP_ERR_TOO_LARGE;
    case SQLITE_CONSTRAINT:
        return BP_ERR_CONFLICT;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return BP_ERR_ARGUMENT;
    default:
        return BP_ERR_IO;
    }
}

bp_status bpi_sqlite_status(sqlite3 *db, int code, const char *what, bp_error *error)
{
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) {
        return BP_OK;
    }
    return bpi_error_set(error, status_of(code), "SQLite: %s: %s", what,
                         db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

#else

typedef int bpi_built_without_sqlite;

#endif
