/*
 * test_null.c: NULL in every place of gates, pipelines and policies where it is not allowed; each names what is missing, and
 * nothing is done. And texts of policies at and beyond each limit.
 */
#include "support/world.h"

#include "policy/json.h"

static bp_error error;

#define REFUSED(call, part)                                              \
    do {                                                                 \
        CHECK_STATUS(BP_ERR_ARGUMENT, call, &error);                     \
        CHECK(strstr(error.message, part) != NULL, "%s", error.message); \
    } while (0)

static bp_verdict let_through(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    (void)denial;
    return BP_VERDICT_PASS;
}

static void gates_need_what_they_are_given(void **state)
{
    (void)state;
    bp_gate_set *set = NULL;
    size_t count = 0;
    bp_denial denial;
    bp_gate gate = {.name = "a", .evaluate = let_through};
    REFUSED(bp_gate_set_new(NULL, &error), "set_out");
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    CHECK_OK(bp_gate_set_push(set, &gate, &error), &error);
    REFUSED(bp_gate_set_evaluate_all(NULL, NULL, NULL, 0, &count, &error), "NULL");
    REFUSED(bp_gate_set_evaluate_all(set, NULL, NULL, 0, NULL, &error), "NULL");
    REFUSED(bp_gate_set_evaluate_all(set, NULL, NULL, 1, &count, &error), "NULL");
    CHECK_OK(bp_gate_set_evaluate_all(set, NULL, NULL, 0, &count, &error), &error);
    assert_int_equal(bp_gate_set_length(NULL), 0);
    assert_null(bp_gate_set_name(NULL, 0));
    assert_null(bp_gate_set_name(set, 1));
    assert_null(bp_gate_set_description(NULL, 0));
    assert_null(bp_gate_set_description(set, 1));
    memset(&denial, 0, sizeof denial);
    bp_denial_add(&denial, NULL, "%s", "value");
    (void)bp_denial_say(&denial, NULL, "%s", "why");
    assert_string_equal(denial.code, "");
    assert_null(bp_denial_find(NULL, "key"));
    assert_null(bp_denial_find(&denial, NULL));
    assert_true(bp_denial_format(&denial, NULL, 0) > 0);
    bp_gate_set_free(set);
    bp_gate_set_free(NULL);
}

static bp_status map_none(void *argument, bp_payload payload, bp_output *mapped, uint8_t *type, uint16_t *version,
                          bp_error *told)
{
    (void)argument;
    (void)mapped;
    *type = payload.type;
    *version = payload.version;
    (void)told;
    return BP_OK;
}

static bp_status commit_none(void *argument, const bp_permit_view *permit, bp_receipt *receipt_out, bp_error *told)
{
    (void)argument;
    (void)permit;
    (void)receipt_out;
    (void)told;
    return BP_OK;
}

static void pipelines_need_what_they_are_given(void **state)
{
    (void)state;
    bp_gate_set *set = NULL;
    bp_pipeline *pipeline = NULL;
    bp_proposal *proposal = NULL;
    bp_permit permit = {0};
    bp_permit_view view;
    bp_committed committed;
    static uint8_t byte;
    REFUSED(bp_proposal_new(bp_raw("x", 1), NULL, &error), "proposal_out");
    REFUSED(bp_proposal_new((bp_payload){NULL, 3, 0, 0}, &proposal, &error), "payload");
    CHECK_STATUS(BP_ERR_TOO_LARGE, bp_proposal_new(bp_raw(&byte, (size_t)BP_PAYLOAD_MAX + 1), &proposal, &error),
                 &error);
    assert_null(proposal);
    CHECK_OK(bp_proposal_new(bp_raw(NULL, 0), &proposal, &error), &error);
    assert_int_equal(bp_proposal_payload(NULL).size, 0);
    REFUSED(bp_proposal_map(NULL, map_none, NULL, &error), "NULL");
    REFUSED(bp_proposal_map(proposal, NULL, NULL, &error), "NULL");
    CHECK_OK(bp_proposal_map(proposal, map_none, NULL, &error), &error);
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    REFUSED(bp_pipeline_new(NULL, &pipeline, &error), "NULL");
    REFUSED(bp_pipeline_new(set, NULL, &error), "NULL");
    CHECK_OK(bp_pipeline_new(set, &pipeline, &error), &error);
    REFUSED(bp_pipeline_evaluate(NULL, NULL, proposal, &permit, NULL, &error), "NULL");
    REFUSED(bp_pipeline_evaluate(pipeline, NULL, NULL, &permit, NULL, &error), "NULL");
    REFUSED(bp_pipeline_evaluate(pipeline, NULL, proposal, NULL, NULL, &error), "NULL");
    REFUSED(bp_pipeline_bypass(pipeline, NULL, "why", proposal, &permit, &error), "");
    REFUSED(bp_pipeline_bypass(pipeline, "name", NULL, proposal, &permit, &error), "");
    CHECK_OK(bp_pipeline_evaluate(pipeline, NULL, proposal, &permit, NULL, &error), &error);
    REFUSED(bp_permit_look(NULL, &permit, &view, &error), "NULL");
    REFUSED(bp_permit_look(pipeline, NULL, &view, &error), "NULL");
    REFUSED(bp_permit_look(pipeline, &permit, NULL, &error), "NULL");
    REFUSED(bp_pipeline_commit(NULL, &permit, commit_none, NULL, &committed, &error), "NULL");
    REFUSED(bp_pipeline_commit(pipeline, NULL, commit_none, NULL, &committed, &error), "NULL");
    REFUSED(bp_pipeline_commit(pipeline, &permit, NULL, NULL, &committed, &error), "NULL");
    CHECK_OK(bp_permit_look(pipeline, &permit, &view, &error), &error); /* none of them has spent it */
    bp_permit_drop(NULL, &permit);
    bp_permit_drop(pipeline, NULL);
    bp_permit_drop(pipeline, &permit);
    CHECK_STATUS(BP_ERR_DENIED, bp_permit_look(pipeline, &permit, &view, &error), &error);
    bp_committed_free(NULL);
    bp_pipeline_free(NULL);
    bp_pipeline_free(pipeline);
    bp_gate_set_free(set);
}

