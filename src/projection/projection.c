/*
 * projection.c: asking for states.
 */
#include <batpak/projection.h>

#include <string.h>

#include "base/error.h"
#include "projection/fold.h"
#include "store/read.h"

void bp_project_options_default(bp_project_options *options, size_t size)
{
    bp_project_options defaults = {.size = size};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

/* ---- arguments ---- */

static bp_status check_projection(const bp_projection *projection, const void *state, bool cached, bp_error *error)
{
    if (projection == NULL || !bpi_size_fits(projection, sizeof *projection, sizeof *projection) ||
        projection->apply == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a projection needs its size and an apply function");
    }
    size_t type_size = projection->type == NULL ? 0 : strnlen(projection->type, BPI_TYPE_MAX + 1);
    if (type_size == 0 || type_size > BPI_TYPE_MAX) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a projection needs a type id of 1 to 255 bytes");
    }
    if (state == NULL || projection->state_size == 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "projection %s: there is no place for a state", projection->type);
    }
    if (projection->kinds == NULL && projection->kind_count > 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "projection %s: kinds is NULL", projection->type);
    }
    if (cached && !projection->flat && (projection->encode == NULL || projection->decode == NULL)) {
        bpi_error_set(error, BP_ERR_ARGUMENT, "projection %s cannot be cached", projection->type);
        bpi_error_hint(error, "give it encode and decode, or flat if its state has no pointers");
        return BP_ERR_ARGUMENT;
    }
    return BP_OK;
}

static bp_status take_options(const bp_project_options *given, bp_project_options *options, bp_error *error)
{
    bp_project_options_init(options);
    bp_status status = bpi_options_take(given, sizeof *options, options, sizeof *options, "bp_project_options", error);
    if (status != BP_OK) {
        return status;
    }
    if ((unsigned)options->as_of > BP_AS_OF_COMMITTED) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_project_options: no such as_of: %d", (int)options->as_of);
    }
    if (options->cache != NULL && !bpi_size_fits(options->cache, sizeof *options->cache, sizeof *options->cache)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_project_options: cache is no table whose size is set");
    }
    return BP_OK;
}

static bp_status tell(const bpi_fold *fold, bp_status status, bp_error *error)
{
    if (status != BP_OK && error != NULL) {
        *error = fold->error;
    }
    return status;
}

/* ---- one ---- */

static bp_status absent(const bp_projection *projection, const bp_region *region, bp_error *error)
{
    bpi_error_set(error, BP_ERR_NOT_FOUND, "projection %s: no event yet", projection->type);
    if (region->fields & BP_REGION_ENTITY) {
        bpi_error_entity(error, region->entity);
    }
    return BP_ERR_NOT_FOUND;
}

bp_status bp_project_region(bp_store *store, const bp_projection *projection, const bp_region *region,
                            const bp_project_options *options, void *state, bp_projected *result_out, bp_error *error)
{
    bp_project_options taken;
    bp_region taken_region;
    bp_projected own;
    bpi_fold fold;
    bp_status status = take_options(options, &taken, error);
    if (status == BP_OK) {
        status = check_projection(projection, state, taken.cache != NULL, error);
    }
    if (status == BP_OK) {
        status = bpi_region_take(region, &taken_region, error);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_fold_item item = {.projection = projection, .state = state, .result = result_out != NULL ? result_out : &own};
    status = bpi_fold_begin(&fold, store, &taken_region, &taken, &item, 1);
    if (status == BP_OK) {
        status = bpi_fold_run(&fold);
    }
    bpi_fold_end(&fold);
    if (status == BP_OK && !item.result->present) {
        return absent(projection, &taken_region, error);
    }
    return tell(&fold, status, error);
}

bp_status bp_project(bp_store *store, const bp_projection *projection, const char *entity,
                     const bp_project_options *options, void *state, bp_projected *result_out, bp_error *error)
{
    if (entity == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "entity is NULL");
    }
    bp_region region = bp_region_stream(entity);
    return bp_project_region(store, projection, &region, options, state, result_out, error);
}

/* ---- if changed ---- */

static bp_status run_if_changed(bpi_fold *fold, const bp_position *seen)
{
    bpi_fold_item *item = &fold->items[0];
    bp_status status = bpi_fold_check(fold, seen);
    if (status == BP_ERR_DIVERGED) {
        bpi_error_set(&fold->error, status, "the position (event %llu of epoch %u) is not in this store's history",
                      (unsigned long long)(seen->next - 1), (unsigned)seen->epoch);
        bpi_error_hint(&fold->error, "forget that state and project anew, from an empty position");
        return status;
    }
    if (status == BP_OK) {
        status = bpi_fold_news(fold, item, seen->next);
    }
    if (status == BP_OK) {
        return bpi_fold_run(fold);
    }
    if (status != BP_END) {
        return status;
    }
    item->result->changed = false;
    status = bpi_fold_position(fold, &item->result->position);
    if (status != BP_OK) {
        item->result->position = *seen; /* good still: only farther back */
    }
    return BP_OK;
}

