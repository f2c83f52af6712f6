/*
 * subscription.h: a cursor that can wait.
 *
 * A subscription replays what is there from where it starts, and then goes on with what is appended by any process, in one
 * sequence without a gap or a double: there is no queue that could overflow, the log is the queue. A slow subscriber falls
 * behind and is told so (bp_subscription_lag); it slows nobody.
 *
 * Works on any handle. Beside a writer on the same machine a waiting subscriber is woken (in tens of microseconds in the
 * writer's process, in well under a millisecond in others); where the directory is read-only to it, or nobody has written
 * since the machine started, it looks every 2 ms. However many threads of a process wait, an append wakes one of them, and that one the
 * others; a crowd that every event wakes is let go in waves of at most 10,000 threads a second.
 *
 * Threads: next, next_many, lag, position belong to one thread at a time; stop may be called by any. It may outlive
 * bp_close, which ends its waiting with BP_ERR_CLOSED; then it is still to be closed. In a forked child: BP_ERR_FORKED.
 */
#ifndef BATPAK_SUBSCRIPTION_H
#define BATPAK_SUBSCRIPTION_H

#include <batpak/cursor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_FOREVER UINT32_MAX /* as a timeout in milliseconds */

typedef struct bp_subscription bp_subscription;

/* Is the event wanted? It may read the store, but not close it. */
typedef bool (*bp_filter_fn)(void *context, const bp_event *event);
/* Makes of an event what is delivered; false drops it. Whatever *value_out is set to is the caller's. */
typedef bool (*bp_map_fn)(void *context, const bp_event *event, void **value_out);

/* Options. Always start from bp_subscription_options_init; NULL is the same: from now on, everything, for ever. */
typedef struct bp_subscription_options {
    size_t size;
    bool replay;             /* start at the beginning; default: with what comes after this call */
    const bp_position *from; /* start here instead; copied */
    bool durable;            /* only events that survive power loss; default: all that are published */
    bool system;             /* system events too */
    bool stored;             /* payloads as stored, whatever converters are registered */
    /*
     * Of what is there deliver only the newest; how many others were passed over is told with it. For those who show a
     * state and not a history.
     */
    bool latest;
    uint64_t take;       /* BP_END after so many deliveries; 0: no bound */
    bp_filter_fn filter; /* NULL: all */
    bp_map_fn map;       /* NULL: the event itself. Called behind the filter */
    void *context;       /* of both */
} bp_subscription_options;

BP_API void bp_subscription_options_default(bp_subscription_options *options, size_t size);
static inline void bp_subscription_options_init(bp_subscription_options *options)
{
    bp_subscription_options_default(options, sizeof *options);
}

typedef struct bp_delivery {
    bp_event event;   /* a view until the next call with the subscription */
    void *value;      /* what the map made of it */
    uint64_t skipped; /* with `latest`: events of the region passed over since the delivery before, wanted or not */
} bp_delivery;

/* Opens a subscription. region NULL: everything but system events. Errors as bp_cursor_open. */
BP_API BP_MUST_USE bp_status bp_subscribe(bp_store *store, const bp_region *region,
                                          const bp_subscription_options *options, bp_subscription **subscription_out,
                                          bp_error *error);

/*
 * The next delivery; waits for it at most timeout_ms (0: not at all, BP_FOREVER). While the filter refuses what is there, a stop
 * and the store's end are seen, and the timeout, but with 0 and with `latest` it looks to the end.
 *   BP_ERR_TIMEOUT  nothing came
 *   BP_END          stopped, or `take` were delivered; so it stays
 *   BP_ERR_CORRUPT, BP_ERR_VERSION, BP_ERR_FORMAT  as bp_cursor_next: it stays before that event
 *   BP_ERR_CLOSED   the store was closed, before or while it waited
 */
BP_API BP_MUST_USE bp_status bp_subscription_next(bp_subscription *subscription, uint32_t timeout_ms,
                                                  bp_delivery *delivery_out, bp_error *error);

/*
 * Waits for one and takes as many as are there then, up to `capacity`; all are valid until the next call. With `latest`
 * it is one. An error behind the first is told by the next call.
 */
BP_API BP_MUST_USE bp_status bp_subscription_next_many(bp_subscription *subscription, uint32_t timeout_ms,
                                                       bp_delivery *deliveries, size_t capacity, size_t *count_out,
                                                       bp_error *error);

/* Ends it: who waits gets BP_END at once. Any thread, any number of times. NULL is allowed. */
BP_API void bp_subscription_stop(bp_subscription *subscription);

/*
 * A descriptor for poll, select or epoll: readable when something may be there, when it was stopped, when the store was
 * closed. Then call bp_subscription_next with timeout 0 until it answers BP_ERR_TIMEOUT; do not read the descriptor. It begins
 * readable. Belongs to the subscription: it is closed with it. The first one starts a thread that waits for all subscriptions of
 * this store handle that have one; bp_close ends it. BP_ERR_IO: no descriptor or no thread can be made.
 */
BP_API BP_MUST_USE bp_status bp_subscription_descriptor(bp_subscription *subscription, int *descriptor_out,
                                                        bp_error *error);

/* How far it is behind: events of the region, whatever the filter says of them. */
BP_API BP_MUST_USE bp_status bp_subscription_lag(bp_subscription *subscription, bp_lag *lag_out, bp_error *error);

/* Behind what was delivered last: where another one goes on (`from`), in any process. */
BP_API BP_MUST_USE bp_status bp_subscription_position(bp_subscription *subscription, bp_position *position_out,
                                                      bp_error *error);

/* No other thread may be in a call with it. NULL is allowed. */
BP_API void bp_subscription_close(bp_subscription *subscription);

#ifdef __cplusplus
}
#endif

#endif
