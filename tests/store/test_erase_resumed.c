/*
 * test_erase_resumed.c: erasures that the next opening has to finish, where something came between, or where the note of it says what no
 * writer would have noted, under a right checksum.
 */
#include <errno.h>

#include "support/world.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "store/intent.h"

#define SECRET "the words that have to go"

static bool stop_writing(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return strcmp(what, "rewriting") != 0;
}

static void find_note(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, BPI_INTENT_PREFIX, strlen(BPI_INTENT_PREFIX)) == 0) {
        (void)snprintf(argument, 64, "%s", name);
    }
}

static bool noted(bpt_world *world, char note[64])
{
    note[0] = '\0';
    bpt_file_each(world, find_note, note);
    return note[0] != '\0';
}

/* By ids or by region; on record, and stopped before a segment is written anew. */
static void stop_in_the_midst(bp_store *store, const bp_id *ids, size_t count)
{
    bp_error error = {0};
    bp_region region = bp_region_stream("person:1");
    bp_erase_options options;
    bp_erase_options_init(&options);
    options.reason = "asked for";
    options.by = "a clerk";
    options.progress = stop_writing;
    options.ids = ids;
    options.id_count = count;
    options.region = count == 0 ? &region : NULL;
    CHECK_STATUS(BP_END, bp_erase(store, &options, NULL, &error), &error);
}

static void what_was_to_be_erased_may_have_been_dropped_since(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        bpt_world world;
        char note[64];
        bp_error error = {0};
        const bp_event *event = NULL;
        bpt_note("way %u", way);
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        bp_id ids[2] = {bpt_put(store, "person:1", SECRET).id, bpt_put(store, "person:2", SECRET " too").id};
        stop_in_the_midst(store, ids, way == 0 ? 2 : 0);
        bp_region region = bp_region_stream("person:1");
        bp_compact_options drop;
        bp_compact_options_init(&drop);
        drop.drop = &region;
        drop.drop_count = 1;
        CHECK_OK(bp_compact(store, &drop, NULL, &error), &error);
        assert_true(noted(&world, note));
        bpt_close(store);
        store = bpt_open(&world);
        assert_false(noted(&world, note));
        CHECK_STATUS(BP_ERR_DROPPED, bp_get(store, &ids[0], &event, &error), &error);
        CHECK_OK(bp_get(store, &ids[1], &event, &error), &error);
        assert_int_equal(event->payload_absent, way == 0);
        bp_event_release(event);
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
    }
}

/* An opening that finishes an erasure, and of which one step or one reading call fails: there is no handle that could be called failed. */
static bool opens_or_says_why(uint64_t nth, unsigned how, unsigned *failures)
{
    static const int codes[] = {EIO, ENOSPC, EIO, 0};
    bpt_world world;
    char note[64];
    bp_error error = {0};
    const bp_event *event = NULL;
    bpt_note("way %u, call %llu", how, (unsigned long long)nth);
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bp_id id = bpt_put(store, "person:1", SECRET).id;
    stop_in_the_midst(store, &id, 1);
    bpt_close(store);
    bpi_fault_plan plan = {.os_error = codes[how]};
    plan.kind = how < 2 ? BPI_FAULT_ERROR : BPI_FAULT_NONE;
    plan.step = how < 2 ? nth : 0;
    plan.read_call = how < 2 ? 0 : nth;
    bpi_fault_set_plan(world.fault, &plan);
    bp_status status = bp_open(world.path, &world.options, &store, &error);
    bool reached = (how < 2 ? bpi_fault_steps(world.fault) : bpi_fault_reads(world.fault)) >= nth;
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
    CHECK(status == BP_OK || status == BP_ERR_IO || (how == 1 && status == BP_ERR_NO_SPACE) ||
              (how == 3 && status == BP_ERR_CORRUPT),
          "it says %s: %s", bp_status_name(status), error.message);
    *failures += status != BP_OK && strstr(error.message, "interrupted cannot be finished") != NULL;
    if (status == BP_OK) {
        (void)bp_close(store, NULL);
    }
    store = bpt_open(&world);
    assert_false(noted(&world, note));
    CHECK_OK(bp_get(store, &id, &event, &error), &error);
    assert_true(event->payload_absent);
    bp_event_release(event);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    return reached;
}

