/*
 * test_fold_property.c: random histories, random questions: whatever way an answer came about (from nothing, from a cached
 * state, carried on, alone or with others, now or as of a moment, from open or sealed segments), it is the fold by hand.
 * BATPAK_SEED and BATPAK_STEPS replay a run.
 *
 * ctest: labels=campaign
 */
#include "projection/folding.h"

enum { KINDS = 6, ENTITIES = 5, PROJECTIONS = 4 };

typedef struct run {
    bpt_world world;
    bp_store *store;
    bp_error error;
    bpt_random random;
    bp_cache *cache;
    bp_projection projections[PROJECTIONS];
    bp_kind_code kinds[PROJECTIONS][3];
    uint64_t cached;
    uint64_t asked;
} run;

static uint64_t below(run *r, uint64_t bound)
{
    return bpt_random_below(&r->random, bound);
}

static void append_some(run *r)
{
    char entity[16];
    char text[64];
    for (uint64_t left = 1 + below(r, 12); left > 0; left--) {
        (void)snprintf(entity, sizeof entity, "%s:%u", below(r, 2) == 0 ? "x" : "y", (unsigned)below(r, ENTITIES));
        int size = snprintf(text, sizeof text, "%llx", (unsigned long long)below(r, UINT64_MAX));
        CHECK_OK(bp_append(r->store, bp_at(entity, below(r, 2) == 0 ? "s" : "t"),
                           (bp_kind_code)(0xF000 + below(r, KINDS)), bp_raw(text, (size_t)size), NULL, NULL, &r->error),
                 &r->error);
    }
}

static bp_region random_region(run *r, char name[16])
{
    bp_region region = bp_region_all();
    (void)snprintf(name, 16, "%s:%u", below(r, 2) == 0 ? "x" : "y", (unsigned)below(r, ENTITIES));
    switch (below(r, 6)) {
    case 0:
        break;
    case 1:
        name[1] = '\0';
        bp_region_set_prefix(&region, bp_text_of(name));
        break;
    case 2:
        bp_region_set_scope(&region, bp_text_of("t"));
        break;
    default:
        bp_region_set_entity(&region, bp_text_of(name));
        break;
    }
    if (below(r, 8) == 0) {
        bp_region_set_kind(&region, (bp_kind_code)(0xF000 + below(r, KINDS)));
    }
    return region;
}

/* A moment, or none; `last_out`: the last sequence that counts then. */
static void random_moment(run *r, bp_project_options *options, uint64_t *last_out)
{
    uint64_t end = bp_store_frontiers(r->store).published;
    *last_out = UINT64_MAX;
    if (end == 0 || below(r, 3) != 0) {
        return;
    }
    *last_out = below(r, end + 3);
    options->as_of = BP_AS_OF_SEQUENCE;
    options->as_of_sequence = *last_out;
    if (*last_out < end && below(r, 2) == 0) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(r->store, *last_out, &event, &r->error), &r->error);
        options->as_of = BP_AS_OF_COMMITTED;
        options->as_of_committed = event->hlc;
        bp_event_release(event);
    }
}

static void check_answer(run *r, const bp_region *region, const bp_projection *p, uint64_t last, bool present,
                         const bpt_tally *got)
{
    bpt_tally want = bpt_tally_by_hand(r->store, region, p->kinds, p->kind_count, last);
    CHECK(present == (want.count > 0), "%s: present %d, %llu events", p->type, present, (unsigned long long)want.count);
    if (present) {
        bpt_check_tally(got, &want, p->type);
    }
}

static void ask_one(run *r, const bp_region *region, const bp_project_options *options, uint64_t last)
{
    const bp_projection *p = &r->projections[below(r, PROJECTIONS)];
    bpt_tally got;
    bp_projected result;
    bp_status status = bp_project_region(r->store, p, region, options, &got, &result, &r->error);
    if (status != BP_ERR_NOT_FOUND) {
        CHECK_OK(status, &r->error);
    }
    check_answer(r, region, p, last, status == BP_OK, &got);
    r->asked++;
    r->cached += result.cached;
}

static void ask_fused(run *r, const bp_region *region, const bp_project_options *options, uint64_t last)
{
    bpt_tally states[PROJECTIONS];
    bp_projection_item items[PROJECTIONS];
    size_t count = 1 + below(r, PROJECTIONS);
    for (size_t i = 0; i < count; i++) {
        items[i] = (bp_projection_item){.projection = &r->projections[below(r, PROJECTIONS)], .state = &states[i]};
    }
    CHECK_OK(bp_project_fused(r->store, region, items, count, options, &r->error), &r->error);
    for (size_t i = 0; i < count; i++) {
        check_answer(r, region, items[i].projection, last, items[i].result.present, &states[i]);
        assert_int_equal(items[i].result.position.next, items[0].result.position.next);
        r->asked++;
        r->cached += items[i].result.cached;
    }
}

