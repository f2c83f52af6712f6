/*
 * test_policy.c: ready-made gates, policy files, policies that a store carries.
 */
#include <time.h>

#include "support/world.h"

static bpt_world world;
static bp_store *store;
static bp_error error;
static bp_policy *policy;

static int setup(void **state)
{
    (void)state;
    bpt_world_memory(&world);
    store = bpt_open(&world);
    error = (bp_error){0};
    policy = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bp_policy_free(policy);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    return 0;
}

static void bind(const char *text)
{
    bp_policy_free(policy);
    CHECK_OK(bp_policy_parse(store, text, strlen(text), &policy, &error), &error);
    CHECK_OK(bp_policy_bind(policy, &error), &error);
}

static bp_status put(const char *entity, const char *scope, const char *kind, const char *payload)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.kind_name = kind;
    bp_batch_item item = {bp_at(entity, scope), 0, bp_json(payload), &options};
    return bp_policy_append(policy, store, &item, 1, NULL, NULL, &error);
}

#define DENIED(code_text, call)                                               \
    do {                                                                      \
        CHECK_STATUS(BP_ERR_DENIED, call, &error);                            \
        CHECK(strstr(error.message, code_text) != NULL, "%s", error.message); \
    } while (0)

static void sizes_kinds_and_causes(void **state)
{
    (void)state;
    bind("# what orders are\n"
         "gate small { # as a rule\n"
         "    size 16\n"
         "}\n"
         "gate kinds {\n"
         "    on entity=order:*\n"
         "    kinds order.placed order.shipped\n"
         "}\n"
         "gate caused {\n"
         "    on kind=order.shipped\n"
         "    cause order.placed\n"
         "}\n");
    assert_int_equal(bp_policy_gate_count(policy), 3);
    CHECK_OK(put("order:1", "eu", "order.placed", "{\"a\":1}"), &error);
    DENIED("[small] the payload has 17 bytes; 16 are allowed", put("x", "eu", "note", "\"123456789012345\""));
    DENIED("[kinds]", put("order:1", "eu", "note", "1"));
    CHECK_OK(put("orders", "eu", "note", "1"), &error); /* not of the prefix */
    DENIED("[caused] it names no cause", put("order:1", "eu", "order.shipped", "1"));
    bp_id causes[2];
    const bp_event *event = NULL;
    bp_append_options options;
    bp_append_options_init(&options);
    options.kind_name = "order.shipped";
    options.causes = causes;
    options.cause_count = 1;
    bp_region notes = bp_region_stream("orders");
    CHECK_OK(bp_newest(store, &notes, &event, &error), &error);
    causes[0] = event->id;
    bp_event_release(event);
    DENIED("none of its causes", bp_append(store, bp_at("order:1", "eu"), 0, bp_json("1"), &options, NULL, &error));
    bp_region placed = bp_region_stream("order:1");
    CHECK_OK(bp_newest(store, &placed, &event, &error), &error);
    causes[1] = event->id;
    bp_event_release(event);
    options.cause_count = 2;
    CHECK_OK(bp_append(store, bp_at("order:1", "eu"), 0, bp_json("1"), &options, NULL, &error), &error);
}

