/*
 * hooks.h: what the layers above take part in, without the store knowing their names.
 *
 * Two tables. *Before append* may refuse: it sees every append of the handle before anything is written. *After publish*
 * are the followers: no append calls them; they sleep on the page that an append stores to anyway (store/bell.h), so that it
 * costs the same whether a thousand follow or none. What they are told is the store's end. Either is set or taken out with the commit lock held, so that none is
 * called any more once its removal has returned. A table is called by one thread at a time where "locked" is said.
 *
 * Nothing called here may use the store: its public functions answer BP_ERR_REENTRANT to the thread that is inside
 * `judge`, which the store marks, and a deadlock would be the answer to others.
 */
#ifndef BPI_STORE_HOOKS_H
#define BPI_STORE_HOOKS_H

#include "store/scratch.h"

typedef struct bpi_before_append {
    void *context;
    /*
     * Not locked, for each item while it is staged, in order; the payload of `request` is not copied yet. What is to be put on
     * record with it is appended to `names` (size, name; size, name; ...). *rules_out: a number for the state of the
     * rules it went by, never BPI_NO_RULES. False: no memory.
     */
    bool (*names)(void *context, const bp_event *request, bpi_buffer *names, uint64_t *rules_out);
    /*
     * Locked, behind duplicates, causes, expectations and guards, before anything is written; entities are resolved, heads
     * are as they were before this append. BP_END: the rules are others than those of `scratch->rules`, and the append is
     * staged anew. Any other status but BP_OK refuses, with `error` filled in; `refused` is called if it was BP_ERR_DENIED
     * and `scratch->refused` was set, and finds in `scratch->names` what was left there.
     */
    bp_status (*judge)(void *context, bpi_scratch *scratch, size_t count, int64_t now_us, bp_error *error);
    /* Not locked, after `judge` has refused and before the caller is answered. May append. */
    void (*refused)(void *context, const bpi_scratch *scratch);
    /* Not locked: bp_close has begun; no append is under way. The store can still be written, but not in a forked child. */
    void (*closing)(void *context);
} bpi_before_append;

typedef struct bpi_after_publish {
    void *context;
    /*
     * Not locked: bp_close has begun. Wakes all who wait, and returns when nobody of theirs is inside the store any more and
     * nobody will enter; the store can still be written, but not in a forked child. False: the calling thread is inside
     * itself, and nothing was changed. Otherwise the table is not used again.
     */
    bool (*closing)(void *context);
} bpi_after_publish;

/*
 * Sets a table, which lives until it is replaced (NULL: taken out) or `closing` has been called; takes the commit lock.
 * The table set before is returned, so that a layer finds its own again.
 */
const bpi_before_append *bpi_store_set_before(bp_store *store, const bpi_before_append *table);
const bpi_after_publish *bpi_store_set_after(bp_store *store, const bpi_after_publish *table);

/* Marks the thread as being inside of a hook of the store, as bpi_store_check sees it. Frames nest. */
typedef struct bpi_hook_frame {
    const bp_store *store;
    struct bpi_hook_frame *outer;
} bpi_hook_frame;
void bpi_hook_enter(bpi_hook_frame *frame, bp_store *store);
void bpi_hook_leave(bpi_hook_frame *frame, bp_store *store);
/* Is this thread inside of a hook of the store? Cheap when nobody is. */
bool bpi_hook_inside(const bp_store *store);

#endif
