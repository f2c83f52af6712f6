/*
 * test_index_files.c: index files are derived (P4): whatever becomes of them, a writer and a reader answer as before. Each
 * damage is done to a copy of one closed store, which is then compared whole with the model, goes on being written, and is
 * compared again.
 *
 * ctest: timeout=300
 */
#include <errno.h>
#include <sys/resource.h>

#include <batpak/reindex.h>

#include "store/index_fixture.h"

/* Of each eight sealed segments one file is made. */
static bool files_are_merged(bp_store *store)
{
    bp_stats stats = stats_of(store);
    return stats.sealed_segments >= 8 && stats.index_files == stats.sealed_segments / 8 + stats.sealed_segments % 8;
}

static void same_answers(fixture *f, bp_store *store)
{
    bpt_random random = {f->work->seed};
    assert_int_equal(stats_of(store).events, f->work->model.count);
    bpt_compare(&f->work->model, store, &random);
}

/* A damaged copy: a reader and a writer find everything; the writer has files for all sealed segments again. */
static void judge(fixture *f, bpt_world *world)
{
    bp_store *reader = bpt_reader(world);
    same_answers(f, reader);
    bpt_close(reader);
    bp_store *store = bpt_open(world);
    same_answers(f, store);
    /* What was found broken while it was asked is mended with the next seal. */
    const bpt_event *last = &f->work->model.events[f->work->model.count - 1];
    char entity[BP_NAME_MAX + 1];
    (void)snprintf(entity, sizeof entity, "%.*s", (int)last->entity.size, last->entity.data);
    if (!last->system) {
        bp_receipt receipt = bpt_put(store, entity, "and on");
        assert_int_equal(receipt.clock, last->clock + 1);
    }
    assert_int_equal(bp_seal(store, NULL), BP_OK);
    bp_stats stats = stats_of(store);
    assert_true(stats.index_files > 0);
    bpt_close(store);
    (void)bpt_verify(world);
    store = bpt_open(world);
    assert_int_equal(stats_of(store).index_files, stats.index_files); /* all of them are used */
    bpt_close(store);
    bpt_world_end(world);
}

static void undamaged_files_are_used(void **state)
{
    fixture f;
    bpt_world world;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(31), SEALED);
    copy_of(&f, &world);
    bp_store *store = bpt_open(&world);
    bp_stats stats = stats_of(store);
    assert_int_equal(stats.index_files, f.count);
    assert_true(f.count < stats.sealed_segments); /* eight became one */
    assert_true(stats.mapped_bytes <
                stats.index_file_bytes + 3 * stats.options.segment_size); /* no segment is mapped */
    bpt_close(store);
    judge(&f, &world);
    unmake(&f);
}

static void files_may_be_missing(void **state)
{
    fixture f;
    bpt_world world;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(32), SEALED);
    for (size_t missing = 0; missing <= f.count; missing++) {
        copy_of(&f, &world);
        for (size_t i = 0; i < f.count; i++) {
            if (missing == f.count || i == missing) {
                bpt_file_remove(&world, f.files[i].name);
            }
        }
        judge(&f, &world);
    }
    unmake(&f);
}

static void files_may_be_cut_short_or_long(void **state)
{
    fixture f;
    bpt_world world;
    bpt_random random = {bpt_seed(33)};
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, random.state, SEALED);
    for (size_t i = 0; i < f.count; i++) {
        const index_file *file = &f.files[i];
        for (int n = 0; n < 4; n++) {
            size_t size = n == 0 ? 0 : (size_t)bpt_random_below(&random, file->size);
            uint8_t *data = calloc(1, file->size + 100);
            assert_non_null(data);
            memcpy(data, file->data, file->size);
            copy_of(&f, &world);
            bpt_file_write(&world, file->name, data, n == 3 ? file->size + 100 : size);
            free(data);
            judge(&f, &world);
        }
    }
    unmake(&f);
}

