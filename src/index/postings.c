/*
 * postings.c: building postings, and finding a key in them.
 *
 * Holds: within a key, rows ascend; a list covers every row once. Time is a few passes over 8 bytes a row: a radix
 * sort that leaves out the digits in which all keys agree.
 */
#include "index/postings.h"

#include <string.h>

#include "base/memory.h"
#include "format/record.h"
#include "index/block.h"

enum { DIGIT_BITS = 11, DIGITS = 3, DIGIT_COUNT = 1 << DIGIT_BITS };

/* Room to sort in. */
typedef struct scratch {
    const bp_allocator *allocator;
    uint64_t *pairs;
    uint64_t *other;
    size_t capacity;
} scratch;

static bool scratch_reserve(scratch *room, size_t count)
{
    if (count <= room->capacity) {
        return true;
    }
    size_t old = room->capacity * sizeof(uint64_t);
    bpi_release(room->allocator, room->pairs, old);
    bpi_release(room->allocator, room->other, old);
    room->pairs = bpi_allocate(room->allocator, count * sizeof(uint64_t));
    room->other = bpi_allocate(room->allocator, count * sizeof(uint64_t));
    room->capacity = count;
    return room->pairs != NULL && room->other != NULL;
}

static void scratch_fini(scratch *room)
{
    bpi_release(room->allocator, room->pairs, room->capacity * sizeof(uint64_t));
    bpi_release(room->allocator, room->other, room->capacity * sizeof(uint64_t));
}

static unsigned digit_of(uint64_t pair, unsigned digit)
{
    return (unsigned)(pair >> (32 + digit * DIGIT_BITS)) & (DIGIT_COUNT - 1);
}

/* Sorts by key; the order of rows within a key stays as it is. The result is in room->pairs. */
static void sort(scratch *room, uint32_t count)
{
    uint32_t starts[DIGITS][DIGIT_COUNT];
    memset(starts, 0, sizeof starts);
    for (uint32_t i = 0; i < count; i++) {
        for (unsigned digit = 0; digit < DIGITS; digit++) {
            starts[digit][digit_of(room->pairs[i], digit)]++;
        }
    }
    for (unsigned digit = 0; digit < DIGITS && count > 0; digit++) {
        uint32_t *start = starts[digit];
        if (start[digit_of(room->pairs[0], digit)] == count) {
            continue;
        }
        uint32_t sum = 0;
        for (unsigned value = 0; value < DIGIT_COUNT; value++) {
            uint32_t here = start[value];
            start[value] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < count; i++) {
            uint64_t pair = room->pairs[i];
            room->other[start[digit_of(pair, digit)]++] = pair;
        }
        uint64_t *sorted = room->other;
        room->other = room->pairs;
        room->pairs = sorted;
    }
}

/* ---- building ---- */

static bool list_take(const bp_allocator *allocator, bpi_list *list, const uint64_t *pairs, uint32_t count)
{
    uint32_t keys = 0;
    for (uint32_t i = 0; i < count; i++) {
        keys += i == 0 || pairs[i] >> 32 != pairs[i - 1] >> 32;
    }
    list->row_count = count;
    list->key_count = keys;
    list->rows = bpi_allocate(allocator, count * sizeof list->rows[0]);
    list->keys = bpi_allocate(allocator, (keys + 1) * sizeof list->keys[0]);
    if ((list->rows == NULL && count > 0) || list->keys == NULL) {
        return false;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || pairs[i] >> 32 != pairs[i - 1] >> 32) {
            list->keys[at++] = (bpi_key){.key = (uint32_t)(pairs[i] >> 32), .start = i};
        }
        list->rows[i] = (uint32_t)pairs[i];
    }
    list->keys[at] = (bpi_key){.key = UINT32_MAX, .start = count};
    return true;
}

static bool build_list(scratch *room, bpi_list *list, const bpi_rows *rows, unsigned field, uint32_t count)
{
    for (uint32_t row = 0; row < count; row++) {
        uint64_t key = field == BPI_ROW_KIND ? bpi_row_kind(rows, row) : bpi_row_u32(rows, row, field);
        room->pairs[row] = key << 32 | row;
    }
    sort(room, count);
    return list_take(room->allocator, list, room->pairs, count);
}

/* An event may name a cause twice. */
static uint32_t without_doubles(uint64_t *pairs, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || pairs[i] != pairs[kept - 1]) {
            pairs[kept++] = pairs[i];
        }
    }
    return kept;
}

