/*
 * fold.h: one pass over a region that makes the states of one or several projections.
 *
 * A fold has a view: what is published when it begins is what it sees. Each item begins from nothing or from a cached state
 * that has been checked against the view; `from` says which events are in it. What an item is answered does not depend on
 * the other items, nor on what was cached.
 */
#ifndef BPI_PROJECTION_FOLD_H
#define BPI_PROJECTION_FOLD_H

#include "projection/row.h"
#include "store/store.h"

typedef struct bpi_fold_item {
    const bp_projection *projection;
    void *state;
    bp_projected *result; /* never NULL */
    bool made;            /* there is a state */
    bool cached;          /* it came from a row */
    bool done;            /* nothing is left to apply */
    bool stale;           /* and nobody looked whether there is */
    uint64_t from;        /* events below are in the state */
    uint64_t behind;      /* how many events the row's position lay behind */
    bpi_row_owner owner;
    bp_output value; /* the row */
} bpi_fold_item;

typedef struct bpi_fold {
    bp_store *store;
    const bp_region *asked; /* the whole region: what rows belong to */
    bp_region region;       /* the same up to the moment that is asked for */
    bp_project_options options;
    bpi_view *view;    /* held */
    uint64_t end;      /* of the view */
    int64_t begun_us;  /* by the store's clock, before the view was taken */
    uint64_t erasures; /* of the store, before the view was taken */
    bpi_fold_item *items;
    size_t count;
    uint64_t last; /* the last event that was applied; BP_NONE */
    bp_hash last_hash;
    bp_error error; /* what went wrong */
} bpi_fold;

/* Pins the view. The items are filled in: projection, state, result; all else zero. region, items outlive the fold. */
bp_status bpi_fold_begin(bpi_fold *fold, bp_store *store, const bp_region *region, const bp_project_options *options,
                         bpi_fold_item *items, size_t count);
/* Makes the states, and puts into the cache what is new. After a failure no state is left. */
bp_status bpi_fold_run(bpi_fold *fold);
void bpi_fold_end(bpi_fold *fold);

/* Is there an event of the region behind `next`, relevant to the item? BP_OK, BP_END. */
bp_status bpi_fold_news(bpi_fold *fold, const bpi_fold_item *item, uint64_t next);
/* Does the position lie in the view's history? BP_OK, BP_ERR_DIVERGED. */
bp_status bpi_fold_check(bpi_fold *fold, const bp_position *position);
/* The position behind the view's newest event. */
bp_status bpi_fold_position(bpi_fold *fold, bp_position *position_out);

#endif
