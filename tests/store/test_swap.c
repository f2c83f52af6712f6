/*
 * test_swap.c: who opens, reads, verifies or copies a store while its segments are rewritten, sealed and listed: at every call that such
 * a one makes to the world the writer does all of that, and nobody is told of damage, misses what is kept or goes on showing what is gone.
 * What is wrong in truth is told as ever.
 *
 * ctest: timeout=300
 */
#include "support/forge.h"

enum { SEGMENTS = 6, EACH = 8, OPEN = 5, EVENTS = SEGMENTS * EACH + OPEN, FAR = 4, SLOT_FLAGS = 68, CALLS_MAX = 5000 };

#define SECRET "what must not be shown any more"

/* ---- a world in which something happens at a call ---- */

typedef struct scene {
    bpt_world world;
    bp_store *store;
    uint64_t appended;
    bool dropped; /* odd events of what was sealed */
    bp_id erased;
} scene;

typedef void (*act_fn)(scene *s);

static struct {
    const bp_io *base;
    bp_io table;
    scene *scene;
    act_fn act;
    unsigned countdown; /* 0: never */
    unsigned every;     /* and again after so many calls; 0: once */
    unsigned done;
    bool inside;
} meddler;

static void meddle(void)
{
    if (meddler.inside || meddler.countdown == 0 || --meddler.countdown != 0) {
        return;
    }
    meddler.inside = true;
    meddler.act(meddler.scene);
    meddler.done++;
    meddler.countdown = meddler.every;
    meddler.inside = false;
}

static int file_open(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    meddle();
    return meddler.base->file_open(context, dir, name, flags, file_out);
}

static int file_read(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out)
{
    meddle();
    return meddler.base->file_read(context, file, offset, buffer, size, got_out);
}

static int file_size(void *context, bp_file *file, uint64_t *size_out)
{
    meddle();
    return meddler.base->file_size(context, file, size_out);
}

static int dir_list(void *context, bp_dir *dir, bp_dir_entry_fn entry, void *argument)
{
    meddle();
    return meddler.base->dir_list(context, dir, entry, argument);
}

static int map_open(void *context, bp_file *file, size_t size, bool writable, void **address_out)
{
    meddle();
    return meddler.base->map_open(context, file, size, writable, address_out);
}

/* The world's table, at whose calls the meddler is asked. */
static const bp_io *meddling(scene *s)
{
    memset(&meddler, 0, sizeof meddler);
    meddler.base = s->world.io;
    meddler.table = *s->world.io;
    meddler.table.file_open = file_open;
    meddler.table.file_read = file_read;
    meddler.table.file_size = file_size;
    meddler.table.dir_list = dir_list;
    meddler.table.map_open = map_open;
    meddler.scene = s;
    return &meddler.table;
}

static void arm(act_fn act, unsigned at, unsigned every)
{
    meddler.act = act;
    meddler.countdown = at;
    meddler.every = every;
    meddler.done = 0;
}

/* ---- what happens ---- */

static bool odd(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 2 == 1 && event->sequence < EVENTS;
}

static void put(scene *s)
{
    char entity[32];
    (void)snprintf(entity, sizeof entity, "entity:%u", (unsigned)(s->appended % 3));
    bp_receipt receipt = bpt_put(s->store, entity, s->appended == EACH + 2 ? SECRET : "a payload of some length");
    if (s->appended == EACH + 2) {
        s->erased = receipt.id;
    }
    s->appended++;
}

static void compact(scene *s, bool merge)
{
    bp_compact_options options;
    bp_error error = {0};
    bp_compact_options_init(&options);
    options.drop_if = odd;
    options.merge = merge;
    CHECK_OK(bp_seal(s->store, &error), &error);
    CHECK_OK(bp_compact(s->store, &options, NULL, &error), &error);
    s->dropped = true;
}

static void merge_all(scene *s)
{
    compact(s, true);
}

static void rewrite_each(scene *s)
{
    compact(s, false);
}

static void rotate(scene *s)
{
    bp_error error = {0};
    put(s);
    CHECK_OK(bp_seal(s->store, &error), &error);
}

static void erase_one(scene *s)
{
    bp_error error = {0};
    bp_erase_options options;
    bp_erase_options_init(&options);
    options.reason = "asked to";
    options.by = "officer 7";
    options.ids = &s->erased;
    options.id_count = 1;
    CHECK_OK(bp_erase(s->store, &options, NULL, &error), &error);
}

/* Over more segments than were prepared: what is published lies in files that the list before did not name. */
static void rotate_far(scene *s)
{
    for (unsigned i = 0; i < FAR - 1; i++) {
        rotate(s);
    }
    put(s);
}

