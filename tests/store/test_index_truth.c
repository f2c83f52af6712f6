/*
 * test_index_truth.c: index files whose checksums are right and whose words are not. Only the log can tell: verify holds all
 * that they say against it, and an append holds the head that it builds upon against its record.
 */
#include <errno.h>

#include "base/checksum.h"
#include "store/index_fixture.h"

enum { ENTITIES_AT = 76, SYSTEM_AT = 88, SUMS_OFFSET_AT = 112, SUMS_CRC_AT = 120, SECTIONS_AT = 160 };

static uint64_t number_at(const uint8_t *data, size_t at)
{
    uint64_t number = 0;
    for (size_t i = 8; i > 0; i--) {
        number = number << 8 | data[at + i - 1];
    }
    return number;
}

/* All checksums as if the file had been written so. */
static void seal_forgery(uint8_t *data, size_t size)
{
    size_t sums = (size_t)number_at(data, SUMS_OFFSET_AT);
    assert_true(sums <= size);
    for (size_t page = 1; page < sums / PAGE; page++) {
        bpt_set32(data + sums + (page - 1) * 4, bpi_crc32c(0, data + page * PAGE, PAGE));
    }
    bpt_set32(data + SUMS_CRC_AT, bpi_crc32c(0, data + sums, (sums / PAGE - 1) * 4));
    bpt_put_crc(data, PAGE, CRC_AT);
}

typedef struct told_files {
    char file[128];
    char what[128];
    uint64_t offset;
    unsigned count;
} told_files;

static int tell_file(void *context, const bp_fault *fault)
{
    told_files *told = context;
    (void)snprintf(told->file, sizeof told->file, "%s", fault->file);
    (void)snprintf(told->what, sizeof told->what, "%s", fault->what);
    told->offset = fault->offset;
    told->count++;
    return 0;
}

/* Flips a bit of a section and mends all checksums: verify names the file. Of the filter a bit is cleared. */
static void forge_and_verify(fixture *f, size_t n, unsigned section, bpt_random *random)
{
    const index_file *file = &f->files[n];
    size_t offset = (size_t)number_at(file->data, SECTIONS_AT + section * 16);
    size_t size = (size_t)number_at(file->data, SECTIONS_AT + section * 16 + 8);
    bpt_world world;
    bp_verify_options options;
    bp_verify_report report;
    bp_error error = {0};
    told_files told = {.count = 0};
    if (section == 3) {
        size = (file->data[64] | (size_t)file->data[65] << 8) / 8; /* the bits of the rows that there are */
    }
    if (size == 0) {
        return;
    }
    uint8_t *data = malloc(file->size);
    assert_non_null(data);
    memcpy(data, file->data, file->size);
    size_t at = offset + (size_t)bpt_random_below(random, size);
    if (section == 6) {
        while (data[at] == 0) {
            at = offset + (at - offset + 1) % size;
        }
        data[at] = (uint8_t)(data[at] & (data[at] - 1));
    } else {
        data[at] ^= (uint8_t)(1u << bpt_random_below(random, 8));
    }
    seal_forgery(data, file->size);
    bpt_note("%s, section %u, byte %zu", file->name, section, at);
    copy_of(f, &world);
    bpt_file_write(&world, file->name, data, file->size);
    bp_verify_options_init(&options);
    options.io = world.io;
    options.index_fault = tell_file;
    options.fault_context = &told;
    CHECK_OK(bp_verify(world.path, &options, &report, &error), &error);
    assert_int_equal(report.faults, 0);
    CHECK(report.index_files_wrong == 1, "%s, section %u, byte %zu is not told of", file->name, section, at);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.file, file->name);
    assert_true(told.offset % PAGE == 0 && told.offset < file->size);
    bpt_world_end(&world);
    free(data);
}

static void what_files_say_is_held_against_the_log(void **state)
{
    /* rows, firsts, ids, their buckets, filter, the lists, correlations, causes, names: all but what a wrong bit of makes nothing wrong */
    static const unsigned sections[] = {0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 24};
    uint64_t seed = bpt_seed(43);
    fixture f;
    bpt_random random = {seed};
    (void)state;
    make(&f, BP_LAYOUT_AOS, seed, SEALED);
    for (size_t n = 0; n < f.count; n++) {
        for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
            forge_and_verify(&f, n, sections[i], &random);
        }
    }
    bpt_note("%s", "");
    unmake(&f);
}

