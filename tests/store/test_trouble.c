/*
 * test_trouble.c: everything that only reads, over stores of every kind, while one reading call fails, is short or has a flipped
 * bit, or memory runs out. It gives the answer of quiet times, or an error of a right name, with words; after it nothing is
 * left over, and the store is as it was.
 */
#include <errno.h>

#include "io/fault_memory.h"
#include "support/world.h"

typedef enum trouble {
    QUIET,
    READ_FAILS,
    NO_MEMORY,
    NO_MEMORY_ANY_MORE,
    READ_SHORT, /* from here on it may be told of as damage */
    READ_FLIPS,
    TROUBLES
} trouble;

/* ---- stores ---- */

static const char *const entities[] = {"one", "two", "three:1", "three:2"};

static bp_receipt put(bp_store *store, unsigned i, const bp_id *cause, const char *kind_name)
{
    bp_append_options options;
    char text[64];
    bp_append_options_init(&options);
    options.causes = cause;
    options.cause_count = cause != NULL;
    options.kind_name = kind_name;
    options.lane = i % 3;
    (void)snprintf(text, sizeof text, "what event %u says", i);
    return bpt_put_with(store, entities[i % 4], text, &options);
}

/* Events of four entities, in chains of causes, a batch, a named kind. */
static void put_some(bp_store *store)
{
    bp_error error = {0};
    bp_receipt last = put(store, 0, NULL, "a.name");
    for (unsigned i = 1; i < 9; i++) {
        last = put(store, i, i % 4 == 0 ? NULL : &last.id, NULL);
    }
    bp_batch_item items[3];
    for (unsigned i = 0; i < 3; i++) {
        items[i] = (bp_batch_item){bp_at(entities[i], "s"), 0xf003, bp_raw("in a batch", 10), NULL};
    }
    CHECK_OK(bp_append_batch(store, items, 3, NULL, NULL, &error), &error);
}

static void seal(bp_store *store)
{
    bp_error error = {0};
    CHECK_OK(bp_seal(store, &error), &error);
}

static void make_sealed(bpt_world *world)
{
    bp_store *store = bpt_open(world);
    for (int i = 0; i < 3; i++) {
        put_some(store);
        seal(store);
    }
    put_some(store);
    bpt_close(store);
}

/* Without index files: the log is read. */
static void remove_index(void *argument, const char *name, const uint8_t *data, size_t size)
{
    char(*names)[64] = argument;
    (void)data;
    (void)size;
    for (unsigned i = 0; i < 16 && strncmp(name, "index/", 6) == 0; i++) {
        if (names[i][0] == '\0') {
            (void)snprintf(names[i], sizeof names[i], "%s", name);
            return;
        }
    }
}

static void make_unindexed(bpt_world *world)
{
    char names[16][64] = {""};
    make_sealed(world);
    bpt_file_each(world, remove_index, names);
    for (unsigned i = 0; i < 16 && names[i][0] != '\0'; i++) {
        bpt_file_remove(world, names[i]);
    }
    assert_true(names[0][0] != '\0');
}

/* Dropped, tombstoned and erased events. */
static void make_rewritten(bpt_world *world)
{
    bp_error error = {0};
    bp_region two = bp_region_stream("two");
    bp_store *store = bpt_open(world);
    put_some(store);
    seal(store);
    put_some(store);
    seal(store);
    bp_compact_options drop;
    bp_compact_options_init(&drop);
    drop.drop = &two;
    drop.drop_count = 1;
    CHECK_OK(bp_compact(store, &drop, NULL, &error), &error);
    bp_id buried = put(store, 0, NULL, NULL).id;
    bp_tombstone_options bury;
    bp_tombstone_options_init(&bury);
    bury.ids = &buried;
    bury.id_count = 1;
    bury.reason = "entered twice";
    bury.by = "a clerk";
    CHECK_OK(bp_tombstone(store, &bury, NULL, &error), &error);
    bp_erase_options erase;
    bp_erase_options_init(&erase);
    bp_id erased = put(store, 2, NULL, NULL).id;
    erase.ids = &erased;
    erase.id_count = 1;
    erase.reason = "asked for";
    erase.by = "a clerk";
    CHECK_OK(bp_erase(store, &erase, NULL, &error), &error);
    put_some(store);
    bpt_close(store);
}

static bool stop_at_once(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    (void)what;
    (void)done;
    (void)total;
    return false;
}

