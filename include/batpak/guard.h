/*
 * guard.h: appending only if nothing has come in between.
 *
 * A guard is a region and a position: the append happens only if no event that lies in the region was committed behind
 * that position. It is what an expectation is for one entity, for any question that a region can ask: a scope, a kind, a
 * prefix, a cause. Several guards are several questions; all must hold.
 *
 *   query the regions (bp_query) -> note bp_iterator_position -> decide -> append with the same regions and that position
 *
 * BP_ERR_CONFLICT says which event came between; then the same is done again with what is there now.
 *
 * Guards are judged inside the commit, over all that is committed, published or not, and before any event of their own
 * batch: that a batch writes into the regions it guards is the usual case and no conflict. They are no part of the request: a
 * retry with the same id is answered with the first receipt before they are looked at.
 *
 * Cost: a guard over an entity or a scope looks at its newest event; any other looks at the events behind the position, newest
 * first.
 */
#ifndef BATPAK_GUARD_H
#define BATPAK_GUARD_H

#include <batpak/region.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Nothing is copied: the region and its texts have to live until the append has answered. As all regions do, this one
 * leaves system events out unless it asks for them.
 */
typedef struct bp_guard {
    const bp_region *region; /* NULL: everything but system events */
    bp_position after;       /* of bp_iterator_position or bp_store_position; all zero: nothing may ever have come */
} bp_guard;

/* A guard by parts. Nothing is checked here. */
BP_API bp_guard bp_guard_of(const bp_region *region, bp_position after);

#ifdef __cplusplus
}
#endif

#endif
