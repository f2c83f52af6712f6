/*
 * cache.c: what is done with any cache.
 */
#include <batpak/cache.h>

#include <string.h>

#include "base/error.h"
#include "base/options.h"

void bp_cache_close(bp_cache *cache)
{
    if (cache != NULL) {
        cache->close(cache->context);
    }
}

void bp_cache_lmdb_options_default(bp_cache_lmdb_options *options, size_t size)
{
    bp_cache_lmdb_options defaults = {.size = size, .map_size = (uint64_t)16 << 20, .map_size_max = (uint64_t)1 << 30};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

bp_status bp_cache_forget(const bp_cache *cache, const char *type, uint64_t *deleted_out, bp_error *error)
{
    uint64_t deleted = 0;
    bp_error own = {0};
    if (cache == NULL || !bpi_size_fits(cache, sizeof *cache, sizeof *cache)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_cache_forget needs a cache");
    }
    /* The NUL belongs to it: another type may begin with these letters. */
    size_t size = type == NULL ? 0 : strlen(type) + 1;
    bp_status status = cache->delete_prefix(cache->context, type == NULL ? "" : type, size, &deleted, &own);
    status = bpi_error_callback(&own, status, cache->name);
    if (status != BP_OK && error != NULL) {
        *error = own;
    }
    if (deleted_out != NULL) {
        *deleted_out = deleted;
    }
    return status;
}

bp_status bp_cache_sync(const bp_cache *cache, bp_error *error)
{
    bp_error own = {0};
    if (cache == NULL || !bpi_size_fits(cache, sizeof *cache, sizeof *cache)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_cache_sync needs a cache");
    }
    bp_status status = bpi_error_callback(&own, cache->sync(cache->context, &own), cache->name);
    if (status != BP_OK && error != NULL) {
        *error = own;
    }
    return status;
}
