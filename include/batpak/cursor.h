/*
 * cursor.h: going through what a region has, from any position, and going on later with what came since.
 *
 * A cursor answers BP_END when nothing is there now, and the next event when it is asked again and there is one: each
 * step costs what is new, never the history. Order is the order of commits; there are no gaps and no doubles. What
 * waits (bp_subscribe) and what remembers (bp_consumer_open) is built on it.
 *
 * Works on any handle, writing or reading. A cursor belongs to one thread at a time. It may outlive bp_close: then it
 * answers BP_ERR_CLOSED and is still to be closed. In a forked child every call answers BP_ERR_FORKED.
 */
#ifndef BATPAK_CURSOR_H
#define BATPAK_CURSOR_H

#include <batpak/query.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_cursor bp_cursor;

/* Options. Always start from bp_cursor_options_init; NULL is the same. */
typedef struct bp_cursor_options {
    size_t size;
    const bp_position *from;   /* where to go on; NULL or an empty one: the beginning. It is copied */
    bool durable;              /* only events that survive power loss; default: all that are published */
    bool system;               /* system events too, as if the region said so */
    bool stored;               /* payloads as stored, whatever converters are registered */
    const bp_kind_code *kinds; /* only these, beside what the region says; found by the index. Copied */
    size_t kind_count;         /* 0 = all kinds */
} bp_cursor_options;

BP_API void bp_cursor_options_default(bp_cursor_options *options, size_t size);
static inline void bp_cursor_options_init(bp_cursor_options *options)
{
    bp_cursor_options_default(options, sizeof *options);
}

/*
 * Opens a cursor. region NULL: everything but system events; its texts are copied. Does not block on the disk beyond
 * what a query does.
 *   BP_ERR_DIVERGED  `from` belongs to a history that this store does not have (a power cut took events back, or it is
 *                    another store's): start from the beginning, or from what you know to be right
 *   BP_ERR_ARGUMENT, BP_ERR_NO_MEMORY, BP_ERR_FORKED, BP_ERR_CLOSED
 */
BP_API BP_MUST_USE bp_status bp_cursor_open(bp_store *store, const bp_region *region, const bp_cursor_options *options,
                                            bp_cursor **cursor_out, bp_error *error);

/*
 * The next event of the region, a view until the next call with this cursor.
 *   BP_END          nothing is there now; ask again later
 *   BP_ERR_CORRUPT  its record is damaged. The cursor stays before it: it never passes over damage by itself
 *   BP_ERR_VERSION, BP_ERR_FORMAT  its payload cannot be converted (bp_upcast_register); the cursor stays before it
 *   BP_ERR_CLOSED   the store was closed
 */
BP_API BP_MUST_USE bp_status bp_cursor_next(bp_cursor *cursor, const bp_event **event_out, bp_error *error);

/*
 * Where it stands: behind the event handed out last, or, after BP_END, behind all that was there. What another cursor of
 * the same region needs to go on from here, in any process, now or later. Reads one record.
 */
BP_API BP_MUST_USE bp_status bp_cursor_position(bp_cursor *cursor, bp_position *position_out, bp_error *error);

/* Goes to a position, forward or back. Errors as bp_cursor_open; on failure it stays where it was. */
BP_API BP_MUST_USE bp_status bp_cursor_seek(bp_cursor *cursor, const bp_position *position, bp_error *error);

/* How far behind somebody is. */
typedef struct bp_lag {
    uint64_t events; /* of the region, that are there and were not handed out */
    uint64_t age_us; /* since the oldest of them was committed; 0 when there is none. Exact to the millisecond */
} bp_lag;

/* Counts what is there and was not handed out. Costs a count over what is new. */
BP_API BP_MUST_USE bp_status bp_cursor_lag(bp_cursor *cursor, bp_lag *lag_out, bp_error *error);

/* NULL is allowed. The event handed out last is gone with it. */
BP_API void bp_cursor_close(bp_cursor *cursor);

#ifdef __cplusplus
}
#endif

#endif
