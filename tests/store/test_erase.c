/*
 * test_erase.c: payloads erased: by id, region and subject; nothing of them is left in any file; what is left verifies, is
 * told as a stub by every way of reading, and is a duplicate when it is tried again; crashes and failures at every step.
 */
#include "support/world.h"

#define SECRET "the text that must be gone for ever"

typedef struct looked {
    const char *text;
    size_t files;
} looked;

static void look(void *argument, const char *name, const uint8_t *data, size_t size)
{
    looked *found = argument;
    size_t length = strlen(found->text);
    (void)name;
    for (size_t at = 0; at + length <= size; at++) {
        if (memcmp(data + at, found->text, length) == 0) {
            found->files++;
            return;
        }
    }
}

static size_t files_with(bpt_world *world, const char *text)
{
    looked found = {.text = text};
    bpt_file_each(world, look, &found);
    return found.files;
}

static bp_receipt put_for(bp_store *store, const char *entity, const char *text, const char *subject)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = subject;
    options.id = bp_id_from("erase", text, strlen(text));
    return bpt_put_with(store, entity, text, &options);
}

static void init(bp_erase_options *options)
{
    bp_erase_options_init(options);
    options->reason = "asked to";
    options->by = "officer 7";
}

static bp_erase_report erase(bp_store *store, const bp_erase_options *options)
{
    bp_erase_report report;
    bp_error error = {0};
    CHECK_OK(bp_erase(store, options, &report, &error), &error);
    return report;
}

static bp_erase_report erase_id(bp_store *store, const bp_id *id)
{
    bp_erase_options options;
    init(&options);
    options.ids = id;
    options.id_count = 1;
    return erase(store, &options);
}

static void expect(bp_store *store, uint64_t sequence, const char *text)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
    assert_int_equal(event->payload_absent, text == NULL);
    assert_int_equal(event->payload_size, text == NULL ? 0 : strlen(text));
    assert_int_equal(event->private_extensions_size, 0);
    assert_true(text == NULL || memcmp(event->payload, text, strlen(text)) == 0);
    bp_event_release(event);
}

static void one_event_is_gone_and_proven(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "person:1", "before");
    bp_receipt secret = put_for(store, "person:1", SECRET, NULL);
    bpt_put(store, "person:1", "behind");
    assert_int_equal(files_with(&world, SECRET), 1);
    const bp_event *held = NULL; /* somebody reads it meanwhile */
    CHECK_OK(bp_get(store, &secret.id, &held, &error), &error);
    bp_store *reader = bpt_reader(&world);
    bp_erase_report report = erase_id(store, &secret.id);
    assert_int_equal(report.found, 1);
    assert_int_equal(report.erased, 1);
    assert_int_equal(report.segments, 1);
    assert_int_equal(report.sequence, 3);
    assert_memory_equal(held->payload, SECRET, strlen(SECRET));
    bp_event_release(held);
    expect(store, 0, "before");
    expect(store, 1, NULL);
    expect(store, 2, "behind");
    const bp_event *event = NULL;
    CHECK_OK(bp_get(reader, &secret.id, &event, &error), &error); /* the old one, or the stub */
    assert_true(event->payload_absent || memcmp(event->payload, SECRET, strlen(SECRET)) == 0);
    bp_event_release(event);
    bpt_close(reader);
    assert_int_equal(files_with(&world, SECRET), 0);
    bp_receipt again = put_for(store, "person:1", SECRET, NULL);
    assert_true(again.duplicate && again.unverifiable && again.sequence == 1);
    assert_true(bp_hash_equal(&again.event_hash, &secret.event_hash));
    report = erase_id(store, &secret.id); /* again: nothing to do, and nothing on record */
    assert_int_equal(report.found, 0);
    assert_int_equal(report.before, 1);
    assert_true(report.sequence == BP_NONE);
    CHECK_OK(bp_get_sequence(store, 3, &event, &error), &error);
    assert_int_equal(event->kind, BP_KIND_ERASURE);
    assert_int_equal(strncmp(event->payload, "{\"what\":\"payload\",\"ids\":[\"", 26), 0);
    bp_event_release(event);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 4);
    store = bpt_open(&world);
    expect(store, 1, NULL);
    expect(store, 2, "behind");
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_region_is_erased_over_segments(void **state)
{
    bpt_world world;
    bp_erase_options options;
    bp_region region = bp_region_all();
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    char text[64];
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(text, sizeof text, "%s %u", i % 3 == 0 ? SECRET : "stays", i);
        bpt_put(store, i % 3 == 0 ? "person:1:a" : "person:2", text);
        bpt_put_sized(store, "filler", 5000);
    }
    bpt_file_write(&world, "log/0000000000-1-64-1.torn", SECRET, strlen(SECRET));
    bp_region_set_prefix(&region, bp_text_of("person:1"));
    init(&options);
    options.region = &region;
    options.plan_only = true;
    bp_erase_report report = erase(store, &options);
    assert_int_equal(report.found, 20);
    assert_int_equal(report.erased + report.segments + report.torn, 0);
    assert_true(files_with(&world, SECRET) > 1);
    options.plan_only = false;
    report = erase(store, &options);
    assert_int_equal(report.erased, 20);
    assert_true(report.segments > 1);
    assert_int_equal(report.torn, 1);
    assert_int_equal(files_with(&world, SECRET), 0);
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(text, sizeof text, "stays %u", i);
        expect(store, 2 * i, i % 3 == 0 ? NULL : text);
    }
    uint64_t count = 0;
    bp_error error = {0};
    CHECK_OK(bp_count(store, &region, &count, &error), &error);
    assert_int_equal(count, 20); /* they are there, as stubs */
    bpt_put(store, "person:1:a", "later");
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

