/*
 * doubt.c: does an index file say wrong, or is the log damaged?
 *
 * A row whose record cannot be read where the file says it lies looks like damage. Frames lead from one to the next, so the log
 * itself tells where the record is: whole somewhere else, it was the file that was wrong, and nothing the file says is believed
 * any more. This costs a walk over the headers of one segment, once for a wrong file and once for each reading of damage.
 */
#include "format/fold.h"
#include "format/frame.h"
#include "index/block.h"
#include "index/core.h"

/* Is that record whole in the frame that must have it? */
static bool whole_in_frame(const bpi_segment *segment, const uint8_t *start, uint64_t at, const bp_frame *frame,
                           uint64_t sequence)
{
    uint64_t end = at + frame->length;
    uint64_t offset = at + BPI_FRAME_HEADER;
    for (uint32_t i = 0; i < frame->record_count && offset < end; i++) {
        bp_event event;
        size_t length = 0;
        bool first = false;
        const uint8_t *bytes = start + offset;
        const char *fault = frame->type == BP_FRAME_FOLD
                                ? bpi_fold_view(bytes, (size_t)(end - offset), segment->seed, &event, &first, &length)
                                : bpi_record_view(bytes, (size_t)(end - offset), segment->seed, &event, &length);
        if (fault != NULL || event.sequence == sequence) {
            return fault == NULL;
        }
        offset += length;
    }
    return false;
}

static bool log_has(bpi_segment *segment, uint64_t sequence)
{
    const uint8_t *start = NULL;
    if (bpi_segment_at(segment, &start, NULL) != BP_OK) {
        return false;
    }
    uint64_t end = atomic_load_explicit(&segment->size, memory_order_acquire);
    bp_frame frame;
    for (uint64_t at = BPI_SEGMENT_HEADER; at < end && end - at >= BPI_FRAME_HEADER; at += frame.length) {
        if (!bpi_frame_header_valid(start + at, segment->salt, bpi_lsn(segment->ordinal, at), &frame) ||
            frame.length < BPI_FRAME_HEADER || frame.length > end - at) {
            return false;
        }
        bool records = frame.type == BP_FRAME_DATA || frame.type == BP_FRAME_FOLD;
        if (records && sequence - frame.first_sequence < frame.record_count) {
            return whole_in_frame(segment, start, at, &frame, sequence);
        }
    }
    return false;
}

bool bpi_block_disbelieve(const bpi_block *block)
{
    bool first = block->image != NULL && block->image->pages != NULL && !bpi_block_broken(block);
    if (first) {
        bpi_disbelieve(block->image->pages);
    }
    return first;
}

void bpi_block_doubt(const bpi_block *block, uint32_t row)
{
    bool of_file = block->image != NULL && block->image->pages != NULL && !bpi_block_broken(block);
    if (of_file && log_has(bpi_block_part(block, row)->segment, block->first + row)) {
        (void)bpi_block_disbelieve(block);
    }
}

bool bpi_blocks_disbelieve_namer(const bpi_blocks *blocks, size_t end, uint32_t number)
{
    for (size_t i = 0; i < end; i++) {
        const bpi_image *image = blocks->block[i]->image;
        if (image != NULL && number - image->header.first_entity < image->header.entities) {
            return bpi_block_disbelieve(blocks->block[i]);
        }
    }
    return false;
}

bool bpi_blocks_disbelieve_all(const bpi_blocks *blocks, size_t end)
{
    bool any = false;
    for (size_t i = 0; i < end; i++) {
        any = bpi_block_disbelieve(blocks->block[i]) || any;
    }
    return any;
}

bool bpi_view_doubt_previous(const bpi_view *view, uint64_t sequence)
{
    const bpi_blocks *blocks = view->blocks;
    if (sequence >= view->end || blocks->count == 0 || sequence < blocks->block[0]->first) {
        return false;
    }
    return bpi_block_disbelieve(blocks->block[bpi_blocks_find(blocks, sequence)]);
}
