/*
 * test_mappings.c: a store of many segments keeps few of them mapped, whoever reads what, and nobody loses what he has in hand.
 *
 * ctest: labels=threads
 */
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#include "log/segment_file.h"
#include "store/indexing.h"
#include "store/tender.h"
#include "support/world.h"

enum { SEGMENT = 64 << 10, PAYLOAD = 8000, MOST = 32, DESCRIPTORS = 64, READERS = 2, READS = 3000, IN_HAND = 64 };
/* Beside what the budget is about: the segments that are being written, prepared and sealed, and what one mapping more is made for. */
enum { SLACK = 16 };

static unsigned segments(void)
{
    return bpt_instrumented() ? 80 : 300;
}

/* Mappings of segments, as the system sees them. */
static unsigned mapped(void)
{
    char line[1024];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        count += strstr(line, ".seg") != NULL;
    }
    (void)fclose(maps);
    return count;
}

/* How often there were more than there should be: a thread that stops within an append, or while it gathers what an index file is
 * made of, keeps what was let go of meanwhile. */
typedef struct tally {
    unsigned looks;
    unsigned over;
} tally;

static void look(tally *t, unsigned most)
{
    t->looks++;
    t->over += mapped() > most + SLACK;
}

static void check_few(const tally *t, const char *when)
{
    CHECK(t->over * 4 <= t->looks, "%u times of %u too many segments are mapped %s", t->over, t->looks, when);
}

/* Each payload says which event it is of. */
static void append(bp_store *store, uint64_t sequence)
{
    uint64_t words[PAYLOAD / 8];
    bp_error error = {0};
    for (size_t i = 0; i < PAYLOAD / 8; i++) {
        words[i] = sequence + i;
    }
    CHECK_OK(bp_append(store, bp_at("many", "s"), 0xf001, bp_raw(words, sizeof words), NULL, NULL, &error), &error);
}

static bool is_right(const bp_event *event)
{
    bool right = event->payload_size == PAYLOAD;
    for (size_t i = 0; right && i < PAYLOAD / 8; i++) {
        uint64_t word = 0;
        memcpy(&word, (const uint8_t *)event->payload + i * 8, sizeof word);
        right = word == event->sequence + i;
    }
    return right;
}

static bool read_one(bp_store *store, uint64_t sequence)
{
    const bp_event *event = NULL;
    bool right = bp_get_sequence(store, sequence, &event, NULL) == BP_OK && is_right(event);
    bp_event_release(event);
    return right;
}

/* In no order, until there are few. */
static void read_until_few(bp_store *store, uint64_t events, bpt_random *random, const char *when)
{
    double until = bpt_seconds() + 20;
    do {
        for (unsigned i = 0; i < READS; i++) {
            CHECK(read_one(store, bpt_random_below(random, events)), "in no order");
        }
    } while (mapped() > MOST + SLACK && bpt_seconds() < until);
    CHECK(mapped() <= MOST + SLACK, "%u segments are mapped %s", mapped(), when);
}

static unsigned segments_of(bp_store *store)
{
    bp_stats stats = {.size = sizeof stats};
    assert_int_equal(bp_store_stats(store, &stats, NULL), BP_OK);
    return (unsigned)stats.segments;
}

static uint64_t events_of(bp_store *store)
{
    return bp_store_frontiers(store).published;
}

static bp_store *watched(bpt_world *world)
{
    bp_store *store = bpt_open(world);
    bpi_indexing_watch(store, MOST);
    return store;
}

/* Nothing here is about a power cut: hundreds of segments are made without waiting for the medium. */
static int no_file_sync(void *context, bp_file *file, bp_sync_mode mode)
{
    (void)context;
    (void)file;
    (void)mode;
    return 0;
}

static int no_dir_sync(void *context, bp_dir *dir)
{
    (void)context;
    (void)dir;
    return 0;
}

static bp_store *begin(bpt_world *world)
{
    static bp_io io;
    bpt_world_disk(world);
    io = *bp_io_posix();
    io.file_sync = no_file_sync;
    io.dir_sync = no_dir_sync;
    world->options.io = &io;
    world->options.durability = BP_BUFFERED;
    world->options.segment_size = SEGMENT;
    bp_store *store = watched(world);
    for (uint64_t i = 0; i < (uint64_t)segments() * (SEGMENT / PAYLOAD); i++) {
        append(store, i);
    }
    bpi_tender_settle(store); /* what it is reading stays mapped meanwhile */
    return store;
}

static void end(bpt_world *world, bp_store *store, uint64_t events)
{
    bpt_close(store);
    assert_int_equal(mapped(), 0);
    assert_int_equal(bpt_verify(world), events);
    bpt_world_end(world);
}

