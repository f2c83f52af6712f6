/*
 * bind.h: gates that stand in the commit itself.
 *
 * A set of gates that is bound to a region of an open store judges every event that this handle appends there: single
 * appends, batches, reactions. It is asked with the commit lock held, behind retries (the first receipt is answered before
 * any gate), expectations and guards, and before anything is written. Between what it sees and the write nothing can come.
 *
 * The context of a bound gate is a bp_commit_view. What it can see, and nothing else, so that the same commit is
 * judged alike wherever it is judged: the request, the heads, bounded queries of what is committed and of the earlier items
 * of the same batch, and the commit's time. A gate that calls a function of the store gets BP_ERR_REENTRANT.
 *
 * Not judged: bp_append_exact (a rebuild), names for kinds and other system events. A binding belongs to the handle: it
 * is not stored. What a store is to demand of every writer is kept as its policy (policy.h).
 */
#ifndef BATPAK_BIND_H
#define BATPAK_BIND_H

#include <batpak/append.h>
#include <batpak/gate.h>
#include <batpak/region.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_binding bp_binding;

typedef struct bp_bind_options {
    size_t size;
    bool record_gates;   /* the names of the gates that an event passed are kept and hashed with it */
    bool record_denials; /* denials are kept as system events (kind DENIAL) */
    uint32_t
        denials_per_second; /* at most so many, over all bindings of the handle; the rest are counted; default 10 */
} bp_bind_options;

BP_API void bp_bind_options_default(bp_bind_options *options, size_t size);
static inline void bp_bind_options_init(bp_bind_options *options)
{
    bp_bind_options_default(options, sizeof *options);
}

/*
 * Binds. From BP_OK on every append of this handle is judged; appends that were staged before are staged anew. The region
 * is copied; it may speak of entity, scope, kind, category, lane, correlation and cause: what is known before the commit.
 * The set is kept and takes no more gates. *binding_out (may be NULL) lives until bp_gate_unbind or bp_close.
 *   BP_ERR_ARGUMENT  an empty set, a region with a range or with system events, a NULL
 *   BP_ERR_TOO_LARGE names on record would take more than 4096 bytes
 *   BP_ERR_READ_ONLY, BP_ERR_NO_MEMORY, BP_ERR_REENTRANT, BP_ERR_FORKED, BP_ERR_CLOSED
 */
BP_API BP_MUST_USE bp_status bp_gate_bind(bp_store *store, const bp_region *region, bp_gate_set *set,
                                          const bp_bind_options *options, bp_binding **binding_out, bp_error *error);

/* Takes a binding out; no gate of it is being asked any more when this returns. BP_ERR_NOT_FOUND: it is not of this store. */
BP_API BP_MUST_USE bp_status bp_gate_unbind(bp_store *store, bp_binding *binding, bp_error *error);

/* What happened to denials since the store was opened. */
typedef struct bp_denial_counts {
    uint64_t denied;     /* by bound gates */
    uint64_t recorded;   /* as system events */
    uint64_t unrecorded; /* wanted on record, but over the rate, or the record could not be written */
} bp_denial_counts;
BP_API bp_denial_counts bp_gate_denial_counts(const bp_store *store);

/* ---- what a bound gate sees: only during its call, only by its thread ---- */

typedef struct bp_commit_view bp_commit_view;

/*
 * The event that is judged, as it would be committed: coordinate, kind, payload, id, correlation, causes, flags, lane,
 * depth, sequence, clock; time_us as given, or the commit's. Hashes, HLC and position are not known yet and zero.
 */
BP_API const bp_event *bp_commit_event(const bp_commit_view *view);
/* Its expectation. */
BP_API bp_expectation bp_commit_expectation(const bp_commit_view *view);
/* The items of the commit, without names for kinds, and which of them is judged. */
BP_API size_t bp_commit_count(const bp_commit_view *view);
BP_API size_t bp_commit_index(const bp_commit_view *view);
/* Any item, later ones too: they are part of the request. False: no such item. */
BP_API bool bp_commit_item(const bp_commit_view *view, size_t index, bp_event *event_out,
                           bp_expectation *expectation_out);
/* The commit's time, and a lower bound of the HLC it will have. */
BP_API int64_t bp_commit_time_us(const bp_commit_view *view);
BP_API bp_hlc bp_commit_hlc(const bp_commit_view *view);

typedef struct bp_head {
    uint64_t events;    /* of the entity so far; the next clock */
    uint64_t sequence;  /* of the newest; BP_NONE */
    bp_kind_code kind;  /* of the newest; DATA when there is none */
    bool of_this_batch; /* the newest is an earlier item of the same commit */
} bp_head;

/*
 * An entity's head, the earlier items of the same commit counted. After an error a gate that needs what cannot be told
 * cannot judge, and returns anything but a verdict.
 *   BP_ERR_DROPPED  retention took the newest event away: events and sequence are told, its kind is not known any more
 *   BP_ERR_CORRUPT, BP_ERR_NO_MEMORY: nothing can be told
 */
BP_API BP_MUST_USE bp_status bp_commit_head(const bp_commit_view *view, bp_text entity, bp_head *head_out);
/* An event by its id: committed, or an earlier item. False: there is none, retention took it away, or it cannot be read.
 * Payloads here and in bp_commit_query are as stored: no converter (upcast.h) runs inside a commit. */
BP_API bool bp_commit_find(const bp_commit_view *view, const bp_id *id, bp_event *event_out);

enum { BP_COMMIT_QUERY_MAX = 65536 };

/* Zero goes on. */
typedef int (*bp_commit_visit_fn)(void *argument, const bp_event *event);

/*
 * The newest events of a region first: earlier items of the commit, then what is committed; at most `limit` (1 to
 * BP_COMMIT_QUERY_MAX). `visit` NULL: only counts. *count_out: how many were seen.
 *   BP_ERR_ARGUMENT, BP_ERR_NO_MEMORY, BP_ERR_CORRUPT: the gate cannot judge, and returns anything but a verdict
 */
BP_API BP_MUST_USE bp_status bp_commit_query(const bp_commit_view *view, const bp_region *region, uint64_t limit,
                                             bp_commit_visit_fn visit, void *argument, uint64_t *count_out);

#ifdef __cplusplus
}
#endif

#endif
