/*
 * walk.c: through the causal graph.
 *
 * A chain needs no memory of where it was: it goes down, and ends. Causes and effects go breadth first: what an event
 * leads to is added behind what was found before, each once, and never more than the limit, so that neither a cycle nor
 * a graph of any shape costs more than was asked for. A correlation is a scan.
 *
 * Holds: the walk has its own view; every event it shows was published when it began.
 */
#include <batpak/walk.h>

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/handout.h"
#include "store/read.h"
#include "store/visited.h"

enum { WALK_LIMIT = 1000000, CHAIN_AHEAD = 8 };

struct bp_walk {
    const bp_allocator *allocator;
    bpi_view *view;
    bp_walk_options options;
    bp_walk_stop reason;
    bp_event event;       /* the one at hand, as stored */
    bp_event shown_event; /* the one handed out */
    bpi_handout handout;
    uint64_t start; /* its sequence */
    uint64_t shown;
    bool at_hand;      /* in the call under way `event` was read */
    bpi_visited found; /* CAUSES, EFFECTS; those below `shown` were handed out */
    bool missing;
    bool dropped;      /* events were left out that retention took away */
    bool deeper;       /* more lies below `depth` */
    bool more;         /* more was found than the limit has room for */
    uint64_t next;     /* CHAIN: the next sequence down, BP_NONE */
    bool linked;       /* CHAIN: it is said to be the one before `event` */
    uint64_t ahead;    /* CHAIN: its record is being asked for */
    bp_event previous; /* CHAIN, verify: the event `next`, read already */
    bool has_previous;
    bpi_scan *scan; /* CORRELATION */
};

void bp_walk_options_default(bp_walk_options *options, size_t size)
{
    bp_walk_options defaults = {.size = size};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

const char *bp_walk_stop_text(bp_walk_stop reason)
{
    switch (reason) {
    case BP_WALK_GOING:
        return "going";
    case BP_WALK_DONE:
        return "done";
    case BP_WALK_LIMIT:
        return "limit";
    case BP_WALK_DEPTH:
        return "depth";
    case BP_WALK_MISSING:
        return "missing causes";
    case BP_WALK_DROPPED:
        return "dropped events";
    default:
        return "?";
    }
}

bp_walk_stop bp_walk_reason(const bp_walk *walk)
{
    return walk == NULL ? BP_WALK_DONE : walk->reason;
}

void bp_walk_end(bp_walk *walk)
{
    if (walk == NULL) {
        return;
    }
    bpi_visited_fini(&walk->found);
    bpi_scan_end(walk->scan);
    bpi_handout_end(&walk->handout);
    bpi_view_drop(walk->view);
    bpi_release(walk->allocator, walk, sizeof *walk);
}

/* ---- beginning ---- */

static bp_status read_options(const bp_walk_options *options, bp_walk_options *options_out, bp_error *error)
{
    bp_walk_options_init(options_out);
    bp_status status =
        bpi_options_take(options, sizeof *options_out, options_out, sizeof *options_out, "bp_walk_options", error);
    if (status != BP_OK) {
        return status;
    }
    if ((unsigned)options_out->kind > BP_WALK_CORRELATION) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_walk_options: no such kind: %d", (int)options_out->kind);
    }
    if (options_out->limit == 0) {
        options_out->limit = WALK_LIMIT;
    }
    return BP_OK;
}

static bp_status find_start(bp_walk *walk, const bp_id *id, bp_error *error)
{
    char text[BP_ID_TEXT_SIZE];
    bp_status status = bpi_view_find_id(walk->view, id, &walk->start, error);
    if (status == BP_OK) {
        bp_event start = {.dropped = false};
        status = bpi_view_event(walk->view, walk->start, &start, error);
        return status == BP_OK && start.dropped ? bpi_store_dropped(&start, error) : status;
    }
    if (status != BP_ERR_NOT_FOUND) {
        return status;
    }
    if (error != NULL) {
        bp_id_print(id, text);
        (void)bpi_error_set(error, BP_ERR_NOT_FOUND, "no event with id %s", text);
        error->id = *id;
        error->has_id = true;
    }
    return BP_ERR_NOT_FOUND;
}