static void a_state_machine_over_the_kinds_of_an_entity(void **state)
{
    (void)state;
    bind("gate flow {\n on entity=door:*\n step start -> opened\n step opened -> closed\n step closed -> opened\n"
         " step closed -> locked\n}\n");
    DENIED("is no kind to begin with", put("door:1", "s", "closed", "1"));
    CHECK_OK(put("door:1", "s", "opened", "1"), &error);
    DENIED("does not follow", put("door:1", "s", "opened", "1"));
    DENIED("does not follow", put("door:1", "s", "locked", "1"));
    CHECK_OK(put("door:1", "s", "closed", "1"), &error);
    CHECK_OK(put("door:1", "s", "locked", "1"), &error);
    DENIED("does not follow", put("door:1", "s", "opened", "1"));
    CHECK_OK(put("door:2", "s", "opened", "1"), &error); /* each entity has a state of its own */
    /* A batch moves through the machine item by item. */
    bp_append_options kinds[3];
    bp_batch_item items[3];
    static const char *const good[] = {"opened", "closed", "locked"};
    for (size_t i = 0; i < 3; i++) {
        bp_append_options_init(&kinds[i]);
        kinds[i].kind_name = good[i];
        items[i] = (bp_batch_item){bp_at("door:3", "s"), 0, bp_json("1"), &kinds[i]};
    }
    CHECK_OK(bp_append_batch(store, items, 3, NULL, NULL, &error), &error);
    for (size_t i = 0; i < 3; i++) {
        items[i].at = bp_at("door:4", "s");
    }
    kinds[2].kind_name = "closed";
    CHECK_STATUS(BP_ERR_DENIED, bp_append_batch(store, items, 3, NULL, NULL, &error), &error);
    assert_int_equal(error.index, 2);
    /* After a reopening the state is what the log says. */
    bpt_close(store);
    store = bpt_open(&world);
    bind("gate flow {\n step start -> opened\n step opened -> closed\n}\n");
    CHECK_OK(put("door:2", "s", "closed", "1"), &error);
    DENIED("does not follow", put("door:2", "s", "opened", "1"));
}

static void fields_and_their_types(void **state)
{
    (void)state;
    bind("gate shape {\n field total number\n field count integer\n field customer.email string\n field tags array "
         "optional\n"
         " field paid boolean optional\n field any any\n field o object optional\n}\n");
    CHECK_OK(put("a", "s", "k", "{\"total\":1.5,\"count\":2,\"customer\":{\"email\":\"x\"},\"any\":[]}"), &error);
    CHECK_OK(
        put("a", "s", "k",
            "{\"total\":1,\"count\":2,\"customer\":{\"email\":\"\"},\"any\":0,\"tags\":null,\"paid\":true,\"o\":{}}"),
        &error);
    DENIED("no JSON object", put("a", "s", "k", "[]"));
    DENIED("no JSON object", put("a", "s", "k", "{"));
    DENIED("field total is missing", put("a", "s", "k", "{\"count\":2,\"customer\":{\"email\":\"x\"},\"any\":1}"));
    DENIED("field count is not an integer",
           put("a", "s", "k", "{\"total\":1,\"count\":2.0,\"customer\":{\"email\":\"x\"},\"any\":1}"));
    DENIED("field customer.email is missing", put("a", "s", "k", "{\"total\":1,\"count\":2,\"customer\":7,\"any\":1}"));
    DENIED("field total stands there twice",
           put("a", "s", "k", "{\"total\":1,\"total\":2,\"count\":2,\"customer\":{\"email\":\"x\"},\"any\":1}"));
    DENIED("field tags is not an array",
           put("a", "s", "k", "{\"total\":1,\"count\":2,\"customer\":{\"email\":\"x\"},\"any\":1,\"tags\":{}}"));
    DENIED("another type of payload", bp_append(store, bp_at("a", "s"), 0xf001, bp_raw("{}", 2), NULL, NULL, &error));
}

