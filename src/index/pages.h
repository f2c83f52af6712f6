/*
 * pages.h: the pages of a mapped index file, each verified by its CRC before anything in it is believed.
 *
 * Whoever looks at a mapped byte asks `bpi_see` first, which costs a bit test once the page is known. A page that is not
 * right makes the file *broken*, for good; from then on what was read since is worth nothing, and the caller, who looks
 * at `broken` before it hands out what it found, asks the block's replacement instead (index/repair.c).
 */
#ifndef BPI_INDEX_PAGES_H
#define BPI_INDEX_PAGES_H

#include <stdatomic.h>

#include <batpak/io.h>

#include "base/compiler.h"
#include "format/index_file.h"

typedef struct bpi_pages {
    const bp_allocator *allocator;
    const uint8_t *start; /* the mapping */
    uint32_t count;       /* pages, the header's included */
    uint32_t sums_crc;
    _Atomic uint8_t sums; /* 0 not looked at, 1 right */
    _Atomic bool broken;
    _Atomic uint64_t checked[]; /* a bit for each page */
} bpi_pages;

/* Of a file whose header was judged. NULL: no memory. */
bpi_pages *bpi_pages_new(const bp_allocator *allocator, const void *start, const bpi_index_header *header);
void bpi_pages_free(bpi_pages *pages); /* NULL is allowed */

/* Are the pages [first, last] right? */
bool bpi_pages_check(bpi_pages *pages, size_t first, size_t last);

/* May these bytes be looked at? `pages` NULL: they are not of a file. */
static inline bool bpi_see(bpi_pages *pages, const void *at, size_t size)
{
    if (pages == NULL) {
        return true;
    }
    size_t offset = (size_t)((const uint8_t *)at - pages->start);
    size_t first = offset >> BPI_PAGE_SHIFT;
    size_t last = (offset + size - 1) >> BPI_PAGE_SHIFT;
    uint64_t word = atomic_load_explicit(&pages->checked[first >> 6], memory_order_acquire);
    if (BPI_LIKELY(first == last && (word >> (first & 63) & 1) != 0)) {
        return true;
    }
    return size == 0 || bpi_pages_check(pages, first, last);
}

/* What was found to contradict itself though its pages are right: nothing of the file is believed any more. */
static inline void bpi_disbelieve(bpi_pages *pages)
{
    if (pages != NULL) {
        atomic_store_explicit(&pages->broken, true, memory_order_release);
    }
}

static inline bool bpi_pages_broken(const bpi_pages *pages)
{
    return pages != NULL && atomic_load_explicit(&pages->broken, memory_order_acquire);
}

#endif