/* What each kind of walk needs before its first event. */
static bp_status prepare(bp_walk *walk, bp_error *error)
{
    walk->next = walk->start;
    walk->ahead = walk->start;
    if (walk->options.kind == BP_WALK_CORRELATION) {
        bp_event start;
        bp_status status = bpi_view_event(walk->view, walk->start, &start, error);
        if (status != BP_OK) {
            return status;
        }
        bp_region region = bp_region_by_correlation(&start.correlation);
        bp_region_set_system(&region, true);
        return bpi_scan_begin(walk->view, &region, NULL, &walk->scan, error);
    }
    if (walk->options.kind != BP_WALK_CHAIN && !bpi_visited_add(&walk->found, walk->start, 0)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a walk");
    }
    return BP_OK;
}

bp_status bp_walk_begin(bp_store *store, const bp_id *id, const bp_walk_options *options, bp_walk **walk_out,
                        bp_error *error)
{
    bp_walk_options taken;
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    if (walk_out != NULL) {
        *walk_out = NULL;
    }
    if (walk_out == NULL || id == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", id == NULL ? "id" : "walk_out");
    }
    bpi_index *index = bpi_store_read_begin(store, "walk", told);
    if (index == NULL) {
        return told->status;
    }
    bp_status status = read_options(options, &taken, error);
    if (status != BP_OK) {
        return status;
    }
    const bp_allocator *allocator = bpi_store_allocator(store);
    bp_walk *walk = bpi_allocate_zero(allocator, sizeof *walk);
    if (walk == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a walk");
    }
    walk->allocator = allocator;
    walk->options = taken;
    bpi_visited_init(&walk->found, allocator);
    bpi_handout_begin(&walk->handout, store, false);
    walk->view = bpi_view_pin(index);
    status = walk->view == NULL ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view")
                                : find_start(walk, id, error);
    if (status == BP_OK) {
        status = prepare(walk, error);
    }
    if (status != BP_OK) {
        bp_walk_end(walk);
        return status;
    }
    *walk_out = walk;
    return BP_OK;
}

static bp_status stop(bp_walk *walk, bp_walk_stop reason)
{
    walk->reason = reason;
    return BP_END;
}

/* ---- the chain ---- */

static bool follows(const bp_event *event, const bp_event *previous)
{
    return event->clock == previous->clock + 1 && bp_text_equal(event->entity, previous->entity);
}

/* Where the event before `walk->event` is. An index file that says wrong is not believed any more, and asked again what takes its place. */
static bp_status find_previous(bp_walk *walk, bp_error *error)
{
    const bp_event *event = &walk->event;
    bp_status status = BP_OK;
    do {
        status = bpi_view_previous(walk->view, event->sequence, &walk->next, error);
    } while (status == BP_OK && (walk->next == BP_NONE) != (event->clock == 0) &&
             bpi_view_doubt_previous(walk->view, event->sequence));
    walk->linked = status == BP_OK && walk->next != BP_NONE;
    return status;
}

/* Reads it; where it is was found. */
static bp_status read_previous(bp_walk *walk, bp_event *event_out, bp_error *error)
{
    for (;;) {
        bp_status status = bpi_view_event(walk->view, walk->next, event_out, error);
        if (status != BP_OK || !walk->linked || follows(&walk->event, event_out) ||
            !bpi_view_doubt_previous(walk->view, walk->event.sequence)) {
            return status;
        }
        status = find_previous(walk, error);
        if (status != BP_OK || walk->next == BP_NONE) {
            return status != BP_OK ? status
                                   : bpi_error_set(error, BP_ERR_CORRUPT, "event %" PRIu64 ": nothing lies before it",
                                                   walk->event.sequence);
        }
    }
}

