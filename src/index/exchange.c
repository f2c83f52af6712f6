/*
 * exchange.c: blocks for a rewritten segment, in the place of those of its sources.
 *
 * Numbers of names follow from the order of the log, of which a rewritten segment takes nothing away: fold entries keep both
 * names. So the new blocks fit between their neighbours.
 *
 * Holds: everything is built beside what readers use, and put in its place in one new array; if others changed these very
 * blocks meanwhile, it is built again.
 */
#include "index/core.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { TRIES = 64 };

/* A run of rows that gets a block of its own. */
typedef struct piece {
    bpi_segment *segment;
    uint64_t first;
    uint64_t count;
} piece;

typedef struct exchanging {
    bpi_index *index;
    const bpi_exchange *exchange;
    uint64_t next; /* of the index before that was seen: rows of a block that begins meanwhile are not the last one's */
    bpi_blocks *seen;
    size_t from, to; /* blocks [from, to) of them are replaced */
    uint64_t first;  /* their rows: [first, end) */
    uint64_t end;
    piece *pieces;
    size_t piece_count;
    size_t piece_room;
    bpi_blocks *built; /* seen's blocks below `from`, then the new ones */
} exchanging;

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to build a part of the index anew");
}

static uint64_t block_end(const bpi_blocks *blocks, size_t i, uint64_t next)
{
    return i + 1 < blocks->count ? blocks->block[i + 1]->first : next;
}

bp_status bpi_index_keep(bpi_index *index, uint64_t first_sequence, uint64_t count, bp_error *error)
{
    uint64_t next = bpi_index_next(index);
    bpi_blocks *blocks = bpi_index_blocks(index);
    bp_status status = BP_OK;
    for (size_t i = 0; i < blocks->count && status == BP_OK; i++) {
        const bpi_block *block = blocks->block[i];
        if (block_end(blocks, i, next) <= first_sequence || block->first >= first_sequence + count) {
            continue;
        }
        for (uint32_t part = 0; part < block->part_count && status == BP_OK; part++) {
            uint64_t begins = block->first + block->parts[part].first_row;
            bool behind =
                part + 1 < block->part_count && block->first + block->parts[part + 1].first_row <= first_sequence;
            if (!behind && begins < first_sequence + count) {
                status = bpi_segment_keep(block->parts[part].segment, error);
            }
        }
    }
    bpi_blocks_drop(blocks);
    return status;
}

/* The blocks that have rows of the exchange. An open one is sealed first, and then all is looked at anew. */
static bp_status find_blocks(exchanging *x, bool *again_out, bp_error *error)
{
    const bpi_exchange *exchange = x->exchange;
    const bpi_blocks *seen = x->seen;
    *again_out = false;
    x->from = 0;
    while (x->from < seen->count && block_end(seen, x->from, x->next) <= exchange->first_sequence) {
        x->from++;
    }
    x->to = x->from;
    while (x->to < seen->count && seen->block[x->to]->first < exchange->first_sequence + exchange->count) {
        const bpi_block *block = seen->block[x->to];
        if (block->image == NULL) {
            *again_out = true;
            return bpi_index_seal_block(x->index, block->parts[0].segment->ordinal) ? BP_OK : no_memory(error);
        }
        x->to++;
    }
    if (x->from == x->to) {
        return BP_OK;
    }
    x->first = seen->block[x->from]->first;
    x->end = block_end(seen, x->to - 1, x->next);
    return BP_OK;
}

static bool add_piece(exchanging *x, bpi_segment *segment, uint64_t first, uint64_t end)
{
    if (end <= first) {
        return true;
    }
    if (x->piece_count == x->piece_room) {
        size_t room = x->piece_room * 2 + 8;
        piece *pieces =
            bpi_resize(&x->index->allocator, x->pieces, x->piece_room * sizeof *pieces, room * sizeof *pieces);
        if (pieces == NULL) {
            return false;
        }
        x->pieces = pieces;
        x->piece_room = room;
    }
    x->pieces[x->piece_count++] = (piece){segment, first, end - first};
    return true;
}

