/*
 * subscription.c: a cursor that waits; filter, map, take; the newest of many.
 *
 * Holds: the tide is taken before the cursor looks, so that what comes in between ends the wait.
 */
#include <batpak/subscription.h>

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "follow/cursor.h"
#include "follow/descriptor.h"
#include "store/handout.h"
#include "store/read.h"

enum { LOOK_EVERY = 64 /* refused events: then it looks whether it is still wanted */ };

struct bp_subscription {
    bpi_hub *hub; /* the cursor's */
    bp_cursor *cursor;
    bp_subscription_options options;
    uint64_t left;     /* of `take` */
    uint64_t refused;  /* with `latest`: passed over behind the delivery before, as nothing of it was wanted */
    uint64_t until_ns; /* of this call; UINT64_MAX: it looks to the end */
    _Atomic bool stopped;
    bpi_view *view;        /* of what was delivered last; NULL: none */
    bpi_handout *handouts; /* of each of them */
    size_t handout_count;
    size_t handout_capacity;
    bpi_descriptor descriptor;
};

void bp_subscription_options_default(bp_subscription_options *options, size_t size)
{
    bp_subscription_options defaults = {.size = size};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

static uint32_t wants(const bp_subscription *subscription)
{
    return subscription->options.durable ? BPI_WAKE_DURABLE : BPI_WAKE_PUBLISHED;
}

/* ---- open, close ---- */

static bp_status open_cursor(bp_store *store, const bp_region *region, const bp_subscription_options *options,
                             bp_cursor **cursor_out, bp_error *error)
{
    bp_cursor_options how;
    bp_cursor_options_init(&how);
    how.from = options->from;
    how.durable = options->durable;
    how.system = options->system;
    how.stored = options->stored;
    bp_status status = bp_cursor_open(store, region, &how, cursor_out, error);
    if (status == BP_OK && options->from == NULL && !options->replay) {
        status = bpi_cursor_to_end(*cursor_out, error);
    }
    if (status != BP_OK) {
        bp_cursor_close(*cursor_out);
        *cursor_out = NULL;
    }
    return status;
}

bp_status bp_subscribe(bp_store *store, const bp_region *region, const bp_subscription_options *options,
                       bp_subscription **subscription_out, bp_error *error)
{
    bp_subscription_options taken;
    bp_cursor *cursor = NULL;
    if (subscription_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "subscription_out is NULL");
    }
    *subscription_out = NULL;
    bp_subscription_options_init(&taken);
    bp_status status = bpi_options_take(options, sizeof taken, &taken, sizeof taken, "bp_subscription_options", error);
    if (status == BP_OK) {
        status = open_cursor(store, region, &taken, &cursor, error);
    }
    if (cursor == NULL) {
        return status;
    }
    bpi_hub *hub = bpi_cursor_hub(cursor);
    bp_subscription *subscription = bpi_allocate_zero(hub->allocator, sizeof *subscription);
    if (subscription == NULL) {
        bp_cursor_close(cursor);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a subscription");
    }
    subscription->hub = hub;
    subscription->cursor = cursor;
    subscription->options = taken;
    subscription->options.from = NULL; /* the caller's; the cursor has it */
    subscription->left = taken.take == 0 ? UINT64_MAX : taken.take;
    subscription->descriptor.fd = -1;
    *subscription_out = subscription;
    return BP_OK;
}

/* What was delivered is no longer needed. */
static void let_go(bp_subscription *subscription)
{
    for (size_t i = 0; i < subscription->handout_count; i++) {
        bpi_handout_end(&subscription->handouts[i]);
    }
    subscription->handout_count = 0;
    bpi_view_drop(subscription->view);
    subscription->view = NULL;
}

void bp_subscription_close(bp_subscription *subscription)
{
    if (subscription == NULL) {
        return;
    }
    bp_cursor *cursor = subscription->cursor;
    const bp_allocator *allocator = subscription->hub->allocator;
    let_go(subscription);
    bpi_descriptor_close(&subscription->descriptor);
    bpi_release(allocator, subscription->handouts, subscription->handout_capacity * sizeof(bpi_handout));
    bpi_release(allocator, subscription, sizeof *subscription);
    bp_cursor_close(cursor); /* and with it the hub */
}

