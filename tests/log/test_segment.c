/*
 * test_segment.c: the descriptor of a sealed segment is given back when nobody uses it, and not before.
 *
 * ctest: labels=threads
 */
#include <errno.h>
#include <pthread.h>

#include "log/segment_file.h"
#include "support/world.h"

static void begin(bpi_segment *segment, bp_dir **dir)
{
    const bp_io *io = bp_io_posix();
    memset(segment, 0, sizeof *segment);
    segment->io = io;
    assert_int_equal(io->dir_open(io->context, ".", false, dir), 0);
    assert_int_equal(io->file_open(io->context, *dir, "segment", BP_OPEN_WRITE | BP_OPEN_CREATE, &segment->file), 0);
}

static void end(bpi_segment *segment, bp_dir *dir)
{
    segment->io->file_close(segment->io->context, segment->file);
    segment->io->dir_close(segment->io->context, dir);
}

static int sync_of(bpi_segment *segment)
{
    return segment->io->file_sync(segment->io->context, segment->file, BP_SYNC_DATA);
}

static void a_descriptor_in_use_stays(void **state)
{
    bpi_segment segment;
    bp_dir *dir = NULL;
    (void)state;
    begin(&segment, &dir);
    assert_true(bpi_segment_use(&segment));
    assert_true(bpi_segment_use(&segment));
    bpi_segment_rest(&segment);
    assert_int_equal(sync_of(&segment), 0);
    bpi_segment_unuse(&segment);
    assert_int_equal(sync_of(&segment), 0);
    assert_true(bpi_segment_use(&segment)); /* wanted back, but still there */
    bpi_segment_unuse(&segment);
    bpi_segment_unuse(&segment);
    assert_int_equal(sync_of(&segment), EBADF);
    assert_false(bpi_segment_use(&segment));
    bpi_segment_rest(&segment);
    end(&segment, dir);
}

static void a_descriptor_that_nobody_uses_goes_at_once(void **state)
{
    bpi_segment segment;
    bp_dir *dir = NULL;
    (void)state;
    begin(&segment, &dir);
    assert_true(bpi_segment_use(&segment));
    bpi_segment_unuse(&segment);
    assert_int_equal(sync_of(&segment), 0);
    bpi_segment_rest(&segment);
    assert_int_equal(sync_of(&segment), EBADF);
    end(&segment, dir);
}

static void *use_often(void *argument)
{
    bpi_segment *segment = argument;
    uint64_t failed = 0;
    while (bpi_segment_use(segment)) {
        failed += sync_of(segment) != 0;
        bpi_segment_unuse(segment);
    }
    return (void *)(uintptr_t)failed;
}

static void nobody_who_uses_it_finds_it_gone(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        bpi_segment segment;
        bp_dir *dir = NULL;
        pthread_t users[2];
        begin(&segment, &dir);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&users[i], NULL, use_often, &segment), 0);
        }
        bpi_segment_rest(&segment);
        for (int i = 0; i < 2; i++) {
            void *failed = NULL;
            assert_int_equal(pthread_join(users[i], &failed), 0);
            assert_null(failed);
        }
        assert_int_equal(sync_of(&segment), EBADF);
        end(&segment, dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_descriptor_in_use_stays),
                                       cmocka_unit_test(a_descriptor_that_nobody_uses_goes_at_once),
                                       cmocka_unit_test(nobody_who_uses_it_finds_it_gone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
