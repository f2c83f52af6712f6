/*
 * reaction.c: events that follow from events.
 *
 * Holds: all outputs of an input are one commit, whose first id is looked for before the function is called; the position is
 * written only behind outputs that are durable. So of input, outputs, position, a crash keeps a beginning.
 */
#include <batpak/reaction.h>

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "follow/consumer.h"
#include "store/items.h"
#include "store/read.h"

struct bp_outputs {
    const bp_reaction *reaction;
    const bp_event *input;
    bpi_buffer items;   /* output_item */
    bpi_buffer bytes;   /* texts and payloads */
    bpi_buffer causes;  /* bp_id */
    bpi_buffer options; /* bp_append_options, when all are there */
    bpi_buffer batch;   /* bp_batch_item */
};

/* One output; offsets into `bytes` and `causes`, which move while they grow. */
typedef struct output_item {
    bp_append_options options;
    bp_payload payload;
    bp_kind_code kind;
    size_t entity_at, entity_size;
    size_t scope_at, scope_size;
    size_t kind_name_at; /* with its NUL; SIZE_MAX: none */
    size_t payload_at;
    size_t causes_at, cause_count;
} output_item;

struct bp_reaction {
    bp_consumer *consumer;
    bpi_hub *hub;
    bp_react_fn react;
    void *context;
    _Atomic uint64_t written; /* the greatest sequence of an output, + 1 */
    bp_outputs *outputs;      /* one per worker */
};

uint32_t bp_event_hops(const bp_event *event)
{
    const uint8_t *value = NULL;
    size_t size = 0;
    return bp_event_extension(event, BP_TAG_HOPS, &value, &size) && size == 4 ? bpi_get32(value) : 0;
}

/* ---- outputs ---- */

static bpi_buffer *buffers_of(bp_outputs *outputs, size_t i)
{
    bpi_buffer *all[] = {&outputs->items, &outputs->bytes, &outputs->causes, &outputs->options, &outputs->batch};
    return i < sizeof all / sizeof all[0] ? all[i] : NULL;
}

static void begin_outputs(bp_outputs *outputs, const bp_event *input)
{
    outputs->input = input;
    for (size_t i = 0; buffers_of(outputs, i) != NULL; i++) {
        buffers_of(outputs, i)->size = 0;
    }
}

static bool keep(bpi_buffer *buffer, const void *data, size_t size, size_t *at_out)
{
    *at_out = buffer->size;
    return size == 0 || bpi_buffer_append(buffer, data, size);
}

static bp_status check_output(const bp_outputs *outputs, const bp_append_options *options, bp_error *error)
{
    if (!bp_id_is_nil(&options->id) || !bp_id_is_nil(&options->correlation) || options->hops != 0 ||
        options->durability != BP_DURABILITY_DEFAULT || options->cause_item_count != 0 || options->guard_count != 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT,
                             "an output's id, correlation, hops and durability are the reaction's to give");
    }
    if (options->causes == NULL && options->cause_count != 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "causes is NULL but has a count");
    }
    if (options->cause_count >= BP_CAUSES_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "the input and %zu causes are over the limit of %u",
                             options->cause_count, BP_CAUSES_MAX);
    }
    if (outputs->items.size / sizeof(output_item) == BP_BATCH_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "one input has more than %u outputs", BP_BATCH_MAX);
    }
    return BP_OK;
}

bp_status bp_outputs_add(bp_outputs *outputs, bp_coordinate at, bp_kind_code kind, bp_payload payload,
                         const bp_append_options *options, bp_error *error)
{
    bp_append_options taken;
    size_t causes_at = 0;
    if (outputs == NULL || outputs->input == NULL || (payload.data == NULL && payload.size != 0) ||
        (at.entity.data == NULL && at.entity.size != 0) || (at.scope.data == NULL && at.scope.size != 0)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "there are no outputs to add to, or something is NULL");
    }
    bp_status status = bpi_append_options_take(options, &taken, error);
    options = &taken;
    if (status == BP_OK) {
        status = check_output(outputs, options, error);
    }
    if (status != BP_OK) {
        return status;
    }
    output_item item = {.options = *options,
                        .payload = payload,
                        .kind = kind,
                        .entity_size = at.entity.size,
                        .scope_size = at.scope.size,
                        .kind_name_at = SIZE_MAX,
                        .cause_count = options->cause_count + 1};
    bool kept = keep(&outputs->bytes, at.entity.data, at.entity.size, &item.entity_at) &&
                keep(&outputs->bytes, at.scope.data, at.scope.size, &item.scope_at) &&
                keep(&outputs->bytes, payload.data, payload.size, &item.payload_at) &&
                keep(&outputs->causes, &outputs->input->id, sizeof(bp_id), &item.causes_at) &&
                keep(&outputs->causes, options->causes, options->cause_count * sizeof(bp_id), &causes_at);
    if (kept && options->kind_name != NULL) {
        kept = keep(&outputs->bytes, options->kind_name, strlen(options->kind_name) + 1, &item.kind_name_at);
    }
    kept = kept && bpi_buffer_append(&outputs->items, &item, sizeof item);
    return kept ? BP_OK : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for an output");
}

