/*
 * repair.c: what takes the place of a block whose file is not right: the same rows, from the log, in memory.
 *
 * Holds: the replacement has the rows that the file should have had, numbers included, since numbers follow from the order of
 * the log; it is made once, and lives as long as the block. What the log cannot give (a record is damaged) is an error
 * for whoever asks, never a guess.
 */
#include "index/core.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/fold.h"
#include "format/frame.h"
#include "index/input.h"
#include "io/pace.h"

/* A block being built from its segments. */
typedef struct builder {
    const bpi_blocks *blocks; /* those below `end` come before it */
    size_t end;
    bpi_block *block;
    bpi_names entities; /* met in it */
    bpi_names scopes;
    uint32_t entity_mark;
    uint32_t scope_mark;
    uint32_t row;
    uint32_t rows; /* how many there must be */
} builder;

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to build a part of the index anew");
}

/* What comes before this block of an entity whose next event has that clock. A file that says otherwise is not believed any more; when
 * all that is there was made from the log, the log contradicts itself. */
static bp_status find_before(const builder *b, bp_text name, uint64_t clock, uint32_t *number_out, bpi_head *head_out,
                             bp_error *error)
{
    for (;;) {
        bp_status status = bpi_blocks_find_entity(b->blocks, b->end, name, number_out, head_out, error);
        uint64_t events = status == BP_ERR_NOT_FOUND ? 0 : head_out->events;
        if ((status != BP_OK && status != BP_ERR_NOT_FOUND) || events == clock) {
            return status;
        }
        if (!bpi_blocks_disbelieve_all(b->blocks, b->end)) {
            bpi_error_set(error, BP_ERR_CORRUPT, "the log contradicts itself: clock %llu follows, not %llu",
                          (unsigned long long)clock, (unsigned long long)events);
            bpi_error_entity(error, name);
            return BP_ERR_CORRUPT;
        }
    }
}

/* The name's item, with its number and, of an entity whose next event has that clock, its head before this block. */
static bp_status take_name(builder *b, bp_text name, bool entity, uint64_t clock, bpi_entity **item_out,
                           bp_error *error)
{
    bpi_names *names = entity ? &b->entities : &b->scopes;
    uint32_t *mark = entity ? &b->entity_mark : &b->scope_mark;
    bpi_head head = {.last = BP_NONE};
    uint32_t number = *mark;
    *item_out = bpi_names_find(names, name);
    if (*item_out != NULL) {
        return BP_OK;
    }
    bp_status status = entity ? find_before(b, name, clock, &number, &head, error)
                              : bpi_blocks_find_name(b->blocks, b->end, name, false, &number, error);
    bool is_new = status == BP_ERR_NOT_FOUND;
    if (status != BP_OK && !is_new) {
        return status;
    }
    *item_out = bpi_names_add(names, name, is_new ? *mark : number);
    if (*item_out == NULL) {
        return no_memory(error);
    }
    (*item_out)->head = head;
    *mark += is_new;
    return BP_OK;
}

static bp_status add_record(builder *b, const bp_event *event, bool first_of_commit, bp_error *error)
{
    bpi_entity *entity = NULL;
    bpi_entity *scope = NULL;
    bpi_pace_point();
    bp_status status = take_name(b, event->entity, true, event->clock, &entity, error);
    if (status == BP_OK) {
        status = take_name(b, event->scope, false, 0, &scope, error);
    }
    if (status != BP_OK) {
        return status;
    }
    if (!bpi_rows_reserve(b->block->rows, (size_t)b->row + 1) ||
        !bpi_table_reserve(&b->block->ids, (size_t)b->row + 1)) {
        return no_memory(error);
    }
    bpi_numbers numbers = {entity->number, scope->number, entity->system};
    bpi_row row = {.id = event->id,
                   .correlation = event->correlation,
                   .causes = event->causes,
                   .cause_count = event->cause_count,
                   .clock = event->clock,
                   .hlc = event->hlc,
                   .time_us = event->time_us,
                   .previous = entity->head.last,
                   .offset = (uint32_t)event->position,
                   .lane = event->lane,
                   .kind = event->kind,
                   .first_of_commit = first_of_commit,
                   .dropped = event->dropped};
    bpi_block_append(b->block, b->row++, &numbers, &row);
    entity->head = (bpi_head){.events = event->clock + 1, .last = event->sequence};
    return BP_OK;
}

