/*
 * fold.c: from events to states.
 *
 * Holds: an item's state has exactly the relevant events of the region in [0, from) when the pass begins, and all of the
 * view when it ends, in sequence order, each once.
 */
#include "projection/fold.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "projection/recall.h"
#include "store/read.h"

/* ---- beginning and ending ---- */

/* The region up to the moment that is asked for. */
static void narrow(bpi_fold *fold)
{
    const bp_project_options *options = &fold->options;
    bp_region *region = &fold->region;
    if (options->as_of == BP_AS_OF_SEQUENCE) {
        uint64_t least = region->fields & BP_REGION_SEQUENCE ? region->sequence_min : 0;
        uint64_t greatest = region->fields & BP_REGION_SEQUENCE ? region->sequence_max : UINT64_MAX;
        bp_region_set_sequence(region, least, greatest < options->as_of_sequence ? greatest : options->as_of_sequence);
    }
    if (options->as_of == BP_AS_OF_COMMITTED) {
        bp_hlc least = region->fields & BP_REGION_COMMITTED ? region->committed_min : 0;
        bp_hlc greatest = region->fields & BP_REGION_COMMITTED ? region->committed_max : UINT64_MAX;
        bp_region_set_committed(region, least,
                                greatest < options->as_of_committed ? greatest : options->as_of_committed);
    }
}

