/*
 * stage_hash.c: the hashing of what was staged, as much as possible side by side.
 *
 * One event goes by itself; a batch goes in steps of 64 events: all content inputs of a step lie in one buffer and are
 * hashed together, then all prefixes.
 */
#include "store/stage.h"

#include "base/error.h"

enum { SIDE_BY_SIDE_MOST = 1024 };

static void content_of(bpi_staged *staged)
{
    const bpi_record_input *input = &staged->input;
    if ((input->state & BPI_RECORD_STATE_STUB) == 0) {
        bpi_content_hash(input->salt, input->private_extensions, input->private_size, input->payload,
                         input->payload_size, &staged->input.content_hash);
    }
}

/* Contents of one step. Small ones side by side; large ones use the processor's width by themselves. */
static bool hash_contents(bpi_scratch *scratch, bpi_staged *items, size_t count)
{
    const uint8_t *inputs[BPI_HASH_STEP];
    size_t sizes[BPI_HASH_STEP];
    bp_hash hashes[BPI_HASH_STEP];
    bpi_staged *owners[BPI_HASH_STEP];
    size_t small = 0;
    if (!bpi_buffer_reserve(&scratch->hashing, count * SIDE_BY_SIDE_MOST)) {
        return false;
    }
    uint8_t *at = scratch->hashing.data;
    for (size_t i = 0; i < count; i++) {
        const bpi_record_input *input = &items[i].input;
        size_t size = bpi_content_input_size(input->private_size, input->payload_size);
        if (size > SIDE_BY_SIDE_MOST || (input->state & BPI_RECORD_STATE_STUB) != 0) {
            content_of(&items[i]);
            continue;
        }
        bpi_content_input(at, input->salt, input->private_extensions, input->private_size, input->payload,
                          input->payload_size);
        inputs[small] = at;
        sizes[small] = size;
        owners[small++] = &items[i];
        at += size;
    }
    bpi_hash_many(BPI_HASH_CONTENT, inputs, sizes, small, hashes);
    for (size_t i = 0; i < small; i++) {
        owners[i]->input.content_hash = hashes[i];
    }
    return true;
}

static bool hash_prefixes(bpi_scratch *scratch, bpi_staged *items, size_t count)
{
    const uint8_t *inputs[BPI_HASH_STEP];
    size_t sizes[BPI_HASH_STEP];
    bpi_hash_prefix states[BPI_HASH_STEP];
    bpi_staged *owners[BPI_HASH_STEP];
    size_t small = 0;
    if (!bpi_buffer_reserve(&scratch->hashing, count * BPI_HASH_PREFIX_MAX)) {
        return false;
    }
    uint8_t *at = scratch->hashing.data;
    for (size_t i = 0; i < count; i++) {
        items[i].prefix_size = bpi_event_prefix_size(&items[i].input);
        if (items[i].prefix_size > BPI_HASH_PREFIX_MAX) {
            continue; /* hashed whole by the commit */
        }
        bpi_event_prefix(at, &items[i].input, &items[i].input.content_hash);
        inputs[small] = at;
        sizes[small] = items[i].prefix_size;
        owners[small++] = &items[i];
        at += items[i].prefix_size;
    }
    bpi_hash_prefix_many(BPI_HASH_EVENT, inputs, sizes, small, states);
    for (size_t i = 0; i < small; i++) {
        owners[i]->prefix = states[i];
    }
    return true;
}

/* One event: no gathering. */
static void hash_one(bpi_staged *staged)
{
    uint8_t buffer[BPI_HASH_PREFIX_MAX];
    content_of(staged);
    staged->prefix_size = bpi_event_prefix_size(&staged->input);
    if (staged->prefix_size <= BPI_HASH_PREFIX_MAX) {
        bpi_event_prefix(buffer, &staged->input, &staged->input.content_hash);
        bpi_hash_prefix_begin(BPI_HASH_EVENT, buffer, staged->prefix_size, &staged->prefix);
    }
}

bp_status bpi_stage_hash(bpi_scratch *scratch, size_t count, bp_error *error)
{
    if (count == 1) {
        hash_one(&scratch->items[0]);
        return BP_OK;
    }
    for (size_t at = 0; at < count; at += BPI_HASH_STEP) {
        size_t step = count - at < BPI_HASH_STEP ? count - at : BPI_HASH_STEP;
        scratch->hashing.size = 0;
        if (!hash_contents(scratch, scratch->items + at, step) || !hash_prefixes(scratch, scratch->items + at, step)) {
            return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
        }
    }
    return BP_OK;
}
