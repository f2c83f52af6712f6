/*
 * bell.c: sleeping on the live page. See bell.h.
 *
 * A reader maps the page a second time, for writing, when it first waits. Where that is refused (a read-only directory), or
 * where there is no page, it looks every few milliseconds.
 */
#include "store/bell.h"

#include <errno.h>

enum { POLL_NS = 2000000 };

static bpi_live *page_of(const bp_store *store)
{
    return store->reader ? atomic_load_explicit(&store->follower.bell, memory_order_acquire) : store->log.live;
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
    const bp_io *io = follower->home.io;
    bp_file *file = NULL;
    void *address = NULL;
    int code = io->file_open(io->context, follower->home.root, "live", BP_OPEN_WRITE, &file);
    if (code == 0) {
        code = io->map_open(io->context, file, BPI_LIVE_SIZE, true, &address);
    }
    if (code != 0) {
        follower->bell_refused = true;
        if (file != NULL) {
            io->file_close(io->context, file);
        }
        return;
    }
    follower->bell_file = file;
    atomic_store_explicit(&follower->bell, address, memory_order_release);
}

static bpi_live *reach_page(bp_store *store)
{
    bpi_live *page = page_of(store);
    bpi_follower *follower = &store->follower;
    if (page == NULL && store->reader && atomic_load(&follower->live) != NULL) {
        (void)pthread_mutex_lock(&follower->lock);
        if (atomic_load(&follower->bell) == NULL && !follower->bell_refused) {
            map_bell(follower);
        }
        (void)pthread_mutex_unlock(&follower->lock);
        page = page_of(store);
    }
    return page;
}

static bool sleep_on(const bp_store *store, bpi_live *page, uint32_t word, uint32_t bits, uint64_t timeout_ns)
{
    const bp_io *io = store->options.io;
    bp_file *file = store->reader ? store->follower.bell_file : store->log.live_file;
    return io->map_wait(io->context, file, page, BPI_LIVE_FUTEX, word, bits, timeout_ns) == ETIMEDOUT;
}

uint32_t bpi_bell_word(bp_store *store)
{
    const bpi_live *page = reach_page(store);
    return page != NULL ? atomic_load(&page->futex) : 0;
}

bool bpi_bell_wait(bp_store *store, const bpi_tide *seen, uint32_t word, uint32_t wants, bool ring, uint64_t timeout_ns)
{
    bpi_live *page = page_of(store);
    if (page == NULL) {
        uint64_t step = timeout_ns < POLL_NS ? timeout_ns : POLL_NS;
        store->options.clock->sleep_ns(store->options.clock->context, step);
        if (store->reader && atomic_load(&store->follower.live) == NULL) {
            (void)bpi_follower_refresh(store, NULL); /* there may be a page now; what is wrong is said to who asks */
        }
        return step == timeout_ns;
    }
    if (!ring) {
        return sleep_on(store, page, word, BPI_WAKE_KICK, timeout_ns);
    }
    (void)atomic_fetch_or(&page->waiters, wants);
    return bpi_tide_differs(bpi_bell_tide(store), *seen, wants)
               ? false
               : sleep_on(store, page, word, wants | BPI_WAKE_KICK, timeout_ns);
}

void bpi_bell_kick(bp_store *store)
{
    bpi_live *page = page_of(store);
    if (page != NULL) {
        const bp_io *io = store->options.io;
        bp_file *file = store->reader ? store->follower.bell_file : store->log.live_file;
        (void)atomic_fetch_add(&page->futex, 1);
        io->map_wake(io->context, file, page, BPI_LIVE_FUTEX, BPI_WAKE_ALL);
    }
}
