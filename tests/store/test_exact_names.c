/*
 * test_exact_names.c: a name that is taken over from another store while it is being defined here.
 *
 * ctest: labels=threads
 */
#include <pthread.h>
#include <unistd.h>

#include "support/world.h"

typedef struct rival {
    bp_clock table;
    const bp_clock *inner;
    bp_store *store;
    const bp_event *event;
    pthread_t thread;
    _Atomic bool armed;
    _Atomic bool done;
    bp_status status;
} rival;

static void *take_over(void *argument)
{
    rival *r = argument;
    r->status = bp_append_exact(r->store, r->event, 1, NULL);
    atomic_store(&r->done, true);
    return NULL;
}

/* The definition asks for the time when it has looked at the names: the other thread gets a while to come in between. */
static int64_t now_us(void *context)
{
    rival *r = context;
    if (atomic_exchange(&r->armed, false)) {
        assert_int_equal(pthread_create(&r->thread, NULL, take_over, r), 0);
        for (unsigned i = 0; i < 100 && !atomic_load(&r->done); i++) {
            (void)usleep(2000);
        }
    }
    return r->inner->now_us(r->inner->context);
}

static uint64_t steady_ns(void *context)
{
    const rival *r = context;
    return r->inner->steady_ns(r->inner->context);
}

static void sleep_ns(void *context, uint64_t duration_ns)
{
    const rival *r = context;
    r->inner->sleep_ns(r->inner->context, duration_ns);
}

static void a_name_is_not_taken_over_while_it_is_defined(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&from);
    bpt_world_memory(&to);
    bp_store *source = bpt_open(&from);
    rival r = {.inner = to.options.clock};
    CHECK_OK(bp_kind_define(source, 0x1001, "a", &error), &error);
    CHECK_OK(bp_get_sequence(source, 0, &r.event, &error), &error);
    r.table = (bp_clock){sizeof r.table, &r, now_us, steady_ns, sleep_ns};
    to.options.clock = &r.table;
    r.store = bpt_open(&to);
    atomic_store(&r.armed, true);
    CHECK_OK(bp_kind_define(r.store, 0x1001, "a", &error), &error);
    assert_false(atomic_load(&r.armed));
    assert_int_equal(pthread_join(r.thread, NULL), 0);
    assert_int_equal(r.status, BP_ERR_NOT_EMPTY);
    assert_int_equal(bp_store_frontiers(r.store).published, 1);
    bpt_close(r.store);
    assert_int_equal(bpt_verify(&to), 1);
    bp_event_release(r.event);
    bpt_close(source);
    bpt_world_end(&from);
    bpt_world_end(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_not_taken_over_while_it_is_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
