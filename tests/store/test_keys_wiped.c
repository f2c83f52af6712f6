/*
 * test_keys_wiped.c: no memory is given back with a key in it: not by what uses keys, and not by a snapshot or a restore that takes them
 * along.
 */
#include "format/key_file.h"
#include "store/snapshot_fixture.h"

enum { SUBJECTS = 9 };

static struct {
    uint8_t keys[SUBJECTS][BPI_CIPHER_KEY];
    size_t count;
    unsigned found;
} secrets;

static void look(const uint8_t *memory, size_t size)
{
    for (size_t i = 0; i < secrets.count; i++) {
        secrets.found += size >= BPI_CIPHER_KEY && memmem(memory, size, secrets.keys[i], BPI_CIPHER_KEY) != NULL;
    }
}

static void *allocate(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void release(void *context, void *memory, size_t size)
{
    (void)context;
    look(memory, size);
    free(memory);
}

/* Always elsewhere, as a larger block may be. */
static void *resize(void *context, void *memory, size_t old_size, size_t size)
{
    void *other = malloc(size);
    if (other != NULL && memory != NULL) {
        memcpy(other, memory, old_size < size ? old_size : size);
        release(context, memory, old_size);
    }
    return other;
}

static void take_key(void *argument, const char *name, const uint8_t *data, size_t size)
{
    bpi_key_file file;
    (void)argument;
    if (strncmp(name, "keys/", 5) == 0 && bpi_key_file_get(data, size, &file) == NULL) {
        assert_true(secrets.count < SUBJECTS);
        memcpy(secrets.keys[secrets.count++], file.key, BPI_CIPHER_KEY);
    }
}

static void no_key_is_left_in_memory(void **state)
{
    bpt_world world;
    bp_snapshot_report report;
    static const bp_allocator table = {
        .size = sizeof table, .allocate = allocate, .resize = resize, .release = release};
    (void)state;
    if (!bp_encryption_available()) {
        skip();
    }
    memset(&secrets, 0, sizeof secrets);
    bpt_world_memory(&world);
    world.options.allocator = &table;
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < SUBJECTS; i++) {
        char subject[16];
        bp_append_options options;
        bp_append_options_init(&options);
        (void)snprintf(subject, sizeof subject, "person %u", i);
        options.subject = subject;
        (void)bpt_put_with(store, "e", "hers", &options);
    }
    bpt_file_each(&world, take_key, NULL);
    assert_int_equal(secrets.count, SUBJECTS);
    bp_snapshot_options with_keys;
    bp_snapshot_options_init(&with_keys);
    with_keys.keys = true;
    CHECK_OK(bp_snapshot(store, beside(&world, "copy"), &with_keys, &report, &error), &error);
    assert_int_equal(report.keys, SUBJECTS);
    bpt_close(store);
    bp_restore_options options;
    bp_restore_options_init(&options);
    options.io = world.io;
    options.allocator = &table;
    CHECK_OK(bp_restore(beside(&world, "copy"), beside(&world, "other"), &options, &report, &error), &error);
    assert_int_equal(report.keys, SUBJECTS);
    assert_int_equal(secrets.found, 0);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_key_is_left_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
