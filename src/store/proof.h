/*
 * proof.h: the history as bp_verify sees it grow: chains, ids, causes, order.
 */
#ifndef BPI_STORE_PROOF_H
#define BPI_STORE_PROOF_H

#include <batpak/event.h>
#include <batpak/io.h>

typedef struct bpi_proof bpi_proof;

enum { BPI_PROOF_FAULTS = 8 };

bpi_proof *bpi_proof_new(const bp_allocator *allocator, const bp_random *random); /* NULL: no memory */
void bpi_proof_free(bpi_proof *proof);                                            /* NULL is allowed */

/*
 * Adds the next event; what is wrong with it goes into faults_out, at most BPI_PROOF_FAULTS. After a fault the event is taken as
 * it is, so that what follows is judged against it. BP_ERR_NO_MEMORY.
 */
bp_status bpi_proof_add(bpi_proof *proof, const bp_event *event, const char *faults_out[BPI_PROOF_FAULTS],
                        size_t *count_out, bp_error *error);

uint64_t bpi_proof_entities(const bpi_proof *proof);
void bpi_proof_root(const bpi_proof *proof, bp_hash *root_out);

#endif
