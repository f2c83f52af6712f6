/*
 * causes.c: chains of rows by cause.
 */
#include "index/causes.h"

#include "base/memory.h"

enum { CHAINS_MIN = 64, CHAINS_MAX = 1 << 14, ROWS_EACH = 4, LINKS_EACH = 1024 };

struct bpi_cause_chains {
    size_t count; /* a power of two */
    _Atomic(const bpi_cause_link *) newest[];
};

struct bpi_cause_links {
    struct bpi_cause_links *older;
    bpi_cause_link link[LINKS_EACH];
};

static size_t chains_size(size_t count)
{
    return sizeof(struct bpi_cause_chains) + count * sizeof(_Atomic(const bpi_cause_link *));
}

void bpi_causes_init(bpi_causes *causes, const bp_allocator *allocator, size_t max_rows)
{
    causes->allocator = allocator;
    atomic_init(&causes->chains, NULL);
    causes->links = NULL;
    causes->links_used = 0;
    causes->max_rows = max_rows;
    atomic_init(&causes->partial, false);
}

void bpi_causes_fini(bpi_causes *causes)
{
    struct bpi_cause_chains *chains = atomic_load_explicit(&causes->chains, memory_order_relaxed);
    while (causes->links != NULL) {
        struct bpi_cause_links *links = causes->links;
        causes->links = links->older;
        bpi_release(causes->allocator, links, sizeof *links);
    }
    if (chains != NULL) {
        bpi_release(causes->allocator, chains, chains_size(chains->count));
    }
    atomic_store_explicit(&causes->chains, NULL, memory_order_relaxed);
}

void bpi_causes_give_up(bpi_causes *causes)
{
    atomic_store_explicit(&causes->partial, true, memory_order_release);
}

static struct bpi_cause_chains *make_chains(bpi_causes *causes)
{
    size_t count = CHAINS_MIN;
    while (count < CHAINS_MAX && count * ROWS_EACH < causes->max_rows) {
        count *= 2;
    }
    struct bpi_cause_chains *chains = bpi_allocate_zero(causes->allocator, chains_size(count));
    if (chains != NULL) {
        chains->count = count;
        atomic_store_explicit(&causes->chains, chains, memory_order_release);
    }
    return chains;
}

static bpi_cause_link *take_link(bpi_causes *causes)
{
    if (causes->links == NULL || causes->links_used == LINKS_EACH) {
        struct bpi_cause_links *links = bpi_allocate(causes->allocator, sizeof *links);
        if (links == NULL) {
            return NULL;
        }
        links->older = causes->links;
        causes->links = links;
        causes->links_used = 0;
    }
    return &causes->links->link[causes->links_used++];
}

void bpi_causes_add(bpi_causes *causes, uint32_t key, uint32_t row)
{
    if (atomic_load_explicit(&causes->partial, memory_order_relaxed)) {
        return;
    }
    struct bpi_cause_chains *chains = atomic_load_explicit(&causes->chains, memory_order_relaxed);
    if (chains == NULL) {
        chains = make_chains(causes);
    }
    bpi_cause_link *link = chains == NULL ? NULL : take_link(causes);
    if (link == NULL) {
        bpi_causes_give_up(causes);
        return;
    }
    _Atomic(const bpi_cause_link *) *newest = &chains->newest[key & (chains->count - 1)];
    *link = (bpi_cause_link){
        .older = atomic_load_explicit(newest, memory_order_relaxed),
        .key = key,
        .row = row,
    };
    atomic_store_explicit(newest, link, memory_order_release);
}

bool bpi_causes_find(const bpi_causes *causes, uint32_t key, const bpi_cause_link **link_out)
{
    *link_out = NULL;
    if (atomic_load_explicit(&causes->partial, memory_order_acquire)) {
        return false;
    }
    const struct bpi_cause_chains *chains = atomic_load_explicit(&causes->chains, memory_order_acquire);
    if (chains != NULL) {
        *link_out = atomic_load_explicit(&chains->newest[key & (chains->count - 1)], memory_order_acquire);
    }
    return true;
}
