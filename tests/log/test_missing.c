/* test_missing.c: a store without its folder of segments is damaged, to whoever opens it. */
#include "support/world.h"

static void copy_outside_folders(void *argument, const char *name, const uint8_t *data, size_t size)
{
    if (strchr(name, '/') == NULL) {
        bpt_file_write(argument, name, data, size);
    }
}

static void a_missing_log_folder_is_damage_to_all(void **state)
{
    bpt_world world;
    bpt_world bare;
    bp_error error = {0};
    bp_dir *dir = NULL;
    bp_verify_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    (void)bpt_put(store, "e", "there");
    bpt_close(store);
    bpt_world_memory(&bare);
    assert_int_equal(bare.io->dir_open(bare.io->context, "store", true, &dir), 0);
    bare.io->dir_close(bare.io->context, dir);
    bpt_file_each(&world, copy_outside_folders, &bare);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open(bare.path, &bare.options, &store, &error), &error);
    CHECK_SAYS(&error, "log");
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open_reader(bare.path, &bare.options, &store, &error), &error);
    CHECK_SAYS(&error, "log");
    bp_verify_options_init(&options);
    options.io = bare.io;
    CHECK_STATUS(BP_ERR_CORRUPT, bp_verify(bare.path, &options, NULL, &error), &error);
    bpt_world_end(&bare);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_missing_log_folder_is_damage_to_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