void bp_subscription_stop(bp_subscription *subscription)
{
    if (subscription != NULL && bpi_hub_check(subscription->hub, NULL) == BP_OK) {
        atomic_store(&subscription->stopped, true);
        bpi_hub_kick(subscription->hub);
        bpi_descriptor_wake(&subscription->descriptor);
    }
}

/* ---- one delivery ---- */

static bool have_room(bp_subscription *subscription, size_t capacity)
{
    if (capacity <= subscription->handout_capacity) {
        return true;
    }
    size_t old = subscription->handout_capacity * sizeof(bpi_handout);
    bpi_handout *handouts =
        bpi_resize(subscription->hub->allocator, subscription->handouts, old, capacity * sizeof(bpi_handout));
    if (handouts == NULL) {
        return false;
    }
    subscription->handouts = handouts;
    subscription->handout_capacity = capacity;
    return true;
}

/* Converts, filters and maps what the cursor gave. BP_END: it is not wanted. Inside the hub, with room for a handout. */
static bp_status shape(bp_subscription *subscription, bp_delivery *delivery, bp_error *error)
{
    const bp_subscription_options *options = &subscription->options;
    bpi_handout *handout = &subscription->handouts[subscription->handout_count];
    bpi_handout_begin(handout, subscription->hub->store, options->stored);
    bp_status status = bpi_handout_event(handout, &delivery->event, error);
    delivery->value = NULL;
    if (status == BP_OK && (options->filter != NULL || options->map != NULL)) {
        bpi_call_frame frame;
        bpi_call_begin(&frame, subscription->hub);
        bool wanted = options->filter == NULL || options->filter(options->context, &delivery->event);
        wanted = wanted && (options->map == NULL || options->map(options->context, &delivery->event, &delivery->value));
        bpi_call_end(&frame);
        status = wanted ? BP_OK : BP_END;
    }
    if (status == BP_OK) {
        subscription->handout_count++;
    } else {
        bpi_handout_end(handout);
    }
    return status;
}

static bool is_over(const bp_subscription *subscription)
{
    return atomic_load(&subscription->stopped) || atomic_load(&subscription->hub->closing);
}

static bool is_late(const bp_subscription *subscription)
{
    const bp_clock *clock = subscription->hub->store->options.clock;
    return subscription->until_ns != UINT64_MAX && clock->steady_ns(clock->context) >= subscription->until_ns;
}

/* Asked with each event that was refused. */
static bool gives_up(const bp_subscription *subscription, uint64_t refused)
{
    return refused % LOOK_EVERY == 0 && (is_over(subscription) || is_late(subscription));
}

/* The next wanted event of the cursor. BP_END: none, or it gave up. */
static bp_status find_next(bp_subscription *subscription, bp_delivery *delivery, bp_error *error)
{
    bp_status status = BP_OK;
    uint64_t refused = 0;
    delivery->skipped = 0;
    do {
        bpi_view_drop(subscription->view);
        subscription->view = NULL;
        status = bpi_cursor_step(subscription->cursor, &delivery->event, &subscription->view, error);
        if (status != BP_OK) {
            return status;
        }
        status = shape(subscription, delivery, error);
    } while (status == BP_END && !gives_up(subscription, ++refused));
    if (status != BP_OK && status != BP_END) {
        bpi_cursor_move(subscription->cursor, delivery->event.sequence);
    }
    return status;
}

/* The newest wanted event of [where the cursor is, end); how many of the region lie before it, and behind it. BP_END: none, or it gave
 * up. */
