/*
 * test_scan.c: every region over every layout, active and sealed, forward and backward, limited and resumed, against a
 * model that looks at each event. BATPAK_SEED replays a run; BATPAK_ROUNDS does more of them.
 */
#include "index/world.h"

enum { EVENTS = 2500, REGIONS = 120 };

static bp_region whole(void)
{
    bp_region region = {.size = sizeof region};
    region.clock_max = UINT64_MAX;
    region.sequence_max = UINT64_MAX;
    region.time_min_us = INT64_MIN;
    region.time_max_us = INT64_MAX;
    region.committed_max = UINT64_MAX;
    return region;
}

static void random_names(const world *w, dice *d, bp_region *r)
{
    static const char *const prefixes[] = {"order", "order:1", "player", "nobody", "batpak", "x", "orde"};
    const model_event *like = &w->events[below(d, (uint32_t)w->count)];
    if (chance(d, 45)) {
        r->fields |= BP_REGION_ENTITY;
        r->entity = bp_text_of(chance(d, 95) ? like->entity : "unknown");
        if (chance(d, 40)) {
            r->fields |= BP_REGION_PREFIX;
            r->entity = bp_text_of(prefixes[below(d, sizeof prefixes / sizeof prefixes[0])]);
        }
    }
    if (chance(d, 25)) {
        r->fields |= BP_REGION_SCOPE;
        r->scope = bp_text_of(chance(d, 95) ? like->scope : "nowhere");
    }
    if (chance(d, 25)) {
        r->fields |= BP_REGION_KIND;
        r->kind = like->kind;
    }
    if (chance(d, 15)) {
        r->fields |= BP_REGION_CATEGORY;
        r->category = (uint8_t)below(d, 16);
    }
}

static void random_ranges(const world *w, dice *d, bp_region *r)
{
    const model_event *a = &w->events[below(d, (uint32_t)w->count)];
    const model_event *b = &w->events[below(d, (uint32_t)w->count)];
    if (chance(d, 10)) {
        r->fields |= BP_REGION_CLOCK;
        r->clock_min = a->clock;
        r->clock_max = chance(d, 50) ? a->clock + below(d, 50) : UINT64_MAX;
    }
    if (chance(d, 20)) {
        r->fields |= BP_REGION_SEQUENCE;
        r->sequence_min = a->sequence;
        r->sequence_max = chance(d, 80) ? b->sequence : UINT64_MAX;
    }
    if (chance(d, 15)) {
        r->fields |= BP_REGION_TIME;
        r->time_min_us = a->time_us;
        r->time_max_us = a->time_us + below(d, 800);
    }
    if (chance(d, 15)) {
        r->fields |= BP_REGION_COMMITTED;
        r->committed_min = a->hlc - below(d, 2);
        r->committed_max = chance(d, 80) ? b->hlc + below(d, 2) : UINT64_MAX;
    }
}

static bp_region random_region(const world *w, dice *d)
{
    bp_region r = whole();
    const model_event *like = &w->events[below(d, (uint32_t)w->count)];
    random_names(w, d, &r);
    random_ranges(w, d, &r);
    if (chance(d, 20)) { /* alone or nearly so */
        r.fields &= BP_REGION_SCOPE;
    }
    if (chance(d, 15)) {
        r.fields |= BP_REGION_CORRELATION;
        r.correlation = chance(d, 90) ? like->correlation : world_id(roll(d));
    }
    if (chance(d, 15)) {
        r.fields |= BP_REGION_CAUSE;
        r.cause = chance(d, 90) ? world_id(below(d, (uint32_t)w->count)) : world_id(roll(d));
        if (like->cause_count > 0) {
            r.cause = like->causes[below(d, like->cause_count)];
        }
    }
    if (chance(d, 10)) {
        r.fields |= BP_REGION_LANE;
        r.lane = like->lane;
    }
    if (chance(d, 50)) {
        r.fields |= BP_REGION_SYSTEM;
    }
    return r;
}

/* The model's answer as sequences. */
static size_t answer(const world *w, uint64_t end, const bp_region *region, const bp_query_options *options,
                     uint64_t *answer_out)
{
    size_t count = 0;
    for (uint64_t i = 0; i < end; i++) {
        uint64_t sequence = options->backward ? end - 1 - i : i;
        bool behind = options->backward ? sequence < options->resume_after : sequence > options->resume_after;
        if (world_matches(region, &w->events[sequence]) && (!options->resume || behind)) {
            answer_out[count++] = sequence;
            if (count == options->limit) {
                break;
            }
        }
    }
    return count;
}

