/*
 * test_pipeline.c: a permit is good for these bytes, once, and for nothing else.
 *
 * ctest: labels=threads
 */
#include <pthread.h>

#include "support/world.h"

static bp_verdict is_json(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    const char *text = context;
    return text[0] == '{' ? BP_VERDICT_PASS : bp_denial_say(denial, "NOT_JSON", "begins with %c", text[0]);
}

static bp_verdict passes(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    (void)denial;
    return BP_VERDICT_PASS;
}

static bp_pipeline *pipeline;

static int setup(void **state)
{
    (void)state;
    const bp_gate gates[] = {{"json", "an object", is_json, NULL, NULL}, {"open", "anything", passes, NULL, NULL}};
    bp_gate_set *set = NULL;
    bp_error error = {0};
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    CHECK_OK(bp_gate_set_push(set, &gates[0], &error), &error);
    CHECK_OK(bp_gate_set_push(set, &gates[1], &error), &error);
    CHECK_OK(bp_pipeline_new(set, &pipeline, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_set_push(set, &gates[0], &error), &error); /* it is in use */
    bp_gate_set_free(set);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bp_pipeline_free(pipeline);
    return 0;
}

static bp_proposal *propose(const char *text)
{
    bp_proposal *proposal = NULL;
    bp_error error = {0};
    CHECK_OK(bp_proposal_new(bp_json(text), &proposal, &error), &error);
    return proposal;
}

static bp_permit permitted(const char *text)
{
    bp_permit permit;
    bp_error error = {0};
    CHECK_OK(bp_pipeline_evaluate(pipeline, text, propose(text), &permit, NULL, &error), &error);
    return permit;
}

typedef struct seen {
    unsigned calls;
    bp_status answer;
} seen;

static bp_status persist(void *argument, const bp_permit_view *permit, bp_receipt *receipt_out, bp_error *error)
{
    seen *what = argument;
    what->calls++;
    assert_int_equal(permit->gate_count, 2);
    assert_string_equal(permit->gates[0], "json");
    assert_string_equal(permit->gates[1], "open");
    assert_null(permit->bypass_name);
    receipt_out->sequence = 42;
    receipt_out->id = bp_id_from("test", "x", 1);
    if (what->answer != BP_OK && error != NULL) {
        *error = (bp_error){.status = what->answer, .message = "my own words"};
    }
    return what->answer;
}

static void what_passes_is_committed_once(void **state)
{
    (void)state;
    bp_error error = {0};
    bp_permit permit = permitted("{}");
    bp_permit copy = permit;
    bp_committed committed;
    seen what = {0, BP_OK};
    CHECK_OK(bp_pipeline_commit(pipeline, &permit, persist, &what, &committed, &error), &error);
    assert_int_equal(committed.sequence, 42);
    assert_int_equal(committed.payload.size, 2);
    assert_memory_equal(committed.payload.data, "{}", 2);
    bp_committed_free(&committed);
    bp_committed_free(&committed);
    CHECK_STATUS(BP_ERR_DENIED, bp_pipeline_commit(pipeline, &permit, persist, &what, &committed, &error), &error);
    CHECK_STATUS(BP_ERR_DENIED, bp_pipeline_commit(pipeline, &copy, persist, &what, NULL, &error), &error);
    CHECK_SAYS(&error, "spent");
    bp_permit_drop(pipeline, &copy);
    assert_int_equal(what.calls, 1);
}

static void a_made_up_or_altered_permit_opens_nothing(void **state)
{
    (void)state;
    bp_error error = {0};
    seen what = {0, BP_OK};
    bp_permit none = {{0}};
    bp_permit permit = permitted("{}");
    CHECK_STATUS(BP_ERR_DENIED, bp_pipeline_commit(pipeline, &none, persist, &what, NULL, &error), &error);
    for (size_t bit = 0; bit < sizeof permit * 8; bit++) {
        bp_permit altered = permit;
        altered.number[bit / 64] ^= UINT64_C(1) << bit % 64;
        CHECK_STATUS(BP_ERR_DENIED, bp_pipeline_commit(pipeline, &altered, persist, &what, NULL, &error), &error);
    }
    bp_permit huge = {{UINT64_MAX, permit.number[1], permit.number[2]}};
    CHECK_STATUS(BP_ERR_DENIED, bp_pipeline_commit(pipeline, &huge, persist, &what, NULL, &error), &error);
    assert_int_equal(what.calls, 0);
    /* Of another pipeline: the same gates are not the same word. */
    bp_pipeline *mine = pipeline;
    (void)setup(NULL);
    bp_permit foreign = permitted("{}");
    bp_pipeline_free(pipeline);
    pipeline = mine;
    CHECK_STATUS(BP_ERR_DENIED, bp_pipeline_commit(pipeline, &foreign, persist, &what, NULL, &error), &error);
    CHECK_OK(bp_pipeline_commit(pipeline, &permit, persist, &what, NULL, &error), &error);
    assert_int_equal(what.calls, 1);
}

static void what_passed_cannot_be_changed(void **state)
{
    (void)state;
    bp_error error = {0};
    char text[] = "{\"n\":1}";
    bp_permit permit = permitted(text);
    bp_permit_view view;
    memset(text, 'x', sizeof text - 1); /* the proposal had a copy */
    CHECK_OK(bp_permit_look(pipeline, &permit, &view, &error), &error);
    assert_memory_equal(view.payload.data, "{\"n\":1}", 7);
    view.payload = bp_json("{\"n\":2}"); /* a view is a copy too */
    CHECK_OK(bp_permit_look(pipeline, &permit, &view, &error), &error);
    assert_memory_equal(view.payload.data, "{\"n\":1}", 7);
    bp_permit_drop(pipeline, &permit);
    CHECK_STATUS(BP_ERR_DENIED, bp_permit_look(pipeline, &permit, &view, &error), &error);
}

static void a_denied_proposal_stays_the_callers(void **state)
{
    (void)state;
    bp_error error = {0};
    bp_denial denial;
    bp_permit permit;
    bp_proposal *proposal = propose("[]");
    CHECK_STATUS(BP_ERR_DENIED, bp_pipeline_evaluate(pipeline, "[]", proposal, &permit, &denial, &error), &error);
    assert_string_equal(denial.code, "NOT_JSON");
    assert_string_equal(error.message, "[json] begins with [");
    CHECK_OK(bp_pipeline_evaluate(pipeline, "{}", proposal, &permit, &denial, &error), &error);
    bp_permit_drop(pipeline, &permit);
}

static void the_callbacks_error_is_its_own_and_spends_the_permit(void **state)
{
    (void)state;
    bp_error error = {0};
    bp_permit permit = permitted("{}");
    bp_permit copy = permit;
    bp_committed committed;
    seen what = {0, BP_ERR_TIMEOUT};
    CHECK_STATUS(BP_ERR_TIMEOUT, bp_pipeline_commit(pipeline, &permit, persist, &what, &committed, &error), &error);
    assert_string_equal(error.message, "my own words");
    assert_null(committed.owner);
    CHECK_STATUS(BP_ERR_DENIED, bp_pipeline_commit(pipeline, &copy, persist, &what, NULL, &error), &error);
}

static bp_status double_it(void *argument, bp_payload payload, bp_output *mapped, uint8_t *type, uint16_t *version,
                           bp_error *error)
{
    bp_status answer = *(bp_status *)argument;
    (void)bp_output_append(mapped, payload.data, payload.size);
    (void)bp_output_append(mapped, payload.data, payload.size);
    *type = BP_PAYLOAD_RAW;
    *version = 7;
    if (answer != BP_OK && error != NULL) {
        *error = (bp_error){.status = answer, .message = "no"};
    }
    return answer;
}

static void mapping_puts_another_payload_in_its_place(void **state)
{
    (void)state;
    bp_error error = {0};
    bp_proposal *proposal = propose("ab");
    bp_status answer = BP_ERR_FORMAT;
    CHECK_STATUS(BP_ERR_FORMAT, bp_proposal_map(proposal, double_it, &answer, &error), &error);
    assert_int_equal(bp_proposal_payload(proposal).size, 2);
    answer = BP_OK;
    CHECK_OK(bp_proposal_map(proposal, double_it, &answer, &error), &error);
    bp_payload payload = bp_proposal_payload(proposal);
    assert_int_equal(payload.size, 4);
    assert_memory_equal(payload.data, "abab", 4);
    assert_int_equal(payload.type, BP_PAYLOAD_RAW);
    assert_int_equal(payload.version, 7);
    bp_proposal_free(proposal);
    bp_proposal_free(NULL);
}

static void a_bypass_goes_on_record_and_the_same_way(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_error error = {0};
    bp_permit permit;
    bp_permit_view view;
    bp_committed committed;
    const bp_event *event = NULL;
    const uint8_t *value = NULL;
    size_t size = 0;
    CHECK_OK(bp_pipeline_bypass(pipeline, "break-glass", "ticket 17, on call", propose("not json"), &permit, &error),
             &error);
    CHECK_OK(bp_permit_look(pipeline, &permit, &view, &error), &error);
    assert_string_equal(view.bypass_name, "break-glass");
    assert_string_equal(view.bypass_reason, "ticket 17, on call");
    assert_int_equal(view.gate_count, 0);
    CHECK_OK(bp_pipeline_append(pipeline, &permit, store, bp_at("a", "s"), 0xf001, NULL, &committed, &error), &error);
    CHECK_OK(bp_get(store, &committed.id, &event, &error), &error);
    assert_true(bp_event_extension(event, BP_TAG_BYPASS, &value, &size));
    assert_int_equal(size, strlen("break-glass: ticket 17, on call"));
    assert_memory_equal(value, "break-glass: ticket 17, on call", size);
    assert_false(bp_event_extension(event, BP_TAG_GATES, &value, &size));
    assert_true(bp_hash_equal(&event->event_hash, &committed.event_hash));
    bp_event_release(event);
    bp_committed_free(&committed);

    permit = permitted("{}");
    CHECK_OK(bp_pipeline_append(pipeline, &permit, store, bp_at("a", "s"), 0xf001, NULL, &committed, &error), &error);
    CHECK_OK(bp_get_sequence(store, committed.sequence, &event, &error), &error);
    assert_true(bp_event_extension(event, BP_TAG_GATES, &value, &size));
    assert_int_equal(size, 10);
    assert_memory_equal(value, "\x04json\x04open", 10);
    bp_event_release(event);
    bp_committed_free(&committed);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 2);
    bpt_world_end(&world);
}

