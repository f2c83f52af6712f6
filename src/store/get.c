/*
 * get.c: one event, by id, by sequence, or the newest of a region.
 *
 * Holds: the event handed out has its view, so that it outlives the store; release takes both back.
 */
#include <inttypes.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/handout.h"
#include "store/read.h"

/* What bp_event_release gets back: the event lies first. */
typedef struct got {
    bp_event event;
    const bp_allocator *allocator;
    bpi_view *view;
    bpi_handout handout;
} got;

void bp_event_release(const bp_event *event)
{
    union {
        const bp_event *event;
        got *whole;
    } handed = {.event = event};
    if (event != NULL) {
        got *whole = handed.whole;
        bpi_handout_end(&whole->handout);
        bpi_view_drop(whole->view);
        bpi_release(whole->allocator, whole, sizeof *whole);
    }
}

/* Reads the event and hands it out with the view, which is dropped when that fails. */
static bp_status hand_out(bp_store *store, bpi_view *view, uint64_t sequence, const bp_event **event_out,
                          bp_error *error)
{
    const bp_allocator *allocator = bpi_store_allocator(store);
    got *whole = bpi_allocate(allocator, sizeof *whole);
    if (whole == NULL) {
        bpi_view_drop(view);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for an event");
    }
    bpi_handout_begin(&whole->handout, store, false);
    bp_status status = bpi_view_event(view, sequence, &whole->event, error);
    if (status == BP_OK) {
        status = bpi_handout_event(&whole->handout, &whole->event, error);
    }
    if (status != BP_OK) {
        bpi_handout_end(&whole->handout);
        bpi_release(allocator, whole, sizeof *whole);
        bpi_view_drop(view);
        return status;
    }
    whole->allocator = allocator;
    whole->view = view;
    *event_out = &whole->event;
    return BP_OK;
}

static bp_status pin(bp_store *store, const bp_event **event_out, bpi_view **view_out, bp_error *error)
{
    if (event_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "event_out is NULL");
    }
    *event_out = NULL;
    bp_error own;
    bpi_index *index = bpi_store_read_begin(store, "get", error != NULL ? error : &own);
    if (index == NULL) {
        return error != NULL ? error->status : own.status;
    }
    *view_out = bpi_view_pin(index);
    return *view_out == NULL ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view") : BP_OK;
}

bp_status bp_get(bp_store *store, const bp_id *id, const bp_event **event_out, bp_error *error)
{
    bpi_view *view = NULL;
    uint64_t sequence = 0;
    bp_status status = pin(store, event_out, &view, error);
    if (status != BP_OK) {
        return status;
    }
    if (id == NULL) {
        bpi_view_drop(view);
        return bpi_error_set(error, BP_ERR_ARGUMENT, "id is NULL");
    }
    status = bpi_view_find_id(view, id, &sequence, error);
    if (status != BP_OK && status != BP_ERR_NOT_FOUND) {
        bpi_view_drop(view);
        return status;
    }
    if (status == BP_ERR_NOT_FOUND) {
        char text[BP_ID_TEXT_SIZE];
        bpi_view_drop(view);
        if (error != NULL) {
            bp_id_print(id, text);
            (void)bpi_error_set(error, BP_ERR_NOT_FOUND, "no event with id %s", text);
            error->id = *id;
            error->has_id = true;
        }
        return BP_ERR_NOT_FOUND;
    }
    return hand_out(store, view, sequence, event_out, error);
}

bp_status bp_get_sequence(bp_store *store, uint64_t sequence, const bp_event **event_out, bp_error *error)
{
    bpi_view *view = NULL;
    bp_status status = pin(store, event_out, &view, error);
    return status != BP_OK ? status : hand_out(store, view, sequence, event_out, error);
}

bp_status bp_newest(bp_store *store, const bp_region *region, const bp_event **event_out, bp_error *error)
{
    bp_region taken;
    bpi_view *view = NULL;
    bpi_scan *scan = NULL;
    uint64_t sequence = 0;
    bp_query_options options;
    bp_query_options_init(&options);
    options.backward = true;
    options.limit = 1;
    bp_status status = pin(store, event_out, &view, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_region_take(region, &taken, error);
    if (status == BP_OK) {
        status = bpi_scan_begin(view, &taken, &options, &scan, error);
    }
    if (status == BP_OK) {
        status = bpi_scan_next(scan, &sequence, NULL, error);
        bpi_scan_end(scan);
    }
    if (status == BP_END) {
        status = bpi_error_set(error, BP_ERR_NOT_FOUND, "no event in this region");
    }
    if (status != BP_OK) {
        bpi_view_drop(view);
        return status;
    }
    return hand_out(store, view, sequence, event_out, error);
}