/* The id of an output: for ever the same of a reaction, an input, an ordinal. */
static bp_id output_id(const bp_reaction *reaction, const bp_id *input, uint32_t ordinal)
{
    uint8_t bytes[BPI_CONSUMER_NAME_MAX + sizeof(bp_id) + 4];
    size_t size = reaction->consumer->name_size;
    memcpy(bytes, reaction->consumer->name, size);
    memcpy(bytes + size, input->bytes, sizeof input->bytes);
    bpi_put32(bytes + size + sizeof input->bytes, ordinal);
    return bp_id_from("batpak:reaction", bytes, size + sizeof(bp_id) + 4);
}

/* Everything lies where it stays: the batch, pointing into it. */
static bool build_batch(bp_outputs *outputs, size_t count)
{
    const output_item *items = (const output_item *)(const void *)outputs->items.data;
    if (!bpi_buffer_reserve(&outputs->options, count * sizeof(bp_append_options)) ||
        !bpi_buffer_reserve(&outputs->batch, count * sizeof(bp_batch_item))) {
        return false;
    }
    bp_append_options *options = (bp_append_options *)(void *)outputs->options.data;
    bp_batch_item *batch = (bp_batch_item *)(void *)outputs->batch.data;
    const char *bytes = (const char *)outputs->bytes.data;
    for (size_t i = 0; i < count; i++) {
        const output_item *item = &items[i];
        options[i] = item->options;
        options[i].id = output_id(outputs->reaction, &outputs->input->id, (uint32_t)i);
        options[i].correlation = outputs->input->correlation;
        options[i].hops = bp_event_hops(outputs->input) + 1;
        options[i].causes = (const bp_id *)(const void *)(outputs->causes.data + item->causes_at);
        options[i].cause_count = item->cause_count;
        options[i].kind_name = item->kind_name_at == SIZE_MAX ? NULL : bytes + item->kind_name_at;
        batch[i] = (bp_batch_item){
            .at = bp_at_bytes(bytes + item->entity_at, item->entity_size, bytes + item->scope_at, item->scope_size),
            .kind = item->kind,
            .payload = item->payload,
            .options = &options[i]};
        batch[i].payload.data = item->payload.size == 0 ? NULL : bytes + item->payload_at;
    }
    return true;
}

/* ---- one input ---- */

static void note_written(bp_reaction *reaction, uint64_t next)
{
    uint64_t before = atomic_load(&reaction->written);
    while (before < next && !atomic_compare_exchange_weak(&reaction->written, &before, next)) {
    }
}

