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

/* Marks the entities of a prefix that are in memory; of each the newest item counts. An entity may come into the newest book behind
 * this look at it: then the older item counts, which has every event of the view, and must not be passed over. */
static size_t mark_memory(bpi_query *query, const bpi_books *books, bp_text prefix, bpi_entity **one_out)
{
    size_t marked = 0;
    for (size_t i = 0; i < books->count; i++) {
        const bpi_names *names = &books->book[i]->entities;
        uint32_t stable = bpi_names_stable(names);
        for (uint32_t place = 0; place < stable; place++) {
            bpi_entity *entity = bpi_names_at(names, place);
            uint32_t number = atomic_load_explicit(&entity->number, memory_order_relaxed);
            if (number < query->set_end && bpi_prefix_covers(prefix, entity->name) &&
                (query->set[number >> 6] >> (number & 63) & 1) == 0) {
                query->set[number >> 6] |= UINT64_C(1) << (number & 63);
                *one_out = entity;
                marked++;
            }
        }
    }
    return marked;
}

/* The entities of a prefix as a set; how many there are, and of one the number, and itself if it is in memory. */
static bp_status resolve_prefix(bpi_scan *scan, bpi_index *index, bp_text prefix, size_t *count_out,
                                bpi_entity **one_out, uint32_t *number_out, bp_error *error)
{
    bpi_query *query = &scan->query;
    const bpi_blocks *blocks = scan->view->blocks;
    uint32_t mark = atomic_load_explicit(&index->entity_mark, memory_order_acquire);
    uint32_t kept = atomic_load_explicit(&index->kept_entities, memory_order_relaxed);
    query->set_end = mark < kept ? kept : mark;
    *count_out = 0;
    if (query->set_end == 0) {
        return BP_OK;
    }
    query->set = bpi_allocate_zero(scan->allocator, ((size_t)query->set_end + 63) / 64 * sizeof(uint64_t));
    if (query->set == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the entities of a prefix");
    }
    *count_out = mark_memory(query, blocks->books, prefix, one_out);
    *number_out = *one_out == NULL ? 0 : atomic_load_explicit(&(*one_out)->number, memory_order_relaxed);
    for (size_t i = 0; i < blocks->count; i++) {
        const bpi_block *block = NULL;
        do { /* what is marked twice counts once */
            bp_status status = bpi_blocks_good(blocks, i, &block, error);
            if (status != BP_OK) {
                return status;
            }
            if (block->image != NULL) {
                *count_out +=
                    bpi_name_table_prefix(&block->image->entity_names, prefix, query->set, query->set_end, number_out);
            }
        } while (bpi_block_broken(block));
    }
    query->set_count = *count_out;
    return BP_OK;
}

/* One entity is asked for; NULL: it is not in memory. */
static void use_entity(bpi_scan *scan, const bpi_entity *entity, uint32_t number)
{
    scan->query.entity = number;
    scan->query.tests |= BP_REGION_ENTITY;
    if (entity != NULL && !entity->system) {
        scan->query.tests &= ~(uint32_t)BPI_TEST_NO_SYSTEM;
    }
    if (entity != NULL && entity->system && (scan->query.tests & BPI_TEST_NO_SYSTEM)) {
        scan->ended = true;
    } else {
        bpi_plan_chain(scan, entity);
    }
}

/* The number of a name, from memory or from an image. BP_ERR_NOT_FOUND. */
static bp_status resolve_name(bpi_scan *scan, bp_text name, bool is_entity, bpi_entity **entity_out,
                              uint32_t *number_out, bp_error *error)
{
    const bpi_blocks *blocks = scan->view->blocks;
    *entity_out = bpi_books_read(blocks->books, name, is_entity);
    if (*entity_out != NULL) {
        *number_out = atomic_load_explicit(&(*entity_out)->number, memory_order_relaxed);
        return *number_out == BPI_NO_NUMBER ? BP_ERR_NOT_FOUND : BP_OK;
    }
    return bpi_blocks_find_name(blocks, blocks->count, name, is_entity, number_out, error);
}