static bp_status damaged(const bpi_segment *segment, uint64_t offset, const char *what, bp_error *error)
{
    char name[BP_SEGMENT_NAME_SIZE];
    bp_segment_name(segment->ordinal, segment->generation, name);
    bpi_error_set(error, BP_ERR_CORRUPT, "the log is damaged: %s", what);
    bpi_error_at(error, offset, "log/%s", name);
    bpi_error_hint(error, "batpak verify shows every fault; restore the file from a copy");
    return BP_ERR_CORRUPT;
}

static bp_status add_frame(builder *b, const bpi_segment *segment, const uint8_t *start, uint64_t at,
                           const bp_frame *frame, bp_error *error)
{
    uint64_t end = at + frame->length;
    uint64_t offset = at + BPI_FRAME_HEADER;
    for (uint32_t i = 0; i < frame->record_count; i++) {
        bp_event event;
        size_t length = 0;
        bool first = i == 0 && (frame->flags & BPI_FRAME_CONTINUES) == 0;
        const uint8_t *bytes = start + offset;
        const char *fault = offset >= end ? "records do not fill their frame"
                            : frame->type == BP_FRAME_FOLD
                                ? bpi_fold_view(bytes, (size_t)(end - offset), segment->seed, &event, &first, &length)
                                : bpi_record_view(bytes, (size_t)(end - offset), segment->seed, &event, &length);
        if (fault == NULL && event.sequence < b->block->first) {
            offset += length; /* of a block before, which has the beginning of the segment */
            continue;
        }
        if (fault == NULL && b->row == b->rows) {
            return BP_OK;
        }
        if (fault == NULL && event.sequence != b->block->first + b->row) {
            fault = "record sequence out of order";
        }
        if (fault != NULL) {
            return damaged(segment, offset, fault, error);
        }
        event.position = offset;
        bp_status status = add_record(b, &event, first, error);
        if (status != BP_OK) {
            return status;
        }
        offset += length;
    }
    return BP_OK;
}

static bp_status add_segment(builder *b, bpi_segment *segment, bp_error *error)
{
    const uint8_t *start = NULL;
    bp_status status = bpi_segment_at(segment, &start, error);
    uint64_t end = status == BP_OK ? atomic_load(&segment->size) : 0;
    uint64_t at = BPI_SEGMENT_HEADER;
    while (status == BP_OK && at < end && b->row < b->rows) {
        bp_frame frame;
        if (end - at < BPI_FRAME_HEADER ||
            !bpi_frame_header_valid(start + at, segment->salt, (uint64_t)segment->ordinal << 32 | at, &frame) ||
            frame.length > end - at) {
            /* the file may be longer than its frames, when it was made whole before it was sealed */
            bool rest = end - at < BPI_FRAME_HEADER || bpi_all_zero(start + at, BPI_FRAME_HEADER);
            return rest ? BP_OK : damaged(segment, at, "frame header is not valid", error);
        }
        if (frame.type == BP_FRAME_DATA || frame.type == BP_FRAME_FOLD) {
            status = add_frame(b, segment, start, at, &frame, error);
        }
        at += frame.length;
    }
    return status;
}

static bool begin(builder *b, const bpi_index *index, const bpi_plot *plot)
{
    const bp_allocator *allocator = &index->allocator;
    b->entity_mark = plot->first_entity;
    b->scope_mark = plot->first_scope;
    b->rows = plot->rows;
    bpi_names_init(&b->entities, allocator, plot->key);
    bpi_names_init(&b->scopes, allocator, plot->key);
    bpi_rows *rows = bpi_rows_new(allocator, index->layout, b->rows);
    b->block = rows == NULL ? NULL : bpi_block_new(allocator, plot->parts[0].segment, plot->first, plot->key, rows);
    if (b->block == NULL) {
        bpi_names_fini(&b->entities);
        bpi_names_fini(&b->scopes);
        return false;
    }
    b->block->first_entity = plot->first_entity;
    b->block->first_scope = plot->first_scope;
    return true;
}

static bool take_parts(bpi_block *to, const bpi_plot *from)
{
    if (from->part_count == 1) {
        return true;
    }
    bpi_part *parts = bpi_allocate(to->allocator, from->part_count * sizeof *parts);
    if (parts == NULL) {
        return false;
    }
    bpi_segment_drop(to->one.segment);
    for (uint32_t i = 0; i < from->part_count; i++) {
        parts[i] = (bpi_part){bpi_segment_hold(from->parts[i].segment), from->parts[i].first_row};
    }
    to->parts = parts;
    to->part_count = from->part_count;
    return true;
}

