/*
 * test_index.c: the writer's half: names, blocks, publishing, ids, sealing, taking rows back, and memory that runs out.
 */
#include "index/world.h"

static model_event plain(world *w, const char *entity, uint64_t number)
{
    (void)w;
    return (model_event){
        .id = world_id(number),
        .correlation = world_id(number),
        .entity = entity,
        .scope = "s",
        .hlc = 1000 + number,
        .batch = number,
        .batch_count = 1,
    };
}

static void append_plain(world *w, const char *entity)
{
    world_append(w, plain(w, entity, bpi_index_next(w->index)));
}

static void names_are_found_again(void **state)
{
    (void)state;
    world w;
    char name[64];
    world_begin(&w, BP_LAYOUT_DEFAULT);
    for (int i = 0; i < 5000; i++) {
        int size = snprintf(name, sizeof name, i % 10 == 0 ? "%050d" : "n%d", i);
        assert_null(bpi_index_find_entity(w.index, (bp_text){name, (size_t)size}));
        bpi_entity *entity = world_take(&w, (bp_text){name, (size_t)size});
        if (entity == NULL) {
            fail();
            return;
        }
        assert_true(entity->number == BPI_NO_NUMBER); /* before its first event */
        assert_int_equal(entity->place, i);
        assert_int_equal(entity->head.events, 0);
        assert_true(entity->head.last == BP_NONE);
    }
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof name, i % 10 == 0 ? "%050d" : "n%d", i);
        assert_int_equal(bpi_index_find_entity(w.index, bp_text_of(name))->place, i);
    }
    bpi_entity *scopes[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(bpi_index_take_scope(w.index, bp_text_of(i == 1 ? "b" : "a"), &scopes[i], NULL), BP_OK);
    }
    assert_ptr_equal(scopes[0], scopes[2]);
    assert_ptr_not_equal(scopes[0], scopes[1]);
    world_end(&w);
}

static void entities_are_taken_out_newest_first(void **state)
{
    (void)state;
    world w;
    char name[32];
    bpi_entity *added[300];
    dice d = {3};
    world_begin(&w, BP_LAYOUT_DEFAULT);
    uint64_t before = 0;
    for (int round = 0; round < 200; round++) {
        int count = 1 + (int)below(&d, 300);
        for (int i = 0; i < count; i++) {
            (void)snprintf(name, sizeof name, "%d-%d", round, i);
            added[i] = world_entity(&w, name);
            assert_int_equal(added[i]->place, i);
        }
        for (int i = count - 1; i >= 0; i--) {
            bpi_index_undo_entity(w.index, added[i]);
            (void)snprintf(name, sizeof name, "%d-%d", round, i);
            assert_null(bpi_index_find_entity(w.index, bp_text_of(name)));
            for (int other = 0; other < i; other += 1 + (int)below(&d, 1 + (uint32_t)i / 4)) {
                (void)snprintf(name, sizeof name, "%d-%d", round, other);
                assert_ptr_equal(bpi_index_find_entity(w.index, bp_text_of(name)), added[other]);
            }
        }
        bpi_index_counts counts;
        bpi_index_count(w.index, &counts);
        assert_int_equal(counts.entities, 0);
        if (round == 100) {
            before = counts.bytes;
        }
        assert_true(round <= 100 || counts.bytes <= before + 16384);
    }
    world_end(&w);
}

static void nothing_is_seen_before_it_is_published(void **state)
{
    (void)state;
    world w;
    world_begin(&w, BP_LAYOUT_DEFAULT);
    assert_true(world_rotate(&w));
    append_plain(&w, "a");
    bp_id id = world_id(0);
    uint64_t sequence = 9;
    bpi_view *view = bpi_view_pin(w.index);
    assert_int_equal(bpi_view_end(view), 0);
    assert_false(world_find(view, &id, &sequence));
    assert_int_equal(bpi_index_find_id(w.index, &id, &sequence, NULL), BP_OK); /* the writer sees it */
    assert_int_equal(sequence, 0);
    bpi_index_publish(w.index, 1);
    assert_false(world_find(view, &id, &sequence)); /* pinned before */
    bpi_view_drop(view);
    view = bpi_view_pin(w.index);
    assert_true(world_find(view, &id, &sequence));
    bpi_view_drop(view);
    world_end(&w);
}