static void a_subject_goes_with_its_name(void **state)
{
    bpt_world world;
    bp_erase_options options;
    (void)state;
    if (!bp_encryption_available()) {
        skip();
    }
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt first = put_for(store, "order:1", SECRET, "alice-whom-nobody-knows");
    put_for(store, "order:2", "stays", "bob");
    put_for(store, "order:3", "more of it", "alice-whom-nobody-knows");
    init(&options);
    options.subject = "alice-whom-nobody-knows";
    bp_erase_report report = erase(store, &options);
    assert_int_equal(report.erased, 2);
    expect(store, 0, NULL);
    expect(store, 2, NULL);
    bp_key_options why;
    bp_key_options_init(&why);
    why.reason = why.by = "officer 7";
    bp_error error = {0};
    CHECK_OK(bp_key_destroy(store, options.subject, &why, NULL, &error), &error);
    assert_int_equal(files_with(&world, "alice-whom-nobody-knows"), 0);
    bp_receipt again = put_for(store, "order:1", SECRET, "alice-whom-nobody-knows");
    assert_true(again.duplicate && again.unverifiable && again.sequence == first.sequence);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

static void arguments_that_are_wrong_are_told(void **state)
{
    bpt_world world;
    bp_erase_options options;
    bp_error error = {0};
    bp_region region = bp_region_all();
    bp_id unknown = bp_id_from("test", "unknown", 7);
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt receipt = bpt_put(store, "a", "b");
    bp_id ids[2] = {receipt.id, unknown};
    init(&options);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_erase(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "one of them");
    options.ids = ids;
    options.id_count = 2;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_erase(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "nothing was erased");
    expect(store, 0, "b");
    options.id_count = BP_ERASE_IDS_MAX + 1;
    CHECK_STATUS(BP_ERR_TOO_LARGE, bp_erase(store, &options, NULL, &error), &error);
    options.id_count = 1;
    options.region = &region;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_erase(store, &options, NULL, &error), &error);
    options.region = NULL;
    options.reason = NULL;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_erase(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "reason");
    options.reason = "x";
    options.by = "";
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_erase(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "author");
    options.by = "x";
    options.ids = NULL; /* with a count */
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_erase(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "ids is NULL");
    options.ids = ids;
    options.cache_count = 1;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_erase(store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "caches is NULL");
    options.cache_count = 0;
    (void)erase(store, &options);
    const bp_event *event = NULL;
    CHECK_OK(bp_get_sequence(store, 1, &event, &error), &error); /* its record */
    ids[0] = event->id;
    bp_event_release(event);
    CHECK_STATUS(BP_ERR_KIND, bp_erase(store, &options, NULL, &error), &error);
    options.ids = NULL;
    options.id_count = 0;
    options.subject = "a\nb";
    CHECK_STATUS(BP_ERR_NAME, bp_erase(store, &options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_erase(store, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_erase(NULL, &options, NULL, &error), &error);
    bp_store *reader = bpt_reader(&world);
    CHECK_STATUS(BP_ERR_READ_ONLY, bp_erase(reader, &options, NULL, &error), &error);
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

/* A stub goes into a rebuilt store as it is. */
static void a_rebuilt_store_has_the_stub(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&from);
    bpt_world_memory(&to);
    bp_store *store = bpt_open(&from);
    bp_store *copy = bpt_open(&to);
    bp_receipt secret = put_for(store, "person:1", SECRET, NULL);
    bpt_put(store, "person:1", "behind");
    (void)erase_id(store, &secret.id);
    for (uint64_t sequence = 0; sequence < 3; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
        CHECK_OK(bp_append_exact(copy, event, 1, &error), &error);
        bp_event_release(event);
    }
    expect(copy, 0, NULL);
    expect(copy, 1, "behind");
    bpt_close(copy);
    bpt_close(store);
    assert_int_equal(bpt_verify(&to), 3);
    bpt_world_end(&to);
    bpt_world_end(&from);
}

/* ---- projections see the flag ---- */

typedef struct seen {
    uint32_t events;
    uint32_t absent;
} seen;

static bp_status count_seen(void *context, void *state, const bp_event *event, bp_error *error)
{
    seen *so_far = state;
    (void)context;
    (void)error;
    so_far->events++;
    so_far->absent += event->payload_absent;
    return BP_OK;
}

static void a_fold_sees_the_flag_and_caches_are_emptied(void **state)
{
    bpt_world world;
    bp_cache *cache = NULL;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt secret = put_for(store, "person:1", SECRET, NULL);
    bpt_put(store, "person:1", "behind");
    CHECK_OK(bp_cache_memory(0, NULL, &cache, &error), &error);
    bp_projection projection = {.size = sizeof projection,
                                .type = "seen",
                                .version = 1,
                                .apply = count_seen,
                                .state_size = sizeof(seen),
                                .flat = true};
    for (int turn = 0; turn < 2; turn++) {
        seen folded = {0};
        bp_project_options options;
        bp_project_options_init(&options);
        options.cache = cache;
        CHECK_OK(bp_project(store, &projection, "person:1", &options, &folded, NULL, &error), &error);
        assert_int_equal(folded.events, 2);
        assert_int_equal(folded.absent, turn);
        if (turn == 0) {
            bp_erase_options what;
            init(&what);
            what.ids = &secret.id;
            what.id_count = 1;
            what.caches = &cache;
            what.cache_count = 1;
            assert_int_equal(erase(store, &what).caches, 1);
        }
    }
    bp_cache_close(cache);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- crashes and failures ---- */

static bp_status run_script(bpt_world *world, uint64_t *begun)
{
    bp_store *store = NULL;
    bp_erase_options options;
    bp_id id = bp_id_from("erase", SECRET, strlen(SECRET));
    *begun = 0;
    if (bp_open(world->path, &world->options, &store, NULL) != BP_OK) {
        return BP_ERR_IO;
    }
    *begun = bpi_fault_steps(world->fault);
    init(&options);
    options.ids = &id;
    options.id_count = 1;
    bp_status status = bp_erase(store, &options, NULL, NULL);
    (void)bp_close(store, NULL);
    return status;
}

static void find_note(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    *(bool *)argument = *(bool *)argument || strncmp(name, "ERASING-", 8) == 0;
}

/* Is there an erasure record? */
static bool is_on_record(bp_store *store)
{
    bp_error error = {0};
    uint64_t count = 0;
    bp_region region = bp_region_by_kind(BP_KIND_ERASURE);
    bp_region_set_system(&region, true);
    CHECK_OK(bp_count(store, &region, &count, &error), &error);
    return count != 0;
}

/*
 * The event is whole or a stub; when it was said to be erased, or that is on record, nothing of it is left behind the opening. Asking
 * (again) finishes.
 */
static void judge(bpt_world *world, bp_status said)
{
    bpi_fault_plan none = {0};
    bp_id id = bp_id_from("erase", SECRET, strlen(SECRET));
    bpi_fault_set_plan(world->fault, &none);
    bp_store *store = bpt_open(world);
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_get(store, &id, &event, &error), &error);
    bool absent = event->payload_absent;
    assert_true(absent ||
                (event->payload_size == strlen(SECRET) && memcmp(event->payload, SECRET, strlen(SECRET)) == 0));
    bp_event_release(event);
    CHECK(absent || said != BP_OK, "an erased event is back");
    CHECK(absent == is_on_record(store), "it is %s on record", absent ? "not" : "");
    bool noted = false;
    bpt_file_each(world, find_note, &noted);
    assert_false(noted);
    CHECK(!absent || files_with(world, SECRET) == 0, "the event is a stub, but a file has its bytes");
    expect(store, 0, "before");
    expect(store, 2, "behind");
    (void)erase_id(store, &id);
    expect(store, 1, NULL);
    assert_int_equal(files_with(world, SECRET), 0);
    bpt_put(store, "person:1", "goes on");
    bpt_close(store);
    (void)bpt_verify(world);
}

static bpi_fault *prepared(void)
{
    bpt_world world;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "person:1", "before");
    put_for(store, "person:1", SECRET, NULL);
    bpt_put(store, "person:1", "behind");
    bpt_close(store);
    bpi_fault *fault = bpi_fault_clone(world.fault);
    bpt_world_end(&world);
    return fault;
}

static void a_crash_or_failure_at_every_step(void **state)
{
    bpi_fault *fault = prepared();
    bpt_random random = {bpt_seed(9)};
    bpt_world probe;
    uint64_t begun = 0;
    bpi_fault_plan none = {0};
    (void)state;
    bpt_world_adopt(&probe, bpi_fault_clone(fault));
    (void)atomic_fetch_add(&probe.entropy.state, 0x1234567u);
    bpi_fault_set_plan(probe.fault, &none);
    assert_int_equal(run_script(&probe, &begun), BP_OK);
    uint64_t steps = bpi_fault_steps(probe.fault);
    bpt_world_end(&probe);
    uint64_t points = 0;
    for (uint64_t at = 1; at <= steps; at++) {
        for (int how = 0; how < 6; how++) {
            bpt_world world;
            bpi_fault_plan plan = {
                .kind = how == 0 ? BPI_FAULT_ERROR : BPI_FAULT_CRASH, .step = at, .os_error = how == 0 ? 5 : 0};
            bpt_note("step %llu of %llu, way %d", (unsigned long long)at, (unsigned long long)steps, how);
            bpt_world_adopt(&world, bpi_fault_clone(fault));
            (void)atomic_fetch_add(&world.entropy.state, 0x1234567u); /* another process has other random bytes */
            bpi_fault_set_plan(world.fault, &plan);
            bp_status said = run_script(&world, &begun);
            CHECK(said != BP_OK || how != 0 || files_with(&world, SECRET) == 0,
                  "an erasure during which a step failed says BP_OK, and a file has the bytes");
            if (how == 1) {
                bpi_fault_process_kill(world.fault);
            } else if (how > 1) {
                (void)bpt_power_cut(&world,
                                    how == 2   ? BPT_KEEP_NONE
                                    : how == 3 ? BPT_KEEP_ALL
                                               : BPT_KEEP_RANDOM,
                                    bpt_random_next(&random));
            }
            judge(&world, said);
            bpt_world_end(&world);
            points++;
        }
    }
    bpi_fault_free(fault);
    printf("%llu crashes and failures at %llu steps\n", (unsigned long long)points, (unsigned long long)steps);
}

static void erase_behind_a_failed_sync(bool recovered)
{
    bpt_world world;
    bp_error error = {0};
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    world.options.recovery_attempts = 2;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "person:1", "before");
    bp_receipt secret = put_for(store, "person:1", SECRET, NULL);
    bpi_fault_plan plan = {.kind = BPI_FAULT_ERROR, .step = 1, .os_error = 5};
    bpi_fault_set_plan(world.fault, &plan);
    CHECK_STATUS(BP_ERR_FAILED, bp_sync(store, &error), &error);
    if (recovered) {
        bpt_put(store, "person:1", "behind");
        assert_true(files_with(&world, SECRET) > 1);
    }
    bp_erase_report report = erase_id(store, &secret.id);
    assert_int_equal(report.erased, 1);
    assert_int_equal(files_with(&world, SECRET), 0);
    expect(store, 0, "before");
    expect(store, 1, NULL);
    if (recovered) {
        expect(store, 2, "behind");
    }
    bpt_close(store);
    (void)bpt_verify(&world);
    store = bpt_open(&world);
    expect(store, 1, NULL);
    bpt_close(store);
    bpt_world_end(&world);
}

