/*
 * items.h: options of appends as callers of other versions give them. Behind these functions all are of our size.
 */
#ifndef BPI_STORE_ITEMS_H
#define BPI_STORE_ITEMS_H

#include <batpak/append.h>

/* Copies options of any known size; NULL: the defaults. BP_ERR_ARGUMENT. */
bp_status bpi_append_options_take(const bp_append_options *given, bp_append_options *ours, bp_error *error);

/* Items whose options are all of our size: the caller's own, or copies. */
typedef struct bpi_items {
    const bp_batch_item *items;
    const bp_allocator *allocator;
    void *copies; /* NULL: none were needed */
    size_t size;
} bpi_items;

/* BP_ERR_ARGUMENT, error->index says which; BP_ERR_NO_MEMORY. Nothing is to be given back then. */
bp_status bpi_items_take(const bp_allocator *allocator, const bp_batch_item *given, size_t count, bpi_items *items_out,
                         bp_error *error);
void bpi_items_give(bpi_items *items);

#endif
