/* failing.c: work on a failing medium, and what must be left of it. */
#include "support/failing.h"

bool bpt_is_typed(bp_status status)
{
    return status == BP_ERR_IO || status == BP_ERR_FAILED || status == BP_ERR_NO_SPACE;
}

static void keep_receipts(bpt_failing *r)
{
    for (size_t index = 0; index < r->script.count; index++) {
        if (!r->script.receipts[index].duplicate) {
            assert_true(r->acked_count < BPT_ACKED_MAX);
            r->acked[r->acked_count++] = r->script.receipts[index];
        }
    }
}

/* Every acknowledged event is answered, with its hash. */
static void acked_are_there(const bpt_failing *r, bp_store *store, uint64_t below)
{
    bp_error error = {0};
    for (size_t index = 0; index < r->acked_count; index++) {
        const bp_event *event = NULL;
        const bp_receipt *receipt = &r->acked[index];
        if (receipt->sequence >= below) {
            continue;
        }
        CHECK_OK(bp_get(store, &receipt->id, &event, &error), &error);
        CHECK(event->sequence == receipt->sequence && bp_hash_equal(&event->event_hash, &receipt->event_hash),
              "acknowledged event %llu is another one", (unsigned long long)receipt->sequence);
        bp_event_release(event);
    }
}

void bpt_failing_run(bpt_failing *r)
{
    bpt_script *script = &r->script;
    while (script->op < BPT_SCRIPT_OPS && script->store != NULL) {
        unsigned op = script->op;
        bool ok = bpt_script_step(script);
        r->durable = script->durable > r->durable ? script->durable : r->durable;
        if (ok) {
            keep_receipts(r);
            continue;
        }
        r->failures++;
        r->failed_op[op] = true;
        if (bpi_fault_crashed(r->world.fault)) {
            return;
        }
        CHECK(bpt_is_typed(script->status), "op %u is answered %s: %s", op, bp_status_name(script->status),
              script->error.message);
        CHECK(script->error.message[0] != '\0', "op %u: an error without words", op);
        if (script->store != NULL) {
            acked_are_there(r, script->store, UINT64_MAX);
        }
        script->op++;
    }
}

void bpt_failing_close(bpt_failing *r)
{
    if (r->script.store == NULL) {
        return;
    }
    bp_status status = bp_close(r->script.store, &r->script.error);
    r->script.store = NULL;
    if (!bpi_fault_crashed(r->world.fault)) {
        CHECK(status == BP_OK || bpt_is_typed(status), "closing is answered %s", bp_status_name(status));
        r->durable = status == BP_OK ? UINT64_MAX : r->durable;
    }
}

/* What was tried and failed is tried again with its id: it is there once. */
static void retry_failed(bpt_failing *r)
{
    for (unsigned op = 0; op < BPT_SCRIPT_OPS; op++) {
        if (!r->failed_op[op]) {
            continue;
        }
        r->script.op = op;
        CHECK(bpt_script_step(&r->script), "op %u again: %s: %s", op, bp_status_name(r->script.status),
              r->script.error.message);
        keep_receipts(r);
        r->script.op = op;
        uint64_t before = bp_store_frontiers(r->script.store).published;
        CHECK(bpt_script_step(&r->script), "op %u a third time: %s", op, r->script.error.message);
        CHECK(bp_store_frontiers(r->script.store).published == before, "op %u is there twice", op);
    }
}

void bpt_failing_aftermath(bpt_failing *r, uint64_t below)
{
    r->script.store = bpt_open(&r->world);
    acked_are_there(r, r->script.store, below);
    if (below == UINT64_MAX) {
        retry_failed(r);
        acked_are_there(r, r->script.store, below);
    }
    bpt_put(r->script.store, "afterwards", "goes on");
    bpt_close(r->script.store);
    (void)bpt_verify(&r->world);
}
