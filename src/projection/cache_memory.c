/*
 * cache_memory.c: a cache in memory: a hash table whose entries also hang in a ring, newest use first.
 *
 * Holds: under the lock, every entry is in the table and in the ring, and `bytes` is what they take.
 */
#include <pthread.h>
#include <string.h>

#include <batpak/cache.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/memory.h"

enum { BUCKETS_FIRST = 64 };

#define BYTES_MAX_DEFAULT ((size_t)64 << 20)

typedef struct entry {
    struct entry *next; /* of its bucket */
    struct entry *newer;
    struct entry *older;
    uint64_t hash;
    size_t key_size;
    size_t value_size;
    uint8_t bytes[]; /* key, value */
} entry;

typedef struct memory_cache {
    bp_cache table;
    const bp_allocator *allocator;
    pthread_mutex_t lock;
    uint64_t seed;
    size_t bytes_max;
    size_t bytes;
    size_t count;
    size_t bucket_count; /* a power of two */
    entry **buckets;
    entry *newest;
    entry *oldest;
} memory_cache;

static size_t size_of(const entry *e)
{
    return sizeof *e + e->key_size + e->value_size;
}

static entry **bucket_of(memory_cache *cache, uint64_t hash)
{
    return &cache->buckets[hash & (cache->bucket_count - 1)];
}

/* Where the pointer to the entry is; it points to NULL when there is none. */
static entry **find(memory_cache *cache, uint64_t hash, const void *key, size_t key_size)
{
    entry **at = bucket_of(cache, hash);
    while (*at != NULL &&
           ((*at)->hash != hash || (*at)->key_size != key_size || memcmp((*at)->bytes, key, key_size) != 0)) {
        at = &(*at)->next;
    }
    return at;
}

static void ring_out(memory_cache *cache, entry *e)
{
    *(e->newer != NULL ? &e->newer->older : &cache->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &cache->oldest) = e->newer;
}

static void ring_in(memory_cache *cache, entry *e)
{
    e->newer = NULL;
    e->older = cache->newest;
    *(e->older != NULL ? &e->older->newer : &cache->oldest) = e;
    cache->newest = e;
}

static void drop(memory_cache *cache, entry **at)
{
    entry *e = *at;
    BPI_ASSERT(e != NULL); /* what hangs in the ring is in the table */
    *at = e->next;
    ring_out(cache, e);
    cache->bytes -= size_of(e);
    cache->count--;
    bpi_release(cache->allocator, e, size_of(e));
}

/* Twice the buckets, if there is memory. */
static void grow(memory_cache *cache)
{
    size_t count = cache->bucket_count * 2;
    entry **buckets = bpi_allocate_array(cache->allocator, count, sizeof(entry *));
    if (buckets == NULL) {
        return;
    }
    bpi_release(cache->allocator, cache->buckets, cache->bucket_count * sizeof(entry *));
    cache->buckets = buckets;
    cache->bucket_count = count;
    for (entry *e = cache->newest; e != NULL; e = e->older) {
        entry **at = bucket_of(cache, e->hash);
        e->next = *at;
        *at = e;
    }
}