static void a_rate_is_counted_in_the_log(void **state)
{
    (void)state;
    const char *text = "gate rate {\n on entity=user:*\n rate 3 per 10s by entity\n}\n";
    atomic_store(&world.clock.step_us, 0);
    bind(text);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_OK(put("user:1", "s", "login", "1"), &error);
    }
    DENIED("3 events within 10000 ms", put("user:1", "s", "login", "1"));
    CHECK_OK(put("user:2", "s", "login", "1"), &error);
    /* A restart forgets nothing. */
    bpt_close(store);
    store = bpt_open(&world);
    bind(text);
    DENIED("[rate]", put("user:1", "s", "login", "1"));
    atomic_fetch_add(&world.clock.now_us, 9998000);
    DENIED("[rate]", put("user:1", "s", "login", "1"));
    atomic_fetch_add(&world.clock.now_us, 4000);
    CHECK_OK(put("user:1", "s", "login", "1"), &error);
    /* Items of the same batch count. */
    bp_batch_item items[4];
    for (size_t i = 0; i < 4; i++) {
        items[i] = (bp_batch_item){bp_at("user:3", "s"), 0xf001, bp_json("1"), NULL};
    }
    CHECK_STATUS(BP_ERR_DENIED, bp_append_batch(store, items, 4, NULL, NULL, &error), &error);
    assert_int_equal(error.index, 3);
    CHECK_OK(bp_append_batch(store, items, 3, NULL, NULL, &error), &error);
}

static void a_unique_field_is_reserved_in_the_same_commit(void **state)
{
    (void)state;
    bind("gate name {\n on kind=user.registered\n unique name in username\n}\n"
         "gate mail {\n on kind=user.registered\n unique mail in usermail hashed\n}\n");
    CHECK_OK(put("user:1", "s", "user.registered", "{\"name\":\"ada\",\"mail\":\"ada@x\"}"), &error);
    CHECK_STATUS(BP_ERR_CONFLICT, put("user:2", "s", "user.registered", "{\"name\":\"ada\",\"mail\":\"b@x\"}"), &error);
    assert_string_equal(error.entity, "username:ada");
    CHECK_SAYS(&error, "is taken");
    CHECK_STATUS(BP_ERR_CONFLICT, put("user:2", "s", "user.registered", "{\"name\":\"bob\",\"mail\":\"ada@x\"}"),
                 &error);
    assert_non_null(strstr(error.entity, "usermail:#"));
    CHECK_OK(put("user:2", "s", "user.registered", "{\"name\":\"bob\",\"mail\":\"b@x\"}"), &error);
    DENIED("field name is missing", put("user:3", "s", "user.registered", "{\"mail\":\"c@x\"}"));
    DENIED("field name is not one string", put("user:3", "s", "user.registered", "{\"name\":[],\"mail\":\"c@x\"}"));
    /* Without the reservation the gate refuses: nobody goes past it. */
    bp_kind_code kind = 0;
    CHECK_OK(bp_kind_find(store, "user.registered", &kind, &error), &error);
    DENIED("is not reserved", bp_append(store, bp_at("user:3", "s"), kind, bp_json("{\"name\":\"eve\",\"mail\":\"e\"}"),
                                        NULL, NULL, &error));
    /* Two of one name in a batch. */
    bp_batch_item twins[2] = {{bp_at("user:4", "s"), kind, bp_json("{\"name\":\"tim\",\"mail\":\"1\"}"), NULL},
                              {bp_at("user:5", "s"), kind, bp_json("{\"name\":\"tim\",\"mail\":\"2\"}"), NULL}};
    CHECK_STATUS(BP_ERR_CONFLICT, bp_policy_append(policy, store, twins, 2, NULL, NULL, &error), &error);
    /* A retry is answered with the first receipts. */
    bp_append_options options;
    bp_append_options_init(&options);
    options.id = bp_id_from("test", "register", 8);
    bp_batch_item item = {bp_at("user:6", "s"), kind, bp_json("{\"name\":\"zoe\",\"mail\":\"z\"}"), &options};
    bp_receipt receipt;
    CHECK_OK(bp_policy_append(policy, store, &item, 1, NULL, &receipt, &error), &error);
    CHECK_OK(bp_policy_append(policy, store, &item, 1, NULL, &receipt, &error), &error);
    assert_true(receipt.duplicate);
    assert_true(bp_id_equal(&receipt.id, &options.id));
}