static void rows_are_located(void **state)
{
    (void)state;
    dice d = {5};
    world w;
    world_begin(&w, BP_LAYOUT_AOSOA8);
    world_history(&w, &d, 3000, 50);
    for (uint64_t i = 0; i < w.count; i++) {
        bpi_segment *segment = NULL;
        uint32_t offset = 0;
        assert_true(bpi_index_locate(w.index, i, &segment, &offset));
        assert_ptr_equal(segment, w.events[i].segment);
        assert_int_equal(offset, w.events[i].offset);
    }
    bpi_segment *segment = NULL;
    uint32_t offset = 0;
    assert_false(bpi_index_locate(w.index, w.count, &segment, &offset));
    assert_int_equal(bpi_index_block_rows(w.index, 99), 0);
    size_t rows = 0;
    for (uint32_t ordinal = 0; ordinal < w.ordinal; ordinal++) {
        rows += bpi_index_block_rows(w.index, ordinal);
    }
    assert_int_equal(rows, w.count);
    world_end(&w);
}

static void counts_are_kept(void **state)
{
    (void)state;
    world w;
    world_begin(&w, BP_LAYOUT_AOSOA64);
    assert_true(world_rotate(&w));
    for (int i = 0; i < 130; i++) {
        append_plain(&w, i % 2 ? "a" : "b");
    }
    bpi_index_counts counts;
    bpi_index_count(w.index, &counts);
    assert_int_equal(counts.entities, 2);
    assert_int_equal(counts.scopes, 1);
    assert_int_equal(counts.tile_count, 3);
    assert_true(counts.bytes > 130 * 48);
    world_end(&w);
}

static void a_block_takes_no_more_rows_than_it_was_made_for(void **state)
{
    (void)state;
    world w;
    world_begin(&w, BP_LAYOUT_DEFAULT);
    assert_false(bpi_index_reserve(w.index, 1)); /* no block yet */
    w.max_rows = 100;
    assert_true(world_rotate(&w));
    assert_true(bpi_index_reserve(w.index, 100));
    assert_false(bpi_index_reserve(w.index, 4097));
    world_end(&w);
}

static void check_head(world *w, const char *name)
{
    const model_event *last = NULL;
    for (size_t i = 0; i < w->count; i++) {
        last = strcmp(w->events[i].entity, name) == 0 ? &w->events[i] : last;
    }
    const bpi_entity *entity = bpi_index_find_entity(w->index, bp_text_of(name));
    assert_int_equal(entity->head.events, last == NULL ? 0 : last->clock + 1);
    assert_true(entity->head.last == (last == NULL ? BP_NONE : last->sequence));
    assert_true(atomic_load(&entity->last) == entity->head.last);
    if (last != NULL) {
        assert_memory_equal(&entity->head.hash, &last->hash, sizeof last->hash);
    }
}

/* Everything found where it should be, chains included. */
static void check_all(world *w)
{
    bpi_view *view = bpi_view_pin(w->index);
    assert_int_equal(bpi_view_end(view), w->count);
    for (uint64_t i = 0; i < w->count; i++) {
        uint64_t sequence = 0;
        bp_event event;
        assert_true(world_find(view, &w->events[i].id, &sequence));
        assert_int_equal(sequence, i);
        assert_int_equal(bpi_view_event(view, i, &event, NULL), BP_OK);
        assert_int_equal(event.position >> 32, w->events[i].segment->ordinal);
        uint64_t previous = BP_NONE;
        for (uint64_t at = i; at > 0 && previous == BP_NONE; at--) {
            previous = strcmp(w->events[at - 1].entity, w->events[i].entity) == 0 ? at - 1 : BP_NONE;
        }
        uint64_t told = 0;
        assert_int_equal(bpi_view_previous(view, i, &told, NULL), BP_OK);
        assert_true(told == previous);
    }
    bpi_view_drop(view);
}

