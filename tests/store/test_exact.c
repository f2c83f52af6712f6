/*
 * test_exact.c: a store rebuilt from what another one shows is equal, hash by hash; an altered event is refused.
 */
#include "support/workload.h"

typedef struct exported {
    const bp_event **events; /* held */
    size_t count;
} exported;

static exported export_all(bp_store *store)
{
    exported all = {0};
    bp_error error = {0};
    uint64_t published = bp_store_frontiers(store).published;
    all.events = calloc((size_t)published + 1, sizeof *all.events);
    assert_non_null(all.events);
    for (uint64_t sequence = 0; sequence < published; sequence++) {
        CHECK_OK(bp_get_sequence(store, sequence, &all.events[all.count++], &error), &error);
    }
    return all;
}

static void release(exported *all)
{
    for (size_t index = 0; index < all->count; index++) {
        bp_event_release(all->events[index]);
    }
    free(all->events);
}

/* The events of the commit that begins at `first`, as an array. */
static size_t commit(const exported *all, size_t first, bp_event events_out[64])
{
    size_t count = all->events[first]->batch_count;
    assert_true(count <= 64 && first + count <= all->count);
    for (size_t index = 0; index < count; index++) {
        events_out[index] = *all->events[first + index];
    }
    return count;
}

static void import(const exported *all, bp_store *store)
{
    bp_error error = {0};
    bp_event events[64];
    for (size_t first = 0; first < all->count;) {
        size_t count = commit(all, first, events);
        CHECK_OK(bp_append_exact(store, events, count, &error), &error);
        first += count;
    }
}

static void a_rebuilt_store_is_equal(void **state)
{
    bpt_world from;
    bpt_world to;
    bpt_workload *work = calloc(1, sizeof *work);
    bp_verify_report reports[2];
    (void)state;
    assert_non_null(work);
    bpt_world_memory(&from);
    bpt_world_memory(&to);
    bpt_workload_begin(work, &from, bpt_seed(11));
    for (uint64_t step = 0, steps = bpt_amount("BATPAK_STEPS", 1500, 5000); step < steps; step++) {
        bpt_workload_step(work);
    }
    exported all = export_all(work->store);
    bp_store *store = bpt_open(&to);
    import(&all, store);
    work->model.foreign = true; /* positions are the other store's own */
    bpt_compare(&work->model, store, &work->random);
    work->model.foreign = false;
    release(&all);
    bpt_close(store);
    bpt_workload_end(work);
    bpt_world *worlds[2] = {&from, &to};
    for (int index = 0; index < 2; index++) {
        bp_error error = {0};
        bp_verify_options options;
        bp_verify_options_init(&options);
        options.io = worlds[index]->io;
        CHECK_OK(bp_verify("store", &options, &reports[index], &error), &error);
    }
    assert_true(bp_hash_equal(&reports[0].root, &reports[1].root));
    assert_int_equal(reports[0].events, reports[1].events);
    free(work);
    bpt_world_end(&from);
    bpt_world_end(&to);
}

/* Three commits: a single one, a batch of two, a single one. */
static exported make(bpt_world *world, bp_store **store_out)
{
    bp_error error = {0};
    bp_batch_item items[2] = {{bp_at("b", "s"), 0xf001, bp_raw("xyz", 3), NULL},
                              {bp_at("c", "s"), 0xf001, bp_raw("xyz", 3), NULL}};
    bpt_world_memory(world);
    *store_out = bpt_open(world);
    bpt_put(*store_out, "a", "one");
    CHECK_OK(bp_append_batch(*store_out, items, 2, NULL, NULL, &error), &error);
    bpt_put(*store_out, "a", "two");
    return export_all(*store_out);
}

static void an_altered_event_is_refused(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_store *source;
    bp_error error = {0};
    (void)state;
    exported all = make(&from, &source);
    for (int how = 0; how < 12; how++) {
        bp_event event = *all.events[0];
        bpt_note("altered %d", how);
        bpt_world_memory(&to);
        bp_store *store = bpt_open(&to);
        switch (how) {
        case 0:
            event.payload = "One";
            break;
        case 1:
            event.kind = 0xf003;
            break;
        case 2:
            event.time_us++;
            break;
        case 3:
            event.hlc++;
            break;
        case 4:
            event.id.bytes[3] ^= 1;
            event.correlation = event.id;
            break;
        case 5:
            event.salt[0] ^= 1;
            break;
        case 6:
            event.event_hash.bytes[31] ^= 1;
            break;
        case 7:
            event.scope = bp_text_of("other");
            break;
        case 8:
            event.entity = bp_text_of("other");
            break;
        case 9:
            event.payload_version++;
            break;
        case 10:
            event.flags ^= BP_FLAG_REPLAY;
            break;
        default:
            event.payload_type = 200;
            break;
        }
        CHECK_STATUS(BP_ERR_HASH, bp_append_exact(store, &event, 1, &error), &error);
        assert_true(error.has_sequence && error.sequence == 0);
        assert_int_equal(bp_store_frontiers(store).published, 0);
        CHECK_OK(bp_append_exact(store, all.events[0], 1, &error), &error); /* the right one goes in */
        bpt_close(store);
        bpt_world_end(&to);
    }
    bpt_note("%s", "");
    release(&all);
    bpt_close(source);
    bpt_world_end(&from);
}

