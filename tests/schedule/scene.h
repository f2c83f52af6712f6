/*
 * scene.h: a store in the fault world under the scheduler: syncs, writes, stores into mappings, sleeping and waking are points where another
 * thread may go on. Freed memory is filled, and given back only when the run ends, so that who uses it after its end shows.
 */
#ifndef BPS_SCENE_H
#define BPS_SCENE_H

#include "base/plant.h"
#include "schedule/scheduler.h"
#include "support/world.h"

extern bpt_world bps_world;
extern uint64_t bps_syncs_left; /* before one fails; 0: none does */

/* Begins a run with an open store; `also` sets other options, NULL: none. */
bp_store *bps_scene_begin(const bps_plan *plan, bp_durability durability, bp_keeper_mode keeper,
                          void (*also)(bp_options *options));
/* Closes (NULL: that is done), verifies, ends the run. True: exhaustive, and there is another. */
bool bps_scene_end(bp_store *store);

/* One run; true: exhaustive, and there are more. */
typedef bool (*bps_scenario)(const bps_plan *plan);

/* From BATPAK_SEED on. */
void bps_at_random(const char *name, bps_scenario run, uint64_t runs);
/* All runs with so many preemptions, or the first `most` of them. */
void bps_all_of(const char *name, bps_scenario run, unsigned preemptions, uint64_t most);
/* In a child, with a bug of the scheduler's or of the library's: does one of so many runs fail? */
bool bps_is_found(bps_scenario run, bps_bug bug, bpi_plant plant, uint64_t runs);

#endif
