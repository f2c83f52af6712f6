/*
 * get.c: one event, by id, by sequence, or the newest of a region.
 *
 * Holds: the event handed out has its view, so that it outlives the store; release takes both back.
 */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/handout.h"
#include "store/read.h"

/* What bp_event_release gets back: the event lies first. */
typedef struct got {
    bp_event event;
    const bp_allocator *allocator;
    bpi_view view;
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
        bpi_view_leave(&whole->view);
        bpi_release(whole->allocator, whole, sizeof *whole);
    }
}

bp_status bpi_store_dropped(const bp_event *event, bp_error *error)
{
    bpi_error_set(error, BP_ERR_DROPPED, "event %llu was dropped by retention", (unsigned long long)event->sequence);
    bpi_error_hint(error, "its place in the history stands; an older snapshot may hold it");
    bpi_error_entity(error, event->entity);
    if (error != NULL) {
        error->id = event->id;
        error->has_id = true;
        error->sequence = event->sequence;
        error->has_sequence = true;
    }
    return BP_ERR_DROPPED;
}

/* Reads the event and hands it out with the view; without success the view stays the caller's. */
static bp_status hand_out(bp_store *store, bpi_view *view, uint64_t sequence, const bp_event **event_out,
                          bp_error *error)
{
    const bp_allocator *allocator = bpi_store_allocator(store);
    got *whole = bpi_allocate(allocator, sizeof *whole);
    if (whole == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for an event");
    }
    bpi_handout_begin(&whole->handout, store, false);
    bp_status status = bpi_view_event(view, sequence, &whole->event, error);
    if (status == BP_OK && whole->event.dropped) {
        status = bpi_store_dropped(&whole->event, error);
    }
    if (status == BP_OK) {
        status = bpi_handout_event(&whole->handout, &whole->event, error);
    }
    if (status != BP_OK) {
        bpi_handout_end(&whole->handout);
        bpi_release(allocator, whole, sizeof *whole);
        return status;
    }
    whole->allocator = allocator;
    bpi_view_move(view, &whole->view);
    *event_out = &whole->event;
    return BP_OK;
}

/* Checks the store and looks for what is new. NULL: the error says why. */
static bpi_index *begin(bp_store *store, const bp_event **event_out, bp_error *error)
{
    if (event_out == NULL) {
        (void)bpi_error_set(error, BP_ERR_ARGUMENT, "event_out is NULL");
        return NULL;
    }
    *event_out = NULL;
    return bpi_store_read_begin(store, "get", error);
}

/* Asked for often: the words are put together without a format. */
static bp_status no_such_id(const bp_id *id, bp_error *error)
{
    static const char words[] = "no event with id ";
    char message[sizeof words - 1 + BP_ID_TEXT_SIZE];
    memcpy(message, words, sizeof words - 1);
    bp_id_print(id, message + sizeof words - 1);
    (void)bpi_error_words(error, BP_ERR_NOT_FOUND, message, sizeof message - 1);
    error->id = *id;
    error->has_id = true;
    return BP_ERR_NOT_FOUND;
}

bp_status bp_get(bp_store *store, const bp_id *id, const bp_event **event_out, bp_error *error)
{
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    bpi_view view;
    uint64_t sequence = 0;
    bpi_index *index = begin(store, event_out, told);
    if (index == NULL) {
        return told->status;
    }
    if (id == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "id is NULL");
    }
    bpi_view_take(index, &view);
    bp_status status = bpi_view_find_id(&view, id, &sequence, error);
    if (status == BP_OK) {
        status = hand_out(store, &view, sequence, event_out, error);
    } else if (status == BP_ERR_NOT_FOUND && error != NULL) {
        status = no_such_id(id, error);
    }
    bpi_view_leave(&view);
    return status;
}

bp_status bp_get_sequence(bp_store *store, uint64_t sequence, const bp_event **event_out, bp_error *error)
{
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    bpi_view view;
    bpi_index *index = begin(store, event_out, told);
    if (index == NULL) {
        return told->status;
    }
    bpi_view_take(index, &view);
    bp_status status = hand_out(store, &view, sequence, event_out, error);
    bpi_view_leave(&view);
    return status;
}

/* The sequence of the newest event of a region, in a view that a scan can hold. */
static bp_status find_newest(bpi_view *view, const bp_region *region, uint64_t *sequence_out, bp_error *error)
{
    bp_region taken;
    bpi_scan *scan = NULL;
    bp_query_options options;
    bp_query_options_init(&options);
    options.backward = true;
    options.limit = 1;
    bp_status status = bpi_region_take(region, &taken, error);
    if (status == BP_OK) {
        status = bpi_scan_begin(view, &taken, &options, &scan, error);
    }
    if (status == BP_OK) {
        bpi_scan_confirm(scan);
        status = bpi_scan_next(scan, sequence_out, NULL, error);
        bpi_scan_end(scan);
    }
    return status == BP_END ? bpi_error_set(error, BP_ERR_NOT_FOUND, "no event in this region") : status;
}

bp_status bp_newest(bp_store *store, const bp_region *region, const bp_event **event_out, bp_error *error)
{
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    uint64_t sequence = 0;
    bpi_index *index = begin(store, event_out, told);
    if (index == NULL) {
        return told->status;
    }
    bpi_view *pinned = bpi_view_pin(index);
    if (pinned == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    bp_status status = find_newest(pinned, region, &sequence, error);
    if (status == BP_OK) {
        bpi_view view;
        bpi_view_share(pinned, &view);
        status = hand_out(store, &view, sequence, event_out, error);
        bpi_view_leave(&view);
    }
    bpi_view_drop(pinned);
    return status;
}
