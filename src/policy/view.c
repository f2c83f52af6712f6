/*
 * view.c: what a bound gate sees.
 *
 * Holds: the commit lock is held, so that everything committed is what there is; earlier items of the same commit count as
 * if they were there already.
 */
#include "policy/bind.h"

#include "base/assert.h"
#include "store/handout.h"
#include "store/read.h"

void bpi_commit_view_item(const bp_commit_view *view, size_t index, bp_event *event_out)
{
    const bpi_staged *staged = &view->scratch->items[index];
    bpi_staged_event(staged, staged->input.causes, event_out);
    event_out->sequence = view->store->log.next_sequence + index;
    event_out->clock = staged->assigned.clock;
    event_out->time_us = staged->has_time ? staged->time_us : view->now_us;
    event_out->batch = view->store->log.next_sequence;
    event_out->batch_count = (uint32_t)view->count;
}

const bp_event *bp_commit_event(const bp_commit_view *view)
{
    return &view->event;
}

bp_expectation bp_commit_expectation(const bp_commit_view *view)
{
    return view->scratch->items[view->index].expect;
}

size_t bp_commit_count(const bp_commit_view *view)
{
    return view->count - view->lead;
}

size_t bp_commit_index(const bp_commit_view *view)
{
    return view->index - view->lead;
}

bool bp_commit_item(const bp_commit_view *view, size_t index, bp_event *event_out, bp_expectation *expectation_out)
{
    if (index >= view->count - view->lead) {
        return false;
    }
    if (event_out != NULL) {
        bpi_commit_view_item(view, view->lead + index, event_out);
    }
    if (expectation_out != NULL) {
        *expectation_out = view->scratch->items[view->lead + index].expect;
    }
    return true;
}

int64_t bp_commit_time_us(const bp_commit_view *view)
{
    return view->now_us;
}

bp_hlc bp_commit_hlc(const bp_commit_view *view)
{
    return bpi_commit_next_hlc(view->store->log.last_hlc, view->now_us);
}

/* What is committed, newest first. */
static bp_status visit_log(const bp_commit_view *view, const bp_region *region, uint64_t limit,
                           bp_commit_visit_fn visit, void *argument, uint64_t *count)
{
    bpi_scan *scan = NULL;
    bp_event event;
    uint64_t sequence = 0;
    bp_query_options options;
    bp_query_options_init(&options);
    options.backward = true;
    options.limit = limit - *count;
    bpi_view *pinned = bpi_view_pin(view->store->index);
    if (pinned == NULL) {
        return BP_ERR_NO_MEMORY;
    }
    BPI_ASSERT(bpi_view_end(pinned) == view->store->log.next_sequence);
    bp_status status = bpi_scan_begin(pinned, region, &options, &scan, NULL);
    bpi_view_drop(pinned);
    bpi_handout handout;
    bpi_handout_begin_plain(&handout, view->store);
    if (status == BP_OK) {
        bpi_scan_confirm(scan);
    }
    while (status == BP_OK) {
        status = bpi_scan_next(scan, &sequence, visit != NULL ? &event : NULL, NULL);
        if (status == BP_OK && visit != NULL) {
            status = bpi_handout_event(&handout, &event, NULL);
        }
        if (status == BP_OK) {
            (*count)++;
            status = visit != NULL && visit(argument, &event) != 0 ? BP_END : BP_OK;
        }
    }
    bpi_handout_end(&handout);
    bpi_scan_end(scan);
    return status == BP_END ? BP_OK : status;
}

/* The events of an entity that is not in memory lie in sealed blocks, if there are any. */
static bp_status committed_head(const bp_commit_view *view, bp_text name, const bpi_entity *known, bp_head *head)
{
    bpi_head sealed;
    bp_status status = known == NULL ? bpi_index_sealed_head(view->store->index, name, &sealed, NULL) : BP_OK;
    const bpi_head *last = known == NULL ? &sealed : &known->head;
    if (status == BP_ERR_NOT_FOUND || (status == BP_OK && last->events == 0)) {
        return BP_OK;
    }
    if (status == BP_OK) {
        head->events = last->events;
        head->sequence = last->last;
        status = bpi_index_kind(view->store->index, last->last, &head->kind, NULL);
    }
    return status;
}

bp_status bp_commit_head(const bp_commit_view *view, bp_text entity, bp_head *head_out)
{
    const bpi_staged *staged = &view->scratch->items[view->index];
    *head_out = (bp_head){.sequence = BP_NONE, .kind = BP_KIND_DATA};
    const bpi_entity *known = bp_text_equal(entity, staged->input.entity)
                                  ? staged->entity
                                  : bpi_index_find_entity(view->store->index, entity);
    bp_status status = committed_head(view, entity, known, head_out);
    for (size_t i = view->lead; i < view->index && known != NULL; i++) {
        if (view->scratch->items[i].entity == known) {
            head_out->events++;
            head_out->sequence = view->store->log.next_sequence + i;
            head_out->kind = view->scratch->items[i].input.kind;
            head_out->of_this_batch = true;
        }
    }
    return status == BP_ERR_DROPPED && head_out->of_this_batch ? BP_OK : status;
}

bool bp_commit_find(const bp_commit_view *view, const bp_id *id, bp_event *event_out)
{
    uint64_t sequence = 0;
    for (size_t i = view->lead; i < view->index; i++) {
        if (bp_id_equal(&view->scratch->items[i].input.id, id)) {
            bpi_commit_view_item(view, i, event_out);
            return true;
        }
    }
    return bpi_index_find_id(view->store->index, id, &sequence, NULL) == BP_OK &&
           bpi_commit_event(view->store, sequence, event_out, NULL) == BP_OK && !event_out->dropped;
}

/* Earlier items, newest first. True: enough were seen. */
static bool visit_items(const bp_commit_view *view, const bp_region *region, uint64_t limit, bp_commit_visit_fn visit,
                        void *argument, uint64_t *count)
{
    for (size_t i = view->index; i-- > view->lead;) {
        bp_event event;
        bpi_commit_view_item(view, i, &event);
        event.hlc = bp_commit_hlc(view); /* at the least: it is of now for a range of committed times */
        if (!bp_region_matches(region, &event)) {
            continue;
        }
        (*count)++;
        if ((visit != NULL && visit(argument, &event) != 0) || *count == limit) {
            return true;
        }
    }
    return false;
}

bp_status bp_commit_query(const bp_commit_view *view, const bp_region *region, uint64_t limit, bp_commit_visit_fn visit,
                          void *argument, uint64_t *count_out)
{
    bp_region taken;
    uint64_t own = 0;
    uint64_t *count = count_out != NULL ? count_out : &own;
    *count = 0;
    if (view == NULL || limit == 0 || limit > BP_COMMIT_QUERY_MAX) {
        return BP_ERR_ARGUMENT;
    }
    bp_status status = bpi_region_take(region, &taken, NULL);
    if (status != BP_OK || visit_items(view, &taken, limit, visit, argument, count)) {
        return status;
    }
    return visit_log(view, &taken, limit, visit, argument, count);
}
