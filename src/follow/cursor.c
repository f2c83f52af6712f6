/*
 * cursor.c: what is new of a region, pinned piece by piece.
 *
 * Each piece is what was published (or durable) when the one before was used up. Of a small piece every event is looked at;
 * a large one is scanned with the index, whose plans cost more to make. So a step never costs more than what is new.
 *
 * Holds: `next` is where the following piece begins; what lies below it was handed out or is not in the region. An error moves
 * nothing.
 */
#include "follow/cursor.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/handout.h"
#include "store/read.h"

enum {
    SMALL_PIECE = 64,    /* events: looking at them costs less than a plan */
    PREFIX_PIECE = 4096, /* the same when a plan has to look at the names of all entities */
    FAR_PIECE = 1 << 20  /* events of a scan: what is pinned is let go of now and then */
};

struct bp_cursor {
    bpi_hub *hub;
    bp_region region; /* its texts are ours */
    uint64_t next;
    bpi_view *view; /* NULL: no piece at hand */
    uint64_t end;   /* of the piece */
    bpi_scan *scan; /* of the piece; NULL: every event is looked at */
    bool durable;
    bool stored;
    bpi_handout handout;
    bp_event event; /* the one handed out last */
    size_t kind_count;
    size_t text_size;
    char texts[]; /* the kinds, then the region's texts */
};

void bp_cursor_options_default(bp_cursor_options *options, size_t size)
{
    bp_cursor_options defaults = {.size = size};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

static void let_go(bp_cursor *cursor)
{
    bpi_scan_end(cursor->scan);
    bpi_view_drop(cursor->view);
    cursor->scan = NULL;
    cursor->view = NULL;
}

static size_t size_of(size_t text_size, size_t kind_count)
{
    return sizeof(bp_cursor) + text_size + kind_count * sizeof(bp_kind_code);
}

/* Copies everything that the caller owns. Kinds lie first, for their alignment. */
static void take_copies(bp_cursor *cursor, const bp_region *region, const bp_cursor_options *options)
{
    char *at = cursor->texts;
    if (options->kind_count != 0) {
        memcpy(at, options->kinds, options->kind_count * sizeof(bp_kind_code));
        at += options->kind_count * sizeof(bp_kind_code);
    }
    cursor->region = *region;
    cursor->region.entity.data = at;
    cursor->region.scope.data = at + region->entity.size;
    if (region->entity.size != 0) {
        memcpy(at, region->entity.data, region->entity.size);
    }
    if (region->scope.size != 0) {
        memcpy(at + region->entity.size, region->scope.data, region->scope.size);
    }
    if (options->system) {
        bp_region_set_system(&cursor->region, true);
    }
}

static bp_status new_cursor(bp_store *store, const bp_region *region, const bp_cursor_options *options,
                            bp_cursor **cursor_out, bp_error *error)
{
    bpi_hub *hub = NULL;
    bp_status status = bpi_hub_of(store, &hub, error);
    if (status != BP_OK) {
        return status;
    }
    size_t text_size = region->entity.size + region->scope.size;
    bp_cursor *cursor = bpi_allocate_zero(hub->allocator, size_of(text_size, options->kind_count));
    if (cursor == NULL) {
        bpi_hub_drop(hub);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a cursor");
    }
    cursor->hub = hub;
    cursor->text_size = text_size;
    cursor->kind_count = options->kind_count;
    cursor->durable = options->durable;
    cursor->stored = options->stored;
    take_copies(cursor, region, options);
    *cursor_out = cursor;
    return BP_OK;
}

static bp_status take_options(bp_store *store, const bp_cursor_options *options, bp_cursor_options *taken,
                              bp_error *error)
{
    bp_cursor_options_init(taken);
    bp_status status = bpi_store_check(store, error);
    if (status == BP_OK) {
        status = bpi_options_take(options, offsetof(bp_cursor_options, stored), taken, sizeof *taken,
                                  "bp_cursor_options", error);
    }
    if (status == BP_OK && ((taken->kinds == NULL && taken->kind_count != 0) || taken->kind_count > UINT16_MAX + 1u)) {
        status = bpi_error_set(error, BP_ERR_ARGUMENT, "bp_cursor_options: kinds is NULL or too many");
    }
    return status;
}

bp_status bp_cursor_open(bp_store *store, const bp_region *region, const bp_cursor_options *options,
                         bp_cursor **cursor_out, bp_error *error)
{
    bp_region taken_region;
    bp_cursor_options taken;
    if (cursor_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "cursor_out is NULL");
    }
    *cursor_out = NULL;
    bp_status status = take_options(store, options, &taken, error);
    if (status == BP_OK) {
        status = bpi_region_take(region, &taken_region, error);
    }
    if (status != BP_OK) {
        return status;
    }
    bp_cursor *cursor = NULL;
    status = new_cursor(store, &taken_region, &taken, &cursor, error);
    if (cursor == NULL) {
        return status;
    }
    if (taken.from != NULL) {
        status = bp_cursor_seek(cursor, taken.from, error);
    }
    if (status != BP_OK) {
        bp_cursor_close(cursor);
        return status;
    }
    bpi_store_flow(store, "cursor-open", cursor->next);
    *cursor_out = cursor;
    return BP_OK;
}

