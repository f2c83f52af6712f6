/* model.c: the oracle: judging requests and keeping what they leave. */
#include "support/model.h"

#define ALLOW(status) (UINT64_C(1) << (unsigned)(status))

void bpt_model_init(bpt_model *model)
{
    memset(model, 0, sizeof *model);
    model->id_slots = 1024;
    model->ids = calloc(model->id_slots, sizeof *model->ids);
    assert_non_null(model->ids);
}

static void event_free(bpt_event *event)
{
    free(event->entity.data);
    free(event->scope.data);
    free(event->payload.data);
}

void bpt_model_free(bpt_model *model)
{
    for (size_t index = 0; index < model->count; index++) {
        event_free(&model->events[index]);
    }
    free(model->events);
    free(model->ids);
    memset(model, 0, sizeof *model);
}

static size_t slot_of(const bpt_model *model, const bp_id *id)
{
    uint64_t mixed = 0;
    for (size_t index = 0; index < 16; index++) {
        mixed = (mixed ^ id->bytes[index]) * 0x100000001b3u;
    }
    return (size_t)(mixed ^ (mixed >> 29)) & (model->id_slots - 1);
}

const bpt_event *bpt_model_find(const bpt_model *model, const bp_id *id)
{
    for (size_t slot = slot_of(model, id);; slot = (slot + 1) & (model->id_slots - 1)) {
        if (model->ids[slot] == 0) {
            return NULL;
        }
        const bpt_event *event = &model->events[model->ids[slot] - 1];
        if (bp_id_equal(&event->id, id)) {
            return event;
        }
    }
}

static void remember_id(bpt_model *model, uint64_t sequence)
{
    size_t slot = slot_of(model, &model->events[sequence].id);
    while (model->ids[slot] != 0) {
        slot = (slot + 1) & (model->id_slots - 1);
    }
    model->ids[slot] = sequence + 1;
}

void bpt_model_learn_id(bpt_model *model, uint64_t sequence, const bp_id *id)
{
    CHECK(bpt_model_find(model, id) == NULL, "event %llu has the id of another one", (unsigned long long)sequence);
    model->events[sequence].id = *id;
    model->events[sequence].correlation = *id;
    remember_id(model, sequence);
}

static void rebuild_ids(bpt_model *model, size_t slots)
{
    free(model->ids);
    model->id_slots = slots;
    model->ids = calloc(slots, sizeof *model->ids);
    assert_non_null(model->ids);
    for (size_t index = 0; index < model->count; index++) {
        if (!bp_id_is_nil(&model->events[index].id)) {
            remember_id(model, index);
        }
    }
}

static bool same_text(const bpt_text *a, const void *data, size_t size)
{
    return a->size == size && (size == 0 || memcmp(a->data, data, size) == 0);
}

static bpt_text copy(const void *data, size_t size)
{
    bpt_text text = {malloc(size + 1), size};
    assert_non_null(text.data);
    if (size > 0) {
        memcpy(text.data, data, size);
    }
    text.data[size] = '\0';
    return text;
}

uint64_t bpt_model_head(const bpt_model *model, bp_text entity)
{
    for (size_t index = model->count; index > 0; index--) {
        if (same_text(&model->events[index - 1].entity, entity.data, entity.size)) {
            return index - 1;
        }
    }
    return BP_NONE;
}

static uint64_t head_clock(const bpt_model *model, bp_text entity)
{
    uint64_t head = bpt_model_head(model, entity);
    return head == BP_NONE ? BP_NONE : model->events[head].clock;
}

const bpt_kind *bpt_model_kind(const bpt_model *model, const char *name)
{
    for (size_t index = 0; index < model->kind_count; index++) {
        if (strcmp(model->kinds[index].name, name) == 0) {
            return &model->kinds[index];
        }
    }
    return NULL;
}

/* ---- judging ---- */

/* All causes of item `index`, batch items among them resolved by `ids`; the number. */
static size_t causes_of(const bpt_request *request, size_t index, const bp_id *ids, bp_id *causes_out)
{
    const bp_append_options *options = &request->options[index];
    size_t count = 0;
    for (size_t at = 0; at < options->cause_count; at++) {
        causes_out[count++] = options->causes[at];
    }
    for (size_t at = 0; at < options->cause_item_count; at++) {
        causes_out[count++] = ids[options->cause_items[at]];
    }
    return count;
}

