/*
 * test_threads.c: eight threads append while others read, the keeper works and segments are sealed. Afterwards every
 * answer given is found in the log, in order, without a gap. Nothing of cmocka is called inside a thread: they count what
 * is wrong.
 *
 * ctest: labels=threads timeout=600
 */
#include <pthread.h>
#include <sched.h>

#include "store/bell.h"
#include "support/world.h"

enum { WRITERS = 8, READERS = 3 };

typedef struct shared {
    bp_store *store;
    unsigned events;       /* of each writer */
    _Atomic unsigned live; /* writers at work */
    _Atomic unsigned wrong;
    _Atomic unsigned first_wrong; /* the line */
    bool mixed;                   /* durable too */
} shared;

typedef struct writer {
    shared *all;
    unsigned number;
    pthread_t thread;
    bp_receipt *receipts;
    size_t count;
    uint64_t wins;
} writer;

static void wrong(shared *all, unsigned line)
{
    unsigned none = 0;
    (void)atomic_compare_exchange_strong(&all->first_wrong, &none, line);
    (void)atomic_fetch_add(&all->wrong, 1);
}
#define EXPECT(all, condition) ((condition) ? (void)0 : wrong((all), __LINE__))

static void write_one(writer *self, unsigned index)
{
    char entity[32];
    char payload[64];
    bp_append_options options;
    bp_error error = {0};
    bp_append_options_init(&options);
    options.durability = self->all->mixed && index % 16 == 3 ? BP_DURABLE : BP_BUFFERED;
    (void)snprintf(entity, sizeof entity, "writer:%u", index % 4 == 0 ? 99 : self->number);
    int size = snprintf(payload, sizeof payload, "%u/%u", self->number, index);
    bp_status status = bp_append(self->all->store, bp_at(entity, "s"), 0xf001, bp_raw(payload, (size_t)size), &options,
                                 &self->receipts[self->count], &error);
    EXPECT(self->all, status == BP_OK);
    self->count += status == BP_OK;
}

static void write_batch(writer *self, unsigned index)
{
    bp_batch_item items[3];
    bp_error error = {0};
    bp_batch_options options;
    bp_batch_options_init(&options);
    options.durability = self->all->mixed && index % 64 == 7 ? BP_DURABLE : BP_BUFFERED;
    for (int item = 0; item < 3; item++) {
        items[item] = (bp_batch_item){bp_at("batch", "s"), 0xf002, bp_raw("in a batch", 10), NULL};
    }
    bp_receipt *receipts = &self->receipts[self->count];
    bp_status status = bp_append_batch(self->all->store, items, 3, &options, receipts, &error);
    EXPECT(self->all, status == BP_OK);
    if (status == BP_OK) {
        EXPECT(self->all, receipts[1].sequence == receipts[0].sequence + 1);
        EXPECT(self->all, receipts[2].sequence == receipts[0].sequence + 2);
        EXPECT(self->all, receipts[2].clock == receipts[0].clock + 2);
        self->count += 3;
    }
}

static void *write_all(void *argument)
{
    writer *self = argument;
    for (unsigned index = 0; index < self->all->events; index++) {
        if (index % 8 == 7) {
            write_batch(self, index);
        } else {
            write_one(self, index);
        }
        if (index % 50 == 49) {
            bp_error error = {0};
            EXPECT(self->all, bp_sync(self->all->store, &error) == BP_OK);
        }
    }
    (void)atomic_fetch_sub(&self->all->live, 1);
    return NULL;
}

/* Iterates over everything again and again: always dense, whole batches, never less than before. */
static void *read_all(void *argument)
{
    shared *all = argument;
    uint64_t before = 0;
    while (atomic_load(&all->live) > 0) {
        bp_error error = {0};
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        uint64_t next = 0;
        uint64_t ends = 0;
        EXPECT(all, bp_query(all->store, NULL, NULL, &iterator, &error) == BP_OK);
        while (bp_next(iterator, &event, &error) == BP_OK) {
            EXPECT(all, event->sequence == next);
            ends = event->batch + event->batch_count;
            next = event->sequence + 1;
        }
        EXPECT(all, next == ends);
        EXPECT(all, next >= before);
        before = next;
        bp_iterator_close(iterator);
    }
    return NULL;
}

