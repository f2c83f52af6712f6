/*
 * sqlite.h: what all users of SQLite here share: its answers as ours.
 */
#ifndef BPI_PROJECTION_SQLITE_H
#define BPI_PROJECTION_SQLITE_H

#ifdef BPI_HAVE_SQLITE

#include <sqlite3.h>

#include <batpak/status.h>

/* SQLITE_OK, SQLITE_ROW and SQLITE_DONE are BP_OK; else the status with SQLite's own words behind `what`. db may be NULL. */
bp_status bpi_sqlite_status(sqlite3 *db, int code, const char *what, bp_error *error);

#endif

#endif