/* Are the outputs there already, or were they and retention took them away? Whether they can be converted does not count. */
static bp_status look_for_outputs(bp_reaction *reaction, const bp_event *input, bool *there_out, bp_error *error)
{
    bp_event first;
    uint64_t sequence = 0;
    bp_id id = output_id(reaction, &input->id, 0);
    *there_out = false;
    bpi_index *index = bpi_store_read_begin(reaction->hub->store, "outputs", error);
    if (index == NULL) {
        return error->status;
    }
    bpi_view *view = bpi_view_pin(index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    bp_status status = bpi_view_find_id(view, &id, &sequence, error);
    if (status == BP_OK) {
        status = bpi_view_event(view, sequence, &first, error);
    }
    if (status == BP_OK) {
        *there_out = true;
        note_written(reaction, first.batch + first.batch_count); /* they may not be durable yet */
    }
    bpi_view_drop(view);
    return status == BP_ERR_NOT_FOUND ? BP_OK : status;
}

/* Whether the batch was appended is unknown, or nothing can be appended now: it is not the input's fault. */
static bool is_grave(bp_status status)
{
    return status == BP_ERR_FAILED || status == BP_ERR_IO || status == BP_ERR_NO_SPACE || status == BP_ERR_NO_MEMORY ||
           status == BP_ERR_CLOSED || status == BP_ERR_FORKED || status == BP_ERR_CORRUPT;
}

static bp_status append_outputs(bp_reaction *reaction, bp_outputs *outputs, bp_error *error)
{
    size_t count = outputs->items.size / sizeof(output_item);
    if (count == 0) {
        return BP_OK;
    }
    if (!build_batch(outputs, count)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the outputs");
    }
    const bp_batch_item *batch = (const bp_batch_item *)(const void *)outputs->batch.data;
    bp_receipt *receipts = bpi_allocate(reaction->hub->allocator, count * sizeof *receipts);
    if (receipts == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the outputs");
    }
    bp_status status = bp_append_batch(reaction->hub->store, batch, count, NULL, receipts, error);
    if (status == BP_OK) {
        note_written(reaction, receipts[count - 1].sequence + 1);
    }
    bpi_release(reaction->hub->allocator, receipts, count * sizeof *receipts);
    return status;
}

/* While the function has the input, nobody else may give it away. */
static void set_busy(bp_consumer *consumer, uint64_t sequence, bool busy)
{
    (void)pthread_mutex_lock(&consumer->lock);
    bpi_entry *entry = bpi_consumer_find(consumer, sequence);
    if (entry != NULL) {
        entry->busy = busy;
    }
    (void)pthread_mutex_unlock(&consumer->lock);
}

static bp_status react_to(bp_reaction *reaction, uint32_t worker, const bp_event *input, bp_error *error)
{
    bool there = false;
    bp_outputs *outputs = &reaction->outputs[worker];
    bp_status status = look_for_outputs(reaction, input, &there, error);
    if (status != BP_OK || there) {
        return status;
    }
    begin_outputs(outputs, input);
    *error = (bp_error){0}; /* that the outputs are not there yet is nobody's reason */
    bpi_call_frame frame;
    set_busy(reaction->consumer, input->sequence, true);
    bpi_call_begin(&frame, reaction->hub);
    status = reaction->react(reaction->context, input, outputs, error);
    bpi_call_end(&frame);
    set_busy(reaction->consumer, input->sequence, false);
    bpi_consumer_give_reason(status, error);
    if (status == BP_OK) {
        status = append_outputs(reaction, outputs, error);
    } else if (is_grave(status)) {
        status = BP_ERR_DENIED; /* the function's own trouble: a failure of the input */
    }
    outputs->input = NULL;
    return status;
}

/* Leaves the input to be delivered again, be it to another worker. */
static void give_back(bp_consumer *consumer, uint64_t sequence)
{
    (void)pthread_mutex_lock(&consumer->lock);
    bpi_entry *entry = bpi_consumer_find(consumer, sequence);
    if (entry != NULL && entry->event != NULL) {
        bpi_consumer_put_back(consumer, entry, 0);
    }
    (void)pthread_mutex_unlock(&consumer->lock);
    bpi_consumer_nudge(consumer);
}

bp_status bp_reaction_next(bp_reaction *reaction, uint32_t worker, uint32_t timeout_ms, bp_error *error)
{
    const bp_event *input = NULL;
    bp_error why = {0};
    if (reaction == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "reaction is NULL");
    }
    bp_status status = bp_consumer_next(reaction->consumer, worker, timeout_ms, &input, error);
    if (status != BP_OK || input == NULL) {
        return status;
    }
    uint64_t sequence = input->sequence;
    status = bpi_hub_enter(reaction->hub, error);
    if (status != BP_OK) {
        return status; /* closing: the input was not acknowledged and comes again */
    }
    status = react_to(reaction, worker, input, &why);
    if (is_grave(status)) {
        give_back(reaction->consumer, sequence);
        if (error != NULL) {
            *error = why;
        }
    } else {
        status = status == BP_OK ? bp_consumer_ack(reaction->consumer, sequence, error)
                                 : bp_consumer_fail(reaction->consumer, sequence, why.message, error);
    }
    bpi_hub_leave(reaction->hub);
    return status;
}

