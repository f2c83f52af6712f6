/*
 * workload.h: random work on a store, judged by the model at every step: appends of every shape, batches with causes
 * inside, given ids, retries the same and altered, conflicts, unknown causes, kind names, all durabilities, syncs, seals,
 * questions, reopening.
 */
#ifndef BPT_WORKLOAD_H
#define BPT_WORKLOAD_H

#include "support/model.h"
#include "support/world.h"

typedef enum bpt_flight { BPT_FLIGHT_NONE, BPT_FLIGHT_REQUEST, BPT_FLIGHT_DEFINE } bpt_flight;

typedef struct bpt_workload {
    bpt_world *world;
    bp_store *store;
    bpt_model model;
    bpt_random random;
    bpt_request request;
    uint64_t seed;
    uint64_t step;
    uint64_t keys;      /* given ids so far */
    uint64_t durable;   /* events below this were acknowledged as durable */
    size_t payload_max; /* of most payloads */
    bool reopens;       /* steps may close and open the store */
    bool asks;          /* steps may query */
    bool broken;        /* the world crashed; nothing after it counts */
    bpt_flight flight;  /* what was not answered then */
    bp_kind_code flight_kind;
    const char *flight_name;
    bpt_verdict flight_verdict;
    uint64_t duplicates, conflicts, batches;
} bpt_workload;

void bpt_workload_begin(bpt_workload *work, bpt_world *world, uint64_t seed);
/* One random step. The world may have crashed: `broken` then. */
void bpt_workload_step(bpt_workload *work);
/* After a crash of the fault world, which was made a restart's already: opens; the model becomes what is left, which is at
 * least `least` events of it, perhaps with what was in flight; compares everything. Returns how many are left. */
uint64_t bpt_workload_recover(bpt_workload *work, uint64_t least);
/* Closes, opens and compares everything. */
void bpt_workload_reopen(bpt_workload *work);
/* Compares, closes, verifies, frees. */
void bpt_workload_end(bpt_workload *work);

/* Fills in a random request; used by tests that send it themselves. */
void bpt_workload_request(bpt_workload *work);

#endif
