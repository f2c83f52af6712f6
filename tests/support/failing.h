/*
 * failing.h: the fixed workload over a world whose calls fail: what was acknowledged is remembered, errors must be typed,
 * what failed is tried again afterwards.
 */
#ifndef BPT_FAILING_H
#define BPT_FAILING_H

#include "support/script.h"

enum { BPT_ACKED_MAX = BPT_SCRIPT_EVENTS };

typedef struct bpt_failing {
    bpt_world world;
    bpt_script script;
    uint64_t durable; /* of the acknowledged events, how many as durable: the first so many */
    size_t acked_count;
    bp_receipt acked[BPT_ACKED_MAX];
    unsigned failures;
    bool failed_op[BPT_SCRIPT_OPS];
} bpt_failing;

/* I/O errors, failed, no space: what a failing medium may be answered with. */
bool bpt_is_typed(bp_status status);

/* All operations until the world crashes, whatever becomes of them; a failed handle is asked on and answers readers. */
void bpt_failing_run(bpt_failing *r);

/* Closes; when that is BP_OK, all is durable. */
void bpt_failing_close(bpt_failing *r);

/* No fault any more: opens, looks for every acknowledged event below `below`; with UINT64_MAX also repeats what failed,
 * which must be there once then; appends, closes, verifies. */
void bpt_failing_aftermath(bpt_failing *r, uint64_t below);

#endif
