/*
 * query.c: iterators over regions, and counting.
 *
 * Holds: an iterator pins what it reads; the store may be closed before it.
 */
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/handout.h"
#include "store/read.h"

struct bp_iterator {
    const bp_allocator *allocator;
    bpi_scan *scan;
    bpi_handout handout;
    uint32_t epoch; /* of the store when the query began */
    bp_event event; /* the one handed out last */
};

void bp_query_options_default(bp_query_options *options, size_t size)
{
    bp_query_options defaults = {.size = size};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

/* Begins a scan of a caller's region. stored_out may be NULL. */
static bp_status begin(bp_store *store, const bp_region *region, const bp_query_options *options, bpi_scan **scan_out,
                       bool *stored_out, bp_error *error)
{
    bp_region taken_region;
    bp_query_options taken_options;
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    bp_query_options_init(&taken_options);
    bpi_index *index = bpi_store_read_begin(store, "query", told);
    if (index == NULL) {
        return told->status;
    }
    bp_status status = bpi_region_take(region, &taken_region, error);
    if (status == BP_OK) {
        status = bpi_options_take(options, offsetof(bp_query_options, kinds), &taken_options, sizeof taken_options,
                                  "bp_query_options", error);
    }
    if (status == BP_OK && taken_options.kinds == NULL && taken_options.kind_count > 0) {
        status = bpi_error_set(error, BP_ERR_ARGUMENT, "bp_query_options: kinds is NULL");
    }
    if (status != BP_OK) {
        return status;
    }
    if (stored_out != NULL) {
        *stored_out = taken_options.stored;
    }
    bpi_view *view = bpi_view_pin(index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    status = bpi_scan_begin(view, &taken_region, &taken_options, scan_out, error);
    bpi_view_drop(view);
    return status;
}

bp_status bp_query(bp_store *store, const bp_region *region, const bp_query_options *options,
                   bp_iterator **iterator_out, bp_error *error)
{
    bpi_scan *scan = NULL;
    if (iterator_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "iterator_out is NULL");
    }
    *iterator_out = NULL;
    bool stored = false;
    bp_status status = begin(store, region, options, &scan, &stored, error);
    if (status != BP_OK) {
        return status;
    }
    const bp_allocator *allocator = bpi_store_allocator(store);
    bp_iterator *iterator = bpi_allocate(allocator, sizeof *iterator);
    if (iterator == NULL) {
        bpi_scan_end(scan);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a query");
    }
    iterator->allocator = allocator;
    iterator->scan = scan;
    bpi_handout_begin(&iterator->handout, store, stored);
    iterator->epoch = bp_store_frontiers(store).epoch;
    *iterator_out = iterator;
    return BP_OK;
}

bp_status bp_stream(bp_store *store, const char *entity, const bp_query_options *options, bp_iterator **iterator_out,
                    bp_error *error)
{
    if (iterator_out != NULL) {
        *iterator_out = NULL;
    }
    if (entity == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "entity is NULL");
    }
    bp_region region = bp_region_stream(entity);
    return bp_query(store, &region, options, iterator_out, error);
}

bp_status bp_next(bp_iterator *iterator, const bp_event **event_out, bp_error *error)
{
    uint64_t sequence = 0;
    if (iterator == NULL || event_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", iterator == NULL ? "iterator" : "event_out");
    }
    bp_status status = bpi_scan_next(iterator->scan, &sequence, &iterator->event, error);
    if (status == BP_OK) {
        status = bpi_handout_event(&iterator->handout, &iterator->event, error);
        if (bpi_comes_again(status)) {
            bpi_scan_again(iterator->scan);
        }
    }
    *event_out = status == BP_OK ? &iterator->event : NULL;
    return status;
}

bp_status bp_next_sequence(bp_iterator *iterator, uint64_t *sequence_out, bp_error *error)
{
    if (iterator == NULL || sequence_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", iterator == NULL ? "iterator" : "sequence_out");
    }
    return bpi_scan_next(iterator->scan, sequence_out, NULL, error);
}

bp_status bp_iterator_position(const bp_iterator *iterator, bp_position *position_out, bp_error *error)
{
    if (iterator == NULL || position_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", iterator == NULL ? "iterator" : "position_out");
    }
    return bpi_view_position(bpi_scan_view(iterator->scan), iterator->epoch, position_out, error);
}

void bp_iterator_close(bp_iterator *iterator)
{
    if (iterator != NULL) {
        bpi_scan_end(iterator->scan);
        bpi_handout_end(&iterator->handout);
        bpi_release(iterator->allocator, iterator, sizeof *iterator);
    }
}

bp_status bp_count(bp_store *store, const bp_region *region, uint64_t *count_out, bp_error *error)
{
    bpi_scan *scan = NULL;
    if (count_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "count_out is NULL");
    }
    *count_out = 0;
    bp_status status = begin(store, region, NULL, &scan, NULL, error);
    if (status == BP_OK) {
        status = bpi_scan_count(scan, count_out, error);
        bpi_scan_end(scan);
    }
    return status;
}