/* What was sealed and what is read, with few descriptors too. */
static void few_segments_stay_mapped(void **state)
{
    bpt_world world;
    struct rlimit before;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = {.rlim_cur = DESCRIPTORS, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    bp_store *store = begin(&world);
    uint64_t events = events_of(store);
    tally t = {0};
    bpt_close(store);
    store = watched(&world);
    for (uint64_t i = 0; i < events; i++) {
        CHECK(read_one(store, i), "event %llu", (unsigned long long)i);
        if (i % 64 == 0) {
            look(&t, MOST);
        }
    }
    check_few(&t, "while all is read");
    bpt_random random = {bpt_seed(90)};
    read_until_few(store, events, &random, "after reading in no order");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    end(&world, store, events);
}

/* Who only appends maps what he writes: that goes too when it is sealed. The thread that does it may be behind. */
static void what_was_written_is_let_go_of(void **state)
{
    bpt_world world;
    (void)state;
    bp_store *store = begin(&world);
    double until = bpt_seconds() + 20;
    while (mapped() > MOST + SLACK && bpt_seconds() < until) {
        struct timespec pause = {0, 5000000};
        (void)nanosleep(&pause, NULL);
        append(store, events_of(store));
    }
    CHECK(mapped() <= MOST + SLACK, "%u segments are mapped behind appends", mapped());
    end(&world, store, events_of(store));
}

/* An iterator over everything, forward and backward, moves on: it does not keep all that it has passed. */
static void an_iterator_keeps_few_mapped(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bp_store *store = begin(&world);
    uint64_t events = events_of(store);
    for (unsigned backward = 0; backward < 2; backward++) {
        const bp_event *event = NULL;
        bp_iterator *iterator = NULL;
        bp_query_options options;
        bp_query_options_init(&options);
        options.backward = backward != 0;
        CHECK_OK(bp_query(store, NULL, &options, &iterator, &error), &error);
        uint64_t seen = 0;
        tally t = {0};
        while (bp_next(iterator, &event, &error) == BP_OK) {
            uint64_t expected = backward ? events - 1 - seen : seen;
            CHECK(event->sequence == expected && is_right(event), "event %llu", (unsigned long long)expected);
            seen++;
            if (seen % 64 == 0) {
                look(&t, 2 * MOST); /* what it let go of goes when it has moved on, a batch of rows later */
            }
        }
        check_few(&t, "within a scan");
        assert_int_equal(seen, events);
        bp_iterator_close(iterator);
    }
    end(&world, store, events);
}

static void what_is_in_hand_stays(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *in_hand[IN_HAND];
    const bp_event *event = NULL;
    bpt_random random = {bpt_seed(91)};
    (void)state;
    bp_store *store = begin(&world);
    uint64_t events = events_of(store);
    for (size_t i = 0; i < IN_HAND; i++) {
        CHECK_OK(bp_get_sequence(store, i * (events / IN_HAND), &in_hand[i], &error), &error);
    }
    CHECK_OK(bp_query(store, NULL, NULL, &iterator, &error), &error);
    uint64_t seen = 0;
    while (bp_next(iterator, &event, &error) == BP_OK) {
        assert_true(read_one(store, bpt_random_below(&random, events)));
        CHECK(event->sequence == seen && is_right(event), "event %llu", (unsigned long long)seen);
        seen++;
    }
    assert_int_equal(seen, events);
    bp_iterator_close(iterator);
    for (size_t i = 0; i < IN_HAND; i++) {
        CHECK(is_right(in_hand[i]), "event %zu in hand", i);
    }
    /* One segment is mapped once, however long somebody keeps others from going. */
    CHECK(mapped() <= segments_of(store), "%u mappings of %u segments", mapped(), segments_of(store));
    for (size_t i = 0; i < IN_HAND; i++) {
        bp_event_release(in_hand[i]);
    }
    read_until_few(store, events, &random, "when nothing is in hand any more");
    end(&world, store, events);
}

/* What a compaction replaced is there for who began before, though its files are gone. */
static void what_was_rewritten_stays_for_who_has_it(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_compact_options options;
    bpt_random random = {bpt_seed(92)};
    (void)state;
    bp_store *store = begin(&world);
    uint64_t events = events_of(store);
    CHECK_OK(bp_query(store, NULL, NULL, &iterator, &error), &error);
    CHECK_OK(bp_next(iterator, &event, &error), &error);
    bp_compact_options_init(&options);
    options.keep_last = 10;
    CHECK_OK(bp_compact(store, &options, NULL, &error), &error);
    for (uint64_t seen = 1; seen < events; seen++) {
        const bp_event *other = NULL;
        CHECK_OK(bp_next(iterator, &event, &error), &error);
        CHECK(event->sequence == seen && is_right(event), "event %llu", (unsigned long long)seen);
        bp_status status = bp_get_sequence(store, bpt_random_below(&random, events), &other, NULL);
        assert_true(status == BP_OK || status == BP_ERR_DROPPED);
        bp_event_release(other);
    }
    bp_iterator_close(iterator);
    for (uint64_t i = 10; i > 0; i--) {
        assert_true(read_one(store, events - i));
    }
    end(&world, store, events);
}

/* ---- threads ---- */

typedef struct reader {
    bp_store *store;
    uint64_t events;
    uint64_t seed;
    bool right;
} reader;

static bool scan_some(bp_store *store, uint64_t from)
{
    bp_region region = bp_region_all();
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_query_options options;
    bp_query_options_init(&options);
    options.limit = 200;
    bp_region_set_sequence(&region, from, UINT64_MAX);
    bool right = bp_query(store, &region, &options, &iterator, NULL) == BP_OK;
    while (right && bp_next(iterator, &event, NULL) == BP_OK) {
        right = event->sequence == from++ && is_right(event);
    }
    bp_iterator_close(iterator);
    return right;
}

static void *read_on(void *argument)
{
    reader *r = argument;
    bpt_random random = {r->seed};
    r->right = true;
    for (unsigned i = 0; i < READS && r->right; i++) {
        uint64_t sequence = bpt_random_below(&random, r->events);
        r->right = i % 100 == 99 ? scan_some(r->store, sequence) : read_one(r->store, sequence);
    }
    return NULL;
}

static void readers_beside_a_writer_and_a_compaction(void **state)
{
    bpt_world world;
    pthread_t threads[READERS];
    reader readers[READERS];
    bp_error error = {0};
    bp_compact_options options;
    (void)state;
    bp_store *store = begin(&world);
    uint64_t events = events_of(store);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (reader){.store = store, .events = events, .seed = bpt_seed(93) + i};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    for (uint64_t i = 0; i < 200; i++) {
        append(store, events + i);
    }
    bp_compact_options_init(&options);
    options.merge = true;
    CHECK_OK(bp_compact(store, &options, NULL, &error), &error);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        CHECK(readers[i].right, "reader %u", i);
    }
    end(&world, store, events + 200);
}

