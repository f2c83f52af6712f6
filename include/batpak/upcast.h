/*
 * upcast.h: old payloads in today's form. What is stored never changes; what is read is converted on its way out.
 *
 * A program whose events once looked different registers converters, each from one payload version of a kind to the
 * next. From then on every read through that handle that hands out a payload (bp_get, bp_next, walks, cursors,
 * subscriptions, projections) hands out the newest version, with payload, payload_type and payload_version replaced and
 * `converted` set. Everything else of the event is as stored: its event hash binds the stored bytes, so that
 * bp_chain_verify of a converted event answers false (a walk with `verify` checks before it converts).
 *
 * What gates inside a commit ask of the log (bp_commit_query, bp_commit_find) comes as stored: no converter runs there.
 * The stored bytes are also what bp_verify and files see, what other handles see, and what a query with `stored` hands out;
 * `batpak export` registers nothing and exports them.
 */
#ifndef BATPAK_UPCAST_H
#define BATPAK_UPCAST_H

#include <batpak/event.h>
#include <batpak/output.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes the payload of version `from + 1` that says what the event's payload of version `from` says. The event is as
 * the converters before this one left it. Called by any thread that reads, several at a time; must give the same bytes for
 * the same event. It may set `error` (never NULL) by bp_error_set; any status but BP_OK is the read's answer.
 * BP_END and unknown numbers are taken as BP_ERR_FORMAT.
 */
typedef bp_status (*bp_upcast_fn)(void *context, const bp_event *event, bp_output *payload, bp_error *error);

typedef struct bp_upcast {
    bp_kind_code kind;
    uint16_t from;        /* the payload version it reads; it writes from + 1 */
    uint8_t payload_type; /* of what it writes */
    bp_upcast_fn convert;
    void *context; /* must outlive the handle and all that was read through it */
} bp_upcast;

/*
 * Registers converters on a handle: all or none. The array is copied. Later registrations may lengthen a kind's chain
 * at its newest end. Reads that have begun go on as they began; those that begin afterwards convert.
 *
 * Reading an event of a kind with converters:
 *   at the newest version          nothing is done
 *   of a version newer than that   BP_ERR_VERSION: this program is older than the event
 *   of one older than the chain    BP_ERR_VERSION: no converter begins there
 *   erased (payload_absent)        nothing is done: there is nothing to convert
 * Kinds without converters are never touched. An iterator that answered an error goes on behind that event.
 *
 * Memory: a converted payload belongs to what handed it out and lives as long as the event does. An iterator uses the
 * same two buffers for all its events.
 *
 * Any thread; does not block.
 *   BP_ERR_ARGUMENT   a chain has a gap, a version twice, a NULL function; version 65535 has no next. The message names
 *                     kind and version; nothing is registered
 *   BP_ERR_EXISTS     a version has a converter already; nothing is registered
 *   BP_ERR_NO_MEMORY, BP_ERR_FORKED, BP_ERR_CLOSED
 */
BP_API BP_MUST_USE bp_status bp_upcast_register(bp_store *store, const bp_upcast *upcasts, size_t count,
                                                bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
