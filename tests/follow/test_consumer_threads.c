/*
 * test_consumer_threads.c: consumers in trouble: damaged files, crashes at every step, several workers, the store's end.
 *
 * ctest: labels=threads
 */
#include <pthread.h>
#include <unistd.h>

#include "follow/consumer_world.h"

static int note_status(void *argument, const bp_consumer_info *info)
{
    *(bp_status *)argument = info->status;
    return 0;
}

/* A position of published events can be taken back by a power cut. It is refused then, not skipped over. */
static void a_position_that_a_power_cut_took_back_is_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer *consumer = NULL;
    bp_consumer_options options = published();
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "kept");
    CHECK_OK(bp_sync(store, &error), &error);
    bpt_put(store, "a", "lost");
    consumer = open_consumer(store, &options);
    ack(consumer, next_of(consumer, 0, "kept"));
    ack(consumer, next_of(consumer, 0, "lost"));
    CHECK_OK(bp_consumer_save(consumer, &error), &error);
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    (void)bp_consumer_close(consumer, NULL);
    store = bpt_open(&world);
    bpt_put(store, "a", "anew"); /* as long again */
    CHECK_STATUS(BP_ERR_DIVERGED, bp_consumer_open(store, "mailer", NULL, &options, &consumer, &error), &error);
    CHECK_SAYS(&error, "--forget");
    CHECK_OK(bp_consumer_forget(store, "mailer", 0, &error), &error);
    consumer = open_consumer(store, &options);
    (void)next_of(consumer, 0, "kept");
    (void)next_of(consumer, 0, "anew");
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- crashes and damage ---- */

static void note_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "consumers/", 10) == 0 && strstr(name, ".pos") != NULL) {
        (void)snprintf(argument, 128, "%s", name);
    }
}

static void a_damaged_file_is_said(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer *consumer = NULL;
    char name[128] = "";
    size_t size = 0;
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    consumer = open_consumer(store, NULL);
    ack(consumer, next_of(consumer, 0, "one"));
    close_consumer(consumer);
    bpt_file_each(&world, note_file, name);
    uint8_t *bytes = bpt_file_read(&world, name, &size);
    assert_non_null(bytes);
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 0x10;
        bpt_file_write(&world, name, bytes, size);
        bytes[at] ^= 0x10;
        bpt_note("byte %zu", at);
        bp_status status = bp_consumer_open(store, "mailer", NULL, NULL, &consumer, &error);
        CHECK(status == BP_ERR_CORRUPT || status == BP_ERR_VERSION, "%s", bp_status_name(status));
    }
    bp_status shown = BP_OK;
    CHECK_OK(bp_consumers(store, note_status, &shown, &error), &error);
    assert_int_equal(shown, BP_ERR_CORRUPT);
    for (size_t cut = 0; cut < size; cut += 7) {
        bpt_file_write(&world, name, bytes, cut);
        CHECK_STATUS(BP_ERR_CORRUPT, bp_consumer_open(store, "mailer", NULL, NULL, &consumer, &error), &error);
    }
    free(bytes);
    bpt_close(store);
    bpt_world_end(&world);
}

/* At every step of the writing the power is cut: the position is the old or the new one, never another, never none. */
static void a_position_is_the_old_or_the_new_one(void **state)
{
    (void)state;
    for (uint64_t step = 1; step < 40; step++) {
        bpt_world world;
        bp_error error = {0};
        bpt_note("step %llu", (unsigned long long)step);
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        bpt_put(store, "a", "one");
        bpt_put(store, "a", "two");
        bp_consumer *consumer = open_consumer(store, NULL);
        ack(consumer, next_of(consumer, 0, "one"));
        CHECK_OK(bp_consumer_save(consumer, &error), &error);
        ack(consumer, next_of(consumer, 0, "two"));
        bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
        bpi_fault_set_plan(world.fault, &plan);
        bool saved = bp_consumer_save(consumer, &error) == BP_OK;
        bool crashed = bpi_fault_crashed(world.fault);
        (void)bpt_power_cut(&world, BPT_KEEP_RANDOM, step);
        (void)bp_close(store, NULL);
        (void)bp_consumer_close(consumer, NULL);
        store = bpt_open(&world);
        consumer = open_consumer(store, NULL);
        const bp_event *event = NULL;
        bp_status status = bp_consumer_next(consumer, 0, 0, &event, &error);
        if (saved) {
            assert_int_equal(status, BP_ERR_TIMEOUT);
        } else if (status == BP_OK) {
            assert_int_equal(event->sequence, 1);
        }
        close_consumer(consumer);
        bpt_close(store);
        bpt_world_end(&world);
        if (!crashed) {
            assert_true(step > 4);
            return;
        }
    }
    fail();
}

