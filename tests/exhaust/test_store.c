/*
 * test_store.c: opening, closing, appending, reading, walking, proving and upkeep with every failure (support/exhaust.h).
 *
 * ctest: labels=exhaust wrap=bp_allocator_system timeout=600
 */
#include "support/exhaust.h"

/* ---- opening and closing ---- */

static bp_status act_open(bpt_exhaust *x)
{
    return bp_open(x->world.path, &x->world.options, &x->store, &x->error);
}

static bp_status act_open_reader(bpt_exhaust *x)
{
    return bp_open_reader(x->world.path, &x->world.options, &x->store, &x->error);
}

static void finish_open(bpt_exhaust *x)
{
    bp_error error = {0};
    CHECK_OK(bp_close(x->store, &error), &error);
    x->store = NULL;
}

/* The process died in the middle of its work: opening recovers. */
static void prepare_killed(bpt_exhaust *x)
{
    x->store = bpt_open(&x->world);
    bpt_put(x->store, "stock", "before the kill");
    bpt_exhaust_rebase(x);
    bpi_fault_process_kill(x->world.fault);
    (void)bp_close(x->store, NULL);
    x->store = NULL;
}

/* The machine died: something is to be cut. */
static void prepare_torn(bpt_exhaust *x)
{
    x->store = bpt_open(&x->world);
    bpt_put(x->store, "stock", "synced");
    bp_error error = {0};
    CHECK_OK(bp_sync(x->store, &error), &error);
    bpt_exhaust_rebase(x);
    bpt_put(x->store, "stock", "lost");
    (void)bpt_power_cut(&x->world, BPT_KEEP_NONE, 0);
    (void)bp_close(x->store, NULL);
    x->store = NULL;
}

static bp_status act_close(bpt_exhaust *x)
{
    bp_store *store = x->store;
    x->store = NULL;
    return bp_close(store, &x->error);
}

static void prepare_unsynced(bpt_exhaust *x)
{
    for (unsigned index = 0; index < 3; index++) {
        bpt_put(x->store, "stock", "not yet durable");
    }
    bpt_exhaust_rebase(x);
}

static bp_status act_sync(bpt_exhaust *x)
{
    return bp_sync(x->store, &x->error);
}

static bp_status act_wait_durable(bpt_exhaust *x)
{
    return bp_wait_durable(x->store, x->base - 1, 1000, &x->error);
}

static bp_status act_seal(bpt_exhaust *x)
{
    return bp_seal(x->store, &x->error);
}

static bp_status act_reindex(bpt_exhaust *x)
{
    return bp_reindex(x->world.path, &x->world.options, NULL, &x->error);
}

/* ---- appending ---- */

static bp_status append(bpt_exhaust *x, const char *entity, const bp_append_options *options, size_t size)
{
    static const char bytes[40000] = "payload";
    bp_status status =
        bp_append(x->store, bp_at(entity, "eu"), 0xf001, bp_raw(bytes, size), options, &x->receipts[0], &x->error);
    return bpt_exhaust_acked(x, status, 1);
}

static bp_status act_append(bpt_exhaust *x)
{
    return append(x, "stock", NULL, 30);
}

static bp_status act_append_new(bpt_exhaust *x)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.kind_name = "order.quite-new";
    options.id = bp_id_from("exhaust", "new", 3);
    options.expect.kind = BP_EXPECT_NONE;
    bp_region region = bp_region_stream("nobody:1");
    bp_guard guard = bp_guard_of(&region, (bp_position){0});
    options.guards = &guard;
    options.guard_count = 1;
    return bpt_exhaust_acked(x, append(x, "nobody:1", &options, 30), 1); /* and one for the kind's name */
}

/* Three that do not fit into the segment any more: the store rotates in the midst of them. */
static bp_status act_append_rotating(bpt_exhaust *x)
{
    bp_status status = BP_OK;
    for (unsigned index = 0; index < 3 && status == BP_OK; index++) {
        status = append(x, "stock", NULL, 30000);
    }
    return status;
}