static void forget_clean(uint8_t *slot, size_t size)
{
    assert_true(size > SLOT_FLAGS);
    slot[SLOT_FLAGS] = 0;
}

/* As if it had not been closed: the next epoch, and segments that begin in it. */
static void reopen_far(scene *s)
{
    bpt_close(s->store);
    bpt_change_manifest(&s->world, forget_clean);
    s->store = bpt_open(&s->world);
    rotate_far(s);
}

/* One after the other, without an end. */
static void everything(scene *s)
{
    rotate(s);
    compact(s, s->appended % 2 == 0);
}

static const struct {
    const char *name;
    act_fn act;
} acts[] = {{"merge", merge_all}, {"rewrite", rewrite_each},  {"rotate", rotate},
            {"erase", erase_one}, {"rotate far", rotate_far}, {"reopen and rotate far", reopen_far}};

enum { ERASE = 3, ACTS = sizeof acts / sizeof acts[0] };

/* ---- the scene ---- */

static bpi_fault *template; /* a store that was closed */
static bp_id template_erased;

static int make_template(void **state)
{
    (void)state;
    scene s = {0};
    bpt_world_fault(&s.world);
    s.store = bpt_open(&s.world);
    bp_error error = {0};
    for (unsigned i = 0; i < SEGMENTS; i++) {
        for (unsigned n = 0; n < EACH; n++) {
            put(&s);
        }
        CHECK_OK(bp_seal(s.store, &error), &error);
    }
    for (unsigned n = 0; n < OPEN; n++) {
        put(&s);
    }
    template_erased = s.erased;
    bpt_close(s.store);
    template = bpi_fault_clone(s.world.fault);
    bpt_world_end(&s.world);
    return template == NULL ? -1 : 0;
}

static int free_template(void **state)
{
    (void)state;
    bpi_fault_free(template);
    return 0;
}

static void begin(scene *s)
{
    memset(s, 0, sizeof *s);
    bpt_world_adopt(&s->world, bpi_fault_clone(template));
    s->store = bpt_open(&s->world);
    s->appended = EVENTS;
    s->erased = template_erased;
}

static void end(scene *s)
{
    bpt_close(s->store);
    (void)bpt_verify(&s->world);
    bpt_world_end(&s->world);
}

static bp_store *open_reader(scene *s, const bp_io *io)
{
    bp_options options = s->world.options;
    bp_store *reader = NULL;
    bp_error error = {0};
    options.io = io;
    CHECK_OK(bp_open_reader(s->world.path, &options, &reader, &error), &error);
    return reader;
}

/* Everything that is kept is shown by a call that begins now, and nothing that is gone. */
static void shows_what_is(scene *s, bp_store *reader)
{
    bp_error error = {0};
    uint64_t counted = 0;
    uint64_t there = 0;
    CHECK_OK(bp_count(reader, NULL, &counted, &error), &error);
    for (uint64_t sequence = 0; sequence < s->appended; sequence++) {
        const bp_event *event = NULL;
        bool before = acts[ERASE].act == meddler.act && meddler.done != 0;
        bp_status status = bp_get_sequence(reader, sequence, &event, &error);
        bool behind = acts[ERASE].act == meddler.act && meddler.done != 0;
        if (s->dropped && sequence % 2 == 1 && sequence < EVENTS) {
            CHECK_STATUS(BP_ERR_DROPPED, status, &error);
            continue;
        }
        CHECK_OK(status, &error);
        assert_int_equal(event->sequence, sequence);
        bool meant = bp_id_equal(&event->id, &s->erased);
        CHECK(event->payload_absent ? meant && behind : !(meant && before), "event %d", (int)sequence);
        there += !bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY));
        bp_event_release(event);
    }
    /* some may have been appended in the midst */
    uint64_t more = meddler.act == rotate ? 1 : meddler.act == rotate_far || meddler.act == reopen_far ? FAR : 0;
    CHECK(counted == there || (meddler.countdown == 0 && counted + more == there), "%d of %d", (int)counted,
          (int)there);
}

/* ---- at every call ---- */

static void remove_index_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "index/", 6) == 0) {
        bpt_file_remove(argument, name);
    }
}

