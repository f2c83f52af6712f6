/*
 * import_commit.h: lines on their way into the store: gathered, committed, synced, acknowledged.
 *
 * Numbers that hold: an acknowledgement is printed only for an event that a sync covers. Lines with the same `batch`
 * become one commit or none. What is left out is counted.
 */
#ifndef BATPAK_CLI_IMPORT_COMMIT_H
#define BATPAK_CLI_IMPORT_COMMIT_H

#include "heads.h"
#include "import_line.h"
#include "syncer.h"

struct import {
    bp_store *store;
    bp_policy *policy; /* NULL: none */
    bool durable;
    bool ack;
    bool exact;
    bool skip; /* --on-error skip */
    bool strict_kinds;
    uint64_t group; /* lines of a commit, unless a batch wants more */

    struct import_line *lines; /* held back */
    size_t count;
    /*
     * Where the lines held live. When all of them are committed, the line at hand, read but not held yet, lies in the
     * arena in use, and the other one is free: it is emptied and taken into use.
     */
    struct arena arenas[2];
    unsigned arena;
    bp_batch_item *items; /* room for BP_BATCH_MAX, as the next two */
    bp_append_options *options;
    bp_receipt *receipts;
    bp_event *events;   /* --exact */
    struct heads heads; /* --exact */

    struct syncer syncer;
    struct text acks;         /* of what no sync covers yet */
    struct text acks_syncing; /* of what the sync under way covers */
    uint64_t unsynced;
    double unsynced_since;

    uint64_t events_done; /* appended now */
    uint64_t duplicates;
    uint64_t skipped;
    int code;    /* not 0: it is over */
    bool broken; /* and not for a line's sake: nothing more is tried */
};

void import_begin(struct import *import);
void import_end(struct import *import);

/* Where the next line is to be read into. */
struct arena *import_arena(struct import *import);
/* Bytes of the lines held, and more. */
size_t import_held(const struct import *import);

/*
 * Appends the first n lines held, as one commit. If that is refused, each run and each line without one is tried by
 * itself, so that only what is wrong is left out, or ends the import at the right place.
 */
void import_commit(struct import *import, size_t n);

/* Begins a sync of what was appended; the one before it is waited for. */
void import_sync_start(struct import *import);
/* Acknowledges what a sync covered that is over, or waits for it to be. */
void import_settle(struct import *import, bool wait);
/* Milliseconds until a sync is due; 0: now. Of nothing unsynced: the longest. */
int import_sync_due_ms(const struct import *import);

/* A line that cannot be taken: said, and either left out or the end. */
void import_refuse(struct import *import, uint64_t number, size_t column, const char *what);

/* Appends a file's lines to a store under a policy and says which ones are refused (verb_import.c). EXIT_NO: some are. */
int import_try(bp_store *store, bp_policy *policy, int file);

#endif