static void check_event(const model_event *m, const bp_event *e)
{
    assert_int_equal(e->sequence, m->sequence);
    assert_true(bp_id_equal(&e->id, &m->id));
    assert_int_equal(e->batch, m->batch);
    assert_int_equal(e->batch_count, m->batch_count);
    assert_int_equal(e->clock, m->clock);
    assert_int_equal(e->hlc, m->hlc);
    assert_int_equal(e->lane, m->lane);
    assert_int_equal(e->position, (uint64_t)m->segment->ordinal << 32 | m->offset);
    assert_true(bp_text_equal(e->entity, bp_text_of(m->entity)));
    assert_true(bp_text_equal(e->scope, bp_text_of(m->scope)));
    assert_memory_equal(e->payload, &m->sequence, 8);
}

static void compare(world *w, bpi_view *view, const bp_region *region, const bp_query_options *options, bool records)
{
    static uint64_t wanted[EVENTS * 2];
    size_t count = answer(w, bpi_view_end(view), region, options, wanted);
    bpi_scan *scan = NULL;
    bp_error error;
    assert_int_equal(bpi_scan_begin(view, region, options, &scan, &error), BP_OK);
    uint64_t sequence = 0;
    for (size_t i = 0; i < count; i++) {
        bp_event event;
        assert_int_equal(bpi_scan_next(scan, &sequence, records ? &event : NULL, &error), BP_OK);
        assert_int_equal(sequence, wanted[i]);
        if (records) {
            check_event(&w->events[sequence], &event);
        }
    }
    assert_int_equal(bpi_scan_next(scan, &sequence, NULL, &error), BP_END);
    assert_int_equal(bpi_scan_next(scan, &sequence, NULL, &error), BP_END);
    bpi_scan_end(scan);
    uint64_t counted = 0;
    assert_int_equal(bpi_scan_begin(view, region, options, &scan, &error), BP_OK);
    assert_int_equal(bpi_scan_count(scan, &counted, &error), BP_OK);
    assert_int_equal(counted, count);
    bpi_scan_end(scan);
}

static void compare_all(world *w, dice *d, bpi_view *view, size_t regions)
{
    for (size_t i = 0; i < regions; i++) {
        bp_region region = random_region(w, d);
        for (unsigned way = 0; way < 8; way++) {
            bp_query_options options = {.size = sizeof options, .backward = (way & 1) != 0};
            options.limit = way & 2 ? 1 + below(d, 40) : 0;
            options.resume = (way & 4) != 0;
            options.resume_after = roll(d) % (w->count + 10);
            if (chance(d, 3)) {
                options.resume_after = UINT64_MAX;
            }
            compare(w, view, &region, &options, chance(d, 50));
        }
    }
}

/* Fewer under the sanitizers: each costs as much there as five. */
static size_t regions_asked(void)
{
    return getenv("BATPAK_INSTRUMENTED") != NULL ? REGIONS / 4 : REGIONS;
}

static void one_history(uint64_t seed, bp_layout layout, uint32_t sealed, uint64_t clock_base)
{
    dice d = {seed};
    world w;
    world_begin(&w, layout);
    w.clock_base = clock_base;
    world_history(&w, &d, EVENTS / 2, sealed);
    bpi_view *early = bpi_view_pin(w.index);
    world_history(&w, &d, EVENTS, sealed);
    bpi_view *late = bpi_view_pin(w.index);
    compare_all(&w, &d, early, regions_asked() / 4);
    compare_all(&w, &d, late, regions_asked());
    for (uint64_t i = 0; i < w.count; i++) {
        uint64_t found = 0;
        assert_true(world_find(late, &w.events[i].id, &found));
        assert_int_equal(found, i);
        assert_int_equal(world_find(early, &w.events[i].id, &found), i < bpi_view_end(early));
        bp_event event;
        assert_int_equal(bpi_view_event(late, i, &event, NULL), BP_OK);
        check_event(&w.events[i], &event);
    }
    world_free_index(&w); /* views live on */
    compare_all(&w, &d, late, 2);
    bpi_view_drop(early);
    bpi_view_drop(late);
    world_end(&w);
}

static void every_layout(uint32_t sealed, uint64_t clock_base)
{
    uint64_t seed = world_seed();
    const char *rounds = getenv("BATPAK_ROUNDS");
    for (long round = rounds == NULL ? 1 : strtol(rounds, NULL, 10); round > 0; round--, seed++) {
        for (bp_layout layout = BP_LAYOUT_DEFAULT; layout <= BP_LAYOUT_SOAOS; layout++) {
            one_history(seed * 64 + (uint64_t)layout * 8 + sealed % 7, layout, sealed, clock_base);
        }
    }
}

