/*
 * making.h: a store made out of another one, from the picture of its log to the proof of what was made: what snapshots and restores
 * have in common.
 */
#ifndef BPI_STORE_MAKING_H
#define BPI_STORE_MAKING_H

#include <batpak/snapshot.h>
#include <batpak/verify.h>

#include "log/transfer.h"

typedef struct bpi_making {
    bpi_site site;
    bpi_picture picture;
    bpi_transfer transfer;
    bpi_note note;
    uint32_t epoch;       /* of what is made */
    bool snapshot;        /* else it is a restore */
    bpi_buffer consumers; /* files to be brought over */
    bpi_buffer keys;
    bpi_buffer erasures;             /* notes of those that are not finished */
    const bpi_home *record;          /* the store that is to remember the snapshot; NULL */
    void (*brought)(void *argument); /* called when the source's files are not needed any more; NULL */
    void *brought_argument;
    bp_progress_fn progress;
    void *progress_context;
    bp_snapshot_report report;
} bpi_making;

/* Makes it in the place, which bpi_site_open has found good, out of the picture; both are closed whatever comes of it, and
 * what was made is taken back after an error. */
bp_status bpi_make(bpi_making *making, bp_error *error);

/* Proves a whole store; the error names the first fault. */
bp_status bpi_prove(const bpi_home *home, bp_progress_fn progress, void *context, bp_verify_report *report,
                    bp_error *error);

/* Reads the consumers' positions if they are to come along: before the frontier is looked at, so that none is beyond it. */
bp_status bpi_make_gather(bpi_making *making, const bpi_home *home, bool consumers, bp_error *error);
/* Reads the keys: when the frontier is known, so that none is missing. What was gathered is to be forgotten after an error. */
bp_status bpi_make_gather_keys(bpi_making *making, const bpi_home *home, bp_error *error);
/* Reads the notes of erasures that are not finished: when the picture is taken and before what it shows is rewritten, so that what is on
 * record in the copy, and not done there, is done by its first opening. The same after an error. */
bp_status bpi_make_gather_erasures(bpi_making *making, const bpi_home *home, bp_error *error);
void bpi_make_forget(bpi_making *making);

#endif
