/*
 * tombstone.h: saying in the log that events are no longer to count.
 *
 * A tombstone takes nothing away. A TOMBSTONE event (kind 0x0FFE, a system event) names the events, why, and who decided; from
 * then on they are handed out flagged: bp_event.tombstoned, by everything that hands out events, in every process, and after every
 * reopening, since the log says so. Payload, hashes, ids, clocks, heads and retries stay as they are. There is no way back.
 *
 * Who wants them left out asks for the region tombstoned=no (bp_region_set_tombstoned); everything else goes on to show them. To
 * have the space back: bp_compact with stub_tombstoned, which leaves a stub, or with the region tombstoned=yes to be dropped. What
 * must be forgotten is for bp_erase.
 */
#ifndef BATPAK_TOMBSTONE_H
#define BATPAK_TOMBSTONE_H

#include <batpak/region.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_TOMBSTONE_MAX 65536u /* events of one call: they are one commit */

/* What, why and by whom: exactly one of ids and region. Start from bp_tombstone_options_init. */
typedef struct bp_tombstone_options {
    size_t size;
    const bp_id *ids; /* these events; all must be there */
    size_t id_count;
    const bp_region *region; /* what lies in it now; system events never do */
    const char *reason;      /* UTF-8 without control characters, 1..1024 bytes; it stays in the log */
    const char *by;          /* who decided it, the same */
    bool plan_only;          /* count, and do nothing; reason and by may be NULL then */
} bp_tombstone_options;

BP_API void bp_tombstone_options_default(bp_tombstone_options *options, size_t size);
static inline void bp_tombstone_options_init(bp_tombstone_options *options)
{
    bp_tombstone_options_default(options, sizeof *options);
}

typedef struct bp_tombstone_report {
    uint64_t found;    /* events that are meant and were not tombstoned */
    uint64_t before;   /* events that are meant and were */
    uint64_t buried;   /* now */
    uint64_t records;  /* TOMBSTONE events written; each names up to 64 */
    uint64_t sequence; /* of the first of them; BP_NONE: none */
} bp_tombstone_report;

/*
 * Tombstones events. All of them or none, in one durable commit: BP_OK means that no crash takes it back. A view that was pinned
 * before (an open iterator) goes on to show them as they were. Asking again is BP_OK with `buried` 0, once
 * the first answer is durable (BP_ERR_FAILED after a sync that failed). The TOMBSTONE events have the
 * buried ones as causes, so that a walk along effects leads from one to who buried it.
 *
 * A cached state of a projection that holds a buried event is folded anew when it is asked for next. Subscriptions, consumers and
 * watches are not told; who wants to hear follows the region kind=TOMBSTONE system=yes.
 *
 * report_out may be NULL; it is filled in on errors too. Any thread; one call at a time, a second one waits. Blocks for reading
 * what is meant, and for a sync. On errors nothing was tombstoned, but after BP_ERR_FAILED, as after every failed write, it is not
 * known.
 *
 *   BP_ERR_ARGUMENT  none or both of ids and region; no reason; nobody who decides. BP_ERR_NAME: not UTF-8, or too long
 *   BP_ERR_TOO_LARGE more than BP_TOMBSTONE_MAX events that are not tombstoned yet, or so many ids
 *   BP_ERR_NOT_FOUND an id that is not there; BP_ERR_DROPPED: an id of an event that retention took away
 *   BP_ERR_KIND      an id of a system event
 *   BP_ERR_CORRUPT   one of the events is damaged
 *   BP_ERR_IO, BP_ERR_NO_SPACE, BP_ERR_FAILED, BP_ERR_NO_MEMORY, BP_ERR_READ_ONLY, BP_ERR_FORKED, BP_ERR_CLOSED
 */
BP_API BP_MUST_USE bp_status bp_tombstone(bp_store *store, const bp_tombstone_options *options,
                                          bp_tombstone_report *report_out, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
