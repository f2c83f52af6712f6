/*
 * test_compact_threads.c: compaction beside appends and queries of other threads, and beside a cursor that goes on: nothing that is kept is
 * missing, nothing comes twice, and the store verifies.
 *
 * ctest: labels=threads timeout=300
 */
#include <pthread.h>

#include "support/world.h"

enum { APPENDERS = 3, EACH = 500 };

typedef struct shared {
    bp_store *store;
    _Atomic unsigned running;
    uint64_t kept; /* even numbers are not dropped */
} shared;

static bool odd(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 2 == 1;
}

static void *append(void *argument)
{
    shared *s = argument;
    char payload[400] = "x";
    for (unsigned i = 0; i < EACH; i++) {
        bp_receipt receipt;
        bp_error error = {0};
        CHECK_OK(bp_append(s->store, bp_at("entity:1", "eu"), bp_kind(1, 1), bp_raw(payload, sizeof payload), NULL,
                           &receipt, &error),
                 &error);
    }
    atomic_fetch_sub(&s->running, 1);
    return NULL;
}

/* Even sequences come in order, each once, whatever was compacted meanwhile. */
static void *follow(void *argument)
{
    shared *s = argument;
    uint64_t next = 0;
    bool last = false;
    while (!last) {
        last = atomic_load(&s->running) == 0;
        bp_query_options options;
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        bp_error error = {0};
        bp_query_options_init(&options);
        options.resume = next != 0;
        options.resume_after = next == 0 ? 0 : next - 1;
        CHECK_OK(bp_query(s->store, NULL, &options, &iterator, &error), &error);
        bp_status status = BP_OK;
        while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
            CHECK(event->sequence >= next && (event->sequence == next || next % 2 == 1), "%llu after %llu",
                  (unsigned long long)event->sequence, (unsigned long long)next);
            s->kept += event->sequence % 2 == 0;
            next = event->sequence + 1;
        }
        CHECK_STATUS(BP_END, status, &error);
        bp_iterator_close(iterator);
    }
    return NULL;
}

static void nothing_that_is_kept_is_missed(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_disk(&world);
    shared s = {.store = bpt_open(&world)};
    pthread_t threads[APPENDERS + 1];
    atomic_store(&s.running, APPENDERS);
    for (unsigned i = 0; i < APPENDERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, append, &s), 0);
    }
    assert_int_equal(pthread_create(&threads[APPENDERS], NULL, follow, &s), 0);
    bool last = false;
    while (!last) {
        last = atomic_load(&s.running) == 0;
        bp_error error = {0};
        bp_compact_options options;
        bp_compact_options_init(&options);
        options.drop_if = odd;
        CHECK_OK(bp_seal(s.store, &error), &error);
        CHECK_OK(bp_compact(s.store, &options, NULL, &error), &error);
    }
    for (unsigned i = 0; i <= APPENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(s.kept, APPENDERS * EACH / 2);
    uint64_t count = 0;
    bp_error error = {0};
    CHECK_OK(bp_count(s.store, NULL, &count, &error), &error);
    assert_int_equal(count, APPENDERS * EACH / 2);
    bpt_close(s.store);
    assert_int_equal(bpt_verify(&world), APPENDERS * EACH);
    s.store = bpt_open(&world);
    CHECK_OK(bp_count(s.store, NULL, &count, &error), &error);
    assert_int_equal(count, APPENDERS * EACH / 2);
    bpt_close(s.store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_that_is_kept_is_missed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