/* A recovery in the process moves what was not durable into another segment; the old bytes stay where they were. */
static void what_a_recovery_moved_is_erased_in_both_places(void **state)
{
    (void)state;
    erase_behind_a_failed_sync(true);
}

static void an_erasure_recovers_a_failed_store(void **state)
{
    (void)state;
    erase_behind_a_failed_sync(false);
}

/* ---- what was interrupted ---- */

static bool stop_writing(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return strcmp(what, "rewriting") != 0;
}

static void find_note_name(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "ERASING-", 8) == 0) {
        (void)snprintf(argument, 64, "%s", name);
    }
}

/* By id, region and subject. */
static void stop_in_the_midst(bpt_world *world, bp_store *store, const bp_id *id, unsigned how, char note[64])
{
    bp_error error = {0};
    bp_erase_options options;
    bp_region region = bp_region_stream("person:1");
    init(&options);
    options.progress = stop_writing;
    if (how == 0) {
        options.ids = id;
        options.id_count = 1;
    } else if (how == 1) {
        options.region = &region;
    } else {
        options.subject = "subject of it";
    }
    CHECK_STATUS(BP_END, bp_erase(store, &options, NULL, &error), &error);
    note[0] = '\0';
    bpt_file_each(world, find_note_name, note);
    assert_true(note[0] != '\0');
}

