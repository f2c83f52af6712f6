/* workload.c: the generator of random work, and its judge. */
#include "support/workload.h"

static const char *const entities[] = {
    "order:1",       "order:10",         "order", "order:1:line",
    "spieler:älice", "玩家:一",          "a",     "konto:ß",
    "player:bob",    "player:bob:items", "x",     "zz:0123456789012345678901234567890123456789",
};
static const char *const scopes[] = {"room:dungeon", "räum", "s", "a longer scope with spaces"};
static const bp_kind_code kinds[] = {0x0000, 0xf001, 0xf002, 0x2001, 0x2002, 0xd001, 0xd007, 0xe123};
static const char *const names[] = {"order.placed", "order.paid", "größe", "a/b-c_d.9", "事件"};

enum {
    ENTITIES = sizeof entities / sizeof *entities,
    SCOPES = sizeof scopes / sizeof *scopes,
    KINDS = sizeof kinds / sizeof *kinds,
    NAMES = sizeof names / sizeof *names
};

void bpt_workload_begin(bpt_workload *work, bpt_world *world, uint64_t seed)
{
    memset(work, 0, sizeof *work);
    work->world = world;
    work->seed = seed;
    work->random.state = seed;
    work->payload_max = 600;
    work->reopens = true;
    work->asks = true;
    bpt_model_init(&work->model);
    bpt_note("seed %llu, opening", (unsigned long long)seed);
    work->store = bpt_open(world);
}

static void note(const bpt_workload *work, const char *what)
{
    bpt_note("seed %llu, step %llu: %s; %zu events", (unsigned long long)work->seed, (unsigned long long)work->step,
             what, work->model.count);
}

static bp_id new_key(bpt_workload *work)
{
    uint64_t words[2] = {work->seed, work->keys++};
    return bp_id_from("workload", words, sizeof words);
}

/* ---- requests ---- */

static void fill_payload(bpt_workload *work)
{
    bpt_random *random = &work->random;
    static const uint8_t types[] = {BP_PAYLOAD_RAW, BP_PAYLOAD_JSON, BP_PAYLOAD_MSGPACK, 128, 255};
    size_t size = (size_t)bpt_random_below(random, bpt_random_chance(random, 80) ? 64 : work->payload_max + 1);
    uint8_t type = types[bpt_random_below(random, sizeof types)];
    uint8_t *bytes = bpt_request_payload(&work->request, size, type, (uint16_t)bpt_random_below(random, 3));
    for (size_t index = 0; index < size; index++) {
        bytes[index] = (uint8_t)bpt_random_next(random);
    }
}

static void fill_causes(bpt_workload *work)
{
    bpt_random *random = &work->random;
    bpt_request *request = &work->request;
    const bpt_model *model = &work->model;
    size_t item = request->count - 1;
    for (uint64_t left = bpt_random_below(random, 4); left > 0 && model->count > 0; left--) {
        const bpt_event *cause = &model->events[bpt_random_below(random, model->count)];
        if (!bp_id_is_nil(&cause->id)) {
            bpt_request_cause(request, &cause->id);
        }
    }
    if (request->batch && item > 0 && bpt_random_chance(random, 40)) {
        bpt_request_cause_item(request, (uint32_t)bpt_random_below(random, item));
    }
    if (bpt_random_chance(random, 3)) {
        bp_id elsewhere = bp_id_from("elsewhere", &work->step, sizeof work->step);
        bpt_request_cause(request, &elsewhere);
        request->options[item].external = bpt_random_chance(random, 70);
    }
}

static void fill_expectation(bpt_workload *work, bp_append_options *options, bp_text entity)
{
    bpt_random *random = &work->random;
    const bpt_model *model = &work->model;
    uint64_t head = bpt_model_head(model, entity);
    for (size_t index = 0; index + 1 < work->request.count; index++) {
        if (bp_text_equal(work->request.items[index].at.entity, entity)) {
            head = BP_NONE; /* the batch has moved it: what comes is judged, not steered */
        }
    }
    if (bpt_random_chance(random, 85)) { /* as it is */
        options->expect.kind = head == BP_NONE ? BP_EXPECT_ANY : BP_EXPECT_AT;
        options->expect.clock = head == BP_NONE ? 0 : model->events[head].clock;
    } else {
        options->expect.kind = bpt_random_chance(random, 50) ? BP_EXPECT_NONE : BP_EXPECT_AT;
        options->expect.clock = bpt_random_below(random, 8);
    }
}