/* Streams, gets and counts beside the writers. */
static void *ask_all(void *argument)
{
    shared *all = argument;
    for (unsigned round = 0; atomic_load(&all->live) > 0; round++) {
        bp_error error = {0};
        char entity[32];
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        uint64_t clock = 0;
        uint64_t count = 0;
        (void)snprintf(entity, sizeof entity, "writer:%u", round % (WRITERS + 1));
        EXPECT(all, bp_stream(all->store, entity, NULL, &iterator, &error) == BP_OK);
        while (bp_next(iterator, &event, &error) == BP_OK) {
            EXPECT(all, event->clock == clock);
            clock++;
        }
        bp_iterator_close(iterator);
        bp_region region = bp_region_stream(entity);
        EXPECT(all, bp_count(all->store, &region, &count, &error) == BP_OK && count >= clock);
        bp_frontiers frontiers = bp_store_frontiers(all->store);
        EXPECT(all, frontiers.durable <= frontiers.published);
        if (frontiers.published > 0) {
            EXPECT(all, bp_get_sequence(all->store, frontiers.published - 1, &event, &error) == BP_OK);
            bp_event_release(event);
        }
        bp_stats stats = {.size = sizeof stats};
        EXPECT(all, bp_store_stats(all->store, &stats, &error) == BP_OK);
    }
    return NULL;
}

static void *seal_all(void *argument)
{
    shared *all = argument;
    while (atomic_load(&all->live) > 0) {
        bp_error error = {0};
        EXPECT(all, bp_seal(all->store, &error) == BP_OK);
        for (int index = 0; index < 200 && atomic_load(&all->live) > 0; index++) {
            (void)sched_yield();
        }
    }
    return NULL;
}

/* Every receipt is an event, none is given twice, chains hold. */
static void check_receipts(shared *all, writer *writers)
{
    bp_error error = {0};
    uint64_t published = bp_store_frontiers(all->store).published;
    uint8_t *seen = calloc(1, (size_t)published + 1);
    uint64_t total = 0;
    assert_non_null(seen);
    for (unsigned index = 0; index < WRITERS; index++) {
        uint64_t last = 0;
        for (size_t at = 0; at < writers[index].count; at++) {
            const bp_receipt *receipt = &writers[index].receipts[at];
            const bp_event *event = NULL;
            assert_true(receipt->sequence < published && seen[receipt->sequence] == 0);
            assert_true(at == 0 || receipt->sequence > last); /* its own appends are in its order */
            last = receipt->sequence;
            seen[receipt->sequence] = 1;
            total++;
            CHECK_OK(bp_get(all->store, &receipt->id, &event, &error), &error);
            assert_int_equal(event->sequence, receipt->sequence);
            assert_int_equal(event->clock, receipt->clock);
            assert_true(bp_hash_equal(&event->event_hash, &receipt->event_hash));
            bp_event_release(event);
        }
    }
    assert_int_equal(total, published);
    free(seen);
}

static void run(bpt_world *world, unsigned events, bool mixed, bool seals)
{
    shared all = {.events = events, .live = WRITERS, .mixed = mixed};
    writer writers[WRITERS];
    pthread_t readers[READERS + 1];
    unsigned reader_count = 0;
    all.store = bpt_open(world);
    for (unsigned index = 0; index < WRITERS; index++) {
        writers[index] = (writer){.all = &all, .number = index};
        writers[index].receipts = calloc((size_t)events * 3, sizeof(bp_receipt));
        assert_non_null(writers[index].receipts);
        assert_int_equal(pthread_create(&writers[index].thread, NULL, write_all, &writers[index]), 0);
    }
    assert_int_equal(pthread_create(&readers[reader_count++], NULL, read_all, &all), 0);
    assert_int_equal(pthread_create(&readers[reader_count++], NULL, ask_all, &all), 0);
    if (seals) {
        assert_int_equal(pthread_create(&readers[reader_count++], NULL, seal_all, &all), 0);
    }
    for (unsigned index = 0; index < WRITERS; index++) {
        assert_int_equal(pthread_join(writers[index].thread, NULL), 0);
    }
    for (unsigned index = 0; index < reader_count; index++) {
        assert_int_equal(pthread_join(readers[index], NULL), 0);
    }
    CHECK(all.wrong == 0, "%u things were wrong in threads, the first at line %u", all.wrong, all.first_wrong);
    check_receipts(&all, writers);
    bpt_close(all.store);
    all.store = bpt_open(world);
    check_receipts(&all, writers);
    bpt_close(all.store);
    (void)bpt_verify(world);
    for (unsigned index = 0; index < WRITERS; index++) {
        free(writers[index].receipts);
    }
}

