/*
 * blocks.c: the arrays of blocks: making, swapping, letting go; and pinned views of them.
 *
 * Holds: an array never changes once it is current. Dropping the last reference frees the blocks before the index
 * whose memory count they are in.
 */
#include "index/core.h"

#include "base/memory.h"

static size_t size_of(size_t count)
{
    return sizeof(bpi_blocks) + count * sizeof(bpi_block *);
}

/* ---- epochs ---- */

static void enter(bpi_index *index, bpi_blocks *blocks)
{
    (void)pthread_mutex_lock(&index->ages);
    blocks->epoch = atomic_load_explicit(&index->epoch, memory_order_relaxed);
    blocks->before = index->newest;
    if (index->newest != NULL) {
        index->newest->behind = blocks;
    } else {
        index->oldest = blocks;
    }
    index->newest = blocks;
    (void)pthread_mutex_unlock(&index->ages);
}

static void unlink_array(bpi_index *index, bpi_blocks *blocks)
{
    if (blocks->before != NULL) {
        blocks->before->behind = blocks->behind;
    } else {
        index->oldest = blocks->behind;
    }
    if (blocks->behind != NULL) {
        blocks->behind->before = blocks->before;
    } else {
        index->newest = blocks->before;
    }
}

static void leave(bpi_index *index, bpi_blocks *blocks)
{
    (void)pthread_mutex_lock(&index->ages);
    if (blocks->epoch != UINT64_MAX) {
        unlink_array(index, blocks);
        blocks->epoch = UINT64_MAX;
    }
    (void)pthread_mutex_unlock(&index->ages);
}

uint64_t bpi_index_oldest(bpi_index *index)
{
    (void)pthread_mutex_lock(&index->ages);
    uint64_t epoch = index->oldest != NULL ? index->oldest->epoch : atomic_load(&index->epoch);
    (void)pthread_mutex_unlock(&index->ages);
    return epoch;
}

void bpi_index_spare(bpi_index *index, bpi_opener *opener)
{
    bpi_opener_let_go(opener, atomic_load(&index->epoch));
    (void)pthread_mutex_lock(&index->ages);
    (void)atomic_fetch_add(&index->epoch, 1);
    (void)pthread_mutex_unlock(&index->ages);
    pthread_mutex_lock(&index->lock);
    const bpi_blocks *now = atomic_load_explicit(&index->current, memory_order_relaxed);
    bpi_blocks *blocks = bpi_blocks_new(index, now, now->count, 0);
    bpi_blocks *replaced = blocks == NULL ? NULL : bpi_index_swap(index, blocks);
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(replaced); /* without memory the old one stays, until there is another */
}

/* ---- arrays ---- */

bpi_blocks *bpi_blocks_new(bpi_index *index, const bpi_blocks *from, size_t count, size_t more)
{
    bpi_blocks *blocks = bpi_allocate_zero(&index->allocator, size_of(count + more));
    if (blocks == NULL) {
        return NULL;
    }
    atomic_fetch_add_explicit(&index->references, 1, memory_order_relaxed);
    blocks->index = index;
    blocks->books = from == NULL ? NULL : bpi_books_hold(from->books);
    atomic_init(&blocks->references, 1);
    blocks->count = count;
    blocks->capacity = count + more;
    enter(index, blocks);
    for (size_t i = 0; i < count; i++) {
        blocks->block[i] = bpi_block_hold(from->block[i]);
    }
    return blocks;
}

bpi_blocks *bpi_blocks_spliced(bpi_index *index, const bpi_blocks *from, size_t at, size_t count,
                               bpi_block *const *others, size_t other_count)
{
    bpi_blocks *blocks = bpi_blocks_new(index, from, at, from->count - at - count + other_count);
    if (blocks == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < other_count; i++) {
        blocks->block[blocks->count++] = bpi_block_hold(others[i]);
    }
    for (size_t i = at + count; i < from->count; i++) {
        blocks->block[blocks->count++] = bpi_block_hold(from->block[i]);
    }
    return blocks;
}

bpi_blocks *bpi_blocks_hold(bpi_blocks *blocks)
{
    atomic_fetch_add_explicit(&blocks->references, 1, memory_order_relaxed);
    return blocks;
}

