/*
 * tender.c: the thread that writes index files.
 */
#include "store/tender.h"

#include "base/thread.h"
#include "io/process.h"
#include "store/indexing.h"

/* Segments: so many may wait for a lull in the appends; so many are all that may wait. */
enum { LULL_MOST = 1, BEHIND_MOST = 2 };

void bpi_tender_init(bp_store *store, bool threaded)
{
    bpi_tender *tender = &store->tender;
    (void)pthread_mutex_init(&tender->work, NULL);
    (void)pthread_mutex_init(&tender->lock, NULL);
    (void)pthread_cond_init(&tender->changed, NULL);
    tender->threaded = threaded;
}

void bpi_tender_fini(bp_store *store)
{
    bpi_tender *tender = &store->tender;
    (void)pthread_mutex_destroy(&tender->work);
    (void)pthread_mutex_destroy(&tender->lock);
    (void)pthread_cond_destroy(&tender->changed);
}

static void write_files(bp_store *store, uint32_t ordinal)
{
    (void)pthread_mutex_lock(&store->tender.work);
    bpi_indexing_sealed(store, ordinal);
    (void)pthread_mutex_unlock(&store->tender.work);
}

static void merge_files(bp_store *store)
{
    (void)pthread_mutex_lock(&store->tender.work);
    bpi_indexing_tend(store);
    (void)pthread_mutex_unlock(&store->tender.work);
}

/* Is it time? Appends come in bursts, and what is written beside them takes a processor, caches and the medium from them. */
static bool due(const bpi_tender *tender)
{
    return tender->hasty || tender->to - tender->from > LULL_MOST;
}

/* Files are to be merged that were not while appends went on. */
static bool merges(bp_store *store)
{
    const bpi_folder *folder = &store->folder;
    return store->tender.hasty && atomic_load(&folder->put_off) && !atomic_load(&folder->hurry);
}

/* Until there is nothing left to do; the lock is held, and let go meanwhile. */
static void catch_up(bp_store *store)
{
    bpi_tender *tender = &store->tender;
    while (tender->from < tender->to || merges(store)) {
        bool waits = tender->from < tender->to;
        uint32_t ordinal = tender->from;
        (void)pthread_mutex_unlock(&tender->lock);
        if (waits) {
            write_files(store, ordinal);
        } else {
            merge_files(store);
        }
        (void)pthread_mutex_lock(&tender->lock);
        tender->from += waits;
        (void)pthread_cond_broadcast(&tender->changed);
    }
    tender->hasty = false;
}

static void *tender_main(void *argument)
{
    bp_store *store = argument;
    bpi_tender *tender = &store->tender;
    bpi_thread_yields();
    (void)pthread_mutex_lock(&tender->lock);
    while (!tender->stop) {
        if (due(tender)) {
            catch_up(store);
            bpi_keeper_arm(&store->log); /* names of what is sealed now can go when it sees nothing to do */
        } else {
            (void)pthread_cond_wait(&tender->changed, &tender->lock);
        }
    }
    catch_up(store);
    (void)pthread_mutex_unlock(&tender->lock);
    return NULL;
}

/* The lock is held. False: the caller has to do the work. */
static bool have_thread(bp_store *store)
{
    bpi_tender *tender = &store->tender;
    if (!tender->started && tender->threaded && !tender->stop) {
        tender->started = bpi_thread_start(&tender->thread, store->options.keeper_stack_size, tender_main, store) == 0;
    }
    return tender->started && !tender->stop;
}

/* The lock is held. False: there is no thread, the caller has to do the work. */
static bool hand_over(bp_store *store, uint32_t first, uint32_t last, bool hasty)
{
    bpi_tender *tender = &store->tender;
    bool handed = have_thread(store);
    if (handed) {
        tender->hasty = tender->hasty || hasty;
        tender->from = tender->from == tender->to ? first : tender->from;
        tender->to = last + 1;
        (void)pthread_cond_broadcast(&tender->changed);
    }
    return handed;
}

