/*
 * audit.c: an image held against events.
 *
 * Holds: what is counted and each found, with all entries different, is all there is. So pairs are looked up for each
 * event and counted; lists are proven from the columns, which were compared before.
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

static bool has_pair(const bpi_pairs *pairs, uint32_t key, uint32_t row)
{
    return bpi_pairs_span(pairs, key, row, row + 1).count == 1;
}

static void audit_id(bpi_audit *audit, const bp_event *event, uint32_t row)
{
    const bpi_image *image = audit->image;
    uint32_t at = 0;
    uint32_t end = 0;
    bpi_wanted wanted;
    bpi_wanted_init(&wanted, &event->id, bpi_fingerprint(&event->id, image->header.key));
    if (!bpi_id_range_has(&image->header.ids, &wanted)) {
        blame(audit, NULL, "the range of ids leaves one out");
    }
    if (!bpi_image_may_have(image, &wanted)) {
        blame(audit, image->filter, "the filter of ids leaves one out");
    }
    bpi_hashed_bucket(&image->ids, wanted.fingerprint, &at, &end);
    for (; at < end; at++) {
        bpi_pair pair = bpi_pair_at(&image->ids.pairs, at);
        if (pair.key == wanted.fingerprint && pair.row == row) {
            return;
        }
    }
    blame(audit, image->ids.pairs.pairs, "an id is missing");
}

static void audit_causes(bpi_audit *audit, const bp_event *event, uint32_t row)
{
    const bpi_image *image = audit->image;
    for (size_t i = 0; i < event->cause_count; i++) {
        uint32_t key = bpi_cause_key(bpi_fingerprint(&event->causes[i], image->header.key));
        bool again = false;
        for (size_t j = 0; j < i && !again; j++) {
            again = bpi_cause_key(bpi_fingerprint(&event->causes[j], image->header.key)) == key;
        }
        if (!again) {
            audit->causes++;
            if (!has_pair(&image->causes, key, row)) {
                blame(audit, image->causes.pairs, "a cause is missing");
            }
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
    const bp_event *event = next->event;
    const bpi_image *image = audit->image;
    bpi_fields want;
    bpi_fields have;
    bpi_row as = {.id = event->id,
                  .correlation = event->correlation,
                  .causes = event->causes,
                  .cause_count = event->cause_count,
                  .clock = event->clock,
                  .hlc = event->hlc,
                  .time_us = event->time_us,
                  .previous = next->previous,
                  .offset = (uint32_t)event->position,
                  .lane = event->lane,
                  .kind = event->kind,
                  .first_of_commit = event->batch == event->sequence};
    bpi_fields_of(&want, event->sequence, image->header.key, &next->numbers, &as);
    bpi_rows_get(image->rows, row, &have);
    if (have.hlc != want.hlc || have.time_us != want.time_us || have.distance != want.distance ||
        have.clock != want.clock || have.offset != want.offset || have.entity != want.entity ||
        have.scope != want.scope || have.correlation != want.correlation || have.cause != want.cause ||
        have.kind != want.kind || have.bits != want.bits) {
        blame(audit, bpi_rows_at(image->rows, row, BPI_ROW_OFFSET, 4), "a row is not what the log says");
    }
    const _Atomic uint64_t *word = bpi_rows_firsts(image->rows, row);
    if ((atomic_load_explicit(word, memory_order_relaxed) >> (row & 63) & 1) != (uint64_t)as.first_of_commit) {
        blame(audit, (const void *)word, "the beginnings of commits are not what the log says");
    }
    if (!bpi_rows_overlap(image->rows, row, event->time_us, event->time_us)) {
        blame(audit, &image->rows->zones[row >> BPI_CHUNK_SHIFT], "the times of a run of rows leave one out");
    }
    if ((want.bits & BPI_ROW_CORRELATED) != 0) {
        audit->correlations++;
        if (!has_pair(&image->correlations, want.correlation, row)) {
            blame(audit, image->correlations.pairs, "a correlation is missing");
        }
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
    audit_id(audit, next->event, row);
    audit_causes(audit, next->event, row);
    if (next->entity_new) {
        audit_name(audit, &image->entity_names, next->event->entity, next->numbers.entity);
    }
    if (next->scope_new) {
        audit_name(audit, &image->scope_names, next->event->scope, next->numbers.scope);
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

static void audit_pairs(bpi_audit *audit, const bpi_pairs *pairs, uint64_t count)
{
    if (pairs->count != count) {
        blame(audit, pairs->pairs, "there are more pairs than the log has");
    }
    for (uint32_t at = 1; at < pairs->count; at++) {
        bpi_pair a = bpi_pair_at(pairs, at - 1);
        bpi_pair b = bpi_pair_at(pairs, at);
        if (a.key > b.key || (a.key == b.key && a.row >= b.row)) {
            blame(audit, &pairs->pairs[at], "pairs are out of order");
        }
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
    audit_pairs(audit, &image->correlations, audit->correlations);
    audit_pairs(audit, &image->causes, audit->causes);
    audit_names(audit, &image->entity_names, audit->entities);
    audit_names(audit, &image->scope_names, audit->scopes);
    if (bpi_pages_broken(image->pages)) {
        blame(audit, NULL, "the file contradicts itself");
    }
}
