/*
 * bind.h: the bindings of one handle, as the files of this folder share them.
 *
 * Who may touch what: `bindings` is changed with the commit lock and `lock` held, and read with either. The counts of
 * denials are guarded by `denials_lock`.
 */
#ifndef BPI_POLICY_BIND_H
#define BPI_POLICY_BIND_H

#include <pthread.h>

#include <batpak/bind.h>

#include "policy/gate.h"
#include "store/commit.h"

struct bp_binding {
    bp_binding *next; /* in order of binding */
    bp_gate_set *set; /* held */
    bp_bind_options options;
    bp_region region;
    char texts[2 * BP_NAME_MAX]; /* entity, scope */
};

typedef struct bpi_registry {
    bp_store *store;
    bpi_before_append table;
    pthread_rwlock_t lock;
    bp_binding *bindings;
    size_t names_size;      /* bytes that all names on record take */
    _Atomic uint64_t rules; /* raised by every change */
    _Atomic bool records;   /* a binding wants names on record */
    pthread_mutex_t denials_lock;
    uint64_t window_ns; /* when the running second of denials on record began */
    uint32_t in_window;
    bp_denial_counts counts;
    uint64_t unrecorded_told; /* of counts.unrecorded, what denials on record have told */
} bpi_registry;

/* What `judge` leaves for `refused` in scratch->names. */
typedef struct bpi_refused {
    bp_denial denial;
    size_t index; /* of the item among the staged */
    bool record;
    uint32_t per_second;
} bpi_refused;

struct bp_commit_view {
    bp_store *store;
    const bpi_scratch *scratch;
    size_t lead;  /* system items in front */
    size_t count; /* with them */
    size_t index; /* of the item judged, with them */
    int64_t now_us;
    const bp_binding *binding; /* whose gate is asked */
    bp_event event;            /* the item judged */
};

/* An item as an event of its place in the batch; the heads are as they were before it. */
void bpi_commit_view_item(const bp_commit_view *view, size_t index, bp_event *event_out);

/* Does the event lie in the region, which was checked when it was bound? */
bool bpi_binding_applies(const bp_binding *binding, const bp_event *event);

/* Does the region speak of nothing but what is known before the commit? */
bool bpi_region_bindable(const bp_region *region);

/* Puts a denial on record as a system event, or counts it (policy/record.c). */
void bpi_record_refused(bpi_registry *registry, const bpi_scratch *scratch, const bpi_refused *refused);
/* What was counted and not told goes on record. */
void bpi_record_rest(bpi_registry *registry);

/* The registry of a store, or NULL; made when `make`. */
bpi_registry *bpi_registry_of(bp_store *store, bool make, bp_error *error);

#endif
