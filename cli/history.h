/*
 * history.h: looking at one entity's past: as it was, what came between, step by step.
 */
#ifndef BATPAK_CLI_HISTORY_H
#define BATPAK_CLI_HISTORY_H

#include "session.h"

/* A point is a sequence, or a time (of commit; a date or a second means its last instant). Narrows a region to what was
 * there then. */
int history_as_of(bp_region *region, const char *point);

/* Narrows it to what came after the first point, up to the second. */
int history_between(bp_region *region, const char *from, const char *to);

/* Event by event, forward and back, by keys from stdin, each payload beside the one before. */
int history_step(bp_store *store, const bp_region *region);

#endif
