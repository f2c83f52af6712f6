/*
 * test_page.c: the page under readers: a writer who opens takes nothing from it that others put there, and never shows it empty.
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_who_opens_takes_no_kick_and_shows_no_zeros),
        cmocka_unit_test(a_writer_who_opens_leaves_the_bits_of_who_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
