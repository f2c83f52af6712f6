/*
 * test_inspect.c: what bp_inspect_recovery says, held against what opening then does: after every crash of a mixed workload, and
 * over stores with damaged bytes, missing files and files too many. It changes nothing: every file is the same afterwards.
 */
#include "support/forge.h"
#include "support/script.h"

typedef struct told {
    uint64_t cut_bytes;
    uint64_t cut_frames;
    uint64_t replayed;
    unsigned steps[8];
} told;

static int see_step(void *context, const bp_recovery_step *step)
{
    told *all = context;
    assert_true(step->kind <= BP_STEP_DROP);
    assert_int_equal(strncmp(step->file, "log/", 4), 0);
    all->steps[step->kind]++;
    all->cut_bytes += step->kind == BP_STEP_CUT ? step->bytes : 0;
    all->cut_frames += step->kind == BP_STEP_CUT ? step->frames : 0;
    all->replayed += step->kind == BP_STEP_REPLAY ? step->frames : 0;
    return 0;
}

typedef struct picture {
    bp_hash hash;
    unsigned files;
} picture;

/* In any order: the sum of the files' hashes. */
static void see_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    picture *all = argument;
    bp_hash names = bp_hash_bytes(name, strlen(name));
    bp_hash bytes = bp_hash_bytes(data, size);
    for (size_t i = 0; i < sizeof names.bytes; i++) {
        all->hash.bytes[i] = (uint8_t)(all->hash.bytes[i] + (names.bytes[i] ^ (bytes.bytes[i] * 3)));
    }
    all->files++;
}

static picture picture_of(bpt_world *world)
{
    picture all = {0};
    bpt_file_each(world, see_file, &all);
    return all;
}

static unsigned torn_files;

static void see_torn(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)argument;
    (void)data;
    (void)size;
    torn_files += strstr(name, ".torn") != NULL;
}

static unsigned count_torn(bpt_world *world)
{
    torn_files = 0;
    bpt_file_each(world, see_torn, NULL);
    return torn_files;
}

/* Looks, compares every file before and after, and counts. */
static bp_inspection look(bpt_world *world, told *all)
{
    bp_error error = {0};
    bp_inspection found;
    memset(all, 0, sizeof *all);
    picture before = picture_of(world);
    CHECK_OK(bp_inspect_recovery(world->path, &world->options, see_step, all, &found, &error), &error);
    picture after = picture_of(world);
    CHECK(before.files == after.files && bp_hash_equal(&before.hash, &after.hash), "looking changed the store");
    CHECK(all->cut_bytes == found.cut_bytes && all->cut_frames == found.cut_frames &&
              all->steps[BP_STEP_CUT] == found.cut_files && all->replayed == found.replayed_frames,
          "the steps do not add up");
    return found;
}

static void same_refusal(const bp_error *said, bp_status status, const bp_error *error)
{
    CHECK(said->status == status, "inspect says %s, open %s: %s", bp_status_name(said->status), bp_status_name(status),
          error->message);
    CHECK(strcmp(said->message, error->message) == 0 && strcmp(said->file, error->file) == 0 &&
              said->offset == error->offset && said->has_offset == error->has_offset,
          "inspect says \"%s\" %s:%llu, open \"%s\" %s:%llu", said->message, said->file,
          (unsigned long long)said->offset, error->message, error->file, (unsigned long long)error->offset);
}

/* What is said, and then done. Returns what was said. */
static bp_recovery_verdict compare(bpt_world *world)
{
    told all;
    bp_error error = {0};
    bp_store *store = NULL;
    bp_stats stats = {.size = sizeof stats};
    bp_inspection said = look(world, &all);
    unsigned torn = count_torn(world);
    bp_status status = bp_open(world->path, &world->options, &store, &error);
    if (status != BP_OK) {
        CHECK(said.verdict == BP_RECOVERY_REFUSE, "inspect says %d, open %s", (int)said.verdict,
              bp_status_name(status));
        same_refusal(&said.refusal, status, &error);
        return said.verdict;
    }
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    CHECK(said.verdict != BP_RECOVERY_REFUSE, "inspect says %s: %s; open does it", bp_status_name(said.refusal.status),
          said.refusal.message);
    CHECK(stats.events == said.events, "%llu events, not %llu as said", (unsigned long long)stats.events,
          (unsigned long long)said.events);
    CHECK(stats.cut_now == (said.verdict == BP_RECOVERY_CUT), "a cut was %ssaid",
          said.verdict == BP_RECOVERY_CUT ? "" : "not ");
    CHECK(!stats.cut_now || (stats.cut_bytes == said.cut_bytes && stats.cut_lsn == said.end),
          "%llu bytes cut, not %llu", (unsigned long long)stats.cut_bytes, (unsigned long long)said.cut_bytes);
    CHECK(count_torn(world) - torn == said.cut_files, "other .torn files than said");
    CHECK(stats.frontiers.epoch == said.epoch, "epoch %u, not %u as said", stats.frontiers.epoch, said.epoch);
    bpt_close(store);
    return said.verdict;
}