/* An erasure on record that the next opening has to finish. */
static void make_erasing(bpt_world *world)
{
    bp_error error = {0};
    bp_region one = bp_region_stream("one");
    bp_store *store = bpt_open(world);
    put_some(store);
    bp_erase_options erase;
    bp_erase_options_init(&erase);
    erase.region = &one;
    erase.reason = "asked for";
    erase.by = "a clerk";
    erase.progress = stop_at_once;
    CHECK_STATUS(BP_END, bp_erase(store, &erase, NULL, &error), &error);
    bpt_close(store);
}

static void make_killed(bpt_world *world)
{
    bp_error error = {0};
    world->options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(world);
    put_some(store);
    CHECK_OK(bp_sync(store, &error), &error);
    put_some(store);
    bpi_fault_process_kill(world->fault);
    (void)bp_close(store, NULL);
}

/* Cut by a power cut, and opened since: there is evidence. */
static void make_torn(bpt_world *world)
{
    char text[4000];
    bp_append_options lazy;
    bp_append_options_init(&lazy);
    lazy.durability = BP_BUFFERED;
    memset(text, 'z', sizeof text);
    text[sizeof text - 1] = '\0';
    bp_store *store = bpt_open(world);
    bpt_put(store, "one", "durable");
    bpt_put_with(store, "one", text, &lazy);
    bpt_tear(world, 1);
    (void)bp_close(store, NULL);
    store = bpt_open(world);
    put_some(store);
    bpt_close(store);
}

/* ---- what reads ---- */

typedef struct scene {
    bpt_world world;
    bpi_fault_memory memory;
    bp_error error;
    uint64_t digest; /* of the answer */
    char files[64][64];
    size_t file_count;
} scene;

static void add(scene *s, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        s->digest = (s->digest ^ ((const uint8_t *)bytes)[i]) * UINT64_C(1099511628211);
    }
}

static void add_text(scene *s, const char *text)
{
    if (text != NULL) {
        add(s, text, strlen(text) + 1);
    }
}

static void add_number(scene *s, uint64_t number)
{
    add(s, &number, sizeof number);
}

static int see_field(void *argument, const bp_field *field)
{
    scene *s = argument;
    add_text(s, field->group);
    add_text(s, field->name);
    add_text(s, field->value);
    add_number(s, field->offset);
    return 0;
}

static bp_status dump_all(scene *s)
{
    bp_status status = BP_OK;
    for (size_t i = 0; i < s->file_count && status == BP_OK; i++) {
        status = bp_dump_file(s->world.path, s->files[i], s->world.io, see_field, s, &s->error);
    }
    return status;
}

/* Which files it would read depends on those of the index: no part of the answer. */
static int see_step(void *context, const bp_recovery_step *step)
{
    (void)context;
    assert_true(step->file != NULL);
    return 0;
}

static bp_status inspect(scene *s)
{
    bp_inspection seen;
    bp_status status = bp_inspect_recovery(s->world.path, &s->world.options, see_step, s, &seen, &s->error);
    if (status == BP_OK) {
        add_number(s, seen.verdict);
        add_number(s, seen.events);
        add_number(s, seen.end);
        add_number(s, seen.cut_bytes);
    }
    return status;
}

static int see_fault(void *context, const bp_fault *fault)
{
    add_text(context, fault->what);
    return 0;
}

static bp_status verify(scene *s)
{
    bp_verify_options options;
    bp_verify_report report = {0};
    bp_verify_options_init(&options);
    options.io = s->world.io;
    options.allocator = &s->memory.table;
    options.fault = see_fault;
    options.fault_context = s;
    bp_status status = bp_verify(s->world.path, &options, &report, &s->error);
    if (status == BP_OK) {
        add_number(s, report.events);
        add_number(s, report.faults);
        add(s, &report.root, sizeof report.root);
    }
    return status;
}

static void see_note(void *context, const bp_repair_note *note)
{
    add_number(context, note->kind);
    add_number(context, note->first);
    add_number(context, note->last);
    add_text(context, note->what);
}

static bp_status repair(scene *s)
{
    bp_repair_options options;
    bp_repair_report report = {0};
    bp_repair_options_init(&options);
    options.io = s->world.io;
    options.allocator = &s->memory.table;
    options.dry_run = true;
    options.note = see_note;
    options.note_context = s;
    bp_status status = bp_repair(s->world.path, NULL, &options, &report, &s->error);
    if (status == BP_OK) {
        add_number(s, report.events);
        add_number(s, report.lost);
    }
    return status;
}

