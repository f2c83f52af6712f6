/*
 * index.c: the writer's half: names, blocks, rows, publishing.
 *
 * Holds: a row is complete, and its id in the table, before the published sequence covers it. What could fail is done
 * by begin_block and reserve; append cannot fail.
 */
#include "index/core.h"

#include "base/assert.h"
#include "base/compiler.h"
#include "base/memory.h"

enum { FIRST_IDS = 1024 };

/* ---- memory, counted ---- */

static void *counted_allocate(void *context, size_t size)
{
    bpi_index *index = context;
    void *memory = bpi_allocate(index->base, size);
    if (memory != NULL) {
        atomic_fetch_add_explicit(&index->bytes, size, memory_order_relaxed);
    }
    return memory;
}

static void *counted_resize(void *context, void *memory, size_t old_size, size_t size)
{
    bpi_index *index = context;
    void *resized = bpi_resize(index->base, memory, old_size, size);
    if (resized != NULL) {
        atomic_fetch_add_explicit(&index->bytes, size, memory_order_relaxed);
        atomic_fetch_sub_explicit(&index->bytes, memory == NULL ? 0 : old_size, memory_order_relaxed);
    }
    return resized;
}

static void counted_release(void *context, void *memory, size_t size)
{
    bpi_index *index = context;
    if (memory != NULL) {
        atomic_fetch_sub_explicit(&index->bytes, size, memory_order_relaxed);
        bpi_release(index->base, memory, size);
    }
}

/* ---- life ---- */

