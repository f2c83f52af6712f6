/*
 * repair.h: one repair under way: what is told of it, and the new store it makes.
 */
#ifndef BPI_STORE_REPAIR_H
#define BPI_STORE_REPAIR_H

#include <batpak/append.h>
#include <batpak/event.h>
#include <batpak/repair.h>

#include "log/salvage.h"
#include "log/site.h"
#include "store/kinds.h"
#include "store/salvage_table.h"

enum { BPI_REPAIR_RANGES = 1000, BPI_REPAIR_PENDING = (int)BP_BATCH_MAX };

typedef struct bpi_repair_range {
    uint64_t first;
    uint64_t end;
} bpi_repair_range;

typedef struct bpi_repair {
    const bp_repair_options *options; /* as in effect */
    bp_repair_report *report;
    bpi_home home; /* of the old store; only read */
    bpi_sources sources;
    bpi_salvage_table table;
    bpi_kinds kinds; /* named by what was taken over */

    /* what the new store holds */
    uint64_t next; /* sequence */
    bp_hlc last_hlc;
    int64_t now_us;
    bp_repair_note run; /* being extended; count 0: none */
    uint64_t ranges[BPI_REPAIR_RANGES][2];

    /* the new store; all NULL in a dry run */
    bpi_site site;   /* its directory and the one above it, as they were found good */
    char *temporary; /* path of the new store while it is made */
    size_t temporary_size;
    bp_store *target;
    bp_event *pending; /* of one commit; views into the old log */
    size_t *made;      /* of each, where its extensions begin in `extensions`; SIZE_MAX: they are its own */
    size_t pending_count;
    uint64_t pending_bytes;
    bpi_buffer extensions;
    bpi_buffer folded; /* bpi_repair_range: sequences whose events retention had dropped; ascending */
} bpi_repair;

void bpi_repair_note(const bpi_repair *repair, const bp_repair_note *note);
void bpi_repair_end_run(bpi_repair *repair);

/* ---- src/store/repair_target.c ---- */

/* Judges target_dir and makes the store beside it. */
bp_status bpi_repair_begin_target(bpi_repair *repair, const char *target_dir, bp_error *error);
/* Stand-ins for [repair->next, until); `before`: the HLC that follows them, 0: none does. */
bp_status bpi_repair_stand_in(bpi_repair *repair, uint64_t until, bp_hlc before, bp_error *error);
/*
 * Adds an event, which is the next, as it is or (`changed`) with the clock and hash that the new store asks for. `external`: a
 * cause of it is lost. BP_ERR_TOO_LARGE: its extensions leave no room; it was not added.
 */
bp_status bpi_repair_add(bpi_repair *repair, const bp_event *event, bpi_salvage_head *head, bool changed, bool external,
                         bp_proof proof, bp_error *error);
/* Commits what was added. */
bp_status bpi_repair_flush(bpi_repair *repair, bp_error *error);
/* The event that tells of the salvage. */
bp_status bpi_repair_summary(bpi_repair *repair, bp_error *error);
/* Closes, verifies, renames. */
bp_status bpi_repair_end_target(bpi_repair *repair, const char *target_dir, bp_error *error);
void bpi_repair_release_target(bpi_repair *repair);

#endif
