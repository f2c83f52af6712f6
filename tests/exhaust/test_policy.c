/*
 * test_policy.c: gates, policies, pipelines and machines with every failure (support/exhaust.h).
 *
 * ctest: labels=exhaust wrap=bp_allocator_system timeout=600
 */
#include "support/exhaust.h"

/* ---- sets and ready-made gates ---- */

static bp_verdict pass(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    (void)denial;
    return BP_VERDICT_PASS;
}

static bp_status act_set_new(bpt_exhaust *x)
{
    bp_gate_set *set = NULL;
    bp_status status = bp_gate_set_new(&set, &x->error);
    x->thing[0] = set;
    return status;
}

static void prepare_set(bpt_exhaust *x)
{
    CHECK_OK(act_set_new(x), &x->error);
}

static void finish_set(bpt_exhaust *x)
{
    bp_gate_set_free(x->thing[0]);
}

static bp_status act_set_push(bpt_exhaust *x)
{
    bp_gate gate = {"polite", "says please", pass, NULL, NULL};
    return bp_gate_set_push(x->thing[0], &gate, &x->error);
}

static void prepare_pushed(bpt_exhaust *x)
{
    prepare_set(x);
    CHECK_OK(act_set_push(x), &x->error);
}

static bp_status act_push_size(bpt_exhaust *x)
{
    return bp_gate_push_size(x->thing[0], "small", 100, &x->error);
}

static const bp_kind_code two_kinds[2] = {0xf001, 0xf002};

static bp_status act_push_kinds(bpt_exhaust *x)
{
    return bp_gate_push_kinds(x->thing[0], "kinds", two_kinds, 2, &x->error);
}

static bp_status act_push_cause(bpt_exhaust *x)
{
    return bp_gate_push_cause(x->thing[0], "cause", two_kinds, 2, &x->error);
}

static bp_status act_push_machine(bpt_exhaust *x)
{
    static const bp_kind_step steps[2] = {{true, 0, 0xf001}, {false, 0xf001, 0xf002}};
    return bp_gate_push_machine(x->thing[0], "machine", steps, 2, &x->error);
}

static bp_status act_push_fields(bpt_exhaust *x)
{
    static const bp_payload_field fields[2] = {{"total", BP_FIELD_NUMBER, false},
                                               {"customer.email", BP_FIELD_STRING, true}};
    return bp_gate_push_fields(x->thing[0], "fields", fields, 2, &x->error);
}

static bp_status act_push_rate(bpt_exhaust *x)
{
    bp_region region = bp_region_by_scope("eu");
    return bp_gate_push_rate(x->thing[0], "rate", &region, BP_RATE_ENTITY, 100, 1000, &x->error);
}

static bp_status act_push_unique(bpt_exhaust *x)
{
    return bp_gate_push_unique(x->thing[0], "unique", "number", "ordernumber", true, &x->error);
}

static bp_status act_set_evaluate(bpt_exhaust *x)
{
    return bp_gate_set_evaluate(x->thing[0], NULL, NULL, &x->error);
}

static bp_status act_set_evaluate_all(bpt_exhaust *x)
{
    bp_denial denials[2];
    size_t count = 0;
    return bp_gate_set_evaluate_all(x->thing[0], NULL, denials, 2, &count, &x->error);
}

/* ---- gates in the commit ---- */

static bp_status act_bind(bpt_exhaust *x)
{
    bp_bind_options options;
    bp_binding *binding = NULL;
    bp_bind_options_init(&options);
    options.record_gates = true;
    bp_region region = bp_region_by_scope("eu");
    bp_status status = bp_gate_bind(x->store, &region, x->thing[0], &options, &binding, &x->error);
    x->thing[1] = binding;
    return status;
}

static void prepare_bound(bpt_exhaust *x)
{
    prepare_pushed(x);
    CHECK_OK(act_bind(x), &x->error);
}