static bp_status act_append_retry(bpt_exhaust *x)
{
    static const unsigned index = 1;
    static const char text[] = "{\"number\":1}";
    const bp_event *event = NULL;
    bp_append_options options;
    bp_append_options_init(&options);
    options.id = bp_id_from("base", &index, sizeof index);
    bp_status status = bp_get(x->store, &options.id, &event, &x->error);
    if (status != BP_OK) {
        return status;
    }
    options.causes = event->causes;
    options.cause_count = event->cause_count;
    options.correlation = event->correlation;
    options.durability = BP_DURABLE;
    status = bp_append(x->store, bp_at("order:2", "us"), 0xf001, bp_json(text), &options, &x->receipts[0], &x->error);
    CHECK(status != BP_OK || x->receipts[0].duplicate, "the retry has appended");
    bp_event_release(event);
    return status;
}

static bp_status act_append_reaction(bpt_exhaust *x)
{
    static const unsigned index = 2;
    bp_id cause = bp_id_from("base", &index, sizeof index);
    bp_status status = bp_append_reaction(x->store, bp_at("order:9", "eu"), 0xf002, bp_raw("r", 1), &cause, &cause, 1,
                                          NULL, &x->receipts[0], &x->error);
    return bpt_exhaust_acked(x, status, 1);
}

static bp_status act_append_batch(bpt_exhaust *x)
{
    static const uint32_t zero = 0;
    bp_append_options options[2];
    bp_append_options_init(&options[0]);
    bp_append_options_init(&options[1]);
    options[0].id = bp_id_from("exhaust", "batch", 5);
    options[1].cause_items = &zero;
    options[1].cause_item_count = 1;
    bp_batch_item items[3] = {{bp_at("order:1", "eu"), 0xf001, bp_raw("a", 1), &options[0]},
                              {bp_at("order:7", "eu"), 0xf001, bp_raw("b", 1), &options[1]},
                              {bp_at("order:7", "us"), 0xf001, bp_raw("c", 1), NULL}};
    bp_status status = bp_append_batch(x->store, items, 3, NULL, x->receipts, &x->error);
    return bpt_exhaust_acked(x, status, 3);
}

/* Into an empty store; the events come from another world. */
static void prepare_exact(bpt_exhaust *x)
{
    bpt_world *other = calloc(1, sizeof *other);
    assert_non_null(other);
    bpt_world_memory(other);
    x->thing[0] = other;
    x->thing[1] = bpt_open(other);
    bpt_put(x->thing[1], "order:1", "one");
    bpt_put(x->thing[1], "order:1", "two");
    for (uint64_t sequence = 0; sequence < 2; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(x->thing[1], sequence, &event, &x->error), &x->error);
        x->thing[2 + sequence] = (void *)event;
    }
    x->store = bpt_open(&x->world);
}

static bp_status act_append_exact(bpt_exhaust *x)
{
    bp_status status = BP_OK;
    for (unsigned index = 0; index < 2 && status == BP_OK; index++) {
        status = bpt_exhaust_acked(x, bp_append_exact(x->store, x->thing[2 + index], 1, &x->error), 1);
    }
    return status;
}

static void finish_exact(bpt_exhaust *x)
{
    bp_event_release(x->thing[2]);
    bp_event_release(x->thing[3]);
    bpt_close(x->thing[1]);
    bpt_world_end(x->thing[0]);
    free(x->thing[0]);
}

static bp_status act_kind_define(bpt_exhaust *x)
{
    return bpt_exhaust_acked(x, bp_kind_define(x->store, 0x2007, "stock.counted", &x->error), 1);
}

/* ---- reading ---- */

static bp_status use(bpt_exhaust *x, bp_status status, const bp_event **event)
{
    if (status == BP_OK) {
        CHECK((*event)->sequence < x->base, "event %llu", (unsigned long long)(*event)->sequence);
        bp_event_release(*event);
    }
    return status;
}

static bp_status act_get(bpt_exhaust *x)
{
    bp_status status = BP_OK;
    for (unsigned index = 0; index < 12 && status == BP_OK; index++) {
        const bp_event *event = NULL;
        bp_id id = bp_id_from("base", &index, sizeof index);
        status = use(x, bp_get(x->store, &id, &event, &x->error), &event);
    }
    return status;
}

