/*
 * test_linear.c: guards and expectations under eight threads. Every attempt is noted with its invocation and return; each
 * entity and each guarded scope is a counter, and its history must be linearizable (linear.h). The checker itself is tried
 * on small histories, and on a store whose checks are made before the lock.
 *
 * ctest: labels=threads,campaign timeout=900
 */
#include <pthread.h>
#include <sched.h>

#include "policy/linear.h"
#include "support/world.h"

enum { THREADS = 8, OBJECTS = 6 };

typedef struct shared {
    bp_store *store;
    _Atomic uint64_t moment;
    size_t attempts; /* of each thread */
    bool planted;    /* check first, append then, unguarded: the mistake */
    _Atomic unsigned wrong;
} shared;

typedef struct attempt {
    unsigned object;
    bpt_operation operation;
} attempt;

typedef struct worker {
    pthread_t thread;
    shared *all;
    bpt_random random;
    attempt *attempts;
    size_t count;
} worker;

/* What an object looks like: even ones are entities, odd ones guarded scopes that many entities write into. */
static bp_region region_of(unsigned object, char name[32])
{
    (void)snprintf(name, 32, "%s:%u", object % 2 == 0 ? "entity" : "scope", object);
    return object % 2 == 0 ? bp_region_stream(name) : bp_region_by_scope(name);
}

/* The count and the position it was counted at: the newest event says its number. */
static bp_status look(shared *all, const bp_region *region, uint64_t *count_out, bp_position *position_out)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_query_options options;
    bp_query_options_init(&options);
    options.backward = true;
    options.limit = 1;
    *count_out = 0;
    bp_status status = bp_query(all->store, region, &options, &iterator, NULL);
    if (status != BP_OK) {
        return status;
    }
    status = bp_next(iterator, &event, NULL);
    if (status == BP_OK) {
        uint64_t number = 0;
        memcpy(&number, event->payload, sizeof number);
        *count_out = number + 1;
    }
    status = status == BP_END ? BP_OK : status;
    if (status == BP_OK) {
        status = bp_iterator_position(iterator, position_out, NULL);
    }
    bp_iterator_close(iterator);
    return status;
}

/* Checks what the append would check, without its lock: what a store with that mistake would do. */
static bp_status check_early(shared *all, const bp_region *region, uint64_t expected)
{
    uint64_t count = 0;
    bp_position position;
    bp_status status = look(all, region, &count, &position);
    (void)sched_yield();
    return status != BP_OK ? status : count == expected ? BP_OK : BP_ERR_CONFLICT;
}

static bp_status append(worker *self, unsigned object, const bp_region *region, uint64_t expected, bp_position after)
{
    char entity[32];
    char scope[32];
    bp_guard guard = bp_guard_of(region, after);
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    bool entity_is_object = object % 2 == 0;
    (void)snprintf(entity, sizeof entity, entity_is_object ? "entity:%u" : "any:%u",
                   entity_is_object ? object : (unsigned)bpt_random_below(&self->random, 5));
    (void)snprintf(scope, sizeof scope, entity_is_object ? "elsewhere" : "scope:%u", object);
    if (self->all->planted) {
        bp_status status = check_early(self->all, region, expected);
        if (status != BP_OK) {
            return status;
        }
    } else if (entity_is_object) {
        options.expect =
            expected == 0 ? (bp_expectation){BP_EXPECT_NONE, 0} : (bp_expectation){BP_EXPECT_AT, expected - 1};
    } else {
        options.guards = &guard;
        options.guard_count = 1;
    }
    return bp_append(self->all->store, bp_at(entity, scope), 0xf001, bp_raw(&expected, sizeof expected), &options, NULL,
                     NULL);
}

static void *work(void *argument)
{
    worker *self = argument;
    shared *all = self->all;
    for (size_t i = 0; i < all->attempts; i++) {
        char name[32];
        uint64_t expected = 0;
        bp_position position;
        unsigned object = (unsigned)bpt_random_below(&self->random, OBJECTS);
        bp_region region = region_of(object, name);
        if (look(all, &region, &expected, &position) != BP_OK) {
            atomic_fetch_add(&all->wrong, 1);
            continue;
        }
        if (bpt_random_chance(&self->random, 40)) {
            (void)sched_yield(); /* let what was seen grow old */
        }
        attempt *noted = &self->attempts[self->count++];
        noted->object = object;
        noted->operation.expected = expected;
        noted->operation.invoked = atomic_fetch_add(&all->moment, 1);
        bp_status status = append(self, object, &region, expected, position);
        noted->operation.returned = atomic_fetch_add(&all->moment, 1);
        noted->operation.succeeded = status == BP_OK;
        if (status != BP_OK && status != BP_ERR_CONFLICT) {
            atomic_fetch_add(&all->wrong, 1);
        }
    }
    return NULL;
}