/* verify reads all pages: a wrong file is told of, and is no fault. */
static void wrong_files_are_told_and_no_fault(void **state)
{
    fixture f;
    bpt_world world;
    bp_verify_options options;
    bp_verify_report report;
    bp_error error = {0};
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(42), SEALED);
    for (int wrong = 0; wrong < 3; wrong++) {
        copy_of(&f, &world);
        bp_verify_options_init(&options);
        options.io = world.io;
        if (wrong == 1) {
            f.files[0].data[f.files[0].size / 2] ^= 1;
            bpt_file_write(&world, f.files[0].name, f.files[0].data, f.files[0].size);
            f.files[0].data[f.files[0].size / 2] ^= 1;
        } else if (wrong == 2) {
            bpt_file_write(&world, f.files[0].name, f.files[1].data, f.files[1].size);
        }
        CHECK_OK(bp_verify(world.path, &options, &report, &error), &error);
        assert_int_equal(report.faults, 0);
        assert_int_equal(report.index_files, f.count);
        assert_int_equal(report.index_files_wrong, wrong > 0);
        bpt_world_end(&world);
    }
    unmake(&f);
}

static void any_flip_is_noticed(void **state)
{
    uint64_t seed = bpt_seed(34);
    (void)state;
    for (int layout = BP_LAYOUT_AOS; layout <= BP_LAYOUT_SOAOS; layout++) {
        fixture f;
        bpt_world world;
        bpt_random random = {seed + (uint64_t)layout};
        make(&f, (bp_layout)layout, random.state, 9);
        uint64_t flips = bpt_amount("BATPAK_STEPS", 12, 400);
        for (uint64_t n = 0; n < flips; n++) {
            index_file *file = &f.files[bpt_random_below(&random, f.count)];
            size_t at = (size_t)bpt_random_below(&random, file->size);
            uint8_t bit = (uint8_t)(1u << bpt_random_below(&random, 8));
            bpt_note("layout %d, %s, flip at %zu", layout, file->name, at);
            copy_of(&f, &world);
            file->data[at] ^= bit;
            bpt_file_write(&world, file->name, file->data, file->size);
            file->data[at] ^= bit;
            judge(&f, &world);
        }
        unmake(&f);
    }
    bpt_note("%s", "");
}

static void files_of_others_are_left_aside(void **state)
{
    fixture f;
    fixture other;
    bpt_world world;
    uint64_t seed = bpt_seed(35);
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, seed, SEALED);
    make(&other, BP_LAYOUT_DEFAULT, seed + 1, SEALED);
    assert_true(f.count > 1 && other.count > 0);
    /* Swapped among themselves. */
    copy_of(&f, &world);
    bpt_file_write(&world, f.files[0].name, f.files[1].data, f.files[1].size);
    bpt_file_write(&world, f.files[1].name, f.files[0].data, f.files[0].size);
    judge(&f, &world);
    /* All of another store, under their names, and under ours. */
    copy_of(&f, &world);
    for (size_t i = 0; i < other.count; i++) {
        bpt_file_write(&world, other.files[i].name, other.files[i].data, other.files[i].size);
    }
    judge(&f, &world);
    copy_of(&f, &world);
    for (size_t i = 0; i < f.count && i < other.count; i++) {
        bpt_file_write(&world, f.files[i].name, other.files[i].data, other.files[i].size);
    }
    judge(&f, &world);
    unmake(&other);
    unmake(&f);
}

static void a_newer_version_is_made_anew(void **state)
{
    fixture f;
    bpt_world world;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(36), SEALED);
    copy_of(&f, &world);
    for (size_t i = 0; i < f.count; i++) {
        uint8_t page[PAGE];
        f.files[i].data[VERSION_AT] = 2;
        memcpy(page, f.files[i].data, sizeof page);
        bpt_put_crc(page, sizeof page, CRC_AT);
        memcpy(f.files[i].data, page, sizeof page);
        bpt_file_write(&world, f.files[i].name, f.files[i].data, f.files[i].size);
    }
    judge(&f, &world);
    unmake(&f);
}

