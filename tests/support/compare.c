/* compare.c: the model against a store: every event, every way of asking. */
#include "support/model.h"

static bool text_is(const bpt_text *a, bp_text b)
{
    return a->size == b.size && (b.size == 0 || memcmp(a->data, b.data, b.size) == 0);
}

#define SAME(condition, what) CHECK((condition), "event %llu: %s is wrong", (unsigned long long)sequence, (what))

void bpt_compare_event(bpt_model *model, uint64_t sequence, const bp_event *event)
{
    CHECK(sequence < model->count, "event %llu is one too many", (unsigned long long)sequence);
    bpt_event *want = &model->events[sequence];
    if (want->system && bp_id_is_nil(&want->id)) {
        bpt_model_learn_id(model, sequence, &event->id);
    }
    SAME(event->sequence == sequence, "sequence");
    SAME(bp_id_equal(&event->id, &want->id), "id");
    SAME(event->clock == want->clock, "clock");
    SAME(event->kind == want->kind, "kind");
    SAME(event->flags == want->flags, "flags");
    SAME(event->payload_type == want->payload_type, "payload type");
    SAME(event->payload_version == want->payload_version, "payload version");
    SAME(!event->payload_absent && !event->tombstoned, "state");
    SAME(event->external == want->external, "external");
    SAME(event->lane == want->lane && event->depth == want->depth, "lane or depth");
    SAME(text_is(&want->entity, event->entity), "entity");
    SAME(text_is(&want->scope, event->scope), "scope");
    SAME(bp_id_equal(&event->correlation, &want->correlation), "correlation");
    SAME(event->cause_count == want->cause_count, "number of causes");
    SAME(want->cause_count == 0 || memcmp(event->causes, want->causes, want->cause_count * sizeof(bp_id)) == 0,
         "a cause");
    SAME(text_is(&want->payload, (bp_text){event->payload, event->payload_size}), "payload");
    SAME(event->batch == want->batch && event->batch_count == want->batch_count, "batch");
    SAME(!want->knows_time || event->time_us == want->time_us, "time");
    SAME(!want->knows_hash || bp_hash_equal(&event->event_hash, &want->event_hash), "event hash");
    SAME(!want->learned || event->hlc == want->hlc, "HLC");
    SAME(!want->learned || model->foreign || event->position == want->position, "position");
    SAME(sequence == 0 || !model->events[sequence - 1].learned || event->hlc > model->events[sequence - 1].hlc,
         "HLC does not grow: it");
    want->knows_time = true;
    want->time_us = event->time_us;
    want->learned = true;
    want->hlc = event->hlc;
    want->position = model->foreign ? want->position : event->position;
    want->knows_hash = true;
    want->event_hash = event->event_hash;
}

/* ---- regions ---- */

static bool starts_with(const bpt_text *name, bp_text prefix)
{
    if (name->size < prefix.size || memcmp(name->data, prefix.data, prefix.size) != 0) {
        return false;
    }
    return name->size == prefix.size || name->data[prefix.size] == ':';
}

static bool has_cause(const bpt_event *event, const bp_id *cause)
{
    for (size_t index = 0; index < event->cause_count; index++) {
        if (bp_id_equal(&event->causes[index], cause)) {
            return true;
        }
    }
    return false;
}

bool bpt_model_matches(const bpt_event *event, uint64_t sequence, const bp_region *region)
{
    uint32_t fields = region->fields;
    bool prefix = (fields & BP_REGION_PREFIX) != 0;
    if (event->system && (fields & BP_REGION_SYSTEM) == 0) {
        return false;
    }
    if ((fields & (BP_REGION_ENTITY | BP_REGION_PREFIX)) != 0 &&
        !(prefix ? starts_with(&event->entity, region->entity) : text_is(&event->entity, region->entity))) {
        return false;
    }
    if ((fields & BP_REGION_SCOPE) != 0 && !text_is(&event->scope, region->scope)) {
        return false;
    }
    if (((fields & BP_REGION_KIND) != 0 && event->kind != region->kind) ||
        ((fields & BP_REGION_CATEGORY) != 0 && event->kind >> 12 != region->category) ||
        ((fields & BP_REGION_LANE) != 0 && event->lane != region->lane)) {
        return false;
    }
    if ((fields & BP_REGION_CLOCK) != 0 && (event->clock < region->clock_min || event->clock > region->clock_max)) {
        return false;
    }
    if ((fields & BP_REGION_SEQUENCE) != 0 && (sequence < region->sequence_min || sequence > region->sequence_max)) {
        return false;
    }
    if ((fields & BP_REGION_TIME) != 0 &&
        (event->time_us < region->time_min_us || event->time_us > region->time_max_us)) {
        return false;
    }
    if ((fields & BP_REGION_COMMITTED) != 0 &&
        (event->hlc < region->committed_min || event->hlc > region->committed_max)) {
        return false;
    }
    if ((fields & BP_REGION_CORRELATION) != 0 && !bp_id_equal(&event->correlation, &region->correlation)) {
        return false;
    }
    return (fields & BP_REGION_CAUSE) == 0 || has_cause(event, &region->cause);
}