static void it_goes_on_where_the_store_ends_and_nowhere_else(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_store *source;
    bp_error error = {0};
    bp_event events[64];
    (void)state;
    exported all = make(&from, &source);
    bpt_world_memory(&to);
    bp_store *store = bpt_open(&to);
    bp_status status = bp_append_exact(store, all.events[3], 1, &error);
    CHECK(status != BP_OK, "a gap is accepted");
    CHECK_OK(bp_append_exact(store, all.events[0], 1, &error), &error);
    status = bp_append_exact(store, all.events[0], 1, &error);
    CHECK(status != BP_OK, "an event is accepted twice");
    bpt_close(store);
    store = bpt_open(&to);
    size_t count = commit(&all, 1, events);
    assert_int_equal(count, 2);
    CHECK_OK(bp_append_exact(store, events, count, &error), &error);
    const bp_event *event = NULL;
    CHECK_OK(bp_get_sequence(store, 2, &event, &error), &error);
    assert_int_equal(event->batch, 1);
    assert_int_equal(event->batch_count, 2);
    bp_event_release(event);
    CHECK_OK(bp_append_exact(store, all.events[3], 1, &error), &error);
    assert_int_equal(bp_store_frontiers(store).published, 4);
    bpt_close(store);
    (void)bpt_verify(&to);
    bpt_world_end(&to);
    release(&all);
    bpt_close(source);
    bpt_world_end(&from);
}

static void not_behind_an_ordinary_append(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_store *source;
    bp_error error = {0};
    (void)state;
    exported all = make(&from, &source);
    bpt_world_memory(&to);
    bp_store *store = bpt_open(&to);
    bpt_put(store, "mine", "x");
    bp_status status = bp_append_exact(store, all.events[1], 1, &error);
    assert_true(status == BP_ERR_NOT_EMPTY || status == BP_ERR_HASH);
    assert_int_equal(bp_store_frontiers(store).published, 1);
    bpt_close(store);
    bpt_world_end(&to);
    release(&all);
    bpt_close(source);
    bpt_world_end(&from);
}

/* A log that names a kind twice could not be opened again: such events are refused before anything is written. */
static void a_name_that_is_given_twice_is_refused(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&from);
    bpt_world_memory(&to);
    bp_store *source = bpt_open(&from);
    CHECK_OK(bp_kind_define(source, 0x2001, "order.placed", &error), &error);
    exported all = export_all(source);
    bp_event twice[2] = {*all.events[0], *all.events[0]};
    twice[1].id = bp_id_from("twice", "", 0);
    twice[1].sequence = 1;
    twice[1].clock = 1;
    twice[1].hlc++;
    twice[1].event_hash = bp_event_compute_hash(&twice[1], &twice[0].event_hash);
    bp_store *store = bpt_open(&to);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_append_exact(store, twice, 2, &error), &error);
    assert_string_equal(error.message, "a kind or a name is named twice");
    assert_int_equal(bp_store_frontiers(store).published, 0);
    CHECK_OK(bp_append_exact(store, &twice[0], 1, &error), &error);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_append_exact(store, &twice[1], 1, &error), &error);
    assert_string_equal(bp_kind_name(store, 0x2001), "order.placed");
    bpt_close(store);
    assert_int_equal(bpt_verify(&to), 1);
    release(&all);
    bpt_close(source);
    bpt_world_end(&from);
    bpt_world_end(&to);
}

