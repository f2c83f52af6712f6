/*
 * plan.c: where the rows of a block come from.
 *
 * The narrowest posting drives and the columns test the rest. Several keys of one posting (a prefix, a category) meet in
 * a bitmap. Reading columns costs a fraction of a nanosecond a row and a posting a few, so that columns win where much
 * is left to test. In blocks without postings an entity's events and a cause's effects are found along their chains, if
 * these are short.
 *
 * Holds: whatever is chosen, the answer is the same; a source yields each row once, in order.
 */
#include "index/scan.h"

#include <string.h>

#include "base/compiler.h"
#include "base/memory.h"

enum {
    CHAIN_MAX = 8192,    /* steps of a chain worth more than reading the columns */
    SPAN_SHARE = 8,      /* with tests left: a posting of at most 1 / 8 of the rows */
    CATEGORY_SHARE = 10, /* a category's rows into a bitmap */
    PREFIX_SHARE = 2,    /* a prefix's: its column test is dear */
    LOOK_UP_STEPS = 8,   /* keys that are passed by in the time of looking one up */
    CAUSE_STEPS = 256,   /* along a cause's chain in any case; beyond that a share of the rows */
    CAUSE_SHARE = 16,
    LIST_MIN = 64
};

/* ---- the chain ---- */

static bool push(bpi_scan *scan, uint64_t sequence)
{
    if (scan->list_count == scan->list_capacity) {
        size_t capacity = scan->list_capacity == 0 ? LIST_MIN : scan->list_capacity * 2;
        uint64_t *list =
            bpi_resize(scan->allocator, scan->list, scan->list_capacity * sizeof *list, capacity * sizeof *list);
        if (list == NULL) {
            return false;
        }
        scan->list = list;
        scan->list_capacity = capacity;
    }
    scan->list[scan->list_count++] = sequence;
    return true;
}

/* Follows the chain through the blocks from chain_block on; keeps what lies in the range. False: too long. */
static bool collect(bpi_scan *scan)
{
    const bpi_blocks *blocks = scan->view->blocks;
    uint64_t low = blocks->block[scan->chain_block]->first;
    low = low < scan->low ? scan->low : low;
    size_t i = blocks->count - 1;
    uint64_t at = scan->chain;
    for (size_t steps = 0; at != BP_NONE && at >= low; steps++) {
        while (blocks->block[i]->first > at) {
            i--;
        }
        if (steps == CHAIN_MAX || (at < scan->high && !push(scan, at))) {
            return false;
        }
        uint64_t distance = bpi_row_distance(blocks->block[i]->rows, (uint32_t)(at - blocks->block[i]->first));
        at = distance == 0 ? BP_NONE : at - distance;
    }
    return true;
}

/* Goes down the chain to the range; false: too far. */
static bool skip(bpi_scan *scan)
{
    const bpi_blocks *blocks = scan->view->blocks;
    size_t i = blocks->count - 1;
    for (size_t steps = 0; scan->chain != BP_NONE && scan->chain >= scan->high; steps++) {
        while (blocks->block[i]->first > scan->chain) {
            i--;
        }
        if (i < scan->chain_block) {
            return true; /* then these blocks lie behind the range */
        }
        if (steps == CHAIN_MAX) {
            return false;
        }
        const bpi_block *block = blocks->block[i];
        uint64_t distance = bpi_row_distance(block->rows, (uint32_t)(scan->chain - block->first));
        scan->chain = distance == 0 ? BP_NONE : scan->chain - distance;
    }
    return true;
}

void bpi_plan_chain(bpi_scan *scan, const bpi_entity *entity)
{
    const bpi_blocks *blocks = scan->view->blocks;
    scan->chain_block = blocks->count;
    while (scan->chain_block > 0 && blocks->block[scan->chain_block - 1]->image == NULL) {
        scan->chain_block--;
    }
    if (scan->chain_block == blocks->count) {
        return;
    }
    /* In this order: truncate makes the generation odd before it touches a `last`. An entity that is not in memory has no
     * event in an open block. */
    scan->chain = entity == NULL ? BP_NONE : atomic_load_explicit(&entity->last, memory_order_acquire);
    uint32_t generation = atomic_load_explicit(&blocks->index->generation, memory_order_acquire);
    if (generation != scan->view->generation || generation % 2 != 0 || (entity != NULL && scan->chain == BP_NONE) ||
        (scan->chain != BP_NONE && scan->chain >= scan->view->end)) {
        return;
    }
    scan->chained = scan->backward ? skip(scan) : collect(scan);
}