bp_status bpi_fold_begin(bpi_fold *fold, bp_store *store, const bp_region *region, const bp_project_options *options,
                         bpi_fold_item *items, size_t count)
{
    memset(fold, 0, offsetof(bpi_fold, error));
    fold->error.status = BP_OK;
    fold->error.message[0] = '\0';
    fold->store = store;
    fold->asked = region;
    fold->region = *region;
    fold->options = *options;
    fold->items = items;
    fold->count = count;
    fold->last = BP_NONE;
    narrow(fold);
    for (size_t i = 0; i < count; i++) {
        *items[i].result = (bp_projected){.changed = true};
        items[i].owner.projection = items[i].projection;
        bpi_output_init(&items[i].value, bp_allocator_system());
    }
    bpi_index *index = bpi_store_read_begin(store, "project", &fold->error);
    if (index == NULL) {
        return fold->error.status;
    }
    for (size_t i = 0; i < count; i++) {
        bpi_output_init(&items[i].value, store->allocator);
    }
    const bp_clock *clock = store->options.clock;
    fold->begun_us = options->cache == NULL ? 0 : clock->now_us(clock->context);
    fold->erasures = atomic_load(&store->erasures);
    if (fold->erasures % 2 != 0) {
        fold->options.cache = NULL; /* it is being emptied */
    }
    fold->view = bpi_view_pin(index);
    if (fold->view == NULL) {
        return bpi_error_set(&fold->error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    fold->end = bpi_view_end(fold->view);
    return BP_OK;
}

void bpi_fold_end(bpi_fold *fold)
{
    for (size_t i = 0; i < fold->count; i++) {
        bpi_output_fini(&fold->items[i].value);
    }
    if (fold->view != NULL) {
        bpi_view_drop(fold->view);
    }
}

/* ---- positions ---- */

bp_status bpi_fold_check(bpi_fold *fold, const bp_position *position)
{
    bp_event event;
    if (position->next == 0) {
        return BP_OK;
    }
    if (position->next > fold->end) {
        return BP_ERR_DIVERGED;
    }
    bp_status status = bpi_view_event(fold->view, position->next - 1, &event, &fold->error);
    return status == BP_OK && !bp_hash_equal(&event.event_hash, &position->event_hash) ? BP_ERR_DIVERGED : status;
}

bp_status bpi_fold_position(bpi_fold *fold, bp_position *position_out)
{
    bp_event event;
    *position_out = (bp_position){0};
    if (fold->end == 0) {
        return BP_OK;
    }
    bp_status status = bpi_view_event(fold->view, fold->end - 1, &event, &fold->error);
    if (status == BP_OK) {
        position_out->next = fold->end;
        position_out->epoch = bp_store_frontiers(fold->store).epoch;
        position_out->event_hash = event.event_hash;
    }
    return status;
}

/* Where a pass stands when it is over: behind the view, or, of a moment of the past, behind the last event applied. */
static bp_status final_position(bpi_fold *fold, bp_position *position_out)
{
    if (fold->options.as_of == BP_AS_OF_NOW && bpi_fold_position(fold, position_out) == BP_OK) {
        return BP_OK;
    }
    /* An event that is not of this region may be damaged without concern to it. */
    *position_out = (bp_position){0};
    for (size_t i = 0; i < fold->count; i++) {
        if (fold->items[i].result->position.next > position_out->next) {
            *position_out = fold->items[i].result->position;
        }
    }
    if (fold->last != BP_NONE && fold->last + 1 > position_out->next) {
        position_out->next = fold->last + 1;
        position_out->epoch = bp_store_frontiers(fold->store).epoch;
        position_out->event_hash = fold->last_hash;
    }
    return BP_OK;
}

/* ---- reading ---- */

static bp_status begin_scan(bpi_fold *fold, const bp_kind_code *kinds, size_t kind_count, uint64_t from,
                            bpi_scan **scan_out)
{
    bp_query_options options;
    bp_query_options_init(&options);
    options.resume = from > 0;
    options.resume_after = from - 1;
    options.kinds = kinds;
    options.kind_count = kind_count;
    return bpi_scan_begin(fold->view, &fold->region, &options, scan_out, &fold->error);
}

bp_status bpi_fold_news(bpi_fold *fold, const bpi_fold_item *item, uint64_t next)
{
    bpi_scan *scan = NULL;
    uint64_t sequence = 0;
    if (next >= fold->end) {
        return BP_END;
    }
    bp_status status = begin_scan(fold, item->projection->kinds, item->projection->kind_count, next, &scan);
    if (status == BP_OK) {
        status = bpi_scan_next(scan, &sequence, NULL, &fold->error);
        bpi_scan_end(scan);
    }
    return status;
}

/* ---- applying ---- */

static bool relevant(const bp_projection *projection, bp_kind_code kind)
{
    for (size_t i = 0; i < projection->kind_count; i++) {
        if (projection->kinds[i] == kind) {
            return true;
        }
    }
    return projection->kind_count == 0;
}

static bp_status make_first(bpi_fold *fold, bpi_fold_item *item)
{
    const bp_projection *projection = item->projection;
    if (projection->init == NULL) {
        memset(item->state, 0, projection->state_size);
    } else {
        bp_status status = projection->init(projection->context, item->state, &fold->error);
        status = bpi_error_callback(&fold->error, status, "init");
        if (status != BP_OK) {
            return bpi_error_wrap(&fold->error, status, "projection %s", projection->type);
        }
    }
    item->made = true;
    return BP_OK;
}

static bp_status apply(bpi_fold *fold, bpi_fold_item *item, const bp_event *event)
{
    const bp_projection *projection = item->projection;
    if (BPI_UNLIKELY(!item->made)) {
        bp_status status = make_first(fold, item);
        if (status != BP_OK) {
            return status;
        }
    }
    bp_status status = projection->apply(projection->context, item->state, event, &fold->error);
    if (BPI_UNLIKELY(status != BP_OK)) {
        status = bpi_error_callback(&fold->error, status, "apply");
        bpi_error_wrap(&fold->error, status, "projection %s, event %" PRIu64, projection->type, event->sequence);
        bpi_error_entity(&fold->error, event->entity);
        fold->error.sequence = event->sequence;
        fold->error.has_sequence = true;
        return status;
    }
    item->result->applied++;
    return BP_OK;
}

/* One item alone: the index has sorted out what is relevant. */
static bp_status pass_one(bpi_fold *fold, bpi_scan *scan, bpi_handout *handout)
{
    bpi_fold_item *item = &fold->items[0];
    bp_event event;
    for (;;) {
        uint64_t sequence = 0;
        bp_status status = bpi_scan_next(scan, &sequence, &event, &fold->error);
        if (status == BP_OK) {
            status = bpi_handout_event(handout, &event, &fold->error);
        }
        if (status == BP_OK) {
            status = apply(fold, item, &event);
        }
        if (BPI_UNLIKELY(status != BP_OK)) {
            return status;
        }
        fold->last = sequence;
        fold->last_hash = event.event_hash; /* at the end `event` may be one that is not of the region */
    }
}

static bp_status pass_many(bpi_fold *fold, bpi_scan *scan, bpi_handout *handout)
{
    bp_event event;
    for (;;) {
        uint64_t sequence = 0;
        bp_status status = bpi_scan_next(scan, &sequence, &event, &fold->error);
        if (status == BP_OK) {
            status = bpi_handout_event(handout, &event, &fold->error);
        }
        for (size_t i = 0; status == BP_OK && i < fold->count; i++) {
            bpi_fold_item *item = &fold->items[i];
            if (!item->done && sequence >= item->from && relevant(item->projection, event.kind)) {
                status = apply(fold, item, &event);
                fold->last = sequence;
                fold->last_hash = event.event_hash;
            }
        }
        if (status != BP_OK) {
            return status;
        }
    }
}

/* The kinds that any item wants, in one array; *count_out 0 with BP_OK: all. */
static bp_status join_kinds(bpi_fold *fold, bp_kind_code **kinds_out, size_t *count_out)
{
    size_t count = 0;
    *kinds_out = NULL;
    *count_out = 0;
    for (size_t i = 0; i < fold->count; i++) {
        const bpi_fold_item *item = &fold->items[i];
        if (!item->done && item->projection->kind_count == 0) {
            return BP_OK;
        }
        count += item->done ? 0 : item->projection->kind_count;
    }
    bp_kind_code *kinds = bpi_allocate_array(fold->store->allocator, count, sizeof *kinds);
    if (kinds == NULL) {
        return bpi_error_set(&fold->error, BP_ERR_NO_MEMORY, "no memory for the kinds of a projection");
    }
    for (size_t i = 0; i < fold->count; i++) {
        const bpi_fold_item *item = &fold->items[i];
        for (size_t k = 0; !item->done && k < item->projection->kind_count; k++) {
            kinds[(*count_out)++] = item->projection->kinds[k];
        }
    }
    *kinds_out = kinds;
    return BP_OK;
}

/* Reads what is left for any item, once. */
static bp_status pass(bpi_fold *fold)
{
    uint64_t from = UINT64_MAX;
    for (size_t i = 0; i < fold->count; i++) {
        if (!fold->items[i].done && fold->items[i].from < from) {
            from = fold->items[i].from;
        }
    }
    if (from == UINT64_MAX || from >= fold->end) {
        return BP_OK;
    }
    bpi_scan *scan = NULL;
    bp_kind_code *kinds = NULL;
    size_t count = 0;
    bp_status status = join_kinds(fold, &kinds, &count);
    if (status == BP_OK) {
        status = begin_scan(fold, kinds, count, from, &scan);
    }
    bpi_release(fold->store->allocator, kinds, count * sizeof *kinds);
    if (status != BP_OK) {
        return status;
    }
    bpi_handout handout;
    bpi_handout_begin(&handout, fold->store, false);
    status = fold->count == 1 ? pass_one(fold, scan, &handout) : pass_many(fold, scan, &handout);
    bpi_handout_end(&handout);
    bpi_scan_end(scan);
    return status == BP_END ? BP_OK : status;
}

static void unmake(bpi_fold *fold)
{
    for (size_t i = 0; i < fold->count; i++) {
        bpi_fold_item *item = &fold->items[i];
        if (item->made && item->projection->fini != NULL) {
            item->projection->fini(item->projection->context, item->state);
        }
        item->made = false;
        item->result->present = false;
    }
}

bp_status bpi_fold_run(bpi_fold *fold)
{
    bp_status status = BP_OK;
    bp_position position;
    for (size_t i = 0; status == BP_OK && fold->options.cache != NULL && i < fold->count; i++) {
        status = bpi_recall(fold, &fold->items[i]);
    }
    if (status == BP_OK) {
        status = pass(fold);
    }
    if (status == BP_OK) {
        status = final_position(fold, &position);
    }
    if (status != BP_OK) {
        unmake(fold);
        return status;
    }
    for (size_t i = 0; i < fold->count; i++) {
        bpi_fold_item *item = &fold->items[i];
        item->result->present = item->made;
        item->result->cached = item->cached;
        if (!item->stale) {
            item->result->position = position;
        }
        if (fold->options.cache != NULL && fold->options.as_of == BP_AS_OF_NOW) {
            bpi_recall_put(fold, item, &position);
        }
    }
    return BP_OK;
}