static void a_bypass_needs_a_name_and_a_justification(void **state)
{
    (void)state;
    bp_error error = {0};
    bp_permit permit;
    bp_proposal *proposal = propose("x");
    const char *const bad[][2] = {{NULL, "why"}, {"", "why"},      {"a b", "why"},  {"name", NULL},
                                  {"name", ""},  {"name", "a\nb"}, {"name", "\xff"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_STATUS(BP_ERR_ARGUMENT, bp_pipeline_bypass(pipeline, bad[i][0], bad[i][1], proposal, &permit, &error),
                     &error);
    }
    bp_proposal_free(proposal);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_pipeline_evaluate(pipeline, "{}", NULL, &permit, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_pipeline_commit(pipeline, NULL, persist, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_pipeline_new(NULL, &pipeline, &error), &error);
}

/* What a commit's callback tries with the decision it is given. */
typedef struct attempt {
    bp_store *store;
    const bp_decision *decision; /* as the callback saw it */
    bp_payload other;
    bp_status another_payload, stale, first, twice, both;
    bp_error error;
} attempt;

static bp_status append_decided(bp_store *store, const bp_decision *decision, bp_payload payload, bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.decision = decision;
    return bp_append(store, bp_at("a", "s"), 0xf001, payload, &options, NULL, error);
}

static bp_status append_both(bp_store *store, const bp_permit_view *permit, bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.decision = permit->decision;
    const bp_batch_item items[] = {{bp_at("a", "s"), 0xf001, permit->payload, &options},
                                   {bp_at("b", "s"), 0xf001, permit->payload, &options}};
    return bp_append_batch(store, items, 2, NULL, NULL, error);
}

static bp_status misuse(void *argument, const bp_permit_view *permit, bp_receipt *receipt_out, bp_error *error)
{
    attempt *what = argument;
    (void)receipt_out;
    what->decision = permit->decision;
    what->another_payload = append_decided(what->store, permit->decision, what->other, &what->error);
    what->both = append_both(what->store, permit, NULL);
    bp_append_options options;
    bp_append_options_init(&options);
    options.decision = permit->decision;
    options.expect.kind = BP_EXPECT_AT;
    options.expect.clock = 77;
    what->stale = bp_append(what->store, bp_at("a", "s"), 0xf001, permit->payload, &options, NULL, NULL);
    what->first = append_decided(what->store, permit->decision, permit->payload, error);
    what->twice = append_decided(what->store, permit->decision, permit->payload, NULL);
    return what->first;
}

/* The last of three items, of which one has a new name for its kind, is not what the permit is for. */
static bp_status append_another_third(void *argument, const bp_permit_view *permit, bp_receipt *receipt_out,
                                      bp_error *error)
{
    bp_append_options options[2];
    (void)receipt_out;
    for (unsigned i = 0; i < 2; i++) {
        bp_append_options_init(&options[i]);
    }
    options[0].kind_name = "new";
    options[1].decision = permit->decision;
    const bp_batch_item items[] = {{bp_at("a", "s"), 0, permit->payload, &options[0]},
                                   {bp_at("b", "s"), 0xf001, permit->payload, NULL},
                                   {bp_at("c", "s"), 0xf001, bp_json("{\"n\":2}"), &options[1]}};
    return bp_append_batch(argument, items, 3, NULL, NULL, error);
}

static void an_item_that_is_not_what_was_permitted_is_named(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_permit permit = permitted("{}");
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_pipeline_commit(pipeline, &permit, append_another_third, store, NULL, &error),
                 &error);
    CHECK_SAYS(&error, "not the one that the permit is for");
    assert_true(error.has_index);
    assert_int_equal(error.index, 2);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 0);
    bpt_world_end(&world);
}

