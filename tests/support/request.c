/* request.c: building and sending appends that own what they point to. */
#include "support/request.h"

void bpt_request_clear(bpt_request *request)
{
    request->batch = false;
    request->count = 0;
    request->durability = BP_DURABILITY_DEFAULT;
    request->payload_used = 0;
}

bp_append_options *bpt_request_add(bpt_request *request, const char *entity, const char *scope, bp_kind_code kind)
{
    assert_true(request->count < BPT_ITEMS);
    size_t index = request->count++;
    bp_batch_item *item = &request->items[index];
    bp_append_options *options = &request->options[index];
    bp_append_options_init(options);
    options->causes = request->causes[index];
    options->cause_items = request->cause_items[index];
    memset(item, 0, sizeof *item);
    item->at = bp_at(entity, scope);
    item->kind = kind;
    item->options = options;
    return options;
}

uint8_t *bpt_request_payload(bpt_request *request, size_t size, uint8_t type, uint16_t version)
{
    uint8_t *bytes = request->payloads + request->payload_used;
    assert_true(request->payload_used + size <= BPT_PAYLOADS);
    request->payload_used += size;
    request->items[request->count - 1].payload = (bp_payload){bytes, size, type, version};
    return bytes;
}

void bpt_request_cause(bpt_request *request, const bp_id *cause)
{
    size_t index = request->count - 1;
    assert_true(request->options[index].cause_count < BPT_CAUSES);
    request->causes[index][request->options[index].cause_count++] = *cause;
}

void bpt_request_cause_item(bpt_request *request, uint32_t item)
{
    size_t index = request->count - 1;
    assert_true(request->options[index].cause_item_count < BPT_CAUSES);
    request->cause_items[index][request->options[index].cause_item_count++] = item;
}

bp_status bpt_request_send(bp_store *store, bpt_request *request, bp_receipt *receipts_out, bp_error *error)
{
    if (!request->batch) {
        bp_batch_item *item = &request->items[0];
        request->options[0].durability = request->durability;
        return bp_append(store, item->at, item->kind, item->payload, &request->options[0], receipts_out, error);
    }
    bp_batch_options options;
    bp_batch_options_init(&options);
    options.durability = request->durability;
    return bp_append_batch(store, request->items, request->count, &options, receipts_out, error);
}