/* ---- a block ---- */

typedef struct narrowest {
    bpi_scan *scan;
    uint32_t tests; /* all of the region's that are columns */
    uint32_t test;  /* the one whose posting it is; 0: none yet */
} narrowest;

static void consider(narrowest *best, uint32_t test, bpi_span span, uint32_t extra)
{
    bpi_scan *scan = best->scan;
    uint32_t count = span.count + (extra != BPI_TABLE_END);
    uint32_t so_far = scan->span.count + (scan->extra != BPI_TABLE_END);
    if (best->test == 0 || count < so_far) {
        best->test = test;
        scan->span = span;
        scan->extra = extra;
    }
}

/* The event that has the correlation as its own id is not in the posting. */
static uint32_t own_row(const bpi_scan *scan)
{
    const bpi_query *query = &scan->query;
    uint32_t row = 0;
    bpi_wanted wanted;
    bpi_wanted_init(&wanted, &query->correlation, query->correlation_key);
    if (!bpi_block_find(scan->at, &wanted, scan->rows, &row) || row < scan->low_row || row >= scan->high_row ||
        (bpi_row_u8(scan->at->rows, row, BPI_ROW_BITS) & BPI_ROW_CORRELATED) != 0) {
        return BPI_TABLE_END;
    }
    return row;
}

static void consider_spans(narrowest *best, const bpi_image *image)
{
    bpi_scan *scan = best->scan;
    const bpi_query *query = &scan->query;
    uint32_t low = scan->low_row;
    uint32_t high = scan->high_row;
    if (best->tests & BP_REGION_ENTITY) {
        consider(best, BP_REGION_ENTITY, bpi_list_span(&image->entities, query->entity, low, high), BPI_TABLE_END);
    }
    if (best->tests & BP_REGION_CORRELATION) {
        consider(best, BP_REGION_CORRELATION, bpi_pairs_span(&image->correlations, query->correlation_key, low, high),
                 own_row(scan));
    }
    if (best->tests & BP_REGION_CAUSE) {
        consider(best, BP_REGION_CAUSE, bpi_pairs_span(&image->causes, query->cause_key, low, high), BPI_TABLE_END);
    }
    if (best->tests & BP_REGION_SCOPE) {
        consider(best, BP_REGION_SCOPE, bpi_list_span(&image->scopes, query->scope, low, high), BPI_TABLE_END);
    }
    if (best->tests & BP_REGION_KIND) {
        consider(best, BP_REGION_KIND, bpi_list_span(&image->kinds, query->kind, low, high), BPI_TABLE_END);
    }
}

static bool bits_clear(bpi_scan *scan)
{
    size_t words = ((size_t)scan->rows + 63) / 64;
    if (words > scan->bit_words) {
        uint64_t *bits = bpi_resize(scan->allocator, scan->bits, scan->bit_words * sizeof *bits, words * sizeof *bits);
        if (bits == NULL) {
            return false;
        }
        scan->bits = bits;
        scan->bit_words = words;
    }
    memset(scan->bits, 0, words * sizeof scan->bits[0]);
    return true;
}

/* The rows of the keys at places [from, to). */
static void bits_set(bpi_scan *scan, const bpi_list *list, uint32_t from, uint32_t to)
{
    for (uint32_t at = from; at < to; at++) {
        uint32_t start = 0;
        uint32_t end = 0;
        (void)bpi_list_key(list, at, &start, &end);
        bpi_span span = {.rows = list->rows + start, .stride = 1, .count = end - start, .pages = list->pages};
        for (uint32_t i = 0; i < span.count; i++) {
            uint32_t row = bpi_span_row(&span, i);
            if (row < scan->rows) {
                scan->bits[row >> 6] |= UINT64_C(1) << (row & 63);
            }
        }
    }
}

static bool set_has(const bpi_query *query, uint32_t entity)
{
    return entity < query->set_end && (query->set[entity >> 6] >> (entity & 63) & 1) != 0;
}