/* Whatever an event says of itself that no event can: refused with its place, and nothing is written. */
static void what_no_event_can_be_is_refused(void **state)
{
    static const uint8_t one[1] = {0};
    static const char long_name[BP_NAME_MAX + 1] = "a name";
    bpt_world from;
    bpt_world to;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&from);
    bpt_world_memory(&to);
    bp_store *source = bpt_open(&from);
    bpt_put(source, "order:1", "text");
    exported all = export_all(source);
    bp_store *store = bpt_open(&to);
    for (unsigned what = 0; what < 14; what++) {
        bp_event event = *all.events[0];
        const bp_event good = event;
        event.entity.data = what == 0 ? NULL : what == 2 ? long_name : event.entity.data;
        event.entity.size = what == 1 ? 0 : what == 2 ? BP_NAME_MAX + 1 : event.entity.size;
        event.scope.data = what == 3 ? NULL : what == 5 ? long_name : event.scope.data;
        event.scope.size = what == 4 ? 0 : what == 5 ? BP_NAME_MAX + 1 : event.scope.size;
        event.cause_count = what == 6 ? BP_CAUSES_MAX + 1 : what == 7 ? 1 : event.cause_count;
        event.causes = what == 7 ? NULL : event.causes;
        event.payload_size = what == 8 ? (size_t)BP_PAYLOAD_MAX + 1 : event.payload_size;
        event.payload = what == 9 ? NULL : event.payload;
        event.extensions = what == 12 ? NULL : one;
        event.public_extensions_size = what == 10 ? 1u << 20 : what == 12 ? 1 : event.public_extensions_size;
        event.private_extensions_size = what == 11 ? 1u << 20 : event.private_extensions_size;
        event.payload_absent = what == 13; /* and it is there */
        bpt_note("mistake %u", what);
        CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_exact(store, &event, 1, &error), &error);
        assert_true(error.has_sequence && error.sequence == good.sequence && error.has_index && error.index == 0);
        assert_int_equal(bp_store_frontiers(store).published, 0);
    }
    bpt_note("%s", "");
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_exact(store, NULL, 1, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_exact(store, all.events[0], 0, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_append_exact(store, all.events[0], BP_BATCH_MAX + 1, &error), &error);
    import(&all, store);
    bpt_close(store);
    release(&all);
    bpt_close(source);
    bpt_world_end(&from);
    bpt_world_end(&to);
}

/* The last event as it is but for its causes, under the hash that binds them. */
static bp_event with_causes(const exported *all, const bp_id *causes, uint16_t count)
{
    bp_event event = *all->events[all->count - 1];
    event.causes = causes;
    event.cause_count = count;
    assert_int_equal(event.clock, 0);
    event.event_hash = bp_event_compute_hash(&event, NULL);
    return event;
}

static void refused(bp_store *store, bp_status status, const bp_event *event)
{
    bp_error error = {0};
    uint64_t before = bp_store_frontiers(store).published;
    CHECK_STATUS(status, bp_append_exact(store, event, 1, &error), &error);
    assert_int_equal(bp_store_frontiers(store).published, before);
}

/* What verify would call damage is not taken over: causes that are not there, and a TOMBSTONE whose causes are not what it buries. */
static void causes_are_what_verify_asks_for(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_error error = {0};
    bp_tombstone_options what;
    (void)state;
    bpt_world_memory(&from);
    bpt_world_memory(&to);
    bp_store *source = bpt_open(&from);
    bpt_put(source, "a", "one");
    bpt_put(source, "b", "two");
    bpt_put(source, "c", "three");
    exported before = export_all(source);
    bp_id ids[4] = {before.events[0]->id, before.events[2]->id, before.events[1]->id, bp_id_from("none", "x", 1)};
    bp_tombstone_options_init(&what);
    what.ids = ids;
    what.id_count = 2;
    what.reason = what.by = "x";
    CHECK_OK(bp_tombstone(source, &what, NULL, &error), &error);
    exported all = export_all(source);
    bp_store *store = bpt_open(&to);
    import(&before, store);
    bp_id other[] = {ids[1], ids[0], ids[2], ids[0], ids[3], ids[0]};
    bp_event event = with_causes(&all, other, 2); /* in another order */
    refused(store, BP_ERR_FORMAT, &event);
    event = with_causes(&all, other + 2, 2); /* another event */
    refused(store, BP_ERR_FORMAT, &event);
    event = with_causes(&all, ids, 1); /* not all of them */
    refused(store, BP_ERR_FORMAT, &event);
    event = with_causes(&all, other + 4, 2); /* one that is not there */
    refused(store, BP_ERR_CAUSE, &event);
    event = with_causes(&all, ids, 2); /* as it was */
    CHECK_OK(bp_append_exact(store, &event, 1, &error), &error);
    bpt_close(store);
    assert_int_equal(bpt_verify(&to), 4);
    release(&all);
    release(&before);
    bpt_close(source);
    bpt_world_end(&from);
    bpt_world_end(&to);
}