static void region_of_names(const bpt_event *event, bp_region *region, bpt_random *random)
{
    bp_text entity = {event->entity.data, event->entity.size};
    if (bpt_random_chance(random, 40)) {
        bp_region_set_entity(region, entity);
    } else if (bpt_random_chance(random, 40)) {
        const char *colon = memchr(entity.data, ':', entity.size);
        entity.size = colon != NULL ? (size_t)(colon - entity.data) : entity.size;
        bp_region_set_prefix(region, entity);
    }
    if (bpt_random_chance(random, 30)) {
        bp_region_set_scope(region, (bp_text){event->scope.data, event->scope.size});
    }
}

/* A region around two events of the model, so that answers are seldom empty. */
static bp_region random_region(const bpt_model *model, bpt_random *random)
{
    bp_region region = bp_region_all();
    uint64_t first = bpt_random_below(random, model->count);
    uint64_t second = bpt_random_below(random, model->count);
    uint64_t low = first < second ? first : second;
    uint64_t high = first < second ? second : first;
    const bpt_event *event = &model->events[first];
    region_of_names(event, &region, random);
    if (bpt_random_chance(random, 20)) {
        bp_region_set_kind(&region, event->kind);
    }
    if (bpt_random_chance(random, 15)) {
        bp_region_set_category(&region, bp_kind_category(event->kind));
    }
    if (bpt_random_chance(random, 10)) {
        bp_region_set_lane(&region, event->lane);
    }
    if (bpt_random_chance(random, 15)) {
        bp_region_set_clock(&region, event->clock / 2, event->clock);
    }
    if (bpt_random_chance(random, 30)) {
        bp_region_set_sequence(&region, low, high);
    }
    if (bpt_random_chance(random, 15)) {
        int64_t a = model->events[low].time_us;
        int64_t b = model->events[high].time_us;
        bp_region_set_time_us(&region, a < b ? a : b, a < b ? b : a);
    }
    if (bpt_random_chance(random, 15)) {
        bp_region_set_committed(&region, model->events[low].hlc, model->events[high].hlc);
    }
    if (bpt_random_chance(random, 10)) {
        bp_region_set_correlation(&region, &event->correlation);
    }
    if (event->cause_count > 0 && bpt_random_chance(random, 30)) {
        bp_region_set_cause(&region, &event->causes[bpt_random_below(random, event->cause_count)]);
    }
    if (bpt_random_chance(random, 30)) {
        bp_region_set_system(&region, true);
    }
    return region;
}

static void compare_region(bpt_model *model, bp_store *store, const bp_region *region, bpt_random *random)
{
    bp_error error = {0};
    bp_query_options options;
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    uint64_t total = 0;
    uint64_t shown = 0;
    uint64_t count = 0;
    bp_query_options_init(&options);
    options.backward = bpt_random_chance(random, 40);
    options.limit = bpt_random_chance(random, 30) ? 1 + bpt_random_below(random, 20) : 0;
    options.resume = bpt_random_chance(random, 20);
    options.resume_after = options.resume ? bpt_random_below(random, model->count) : 0;
    CHECK_OK(bp_query(store, region, &options, &iterator, &error), &error);
    for (size_t index = 0; index < model->count; index++) {
        uint64_t sequence = options.backward ? model->count - 1 - index : index;
        if (!bpt_model_matches(&model->events[sequence], sequence, region)) {
            continue;
        }
        total++;
        if ((options.limit != 0 && shown == options.limit) ||
            (options.resume &&
             (options.backward ? sequence >= options.resume_after : sequence <= options.resume_after))) {
            continue;
        }
        bp_status status = bp_next(iterator, &event, &error);
        if (status != BP_OK) {
            char text[1500];
            (void)bp_region_format(region, text, sizeof text);
            bpt_note("%.300s; region [%.400s]%s, limit %llu, resume %d %llu", bpt_note_text(), text,
                     options.backward ? " backward" : "", (unsigned long long)options.limit, options.resume,
                     (unsigned long long)options.resume_after);
        }
        CHECK(status == BP_OK, "event %llu is not shown (%s)", (unsigned long long)sequence, bp_status_name(status));
        CHECK(event->sequence == sequence, "region: %llu is shown where %llu should be",
              (unsigned long long)event->sequence, (unsigned long long)sequence);
        bpt_compare_event(model, sequence, event);
        CHECK(bp_region_matches(region, event), "region: bp_region_matches says no to %llu",
              (unsigned long long)sequence);
        shown++;
    }
    CHECK_STATUS(BP_END, bp_next(iterator, &event, &error), &error);
    CHECK_STATUS(BP_END, bp_next(iterator, &event, &error), &error);
    bp_iterator_close(iterator);
    CHECK_OK(bp_count(store, region, &count, &error), &error);
    CHECK(count == total, "count says %llu, there are %llu", (unsigned long long)count, (unsigned long long)total);
}

