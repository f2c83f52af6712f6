/*
 * items.c: see items.h. Programs that were built for this version pay one comparison an item.
 */
#include "store/items.h"

#include "base/compiler.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"

bp_status bpi_append_options_take(const bp_append_options *given, bp_append_options *ours, bp_error *error)
{
    bp_append_options_init(ours);
    return bpi_options_take(given, offsetof(bp_append_options, guards), ours, sizeof *ours, "bp_append_options", error);
}

static bp_status copy_items(bpi_items *items, const bp_batch_item *given, size_t count, bp_error *error)
{
    items->size = count * (sizeof(bp_batch_item) + sizeof(bp_append_options));
    items->copies = bpi_allocate(items->allocator, items->size);
    if (items->copies == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
    }
    bp_append_options *options = items->copies;
    bp_batch_item *copies = (bp_batch_item *)(void *)(options + count);
    for (size_t i = 0; i < count; i++) {
        bp_status status = bpi_append_options_take(given[i].options, &options[i], error);
        if (status != BP_OK) {
            if (error != NULL) {
                error->has_index = true;
                error->index = i;
            }
            return status;
        }
        copies[i] = given[i];
        copies[i].options = given[i].options == NULL ? NULL : &options[i];
    }
    items->items = copies;
    return BP_OK;
}

bp_status bpi_items_take(const bp_allocator *allocator, const bp_batch_item *given, size_t count, bpi_items *items_out,
                         bp_error *error)
{
    *items_out = (bpi_items){.items = given, .allocator = allocator};
    size_t same = 0;
    while (same < count && (given[same].options == NULL || given[same].options->size == sizeof(bp_append_options))) {
        same++;
    }
    if (BPI_LIKELY(same == count)) {
        return BP_OK;
    }
    bp_status status = copy_items(items_out, given, count, error);
    if (status != BP_OK) {
        bpi_items_give(items_out);
    }
    return status;
}

void bpi_items_give(bpi_items *items)
{
    if (items->copies != NULL) {
        bpi_release(items->allocator, items->copies, items->size);
        items->copies = NULL;
    }
}
