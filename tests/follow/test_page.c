/*
 * test_page.c: the page under readers: a writer who opens takes nothing from it that others put there, and never shows it empty. One
 * that was removed is looked for again by who reads and by who waits; one that is just being made is none yet.
 */
#include <errno.h>
#include <pthread.h>

#include "format/live.h"
#include "support/world.h"

enum { OPENINGS = 40 };

/* The page of a store in memory, where all mappings have one address. */
static bpi_live *map_page(const bpt_world *world, bp_dir **dir_out, bp_file **file_out)
{
    const bp_io *io = world->io;
    void *address = NULL;
    assert_int_equal(io->dir_open(io->context, world->path, false, dir_out), 0);
    assert_int_equal(io->file_open(io->context, *dir_out, "live", BP_OPEN_WRITE, file_out), 0);
    assert_int_equal(io->map_open(io->context, *file_out, BPI_LIVE_SIZE, true, &address), 0);
    return address;
}

static void unmap_page(const bpt_world *world, bp_dir *dir, bp_file *file, bpi_live *page)
{
    const bp_io *io = world->io;
    io->map_close(io->context, file, page, BPI_LIVE_SIZE);
    io->file_close(io->context, file);
    io->dir_close(io->context, dir);
}

typedef struct neighbour {
    bpi_live *page;
    atomic_bool stop;
    uint32_t kicks;
    uint64_t least;    /* of the sequences seen */
    uint64_t backward; /* how often it was less than before */
} neighbour;

/* Kicks, and looks at the numbers. */
static void *kick_and_look(void *argument)
{
    neighbour *n = argument;
    while (!atomic_load(&n->stop)) {
        uint64_t now = atomic_load(&n->page->sequence);
        n->backward += now < n->least;
        n->least = now > n->least ? now : n->least;
        (void)atomic_fetch_add(&n->page->futex, 1);
        n->kicks++;
    }
    return NULL;
}

static void a_writer_who_opens_takes_no_kick_and_shows_no_zeros(void **state)
{
    bpt_world world;
    bp_dir *dir = NULL;
    bp_file *file = NULL;
    pthread_t thread;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "something");
    bpt_close(store);
    neighbour n = {.page = map_page(&world, &dir, &file)};
    uint32_t word = atomic_load(&n.page->futex);
    assert_int_equal(pthread_create(&thread, NULL, kick_and_look, &n), 0);
    for (unsigned i = 0; i < OPENINGS; i++) {
        bpt_close(bpt_open(&world));
    }
    atomic_store(&n.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&n.page->futex) - word, n.kicks + OPENINGS);
    assert_int_equal(n.backward, 0);
    unmap_page(&world, dir, file, n.page);
    bpt_world_end(&world);
}

static void a_writer_who_opens_leaves_the_bits_of_who_sleeps(void **state)
{
    bpt_world world;
    bp_dir *dir = NULL;
    bp_file *file = NULL;
    (void)state;
    bpt_world_memory(&world);
    bpt_close(bpt_open(&world));
    bpi_live *page = map_page(&world, &dir, &file);
    atomic_store(&page->waiters, BPI_WAKE_PUBLISHED | 0x100u);
    uint32_t word = atomic_load(&page->futex);
    bp_store *store = bpt_open(&world);
    assert_int_equal(atomic_load(&page->waiters), BPI_WAKE_PUBLISHED); /* and what is no bit goes */
    assert_int_equal(atomic_load(&page->futex), word + 1);
    bpt_put(store, "e", "something");
    assert_int_equal(atomic_load(&page->waiters), 0);
    assert_int_equal(atomic_load(&page->futex), word + 2);
    bpt_close(store);
    unmap_page(&world, dir, file, page);
    bpt_world_end(&world);
}

/* ---- another page ---- */

static void write_some(bpt_world *world, unsigned count)
{
    bp_store *store = bpt_open(world);
    for (unsigned i = 0; i < count; i++) {
        bpt_put(store, "e", "something");
    }
    bpt_close(store);
}

