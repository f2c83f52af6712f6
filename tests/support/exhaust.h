/*
 * exhaust.h: every call with every failure. A row names a public function, prepares a store for it and calls it; the
 * harness calls it again and again and lets the nth allocation, the nth input or output, the nth change find no space, the
 * nth sync forget, the nth draw of random bytes fail, for n = 1 until the call succeeds untouched, each time once and for good.
 *
 * What is demanded of every answer: BP_OK, or a status that this failure may have, with words; readers go on; an
 * append after it works, or is BP_ERR_FAILED where the store says that it failed; after a reopening every event that was there
 * or acknowledged is there, byte for byte, with at most what this call tried behind it; a call that did not
 * leave the outcome open has left nothing; the store verifies; all memory, directories, files and mappings are given back.
 */
#ifndef BPT_EXHAUST_H
#define BPT_EXHAUST_H

#include "support/world.h"

/* What fails. */
typedef enum bpt_failing_part {
    BPT_PART_MEMORY, /* allocations: the store's table, and the system's */
    BPT_PART_CALLS,  /* calls of bp_io that can fail: EIO */
    BPT_PART_SPACE,  /* those that change something: ENOSPC */
    BPT_PART_SYNCS,  /* syncs of files and directories: EIO, and what they covered never reaches the disk */
    BPT_PART_RANDOM, /* draws of random bytes: EIO */
    BPT_PART_COUNT
} bpt_failing_part;

enum {
    BPT_EXHAUST_CLOSED = 1,   /* no store is opened */
    BPT_EXHAUST_READER = 2,   /* a handle that reads, too */
    BPT_EXHAUST_NO_IO = 4,    /* the call works on memory alone: only allocations and random bytes fail */
    BPT_EXHAUST_EMPTY = 8,    /* a world without a store */
    BPT_EXHAUST_CLOSES = 16,  /* the call closes the store */
    BPT_EXHAUST_DURABLE = 32, /* appends are durable by default; else buffered */
    BPT_EXHAUST_TELLS = 128,  /* closing puts on record what the call could not */
    BPT_EXHAUST_AGAIN = 64    /* the call may be made again: what it appends is then there once */
};

enum { BPT_EXHAUST_EVENTS = 64 };

/* One run of one row. */
typedef struct bpt_exhaust {
    bpt_world world;
    bp_store *store;
    bp_error error;
    uint64_t old;   /* events that every run begins with */
    uint64_t base;  /* events before the call */
    uint64_t acked; /* of this call's: how many events were acknowledged */
    bool reader;
    bool settled;        /* the call, made again, was answered BP_OK: what it appends is there */
    bool tells_no_error; /* the call has no bp_error: the answer stands for itself */
    /* what rows keep between prepare, act and finish */
    void *thing[4];
    bp_id id;
    bp_position position;
    bp_permit permit;
    bp_committed committed;
    bp_receipt receipts[4];
} bpt_exhaust;

typedef struct bpt_exhaust_row {
    const char *function;
    unsigned flags;
    uint64_t tries; /* events that it may add */
    uint64_t also;  /* a bit for each further status that is right */
    void (*prepare)(bpt_exhaust *x);
    bp_status (*act)(bpt_exhaust *x);
    void (*finish)(bpt_exhaust *x); /* releases what prepare and act made; nothing fails any more */
} bpt_exhaust_row;

#define BPT_ALSO(status) (UINT64_C(1) << (status))

/* Runs all rows; they must be exactly the functions of that group in exhaust/functions.h. */
void bpt_exhaust_rows(const char *group, const bpt_exhaust_row *rows, size_t count);

/* ---- for rows ---- */

/* The answer of an append: counts what was acknowledged. */
bp_status bpt_exhaust_acked(bpt_exhaust *x, bp_status status, uint64_t events);
/* BP_OK, or BP_ERR_NO_MEMORY for a call that says so by a NULL or a false. */
bp_status bpt_exhaust_made(bpt_exhaust *x, bool made);
/* Events that prepare appended belong to the base. */
void bpt_exhaust_rebase(bpt_exhaust *x);
const bp_allocator *bpt_exhaust_allocator(void);

#endif