static bp_status act_get_sequence(bpt_exhaust *x)
{
    const bp_event *event = NULL;
    return use(x, bp_get_sequence(x->store, 3, &event, &x->error), &event);
}

static bp_status act_newest(bpt_exhaust *x)
{
    const bp_event *event = NULL;
    bp_region region = bp_region_by_scope("us");
    return use(x, bp_newest(x->store, &region, &event, &x->error), &event);
}

static bp_status all_of(bpt_exhaust *x, bp_iterator *iterator, uint64_t want)
{
    const bp_event *event = NULL;
    bp_status status;
    uint64_t count = 0;
    while ((status = bp_next(iterator, &event, &x->error)) == BP_OK) {
        count++;
    }
    CHECK(status != BP_END || count == want, "%llu events, not %llu", (unsigned long long)count,
          (unsigned long long)want);
    return status == BP_END ? BP_OK : status;
}

/* Several ways through the index: scope, entity prefix with kind, correlation, everything backward. */
static bp_status act_query(bpt_exhaust *x)
{
    static const unsigned first = 0;
    bp_query_options options;
    bp_id id = bp_id_from("base", &first, sizeof first);
    bp_region regions[4] = {bp_region_by_scope("eu"), bp_region_all(), bp_region_by_correlation(&id), bp_region_all()};
    static const uint64_t counts[4] = {6, 6, 2, 13};
    bp_region_set_prefix(&regions[1], bp_text_of("order"));
    bp_region_set_kind(&regions[1], 0xf001);
    bp_status status = BP_OK;
    for (unsigned index = 0; index < 4 && status == BP_OK; index++) {
        bp_iterator *iterator = NULL;
        bp_query_options_init(&options);
        options.backward = index == 3;
        status = bp_query(x->store, &regions[index], &options, &iterator, &x->error);
        status = status == BP_OK ? all_of(x, iterator, counts[index]) : status;
        bp_iterator_close(iterator);
    }
    return status;
}

static bp_status act_stream(bpt_exhaust *x)
{
    bp_iterator *iterator = NULL;
    bp_status status = bp_stream(x->store, "order:1", NULL, &iterator, &x->error);
    status = status == BP_OK ? all_of(x, iterator, 4) : status;
    bp_iterator_close(iterator);
    return status;
}

static void prepare_iterator(bpt_exhaust *x)
{
    bp_iterator *iterator = NULL;
    CHECK_OK(bp_query(x->store, NULL, NULL, &iterator, &x->error), &x->error);
    x->thing[0] = iterator;
}

static void finish_iterator(bpt_exhaust *x)
{
    bp_iterator_close(x->thing[0]);
}

static bp_status act_next(bpt_exhaust *x)
{
    return all_of(x, x->thing[0], 13);
}

static bp_status act_next_sequence(bpt_exhaust *x)
{
    uint64_t sequence = 0;
    bp_status status = bp_next_sequence(x->thing[0], &sequence, &x->error);
    CHECK(status != BP_OK || sequence > 0, "a system event");
    return status;
}

static bp_status act_iterator_position(bpt_exhaust *x)
{
    return bp_iterator_position(x->thing[0], &x->position, &x->error);
}

static bp_status act_count(bpt_exhaust *x)
{
    uint64_t count = 0;
    bp_region region = bp_region_by_scope("eu");
    bp_status status = bp_count(x->store, &region, &count, &x->error);
    CHECK(status != BP_OK || count == 6, "%llu events in a scope of six", (unsigned long long)count);
    return status;
}

static bp_status act_walk_begin(bpt_exhaust *x)
{
    static const unsigned last = 11;
    bp_walk *walk = NULL;
    bp_id id = bp_id_from("base", &last, sizeof last);
    bp_status status = bp_walk_begin(x->store, &id, NULL, &walk, &x->error);
    bp_walk_end(walk);
    return status;
}