static bp_status act_unbind(bpt_exhaust *x)
{
    return bp_gate_unbind(x->store, x->thing[1], &x->error);
}

/* A gate that asks all that can be asked, and does not pass what it cannot judge. */
static bp_verdict asks(const void *state, const void *context, bp_denial *denial)
{
    static const unsigned index = 4;
    bp_head head;
    bp_event found;
    uint64_t count = 0;
    bp_id id = bp_id_from("base", &index, sizeof index);
    bp_region region = bp_region_by_scope("eu");
    (void)state;
    (void)denial;
    if (bp_commit_head(context, bp_text_of("order:2"), &head) != BP_OK || head.events != 4 ||
        bp_commit_query(context, &region, 100, NULL, NULL, &count) != BP_OK || count < 6 ||
        !bp_commit_find(context, &id, &found)) {
        return (bp_verdict)0;
    }
    return BP_VERDICT_PASS;
}

static void prepare_asking(bpt_exhaust *x)
{
    bp_gate gate = {"asks", "", asks, NULL, NULL};
    prepare_set(x);
    CHECK_OK(bp_gate_set_push(x->thing[0], &gate, &x->error), &x->error);
    CHECK_OK(act_bind(x), &x->error);
}

static bp_status act_asked(bpt_exhaust *x)
{
    bp_status status =
        bp_append(x->store, bp_at("order:7", "eu"), 0xf001, bp_raw("z", 1), NULL, &x->receipts[0], &x->error);
    return bpt_exhaust_acked(x, status, 1);
}

static bp_verdict deny(const void *state, const void *context, bp_denial *denial)
{
    const bp_event *event = bp_commit_event(context);
    (void)state;
    (void)bp_denial_say(denial, "NO", "never \"%.*s\"\t", (int)event->entity.size, event->entity.data);
    bp_denial_add(denial, "clock", "%llu", (unsigned long long)event->clock);
    bp_denial_add(denial, "why", "%s", "it is a test");
    return BP_VERDICT_DENY;
}

static void prepare_denying(bpt_exhaust *x)
{
    bp_gate gate = {"never", "", deny, NULL, NULL};
    bp_bind_options options;
    bp_binding *binding = NULL;
    bp_bind_options_init(&options);
    options.record_denials = true;
    bp_region region = bp_region_by_scope("eu");
    prepare_set(x);
    CHECK_OK(bp_gate_set_push(x->thing[0], &gate, &x->error), &x->error);
    CHECK_OK(bp_gate_bind(x->store, &region, x->thing[0], &options, &binding, &x->error), &x->error);
}

/* The refusal is the answer, whether its record can be written or not; then it is counted. */
static bp_status act_denied(bpt_exhaust *x)
{
    uint64_t before = bp_store_frontiers(x->store).published;
    bp_status status = bp_append(x->store, bp_at("order:7", "eu"), 0xf001, bp_raw("z", 1), NULL, NULL, &x->error);
    (void)bpt_exhaust_acked(x, BP_OK, bp_store_frontiers(x->store).published - before);
    CHECK(status != BP_OK, "the gate did not judge");
    if (status != BP_ERR_DENIED) {
        return status;
    }
    bp_denial_counts counts = bp_gate_denial_counts(x->store);
    CHECK(counts.denied == 1 && counts.recorded + counts.unrecorded == 1, "%llu denied, %llu on record, %llu not",
          (unsigned long long)counts.denied, (unsigned long long)counts.recorded,
          (unsigned long long)counts.unrecorded);
    return BP_OK;
}

/* ---- policies ---- */

static const char policy_text[] = "record gates\n"
                                  "gate flow {\n    on entity=order:*\n    step start -> order.placed\n"
                                  "    step order.placed -> order.paid\n}\n"
                                  "gate number {\n    on kind=order.paid\n    unique number in ordernumber\n}\n";

