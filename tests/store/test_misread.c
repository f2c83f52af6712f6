/*
 * test_misread.c: a medium that lies once. Each reading call of an opening fails, is short or gives a flipped bit: it opens as it
 * should, or says so, and the next opening finds everything.
 */
#include "support/world.h"

enum { EVENTS = 24, TAIL = 3 };

static bool is_odd(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 2 == 1;
}

/* Segments, a compaction whose old files are gone, and a process that was killed. */
static bpi_fault *prepared(void)
{
    bpt_world world;
    bp_error error = {0};
    bp_compact_options options;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < EVENTS; i++) {
        bpt_put_sized(store, "a", 900);
        if (i % 8 == 7) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
    }
    bp_compact_options_init(&options);
    options.drop_if = is_odd;
    CHECK_OK(bp_compact(store, &options, NULL, &error), &error);
    bp_append_options lazy; /* and a tail that no sync has covered */
    bp_append_options_init(&lazy);
    lazy.durability = BP_BUFFERED;
    for (unsigned i = 0; i < TAIL; i++) {
        bpt_put_with(store, "b", "lazy", &lazy);
    }
    bpi_fault_process_kill(world.fault);
    (void)bp_close(store, NULL);
    bpi_fault *fault = bpi_fault_clone(world.fault);
    bpt_world_end(&world);
    return fault;
}

static void check_all(bp_store *store)
{
    bp_error error = {0};
    uint64_t count = 0;
    CHECK_OK(bp_count(store, NULL, &count, &error), &error);
    assert_int_equal(count, EVENTS / 2 + TAIL);
    assert_int_equal(bp_store_frontiers(store).published, EVENTS + TAIL);
}

/* False: the opening makes fewer reading calls. */
static bool misread(const bpi_fault *fault, uint64_t call, int how, uint64_t shift)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    bpi_fault_plan plan = {.read_call = call + shift, .os_error = how == 0 ? 5 : 0, .read_flips_bit = how == 2};
    bpi_fault_plan none = {0};
    bpt_note("reading call %llu, way %d, shift %llu", (unsigned long long)call, how, (unsigned long long)shift);
    bpt_world_adopt(&world, bpi_fault_clone(fault));
    bpi_fault_set_plan(world.fault, &plan);
    for (uint64_t i = 0; i < shift; i++) { /* which bit is flipped depends on the number of the call */
        bp_dir *dir = NULL;
        assert_int_equal(world.io->dir_open(world.io->context, world.path, false, &dir), 0);
        world.io->dir_close(world.io->context, dir);
    }
    bp_status status = bp_open(world.path, &world.options, &store, &error);
    bool more = bpi_fault_reads(world.fault) >= call + shift;
    bpi_fault_set_plan(world.fault, &none);
    CHECK(status == BP_OK || status == BP_ERR_IO || (how != 0 && status == BP_ERR_CORRUPT) ||
              (how == 2 && status == BP_ERR_VERSION),
          "it says %s: %s", bp_status_name(status), error.message);
    if (status == BP_OK) {
        check_all(store);
    }
    bpi_fault_process_kill(world.fault);
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    check_all(store);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), EVENTS + TAIL);
    bpt_world_end(&world);
    return more;
}

static void a_medium_that_lies_once_destroys_nothing(void **state)
{
    bpi_fault *fault = prepared();
    uint64_t stride = bpt_instrumented() ? 3 : 1;
    (void)state;
    for (int how = 0; how < 6; how++) {
        uint64_t shift = how < 3 ? 0 : (uint64_t)how;
        for (uint64_t call = 1; misread(fault, call, how < 3 ? how : 2, shift); call += stride) {
        }
    }
    bpi_fault_free(fault);
}

/* The newest slot rots for good, right behind a swap: the older one names files that are gone, and calls retired what is there. */
static void a_lost_slot_lets_nothing_be_removed(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    size_t size = 0;
    (void)state;
    for (size_t slot = 0; slot < 2; slot++) {
        bpt_world_adopt(&world, prepared());
        uint8_t *bytes = bpt_file_read(&world, "MANIFEST", &size);
        assert_true(bytes != NULL && size == 8192);
        bytes[slot * 4096 + 40] ^= 1;
        bpt_file_write(&world, "MANIFEST", bytes, size);
        bp_status status = bp_open(world.path, &world.options, &store, &error);
        if (status == BP_OK) {
            check_all(store); /* it was the older one */
            bpt_close(store);
        } else {
            CHECK_STATUS(BP_ERR_CORRUPT, status, &error);
            bytes[slot * 4096 + 40] ^= 1;
            bpt_file_write(&world, "MANIFEST", bytes, size);
            store = bpt_open(&world);
            check_all(store);
            bpt_close(store);
        }
        free(bytes);
        bpt_world_end(&world);
    }
}

typedef struct newest {
    char name[64];
    size_t at;
} newest;

static void look_for_lazy(void *argument, const char *name, const uint8_t *data, size_t size)
{
    static const char text[] = "lazy";
    newest *found = argument;
    if (strncmp(name, "log/", 4) != 0) {
        return;
    }
    for (size_t at = 0; at + strlen(text) <= size; at++) {
        if (memcmp(data + at, text, strlen(text)) == 0) {
            (void)snprintf(found->name, sizeof found->name, "%s", name);
            found->at = at;
        }
    }
}

/* In the last event's payload: acknowledged, published, not durable. */
static void damage_newest(bpt_world *world)
{
    newest found = {0};
    size_t size = 0;
    bpt_file_each(world, look_for_lazy, &found);
    assert_true(found.at != 0);
    uint8_t *data = bpt_file_read(world, found.name, &size);
    data[found.at] ^= 1;
    bpt_file_write(world, found.name, data, size);
    free(data);
}

/* False: the opening makes fewer reading calls. */
static bool refused(bpt_world *world, uint64_t call, bool reader)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bpi_fault_plan plan = {.read_call = call, .os_error = 5};
    bpi_fault_plan none = {0};
    bp_options options = world->options;
    bpt_note("reading call %llu of a %s", (unsigned long long)call, reader ? "reader" : "writer");
    bpi_fault_set_plan(world->fault, &plan);
    bp_status status =
        reader ? bp_open_reader(world->path, &options, &store, &error) : bp_open(world->path, &options, &store, &error);
    bool more = bpi_fault_reads(world->fault) >= call;
    bpi_fault_set_plan(world->fault, &none);
    CHECK(status == BP_ERR_IO || status == BP_ERR_CORRUPT, "it says %s: %s", bp_status_name(status), error.message);
    assert_true(more || status == BP_ERR_CORRUPT);
    return more;
}

/* What the page alone vouches for is damaged. Who cannot read the page does not take the log for one that ends before. */
static void a_page_that_cannot_be_read_vouches_on(void **state)
{
    (void)state;
    for (int reader = 0; reader < 2; reader++) {
        bpt_world world;
        bpt_world_adopt(&world, prepared());
        damage_newest(&world);
        for (uint64_t call = 1; refused(&world, call, reader == 1); call++) {
        }
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_medium_that_lies_once_destroys_nothing),
        cmocka_unit_test(a_lost_slot_lets_nothing_be_removed),
        cmocka_unit_test(a_page_that_cannot_be_read_vouches_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