static bp_status resolve_scope(bpi_scan *scan, const bp_region *region, bp_error *error)
{
    bpi_entity *scope = NULL;
    bp_status status = resolve_name(scan, region->scope, false, &scope, &scan->query.scope, error);
    scan->query.tests |= BP_REGION_SCOPE;
    scan->ended = status == BP_ERR_NOT_FOUND;
    return scan->ended ? BP_OK : status;
}

/* Entity or prefix to what columns can test. `ended` is set when no entity can match. */
static bp_status resolve_entity(bpi_scan *scan, bpi_index *index, const bp_region *region, bp_error *error)
{
    bpi_entity *entity = NULL;
    uint32_t number = 0;
    bp_status status = BP_OK;
    if (region->fields & BP_REGION_PREFIX) {
        size_t count = 0;
        status = resolve_prefix(scan, index, region->entity, &count, &entity, &number, error);
        scan->ended = count == 0;
        if (status == BP_OK && count == 1) {
            use_entity(scan, entity, number);
        } else if (count > 1) {
            scan->query.tests |= BP_REGION_PREFIX;
        }
        return status;
    }
    status = resolve_name(scan, region->entity, true, &entity, &number, error);
    if (status == BP_ERR_NOT_FOUND) {
        scan->ended = true;
        return BP_OK;
    }
    if (status == BP_OK) {
        use_entity(scan, entity, number);
    }
    return status;
}

/* ---- ranges ---- */

