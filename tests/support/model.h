/*
 * model.h: what a store must answer, in plain arrays: events in order, clocks per entity, expectations, idempotency
 * (P7), causes, kind names, regions by looking at every event. No files, no threads, no cleverness.
 *
 * What only the store knows (ids it made, HLC, default times, hashes) the model learns from receipts and from the first
 * reading; from then on it must stay the same.
 */
#ifndef BPT_MODEL_H
#define BPT_MODEL_H

#include "support/request.h"

typedef struct bpt_text {
    char *data; /* owned */
    size_t size;
} bpt_text;

typedef struct bpt_event {
    bp_id id;
    bp_id correlation; /* its own id unless given */
    bp_id causes[BPT_CAUSES * 2];
    size_t cause_count;
    uint64_t clock;
    uint64_t batch; /* sequence of the first event of the commit */
    uint32_t batch_count;
    bp_kind_code kind;
    uint16_t flags;
    uint8_t payload_type;
    uint16_t payload_version;
    uint32_t lane;
    uint32_t depth;
    bool external;
    bool system;
    bpt_text entity;
    bpt_text scope;
    bpt_text payload;
    bool knows_time;
    int64_t time_us;
    bool learned; /* the fields below were read */
    bp_hlc hlc;
    bool knows_hash;
    bp_hash event_hash;
    uint64_t position;
} bpt_event;

typedef struct bpt_kind {
    bp_kind_code kind;
    char name[256];
    uint64_t sequence; /* of the naming event */
} bpt_kind;

typedef struct bpt_model {
    bpt_event *events;
    size_t count;
    size_t capacity;
    uint64_t *ids; /* open addressing: sequence + 1 */
    size_t id_slots;
    bpt_kind kinds[256];
    size_t kind_count;
    bool foreign; /* it is compared with a copy: positions are not looked at */
} bpt_model;

void bpt_model_init(bpt_model *model);
void bpt_model_free(bpt_model *model);

/* NULL when there is none. */
const bpt_event *bpt_model_find(const bpt_model *model, const bp_id *id);
/* The sequence of the entity's newest event, BP_NONE when it has none. */
uint64_t bpt_model_head(const bpt_model *model, bp_text entity);
const bpt_kind *bpt_model_kind(const bpt_model *model, const char *name);

/* What must come of a request. */
typedef struct bpt_verdict {
    uint64_t allowed; /* bit per status; more than one where the order of two errors is left open */
    bool duplicate;
    uint64_t first;    /* duplicate: sequence of the first event */
    uint64_t expected; /* of a conflict */
    uint64_t actual;
} bpt_verdict;

void bpt_model_judge(const bpt_model *model, const bpt_request *request, bpt_verdict *verdict_out);

/* The store said BP_OK: checks the receipts and adds the events (of a duplicate: adds nothing). `durable`: the receipts
 * must say so. */
void bpt_model_accept(bpt_model *model, const bpt_request *request, const bpt_verdict *verdict,
                      const bp_receipt *receipts, bool durable);

/* The id of a system event, as read. */
void bpt_model_learn_id(bpt_model *model, uint64_t sequence, const bp_id *id);

/* bp_kind_define was answered BP_OK for a new pair. */
void bpt_model_define(bpt_model *model, bp_kind_code kind, const char *name);

/* A crash took all from that sequence on; it must be the border of a commit. */
void bpt_model_truncate(bpt_model *model, uint64_t count);

/* The region's predicate, written once more. */
bool bpt_model_matches(const bpt_event *event, uint64_t sequence, const bp_region *region);

/* ---- against a store ---- */

/* One event as read, against the model's; learns what is not known yet. */
void bpt_compare_event(bpt_model *model, uint64_t sequence, const bp_event *event);
/* Everything: forward and backward, counts, each entity's stream and chain, samples by id and sequence, random regions. */
void bpt_compare(bpt_model *model, bp_store *store, bpt_random *random);
/* Some random regions only. */
void bpt_compare_regions(bpt_model *model, bp_store *store, bpt_random *random, unsigned count);

#endif