/* How many rows the keys at places [from, to) have. */
static uint64_t rows_of(const bpi_list *list, uint32_t from, uint32_t to)
{
    uint64_t total = 0;
    for (uint32_t at = from; at < to; at++) {
        uint32_t start = 0;
        uint32_t end = 0;
        (void)bpi_list_key(list, at, &start, &end);
        total += end - start;
    }
    return total;
}

/* Looks the set's entities up in the block's, which are more; false as soon as their rows are more than `most`. */
static bool bits_of_members(bpi_scan *scan, const bpi_list *list, uint64_t most)
{
    const bpi_query *query = &scan->query;
    uint64_t total = 0;
    for (uint32_t word = 0; word < (query->set_end + 63) / 64; word++) {
        for (uint64_t left = query->set[word]; left != 0; left &= left - 1) {
            uint32_t entity = word * 64 + bpi_lowest_bit(left);
            uint32_t at = bpi_list_lower(list, entity);
            uint32_t start = 0;
            uint32_t end = 0;
            if (at < list->key_count && bpi_list_key(list, at, &start, &end) == entity) {
                total += end - start;
                bits_set(scan, list, at, at + 1);
            }
            if (total > most) {
                return false;
            }
        }
    }
    return true;
}

/* Asks of each of the block's entities whether it is in the set. */
static bool bits_of_keys(bpi_scan *scan, const bpi_list *list, uint64_t most)
{
    uint64_t total = 0;
    for (uint32_t at = 0; at < list->key_count && total <= most; at++) {
        uint32_t start = 0;
        uint32_t end = 0;
        if (set_has(&scan->query, bpi_list_key(list, at, &start, &end))) {
            total += end - start;
            bits_set(scan, list, at, at + 1);
        }
    }
    return total <= most;
}

/* All entities of the prefix that the block has. False: they are so many that the columns are quicker. */
static bool prefix_bits(bpi_scan *scan, const bpi_list *list)
{
    uint64_t most = (scan->high_row - scan->low_row) / PREFIX_SHARE;
    if (!bits_clear(scan)) {
        return false;
    }
    return scan->query.set_count < list->key_count / LOOK_UP_STEPS ? bits_of_members(scan, list, most)
                                                                   : bits_of_keys(scan, list, most);
}

static bool category_bits(bpi_scan *scan, const bpi_list *list)
{
    uint32_t from = bpi_list_lower(list, scan->query.category);
    uint32_t to = bpi_list_lower(list, scan->query.category + UINT32_C(0x1000));
    uint64_t total = rows_of(list, from, to);
    if (total > (scan->high_row - scan->low_row) / CATEGORY_SHARE || !bits_clear(scan)) {
        return false;
    }
    bits_set(scan, list, from, to);
    return true;
}

/* Those of several kinds, if they are few. */
static bool kinds_bits(bpi_scan *scan, const bpi_list *list)
{
    const bpi_query *query = &scan->query;
    uint64_t total = 0;
    for (uint32_t i = 0; i < query->kind_count; i++) {
        uint32_t from = bpi_list_lower(list, query->kinds[i]);
        total += rows_of(list, from, bpi_list_lower(list, query->kinds[i] + UINT32_C(1)));
    }
    if (total > (scan->high_row - scan->low_row) / CATEGORY_SHARE || !bits_clear(scan)) {
        return false;
    }
    for (uint32_t i = 0; i < query->kind_count; i++) {
        uint32_t from = bpi_list_lower(list, query->kinds[i]);
        bits_set(scan, list, from, bpi_list_lower(list, query->kinds[i] + UINT32_C(1)));
    }
    return true;
}

static void plan_sealed(bpi_scan *scan, uint32_t tests)
{
    const bpi_image *image = scan->at->image;
    narrowest best = {.scan = scan, .tests = tests, .test = 0};
    consider_spans(&best, image);
    uint32_t left = tests & ~best.test;
    if (best.test != 0) {
        uint32_t count = scan->span.count + (scan->extra != BPI_TABLE_END);
        if (count == 0) {
            scan->source = BPI_SOURCE_NOTHING;
            return;
        }
        if (left == 0 || count <= (scan->high_row - scan->low_row) / SPAN_SHARE) {
            scan->source = BPI_SOURCE_SPAN;
            scan->tests = left;
        }
    } else if ((tests & BP_REGION_PREFIX) && prefix_bits(scan, &image->entities)) {
        scan->source = BPI_SOURCE_BITS;
        scan->tests = tests & ~(uint32_t)BP_REGION_PREFIX;
    } else if ((tests & BP_REGION_CATEGORY) && category_bits(scan, &image->kinds)) {
        scan->source = BPI_SOURCE_BITS;
        scan->tests = tests & ~(uint32_t)BP_REGION_CATEGORY;
    } else if ((tests & BPI_TEST_KINDS) && kinds_bits(scan, &image->kinds)) {
        scan->source = BPI_SOURCE_BITS;
        scan->tests = tests & ~(uint32_t)BPI_TEST_KINDS;
    }
}

