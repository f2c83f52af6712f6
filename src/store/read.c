/*
 * read.c: what every reading call begins with, and the kinds as people ask for them.
 */
#include "store/read.h"

#include <string.h>

#include "base/error.h"
#include "store/store.h"

bpi_index *bpi_store_read_begin(bp_store *store, const char *flow, bp_error *error)
{
    bp_status status = bpi_store_check(store, error);
    if (status == BP_OK && store->reader) {
        status = bpi_follower_refresh(store, error);
    }
    if (status != BP_OK) {
        return NULL;
    }
    bpi_store_flow(store, flow, bpi_index_published(store->index));
    return store->index;
}

const bp_allocator *bpi_store_allocator(const bp_store *store)
{
    return store->allocator;
}

bp_status bpi_store_kind_find(bp_store *store, const char *text, bp_kind_code *kind_out, bp_error *error)
{
    size_t size = strlen(text);
    if (bp_kind_parse_number(text, size, kind_out) || bpi_kind_constant_find(text, size, kind_out) ||
        (store != NULL && bpi_kinds_find_name(&store->kinds, text, size, kind_out))) {
        return BP_OK;
    }
    bpi_error_set(error, BP_ERR_KIND, "kind %.64s is unknown", text);
    bpi_error_hint(error, "batpak kinds shows the names; or write 0xF001 or 15:1");
    return BP_ERR_KIND;
}

bp_status bp_kind_find(bp_store *store, const char *text, bp_kind_code *kind_out, bp_error *error)
{
    if (text == NULL || kind_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_kind_find needs a text and a place for the kind");
    }
    bp_error local;
    error = error != NULL ? error : &local;
    if (bpi_store_read_begin(store, "kind", error) == NULL) {
        return error->status;
    }
    return bpi_store_kind_find(store, text, kind_out, error);
}

bp_status bp_kind_next_free(bp_store *store, bp_kind_code *kind_out, bp_error *error)
{
    if (kind_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "kind_out is NULL");
    }
    bp_error local;
    error = error != NULL ? error : &local;
    if (bpi_store_read_begin(store, "kind", error) == NULL) {
        return error->status;
    }
    if (!bpi_kinds_free_kind(&store->kinds, 1, kind_out)) {
        return bpi_error_set(error, BP_ERR_KIND, "all kinds of category 1 are taken; name a kind by number");
    }
    return BP_OK;
}

const char *bp_kind_name(bp_store *store, bp_kind_code kind)
{
    const char *name = bpi_kind_constant_name(kind);
    if (name == NULL && bpi_store_check(store, NULL) == BP_OK) {
        name = bpi_kinds_name_of(&store->kinds, kind);
    }
    return name;
}

bp_status bp_kinds(bp_store *store, bp_kind_fn visit, void *argument, bp_error *error)
{
    if (visit == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_kinds needs a function to call");
    }
    bp_error local;
    error = error != NULL ? error : &local;
    if (bpi_store_read_begin(store, "kinds", error) == NULL) {
        return error->status;
    }
    for (unsigned number = 0; number <= UINT16_MAX; number++) {
        bp_kind_code kind = (bp_kind_code)number;
        const _Atomic uint64_t *counts = store->kinds.events[bp_kind_category(kind)];
        uint64_t events = counts == NULL ? 0 : atomic_load_explicit(&counts[bp_kind_type(kind)], memory_order_relaxed);
        const char *table = bpi_kinds_name_of(&store->kinds, kind);
        if (events == 0 && table == NULL) {
            continue;
        }
        const char *name = table != NULL ? table : bpi_kind_constant_name(kind);
        if (visit(argument, kind, name, events) != 0) {
            break;
        }
    }
    return BP_OK;
}