/* Is item `index` the request that made `event`? `ids` are those of the batch. */
static bool same_request(const bpt_model *model, const bpt_request *request, size_t index, const bp_id *ids,
                         const bpt_event *event)
{
    const bp_batch_item *item = &request->items[index];
    const bp_append_options *options = &request->options[index];
    const bpt_kind *named = options->kind_name != NULL ? bpt_model_kind(model, options->kind_name) : NULL;
    bp_kind_code kind = named != NULL ? named->kind : item->kind;
    bp_id correlation = bp_id_is_nil(&options->correlation) ? event->id : options->correlation;
    bp_id causes[BPT_CAUSES * 2];
    size_t cause_count = causes_of(request, index, ids, causes);
    if (options->kind_name != NULL && named == NULL) {
        return false;
    }
    return same_text(&event->entity, item->at.entity.data, item->at.entity.size) &&
           same_text(&event->scope, item->at.scope.data, item->at.scope.size) && event->kind == kind &&
           same_text(&event->payload, item->payload.data, item->payload.size) &&
           event->payload_type == item->payload.type && event->payload_version == item->payload.version &&
           bp_id_equal(&event->correlation, &correlation) && event->flags == options->flags &&
           event->lane == options->lane && event->depth == options->depth && event->cause_count == cause_count &&
           memcmp(event->causes, causes, cause_count * sizeof *causes) == 0;
}

/* The events of the commit that holds `event`, without the system's; returns how many. */
static size_t commit_of(const bpt_model *model, const bpt_event *event, uint64_t *sequences_out, size_t room)
{
    size_t count = 0;
    for (uint64_t at = event->batch; at < event->batch + event->batch_count; at++) {
        if (!model->events[at].system && count < room) {
            sequences_out[count++] = at;
        }
    }
    return count;
}

/* Fills in the verdict when an id is known already; false when none is. */
static bool judge_known(const bpt_model *model, const bpt_request *request, bpt_verdict *verdict)
{
    const bpt_event *known = NULL;
    uint64_t sequences[BPT_ITEMS + 1];
    bp_id ids[BPT_ITEMS];
    for (size_t index = 0; index < request->count && known == NULL; index++) {
        known = bp_id_is_nil(&request->options[index].id) ? NULL : bpt_model_find(model, &request->options[index].id);
    }
    if (known == NULL) {
        return false;
    }
    verdict->allowed = ALLOW(BP_ERR_IDEMPOTENCY);
    if (commit_of(model, known, sequences, BPT_ITEMS + 1) != request->count) {
        return true;
    }
    for (size_t index = 0; index < request->count; index++) {
        ids[index] = model->events[sequences[index]].id;
        if (!bp_id_is_nil(&request->options[index].id) && !bp_id_equal(&request->options[index].id, &ids[index])) {
            return true;
        }
    }
    for (size_t index = 0; index < request->count; index++) {
        if (!same_request(model, request, index, ids, &model->events[sequences[index]])) {
            return true;
        }
    }
    verdict->allowed = ALLOW(BP_OK);
    verdict->duplicate = true;
    verdict->first = sequences[0];
    return true;
}

/* The clock that the entity of item `index` has after the items before it. */
static uint64_t clock_before(const bpt_model *model, const bpt_request *request, size_t index)
{
    bp_text entity = request->items[index].at.entity;
    uint64_t clock = head_clock(model, entity);
    for (size_t at = 0; at < index; at++) {
        if (bp_text_equal(request->items[at].at.entity, entity)) {
            clock = clock == BP_NONE ? 0 : clock + 1;
        }
    }
    return clock;
}

void bpt_model_judge(const bpt_model *model, const bpt_request *request, bpt_verdict *verdict_out)
{
    uint64_t errors = 0;
    memset(verdict_out, 0, sizeof *verdict_out);
    if (judge_known(model, request, verdict_out)) {
        return;
    }
    for (size_t index = 0; index < request->count; index++) {
        const bp_append_options *options = &request->options[index];
        uint64_t clock = clock_before(model, request, index);
        for (size_t at = 0; !options->external && at < options->cause_count; at++) {
            if (bpt_model_find(model, &options->causes[at]) == NULL) {
                errors |= ALLOW(BP_ERR_CAUSE);
            }
        }
        if (options->kind_name != NULL && options->strict_kind && bpt_model_kind(model, options->kind_name) == NULL) {
            errors |= ALLOW(BP_ERR_KIND);
        }
        if ((options->expect.kind == BP_EXPECT_NONE && clock != BP_NONE) ||
            (options->expect.kind == BP_EXPECT_AT && clock != options->expect.clock)) {
            if ((errors & ALLOW(BP_ERR_CONFLICT)) == 0) {
                verdict_out->expected = options->expect.kind == BP_EXPECT_NONE ? BP_NONE : options->expect.clock;
                verdict_out->actual = clock;
            }
            errors |= ALLOW(BP_ERR_CONFLICT);
        }
    }
    verdict_out->allowed = errors != 0 ? errors : ALLOW(BP_OK);
}

