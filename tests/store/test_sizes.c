/*
 * test_sizes.c: structs that begin with their size, as programs give them that were built for an older or a newer version of
 * the library: shorter ones work, longer ones do if what they have more is zero, all else is refused and nothing is done.
 */
#include "support/world.h"

enum { ROOM = 1024, MORE = 24 };

/* What is called with the struct that is tried. */
typedef struct calling {
    bpt_world world;
    bp_store *store;
    bp_receipt first;
    bp_projection projection;
    bp_gate_set *gates;
    unsigned copies;
    bp_error error;
} calling;

typedef bp_status (*call_fn)(calling *c, const void *options);
typedef void (*default_fn)(void *options, size_t size);

/* `shortest`: the size of the struct in its first version; 0: it has not grown since. */
typedef struct sized {
    const char *name;
    size_t shortest;
    size_t present;
    default_fn defaults;
    call_fn call;
} sized;

static const bp_coordinate somewhere = {.entity = {"size:1", 6}, .scope = {"sizes", 5}};

static bp_status call_open(calling *c, const void *options)
{
    bp_store *store = NULL;
    union {
        uint8_t bytes[ROOM];
        bp_options options;
    } own;
    memcpy(own.bytes, options, ROOM);
    own.options.io = c->world.io;
    own.options.keeper = BP_KEEPER_INLINE;
    bp_status status = bp_open("other", &own.options, &store, &c->error);
    return status == BP_OK ? bp_close(store, &c->error) : status;
}

static bp_status call_reader(calling *c, const void *options)
{
    bp_store *store = NULL;
    union {
        uint8_t bytes[ROOM];
        bp_options options;
    } own;
    memcpy(own.bytes, options, ROOM);
    own.options.io = c->world.io;
    bp_status status = bp_open_reader(c->world.path, &own.options, &store, &c->error);
    return status == BP_OK ? bp_close(store, &c->error) : status;
}

static bp_status call_append(calling *c, const void *options)
{
    return bp_append(c->store, somewhere, bp_kind(0xF, 1), bp_json("{}"), options, NULL, &c->error);
}

static bp_status call_append_reaction(calling *c, const void *options)
{
    return bp_append_reaction(c->store, somewhere, bp_kind(0xF, 1), bp_json("{}"), &c->first.id, &c->first.id, 1,
                              options, NULL, &c->error);
}

static bp_status call_batch_item(calling *c, const void *options)
{
    bp_append_options present;
    bp_append_options_init(&present);
    bp_batch_item items[3] = {{somewhere, bp_kind(0xF, 1), bp_json("{}"), &present},
                              {somewhere, bp_kind(0xF, 1), bp_json("{}"), options},
                              {somewhere, bp_kind(0xF, 1), bp_json("{}"), NULL}};
    bp_status status = bp_append_batch(c->store, items, 3, NULL, NULL, &c->error);
    CHECK(status == BP_OK || (c->error.has_index && c->error.index == 1), "the item is not named");
    return status;
}

static bp_status call_batch(calling *c, const void *options)
{
    bp_batch_item item = {somewhere, bp_kind(0xF, 1), bp_json("{}"), NULL};
    return bp_append_batch(c->store, &item, 1, options, NULL, &c->error);
}

static bp_status call_query(calling *c, const void *options)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_status status = bp_query(c->store, NULL, options, &iterator, &c->error);
    if (status == BP_OK) {
        status = bp_next(iterator, &event, &c->error);
        bp_iterator_close(iterator);
    }
    return status;
}

static bp_status call_region(calling *c, const void *options)
{
    uint64_t count = 0;
    return bp_count(c->store, options, &count, &c->error);
}

static bp_status call_walk(calling *c, const void *options)
{
    bp_walk *walk = NULL;
    bp_status status = bp_walk_begin(c->store, &c->first.id, options, &walk, &c->error);
    bp_walk_end(walk);
    return status;
}

static bp_status call_cursor(calling *c, const void *options)
{
    bp_cursor *cursor = NULL;
    bp_status status = bp_cursor_open(c->store, NULL, options, &cursor, &c->error);
    bp_cursor_close(cursor);
    return status;
}

static bp_status call_subscribe(calling *c, const void *options)
{
    bp_subscription *subscription = NULL;
    bp_status status = bp_subscribe(c->store, NULL, options, &subscription, &c->error);
    bp_subscription_close(subscription);
    return status;
}

static bp_status call_consumer(calling *c, const void *options)
{
    bp_consumer *consumer = NULL;
    bp_status status = bp_consumer_open(c->store, "sized", NULL, options, &consumer, &c->error);
    return status == BP_OK ? bp_consumer_close(consumer, &c->error) : status;
}

static bp_status call_verify(calling *c, const void *options)
{
    union {
        uint8_t bytes[ROOM];
        bp_verify_options options;
    } own;
    memcpy(own.bytes, options, ROOM);
    own.options.io = c->world.io;
    return bp_verify(c->world.path, &own.options, NULL, &c->error);
}

