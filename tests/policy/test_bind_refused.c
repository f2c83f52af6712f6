/*
 * test_bind_refused.c: what is told and kept of a refusal, and what a refusal is taken for.
 */
#include "support/world.h"

static bpt_world world;
static bp_store *store;
static bp_error error;

static int setup(void **state)
{
    (void)state;
    bpt_world_memory(&world);
    store = bpt_open(&world);
    error = (bp_error){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    return 0;
}

static bp_verdict passes(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    (void)denial;
    return BP_VERDICT_PASS;
}

static void push(bp_gate_set *set, const char *name, bp_gate_fn evaluate, void *state)
{
    bp_gate gate = {name, "what the test wants", evaluate, state, NULL};
    CHECK_OK(bp_gate_set_push(set, &gate, &error), &error);
}

static void bind(bp_gate_set *set, const bp_bind_options *options)
{
    CHECK_OK(bp_gate_bind(store, NULL, set, options, NULL, &error), &error);
    bp_gate_set_free(set);
}

/* Names that take as many bytes on record as what a gate leaves of its refusal has. */
static bp_gate_set *gates_of(size_t bytes)
{
    bp_gate_set *set = NULL;
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    for (unsigned i = 0; bytes != 0; i++) {
        char name[BP_GATE_NAME_MAX + 1];
        size_t size = bytes > BP_GATE_NAME_MAX + 1 ? BP_GATE_NAME_MAX : bytes - 1;
        memset(name, 'y', size);
        name[size] = '\0';
        name[0] = (char)('a' + i % 26);
        push(set, name, passes, NULL);
        bytes -= size + 1;
    }
    return set;
}

static void a_key_that_does_not_open_is_no_gates_refusal(void **state)
{
    uint8_t wrap[32];
    (void)state;
    if (!bp_encryption_available()) {
        skip();
    }
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = "alice";
    memset(wrap, 7, sizeof wrap);
    bpt_close(store);
    world.options.key_encryption_key = wrap;
    store = bpt_open(&world);
    CHECK_OK(bp_append(store, bp_at("a", "s"), BP_KIND_DATA, bp_raw("x", 1), &options, NULL, &error), &error);
    bpt_close(store);
    world.options.key_encryption_key = NULL;
    store = bpt_open(&world);
    bp_bind_options bound;
    bp_bind_options_init(&bound);
    bound.record_gates = true;
    bound.record_denials = true;
    bind(gates_of(1672), &bound);
    CHECK_STATUS(BP_ERR_DENIED, bp_append(store, bp_at("a", "s"), BP_KIND_DATA, bp_raw("x", 1), &options, NULL, &error),
                 &error);
    CHECK_SAYS(&error, "key_encryption_key");
    bp_denial_counts counts = bp_gate_denial_counts(store);
    assert_int_equal(counts.denied, 0);
    assert_int_equal(counts.recorded + counts.unrecorded, 0);
    assert_int_equal(bp_store_frontiers(store).published, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_that_does_not_open_is_no_gates_refusal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