static void an_opening_that_cannot_finish_says_why(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        unsigned failures = 0;
        for (uint64_t nth = 1; opens_or_says_why(nth, how, &failures); nth++) {
        }
        assert_true(failures > 0);
    }
}

/* ---- asked again ---- */

#define NAME "somebody who is to be forgotten"

static void look_for_name(void *argument, const char *name, const uint8_t *data, size_t size)
{
    char *found = argument;
    bool key = strncmp(name, "keys/", 5) == 0; /* which is destroyed by bp_key_destroy */
    if (!key && memmem(data, size, NAME, sizeof NAME - 1) != NULL) {
        (void)snprintf(found, 64, "%.60s", name);
    }
}

static bp_status forget_subject(bp_store *store, bool stops, bp_error *error)
{
    bp_erase_options options;
    bp_erase_options_init(&options);
    options.reason = "asked for";
    options.by = "a clerk";
    options.subject = NAME;
    options.progress = stops ? stop_writing : NULL;
    return bp_erase(store, &options, NULL, error);
}

/* By subject, of which a stub does not say that it was meant; with what recovery set aside, and a cache. */
static bp_store *begin_subject(bpt_world *world)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = NAME;
    bpt_world_fault(world);
    bp_store *store = bpt_open(world);
    (void)bpt_put_with(store, "person:1", SECRET, &options);
    (void)bpt_put(store, "person:2", SECRET);
    CHECK_OK(bp_seal(store, NULL), NULL);
    (void)bpt_put_with(store, "person:1", SECRET, &options);
    bp_dir *cache = NULL;
    assert_int_equal(world->io->dir_open(world->io->context, "store/cache", true, &cache), 0);
    world->io->dir_close(world->io->context, cache);
    bpt_file_write(world, "cache/states", NAME, sizeof NAME);
    bpt_file_write(world, "log/0000000000-1.seg.1.torn", NAME, sizeof NAME);
    return store;
}

static void nothing_has_the_name(bpt_world *world)
{
    char found[64] = "";
    bpt_file_each(world, look_for_name, found);
    CHECK(found[0] == '\0', "%s has the name", found);
}

/* How it ends the first time: a step fails, or the caller stops it; asked again by the same handle, or the next opening goes on. */
static void what_an_erasure_by_subject_left_goes_when_asked_again(void **state)
{
    unsigned failures = 0;
    bool reached = true;
    (void)state;
    if (!bp_encryption_available()) {
        skip();
    }
    for (uint64_t nth = 0; reached; nth++) {
        for (unsigned reopens = 0; reopens < 2; reopens++) {
            bpt_world world;
            char note[64];
            bp_error error = {0};
            bp_store *store = begin_subject(&world);
            bpt_note("step %llu, %s", (unsigned long long)nth, reopens == 1 ? "opened anew" : "asked again");
            bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = nth, .os_error = EIO});
            bp_status status = forget_subject(store, nth == 0, &error);
            reached = nth == 0 || bpi_fault_steps(world.fault) >= nth;
            bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
            failures += status != BP_OK;
            bool on_record = bp_store_frontiers(store).published > 3;
            if (reopens == 1 || bp_store_frontiers(store).failed) {
                (void)bp_close(store, NULL);
                store = bpt_open(&world);
            }
            if (reopens == 0 || !on_record) {
                CHECK_OK(forget_subject(store, false, &error), &error);
            }
            assert_false(noted(&world, note));
            nothing_has_the_name(&world);
            bpt_close(store);
            (void)bpt_verify(&world);
            nothing_has_the_name(&world);
            bpt_world_end(&world);
        }
    }
    assert_true(failures > 10);
}

/* ---- a recovery beside it ---- */

static struct {
    bpt_world world;
    bp_store *store;
    uint64_t left; /* allocations until it comes; 0: it does not */
    bool running;
} beside;

/* The sync of what was appended without one fails, and the next append recovers: it lies in another segment then. */
static void recover_beside(void)
{
    if (beside.left == 0 || beside.running || --beside.left != 0) {
        return;
    }
    beside.running = true;
    bpi_fault_set_plan(beside.world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 1, .os_error = EIO});
    assert_true(bp_sync(beside.store, NULL) != BP_OK);
    bpi_fault_set_plan(beside.world.fault, &(bpi_fault_plan){0});
    (void)bpt_put(beside.store, "person:2", "recovers");
    beside.running = false;
}