bp_status bp_reaction_run(bp_reaction *reaction, uint32_t worker, bp_error *error)
{
    bp_status status = BP_OK;
    while (status == BP_OK) {
        status = bp_reaction_next(reaction, worker, BP_FOREVER, error);
    }
    return status == BP_END ? bpi_consumer_how_it_ended(reaction->consumer, "reaction", error) : status;
}

/* ---- opening, closing ---- */

/* A position must not be durable before the outputs that it stands behind. */
static bp_status outputs_first(void *argument, bp_error *error)
{
    bp_reaction *reaction = argument;
    bp_store *store = reaction->hub->store;
    return atomic_load(&reaction->written) <= bpi_store_durable(store) ? BP_OK : bp_sync(store, error);
}

static void free_reaction(bp_reaction *reaction, const bp_allocator *allocator, uint32_t workers)
{
    for (uint32_t i = 0; reaction->outputs != NULL && i < workers; i++) {
        for (size_t b = 0; buffers_of(&reaction->outputs[i], b) != NULL; b++) {
            bpi_buffer_fini(buffers_of(&reaction->outputs[i], b));
        }
    }
    bpi_release(allocator, reaction->outputs, workers * sizeof *reaction->outputs);
    bpi_release(allocator, reaction, sizeof *reaction);
}

static bp_reaction *new_reaction(bp_consumer *consumer)
{
    const bp_allocator *allocator = consumer->hub->allocator;
    uint32_t workers = consumer->options.workers;
    bp_reaction *reaction = bpi_allocate_zero(allocator, sizeof *reaction);
    if (reaction == NULL) {
        return NULL;
    }
    reaction->outputs = bpi_allocate_array(allocator, workers, sizeof *reaction->outputs);
    if (reaction->outputs == NULL) {
        free_reaction(reaction, allocator, workers);
        return NULL;
    }
    bp_outputs *outputs = reaction->outputs;
    for (uint32_t i = 0; i < workers; i++) {
        outputs[i].reaction = reaction;
        for (size_t b = 0; buffers_of(&outputs[i], b) != NULL; b++) {
            bpi_buffer_init(buffers_of(&outputs[i], b), allocator);
        }
    }
    reaction->consumer = consumer;
    reaction->hub = consumer->hub;
    return reaction;
}

bp_status bp_reaction_open(bp_store *store, const char *name, const bp_region *region, bp_react_fn react, void *context,
                           const bp_consumer_options *options, bp_reaction **reaction_out, bp_error *error)
{
    bp_consumer *consumer = NULL;
    if (reaction_out == NULL || react == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", react == NULL ? "react" : "reaction_out");
    }
    *reaction_out = NULL;
    bp_status status = bpi_store_check_writer(store, error);
    if (status == BP_OK) {
        status = bp_consumer_open(store, name, region, options, &consumer, error);
    }
    if (consumer == NULL) {
        return status;
    }
    bp_reaction *reaction = new_reaction(consumer);
    if (reaction == NULL) {
        (void)bp_consumer_close(consumer, NULL);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a reaction");
    }
    reaction->react = react;
    reaction->context = context;
    (void)pthread_mutex_lock(&consumer->lock);
    consumer->before_save = outputs_first;
    consumer->before_save_argument = reaction;
    (void)pthread_mutex_unlock(&consumer->lock);
    *reaction_out = reaction;
    return BP_OK;
}

void bp_reaction_stop(bp_reaction *reaction)
{
    if (reaction != NULL) {
        bp_consumer_stop(reaction->consumer);
    }
}

bp_consumer *bp_reaction_consumer(bp_reaction *reaction)
{
    return reaction != NULL ? reaction->consumer : NULL;
}

bp_status bp_reaction_close(bp_reaction *reaction, bp_error *error)
{
    if (reaction == NULL) {
        return BP_OK;
    }
    /* The consumer holds the hub, whose allocator the reaction came from; its position still asks for our outputs. */
    bpi_hub *hub = reaction->hub;
    uint32_t workers = reaction->consumer->options.workers;
    (void)atomic_fetch_add(&hub->references, 1);
    bp_status status = bp_consumer_close(reaction->consumer, error);
    free_reaction(reaction, hub->allocator, workers);
    bpi_hub_drop(hub);
    return status;
}