/* Files of the same store from before its segments were merged, beside those of now, and instead of them. */
static void older_files_do_no_harm(void **state)
{
    fixture f;
    bpt_world world;
    index_file old[FILES_MAX];
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(37), 6);
    size_t old_count = f.count;
    memcpy(old, f.files, sizeof old);
    f.count = 0;
    f.work->store = bpt_open(&f.world);
    while (sealed_of(f.work->store) < SEALED) {
        bpt_workload_step(f.work);
    }
    bpt_close(f.work->store);
    f.work->store = NULL;
    bpt_file_each(&f.world, keep_file, &f);
    for (int instead = 0; instead < 2; instead++) {
        copy_of(&f, &world);
        for (size_t i = 0; i < f.count && instead; i++) {
            bpt_file_remove(&world, f.files[i].name);
        }
        for (size_t i = 0; i < old_count; i++) {
            bpt_file_write(&world, old[i].name, old[i].data, old[i].size);
        }
        bpt_file_write(&world, "index/0000000000-0000000000-99.idx.new", "half a file", 11);
        bpt_file_write(&world, "index/notes.txt", "mine", 4);
        judge(&f, &world);
    }
    for (size_t i = 0; i < old_count; i++) {
        free(old[i].data);
    }
    unmake(&f);
}

/* Sealing and merging crash at every step; what is left is used, or made anew. */
static void a_crash_while_files_are_made(void **state)
{
    fixture f;
    uint64_t seed = bpt_seed(38);
    bpt_random random = {seed};
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, seed, 7);
    for (uint64_t step = 1;; step++) {
        bpt_world world;
        bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
        copy_of(&f, &world);
        bp_store *store = bpt_open(&world);
        bpi_fault_set_plan(world.fault, &plan);
        bp_status sealed = bp_seal(store, NULL); /* the eighth: it gets a file, and eight become one */
        assert_true(sealed == BP_OK || sealed == BP_ERR_IO || sealed == BP_ERR_FAILED);
        bool crashed = bpi_fault_crashed(world.fault);
        bool merged = !crashed && files_are_merged(store);
        (void)bp_close(store, NULL);
        bpt_note("crash at step %llu", (unsigned long long)step);
        if (!crashed) {
            assert_true(merged);
            bpt_world_end(&world);
            break;
        }
        if (step % 2 == 0) {
            bpi_fault_process_kill(world.fault);
        } else {
            (void)bpt_power_cut(&world, BPT_KEEP_RANDOM, bpt_random_next(&random));
        }
        bpi_fault_plan none = {0};
        bpi_fault_set_plan(world.fault, &none);
        judge(&f, &world);
    }
    bpt_note("%s", "");
    unmake(&f);
}

/* Writing a file fails: the index goes on in memory, and a later seal writes what is missing. */
static void a_failed_write_costs_nothing(void **state)
{
    fixture f;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(39), 7);
    for (uint64_t step = 1; step < 80; step++) {
        bpt_world world;
        bpi_fault_plan plan = {.kind = BPI_FAULT_ERROR, .step = step, .os_error = ENOSPC};
        copy_of(&f, &world);
        bp_store *store = bpt_open(&world);
        bpi_fault_set_plan(world.fault, &plan);
        bp_status status = bp_seal(store, NULL);
        bpi_fault_plan none = {0};
        bpi_fault_set_plan(world.fault, &none);
        bpt_note("ENOSPC at step %llu", (unsigned long long)step);
        if (status == BP_OK) {
            same_answers(&f, store);
        }
        (void)bp_close(store, NULL);
        judge(&f, &world);
    }
    bpt_note("%s", "");
    unmake(&f);
}

static const bp_io *refused_by;

static int refuse_index_files(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    bool index = (flags & BP_OPEN_CREATE) != 0 && strstr(name, ".idx") != NULL;
    return index ? EDQUOT : refused_by->file_open(context, dir, name, flags, file_out);
}