/* ---- keeping ---- */

static bpt_event *add_event(bpt_model *model, bp_text entity, bp_text scope)
{
    if (model->count == model->capacity) {
        model->capacity = model->capacity == 0 ? 256 : model->capacity * 2;
        model->events = realloc(model->events, model->capacity * sizeof *model->events);
        assert_non_null(model->events);
    }
    uint64_t clock = head_clock(model, entity);
    bpt_event *event = &model->events[model->count];
    memset(event, 0, sizeof *event);
    event->clock = clock == BP_NONE ? 0 : clock + 1;
    event->entity = copy(entity.data, entity.size);
    event->scope = copy(scope.data, scope.size);
    model->count++;
    return event;
}

static void add_kind(bpt_model *model, bp_kind_code kind, const char *name)
{
    uint8_t payload[258];
    size_t size = strlen(name);
    bpt_event *event = add_event(model, bp_text_of(BP_SYSTEM_ENTITY), bp_text_of(BP_SYSTEM_SCOPE));
    payload[0] = (uint8_t)(kind & 0xff);
    payload[1] = (uint8_t)(kind >> 8);
    memcpy(payload + 2, name, size);
    event->payload = copy(payload, size + 2);
    event->payload_version = 1;
    event->kind = BP_KIND_NAME;
    event->system = true;
    event->batch = model->count - 1;
    event->batch_count = 1;
    assert_true(model->kind_count < 256 && size < 256);
    bpt_kind *entry = &model->kinds[model->kind_count++];
    entry->kind = kind;
    entry->sequence = model->count - 1;
    (void)snprintf(entry->name, sizeof entry->name, "%s", name);
}

void bpt_model_define(bpt_model *model, bp_kind_code kind, const char *name)
{
    add_kind(model, kind, name);
}

static void accept_duplicate(bpt_model *model, const bpt_request *request, const bpt_verdict *verdict,
                             const bp_receipt *receipts)
{
    uint64_t sequences[BPT_ITEMS];
    size_t count = commit_of(model, &model->events[verdict->first], sequences, BPT_ITEMS);
    assert_int_equal(count, request->count);
    for (size_t index = 0; index < count; index++) {
        const bpt_event *event = &model->events[sequences[index]];
        const bp_receipt *receipt = &receipts[index];
        CHECK(receipt->duplicate, "item %zu: a retry is not marked duplicate", index);
        CHECK(receipt->sequence == sequences[index], "item %zu: duplicate of %llu, not of %llu", index,
              (unsigned long long)receipt->sequence, (unsigned long long)sequences[index]);
        CHECK(bp_id_equal(&receipt->id, &event->id) && receipt->clock == event->clock && receipt->kind == event->kind,
              "item %zu: not the first receipt", index);
        CHECK(!event->knows_hash || bp_hash_equal(&receipt->event_hash, &event->event_hash), "item %zu: other hash",
              index);
        CHECK(!event->learned || (receipt->hlc == event->hlc && receipt->position == event->position),
              "item %zu: other HLC or position", index);
    }
}