/* What is held on to is only told anew when something came; then it is the whole again. */
static void ask_if_changed(run *r, const bp_region *region, const bp_project_options *options)
{
    const bp_projection *p = &r->projections[below(r, PROJECTIONS)];
    bp_position seen = {0};
    for (unsigned round = 0; round < 3; round++) {
        bpt_tally got;
        bp_projected result;
        bpt_tally before = bpt_tally_by_hand(r->store, region, p->kinds, p->kind_count, seen.next - 1);
        bpt_tally now = bpt_tally_by_hand(r->store, region, p->kinds, p->kind_count, UINT64_MAX);
        before.count = seen.next == 0 ? 0 : before.count;
        CHECK_OK(bp_project_if_changed(r->store, p, region, &seen, options, &got, &result, &r->error), &r->error);
        CHECK(result.changed == (before.count != now.count), "changed %d, %llu then %llu", result.changed,
              (unsigned long long)before.count, (unsigned long long)now.count);
        if (result.changed) {
            bpt_check_tally(&got, &now, "if changed");
        }
        seen = result.position;
        if (round == 1) {
            append_some(r);
        }
    }
}

static void work(run *r, uint64_t seed, uint64_t steps)
{
    for (uint64_t step = 0; step < steps; step++) {
        char name[16];
        uint64_t last = UINT64_MAX;
        bp_project_options options;
        bp_project_options_init(&options);
        bpt_note("seed %llu step %llu", (unsigned long long)seed, (unsigned long long)step);
        options.cache = below(r, 4) == 0 ? NULL : r->cache;
        bp_region region = random_region(r, name);
        switch (below(r, 12)) {
        case 0:
            append_some(r);
            break;
        case 1:
        case 2:
            if (below(r, 8) == 0) {
                CHECK_OK(bp_seal(r->store, &r->error), &r->error);
            }
            break;
        case 3:
            if (below(r, 8) == 0) {
                bpt_close(r->store);
                r->store = bpt_open(&r->world);
            }
            break;
        case 4:
            ask_if_changed(r, &region, &options);
            break;
        case 5:
        case 6:
        case 7:
            random_moment(r, &options, &last);
            ask_fused(r, &region, &options, last);
            break;
        default:
            random_moment(r, &options, &last);
            ask_one(r, &region, &options, last);
            break;
        }
    }
}

static void random_questions(bool incremental, bp_layout layout, uint64_t seed)
{
    run *r = calloc(1, sizeof *r);
    assert_non_null(r);
    static const char *const types[PROJECTIONS] = {"all", "some", "one", "whole"};
    r->random.state = seed;
    for (size_t i = 0; i < PROJECTIONS; i++) {
        r->projections[i] = bpt_tally_projection(types[i], i != 3);
        r->projections[i].kinds = i == 1 || i == 2 ? r->kinds[i] : NULL;
        r->projections[i].kind_count = i == 1 ? 3 : i == 2 ? 1 : 0;
        for (size_t k = 0; k < 3; k++) {
            r->kinds[i][k] = (bp_kind_code)(0xF000 + (k * 2 + i) % KINDS);
        }
    }
    CHECK_OK(bp_cache_memory(12000, NULL, &r->cache, &r->error), &r->error); /* so small that rows are pushed out */
    bpt_world_memory(&r->world);
    r->world.options.incremental_projection = incremental;
    r->world.options.layout = layout;
    r->store = bpt_open(&r->world);
    work(r, seed, bpt_amount("BATPAK_STEPS", 1500, 20000));
    print_message("%llu questions, %llu answered from cached states\n", (unsigned long long)r->asked,
                  (unsigned long long)r->cached);
    assert_true(r->cached > r->asked / 50);
    bpt_close(r->store);
    bp_cache_close(r->cache);
    bpt_world_end(&r->world);
    free(r);
}

static void every_way_gives_the_fold_by_hand(void **state)
{
    (void)state;
    random_questions(true, BP_LAYOUT_DEFAULT, bpt_seed(21));
}

static void also_without_carrying_on(void **state)
{
    (void)state;
    random_questions(false, BP_LAYOUT_SOAOS, bpt_seed(22));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_gives_the_fold_by_hand),
        cmocka_unit_test(also_without_carrying_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