/* ---- threads ---- */

enum { STREAMS = 16, WORKERS = 4 };

typedef struct sharing {
    bp_consumer *consumer;
    pthread_mutex_t lock;
    uint64_t last[STREAMS]; /* clock + 1 of the newest seen */
    uint64_t seen;
    uint64_t wanted;
} sharing;

typedef struct worker {
    sharing *shared;
    uint32_t number;
    bp_status status;
} worker;

static bp_status in_turn(void *context, const bp_event *event, bp_error *error)
{
    worker *w = context;
    sharing *s = w->shared;
    (void)error;
    (void)pthread_mutex_lock(&s->lock);
    unsigned stream = (unsigned)atoi((const char *)event->entity.data);
    bool right = s->last[stream] == event->clock;
    s->last[stream] = event->clock + 1;
    bool last = ++s->seen == s->wanted;
    (void)pthread_mutex_unlock(&s->lock);
    if (last) {
        bp_consumer_stop(s->consumer);
    }
    return right ? BP_OK : BP_ERR_CORRUPT;
}

static void *work(void *argument)
{
    worker *w = argument;
    bp_error error = {0};
    w->status = bp_consumer_run(w->shared->consumer, w->number, in_turn, w, &error);
    return NULL;
}

static void threads_share_a_consumer(void **state)
{
    bpt_world world;
    bp_consumer_options options = published();
    sharing shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .wanted = bpt_amount("BATPAK_EVENTS", 4000, 100000)};
    pthread_t threads[WORKERS];
    worker workers[WORKERS];
    (void)state;
    bpt_world_disk(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    options.workers = WORKERS;
    options.window = 64;
    shared.consumer = open_consumer(store, &options);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (worker){&shared, i, BP_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    bpt_random random = {bpt_seed(5)};
    for (uint64_t i = 0; i < shared.wanted; i++) {
        char entity[8];
        (void)snprintf(entity, sizeof entity, "%u", (unsigned)bpt_random_below(&random, STREAMS));
        bpt_put(store, entity, "x");
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].status, BP_OK);
    }
    assert_int_equal(shared.seen, shared.wanted);
    close_consumer(shared.consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static int note_lag(void *argument, const bp_consumer_info *info)
{
    *(uint64_t *)argument = info->lag.events;
    return 0;
}

/* A worker has taken the event, and said so. */
static void await_acknowledgement(bp_store *store, bp_consumer *consumer)
{
    bp_error error = {0};
    uint64_t lag = 1;
    for (int tries = 0; tries < 5000 && lag != 0; tries++) {
        (void)usleep(2000);
        CHECK_OK(bp_consumer_save(consumer, &error), &error);
        CHECK_OK(bp_consumers(store, note_lag, &lag, &error), &error);
    }
    assert_int_equal(lag, 0);
}

static void closing_the_store_ends_all_workers(void **state)
{
    bpt_world world;
    bp_consumer_options options = published();
    sharing shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .wanted = UINT64_MAX};
    pthread_t threads[WORKERS];
    worker workers[WORKERS];
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    options.workers = WORKERS;
    shared.consumer = open_consumer(store, &options);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (worker){&shared, i, BP_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    bpt_put(store, "1", "x");
    await_acknowledgement(store, shared.consumer);
    bpt_close(store);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].status, BP_ERR_CLOSED);
    }
    close_consumer(shared.consumer);
    store = bpt_open(&world);
    bp_consumer *consumer = open_consumer(store, &options);
    nothing_for(consumer, 0); /* the end of the store saved the position */
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_file_is_said),
        cmocka_unit_test(a_position_is_the_old_or_the_new_one),
        cmocka_unit_test(threads_share_a_consumer),
        cmocka_unit_test(closing_the_store_ends_all_workers),
        cmocka_unit_test(a_position_that_a_power_cut_took_back_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