static bp_status act_policy_parse(bpt_exhaust *x)
{
    bp_policy *policy = NULL;
    uint64_t before = bp_store_frontiers(x->store).published;
    bp_status status = bp_policy_parse(x->store, policy_text, sizeof policy_text - 1, &policy, &x->error);
    x->thing[0] = policy;
    (void)bpt_exhaust_acked(x, BP_OK, bp_store_frontiers(x->store).published - before);
    return status;
}

static void prepare_policy(bpt_exhaust *x)
{
    CHECK_OK(act_policy_parse(x), &x->error);
    x->acked = 0;
    bpt_exhaust_rebase(x);
}

static void finish_policy(bpt_exhaust *x)
{
    bp_policy_free(x->thing[0]);
}

static bp_status act_policy_bind(bpt_exhaust *x)
{
    return bp_policy_bind(x->thing[0], &x->error);
}

static void prepare_policy_bound(bpt_exhaust *x)
{
    prepare_policy(x);
    CHECK_OK(act_policy_bind(x), &x->error);
}

static bp_status act_policy_append(bpt_exhaust *x)
{
    bp_append_options options[2];
    bp_append_options_init(&options[0]);
    bp_append_options_init(&options[1]);
    options[0].kind_name = "order.placed";
    options[0].id = bp_id_from("exhaust", "policy", 6);
    options[1].kind_name = "order.paid";
    bp_batch_item items[2] = {{bp_at("order:77", "eu"), 0, bp_json("{}"), &options[0]},
                              {bp_at("order:77", "eu"), 0, bp_json("{\"number\":\"A1\"}"), &options[1]}};
    bp_status status = bp_policy_append(x->thing[0], x->store, items, 2, NULL, x->receipts, &x->error);
    return bpt_exhaust_acked(x, status, 3); /* and the reservation */
}

static bp_status act_policy_store(bpt_exhaust *x)
{
    uint64_t before = bp_store_frontiers(x->store).published;
    bp_status status = bp_policy_store(x->store, policy_text, sizeof policy_text - 1, &x->error);
    (void)bpt_exhaust_acked(x, BP_OK, bp_store_frontiers(x->store).published - before);
    return status;
}

static void prepare_stored(bpt_exhaust *x)
{
    CHECK_OK(act_policy_store(x), &x->error);
    x->acked = 0;
    bpt_exhaust_rebase(x);
}

static bp_status act_policy_stored(bpt_exhaust *x)
{
    const bp_event *event = NULL;
    bp_status status = bp_policy_stored(x->store, &event, &x->error);
    bp_event_release(event);
    return status == BP_ERR_NOT_FOUND && x->base == x->old ? BP_OK : status;
}

/* ---- pipelines: set, pipeline, proposal ---- */

static bp_status act_proposal_new(bpt_exhaust *x)
{
    bp_proposal *proposal = NULL;
    bp_status status = bp_proposal_new(bp_json("{\"amount\":1}"), &proposal, &x->error);
    x->thing[2] = proposal;
    return status;
}

static bp_status map(void *argument, bp_payload payload, bp_output *mapped, uint8_t *type, uint16_t *version,
                     bp_error *error)
{
    (void)argument;
    (void)error;
    *type = BP_PAYLOAD_RAW;
    *version = 2;
    return bp_output_append(mapped, payload.data, payload.size) && bp_output_append(mapped, "!", 1) ? BP_OK
                                                                                                    : BP_ERR_NO_MEMORY;
}

static bp_status act_proposal_map(bpt_exhaust *x)
{
    return bp_proposal_map(x->thing[2], map, NULL, &x->error);
}

static bp_status act_pipeline_new(bpt_exhaust *x)
{
    bp_pipeline *pipeline = NULL;
    bp_status status = bp_pipeline_new(x->thing[0], &pipeline, &x->error);
    x->thing[1] = pipeline;
    return status;
}

