/*
 * scratch.c: a small pool of scratches.
 */
#include "store/scratch.h"

#include <string.h>

#include "store/store.h"

enum { KEEP_MOST = 1 << 20 };

static bpi_scratch *scratch_new(const bp_allocator *allocator, size_t slot)
{
    bpi_scratch *scratch = bpi_allocate_zero(allocator, sizeof *scratch);
    if (scratch != NULL) {
        scratch->allocator = allocator;
        scratch->slot = slot;
        bpi_buffer_init(&scratch->frame, allocator);
        bpi_buffer_init(&scratch->arena, allocator);
        bpi_buffer_init(&scratch->hashing, allocator);
        bpi_buffer_init(&scratch->prefixes, allocator);
        bpi_buffer_init(&scratch->names, allocator);
        bpi_buffer_init(&scratch->sealed, allocator);
    }
    return scratch;
}

void bpi_scratch_free(bpi_scratch *scratch)
{
    if (scratch == NULL) {
        return;
    }
    bpi_buffer_fini(&scratch->frame);
    bpi_buffer_fini(&scratch->arena);
    bpi_buffer_fini(&scratch->hashing);
    bpi_buffer_fini(&scratch->prefixes);
    bpi_buffer_fini(&scratch->names);
    bpi_scratch_forget(scratch);
    bpi_buffer_fini(&scratch->sealed);
    bpi_release(scratch->allocator, scratch->items, scratch->capacity * sizeof *scratch->items);
    memset(&scratch->generator, 0, sizeof scratch->generator);
    bpi_release(scratch->allocator, scratch, sizeof *scratch);
}

bpi_scratch *bpi_scratch_take(bp_store *store)
{
    for (size_t i = 0; i < BPI_SCRATCHES; i++) {
        bool expected = false;
        if (atomic_load_explicit(&store->scratch_taken[i], memory_order_relaxed) ||
            !atomic_compare_exchange_strong_explicit(&store->scratch_taken[i], &expected, true, memory_order_acquire,
                                                     memory_order_relaxed)) {
            continue;
        }
        bpi_scratch *scratch = store->scratches[i];
        if (scratch == NULL) {
            scratch = scratch_new(store->allocator, i);
            store->scratches[i] = scratch;
        }
        if (scratch == NULL) {
            atomic_store_explicit(&store->scratch_taken[i], false, memory_order_release);
        }
        return scratch;
    }
    bpi_scratch *more = scratch_new(store->allocator, BPI_SCRATCHES);
    (void)atomic_fetch_add(&store->others_under_way, more != NULL ? 1 : 0);
    return more;
}

bool bpi_appends_under_way(bp_store *store)
{
    bool any = atomic_load(&store->others_under_way) != 0;
    for (size_t i = 0; i < BPI_SCRATCHES; i++) {
        any = any || atomic_load(&store->scratch_taken[i]);
    }
    return any;
}

/* What a huge payload needed is not kept. */
static void shrink(bpi_buffer *buffer)
{
    if (buffer->capacity > KEEP_MOST) {
        const bp_allocator *allocator = buffer->allocator;
        bpi_buffer_fini(buffer);
        bpi_buffer_init(buffer, allocator);
    }
}

void bpi_scratch_forget(bpi_scratch *scratch)
{
    if (scratch->sealed.size != 0) {
        bpi_wipe(scratch->sealed.data, scratch->sealed.size);
        scratch->sealed.size = 0;
    }
}

void bpi_scratch_give(bp_store *store, bpi_scratch *scratch)
{
    shrink(&scratch->frame);
    shrink(&scratch->arena);
    shrink(&scratch->hashing);
    shrink(&scratch->prefixes);
    bpi_scratch_forget(scratch);
    shrink(&scratch->sealed);
    if (scratch->slot < BPI_SCRATCHES) {
        atomic_store_explicit(&store->scratch_taken[scratch->slot], false, memory_order_release);
    } else {
        bpi_scratch_free(scratch);
        (void)atomic_fetch_sub(&store->others_under_way, 1);
    }
}

bool bpi_scratch_items(bpi_scratch *scratch, size_t count)
{
    if (count <= scratch->capacity) {
        return true;
    }
    bpi_staged *items =
        bpi_resize(scratch->allocator, scratch->items, scratch->capacity * sizeof *items, count * sizeof *items);
    if (items == NULL) {
        return false;
    }
    scratch->items = items;
    scratch->capacity = count;
    return true;
}

int bpi_scratch_random(bp_store *store, bpi_scratch *scratch, void *bytes, size_t size)
{
    const bp_random *random = store->options.random;
    if (random != bp_random_system()) {
        return random->fill(random->context, bytes, size); /* a caller's own is asked for each byte */
    }
    bpi_generator *generator = &scratch->generator;
    if (bpi_generator_wants_seed(generator, size)) {
        uint8_t seed[BPI_SEED_SIZE];
        int code = random->fill(random->context, seed, sizeof seed);
        if (code != 0) {
            return code;
        }
        bpi_generator_seed(generator, seed);
        memset(seed, 0, sizeof seed);
    }
    bpi_generator_draw(generator, bytes, size);
    return 0;
}