static bp_status walk_all(bpt_exhaust *x, bp_walk_kind kind, unsigned from)
{
    bp_walk *walk = NULL;
    const bp_event *event = NULL;
    bp_walk_options options;
    bp_walk_options_init(&options);
    options.kind = kind;
    options.verify = kind == BP_WALK_CHAIN;
    bp_id id = bp_id_from("base", &from, sizeof from);
    bp_status status = bp_walk_begin(x->store, &id, &options, &walk, &x->error);
    while (status == BP_OK) {
        status = bp_walk_next(walk, &event, NULL, &x->error);
    }
    bp_walk_end(walk);
    return status == BP_END ? BP_OK : status;
}

static bp_status act_walk_next(bpt_exhaust *x)
{
    bp_status status = walk_all(x, BP_WALK_CHAIN, 9);
    status = status == BP_OK ? walk_all(x, BP_WALK_CAUSES, 10) : status;
    status = status == BP_OK ? walk_all(x, BP_WALK_EFFECTS, 0) : status;
    return status == BP_OK ? walk_all(x, BP_WALK_CORRELATION, 1) : status;
}

static bp_status act_store_position(bpt_exhaust *x)
{
    return bp_store_position(x->store, &x->position, &x->error);
}

static void prepare_position(bpt_exhaust *x)
{
    CHECK_OK(bp_store_position(x->store, &x->position, &x->error), &x->error);
}

static bp_status act_position_check(bpt_exhaust *x)
{
    return bp_position_check(x->store, &x->position, &x->error);
}

/* ---- names, regions, statistics, upkeep ---- */

static bp_status act_kind_find(bpt_exhaust *x)
{
    bp_kind_code kind = 0;
    return bp_kind_find(x->store, "order.placed", &kind, &x->error);
}

static bp_status act_kind_name(bpt_exhaust *x)
{
    bp_kind_code kind = 0;
    bp_error error = {0};
    CHECK_OK(bp_kind_find(x->store, "order.placed", &kind, &error), &error);
    return bpt_exhaust_made(x, bp_kind_name(x->store, kind) != NULL);
}

static bp_status act_kind_next_free(bpt_exhaust *x)
{
    bp_kind_code kind = 0;
    return bp_kind_next_free(x->store, &kind, &x->error);
}

static int visit_kind(void *argument, bp_kind_code kind, const char *name, uint64_t events)
{
    (void)kind;
    (void)name;
    (void)events;
    ++*(unsigned *)argument;
    return 0;
}

static bp_status act_kinds(bpt_exhaust *x)
{
    unsigned count = 0;
    bp_status status = bp_kinds(x->store, visit_kind, &count, &x->error);
    CHECK(status != BP_OK || count >= 2, "%u kinds", count);
    return status;
}

static bp_status act_region_parse(bpt_exhaust *x)
{
    bp_region region;
    bp_region_text *owner = NULL;
    bp_status status = bp_region_parse(x->store, "entity=order:* scope=\"e u\" kind=order.placed time=2026-01-31..",
                                       &region, &owner, &x->error);
    bp_region_text_free(owner);
    return status;
}

static bp_status act_store_stats(bpt_exhaust *x)
{
    bp_stats stats = {.size = sizeof stats};
    return bp_store_stats(x->store, &stats, &x->error);
}

static int visit_segment(void *argument, const bp_segment_info *segment)
{
    (void)segment;
    ++*(unsigned *)argument;
    return 0;
}

static bp_status act_segments(bpt_exhaust *x)
{
    unsigned count = 0;
    bp_status status = bp_segments(x->store, visit_segment, &count, &x->error);
    CHECK(status != BP_OK || count == 4, "%u segments", count);
    return status;
}

static bp_status act_metrics_write(bpt_exhaust *x)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    bp_status status = bp_metrics_write(x->store, stream, &x->error);
    (void)fclose(stream);
    free(text);
    return status;
}

static bp_status convert(void *context, const bp_event *event, bp_output *payload, bp_error *error)
{
    (void)context;
    (void)error;
    return bp_output_append(payload, event->payload, event->payload_size) ? BP_OK : BP_ERR_NO_MEMORY;
}

