/*
 * folding.h: projections that tests fold with, and a cache that misbehaves on demand.
 *
 * `tally` depends on every event it was given and on their order, so that one too many, one too few or two exchanged show.
 */
#ifndef BPT_PROJECTION_FOLDING_H
#define BPT_PROJECTION_FOLDING_H

#include "support/world.h"

typedef struct bpt_tally {
    uint64_t count;
    uint64_t digest; /* of sequences and payloads, in order */
    uint64_t last;   /* sequence */
} bpt_tally;

static inline bp_status bpt_tally_apply(void *context, void *state, const bp_event *event, bp_error *error)
{
    bpt_tally *tally = state;
    const uint8_t *bytes = event->payload;
    (void)context;
    (void)error;
    tally->count++;
    tally->last = event->sequence;
    tally->digest = (tally->digest ^ event->sequence) * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < event->payload_size; i++) {
        tally->digest = (tally->digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return BP_OK;
}

static inline bp_projection bpt_tally_projection(const char *type, bool incremental)
{
    return (bp_projection){.size = sizeof(bp_projection),
                           .type = type,
                           .version = 1,
                           .incremental = incremental,
                           .flat = true,
                           .state_size = sizeof(bpt_tally),
                           .apply = bpt_tally_apply};
}

static inline void bpt_check_tally(const bpt_tally *got, const bpt_tally *want, const char *what)
{
    CHECK(got->count == want->count && got->digest == want->digest && got->last == want->last,
          "%s: %llu events to %llu, digest %llx; wanted %llu to %llu, %llx", what, (unsigned long long)got->count,
          (unsigned long long)got->last, (unsigned long long)got->digest, (unsigned long long)want->count,
          (unsigned long long)want->last, (unsigned long long)want->digest);
}

/* The fold by hand: every event of the region up to `last`, of these kinds. */
static inline bpt_tally bpt_tally_by_hand(bp_store *store, const bp_region *region, const bp_kind_code *kinds,
                                          size_t kind_count, uint64_t last)
{
    bpt_tally tally = {0};
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    CHECK_OK(bp_query(store, region, NULL, &iterator, &error), &error);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        bool relevant = kind_count == 0;
        for (size_t i = 0; i < kind_count; i++) {
            relevant = relevant || kinds[i] == event->kind;
        }
        if (relevant && event->sequence <= last) {
            (void)bpt_tally_apply(NULL, &tally, event, &error);
        }
    }
    bp_iterator_close(iterator);
    return tally;
}

/* One value for all keys, and orders to fail. */
typedef struct bpt_cache {
    bp_cache table;
    uint8_t value[4096];
    size_t size;
    bool has;
    bool fail_get;
    bool fail_put;
    unsigned gets;
    unsigned puts;
    unsigned prefetched;
} bpt_cache;

static inline bp_status bpt_cache_get(void *context, const void *key, size_t key_size, bp_output *value,
                                      bp_error *error)
{
    bpt_cache *cache = context;
    (void)key;
    assert_true(key_size <= BP_CACHE_KEY_MAX);
    cache->gets++;
    if (cache->fail_get) {
        (void)bp_output_append(value, cache->value, cache->size);
        return bp_error_set(error, BP_ERR_IO, "the cache is broken");
    }
    if (!cache->has) {
        return BP_ERR_NOT_FOUND;
    }
    return bp_output_append(value, cache->value, cache->size) ? BP_OK : BP_ERR_NO_MEMORY;
}

static inline bp_status bpt_cache_put(void *context, const void *key, size_t key_size, const void *value,
                                      size_t value_size, bp_error *error)
{
    bpt_cache *cache = context;
    (void)key;
    (void)key_size;
    cache->puts++;
    if (cache->fail_put) {
        return bp_error_set(error, BP_ERR_NO_SPACE, "the cache is full");
    }
    assert_true(value_size <= sizeof cache->value);
    memcpy(cache->value, value, value_size);
    cache->size = value_size;
    cache->has = true;
    return BP_OK;
}

static inline bp_status bpt_cache_delete(void *context, const void *prefix, size_t prefix_size, uint64_t *deleted_out,
                                         bp_error *error)
{
    bpt_cache *cache = context;
    (void)prefix;
    (void)prefix_size;
    (void)error;
    *deleted_out = cache->has;
    cache->has = false;
    return BP_OK;
}

static inline void bpt_cache_prefetch(void *context, const void *const *keys, const size_t *key_sizes, size_t count)
{
    bpt_cache *cache = context;
    for (size_t i = 0; i < count; i++) {
        assert_non_null(keys[i]);
        assert_true(key_sizes[i] > 0);
    }
    cache->prefetched += (unsigned)count;
}

static inline bp_status bpt_cache_sync(void *context, bp_error *error)
{
    (void)context;
    (void)error;
    return BP_OK;
}

static inline void bpt_cache_close(void *context)
{
    (void)context;
}

static inline void bpt_cache_init(bpt_cache *cache)
{
    memset(cache, 0, sizeof *cache);
    cache->table = (bp_cache){.size = sizeof(bp_cache),
                              .name = "test",
                              .capabilities = BP_CACHE_PREFETCHES,
                              .context = cache,
                              .prefetch = bpt_cache_prefetch,
                              .get = bpt_cache_get,
                              .put = bpt_cache_put,
                              .delete_prefix = bpt_cache_delete,
                              .sync = bpt_cache_sync,
                              .close = bpt_cache_close};
}

#endif
