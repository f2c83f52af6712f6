/*
 * tombstone.c: burying events: what is meant, and the TOMBSTONE events that say so.
 *
 * Holds: one call at a time, from looking at what is tombstoned already until its commit is durable, so that an event is named by
 * one TOMBSTONE. The index learns of it where the commit is indexed, and nowhere else.
 */
#include <batpak/tombstone.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "base/plant.h"
#include "store/burial.h"
#include "store/erasure.h"
#include "store/naming.h"
#include "store/read.h"

typedef struct target {
    uint64_t sequence;
    bp_id id;
} target;

typedef struct burying {
    bp_store *store;
    bp_tombstone_options options;
    bp_tombstone_report *report;
    bpi_view *view;
    bpi_buffer targets; /* target: what is to be buried */
} burying;

void bp_tombstone_options_default(bp_tombstone_options *options, size_t size)
{
    bp_tombstone_options defaults = {.size = size};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

/* ---- what is meant ---- */

static bp_status too_many(bp_error *error)
{
    bpi_error_set(error, BP_ERR_TOO_LARGE, "more than %u events are to be tombstoned at once; nothing was",
                  BP_TOMBSTONE_MAX);
    bpi_error_hint(error, "take them in parts: narrow the region by sequence=A..B");
    return BP_ERR_TOO_LARGE;
}

static bp_status note(burying *b, const bp_event *event, bp_error *error)
{
    const target one = {event->sequence, event->id};
    if (event->tombstoned) {
        b->report->before++;
        return BP_OK;
    }
    if (b->report->found == BP_TOMBSTONE_MAX) {
        return too_many(error);
    }
    b->report->found++;
    return bpi_buffer_append(&b->targets, &one, sizeof one)
               ? BP_OK
               : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the events; nothing was tombstoned");
}

/* Each id must lead to an event that can be buried. */
static bp_status find_id(burying *b, const bp_id *id, bp_event *event_out, bp_error *error)
{
    uint64_t sequence = 0;
    char text[BP_ID_TEXT_SIZE];
    bp_id_print(id, text);
    bp_status status = bpi_view_find_id(b->view, id, &sequence, error);
    if (status == BP_OK) {
        status = bpi_view_event(b->view, sequence, event_out, error);
    }
    if (status == BP_ERR_NOT_FOUND) {
        bpi_error_set(error, BP_ERR_NOT_FOUND, "no event with id %s; nothing was tombstoned", text);
        bpi_error_hint(error, "leave it out, or look at it with batpak get");
    } else if (status == BP_OK && event_out->dropped) {
        status = bpi_store_dropped(event_out, error);
    } else if (status == BP_OK && bp_text_equal(event_out->entity, bp_text_of(BP_SYSTEM_ENTITY))) {
        status = bpi_error_set(error, BP_ERR_KIND, "event %s is the library's own and cannot be tombstoned", text);
    }
    return status;
}

static int compare_ids(const void *a, const void *b)
{
    return bp_id_compare(a, b);
}

/* Each once, however often it was given. */
static bp_status find_ids(burying *b, bp_error *error)
{
    size_t count = b->options.id_count;
    bp_id *ids = bpi_allocate_array(b->store->allocator, count, sizeof *ids);
    if (ids == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the ids");
    }
    memcpy(ids, b->options.ids, count * sizeof *ids);
    qsort(ids, count, sizeof *ids, compare_ids);
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && status == BP_OK; i++) {
        bp_event event;
        if (i > 0 && bp_id_equal(&ids[i], &ids[i - 1])) {
            continue;
        }
        status = find_id(b, &ids[i], &event, error);
        if (status == BP_OK) {
            status = note(b, &event, error);
        }
    }
    bpi_release(b->store->allocator, ids, count * sizeof *ids);
    return status;
}

static bp_status find_in_region(burying *b, bp_error *error)
{
    bpi_scan *scan = NULL;
    bp_event event;
    uint64_t sequence = 0;
    bp_status status = bpi_scan_begin(b->view, b->options.region, NULL, &scan, error);
    while (status == BP_OK) {
        status = bpi_scan_next(scan, &sequence, &event, error);
        if (status == BP_OK) {
            status = note(b, &event, error);
        }
    }
    bpi_scan_end(scan);
    return status == BP_END ? BP_OK : status;
}

