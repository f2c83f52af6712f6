/*
 * stage_hash.c: the hashing of what was staged, as much as possible side by side.
 *
 * One event goes by itself; a batch goes in steps of 64 events: all content inputs of a step lie in one buffer and are
 * hashed together. An event hash begins with what the caller gave, the prefix, and ends with a block that only the commit
 * knows. Where several items have the same entity each waits for the one before, so their prefixes are hashed ahead;
 * the event hashes of the others are made as a whole, side by side, when the commit has added the last blocks.
 */
#include "store/stage.h"

#include <string.h>

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

/* Places for the prefixes of all items in scratch->prefixes. */
static bool place_prefixes(bpi_scratch *scratch, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        bpi_staged *staged = &scratch->items[i];
        staged->prefix_size = bpi_event_prefix_size(&staged->input);
        staged->prefix_at = total;
        total += staged->prefix_size <= BPI_HASH_PREFIX_MAX ? staged->prefix_size + BPI_HASH_BLOCK : 0;
    }
    scratch->prefixes.size = 0;
    return bpi_buffer_reserve(&scratch->prefixes, total);
}

/* Tells the items whose entity, by its fingerprint, no other item has. */
static bool mark_alone(bpi_scratch *scratch, size_t count)
{
    size_t slots = 16;
    while (slots < 2 * count) {
        slots *= 2;
    }
    scratch->hashing.size = 0;
    if (!bpi_buffer_reserve(&scratch->hashing, slots * sizeof(uint32_t))) {
        return false;
    }
    uint32_t *table = (uint32_t *)(void *)scratch->hashing.data; /* number of an item + 1; 0: none */
    memset(table, 0, slots * sizeof *table);
    for (size_t i = 0; i < count; i++) {
        bpi_staged *staged = &scratch->items[i];
        size_t at = staged->expected & (slots - 1);
        while (table[at] != 0 && scratch->items[table[at] - 1].expected != staged->expected) {
            at = (at + 1) & (slots - 1);
        }
        staged->alone = table[at] == 0 && staged->prefix_size <= BPI_HASH_PREFIX_MAX;
        if (table[at] == 0) {
            table[at] = (uint32_t)i + 1;
        } else {
            scratch->items[table[at] - 1].alone = false;
        }
    }
    return true;
}

/* The prefixes of one step: those that others of the batch wait for are hashed, the rest is hashed as a whole later. */
static void hash_prefixes(bpi_scratch *scratch, bpi_staged *items, size_t count)
{
    const uint8_t *inputs[BPI_HASH_STEP] = {NULL};
    size_t sizes[BPI_HASH_STEP] = {0};
    bpi_hash_prefix states[BPI_HASH_STEP];
    bpi_staged *owners[BPI_HASH_STEP];
    size_t chained = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].prefix_size > BPI_HASH_PREFIX_MAX) {
            continue; /* hashed whole by the commit */
        }
        uint8_t *at = scratch->prefixes.data + items[i].prefix_at;
        bpi_event_prefix(at, &items[i].input, &items[i].input.content_hash);
        if (!items[i].alone) {
            inputs[chained] = at;
            sizes[chained] = items[i].prefix_size;
            owners[chained++] = &items[i];
        }
    }
    if (chained == 0) {
        return;
    }
    bpi_hash_prefix_many(BPI_HASH_EVENT, inputs, sizes, chained, states);
    for (size_t i = 0; i < chained; i++) {
        owners[i]->prefix = states[i];
    }
}

/* One event: no gathering. The place of its entity, for which the memory was asked before, has come behind the content's hashing; the
 * entity comes meanwhile. */
static void hash_one(bp_store *store, bpi_staged *staged)
{
    uint8_t buffer[BPI_HASH_PREFIX_MAX];
    content_of(staged);
    bpi_names_expect_item(bpi_index_expect_begin(store->index), staged->expected);
    bpi_index_expect_end(store->index);
    staged->prefix_size = bpi_event_prefix_size(&staged->input);
    if (staged->prefix_size <= BPI_HASH_PREFIX_MAX) {
        bpi_event_prefix(buffer, &staged->input, &staged->input.content_hash);
        bpi_hash_prefix_begin(BPI_HASH_EVENT, buffer, staged->prefix_size, &staged->prefix);
    }
}

bp_status bpi_stage_hash(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error)
{
    if (count == 1) {
        hash_one(store, &scratch->items[0]);
        return BP_OK;
    }
    bool good = place_prefixes(scratch, count) && mark_alone(scratch, count);
    for (size_t at = 0; at < count && good; at += BPI_HASH_STEP) {
        size_t step = count - at < BPI_HASH_STEP ? count - at : BPI_HASH_STEP;
        scratch->hashing.size = 0;
        good = hash_contents(scratch, scratch->items + at, step);
        if (good) {
            hash_prefixes(scratch, scratch->items + at, step);
        }
    }
    return good ? BP_OK : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
}

void bpi_stage_hash_alone(bpi_scratch *scratch, size_t count)
{
    const uint8_t *inputs[BPI_HASH_STEP];
    size_t sizes[BPI_HASH_STEP];
    bp_hash hashes[BPI_HASH_STEP];
    bpi_staged *owners[BPI_HASH_STEP];
    for (size_t i = 0; i < count;) {
        size_t alone = 0;
        for (; i < count && alone < BPI_HASH_STEP; i++) {
            bpi_staged *staged = &scratch->items[i];
            if (staged->alone) {
                inputs[alone] = scratch->prefixes.data + staged->prefix_at;
                sizes[alone] = staged->prefix_size + BPI_HASH_BLOCK;
                owners[alone++] = staged;
            }
        }
        bpi_hash_many(BPI_HASH_EVENT, inputs, sizes, alone, hashes);
        for (size_t n = 0; n < alone; n++) {
            owners[n]->assigned.event_hash = hashes[n];
        }
    }
}