static void *beside_allocate(void *context, size_t size)
{
    (void)context;
    recover_beside();
    return malloc(size);
}

static void *beside_resize(void *context, void *memory, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    recover_beside();
    return realloc(memory, size);
}

static void beside_release(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

static const bp_allocator beside_memory = {sizeof(bp_allocator), NULL, beside_allocate, beside_resize, beside_release};

/* While it looks for what is meant, that is moved to a new segment, which is open. */
static void what_a_recovery_moves_meanwhile_is_erased(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 4; nth++) {
        bp_error error = {0};
        bp_erase_report report;
        const bp_event *event = NULL;
        bp_append_options buffered;
        bp_append_options_init(&buffered);
        buffered.durability = BP_BUFFERED;
        memset(&beside, 0, sizeof beside);
        bpt_world_fault(&beside.world);
        beside.world.options.allocator = &beside_memory;
        beside.world.options.recovery_attempts = 4;
        beside.store = bpt_open(&beside.world);
        (void)bpt_put(beside.store, "person:2", "first");
        bp_id id = bpt_put_with(beside.store, "person:1", SECRET, &buffered).id;
        bp_erase_options options;
        bp_erase_options_init(&options);
        options.reason = "asked for";
        options.by = "a clerk";
        options.ids = &id;
        options.id_count = 1;
        beside.left = nth;
        bp_status status = bp_erase(beside.store, &options, &report, &error);
        beside.left = 0;
        CHECK_OK(status, &error);
        CHECK_OK(bp_get(beside.store, &id, &event, &error), &error);
        CHECK(event->payload_absent, "it is there, at allocation %llu", (unsigned long long)nth);
        bp_event_release(event);
        bpt_close(beside.store);
        (void)bpt_verify(&beside.world);
        bpt_world_end(&beside.world);
    }
}

/* The note with another content, its sums right. */
static void forge(bpt_world *world, const char *note, uint64_t below, uint32_t kind, const void *body, size_t size)
{
    size_t old = 0;
    uint8_t *bytes = bpt_file_read(world, note, &old);
    assert_true(bytes != NULL && old > BPI_INTENT_HEADER);
    bytes = realloc(bytes, BPI_INTENT_HEADER + size);
    assert_non_null(bytes);
    bpi_put64(bytes + 32, below);
    bpi_put32(bytes + 40, kind);
    bpi_put32(bytes + 44, (uint32_t)size);
    memcpy(bytes + BPI_INTENT_HEADER, body, size);
    bpi_put32(bytes + 12, bpi_crc32c(0, bytes + 16, BPI_INTENT_HEADER - 16 + size));
    bpt_file_write(world, note, bytes, BPI_INTENT_HEADER + size);
    free(bytes);
}

static int keep_kind(void *context, const bp_recovery_step *step)
{
    if (strncmp(step->file, BPI_INTENT_PREFIX, strlen(BPI_INTENT_PREFIX)) == 0) {
        *(int *)context = (int)step->kind;
    }
    return 0;
}

/* What an inspection says of the note: its kind of step, -1: nothing. */
static int inspected(const bpt_world *world, bp_inspection *out)
{
    int kind = -1;
    bp_error error = {0};
    CHECK_OK(bp_inspect_recovery(world->path, &world->options, keep_kind, &kind, out, &error), &error);
    return kind;
}

static bp_status verified(const bpt_world *world, bp_verify_report *report)
{
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.io = world->io;
    return bp_verify(world->path, &options, report, NULL);
}

