/*
 * input.h: what an image is made from: sorted tables of one block, or of several that follow one another.
 *
 * An image is such a set of tables already; for an open block they are built. One emitter makes images of either, so
 * that merging files and sealing a block are the same work.
 */
#ifndef BPI_INDEX_INPUT_H
#define BPI_INDEX_INPUT_H

#include "index/block.h"
#include "index/image.h"
#include "index/sink.h"

enum { BPI_INPUT_OWNED = 24 };

typedef struct bpi_input {
    const bp_allocator *allocator;
    const bpi_rows *rows;
    uint32_t count;
    uint32_t system;
    bpi_id_range ids;
    bpi_list entities;
    bpi_list scopes;
    bpi_list kinds;
    bpi_pairs correlations;
    bpi_pairs causes;
    bpi_pairs fingerprints; /* of the ids */
    bpi_name_table entity_names;
    bpi_name_table scope_names; /* their `hashes` have no buckets */
    struct {
        void *memory;
        size_t size;
    } owned[BPI_INPUT_OWNED];
    unsigned owned_count;
    bp_status status; /* while it is built: why it cannot be */
    bp_error *error;
} bpi_input;

/*
 * Of rows [0, count) of an open block, which get no more. BP_ERR_NO_MEMORY, BP_ERR_CORRUPT (a record is damaged, or the rows
 * contradict each other or their records), BP_ERR_IO.
 */
bp_status bpi_input_of_block(bpi_input *input, const bp_allocator *allocator, const bpi_block *block, uint32_t count,
                             bp_error *error);
void bpi_input_of_image(bpi_input *input, const bpi_image *image);
void bpi_input_fini(bpi_input *input);

/* What follows of the inputs for the header: rows, names, system, ids. False: together they are too many. */
bool bpi_emit_plan(const bpi_input *inputs, size_t count, bpi_index_header *header);
/* Writes all sections; store id, key, layout, ordinals and binding stand in the header already. 0 or errno; EAGAIN: an
 * input could not be believed. */
int bpi_emit(bpi_sink *sink, const bpi_input *inputs, size_t count, bpi_index_header *header);

#endif