static void add_event(scene *s, const bp_event *event)
{
    add_number(s, event->sequence);
    add(s, &event->event_hash, sizeof event->event_hash);
    add(s, event->payload, event->payload_size);
}

static bp_status ask(scene *s, bp_store *store, const bp_region *region, const bp_query_options *options)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_status status = bp_query(store, region, options, &iterator, &s->error);
    while (status == BP_OK && (status = bp_next(iterator, &event, &s->error)) == BP_OK) {
        add_event(s, event);
    }
    bp_iterator_close(iterator);
    return status == BP_END ? BP_OK : status;
}

enum { REGIONS = 12 };

static void region_of(unsigned which, const bp_event *some, bp_region *region)
{
    *region = bp_region_all();
    switch (which) {
    case 0:
        *region = bp_region_stream("one");
        break;
    case 1:
        bp_region_set_prefix(region, bp_text_of("three"));
        break;
    case 2:
        *region = bp_region_by_kind(0xf003);
        break;
    case 3:
        bp_region_set_category(region, 0xf);
        break;
    case 4:
        *region = bp_region_by_correlation(&some->correlation);
        break;
    case 5:
        *region = bp_region_effects_of(&some->id);
        break;
    case 6:
        bp_region_set_committed(region, some->hlc, some->hlc + 20);
        break;
    case 7:
        bp_region_set_time_us(region, some->time_us, some->time_us + 100);
        break;
    case 8:
        bp_region_set_tombstoned(region, true);
        break;
    case 9:
        bp_region_set_clock(region, 1, 2);
        bp_region_set_scope(region, bp_text_of("s"));
        break;
    case 10:
        bp_region_set_lane(region, 1);
        break;
    default:
        bp_region_set_system(region, true);
        break;
    }
}

static bp_status ask_all(scene *s, bp_store *store, const bp_event *some)
{
    static const bp_kind_code kinds[] = {0xf001, 0xf003};
    bp_query_options options;
    bp_region region;
    bp_status status = BP_OK;
    bp_query_options_init(&options);
    for (unsigned which = 0; which < REGIONS && status == BP_OK; which++) {
        region_of(which, some, &region);
        options.backward = which % 2 == 1;
        options.kinds = which == 1 ? kinds : NULL;
        options.kind_count = which == 1 ? 2 : 0;
        status = ask(s, store, &region, &options);
        uint64_t count = 0;
        if (status == BP_OK) {
            status = bp_count(store, &region, &count, &s->error);
            add_number(s, count);
        }
    }
    return status;
}

static bp_status walk_all(scene *s, bp_store *store, const bp_id *id)
{
    bp_walk_options options;
    bp_status status = BP_OK;
    bp_walk_options_init(&options);
    for (unsigned kind = BP_WALK_CHAIN; kind <= BP_WALK_CORRELATION && status == BP_OK; kind++) {
        bp_walk *walk = NULL;
        const bp_event *event = NULL;
        uint32_t depth = 0;
        options.kind = (bp_walk_kind)kind;
        options.verify = kind == BP_WALK_CHAIN;
        status = bp_walk_begin(store, id, &options, &walk, &s->error);
        while (status == BP_OK && (status = bp_walk_next(walk, &event, &depth, &s->error)) == BP_OK) {
            add_event(s, event);
            add_number(s, depth);
        }
        if (status == BP_END) {
            add_text(s, bp_walk_stop_text(bp_walk_reason(walk)));
            status = BP_OK;
        }
        bp_walk_end(walk);
    }
    return status;
}

static bp_status read_all(scene *s)
{
    bp_store *store = NULL;
    const bp_event *some = NULL;
    bp_region region = bp_region_stream("three:1");
    bp_stats stats = {.size = sizeof stats};
    bp_status status = bp_open_reader(s->world.path, &s->world.options, &store, &s->error);
    if (status == BP_OK) {
        status = bp_newest(store, &region, &some, &s->error);
    }
    if (status == BP_OK) {
        status = ask_all(s, store, some);
    }
    if (status == BP_OK) {
        status = walk_all(s, store, &some->id);
    }
    if (status == BP_OK) {
        status = bp_store_stats(store, &stats, &s->error);
        add_number(s, stats.events);
        add_number(s, stats.entities);
    }
    bp_event_release(some);
    (void)bp_close(store, NULL);
    return status;
}