bp_status bp_project_if_changed(bp_store *store, const bp_projection *projection, const bp_region *region,
                                const bp_position *seen, const bp_project_options *options, void *state,
                                bp_projected *result_out, bp_error *error)
{
    static const bp_position nothing = {0};
    bp_project_options taken;
    bp_region taken_region;
    bpi_fold fold;
    if (result_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "result_out is NULL");
    }
    bp_status status = take_options(options, &taken, error);
    if (status == BP_OK && (taken.as_of != BP_AS_OF_NOW || taken.max_stale_ms != 0)) {
        status = bpi_error_set(error, BP_ERR_ARGUMENT, "bp_project_if_changed knows no %s",
                               taken.as_of != BP_AS_OF_NOW ? "as_of" : "max_stale_ms");
    }
    if (status == BP_OK) {
        status = check_projection(projection, state, taken.cache != NULL, error);
    }
    if (status == BP_OK) {
        status = bpi_region_take(region, &taken_region, error);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_fold_item item = {.projection = projection, .state = state, .result = result_out};
    status = bpi_fold_begin(&fold, store, &taken_region, &taken, &item, 1);
    if (status == BP_OK) {
        status = run_if_changed(&fold, seen != NULL ? seen : &nothing);
    }
    bpi_fold_end(&fold);
    return tell(&fold, status, error);
}

/* ---- several ---- */

static bp_status check_items(const bp_projection_item *items, size_t count, bool cached, bp_error *error)
{
    if (items == NULL || count == 0 || count > BP_FUSED_MAX) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_project_fused takes 1 to %u items", BP_FUSED_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        bp_status status = check_projection(items[i].projection, items[i].state, cached, error);
        if (status != BP_OK) {
            if (error != NULL) {
                error->index = i;
                error->has_index = true;
            }
            return status;
        }
    }
    return BP_OK;
}

bp_status bp_project_fused(bp_store *store, const bp_region *region, bp_projection_item *items, size_t count,
                           const bp_project_options *options, bp_error *error)
{
    bp_project_options taken;
    bp_region taken_region;
    bpi_fold fold;
    bp_status status = take_options(options, &taken, error);
    if (status == BP_OK) {
        status = check_items(items, count, taken.cache != NULL, error);
    }
    if (status == BP_OK) {
        status = bpi_region_take(region, &taken_region, error);
    }
    if (status == BP_OK) {
        status = bpi_store_check(store, error);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_fold_item *fused = bpi_allocate_array(store->allocator, count, sizeof *fused);
    if (fused == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for %zu projections", count);
    }
    for (size_t i = 0; i < count; i++) {
        fused[i].projection = items[i].projection;
        fused[i].state = items[i].state;
        fused[i].result = &items[i].result;
    }
    status = bpi_fold_begin(&fold, store, &taken_region, &taken, fused, count);
    if (status == BP_OK) {
        status = bpi_fold_run(&fold);
    }
    bpi_fold_end(&fold);
    bpi_release(store->allocator, fused, count * sizeof *fused);
    return tell(&fold, status, error);
}

/* ---- prefetch ---- */

void bp_project_prefetch(bp_store *store, const bp_projection *projection, const char *const *entities, size_t count,
                         const bp_cache *cache)
{
    enum { STEP = 16 };
    bpi_row_key keys[STEP];
    const void *bytes[STEP];
    size_t sizes[STEP];
    uint8_t state = 0;
    if (cache == NULL || entities == NULL || (cache->capabilities & BP_CACHE_PREFETCHES) == 0 ||
        check_projection(projection, &state, false, NULL) != BP_OK || bpi_store_check(store, NULL) != BP_OK) {
        return;
    }
    for (size_t i = 0; i < count;) {
        size_t n = 0;
        for (; n < STEP && i < count; i++) {
            bp_region region = bp_region_stream(entities[i]);
            if (bpi_row_key_make(projection, &store->id, &region, store->allocator, &keys[n], NULL) == BP_OK) {
                bytes[n] = keys[n].bytes;
                sizes[n] = keys[n].size;
                n++;
            }
        }
        cache->prefetch(cache->context, bytes, sizes, n);
    }
}