/* A batch made by hand: one reservation is not good for two events. */
static void one_reservation_is_for_one_event(void **state)
{
    (void)state;
    bind("gate name {\n on kind=0xF001\n unique name in username\n}\n");
    bp_append_options none;
    bp_append_options_init(&none);
    none.expect.kind = BP_EXPECT_NONE;
    const char *const twin[] = {"{\"name\":\"ada\"}", "{\"name\":\"\\u0061da\"}"};
    for (size_t i = 0; i < 2; i++) {
        bp_batch_item items[3] = {{bp_at("username:ada", "username"), BP_KIND_DATA, bp_raw(NULL, 0), &none},
                                  {bp_at("user:1", "s"), 0xf001, bp_json("{\"name\":\"ada\"}"), NULL},
                                  {bp_at("user:2", "s"), 0xf001, bp_json(twin[i]), NULL}};
        DENIED("earlier event of the same commit", bp_append_batch(store, items, 3, NULL, NULL, &error));
        assert_int_equal(error.index, 2);
    }
    /* What the gate is not for may say the same. */
    bp_batch_item items[3] = {{bp_at("note:1", "s"), 0xf002, bp_json("{\"name\":\"ada\"}"), NULL},
                              {bp_at("username:ada", "username"), BP_KIND_DATA, bp_raw(NULL, 0), &none},
                              {bp_at("user:1", "s"), 0xf001, bp_json("{\"name\":\"ada\"}"), NULL}};
    CHECK_OK(bp_append_batch(store, items, 3, NULL, NULL, &error), &error);
}

static void zero_is_one_value_whatever_its_sign(void **state)
{
    (void)state;
    bind("gate number {\n on entity=user:*\n unique n in number\n}\n");
    CHECK_OK(put("user:1", "s", "k", "{\"n\":0}"), &error);
    CHECK_STATUS(BP_ERR_CONFLICT, put("user:2", "s", "k", "{\"n\":-0}"), &error);
    CHECK_OK(put("user:3", "s", "k", "{\"n\":-10}"), &error);
    CHECK_OK(put("user:4", "s", "k", "{\"n\":10}"), &error);
}

/* What a region asks of a kind is answered by the kind that the append is about to give a new name. */
static void a_new_kind_name_is_reserved_for_as_what_it_will_be(void **state)
{
    (void)state;
    bind("gate any {\n on category=1 entity=a:*\n unique n in first\n}\n"
         "gate one {\n on kind=0x1003 entity=b:*\n unique n in second\n}\n"
         "gate data {\n on kind=0x0000 entity=c:*\n unique n in third\n}\n");
    CHECK_OK(put("a:1", "s", "new.1", "{\"n\":\"x\"}"), &error);
    CHECK_STATUS(BP_ERR_CONFLICT, put("a:2", "s", "new.2", "{\"n\":\"x\"}"), &error);
    bp_append_options options[2];
    for (unsigned i = 0; i < 2; i++) {
        bp_append_options_init(&options[i]);
        options[i].kind_name = i == 0 ? "new.2" : "new.3";
    }
    bp_batch_item items[2] = {{bp_at("b:1", "s"), 0, bp_json("{\"n\":\"x\"}"), &options[0]},
                              {bp_at("b:1", "s"), 0, bp_json("{\"n\":\"y\"}"), &options[1]}};
    CHECK_OK(bp_policy_append(policy, store, items, 2, NULL, NULL, &error), &error);
    bp_region second = bp_region_by_scope("second");
    uint64_t count = 0;
    CHECK_OK(bp_count(store, &second, &count, &error), &error);
    assert_int_equal(count, 1);
    /* Nothing is reserved for what no gate asks about, now or in a retry. */
    bp_receipt receipt = {0};
    options[0].kind_name = "new.4";
    options[0].id = bp_id_from("test", "once", 4);
    items[0].at = bp_at("c:1", "s");
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(bp_policy_append(policy, store, items, 1, NULL, &receipt, &error), &error);
        assert_int_equal(receipt.duplicate, i == 1);
    }
    bp_region third = bp_region_by_scope("third");
    CHECK_OK(bp_count(store, &third, &count, &error), &error);
    assert_int_equal(count, 0);
    options[0].strict_kind = true;
    options[0].kind_name = "new.5";
    CHECK_STATUS(BP_ERR_KIND, bp_policy_append(policy, store, items, 1, NULL, &receipt, &error), &error);
    CHECK_SAYS(&error, "new.5");
}