static uint64_t count_prefix(bpi_view *view, const char *prefix)
{
    bp_region region = {.size = sizeof region, .fields = BP_REGION_ENTITY | BP_REGION_PREFIX};
    bpi_scan *scan = NULL;
    uint64_t sequence = 0;
    uint64_t count = 0;
    region.entity = bp_text_of(prefix);
    assert_int_equal(bpi_scan_begin(view, &region, NULL, &scan, NULL), BP_OK);
    while (bpi_scan_next(scan, &sequence, NULL, NULL) == BP_OK) {
        count++;
    }
    bpi_scan_end(scan);
    return count;
}

static void rows_taken_back_are_gone(uint64_t seed, bp_layout layout, uint32_t sealed)
{
    dice d = {seed};
    world w;
    world_begin(&w, layout);
    world_history(&w, &d, 600, sealed);
    for (int round = 0; round < 12; round++) {
        bpi_view *old = bpi_view_pin(w.index);
        uint64_t old_end = bpi_view_end(old);
        uint64_t of_prefix = count_prefix(old, "order");
        bp_id gone = w.events[w.count - 1].id;
        uint64_t cut = w.count - below(&d, (uint32_t)w.count / 2) - 1;
        cut = w.events[cut].batch;
        assert_int_equal(bpi_index_truncate(w.index, cut, NULL), BP_OK);
        w.count = cut;
        assert_int_equal(bpi_index_next(w.index), cut);
        /* What is shown stays until something else is. */
        bpi_view *still = bpi_view_pin(w.index);
        assert_int_equal(bpi_view_end(still), old_end);
        assert_true(world_find(still, &gone, &(uint64_t){0}));
        assert_int_equal(count_prefix(still, "order"), of_prefix);
        bpi_view_drop(still);
        bpi_index_publish(w.index, cut);
        assert_int_equal(bpi_index_published(w.index), cut);
        for (size_t i = 0; i < WORLD_ENTITIES; i++) {
            if (bpi_index_find_entity(w.index, bp_text_of(world_entities[i])) != NULL) {
                check_head(&w, world_entities[i]);
            }
        }
        uint64_t sequence = 0;
        assert_int_equal(bpi_index_find_id(w.index, &gone, &sequence, NULL), BP_ERR_NOT_FOUND);
        assert_false(bpi_index_reserve(w.index, 1));
        check_all(&w);
        /* What was pinned is as it was. */
        assert_true(world_find(old, &gone, &sequence));
        assert_int_equal(sequence, old_end - 1);
        bpi_view_drop(old);
        assert_true(world_rotate(&w));
        for (int i = 0; i < 60; i++) {
            world_commit(&w, &d);
        }
        check_all(&w);
    }
    world_end(&w);
}

static void truncating_takes_rows_ids_and_heads_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++) {
        rows_taken_back_are_gone(seed, BP_LAYOUT_SOA, 0);
        rows_taken_back_are_gone(seed, BP_LAYOUT_AOSOA16, 50);
        rows_taken_back_are_gone(seed, BP_LAYOUT_SOAOS, 100);
    }
}

/* What cannot be read is damage, whatever memory there is; nothing is forgotten for it. */
static void a_record_that_cannot_be_read_is_said_to_be_damaged(void **state)
{
    enum { EVENTS = 200, CUT = 100, DAMAGED = 5 };
    (void)state;
    world w;
    char names[EVENTS][16];
    world_begin(&w, BP_LAYOUT_DEFAULT);
    assert_true(world_rotate(&w));
    for (unsigned i = 0; i < EVENTS; i++) {
        (void)snprintf(names[i], sizeof names[i], "n:%u", i);
        append_plain(&w, names[i]);
    }
    bpi_index_publish(w.index, EVENTS);
    bpi_view *whole = bpi_view_pin(w.index);
    for (int sealed = 0; sealed < 2; sealed++) {
        const model_event *event = &w.events[sealed == 0 ? CUT - 1 : DAMAGED];
        uint8_t *bytes = (uint8_t *)event->segment->writable + event->offset;
        bp_error error = {0};
        if (sealed == 1) {
            assert_true(bpi_index_seal_block(w.index, 0)); /* its names are read again when it is cut */
        } else {
            append_plain(&w, names[CUT - 1]); /* whose head is to be the damaged one again */
        }
        bytes[20] ^= 1;
        assert_int_equal(bpi_index_truncate(w.index, CUT, &error), BP_ERR_CORRUPT);
        assert_non_null(strstr(error.message, "event "));
        assert_int_equal(bpi_index_next(w.index), EVENTS + 1);
        bytes[20] ^= 1;
    }
    assert_int_equal(bpi_index_truncate(w.index, CUT, NULL), BP_OK);
    assert_int_equal(bpi_index_next(w.index), CUT);
    assert_int_equal(count_prefix(whole, "n"), EVENTS); /* of names that came behind the cut, too */
    bpi_view_drop(whole);
    bpi_index_publish(w.index, CUT);
    w.count = CUT;
    check_all(&w);
    world_end(&w);
}