static bp_status act_upcast_register(bpt_exhaust *x)
{
    bp_upcast upcasts[2] = {{0xf001, 0, BP_PAYLOAD_RAW, convert, NULL}, {0xf001, 1, BP_PAYLOAD_RAW, convert, NULL}};
    bp_status status = bp_upcast_register(x->store, upcasts, 2, &x->error);
    return status == BP_OK ? act_query(x) : status;
}

static bp_status act_verify(bpt_exhaust *x)
{
    bp_verify_report report;
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.io = x->world.io;
    options.allocator = bpt_exhaust_allocator();
    bp_status status = bp_verify(x->world.path, &options, &report, &x->error);
    CHECK(status != BP_OK || report.events == x->base, "%llu events are proven", (unsigned long long)report.events);
    return status;
}

static int visit_field(void *argument, const bp_field *field)
{
    ++*(unsigned *)argument;
    CHECK(!field->bad, "%s %s is bad: %s", field->group, field->name, field->value);
    return 0;
}

static bp_status act_dump_file(bpt_exhaust *x)
{
    static const char *const names[] = {"MANIFEST", "log/0000000001-1.seg", "live"};
    bp_status status = BP_OK;
    for (unsigned index = 0; index < 3 && status == BP_OK; index++) {
        unsigned count = 0;
        status = bp_dump_file(x->world.path, names[index], x->world.io, visit_field, &count, &x->error);
        CHECK(status != BP_OK || count > 5, "%u fields in %s", count, names[index]);
    }
    return status;
}

static bp_status act_inspect(bpt_exhaust *x)
{
    bp_inspection found;
    bp_status status = bp_inspect_recovery(x->world.path, &x->world.options, NULL, NULL, &found, &x->error);
    if (status == BP_OK && found.verdict == BP_RECOVERY_REFUSE) {
        x->error = found.refusal; /* what bp_open would answer now */
        return found.refusal.status;
    }
    return status;
}

static bp_status act_repair(bpt_exhaust *x)
{
    bp_repair_options options;
    bp_repair_options_init(&options);
    options.io = x->world.io;
    options.clock = x->world.options.clock;
    options.random = x->world.options.random;
    options.allocator = x->world.options.allocator;
    return bp_repair(x->world.path, "saved", &options, NULL, &x->error);
}

static bp_status act_id_new(bpt_exhaust *x)
{
    return bp_id_new(&x->world.clock.table, x->world.options.random, &x->id, &x->error);
}

enum {
    CLOSED = BPT_EXHAUST_CLOSED,
    EMPTY = BPT_EXHAUST_EMPTY,
    CLOSES = BPT_EXHAUST_CLOSES,
    BOTH = BPT_EXHAUST_READER,
    DURABLE = BPT_EXHAUST_DURABLE,
    NO_IO = BPT_EXHAUST_NO_IO,
    AGAIN = BPT_EXHAUST_AGAIN
};