static void requests_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    bind("gate name {\n on cause=018f0000-0000-7000-8000-000000000001\n unique name in username\n}\n"
         "gate mail {\n on entity=user:*\n unique mail in usermail\n}\n");
    bp_append_options options;
    bp_append_options_init(&options);
    bp_batch_item item = {bp_at("user:1", "s"), 0xf001, bp_json_bytes(NULL, 5), &options};
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
    item.payload = bp_json("{\"mail\":\"a\"}");
    item.at.entity = (bp_text){NULL, 5};
    CHECK_STATUS(BP_ERR_NAME, bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
    item.at.entity = bp_text_of("user:1");
    options.cause_count = 2;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
    options.cause_count = 0;
    options.size = 1;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
    bp_append_options_init(&options);
    CHECK_OK(bp_policy_append(policy, store, &item, 1, NULL, NULL, &error), &error);
}

/* Gates look at the other items of their batch: a batch of the greatest size has to stay a matter of moments. */
static void great_batches_are_judged_in_time(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static char entities[COUNT][16];
    static char payloads[COUNT][32];
    static bp_batch_item items[COUNT];
    bind("gate name {\n on scope=s\n unique n in number\n}\ngate rate {\n rate 60000 per 1h\n}\n"
         "gate flow {\n on scope=s\n step start -> 0xF001\n step 0xF001 -> 0xF001\n}\n");
    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(entities[i], sizeof entities[i], "e:%u", i % 100);
        (void)snprintf(payloads[i], sizeof payloads[i], "{\"n\":%u}", i);
        items[i] = (bp_batch_item){bp_at(entities[i], "s"), 0xf001, bp_json(payloads[i]), NULL};
    }
    clock_t before = clock();
    CHECK_OK(bp_policy_append(policy, store, items, COUNT, NULL, NULL, &error), &error);
    double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
    CHECK(seconds < 3, "%.1f s for %d events", seconds, COUNT); /* 0.1 s in release */
}

static void binding_a_policy_twice_binds_it_once(void **state)
{
    (void)state;
    static const char text[] = "record gates\ngate small {\n size 5\n}\n";
    const bp_event *event = NULL;
    const uint8_t *value = NULL;
    size_t size = 0;
    bp_receipt receipt;
    bind(text);
    CHECK_OK(bp_policy_bind(policy, &error), &error);
    CHECK_OK(bp_append(store, bp_at("a", "s"), 0xf001, bp_raw("1", 1), NULL, &receipt, &error), &error);
    CHECK_OK(bp_get(store, &receipt.id, &event, &error), &error);
    assert_true(bp_event_extension(event, BP_TAG_GATES, &value, &size));
    assert_int_equal(size, 1 + strlen("small"));
    bp_event_release(event);
}

static void reservations_keep_odd_values_apart(void **state)
{
    (void)state;
    char a[BP_RESERVATION_SIZE];
    char b[BP_RESERVATION_SIZE];
    char long_value[300];
    memset(long_value, 'v', sizeof long_value);
    assert_true(bp_reservation_entity("p", "x:y", 3, false, a));
    assert_string_equal(a, "p:x:y");
    assert_true(bp_reservation_entity("p", "a\nb", 3, false, a));
    assert_int_equal(strlen(a), 3 + 64);
    assert_true(bp_reservation_entity("p", a + 2, strlen(a + 2), false, b)); /* the very text of a hash */
    assert_string_not_equal(a, b);
    assert_true(bp_reservation_entity("p", "", 0, false, b));
    assert_true(bp_reservation_entity("p", long_value, sizeof long_value, false, b));
    assert_true(bp_reservation_entity("p", "x", 1, true, b));
    assert_int_equal(strlen(b), 3 + 64);
    assert_false(bp_reservation_entity("", "x", 1, true, b));
    assert_false(bp_reservation_entity(NULL, "x", 1, true, b));
    assert_false(bp_reservation_entity("a\nb", "x", 1, true, b));
}

