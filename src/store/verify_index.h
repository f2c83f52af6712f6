/*
 * verify_index.h: the index files of a store, held against its log: each row, each posting, each name follows from it, and
 * nothing is missing. They are derived, so that one that is wrong is no damage; but it would answer wrongly where its
 * checksums are right.
 */
#ifndef BPI_STORE_VERIFY_INDEX_H
#define BPI_STORE_VERIFY_INDEX_H

#include <batpak/event.h>
#include <batpak/verify.h>

#include "log/home.h"
#include "store/proof.h"

typedef struct bpi_index_proof bpi_index_proof;

/* Opens all index files and judges each by itself: header, binding, pages. What is wrong is counted in the report, and told
 * through `options`. home, catalog, options and report are kept. BP_ERR_NO_MEMORY, BP_ERR_IO: one cannot be looked at. */
bp_status bpi_index_proof_begin(const bpi_home *home, const bpi_catalog *catalog, const bp_verify_options *options,
                                bp_verify_report *report, bpi_index_proof **proof_out, bp_error *error);
/* Is there room for one more event before the next flush? */
bool bpi_index_proof_room(const bpi_index_proof *proof);
/* The next event of the log, in the order of sequences from the first one on; there is room. `place`: where what will be known of
 * its entity stands at the next flush. */
void bpi_index_proof_add(bpi_index_proof *proof, const bp_event *event, size_t place);
/* Holds what was added against the files. BP_ERR_NO_MEMORY. */
bp_status bpi_index_proof_flush(bpi_index_proof *proof, const bpi_met *met, bp_error *error);
/* Tells of all files whose content is wrong; what was added has been flushed. `whole`: every event was right, so that what the files
 * say can be held against them. BP_ERR_NO_MEMORY. */
bp_status bpi_index_proof_end(bpi_index_proof *proof, bool whole, bp_error *error);
void bpi_index_proof_free(bpi_index_proof *proof); /* NULL is allowed */

#endif