static bool pairs_take(scratch *room, bpi_pairs *pairs, uint32_t count)
{
    sort(room, count);
    count = without_doubles(room->pairs, count);
    pairs->count = count;
    pairs->pairs = bpi_allocate(room->allocator, count * sizeof(bpi_pair));
    if (count > 0 && pairs->pairs == NULL) {
        pairs->count = 0;
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        pairs->pairs[i] = (bpi_pair){.row = (uint32_t)room->pairs[i], .key = (uint32_t)(room->pairs[i] >> 32)};
    }
    return true;
}

static bool build_correlations(scratch *room, bpi_pairs *pairs, const bpi_rows *rows, uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t row = 0; row < count; row++) {
        if (bpi_row_u8(rows, row, BPI_ROW_BITS) & BPI_ROW_CORRELATED) {
            room->pairs[found++] = (uint64_t)bpi_row_u32(rows, row, BPI_ROW_CORRELATION) << 32 | row;
        }
    }
    return pairs_take(room, pairs, found);
}

/* How many causes the rows have in all; false: a record cannot be read, or more than fit. */
static bool count_causes(const bpi_block *block, uint32_t count, uint32_t *total_out)
{
    uint64_t total = 0;
    for (uint32_t row = 0; row < count; row++) {
        if (bpi_row_u8(block->rows, row, BPI_ROW_BITS) & BPI_ROW_MANY_CAUSES) {
            bp_event event;
            if (bpi_block_event(block, row, &event, NULL) != BP_OK) {
                return false;
            }
            total += event.cause_count;
        } else {
            total += bpi_row_u32(block->rows, row, BPI_ROW_CAUSE) != 0;
        }
    }
    *total_out = (uint32_t)total;
    return total < UINT32_MAX;
}

static bool build_causes(scratch *room, bpi_pairs *pairs, const bpi_block *block, uint32_t count)
{
    uint32_t total = 0;
    if (!count_causes(block, count, &total) || !scratch_reserve(room, total)) {
        return false;
    }
    uint32_t found = 0;
    for (uint32_t row = 0; row < count; row++) {
        uint32_t cause = bpi_row_u32(block->rows, row, BPI_ROW_CAUSE);
        if ((bpi_row_u8(block->rows, row, BPI_ROW_BITS) & BPI_ROW_MANY_CAUSES) == 0) {
            if (cause != 0) {
                room->pairs[found++] = (uint64_t)cause << 32 | row;
            }
            continue;
        }
        bp_event event;
        if (bpi_block_event(block, row, &event, NULL) != BP_OK || event.cause_count > total - found) {
            return false;
        }
        for (size_t i = 0; i < event.cause_count; i++) {
            uint32_t key = bpi_cause_key(bpi_fingerprint(&event.causes[i], block->key));
            room->pairs[found++] = (uint64_t)key << 32 | row;
        }
    }
    return pairs_take(room, pairs, found);
}

bpi_postings *bpi_postings_build(const bp_allocator *allocator, const bpi_block *block, uint32_t count)
{
    scratch room = {.allocator = allocator};
    bpi_postings *postings = bpi_allocate_zero(allocator, sizeof *postings);
    if (postings == NULL) {
        return NULL;
    }
    postings->allocator = allocator;
    bool built = count == 0 || scratch_reserve(&room, count);
    built = built && build_list(&room, &postings->entities, block->rows, BPI_ROW_ENTITY, count) &&
            build_list(&room, &postings->scopes, block->rows, BPI_ROW_SCOPE, count) &&
            build_list(&room, &postings->kinds, block->rows, BPI_ROW_KIND, count) &&
            build_correlations(&room, &postings->correlations, block->rows, count) &&
            build_causes(&room, &postings->causes, block, count);
    scratch_fini(&room);
    if (!built) {
        bpi_postings_free(postings);
        return NULL;
    }
    return postings;
}

static void list_fini(const bp_allocator *allocator, bpi_list *list)
{
    bpi_release(allocator, list->rows, list->row_count * sizeof list->rows[0]);
    bpi_release(allocator, list->keys, (list->key_count + 1) * sizeof list->keys[0]);
}

