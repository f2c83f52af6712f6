/*
 * test_failed_rereads.c: a sync fails, the store recovers in the process (P6) by reading back what it had published, and in the
 * middle of that a read fails, is short or has a flipped bit, or there is no memory. The append says so or goes through; what was
 * acknowledged is there in any case, and nothing is damaged.
 */
#include <errno.h>

#include "io/fault_memory.h"
#include "support/world.h"

enum { SYNCED = 6, EVENTS = 30 };

typedef enum trouble { READ_FAILS, READ_SHORT, READ_FLIPS, NO_MEMORY, NO_MEMORY_ANY_MORE } trouble;

typedef struct attempt {
    bpt_world world;
    bpi_fault_memory memory;
    trouble what;
    uint64_t nth;
    bool began;
} attempt;

/* Begins when the library says that it failed. */
static void trouble_begins(void *context, bp_log_level level, const char *target, const char *name,
                           const bp_log_field *fields, size_t field_count)
{
    attempt *a = context;
    (void)level;
    (void)fields;
    (void)field_count;
    if (a->began || strcmp(target, "recovery") != 0 || strcmp(name, "failed") != 0) {
        return;
    }
    a->began = true;
    if (a->what >= NO_MEMORY) {
        a->memory.fails_at = a->memory.calls + a->nth;
        a->memory.persistent = a->what == NO_MEMORY_ANY_MORE;
        bpi_fault_set_plan(a->world.fault, &(bpi_fault_plan){0});
    } else {
        bpi_fault_set_plan(a->world.fault, &(bpi_fault_plan){.read_call = a->nth,
                                                             .os_error = a->what == READ_FAILS ? EIO : 0,
                                                             .read_flips_bit = a->what == READ_FLIPS});
    }
}

static bool reached(const attempt *a)
{
    return a->what >= NO_MEMORY ? a->memory.calls >= a->memory.fails_at : bpi_fault_reads(a->world.fault) >= a->nth;
}

static void no_more_trouble(attempt *a)
{
    a->memory.fails_at = 0;
    bpi_fault_set_plan(a->world.fault, &(bpi_fault_plan){0});
}

static void words(uint64_t number, char text[32])
{
    (void)snprintf(text, 32, "event %llu", (unsigned long long)number);
}

/* Single events and batches, of three entities, over more than one segment. */
static void put_some(bp_store *store, unsigned from, unsigned until)
{
    static const char *const entities[] = {"a", "b", "c"};
    static uint8_t filler[20000];
    bp_error error = {0};
    for (unsigned i = from; i < until;) {
        char texts[3][32];
        bp_batch_item items[3];
        size_t count = i % 5 == 0 && until - i >= 3 ? 3 : 1;
        for (size_t k = 0; k < count; k++) {
            words(i + k, texts[k]);
            items[k] =
                (bp_batch_item){bp_at(entities[(i + k) % 3], "s"), 0xf001, bp_raw(texts[k], strlen(texts[k])), NULL};
        }
        CHECK_OK(bp_append_batch(store, items, count, NULL, NULL, &error), &error);
        i += (unsigned)count;
        if (i == (from + until) / 2) {
            CHECK_OK(bp_append(store, bp_at("large", "s"), 0xf002, bp_raw(filler, sizeof filler), NULL, NULL, &error),
                     &error);
        }
    }
}

/* The small events, in order, are the first of those that were put, unchanged; how many. */
static unsigned count_in_order(bp_store *store)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    unsigned count = 0;
    bp_region region = bp_region_by_kind(0xf001);
    CHECK_OK(bp_query(store, &region, NULL, &iterator, &error), &error);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        char text[32];
        words(count, text);
        CHECK(event->payload_size == strlen(text) && memcmp(event->payload, text, event->payload_size) == 0,
              "event %u is another one", count);
        count++;
    }
    CHECK_STATUS(BP_END, error.status == BP_OK ? BP_END : error.status, &error);
    bp_iterator_close(iterator);
    return count;
}

