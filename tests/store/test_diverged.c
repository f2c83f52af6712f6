/*
 * test_diverged.c: the files of a store are put back as they were before, from a copy, under a reader that has shown what came after,
 * and another history begins there. The reader says so, and never shows a mixture of both.
 */
#include "support/world.h"

enum { COMMON = 2, SHOWN = 3, FILES_MAX = 32 };

typedef struct copies {
    struct {
        char name[64];
        uint8_t *data;
        size_t size;
    } files[FILES_MAX];
    size_t count;
} copies;

typedef struct scene {
    bpt_world world;
    copies copies;
    bp_store *reader;
    bp_hash hashes[COMMON + SHOWN];
} scene;

static void keep_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    copies *to = argument;
    assert_true(to->count < FILES_MAX);
    (void)snprintf(to->files[to->count].name, sizeof to->files[0].name, "%s", name);
    to->files[to->count].data = malloc(size + 1);
    assert_non_null(to->files[to->count].data);
    memcpy(to->files[to->count].data, data, size);
    to->files[to->count++].size = size;
}

static void put(bp_store *store, const char *text)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_DURABLE;
    bpt_put_with(store, "e", text, &options);
}

/* A reader that shows five events of a store whose files are those of a copy with two of them: new files, or written over. */
static void begin(scene *s, bool copied_while_open, bool in_place)
{
    bp_error error = {0};
    memset(s, 0, sizeof *s);
    (in_place ? bpt_world_fault : bpt_world_memory)(&s->world);
    atomic_store(&s->world.clock.step_us, 1000); /* no two histories in the same moment */
    bp_store *store = bpt_open(&s->world);
    for (unsigned i = 0; i < COMMON; i++) {
        put(store, "common to both");
    }
    if (!copied_while_open) {
        bpt_close(store);
    }
    bpt_file_each(&s->world, keep_file, &s->copies);
    store = copied_while_open ? store : bpt_open(&s->world);
    for (unsigned i = 0; i < SHOWN; i++) {
        put(store, "of the first history");
    }
    s->reader = bpt_reader(&s->world);
    for (uint64_t i = 0; i < COMMON + SHOWN; i++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(s->reader, i, &event, &error), &error);
        s->hashes[i] = event->event_hash;
        bp_event_release(event);
    }
    bpt_close(store);
    for (size_t i = 0; i < s->copies.count; i++) {
        bpt_file_write(&s->world, s->copies.files[i].name, s->copies.files[i].data, s->copies.files[i].size);
        free(s->copies.files[i].data);
    }
}

/* Is event i of the reader the one that it has shown? What cannot be read is not another one. */
static bool shows_first_history(scene *s, uint64_t i, bool must)
{
    const bp_event *event = NULL;
    if (bp_get_sequence(s->reader, i, &event, NULL) != BP_OK) {
        return !must;
    }
    bool same = bp_hash_equal(&event->event_hash, &s->hashes[i]);
    bp_event_release(event);
    return same;
}

/* It says that it stands elsewhere, or that what is there is not what was published, or goes on showing what it has shown; and never
 * anything else. */
static void says_so(scene *s, bool diverged)
{
    for (int again = 0; again < 2; again++) {
        bp_error error = {0};
        uint64_t count = 0;
        bp_status status = bp_count(s->reader, NULL, &count, &error);
        CHECK(status == BP_ERR_DIVERGED || (!diverged && (status == BP_ERR_CORRUPT || status == BP_OK)),
              "it says %s: %s", bp_status_name(status), error.message);
        CHECK(status != BP_OK || count == COMMON + SHOWN, "%llu events", (unsigned long long)count);
        for (uint64_t i = 0; i < COMMON + SHOWN; i++) {
            CHECK(shows_first_history(s, i, status == BP_OK), "event %llu is another one", (unsigned long long)i);
        }
    }
}

static void end(scene *s, bp_store *writer, uint64_t events)
{
    (void)bp_close(s->reader, NULL);
    s->reader = bpt_reader(&s->world); /* a new one shows what is there */
    uint64_t count = 0;
    assert_int_equal(bp_count(s->reader, NULL, &count, NULL), BP_OK);
    assert_int_equal(count, events);
    bpt_close(s->reader);
    bpt_close(writer);
    assert_int_equal(bpt_verify(&s->world), events);
    bpt_world_end(&s->world);
}

static void seal(bp_store *store)
{
    bp_error error = {0};
    CHECK_OK(bp_seal(store, &error), &error);
}

static void merge(bp_store *store)
{
    bp_error error = {0};
    bp_compact_options options;
    bp_compact_options_init(&options);
    CHECK_OK(bp_compact(store, &options, NULL, &error), &error);
}

static void what_was_shown_is_not_there_any_more(void **state)
{
    (void)state;
    for (int in_place = 0; in_place < 2; in_place++) {
        scene s;
        begin(&s, true, in_place != 0);
        bp_store *writer = bpt_open(&s.world);
        seal(writer);
        says_so(&s, true);
        end(&s, writer, COMMON);
    }
}

static void another_event_stands_in_its_place(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 2 * (2 * SHOWN - 1); way++) {
        unsigned others = 1 + way / 2;
        scene s;
        bpt_note("%u others, in place: %u", others, way % 2);
        begin(&s, true, way % 2 != 0);
        bp_store *writer = bpt_open(&s.world);
        put(writer, "x");
        seal(writer);
        for (unsigned i = 1; i < others; i++) {
            put(writer, "of the second history");
        }
        says_so(&s, way % 2 == 0);
        end(&s, writer, COMMON + others);
    }
}

/* More than was shown, in the very segment in which the reader stands. */
static void another_history_goes_on_past_it(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        int sealed = way % 2;
        scene s;
        bpt_note("sealed: %d, in place: %d", sealed, way / 2);
        begin(&s, true, way >= 2);
        bp_store *writer = bpt_open(&s.world);
        for (unsigned i = 0; i < 2 * SHOWN; i++) {
            put(writer, "of the second history, and longer than the first");
        }
        if (sealed != 0) {
            seal(writer);
            put(writer, "more");
        }
        says_so(&s, false);
        end(&s, writer, COMMON + 2 * SHOWN + (sealed != 0));
    }
}

/* The segment in which the reader stands was rewritten meanwhile: it looks for its event by number. */
static void another_history_is_rewritten(void **state)
{
    (void)state;
    for (unsigned others = 1; others < 2 * SHOWN; others++) {
        for (int way = 0; way < 4; way++) {
            bool copied_while_open = way % 2 != 0;
            scene s;
            bpt_note("%u others, copied while open: %d, in place: %d", others, copied_while_open, way / 2);
            begin(&s, copied_while_open, way >= 2);
            bp_store *writer = bpt_open(&s.world);
            for (unsigned i = 0; i < others; i++) {
                put(writer, "of the second history");
                if (i < 2) {
                    seal(writer);
                }
            }
            seal(writer);
            merge(writer);
            says_so(&s, copied_while_open);
            end(&s, writer, COMMON + others);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_shown_is_not_there_any_more),
        cmocka_unit_test(another_event_stands_in_its_place),
        cmocka_unit_test(another_history_goes_on_past_it),
        cmocka_unit_test(another_history_is_rewritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