/* The lock is held. */
static void hurry(bp_store *store)
{
    bpi_tender *tender = &store->tender;
    if (!tender->closing) {
        bpi_folder_hurry(&store->folder, false);
    }
    tender->hasty = tender->hasty || tender->from < tender->to || atomic_load(&store->folder.put_off);
    (void)pthread_cond_broadcast(&tender->changed);
}

void bpi_tender_lull(bp_store *store)
{
    bpi_tender *tender = &store->tender;
    (void)pthread_mutex_lock(&tender->lock);
    hurry(store);
    (void)pthread_mutex_unlock(&tender->lock);
}

static void wait_for_it(bpi_tender *tender)
{
    while (tender->to - tender->from > BEHIND_MOST) {
        (void)pthread_cond_wait(&tender->changed, &tender->lock);
    }
}

void bpi_tender_sealed(bp_store *store, uint32_t ordinal, bool locked)
{
    bpi_tender *tender = &store->tender;
    (void)pthread_mutex_lock(&tender->lock);
    bool handed = hand_over(store, ordinal, ordinal, false);
    bool later = handed && !due(tender);
    if (handed && tender->to - tender->from > LULL_MOST) {
        bpi_folder_hurry(&store->folder, true); /* who appends may have to wait for these, and not for merges too */
    }
    if (handed && !locked) {
        wait_for_it(tender);
    }
    (void)pthread_mutex_unlock(&tender->lock);
    if (later) {
        bpi_keeper_arm(&store->log); /* it sees the lull */
    }
    if (!handed) {
        write_files(store, ordinal);
    }
}

void bpi_tender_sealed_all(bp_store *store, uint32_t first, uint32_t last)
{
    bpi_tender *tender = &store->tender;
    (void)pthread_mutex_lock(&tender->lock);
    bool handed = hand_over(store, first, last, true);
    if (handed && store->loading) {
        wait_for_it(tender);
    }
    (void)pthread_mutex_unlock(&tender->lock);
    for (uint32_t ordinal = first; !handed && ordinal <= last; ordinal++) {
        write_files(store, ordinal);
    }
}

bool bpi_tender_is_behind(bp_store *store)
{
    bpi_tender *tender = &store->tender;
    (void)pthread_mutex_lock(&tender->lock);
    bool behind = tender->to - tender->from > 1;
    (void)pthread_mutex_unlock(&tender->lock);
    return behind;
}

void bpi_tender_settle(bp_store *store)
{
    bpi_tender *tender = &store->tender;
    (void)pthread_mutex_lock(&tender->lock);
    uint32_t to = tender->to;
    hurry(store);
    while (tender->started && !tender->stop && (tender->from < to || merges(store))) {
        (void)pthread_cond_wait(&tender->changed, &tender->lock);
    }
    (void)pthread_mutex_unlock(&tender->lock);
}

static void stop(bpi_tender *tender)
{
    (void)pthread_mutex_lock(&tender->lock);
    bool join = tender->started && !tender->stop;
    tender->stop = true;
    (void)pthread_cond_broadcast(&tender->changed);
    (void)pthread_mutex_unlock(&tender->lock);
    if (join) {
        (void)pthread_join(tender->thread, NULL);
    }
}

void bpi_tender_stop(bp_store *store)
{
    bpi_tender *tender = &store->tender;
    if (tender->threaded) {
        (void)pthread_mutex_lock(&tender->lock);
        tender->closing = true;
        bpi_folder_hurry(&store->folder, true);
        (void)pthread_mutex_unlock(&tender->lock);
    }
    stop(tender);
}

void bpi_tender_rest(bp_store *store)
{
    stop(&store->tender);
    store->tender.started = false; /* nobody else has the store yet */
    store->tender.stop = false;
}

void bpi_tender_pause(bp_store *store)
{
    (void)pthread_mutex_lock(&store->tender.work);
}

void bpi_tender_resume(bp_store *store)
{
    (void)pthread_mutex_unlock(&store->tender.work);
}