static void afterwards(attempt *a, bool acknowledged, bool power)
{
    if (power) {
        (void)bpt_power_cut(&a->world, BPT_KEEP_RANDOM, a->nth);
    }
    a->world.options.log = NULL;
    bp_store *store = bpt_open(&a->world);
    unsigned count = count_in_order(store);
    CHECK(count >= (acknowledged ? EVENTS + 1 : SYNCED), "%u events are left", count);
    bpt_close(store);
    (void)bpt_verify(&a->world);
    bpt_world_end(&a->world);
    CHECK(a->memory.bytes == 0, "%llu bytes are not given back", (unsigned long long)a->memory.bytes);
}

/* False: the recovery was through before it came to that. */
static bool one(trouble what, uint64_t nth, bool forgets)
{
    bp_error error = {0};
    attempt a = {.what = what, .nth = nth};
    bp_log_hook hook = {sizeof hook, &a, BP_LOG_DEBUG, trouble_begins};
    char text[32];
    bpt_note("trouble %d, %llu", (int)what, (unsigned long long)nth);
    bpt_world_fault(&a.world);
    bpi_fault_memory_init(&a.memory);
    a.world.options.allocator = &a.memory.table;
    a.world.options.durability = BP_BUFFERED;
    a.world.options.log = &hook;
    bp_store *store = bpt_open(&a.world);
    put_some(store, 0, SYNCED);
    CHECK_OK(bp_sync(store, &error), &error);
    put_some(store, SYNCED, EVENTS);
    bpi_fault_set_plan(
        a.world.fault,
        &(bpi_fault_plan){.kind = forgets ? BPI_FAULT_SYNC_DROPS : BPI_FAULT_ERROR, .step = 1, .os_error = EIO});
    assert_int_not_equal(bp_sync(store, &error), BP_OK);
    words(EVENTS, text);
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_DURABLE;
    bp_status status = bp_append(store, bp_at("a", "s"), 0xf001, bp_raw(text, strlen(text)), &options, NULL, &error);
    CHECK(status == BP_OK || status == BP_ERR_FAILED || status == BP_ERR_IO || status == BP_ERR_NO_MEMORY ||
              status == BP_ERR_CORRUPT,
          "an append in trouble is answered %s: %s", bp_status_name(status), error.message);
    CHECK(status == BP_OK || error.message[0] != '\0', "no words for %s", bp_status_name(status));
    bool was_reached = a.began && reached(&a);
    no_more_trouble(&a);
    CHECK(status != BP_OK || count_in_order(store) == EVENTS + 1, "what was acknowledged is not there");
    (void)bp_close(store, NULL);
    afterwards(&a, status == BP_OK, forgets);
    return was_reached;
}

static void all(trouble what)
{
    uint64_t most = bpt_instrumented() ? 60 : 400;
    for (int forgets = 0; forgets < 2; forgets++) {
        uint64_t nth = 1;
        while (nth < most && one(what, nth, forgets != 0)) {
            nth++;
        }
        CHECK(nth > 3, "the recovery came to %llu of them", (unsigned long long)nth);
    }
}

static void reads_fail_in_the_recovery(void **state)
{
    (void)state;
    all(READ_FAILS);
}

static void reads_are_short_in_the_recovery(void **state)
{
    (void)state;
    all(READ_SHORT);
}

static void reads_have_flipped_bits_in_the_recovery(void **state)
{
    (void)state;
    all(READ_FLIPS);
}

static void no_memory_in_the_recovery(void **state)
{
    (void)state;
    all(NO_MEMORY);
    all(NO_MEMORY_ANY_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_fail_in_the_recovery),
        cmocka_unit_test(reads_are_short_in_the_recovery),
        cmocka_unit_test(reads_have_flipped_bits_in_the_recovery),
        cmocka_unit_test(no_memory_in_the_recovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
