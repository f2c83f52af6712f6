/*
 * show.h: events as JSON objects and as rows of a table.
 */
#ifndef BATPAK_CLI_SHOW_H
#define BATPAK_CLI_SHOW_H

#include "heads.h"
#include "table.h"

/* What prints events of one store. Start from zeros with `store` set; show_end frees. */
struct show {
    bp_store *store;
    bool json;
    bool steps; /* the table's first column is what show_event is given as step */
    struct heads heads;
    struct table table;
};

void show_begin(struct show *show, bp_store *store, bool json, bool steps);
/* One event: a line of JSON, or a row. */
bp_status show_event(struct show *show, const bp_event *event, uint32_t step, bp_error *error);
/* What was gathered goes out, for those who wait for more. */
void show_flush(struct show *show);
void show_end(struct show *show);

/* All of an iterator, which is closed. Stops early when nobody reads. Returns the exit code; *count_out: how many. */
int show_all(struct show *show, bp_iterator *iterator, uint64_t *count_out);

/*
 * All members of an event in the order of the manual page, braces left to the caller. The previous hash comes from
 * `heads` or the store, which may fail.
 */
bp_status put_event(struct text *text, bp_store *store, const struct heads *heads, const bp_event *event,
                    bp_error *error);

/* "0x1001 order.placed" */
void text_add_kind(struct text *text, bp_store *store, bp_kind_code kind);

#endif