/* verify and inspections tell of it, and say of a note what an opening then does: to finish, to forget, to refuse. */
static void an_unfinished_erasure_is_told_of(void **state)
{
    bpt_world world;
    char note[64];
    size_t size = 0;
    bp_error error = {0};
    bp_verify_report report;
    bp_inspection inspection;
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bp_id id = bpt_put(store, "person:1", SECRET).id;
    stop_in_the_midst(store, &id, 1);
    CHECK_STATUS(BP_OK, verified(&world, &report), &error); /* beside its writer too */
    assert_int_equal(report.unfinished_erasures, 1);
    bpt_close(store);
    assert_true(noted(&world, note));
    CHECK_STATUS(BP_OK, verified(&world, &report), &error);
    assert_int_equal(report.unfinished_erasures, 1);
    assert_int_equal(inspected(&world, &inspection), BP_STEP_ERASE);
    assert_int_equal(inspection.erasures, 1);

    uint8_t *bytes = bpt_file_read(&world, note, &size);
    bytes[size - 1] ^= 1;
    bpt_file_write(&world, note, bytes, size);
    CHECK_STATUS(BP_ERR_CORRUPT, verified(&world, &report), &error);
    assert_true(report.faults == 1 && report.unfinished_erasures == 1);
    (void)inspected(&world, &inspection);
    assert_int_equal(inspection.verdict, BP_RECOVERY_REFUSE);
    assert_true(strstr(inspection.refusal.file, note) != NULL);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open(world.path, &world.options, &store, &error), &error);
    assert_string_equal(inspection.refusal.message, error.message);

    bytes[size - 1] ^= 1;
    bpt_file_write(&world, note, bytes, size);
    bpt_file_write(&world, BPI_INTENT_PREFIX "00000000000000000000000000000001", bytes, size); /* of no record */
    bpt_file_remove(&world, note);
    CHECK_STATUS(BP_OK, verified(&world, &report), &error);
    assert_int_equal(report.unfinished_erasures, 0);
    assert_int_equal(inspected(&world, &inspection), BP_STEP_FORGET);
    assert_int_equal(inspection.erasures, 0);
    bpt_file_write(&world, note, bytes, size);
    free(bytes);
    bpt_close(bpt_open(&world)); /* one is finished, the other forgotten */
    assert_false(noted(&world, note));
    CHECK_STATUS(BP_OK, verified(&world, &report), &error);
    assert_true(report.unfinished_erasures == 0 && report.stubs == 1);
    assert_int_equal(inspected(&world, &inspection), -1);
    bpt_world_end(&world);
}

static void a_note_that_says_what_nobody_noted_is_damage(void **state)
{
    (void)state;
    static char long_text[20000];
    static const bp_id unknown = {{9, 9, 9}};
    bpt_world world;
    char note[64];
    bp_error error = {0};
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    (void)bpt_put(store, "person:1", SECRET);
    (void)bpt_put(store, "person:2", "stays");
    stop_in_the_midst(store, NULL, 0);
    assert_true(noted(&world, note));
    bpt_close(store);
    memset(long_text, ' ', sizeof long_text);
    memcpy(long_text, "entity=person:1", 15);
    const struct {
        uint64_t below;
        uint32_t kind;
        const void *body;
        size_t size;
    } forged[] = {{2, BPI_INTENT_REGION, "entity=\x01", 8},
                  {2, BPI_INTENT_REGION, "no region", 9},
                  {2, BPI_INTENT_REGION, "entity=person:1\0", 16},
                  {2, BPI_INTENT_REGION, long_text, sizeof long_text},
                  {2, BPI_INTENT_SUBJECT, long_text, sizeof long_text},
                  {2, BPI_INTENT_SUBJECT, "a\nb", 3},
                  {2, BPI_INTENT_IDS, &unknown, sizeof unknown},
                  {1000, BPI_INTENT_REGION, "entity=person:1", 15},
                  {0, BPI_INTENT_REGION, "entity=person:1", 15}};
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        bpt_note("forged %zu", i);
        forge(&world, note, forged[i].below, forged[i].kind, forged[i].body, forged[i].size);
        CHECK_STATUS(BP_ERR_CORRUPT, bp_open(world.path, &world.options, &store, &error), &error);
        CHECK_SAYS(&error, "an erasure that was interrupted cannot be finished");
        assert_true(strstr(error.file, note) != NULL);
        bp_inspection inspection;
        (void)inspected(&world, &inspection);
        assert_int_equal(inspection.verdict, BP_RECOVERY_REFUSE);
        assert_string_equal(inspection.refusal.file, error.file);
    }
    CHECK_OK(bp_open_reader(world.path, &world.options, &store, &error), &error); /* readers do not look at it */
    bpt_close(store);
    forge(&world, note, 2, BPI_INTENT_REGION, "entity=person:1", 15);
    store = bpt_open(&world);
    assert_false(noted(&world, note));
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