static void opening(bool reads_all)
{
    for (unsigned act = 0; act < ACTS; act++) {
        bool met = true;
        for (unsigned at = 1; met && at < CALLS_MAX; at++) {
            scene s;
            begin(&s);
            if (reads_all) {
                bpt_file_each(&s.world, remove_index_file, &s.world);
            }
            const bp_io *io = meddling(&s);
            arm(acts[act].act, at, 0);
            bpt_note("%s at call %u of an opening%s", acts[act].name, at, reads_all ? " without index files" : "");
            bp_store *reader = open_reader(&s, io);
            met = meddler.done != 0;
            meddler.countdown = 0;
            shows_what_is(&s, reader);
            bpt_close(reader);
            end(&s);
            assert_true(met || at > 20);
        }
        assert_false(met);
    }
}

static void opening_meets_it_at_every_call(void **state)
{
    (void)state;
    opening(false);
}

static void opening_without_index_files_meets_it_at_every_call(void **state)
{
    (void)state;
    opening(true);
}

static void a_look_meets_it_at_every_call(void **state)
{
    (void)state;
    for (unsigned act = 0; act < ACTS; act++) {
        bool met = true;
        for (unsigned at = 1; met && at < CALLS_MAX; at++) {
            scene s;
            begin(&s);
            const bp_io *io = meddling(&s);
            bp_store *reader = open_reader(&s, io);
            rotate(&s);
            compact(&s, at % 2 == 0);
            put(&s);
            arm(acts[act].act, at, 0);
            bpt_note("%s at call %u of a look", acts[act].name, at);
            shows_what_is(&s, reader);
            met = meddler.done != 0;
            meddler.countdown = 0;
            shows_what_is(&s, reader);
            bpt_close(reader);
            end(&s);
        }
        assert_false(met);
    }
}

static void verifying_meets_it_at_every_call(void **state)
{
    (void)state;
    for (unsigned act = 0; act < ACTS; act++) {
        bool met = true;
        for (unsigned at = 1; met && at < CALLS_MAX; at += 1 + at / 40) {
            scene s;
            bp_error error = {0};
            bp_verify_options options;
            bp_verify_report report;
            begin(&s);
            bp_verify_options_init(&options);
            options.io = meddling(&s);
            arm(acts[act].act, at, 0);
            bpt_note("%s at call %u of a verification", acts[act].name, at);
            CHECK_OK(bp_verify(s.world.path, &options, &report, &error), &error);
            met = meddler.done != 0;
            CHECK(report.faults == 0 && report.events >= EVENTS && report.index_files_wrong == 0,
                  "%d faults, %d events, %d index files", (int)report.faults, (int)report.events,
                  (int)report.index_files_wrong);
            meddler.countdown = 0;
            end(&s);
        }
        assert_false(met);
    }
}

static void a_readers_snapshot_meets_it_at_every_call(void **state)
{
    (void)state;
    for (unsigned act = 0; act < ACTS; act++) {
        bool met = true;
        for (unsigned at = 1; met && at < CALLS_MAX; at += 1 + at / 20) {
            scene s;
            bp_error error = {0};
            bp_verify_report report;
            bp_verify_options options;
            begin(&s);
            bp_store *reader = open_reader(&s, meddling(&s));
            bp_verify_options_init(&options);
            options.io = s.world.io;
            arm(acts[act].act, at, 0);
            bpt_note("%s at call %u of a snapshot", acts[act].name, at);
            CHECK_OK(bp_snapshot(reader, "snapshot", NULL, NULL, &error), &error);
            met = meddler.done != 0;
            meddler.countdown = 0;
            CHECK_OK(bp_verify("snapshot", &options, &report, &error), &error);
            assert_true(report.events >= EVENTS);
            bpt_close(reader);
            end(&s);
        }
        assert_false(met);
    }
}

static void it_happens_again_and_again(void **state)
{
    (void)state;
    scene s;
    bp_error error = {0};
    bp_verify_options options;
    begin(&s);
    const bp_io *io = meddling(&s);
    for (unsigned every = 12; every < 30; every += 3) {
        arm(everything, 1, every);
        bp_store *reader = open_reader(&s, io);
        uint64_t counted = 0;
        for (unsigned i = 0; i < 20; i++) {
            CHECK_OK(bp_count(reader, NULL, &counted, &error), &error);
        }
        bp_verify_options_init(&options);
        options.io = io;
        CHECK_OK(bp_verify(s.world.path, &options, NULL, &error), &error);
        CHECK(meddler.done > 2, "%u times at every call %u", meddler.done, every);
        meddler.countdown = 0;
        shows_what_is(&s, reader);
        bpt_close(reader);
    }
    end(&s);
}