/* Each read of a verification fails once. Of the log that is an error; an index file is told of, and the rest is proven. */
static void a_file_that_cannot_be_read_is_told_of(void **state)
{
    fixture f;
    bpt_world world;
    bp_error error = {0};
    bp_verify_options options;
    bp_verify_report report;
    size_t unread = 0;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(45), 2);
    copy_of(&f, &world);
    bp_verify_options_init(&options);
    options.io = world.io;
    options.index_fault = tell_file;
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
    CHECK_OK(bp_verify(world.path, &options, &report, &error), &error);
    assert_int_equal(report.index_files, f.count);
    uint64_t reads = bpi_fault_reads(world.fault);
    for (uint64_t call = 1; call <= reads; call++) {
        told_files told = {.count = 0};
        options.fault_context = &told;
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.read_call = call, .os_error = EIO});
        bp_status status = bp_verify(world.path, &options, &report, &error);
        assert_int_equal(told.count, report.index_files_wrong);
        if (strcmp(told.what, "index file cannot be read") == 0) {
            unread++;
            assert_int_equal(status, BP_OK);
            assert_int_equal(told.count, 1);
            assert_true(strncmp(told.file, "index/", 6) == 0);
        }
    }
    assert_true(unread >= f.count);
    bpt_world_end(&world);
    unmake(&f);
}

static uint32_t word_at(const uint8_t *data, size_t at)
{
    return (uint32_t)number_at(data, at);
}

/* A file with right checksums that names an event of another entity as the newest: the log has the last word when the entity is
 * appended to. */
static void a_head_that_is_wrong_retires_its_file(void **state)
{
    fixture f;
    bpt_world world;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(44), SEALED);
    index_file *file = &f.files[f.count - 1];
    uint64_t first = number_at(file->data, 56);
    size_t rows = (size_t)number_at(file->data, SECTIONS_AT + 7 * 16);
    size_t keys = (size_t)number_at(file->data, SECTIONS_AT + 8 * 16);
    size_t count = (size_t)number_at(file->data, SECTIONS_AT + 8 * 16 + 8) / 8 - 1;
    const bpt_event *entity = NULL;
    for (size_t i = 0; i + 1 < count && entity == NULL; i++) {
        uint32_t end = word_at(file->data, keys + (i + 1) * 8 + 4);
        size_t at = (size_t)first + word_at(file->data, rows + ((size_t)end - 1) * 4);
        const bpt_event *last = &f.work->model.events[at];
        bool newest = !last->system;
        for (size_t s = at + 1; s < f.work->model.count && newest; s++) {
            newest = !(f.work->model.events[s].entity.size == last->entity.size &&
                       memcmp(f.work->model.events[s].entity.data, last->entity.data, last->entity.size) == 0);
        }
        if (newest) {
            entity = last;
            bpt_set32(file->data + rows + ((size_t)end - 1) * 4, word_at(file->data, rows + (size_t)end * 4));
        }
    }
    if (entity == NULL) {
        fail_msg("no entity has its newest event in that file");
        return; /* not reached: for the analyser */
    }
    seal_forgery(file->data, file->size);
    copy_of(&f, &world);
    bpt_file_write(&world, file->name, file->data, file->size);
    char name[BP_NAME_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", (int)entity->entity.size, entity->entity.data);
    bp_store *store = bpt_open(&world);
    bp_receipt receipt = bpt_put(store, name, "and on");
    assert_int_equal(receipt.clock, entity->clock + 1);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    unmake(&f);
}

static bp_text text_of(const bpt_event *event)
{
    return (bp_text){(const char *)event->entity.data, event->entity.size};
}