void bpi_index_release(bpi_index *index)
{
    if (atomic_fetch_sub_explicit(&index->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    bpi_names_fini(&index->entities);
    bpi_names_fini(&index->scopes);
    (void)pthread_mutex_destroy(&index->lock);
    bpi_release(index->base, index, sizeof *index);
}

bpi_index *bpi_index_new(const bp_allocator *allocator, bp_layout layout, uint64_t key)
{
    bpi_index *index = bpi_allocate_zero(allocator, sizeof *index);
    if (index == NULL) {
        return NULL;
    }
    index->base = allocator;
    index->allocator = (bp_allocator){
        .size = sizeof(bp_allocator),
        .context = index,
        .allocate = counted_allocate,
        .resize = counted_resize,
        .release = counted_release,
    };
    index->layout = layout;
    index->key = key;
    index->system = BPI_NO_NUMBER;
    atomic_init(&index->references, 1);
    atomic_init(&index->bytes, sizeof *index);
    if (!bpi_names_init(&index->entities, &index->allocator, key)) {
        goto no_entities;
    }
    if (!bpi_names_init(&index->scopes, &index->allocator, key)) {
        goto no_scopes;
    }
    if (pthread_mutex_init(&index->lock, NULL) != 0) {
        goto no_lock;
    }
    bpi_blocks *blocks = bpi_blocks_new(index, NULL, 0, 0);
    if (blocks == NULL) {
        bpi_index_release(index);
        return NULL;
    }
    atomic_store_explicit(&index->current, blocks, memory_order_release);
    index->mine = bpi_blocks_hold(blocks);
    return index;

no_lock:
    bpi_names_fini(&index->scopes);
no_scopes:
    bpi_names_fini(&index->entities);
no_entities:
    bpi_release(allocator, index, sizeof *index);
    return NULL;
}

void bpi_index_free(bpi_index *index)
{
    if (index == NULL) {
        return;
    }
    bpi_block_drop(index->active);
    bpi_blocks_drop(index->mine);
    bpi_blocks_drop(atomic_load_explicit(&index->current, memory_order_acquire));
    bpi_index_release(index);
}

/* ---- names ---- */

bpi_entity *bpi_index_find_entity(bpi_index *index, bp_text name)
{
    return bpi_names_find(&index->entities, name);
}

uint32_t bpi_index_expect_entity(const bpi_index *index, bp_text name)
{
    return bpi_names_expect(&index->entities, name);
}

bpi_entity *bpi_index_find_expected(bpi_index *index, bp_text name, uint32_t expected)
{
    return bpi_names_find_hashed(&index->entities, name, expected);
}

void bpi_index_expect_id(bpi_index *index, const bp_id *id)
{
    if (index->active != NULL) {
        bpi_table_prefetch(&index->active->ids, bpi_fingerprint(id, index->key));
    }
}

bpi_entity *bpi_index_add_entity(bpi_index *index, bp_text name)
{
    bpi_entity *entity = bpi_names_add(&index->entities, name);
    if (entity != NULL && bp_text_equal(name, bp_text_of(BP_SYSTEM_ENTITY))) {
        index->system = entity->number;
    }
    return entity;
}

void bpi_index_undo_entity(bpi_index *index, bpi_entity *entity)
{
    if (entity->number == index->system) {
        index->system = BPI_NO_NUMBER;
    }
    bpi_names_remove_last(&index->entities, entity);
}

uint32_t bpi_index_scope(bpi_index *index, bp_text name)
{
    bpi_entity *scope = index->last_scope;
    if (scope != NULL && bp_text_equal(scope->name, name)) {
        return scope->number; /* most often the same again */
    }
    scope = bpi_names_find(&index->scopes, name);
    if (scope == NULL) {
        scope = bpi_names_add(&index->scopes, name);
        if (scope == NULL) {
            return BPI_NO_NUMBER;
        }
        bpi_names_settle(&index->scopes, scope);
    }
    index->last_scope = scope;
    return scope->number;
}

/* ---- blocks ---- */

/* About as many ids as the block before has; growing later costs a pause. */
static size_t expected_ids(const bpi_index *index, const bpi_blocks *blocks)
{
    size_t rows = blocks->count == 0 ? 0 : bpi_blocks_rows(blocks, blocks->count - 1, bpi_index_next(index));
    return rows < FIRST_IDS ? FIRST_IDS : rows + rows / 16;
}

bool bpi_index_begin_block(bpi_index *index, bpi_segment *segment, uint64_t first_sequence, size_t max_rows)
{
    const bpi_blocks *old = bpi_index_mine(index);
    if (old->count == 0) {
        atomic_store_explicit(&index->next, first_sequence, memory_order_release);
    }
    BPI_ASSERT(first_sequence == bpi_index_next(index));
    size_t ids = expected_ids(index, old);
    bpi_rows *rows = bpi_rows_new(&index->allocator, index->layout, max_rows);
    bpi_block *block =
        rows == NULL ? NULL : bpi_block_new(&index->allocator, segment, first_sequence, index->key, rows);
    bpi_blocks *blocks = bpi_blocks_new(index, old, old->count, 1);
    if (block == NULL || blocks == NULL || !bpi_table_reserve(&block->ids, ids < max_rows ? ids : max_rows)) {
        bpi_blocks_drop(blocks);
        bpi_block_drop(block);
        return false;
    }
    blocks->block[blocks->count++] = block; /* with the reference that `new` gave */
    pthread_mutex_lock(&index->lock);
    /* The keeper may have sealed some of them meanwhile. */
    const bpi_blocks *now = atomic_load_explicit(&index->current, memory_order_relaxed);
    for (size_t i = 0; i < now->count; i++) {
        if (blocks->block[i] != now->block[i]) {
            bpi_block_drop(blocks->block[i]);
            blocks->block[i] = bpi_block_hold(now->block[i]);
        }
    }
    bpi_blocks *replaced = bpi_index_swap(index, blocks);
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(replaced);
    bpi_block_drop(index->active);
    index->active = bpi_block_hold(block);
    (void)bpi_index_mine(index);
    return true;
}

bool bpi_index_reserve(bpi_index *index, size_t rows)
{
    bpi_block *block = index->active;
    if (block == NULL) {
        return false;
    }
    (void)bpi_index_mine(index); /* lets go of what was sealed since */
    size_t count = (size_t)(bpi_index_next(index) - block->first) + rows;
    return bpi_rows_reserve(block->rows, count) && bpi_table_reserve(&block->ids, count);
}

/* ---- rows ---- */

/* Puts the row into the chains of its causes; returns what its field keeps of them. */
static uint32_t add_causes(const bpi_index *index, bpi_block *block, uint32_t number, const bpi_row *row)
{
    uint32_t key = 0;
    uint32_t marks = 0;
    for (size_t i = 0; i < row->cause_count; i++) {
        key = bpi_cause_key(bpi_fingerprint(&row->causes[i], index->key));
        marks |= bpi_cause_marks(key);
        bpi_causes_add(&block->causes, key, number);
    }
    return row->cause_count == 1 ? key : marks;
}

void bpi_index_append(bpi_index *index, bpi_entity *entity, const bpi_row *row)
{
    bpi_block *block = index->active;
    uint64_t sequence = bpi_index_next(index);
    uint32_t number = (uint32_t)(sequence - block->first);
    uint32_t id = bpi_fingerprint(&row->id, index->key);
    bool correlated = !bp_id_equal(&row->correlation, &row->id);
    bool system = entity->number == index->system;
    bpi_fields fields = {
        .hlc = row->hlc,
        .time_us = row->time_us,
        .distance = row->previous == BP_NONE ? 0 : sequence - row->previous,
        .clock = row->clock < BPI_CLOCK_BIG ? (uint32_t)row->clock : BPI_CLOCK_BIG,
        .offset = row->offset,
        .entity = row->entity,
        .scope = row->scope,
        .correlation = correlated ? bpi_fingerprint(&row->correlation, index->key) : id,
        .cause = row->cause_count == 0 ? 0 : add_causes(index, block, number, row),
        .kind = row->kind,
        .bits = (uint8_t)((row->first_of_commit ? BPI_ROW_FIRST : 0) | (row->lane != 0 ? BPI_ROW_LANE : 0) |
                          (row->cause_count > 1 ? BPI_ROW_MANY_CAUSES : 0) | (correlated ? BPI_ROW_CORRELATED : 0) |
                          (system ? BPI_ROW_SYSTEM : 0)),
    };
    BPI_DEBUG_ASSERT(row->entity == entity->number);
    bpi_rows_put(block->rows, number, &fields);
    bpi_rows_widen(block->rows, number, row->time_us);
    bpi_table_put(&block->ids, id, number);
    if (BPI_UNLIKELY(system)) {
        atomic_fetch_add_explicit(&block->system, 1, memory_order_relaxed);
    }
    bpi_names_settle(&index->entities, entity);
    if (row->previous == BP_NONE) {
        uint64_t used = atomic_load_explicit(&index->used_entities, memory_order_relaxed);
        atomic_store_explicit(&index->used_entities, used + 1, memory_order_relaxed); /* one writer */
    }
    atomic_store_explicit(&entity->last, sequence, memory_order_release);
    atomic_store_explicit(&index->next, sequence + 1, memory_order_release);
}

void bpi_index_publish(bpi_index *index, uint64_t next_sequence)
{
    BPI_DEBUG_ASSERT(next_sequence <= bpi_index_next(index));
    atomic_store_explicit(&index->published, next_sequence, memory_order_release);
}

uint64_t bpi_index_published(const bpi_index *index)
{
    return atomic_load_explicit(&index->published, memory_order_acquire);
}

uint64_t bpi_index_next(const bpi_index *index)
{
    return atomic_load_explicit(&index->next, memory_order_acquire);
}

bool bpi_index_find_id(bpi_index *index, const bp_id *id, uint64_t *sequence_out)
{
    return bpi_blocks_find_id(bpi_index_mine(index), id, bpi_index_next(index), sequence_out);
}

bool bpi_index_locate(bpi_index *index, uint64_t sequence, bpi_segment **segment_out, uint32_t *offset_out)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    if (sequence >= bpi_index_next(index) || blocks->count == 0 || sequence < blocks->block[0]->first) {
        return false;
    }
    const bpi_block *block = blocks->block[bpi_blocks_find(blocks, sequence)];
    *segment_out = block->segment;
    *offset_out = bpi_row_u32(block->rows, (uint32_t)(sequence - block->first), BPI_ROW_OFFSET);
    return true;
}

/* ---- counts ---- */

void bpi_index_count(bpi_index *index, bpi_index_counts *counts_out)
{
    bpi_blocks *blocks = bpi_index_blocks(index);
    uint64_t end = bpi_index_next(index);
    uint64_t tiles = 0;
    for (size_t i = 0; i < blocks->count; i++) {
        unsigned shift = blocks->block[i]->rows->shift;
        tiles += (bpi_blocks_rows(blocks, i, end) + (UINT64_C(1) << shift) - 1) >> shift;
    }
    bpi_blocks_drop(blocks);
    *counts_out = (bpi_index_counts){
        .entities = atomic_load_explicit(&index->used_entities, memory_order_relaxed),
        .scopes = bpi_names_stable(&index->scopes),
        .bytes = atomic_load_explicit(&index->bytes, memory_order_relaxed),
        .tile_count = tiles,
    };
}
