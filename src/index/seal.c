/*
 * seal.c: what becomes of a block that gets no more rows, and what becomes of rows that are taken back.
 *
 * Holds: everything is built beside what readers use and then put in its place in a new array; what is being read
 * stays as it was.
 */
#include "index/core.h"

#include "base/assert.h"
#include "base/memory.h"
#include "format/record.h"

/* The same rows; for SOAOS grouped by entity. */
static bpi_rows *sealed_rows(const bpi_index *index, const bpi_block *block, const bpi_postings *postings)
{
    if (index->layout == BP_LAYOUT_SOAOS && postings != NULL && block->rows->places == NULL) {
        return bpi_rows_copy(block->rows, postings->entities.row_count, postings->entities.rows);
    }
    return bpi_rows_hold(block->rows);
}

bpi_block *bpi_block_sealed(bpi_index *index, const bpi_block *block, uint32_t count)
{
    bpi_postings *postings = bpi_postings_build(&index->allocator, block, count);
    bpi_rows *rows = sealed_rows(index, block, postings);
    bpi_block *sealed = NULL;
    if (rows != NULL) {
        sealed = bpi_block_new(&index->allocator, block->segment, block->first, block->key, rows);
    }
    if (sealed == NULL) {
        bpi_postings_free(postings);
        return NULL;
    }
    sealed->postings = postings;
    bpi_causes_give_up(&sealed->causes);
    sealed->sealed = true;
    if (!bpi_table_reserve_tight(&sealed->ids, count)) {
        bpi_block_drop(sealed);
        return NULL;
    }
    bpi_table_copy(&sealed->ids, &block->ids, count);
    atomic_store_explicit(&sealed->system, atomic_load_explicit(&block->system, memory_order_relaxed),
                          memory_order_relaxed);
    return sealed;
}

/* The place of the block of a segment; count when there is none. */
static size_t place_of(const bpi_blocks *blocks, uint32_t ordinal)
{
    size_t i = blocks->count;
    while (i > 0 && blocks->block[i - 1]->segment->ordinal != ordinal) {
        i--;
    }
    return i == 0 ? blocks->count : i - 1;
}

size_t bpi_index_block_rows(bpi_index *index, uint32_t ordinal)
{
    bpi_blocks *blocks = bpi_index_blocks(index);
    size_t i = place_of(blocks, ordinal);
    size_t rows = i == blocks->count ? 0 : bpi_blocks_rows(blocks, i, bpi_index_next(index));
    bpi_blocks_drop(blocks);
    return rows;
}

/* Puts `block` in the place of `old`, if it is still there. */
static bool replace(bpi_index *index, const bpi_block *old, bpi_block *block)
{
    bool done = true;
    pthread_mutex_lock(&index->lock);
    const bpi_blocks *now = atomic_load_explicit(&index->current, memory_order_relaxed);
    bpi_blocks *replaced = NULL;
    for (size_t i = 0; i < now->count; i++) {
        if (now->block[i] != old) {
            continue;
        }
        bpi_blocks *blocks = bpi_blocks_new(index, now, now->count, 0);
        done = blocks != NULL;
        if (done) {
            bpi_block_drop(blocks->block[i]);
            blocks->block[i] = bpi_block_hold(block);
            replaced = bpi_index_swap(index, blocks);
        }
        break;
    }
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(replaced);
    return done;
}

bool bpi_index_seal_block(bpi_index *index, uint32_t ordinal)
{
    bpi_blocks *blocks = bpi_index_blocks(index);
    size_t i = place_of(blocks, ordinal);
    bool done = true;
    if (i < blocks->count && blocks->block[i]->postings == NULL) {
        const bpi_block *block = blocks->block[i];
        bpi_block *sealed = bpi_block_sealed(index, block, bpi_blocks_rows(blocks, i, bpi_index_next(index)));
        done = sealed != NULL && sealed->postings != NULL && replace(index, block, sealed);
        bpi_block_drop(sealed);
    }
    bpi_blocks_drop(blocks);
    return done;
}

/* ---- taking rows back ---- */

/* An entity that loses events, and the event that is its last one then. */
typedef struct lost {
    bpi_entity *entity;
    bpi_head head;
} lost;

typedef struct lost_list {
    lost *items;
    size_t count;
    size_t capacity;
} lost_list;

static bool lost_add(bpi_index *index, lost_list *list, bpi_entity *entity, const bpi_head *head)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        lost *items =
            bpi_resize(&index->allocator, list->items, list->capacity * sizeof *items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = (lost){.entity = entity, .head = *head};
    return true;
}