/* Of the last file: an entity's posting, [*from_out, *to_out) in its list of rows, with one row or more and another key behind it. */
static const bpt_event *posting_of(const fixture *f, const index_file *file, size_t key, size_t *from_out,
                                   size_t *to_out)
{
    size_t first = (size_t)number_at(file->data, 56);
    size_t rows = (size_t)number_at(file->data, SECTIONS_AT + 7 * 16);
    size_t keys = (size_t)number_at(file->data, SECTIONS_AT + 8 * 16);
    size_t count = (size_t)number_at(file->data, SECTIONS_AT + 8 * 16 + 8) / 8 - 1;
    if (key + 1 >= count) {
        return NULL;
    }
    *from_out = rows + (size_t)word_at(file->data, keys + key * 8 + 4) * 4;
    *to_out = rows + (size_t)word_at(file->data, keys + (key + 1) * 8 + 4) * 4;
    return &f->work->model.events[first + word_at(file->data, *from_out)];
}

/* Events of a stream: none of another entity; how many. */
static uint64_t stream_of(bp_store *store, bp_text entity)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_region region = bp_region_all();
    bp_status status = BP_OK;
    uint64_t found = 0;
    bp_region_set_entity(&region, entity);
    CHECK_OK(bp_query(store, &region, NULL, &iterator, &error), &error);
    while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
        assert_true(bp_text_equal(event->entity, entity));
        found++;
    }
    CHECK(status == BP_END, "%s", error.message);
    bp_iterator_close(iterator);
    return found;
}

/* A file with right checksums puts an event of another entity into a stream: its record says whose it is, and the file is not believed
 * any more. */
static void an_event_that_a_file_adds_is_not_handed_out(void **state)
{
    fixture f;
    size_t from = 0;
    size_t to = 0;
    unsigned tried = 0;
    const bpt_event *entity = NULL;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(45), SEALED);
    const index_file *file = &f.files[f.count - 1];
    for (size_t key = 0; (entity = posting_of(&f, file, key, &from, &to)) != NULL && tried < 6; key++) {
        bpt_world world;
        uint64_t count = 0;
        if (entity->system) {
            continue;
        }
        tried++;
        for (size_t s = 0; s < f.work->model.count; s++) {
            count += bp_text_equal(text_of(&f.work->model.events[s]), text_of(entity));
        }
        uint8_t *data = malloc(file->size);
        assert_non_null(data);
        memcpy(data, file->data, file->size);
        bpt_set32(data + to - 4, word_at(data, to)); /* the next key's first row */
        seal_forgery(data, file->size);
        copy_of(&f, &world);
        bpt_file_write(&world, file->name, data, file->size);
        bp_store *store = key % 2 == 0 ? bpt_reader(&world) : bpt_open(&world);
        assert_true(stream_of(store, text_of(entity)) >= count - 1);
        assert_int_equal(stream_of(store, text_of(entity)), count); /* from the log now */
        bpt_close(store);
        bpt_world_end(&world);
        free(data);
    }
    assert_true(tried > 0);
    unmake(&f);
}

/* The same lie as of a_head_that_is_wrong_retires_its_file, told before the end of the log is read: the entity goes on there. */
static void a_tail_behind_a_head_that_is_wrong(void **state)
{
    fixture f;
    unsigned tried = 0;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(46), SEALED);
    const index_file *file = &f.files[f.count - 1];
    size_t from = 0;
    size_t to = 0;
    const bpt_event *entity = NULL;
    for (size_t key = 0; (entity = posting_of(&f, file, key, &from, &to)) != NULL && tried < 6; key++) {
        bpt_world world;
        char name[BP_NAME_MAX + 1];
        uint64_t count = 0;
        if (entity->system) {
            continue;
        }
        tried++;
        for (size_t s = 0; s < f.work->model.count; s++) {
            count += bp_text_equal(text_of(&f.work->model.events[s]), text_of(entity));
        }
        (void)snprintf(name, sizeof name, "%.*s", (int)entity->entity.size, entity->entity.data);
        copy_of(&f, &world);
        bp_store *store = bpt_open(&world);
        assert_int_equal(bpt_put(store, name, "in the tail").clock, count);
        bpt_close(store);
        uint8_t *data = malloc(file->size);
        assert_non_null(data);
        memcpy(data, file->data, file->size);
        bpt_set32(data + to - 4, from < to - 4 && key % 2 == 0 ? word_at(data, to - 8) : word_at(data, to));
        seal_forgery(data, file->size);
        bpt_file_write(&world, file->name, data, file->size);
        store = bpt_open(&world);
        assert_int_equal(bpt_put(store, name, "and on").clock, count + 1);
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
        free(data);
    }
    assert_true(tried > 0);
    unmake(&f);
}

