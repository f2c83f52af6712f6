/*
 * watch.h: a state, told anew whenever it has changed.
 *
 * A watch holds a projection against an entity or a region. The first answer is the state as it is, or that it is absent; each
 * later one comes when a relevant event has come since the one before, with the state as it is then: what happened in between is
 * one change. Nothing is queued and nothing is missed: whoever is slow gets fewer answers, and the last one is always the state
 * now.
 */
#ifndef BATPAK_WATCH_H
#define BATPAK_WATCH_H

#include <batpak/projection.h>
#include <batpak/subscription.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_watch bp_watch;

/*
 * Opens a watch, on any handle, writing or reading. The region's texts are copied; the projection and the cache of the options
 * must outlive the watch. Options: as_of and max_stale_ms must be left alone. With a cache, an incremental type and
 * the store's `incremental_projection`, an answer costs what is new; else a whole fold.
 *   BP_ERR_ARGUMENT, BP_ERR_NO_MEMORY, BP_ERR_FORKED, BP_ERR_CLOSED
 */
BP_API BP_MUST_USE bp_status bp_watch_open(bp_store *store, const bp_projection *projection, const bp_region *region,
                                           const bp_project_options *options, bp_watch **watch_out, bp_error *error);

/*
 * Waits for the next answer at most `timeout_ms` (0: looks once; BP_FOREVER). One thread at a time. With BP_OK and
 * result_out->present the caller has a state to release; without `present` the region is absent and nothing was made.
 * result_out is needed.
 *   BP_END           the watch was stopped, or the store is closed or closing; and again if asked again
 *   BP_ERR_TIMEOUT   nothing relevant came
 *   BP_ERR_DIVERGED  the history was taken back under a reader: what was told before is void. The next answer begins anew
 *   what bp_project_region answers: nothing was told; the next call tries again
 */
BP_API BP_MUST_USE bp_status bp_watch_next(bp_watch *watch, uint32_t timeout_ms, void *state, bp_projected *result_out,
                                           bp_error *error);

/* Ends it: who waits in bp_watch_next gets BP_END, at once. Any thread, from a projection's function too. NULL is allowed. */
BP_API void bp_watch_stop(bp_watch *watch);

/* NULL is allowed. Nobody may be waiting in it; before or after bp_close. */
BP_API void bp_watch_close(bp_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
