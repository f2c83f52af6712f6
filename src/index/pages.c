/*
 * pages.c: verifying pages.
 *
 * Holds: a page's bit is set after its CRC was right, and the CRCs themselves were, never before.
 */
#include "index/pages.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/memory.h"

static size_t size_of(uint32_t count)
{
    return sizeof(bpi_pages) + ((size_t)count + 63) / 64 * sizeof(uint64_t);
}

bpi_pages *bpi_pages_new(const bp_allocator *allocator, const void *start, const bpi_index_header *header)
{
    uint64_t count = header->sums_offset >> BPI_PAGE_SHIFT;
    bpi_pages *pages = count > UINT32_MAX ? NULL : bpi_allocate_zero(allocator, size_of((uint32_t)count));
    if (pages == NULL) {
        return NULL;
    }
    pages->allocator = allocator;
    pages->start = start;
    pages->count = (uint32_t)count;
    pages->sums_crc = header->sums_crc;
    return pages;
}

void bpi_pages_free(bpi_pages *pages)
{
    if (pages != NULL) {
        bpi_release(pages->allocator, pages, size_of(pages->count));
    }
}

static const uint8_t *sums_of(const bpi_pages *pages)
{
    return pages->start + ((size_t)pages->count << BPI_PAGE_SHIFT);
}

/* The CRCs have one of their own, in the header. */
static bool sums_right(bpi_pages *pages)
{
    if (atomic_load_explicit(&pages->sums, memory_order_acquire) != 0) {
        return true;
    }
    if (bpi_crc32c(0, sums_of(pages), ((size_t)pages->count - 1) * 4) != pages->sums_crc) {
        return false;
    }
    atomic_store_explicit(&pages->sums, 1, memory_order_release);
    return true;
}

static bool page_right(const bpi_pages *pages, size_t page)
{
    const uint8_t *bytes = pages->start + (page << BPI_PAGE_SHIFT);
    return page != 0 && page < pages->count &&
           bpi_crc32c(0, bytes, BPI_PAGE_SIZE) == bpi_get32(sums_of(pages) + (page - 1) * 4);
}

bool bpi_pages_check(bpi_pages *pages, size_t first, size_t last)
{
    for (size_t page = first; page <= last; page++) {
        uint64_t bit = UINT64_C(1) << (page & 63);
        bool good = page < pages->count;
        if (good && (atomic_load_explicit(&pages->checked[page >> 6], memory_order_acquire) & bit) != 0) {
            continue;
        }
        if (!good || bpi_pages_broken(pages) || !sums_right(pages) || !page_right(pages, page)) {
            bpi_disbelieve(pages);
            return false;
        }
        atomic_fetch_or_explicit(&pages->checked[page >> 6], bit, memory_order_acq_rel);
    }
    return true;
}
