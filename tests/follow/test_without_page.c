/*
 * test_without_page.c: a reader that waits where it may not ring, because it has no right to write the page or cannot map it, or
 * where there is no page yet: it looks by itself every few milliseconds and gets what comes, in order.
 */
#include <errno.h>

#include "support/world.h"

typedef enum obstacle { NO_RIGHT, NO_MAPPING, NO_PAGE } obstacle;

typedef struct scene {
    bpt_world world;
    const bp_io *io;
    bp_io table;    /* of the reader */
    bp_clock clock; /* of the reader */
    obstacle what;
    bp_store *writer;
    bp_store *reader;
    unsigned sleeps;
    unsigned appends_at; /* sleep in which somebody appends; 0: none does */
} scene;

static scene s;

static int open_refused(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    bool refused = s.what == NO_RIGHT && (flags & BP_OPEN_WRITE) != 0 && strcmp(name, "live") == 0;
    return refused ? EACCES : s.io->file_open(context, dir, name, flags, file_out);
}

static int map_refused(void *context, bp_file *file, uint64_t size, bool write, void **address_out)
{
    return s.what == NO_MAPPING && write ? ENOMEM : s.io->map_open(context, file, size, write, address_out);
}

/* The world goes on while the reader sleeps. */
static void sleep_and_append(void *context, uint64_t duration_ns)
{
    (void)context;
    s.world.clock.table.sleep_ns(s.world.clock.table.context, duration_ns);
    s.sleeps++;
    if (s.sleeps == s.appends_at) {
        if (s.writer == NULL) {
            s.writer = bpt_open(&s.world);
        }
        bpt_put(s.writer, "e", "while it slept");
    }
}

static void begin(obstacle what)
{
    memset(&s, 0, sizeof s);
    bpt_world_memory(&s.world);
    s.writer = bpt_open(&s.world);
    bpt_put(s.writer, "e", "before");
    if (what == NO_PAGE) {
        bpt_close(s.writer);
        s.writer = NULL;
        bpt_file_remove(&s.world, "live");
    }
    s.what = what;
    s.io = s.world.io;
    s.table = *s.io;
    s.table.file_open = open_refused;
    s.table.map_open = map_refused;
    s.clock = s.world.clock.table;
    s.clock.sleep_ns = sleep_and_append;
    bp_error error = {0};
    bp_options options = s.world.options;
    options.io = &s.table;
    options.clock = &s.clock;
    CHECK_OK(bp_open_reader(s.world.path, &options, &s.reader, &error), &error);
}

static void end(void)
{
    bpt_close(s.reader);
    bpt_close(s.writer);
    assert_int_equal(bpt_verify(&s.world), 3);
    bpt_world_end(&s.world);
}

static void expect(bp_subscription *subscription, const char *text)
{
    bp_error error = {0};
    bp_delivery delivery;
    CHECK_OK(bp_subscription_next(subscription, 1000, &delivery, &error), &error);
    CHECK(delivery.event.payload_size == strlen(text) && memcmp(delivery.event.payload, text, strlen(text)) == 0,
          "%.*s is not %s", (int)delivery.event.payload_size, (const char *)delivery.event.payload, text);
}

static void it_looks_by_itself(void **state)
{
    (void)state;
    for (obstacle what = NO_RIGHT; what <= NO_PAGE; what++) {
        bp_error error = {0};
        bp_delivery delivery;
        bp_subscription *subscription = NULL;
        bp_subscription_options options;
        bpt_note("obstacle %d", (int)what);
        begin(what);
        bp_subscription_options_init(&options);
        options.replay = true;
        CHECK_OK(bp_subscribe(s.reader, NULL, &options, &subscription, &error), &error);
        expect(subscription, "before");
        CHECK_STATUS(BP_ERR_TIMEOUT, bp_subscription_next(subscription, 5, &delivery, &error), &error);
        assert_true(s.sleeps >= 2 && s.sleeps <= 4); /* steps of two milliseconds */
        s.appends_at = s.sleeps + 3;
        expect(subscription, "while it slept");
        assert_int_equal(s.sleeps, s.appends_at);
        if (what == NO_PAGE) { /* there is one now, and it may ring */
            bpt_put(s.writer, "e", "at once");
            expect(subscription, "at once");
        } else {
            s.appends_at = s.sleeps + 1;
            expect(subscription, "while it slept");
        }
        bp_subscription_close(subscription);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_looks_by_itself)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