static void fill_item(bpt_workload *work, bool keyed)
{
    bpt_random *random = &work->random;
    const char *entity = entities[bpt_random_below(random, ENTITIES)];
    const char *scope = scopes[bpt_random_below(random, SCOPES)];
    bp_append_options *options = bpt_request_add(&work->request, entity, scope, kinds[bpt_random_below(random, KINDS)]);
    fill_payload(work);
    if (bpt_random_chance(random, 40)) {
        fill_causes(work);
    }
    if (bpt_random_chance(random, 30)) {
        fill_expectation(work, options, bp_text_of(entity));
    }
    if (keyed) {
        options->id = new_key(work);
    }
    if (bpt_random_chance(random, 20)) {
        options->correlation = bp_id_from("correlation", entity, strlen(entity));
    }
    if (bpt_random_chance(random, 25)) {
        options->has_time = true;
        options->time_us = (int64_t)bpt_random_below(random, 4000000000000000u) - 1000000000000000;
    }
    if (bpt_random_chance(random, 15)) {
        static const uint16_t flags[] = {BP_FLAG_REQUIRES_ACK, BP_FLAG_TRANSACTIONAL, BP_FLAG_REPLAY, 11};
        options->flags = flags[bpt_random_below(random, 4)];
    }
    if (bpt_random_chance(random, 10)) {
        options->lane = (uint32_t)bpt_random_below(random, 3);
        options->depth = (uint32_t)bpt_random_below(random, 3);
    }
    if (bpt_random_chance(random, 6)) {
        options->kind_name = names[bpt_random_below(random, NAMES)];
        options->strict_kind = bpt_random_chance(random, 20);
    }
}

void bpt_workload_request(bpt_workload *work)
{
    bpt_random *random = &work->random;
    bpt_request *request = &work->request;
    bpt_request_clear(request);
    request->batch = bpt_random_chance(random, 25);
    request->durability = (bp_durability)bpt_random_below(random, 4);
    size_t count = request->batch ? 1 + (size_t)bpt_random_below(random, 6) : 1;
    bool keyed = bpt_random_chance(random, 40);
    for (size_t index = 0; index < count; index++) {
        fill_item(work, keyed && (index == 0 || bpt_random_chance(random, 50)));
    }
}

/* A committed request once more, from what the model keeps. */
static bool fill_retry(bpt_workload *work)
{
    bpt_request *request = &work->request;
    const bpt_model *model = &work->model;
    if (model->count == 0) {
        return false;
    }
    const bpt_event *any = &model->events[bpt_random_below(&work->random, model->count)];
    bpt_request_clear(request);
    for (uint64_t at = any->batch; at < any->batch + any->batch_count; at++) {
        const bpt_event *event = &model->events[at];
        if (event->system) {
            continue;
        }
        if (request->count == BPT_ITEMS || event->cause_count > BPT_CAUSES) {
            return false;
        }
        bp_append_options *options = bpt_request_add(request, event->entity.data, event->scope.data, event->kind);
        uint8_t *bytes = bpt_request_payload(request, event->payload.size, event->payload_type, event->payload_version);
        memcpy(bytes, event->payload.data, event->payload.size);
        for (size_t cause = 0; cause < event->cause_count; cause++) {
            bpt_request_cause(request, &event->causes[cause]);
        }
        options->id = event->id;
        options->external = event->external;
        options->flags = event->flags;
        options->lane = event->lane;
        options->depth = event->depth;
        if (!bp_id_equal(&event->correlation, &event->id)) {
            options->correlation = event->correlation;
        }
    }
    request->batch = request->count > 1 || bpt_random_chance(&work->random, 20);
    request->durability = (bp_durability)bpt_random_below(&work->random, 4);
    return request->count > 0;
}

/* What is not part of the request may differ: expectation, time, durability. */
static void vary_freely(bpt_workload *work)
{
    bp_append_options *options = &work->request.options[0];
    options->expect.kind = bpt_random_chance(&work->random, 50) ? BP_EXPECT_NONE : BP_EXPECT_AT;
    options->expect.clock = 12345;
    options->has_time = true;
    options->time_us = 42;
}

/* One thing of the request differs. */
static void alter(bpt_workload *work)
{
    bpt_request *request = &work->request;
    size_t index = (size_t)bpt_random_below(&work->random, request->count);
    bp_batch_item *item = &request->items[index];
    bp_append_options *options = &request->options[index];
    switch (bpt_random_below(&work->random, 9)) {
    case 0:
        item->at.scope = bp_text_of("another scope");
        break;
    case 1:
        item->at.entity = bp_text_of("another:entity");
        break;
    case 2:
        item->kind = item->kind == 0xf001 ? 0xf002 : 0xf001;
        break;
    case 3:
        item->payload.version = (uint16_t)(item->payload.version + 1);
        break;
    case 4:
        item->payload.type = item->payload.type == 128 ? 129 : 128;
        break;
    case 5:
        options->lane++;
        break;
    case 6:
        options->flags ^= BP_FLAG_REPLAY;
        break;
    case 7:
        options->correlation = bp_id_from("correlation", "other", 5);
        break;
    default:
        item->payload.size = item->payload.size > 0 ? item->payload.size - 1 : 0;
        options->depth++;
        break;
    }
}