static bp_status count_event(void *context, void *state, const bp_event *event, bp_error *error)
{
    (void)context;
    (void)event;
    (void)error;
    ++*(uint64_t *)state;
    return BP_OK;
}

static bp_status call_project(calling *c, const void *options)
{
    uint64_t state = 0;
    bp_projected result;
    return bp_project(c->store, &c->projection, "size:1", options, &state, &result, &c->error);
}

static bp_status call_watch(calling *c, const void *options)
{
    bp_watch *watch = NULL;
    bp_status status = bp_watch_open(c->store, &c->projection, NULL, options, &watch, &c->error);
    bp_watch_close(watch);
    return status;
}

static bp_status call_snapshot(calling *c, const void *options)
{
    char path[32];
    (void)snprintf(path, sizeof path, "copy%u", c->copies++);
    return bp_snapshot(c->store, path, options, NULL, &c->error);
}

static bp_status call_restore(calling *c, const void *options)
{
    union {
        uint8_t bytes[ROOM];
        bp_restore_options options;
    } own;
    char path[32];
    memcpy(own.bytes, options, ROOM);
    own.options.io = c->world.io;
    (void)snprintf(path, sizeof path, "copy%u", c->copies++);
    return bp_restore("source", path, &own.options, NULL, &c->error);
}

static bp_status call_bind(calling *c, const void *options)
{
    bp_binding *binding = NULL;
    bp_status status = bp_gate_bind(c->store, NULL, c->gates, options, &binding, &c->error);
    return status == BP_OK ? bp_gate_unbind(c->store, binding, &c->error) : status;
}

/* What only has a default when it is set. */
static void stats_default(void *options, size_t size)
{
    memset(options, 0, size);
    memcpy(options, &size, sizeof size);
}

#define DEFAULTS(type)                                \
    static void type##_of(void *options, size_t size) \
    {                                                 \
        type##_default(options, size);                \
    }
DEFAULTS(bp_options)
DEFAULTS(bp_append_options)
DEFAULTS(bp_batch_options)
DEFAULTS(bp_query_options)
DEFAULTS(bp_region)
DEFAULTS(bp_walk_options)
DEFAULTS(bp_cursor_options)
DEFAULTS(bp_subscription_options)
DEFAULTS(bp_consumer_options)
DEFAULTS(bp_verify_options)
DEFAULTS(bp_project_options)
DEFAULTS(bp_bind_options)
DEFAULTS(bp_snapshot_options)
DEFAULTS(bp_restore_options)

static const sized all[] = {
    {"bp_open", offsetof(bp_options, incremental_projection), sizeof(bp_options), bp_options_of, call_open},
    {"bp_open_reader", offsetof(bp_options, incremental_projection), sizeof(bp_options), bp_options_of, call_reader},
    {"bp_append", offsetof(bp_append_options, guards), sizeof(bp_append_options), bp_append_options_of, call_append},
    {"bp_append_reaction", offsetof(bp_append_options, guards), sizeof(bp_append_options), bp_append_options_of,
     call_append_reaction},
    {"an item of bp_append_batch", offsetof(bp_append_options, guards), sizeof(bp_append_options), bp_append_options_of,
     call_batch_item},
    {"bp_append_batch", 0, sizeof(bp_batch_options), bp_batch_options_of, call_batch},
    {"bp_query", offsetof(bp_query_options, kinds), sizeof(bp_query_options), bp_query_options_of, call_query},
    {"a region", offsetof(bp_region, tombstoned), sizeof(bp_region), bp_region_of, call_region},
    {"bp_walk_begin", 0, sizeof(bp_walk_options), bp_walk_options_of, call_walk},
    {"bp_cursor_open", offsetof(bp_cursor_options, stored), sizeof(bp_cursor_options), bp_cursor_options_of,
     call_cursor},
    {"bp_subscribe", 0, sizeof(bp_subscription_options), bp_subscription_options_of, call_subscribe},
    {"bp_consumer_open", 0, sizeof(bp_consumer_options), bp_consumer_options_of, call_consumer},
    {"bp_verify", offsetof(bp_verify_options, index_fault), sizeof(bp_verify_options), bp_verify_options_of,
     call_verify},
    {"bp_project", 0, sizeof(bp_project_options), bp_project_options_of, call_project},
    {"bp_watch_open", 0, sizeof(bp_project_options), bp_project_options_of, call_watch},
    {"bp_snapshot", 0, sizeof(bp_snapshot_options), bp_snapshot_options_of, call_snapshot},
    {"bp_restore", 0, sizeof(bp_restore_options), bp_restore_options_of, call_restore},
    {"bp_gate_bind", 0, sizeof(bp_bind_options), bp_bind_options_of, call_bind},
};

static bp_verdict pass(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    (void)denial;
    return BP_VERDICT_PASS;
}