static bp_status pick_newest(bp_subscription *subscription, bpi_view *view, uint64_t end, bp_delivery *delivery,
                             uint64_t *behind_out, bp_error *error)
{
    bpi_scan *scan = NULL;
    uint64_t sequence = 0;
    bp_status status = bpi_cursor_scan(subscription->cursor, view, end, true, &scan, error);
    if (status != BP_OK) {
        return status;
    }
    bp_status shaped = BP_END;
    while (shaped == BP_END && !gives_up(subscription, *behind_out) &&
           (status = bpi_scan_next(scan, &sequence, &delivery->event, error)) == BP_OK) {
        shaped = shape(subscription, delivery, error);
        *behind_out += shaped == BP_END;
    }
    bpi_scan_end(scan);
    status = status == BP_OK ? shaped : status;
    if (status != BP_OK || sequence == bpi_cursor_next_sequence(subscription->cursor)) {
        return status;
    }
    status = bpi_cursor_scan(subscription->cursor, view, sequence, false, &scan, error);
    if (status == BP_OK) {
        status = bpi_scan_count(scan, &delivery->skipped, error);
        bpi_scan_end(scan);
    }
    return status;
}

static bp_status find_latest(bp_subscription *subscription, bp_delivery *delivery, bp_error *error)
{
    bpi_view *view = NULL;
    uint64_t end = 0;
    uint64_t behind = 0;
    delivery->skipped = 0;
    bp_status status = bpi_cursor_pin(subscription->cursor, &view, &end, error);
    if (status != BP_OK) {
        return status;
    }
    if (view == NULL || end <= bpi_cursor_next_sequence(subscription->cursor)) {
        bpi_view_drop(view);
        return BP_END;
    }
    status = pick_newest(subscription, view, end, delivery, &behind, error);
    if (status == BP_OK || (status == BP_END && !is_over(subscription))) {
        bpi_cursor_move(subscription->cursor, end);
    }
    if (status == BP_OK) {
        subscription->view = view;
        delivery->skipped += subscription->refused;
        subscription->refused = behind;
    } else {
        subscription->refused += status == BP_END ? behind : 0;
        bpi_view_drop(view);
    }
    return status;
}

/* ---- waiting ---- */

static bp_status timed_out(uint32_t timeout_ms, bp_error *error)
{
    return bpi_error_set(error, BP_ERR_TIMEOUT, "nothing came within %u ms", (unsigned)timeout_ms);
}

static bp_status closed(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_CLOSED, "the store was closed");
}

/* Looks, and waits while there is nothing. Inside the hub. */
static bp_status await(bp_subscription *subscription, uint32_t timeout_ms, bp_delivery *delivery, bp_error *error)
{
    bpi_hub *hub = subscription->hub;
    const bp_clock *clock = hub->store->options.clock;
    uint64_t timeout_ns = timeout_ms == BP_FOREVER ? UINT64_MAX : (uint64_t)timeout_ms * 1000000u;
    uint64_t start = timeout_ms == 0 ? 0 : clock->steady_ns(clock->context);
    /* The newest is looked for from the end: what it looked at before it gave up would be looked at again. */
    bool bounded = timeout_ms != 0 && timeout_ms != BP_FOREVER && !subscription->options.latest;
    subscription->until_ns = bounded ? start + timeout_ns : UINT64_MAX;
    bpi_wish wish = {.wants = wants(subscription), .stop = &subscription->stopped, .timeout_ns = timeout_ns};
    for (;;) {
        wish.seen = bpi_bell_tide(hub->store);
        bp_status status = subscription->options.latest ? find_latest(subscription, delivery, error)
                                                        : find_next(subscription, delivery, error);
        if (status != BP_END) {
            return status;
        }
        bool late = is_late(subscription);
        if (subscription->descriptor.fd >= 0 && !late) { /* else there may be more */
            bpi_descriptor_arm(&subscription->descriptor, wish.seen, &subscription->stopped);
        }
        if (is_over(subscription)) {
            return atomic_load(&hub->closing) ? closed(error) : BP_END;
        }
        if (timeout_ms == 0 || late) {
            return timed_out(timeout_ms, error);
        }
        switch (bpi_hub_wait(hub, &wish)) {
        case BPI_WAITED_STOPPED:
            return atomic_load(&hub->closing) ? closed(error) : BP_END;
        case BPI_WAITED_TIMEOUT:
            return timed_out(timeout_ms, error);
        case BPI_WAITED_MOVED:
        default:
            break;
        }
        if (timeout_ns != UINT64_MAX) {
            uint64_t passed = clock->steady_ns(clock->context) - start;
            wish.timeout_ns = passed < timeout_ns ? timeout_ns - passed : 0;
        }
    }
}