/*
 * The blocks below `end`, which are followed by the one with that first event, as images: nothing else tells of names with their numbers and
 * of heads as they were there. Those of segments that were sealed a moment ago are still open.
 */
static bp_status as_images(const bpi_blocks *blocks, size_t end, uint64_t first, bpi_blocks **images_out,
                           bp_error *error)
{
    bpi_blocks *own = bpi_blocks_new(blocks->index, blocks, end, 0);
    if (own == NULL) {
        return no_memory(error);
    }
    for (size_t i = 0; i < end; i++) {
        const bpi_block *open = blocks->block[i];
        uint64_t stop = i + 1 < end ? blocks->block[i + 1]->first : first;
        if (open->image != NULL || stop == open->first) {
            continue;
        }
        bpi_block *sealed = NULL;
        bp_status status = bpi_block_sealed(blocks->index, open, (uint32_t)(stop - open->first), &sealed, error);
        if (status != BP_OK) {
            bpi_blocks_drop(own);
            return status;
        }
        bpi_block_drop(own->block[i]);
        own->block[i] = sealed;
    }
    *images_out = own;
    return BP_OK;
}

bp_status bpi_blocks_build(const bpi_blocks *blocks, size_t end, const bpi_plot *plot, bpi_block **block_out,
                           bp_error *error)
{
    bpi_index *index = blocks->index;
    bpi_blocks *before = NULL;
    bp_status status = as_images(blocks, end, plot->first, &before, error);
    if (status != BP_OK) {
        return status;
    }
    builder b = {.blocks = before, .end = end};
    if (!begin(&b, index, plot)) {
        bpi_blocks_drop(before);
        return no_memory(error);
    }
    status = take_parts(b.block, plot) ? BP_OK : no_memory(error);
    for (uint32_t part = 0; part < plot->part_count && status == BP_OK; part++) {
        status = b.row == plot->parts[part].first_row
                     ? add_segment(&b, plot->parts[part].segment, error)
                     : damaged(plot->parts[part].segment, 0, "events are missing before this segment", error);
    }
    if (status == BP_OK && b.row != b.rows) {
        status = damaged(plot->parts[plot->part_count - 1].segment, 0, "events are missing", error);
    }
    if (status == BP_OK) {
        status = bpi_block_sealed(index, b.block, b.rows, block_out, error);
    }
    bpi_names_fini(&b.entities);
    bpi_names_fini(&b.scopes);
    bpi_block_drop(b.block);
    bpi_blocks_drop(before);
    return status;
}

static bp_status rebuild(const bpi_blocks *blocks, size_t i, bpi_block **block_out, bp_error *error)
{
    const bpi_block *block = blocks->block[i];
    bpi_plot plot = {.parts = block->parts,
                     .part_count = block->part_count,
                     .first = block->first,
                     .rows = block->image->header.rows,
                     .key = block->key,
                     .first_entity = block->first_entity,
                     .first_scope = block->first_scope};
    return bpi_blocks_build(blocks, i, &plot, block_out, error);
}

bp_status bpi_blocks_repair(const bpi_blocks *blocks, size_t i, const bpi_block **block_out, bp_error *error)
{
    bpi_block *block = blocks->block[i];
    bpi_index *index = blocks->index;
    bpi_block *replacement = atomic_load_explicit(&block->replacement, memory_order_acquire);
    bp_status status = BP_OK;
    if (replacement == NULL) {
        (void)pthread_mutex_lock(&index->repairing);
        replacement = atomic_load_explicit(&block->replacement, memory_order_acquire);
        if (replacement == NULL) {
            bpi_pace *pace = bpi_paced;
            bpi_paced = NULL; /* readers wait for the lock */
            status = rebuild(blocks, i, &replacement, error);
            bpi_paced = pace;
            if (status == BP_OK) {
                atomic_fetch_add_explicit(&index->repairs, 1, memory_order_relaxed);
                atomic_store_explicit(&block->replacement, replacement, memory_order_release);
            }
        }
        (void)pthread_mutex_unlock(&index->repairing);
    }
    *block_out = replacement;
    return status;
}
