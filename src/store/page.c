/*
 * page.c: see page.h.
 */
#include "store/page.h"

#include <errno.h>

#include "base/memory.h"

enum { LOOK_NS = 100000000 };

static void close_page(const bpi_follower *follower, bpi_page *page)
{
    const bp_io *io = follower->home.io;
    if (page->live != NULL) {
        io->map_close(io->context, page->file, page->live, BPI_LIVE_SIZE);
    }
    if (page->file != NULL) {
        io->file_close(io->context, page->file);
    }
    bpi_release(follower->home.allocator, page, sizeof *page);
}

/* A page that is not whole has nothing behind a part of its mapping. */
static int map_page(const bpi_follower *follower, bool writable, bpi_page *page)
{
    const bp_io *io = follower->home.io;
    uint64_t size = 0;
    void *address = NULL;
    int code =
        io->file_open(io->context, follower->home.root, "live", writable ? BP_OPEN_WRITE : BP_OPEN_READ, &page->file);
    if (code == 0) {
        code = io->file_size(io->context, page->file, &size);
        code = code == 0 && size != BPI_LIVE_SIZE ? ENOENT : code;
    }
    if (code == 0) {
        code = io->map_open(io->context, page->file, BPI_LIVE_SIZE, writable, &address);
    }
    page->live = code == 0 ? address : NULL;
    return code;
}

static int open_page(const bpi_follower *follower, bool writable, bpi_page **page_out)
{
    bpi_page *page = bpi_allocate_zero(follower->home.allocator, sizeof *page);
    int code = page != NULL ? map_page(follower, writable, page) : ENOMEM;
    *page_out = code == 0 ? page : NULL;
    if (page != NULL && code != 0) {
        close_page(follower, page);
    }
    return code;
}

static void keep_page(bpi_follower *follower, bpi_page *page)
{
    page->before = follower->pages;
    follower->pages = page;
}

int bpi_page_open(bpi_follower *follower, bool writable, bpi_page **page_out)
{
    int code = open_page(follower, writable, page_out);
    if (code == 0) {
        keep_page(follower, *page_out);
    }
    return code;
}

static uint64_t steady_ns(const bpi_follower *follower)
{
    const bp_clock *clock = follower->home.clock;
    return clock->steady_ns(clock->context);
}

bool bpi_page_due(const bpi_follower *follower)
{
    return steady_ns(follower) - atomic_load_explicit(&follower->looked_ns, memory_order_relaxed) >= LOOK_NS;
}

static bool says(const bpi_follower *follower, const uint8_t *live, bpi_live_word *word)
{
    *word = (bpi_live_word){0};
    return live != NULL &&
           bpi_live_get(live, BPI_LIVE_SIZE, &follower->catalog.manifest.store_id, &follower->home.place, word);
}

/* The mapped one is read behind the other: if both are the same, it knows as much. */
static bool knows_more(const bpi_follower *follower, const bpi_live *live, const uint8_t *mapped)
{
    bpi_live_word named;
    bpi_live_word known;
    if (!says(follower, (const uint8_t *)live, &named) || named.told == 0) {
        return false;
    }
    (void)says(follower, mapped, &known);
    return mapped == NULL || named.epoch > known.epoch || named.generation > known.generation ||
           named.told > known.told || named.durable > known.durable;
}

/* Whoever sleeps on the old page goes on to the new one. */
static void leave_bell(bpi_follower *follower)
{
    const bp_io *io = follower->home.io;
    bpi_page *bell = atomic_exchange(&follower->bell, NULL);
    follower->bell_refused = false;
    if (bell != NULL) {
        (void)atomic_fetch_add(&bell->live->futex, 1);
        io->map_wake(io->context, bell->file, bell->live, BPI_LIVE_FUTEX, BPI_WAKE_ALL);
    }
}

void bpi_page_compare(bpi_follower *follower)
{
    const uint8_t *mapped = atomic_load(&follower->live);
    bpi_page *page = NULL;
    atomic_store_explicit(&follower->looked_ns, steady_ns(follower), memory_order_relaxed);
    if (open_page(follower, false, &page) != 0) {
        return;
    }
    if (!knows_more(follower, page->live, mapped)) {
        close_page(follower, page);
        return;
    }
    keep_page(follower, page);
    atomic_store_explicit(&follower->live, (const uint8_t *)page->live, memory_order_release);
    leave_bell(follower);
}

void bpi_page_close_all(bpi_follower *follower)
{
    atomic_store(&follower->bell, NULL);
    atomic_store(&follower->live, NULL);
    while (follower->pages != NULL) {
        bpi_page *page = follower->pages;
        follower->pages = page->before;
        close_page(follower, page);
    }
}