/* As many more as the piece at hand has. An error is left for the next call, which meets it again. */
static size_t take_more(bp_subscription *subscription, bp_delivery *deliveries, size_t capacity)
{
    size_t count = 1;
    while (count < capacity && count < subscription->left && !is_over(subscription)) {
        bp_delivery *delivery = &deliveries[count];
        *delivery = (bp_delivery){0};
        bp_status status = bpi_cursor_step_more(subscription->cursor, &delivery->event, NULL);
        if (status != BP_OK) {
            break;
        }
        status = shape(subscription, delivery, NULL);
        if (status != BP_OK && status != BP_END) {
            bpi_cursor_move(subscription->cursor, delivery->event.sequence);
            break;
        }
        count += status == BP_OK;
    }
    return count;
}

bp_status bp_subscription_next_many(bp_subscription *subscription, uint32_t timeout_ms, bp_delivery *deliveries,
                                    size_t capacity, size_t *count_out, bp_error *error)
{
    if (count_out != NULL) {
        *count_out = 0;
    }
    if (subscription == NULL || deliveries == NULL || capacity == 0 || count_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT,
                             "a subscription, and a place for one delivery or more, are needed");
    }
    bp_status status = bpi_hub_enter(subscription->hub, error);
    if (status != BP_OK) {
        return status;
    }
    let_go(subscription);
    if (subscription->left == 0 || atomic_load(&subscription->stopped)) {
        status = BP_END;
    } else if (!have_room(subscription, capacity)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for deliveries");
    } else {
        status = await(subscription, timeout_ms, &deliveries[0], error);
    }
    if (status == BP_OK) {
        *count_out = subscription->options.latest ? 1 : take_more(subscription, deliveries, capacity);
        subscription->left -= subscription->options.take == 0 ? 0 : *count_out;
        bpi_store_flow(subscription->hub->store, "deliver", deliveries[0].event.sequence);
    }
    bpi_hub_leave(subscription->hub);
    return status;
}

bp_status bp_subscription_next(bp_subscription *subscription, uint32_t timeout_ms, bp_delivery *delivery_out,
                               bp_error *error)
{
    size_t count = 0;
    return bp_subscription_next_many(subscription, timeout_ms, delivery_out, 1, &count, error);
}

/* ---- questions ---- */

bp_status bp_subscription_descriptor(bp_subscription *subscription, int *descriptor_out, bp_error *error)
{
    if (subscription == NULL || descriptor_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL",
                             subscription == NULL ? "subscription" : "descriptor_out");
    }
    *descriptor_out = -1;
    bp_status status = bpi_hub_enter(subscription->hub, error);
    if (status != BP_OK) {
        return status;
    }
    if (subscription->descriptor.fd < 0) {
        status = bpi_descriptor_open(&subscription->descriptor, subscription->hub, wants(subscription), error);
    }
    *descriptor_out = subscription->descriptor.fd;
    bpi_hub_leave(subscription->hub);
    return status;
}

bp_status bp_subscription_lag(bp_subscription *subscription, bp_lag *lag_out, bp_error *error)
{
    if (subscription == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "subscription is NULL");
    }
    return bp_cursor_lag(subscription->cursor, lag_out, error);
}

bp_status bp_subscription_position(bp_subscription *subscription, bp_position *position_out, bp_error *error)
{
    if (subscription == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "subscription is NULL");
    }
    return bp_cursor_position(subscription->cursor, position_out, error);
}