/* Runs the threads; the number of objects whose history is not linearizable. */
static unsigned run(size_t attempts, bool planted, uint64_t seed, uint64_t *conflicts_out)
{
    bpt_world world;
    bpt_world_disk(&world);
    world.options.durability = BP_BUFFERED;
    shared all = {.store = bpt_open(&world), .attempts = attempts / THREADS, .planted = planted};
    worker workers[THREADS];
    for (unsigned t = 0; t < THREADS; t++) {
        workers[t] = (worker){.all = &all, .random = {seed + t}};
        workers[t].attempts = calloc(all.attempts, sizeof *workers[t].attempts);
        assert_non_null(workers[t].attempts);
        assert_int_equal(pthread_create(&workers[t].thread, NULL, work, &workers[t]), 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(workers[t].thread, NULL), 0);
    }
    assert_int_equal(all.wrong, 0);
    bpt_operation *history = calloc(attempts, sizeof *history);
    assert_non_null(history);
    unsigned bad = 0;
    *conflicts_out = 0;
    for (unsigned object = 0; object < OBJECTS; object++) {
        char name[32];
        size_t size = 0;
        uint64_t count = 0;
        uint64_t counted = 0;
        bp_error error = {0};
        bp_region region = region_of(object, name);
        for (unsigned t = 0; t < THREADS; t++) {
            for (size_t i = 0; i < workers[t].count; i++) {
                if (workers[t].attempts[i].object == object) {
                    *conflicts_out += !workers[t].attempts[i].operation.succeeded;
                    history[size++] = workers[t].attempts[i].operation;
                }
            }
        }
        bool good = bpt_linearizable(history, size, &count);
        CHECK_OK(bp_count(all.store, &region, &counted, &error), &error);
        bad += !good || counted != count;
    }
    for (unsigned t = 0; t < THREADS; t++) {
        free(workers[t].attempts);
    }
    free(history);
    bpt_close(all.store);
    bpt_world_end(&world);
    return bad;
}

static void histories_are_linearizable(void **state)
{
    (void)state;
    uint64_t seed = bpt_seed(7);
    uint64_t conflicts = 0;
    size_t attempts = (size_t)bpt_amount("BATPAK_ATTEMPTS", 40000, 1000000);
    assert_int_equal(run(attempts, false, seed, &conflicts), 0);
    printf("%zu attempts, %llu conflicts\n", attempts, (unsigned long long)conflicts);
    assert_true(conflicts > 0);
}

static void a_check_before_the_lock_is_caught(void **state)
{
    (void)state;
    uint64_t seed = bpt_seed(8);
    uint64_t conflicts = 0;
    unsigned bad = 0;
    for (unsigned round = 0; round < 50 && bad == 0; round++) {
        bad = run(4000, true, seed + round * 100, &conflicts);
    }
    assert_true(bad > 0);
}

/* ---- the checker on histories that are known ---- */

static void the_checker_knows_right_from_wrong(void **state)
{
    (void)state;
    uint64_t count = 0;
    bpt_operation none[1];
    assert_true(bpt_linearizable(none, 0, &count));
    /* Two overlapping attempts on the same count: one wins. */
    bpt_operation race[] = {{0, 3, 0, true}, {1, 2, 0, false}};
    assert_true(bpt_linearizable(race, 2, &count));
    assert_int_equal(count, 1);
    /* Both win: a lost update. */
    bpt_operation lost[] = {{0, 3, 0, true}, {1, 2, 0, true}};
    assert_false(bpt_linearizable(lost, 2, &count));
    /* A failure that nothing explains: the count was what was expected from before it began to after it ended. */
    bpt_operation unexplained[] = {{0, 1, 0, false}, {2, 3, 0, true}};
    assert_false(bpt_linearizable(unexplained, 2, &count));
    /* A success that expected a count that comes only later. */
    bpt_operation early[] = {{0, 1, 1, true}, {2, 3, 0, true}};
    assert_false(bpt_linearizable(early, 2, &count));
    bpt_operation overlapping[] = {{0, 3, 1, true}, {1, 2, 0, true}};
    assert_true(bpt_linearizable(overlapping, 2, &count));
    assert_int_equal(count, 2);
    /* A stale failure behind the success that explains it, and one in front of it. */
    bpt_operation stale[] = {{0, 1, 0, true}, {2, 3, 0, false}};
    assert_true(bpt_linearizable(stale, 2, &count));
    bpt_operation future[] = {{0, 1, 1, false}, {2, 3, 0, true}};
    assert_true(bpt_linearizable(future, 2, &count));
    /* The count skips one. */
    bpt_operation skipped[] = {{0, 1, 0, true}, {2, 3, 2, true}};
    assert_false(bpt_linearizable(skipped, 2, &count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checker_knows_right_from_wrong),
        cmocka_unit_test(histories_are_linearizable),
        cmocka_unit_test(a_check_before_the_lock_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
