/*
 * consumer.h: following that remembers where it was: named consumers with a durable position.
 *
 * A consumer has a name, a region, and a file in the store's directory `consumers/` that says how far it came. It delivers every
 * event of its region *at least once*: an event counts when it is acknowledged, and the position is written and synced behind
 * it (by default within 100 ms); after a crash, what was acknowledged since comes again. What is to happen exactly once
 * belongs into the store itself (bp_reaction), or carries the event's id or the position along (as an outbox does).
 *
 * - Order: the events of an entity are delivered in order. Several workers, threads of one process, share a consumer: while
 *   a worker has an event of an entity that it has not acknowledged, no other worker gets one of that entity. An event with
 *   BP_FLAG_REQUIRES_ACK holds its entity back altogether until it is acknowledged.
 * - Over several processes a consumer is divided by `partitions`: each process opens the same name with another
 *   `partition`, has a position of its own, and gets the entities that fall to it. One process has one partition at a time
 *   (BP_ERR_LOCKED). There is no taking over by itself: who dies is restarted by whoever started it.
 * - It runs on any handle, beside the writer in another process too; the directory must be writable.
 * - Only durable events are delivered, unless `published` is set: a position must not stand behind what a power cut takes
 *   back. Should that happen all the same, opening answers BP_ERR_DIVERGED.
 * - Failure: `bp_consumer_fail` tries again `retries` times, each time later, then stops the consumer before the event,
 *   or parks the event: it is put on a list with its reason, and the stream goes on without it. Attempts are counted in memory.
 *
 * Threads: any; each worker number belongs to one thread at a time. It may outlive bp_close, which saves the position and
 * ends the waiting with BP_ERR_CLOSED. In a forked child: BP_ERR_FORKED.
 */
#ifndef BATPAK_CONSUMER_H
#define BATPAK_CONSUMER_H

#include <batpak/subscription.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_consumer bp_consumer;

#define BP_CONSUMER_NAME_MAX 255u

typedef enum bp_on_failure {
    BP_ON_FAILURE_STOP = 0, /* the consumer ends before the event; it is the first one after the next opening */
    BP_ON_FAILURE_PARK = 1  /* the event goes on the list of the parked, and the others go on */
} bp_on_failure;

/* Options. Always start from bp_consumer_options_init. A value out of range is BP_ERR_ARGUMENT and is named. */
typedef struct bp_consumer_options {
    size_t size;
    bool now;       /* a consumer that has no position yet starts behind what is there; default: at the beginning */
    bool published; /* events need not be durable */
    bool system;    /* system events too */
    /*
     * The position counts although it was of another region, flag or number of partitions. What that now asks for and lies
     * before the position is not delivered: entities come to another partition, and that one may be further on.
     */
    bool rebind;
    uint32_t workers;    /* worker numbers are below this; 1..1024, default 1 */
    uint32_t partition;  /* which part, default 0 */
    uint32_t partitions; /* of how many, 1..65536, default 1 */
    uint32_t window;     /* delivered and not acknowledged, or held back for order, at most; 1..65536, default 1024 */
    bp_on_failure on_failure;
    uint32_t retries;        /* before that; UINT32_MAX: for ever; default 0 */
    uint32_t backoff_ms;     /* before the first of them, doubled each time; default 100 */
    uint32_t backoff_max_ms; /* default 10000 */
    uint32_t parked_max;     /* with more the consumer stops; 1..65536, default 1024 */
    uint32_t save_every;     /* acknowledgements after which the position is written; default 1000; 1: each */
    uint32_t save_every_ms;  /* and at the latest after so long while somebody calls; default 100 */
} bp_consumer_options;

BP_API void bp_consumer_options_default(bp_consumer_options *options, size_t size);
static inline void bp_consumer_options_init(bp_consumer_options *options)
{
    bp_consumer_options_default(options, sizeof *options);
}

/*
 * Opens a consumer, making it when there is none of that name. `name` is any UTF-8 of 1..255 bytes without control
 * characters; no path is made of it. region NULL: everything but system events.
 *   BP_ERR_LOCKED    another process (named), or this one, has it open
 *   BP_ERR_CONFLICT  its position belongs to another region, to durable or published events, or to another number of
 *                    partitions; see `rebind`
 *   BP_ERR_DIVERGED  its position belongs to a history that this store does not have; see bp_consumer_forget
 *   BP_ERR_CORRUPT, BP_ERR_VERSION  its file is damaged, or newer
 *   BP_ERR_NAME, BP_ERR_ARGUMENT, BP_ERR_IO, BP_ERR_NO_SPACE, BP_ERR_NO_MEMORY, BP_ERR_FORKED
 */
BP_API BP_MUST_USE bp_status bp_consumer_open(bp_store *store, const char *name, const bp_region *region,
                                              const bp_consumer_options *options, bp_consumer **consumer_out,
                                              bp_error *error);

