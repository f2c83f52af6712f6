/*
 * test_errors.c: what errors say to a person: what happened; where; what to try.
 */
#include <unistd.h>

#include "support/world.h"

/* `what; where; try: something`, in one line, with the given words. */
static void says(const bp_error *error, const char *what, const char *where, const char *hint)
{
    char line[2048];
    size_t length = bp_error_format(error, line, sizeof line);
    assert_int_equal(length, strlen(line));
    assert_null(strchr(line, '\n'));
    CHECK(strstr(line, what) != NULL, "no \"%s\" in: %s", what, line);
    CHECK(where == NULL || strstr(line, where) != NULL, "no \"%s\" in: %s", where, line);
    CHECK(hint == NULL || (strstr(line, "; try: ") != NULL && strstr(strstr(line, "; try: "), hint) != NULL),
          "no hint \"%s\" in: %s", hint, line);
    CHECK(line[0] != ';' && line[0] != ' ', "what is missing: %s", line);
}

static void a_missing_store_names_the_way_to_make_one(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    (void)state;
    bpt_world_memory(&world);
    world.options.create = false;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_open("store", &world.options, &store, &error), &error);
    says(&error, "no store", "store", "batpak init");
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_open_reader("store", &world.options, &store, &error), &error);
    says(&error, "no store", "store", "batpak init");
    bpt_world_end(&world);
}

static void a_conflict_names_entity_and_clocks(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    options.expect = (bp_expectation){BP_EXPECT_AT, 7};
    CHECK_STATUS(BP_ERR_CONFLICT,
                 bp_append(store, bp_at("order:17", "s"), 0xf001, bp_raw("", 0), &options, NULL, &error), &error);
    says(&error, "order:17", "7", NULL);
    says(&error, "no event", NULL, NULL); /* it has none */
    bpt_put(store, "order:17", "x");
    options.expect.kind = BP_EXPECT_NONE;
    CHECK_STATUS(BP_ERR_CONFLICT,
                 bp_append(store, bp_at("order:17", "s"), 0xf001, bp_raw("", 0), &options, NULL, &error), &error);
    says(&error, "order:17", "0", NULL);
    bpt_close(store);
    bpt_world_end(&world);
}

static void limits_are_named(void **state)
{
    static char name[1025];
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    memset(name, 'n', sizeof name);
    CHECK_STATUS(BP_ERR_NAME,
                 bp_append(store, bp_at_bytes(name, 1025, "s", 1), 0xf001, bp_raw("", 0), NULL, NULL, &error), &error);
    says(&error, "entity", "1024", NULL);
    CHECK_STATUS(BP_ERR_NAME,
                 bp_append(store, bp_at_bytes("e", 1, name, 1025), 0xf001, bp_raw("", 0), NULL, NULL, &error), &error);
    says(&error, "scope", "1024", NULL);
    CHECK_STATUS(BP_ERR_NAME, bp_append(store, bp_at("e\x01", "s"), 0xf001, bp_raw("", 0), NULL, NULL, &error), &error);
    says(&error, "entity", "control", NULL);
    CHECK_STATUS(BP_ERR_NAME, bp_append(store, bp_at("", "s"), 0xf001, bp_raw("", 0), NULL, NULL, &error), &error);
    says(&error, "entity", "empty", NULL);
    CHECK_STATUS(BP_ERR_KIND, bp_append(store, bp_at("e", "s"), 0x0001, bp_raw("", 0), NULL, NULL, &error), &error);
    says(&error, "0x0001", "reserved", NULL);
    bpt_close(store);
    bpt_world_end(&world);
}