/* Followers stay where they are when something fails, and are asked once more. */
static bool again(bp_status status, bool *retried)
{
    bool now = (status == BP_ERR_IO || status == BP_ERR_NO_MEMORY) && !*retried;
    *retried = *retried || now;
    return now;
}

static bp_status go_along(scene *s, bp_store *store, const bp_region *region, bool by_kinds, bool *retried)
{
    static const bp_kind_code kinds[] = {0xf001, 0xf003};
    bp_cursor_options options;
    bp_cursor *cursor = NULL;
    const bp_event *event = NULL;
    bp_position position;
    bp_lag lag = {0};
    bp_cursor_options_init(&options);
    options.kinds = by_kinds ? kinds : NULL;
    options.kind_count = by_kinds ? 2 : 0;
    bp_status status = bp_cursor_open(store, region, &options, &cursor, &s->error);
    if (again(status, retried)) {
        status = bp_cursor_open(store, region, &options, &cursor, &s->error);
    }
    while (status == BP_OK) {
        status = bp_cursor_next(cursor, &event, &s->error);
        if (status == BP_OK) {
            add_event(s, event);
        } else if (again(status, retried)) {
            status = BP_OK;
        }
    }
    if (status == BP_END) {
        status = bp_cursor_lag(cursor, &lag, &s->error);
        add_number(s, lag.events);
    }
    if (status == BP_OK) {
        status = bp_cursor_position(cursor, &position, &s->error);
    }
    if (status == BP_OK) {
        status = bp_cursor_seek(cursor, &position, &s->error);
    }
    bp_cursor_close(cursor);
    return status;
}

static bool is_long(void *context, const bp_event *event)
{
    (void)context;
    return event->payload_size > 10;
}

static bp_status listen(scene *s, bp_store *store, const bp_region *region, bool latest, bool *retried)
{
    bp_subscription_options options;
    bp_subscription *subscription = NULL;
    bp_delivery delivery;
    bp_lag lag = {0};
    bp_subscription_options_init(&options);
    options.replay = true;
    options.latest = latest;
    options.filter = latest ? NULL : is_long;
    bp_status status = bp_subscribe(store, region, &options, &subscription, &s->error);
    while (status == BP_OK) {
        status = bp_subscription_next(subscription, 0, &delivery, &s->error);
        if (status == BP_OK) {
            add_event(s, &delivery.event);
            add_number(s, delivery.skipped);
        } else if (again(status, retried)) {
            status = BP_OK;
        }
    }
    if (status == BP_ERR_TIMEOUT) {
        status = bp_subscription_lag(subscription, &lag, &s->error);
        add_number(s, lag.events);
    }
    bp_subscription_close(subscription);
    return status;
}

static bp_status follow(scene *s)
{
    bp_store *store = NULL;
    bool retried = false;
    bp_region three = bp_region_all();
    bp_region one = bp_region_stream("one");
    bp_region_set_prefix(&three, bp_text_of("three"));
    bp_status status = bp_open_reader(s->world.path, &s->world.options, &store, &s->error);
    if (status == BP_OK) {
        status = go_along(s, store, &three, false, &retried);
    }
    if (status == BP_OK) {
        status = go_along(s, store, NULL, true, &retried);
    }
    if (status == BP_OK) {
        status = listen(s, store, &one, false, &retried);
    }
    if (status == BP_OK) {
        status = listen(s, store, &three, true, &retried);
    }
    (void)bp_close(store, NULL);
    return status;
}

/* ---- trouble ---- */

typedef struct reading {
    const char *name;
    bp_status (*act)(scene *s);
} reading;

static const reading readings[] = {{"dump", dump_all}, {"inspect", inspect}, {"verify", verify},
                                   {"repair", repair}, {"read", read_all},   {"follow", follow}};

typedef struct kind_of_store {
    const char *name;
    void (*make)(bpt_world *world);
} kind_of_store;

static const kind_of_store stores[] = {{"sealed", make_sealed},       {"unindexed", make_unindexed},
                                       {"rewritten", make_rewritten}, {"erasing", make_erasing},
                                       {"killed", make_killed},       {"torn", make_torn}};

static void note_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    scene *s = argument;
    (void)data;
    (void)size;
    if (strchr(name, '/') == NULL || strncmp(name, "log/", 4) == 0) {
        assert_true(s->file_count < 64);
        (void)snprintf(s->files[s->file_count++], sizeof s->files[0], "%s", name);
    }
}