void bpi_postings_free(bpi_postings *postings)
{
    if (postings == NULL) {
        return;
    }
    const bp_allocator *allocator = postings->allocator;
    list_fini(allocator, &postings->entities);
    list_fini(allocator, &postings->scopes);
    list_fini(allocator, &postings->kinds);
    bpi_release(allocator, postings->correlations.pairs, postings->correlations.count * sizeof(bpi_pair));
    bpi_release(allocator, postings->causes.pairs, postings->causes.count * sizeof(bpi_pair));
    bpi_release(allocator, postings, sizeof *postings);
}

/* ---- finding ---- */

/* Where a key would lie if keys were spread evenly between the first and the last. */
static uint32_t guess(uint32_t key, uint32_t first, uint32_t last, uint32_t count)
{
    return (uint32_t)((uint64_t)(key - first) * (count - 1) / (last - first));
}

/* Numbers and fingerprints are spread evenly: the guess is near, and few places are looked at. */
uint32_t bpi_list_lower(const bpi_list *list, uint32_t key)
{
    uint32_t count = list->key_count;
    const bpi_key *keys = list->keys;
    if (count == 0 || key <= keys[0].key) {
        return 0;
    }
    if (key > keys[count - 1].key) {
        return count;
    }
    /* Steps that double, until keys[low] < key <= keys[high]. */
    uint32_t low = guess(key, keys[0].key, keys[count - 1].key, count);
    uint32_t high = low;
    for (uint32_t step = 4; keys[low].key >= key; step *= 2) {
        high = low;
        low = low > step ? low - step : 0;
    }
    for (uint32_t step = 4; keys[high].key < key; step *= 2) {
        low = high;
        high = count - 1 - high > step ? high + step : count - 1;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (keys[middle].key < key) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

/* The first place of the span whose row is not below `row`. */
static uint32_t span_lower(const bpi_span *span, uint32_t row)
{
    uint32_t low = 0;
    uint32_t high = span->count;
    if (high == 0 || bpi_span_row(span, 0) >= row) {
        return 0;
    }
    if (bpi_span_row(span, high - 1) < row) {
        return high;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bpi_span_row(span, middle) < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bpi_span bpi_span_clip(bpi_span span, uint32_t low, uint32_t high)
{
    uint32_t from = span_lower(&span, low);
    uint32_t to = span_lower(&span, high);
    if (to <= from) {
        return (bpi_span){0};
    }
    return (bpi_span){.rows = span.rows + (size_t)from * span.stride, .stride = span.stride, .count = to - from};
}

bpi_span bpi_list_span(const bpi_list *list, uint32_t key, uint32_t low, uint32_t high)
{
    uint32_t at = bpi_list_lower(list, key);
    if (at == list->key_count || list->keys[at].key != key) {
        return (bpi_span){0};
    }
    bpi_span span = {
        .rows = list->rows + list->keys[at].start,
        .stride = 1,
        .count = list->keys[at + 1].start - list->keys[at].start,
    };
    return bpi_span_clip(span, low, high);
}

/* Is a pair below (key, row)? */
static bool below(const bpi_pair *pair, uint32_t key, uint32_t row)
{
    return pair->key < key || (pair->key == key && pair->row < row);
}

/* The first pair not below (key, row). */
static uint32_t pairs_lower(const bpi_pairs *pairs, uint32_t key, uint32_t row)
{
    uint32_t count = pairs->count;
    const bpi_pair *all = pairs->pairs;
    if (count == 0 || !below(&all[0], key, row)) {
        return 0;
    }
    if (below(&all[count - 1], key, row)) {
        return count;
    }
    uint32_t low = all[0].key == all[count - 1].key ? 0 : guess(key, all[0].key, all[count - 1].key, count);
    uint32_t high = low;
    for (uint32_t step = 4; !below(&all[low], key, row); step *= 2) {
        high = low;
        low = low > step ? low - step : 0;
    }
    for (uint32_t step = 4; below(&all[high], key, row); step *= 2) {
        low = high;
        high = count - 1 - high > step ? high + step : count - 1;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (below(&all[middle], key, row)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

bpi_span bpi_pairs_span(const bpi_pairs *pairs, uint32_t key, uint32_t low, uint32_t high)
{
    uint32_t from = pairs_lower(pairs, key, low);
    uint32_t to = pairs_lower(pairs, key, high);
    return to <= from ? (bpi_span){0} : (bpi_span){.rows = &pairs->pairs[from].row, .stride = 2, .count = to - from};
}