static uint64_t count_of(bp_store *reader)
{
    bp_error error = {0};
    uint64_t count = 0;
    CHECK_OK(bp_count(reader, NULL, &count, &error), &error);
    return count;
}

static void who_reads_finds_the_page_that_came_after(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    write_some(&world, 1);
    bp_store *reader = bpt_reader(&world);
    for (unsigned i = 1; i < 4; i++) {
        assert_int_equal(count_of(reader), 2 * i - 1);
        bpt_file_remove(&world, "live");
        assert_int_equal(count_of(reader), 2 * i - 1);
        write_some(&world, 1);
        write_some(&world, 1);
        (void)atomic_fetch_add(&world.clock.steady_ns, 100000000);
        assert_int_equal(count_of(reader), 2 * i + 1);
    }
    write_some(&world, 1); /* at once now, under the same page */
    assert_int_equal(count_of(reader), 8);
    bpt_close(reader);
    bpt_world_end(&world);
}

static bp_subscription *follow_all(bp_store *reader)
{
    bp_error error = {0};
    bp_subscription *subscription = NULL;
    bp_subscription_options options;
    bp_subscription_options_init(&options);
    options.replay = true;
    CHECK_OK(bp_subscribe(reader, NULL, &options, &subscription, &error), &error);
    return subscription;
}

static void expect_next(bp_subscription *subscription, uint64_t sequence)
{
    bp_error error = {0};
    bp_delivery delivery;
    CHECK_OK(bp_subscription_next(subscription, 20000, &delivery, &error), &error);
    assert_int_equal(delivery.event.sequence, sequence);
}

static void expect_nothing(bp_subscription *subscription)
{
    bp_error error = {0};
    bp_delivery delivery;
    CHECK_STATUS(BP_ERR_TIMEOUT, bp_subscription_next(subscription, 5, &delivery, &error), &error);
}

static void who_waits_finds_the_page_that_came_after(void **state)
{
    (void)state;
    for (int on_disk = 0; on_disk <= 1; on_disk++) {
        bpt_world world;
        (on_disk != 0 ? bpt_world_disk : bpt_world_memory)(&world);
        write_some(&world, 1);
        bp_store *reader = bpt_reader(&world);
        bp_subscription *subscription = follow_all(reader);
        expect_next(subscription, 0);
        expect_nothing(subscription); /* it sleeps on the page from now on */
        bpt_file_remove(&world, "live");
        write_some(&world, 2);
        expect_next(subscription, 1);
        expect_next(subscription, 2);
        expect_nothing(subscription);
        write_some(&world, 1);
        expect_next(subscription, 3);
        bp_subscription_close(subscription);
        bpt_close(reader);
        bpt_world_end(&world);
    }
}

/* It has its name, and no length: touching it would be the end of this process. */
static void a_page_that_is_just_being_made_is_none_yet(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_disk(&world);
    write_some(&world, 1);
    bp_store *early = bpt_reader(&world);
    bpt_file_remove(&world, "live");
    bpt_file_write(&world, "live", "", 0);
    bp_store *late = bpt_reader(&world);
    bp_subscription *subscriptions[] = {follow_all(early), follow_all(late)};
    for (int i = 0; i < 2; i++) {
        expect_next(subscriptions[i], 0);
        expect_nothing(subscriptions[i]);
    }
    write_some(&world, 1);
    for (int i = 0; i < 2; i++) {
        expect_next(subscriptions[i], 1);
        expect_nothing(subscriptions[i]);
        bp_subscription_close(subscriptions[i]);
    }
    bpt_close(early);
    bpt_close(late);
    assert_int_equal(bpt_verify(&world), 2);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_who_opens_takes_no_kick_and_shows_no_zeros),
        cmocka_unit_test(a_writer_who_opens_leaves_the_bits_of_who_sleeps),
        cmocka_unit_test(who_reads_finds_the_page_that_came_after),
        cmocka_unit_test(who_waits_finds_the_page_that_came_after),
        cmocka_unit_test(a_page_that_is_just_being_made_is_none_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
