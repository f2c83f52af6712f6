/*
 * block.c: blocks: their life, ids, and the way from a row to its record.
 *
 * Holds: no byte of a segment is looked at beyond the size it has. A fingerprint is never an answer.
 */
#include "index/block.h"

#include <inttypes.h>
#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/memory.h"
#include "format/fold.h"

enum {
    FIND_AHEAD = 32,    /* blocks asked ahead when an id is looked for in many */
    PREFETCH_MAX = 512, /* bytes of a record worth asking for */
    RECORD_USUAL = 256,
    CACHE_LINE = 64
};

uint32_t bpi_fingerprint(const bp_id *id, uint64_t key)
{
    return (uint32_t)(bpi_id_mix(id, key) >> 32);
}

bpi_block *bpi_block_new(const bp_allocator *allocator, bpi_segment *segment, uint64_t first, uint64_t key,
                         bpi_rows *rows)
{
    bpi_block *block = bpi_allocate_zero(allocator, sizeof *block);
    if (block == NULL) {
        bpi_rows_drop(rows);
        return NULL;
    }
    block->allocator = allocator;
    atomic_init(&block->references, 1);
    block->one = (bpi_part){bpi_segment_hold(segment), 0};
    block->parts = &block->one;
    block->part_count = 1;
    block->first = first;
    block->key = key;
    block->rows = rows;
    bpi_table_init(&block->ids, allocator);
    bpi_causes_init(&block->causes, allocator, (size_t)rows->capacity * BPI_CHUNK_ROWS);
    bpi_id_range_init(&block->id_range);
    atomic_init(&block->system, 0);
    atomic_init(&block->folded, 0);
    atomic_init(&block->replacement, NULL);
    return block;
}

/* Whether it has any, and about how many. */
static uint32_t folded_rows(const bpi_image *image)
{
    uint32_t from = bpi_list_lower(&image->kinds, BPI_KIND_FOLDED);
    uint32_t start = 0;
    uint32_t end = 0;
    bool there = from < image->kinds.key_count && bpi_list_key(&image->kinds, from, &start, &end) == BPI_KIND_FOLDED;
    return there ? end - start : 0;
}

bpi_block *bpi_block_of_image(const bp_allocator *allocator, const bpi_part *parts, uint32_t count, bpi_image *image)
{
    bpi_block *block = bpi_allocate_zero(allocator, sizeof *block);
    bpi_part *own = count > 1 ? bpi_allocate(allocator, count * sizeof *own) : NULL;
    if (block == NULL || (count > 1 && own == NULL)) {
        bpi_release(allocator, block, sizeof *block);
        bpi_release(allocator, own, count * sizeof *own);
        bpi_image_free(image);
        return NULL;
    }
    block->allocator = allocator;
    atomic_init(&block->references, 1);
    block->parts = count > 1 ? own : &block->one;
    block->part_count = count;
    for (uint32_t i = 0; i < count; i++) {
        block->parts[i] = (bpi_part){bpi_segment_hold(parts[i].segment), parts[i].first_row};
    }
    block->first = image->header.first_sequence;
    block->key = image->header.key;
    block->rows = bpi_rows_hold(image->rows);
    block->image = image;
    bpi_table_init(&block->ids, allocator);
    block->id_range = image->header.ids;
    block->first_entity = image->header.first_entity;
    block->first_scope = image->header.first_scope;
    atomic_init(&block->system, image->header.system);
    atomic_init(&block->folded, folded_rows(image));
    atomic_init(&block->replacement, NULL);
    return block;
}

bpi_block *bpi_block_hold(bpi_block *block)
{
    atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
    return block;
}

static void release(bpi_block *block)
{
    bpi_causes_fini(&block->causes);
    bpi_table_fini(&block->ids);
    bpi_rows_drop(block->rows);
    bpi_image_free(block->image);
    for (uint32_t i = 0; i < block->part_count; i++) {
        bpi_segment_drop(block->parts[i].segment);
    }
    if (block->parts != &block->one) {
        bpi_release(block->allocator, block->parts, block->part_count * sizeof *block->parts);
    }
    bpi_release(block->allocator, block, sizeof *block);
}

void bpi_block_drop(bpi_block *block)
{
    while (block != NULL && atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) == 1) {
        bpi_block *replacement = atomic_load_explicit(&block->replacement, memory_order_relaxed);
        release(block);
        block = replacement;
    }
}