static void an_unknown_cause_is_named(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    bp_id cause = bp_id_from("nowhere", "x", 1);
    char text[BP_ID_TEXT_SIZE];
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    options.causes = &cause;
    options.cause_count = 1;
    CHECK_STATUS(BP_ERR_CAUSE, bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options, NULL, &error),
                 &error);
    bp_id_print(&cause, text);
    says(&error, text, NULL, "external");
    assert_true(error.has_id && bp_id_equal(&error.id, &cause));
    const bp_event *event = NULL;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_get(store, &cause, &event, &error), &error);
    says(&error, text, NULL, NULL);
    bpt_close(store);
    bpt_world_end(&world);
}

static void an_id_that_is_taken_is_named(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    char text[BP_ID_TEXT_SIZE];
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    options.id = bp_id_from("key", "x", 1);
    bpt_put_with(store, "e", "one", &options);
    CHECK_STATUS(BP_ERR_IDEMPOTENCY, bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options, NULL, &error),
                 &error);
    bp_id_print(&options.id, text);
    says(&error, text, NULL, NULL);
    bpt_close(store);
    bpt_world_end(&world);
}

static void damage_names_file_and_offset(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    size_t size = 0;
    (void)state;
    bpt_world_memory(&world);
    store = bpt_open(&world);
    bpt_put(store, "e", "one");
    bpt_put(store, "e", "two");
    bpt_close(store);
    uint8_t *data = bpt_file_read(&world, "log/0000000000-1.seg", &size);
    assert_non_null(data);
    data[64 + 64 + 20] ^= 1; /* in the first record */
    bpt_file_write(&world, "log/0000000000-1.seg", data, size);
    free(data);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open("store", &world.options, &store, &error), &error);
    says(&error, "log/0000000000-1.seg", "64", "batpak verify");
    assert_true(error.has_offset);
    assert_true(strstr(error.file, "log/0000000000-1.seg") != NULL);
    bpt_world_end(&world);
}

static void a_newer_format_is_named(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    size_t size = 0;
    (void)state;
    bpt_world_memory(&world);
    bpt_close(bpt_open(&world));
    uint8_t *data = bpt_file_read(&world, "MANIFEST", &size);
    assert_int_equal(size, 8192);
    for (size_t slot = 0; slot < 8192; slot += 4096) {
        data[slot + 8] = 7; /* format version 7, with a right CRC */
        bpt_put_crc(data + slot, 4096, 12);
    }
    bpt_file_write(&world, "MANIFEST", data, size);
    free(data);
    CHECK_STATUS(BP_ERR_VERSION, bp_open("store", &world.options, &store, &error), &error);
    says(&error, "7", "MANIFEST", NULL);
    CHECK_STATUS(BP_ERR_VERSION, bp_open_reader("store", &world.options, &store, &error), &error);
    says(&error, "7", "MANIFEST", NULL);
    bpt_world_end(&world);
}

static void unknown_bits_refuse_what_they_should(void **state)
{
    static const struct {
        size_t offset;
        bool opens;
        bool reads;
    } bits[] = {{24, true, true}, {32, false, true}, {40, false, false}};
    (void)state;
    for (size_t index = 0; index < 3; index++) {
        bpt_world world;
        bp_error error = {0};
        bp_store *store = NULL;
        size_t size = 0;
        bpt_world_memory(&world);
        bpt_close(bpt_open(&world));
        uint8_t *data = bpt_file_read(&world, "MANIFEST", &size);
        for (size_t slot = 0; slot < 8192; slot += 4096) {
            data[slot + bits[index].offset + 7] = 0x80;
            bpt_put_crc(data + slot, 4096, 12);
        }
        bpt_file_write(&world, "MANIFEST", data, size);
        free(data);
        bp_status status = bp_open("store", &world.options, &store, &error);
        CHECK(status == (bits[index].opens ? BP_OK : BP_ERR_VERSION) || (index == 1 && status == BP_ERR_READ_ONLY),
              "bits at %zu: open is %s", bits[index].offset, bp_status_name(status));
        (void)bp_close(store, NULL);
        store = NULL;
        status = bp_open_reader("store", &world.options, &store, &error);
        CHECK(status == (bits[index].reads ? BP_OK : BP_ERR_VERSION), "bits at %zu: reading is %s", bits[index].offset,
              bp_status_name(status));
        (void)bp_close(store, NULL);
        bpt_world_end(&world);
    }
}