/* ---- a cause in a block without postings ---- */

static bool add_row(bpi_scan *scan, uint32_t count, uint32_t row)
{
    if (count == scan->found_capacity) {
        size_t capacity = scan->found_capacity == 0 ? LIST_MIN : scan->found_capacity * 2;
        uint32_t *found =
            bpi_resize(scan->allocator, scan->found, scan->found_capacity * sizeof *found, capacity * sizeof *found);
        if (found == NULL) {
            return false;
        }
        scan->found = found;
        scan->found_capacity = capacity;
    }
    scan->found[count] = row;
    return true;
}

/* The rows of the range whose cause it may be, as a span. False: too many steps, or the chains do not know. */
static bool cause_span(bpi_scan *scan)
{
    const bpi_cause_link *link = NULL;
    if (!bpi_causes_find(&scan->at->causes, scan->query.cause_key, &link)) {
        return false;
    }
    uint32_t steps = CAUSE_STEPS + scan->rows / CAUSE_SHARE;
    uint32_t count = 0;
    for (; link != NULL && link->row >= scan->low_row; link = link->older) {
        if (steps-- == 0) {
            return false;
        }
        bool again = count > 0 && scan->found[count - 1] == link->row; /* it names the cause twice */
        if (link->key == scan->query.cause_key && link->row < scan->high_row && !again &&
            !add_row(scan, count++, link->row)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < count / 2; i++) { /* the newest came first */
        uint32_t row = scan->found[i];
        scan->found[i] = scan->found[count - 1 - i];
        scan->found[count - 1 - i] = row;
    }
    scan->span = (bpi_span){.rows = scan->found, .stride = 1, .count = count};
    return true;
}

void bpi_plan_block(bpi_scan *scan)
{
    const bpi_block *block = scan->at;
    uint32_t tests = scan->query.tests & BPI_TEST_COLUMNS;
    scan->low_row = scan->low <= block->first ? 0 : (uint32_t)(scan->low - block->first);
    scan->high_row = scan->high - block->first < scan->rows ? (uint32_t)(scan->high - block->first) : scan->rows;
    if (scan->backward) {
        scan->high_row = scan->high_row < scan->passed ? scan->high_row : scan->passed;
    } else {
        scan->low_row = scan->low_row > scan->passed ? scan->low_row : scan->passed;
    }
    scan->span = (bpi_span){0};
    scan->extra = BPI_TABLE_END;
    if (scan->low_row >= scan->high_row) {
        scan->source = BPI_SOURCE_NOTHING;
        return;
    }
    if (atomic_load_explicit(&block->system, memory_order_relaxed) == 0) {
        tests &= ~(uint32_t)BPI_TEST_NO_SYSTEM;
    }
    if (atomic_load_explicit(&block->folded, memory_order_relaxed) == 0) {
        tests &= ~(uint32_t)BPI_TEST_THERE;
    }
    scan->source = BPI_SOURCE_COLUMNS;
    scan->tests = tests;
    if (block->image != NULL) {
        plan_sealed(scan, tests);
    } else if ((tests & BP_REGION_ENTITY) && scan->chained && scan->block_index >= scan->chain_block) {
        scan->source = scan->backward ? BPI_SOURCE_CHAIN : BPI_SOURCE_LIST;
        scan->tests = tests & ~(uint32_t)BP_REGION_ENTITY;
    } else if ((tests & BP_REGION_CAUSE) && cause_span(scan)) {
        scan->source = scan->span.count == 0 ? BPI_SOURCE_NOTHING : BPI_SOURCE_SPAN;
        scan->tests = tests & ~(uint32_t)BP_REGION_CAUSE;
    }
}
