/*
 * seal.c: what becomes of a block that gets no more rows, and what becomes of rows that are taken back.
 *
 * Holds: everything is built beside what readers use and then put in its place in a new array; what is being read
 * stays as it was.
 */
#include "index/core.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "index/input.h"

enum { SHIFT_LEAST = 6, TILES_LEAST = 8 };

/* An image of the input. NULL: no memory; or `fault_out` says what is wrong with it. */
static bpi_image *image_of(const bp_allocator *allocator, const bpi_input *input, bpi_index_header *header,
                           const char **fault_out)
{
    bpi_sink sink;
    bpi_image *image = NULL;
    *fault_out = NULL;
    if (!bpi_emit_plan(input, 1, header)) {
        *fault_out = "it is too large";
        return NULL;
    }
    bpi_sink_init(&sink, allocator, NULL, NULL);
    if (bpi_emit(&sink, input, 1, header) == 0) {
        size_t size = 0;
        uint8_t *bytes = bpi_sink_take(&sink, &size);
        image = bytes == NULL ? NULL : bpi_image_of_heap(allocator, bytes, size, fault_out);
    }
    bpi_sink_fini(&sink);
    return image;
}

bp_status bpi_block_sealed(bpi_index *index, const bpi_block *block, uint32_t count, bpi_block **block_out,
                           bp_error *error)
{
    const bp_allocator *allocator = &index->allocator;
    const char *fault = NULL;
    bpi_index_header header;
    bpi_input input;
    *block_out = NULL;
    bp_status status = bpi_input_of_block(&input, allocator, block, count, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_header_of(index, block->parts, block->part_count, block->first, count, &header);
    bpi_image *image = image_of(allocator, &input, &header, &fault);
    bpi_input_fini(&input);
    if (fault != NULL) {
        return bpi_block_contradicts(block, fault, error);
    }
    *block_out = image == NULL ? NULL : bpi_block_of_image(allocator, block->parts, block->part_count, image);
    return *block_out != NULL ? BP_OK
                              : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to build a part of the index");
}

/* Tiles as large as the layout says, but not so large that the last one is mostly empty. */
static uint8_t shift_of(bp_layout layout, uint32_t rows)
{
    unsigned shift = bpi_layout_shift(layout);
    while (shift > SHIFT_LEAST && (UINT64_C(1) << shift) * TILES_LEAST > rows) {
        shift--;
    }
    return (uint8_t)shift;
}

void bpi_header_of(const bpi_index *index, const bpi_part *parts, uint32_t part_count, uint64_t first, uint32_t rows,
                   bpi_index_header *header)
{
    memset(header, 0, sizeof *header);
    bp_layout layout = index->layout == BP_LAYOUT_DEFAULT ? BP_LAYOUT_SOA : index->layout;
    header->key = index->key;
    header->first_ordinal = parts[0].segment->ordinal;
    header->last_ordinal = parts[part_count - 1].segment->ordinal;
    header->segment_count = part_count;
    header->first_sequence = first;
    header->layout = (uint8_t)(layout - 1);
    header->shift = shift_of(layout, rows);
}

/* The place of the block of a segment; count when there is none. */
static size_t place_of(const bpi_blocks *blocks, uint32_t ordinal)
{
    size_t i = blocks->count;
    while (i > 0 && blocks->block[i - 1]->parts[0].segment->ordinal != ordinal) {
        i--;
    }
    return i == 0 ? blocks->count : i - 1;
}

bool bpi_index_find_open(bpi_index *index, uint32_t from, uint32_t *ordinal_out)
{
    bpi_blocks *blocks = bpi_index_blocks(index);
    bool found = false;
    for (size_t i = 0; i < blocks->count && !found; i++) {
        *ordinal_out = blocks->block[i]->parts[0].segment->ordinal;
        found = blocks->block[i]->image == NULL && *ordinal_out >= from;
    }
    bpi_blocks_drop(blocks);
    return found;
}

size_t bpi_index_block_rows(bpi_index *index, uint32_t ordinal)
{
    uint64_t next = bpi_index_next(index);
    bpi_blocks *blocks = bpi_index_blocks(index);
    size_t i = place_of(blocks, ordinal);
    size_t rows = i == blocks->count ? 0 : bpi_blocks_rows(blocks, i, next);
    bpi_blocks_drop(blocks);
    return rows;
}

bool bpi_index_replace_many(bpi_index *index, const bpi_blocks *seen, size_t i, size_t count, bpi_block *const *others,
                            size_t other_count)
{
    bool done = false;
    pthread_mutex_lock(&index->lock);
    const bpi_blocks *now = atomic_load_explicit(&index->current, memory_order_relaxed);
    bpi_blocks *replaced = NULL;
    size_t at = 0;
    while (at < now->count && now->block[at] != seen->block[i]) {
        at++;
    }
    bool there = at + count <= now->count;
    for (size_t n = 0; there && n < count; n++) {
        there = now->block[at + n] == seen->block[i + n];
    }
    bpi_blocks *blocks = there ? bpi_blocks_spliced(index, now, at, count, others, other_count) : NULL;
    if (blocks != NULL) {
        replaced = bpi_index_swap(index, blocks);
        done = true;
    }
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(replaced);
    return done;
}

bool bpi_index_replace(bpi_index *index, const bpi_blocks *seen, size_t i, size_t count, bpi_block *block)
{
    return bpi_index_replace_many(index, seen, i, count, &block, 1);
}

/* Of a segment's blocks the first that is open; count when there is none. At a reader there may be one of an older generation, for
 * which there was no memory when it should have been sealed. */
static size_t open_place_of(const bpi_blocks *blocks, uint32_t ordinal)
{
    size_t i = 0;
    while (i < blocks->count &&
           (blocks->block[i]->image != NULL || blocks->block[i]->parts[0].segment->ordinal != ordinal)) {
        i++;
    }
    return i;
}

bool bpi_index_seal_block(bpi_index *index, uint32_t ordinal)
{
    uint64_t next = bpi_index_next(index); /* first: rows of a block that begins meanwhile are not this one's */
    bpi_blocks *blocks = bpi_index_blocks(index);
    size_t i = open_place_of(blocks, ordinal);
    bool done = true;
    if (i < blocks->count) {
        const bpi_block *block = blocks->block[i];
        bpi_block *sealed = NULL;
        uint32_t rows = bpi_blocks_rows(blocks, i, next);
        done = bpi_block_sealed(index, block, rows, &sealed, NULL) == BP_OK &&
               bpi_index_replace(index, blocks, i, 1, sealed);
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

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the index");
}

static bp_status lost_add(bpi_index *index, lost_list *list, bpi_entity *entity, const bpi_head *head, bp_error *error)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        lost *items =
            bpi_resize(&index->allocator, list->items, list->capacity * sizeof *items, capacity * sizeof *items);
        if (items == NULL) {
            return no_memory(error);
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = (lost){.entity = entity, .head = *head};
    return BP_OK;
}

/* The head of an entity whose newest event is `last`. */
static bp_status head_at(const bpi_blocks *blocks, uint64_t last, bpi_head *head_out, bp_error *error)
{
    *head_out = (bpi_head){.events = 0, .last = last};
    if (last == BP_NONE) {
        return BP_OK;
    }
    bp_event event;
    bp_status status = bpi_blocks_event(blocks, last, &event, error);
    if (status == BP_OK) {
        head_out->events = event.clock + 1;
        head_out->hash = event.event_hash;
    }
    return status;
}

/* Every entity with a row from `sequence` on, once: the row whose previous event lies below tells. */
static bp_status find_lost(bpi_index *index, const bpi_blocks *blocks, uint64_t sequence, lost_list *list,
                           bp_error *error)
{
    bp_status status = BP_OK;
    for (uint64_t at = sequence; at < bpi_index_next(index) && status == BP_OK; at++) {
        const bpi_block *block = blocks->block[bpi_blocks_find(blocks, at)];
        uint32_t row = (uint32_t)(at - block->first);
        uint64_t distance = bpi_row_distance(block->rows, row);
        if (distance != 0 && at - distance >= sequence) {
            continue;
        }
        bpi_head head;
        bp_event event;
        status = bpi_block_event(block, row, &event, error);
        bpi_entity *entity = status == BP_OK ? bpi_index_find_entity(index, event.entity) : NULL;
        if (status == BP_OK && entity == NULL) {
            return bpi_block_contradicts(block, "an entity that nobody knows", error);
        }
        if (status == BP_OK) {
            status = head_at(blocks, distance == 0 ? BP_NONE : at - distance, &head, error);
        }
        if (status == BP_OK) {
            status = lost_add(index, list, entity, &head, error);
        }
    }
    return status;
}

/* Copies the ids of rows [0, count). */
static void copy_ids(bpi_block *copy, const bpi_block *block, uint32_t count)
{
    if (block->image == NULL) {
        bpi_table_copy(&copy->ids, &block->ids, count);
        return;
    }
    const bpi_pairs *pairs = &block->image->ids.pairs;
    for (uint32_t i = 0; i < pairs->count; i++) {
        bpi_pair pair = bpi_pair_at(pairs, i);
        if (pair.row < count) {
            bpi_table_put(&copy->ids, pair.key, pair.row);
        }
    }
}

bpi_block *bpi_block_shortened(bpi_index *index, const bpi_block *block, uint32_t count)
{
    bpi_rows *rows = bpi_rows_copy(block->rows, count);
    bpi_block *copy =
        rows == NULL ? NULL : bpi_block_new(&index->allocator, block->parts[0].segment, block->first, block->key, rows);
    if (copy == NULL) {
        return NULL;
    }
    if (!bpi_table_reserve(&copy->ids, count)) {
        bpi_block_drop(copy);
        return NULL;
    }
    copy_ids(copy, block, count);
    bpi_causes_give_up(&copy->causes);
    copy->id_range = block->id_range;
    copy->first_entity = block->first_entity;
    copy->first_scope = block->first_scope;
    uint32_t system = 0;
    uint32_t folded = 0;
    for (uint32_t row = 0; row < count; row++) {
        folded += (bpi_row_u8(rows, row, BPI_ROW_BITS) & BPI_ROW_FOLDED) != 0;
        system += (bpi_row_u8(rows, row, BPI_ROW_BITS) & BPI_ROW_SYSTEM) != 0;
    }
    atomic_store_explicit(&copy->system, system, memory_order_relaxed);
    atomic_store_explicit(&copy->folded, folded, memory_order_relaxed);
    return copy;
}

void bpi_block_marks(const bpi_block *block, uint32_t count, uint32_t *entities_out, uint32_t *scopes_out)
{
    *entities_out = block->first_entity;
    *scopes_out = block->first_scope;
    for (uint32_t row = 0; row < count; row++) {
        *entities_out += bpi_row_u32(block->rows, row, BPI_ROW_ENTITY) == *entities_out;
        *scopes_out += bpi_row_u32(block->rows, row, BPI_ROW_SCOPE) == *scopes_out;
    }
}

/* Views that were pinned have numbers up to it. */
static void keep_mark(_Atomic uint32_t *kept, const _Atomic uint32_t *mark)
{
    uint32_t now = atomic_load_explicit(mark, memory_order_relaxed);
    if (now > atomic_load_explicit(kept, memory_order_relaxed)) {
        atomic_store_explicit(kept, now, memory_order_relaxed);
    }
}

static void set_marks(bpi_index *index, const bpi_block *block, uint32_t count)
{
    uint32_t entities = 0;
    uint32_t scopes = 0;
    bpi_block_marks(block, count, &entities, &scopes);
    keep_mark(&index->kept_entities, &index->entity_mark);
    keep_mark(&index->kept_scopes, &index->scope_mark);
    atomic_store_explicit(&index->entity_mark, entities, memory_order_release);
    atomic_store_explicit(&index->scope_mark, scopes, memory_order_release);
}

/* Rows [0, count) of a block. */
static bp_status cut_block(bpi_index *index, const bpi_block *block, uint32_t count, bpi_block **block_out,
                           bp_error *error)
{
    bpi_block *cut = bpi_block_shortened(index, block, count);
    if (cut == NULL) {
        return no_memory(error);
    }
    if (block->image == NULL) {
        *block_out = cut;
        return BP_OK;
    }
    /* Nothing but an image is sure to know its names. */
    bp_status status = bpi_block_sealed(index, cut, count, block_out, error);
    bpi_block_drop(cut);
    return status;
}

/* The blocks below `sequence`, the last one cut there. */
static bp_status blocks_below(bpi_index *index, const bpi_blocks *blocks, uint64_t sequence, bpi_blocks **below_out,
                              bp_error *error)
{
    size_t whole = bpi_blocks_find(blocks, sequence);
    uint32_t rest = (uint32_t)(sequence - blocks->block[whole]->first);
    bpi_block *cut = NULL;
    bpi_blocks *below = bpi_blocks_new(index, blocks, whole, 1);
    if (below == NULL) {
        return no_memory(error);
    }
    if (rest != 0) {
        bp_status status = cut_block(index, blocks->block[whole], rest, &cut, error);
        if (status != BP_OK) {
            bpi_blocks_drop(below);
            return status;
        }
        below->block[below->count++] = cut;
    }
    *below_out = below;
    return BP_OK;
}

static void forget(bpi_index *index, const lost_list *list, bpi_blocks *below, uint64_t sequence)
{
    /* Odd while entities and blocks do not go together: no reader trusts a chain's beginning then. */
    uint32_t generation = atomic_fetch_add_explicit(&index->generation, 1, memory_order_acq_rel);
    for (size_t i = 0; i < list->count; i++) {
        bpi_entity *entity = list->items[i].entity;
        entity->head = list->items[i].head;
        atomic_store_explicit(&entity->last, entity->head.last, memory_order_release);
    }
    pthread_mutex_lock(&index->lock);
    bpi_blocks *replaced = bpi_index_swap(index, below);
    atomic_store_explicit(&index->next, sequence, memory_order_relaxed);
    atomic_fetch_add_explicit(&index->generation, 1, memory_order_release);
    if (bpi_index_published(index) > sequence && index->kept == NULL) {
        index->kept = replaced;
        index->kept_generation = generation;
        replaced = NULL;
    }
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(replaced);
    bpi_block_drop(index->active);
    index->active = NULL;
    bpi_index_follow(index);
}

bp_status bpi_index_truncate(bpi_index *index, uint64_t sequence, bp_error *error)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    lost_list list = {0};
    bpi_blocks *below = NULL;
    if (blocks->count == 0 || sequence >= bpi_index_next(index)) {
        return BP_OK;
    }
    BPI_ASSERT(sequence >= blocks->block[0]->first);
    bp_status status = find_lost(index, blocks, sequence, &list, error);
    if (status == BP_OK) {
        status = blocks_below(index, blocks, sequence, &below, error);
    }
    if (status == BP_OK) {
        const bpi_block *whole = blocks->block[bpi_blocks_find(blocks, sequence)];
        set_marks(index, whole, (uint32_t)(sequence - whole->first));
        forget(index, &list, below, sequence);
    }
    bpi_release(&index->allocator, list.items, list.capacity * sizeof *list.items);
    return status;
}