/* ---- steps ---- */

/* The world crashed in the middle of something. */
static void broke(bpt_workload *work)
{
    work->broken = true;
}

/* The process is dead; stores into a mapping do not fail, so it may seem to go on. */
static bool world_broke(const bpt_workload *work)
{
    return work->world->fault != NULL && bpi_fault_crashed(work->world->fault);
}

static void count_durable(bpt_workload *work, const bp_receipt *receipts)
{
    for (size_t index = 0; index < work->request.count; index++) {
        if (receipts[index].durable && receipts[index].sequence >= work->durable) {
            work->durable = receipts[index].sequence + 1; /* the log is durable in order */
        }
    }
}

static void check_conflict(const bpt_verdict *verdict, const bp_error *error)
{
    CHECK(error->expected == verdict->expected && error->actual == verdict->actual,
          "conflict says expected %llu actual %llu, should be %llu and %llu", (unsigned long long)error->expected,
          (unsigned long long)error->actual, (unsigned long long)verdict->expected,
          (unsigned long long)verdict->actual);
}

static void send(bpt_workload *work)
{
    bp_error error = {0};
    bp_receipt receipts[BPT_ITEMS];
    bpt_verdict verdict;
    char text[600] = "";
    memset(receipts, 0, sizeof receipts);
    bpt_model_judge(&work->model, &work->request, &verdict);
    bp_status status = bpt_request_send(work->store, &work->request, receipts, &error);
    if (world_broke(work)) {
        broke(work);
        work->flight =
            verdict.allowed == UINT64_C(1) << BP_OK && !verdict.duplicate ? BPT_FLIGHT_REQUEST : BPT_FLIGHT_NONE;
        work->flight_verdict = verdict;
        return;
    }
    if (status != BP_OK) {
        (void)bp_error_format(&error, text, sizeof text);
    }
    CHECK((verdict.allowed >> (unsigned)status & 1) != 0, "%s (%s), allowed are 0x%llx", bp_status_name(status), text,
          (unsigned long long)verdict.allowed);
    if (status == BP_ERR_CONFLICT) {
        work->conflicts++;
        check_conflict(&verdict, &error);
    }
    if (status == BP_OK) {
        bp_durability asked = work->request.durability;
        if (asked == BP_DURABILITY_DEFAULT) {
            asked = work->world->options.durability;
        }
        work->duplicates += verdict.duplicate;
        work->batches += work->request.batch;
        bpt_model_accept(&work->model, &work->request, &verdict, receipts,
                         asked == BP_DURABLE || asked == BP_DURABILITY_DEFAULT);
        count_durable(work, receipts);
    }
}

static void step_define(bpt_workload *work)
{
    bp_error error = {0};
    const char *name = names[bpt_random_below(&work->random, NAMES)];
    bp_kind_code kind = (bp_kind_code)(0x3000 + bpt_random_below(&work->random, NAMES));
    const bpt_kind *known = bpt_model_kind(&work->model, name);
    bool taken = known != NULL && known->kind != kind;
    note(work, "define a kind");
    for (size_t index = 0; index < work->model.kind_count; index++) {
        taken = taken || (work->model.kinds[index].kind == kind && strcmp(work->model.kinds[index].name, name) != 0);
    }
    bp_status status = bp_kind_define(work->store, kind, name, &error);
    if (world_broke(work)) {
        broke(work);
        work->flight = taken || known != NULL ? BPT_FLIGHT_NONE : BPT_FLIGHT_DEFINE;
        work->flight_kind = kind;
        work->flight_name = name;
        return;
    }
    bpt_check_status(status, taken ? BP_ERR_EXISTS : BP_OK, &error, "bp_kind_define", __FILE__, __LINE__);
    if (status == BP_OK && known == NULL) {
        bpt_model_define(&work->model, kind, name);
    }
}

static void step_sync(bpt_workload *work)
{
    bp_error error = {0};
    bool seals = bpt_random_chance(&work->random, 15);
    note(work, seals ? "seal" : "sync");
    uint64_t before = bp_store_frontiers(work->store).published;
    bp_status status = seals ? bp_seal(work->store, &error) : bp_sync(work->store, &error);
    if (world_broke(work)) {
        broke(work);
        return;
    }
    bpt_check_status(status, BP_OK, &error, "bp_sync or bp_seal", __FILE__, __LINE__);
    bp_frontiers frontiers = bp_store_frontiers(work->store);
    CHECK(seals || frontiers.durable >= before, "after bp_sync durable is %llu, published was %llu",
          (unsigned long long)frontiers.durable, (unsigned long long)before);
    if (!seals) {
        work->durable = frontiers.durable;
    }
}

