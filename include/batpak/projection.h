/*
 * projection.h: folding events into state.
 *
 * A projection says how: what a state is before its first event, and what each event does to it. It is asked for one
 * entity or for a region, as it is now, or as it was. Answers can be kept in a cache (cache.h); whether they are changes how
 * soon an answer is there and never what it is.
 *
 * An entity or region without relevant events has no state: it is absent.
 */
#ifndef BATPAK_PROJECTION_H
#define BATPAK_PROJECTION_H

#include <batpak/cache.h>
#include <batpak/query.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a projection is. The functions may be called from any thread that asks, several at a time on different states. They
 * may read the store. `error` is never NULL there; set it by bp_error_set with every status but BP_OK. BP_END or a number
 * that is no status is taken as BP_ERR_FORMAT.
 */
typedef struct bp_projection {
    size_t size;               /* sizeof(bp_projection) */
    const char *type;          /* type id, 1 to 255 bytes: what a cached state is a state of */
    uint32_t version;          /* of state and code: raise it when either changes, and cached states are left alone */
    const bp_kind_code *kinds; /* the relevant ones; others are not even read */
    size_t kind_count;         /* 0: all */
    bool incremental;          /* a cached state may be carried on with the events that came since (see below) */
    bool flat;                 /* the state is plain bytes without pointers: encode and decode are copies */
    size_t state_size;         /* bytes of a state */
    void *context;             /* passed first to all functions */
    /* Makes the state before the first event. NULL: zeros. */
    bp_status (*init)(void *context, void *state, bp_error *error);
    /* What an event does. `event` lives during the call. */
    bp_status (*apply)(void *context, void *state, const bp_event *event, bp_error *error);
    /* State to bytes and back; needed for a cache unless `flat`. decode makes the state, instead of init. */
    bp_status (*encode)(void *context, const void *state, bp_output *output, bp_error *error);
    bp_status (*decode)(void *context, void *state, const void *data, size_t size, bp_error *error);
    /* Releases what a state holds, not the state. NULL: nothing. */
    void (*fini)(void *context, void *state);
} bp_projection;

typedef enum bp_as_of { BP_AS_OF_NOW = 0, BP_AS_OF_SEQUENCE = 1, BP_AS_OF_COMMITTED = 2 } bp_as_of;

typedef struct bp_project_options {
    size_t size;
    const bp_cache *cache; /* NULL: none */
    uint32_t max_stale_ms; /* 0: consistent, with all that is published. Else a cached state will do that was complete
                              at most so many milliseconds ago by the store's clock */
    bp_as_of as_of;        /* state as it was: nothing of it is put into the cache */
    uint64_t as_of_sequence;
    bp_hlc as_of_committed; /* inclusive: BP_HLC_MAX_OF_MS(ms) is the end of that millisecond */
} bp_project_options;

BP_API void bp_project_options_default(bp_project_options *options, size_t size);
static inline void bp_project_options_init(bp_project_options *options)
{
    bp_project_options_default(options, sizeof *options);
}

/* How an answer came about. */
typedef struct bp_projected {
    bp_position position; /* the state has every relevant event below position.next, and none behind */
    uint64_t applied;     /* events applied for this answer */
    bool present;         /* there is a state */
    bool cached;          /* it was, or began from, a cached one */
    bool changed;         /* bp_project_if_changed: something came since; else true */
} bp_projected;

/*
 * The state of one entity, or of a region. `state` is the caller's, at least state_size bytes, aligned as the type needs;
 * it is made here. With BP_OK it is the caller's to release (fini); with any other answer there is nothing to release.
 * result_out may be NULL.
 *
 * How much is read: without a usable cached state, every relevant event. With one: nothing when no relevant event has come
 * since; else, if the type is `incremental` and the store's option `incremental_projection` is on, only what came since; else
 * every relevant event. A cached state is usable if type id, version, kinds, region and store are the same, its bytes are
 * whole, and its position lies in this store's history.
 *
 * Any thread. Blocks on reading only.
 *   BP_ERR_NOT_FOUND  absent: no relevant event
 *   BP_ERR_ARGUMENT   a NULL, a type id that is none, a cache with neither `flat` nor encode and decode
 *   what apply, init or decode answered: the same whether a cache is used or not; the message names projection and event.
 *                     Nothing was put into the cache
 *   BP_ERR_CORRUPT, BP_ERR_VERSION and what else reading gives
 */
BP_API BP_MUST_USE bp_status bp_project(bp_store *store, const bp_projection *projection, const char *entity,
                                        const bp_project_options *options, void *state, bp_projected *result_out,
                                        bp_error *error);
BP_API BP_MUST_USE bp_status bp_project_region(bp_store *store, const bp_projection *projection,
                                               const bp_region *region, const bp_project_options *options, void *state,
                                               bp_projected *result_out, bp_error *error);

/*
 * The same, but only if a relevant event has come behind `seen` (the position of an earlier answer; all zero: from
 * nothing). If none has, the answer is BP_OK, result_out->changed is false, result_out->position is where to go on, and
 * nothing was made in `state`. result_out is needed.
 *   BP_ERR_DIVERGED   `seen` is of a history this store does not have: what was folded up to there is void
 *   BP_ERR_ARGUMENT   also: with as_of or max_stale_ms
 */
BP_API BP_MUST_USE bp_status bp_project_if_changed(bp_store *store, const bp_projection *projection,
                                                   const bp_region *region, const bp_position *seen,
                                                   const bp_project_options *options, void *state,
                                                   bp_projected *result_out, bp_error *error);

/* One of several projections that are folded together. */
typedef struct bp_projection_item {
    const bp_projection *projection;
    void *state; /* as above; made only if result.present */
    bp_projected result;
} bp_projection_item;

#define BP_FUSED_MAX 64u

/*
 * Several projections of one region in one pass: every event is read once. The states are those that each alone would
 * give, all at one position. BP_OK although some or all are absent: result.present says. With any other answer no state was
 * made.
 */
BP_API BP_MUST_USE bp_status bp_project_fused(bp_store *store, const bp_region *region, bp_projection_item *items,
                                              size_t count, const bp_project_options *options, bp_error *error);

/* Tells the cache that the states of these entities will be asked for soon. Nothing happens if it cannot prefetch. */
BP_API void bp_project_prefetch(bp_store *store, const bp_projection *projection, const char *const *entities,
                                size_t count, const bp_cache *cache);

#ifdef __cplusplus
}
#endif

#endif
