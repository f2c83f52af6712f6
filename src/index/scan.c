/*
 * scan.c: a region over a view, event by event.
 *
 * Holds: every field of the region has been applied to what is handed out, by the source, by columns, or by the
 * record. What is pinned does not change, so that a scan sees one state however long it lasts.
 */
#include "index/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/memory.h"

enum { FIRST_TARGET = 16, PREFETCH_AHEAD = 8 };

/* ---- names ---- */

static bool prefix_covers(bp_text prefix, bp_text name)
{
    if (name.size < prefix.size || memcmp(name.data, prefix.data, prefix.size) != 0) {
        return false;
    }
    return name.size == prefix.size || name.data[prefix.size] == ':';
}

/* The entities of a prefix as a set. False: no memory. *only_out: the one there is, or NULL. */
static bool resolve_prefix(bpi_scan *scan, bpi_index *index, bp_text prefix, size_t *count_out, bpi_entity **only_out)
{
    bpi_query *query = &scan->query;
    query->set_end = bpi_names_stable(&index->entities);
    *count_out = 0;
    *only_out = NULL;
    if (query->set_end == 0) {
        return true;
    }
    query->set = bpi_allocate_zero(scan->allocator, ((size_t)query->set_end + 63) / 64 * sizeof(uint64_t));
    if (query->set == NULL) {
        return false;
    }
    for (uint32_t number = 0; number < query->set_end; number++) {
        bpi_entity *entity = bpi_names_at(&index->entities, number);
        if (prefix_covers(prefix, entity->name)) {
            query->set[number >> 6] |= UINT64_C(1) << (number & 63);
            (*count_out)++;
            *only_out = entity;
        }
    }
    return true;
}

/* Entity or prefix to what columns can test. `ended` is set when no entity can match. */
static bp_status resolve_entity(bpi_scan *scan, bpi_index *index, const bp_region *region, bp_error *error)
{
    bpi_entity *entity = NULL;
    if (region->fields & BP_REGION_PREFIX) {
        size_t count = 0;
        if (!resolve_prefix(scan, index, region->entity, &count, &entity)) {
            return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the entities of a prefix");
        }
        scan->ended = count == 0;
        if (count > 1) {
            scan->query.tests |= BP_REGION_PREFIX;
            return BP_OK;
        }
    } else {
        entity = bpi_names_read(&index->entities, region->entity);
        scan->ended = entity == NULL;
    }
    if (entity == NULL) {
        return BP_OK;
    }
    scan->query.entity = entity->number;
    scan->query.tests |= BP_REGION_ENTITY;
    bool system = bp_text_equal(entity->name, bp_text_of(BP_SYSTEM_ENTITY));
    if (!system) {
        scan->query.tests &= ~(uint32_t)BPI_TEST_NO_SYSTEM;
    } else if (scan->query.tests & BPI_TEST_NO_SYSTEM) {
        scan->ended = true;
    }
    if (!scan->ended) {
        bpi_plan_chain(scan, entity);
    }
    return BP_OK;
}

/* ---- ranges ---- */