static const bpt_exhaust_row rows[] = {
    {"bp_open", EMPTY | CLOSES, 0, 0, NULL, act_open, finish_open},
    {"bp_open", CLOSED | CLOSES, 0, 0, NULL, act_open, finish_open},
    {"bp_open", CLOSED | CLOSES, 0, 0, prepare_killed, act_open, finish_open},
    {"bp_open", CLOSED | CLOSES, 0, 0, prepare_torn, act_open, finish_open},
    {"bp_open_reader", CLOSED | CLOSES, 0, 0, NULL, act_open_reader, finish_open},
    {"bp_open_reader", CLOSED | CLOSES, 0, 0, prepare_torn, act_open_reader, finish_open},
    {"bp_close", CLOSES, 0, 0, prepare_unsynced, act_close, NULL},
    {"bp_sync", 0, 0, 0, prepare_unsynced, act_sync, NULL},
    {"bp_wait_durable", 0, 0, 0, prepare_unsynced, act_wait_durable, NULL},
    {"bp_seal", 0, 0, 0, prepare_unsynced, act_seal, NULL},
    {"bp_reindex", CLOSED, 0, 0, NULL, act_reindex, NULL},
    {"bp_append", DURABLE, 1, 0, NULL, act_append, NULL},
    {"bp_append", 0, 1, 0, NULL, act_append, NULL},
    {"bp_append", DURABLE | AGAIN, 2, 0, NULL, act_append_new, NULL},
    {"bp_append", DURABLE, 3, 0, NULL, act_append_rotating, NULL},
    {"bp_append", 0, 3, 0, NULL, act_append_rotating, NULL},
    {"bp_append", DURABLE, 0, 0, NULL, act_append_retry, NULL},
    {"bp_append_reaction", DURABLE, 1, 0, NULL, act_append_reaction, NULL},
    {"bp_append_batch", DURABLE | AGAIN, 3, 0, NULL, act_append_batch, NULL},
    {"bp_append_batch", AGAIN, 3, 0, NULL, act_append_batch, NULL},
    {"bp_append_exact", EMPTY | DURABLE, 2, 0, prepare_exact, act_append_exact, finish_exact},
    {"bp_kind_define", DURABLE | AGAIN, 1, 0, NULL, act_kind_define, NULL},
    {"bp_get", BOTH, 0, 0, NULL, act_get, NULL},
    {"bp_get_sequence", BOTH, 0, 0, NULL, act_get_sequence, NULL},
    {"bp_newest", BOTH, 0, 0, NULL, act_newest, NULL},
    {"bp_query", BOTH, 0, 0, NULL, act_query, NULL},
    {"bp_stream", BOTH, 0, 0, NULL, act_stream, NULL},
    {"bp_next", BOTH, 0, 0, prepare_iterator, act_next, finish_iterator},
    {"bp_next_sequence", BOTH, 0, 0, prepare_iterator, act_next_sequence, finish_iterator},
    {"bp_iterator_position", BOTH, 0, 0, prepare_iterator, act_iterator_position, finish_iterator},
    {"bp_count", BOTH, 0, 0, NULL, act_count, NULL},
    {"bp_walk_begin", BOTH, 0, 0, NULL, act_walk_begin, NULL},
    {"bp_walk_next", BOTH, 0, 0, NULL, act_walk_next, NULL},
    {"bp_store_position", BOTH, 0, 0, NULL, act_store_position, NULL},
    {"bp_position_check", BOTH, 0, 0, prepare_position, act_position_check, NULL},
    {"bp_kind_find", BOTH, 0, 0, NULL, act_kind_find, NULL},
    {"bp_kind_name", BOTH, 0, 0, NULL, act_kind_name, NULL},
    {"bp_kind_next_free", BOTH, 0, 0, NULL, act_kind_next_free, NULL},
    {"bp_kinds", BOTH, 0, 0, NULL, act_kinds, NULL},
    {"bp_region_parse", BOTH, 0, 0, NULL, act_region_parse, NULL},
    {"bp_store_stats", BOTH, 0, 0, NULL, act_store_stats, NULL},
    {"bp_segments", BOTH, 0, 0, NULL, act_segments, NULL},
    {"bp_metrics_write", BOTH, 0, 0, NULL, act_metrics_write, NULL},
    {"bp_upcast_register", BOTH, 0, 0, NULL, act_upcast_register, NULL},
    {"bp_verify", CLOSED, 0, 0, NULL, act_verify, NULL},
    {"bp_inspect_recovery", CLOSED, 0, 0, NULL, act_inspect, NULL},
    {"bp_inspect_recovery", CLOSED, 0, 0, prepare_torn, act_inspect, NULL},
    {"bp_repair", CLOSED, 0, BPT_ALSO(BP_ERR_FAILED), NULL, act_repair, NULL},
    {"bp_dump_file", CLOSED, 0, 0, NULL, act_dump_file, NULL},
    {"bp_id_new", NO_IO | CLOSED, 0, 0, NULL, act_id_new, NULL},
};

static void every_call_with_every_failure(void **state)
{
    (void)state;
    bpt_exhaust_rows("store", rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_with_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