/* What is kept before and behind, part by part, and the new segment between. */
static bool plan_pieces(exchanging *x)
{
    const bpi_exchange *exchange = x->exchange;
    uint64_t end = exchange->first_sequence + exchange->count;
    bool placed = false;
    x->piece_count = 0;
    for (size_t i = x->from; i < x->to; i++) {
        const bpi_block *block = x->seen->block[i];
        uint64_t stop = block_end(x->seen, i, x->next);
        for (uint32_t part = 0; part < block->part_count; part++) {
            uint64_t from = block->first + block->parts[part].first_row;
            uint64_t to = part + 1 < block->part_count ? block->first + block->parts[part + 1].first_row : stop;
            if (to <= exchange->first_sequence || from >= end) {
                if (!add_piece(x, block->parts[part].segment, from, to)) {
                    return false;
                }
            } else if (!placed) {
                placed = true;
                if (!add_piece(x, exchange->segment, exchange->first_sequence, end)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* All pieces as blocks, each of which knows the names of those before. */
static bp_status build(exchanging *x, bp_error *error)
{
    const bpi_block *old = x->seen->block[x->from];
    uint32_t entities = old->first_entity;
    uint32_t scopes = old->first_scope;
    x->built = bpi_blocks_new(x->index, x->seen, x->from, x->piece_count);
    if (x->built == NULL) {
        return no_memory(error);
    }
    for (size_t i = 0; i < x->piece_count; i++) {
        bpi_part part = {x->pieces[i].segment, 0};
        bpi_plot plot = {.parts = &part,
                         .part_count = 1,
                         .first = x->pieces[i].first,
                         .rows = (uint32_t)x->pieces[i].count,
                         .key = old->key,
                         .first_entity = entities,
                         .first_scope = scopes};
        bpi_block *block = NULL;
        bp_status status = bpi_blocks_build(x->built, x->built->count, &plot, &block, error);
        if (status != BP_OK) {
            return status;
        }
        x->built->block[x->built->count++] = block;
        entities += block->image->header.entities;
        scopes += block->image->header.scopes;
    }
    const bpi_block *behind = x->to < x->seen->count ? x->seen->block[x->to] : NULL;
    if (behind != NULL && (behind->first_entity != entities || behind->first_scope != scopes)) {
        return bpi_error_set(error, BP_ERR_CORRUPT, "a rewritten segment brings other names than its sources");
    }
    return BP_OK;
}

static void release(exchanging *x)
{
    bpi_blocks_drop(x->built);
    bpi_blocks_drop(x->seen);
    x->built = NULL;
    x->seen = NULL;
}

/* One try. *done_out: it is in place, or there was nothing to do. */
static bp_status attempt(exchanging *x, bool *done_out, bp_error *error)
{
    bool again = false;
    *done_out = false;
    bp_status status = find_blocks(x, &again, error);
    if (status != BP_OK || again) {
        return status;
    }
    if (x->from == x->to) {
        *done_out = true;
        return BP_OK;
    }
    if (!plan_pieces(x)) {
        return no_memory(error);
    }
    status = build(x, error);
    if (status == BP_OK) {
        *done_out = bpi_index_replace_many(x->index, x->seen, x->from, x->to - x->from, &x->built->block[x->from],
                                           x->built->count - x->from);
    }
    return status;
}

bp_status bpi_index_exchange(bpi_index *index, const bpi_exchange *exchange,
                             void (*unused)(void *argument, const char *file), void *argument, bp_error *error)
{
    exchanging x = {.index = index, .exchange = exchange};
    bp_status status = BP_OK;
    bool done = exchange->count == 0;
    for (int i = 0; i < TRIES && !done; i++) {
        x.next = bpi_index_next(index);
        x.seen = bpi_index_blocks(index);
        status = attempt(&x, &done, error);
        for (size_t n = x.from; status == BP_OK && done && unused != NULL && n < x.to; n++) {
            if (x.seen->block[n]->file[0] != '\0') {
                unused(argument, x.seen->block[n]->file);
            }
        }
        release(&x);
        if (status != BP_OK) {
            break;
        }
    }
    if (status == BP_OK && !done) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "the index could not be brought up to date");
    }
    bpi_release(&index->allocator, x.pieces, x.piece_room * sizeof *x.pieces);
    return status;
}

/* ---- for readers in other processes, who learn of a rewriting afterwards ---- */

bool bpi_index_is_in(bpi_index *index, uint64_t sequence, uint32_t ordinal, uint32_t generation)
{
    bpi_blocks *blocks = bpi_index_blocks(index);
    bool there = false;
    if (blocks->count > 0 && sequence >= blocks->block[0]->first && sequence < bpi_index_next(index)) {
        const bpi_block *block = blocks->block[bpi_blocks_find(blocks, sequence)];
        const bpi_segment *segment = bpi_block_part(block, (uint32_t)(sequence - block->first))->segment;
        there = segment->ordinal == ordinal && segment->generation == generation;
    }
    bpi_blocks_drop(blocks);
    return there;
}

static void count_rows(const bpi_block *block, uint64_t first, uint64_t end, uint32_t *counts)
{
    for (uint64_t s = block->first > first ? block->first : first; s < end; s++) {
        uint32_t row = (uint32_t)(s - block->first);
        if ((bpi_row_u8(block->rows, row, BPI_ROW_BITS) & BPI_ROW_FOLDED) == 0) {
            counts[bpi_row_kind(block->rows, row)]++;
        }
    }
}

/* *again_out: one turned out to be broken, and what was counted is worth nothing. */
static bp_status count_blocks(const bpi_blocks *blocks, uint64_t next, uint64_t first, uint64_t end, uint32_t *counts,
                              bool *again_out, bp_error *error)
{
    *again_out = false;
    for (size_t i = 0; i < blocks->count && !*again_out; i++) {
        uint64_t stop = block_end(blocks, i, next);
        if (stop <= first || blocks->block[i]->first >= end) {
            continue;
        }
        const bpi_block *block = NULL;
        bp_status status = bpi_blocks_good(blocks, i, &block, error);
        if (status != BP_OK) {
            return status;
        }
        count_rows(block, first, stop < end ? stop : end, counts);
        *again_out = bpi_block_broken(block);
    }
    return BP_OK;
}

bp_status bpi_index_count_kinds(bpi_index *index, uint64_t first_sequence, uint64_t count, uint32_t *counts,
                                bp_error *error)
{
    uint64_t next = bpi_index_next(index);
    bpi_blocks *blocks = bpi_index_blocks(index);
    bp_status status = BP_OK;
    for (bool again = true; status == BP_OK && again;) {
        memset(counts, 0, BPI_KINDS * sizeof *counts);
        status = count_blocks(blocks, next, first_sequence, first_sequence + count, counts, &again, error);
    }
    bpi_blocks_drop(blocks);
    return status;
}

bool bpi_index_let_go(bpi_index *index)
{
    const bpi_blocks *blocks = bpi_index_mine(index);
    for (size_t i = 0; i < blocks->count; i++) {
        if (blocks->block[i] == index->active) {
            return false;
        }
    }
    bpi_block_drop(index->active);
    index->active = NULL;
    return true;
}
