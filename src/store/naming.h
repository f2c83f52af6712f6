/*
 * naming.h: appends that name their kinds.
 */
#ifndef BPI_STORE_NAMING_H
#define BPI_STORE_NAMING_H

#include "store/stage.h"

/* Stages, commits and waits; src/store/append.c. */
bp_status bpi_store_run(bp_store *store, const bpi_request *request, bp_durability durability, bp_receipt *receipts,
                        bp_error *error);
int64_t bpi_store_now_us(const bp_store *store);

/* Items of which some have a kind_name. */
bp_status bpi_append_named(bp_store *store, const bp_batch_item *items, size_t count, bp_durability durability,
                           bp_receipt *receipts, bp_error *error);
/* The kinds that the items would have if they were appended now. BP_ERR_KIND, BP_ERR_NO_MEMORY. */
bp_status bpi_naming_foresee(bp_store *store, const bp_batch_item *items, size_t count, bp_kind_code *kinds_out,
                             bp_error *error);

#endif
