/*
 * postings.c: finding a key in lists and pairs.
 *
 * Holds: whatever the bytes say, every loop ends and nothing outside of the sections is looked at.
 */
#include "index/postings.h"

/* A key of the directory, the one behind the last included. */
static bpi_key key_at(const bpi_list *list, uint32_t at)
{
    const bpi_key none = {0};
    return bpi_see(list->pages, &list->keys[at], sizeof(bpi_key)) ? list->keys[at] : none;
}

/* Where a key would lie if keys were spread evenly between the first and the last. */
static uint32_t guess(uint32_t key, uint32_t first, uint32_t last, uint32_t count)
{
    uint64_t span = last > first ? last - first : 0;
    return span == 0 ? 0 : (uint32_t)((uint64_t)(key - first) * (count - 1) / span);
}

/* Numbers and fingerprints are spread evenly: the guess is near, and few places are looked at. */
uint32_t bpi_list_lower(const bpi_list *list, uint32_t key)
{
    uint32_t count = list->key_count;
    if (count == 0) {
        return 0;
    }
    uint32_t first = key_at(list, 0).key;
    uint32_t last = key_at(list, count - 1).key;
    if (key <= first) {
        return 0;
    }
    if (key > last) {
        return count;
    }
    /* Steps that double, until key[low] < key <= key[high]. */
    uint32_t low = guess(key, first, last, count);
    uint32_t high = low;
    for (uint32_t step = 4; low > 0 && key_at(list, low).key >= key; step *= 2) {
        high = low;
        low = low > step ? low - step : 0;
    }
    for (uint32_t step = 4; high < count - 1 && key_at(list, high).key < key; step *= 2) {
        low = high;
        high = count - 1 - high > step ? high + step : count - 1;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (key_at(list, middle).key < key) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

uint32_t bpi_list_key(const bpi_list *list, uint32_t at, uint32_t *from_out, uint32_t *to_out)
{
    bpi_key here = key_at(list, at);
    uint32_t end = key_at(list, at + 1).start;
    if (here.start > end || end > list->row_count) {
        bpi_disbelieve(list->pages);
        here.start = 0;
        end = 0;
    }
    *from_out = here.start;
    *to_out = end;
    return here.key;
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
    span.rows += (size_t)from * span.stride;
    span.count = to - from;
    return span;
}

static bpi_span whole_span(const bpi_list *list, uint32_t key)
{
    uint32_t at = bpi_list_lower(list, key);
    uint32_t from = 0;
    uint32_t to = 0;
    if (at == list->key_count || bpi_list_key(list, at, &from, &to) != key) {
        return (bpi_span){0};
    }
    return (bpi_span){.rows = list->rows + from, .stride = 1, .count = to - from, .pages = list->pages};
}

bpi_span bpi_list_span(const bpi_list *list, uint32_t key, uint32_t low, uint32_t high)
{
    return bpi_span_clip(whole_span(list, key), low, high);
}

bool bpi_list_last(const bpi_list *list, uint32_t key, uint32_t *row_out)
{
    bpi_span span = whole_span(list, key);
    if (span.count == 0) {
        return false;
    }
    *row_out = bpi_span_row(&span, span.count - 1);
    return true;
}

/* Is a pair below (key, row)? */
static bool below(bpi_pair pair, uint32_t key, uint32_t row)
{
    return pair.key < key || (pair.key == key && pair.row < row);
}

/* The first pair not below (key, row). */
static uint32_t pairs_lower(const bpi_pairs *pairs, uint32_t key, uint32_t row)
{
    uint32_t count = pairs->count;
    if (count == 0) {
        return 0;
    }
    bpi_pair first = bpi_pair_at(pairs, 0);
    bpi_pair last = bpi_pair_at(pairs, count - 1);
    if (!below(first, key, row)) {
        return 0;
    }
    if (below(last, key, row)) {
        return count;
    }
    uint32_t low = guess(key, first.key, last.key, count);
    uint32_t high = low;
    for (uint32_t step = 4; low > 0 && !below(bpi_pair_at(pairs, low), key, row); step *= 2) {
        high = low;
        low = low > step ? low - step : 0;
    }
    for (uint32_t step = 4; high < count - 1 && below(bpi_pair_at(pairs, high), key, row); step *= 2) {
        low = high;
        high = count - 1 - high > step ? high + step : count - 1;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (below(bpi_pair_at(pairs, middle), key, row)) {
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
    if (to <= from) {
        return (bpi_span){0};
    }
    return (bpi_span){.rows = &pairs->pairs[from].row, .stride = 2, .count = to - from, .pages = pairs->pages};
}

void bpi_hashed_bucket(const bpi_hashed *hashed, uint32_t key, uint32_t *from_out, uint32_t *to_out)
{
    const uint32_t *start = &hashed->starts[bpi_bucket_of(hashed->buckets, key)];
    *from_out = 0;
    *to_out = 0;
    if (!bpi_see(hashed->pairs.pages, start, 2 * sizeof *start)) {
        return;
    }
    if (start[0] > start[1] || start[1] > hashed->pairs.count) {
        bpi_disbelieve(hashed->pairs.pages);
        return;
    }
    *from_out = start[0];
    *to_out = start[1];
}