static const bp_kind_code *kinds_of(const bp_cursor *cursor)
{
    return (const bp_kind_code *)(const void *)cursor->texts;
}

bpi_hub *bpi_cursor_hub(const bp_cursor *cursor)
{
    return cursor->hub;
}

uint64_t bpi_cursor_next_sequence(const bp_cursor *cursor)
{
    return cursor->next;
}

const bp_region *bpi_cursor_whole_region(const bp_cursor *cursor)
{
    return &cursor->region;
}

void bpi_cursor_move(bp_cursor *cursor, uint64_t next)
{
    let_go(cursor);
    cursor->next = next;
}

static bp_region region_between(const bp_cursor *cursor, uint64_t from, uint64_t end)
{
    bp_region region = cursor->region;
    uint64_t least = from;
    uint64_t greatest = end - 1;
    if ((region.fields & BP_REGION_SEQUENCE) != 0) {
        least = region.sequence_min > least ? region.sequence_min : least;
        greatest = region.sequence_max < greatest ? region.sequence_max : greatest;
    }
    bp_region_set_sequence(&region, least, greatest);
    return region;
}

bp_status bpi_cursor_pin(bp_cursor *cursor, bpi_view **view_out, uint64_t *end_out, bp_error *error)
{
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    *view_out = NULL;
    bpi_index *index = bpi_store_read_begin(cursor->hub->store, "cursor", told);
    if (index == NULL) {
        return told->status;
    }
    /* Before the view, so that what is durable is in it. */
    uint64_t durable = cursor->durable ? bpi_store_durable(cursor->hub->store) : UINT64_MAX;
    if (bpi_index_published(index) <= cursor->next || durable <= cursor->next) {
        *end_out = cursor->next;
        return BP_OK;
    }
    *view_out = bpi_view_pin(index);
    if (*view_out == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    uint64_t end = bpi_view_end(*view_out);
    *end_out = durable < end ? durable : end;
    return BP_OK;
}

bp_status bpi_cursor_scan(const bp_cursor *cursor, bpi_view *view, uint64_t end, bool backward, bpi_scan **scan_out,
                          bp_error *error)
{
    bp_region region = region_between(cursor, cursor->next, end);
    bp_query_options options;
    bp_query_options_init(&options);
    options.kinds = kinds_of(cursor);
    options.kind_count = cursor->kind_count;
    options.backward = backward;
    return bpi_scan_begin(view, &region, &options, scan_out, error);
}

static bool wanted(const bp_cursor *cursor, const bp_event *event)
{
    bool kind = cursor->kind_count == 0;
    for (size_t i = 0; i < cursor->kind_count && !kind; i++) {
        kind = kinds_of(cursor)[i] == event->kind;
    }
    return !event->dropped && kind && bp_region_matches(&cursor->region, event);
}

/* The next piece; BP_END when there is nothing new. */
static bp_status take_piece(bp_cursor *cursor, bp_error *error)
{
    bp_status status = bpi_hub_enter(cursor->hub, error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_cursor_pin(cursor, &cursor->view, &cursor->end, error);
    if (cursor->view != NULL) { /* converters may have been registered meanwhile */
        bpi_handout_end(&cursor->handout);
        bpi_handout_begin(&cursor->handout, cursor->hub->store, cursor->stored);
    }
    bpi_hub_leave(cursor->hub);
    if (status != BP_OK) {
        return status;
    }
    if (cursor->view == NULL || cursor->end <= cursor->next) {
        let_go(cursor);
        return BP_END;
    }
    uint64_t small = (cursor->region.fields & BP_REGION_PREFIX) != 0 ? PREFIX_PIECE : SMALL_PIECE;
    if (cursor->end - cursor->next > small) {
        if (cursor->end - cursor->next > FAR_PIECE) {
            cursor->end = cursor->next + FAR_PIECE;
        }
        status = bpi_cursor_scan(cursor, cursor->view, cursor->end, false, &cursor->scan, error);
        if (status != BP_OK) {
            let_go(cursor);
        }
    }
    return status;
}

/* The next event of the piece; BP_END when it is used up. */
static bp_status step_piece(bp_cursor *cursor, bp_event *event_out, bp_error *error)
{
    bp_status status = BP_OK;
    if (cursor->scan != NULL) {
        uint64_t sequence = cursor->next;
        status = bpi_scan_next(cursor->scan, &sequence, event_out, error);
        cursor->next = status == BP_OK ? sequence + 1 : status == BP_END ? cursor->end : sequence;
        return status;
    }
    for (; cursor->next < cursor->end; cursor->next++) {
        status = bpi_view_event(cursor->view, cursor->next, event_out, error);
        if (status != BP_OK) {
            return status;
        }
        if (wanted(cursor, event_out)) {
            cursor->next++;
            return BP_OK;
        }
    }
    return BP_END;
}

bp_status bpi_cursor_step(bp_cursor *cursor, bp_event *event_out, bpi_view **view_out, bp_error *error)
{
    bp_status status = bpi_hub_check(cursor->hub, error);
    while (status == BP_OK) {
        if (cursor->view != NULL) {
            status = step_piece(cursor, event_out, error);
            if (status == BP_OK && view_out != NULL) {
                *view_out = bpi_view_hold(cursor->view);
            }
            if (status == BP_OK) {
                return BP_OK;
            }
            let_go(cursor);
            if (status != BP_END) {
                return status;
            }
        }
        status = take_piece(cursor, error);
    }
    return status;
}

bp_status bpi_cursor_step_more(bp_cursor *cursor, bp_event *event_out, bp_error *error)
{
    bp_status status = cursor->view != NULL ? step_piece(cursor, event_out, error) : BP_END;
    if (status != BP_OK && status != BP_END) {
        let_go(cursor);
    }
    return status;
}

bp_status bp_cursor_next(bp_cursor *cursor, const bp_event **event_out, bp_error *error)
{
    if (cursor == NULL || event_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", cursor == NULL ? "cursor" : "event_out");
    }
    bp_status status = bpi_cursor_step(cursor, &cursor->event, NULL, error);
    if (status == BP_OK) {
        status = bpi_handout_event(&cursor->handout, &cursor->event, error);
        if (status != BP_OK) {
            bpi_cursor_move(cursor, cursor->event.sequence);
        }
    }
    *event_out = status == BP_OK ? &cursor->event : NULL;
    return status;
}

bp_status bpi_cursor_to_end(bp_cursor *cursor, bp_error *error)
{
    let_go(cursor);
    bp_status status = bpi_hub_enter(cursor->hub, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_view *view = NULL;
    uint64_t end = cursor->next;
    status = bpi_cursor_pin(cursor, &view, &end, error);
    bpi_hub_leave(cursor->hub);
    bpi_view_drop(view);
    if (status == BP_OK && end > cursor->next) {
        cursor->next = end;
    }
    return status;
}

bp_status bpi_store_position_at(bp_store *store, uint64_t next, bp_position *position_out, bp_error *error)
{
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    memset(position_out, 0, sizeof *position_out);
    if (next == 0) {
        return BP_OK;
    }
    bpi_index *index = bpi_store_read_begin(store, "position", told);
    if (index == NULL) {
        return told->status;
    }
    bpi_view *view = bpi_view_pin(index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    bp_event event;
    bp_status status = bpi_view_event(view, next - 1, &event, error);
    if (status == BP_OK) {
        *position_out =
            (bp_position){.next = next, .epoch = bp_store_frontiers(store).epoch, .event_hash = event.event_hash};
    }
    bpi_view_drop(view);
    return status;
}

bp_status bpi_hub_position(bpi_hub *hub, uint64_t next, bp_position *position_out, bp_error *error)
{
    bp_status status = bpi_hub_enter(hub, error);
    if (status == BP_OK) {
        status = bpi_store_position_at(hub->store, next, position_out, error);
        bpi_hub_leave(hub);
    }
    return status;
}

bp_status bp_cursor_position(bp_cursor *cursor, bp_position *position_out, bp_error *error)
{
    if (cursor == NULL || position_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", cursor == NULL ? "cursor" : "position_out");
    }
    return bpi_hub_position(cursor->hub, cursor->next, position_out, error);
}

bp_status bp_cursor_seek(bp_cursor *cursor, const bp_position *position, bp_error *error)
{
    if (cursor == NULL || position == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", cursor == NULL ? "cursor" : "position");
    }
    bp_status status = bpi_hub_enter(cursor->hub, error);
    if (status != BP_OK) {
        return status;
    }
    status = bp_position_check(cursor->hub->store, position, error);
    bpi_hub_leave(cursor->hub);
    if (status == BP_OK) {
        bpi_cursor_move(cursor, position->next);
    }
    return status;
}

/* Counts what is left in [next, end) and finds the oldest of it. */
static bp_status measure(bp_cursor *cursor, bpi_view *view, uint64_t end, bp_lag *lag, bp_error *error)
{
    bpi_scan *scan = NULL;
    bp_event oldest = {0};
    uint64_t sequence = 0;
    bp_status status = bpi_cursor_scan(cursor, view, end, false, &scan, error);
    if (status == BP_OK) {
        status = bpi_scan_count(scan, &lag->events, error);
        bpi_scan_end(scan);
    }
    if (status != BP_OK || lag->events == 0) {
        return status;
    }
    status = bpi_cursor_scan(cursor, view, end, false, &scan, error);
    if (status == BP_OK) {
        status = bpi_scan_next(scan, &sequence, &oldest, error);
        bpi_scan_end(scan);
    }
    if (status == BP_OK) {
        const bp_clock *clock = cursor->hub->store->options.clock;
        int64_t age = clock->now_us(clock->context) - (int64_t)BP_HLC_MS(oldest.hlc) * 1000;
        lag->age_us = age > 0 ? (uint64_t)age : 0;
    }
    return status;
}

bp_status bp_cursor_lag(bp_cursor *cursor, bp_lag *lag_out, bp_error *error)
{
    if (cursor == NULL || lag_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", cursor == NULL ? "cursor" : "lag_out");
    }
    *lag_out = (bp_lag){0};
    bp_status status = bpi_hub_enter(cursor->hub, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_view *view = NULL;
    uint64_t end = 0;
    status = bpi_cursor_pin(cursor, &view, &end, error);
    if (status == BP_OK && view != NULL && end > cursor->next) {
        status = measure(cursor, view, end, lag_out, error);
    }
    bpi_view_drop(view);
    bpi_hub_leave(cursor->hub);
    return status;
}

void bp_cursor_close(bp_cursor *cursor)
{
    if (cursor == NULL) {
        return;
    }
    bpi_hub *hub = cursor->hub;
    let_go(cursor);
    bpi_handout_end(&cursor->handout);
    bpi_release(hub->allocator, cursor, size_of(cursor->text_size, cursor->kind_count));
    bpi_hub_drop(hub);
}