/* The next event in every respect, but that its id was given before; that it says it is encrypted; that an extension of it is none. */
static void what_no_next_event_can_be_is_refused(void **state)
{
    static const uint8_t subject[] = {0x02, 0x80, 5, 0, 'a', 'l', 'i', 'c', 'e'};
    static const uint8_t lane[] = {1, 0, 3, 0, 0, 0, 0};
    bpt_world from;
    bpt_world to;
    bp_store *source = NULL;
    bp_error error = {0};
    (void)state;
    exported all = make(&from, &source);
    bpt_world_memory(&to);
    bp_store *store = bpt_open(&to);
    import(&all, store);
    bp_event next = *all.events[3];
    next.sequence = 4;
    next.clock = 2;
    next.hlc++;
    refused(store, BP_ERR_IDEMPOTENCY, &next);
    next.id = bp_id_from("exact", "fresh", 5);
    next.correlation = next.id;
    next.extensions = subject;
    next.private_extensions_size = sizeof subject;
    next.event_hash = bp_event_compute_hash(&next, &all.events[3]->event_hash);
    refused(store, BP_ERR_FORMAT, &next);
    next.private_extensions_size = 0;
    next.extensions = lane; /* of three bytes */
    next.public_extensions_size = sizeof lane;
    next.event_hash = bp_event_compute_hash(&next, &all.events[3]->event_hash);
    refused(store, BP_ERR_FORMAT, &next);
    next.public_extensions_size = 0;
    next.hlc = UINT64_C(253402300800000) << 16; /* the year 10000: nothing might be left for what follows */
    next.event_hash = bp_event_compute_hash(&next, &all.events[3]->event_hash);
    refused(store, BP_ERR_HASH, &next);
    next.hlc--;
    next.event_hash = bp_event_compute_hash(&next, &all.events[3]->event_hash);
    CHECK_OK(bp_append_exact(store, &next, 1, &error), &error);
    bp_append_options own; /* the worlds draw the same ids */
    bp_append_options_init(&own);
    own.id = bp_id_from("exact", "behind", 6);
    bpt_put_with(store, "alice", "behind the last moment", &own);
    bpt_close(store);
    assert_int_equal(bpt_verify(&to), 6);
    release(&all);
    bpt_close(source);
    bpt_world_end(&from);
    bpt_world_end(&to);
}

enum { MANY = 500 };

/* One id in two events of one commit, wherever they stand. */
static void an_id_twice_in_one_commit_is_refused(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_error error = {0};
    static bp_event events[MANY];
    static const bp_event *held[MANY];
    (void)state;
    bpt_world_memory(&from);
    bpt_world_memory(&to);
    bp_store *source = bpt_open(&from);
    bp_store *store = bpt_open(&to);
    for (unsigned i = 0; i < MANY; i++) {
        bpt_put(source, "a", "one");
        CHECK_OK(bp_get_sequence(source, i, &held[i], &error), &error);
    }
    static const unsigned twice[3][2] = {{0, 1}, {7, MANY - 1}, {0, MANY - 1}};
    for (unsigned how = 0; how < 3; how++) {
        bp_hash previous = {{0}};
        for (unsigned i = 0; i < MANY; i++) {
            events[i] = *held[i];
            events[i].id = held[i == twice[how][1] ? twice[how][0] : i]->id;
            events[i].correlation = events[i].id;
            events[i].event_hash = bp_event_compute_hash(&events[i], i == 0 ? NULL : &previous);
            previous = events[i].event_hash;
        }
        CHECK_STATUS(BP_ERR_IDEMPOTENCY, bp_append_exact(store, events, MANY, &error), &error);
        assert_true(error.has_index && error.index == twice[how][1]);
        assert_int_equal(bp_store_frontiers(store).published, 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        events[i] = *held[i];
    }
    CHECK_OK(bp_append_exact(store, events, MANY, &error), &error);
    for (unsigned i = 0; i < MANY; i++) {
        bp_event_release(held[i]);
    }
    bpt_close(source);
    bpt_close(store);
    assert_int_equal(bpt_verify(&to), MANY);
    bpt_world_end(&from);
    bpt_world_end(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rebuilt_store_is_equal),
        cmocka_unit_test(an_altered_event_is_refused),
        cmocka_unit_test(it_goes_on_where_the_store_ends_and_nowhere_else),
        cmocka_unit_test(not_behind_an_ordinary_append),
        cmocka_unit_test(a_name_that_is_given_twice_is_refused),
        cmocka_unit_test(an_id_twice_in_one_commit_is_refused),
        cmocka_unit_test(what_no_event_can_be_is_refused),
        cmocka_unit_test(causes_are_what_verify_asks_for),
        cmocka_unit_test(what_no_next_event_can_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