static bp_status memory_get(void *context, const void *key, size_t key_size, bp_output *value, bp_error *error)
{
    memory_cache *cache = context;
    uint64_t hash = bpi_name_mix(key, key_size, cache->seed);
    bp_status status = BP_ERR_NOT_FOUND;
    (void)pthread_mutex_lock(&cache->lock);
    entry *e = *find(cache, hash, key, key_size);
    if (e != NULL) {
        ring_out(cache, e);
        ring_in(cache, e);
        status = bp_output_append(value, e->bytes + key_size, e->value_size) ? BP_OK : BP_ERR_NO_MEMORY;
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return status == BP_ERR_NO_MEMORY ? bpi_error_set(error, status, "no memory for a cached value") : status;
}

static bp_status memory_put(void *context, const void *key, size_t key_size, const void *value, size_t value_size,
                            bp_error *error)
{
    memory_cache *cache = context;
    uint64_t hash = bpi_name_mix(key, key_size, cache->seed);
    size_t size = sizeof(entry) + key_size + value_size;
    entry *e = size > cache->bytes_max ? NULL : bpi_allocate(cache->allocator, size);
    (void)pthread_mutex_lock(&cache->lock);
    entry **at = find(cache, hash, key, key_size);
    if (*at != NULL) {
        drop(cache, at);
    }
    if (e != NULL) {
        e->hash = hash;
        e->key_size = key_size;
        e->value_size = value_size;
        bpi_copy(e->bytes, key, key_size);
        bpi_copy(e->bytes + key_size, value, value_size);
        while (cache->bytes + size > cache->bytes_max) {
            entry *last = cache->oldest;
            drop(cache, find(cache, last->hash, last->bytes, last->key_size));
        }
        if (cache->count >= cache->bucket_count) {
            grow(cache);
        }
        at = bucket_of(cache, hash);
        e->next = *at;
        *at = e;
        ring_in(cache, e);
        cache->bytes += size;
        cache->count++;
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return e == NULL && size <= cache->bytes_max ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a value")
                                                 : BP_OK;
}

static bp_status memory_delete_prefix(void *context, const void *prefix, size_t prefix_size, uint64_t *deleted_out,
                                      bp_error *error)
{
    memory_cache *cache = context;
    (void)error;
    *deleted_out = 0;
    (void)pthread_mutex_lock(&cache->lock);
    for (entry *e = cache->newest, *older = NULL; e != NULL; e = older) {
        older = e->older;
        if (e->key_size >= prefix_size && (prefix_size == 0 || memcmp(e->bytes, prefix, prefix_size) == 0)) {
            drop(cache, find(cache, e->hash, e->bytes, e->key_size));
            (*deleted_out)++;
        }
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return BP_OK;
}

static void memory_prefetch(void *context, const void *const *keys, const size_t *key_sizes, size_t count)
{
    (void)context;
    (void)keys;
    (void)key_sizes;
    (void)count;
}

static bp_status memory_sync(void *context, bp_error *error)
{
    (void)context;
    (void)error;
    return BP_OK;
}

static void memory_close(void *context)
{
    memory_cache *cache = context;
    const bp_allocator *allocator = cache->allocator;
    uint64_t deleted = 0;
    (void)memory_delete_prefix(cache, "", 0, &deleted, NULL);
    bpi_release(allocator, cache->buckets, cache->bucket_count * sizeof(entry *));
    (void)pthread_mutex_destroy(&cache->lock);
    bpi_release(allocator, cache, sizeof *cache);
}

bp_status bp_cache_memory(size_t bytes_max, const bp_allocator *allocator, bp_cache **cache_out, bp_error *error)
{
    if (cache_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "cache_out is NULL");
    }
    *cache_out = NULL;
    allocator = allocator != NULL ? allocator : bp_allocator_system();
    memory_cache *cache = bpi_allocate_zero(allocator, sizeof *cache);
    entry **buckets = bpi_allocate_array(allocator, BUCKETS_FIRST, sizeof(entry *));
    if (cache == NULL || buckets == NULL) {
        bpi_release(allocator, cache, sizeof *cache);
        bpi_release(allocator, buckets, BUCKETS_FIRST * sizeof(entry *));
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a cache");
    }
    const bp_random *random = bp_random_system();
    (void)random->fill(random->context, &cache->seed, sizeof cache->seed);
    cache->allocator = allocator;
    cache->bytes_max = bytes_max != 0 ? bytes_max : BYTES_MAX_DEFAULT;
    cache->buckets = buckets;
    cache->bucket_count = BUCKETS_FIRST;
    (void)pthread_mutex_init(&cache->lock, NULL);
    cache->table = (bp_cache){.size = sizeof(bp_cache),
                              .name = "memory",
                              .context = cache,
                              .prefetch = memory_prefetch,
                              .get = memory_get,
                              .put = memory_put,
                              .delete_prefix = memory_delete_prefix,
                              .sync = memory_sync,
                              .close = memory_close};
    *cache_out = &cache->table;
    return BP_OK;
}