static void decisions_go_on_record_when_the_policy_says_so(void **state)
{
    (void)state;
    bind("record gates\nrecord denials 2 per second\ngate small {\n size 4\n}\ngate any {\n size 100\n}\n");
    CHECK_OK(put("a", "s", "k", "1"), &error);
    DENIED("[small]", put("a", "s", "k", "\"12345\""));
    const bp_event *event = NULL;
    const uint8_t *value = NULL;
    size_t size = 0;
    bp_region region = bp_region_stream("a");
    CHECK_OK(bp_newest(store, &region, &event, &error), &error);
    assert_true(bp_event_extension(event, BP_TAG_GATES, &value, &size));
    assert_memory_equal(value,
                        "\x05small\x03"
                        "any",
                        size);
    bp_event_release(event);
    assert_int_equal(bp_gate_denial_counts(store).recorded, 1);
}

/* Each mistake is told with its line and column, and nothing of the file takes effect. */
static void mistakes_are_told_by_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"gat x {", "line 1, column 1: \"gate\" or \"record\""},
        {"\n\n  gate x", "line 3, column 9: a gate is expected"},
        {"gate 1x {\n}", "line 1, column 6"},
        {"gate x {\n}", "line 2, column 1: the gate has no rule"},
        {"gate x {\n size 5\n", "line 3, column 1: the last gate has no closing brace"},
        {"gate x {\n size", "line 2, column 6: one size"},
        {"gate x {\n size 5 6\n}", "line 2, column 9: one size"},
        {"gate x {\n size 5x\n}", "line 2, column 8: a number"},
        {"gate x {\n size 999999999999\n}", "line 2, column 7: the number is too great"},
        {"gate x {\n size 5\n kinds a\n}", "line 3, column 2: a gate has one rule"},
        {"gate x {\n size 5\n size 6\n}", "line 3, column 2: a gate has one rule"},
        {"gate x {\n kinds\n}", "line 2, column 7: at least one kind"},
        {"gate x {\n kinds a ?b\n}", "line 2, column 10: this is neither"},
        {"gate x {\n step a -> \n}", "line 2, column 11: a step is expected"},
        {"gate x {\n step a to b\n}", "line 2, column 9: a step is expected"},
        {"gate x {\n field a.b. string\n}", "line 2, column 8: a path"},
        {"gate x {\n field a text\n}", "line 2, column 10: a type"},
        {"gate x {\n field a string maybe\n}", "line 2, column 17: only"},
        {"gate x {\n rate 0 per 1s\n}", "line 2, column 7: a rate of nothing"},
        {"gate x {\n rate 5 per 1y\n}", "line 2, column 13: a duration"},
        {"gate x {\n rate 5 per 1s by user\n}", "line 2, column 19: a rate"},
        {"gate x {\n unique a on b\n}", "line 2, column 11: a unique field"},
        {"gate x {\n on entity=\n size 1\n}", "line 2, column 5"},
        {"gate x {\n on colour=red\n size 1\n}", "line 2, column 5"},
        {"gate x {\n on scope=a\n on scope=b\n size 1\n}", "line 3, column 2: this gate has a region"},
        {"gate x {\n size 1\n} }", "line 3, column 3: nothing may follow"},
        {"record everything", "line 1, column 8: expected: record gates"},
        {"record denials 5 per minute", "line 1, column 16: expected"},
        {"gate x {\n size 1\n}\ngate x {\n size 2\n}", "line 4, column 6: a gate has this name already"},
        {"gate x {\n size 5", "line 2, column 8: the last gate has no closing brace"},
        {"gate x {\n size 99999999999999999999999999\n}", "line 2, column 7: the number is too great"},
        {"gate x {\n rate 5 per 1000000d\n}", "line 2, column 13: the number is too great"},
        {"gate x {\n on committed=2026-01-01..\n size 1\n}", "line 2, column 5: a gate's region has no ranges"},
        {"gate x {\n on scope=a sequence=1..5\n size 1\n}", "line 2, column 5: a gate's region has no ranges"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bpt_note("case %zu", i);
        bp_policy *none = NULL;
        CHECK_STATUS(BP_ERR_FORMAT, bp_policy_parse(store, cases[i].text, strlen(cases[i].text), &none, &error),
                     &error);
        CHECK(strstr(error.message, cases[i].says) != NULL, "%s", error.message);
        assert_null(none);
    }
    static const char late[] = "gate a {\n kinds never.defined\n}\ngate b {\n nonsense\n}\n";
    bp_kind_code kind = 0;
    bp_policy *none = NULL;
    CHECK_STATUS(BP_ERR_FORMAT, bp_policy_parse(store, late, sizeof late - 1, &none, &error), &error);
    assert_true(error.has_offset && error.offset == strlen("gate a {\n kinds never.defined\n}\ngate b {\n "));
    CHECK_STATUS(BP_ERR_KIND, bp_kind_find(store, "never.defined", &kind, &error), &error);
    static const char twice[] = "gate a {\n kinds never.defined\n}\ngate a {\n size 1\n}\n";
    CHECK_STATUS(BP_ERR_FORMAT, bp_policy_parse(store, twice, sizeof twice - 1, &none, &error), &error);
    CHECK_STATUS(BP_ERR_KIND, bp_kind_find(store, "never.defined", &kind, &error), &error);
    CHECK_STATUS(BP_ERR_FORMAT, bp_policy_parse(store, "gate\0x", 6, &none, &error), &error);
}

