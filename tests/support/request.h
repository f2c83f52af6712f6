/*
 * request.h: one append as data: what is handed to bp_append or bp_append_batch, with its storage, so that it can be
 * judged by the model, sent to the store, repeated and altered.
 */
#ifndef BPT_REQUEST_H
#define BPT_REQUEST_H

#include "support/check.h"

enum { BPT_ITEMS = 12, BPT_CAUSES = 6, BPT_PAYLOADS = 96 * 1024 };

typedef struct bpt_request {
    bool batch;
    size_t count;
    bp_durability durability;
    bp_batch_item items[BPT_ITEMS];
    bp_append_options options[BPT_ITEMS];
    bp_id causes[BPT_ITEMS][BPT_CAUSES];
    uint32_t cause_items[BPT_ITEMS][BPT_CAUSES];
    size_t payload_used;
    uint8_t payloads[BPT_PAYLOADS];
} bpt_request;

void bpt_request_clear(bpt_request *request);
/* Adds an item with default options, DATA, an empty payload. */
bp_append_options *bpt_request_add(bpt_request *request, const char *entity, const char *scope, bp_kind_code kind);
/* Room for the payload of the last item, to be filled in. */
uint8_t *bpt_request_payload(bpt_request *request, size_t size, uint8_t type, uint16_t version);
void bpt_request_cause(bpt_request *request, const bp_id *cause);
void bpt_request_cause_item(bpt_request *request, uint32_t item);
/* Sends it. receipts_out: room for BPT_ITEMS. */
bp_status bpt_request_send(bp_store *store, bpt_request *request, bp_receipt *receipts_out, bp_error *error);

#endif
