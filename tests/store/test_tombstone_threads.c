/*
 * test_tombstone_threads.c: threads tombstone while others read, append and compact: what a view shows does not change while it is held,
 * what was said to be tombstoned is so for everybody from then on, and each event is named by one record.
 *
 * ctest: labels=threads
 */
#include <pthread.h>

#include "support/world.h"

enum { EVENTS = 600, BURIERS = 2, READERS = 2, BATCH = 20 };

typedef struct shared {
    bp_store *store;
    bp_store *reader;      /* another handle; NULL: none, but segments are rewritten */
    _Atomic uint64_t said; /* events that bp_tombstone said are buried, by this sequence in order of the one burier */
    _Atomic uint64_t buried;
    _Atomic bool over;
} shared;

static void *bury(void *argument)
{
    shared *with = argument;
    for (uint64_t from = 0; from < EVENTS; from += BATCH) { /* both go through all: one of them finds each first */
        bp_tombstone_options options;
        bp_tombstone_report report;
        bp_error error = {0};
        bp_region region = bp_region_stream("a");
        bp_region_set_sequence(&region, from, from + BATCH - 1);
        bp_tombstone_options_init(&options);
        options.region = &region;
        options.reason = options.by = "x";
        CHECK_OK(bp_tombstone(with->store, &options, &report, &error), &error);
        CHECK(report.before + report.buried == BATCH, "%llu are meant",
              (unsigned long long)(report.before + report.buried));
        atomic_fetch_add(&with->buried, report.buried);
        uint64_t so_far = atomic_load(&with->said);
        while (so_far < from + BATCH && !atomic_compare_exchange_weak(&with->said, &so_far, from + BATCH)) {
        }
    }
    return NULL;
}

/* Twice over one view: the same. Nothing that was said before it began is missing. */
static void look(bp_store *store, uint64_t said)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_error error = {0};
    bp_region region = bp_region_stream("a");
    uint64_t at = 0;
    bool flagged = true;
    CHECK_OK(bp_query(store, &region, NULL, &iterator, &error), &error);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        CHECK(event->sequence == at, "event %llu is missing", (unsigned long long)at);
        CHECK(event->tombstoned || at >= said, "event %llu was said to be tombstoned", (unsigned long long)at);
        CHECK(flagged || !event->tombstoned || at % BATCH == 0, "half a commit is shown");
        flagged = event->tombstoned;
        at++;
    }
    CHECK(at == EVENTS, "%llu events", (unsigned long long)at);
    bp_iterator_close(iterator);
}

static void *read_along(void *argument)
{
    shared *with = argument;
    do {
        uint64_t said = atomic_load(&with->said);
        look(with->store, said);
        if (with->reader != NULL) {
            look(with->reader, said);
        }
    } while (!atomic_load(&with->over));
    return NULL;
}

static void *do_others(void *argument)
{
    shared *with = argument;
    bp_error error = {0};
    do {
        bp_compact_options how;
        bp_compact_options_init(&how);
        how.stub_tombstoned = true;
        bpt_put(with->store, "b", "goes on");
        CHECK_OK(bp_seal(with->store, &error), &error);
        if (with->reader == NULL) {
            CHECK_OK(bp_compact(with->store, &how, NULL, &error), &error);
        }
    } while (!atomic_load(&with->over));
    return NULL;
}

static void run(bool with_reader)
{
    bpt_world world;
    bp_error error = {0};
    pthread_t threads[BURIERS + READERS + 1];
    shared with = {0};
    bpt_world_disk(&world);
    with.store = bpt_open(&world);
    for (unsigned i = 0; i < EVENTS; i++) {
        bp_append_options options;
        bp_append_options_init(&options);
        options.durability = BP_BUFFERED;
        bpt_put_with(with.store, "a", "text", &options);
    }
    CHECK_OK(bp_sync(with.store, &error), &error);
    with.reader = with_reader ? bpt_reader(&world) : NULL;
    for (size_t i = 0; i < BURIERS + READERS + 1; i++) {
        void *(*does)(void *) = i < BURIERS ? bury : i < BURIERS + READERS ? read_along : do_others;
        assert_int_equal(pthread_create(&threads[i], NULL, does, &with), 0);
    }
    for (size_t i = 0; i < BURIERS + READERS + 1; i++) {
        if (i == BURIERS) {
            atomic_store(&with.over, true);
        }
        (void)pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&with.buried), EVENTS);
    look(with.store, EVENTS);
    if (with.reader != NULL) {
        look(with.reader, EVENTS);
        bpt_close(with.reader);
    }
    bpt_close(with.store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

static void beside_a_reader(void **state)
{
    (void)state;
    run(true);
}

static void beside_compactions(void **state)
{
    (void)state;
    run(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_a_reader),
        cmocka_unit_test(beside_compactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