static void begin(calling *c)
{
    memset(c, 0, sizeof *c);
    bpt_world_memory(&c->world);
    c->store = bpt_open(&c->world);
    c->first = bpt_put(c->store, "size:1", "{}");
    c->projection = (bp_projection){.size = sizeof c->projection,
                                    .type = "count",
                                    .flat = true,
                                    .state_size = sizeof(uint64_t),
                                    .apply = count_event};
    bp_gate gate = {.name = "pass", .evaluate = pass};
    CHECK_OK(bp_gate_set_new(&c->gates, &c->error), &c->error);
    CHECK_OK(bp_gate_set_push(c->gates, &gate, &c->error), &c->error);
    CHECK_OK(bp_snapshot(c->store, "source", NULL, NULL, &c->error), &c->error);
}

static void end(calling *c)
{
    bp_gate_set_free(c->gates);
    bpt_close(c->store);
    bpt_world_end(&c->world);
}

/* A struct of that size, on the heap with nothing behind it that was set: 0xEE where no field is. */
static uint8_t *struct_of(const sized *what, size_t size)
{
    uint8_t *bytes = malloc(ROOM);
    memset(bytes, 0xEE, ROOM);
    what->defaults(bytes, size);
    return bytes;
}

static void older_structs_take_the_defaults(void **state)
{
    (void)state;
    calling c;
    begin(&c);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const sized *what = &all[i];
        size_t from = what->shortest != 0 ? what->shortest : what->present;
        for (size_t size = from; size <= what->present; size++) {
            uint8_t *bytes = struct_of(what, size);
            bpt_note("%s with %zu bytes", what->name, size);
            CHECK_OK(what->call(&c, bytes), &c.error);
            free(bytes);
        }
    }
    end(&c);
}

static void newer_structs_work_while_they_ask_for_nothing_new(void **state)
{
    (void)state;
    calling c;
    begin(&c);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const sized *what = &all[i];
        uint8_t *bytes = struct_of(what, what->present + MORE);
        bpt_note("%s", what->name);
        CHECK_OK(what->call(&c, bytes), &c.error);
        for (size_t at = 0; at < MORE; at += MORE - 1) {
            bytes[what->present + at] = 1;
            CHECK_STATUS(BP_ERR_ARGUMENT, what->call(&c, bytes), &c.error);
            CHECK_SAYS(&c.error, "that this version does not have");
            bytes[what->present + at] = 0;
        }
        free(bytes);
    }
    end(&c);
}

static void sizes_that_are_none_are_refused(void **state)
{
    (void)state;
    calling c;
    begin(&c);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const sized *what = &all[i];
        size_t shortest = what->shortest != 0 ? what->shortest : what->present;
        const size_t sizes[] = {0, 1, sizeof(size_t), shortest - 1, 4097, SIZE_MAX / 2, SIZE_MAX};
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            uint8_t *bytes = struct_of(what, what->present);
            memcpy(bytes, &sizes[s], sizeof sizes[s]);
            bpt_note("%s with %zu bytes", what->name, sizes[s]);
            CHECK_STATUS(BP_ERR_ARGUMENT, what->call(&c, bytes), &c.error);
            CHECK_SAYS(&c.error, "start from ");
            free(bytes);
        }
    }
    end(&c);
}

static void stats_fill_what_there_is_room_for(void **state)
{
    (void)state;
    calling c;
    begin(&c);
    bp_stats whole = {.size = sizeof whole};
    CHECK_OK(bp_store_stats(c.store, &whole, &c.error), &c.error);
    const size_t sizes[] = {offsetof(bp_stats, options), sizeof whole - 1, sizeof whole, sizeof whole + MORE};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t bytes[sizeof whole + 2 * MORE];
        memset(bytes, 0xEE, sizeof bytes);
        memcpy(bytes, &sizes[i], sizeof sizes[i]);
        bpt_note("%zu bytes", sizes[i]);
        CHECK_OK(bp_store_stats(c.store, (bp_stats *)(void *)bytes, &c.error), &c.error);
        CHECK(memcmp(bytes, &sizes[i], sizeof sizes[i]) == 0, "the size was changed");
        bp_stats seen = {0};
        memcpy(&seen, bytes, offsetof(bp_stats, options));
        CHECK(seen.events == whole.events && seen.segments == 1, "not filled in");
        for (size_t at = sizeof whole; at < sizes[i]; at++) {
            CHECK(bytes[at] == 0, "what is not known is not zero");
        }
        for (size_t at = sizes[i]; at < sizeof bytes; at++) {
            CHECK(bytes[at] == 0xEE, "written beyond the struct");
        }
    }
    uint8_t small[sizeof whole];
    stats_default(small, offsetof(bp_stats, options) - 1);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_store_stats(c.store, (bp_stats *)(void *)small, &c.error), &c.error);
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(older_structs_take_the_defaults),
        cmocka_unit_test(newer_structs_work_while_they_ask_for_nothing_new),
        cmocka_unit_test(sizes_that_are_none_are_refused),
        cmocka_unit_test(stats_fill_what_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