static bp_status keep_decision(void *argument, const bp_permit_view *permit, bp_receipt *receipt_out, bp_error *error)
{
    (void)receipt_out;
    (void)error;
    *(const bp_decision **)argument = permit->decision;
    return BP_OK;
}

/* Events of the store, and how many of them have a bypass on record. */
static void count_events(bp_store *store, size_t *events_out, size_t *bypassed_out)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    const uint8_t *value = NULL;
    size_t size = 0;
    bp_error error = {0};
    *events_out = *bypassed_out = 0;
    CHECK_OK(bp_query(store, NULL, NULL, &iterator, &error), &error);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        (*events_out)++;
        *bypassed_out += bp_event_extension(event, BP_TAG_BYPASS, &value, &size) ? 1 : 0;
    }
    bp_iterator_close(iterator);
}

static void a_decision_is_worth_nothing_outside_its_commit(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_error error = {0};
    bp_permit permit;
    bp_permit_view view;
    bp_committed committed;
    size_t events = 0;
    size_t bypassed = 0;
    CHECK_OK(bp_pipeline_bypass(pipeline, "glass", "why", propose("one"), &permit, &error), &error);
    CHECK_OK(bp_permit_look(pipeline, &permit, &view, &error), &error);
    CHECK_STATUS(BP_ERR_DENIED, append_decided(store, view.decision, view.payload, &error), &error);
    CHECK_SAYS(&error, "commit");
    CHECK_STATUS(BP_ERR_DENIED, append_decided(store, view.decision, bp_json("two"), &error), &error);
    attempt what = {.store = store, .other = bp_json("two")};
    CHECK_OK(bp_pipeline_commit(pipeline, &permit, misuse, &what, &committed, &error), &error);
    CHECK_STATUS(BP_ERR_DENIED, append_decided(store, view.decision, committed.payload, &error), &error);
    CHECK_STATUS(BP_ERR_DENIED, append_decided(store, what.decision, committed.payload, &error), &error);
    bp_committed_free(&committed);
    /* A callback that did not use it leaves nothing for later either. */
    CHECK_OK(bp_pipeline_bypass(pipeline, "glass", "why", propose("one"), &permit, &error), &error);
    CHECK_OK(bp_pipeline_commit(pipeline, &permit, keep_decision, &what.decision, &committed, &error), &error);
    CHECK_STATUS(BP_ERR_DENIED, append_decided(store, what.decision, committed.payload, &error), &error);
    bp_committed_free(&committed);
    count_events(store, &events, &bypassed);
    assert_int_equal(events, 1);
    assert_int_equal(bypassed, 1);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_decision_goes_with_the_permitted_payload_once(void **state)
{
    (void)state;
    static const uint8_t other_version[] = "one";
    const bp_payload others[] = {
        bp_json("two"), bp_json("one more"), bp_json(""), bp_raw("one", 3), {other_version, 3, BP_PAYLOAD_JSON, 9}};
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_error error = {0};
    size_t events = 0;
    size_t bypassed = 0;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        bp_permit permit;
        attempt what = {.store = store, .other = others[i]};
        CHECK_OK(bp_pipeline_bypass(pipeline, "glass", "why", propose("one"), &permit, &error), &error);
        CHECK_OK(bp_pipeline_commit(pipeline, &permit, misuse, &what, NULL, &error), &error);
        assert_int_equal(what.another_payload, BP_ERR_ARGUMENT);
        CHECK_SAYS(&what.error, "permit");
        assert_int_equal(what.both, BP_ERR_DENIED);    /* one decision, two events of a batch */
        assert_int_equal(what.stale, BP_ERR_CONFLICT); /* what was refused may be tried again */
        assert_int_equal(what.first, BP_OK);
        assert_int_equal(what.twice, BP_ERR_DENIED);
        count_events(store, &events, &bypassed);
        assert_int_equal(events, i + 1);
        assert_int_equal(bypassed, i + 1);
    }
    bpt_close(store);
    bpt_world_end(&world);
}