static void a_reindex_that_could_not_write_says_so(void **state)
{
    fixture f;
    bpt_world world;
    bp_error error = {0};
    bp_reindex_report report;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(40), 7);
    copy_of(&f, &world);
    bp_options options = world.options;
    refused_by = world.io;
    bp_io table = *world.io;
    table.file_open = refuse_index_files;
    options.io = &table;
    CHECK_STATUS(BP_ERR_NO_SPACE, bp_reindex(world.path, &options, &report, &error), &error);
    CHECK_SAYS(&error, "index files could not be written");
    assert_int_equal(report.files, 0);
    CHECK_OK(bp_reindex(world.path, &world.options, &report, &error), &error);
    assert_true(report.files != 0);
    judge(&f, &world);
    unmake(&f);
}

/* A reader has the files mapped that a writer beside it merges and removes. */
static void a_reader_beside_a_merge(void **state)
{
    fixture f;
    bpt_world world;
    (void)state;
    make(&f, BP_LAYOUT_DEFAULT, bpt_seed(40), 7);
    copy_of(&f, &world);
    bp_store *store = bpt_open(&world);
    bp_store *reader = bpt_reader(&world);
    uint64_t files = stats_of(reader).index_files;
    same_answers(&f, reader);
    assert_int_equal(bp_seal(store, NULL), BP_OK);
    assert_true(files_are_merged(store) && stats_of(store).index_files < files);
    same_answers(&f, reader); /* with what it has */
    bp_receipt receipt = bpt_put(store, "behind the merge", "seen");
    const bp_event *event = NULL;
    assert_int_equal(bp_get(reader, &receipt.id, &event, NULL), BP_OK);
    bp_event_release(event);
    bpt_close(reader);
    reader = bpt_reader(&world);
    assert_true(stats_of(reader).index_files < files);
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
    unmake(&f);
}

/* What an opening, a reader's and a writer's, finds of `count` events "n", and how many files it uses. */
static void tail_holds(bpt_world *world, uint64_t count, uint64_t files)
{
    for (int writer = 0; writer < 2; writer++) {
        bp_store *store = writer ? bpt_open(world) : bpt_reader(world);
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        uint64_t seen = 0;
        bp_region region = bp_region_all();
        assert_int_equal(stats_of(store).index_files, files);
        assert_int_equal(bp_query(store, &region, NULL, &iterator, NULL), BP_OK);
        while (bp_next(iterator, &event, NULL) == BP_OK) {
            char text[32];
            (void)snprintf(text, sizeof text, "%llu", (unsigned long long)seen);
            assert_int_equal(event->payload_size, strlen(text));
            assert_memory_equal(event->payload, text, strlen(text));
            assert_int_equal(event->clock, seen / 10);
            seen++;
        }
        bp_iterator_close(iterator);
        assert_int_equal(seen, count);
        bp_region stream = bp_region_stream("e:3");
        assert_int_equal(bp_count(store, &stream, &seen, NULL), BP_OK);
        assert_int_equal(seen, count / 10);
        bpt_close(store);
    }
}

static void put_numbers(bp_store *store, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++) {
        char entity[16];
        char text[32];
        (void)snprintf(entity, sizeof entity, "e:%u", (unsigned)(n % 10));
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)n);
        (void)bpt_put(store, entity, text);
    }
}