typedef struct outcome {
    bp_status status;
    uint64_t digest;
    bool reached; /* the call that was to fail */
} outcome;

static outcome run(const bpi_fault *prepared, const reading *what, trouble how, uint64_t nth)
{
    scene s = {.digest = UINT64_C(14695981039346656037)};
    bpt_world_adopt(&s.world, bpi_fault_clone(prepared));
    bpt_file_each(&s.world, note_file, &s);
    bpi_fault_memory_init(&s.memory);
    s.world.options.allocator = &s.memory.table;
    if (how == NO_MEMORY || how == NO_MEMORY_ANY_MORE) {
        s.memory.fails_at = nth;
        s.memory.persistent = how == NO_MEMORY_ANY_MORE;
    } else if (how != QUIET) {
        bpi_fault_set_plan(s.world.fault, &(bpi_fault_plan){.read_call = nth,
                                                            .os_error = how == READ_FAILS ? EIO : 0,
                                                            .read_flips_bit = how == READ_FLIPS});
    }
    outcome out = {.status = what->act(&s)};
    out.digest = s.digest;
    out.reached = s.memory.fails_at != 0 ? s.memory.calls >= nth : bpi_fault_reads(s.world.fault) >= nth;
    CHECK(out.status == BP_OK || s.error.message[0] != '\0', "no words for %s", bp_status_name(out.status));
    CHECK(s.memory.bytes == 0, "%llu bytes are not given back", (unsigned long long)s.memory.bytes);
    bpt_world_end(&s.world);
    return out;
}

static bool may_be_answered(trouble how, bp_status status)
{
    switch (how) {
    case READ_FAILS:
        return status == BP_ERR_IO;
    case NO_MEMORY:
    case NO_MEMORY_ANY_MORE:
        return status == BP_ERR_NO_MEMORY;
    default: /* other bytes than were written */
        return status == BP_ERR_IO || status == BP_ERR_CORRUPT || status == BP_ERR_VERSION ||
               status == BP_ERR_NOT_FOUND || status == BP_ERR_UNSUPPORTED || status == BP_ERR_FORMAT;
    }
}

/* What `live` alone vouches for is not shown as long as that cannot be read. */
static outcome without_live(const bpi_fault *prepared, const reading *what)
{
    bpt_world world;
    bpt_world_adopt(&world, bpi_fault_clone(prepared));
    bpt_file_remove(&world, "live");
    outcome out = run(world.fault, what, QUIET, 0);
    bpt_world_end(&world);
    return out;
}

static uint64_t all_of(const bpi_fault *prepared, const char *store, const reading *what)
{
    uint64_t runs = 0;
    bpt_note("%s of a store that is %s", what->name, store);
    outcome quiet = run(prepared, what, QUIET, 0);
    CHECK(quiet.status == BP_OK, "in quiet times it says %s", bp_status_name(quiet.status));
    outcome unvouched = without_live(prepared, what);
    for (trouble how = READ_FAILS; how < TROUBLES; how++) {
        bool reached = true;
        for (uint64_t nth = 1; reached; runs++, nth += bpt_instrumented() ? 7 : 1 + nth / 24) {
            bpt_note("%s of a store that is %s, trouble %d, at call %llu", what->name, store, (int)how,
                     (unsigned long long)nth);
            outcome out = run(prepared, what, how, nth);
            reached = out.reached;
            CHECK(out.status == BP_OK || may_be_answered(how, out.status), "it says %s", bp_status_name(out.status));
            CHECK(out.status != BP_OK || how >= READ_SHORT || out.digest == quiet.digest ||
                      (unvouched.status == BP_OK && out.digest == unvouched.digest),
                  "it is answered otherwise");
        }
    }
    return runs;
}

static void what_reads_is_right_or_says_why_not(void **state)
{
    uint64_t runs = 0;
    (void)state;
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        bpt_world world;
        bpt_note("making the store that is %s", stores[i].name);
        bpt_world_fault(&world);
        stores[i].make(&world);
        for (size_t k = 0; k < sizeof readings / sizeof *readings; k++) {
            runs += all_of(world.fault, stores[i].name, &readings[k]);
        }
        bpt_world_end(&world);
    }
    print_message("%llu runs\n", (unsigned long long)runs);
    assert_true(runs > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_reads_is_right_or_says_why_not)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
