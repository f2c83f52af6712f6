/*
 * tender.h: who writes index files while appends go on: a thread of its own, begun with the first sealed segment.
 *
 * Index files are what nobody waits for: the keeper, on whose zeros, syncs and seals appends depend, only says that a
 * segment was sealed. It waits for a lull in the appends, unless there is much to do, and with merges in any case. Who appends
 * for so long that it falls behind is held up, so that what it has not done yet stays bounded: the memory of the blocks that it
 * leaves open, and what an opening has to read after a kill.
 */
#ifndef BPI_STORE_TENDER_H
#define BPI_STORE_TENDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct bp_store;

typedef struct bpi_tender {
    pthread_mutex_t work; /* held while index files are written; taken before `lock`, never with it */
    pthread_mutex_t lock; /* a leaf; guards the rest */
    pthread_cond_t changed;
    pthread_t thread;
    uint32_t from; /* ordinals [from, to) were sealed and have no file yet */
    uint32_t to;
    bool hasty;    /* what there is is to be done without waiting for a lull */
    bool threaded; /* it may have a thread */
    bool started;
    bool stop;
    bool closing; /* merges are not begun any more */
} bpi_tender;

void bpi_tender_init(struct bp_store *store, bool threaded);
/* Not in a forked child. Stopped before. */
void bpi_tender_fini(struct bp_store *store);

/*
 * A segment was sealed: its file is written in the next lull, or when more wait, or at once where there is no thread. With `locked` the commit lock is held:
 * does not wait. Else may wait until the tender has caught up.
 */
void bpi_tender_sealed(struct bp_store *store, uint32_t ordinal, bool locked);
/* The same of all segments from one ordinal to another that are sealed. Does not wait for the tender unless it is far behind. */
void bpi_tender_sealed_all(struct bp_store *store, uint32_t first, uint32_t last);
/* Nothing is being appended: what waits for that may be done. */
void bpi_tender_lull(struct bp_store *store);
/* More than one segment waits for its file: soon who appends will have to wait too. */
bool bpi_tender_is_behind(struct bp_store *store);
/* Waits until everything that was sealed has its file, or failed to get one. */
void bpi_tender_settle(struct bp_store *store);
/* Does what is left, and joins the thread. From now on work is done by who asks for it. */
void bpi_tender_stop(struct bp_store *store);
/* Does what is left, and joins the thread; another begins when there is more. */
void bpi_tender_rest(struct bp_store *store);
/* Between these no block is replaced by the tender. Any lock but its own may be held. */
void bpi_tender_pause(struct bp_store *store);
void bpi_tender_resume(struct bp_store *store);

#endif