static void eight_writers_in_memory(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    world.options.clock = NULL;
    world.options.keeper = BP_KEEPER_THREAD;
    world.options.durability = BP_BUFFERED;
    run(&world, (unsigned)bpt_amount("BATPAK_EVENTS", 1500, 20000), true, false);
    bpt_world_end(&world);
}

static void eight_writers_on_disk_with_seals(void **state)
{
    (void)state;
    for (int durability = BP_DURABLE; durability <= BP_PERIODIC; durability++) {
        bpt_world world;
        bpt_world_disk(&world);
        world.options.durability = (bp_durability)durability;
        run(&world, (unsigned)bpt_amount("BATPAK_EVENTS", 600, 5000), true, true);
        bpt_world_end(&world);
    }
}

/* ---- races ---- */

static void *race_to_be_first(void *argument)
{
    writer *self = argument;
    for (unsigned index = 0; index < self->all->events; index++) {
        char entity[32];
        bp_append_options options;
        bp_error error = {0};
        bp_append_options_init(&options);
        options.expect.kind = BP_EXPECT_NONE;
        options.durability = index % 10 == 0 ? BP_DURABLE : BP_BUFFERED;
        (void)snprintf(entity, sizeof entity, "race:%u", index);
        bp_status status = bp_append(self->all->store, bp_at(entity, "s"), 0xf001, bp_raw(&index, sizeof index),
                                     &options, NULL, &error);
        EXPECT(self->all, status == BP_OK || status == BP_ERR_CONFLICT);
        EXPECT(self->all, status == BP_OK || (error.expected == BP_NONE && error.actual == 0));
        self->wins += status == BP_OK;
    }
    return NULL;
}

static void *race_with_one_key(void *argument)
{
    writer *self = argument;
    for (unsigned index = 0; index < self->all->events; index++) {
        bp_append_options options;
        bp_receipt receipt;
        bp_error error = {0};
        bp_append_options_init(&options);
        options.id = bp_id_from("race", &index, sizeof index);
        options.durability = index % 10 == 0 ? BP_DURABLE : BP_BUFFERED;
        bp_status status = bp_append(self->all->store, bp_at("keys", "s"), 0xf001, bp_raw(&index, sizeof index),
                                     &options, &receipt, &error);
        EXPECT(self->all, status == BP_OK);
        EXPECT(self->all, options.durability != BP_DURABLE || receipt.durable);
        self->wins += status == BP_OK && !receipt.duplicate;
    }
    return NULL;
}

static void *race_for_the_clock(void *argument)
{
    writer *self = argument;
    for (unsigned index = 0; index < self->all->events;) {
        bp_append_options options;
        bp_receipt receipt;
        bp_error error = {0};
        uint64_t clock = self->count;
        bp_append_options_init(&options);
        options.durability = BP_BUFFERED;
        options.expect = (bp_expectation){clock == 0 ? BP_EXPECT_NONE : BP_EXPECT_AT, clock - 1};
        bp_status status =
            bp_append(self->all->store, bp_at("clock", "s"), 0xf001, bp_raw("", 0), &options, &receipt, &error);
        if (status == BP_OK) {
            EXPECT(self->all, receipt.clock == clock);
            self->wins++;
            self->count = receipt.clock + 1;
            index++;
        } else {
            EXPECT(self->all, status == BP_ERR_CONFLICT && error.actual != BP_NONE && error.actual + 1 != clock);
            self->count = error.actual + 1;
        }
    }
    return NULL;
}