/* Eight threads with copies of the same permits: each is spent by one of them. */
enum { THREADS = 8, PERMITS = 500 };

typedef struct spender {
    pthread_t thread;
    bp_permit permits[PERMITS];
    unsigned spent;
} spender;

static bp_status count_only(void *argument, const bp_permit_view *permit, bp_receipt *receipt_out, bp_error *error)
{
    (void)permit;
    (void)receipt_out;
    (void)error;
    (*(unsigned *)argument)++;
    return BP_OK;
}

static void *spend(void *argument)
{
    spender *self = argument;
    for (size_t i = 0; i < PERMITS; i++) {
        bp_status status = bp_pipeline_commit(pipeline, &self->permits[i], count_only, &self->spent, NULL, NULL);
        if (status != BP_OK && status != BP_ERR_DENIED) {
            self->spent += PERMITS;
        }
    }
    return NULL;
}

static void a_race_for_permits_spends_each_once(void **state)
{
    (void)state;
    static spender spenders[THREADS];
    unsigned spent = 0;
    for (size_t i = 0; i < PERMITS; i++) {
        bp_permit permit = permitted("{}");
        for (size_t t = 0; t < THREADS; t++) {
            spenders[t].permits[i] = permit;
        }
    }
    for (size_t t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_create(&spenders[t].thread, NULL, spend, &spenders[t]), 0);
    }
    for (size_t t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(spenders[t].thread, NULL), 0);
        spent += spenders[t].spent;
    }
    assert_int_equal(spent, PERMITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_item_that_is_not_what_was_permitted_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(what_passes_is_committed_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_made_up_or_altered_permit_opens_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_passed_cannot_be_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_denied_proposal_stays_the_callers, setup, teardown),
        cmocka_unit_test_setup_teardown(the_callbacks_error_is_its_own_and_spends_the_permit, setup, teardown),
        cmocka_unit_test_setup_teardown(mapping_puts_another_payload_in_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bypass_goes_on_record_and_the_same_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bypass_needs_a_name_and_a_justification, setup, teardown),
        cmocka_unit_test_setup_teardown(a_decision_is_worth_nothing_outside_its_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_decision_goes_with_the_permitted_payload_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_race_for_permits_spends_each_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
