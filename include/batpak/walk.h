/*
 * walk.h: through the causal graph, bounded and safe against cycles.
 */
#ifndef BATPAK_WALK_H
#define BATPAK_WALK_H

#include <batpak/query.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bp_walk_kind {
    BP_WALK_CHAIN = 0,      /* back along the entity's chain, newest first */
    BP_WALK_CAUSES = 1,     /* ancestors: causes, their causes, ...; breadth first */
    BP_WALK_EFFECTS = 2,    /* descendants: what names it as cause, ...; breadth first */
    BP_WALK_CORRELATION = 3 /* all events of its correlation, in sequence order */
} bp_walk_kind;

typedef enum bp_walk_stop {
    BP_WALK_GOING = 0,   /* not at its end yet */
    BP_WALK_DONE = 1,    /* everything was shown */
    BP_WALK_LIMIT = 2,   /* `limit` events were shown */
    BP_WALK_DEPTH = 3,   /* there is more below `depth` */
    BP_WALK_MISSING = 4, /* some causes are not in this store (external); all else was shown */
    BP_WALK_DROPPED = 5  /* it came to events that retention took away; all else was shown, of a chain what is newer */
} bp_walk_stop;

typedef struct bp_walk_options {
    size_t size;
    bp_walk_kind kind;
    uint32_t depth; /* steps from the start; 0 = no bound. 1 with CAUSES or EFFECTS: the direct ones */
    uint64_t limit; /* events; 0 = 1,000,000 */
    bool verify;    /* CHAIN: check each link's hash; BP_ERR_CORRUPT where it does not hold */
} bp_walk_options;

BP_API void bp_walk_options_default(bp_walk_options *options, size_t size);
static inline void bp_walk_options_init(bp_walk_options *options)
{
    bp_walk_options_default(options, sizeof *options);
}

typedef struct bp_walk bp_walk;

/* Starts at the event with that id, which is shown first, at depth 0. BP_ERR_NOT_FOUND: there is none. BP_ERR_DROPPED: retention
 * took it away. */
BP_API BP_MUST_USE bp_status bp_walk_begin(bp_store *store, const bp_id *id, const bp_walk_options *options,
                                           bp_walk **walk_out, bp_error *error);
/*
 * The next event, each once; depth_out (may be NULL) counts steps from the start. BP_END at the end.
 * BP_ERR_CORRUPT: the record at hand is damaged, and what only it leads to is not shown; asking again goes on behind it.
 * BP_ERR_NO_MEMORY, BP_ERR_IO: asking again tries the same event once more.
 */
BP_API BP_MUST_USE bp_status bp_walk_next(bp_walk *walk, const bp_event **event_out, uint32_t *depth_out,
                                          bp_error *error);
/* Why it ended; BP_WALK_GOING before that. */
BP_API bp_walk_stop bp_walk_reason(const bp_walk *walk);
/* "done", "limit", "depth", "missing causes", "dropped events". */
BP_API const char *bp_walk_stop_text(bp_walk_stop reason);
BP_API void bp_walk_end(bp_walk *walk); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#endif
