/*
 * recall.h: between a fold and the cache: rows are asked for, judged, used, and put.
 *
 * Whatever a cache does, a fold goes on: its failures are said to the log hook and are nothing more. What the type's own
 * decode answers is not the cache's failure: it is the caller's to hear.
 */
#ifndef BPI_PROJECTION_RECALL_H
#define BPI_PROJECTION_RECALL_H

#include "projection/fold.h"

/* Looks for a row and makes the item's state of it if it may be used; sets made, cached, from, done. BP_OK also when there
 * is none. BP_ERR_...: decode failed. */
bp_status bpi_recall(bpi_fold *fold, bpi_fold_item *item);
/* Puts the item's state, if it is worth it. */
void bpi_recall_put(bpi_fold *fold, bpi_fold_item *item, const bp_position *position);

#endif