/* Bytes changed at random: a typed answer, nothing else. */
static void any_bytes_are_a_policy_or_a_mistake(void **state)
{
    (void)state;
    static const char seedling[] =
        "record gates\ngate a {\n on entity=x:* scope=\"q r\" kind=0xF001\n rate 5 per 1s by entity\n}\n"
        "gate b {\n step start -> 0xF001\n step 15:1 -> 0xF002\n}\n";
    bpt_random random = {bpt_seed(3)};
    for (unsigned round = 0; round < 5000; round++) {
        char text[sizeof seedling];
        bp_policy *got = NULL;
        size_t size = (size_t)bpt_random_below(&random, sizeof seedling);
        memcpy(text, seedling, sizeof seedling);
        for (uint64_t flips = 1 + bpt_random_below(&random, 3); flips > 0; flips--) {
            text[bpt_random_below(&random, sizeof seedling)] = (char)bpt_random_next(&random);
        }
        bp_status status = bp_policy_parse(store, text, size, &got, &error);
        CHECK(status == BP_OK || status == BP_ERR_FORMAT, "%s", bp_status_name(status));
        bp_policy_free(got);
    }
}

static void a_store_carries_its_policy(void **state)
{
    (void)state;
    static const char text[] = "gate small {\n size 4\n}\n";
    const bp_event *event = NULL;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_policy_stored(store, &event, &error), &error);
    CHECK_SAYS(&error, "no policy");
    CHECK_STATUS(BP_ERR_FORMAT, bp_policy_store(store, "nonsense", 8, &error), &error);
    CHECK_OK(bp_policy_store(store, text, sizeof text - 1, &error), &error);
    bpt_close(store);
    store = bpt_open(&world);
    CHECK_OK(bp_policy_stored(store, &event, &error), &error);
    assert_int_equal(event->payload_size, sizeof text - 1);
    assert_memory_equal(event->payload, text, event->payload_size);
    assert_int_equal(event->kind, BP_KIND_POLICY);
    CHECK_OK(bp_policy_parse(store, event->payload, event->payload_size, &policy, &error), &error);
    bp_event_release(event);
    CHECK_OK(bp_policy_bind(policy, &error), &error);
    DENIED("[small]", put("a", "s", "k", "\"12345\""));
    CHECK_OK(bp_policy_store(store, "", 0, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_policy_stored(store, &event, &error), &error);
}