static void a_bad_option_is_told_by_its_name_and_value(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    options.expect.kind = (bp_expect_kind)9;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options, NULL, &error),
                 &error);
    says(&error, "expect.kind 9", NULL, NULL);
    bp_append_options_init(&options);
    options.durability = (bp_durability)7;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options, NULL, &error),
                 &error);
    says(&error, "durability 7", NULL, NULL);
    bp_append_options_init(&options);
    options.kind_name = "";
    CHECK_STATUS(BP_ERR_KIND, bp_append(store, bp_at("e", "s"), 0, bp_raw("", 0), &options, NULL, &error), &error);
    says(&error, "kind_name '' is no name for a kind", NULL, NULL);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_linked_segment_is_told_to_be_a_link(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    (void)state;
    bpt_world_disk(&world);
    store = bpt_open(&world);
    (void)bpt_put(store, "e", "x");
    bpt_close(store);
    char segment[4200];
    char moved[4200];
    (void)snprintf(segment, sizeof segment, "%s/log/0000000001-1.seg", world.path);
    (void)snprintf(moved, sizeof moved, "%s/elsewhere", world.path);
    if (access(segment, F_OK) != 0) {
        (void)snprintf(segment, sizeof segment, "%s/log/0000000000-1.seg", world.path);
    }
    assert_int_equal(rename(segment, moved), 0);
    assert_int_equal(symlink("../elsewhere", segment), 0);
    bp_status status = bp_open(world.path, &world.options, &store, &error);
    CHECK(status != BP_OK, "a link was followed");
    says(&error, "cannot open a segment", ".seg", "symbolic link");
    bpt_world_end(&world);
}

static void every_status_has_a_name_and_words(void **state)
{
    (void)state;
    for (int status = BP_OK; status <= BP_ERR_DROPPED; status++) {
        assert_true(strncmp(bp_status_name((bp_status)status), "BP_", 3) == 0);
        assert_null(strchr(bp_status_name((bp_status)status), '?'));
        assert_true(bp_status_text((bp_status)status)[0] != '\0');
    }
    assert_string_equal(bp_status_name((bp_status)9999), "BP_ERR_?");
    assert_non_null(bp_status_text((bp_status)-3));
}

static void formatting_cuts_at_the_size_given(void **state)
{
    bp_error error = {.status = BP_ERR_IO};
    char line[16];
    (void)state;
    memset(error.message, 'm', sizeof error.message - 1);
    memset(error.file, 'f', sizeof error.file - 1);
    memset(error.hint, 'h', sizeof error.hint - 1);
    size_t whole = bp_error_format(&error, NULL, 0);
    assert_true(whole > 1000);
    memset(line, 'x', sizeof line);
    assert_int_equal(bp_error_format(&error, line, 8), whole);
    assert_int_equal(line[7], '\0');
    assert_int_equal(line[8], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_store_names_the_way_to_make_one),
        cmocka_unit_test(a_conflict_names_entity_and_clocks),
        cmocka_unit_test(limits_are_named),
        cmocka_unit_test(an_unknown_cause_is_named),
        cmocka_unit_test(an_id_that_is_taken_is_named),
        cmocka_unit_test(damage_names_file_and_offset),
        cmocka_unit_test(a_newer_format_is_named),
        cmocka_unit_test(unknown_bits_refuse_what_they_should),
        cmocka_unit_test(a_bad_option_is_told_by_its_name_and_value),
        cmocka_unit_test(a_linked_segment_is_told_to_be_a_link),
        cmocka_unit_test(every_status_has_a_name_and_words),
        cmocka_unit_test(formatting_cuts_at_the_size_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