static void next_world(const bpi_fault *crashed, bp_durability durability, bpt_world *world)
{
    bpi_fault_plan none = {0};
    bpt_world_adopt(world, bpi_fault_clone(crashed));
    world->options.durability = durability;
    bpi_fault_set_plan(world->fault, &none);
}

/* Each step of the workload crashes, every third one in quick runs; three ways for the world to go on. */
static void crashes(bp_durability durability, unsigned verdicts[5])
{
    bpt_reference reference;
    bpt_reference_make(&reference, durability);
    uint64_t stride = bpt_campaign() ? 1 : bpt_instrumented() ? 17 : 5;
    for (uint64_t at = 1; at <= reference.steps; at += stride) {
        bpt_world world;
        bpt_script script;
        bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = at};
        bpt_world_fault(&world);
        world.options.durability = durability;
        bpi_fault_set_plan(world.fault, &plan);
        bool ran = bpt_script_begin(&script, &world) && bpt_script_rest(&script);
        bpt_script_abandon(&script);
        CHECK(!ran || at + 17 >= reference.steps, "the workload came through a crash at step %llu",
              (unsigned long long)at);
        for (unsigned how = 0; how < 3; how++) {
            bpt_world after;
            bpt_note("durability %d, crash at step %llu, way %u", (int)durability, (unsigned long long)at, how);
            next_world(world.fault, durability, &after);
            if (how == 0) {
                bpi_fault_process_kill(after.fault);
            } else {
                (void)bpt_power_cut(&after, how == 1 ? BPT_KEEP_NONE : BPT_KEEP_RANDOM, at);
            }
            verdicts[compare(&after)]++;
            bpt_world_end(&after);
        }
        bpt_world_end(&world);
    }
}

static void what_is_said_is_done_after_every_crash(void **state)
{
    unsigned verdicts[5] = {0};
    (void)state;
    crashes(BP_DURABLE, verdicts);
    crashes(BP_BUFFERED, verdicts);
    print_message("nothing %u, settle %u, cut %u, make %u, refuse %u\n", verdicts[0], verdicts[1], verdicts[2],
                  verdicts[3], verdicts[4]);
    for (unsigned verdict = BP_RECOVERY_SETTLE; verdict <= BP_RECOVERY_MAKE; verdict++) {
        CHECK(verdicts[verdict] > 0, "no crash came to verdict %u", verdict);
    }
    assert_int_equal(verdicts[BP_RECOVERY_REFUSE], 0);
}

/* ---- damage ---- */

static void make(bpt_world *world, bool killed)
{
    bp_error error = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    bpt_world_fault(world);
    bp_store *store = bpt_open(world);
    for (unsigned i = 0; i < 30; i++) {
        (void)bpt_put_sized(store, i % 2 == 0 ? "a:1" : "b:2", 40 + i);
        if (i % 10 == 9) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
    }
    for (unsigned i = 0; i < 5; i++) {
        (void)bpt_put_with(store, "a:1", "behind the seal", &options);
    }
    if (killed) {
        bpi_fault_process_kill(world->fault);
        (void)bp_close(store, NULL);
    } else {
        bpt_close(store);
    }
}

static void flip_file(bpt_world *store, const char *name, uint64_t stride, unsigned verdicts[5])
{
    size_t size = 0;
    uint8_t *data = bpt_file_read(store, name, &size);
    assert_non_null(data);
    size_t end = size;
    while (end > 0 && data[end - 1] == 0) {
        end--;
    }
    for (size_t at = 0; at < end; at += stride) {
        bpt_world world;
        bpt_note("flip %s %zu", name, at);
        bpt_world_adopt(&world, bpi_fault_clone(store->fault));
        data[at] ^= 0x10;
        bpt_file_write(&world, name, data, size);
        data[at] ^= 0x10;
        verdicts[compare(&world)]++;
        bpt_world_end(&world);
    }
    for (unsigned quarter = 0; quarter < 5; quarter++) {
        bpt_world world;
        bpt_note("cut %s to %u quarters of its bytes, 4: removed", name, quarter);
        bpt_world_adopt(&world, bpi_fault_clone(store->fault));
        if (quarter < 4) {
            bpt_file_write(&world, name, data, end * quarter / 4);
        } else {
            bpt_file_remove(&world, name);
        }
        verdicts[compare(&world)]++;
        bpt_world_end(&world);
    }
    free(data);
}