static uint64_t race(void *(*racer)(void *), unsigned events, uint64_t *published)
{
    bpt_world world;
    shared all = {.events = events, .live = WRITERS};
    writer writers[WRITERS];
    uint64_t wins = 0;
    bpt_world_memory(&world);
    world.options.clock = NULL;
    world.options.keeper = BP_KEEPER_THREAD;
    all.store = bpt_open(&world);
    for (unsigned index = 0; index < WRITERS; index++) {
        writers[index] = (writer){.all = &all, .number = index};
        assert_int_equal(pthread_create(&writers[index].thread, NULL, racer, &writers[index]), 0);
    }
    for (unsigned index = 0; index < WRITERS; index++) {
        assert_int_equal(pthread_join(writers[index].thread, NULL), 0);
        wins += writers[index].wins;
    }
    CHECK(all.wrong == 0, "%u things were wrong in threads, the first at line %u", all.wrong, all.first_wrong);
    *published = bp_store_frontiers(all.store).published;
    bpt_close(all.store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    return wins;
}

static void a_race_for_an_empty_entity_has_one_winner(void **state)
{
    unsigned events = (unsigned)bpt_amount("BATPAK_EVENTS", 400, 5000);
    uint64_t published;
    (void)state;
    assert_int_equal(race(race_to_be_first, events, &published), events);
    assert_int_equal(published, events);
}

static void a_race_with_one_key_appends_once(void **state)
{
    unsigned events = (unsigned)bpt_amount("BATPAK_EVENTS", 400, 5000);
    uint64_t published;
    (void)state;
    assert_int_equal(race(race_with_one_key, events, &published), events);
    assert_int_equal(published, events);
}

static void optimistic_writers_never_lose_an_update(void **state)
{
    unsigned events = (unsigned)bpt_amount("BATPAK_EVENTS", 100, 1000);
    uint64_t published;
    (void)state;
    assert_int_equal(race(race_for_the_clock, events, &published), events * WRITERS);
    assert_int_equal(published, events * WRITERS);
}

/* ---- opening and closing while the keeper works ---- */

static void closing_joins_the_keeper(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_disk(&world);
    world.options.durability = BP_PERIODIC;
    world.options.sync_every_ms = 1;
    for (int round = 0; round < 20; round++) {
        bp_store *store = bpt_open(&world);
        for (int index = 0; index < round; index++) {
            (void)bpt_put_sized(store, "e", 4000);
        }
        bpt_close(store);
    }
    assert_int_equal(bpt_verify(&world), 190);
    bpt_world_end(&world);
}

/* ---- what the page of a store says beside its writer ---- */

enum { TIDES = 60000 };

typedef struct onlooker {
    const bp_store *store;
    _Atomic bool over;
    uint64_t least[TIDES + 1]; /* the lowest LSN that was published after a tide was taken; 0: none was taken */
} onlooker;

static void *take_tides(void *argument)
{
    onlooker *at = argument;
    bpi_live *live = at->store->log.live;
    while (!atomic_load(&at->over)) {
        uint64_t tide = bpi_bell_tide(at->store).published;
        uint64_t published = atomic_load(&live->published);
        if (tide <= TIDES && (at->least[tide] == 0 || published < at->least[tide])) {
            at->least[tide] = published;
        }
    }
    return NULL;
}

/* A reader takes the tide, looks for what is published, and then sleeps until the tide is another: the look finds what the tide told. */
static void a_tide_is_never_ahead_of_a_look(void **state)
{
    static onlooker at;
    static uint64_t ends[TIDES + 1];
    bpt_world world;
    pthread_t thread;
    (void)state;
    memset(&at, 0, sizeof at);
    bpt_world_memory(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    at.store = store;
    assert_int_equal(pthread_create(&thread, NULL, take_tides, &at), 0);
    for (unsigned index = 1; index <= TIDES; index++) {
        bpt_put(store, "e", "x");
        ends[index] = bp_store_frontiers(store).published_lsn;
    }
    atomic_store(&at.over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    unsigned taken = 0;
    for (unsigned index = 1; index <= TIDES; index++) {
        taken += at.least[index] != 0;
        CHECK(at.least[index] == 0 || at.least[index] >= ends[index], "event %u was told of before it was published",
              index - 1);
    }
    assert_true(taken > 0);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_writers_in_memory),
        cmocka_unit_test(eight_writers_on_disk_with_seals),
        cmocka_unit_test(a_race_for_an_empty_entity_has_one_winner),
        cmocka_unit_test(a_race_with_one_key_appends_once),
        cmocka_unit_test(optimistic_writers_never_lose_an_update),
        cmocka_unit_test(closing_joins_the_keeper),
        cmocka_unit_test(a_tide_is_never_ahead_of_a_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