/* Reads the event before `walk->event` and checks that one follows the other. */
static bp_status verify_link(bp_walk *walk, bp_error *error)
{
    uint64_t previous = walk->next;
    if (previous != BP_NONE) {
        bp_status status = read_previous(walk, &walk->previous, error);
        if (status != BP_OK) {
            return status;
        }
        walk->has_previous = true;
    }
    if (!bp_chain_verify(&walk->event, previous == BP_NONE ? NULL : &walk->previous)) {
        bp_status status =
            bpi_error_set(error, BP_ERR_CORRUPT, "event %" PRIu64 ": event hash does not match", walk->event.sequence);
        bpi_view_blame(walk->view, walk->event.sequence, error);
        if (error != NULL) {
            bpi_error_entity(error, walk->event.entity);
        }
        return status;
    }
    return BP_OK;
}

static void look_ahead(bp_walk *walk)
{
    size_t steps = walk->shown == 0 ? CHAIN_AHEAD : 1;
    for (size_t i = 0; i < steps && walk->ahead != BP_NONE; i++) {
        if (bpi_view_previous(walk->view, walk->ahead, &walk->ahead, NULL) == BP_OK && walk->ahead != BP_NONE) {
            bpi_view_prefetch(walk->view, walk->ahead);
        }
    }
}

static bp_status chain_next(bp_walk *walk, bp_error *error)
{
    if (walk->next == BP_NONE) {
        return stop(walk, BP_WALK_DONE);
    }
    if (walk->options.depth != 0 && walk->shown > walk->options.depth) {
        return stop(walk, BP_WALK_DEPTH);
    }
    if (walk->shown >= walk->options.limit) {
        return stop(walk, BP_WALK_LIMIT);
    }
    look_ahead(walk);
    bp_status status = walk->has_previous ? BP_OK : read_previous(walk, &walk->previous, error);
    walk->has_previous = false;
    walk->shown++;
    if (bpi_comes_again(status)) {
        return status;
    }
    if (status != BP_OK) { /* who asks again goes on behind it */
        uint64_t sequence = walk->next;
        walk->linked = false;
        return bpi_view_previous(walk->view, sequence, &walk->next, NULL) == BP_OK ? status : BP_ERR_CORRUPT;
    }
    walk->event = walk->previous;
    walk->at_hand = true;
    status = find_previous(walk, error);
    if (status != BP_OK) {
        return status;
    }
    if (walk->event.dropped) {
        return stop(walk, BP_WALK_DROPPED);
    }
    return walk->options.verify ? verify_link(walk, error) : BP_OK;
}

/* ---- causes and effects ---- */

/* An event that the one at hand leads to; `deeper` and `more` say what is left out. */
static bool add_found(bp_walk *walk, uint64_t sequence, uint32_t depth)
{
    if (bpi_visited_has(&walk->found, sequence)) {
        return true;
    }
    if (walk->options.depth != 0 && depth > walk->options.depth) {
        walk->deeper = true;
        return true;
    }
    if (walk->found.count >= walk->options.limit) {
        walk->more = true;
        return true;
    }
    return bpi_visited_add(&walk->found, sequence, depth);
}

static bp_status add_causes(bp_walk *walk, uint32_t depth, bp_error *error)
{
    for (size_t i = 0; i < walk->event.cause_count; i++) {
        uint64_t sequence = 0;
        bp_status status = bpi_view_find_id(walk->view, &walk->event.causes[i], &sequence, error);
        if (status == BP_ERR_NOT_FOUND) {
            walk->missing = true;
        } else if (status != BP_OK) {
            return status;
        } else if (!add_found(walk, sequence, depth)) {
            return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a walk");
        }
    }
    return BP_OK;
}

