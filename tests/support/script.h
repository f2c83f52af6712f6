/*
 * script.h: one fixed mixed workload, the same calls in every run: single appends and batches, durable and buffered,
 * causes, names, expectations, a sync, a seal, rotation by size, closing and reopening in the middle. Run whole once, it
 * is the reference; crashed runs make the same bytes up to the crash.
 */
#ifndef BPT_SCRIPT_H
#define BPT_SCRIPT_H

#include "support/world.h"

enum { BPT_SCRIPT_OPS = 40, BPT_SCRIPT_ITEMS = 4, BPT_SCRIPT_EVENTS = 256 };

typedef struct bpt_script {
    bpt_world *world;
    bp_store *store;
    unsigned op;      /* the next one */
    uint64_t acked;   /* events below this were acknowledged */
    uint64_t durable; /* and these as durable */
    uint64_t tried;   /* events below this were handed over */
    bp_status status; /* of the last call */
    bp_error error;
    size_t count; /* receipts of the last call */
    bp_receipt receipts[BPT_SCRIPT_ITEMS];
} bpt_script;

/* Opens the store: the first call that may fail. */
bool bpt_script_begin(bpt_script *script, bpt_world *world);
/* Does operation script->op and counts what was acknowledged; false when it was not BP_OK. script->op is kept then. */
bool bpt_script_step(bpt_script *script);
/* All of them and the closing; false at the first that fails. */
bool bpt_script_rest(bpt_script *script);
/* Closes a store that may have failed; nothing is expected. */
void bpt_script_abandon(bpt_script *script);

/* What a whole run leaves. */
typedef struct bpt_reference {
    uint64_t count;
    bp_hash hashes[BPT_SCRIPT_EVENTS];
    bp_id ids[BPT_SCRIPT_EVENTS];
    uint64_t commits[BPT_SCRIPT_EVENTS]; /* first sequence of its commit */
    uint64_t steps;                      /* of the fault world, from the creation to the closing */
} bpt_reference;

/* Runs it in a fault world and reads it back. */
void bpt_reference_make(bpt_reference *reference, bp_durability durability);

/* The store must be the first n events of the reference, n in [least, most] at a commit's border, byte for byte;
 * returns n. */
uint64_t bpt_reference_check(const bpt_reference *reference, bp_store *store, uint64_t least, uint64_t most);

#endif
