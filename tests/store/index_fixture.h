/*
 * index_fixture.h: a closed store with many sealed segments, its model, and its index files.
 */
#ifndef TESTS_STORE_INDEX_FIXTURE_H
#define TESTS_STORE_INDEX_FIXTURE_H

#include "support/forge.h"
#include "support/workload.h"

enum { FILES_MAX = 64, SEALED = 12, VERSION_AT = 8, CRC_AT = 12, PAGE = 4096 };

typedef struct index_file {
    char name[96];
    uint8_t *data;
    size_t size;
} index_file;

typedef struct fixture {
    bpt_world world; /* the undamaged store */
    bpt_workload *work;
    index_file files[FILES_MAX];
    size_t count;
} fixture;

static inline void keep_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    fixture *f = argument;
    if (strncmp(name, "index/", 6) != 0) {
        return;
    }
    assert_true(f->count < FILES_MAX);
    index_file *file = &f->files[f->count++];
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    file->data = malloc(size);
    assert_non_null(file->data);
    memcpy(file->data, data, size);
    file->size = size;
}

static inline void forget_files(fixture *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->files[i].data);
    }
    f->count = 0;
}

static inline uint64_t sealed_of(bp_store *store)
{
    bp_stats stats = {.size = sizeof stats};
    assert_int_equal(bp_store_stats(store, &stats, NULL), BP_OK);
    return stats.sealed_segments;
}

/* A closed store of at least that many sealed segments. */
static inline void make(fixture *f, bp_layout layout, uint64_t seed, uint64_t sealed)
{
    memset(f, 0, sizeof *f);
    bpt_world_fault(&f->world);
    f->world.options.layout = layout;
    f->world.options.durability = BP_BUFFERED;
    f->work = calloc(1, sizeof *f->work);
    assert_non_null(f->work);
    bpt_workload_begin(f->work, &f->world, seed);
    f->work->reopens = false;
    f->work->asks = false;
    size_t before = 0;
    while (sealed_of(f->work->store) < sealed || f->work->model.count < before + 3) {
        bpt_workload_step(f->work); /* the open segment is not empty in the end */
        before = sealed_of(f->work->store) < sealed ? f->work->model.count : before;
    }
    bpt_compare(&f->work->model, f->work->store, &f->work->random);
    bpt_close(f->work->store);
    f->work->store = NULL;
    bpt_file_each(&f->world, keep_file, f);
}

static inline void unmake(fixture *f)
{
    forget_files(f);
    bpt_model_free(&f->work->model);
    free(f->work);
    bpt_world_end(&f->world);
}

static inline bp_stats stats_of(bp_store *store)
{
    bp_stats stats = {.size = sizeof stats};
    assert_int_equal(bp_store_stats(store, &stats, NULL), BP_OK);
    return stats;
}

static inline void copy_of(fixture *f, bpt_world *world)
{
    bpt_world_adopt(world, bpi_fault_clone(f->world.fault));
    world->options.durability = BP_BUFFERED;
    world->options.layout = f->world.options.layout;
}

#endif