/* What the library writes for itself has its own size, whatever callers may append. */
static void the_option_payload_max_is_for_callers_events(void **state)
{
    (void)state;
    static const char text[] = "record denials\ngate kinds {\n on entity=order:*\n"
                               " kinds order.placed order.shipped order.returned order.lost order.found\n}\n";
    char reason[200];
    bp_tombstone_options options;
    bpt_close(store);
    world.options.payload_max = 100;
    store = bpt_open(&world);
    bp_receipt receipt = bpt_put(store, "a", "one");
    memset(reason, 'r', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    bp_tombstone_options_init(&options);
    options.ids = &receipt.id;
    options.id_count = 1;
    options.reason = reason;
    options.by = "officer 7";
    CHECK_OK(bp_tombstone(store, &options, NULL, &error), &error);
    CHECK_OK(bp_policy_store(store, text, sizeof text - 1, &error), &error);
    bind(text);
    DENIED("[kinds]", put("order:1", "eu", "note", "1"));
    bp_denial_counts counts = bp_gate_denial_counts(store);
    assert_int_equal(counts.recorded, 1);
    assert_int_equal(counts.unrecorded, 0);
    CHECK_STATUS(BP_ERR_TOO_LARGE,
                 bp_append(store, bp_at("a", "s"), BP_KIND_DATA, bp_raw(reason, 101), NULL, NULL, &error), &error);
}

static void ready_made_gates_refuse_what_cannot_be_meant(void **state)
{
    (void)state;
    bp_gate_set *set = NULL;
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    bp_payload_field bad = {"a..b", BP_FIELD_ANY, false};
    bp_region region = bp_region_all();
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_push_kinds(set, "a", NULL, 0, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_push_cause(set, "a", NULL, 1, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_push_machine(set, "a", NULL, 0, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_push_fields(set, "a", &bad, 1, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_push_rate(set, "a", &region, BP_RATE_REGION, 0, 1, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_push_rate(set, "a", &region, BP_RATE_REGION, 1, 0, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_gate_push_unique(set, "a", "f", "", false, &error), &error);
    CHECK_STATUS(BP_ERR_NAME, bp_gate_push_size(set, "1", 5, &error), &error);
    assert_int_equal(bp_gate_set_length(set), 0);
    bp_gate_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sizes_kinds_and_causes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_state_machine_over_the_kinds_of_an_entity, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_and_their_types, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rate_is_counted_in_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(a_unique_field_is_reserved_in_the_same_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(one_reservation_is_for_one_event, setup, teardown),
        cmocka_unit_test_setup_teardown(zero_is_one_value_whatever_its_sign, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_kind_name_is_reserved_for_as_what_it_will_be, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_that_make_no_sense_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(great_batches_are_judged_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(binding_a_policy_twice_binds_it_once, setup, teardown),
        cmocka_unit_test_setup_teardown(reservations_keep_odd_values_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(decisions_go_on_record_when_the_policy_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_told_by_line_and_column, setup, teardown),
        cmocka_unit_test_setup_teardown(any_bytes_are_a_policy_or_a_mistake, setup, teardown),
        cmocka_unit_test_setup_teardown(a_store_carries_its_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(the_option_payload_max_is_for_callers_events, setup, teardown),
        cmocka_unit_test_setup_teardown(ready_made_gates_refuse_what_cannot_be_meant, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