void bpi_blocks_drop(bpi_blocks *blocks)
{
    if (blocks == NULL || atomic_fetch_sub_explicit(&blocks->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    bpi_index *index = blocks->index;
    leave(index, blocks);
    for (size_t i = 0; i < blocks->count; i++) {
        bpi_block_drop(blocks->block[i]);
    }
    bpi_books_drop(blocks->books);
    bpi_release(&index->allocator, blocks, size_of(blocks->capacity));
    bpi_index_release(index);
}

bpi_blocks *bpi_index_swap(bpi_index *index, bpi_blocks *blocks)
{
    return atomic_exchange_explicit(&index->current, blocks, memory_order_acq_rel);
}

bpi_blocks *bpi_index_blocks(bpi_index *index)
{
    pthread_mutex_lock(&index->lock);
    bpi_blocks *blocks = bpi_blocks_hold(atomic_load_explicit(&index->current, memory_order_relaxed));
    pthread_mutex_unlock(&index->lock);
    return blocks;
}

bpi_blocks *bpi_index_own_blocks(bpi_index *index)
{
    bpi_blocks *now = bpi_index_blocks(index);
    bpi_blocks *own = bpi_blocks_new(index, now, now->count, 0);
    bpi_blocks_drop(now);
    return own;
}

void bpi_blocks_read_no_more(bpi_blocks *blocks)
{
    leave(blocks->index, blocks);
}

const bpi_blocks *bpi_index_mine(bpi_index *index)
{
    /* `mine` is held, so its address cannot have been used again. */
    if (atomic_load_explicit(&index->current, memory_order_relaxed) != index->mine) {
        index->mine->left = index->left;
        index->left = index->mine;
        index->mine = bpi_index_blocks(index);
    }
    return index->mine;
}

void bpi_index_drop_left(bpi_index *index)
{
    while (index->left != NULL) {
        bpi_blocks *blocks = index->left;
        index->left = blocks->left;
        bpi_blocks_drop(blocks);
    }
}

void bpi_index_follow(bpi_index *index)
{
    (void)bpi_index_mine(index);
    bpi_index_drop_left(index);
}

/* ---- views ---- */

void bpi_view_take(bpi_index *index, bpi_view *view_out)
{
    atomic_init(&view_out->references, 1);
    pthread_mutex_lock(&index->lock);
    bool kept = index->kept != NULL;
    view_out->blocks =
        bpi_blocks_hold(kept ? index->kept : atomic_load_explicit(&index->current, memory_order_relaxed));
    view_out->end = bpi_index_published(index);
    view_out->generation =
        kept ? index->kept_generation : atomic_load_explicit(&index->generation, memory_order_relaxed);
    pthread_mutex_unlock(&index->lock);
}

void bpi_view_move(bpi_view *view, bpi_view *view_out)
{
    atomic_init(&view_out->references, 1);
    view_out->blocks = view->blocks;
    view_out->end = view->end;
    view_out->generation = view->generation;
    view->blocks = NULL;
}

void bpi_view_share(const bpi_view *view, bpi_view *view_out)
{
    bpi_view other = {.blocks = bpi_blocks_hold(view->blocks), .end = view->end, .generation = view->generation};
    bpi_view_move(&other, view_out);
}

void bpi_view_leave(bpi_view *view)
{
    bpi_blocks_drop(view->blocks);
    view->blocks = NULL;
}

bpi_view *bpi_view_pin(bpi_index *index)
{
    bpi_view *view = bpi_allocate(&index->allocator, sizeof *view);
    if (view != NULL) {
        bpi_view_take(index, view);
    }
    return view;
}

bpi_view *bpi_view_again(const bpi_view *view)
{
    bpi_index *index = view->blocks->index;
    bpi_blocks *blocks = bpi_blocks_new(index, view->blocks, view->blocks->count, 0);
    bpi_view *again = blocks == NULL ? NULL : bpi_allocate(&index->allocator, sizeof *again);
    if (again == NULL) {
        bpi_blocks_drop(blocks);
        return NULL;
    }
    atomic_init(&again->references, 1);
    again->blocks = blocks;
    again->end = view->end;
    again->generation = view->generation;
    return again;
}

bpi_view *bpi_view_hold(bpi_view *view)
{
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    return view;
}

void bpi_view_drop(bpi_view *view)
{
    if (view == NULL || atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    bpi_blocks *blocks = view->blocks;
    bpi_release(&blocks->index->allocator, view, sizeof *view);
    bpi_blocks_drop(blocks);
}

uint64_t bpi_view_end(const bpi_view *view)
{
    return view->end;
}

bp_status bpi_view_find_id(const bpi_view *view, const bp_id *id, uint64_t *sequence_out, bp_error *error)
{
    return bpi_blocks_find_id(view->blocks, id, view->end, sequence_out, error);
}