static void prepare_proposal(bpt_exhaust *x)
{
    prepare_pushed(x);
    CHECK_OK(act_pipeline_new(x), &x->error);
    CHECK_OK(act_proposal_new(x), &x->error);
}

static bp_status act_evaluate(bpt_exhaust *x)
{
    bp_status status = bp_pipeline_evaluate(x->thing[1], NULL, x->thing[2], &x->permit, NULL, &x->error);
    x->thing[2] = status == BP_OK ? NULL : x->thing[2];
    return status;
}

static bp_status act_bypass(bpt_exhaust *x)
{
    bp_status status =
        bp_pipeline_bypass(x->thing[1], "fire", "the house is on fire", x->thing[2], &x->permit, &x->error);
    x->thing[2] = status == BP_OK ? NULL : x->thing[2];
    return status;
}

static void prepare_permit(bpt_exhaust *x)
{
    prepare_proposal(x);
    CHECK_OK(act_evaluate(x), &x->error);
}

static bp_status act_look(bpt_exhaust *x)
{
    bp_permit_view view;
    return bp_permit_look(x->thing[1], &x->permit, &view, &x->error);
}

static bp_status commit(void *argument, const bp_permit_view *permit, bp_receipt *receipt_out, bp_error *error)
{
    bpt_exhaust *x = argument;
    bp_append_options options;
    bp_append_options_init(&options);
    options.decision = permit->decision;
    return bp_append(x->store, bp_at("order:8", "eu"), 0xf001, permit->payload, &options, receipt_out, error);
}

/* What the callback appended is there, whatever comes behind it. */
static bp_status act_commit(bpt_exhaust *x)
{
    bp_status status = bp_pipeline_commit(x->thing[1], &x->permit, commit, x, &x->committed, &x->error);
    return bpt_exhaust_acked(x, status, 1);
}

static bp_status act_pipeline_append(bpt_exhaust *x)
{
    bp_status status = bp_pipeline_append(x->thing[1], &x->permit, x->store, bp_at("order:8", "eu"), 0xf001, NULL,
                                          &x->committed, &x->error);
    return bpt_exhaust_acked(x, status, 1);
}

static void finish_pipeline(bpt_exhaust *x)
{
    bp_committed_free(&x->committed);
    bp_proposal_free(x->thing[2]);
    bp_pipeline_free(x->thing[1]);
    bp_gate_set_free(x->thing[0]);
}

/* ---- machines ---- */

static const char *const states[2] = {"closed", "opened"};
static const bp_machine_move moves[2] = {{"push", 0, 1, 0xf005}, {"shut", 1, 0, 0xf006}};
static const bp_machine door = {sizeof(bp_machine), "door", states, 2, moves, 2, 0};

static bp_status act_machine_load(bpt_exhaust *x)
{
    bp_stance stance;
    return bp_machine_load(x->store, &door, bp_at("stock", "eu"), &stance, &x->error);
}

static bp_status act_machine_apply(bpt_exhaust *x)
{
    bp_stance stance = bp_machine_start(&door, bp_at("door:1", "eu"));
    bp_status status = bp_machine_apply(x->store, &door, 0, &stance, bp_raw("", 0), NULL, &x->error);
    CHECK(stance.state == (status == BP_OK), "the stance moved with %s", bp_status_name(status));
    return bpt_exhaust_acked(x, status, 1);
}

enum { BOTH = BPT_EXHAUST_READER, ALONE = BPT_EXHAUST_NO_IO | BPT_EXHAUST_CLOSED, DURABLE = BPT_EXHAUST_DURABLE };

#define CANNOT_JUDGE BPT_ALSO(BP_ERR_DENIED)

