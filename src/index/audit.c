/*
 * audit.c: an image held against events.
 *
 * Holds: what is counted and each found, with all entries different, is all there is. Lists are proven from the columns,
 * which were compared before. Ids, correlations and causes lie anywhere in their pairs, and to look each up would wait for the
 * memory each time: so what the rows ask for is summed up, mixed with a random key, and the pairs are then read through
 * once. Sums that agree are of the same pairs, but for a chance of 2^-64.
 */
#include "index/audit.h"

#include <string.h>

#include "base/ids.h"

static void blame(bpi_audit *audit, const void *at, const char *what)
{
    const uint8_t *start = audit->image->address;
    if (audit->fault == NULL) {
        audit->fault = what;
        audit->offset = at == NULL ? 0 : (size_t)((const uint8_t *)at - start) / BPI_PAGE_SIZE * BPI_PAGE_SIZE;
    }
}

/* ---- a row ---- */

static uint64_t mixed(const bpi_audit *audit, uint32_t key, uint32_t row)
{
    uint64_t x = ((uint64_t)key << 32 | row) + audit->key;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static void audit_causes(bpi_audit *audit, const bpi_row *as, uint32_t row)
{
    uint64_t key = audit->image->header.key;
    for (size_t i = 0; i < as->cause_count; i++) {
        uint32_t cause = bpi_cause_key(bpi_fingerprint(&as->causes[i], key));
        bool again = false;
        for (size_t j = 0; j < i && !again; j++) {
            again = bpi_cause_key(bpi_fingerprint(&as->causes[j], key)) == cause;
        }
        if (!again) {
            audit->causes++;
            audit->cause_sum += mixed(audit, cause, row);
        }
    }
}

static void audit_name(bpi_audit *audit, const bpi_name_table *table, bp_text name, uint32_t number)
{
    uint32_t found = 0;
    if (number < table->first || number - table->first >= table->count) {
        blame(audit, table->starts, "a name has a number of another file");
    } else if (!bp_text_equal(bpi_name_table_at(table, number - table->first), name)) {
        blame(audit, table->starts, "a name is not that of its number");
    } else if (!bpi_name_table_find(table, name, bpi_name_fingerprint(name, audit->image->header.key), &found) ||
               found != number) {
        blame(audit, table->hashes.pairs.pairs, "a name is not found");
    }
}

static void audit_fields(bpi_audit *audit, const bpi_audited *next, uint32_t row)
{
    const bpi_row *as = &next->row;
    const bpi_image *image = audit->image;
    bpi_fields want;
    bpi_fields have;
    bpi_wanted wanted;
    bpi_fields_of(&want, next->sequence, image->header.key, &next->numbers, as);
    bpi_rows_get_seen(image->rows, row, &have);
    if (have.hlc != want.hlc || have.time_us != want.time_us || have.distance != want.distance ||
        have.clock != want.clock || have.offset != want.offset || have.entity != want.entity ||
        have.scope != want.scope || have.correlation != want.correlation || have.cause != want.cause ||
        have.kind != want.kind || have.bits != want.bits) {
        blame(audit, bpi_rows_at(image->rows, row, BPI_ROW_OFFSET, 4), "a row is not what the log says");
    }
    const _Atomic uint64_t *word = bpi_rows_firsts(image->rows, row);
    if ((atomic_load_explicit(word, memory_order_relaxed) >> (row & 63) & 1) != (uint64_t)as->first_of_commit) {
        blame(audit, (const void *)word, "the beginnings of commits are not what the log says");
    }
    if (!bpi_rows_overlap(image->rows, row, as->time_us, as->time_us)) {
        blame(audit, &image->rows->zones[row >> BPI_CHUNK_SHIFT], "the times of a run of rows leave one out");
    }
    uint32_t id = want.correlation; /* which is the id's own unless one was given */
    if ((want.bits & BPI_ROW_CORRELATED) != 0) {
        id = bpi_fingerprint(&as->id, image->header.key);
        audit->correlations++;
        audit->correlation_sum += mixed(audit, want.correlation, row);
    }
    audit->id_sum += mixed(audit, id, row);
    bpi_wanted_init(&wanted, &as->id, id);
    if (!bpi_id_range_has(&image->header.ids, &wanted)) {
        blame(audit, NULL, "the range of ids leaves one out");
    }
}

void bpi_audit_row(bpi_audit *audit, const bpi_audited *next)
{
    const bpi_image *image = audit->image;
    uint32_t row = audit->rows++;
    if (audit->fault != NULL) {
        return;
    }
    if (row == 0 && (image->header.first_entity != next->entities || image->header.first_scope != next->scopes)) {
        blame(audit, NULL, "numbers of names do not go on from the file before");
        return;
    }
    audit_fields(audit, next, row);
    audit_causes(audit, &next->row, row);
    if (next->entity_new) {
        audit_name(audit, &image->entity_names, next->entity, next->numbers.entity);
    }
    if (next->scope_new) {
        audit_name(audit, &image->scope_names, next->scope, next->numbers.scope);
    }
    audit->entities += next->entity_new;
    audit->scopes += next->scope_new;
    audit->system += next->numbers.system;
}

/* ---- what leads to rows ---- */

/* Keys ascend, their rows ascend, each row has its key, and all rows are there: then each is there once. */
static void audit_list(bpi_audit *audit, const bpi_list *list, unsigned column, bool kind)
{
    const bpi_rows *rows = audit->image->rows;
    uint32_t passed = 0;
    for (uint32_t at = 0; at < list->key_count; at++) {
        uint32_t from = 0;
        uint32_t to = 0;
        uint32_t key = bpi_list_key(list, at, &from, &to);
        bool good = from == passed && from < to && (at == 0 || list->keys[at - 1].key < key);
        for (uint32_t i = from; i < to && good; i++) {
            uint32_t row = list->rows[i];
            good = row < audit->rows && (i == from || list->rows[i - 1] < row) &&
                   (kind ? bpi_row_kind(rows, row) : bpi_row_u32(rows, row, column)) == key;
            if (!good) {
                blame(audit, &list->rows[i], "a posting is not what the rows say");
            }
        }
        if (!good) {
            blame(audit, &list->keys[at], "postings are not what the rows say");
            return;
        }
        passed = to;
    }
    const bpi_key *end = &list->keys[list->key_count];
    if (passed != audit->rows || !bpi_see(list->pages, end, sizeof *end) || end->key != UINT32_MAX) {
        blame(audit, list->keys, "postings leave rows out");
    }
}

static void audit_pairs(bpi_audit *audit, const bpi_pairs *pairs, uint64_t count, uint64_t sum, const char *missing)
{
    if (pairs->count != count) {
        blame(audit, pairs->pairs, "there are not as many pairs as the log has");
        return;
    }
    bpi_pair before = {0};
    for (uint32_t at = 0; at < pairs->count; at++) {
        bpi_pair pair = bpi_pair_at(pairs, at);
        if (at > 0 && (before.key > pair.key || (before.key == pair.key && before.row >= pair.row))) {
            blame(audit, &pairs->pairs[at], "pairs are out of order");
        }
        sum -= mixed(audit, pair.key, pair.row);
        before = pair;
    }
    if (sum != 0) {
        blame(audit, pairs->pairs, missing);
    }
}

/* Each pair lies in its bucket and the filter knows it; then so it is with each id. The buckets' order is the lines' too. */
static void audit_ids(bpi_audit *audit)
{
    const bpi_image *image = audit->image;
    const bpi_hashed *ids = &image->ids;
    const uint64_t *unknown = NULL;
    uint64_t sum = audit->id_sum;
    bool good = ids->starts[0] == 0 && ids->starts[ids->buckets] == ids->pairs.count;
    for (uint32_t bucket = 0; bucket < ids->buckets && good; bucket++) {
        uint32_t end = ids->starts[bucket + 1];
        good = ids->starts[bucket] <= end && end <= ids->pairs.count;
        for (uint32_t at = ids->starts[bucket]; at < end && good; at++) {
            bpi_pair pair = bpi_pair_at(&ids->pairs, at);
            const uint64_t *line =
                image->filter + (size_t)bpi_filter_line(image->filter_lines, pair.key) * BPI_FILTER_WORDS;
            uint16_t bits[3];
            bpi_filter_bits(pair.key, bits);
            if ((line[bits[0] >> 6] >> (bits[0] & 63) & line[bits[1] >> 6] >> (bits[1] & 63) &
                 line[bits[2] >> 6] >> (bits[2] & 63) & 1) == 0) {
                unknown = line;
            }
            good = bpi_bucket_of(ids->buckets, pair.key) == bucket;
            sum -= mixed(audit, pair.key, pair.row);
        }
        if (!good) {
            blame(audit, &ids->starts[bucket], "ids do not lie in their buckets");
        }
    }
    if (!good) {
        blame(audit, ids->starts, "the buckets of ids leave some out");
    } else if (sum != 0) {
        blame(audit, ids->pairs.pairs, "an id is missing");
    } else if (unknown != NULL) {
        blame(audit, unknown, "the filter of ids leaves one out");
    }
}

/* Names that rise are different, so that as many as there are numbers are all of them. */
static void audit_names(bpi_audit *audit, const bpi_name_table *table, uint32_t count)
{
    if (table->count != count) {
        blame(audit, NULL, "there are other names than the log has");
        return;
    }
    if (table->starts[0] != 0 || table->starts[count] != table->text_size) {
        blame(audit, table->starts, "names do not fill their text");
    }
    bp_text before = {NULL, 0};
    for (uint32_t at = 0; at < count; at++) {
        bp_text name = {NULL, 0};
        if (table->order[at] < count) {
            name = bpi_name_table_at(table, table->order[at]);
        }
        size_t least = name.size < before.size ? name.size : before.size;
        int order = least == 0 ? 0 : memcmp(before.data, name.data, least);
        if (name.size == 0 || (at > 0 && (order > 0 || (order == 0 && before.size >= name.size)))) {
            blame(audit, &table->order[at], "names are out of order");
            return;
        }
        before = name;
    }
}

void bpi_audit_end(bpi_audit *audit)
{
    const bpi_image *image = audit->image;
    if (audit->fault != NULL) {
        return;
    }
    if (image->header.system != audit->system) {
        blame(audit, NULL, "the number of system events is another");
    }
    audit_list(audit, &image->entities, BPI_ROW_ENTITY, false);
    audit_list(audit, &image->scopes, BPI_ROW_SCOPE, false);
    audit_list(audit, &image->kinds, BPI_ROW_KIND, true);
    audit_ids(audit);
    audit_pairs(audit, &image->correlations, audit->correlations, audit->correlation_sum, "a correlation is missing");
    audit_pairs(audit, &image->causes, audit->causes, audit->cause_sum, "a cause is missing");
    audit_names(audit, &image->entity_names, audit->entities);
    audit_names(audit, &image->scope_names, audit->scopes);
    if (bpi_pages_broken(image->pages)) {
        blame(audit, NULL, "the file contradicts itself");
    }
}