static void what_was_interrupted_is_finished_by_the_next_opening(void **state)
{
    (void)state;
    for (unsigned how = 0; how < (bp_encryption_available() ? 3u : 2u); how++) {
        bpt_world world;
        char note[64] = "";
        bpt_note("way %u", how);
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        bp_receipt secret = put_for(store, "person:1", SECRET, how == 2 ? "subject of it" : NULL);
        bpt_put(store, "person:2", "stays");
        stop_in_the_midst(&world, store, &secret.id, how, note);
        if (how != 2) {
            assert_true(files_with(&world, SECRET) != 0);
        }
        bpt_close(store);
        store = bpt_open(&world);
        expect(store, 0, NULL);
        expect(store, 1, "stays");
        assert_int_equal(files_with(&world, SECRET), 0);
        note[0] = '\0';
        bpt_file_each(&world, find_note_name, note);
        assert_int_equal(note[0], '\0');
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
    }
}

static void a_note_that_is_not_whole(void **state)
{
    (void)state;
    bpt_world world;
    char note[64] = "";
    bp_error error = {0};
    size_t size = 0;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt secret = put_for(store, "person:1", SECRET, NULL);
    stop_in_the_midst(&world, store, &secret.id, 0, note);
    bpt_close(store);
    uint8_t *bytes = bpt_file_read(&world, note, &size);
    assert_non_null(bytes);
    for (size_t at = 0; at < size; at++) { /* of what is on record it must be told */
        bytes[at] ^= 0x20;
        bpt_file_write(&world, note, bytes, size);
        bytes[at] ^= 0x20;
        bp_status status = bp_open(world.path, &world.options, &store, &error);
        CHECK(status == (at >= 8 && at < 12 ? BP_ERR_VERSION : BP_ERR_CORRUPT), "byte %zu: %s", at,
              bp_status_name(status));
        CHECK_SAYS(&error, "an erasure that was interrupted cannot be finished");
    }
    /* What is not on record was never begun: half a note is what a crash leaves. */
    bpt_file_write(&world, "ERASING-00000000000000000000000000000001", bytes, size / 2);
    bpt_file_write(&world, note, bytes, size);
    store = bpt_open(&world);
    expect(store, 0, NULL);
    note[0] = '\0';
    bpt_file_each(&world, find_note_name, note);
    assert_int_equal(note[0], '\0');
    bpt_close(store);
    free(bytes);
    bpt_world_end(&world);
}