void bpt_workload_reopen(bpt_workload *work)
{
    bp_error error = {0};
    note(work, "reopen");
    bpt_compare(&work->model, work->store, &work->random);
    bp_status status = bp_close(work->store, &error);
    work->store = NULL;
    if (world_broke(work)) {
        broke(work);
        return;
    }
    bpt_check_status(status, BP_OK, &error, "bp_close", __FILE__, __LINE__);
    work->durable = work->model.count;
    status = bp_open(work->world->path, &work->world->options, &work->store, &error);
    if (world_broke(work)) {
        broke(work);
        return;
    }
    bpt_check_status(status, BP_OK, &error, "bp_open", __FILE__, __LINE__);
    bpt_compare(&work->model, work->store, &work->random);
}

/* What was in flight has survived: its receipts are made from what is there, and judged as if they had come. */
static void adopt(bpt_workload *work, uint64_t count)
{
    bp_error error = {0};
    bp_receipt receipts[BPT_ITEMS];
    memset(receipts, 0, sizeof receipts);
    if (work->flight == BPT_FLIGHT_DEFINE) {
        bpt_model_define(&work->model, work->flight_kind, work->flight_name);
        return;
    }
    CHECK(work->flight == BPT_FLIGHT_REQUEST, "%llu events are left, only %zu were tried", (unsigned long long)count,
          work->model.count);
    size_t item = 0;
    for (uint64_t sequence = work->model.count; sequence < count; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(work->store, sequence, &event, &error), &error);
        if (!bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY))) {
            CHECK(item < work->request.count, "more events are left than were in flight");
            bp_receipt *receipt = &receipts[item];
            *receipt = (bp_receipt){.sequence = sequence,
                                    .id = event->id,
                                    .clock = event->clock,
                                    .hlc = event->hlc,
                                    .event_hash = event->event_hash,
                                    .position = event->position,
                                    .kind = event->kind};
            const char *name = work->request.options[item].kind_name;
            receipt->kind_named = name != NULL && bpt_model_kind(&work->model, name) == NULL;
            for (size_t before = 0; before < item && receipt->kind_named; before++) {
                const char *other = work->request.options[before].kind_name;
                receipt->kind_named = other == NULL || strcmp(other, name) != 0;
            }
            item++;
        }
        bp_event_release(event);
    }
    CHECK(item == work->request.count, "P2: %zu events of %zu in flight are left", item, work->request.count);
    bpt_model_accept(&work->model, &work->request, &work->flight_verdict, receipts, false);
}

uint64_t bpt_workload_recover(bpt_workload *work, uint64_t least)
{
    note(work, "recover");
    work->store = bpt_open(work->world);
    uint64_t count = bp_store_frontiers(work->store).published;
    CHECK(count >= least, "P1: %llu events are left, %llu were acknowledged", (unsigned long long)count,
          (unsigned long long)least);
    if (count > work->model.count) {
        adopt(work, count);
    }
    bpt_model_truncate(&work->model, count);
    bpt_compare(&work->model, work->store, &work->random);
    work->durable = count;
    work->broken = false;
    work->flight = BPT_FLIGHT_NONE;
    return count;
}

void bpt_workload_step(bpt_workload *work)
{
    uint64_t what = bpt_random_below(&work->random, 1000);
    work->step++;
    if (what < 800) {
        bpt_workload_request(work);
        note(work, work->request.batch ? "a batch" : "an append");
        send(work);
    } else if (what < 900) {
        if (fill_retry(work)) {
            bool altered = bpt_random_chance(&work->random, 50);
            note(work, altered ? "an altered retry" : "a retry");
            (altered ? alter : vary_freely)(work);
            send(work);
        }
    } else if (what < 920) {
        step_define(work);
    } else if (what < 960) {
        step_sync(work);
    } else if (what < 995) {
        if (work->asks) {
            note(work, "ask");
            bpt_compare_regions(&work->model, work->store, &work->random, 3);
        }
    } else if (work->reopens) {
        bpt_workload_reopen(work);
    }
}

void bpt_workload_end(bpt_workload *work)
{
    note(work, "the end");
    bpt_compare(&work->model, work->store, &work->random);
    bpt_close(work->store);
    work->store = NULL;
    uint64_t events = bpt_verify(work->world);
    CHECK(events == work->model.count, "verify proves %llu events of %zu", (unsigned long long)events,
          work->model.count);
    bpt_model_free(&work->model);
}