/* ---- failures ---- */

/* Every call that a mapping makes fails once: an error with a type, and the next try is right. */
static void a_mapping_that_fails_is_an_error_of_its_own(void **state)
{
    static const int codes[] = {ENOMEM, EMFILE, EIO};
    bpt_world world;
    (void)state;
    bpt_world_fault(&world);
    world.options.segment_size = SEGMENT;
    bp_store *store = bpt_open(&world);
    for (uint64_t i = 0; i < (uint64_t)3 * MOST * (SEGMENT / PAYLOAD); i++) {
        append(store, i);
    }
    bpt_close(store);
    store = watched(&world);
    uint64_t events = events_of(store);
    uint64_t failed = 0;
    for (uint64_t i = 0; i < events; i += SEGMENT / PAYLOAD / 2) {
        bpi_fault_plan plan = {.read_call = 1 + i % 5, .os_error = codes[i % 3]};
        const bp_event *event = NULL;
        bp_error error = {0};
        bpi_fault_set_plan(world.fault, &plan);
        bp_status status = bp_get_sequence(store, i, &event, &error);
        plan = (bpi_fault_plan){.kind = BPI_FAULT_NONE};
        bpi_fault_set_plan(world.fault, &plan);
        if (status != BP_OK) {
            failed++;
            CHECK(status == (codes[i % 3] == ENOMEM ? BP_ERR_NO_MEMORY : BP_ERR_IO) && event == NULL, "%s: %s",
                  bp_status_name(status), error.message);
        }
        bp_event_release(event);
        CHECK(read_one(store, i), "event %llu the second time", (unsigned long long)i);
    }
    CHECK(failed > MOST, "%llu calls failed", (unsigned long long)failed);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), events);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_segments_stay_mapped),
        cmocka_unit_test(what_was_written_is_let_go_of),
        cmocka_unit_test(an_iterator_keeps_few_mapped),
        cmocka_unit_test(what_is_in_hand_stays),
        cmocka_unit_test(what_was_rewritten_stays_for_who_has_it),
        cmocka_unit_test(readers_beside_a_writer_and_a_compaction),
        cmocka_unit_test(a_mapping_that_fails_is_an_error_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