static void find_secret(void *argument, const char *name, const uint8_t *data, size_t size)
{
    size_t length = strlen(SECRET);
    (void)name;
    for (size_t at = 0; at + length <= size; at++) {
        *(bool *)argument = *(bool *)argument || memcmp(data + at, SECRET, length) == 0;
    }
}

/* Whatever a compaction left lying there when one of its steps failed: an erasure that says it is done took it too. */
static void behind_a_compaction_that_failed_anywhere(void **state)
{
    (void)state;
    bool through = false;
    unsigned done = 0;
    for (uint64_t step = 1; !through; step++) {
        bpt_world world;
        bp_error error = {0};
        bool found = false;
        bpt_note("step %llu", (unsigned long long)step);
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        bp_id id = bpt_put(store, "person:1", SECRET).id;
        (void)bpt_put(store, "person:2", "goes");
        CHECK_OK(bp_seal(store, &error), &error);
        (void)bpt_put(store, "person:3", "stays");
        CHECK_OK(bp_seal(store, &error), &error);
        bp_region region = bp_region_stream("person:2");
        bp_compact_options drop;
        bp_compact_options_init(&drop);
        drop.drop = &region;
        drop.drop_count = 1;
        bpi_fault_plan plan = {.kind = BPI_FAULT_ERROR, .step = step, .os_error = EIO};
        bpi_fault_set_plan(world.fault, &plan);
        bp_status status = bp_compact(store, &drop, NULL, &error);
        through = bpi_fault_steps(world.fault) < step;
        CHECK(!through || status == BP_OK, "%s", error.message);
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        bp_erase_options what;
        bp_erase_options_init(&what);
        what.ids = &id;
        what.id_count = 1;
        what.reason = "asked for";
        what.by = "a clerk";
        status = bp_erase(store, &what, NULL, &error);
        if (status == BP_OK) {
            bpt_file_each(&world, find_secret, &found);
            CHECK(!found, "the words are still there");
            done++;
        } else {
            CHECK(status == BP_ERR_FAILED || status == BP_ERR_IO, "%s: %s", bp_status_name(status), error.message);
        }
        (void)bp_close(store, NULL);
        store = bpt_open(&world);
        CHECK_OK(bp_erase(store, &what, NULL, &error), &error);
        bpt_file_each(&world, find_secret, &found);
        assert_false(found);
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
    }
    assert_true(done > 3);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the table gives the type */
static bp_status refuse_to_forget(void *context, const void *prefix, size_t size, uint64_t *count_out, bp_error *error)
{
    (void)context;
    (void)prefix;
    (void)size;
    (void)count_out;
    (void)error;
    return BP_ERR_IO;
}

static void a_cache_that_does_not_forget_is_told_of(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    char note[64];
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bp_id id = bpt_put(store, "person:1", SECRET).id;
    bp_cache cache = {.delete_prefix = refuse_to_forget};
    bp_cache *caches[] = {&cache};
    bp_erase_options what;
    bp_erase_options_init(&what);
    what.ids = &id;
    what.id_count = 1;
    what.reason = "asked for";
    what.by = "a clerk";
    what.caches = caches;
    what.cache_count = 1;
    CHECK_STATUS(BP_ERR_IO, bp_erase(store, &what, NULL, &error), &error);
    CHECK_SAYS(&error, "a cache may hold states made from them");
    CHECK_STATUS(BP_ERR_IO, bp_erase(store, &what, NULL, NULL), &error);
    assert_true(noted(&world, note));
    bpt_close(store);
    store = bpt_open(&world); /* which knows nothing of that cache */
    assert_false(noted(&world, note));
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_opening_that_cannot_finish_says_why),
        cmocka_unit_test(what_was_to_be_erased_may_have_been_dropped_since),
        cmocka_unit_test(what_an_erasure_by_subject_left_goes_when_asked_again),
        cmocka_unit_test(what_a_recovery_moves_meanwhile_is_erased),
        cmocka_unit_test(an_unfinished_erasure_is_told_of),
        cmocka_unit_test(a_note_that_says_what_nobody_noted_is_damage),
        cmocka_unit_test(behind_a_compaction_that_failed_anywhere),
        cmocka_unit_test(a_cache_that_does_not_forget_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