typedef struct names {
    char all[32][64];
    unsigned count;
} names;

static void take_name(void *argument, const char *name, const uint8_t *data, size_t size)
{
    names *list = argument;
    (void)data;
    assert_true(list->count < 32 && strlen(name) < 64);
    if (size > 0 && strcmp(name, "LOCK") != 0) {
        (void)snprintf(list->all[list->count++], 64, "%s", name);
    }
}

static void what_is_said_is_done_with_every_damage(void **state)
{
    (void)state;
    for (unsigned killed = 0; killed < 2; killed++) {
        bpt_world store;
        names list = {0};
        unsigned verdicts[5] = {0};
        make(&store, killed != 0);
        bpt_file_each(&store, take_name, &list);
        for (unsigned i = 0; i < list.count; i++) {
            flip_file(&store, list.all[i], bpt_campaign() ? 3 : bpt_instrumented() ? 300 : 61, verdicts);
        }
        print_message("%u files: nothing %u, settle %u, cut %u, make %u, refuse %u\n", list.count, verdicts[0],
                      verdicts[1], verdicts[2], verdicts[3], verdicts[4]);
        assert_true(verdicts[BP_RECOVERY_REFUSE] > 8);
        assert_true(verdicts[killed != 0 ? BP_RECOVERY_SETTLE : BP_RECOVERY_NOTHING] > 10);
        bpt_world_end(&store);
    }
}

/* ---- case by case ---- */

static void a_closed_store_needs_nothing(void **state)
{
    bpt_world world;
    told all;
    (void)state;
    make(&world, false);
    bp_inspection found = look(&world, &all);
    assert_int_equal(found.verdict, BP_RECOVERY_NOTHING);
    assert_int_equal(found.events, 35);
    assert_int_equal(found.sealed, 3);
    assert_int_equal(found.indexed, 3);
    assert_int_equal(found.writer, 0);
    assert_int_equal(all.steps[BP_STEP_READ], 0);
    assert_int_equal(found.replayed_events, 5);
    assert_int_equal(compare(&world), BP_RECOVERY_NOTHING);
    bpt_world_end(&world);
}

static void remove_index(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "index/", 6) == 0) {
        bpt_file_remove(argument, name);
    }
}

static void what_has_no_index_file_is_read(void **state)
{
    bpt_world world;
    told all;
    (void)state;
    make(&world, true);
    bpt_file_each(&world, remove_index, &world);
    bp_inspection found = look(&world, &all);
    assert_int_equal(found.verdict, BP_RECOVERY_SETTLE);
    assert_int_equal(found.indexed, 0);
    assert_int_equal(all.steps[BP_STEP_READ], 3);
    assert_true(found.writer != 0);
    bpt_world_end(&world);
}

static void a_place_without_a_store_is_told(void **state)
{
    bpt_world world;
    told all;
    (void)state;
    bpt_world_fault(&world);
    assert_int_equal(look(&world, &all).verdict, BP_RECOVERY_MAKE);
    world.options.create = false;
    bp_inspection found = look(&world, &all);
    assert_int_equal(found.verdict, BP_RECOVERY_REFUSE);
    assert_int_equal(found.refusal.status, BP_ERR_NOT_FOUND);
    assert_int_equal(compare(&world), BP_RECOVERY_REFUSE);
    bpt_world_end(&world);
}

static void a_segment_too_many_is_told(void **state)
{
    bpt_world world;
    told all;
    size_t size = 0;
    (void)state;
    make(&world, false);
    uint8_t *data = bpt_file_read(&world, "log/0000000000-1.seg", &size);
    bpt_file_write(&world, "log/0000000077-1.seg", data, 64);
    bp_inspection found = look(&world, &all);
    assert_int_equal(found.verdict, BP_RECOVERY_NOTHING);
    assert_int_equal(found.segment_files, 1);
    assert_int_equal(all.steps[BP_STEP_REMOVE], 1);
    assert_int_equal(compare(&world), BP_RECOVERY_NOTHING);
    bpt_file_write(&world, "log/0000000000-9.seg", data, size);
    assert_int_equal(compare(&world), BP_RECOVERY_REFUSE);
    free(data);
    bpt_world_end(&world);
}