static bp_status add_effects(bp_walk *walk, uint32_t depth, bp_error *error)
{
    bpi_scan *scan = NULL;
    bool below = walk->options.depth != 0 && depth > walk->options.depth;
    if ((below && walk->deeper) || walk->more) {
        return BP_OK;
    }
    bp_region region = bp_region_effects_of(&walk->event.id);
    bp_region_set_system(&region, true);
    bp_status status = bpi_scan_begin(walk->view, &region, NULL, &scan, error);
    while (status == BP_OK) {
        uint64_t sequence = 0;
        status = bpi_scan_next(scan, &sequence, NULL, error);
        if (status == BP_OK && !add_found(walk, sequence, depth)) {
            status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a walk");
        }
        if ((below && walk->deeper) || walk->more) {
            break;
        }
    }
    bpi_scan_end(scan);
    return status == BP_END ? BP_OK : status;
}

static bp_status graph_next(bp_walk *walk, uint32_t *depth_out, bp_error *error)
{
    bpi_visit visit;
    do {
        if (walk->shown == walk->found.count) {
            return stop(walk, walk->more      ? BP_WALK_LIMIT
                              : walk->deeper  ? BP_WALK_DEPTH
                              : walk->dropped ? BP_WALK_DROPPED
                              : walk->missing ? BP_WALK_MISSING
                                              : BP_WALK_DONE);
        }
        visit = walk->found.visits[walk->shown++];
        bp_status status = bpi_view_event(walk->view, visit.sequence, &walk->event, error);
        if (status != BP_OK) {
            return status;
        }
        walk->dropped = walk->dropped || walk->event.dropped;
    } while (walk->event.dropped); /* its causes went with it */
    *depth_out = visit.depth;
    uint32_t depth = visit.depth + 1;
    return walk->options.kind == BP_WALK_CAUSES ? add_causes(walk, depth, error) : add_effects(walk, depth, error);
}

/* ---- a correlation ---- */

static bp_status correlation_next(bp_walk *walk, bp_error *error)
{
    uint64_t sequence = walk->start;
    if (walk->shown == 0) {
        walk->shown++;
        return bpi_view_event(walk->view, walk->start, &walk->event, error);
    }
    do {
        bp_status status = bpi_scan_next(walk->scan, &sequence, &walk->event, error);
        if (status != BP_OK) {
            return status == BP_END ? stop(walk, BP_WALK_DONE) : status;
        }
    } while (sequence == walk->start);
    walk->at_hand = true;
    if (walk->shown >= walk->options.limit) {
        return stop(walk, BP_WALK_LIMIT);
    }
    walk->shown++;
    return BP_OK;
}

/* Behind a lack of memory: the next call shows what this one did not. What was found of what comes behind it stays found. */
static void step_back(bp_walk *walk, uint64_t shown)
{
    walk->shown = shown;
    if (walk->at_hand && walk->options.kind == BP_WALK_CORRELATION) {
        bpi_scan_again(walk->scan);
    } else if (walk->at_hand) {
        walk->next = walk->event.sequence;
        walk->linked = false; /* it was held against the one before it */
        walk->has_previous = false;
    }
}

bp_status bp_walk_next(bp_walk *walk, const bp_event **event_out, uint32_t *depth_out, bp_error *error)
{
    if (walk == NULL || event_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", walk == NULL ? "walk" : "event_out");
    }
    *event_out = NULL;
    if (walk->reason != BP_WALK_GOING) {
        return BP_END;
    }
    uint32_t depth = 0;
    uint64_t shown = walk->shown;
    bp_status status = BP_OK;
    walk->at_hand = false;
    if (walk->options.kind == BP_WALK_CHAIN) {
        depth = (uint32_t)walk->shown;
        status = chain_next(walk, error);
    } else if (walk->options.kind == BP_WALK_CORRELATION) {
        depth = walk->shown == 0 ? 0 : 1;
        status = correlation_next(walk, error);
    } else {
        status = graph_next(walk, &depth, error);
    }
    if (status == BP_OK) {
        walk->shown_event = walk->event;
        status = bpi_handout_event(&walk->handout, &walk->shown_event, error);
    }
    if (bpi_comes_again(status)) {
        step_back(walk, shown);
    }
    if (status == BP_OK) {
        *event_out = &walk->shown_event;
        if (depth_out != NULL) {
            *depth_out = depth;
        }
    }
    return status;
}
