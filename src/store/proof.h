/*
 * proof.h: the history as bp_verify sees it grow: chains, hashes, ids, causes, order, roots.
 *
 * Events are taken in and judged many at a time, since hashes of equal size go side by side at a fraction of the price: what
 * is wrong with an event is told by the next flush at the latest, in the order of the events.
 */
#ifndef BPI_STORE_PROOF_H
#define BPI_STORE_PROOF_H

#include <batpak/event.h>
#include <batpak/io.h>

typedef struct bpi_proof bpi_proof;

/* An event that is not what the history before it asks for. */
typedef struct bpi_disproof {
    uint64_t position;
    uint64_t sequence;
    bp_text entity;
    const char *what;
} bpi_disproof;

/* What the history knew of an event's entity before it. */
typedef struct bpi_met {
    bp_text entity;    /* lives as long as the proof */
    uint64_t previous; /* sequence of its event before; UINT64_MAX: this is its first */
    uint32_t number;   /* among all entities, in the order in which they came */
    uint32_t entities; /* that came before this event */
    bool system;
} bpi_met;

typedef void (*bpi_disproof_fn)(void *argument, const bpi_disproof *found);

/* `events`: how many will come, as far as anybody knows. */
bp_status bpi_proof_new(const bp_allocator *allocator, const bp_random *random, uint64_t events, bpi_disproof_fn tell,
                        void *argument, bpi_proof **proof_out, bp_error *error);
void bpi_proof_free(bpi_proof *proof); /* NULL is allowed */

/* A record of a segment that took the place of others, of which this event was proven: only the segment's root needs it. What was added
 * before has been flushed. */
void bpi_proof_pass(bpi_proof *proof, const bp_event *event);

/* Is there room for one more event before the next flush? */
bool bpi_proof_room(const bpi_proof *proof);
/* Takes in the next event, for which there is room; its bytes are not needed afterwards. After a fault the event is taken as it is,
 * so that what follows is judged against it. Returns its place among those that wait. */
size_t bpi_proof_add(bpi_proof *proof, const bp_event *event);
/* Judges all that was taken in. *met_out: of each by its place, until the next flush. BP_ERR_NO_MEMORY. */
bp_status bpi_proof_flush(bpi_proof *proof, const bpi_met **met_out, bp_error *error);

/* Merkle roots over the events since segment_begin, and over all. What was taken in has been flushed. */
void bpi_proof_segment_begin(bpi_proof *proof);
void bpi_proof_segment_root(bpi_proof *proof, bp_hash *root_out);
void bpi_proof_root(bpi_proof *proof, bp_hash *root_out);
uint64_t bpi_proof_entities(const bpi_proof *proof);
/* Of the events that were judged. */
bool bpi_proof_has(const bpi_proof *proof, const bp_id *id);

#endif