/*
 * The next event for a worker: valid until it is acknowledged or failed. Waits at most timeout_ms (0: looks at what is there,
 * BP_FOREVER).
 *   BP_ERR_TIMEOUT  nothing that may be delivered now: nothing new, or its entities are held back, or the window is full
 *   BP_END          stopped, by bp_consumer_stop or by a failure
 *   BP_ERR_VERSION, BP_ERR_FORMAT  the event cannot be converted; it stays the next one. Before that it is tried `retries`
 *                   times, at least 1 ms apart, and with BP_ON_FAILURE_PARK it is parked instead and what is behind it is
 *                   delivered
 *   BP_ERR_CORRUPT  the event cannot be read; it stays the next one whatever the options say
 *   BP_ERR_CLOSED, BP_ERR_FORKED; BP_ERR_IO and others when the position could not be written
 */
BP_API BP_MUST_USE bp_status bp_consumer_next(bp_consumer *consumer, uint32_t worker, uint32_t timeout_ms,
                                              const bp_event **event_out, bp_error *error);

/*
 * The event was dealt with; it is gone for the caller. Any thread. May write the position (see `save_every`); when that
 * fails, the event is acknowledged all the same and the error says what was wrong.
 * BP_ERR_NOT_FOUND: that sequence is not delivered now. BP_ERR_REENTRANT: a reaction's function is running on it.
 */
BP_API BP_MUST_USE bp_status bp_consumer_ack(bp_consumer *consumer, uint64_t sequence, bp_error *error);

/*
 * The event could not be dealt with; it is gone for the caller, and what the options say happens. `reason` may be NULL; its
 * first 255 bytes are kept. Parking writes the list before it returns. Errors as bp_consumer_ack.
 */
BP_API BP_MUST_USE bp_status bp_consumer_fail(bp_consumer *consumer, uint64_t sequence, const char *reason,
                                              bp_error *error);

/* Deals with one event: BP_OK acknowledges it, all else fails it with the error's message as reason. */
typedef bp_status (*bp_consume_fn)(void *context, const bp_event *event, bp_error *error);

/* Calls `consume` for each event until bp_consumer_stop (BP_OK), a failure that stops (BP_ERR_FAILED, with the first reason), or an
 * error of bp_consumer_next. `consume` may use the store, but not close it. */
BP_API BP_MUST_USE bp_status bp_consumer_run(bp_consumer *consumer, uint32_t worker, bp_consume_fn consume,
                                             void *context, bp_error *error);

/* Ends it: bp_consumer_next answers BP_END to all workers. Any thread. NULL is allowed. */
BP_API void bp_consumer_stop(bp_consumer *consumer);

/* Writes and syncs the position now. */
BP_API BP_MUST_USE bp_status bp_consumer_save(bp_consumer *consumer, bp_error *error);

/* Delivers parked events again: one, or all (BP_NONE). BP_ERR_NOT_FOUND: it is not parked. */
BP_API BP_MUST_USE bp_status bp_consumer_retry(bp_consumer *consumer, uint64_t sequence, bp_error *error);

/* Writes the position, and closes. What was delivered and not acknowledged will come again. No other thread may be in
 * a call with it. NULL is BP_OK. */
BP_API bp_status bp_consumer_close(bp_consumer *consumer, bp_error *error);

/* ---- all consumers of a store, without running them ---- */

typedef struct bp_parked {
    uint64_t sequence;
    bp_id id;
    int64_t time_us; /* when it was parked */
    uint32_t attempts;
    bool retry; /* will be delivered again */
    bp_text reason;
} bp_parked;

typedef struct bp_consumer_info {
    bp_text name;
    bp_text region; /* its text form */
    uint32_t partition;
    uint32_t partitions;
    bool published;
    bp_position position;
    int64_t updated_us; /* when the position was written */
    bp_status status;   /* BP_OK; BP_ERR_DIVERGED; of a damaged file BP_ERR_CORRUPT and a name of hex digits */
    bp_lag lag;         /* behind the written position; not counted when status is not BP_OK */
    const bp_parked *parked;
    size_t parked_count;
} bp_consumer_info;

/* Non-zero ends the listing. What it is given lives during the call. */
typedef int (*bp_consumer_fn)(void *argument, const bp_consumer_info *info);

/* Shows all consumers as their files have them, in no order. Any handle. */
BP_API BP_MUST_USE bp_status bp_consumers(bp_store *store, bp_consumer_fn visit, void *argument, bp_error *error);

/*
 * Marks parked events (one, or all with BP_NONE) of a consumer that nobody has open to be delivered again when it is
 * opened. BP_ERR_NOT_FOUND: no such consumer, or it is not parked. BP_ERR_LOCKED: it is open, use bp_consumer_retry there.
 */
BP_API BP_MUST_USE bp_status bp_consumer_retry_later(bp_store *store, const char *name, uint32_t partition,
                                                     uint64_t sequence, bp_error *error);

/* Removes a consumer that nobody has open: its position and its list are gone. BP_ERR_NOT_FOUND, BP_ERR_LOCKED. */
BP_API BP_MUST_USE bp_status bp_consumer_forget(bp_store *store, const char *name, uint32_t partition, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