/* As fast as a list can still be read before it is gone: however many segments come meanwhile, they are no damage. */
static void rotations_without_an_end(void **state)
{
    (void)state;
    static const unsigned calls[] = {5, 6, 11};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        unsigned every = calls[i];
        scene s;
        bp_error error = {0};
        bp_verify_options options;
        begin(&s);
        bpt_note("a rotation at every call %u", every);
        const bp_io *io = meddling(&s);
        arm(rotate_far, 1, every);
        bp_store *reader = open_reader(&s, io);
        bp_verify_options_init(&options);
        options.io = io;
        CHECK_OK(bp_verify(s.world.path, &options, NULL, &error), &error);
        meddler.countdown = 0;
        shows_what_is(&s, reader);
        bpt_close(reader);
        end(&s);
    }
}

static void inspecting_meets_it_at_every_call(void **state)
{
    (void)state;
    for (unsigned act = 0; act < ACTS; act++) {
        bool met = true;
        for (unsigned at = 1; met && at < CALLS_MAX; at++) {
            scene s;
            bp_error error = {0};
            bp_inspection found;
            begin(&s);
            bp_options options = s.world.options;
            options.io = meddling(&s);
            arm(acts[act].act, at, 0);
            bpt_note("%s at call %u of an inspection", acts[act].name, at);
            CHECK_OK(bp_inspect_recovery(s.world.path, &options, NULL, NULL, &found, &error), &error);
            met = meddler.done != 0;
            CHECK(found.verdict != BP_RECOVERY_REFUSE, "refused: %s", found.refusal.message);
            CHECK(found.events >= EVENTS, "%d events", (int)found.events);
            meddler.countdown = 0;
            end(&s);
        }
        assert_false(met);
    }
}

/* ---- a store that is made meanwhile ---- */

static void make_store(scene *s)
{
    bp_store *store = NULL;
    bp_error error = {0};
    bp_status status = bp_open(s->world.path, &s->world.options, &store, &error);
    if (status == BP_ERR_LOCKED) { /* whoever looks is about to make it */
        return;
    }
    CHECK_OK(status, &error);
    bpt_put(store, "e", "the first event");
    bpt_close(store);
}

typedef bp_status (*look_fn)(scene *s, const bp_options *options, bp_error *error);

static bp_status look_as_reader(scene *s, const bp_options *options, bp_error *error)
{
    bp_store *reader = NULL;
    bp_status status = bp_open_reader(s->world.path, options, &reader, error);
    return status == BP_OK ? bp_close(reader, error) : status;
}

static bp_status look_as_verifier(scene *s, const bp_options *options, bp_error *error)
{
    bp_verify_options how;
    bp_verify_options_init(&how);
    how.io = options->io;
    return bp_verify(s->world.path, &how, NULL, error);
}

static bp_status look_as_inspector(scene *s, const bp_options *options, bp_error *error)
{
    bp_inspection found;
    CHECK_OK(bp_inspect_recovery(s->world.path, options, NULL, NULL, &found, error), error);
    CHECK(found.verdict != BP_RECOVERY_REFUSE, "refused: %s", found.refusal.message);
    return BP_OK;
}

static bp_status look_as_writer(scene *s, const bp_options *options, bp_error *error)
{
    bp_store *store = NULL;
    CHECK_OK(bp_open(s->world.path, options, &store, error), error);
    bpt_close(store);
    return BP_OK;
}

static void a_store_is_made_at_every_call(void **state)
{
    static const look_fn looks[] = {look_as_reader, look_as_verifier, look_as_inspector, look_as_writer};
    (void)state;
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        bool met = true;
        for (unsigned at = 1; met && at < CALLS_MAX; at++) {
            scene s = {0};
            bp_error error = {0};
            bpt_world_fault(&s.world);
            bp_dir *made = NULL; /* an empty directory */
            assert_int_equal(s.world.io->dir_open(s.world.io->context, s.world.path, true, &made), 0);
            s.world.io->dir_close(s.world.io->context, made);
            bp_options options = s.world.options;
            options.io = meddling(&s);
            arm(make_store, at, 0);
            bpt_note("a store is made at call %u of look %u", at, (unsigned)i);
            bp_status status = looks[i](&s, &options, &error);
            met = meddler.done != 0;
            CHECK(status == BP_OK || status == BP_ERR_NOT_FOUND, "%s", error.message);
            assert_true(met || at > 2);
            bpt_world_end(&s.world);
        }
        assert_false(met);
    }
}

/* ---- what is shown, and what is not any more ---- */

