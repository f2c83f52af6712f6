/*
 * swapped.c: see swapped.h. The writer's process does the same where it swaps (store/rewrite.c); here it is found out afterwards, from the
 * list.
 */
#include "store/swapped.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/indexing.h"

/* Counts of kinds before and behind an exchange: what is fewer was dropped. */
static void settle_kinds(bp_store *store, const uint32_t *before, const uint32_t *behind)
{
    for (uint32_t kind = 0; kind < BPI_KINDS; kind++) {
        if (before[kind] > behind[kind]) {
            bpi_kinds_uncount_events(&store->kinds, (bp_kind_code)kind, before[kind] - behind[kind]);
        }
    }
}

static bp_status exchange(bp_store *store, const bpi_segment_entry *entry, uint32_t *counts, bp_error *error)
{
    bpi_segment *segment = bpi_segment_lazy(store->follower.opener, entry);
    if (segment == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open a segment");
    }
    bpi_exchange swap = {segment, entry->first_sequence, entry->count};
    bp_status status = bpi_segment_keep(segment, error);
    if (status == BP_OK) {
        status = bpi_index_count_kinds(store->index, swap.first_sequence, swap.count, counts, error);
    }
    if (status == BP_OK) {
        status = bpi_index_exchange(store->index, &swap, NULL, NULL, error);
    }
    if (status == BP_OK) {
        (void)atomic_fetch_add(&store->erasures, 2);
        /* cannot fail: the new block is in memory */
        status = bpi_index_count_kinds(store->index, swap.first_sequence, swap.count, counts + BPI_KINDS, error);
        settle_kinds(store, counts, status == BP_OK ? counts + BPI_KINDS : counts);
    }
    bpi_segment_drop(segment);
    return status;
}

/* Is it a rewritten segment that the index does not know yet, all of whose events it has? */
static bool is_new(const bp_store *store, const bpi_segment_entry *entry)
{
    return entry->state == BPI_SEGMENT_SEALED && entry->rewritten && entry->count != 0 &&
           entry->first_sequence + entry->count <= bpi_index_next(store->index) &&
           !bpi_index_is_in(store->index, entry->first_sequence, entry->ordinal, entry->generation);
}

bp_status bpi_follower_exchange(bp_store *store, bp_error *error)
{
    const bpi_catalog *catalog = &store->follower.catalog;
    uint32_t *counts = NULL;
    bp_status status = BP_OK;
    for (size_t i = 0; i < catalog->count && status == BP_OK; i++) {
        if (!is_new(store, &catalog->entries[i])) {
            continue;
        }
        if (counts == NULL) {
            counts = bpi_allocate_array(store->allocator, (size_t)2 * BPI_KINDS, sizeof *counts);
        }
        status = counts == NULL ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to take in a rewritten segment")
                                : exchange(store, &catalog->entries[i], counts, error);
    }
    if (counts != NULL && bpi_index_let_go(store->index)) {
        store->block_segment = NULL; /* the block that had it has gone */
    }
    bpi_release(store->allocator, counts, counts == NULL ? 0 : sizeof *counts * 2 * BPI_KINDS);
    return status;
}