static void accept_item(bpt_model *model, const bpt_request *request, size_t index, const bp_receipt *receipts)
{
    const bp_batch_item *item = &request->items[index];
    const bp_append_options *options = &request->options[index];
    const bp_receipt *receipt = &receipts[index];
    bp_id ids[BPT_ITEMS];
    CHECK(receipt->sequence == model->count, "item %zu: sequence %llu, expected %zu", index,
          (unsigned long long)receipt->sequence, model->count);
    CHECK(!receipt->duplicate && !receipt->unverifiable, "item %zu: a new event is marked duplicate", index);
    CHECK(bp_id_is_nil(&options->id) || bp_id_equal(&options->id, &receipt->id), "item %zu: not the id given", index);
    CHECK(!bp_id_is_nil(&receipt->id), "item %zu: nil id", index);
    CHECK(bpt_model_find(model, &receipt->id) == NULL, "item %zu: an id is given twice", index);
    for (size_t at = 0; at < request->count; at++) {
        ids[at] = receipts[at].id;
    }
    bpt_event *event = add_event(model, item->at.entity, item->at.scope);
    CHECK(receipt->clock == event->clock, "item %zu: clock %llu, expected %llu", index,
          (unsigned long long)receipt->clock, (unsigned long long)event->clock);
    event->id = receipt->id;
    event->correlation = bp_id_is_nil(&options->correlation) ? receipt->id : options->correlation;
    event->cause_count = causes_of(request, index, ids, event->causes);
    event->kind = receipt->kind;
    event->flags = options->flags;
    event->payload_type = item->payload.type;
    event->payload_version = item->payload.version;
    event->payload = copy(item->payload.data, item->payload.size);
    event->lane = options->lane;
    event->depth = options->depth;
    event->external = options->external;
    event->knows_time = options->has_time;
    event->time_us = options->time_us;
    event->knows_hash = true;
    event->event_hash = receipt->event_hash;
    event->learned = true;
    event->hlc = receipt->hlc;
    event->position = receipt->position;
    remember_id(model, model->count - 1);
}

/* Names that this request gave; they come in front of the commit's first event or of the event that needs them. */
static size_t new_names(bpt_model *model, const bpt_request *request, const bp_receipt *receipts, size_t *items_out)
{
    size_t count = 0;
    for (size_t index = 0; index < request->count; index++) {
        const char *name = request->options[index].kind_name;
        bool before = name == NULL || bpt_model_kind(model, name) != NULL;
        for (size_t at = 0; at < count && !before; at++) {
            before = strcmp(request->options[items_out[at]].kind_name, name) == 0;
        }
        CHECK(receipts[index].kind_named == !before, "item %zu: kind_named is wrong", index);
        if (!before) {
            CHECK(bp_kind_category(receipts[index].kind) == 1, "a new name is given kind 0x%04X", receipts[index].kind);
            items_out[count++] = index;
        } else if (name == NULL) {
            CHECK(receipts[index].kind == request->items[index].kind, "item %zu: not the kind given", index);
        }
    }
    return count;
}

void bpt_model_accept(bpt_model *model, const bpt_request *request, const bpt_verdict *verdict,
                      const bp_receipt *receipts, bool durable)
{
    size_t items[BPT_ITEMS];
    for (size_t index = 0; index < request->count; index++) {
        CHECK(!durable || receipts[index].durable, "item %zu: durable was asked for, the receipt says no", index);
    }
    if (verdict->duplicate) {
        accept_duplicate(model, request, verdict, receipts);
        return;
    }
    if ((model->count + BPT_ITEMS * 2) * 2 > model->id_slots) {
        rebuild_ids(model, model->id_slots * 2);
    }
    size_t first = model->count;
    size_t names = new_names(model, request, receipts, items);
    size_t given = 0;
    for (size_t index = 0; index < request->count; index++) {
        for (; given < names && model->count < receipts[index].sequence; given++) {
            add_kind(model, receipts[items[given]].kind, request->options[items[given]].kind_name);
        }
        accept_item(model, request, index, receipts);
        const char *name = request->options[index].kind_name;
        CHECK(name == NULL || bpt_model_kind(model, name) == NULL ||
                  bpt_model_kind(model, name)->kind == receipts[index].kind,
              "item %zu: the name stands for another kind", index);
    }
    CHECK(given == names, "a new name was used before it was given");
    for (size_t at = first; at < model->count; at++) {
        model->events[at].batch = first;
        model->events[at].batch_count = (uint32_t)(model->count - first);
    }
}

void bpt_model_truncate(bpt_model *model, uint64_t count)
{
    CHECK(count <= model->count, "%llu events, but only %zu were tried", (unsigned long long)count, model->count);
    CHECK(count == model->count || model->events[count].batch == count, "sequence %llu is inside a commit",
          (unsigned long long)count);
    while (model->count > count) {
        event_free(&model->events[--model->count]);
    }
    while (model->kind_count > 0 && model->kinds[model->kind_count - 1].sequence >= count) {
        model->kind_count--;
    }
    rebuild_ids(model, model->id_slots);
}