static void ready_made_gates_need_what_they_are_given(void **state)
{
    (void)state;
    bp_gate_set *set = NULL;
    bp_payload_field field = {.path = "a", .type = BP_FIELD_ANY};
    bp_payload_field odd = {.path = "a", .type = (bp_field_type)99};
    bp_payload_field longest = {.path = NULL, .type = BP_FIELD_ANY};
    char entity[BP_RESERVATION_SIZE];
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    REFUSED(bp_gate_push_fields(set, "f", NULL, 1, &error), "");
    REFUSED(bp_gate_push_fields(set, "f", &field, 0, &error), "");
    REFUSED(bp_gate_push_fields(set, "f", &odd, 1, &error), "");
    REFUSED(bp_gate_push_fields(set, "f", &longest, 1, &error), "");
    REFUSED(bp_gate_push_unique(set, "u", NULL, "user", false, &error), "");
    REFUSED(bp_gate_push_unique(set, "u", "a", "no name\n", false, &error), "");
    CHECK(bp_gate_push_kinds(set, "k", NULL, 1, &error) == BP_ERR_ARGUMENT, "%s", error.message);
    CHECK(bp_gate_push_cause(set, "c", NULL, 1, &error) == BP_ERR_ARGUMENT, "%s", error.message);
    CHECK(bp_gate_push_machine(set, "m", NULL, 1, &error) == BP_ERR_ARGUMENT, "%s", error.message);
    assert_false(bp_reservation_entity("user", NULL, 3, false, entity));
    assert_false(bp_reservation_entity("\n", "a", 1, false, entity));
    assert_true(bp_reservation_entity("user", "a", 1, false, entity));
    bp_gate_set_free(set);
}