const bpi_part *bpi_block_part(const bpi_block *block, uint32_t row)
{
    uint32_t low = 0;
    uint32_t high = block->part_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (block->parts[middle].first_row <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &block->parts[low];
}

/* The bytes of a row's record, in the segment that has it; NULL when the row points beyond the file. */
static inline const uint8_t *record_at(const bpi_block *block, uint32_t row, const bpi_segment *segment,
                                       const uint8_t *bytes, size_t *available_out)
{
    uint64_t offset = bpi_row_u32(block->rows, row, BPI_ROW_OFFSET);
    uint64_t size = atomic_load_explicit(&segment->size, memory_order_acquire);
    if (offset >= size) {
        return NULL;
    }
    *available_out = (size_t)(size - offset);
    return bytes + offset;
}

const uint8_t *bpi_block_bytes(const bpi_block *block, uint32_t row, size_t *available_out)
{
    bpi_segment *segment = bpi_block_part(block, row)->segment;
    const uint8_t *bytes = NULL;
    return bpi_segment_at(segment, &bytes, NULL) == BP_OK ? record_at(block, row, segment, bytes, available_out) : NULL;
}

void bpi_block_blame(const bpi_block *block, uint32_t row, bp_error *error)
{
    const bpi_segment *segment = bpi_block_part(block, row)->segment;
    char name[BP_SEGMENT_NAME_SIZE];
    if (error != NULL) {
        bp_segment_name(segment->ordinal, segment->generation, name);
        bpi_error_at(error, bpi_row_u32(block->rows, row, BPI_ROW_OFFSET), "log/%s", name);
        bpi_error_hint(error, "batpak verify tells the whole damage");
        error->sequence = block->first + row;
        error->has_sequence = true;
    }
}

void bpi_block_prefetch(const bpi_block *block, uint32_t row, uint32_t end)
{
    size_t available = 0;
    const uint8_t *bytes = bpi_block_bytes(block, row, &available);
    if (bytes == NULL) {
        return;
    }
    /* A record is as long as what lies between it and its neighbour. */
    size_t length = RECORD_USUAL;
    if (row + 1 < end) {
        uint32_t here = bpi_row_u32(block->rows, row, BPI_ROW_OFFSET);
        uint32_t next = bpi_row_u32(block->rows, row + 1, BPI_ROW_OFFSET);
        length = next > here && next - here < PREFETCH_MAX ? next - here : PREFETCH_MAX;
    }
    length = length < available ? length : available;
    for (size_t at = 0; at < length; at += CACHE_LINE) {
        BPI_PREFETCH(bytes + at);
    }
}

bp_status bpi_block_contradicts(const bpi_block *block, const char *what, bp_error *error)
{
    char name[BP_SEGMENT_NAME_SIZE];
    const bpi_segment *segment = block->parts[0].segment;
    bp_segment_name(segment->ordinal, segment->generation, name);
    bpi_error_set(error, BP_ERR_CORRUPT, "the log contradicts itself from event %" PRIu64 " on: %s", block->first,
                  what);
    bpi_error_file(error, "log/%s", name);
    bpi_error_hint(error, "batpak verify shows every fault; restore the file from a copy");
    return BP_ERR_CORRUPT;
}

bp_status bpi_block_event(const bpi_block *block, uint32_t row, bp_event *event_out, bp_error *error)
{
    bpi_segment *segment = bpi_block_part(block, row)->segment;
    size_t available = 0;
    size_t length = 0;
    const uint8_t *bytes = NULL;
    bp_status mapped = bpi_segment_at(segment, &bytes, error);
    if (BPI_UNLIKELY(mapped != BP_OK)) {
        return mapped;
    }
    bytes = record_at(block, row, segment, bytes, &available);
    const char *fault = bytes == NULL ? "record lies beyond the end of its file"
                                      : bpi_record_view(bytes, available, segment->seed, event_out, &length);
    if (BPI_UNLIKELY(fault != NULL && bytes != NULL &&
                     (bpi_row_u8(block->rows, row, BPI_ROW_BITS) & BPI_ROW_FOLDED) != 0)) {
        bool first = false;
        fault = bpi_fold_view(bytes, available, segment->seed, event_out, &first, &length);
    }
    if (BPI_UNLIKELY(fault == NULL && event_out->sequence != block->first + row)) {
        fault = "record has another sequence";
    }
    if (BPI_UNLIKELY(fault != NULL)) {
        bpi_block_doubt(block, row);
        bp_status status = bpi_error_set(error, BP_ERR_CORRUPT, "event %" PRIu64 ": %s", block->first + row, fault);
        bpi_block_blame(block, row, error);
        return status;
    }
    event_out->position = (uint64_t)segment->ordinal << 32 | bpi_row_u32(block->rows, row, BPI_ROW_OFFSET);
    return BP_OK;
}

/* Has the row's record this id? Yes too when it cannot be read. */
static bool confirms(const bpi_block *block, uint32_t row, const bp_id *id)
{
    size_t available = 0;
    const uint8_t *bytes = bpi_block_bytes(block, row, &available);
    if (bytes == NULL || available < BPI_FOLD_FIXED) {
        return true;
    }
    if (memcmp(bytes + BPI_RECORD_ID, id->bytes, sizeof id->bytes) == 0) {
        return true;
    }
    bp_event event;
    return bpi_block_event(block, row, &event, NULL) != BP_OK;
}

/* Whoever asks for an id reads the event. */
static bool is_it(const bpi_block *block, uint32_t row, const bp_id *id, uint32_t end)
{
    bpi_block_prefetch(block, row, end);
    BPI_PREFETCH(bpi_rows_firsts(block->rows, row));
    return confirms(block, row, id);
}

static bool find_sealed(const bpi_block *block, const bpi_wanted *wanted, uint32_t end, uint32_t *row_out)
{
    const bpi_image *image = block->image;
    uint32_t at = 0;
    uint32_t stop = 0;
    if (BPI_LIKELY(!bpi_image_may_have(image, wanted))) {
        return false;
    }
    bpi_hashed_bucket(&image->ids, wanted->fingerprint, &at, &stop);
    for (; at < stop; at++) {
        bpi_pair pair = bpi_pair_at(&image->ids.pairs, at);
        if (pair.key == wanted->fingerprint && pair.row < end && is_it(block, pair.row, wanted->id, end)) {
            *row_out = pair.row;
            return true;
        }
    }
    return false;
}

bool bpi_block_find(const bpi_block *block, const bpi_wanted *wanted, uint32_t end, uint32_t *row_out)
{
    if (block->image != NULL) {
        return bpi_id_range_has(&block->id_range, wanted) && find_sealed(block, wanted, end, row_out);
    }
    bpi_probe probe = bpi_table_probe(&block->ids, wanted->fingerprint);
    uint32_t row;
    while ((row = bpi_probe_next(&probe)) != BPI_TABLE_END) {
        if (row < end && is_it(block, row, wanted->id, end)) {
            *row_out = row;
            return true;
        }
    }
    return false;
}

/* ---- arrays ---- */

size_t bpi_blocks_find(const bpi_blocks *blocks, uint64_t sequence)
{
    size_t low = 0;
    size_t high = blocks->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (blocks->block[middle]->first <= sequence) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t bpi_blocks_rows(const bpi_blocks *blocks, size_t i, uint64_t end)
{
    uint64_t first = blocks->block[i]->first;
    if (i + 1 < blocks->count && blocks->block[i + 1]->first < end) {
        end = blocks->block[i + 1]->first;
    }
    return end <= first ? 0 : (uint32_t)(end - first);
}

/* Asks the memory for what the blocks [i - FIND_AHEAD, i) will be looked at for. */
static void prefetch_ids(const bpi_blocks *blocks, size_t i, const bpi_wanted *wanted)
{
    for (size_t ahead = 0; ahead < FIND_AHEAD && ahead < i; ahead++) {
        const bpi_block *block = blocks->block[i - 1 - ahead];
        if (block->image == NULL) {
            bpi_table_prefetch(&block->ids, wanted->fingerprint);
        } else if (bpi_id_range_has(&block->id_range, wanted)) {
            bpi_image_prefetch(block->image, wanted->fingerprint);
        }
    }
}

bp_status bpi_blocks_find_id(const bpi_blocks *blocks, const bp_id *id, uint64_t end, uint64_t *sequence_out,
                             bp_error *error)
{
    if (blocks->count == 0) {
        return BP_ERR_NOT_FOUND;
    }
    bpi_wanted wanted;
    bpi_wanted_init(&wanted, id, bpi_fingerprint(id, blocks->block[0]->key));
    for (size_t i = blocks->count; i > 0; i--) {
        if ((blocks->count - i) % FIND_AHEAD == 0) {
            prefetch_ids(blocks, i, &wanted);
        }
        const bpi_block *block = blocks->block[i - 1];
        if (block->image != NULL && !bpi_id_range_has(&block->id_range, &wanted)) {
            continue; /* the range is of the header, which was judged when the file was opened */
        }
        bool found = false;
        uint32_t row = 0;
        do {
            bp_status status = bpi_blocks_good(blocks, i - 1, &block, error);
            if (status != BP_OK) {
                return status;
            }
            found = bpi_block_find(block, &wanted, bpi_blocks_rows(blocks, i - 1, end), &row);
        } while (bpi_block_broken(block));
        if (found) {
            *sequence_out = block->first + row;
            return BP_OK;
        }
    }
    return BP_ERR_NOT_FOUND;
}
