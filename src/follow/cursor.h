/*
 * cursor.h: a cursor for those that are built on it.
 */
#ifndef BPI_FOLLOW_CURSOR_H
#define BPI_FOLLOW_CURSOR_H

#include <batpak/cursor.h>

#include "follow/hub.h"

/* The hub of a cursor's store; not held for the caller beyond the cursor. */
bpi_hub *bpi_cursor_hub(const bp_cursor *cursor);

/* The next event as stored, copied; its texts and bytes live as long as the view that *view_out holds for the caller (may be NULL: then
 * until the next step). */
bp_status bpi_cursor_step(bp_cursor *cursor, bp_event *event_out, bpi_view **view_out, bp_error *error);

/* The same out of the piece that is pinned already, so that what was handed out of it stays valid. BP_END: it is used up. */
bp_status bpi_cursor_step_more(bp_cursor *cursor, bp_event *event_out, bp_error *error);

/* Events below this were handed out or passed over. */
uint64_t bpi_cursor_next_sequence(const bp_cursor *cursor);

/* Goes on behind everything that is there, as if it had been handed out. */
bp_status bpi_cursor_to_end(bp_cursor *cursor, bp_error *error);

/* A view and its end for this cursor: of all, or of what is durable. Inside the hub. */
bp_status bpi_cursor_pin(bp_cursor *cursor, bpi_view **view_out, uint64_t *end_out, bp_error *error);

/* A scan of what the cursor has not handed out, below `end`. */
bp_status bpi_cursor_scan(const bp_cursor *cursor, bpi_view *view, uint64_t end, bool backward, bpi_scan **scan_out,
                          bp_error *error);
/* The same as it was opened, texts and all. */
const bp_region *bpi_cursor_whole_region(const bp_cursor *cursor);

/* Goes on at that sequence, which was handed out or passed over already. */
void bpi_cursor_move(bp_cursor *cursor, uint64_t next);

/* The position behind the events below `next`, which are published. */
bp_status bpi_store_position_at(bp_store *store, uint64_t next, bp_position *position_out, bp_error *error);
/* The same; enters the hub. */
bp_status bpi_hub_position(bpi_hub *hub, uint64_t next, bp_position *position_out, bp_error *error);

#endif