static void retire_first(uint8_t *bytes, size_t size)
{
    assert_true(size >= 64 + 128);
    bpt_set32(bytes + 64 + 8, 2);
}

/* The first entry retired is a history that does not begin at 0; what matters is that both say the same. */
static void a_rewrite_to_be_finished_is_told(void **state)
{
    bpt_world world;
    told all;
    (void)state;
    make(&world, false);
    bpt_change_list(&world, retire_first);
    (void)look(&world, &all);
    bp_recovery_verdict verdict = compare(&world);
    assert_true(verdict == BP_RECOVERY_REFUSE || all.steps[BP_STEP_FINISH] == 1);
    bpt_world_end(&world);
}

static void a_newer_format_is_named(void **state)
{
    bpt_world world;
    told all;
    size_t size = 0;
    (void)state;
    make(&world, false);
    uint8_t *data = bpt_file_read(&world, "MANIFEST", &size);
    for (unsigned slot = 0; slot < 2; slot++) {
        bpt_set32(data + 4096 * slot + 8, 9);
        bpt_put_crc(data + 4096 * slot, 4096, 12);
    }
    bpt_file_write(&world, "MANIFEST", data, size);
    bp_inspection found = look(&world, &all);
    assert_int_equal(found.verdict, BP_RECOVERY_REFUSE);
    assert_int_equal(found.refusal.status, BP_ERR_VERSION);
    assert_int_equal(compare(&world), BP_RECOVERY_REFUSE);
    free(data);
    bpt_world_end(&world);
}

static void hostile_arguments_are_refused(void **state)
{
    bp_inspection found;
    bp_options options;
    (void)state;
    bp_options_init(&options);
    options.segment_size = 5;
    assert_int_equal(bp_inspect_recovery(NULL, NULL, NULL, NULL, &found, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_inspect_recovery("", NULL, NULL, NULL, &found, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_inspect_recovery("./x", NULL, NULL, NULL, NULL, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_inspect_recovery("./x", &options, NULL, NULL, &found, NULL), BP_ERR_ARGUMENT);
}

/* ---- files with several names ---- */

/* An opening refuses to write to them, so that is what is said: of the one at hand, and of the one behind it. */
static void an_open_segment_with_two_names_is_refused(void **state)
{
    (void)state;
    for (unsigned ordinal = 0; ordinal < 6; ordinal++) {
        bpt_world world;
        bp_dir *log = NULL;
        bp_dir *other = NULL;
        bp_file *file = NULL;
        char path[600];
        char name[BP_SEGMENT_NAME_SIZE];
        make(&world, ordinal % 2 == 1);
        bpt_note("segment %u has two names", ordinal);
        bp_segment_name(ordinal, 1, name);
        (void)snprintf(path, sizeof path, "%s/log", world.path);
        assert_int_equal(world.io->dir_open(world.io->context, path, false, &log), 0);
        assert_int_equal(world.io->dir_open(world.io->context, "elsewhere", true, &other), 0);
        int code = world.io->file_open(world.io->context, log, name, BP_OPEN_READ, &file);
        if (code == 0) {
            assert_int_equal(world.io->file_link(world.io->context, file, other, name), 0);
            world.io->file_close(world.io->context, file);
        }
        world.io->dir_close(world.io->context, log);
        world.io->dir_close(world.io->context, other);
        bp_recovery_verdict verdict = compare(&world);
        CHECK((verdict == BP_RECOVERY_REFUSE) == (code == 0 && ordinal >= 3), "the verdict is %d", (int)verdict);
        bpt_note("%s", "");
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_store_needs_nothing),
        cmocka_unit_test(what_has_no_index_file_is_read),
        cmocka_unit_test(a_place_without_a_store_is_told),
        cmocka_unit_test(a_segment_too_many_is_told),
        cmocka_unit_test(a_rewrite_to_be_finished_is_told),
        cmocka_unit_test(a_newer_format_is_named),
        cmocka_unit_test(hostile_arguments_are_refused),
        cmocka_unit_test(what_is_said_is_done_with_every_damage),
        cmocka_unit_test(what_is_said_is_done_after_every_crash),
        cmocka_unit_test(an_open_segment_with_two_names_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