/* Reads what no receipt told: default times, system events. Ranges are judged by them. */
static void learn(bpt_model *model, bp_store *store)
{
    for (uint64_t sequence = 0; sequence < model->count; sequence++) {
        if (!model->events[sequence].knows_time || !model->events[sequence].learned) {
            bp_error error = {0};
            const bp_event *event = NULL;
            CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
            bpt_compare_event(model, sequence, event);
            bp_event_release(event);
        }
    }
}

void bpt_compare_regions(bpt_model *model, bp_store *store, bpt_random *random, unsigned count)
{
    learn(model, store);
    for (unsigned index = 0; model->count > 0 && index < count; index++) {
        bp_region region = random_region(model, random);
        compare_region(model, store, &region, random);
    }
}

/* ---- everything ---- */

static void compare_all(bpt_model *model, bp_store *store, bool backward)
{
    bp_error error = {0};
    bp_region region = bp_region_all();
    bp_query_options options;
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_region_set_system(&region, true);
    bp_query_options_init(&options);
    options.backward = backward;
    CHECK_OK(bp_query(store, &region, &options, &iterator, &error), &error);
    for (size_t index = 0; index < model->count; index++) {
        CHECK_OK(bp_next(iterator, &event, &error), &error);
        bpt_compare_event(model, backward ? model->count - 1 - index : index, event);
    }
    CHECK_STATUS(BP_END, bp_next(iterator, &event, &error), &error);
    bp_iterator_close(iterator);
}

/* The event by id, its chain to the one before it, its newest. */
static void compare_one(bpt_model *model, bp_store *store, uint64_t sequence)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    const bp_event *previous = NULL;
    const bpt_event *want = &model->events[sequence];
    CHECK_OK(bp_get(store, &want->id, &event, &error), &error);
    bpt_compare_event(model, sequence, event);
    for (size_t at = (size_t)sequence; event->clock > 0 && at > 0 && previous == NULL; at--) {
        if (text_is(&model->events[at - 1].entity, event->entity)) {
            CHECK_OK(bp_get_sequence(store, at - 1, &previous, &error), &error);
            bpt_compare_event(model, at - 1, previous);
        }
    }
    CHECK(bp_chain_verify(event, previous), "event %llu: its chain does not hold", (unsigned long long)sequence);
    bp_event_release(previous);
    bp_event_release(event);
}

static void compare_stream(bpt_model *model, bp_store *store, const bpt_text *entity)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    if (strlen(entity->data) != entity->size || strcmp(entity->data, BP_SYSTEM_ENTITY) == 0) {
        return;
    }
    CHECK_OK(bp_stream(store, entity->data, NULL, &iterator, &error), &error);
    for (size_t index = 0; index < model->count; index++) {
        if (text_is(&model->events[index].entity, (bp_text){entity->data, entity->size})) {
            CHECK_OK(bp_next(iterator, &event, &error), &error);
            bpt_compare_event(model, index, event);
        }
    }
    CHECK_STATUS(BP_END, bp_next(iterator, &event, &error), &error);
    bp_iterator_close(iterator);
}

void bpt_compare(bpt_model *model, bp_store *store, bpt_random *random)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_frontiers frontiers = bp_store_frontiers(store);
    CHECK(frontiers.published == model->count, "%llu events are published, %zu should be",
          (unsigned long long)frontiers.published, model->count);
    compare_all(model, store, false);
    compare_all(model, store, true);
    for (unsigned index = 0; model->count > 0 && index < 20; index++) {
        compare_one(model, store, bpt_random_below(random, model->count));
    }
    for (unsigned index = 0; model->count > 0 && index < 4; index++) {
        compare_stream(model, store, &model->events[bpt_random_below(random, model->count)].entity);
    }
    bp_id none = {{0xde, 0xad, 1, 2, 3, 4, 5, 6, 7}};
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_get(store, &none, &event, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_get_sequence(store, model->count, &event, &error), &error);
    for (size_t index = 0; index < model->kind_count; index++) {
        const bpt_kind *kind = &model->kinds[index];
        bp_kind_code found = 0;
        CHECK_OK(bp_kind_find(store, kind->name, &found, &error), &error);
        CHECK(found == kind->kind, "%s is 0x%04X, should be 0x%04X", kind->name, found, kind->kind);
        CHECK(bp_kind_name(store, kind->kind) != NULL && strcmp(bp_kind_name(store, kind->kind), kind->name) == 0,
              "0x%04X has lost its name %s", kind->kind, kind->name);
    }
    bpt_compare_regions(model, store, random, 12);
}
