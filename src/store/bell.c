/*
 * bell.c: sleeping on the live page. See bell.h.
 *
 * A reader maps the page a second time, for writing, when it first waits. Where that is refused (a read-only directory), or
 * where there is no page, it looks every few milliseconds.
 */
#include "store/bell.h"

#include <errno.h>

#include "store/page.h"

enum { POLL_NS = 2000000 };

/* What is slept on: a reader's may be another by the next call. */
typedef struct bed {
    bp_file *file;
    bpi_live *live; /* NULL: none yet */
} bed;

static bed bell_of(const bp_store *store)
{
    if (!store->reader) {
        return (bed){store->log.live_file, store->log.live};
    }
    const bpi_page *page = atomic_load_explicit(&store->follower.bell, memory_order_acquire);
    return page != NULL ? (bed){page->file, page->live} : (bed){0};
}

bpi_tide bpi_bell_tide(const bp_store *store)
{
    const bpi_live *live = store->log.live;
    if (store->reader) {
        const uint8_t *mapped = atomic_load_explicit(&store->follower.live, memory_order_acquire);
        live = (const bpi_live *)(const void *)mapped;
    }
    if (live == NULL) {
        uint64_t published = bpi_index_published(store->index);
        return (bpi_tide){published, published};
    }
    /* The sequence, which is stored behind the LSN that a look goes by: that moves with marks, too, which followers do not care
     * about. */
    bpi_tide tide = {.published = atomic_load(&live->sequence), .durable = atomic_load(&live->durable)};
    if (store->reader) { /* a sync may cover what is not published yet, and a look does not see that */
        uint64_t published = atomic_load(&live->published);
        tide.durable = tide.durable < published ? tide.durable : published;
    }
    return tide;
}

uint64_t bpi_store_durable(const bp_store *store)
{
    return store->reader ? atomic_load_explicit(&store->follower.durable_sequence, memory_order_acquire)
                         : atomic_load_explicit(&store->log.durable_sequence, memory_order_acquire);
}

bool bpi_tide_differs(bpi_tide a, bpi_tide b, uint32_t wants)
{
    return ((wants & BPI_WAKE_PUBLISHED) != 0 && a.published != b.published) ||
           ((wants & BPI_WAKE_DURABLE) != 0 && a.durable != b.durable);
}

/* A reader's way to the page's bit. One at a time; the follower's lock is held. */
static void map_bell(bpi_follower *follower)
{
    bpi_page *page = NULL;
    bpi_page_compare(follower); /* both are to be the same page; if they are not, the next comparison tells */
    int code = bpi_page_open(follower, true, &page);
    follower->bell_refused = code != 0 && code != ENOENT;
    atomic_store_explicit(&follower->bell, page, memory_order_release);
}

static bed reach_bell(bp_store *store)
{
    bpi_follower *follower = &store->follower;
    if (store->reader && atomic_load(&follower->bell) == NULL && atomic_load(&follower->live) != NULL) {
        (void)pthread_mutex_lock(&follower->lock);
        if (atomic_load(&follower->bell) == NULL && !follower->bell_refused) {
            map_bell(follower);
        }
        (void)pthread_mutex_unlock(&follower->lock);
    }
    return bell_of(store);
}

/* A page that stands still may be one that another took the place of. */
static void look_again(bp_store *store, bool whole)
{
    bpi_follower *follower = &store->follower;
    if (store->reader && (whole || bpi_page_due(follower))) {
        (void)pthread_mutex_lock(&follower->lock);
        bpi_page_compare(follower);
        (void)pthread_mutex_unlock(&follower->lock);
    }
}

static bool sleep_on(const bp_store *store, bed at, uint32_t word, uint32_t bits, uint64_t timeout_ns)
{
    const bp_io *io = store->options.io;
    return io->map_wait(io->context, at.file, at.live, BPI_LIVE_FUTEX, word, bits, timeout_ns) == ETIMEDOUT;
}

uint32_t bpi_bell_word(bp_store *store)
{
    const bpi_live *live = reach_bell(store).live;
    return live != NULL ? atomic_load(&live->futex) : 0;
}

/* Nothing to sleep on: the time just passes. */
static bool sleep_without(bp_store *store, uint64_t timeout_ns)
{
    uint64_t step = timeout_ns < POLL_NS ? timeout_ns : POLL_NS;
    store->options.clock->sleep_ns(store->options.clock->context, step);
    if (store->reader && atomic_load(&store->follower.live) == NULL) {
        (void)bpi_follower_refresh(store, NULL); /* there may be a page now; what is wrong is said to who asks */
    } else {
        look_again(store, false);
    }
    return step == timeout_ns;
}

bool bpi_bell_wait(bp_store *store, const bpi_tide *seen, uint32_t word, uint32_t wants, bool ring, uint64_t timeout_ns)
{
    bed at = bell_of(store);
    if (at.live == NULL) {
        return sleep_without(store, timeout_ns);
    }
    if (ring) {
        (void)atomic_fetch_or(&at.live->waiters, wants);
        if (bpi_tide_differs(bpi_bell_tide(store), *seen, wants)) {
            return false;
        }
    }
    bool whole = sleep_on(store, at, word, ring ? wants | BPI_WAKE_KICK : BPI_WAKE_KICK, timeout_ns);
    look_again(store, whole && ring);
    return whole;
}

void bpi_bell_kick(bp_store *store)
{
    const bp_io *io = store->options.io;
    bed at = bell_of(store);
    if (at.live != NULL) {
        (void)atomic_fetch_add(&at.live->futex, 1);
        io->map_wake(io->context, at.file, at.live, BPI_LIVE_FUTEX, BPI_WAKE_ALL);
    }
}