/* The first sequence of the view whose event was committed at or after `hlc`. */
static bp_status first_at(const bpi_view *view, bp_hlc hlc, uint64_t *first_out, bp_error *error)
{
    const bpi_blocks *blocks = view->blocks;
    uint64_t low = blocks->count == 0 ? view->end : blocks->block[0]->first;
    uint64_t high = view->end;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        size_t i = bpi_blocks_find(blocks, middle);
        const bpi_block *block = NULL;
        uint64_t here = 0;
        do {
            bp_status status = bpi_blocks_good(blocks, i, &block, error);
            if (status != BP_OK) {
                return status;
            }
            here = bpi_row_u64(block->rows, (uint32_t)(middle - block->first), BPI_ROW_HLC);
        } while (bpi_block_broken(block));
        if (here < hlc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *first_out = low;
    return BP_OK;
}

static void clip(bpi_scan *scan, uint64_t low, uint64_t high)
{
    scan->low = low > scan->low ? low : scan->low;
    scan->high = high < scan->high ? high : scan->high;
}

static bp_status clip_committed(bpi_scan *scan, const bp_region *region, bp_error *error)
{
    uint64_t low = 0;
    uint64_t high = UINT64_MAX;
    bp_status status = first_at(scan->view, region->committed_min, &low, error);
    if (status == BP_OK && region->committed_max != UINT64_MAX) {
        status = first_at(scan->view, region->committed_max + 1, &high, error);
    }
    clip(scan, low, high);
    return status;
}

static bp_status set_range(bpi_scan *scan, const bp_region *region, const bp_query_options *options, bp_error *error)
{
    bp_status status = BP_OK;
    const bpi_blocks *blocks = scan->view->blocks;
    scan->low = blocks->count == 0 ? 0 : blocks->block[0]->first;
    scan->high = scan->view->end;
    if (region->fields & BP_REGION_SEQUENCE) {
        clip(scan, region->sequence_min, region->sequence_max == UINT64_MAX ? UINT64_MAX : region->sequence_max + 1);
    }
    if (region->fields & BP_REGION_COMMITTED) {
        status = clip_committed(scan, region, error);
    }
    if (options != NULL && options->resume && options->backward) {
        clip(scan, 0, options->resume_after);
    } else if (options != NULL && options->resume) {
        clip(scan, options->resume_after == UINT64_MAX ? UINT64_MAX : options->resume_after + 1, UINT64_MAX);
    }
    bool nonsense = ((region->fields & BP_REGION_CLOCK) && region->clock_min > region->clock_max) ||
                    ((region->fields & BP_REGION_COMMITTED) && region->committed_min > region->committed_max);
    scan->ended = blocks->count == 0 || nonsense || scan->low >= scan->high;
    return status;
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
    query->tests |= BPI_TEST_THERE;
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
                     ((region->fields & BP_REGION_LANE) && region->lane != 0) ||
                     (region->fields & BP_REGION_TOMBSTONED) != 0;
    query->by_tombstone = (region->fields & BP_REGION_TOMBSTONED) != 0;
    query->tombstoned = region->tombstoned;
    query->confirm_clocks = (region->fields & BP_REGION_CLOCK) && query->clock_high == BPI_CLOCK_BIG &&
                            (region->clock_min > BPI_CLOCK_BIG || region->clock_max != UINT64_MAX);
}

static bp_text copied(char **at, bp_text name)
{
    bp_text copy = {*at, name.size};
    if (name.size != 0) {
        memcpy(*at, name.data, name.size);
        *at += name.size;
    }
    return copy;
}

/* What records are held against. False: no memory. */
static bool keep_region(bpi_scan *scan, const bp_region *region)
{
    bpi_query *query = &scan->query;
    const bp_text none = {"", 0};
    bp_text entity = region->fields & BP_REGION_ENTITY ? region->entity : none;
    bp_text scope = region->fields & BP_REGION_SCOPE ? region->scope : none;
    query->fields = region->fields;
    query->committed_min = region->committed_min;
    query->committed_max = region->committed_max;
    scan->names_size = entity.size + scope.size;
    scan->names = bpi_allocate(scan->allocator, scan->names_size);
    char *at = scan->names;
    if (at == NULL) {
        return scan->names_size == 0;
    }
    query->entity_name = copied(&at, entity);
    query->scope_name = copied(&at, scope);
    return true;
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
    bp_status status = set_range(scan, region, options, error);
    if (status == BP_OK && !keep_region(scan, region)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the names of a query");
    }
    if (status == BP_OK && !set_kinds(scan, options)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the kinds of a query");
    }
    if (status == BP_OK && !scan->ended && (region->fields & BP_REGION_SCOPE)) {
        status = resolve_scope(scan, region, error);
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

void bpi_scan_confirm(bpi_scan *scan)
{
    scan->confirms = true;
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
    bpi_release(scan->allocator, scan->names, scan->names_size);
    bpi_release(scan->allocator, query->set, ((size_t)query->set_end + 63) / 64 * sizeof(uint64_t));
    bpi_release(scan->allocator, query->kinds, query->kind_count * sizeof query->kinds[0]);
    bpi_release(scan->allocator, scan->bits, scan->bit_words * sizeof(uint64_t));
    bpi_release(scan->allocator, scan->found, scan->found_capacity * sizeof(uint32_t));
    bpi_release(scan->allocator, scan->list, scan->list_capacity * sizeof(uint64_t));
    bpi_release(scan->allocator, scan, sizeof *scan);
    bpi_view_drop(view);
}

/* ---- next ---- */

/* Plans the block at hand, or what replaces it, from where drawing has come to. */
static bp_status enter_block(bpi_scan *scan, bp_error *error)
{
    scan->at = NULL;
    for (;;) {
        const bpi_block *block = NULL;
        bp_status status = bpi_blocks_good(scan->view->blocks, scan->block_index, &block, error);
        if (status != BP_OK) {
            return status;
        }
        scan->at = block;
        scan->rows = bpi_blocks_rows(scan->view->blocks, scan->block_index, scan->view->end);
        bpi_plan_block(scan);
        if (BPI_LIKELY(!bpi_block_broken(block))) {
            return BP_OK;
        }
    }
}

/* Goes to the next block of the range. BP_END: there is none. */
static bp_status next_block(bpi_scan *scan, bp_error *error)
{
    const bpi_blocks *blocks = scan->view->blocks;
    if (scan->ended) {
        return BP_END;
    }
    if (scan->begun && scan->at == NULL) {
        return enter_block(scan, error); /* it could not be entered before */
    }
    if (!scan->begun) {
        scan->begun = true;
        scan->block_index = bpi_blocks_find(blocks, scan->backward ? scan->high - 1 : scan->low);
    } else if (scan->backward ? scan->block_index == 0 || scan->at->first <= scan->low
                              : scan->block_index + 1 >= blocks->count ||
                                    blocks->block[scan->block_index + 1]->first >= scan->high) {
        scan->ended = true;
        return BP_END;
    } else {
        scan->block_index = scan->backward ? scan->block_index - 1 : scan->block_index + 1;
    }
    scan->passed = scan->backward ? UINT32_MAX : 0;
    return enter_block(scan, error);
}

/* Do the rows drawn from a file rise, or fall, each one only once? */
static bool in_order(const bpi_scan *scan, uint32_t from)
{
    bool by_construction = scan->source != BPI_SOURCE_SPAN && scan->source != BPI_SOURCE_CHAIN;
    if (by_construction || scan->at->image == NULL || scan->at->image->pages == NULL || from == scan->count) {
        return true;
    }
    const uint32_t *batch = scan->batch;
    uint32_t wrong = scan->backward ? batch[from] >= scan->passed : batch[from] < scan->passed;
    uint32_t backward = scan->backward;
    for (uint32_t i = from + 1; i < scan->count; i++) {
        wrong |= (uint32_t)(batch[i] > batch[i - 1]) == backward;
        wrong |= batch[i] == batch[i - 1];
    }
    return wrong == 0;
}

/* Draws more of the block at hand. BP_END: it has no more. */
static bp_status draw_more(bpi_scan *scan, bp_error *error)
{
    uint32_t before = scan->count;
    for (;;) {
        bool drawn = bpi_draw(scan);
        if (BPI_UNLIKELY(!in_order(scan, before))) {
            (void)bpi_block_disbelieve(scan->at);
        }
        if (BPI_LIKELY(!bpi_block_broken(scan->at))) {
            if (drawn) {
                scan->passed = scan->batch[scan->count - 1] + (scan->backward ? 0 : 1);
            }
            return drawn ? BP_OK : BP_END;
        }
        scan->count = before; /* worth nothing: its replacement is asked instead */
        bp_status status = enter_block(scan, error);
        if (status != BP_OK) {
            return status;
        }
    }
}

static const bpi_block *block_of(const bpi_scan *scan, uint32_t i)
{
    return bpi_block_now(scan->view->blocks->block[scan->batch_block[i]]);
}

static void prefetch(const bpi_scan *scan, uint32_t i)
{
    /* Only of the block at hand is it known how many rows there are. */
    const bpi_block *block = block_of(scan, i);
    bpi_block_prefetch(block, scan->batch[i], block == scan->at ? scan->rows : scan->batch[i] + 1);
}

/* What it passed is not needed any more, and need not stay mapped. Who was given a view of it holds that himself. */
static void move_on(bpi_scan *scan)
{
    bpi_view *view = bpi_view_again(scan->view);
    if (view != NULL) {
        bpi_view_drop(scan->view);
        scan->view = view;
    }
}

/* Fills the batch. BP_END: there are no more. */
static bp_status refill(bpi_scan *scan, bool records, bp_error *error)
{
    if (BPI_UNLIKELY(bpi_blocks_is_old(scan->view->blocks))) {
        move_on(scan);
    }
    bp_status status = BP_OK;
    scan->count = 0;
    scan->taken = 0;
    while (scan->count < scan->target && status == BP_OK) {
        status = scan->at == NULL ? BP_END : draw_more(scan, error);
        if (status == BP_END) {
            status = next_block(scan, error);
        }
    }
    if (scan->count == 0) {
        return status;
    }
    scan->target = scan->target * 2 < BPI_BATCH ? scan->target * 2 : BPI_BATCH;
    /* First what leads to the records, all at once, then the first of the records. */
    for (uint32_t i = 0; records && i < scan->count; i++) {
        const bpi_rows *rows = block_of(scan, i)->rows;
        bpi_rows_prefetch(rows, scan->batch[i], BPI_ROW_OFFSET, 4);
        BPI_PREFETCH(bpi_rows_firsts(rows, scan->batch[i]));
    }
    for (uint32_t i = 0; records && i < scan->count && i < PREFETCH_AHEAD; i++) {
        prefetch(scan, i);
    }
    return BP_OK;
}

/* Must the record of this row say whether it is in the region? */
static bool needs_record(const bpi_scan *scan, const bpi_block *block, uint32_t row)
{
    return scan->query.confirm ||
           (scan->query.confirm_clocks && bpi_row_u32(block->rows, row, BPI_ROW_CLOCK) == BPI_CLOCK_BIG);
}

static void set_commit(bpi_scan *scan, const bpi_block *block, uint32_t block_index, uint32_t row, bp_event *event)
{
    bpi_commit *commit = &scan->commit;
    const bpi_blocks *blocks = scan->view->blocks;
    if (commit->block != block || row < commit->first || row >= commit->end) {
        bpi_commit_of(block, row, bpi_blocks_rows(blocks, block_index, scan->view->end), commit);
    }
    event->batch = block->first + commit->first;
    event->batch_count = commit->end - commit->first;
}

/* Was the row found by a file, or by what takes the place of one? */
static bool of_file(const bpi_block *block)
{
    return block->image != NULL && block->image->pages != NULL;
}

/* An event that is not what the file said of it: nothing the file says is believed any more. */
static bool is_as_told(const bpi_scan *scan, const bpi_block *block, const bp_event *event)
{
    if (BPI_LIKELY(bpi_match_claims(&scan->query, event))) {
        return true;
    }
    if (block->image != NULL) {
        bpi_disbelieve(block->image->pages);
    }
    return false;
}

/* Reads the record of a row of the batch where it is wanted. *passes_out: it is in the region. */
static bp_status read_row(bpi_scan *scan, uint32_t i, bp_event *event_out, bool *passes_out, bp_error *error)
{
    const bpi_block *block = NULL;
    uint32_t row = scan->batch[i];
    bp_event own;
    bp_event *event = event_out != NULL ? event_out : &own;
    bp_status status = BP_OK;
    do {
        status = bpi_blocks_good(scan->view->blocks, scan->batch_block[i], &block, error);
        if (BPI_UNLIKELY(status != BP_OK)) {
            return status;
        }
        bool confirm = needs_record(scan, block, row);
        bool told = of_file(scan->view->blocks->block[scan->batch_block[i]]);
        *passes_out = true;
        if (event_out == NULL && !confirm && !(told && scan->confirms)) {
            continue;
        }
        status = bpi_block_event(block, row, event, error);
        if (status == BP_OK) {
            event->tombstoned = event->tombstoned || bpi_view_buried(scan->view, event->sequence);
            *passes_out =
                (!confirm || bpi_match_event(&scan->query, event)) && (!told || is_as_told(scan, block, event));
            set_commit(scan, block, scan->batch_block[i], row, event);
        }
    } while (BPI_UNLIKELY(bpi_block_broken(block)));
    return status;
}

bp_status bpi_scan_next(bpi_scan *scan, uint64_t *sequence_out, bp_event *event_out, bp_error *error)
{
    while (scan->left > 0) {
        bool records = event_out != NULL || scan->query.confirm;
        if (scan->taken == scan->count) {
            bp_status filled = refill(scan, records, error);
            if (filled != BP_OK) {
                return filled;
            }
        }
        uint32_t i = scan->taken++;
        bool passes = false;
        if (records && i + PREFETCH_AHEAD < scan->count) {
            prefetch(scan, i + PREFETCH_AHEAD);
        }
        *sequence_out = scan->view->blocks->block[scan->batch_block[i]]->first + scan->batch[i];
        bp_status status = read_row(scan, i, event_out, &passes, error);
        if (BPI_UNLIKELY(status != BP_OK)) {
            scan->taken -= bpi_comes_again(status);
            return status;
        }
        if (passes) {
            scan->left--;
            return BP_OK;
        }
    }
    return BP_END;
}

void bpi_scan_again(bpi_scan *scan)
{
    scan->taken--;
    scan->left++;
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
    while ((status = next_block(scan, error)) == BP_OK) {
        uint32_t count = bpi_source_count(scan);
        if (count != UINT32_MAX) {
            *count_out += count;
            continue;
        }
        scan->target = BPI_BATCH;
        do {
            scan->count = 0;
            status = draw_more(scan, error);
            *count_out += scan->count;
        } while (status == BP_OK);
        if (status != BP_END) {
            return status;
        }
    }
    return status == BP_END ? BP_OK : status;
}