/* The first sequence of the view whose event was committed at or after `hlc`. */
static uint64_t first_at(const bpi_view *view, bp_hlc hlc)
{
    const bpi_blocks *blocks = view->blocks;
    uint64_t low = blocks->count == 0 ? view->end : blocks->block[0]->first;
    uint64_t high = view->end;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const bpi_block *block = blocks->block[bpi_blocks_find(blocks, middle)];
        if (bpi_row_u64(block->rows, (uint32_t)(middle - block->first), BPI_ROW_HLC) < hlc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void clip(bpi_scan *scan, uint64_t low, uint64_t high)
{
    scan->low = low > scan->low ? low : scan->low;
    scan->high = high < scan->high ? high : scan->high;
}

static void set_range(bpi_scan *scan, const bp_region *region, const bp_query_options *options)
{
    const bpi_blocks *blocks = scan->view->blocks;
    scan->low = blocks->count == 0 ? 0 : blocks->block[0]->first;
    scan->high = scan->view->end;
    if (region->fields & BP_REGION_SEQUENCE) {
        clip(scan, region->sequence_min, region->sequence_max == UINT64_MAX ? UINT64_MAX : region->sequence_max + 1);
    }
    if (region->fields & BP_REGION_COMMITTED) {
        clip(scan, first_at(scan->view, region->committed_min),
             region->committed_max == UINT64_MAX ? UINT64_MAX : first_at(scan->view, region->committed_max + 1));
    }
    if (options != NULL && options->resume && options->backward) {
        clip(scan, 0, options->resume_after);
    } else if (options != NULL && options->resume) {
        clip(scan, options->resume_after == UINT64_MAX ? UINT64_MAX : options->resume_after + 1, UINT64_MAX);
    }
    bool nonsense = ((region->fields & BP_REGION_CLOCK) && region->clock_min > region->clock_max) ||
                    ((region->fields & BP_REGION_COMMITTED) && region->committed_min > region->committed_max);
    scan->ended = blocks->count == 0 || nonsense || scan->low >= scan->high;
}

/* ---- begin, end ---- */

static uint32_t cut_clock(uint64_t clock)
{
    return clock < BPI_CLOCK_BIG ? (uint32_t)clock : BPI_CLOCK_BIG;
}

static void set_query(bpi_query *query, const bp_region *region, uint64_t key)
{
    query->tests = region->fields & (BP_REGION_KIND | BP_REGION_CATEGORY | BP_REGION_CLOCK | BP_REGION_TIME |
                                     BP_REGION_CORRELATION | BP_REGION_CAUSE | BP_REGION_LANE);
    if ((region->fields & BP_REGION_SYSTEM) == 0) {
        query->tests |= BPI_TEST_NO_SYSTEM;
    }
    query->kind = region->kind;
    query->category = (uint16_t)((unsigned)region->category << 12);
    query->lane = region->lane;
    query->clock_min = region->clock_min;
    query->clock_max = region->clock_max;
    query->clock_low = cut_clock(region->clock_min);
    query->clock_high = cut_clock(region->clock_max);
    query->time_min = region->time_min_us;
    query->time_max = region->time_max_us;
    query->correlation = region->correlation;
    query->correlation_key = bpi_fingerprint(&region->correlation, key);
    query->cause = region->cause;
    query->cause_key = bpi_cause_key(bpi_fingerprint(&region->cause, key));
    query->cause_marks = bpi_cause_marks(query->cause_key);
    query->confirm = (region->fields & (BP_REGION_CORRELATION | BP_REGION_CAUSE)) != 0 ||
                     ((region->fields & BP_REGION_LANE) && region->lane != 0);
    query->confirm_clocks = (region->fields & BP_REGION_CLOCK) && query->clock_high == BPI_CLOCK_BIG &&
                            (region->clock_min > BPI_CLOCK_BIG || region->clock_max != UINT64_MAX);
}

static int compare_kinds(const void *a, const void *b)
{
    const uint16_t *left = a;
    const uint16_t *right = b;
    return (*left > *right) - (*left < *right);
}

/* One kind is the region's own test unless it has one; several are sorted to be searched. False: no memory. */
static bool set_kinds(bpi_scan *scan, const bp_query_options *options)
{
    bpi_query *query = &scan->query;
    if (options == NULL || options->kind_count == 0) {
        return true;
    }
    if (options->kind_count == 1 && (query->tests & BP_REGION_KIND) == 0) {
        query->tests |= BP_REGION_KIND;
        query->kind = options->kinds[0];
        return true;
    }
    if (options->kind_count <= UINT32_MAX) {
        query->kinds = bpi_allocate_array(scan->allocator, options->kind_count, sizeof query->kinds[0]);
    }
    if (query->kinds == NULL) {
        return false;
    }
    query->kind_count = (uint32_t)options->kind_count;
    query->tests |= BPI_TEST_KINDS;
    memcpy(query->kinds, options->kinds, options->kind_count * sizeof query->kinds[0]);
    qsort(query->kinds, query->kind_count, sizeof query->kinds[0], compare_kinds);
    for (uint32_t i = 0; i < query->kind_count; i++) {
        query->kind_marks |= UINT64_C(1) << (query->kinds[i] & 63);
    }
    return true;
}

bp_status bpi_scan_begin(bpi_view *view, const bp_region *region, const bp_query_options *options, bpi_scan **scan_out,
                         bp_error *error)
{
    bpi_index *of = view->blocks->index;
    *scan_out = NULL;
    bpi_scan *scan = bpi_allocate(&of->allocator, sizeof *scan);
    if (scan == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a query");
    }
    memset(scan, 0, offsetof(bpi_scan, batch));
    scan->count = 0;
    scan->taken = 0;
    scan->commit = (bpi_commit){0};
    scan->allocator = &of->allocator;
    scan->view = bpi_view_hold(view);
    scan->backward = options != NULL && options->backward;
    scan->left = options == NULL || options->limit == 0 ? UINT64_MAX : options->limit;
    scan->target = scan->left < FIRST_TARGET ? (uint32_t)scan->left : FIRST_TARGET;
    set_query(&scan->query, region, of->key);
    set_range(scan, region, options);
    bp_status status =
        set_kinds(scan, options) ? BP_OK : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the kinds of a query");
    if (!scan->ended && (region->fields & BP_REGION_SCOPE)) {
        const bpi_entity *scope = bpi_names_read(&of->scopes, region->scope);
        scan->ended = scope == NULL;
        scan->query.scope = scope == NULL ? 0 : scope->number;
        scan->query.tests |= BP_REGION_SCOPE;
    }
    if (status == BP_OK && !scan->ended && (region->fields & BP_REGION_ENTITY)) {
        status = resolve_entity(scan, of, region, error);
    }
    if (status != BP_OK) {
        bpi_scan_end(scan);
        return status;
    }
    *scan_out = scan;
    return BP_OK;
}

const bpi_view *bpi_scan_view(const bpi_scan *scan)
{
    return scan->view;
}

void bpi_scan_end(bpi_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    bpi_view *view = scan->view;
    const bpi_query *query = &scan->query;
    bpi_release(scan->allocator, query->set, ((size_t)query->set_end + 63) / 64 * sizeof(uint64_t));
    bpi_release(scan->allocator, query->kinds, query->kind_count * sizeof query->kinds[0]);
    bpi_release(scan->allocator, scan->bits, scan->bit_words * sizeof(uint64_t));
    bpi_release(scan->allocator, scan->found, scan->found_capacity * sizeof(uint32_t));
    bpi_release(scan->allocator, scan->list, scan->list_capacity * sizeof(uint64_t));
    bpi_release(scan->allocator, scan, sizeof *scan);
    bpi_view_drop(view);
}

/* ---- next ---- */

/* Goes to the next block of the range; false when there is none. */
static bool next_block(bpi_scan *scan)
{
    const bpi_blocks *blocks = scan->view->blocks;
    if (scan->ended) {
        return false;
    }
    if (scan->at == NULL) {
        scan->block_index = bpi_blocks_find(blocks, scan->backward ? scan->high - 1 : scan->low);
    } else if (scan->backward ? scan->block_index == 0 || scan->at->first <= scan->low
                              : scan->block_index + 1 >= blocks->count ||
                                    blocks->block[scan->block_index + 1]->first >= scan->high) {
        scan->ended = true;
        return false;
    } else {
        scan->block_index = scan->backward ? scan->block_index - 1 : scan->block_index + 1;
    }
    scan->at = blocks->block[scan->block_index];
    scan->rows = bpi_blocks_rows(blocks, scan->block_index, scan->view->end);
    bpi_plan_block(scan);
    return true;
}

static const bpi_block *block_of(const bpi_scan *scan, uint32_t i)
{
    return scan->view->blocks->block[scan->batch_block[i]];
}

static void prefetch(const bpi_scan *scan, uint32_t i)
{
    /* Only of the block at hand is it known how many rows there are. */
    const bpi_block *block = block_of(scan, i);
    bpi_block_prefetch(block, scan->batch[i], block == scan->at ? scan->rows : scan->batch[i] + 1);
}

/* Fills the batch; false at the end. */
static bool refill(bpi_scan *scan, bool records)
{
    scan->count = 0;
    scan->taken = 0;
    while (scan->count < scan->target) {
        if ((scan->at == NULL || !bpi_draw(scan)) && !next_block(scan)) {
            break;
        }
    }
    scan->target = scan->target * 2 < BPI_BATCH ? scan->target * 2 : BPI_BATCH;
    /* First what leads to the records, all at once, then the first of the records. */
    for (uint32_t i = 0; records && i < scan->count; i++) {
        const bpi_rows *rows = block_of(scan, i)->rows;
        BPI_PREFETCH(bpi_rows_at(rows, scan->batch[i], BPI_ROW_OFFSET, 4));
        BPI_PREFETCH(bpi_rows_firsts(rows, scan->batch[i]));
    }
    for (uint32_t i = 0; records && i < scan->count && i < PREFETCH_AHEAD; i++) {
        prefetch(scan, i);
    }
    return scan->count > 0;
}

/* Must the record of this row say whether it is in the region? */
static bool needs_record(const bpi_scan *scan, const bpi_block *block, uint32_t row)
{
    return scan->query.confirm ||
           (scan->query.confirm_clocks && bpi_row_u32(block->rows, row, BPI_ROW_CLOCK) == BPI_CLOCK_BIG);
}

static void set_commit(bpi_scan *scan, uint32_t block_index, uint32_t row, bp_event *event)
{
    bpi_commit *commit = &scan->commit;
    const bpi_blocks *blocks = scan->view->blocks;
    const bpi_block *block = blocks->block[block_index];
    if (commit->block != block || row < commit->first || row >= commit->end) {
        bpi_commit_of(block, row, bpi_blocks_rows(blocks, block_index, scan->view->end), commit);
    }
    event->batch = block->first + commit->first;
    event->batch_count = commit->end - commit->first;
}

bp_status bpi_scan_next(bpi_scan *scan, uint64_t *sequence_out, bp_event *event_out, bp_error *error)
{
    while (scan->left > 0) {
        bool records = event_out != NULL || scan->query.confirm;
        if (scan->taken == scan->count && !refill(scan, records)) {
            return BP_END;
        }
        uint32_t i = scan->taken++;
        uint32_t row = scan->batch[i];
        const bpi_block *block = block_of(scan, i);
        if (records && i + PREFETCH_AHEAD < scan->count) {
            prefetch(scan, i + PREFETCH_AHEAD);
        }
        *sequence_out = block->first + row;
        bool confirm = needs_record(scan, block, row);
        if (event_out != NULL || confirm) {
            bp_event own;
            bp_event *event = event_out != NULL ? event_out : &own;
            bp_status status = bpi_block_event(block, row, event, error);
            if (BPI_UNLIKELY(status != BP_OK)) {
                return status;
            }
            if (confirm && !bpi_match_event(&scan->query, event)) {
                continue;
            }
            set_commit(scan, scan->batch_block[i], row, event);
        }
        scan->left--;
        return BP_OK;
    }
    return BP_END;
}

bp_status bpi_scan_count(bpi_scan *scan, uint64_t *count_out, bp_error *error)
{
    uint64_t sequence = 0;
    bp_status status = BP_OK;
    *count_out = 0;
    if (scan->query.confirm || scan->query.confirm_clocks || scan->left != UINT64_MAX) {
        while ((status = bpi_scan_next(scan, &sequence, NULL, error)) == BP_OK) {
            (*count_out)++;
        }
        return status == BP_END ? BP_OK : status;
    }
    while (next_block(scan)) {
        uint32_t count = bpi_source_count(scan);
        if (count != UINT32_MAX) {
            *count_out += count;
            continue;
        }
        scan->count = 0;
        scan->target = BPI_BATCH;
        while (bpi_draw(scan)) {
            *count_out += scan->count;
            scan->count = 0;
        }
    }
    return BP_OK;
}