static void active_blocks_answer_like_the_model(void **state)
{
    (void)state;
    every_layout(0, 0);
}

static void sealed_blocks_answer_like_the_model(void **state)
{
    (void)state;
    every_layout(100, 0);
}

static void a_mix_of_both_answers_like_the_model(void **state)
{
    (void)state;
    every_layout(50, 0);
}

static void clocks_beyond_what_a_row_holds(void **state)
{
    (void)state;
    every_layout(50, UINT32_MAX - UINT64_C(20));
}

/* The keeper may seal what is not published yet; the view's end holds all the same. */
static void a_sealed_block_shows_only_what_is_published(void **state)
{
    (void)state;
    for (bp_layout layout = BP_LAYOUT_AOS; layout <= BP_LAYOUT_SOAOS; layout++) {
        dice d = {11};
        world w;
        world_begin(&w, layout);
        world_history(&w, &d, 700, 100);
        assert_true(world_rotate(&w));
        for (int i = 0; i < 60; i++) {
            world_commit(&w, &d);
        }
        for (int i = 0; i < 150; i++) {
            model_event event = world_random(&w, &d, bpi_index_next(w.index));
            event.batch = bpi_index_next(w.index);
            event.batch_count = 1;
            world_append(&w, event);
        }
        assert_true(bpi_index_seal_block(w.index, w.ordinal - 1));
        bpi_view *view = bpi_view_pin(w.index);
        assert_int_equal(bpi_view_end(view), w.count - 150);
        compare_all(&w, &d, view, REGIONS / 2);
        bp_event event;
        assert_int_equal(bpi_view_event(view, w.count - 150, &event, NULL), BP_ERR_NOT_FOUND);
        bpi_view_drop(view);
        world_end(&w);
    }
}

static void an_empty_index_has_nothing(void **state)
{
    (void)state;
    world w;
    world_begin(&w, BP_LAYOUT_DEFAULT);
    bpi_view *view = bpi_view_pin(w.index);
    bp_region region = whole();
    bp_query_options options = {.size = sizeof options};
    compare(&w, view, &region, &options, true);
    uint64_t sequence = 0;
    bp_id id = world_id(1);
    bp_event event;
    assert_false(world_find(view, &id, &sequence));
    assert_int_equal(bpi_view_event(view, 0, &event, NULL), BP_ERR_NOT_FOUND);
    bpi_view_drop(view);
    world_end(&w);
}

static void a_damaged_record_is_told_and_stepped_over(void **state)
{
    (void)state;
    dice d = {7};
    world w;
    world_begin(&w, BP_LAYOUT_DEFAULT);
    world_history(&w, &d, 300, 0);
    ((uint8_t *)w.events[100].segment->writable)[w.events[100].offset + BPI_RECORD_ID] ^= 1;
    bpi_view *view = bpi_view_pin(w.index);
    bp_region region = whole();
    region.fields |= BP_REGION_SYSTEM;
    bpi_scan *scan = NULL;
    bp_error error;
    assert_int_equal(bpi_scan_begin(view, &region, NULL, &scan, &error), BP_OK);
    for (uint64_t i = 0; i < w.count; i++) {
        uint64_t sequence = 0;
        bp_event event;
        bp_status status = bpi_scan_next(scan, &sequence, &event, &error);
        assert_int_equal(status, i == 100 ? BP_ERR_CORRUPT : BP_OK);
        assert_int_equal(sequence, i);
    }
    char file[64];
    (void)snprintf(file, sizeof file, "log/%010u-1.seg", (unsigned)w.events[100].segment->ordinal);
    assert_string_equal(error.file, file);
    assert_int_equal(error.offset, w.events[100].offset);
    /* "Not there" would be a guess. */
    uint64_t sequence = 0;
    assert_true(world_find(view, &w.events[100].id, &sequence));
    assert_int_equal(sequence, 100);
    bpi_scan_end(scan);
    bpi_view_drop(view);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(active_blocks_answer_like_the_model),
        cmocka_unit_test(sealed_blocks_answer_like_the_model),
        cmocka_unit_test(a_mix_of_both_answers_like_the_model),
        cmocka_unit_test(clocks_beyond_what_a_row_holds),
        cmocka_unit_test(a_sealed_block_shows_only_what_is_published),
        cmocka_unit_test(an_empty_index_has_nothing),
        cmocka_unit_test(a_damaged_record_is_told_and_stepped_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
