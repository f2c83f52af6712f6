/*
 * test_threads.c: readers beside the writer and the keeper. Every event carries what lets a reader judge the answer by
 * itself: its entity, kind and scope follow from its sequence.
 *
 * ctest: labels=threads
 */
#include "index/world.h"

#include <pthread.h>

enum { READERS = 3, COMMITS = 6000, ENTITIES = 20, KINDS = 7 };

typedef struct shared {
    world w;
    _Atomic bool done;
    _Atomic uint32_t rotated; /* segments below may be sealed */
    _Atomic long answers;
    unsigned commits;
} shared;

static uint32_t entity_of(uint64_t sequence)
{
    return (uint32_t)(sequence * 2654435761u >> 7) % ENTITIES;
}

static void *write_all(void *argument)
{
    shared *s = argument;
    static const char *const names[ENTITIES] = {"e:0",  "e:1",  "e:2",  "e:3",  "e:4",  "e:5",  "e:6",
                                                "e:7",  "e:8",  "e:9",  "e:10", "e:11", "e:12", "e:13",
                                                "e:14", "e:15", "e:16", "e:17", "e:18", "e:19"};
    world *w = &s->w;
    for (unsigned i = 0; i < s->commits; i++) {
        uint64_t batch = bpi_index_next(w->index);
        uint32_t count = 1 + i % 3;
        for (uint32_t n = 0; n < count; n++) {
            uint64_t sequence = bpi_index_next(w->index);
            model_event event = {
                .id = world_id(sequence),
                .correlation = world_id(sequence / 10 * 10),
                .entity = names[entity_of(sequence)],
                .scope = "s",
                .kind = BP_KIND(1, sequence % KINDS),
                .hlc = 1000 + sequence,
                .batch = batch,
                .batch_count = count,
            };
            world_append(w, event);
        }
        if (i % 50 == 0) { /* an entity that comes and goes */
            bpi_index_undo_entity(w->index, world_entity(w, "fleeting"));
        }
        bpi_index_publish(w->index, bpi_index_next(w->index));
        if (i % 400 == 399) {
            assert_true(world_rotate(w));
            atomic_store(&s->rotated, w->ordinal - 1);
        }
    }
    atomic_store(&s->done, true);
    return NULL;
}

static void *seal_all(void *argument)
{
    shared *s = argument;
    uint32_t sealed = 0;
    while (!atomic_load(&s->done) || sealed < atomic_load(&s->rotated)) {
        if (sealed < atomic_load(&s->rotated)) {
            assert_true(bpi_index_seal_block(s->w.index, sealed));
            sealed++;
        }
    }
    return NULL;
}

/* Everything of one entity, or of one kind: complete, in order, nothing beyond the view. */
static void check_scan(shared *s, bpi_view *view, dice *d)
{
    bp_region region = {.size = sizeof region};
    char name[16];
    uint32_t entity = below(d, ENTITIES);
    uint32_t kind = below(d, KINDS);
    bool by_kind = chance(d, 30);
    bp_query_options options = {.size = sizeof options, .backward = chance(d, 50)};
    (void)snprintf(name, sizeof name, "e:%u", entity);
    region.fields = by_kind ? BP_REGION_KIND : BP_REGION_ENTITY;
    region.kind = BP_KIND(1, kind);
    region.entity = bp_text_of(name);
    bpi_scan *scan = NULL;
    assert_int_equal(bpi_scan_begin(view, &region, &options, &scan, NULL), BP_OK);
    uint64_t end = bpi_view_end(view);
    for (uint64_t i = 0; i < end; i++) {
        uint64_t wanted = options.backward ? end - 1 - i : i;
        if (by_kind ? wanted % KINDS != kind : entity_of(wanted) != entity) {
            continue;
        }
        uint64_t sequence = 0;
        bp_event event;
        assert_int_equal(bpi_scan_next(scan, &sequence, &event, NULL), BP_OK);
        assert_int_equal(sequence, wanted);
        assert_int_equal(event.sequence, wanted);
    }
    uint64_t sequence = 0;
    assert_int_equal(bpi_scan_next(scan, &sequence, NULL, NULL), BP_END);
    bpi_scan_end(scan);
    atomic_fetch_add(&s->answers, 1);
}

static void *read_all(void *argument)
{
    shared *s = argument;
    dice d = {(uint64_t)(uintptr_t)&s + (uint64_t)atomic_load(&s->answers)};
    for (bool last = false; !last;) { /* once behind the end too: on a busy machine it may all be over by now */
        last = atomic_load(&s->done);
        bpi_view *view = bpi_view_pin(s->w.index);
        uint64_t end = bpi_view_end(view);
        if (end > 0) {
            uint64_t sequence = 0;
            bp_event event;
            bp_id id = world_id(roll(&d) % (end + 20));
            if (world_find(view, &id, &sequence)) {
                assert_true(sequence < end);
                assert_int_equal(bpi_view_event(view, sequence, &event, NULL), BP_OK);
                assert_true(bp_id_equal(&event.id, &id));
                assert_true(event.batch + event.batch_count <= end);
            }
            check_scan(s, view, &d);
        }
        bpi_view_drop(view);
    }
    return NULL;
}

static void readers_beside_writer_and_keeper(void **state)
{
    (void)state;
    static const bp_layout layouts[] = {BP_LAYOUT_SOA, BP_LAYOUT_SOAOS, BP_LAYOUT_AOS};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        shared s = {.commits = COMMITS};
        pthread_t threads[READERS + 2];
        world_begin(&s.w, layouts[i]);
        s.w.segment_size = 1 << 20;
        assert_true(world_rotate(&s.w));
        assert_int_equal(pthread_create(&threads[0], NULL, write_all, &s), 0);
        assert_int_equal(pthread_create(&threads[1], NULL, seal_all, &s), 0);
        for (int n = 0; n < READERS; n++) {
            assert_int_equal(pthread_create(&threads[2 + n], NULL, read_all, &s), 0);
        }
        for (int n = 0; n < READERS + 2; n++) {
            assert_int_equal(pthread_join(threads[n], NULL), 0);
        }
        assert_true(atomic_load(&s.answers) > 0);
        world_end(&s.w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_beside_writer_and_keeper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