static int compare(const void *a, const void *b)
{
    const target *left = a;
    const target *right = b;
    return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

static bp_status find(burying *b, bp_error *error)
{
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    bpi_index *index = bpi_store_read_begin(b->store, "tombstone", told);
    if (index == NULL) {
        return told->status;
    }
    b->view = bpi_view_pin(index);
    if (b->view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    bp_status status = b->options.region != NULL ? find_in_region(b, error) : find_ids(b, error);
    bpi_view_drop(b->view);
    if (b->targets.size != 0) {
        qsort(b->targets.data, b->targets.size / sizeof(target), sizeof(target), compare);
    }
    return status;
}

/* ---- putting it on record ---- */

typedef struct records {
    size_t count;
    bp_batch_item *items;
    bp_append_options *options;
    bp_kind_code *kinds;
    bp_id *ids;
    bpi_buffer payloads;
} records;

static void records_fini(records *r, const bp_allocator *allocator, size_t targets)
{
    bpi_release(allocator, r->items, r->count * sizeof *r->items);
    bpi_release(allocator, r->options, r->count * sizeof *r->options);
    bpi_release(allocator, r->kinds, r->count * sizeof *r->kinds);
    bpi_release(allocator, r->ids, targets * sizeof *r->ids);
    bpi_buffer_fini(&r->payloads);
}

/* One TOMBSTONE of the targets from `first` on; its payload lies at the end of the payloads, whose address is not final. */
static bool make_record(const burying *b, records *r, size_t i, size_t count)
{
    const target *targets = (const target *)(const void *)b->targets.data;
    size_t first = i * BPI_BURIAL_MAX;
    size_t start = r->payloads.size;
    bpi_burial burial = {.count = count - first < BPI_BURIAL_MAX ? count - first : BPI_BURIAL_MAX};
    for (size_t n = 0; n < burial.count; n++) {
        burial.sequences[n] = targets[first + n].sequence;
        r->ids[first + n] = targets[first + n].id;
    }
    bool good = bpi_burial_put(&r->payloads, &burial, bp_text_of(b->options.reason), bp_text_of(b->options.by));
    bp_append_options_init(&r->options[i]);
    r->options[i].causes = r->ids + first;
    r->options[i].cause_count = burial.count;
    r->kinds[i] = BP_KIND_TOMBSTONE;
    r->items[i] = (bp_batch_item){.at = bp_at(BP_SYSTEM_ENTITY, BP_SYSTEM_SCOPE),
                                  .kind = BP_KIND_TOMBSTONE,
                                  .payload = bp_payload_versioned(bp_json_bytes(NULL, r->payloads.size - start), 1),
                                  .options = &r->options[i]};
    return good;
}

static bool make_records(const burying *b, records *r, size_t count)
{
    const bp_allocator *allocator = b->store->allocator;
    r->items = bpi_allocate_array(allocator, r->count, sizeof *r->items);
    r->options = bpi_allocate_array(allocator, r->count, sizeof *r->options);
    r->kinds = bpi_allocate_array(allocator, r->count, sizeof *r->kinds);
    r->ids = bpi_allocate_array(allocator, count, sizeof *r->ids);
    bool good = r->items != NULL && r->options != NULL && r->kinds != NULL && r->ids != NULL;
    for (size_t i = 0; good && i < r->count; i++) {
        good = make_record(b, r, i, count);
    }
    const uint8_t *payload = r->payloads.data;
    for (size_t i = 0; good && i < r->count; i++) {
        r->items[i].payload.data = payload;
        payload += r->items[i].payload.size;
    }
    return good;
}

static bp_status put_on_record(burying *b, bp_error *error)
{
    size_t count = b->targets.size / sizeof(target);
    records r = {.count = (count + BPI_BURIAL_MAX - 1) / BPI_BURIAL_MAX};
    bpi_buffer_init(&r.payloads, b->store->allocator);
    bp_status status = make_records(b, &r, count)
                           ? BP_OK
                           : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a tombstone; nothing was done");
    if (status == BP_OK) {
        bpi_request request = {.items = r.items,
                               .count = r.count,
                               .lead = r.count,
                               .kinds = r.kinds,
                               .now_us = bpi_store_now_us(b->store),
                               .first_out = &b->report->sequence};
        bp_durability durability = bpi_planted(BPI_PLANT_TOMBSTONE_UNSYNCED) ? BP_BUFFERED : BP_DURABLE;
        status = bpi_store_run(b->store, &request, durability, NULL, error);
    }
    if (status == BP_OK) {
        b->report->buried = count;
        b->report->records = r.count;
    }
    records_fini(&r, b->store->allocator, count);
    return status;
}

/* ---- arguments ---- */

static bp_status take_options(burying *b, const bp_tombstone_options *given, bp_region *region, bp_error *error)
{
    bp_tombstone_options *options = &b->options;
    bp_tombstone_options_init(options);
    bp_status status =
        bpi_options_take(given, sizeof *options, options, sizeof *options, "bp_tombstone_options", error);
    if (status != BP_OK) {
        return status;
    }
    if ((options->id_count != 0) == (options->region != NULL)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "tombstones are for ids or for a region: one of them");
    }
    if (options->id_count != 0 && options->ids == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_tombstone_options: ids is NULL");
    }
    if (options->id_count > BP_TOMBSTONE_MAX) {
        return too_many(error);
    }
    if (options->region != NULL) {
        status = bpi_region_take(options->region, region, error);
        bp_region_set_system(region, false);
        options->region = region;
    }
    return status == BP_OK && !options->plan_only ? bpi_reason_check("a tombstone", options->reason, options->by, error)
                                                  : status;
}

static bp_status bury(burying *b, bp_error *error)
{
    (void)pthread_mutex_lock(&b->store->burying);
    bp_status status = find(b, error);
    if (status == BP_OK && b->report->found != 0 && !b->options.plan_only) {
        status = put_on_record(b, error);
    } else if (status == BP_OK && b->report->before != 0 && !b->options.plan_only) {
        status = bpi_log_sync(&b->store->log, error); /* who buried them may have had a sync that failed */
    }
    (void)pthread_mutex_unlock(&b->store->burying);
    return status;
}

bp_status bp_tombstone(bp_store *store, const bp_tombstone_options *options, bp_tombstone_report *report_out,
                       bp_error *error)
{
    bp_tombstone_report report = {.sequence = BP_NONE};
    burying b = {.store = store, .report = &report};
    bp_region region;
    bp_status status = bpi_store_check_writer(store, error);
    if (status == BP_OK) {
        status = take_options(&b, options, &region, error);
    }
    if (status == BP_OK) {
        bpi_buffer_init(&b.targets, store->allocator);
        status = bury(&b, error);
        bpi_buffer_fini(&b.targets);
    }
    if (report_out != NULL) {
        *report_out = report;
    }
    if (status == BP_OK) {
        bpi_store_flow(store, "tombstone", report.buried);
    }
    return status;
}
