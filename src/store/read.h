/*
 * read.h: what the reading calls need of the store, and what they share.
 *
 * The first three are the store's: the handle is checked (NULL, forked), a reader looks for what is new, and the index
 * is handed out; what is pinned from it then needs the store no more.
 */
#ifndef BPI_STORE_READ_H
#define BPI_STORE_READ_H

#include <batpak/query.h>
#include <batpak/store.h>

#include "base/options.h"
#include "index/index.h"

/* `flow` is what the log hook is told. NULL: the error says why. */
bpi_index *bpi_store_read_begin(bp_store *store, const char *flow, bp_error *error);
const bp_allocator *bpi_store_allocator(const bp_store *store);
/* The kind of a number, a constant's name, or (with a store) a name of its table. BP_ERR_KIND. */
bp_status bpi_store_kind_find(bp_store *store, const char *text, bp_kind_code *kind_out, bp_error *error);

/* Says that retention took an event away. BP_ERR_DROPPED. */
bp_status bpi_store_dropped(const bp_event *event, bp_error *error);

/* The position behind the newest event of a view. */
bp_status bpi_view_position(const bpi_view *view, uint32_t epoch, bp_position *position_out, bp_error *error);

/* Copies a caller's region, whatever its size; NULL is everything but system events. BP_ERR_ARGUMENT: it is none. */
bp_status bpi_region_take(const bp_region *region, bp_region *region_out, bp_error *error);

#endif