/* ---- random histories ---- */

static void erasures_among_appends(void **state)
{
    enum { EVENTS = 400 };
    static char texts[EVENTS][64];
    static bp_id ids[EVENTS];
    static bool erased[EVENTS];
    static uint64_t sequences[EVENTS];
    bpt_random random = {bpt_seed(17)};
    bpt_world world;
    size_t count = 0;
    (void)state;
    memset(erased, 0, sizeof erased);
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    while (count < EVENTS) {
        if (count > 0 && bpt_random_chance(&random, 4)) {
            size_t which = (size_t)bpt_random_below(&random, count);
            bp_erase_report report = erase_id(store, &ids[which]);
            assert_int_equal(report.erased, erased[which] ? 0 : 1);
            erased[which] = true;
        } else if (bpt_random_chance(&random, 3)) {
            bpt_close(store);
            store = bpt_open(&world);
        } else {
            (void)snprintf(texts[count], sizeof texts[0], "text %zu of %llx", count,
                           (unsigned long long)bpt_random_next(&random));
            bp_receipt receipt = put_for(store, bpt_random_chance(&random, 50) ? "a" : "b", texts[count], NULL);
            ids[count] = receipt.id;
            sequences[count++] = receipt.sequence;
            if (bpt_random_chance(&random, 20)) {
                bpt_put_sized(store, "filler", 9000);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        bpt_note("event %zu", i);
        expect(store, sequences[i], erased[i] ? NULL : texts[i]);
        CHECK(i % 16 != 0 || (files_with(&world, texts[i]) == 0) == erased[i], "a file holds it, or none");
    }
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_event_is_gone_and_proven),
        cmocka_unit_test(a_region_is_erased_over_segments),
        cmocka_unit_test(a_subject_goes_with_its_name),
        cmocka_unit_test(arguments_that_are_wrong_are_told),
        cmocka_unit_test(a_rebuilt_store_has_the_stub),
        cmocka_unit_test(a_fold_sees_the_flag_and_caches_are_emptied),
        cmocka_unit_test(a_crash_or_failure_at_every_step),
        cmocka_unit_test(what_a_recovery_moved_is_erased_in_both_places),
        cmocka_unit_test(an_erasure_recovers_a_failed_store),
        cmocka_unit_test(what_was_interrupted_is_finished_by_the_next_opening),
        cmocka_unit_test(a_note_that_is_not_whole),
        cmocka_unit_test(erasures_among_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
