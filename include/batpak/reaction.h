/*
 * reaction.h: events that follow from events, exactly once.
 *
 * A reaction is a consumer in the writing process with a function: one event in, none to 4096 events out. The outputs of one input are
 * one batch; their ids derive from the reaction's name, the input's id and their ordinal, so that after a crash at any point
 * the library sees that they are there and goes on: each output is in the log exactly once. They carry the input's
 * correlation, the input as first cause, and a hop count; more than BP_HOPS_MAX hops are refused, which ends loops.
 *
 * The function may be called again for the same input (after a crash, or when the append was refused): it should have no
 * effect beyond its outputs. A conflict (an expectation in an output) is a failure of the input: with `retries` the
 * function is asked again, and sees the entity as it is then. Renaming a reaction makes another one of it: new position, new ids.
 *
 * Threads: as a consumer; several workers may run one reaction. bp_close waits for the functions that are running.
 */
#ifndef BATPAK_REACTION_H
#define BATPAK_REACTION_H

#include <batpak/append.h>
#include <batpak/consumer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_reaction bp_reaction;
typedef struct bp_outputs bp_outputs; /* what one call of the function wants to be appended */

/*
 * Adds an output; everything is copied. options: NULL, or expectation, flags, time, lane, depth, kind name, and further
 * causes (behind the input). Id, correlation, hops and durability are the library's: BP_ERR_ARGUMENT if they are set, or
 * if cause_items or guards are. BP_ERR_TOO_LARGE: more than BP_BATCH_MAX outputs or BP_CAUSES_MAX causes. BP_ERR_NO_MEMORY.
 */
BP_API BP_MUST_USE bp_status bp_outputs_add(bp_outputs *outputs, bp_coordinate at, bp_kind_code kind,
                                            bp_payload payload, const bp_append_options *options, bp_error *error);

/* Adds what follows from the event. Anything but BP_OK is a failure of the input, its message the reason. It may read the
 * store, but not close it, nor acknowledge or fail its input itself (BP_ERR_REENTRANT). */
typedef bp_status (*bp_react_fn)(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error);

/*
 * Opens a reaction. options as of its consumer (NULL: the defaults). Errors as bp_consumer_open, and BP_ERR_READ_ONLY: the
 * handle does not write.
 */
BP_API BP_MUST_USE bp_status bp_reaction_open(bp_store *store, const char *name, const bp_region *region,
                                              bp_react_fn react, void *context, const bp_consumer_options *options,
                                              bp_reaction **reaction_out, bp_error *error);

/*
 * Deals with the next input; waits for it at most timeout_ms. BP_OK: one was dealt with, or failed (see the consumer's
 * list and its end). Else as bp_consumer_next. BP_ERR_FAILED and other errors of an append that leave its outcome unknown
 * leave the input where it is.
 */
BP_API BP_MUST_USE bp_status bp_reaction_next(bp_reaction *reaction, uint32_t worker, uint32_t timeout_ms,
                                              bp_error *error);

/* bp_reaction_next until bp_reaction_stop (BP_OK), a failure that stops (BP_ERR_FAILED, with its reason), or an error. */
BP_API BP_MUST_USE bp_status bp_reaction_run(bp_reaction *reaction, uint32_t worker, bp_error *error);

/* Ends it after the input at hand. Any thread. NULL is allowed. */
BP_API void bp_reaction_stop(bp_reaction *reaction);

/* Its consumer, for bp_consumer_retry and bp_consumer_save; belongs to the reaction. */
BP_API bp_consumer *bp_reaction_consumer(bp_reaction *reaction);

/* Writes the position and closes. NULL is BP_OK. */
BP_API bp_status bp_reaction_close(bp_reaction *reaction, bp_error *error);

/* How many reactions led to the event; 0 when none did. */
BP_API uint32_t bp_event_hops(const bp_event *event);

#ifdef __cplusplus
}
#endif

#endif