/* A segment that is still open has a file for what was in it when the store was closed. */
static void a_closed_store_has_a_tail(void **state)
{
    bpt_world world;
    bpt_random random = {bpt_seed(41)};
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    world.options.segment_size = 4u << 20;
    bp_store *store = bpt_open(&world);
    put_numbers(store, 0, 5000);
    bpt_close(store);
    tail_holds(&world, 5000, 1);
    /* A little more is read from the log, much more gets a new file. */
    store = bpt_open(&world);
    put_numbers(store, 5000, 5100);
    bpt_close(store);
    tail_holds(&world, 5100, 1);
    store = bpt_open(&world);
    put_numbers(store, 5100, 10000);
    bpt_close(store);
    tail_holds(&world, 10000, 1);
    /* It answers after a kill, too; and damaged in any place it is left aside. */
    store = bpt_open(&world);
    put_numbers(store, 10000, 10010);
    bpi_fault_process_kill(world.fault);
    (void)bp_close(store, NULL);
    fixture f = {0};
    bpt_file_each(&world, keep_file, &f);
    assert_int_equal(f.count, 1);
    for (int n = 0; n < 40; n++) {
        bpt_world probe;
        bpt_world_adopt(&probe, bpi_fault_clone(world.fault));
        probe.options.segment_size = world.options.segment_size;
        size_t at = (size_t)bpt_random_below(&random, n < 20 ? 600 : f.files[0].size);
        bpt_note("flip at %zu", at);
        f.files[0].data[at] ^= 4;
        bpt_file_write(&probe, f.files[0].name, f.files[0].data, f.files[0].size);
        f.files[0].data[at] ^= 4;
        store = bpt_open(&probe);
        put_numbers(store, 10010, 10020);
        assert_int_equal(bp_seal(store, NULL), BP_OK);
        assert_int_equal(stats_of(store).index_files, 1); /* of the whole segment */
        bpt_close(store);
        tail_holds(&probe, 10020, 1);
        (void)bpt_verify(&probe);
        bpt_world_end(&probe);
    }
    bpt_note("%s", "");
    forget_files(&f);
    bpt_world_end(&world);
}

/* Many segments, few descriptors, for the one who writes them, for a reader, and for one who makes the index anew. */
static void a_few_descriptors_do_for_many_segments(void **state)
{
    struct rlimit before;
    bpt_world world;
    uint64_t segments = bpt_amount("BATPAK_SEGMENTS", 150, 3000);
    (void)state;
    bpt_world_disk(&world);
    world.options.durability = BP_BUFFERED;
    world.options.segment_size = BP_SEGMENT_MIN;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = {64, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    bp_store *store = bpt_open(&world);
    uint64_t count = 0;
    for (; stats_of(store).segments < segments; count++) {
        (void)bpt_put_sized(store, "wide", 20000);
    }
    bpt_close(store);
    for (int round = 0; round < 2; round++) {
        store = round == 0 ? bpt_open(&world) : bpt_reader(&world);
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        uint64_t seen = 0;
        assert_int_equal(bp_stream(store, "wide", NULL, &iterator, NULL), BP_OK);
        while (bp_next(iterator, &event, NULL) == BP_OK) {
            seen++;
        }
        bp_iterator_close(iterator);
        assert_int_equal(seen, count);
        bpt_close(store);
    }
    bp_reindex_report report;
    bp_error error = {0};
    CHECK_OK(bp_reindex(world.path, NULL, &report, &error), &error);
    assert_int_equal(report.events, count);
    assert_true(report.files < segments / 4);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undamaged_files_are_used),
        cmocka_unit_test(files_may_be_missing),
        cmocka_unit_test(files_may_be_cut_short_or_long),
        cmocka_unit_test(any_flip_is_noticed),
        cmocka_unit_test(wrong_files_are_told_and_no_fault),
        cmocka_unit_test(files_of_others_are_left_aside),
        cmocka_unit_test(a_newer_version_is_made_anew),
        cmocka_unit_test(older_files_do_no_harm),
        cmocka_unit_test(a_crash_while_files_are_made),
        cmocka_unit_test(a_failed_write_costs_nothing),
        cmocka_unit_test(a_reindex_that_could_not_write_says_so),
        cmocka_unit_test(a_reader_beside_a_merge),
        cmocka_unit_test(a_closed_store_has_a_tail),
        cmocka_unit_test(a_few_descriptors_do_for_many_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