/* The world with a forged copy of a file in the place of the right one. */
static void forged_copy(fixture *f, const index_file *file, size_t at, uint8_t changed, bpt_world *world)
{
    uint8_t *data = malloc(file->size);
    assert_non_null(data);
    memcpy(data, file->data, file->size);
    data[at] ^= changed;
    seal_forgery(data, file->size);
    copy_of(f, world);
    bpt_file_write(world, file->name, data, file->size);
    free(data);
}

static uint64_t events_of(const fixture *f, bp_text entity)
{
    uint64_t count = 0;
    for (size_t s = 0; s < f->work->model.count; s++) {
        count += bp_text_equal(text_of(&f->work->model.events[s]), entity);
    }
    return count;
}

/* With another name in the place of one the file still says under what that was: who asks for it learns of its events, and its chain goes
 * on where it ended. */
static void a_name_that_was_changed_hides_nobody(void **state)
{
    fixture f;
    unsigned tried = 0;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(47), SEALED);
    for (size_t n = 0; n < f.count && tried < 8; n++) {
        const index_file *file = &f.files[n];
        size_t starts = (size_t)number_at(file->data, SECTIONS_AT + 15 * 16);
        size_t text = (size_t)number_at(file->data, SECTIONS_AT + 16 * 16);
        uint32_t count = word_at(file->data, ENTITIES_AT);
        for (uint32_t i = 0; i < count && i < 3; i++) {
            bpt_world world;
            char name[BP_NAME_MAX + 1];
            uint32_t from = word_at(file->data, starts + (size_t)i * 4);
            uint32_t to = word_at(file->data, starts + (size_t)i * 4 + 4);
            (void)snprintf(name, sizeof name, "%.*s", (int)(to - from), (const char *)file->data + text + from);
            uint64_t events = events_of(&f, bp_text_of(name));
            if (strcmp(name, "batpak:system") == 0) {
                continue;
            }
            tried++;
            assert_true(events > 0);
            forged_copy(&f, file, text + from, 1, &world);
            bp_store *store = bpt_reader(&world);
            assert_int_equal(stream_of(store, bp_text_of(name)), events);
            bpt_close(store);
            store = bpt_open(&world);
            assert_int_equal(bpt_put(store, name, "and on").clock, events);
            bpt_close(store);
            (void)bpt_verify(&world);
            bpt_world_end(&world);
        }
    }
    assert_true(tried > 0);
    unmake(&f);
}

/* How many events are the system's is told without a look at any: it must go with the kinds. */
static void a_number_of_system_events_that_does_not_add_up(void **state)
{
    fixture f;
    uint64_t callers = 0;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(48), SEALED);
    for (size_t s = 0; s < f.work->model.count; s++) {
        callers += !f.work->model.events[s].system;
    }
    for (size_t n = 0; n < f.count; n++) {
        bpt_world world;
        uint64_t count = 0;
        bp_error error = {0};
        forged_copy(&f, &f.files[n], SYSTEM_AT, 1, &world);
        bp_store *store = n % 2 == 0 ? bpt_reader(&world) : bpt_open(&world);
        CHECK_OK(bp_count(store, NULL, &count, &error), &error);
        CHECK(count == callers, "%llu events, not %llu", (unsigned long long)count, (unsigned long long)callers);
        bpt_close(store);
        bpt_world_end(&world);
    }
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_was_changed_hides_nobody),
        cmocka_unit_test(a_number_of_system_events_that_does_not_add_up),
        cmocka_unit_test(an_event_that_a_file_adds_is_not_handed_out),
        cmocka_unit_test(a_tail_behind_a_head_that_is_wrong),
        cmocka_unit_test(what_files_say_is_held_against_the_log),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told_of),
        cmocka_unit_test(a_head_that_is_wrong_retires_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