static void policies_need_what_they_are_given(void **state)
{
    (void)state;
    bpt_world world;
    bp_policy *policy = NULL;
    bp_batch_item item = {bp_at("e", "s"), 0xf001, bp_json("{}"), NULL};
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    REFUSED(bp_policy_parse(NULL, "", 0, &policy, &error), "NULL");
    REFUSED(bp_policy_parse(store, NULL, 3, &policy, &error), "NULL");
    REFUSED(bp_policy_parse(store, "", 0, NULL, &error), "NULL");
    REFUSED(bp_policy_bind(NULL, &error), "NULL");
    assert_int_equal(bp_policy_gate_count(NULL), 0);
    bp_policy_free(NULL);
    CHECK_OK(bp_policy_parse(store, NULL, 0, &policy, &error), &error); /* a policy of no gates */
    CHECK_OK(bp_policy_bind(policy, &error), &error);
    CHECK_OK(bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_policy_append(policy, store, NULL, 1, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_policy_append(policy, store, &item, 0, NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_policy_append(policy, NULL, &item, 1, NULL, NULL, &error), &error);
    CHECK_OK(bp_policy_append(NULL, store, &item, 1, NULL, NULL, &error), &error); /* no policy judges */
    bp_policy_free(policy);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- texts at their limits ---- */

static char *text_of(const char *before, const char *again, unsigned count, const char *after)
{
    size_t size = strlen(before) + strlen(again) * count + strlen(after) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    char *at = text + snprintf(text, size, "%s", before);
    for (unsigned i = 0; i < count; i++) {
        at += snprintf(at, size - (size_t)(at - text), "%s", again);
    }
    (void)snprintf(at, size - (size_t)(at - text), "%s", after);
    return text;
}

static const struct {
    const char *before;
    const char *again;
    unsigned count;
    const char *after;
    const char *says; /* NULL: it is a policy */
} policy_texts[] = {
    {"gate a {\n kinds", " 0xF001", 255, "\n}", NULL},
    {"gate a {\n kinds", " 0xF001", 256, "\n}", "more than 256 words"},
    {"gate a {\n size ", "1", 1100, "\n}", "a word of more than 1099 bytes"},
    {"gate a {\n", " step 0xF001 -> 0xF002\n", 4097, "}", "more than 4096 steps"},
    {"gate a {\n", " field a string\n", 256, "}", NULL},
    {"gate a {\n", " field a string\n", 257, "}", "more than 256 fields"},
    {"gate a {\n on", " scope=abcdefghijklmnopqrstuvwxyz0123456789", 250, "\n size 1\n}", "8190 bytes"},
    {"gate a {\n size \"\"\n}", "", 0, "", "a number was expected here"},
    {"gate a {\n size 4K\n}", "", 0, "", NULL},
    {"gate a {\n size 1M\n}", "", 0, "", NULL},
    {"gate a {\n size 65M\n}", "", 0, "", "the number is too great"},
    {"gate a {\n size 1G\n}", "", 0, "", "a number was expected here"},
    {"gate a {\n rate 5 per 0s\n}", "", 0, "", "a duration of nothing"},
    {"gate a {\n rate 5 for 1s\n}", "", 0, "", "a rate"},
    {"gate a {\n rate 5 per 1s by scope\n}", "", 0, "", NULL},
    {"gate a {\n rate 5 per 1s by entity\n}", "", 0, "", NULL},
    {"gate a {\n unique a in user hashed\n}", "", 0, "", NULL},
    {"gate a {\n unique a in user often\n}", "", 0, "", "a unique field"},
    {"gate a {\n unique .a in user\n}", "", 0, "", ""},
    {"gate a {\n unique a in \"\"\n}", "", 0, "", NULL}, /* quotes mean something in regions only */
    {"gate a {\n field .a string\n}", "", 0, "", "a path"},
    {"gate \"\" {\n size 1\n}", "", 0, "", ""},
    {"gate \"a {\n size 1\n}", "", 0, "", ""},
    {"gate \"a\\\"b\" {\n size 1\n}", "", 0, "", ""},
    {"gate a {\n cause\n}", "", 0, "", NULL},
    {"gate a {\n cause 0xF001\n}", "", 0, "", NULL},
    {"gate a {\n on kind=0xF001\n size 1\n}", "", 0, "", NULL},
    {"gate a {\n on kind=never.defined.so.far\n size 1\n}", "", 0, "", NULL},
    {"gate a {\n on\n size 1\n}", "", 0, "", NULL}, /* everywhere */
    {"record denials 5 per second", "", 0, "", NULL},
    {"record denials 5 per", "", 0, "", "expected"},
    {"record denials 5 for second", "", 0, "", "expected"},
    {"record denials 5 per second twice", "", 0, "", "expected"},
    {"record gates\nrecord gates", "", 0, "", NULL},
    {"gate a {\n size K\n}", "", 0, "", "a number was expected here"},
    {"gate a {\n rate x per 1s\n}", "", 0, "", "a number was expected here"},
    {"gate a {\n rate 5 per 2000000s\n}", "", 0, "", "the number is too great"},
    {"gate a {\n rate 5 per s\n}", "", 0, "", "a duration was expected here"},
    {"gate a {\n field ", "abcdefgh", 32, " string\n}", "a path of at most 255 bytes"},
    {"gate a {\n field a.b string odd\n}", "", 0, "", "only \"optional\""},
    {"gate a {\n field a\n}", "", 0, "", "a field is expected"},
    {"gate a {\n unique ", "abcdefgh", 32, " in user\n}", "a unique field"},
    {"gate a {\n unique a in ", "abcdefgh", 9, "\n}", "a prefix of at most 64 bytes"},
    {"gate a {\n unique a in\n}", "", 0, "", "a unique field"},
    {"gate a {\n on kind=\n size 1\n}", "", 0, "", "kind"},
    {"gate a {\n on kind=\"0xF001\"\n size 1\n}", "", 0, "", NULL},
    {"gate a {\n on scope=\"b\\\"c\"\n size 1\n}", "", 0, "", NULL},
    {"gate a {\n on scope=\"b\\", "", 0, "", ""},
    {"gate a {\n on system=yes\n size 1\n}", "", 0, "", "no system events"},
    {"record denials 5x per second", "", 0, "", "a number was expected here"},
    {"record denials 2000000 per second", "", 0, "", "the number is too great"},
};

static void texts_end_at_their_limits(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (size_t i = 0; i < sizeof policy_texts / sizeof policy_texts[0]; i++) {
        bp_policy *policy = NULL;
        char *text =
            text_of(policy_texts[i].before, policy_texts[i].again, policy_texts[i].count, policy_texts[i].after);
        bpt_note("case %zu: %.60s", i, text);
        bp_status status = bp_policy_parse(store, text, strlen(text), &policy, &error);
        if (policy_texts[i].says == NULL) {
            CHECK_OK(status, &error);
        } else {
            CHECK_STATUS(BP_ERR_FORMAT, status, &error);
            CHECK(strstr(error.message, policy_texts[i].says) != NULL, "%s", error.message);
            CHECK(bp_policy_parse(store, text, strlen(text), &policy, NULL) == BP_ERR_FORMAT, "without an error");
        }
        bp_policy_free(policy);
        free(text);
    }
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_rate_is_counted_by_scope(void **state)
{
    (void)state;
    static const char text[] = "gate slow {\n on kind=0xF001\n rate 1 per 1h by scope\n}\ngate shape {\n on "
                               "kind=0xF001\n unique n in number\n}\n";
    bpt_world world;
    bp_policy *policy = NULL;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_policy_parse(store, text, sizeof text - 1, &policy, &error), &error);
    CHECK_OK(bp_policy_bind(policy, &error), &error);
    bp_batch_item item = {bp_at("a", "eu"), 0xf001, bp_json("{\"n\":17}"), NULL};
    CHECK_OK(bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
    item.payload = bp_json("{\"n\":18}");
    item.at = bp_at("b", "eu");
    CHECK_STATUS(BP_ERR_DENIED, bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
    item.at = bp_at("b", "us");
    CHECK_OK(bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
    item.at = bp_at("c", "asia");
    CHECK_STATUS(BP_ERR_CONFLICT, bp_policy_append(policy, store, &item, 1, NULL, NULL, &error),
                 &error); /* 18 is taken */
    item.payload = bp_json("[18]");
    CHECK_STATUS(BP_ERR_DENIED, bp_policy_append(policy, store, &item, 1, NULL, NULL, &error),
                 &error); /* no object: it has no number */
    item.at = bp_at("d", "africa");
    item.payload = bp_raw("\x00", 1);
    CHECK_STATUS(BP_ERR_DENIED, bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
    bp_policy_free(policy);
    bpt_close(store);
    bpt_world_end(&world);
}

static void lists_of_values_of_any_kind(void **state)
{
    (void)state;
    bp_value none = {0};
    bp_value list = bp_value_list(&none, 1);
    assert_true(bp_value_is_list(&list));
    assert_int_equal(bp_value_list_count(&list), 1);
    assert_int_equal(bp_value_list_count(NULL), 0);
    assert_int_equal(bp_value_list_count(&none), 0);
    assert_false(bp_value_is_list(NULL));
    assert_null(bp_value_list_at(&list, 1));
    bp_value_destroy(list);
}

/* ---- strings of JSON ---- */

static void escapes_become_characters(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *text; /* NULL: it is none */
    } cases[] = {
        {"\"\\u0041\"", "A"},
        {"\"\\u00e9\\u07ff\"", "\xc3\xa9\xdf\xbf"},
        {"\"\\u20ac\\uffff\"", "\xe2\x82\xac\xef\xbf\xbf"},
        {"\"\\ud83d\\ude00\\uDBFF\\uDFFF\"", "\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\ud83d\"", NULL},
        {"\"\\ude00\"", NULL},
        {"\"\\ud83d\\u0041\"", NULL},
        {"\"\\ud83d\\ud83d\"", NULL},
        {"\"\\ud83d\\n     \"", NULL},
        {"\"\\ud83dxxxxxx\"", NULL},
        {"12", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bpi_json_value value;
        char text[64];
        size_t size = 0;
        bpt_note("%s", cases[i].json);
        if (bpi_json_check(cases[i].json, strlen(cases[i].json), &value) != NULL) {
            assert_null(cases[i].text); /* refused as a whole */
            continue;
        }
        bool good = bpi_json_string(&value, text, sizeof text, &size);
        assert_int_equal(good, cases[i].text != NULL);
        if (good) {
            assert_int_equal(size, strlen(cases[i].text));
            assert_memory_equal(text, cases[i].text, size);
            assert_false(bpi_json_string(&value, text, 3, &size)); /* no room */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gates_need_what_they_are_given),
        cmocka_unit_test(pipelines_need_what_they_are_given),
        cmocka_unit_test(ready_made_gates_need_what_they_are_given),
        cmocka_unit_test(policies_need_what_they_are_given),
        cmocka_unit_test(texts_end_at_their_limits),
        cmocka_unit_test(a_rate_is_counted_by_scope),
        cmocka_unit_test(lists_of_values_of_any_kind),
        cmocka_unit_test(escapes_become_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