static void truncating_nothing_is_fine(void **state)
{
    (void)state;
    world w;
    world_begin(&w, BP_LAYOUT_DEFAULT);
    assert_int_equal(bpi_index_truncate(w.index, 0, NULL), BP_OK);
    assert_true(world_rotate(&w));
    append_plain(&w, "a");
    assert_int_equal(bpi_index_truncate(w.index, 1, NULL), BP_OK);
    assert_true(bpi_index_reserve(w.index, 1)); /* the block goes on */
    world_end(&w);
}

/* Fails each allocation in turn until everything works; whatever fails leaves nothing behind. */
static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (long fail_at = 0;; fail_at++) {
        dice d = {9};
        world w;
        world_begin(&w, BP_LAYOUT_SOAOS);
        world_history(&w, &d, 300, 0);
        uint32_t sealed = w.ordinal - 1;
        assert_true(world_rotate(&w));
        bpi_view *view = NULL;
        bpi_scan *scan = NULL;
        bp_region region = {.size = sizeof region, .fields = BP_REGION_ENTITY | BP_REGION_PREFIX};
        region.entity = bp_text_of("order");
        bool good = true;
        atomic_store(&w.meter.fail_at, fail_at);
        bpi_entity *scope = NULL;
        good = world_take(&w, bp_text_of("a name that does not lie beside the head, being too long")) != NULL && good;
        good = bpi_index_take_scope(w.index, bp_text_of("new"), &scope, NULL) == BP_OK && good;
        good = bpi_index_reserve(w.index, 5000) && good;
        good = bpi_index_seal_block(w.index, sealed) && good;
        good = world_rotate(&w) && good;
        view = bpi_view_pin(w.index);
        good = view != NULL && good;
        if (view != NULL) {
            bp_status status = bpi_scan_begin(view, &region, NULL, &scan, NULL);
            assert_true(status == BP_OK || status == BP_ERR_NO_MEMORY);
            good = status == BP_OK && good;
        }
        uint64_t sequence = 0;
        size_t count = 0;
        while (scan != NULL && bpi_scan_next(scan, &sequence, NULL, NULL) == BP_OK) {
            count++;
        }
        bpi_scan_end(scan);
        bpi_view_drop(view);
        size_t wanted = 0;
        for (size_t i = 0; i < w.count; i++) {
            wanted += world_prefix(region.entity, w.events[i].entity);
        }
        assert_true(scan == NULL || count == wanted);
        bp_status status = bpi_index_truncate(w.index, 100, NULL);
        bool cut = status == BP_OK;
        assert_true(cut || status == BP_ERR_NO_MEMORY);
        good = cut && good;
        bool spent = atomic_load(&w.meter.fail_at) >= 0;
        atomic_store(&w.meter.fail_at, -1);
        w.count = cut ? 100 : w.count;
        bpi_index_publish(w.index, w.count);
        check_all(&w);
        world_end(&w);
        if (spent) {
            assert_true(good);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_again),
        cmocka_unit_test(entities_are_taken_out_newest_first),
        cmocka_unit_test(nothing_is_seen_before_it_is_published),
        cmocka_unit_test(rows_are_located),
        cmocka_unit_test(counts_are_kept),
        cmocka_unit_test(a_block_takes_no_more_rows_than_it_was_made_for),
        cmocka_unit_test(truncating_takes_rows_ids_and_heads_back),
        cmocka_unit_test(a_record_that_cannot_be_read_is_said_to_be_damaged),
        cmocka_unit_test(truncating_nothing_is_fine),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