/* The head of an entity whose newest event is `last`. */
static bool head_at(const bpi_blocks *blocks, uint64_t last, bpi_head *head_out)
{
    *head_out = (bpi_head){.events = 0, .last = last};
    if (last == BP_NONE) {
        return true;
    }
    bp_event event;
    const bpi_block *block = blocks->block[bpi_blocks_find(blocks, last)];
    if (bpi_block_event(block, (uint32_t)(last - block->first), &event, NULL) != BP_OK) {
        return false;
    }
    head_out->events = event.clock + 1;
    head_out->hash = event.event_hash;
    return true;
}

/* Every entity with a row from `sequence` on, once: the row whose previous event lies below tells. */
static bool find_lost(bpi_index *index, const bpi_blocks *blocks, uint64_t sequence, lost_list *list)
{
    for (uint64_t at = sequence; at < bpi_index_next(index); at++) {
        const bpi_block *block = blocks->block[bpi_blocks_find(blocks, at)];
        uint32_t row = (uint32_t)(at - block->first);
        uint64_t distance = bpi_row_distance(block->rows, row);
        if (distance != 0 && at - distance >= sequence) {
            continue;
        }
        bpi_head head;
        bpi_entity *entity = bpi_names_at(&index->entities, bpi_row_u32(block->rows, row, BPI_ROW_ENTITY));
        if (!head_at(blocks, distance == 0 ? BP_NONE : at - distance, &head) || !lost_add(index, list, entity, &head)) {
            return false;
        }
    }
    return true;
}

/* Rows [0, count) of a block as a block of their own. */
static bpi_block *shortened(bpi_index *index, const bpi_block *block, uint32_t count)
{
    bpi_rows *rows = bpi_rows_copy(block->rows, count, NULL);
    bpi_block *copy =
        rows == NULL ? NULL : bpi_block_new(&index->allocator, block->segment, block->first, block->key, rows);
    if (copy == NULL) {
        return NULL;
    }
    if (!bpi_table_reserve(&copy->ids, count)) {
        bpi_block_drop(copy);
        return NULL;
    }
    bpi_table_copy(&copy->ids, &block->ids, count);
    bpi_causes_give_up(&copy->causes);
    uint32_t system = 0;
    for (uint32_t row = 0; row < count; row++) {
        system += (bpi_row_u8(rows, row, BPI_ROW_BITS) & BPI_ROW_SYSTEM) != 0;
    }
    atomic_store_explicit(&copy->system, system, memory_order_relaxed);
    return copy;
}

/* The blocks below `sequence`, the last one cut there. */
static bpi_blocks *blocks_below(bpi_index *index, const bpi_blocks *blocks, uint64_t sequence)
{
    size_t whole = bpi_blocks_find(blocks, sequence);
    bpi_blocks *below = bpi_blocks_new(index, blocks, whole, 1);
    uint32_t rest = (uint32_t)(sequence - blocks->block[whole]->first);
    if (below == NULL || rest == 0) {
        return below;
    }
    bpi_block *cut = shortened(index, blocks->block[whole], rest);
    if (cut == NULL) {
        bpi_blocks_drop(below);
        return NULL;
    }
    below->block[below->count++] = cut;
    return below;
}

static void forget(bpi_index *index, const lost_list *list, bpi_blocks *below, uint64_t sequence)
{
    /* Odd while entities and blocks do not go together: no reader trusts a chain's beginning then. */
    atomic_fetch_add_explicit(&index->generation, 1, memory_order_acq_rel);
    for (size_t i = 0; i < list->count; i++) {
        bpi_entity *entity = list->items[i].entity;
        entity->head = list->items[i].head;
        atomic_store_explicit(&entity->last, entity->head.last, memory_order_release);
        if (entity->head.last == BP_NONE) {
            atomic_fetch_sub_explicit(&index->used_entities, 1, memory_order_relaxed);
        }
    }
    pthread_mutex_lock(&index->lock);
    bpi_blocks *replaced = bpi_index_swap(index, below);
    atomic_store_explicit(&index->next, sequence, memory_order_relaxed);
    atomic_fetch_add_explicit(&index->generation, 1, memory_order_release);
    if (bpi_index_published(index) > sequence) {
        bpi_index_publish(index, sequence);
    }
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(replaced);
    bpi_block_drop(index->active);
    index->active = NULL;
    (void)bpi_index_mine(index);
}

bool bpi_index_truncate(bpi_index *index, uint64_t sequence)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    lost_list list = {0};
    bool done = false;
    if (blocks->count == 0 || sequence >= bpi_index_next(index)) {
        return true;
    }
    BPI_ASSERT(sequence >= blocks->block[0]->first);
    if (find_lost(index, blocks, sequence, &list)) {
        bpi_blocks *below = blocks_below(index, blocks, sequence);
        if (below != NULL) {
            forget(index, &list, below, sequence);
            done = true;
        }
    }
    bpi_release(&index->allocator, list.items, list.capacity * sizeof *list.items);
    return done;
}