static const bpt_exhaust_row rows[] = {
    {"bp_gate_set_new", ALONE, 0, 0, NULL, act_set_new, finish_set},
    {"bp_gate_set_push", ALONE, 0, 0, prepare_set, act_set_push, finish_set},
    {"bp_gate_push_size", ALONE, 0, 0, prepare_set, act_push_size, finish_set},
    {"bp_gate_push_kinds", ALONE, 0, 0, prepare_set, act_push_kinds, finish_set},
    {"bp_gate_push_cause", ALONE, 0, 0, prepare_set, act_push_cause, finish_set},
    {"bp_gate_push_machine", ALONE, 0, 0, prepare_set, act_push_machine, finish_set},
    {"bp_gate_push_fields", ALONE, 0, 0, prepare_set, act_push_fields, finish_set},
    {"bp_gate_push_rate", ALONE, 0, 0, prepare_set, act_push_rate, finish_set},
    {"bp_gate_push_unique", ALONE, 0, 0, prepare_set, act_push_unique, finish_set},
    {"bp_gate_set_evaluate", ALONE, 0, 0, prepare_pushed, act_set_evaluate, finish_set},
    {"bp_gate_set_evaluate_all", ALONE, 0, 0, prepare_pushed, act_set_evaluate_all, finish_set},
    {"bp_gate_bind", 0, 0, 0, prepare_pushed, act_bind, finish_set},
    {"bp_gate_unbind", 0, 0, 0, prepare_bound, act_unbind, finish_set},
    {"bp_commit_find", DURABLE, 1, CANNOT_JUDGE, prepare_asking, act_asked, finish_set},
    {"bp_commit_head", 0, 1, CANNOT_JUDGE, prepare_asking, act_asked, finish_set},
    {"bp_commit_query", 0, 1, CANNOT_JUDGE, prepare_asking, act_asked, finish_set},
    {"bp_append", BPT_EXHAUST_TELLS, 1, 0, prepare_denying, act_denied, finish_set},
    {"bp_append", DURABLE | BPT_EXHAUST_TELLS, 1, 0, prepare_denying, act_denied, finish_set},
    {"bp_policy_parse", DURABLE, 1, 0, NULL, act_policy_parse, finish_policy},
    {"bp_policy_bind", 0, 0, 0, prepare_policy, act_policy_bind, finish_policy},
    {"bp_policy_append", DURABLE, 3, CANNOT_JUDGE, prepare_policy, act_policy_append, finish_policy},
    {"bp_policy_append", DURABLE, 3, CANNOT_JUDGE, prepare_policy_bound, act_policy_append, finish_policy},
    {"bp_policy_store", DURABLE, 2, 0, NULL, act_policy_store, NULL},
    {"bp_policy_stored", BOTH, 0, 0, NULL, act_policy_stored, NULL},
    {"bp_policy_stored", 0, 0, 0, prepare_stored, act_policy_stored, NULL},
    {"bp_proposal_new", ALONE, 0, 0, NULL, act_proposal_new, finish_pipeline},
    {"bp_proposal_map", ALONE, 0, 0, prepare_proposal, act_proposal_map, finish_pipeline},
    {"bp_pipeline_new", ALONE, 0, 0, prepare_pushed, act_pipeline_new, finish_pipeline},
    {"bp_pipeline_evaluate", ALONE, 0, 0, prepare_proposal, act_evaluate, finish_pipeline},
    {"bp_pipeline_bypass", ALONE, 0, 0, prepare_proposal, act_bypass, finish_pipeline},
    {"bp_permit_look", ALONE, 0, 0, prepare_permit, act_look, finish_pipeline},
    {"bp_pipeline_commit", DURABLE, 1, 0, prepare_permit, act_commit, finish_pipeline},
    {"bp_pipeline_append", DURABLE, 1, 0, prepare_permit, act_pipeline_append, finish_pipeline},
    {"bp_machine_load", BOTH, 0, 0, NULL, act_machine_load, NULL},
    {"bp_machine_apply", DURABLE, 1, 0, NULL, act_machine_apply, NULL},
};

static void every_call_with_every_failure(void **state)
{
    (void)state;
    bpt_exhaust_rows("policy", rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_with_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