static void a_look_shows_the_stub(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) { /* with an event that was published since, and without */
        scene s;
        bp_error error = {0};
        const bp_event *event = NULL;
        begin(&s);
        (void)meddling(&s);
        bp_store *reader = bpt_reader(&s.world);
        bp_iterator *iterator = NULL;
        CHECK_OK(bp_query(reader, NULL, NULL, &iterator, &error), &error);
        erase_one(&s);
        if (more != 0) {
            put(&s);
        }
        CHECK_OK(bp_get(reader, &s.erased, &event, &error), &error);
        assert_true(event->payload_absent);
        bp_event_release(event);
        unsigned whole = 0; /* what was pinned before shows what it was */
        while (bp_next(iterator, &event, &error) == BP_OK) {
            assert_false(event->payload_absent);
            whole += event->payload_size == sizeof SECRET - 1;
        }
        assert_int_equal(whole, 1);
        bp_iterator_close(iterator);
        bpt_close(reader);
        end(&s);
    }
}

/* Where the reader stands within a segment, and that one becomes part of another. */
static void a_reader_in_the_midst_goes_on(void **state)
{
    (void)state;
    for (unsigned merged = 0; merged < 2; merged++) {
        scene s;
        begin(&s);
        (void)meddling(&s);
        bp_store *reader = bpt_reader(&s.world); /* in the open segment, behind OPEN events */
        put(&s);
        put(&s);
        compact(&s, merged != 0);
        shows_what_is(&s, reader);
        put(&s);
        compact(&s, true);
        shows_what_is(&s, reader);
        bp_stats of_reader = {.size = sizeof of_reader};
        bp_stats of_writer = {.size = sizeof of_writer};
        assert_int_equal(bp_store_stats(reader, &of_reader, NULL), BP_OK);
        assert_int_equal(bp_store_stats(s.store, &of_writer, NULL), BP_OK);
        assert_true(of_reader.events == of_writer.events && of_reader.entities == of_writer.entities &&
                    of_reader.kinds == of_writer.kinds);
        bpt_close(reader);
        end(&s);
    }
}

/* Such a reader has the manifest alone. */
static void a_reader_without_a_page_follows_the_list(void **state)
{
    (void)state;
    scene s;
    bp_error error = {0};
    begin(&s);
    (void)meddling(&s);
    bpt_close(s.store);
    bpt_file_remove(&s.world, "live");
    bp_store *reader = bpt_reader(&s.world);
    s.store = bpt_open(&s.world);
    bpt_file_remove(&s.world, "live");
    compact(&s, true);
    const bp_event *event = NULL;
    CHECK_STATUS(BP_ERR_DROPPED, bp_get_sequence(reader, 1, &event, &error), &error);
    CHECK_OK(bp_get_sequence(reader, 2, &event, &error), &error);
    bp_event_release(event);
    bpt_close(reader);
    end(&s);
}

/* ---- what is wrong is told ---- */

static void a_file_that_is_gone_for_good_is_told(void **state)
{
    (void)state;
    scene s;
    bp_error error = {0};
    bp_store *reader = NULL;
    begin(&s);
    (void)meddling(&s);
    bpt_file_remove(&s.world, "log/0000000002-1.seg");
    CHECK_STATUS(BP_ERR_CORRUPT, bp_open_reader(s.world.path, &s.world.options, &reader, &error), &error);
    CHECK_SAYS(&error, "a segment that the list names is missing");
    bp_verify_options options;
    bp_verify_report report;
    bp_verify_options_init(&options);
    options.io = s.world.io;
    CHECK_STATUS(BP_ERR_CORRUPT, bp_verify(s.world.path, &options, &report, &error), &error);
    assert_true(report.faults != 0);
    bpt_close(s.store);
    bpt_world_end(&s.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_meets_it_at_every_call),
        cmocka_unit_test(opening_without_index_files_meets_it_at_every_call),
        cmocka_unit_test(a_look_meets_it_at_every_call),
        cmocka_unit_test(verifying_meets_it_at_every_call),
        cmocka_unit_test(a_readers_snapshot_meets_it_at_every_call),
        cmocka_unit_test(it_happens_again_and_again),
        cmocka_unit_test(rotations_without_an_end),
        cmocka_unit_test(inspecting_meets_it_at_every_call),
        cmocka_unit_test(a_store_is_made_at_every_call),
        cmocka_unit_test(a_look_shows_the_stub),
        cmocka_unit_test(a_reader_in_the_midst_goes_on),
        cmocka_unit_test(a_reader_without_a_page_follows_the_list),
        cmocka_unit_test(a_file_that_is_gone_for_good_is_told),
    };
    return cmocka_run_group_tests(tests, make_template, free_template);
}
