/*
 * test_outcome_codec.c: the written forms: what they look like to the byte, that all outcomes come back, that two other readers
 * (jansson, msgpack-c) read them, what is refused and how deep they nest.
 */
#include <inttypes.h>

#include "support/outcomes.h"

#ifdef BPT_SECOND_READERS
#include <jansson.h>
#include <msgpack.h>
#endif

static int setup(void **state)
{
    (void)state;
    bpt_memory_begin(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bpt_note("%s", "");
    (void)bpt_memory_end();
    return 0;
}

static bp_payload written(bp_output *output, bp_payload_type form)
{
    return (bp_payload){.data = bp_output_data(output), .size = bp_output_size(output), .type = (uint8_t)form};
}

static bp_status read_text(const char *text, bp_outcome **outcome_out, bp_error *error)
{
    memset(error, 0, sizeof *error);
    return bp_outcome_decode(bp_json(text), NULL, outcome_out, error);
}

/* ---- what they look like ---- */

#define ID1 "00000000-0000-0000-0000-000000000001"
#define ID2 "00000000-0000-0000-0000-000000000002"

static bp_outcome *an_error(const bp_compensation *compensation)
{
    bp_failure failure = bp_failure_custom(515, "a \"b\"\\\n\xc3\xa4");
    failure.compensation = compensation;
    return bp_outcome_error(&failure);
}

static void the_json_form_is_this(void **state)
{
    (void)state;
    bp_id ids[] = {bp_id_from_parts(0, 1), bp_id_from_parts(0, 2)};
    bp_compensation some = bp_compensation_rollback(ids, 2);
#define FAILED                                                                                                       \
    "{\"type\":\"error\",\"data\":{\"kind\":\"custom\",\"code\":515,\"message\":\"a \\\"b\\\"\\\\\\u000a\xc3\xa4\"," \
    "\"retryable\":false,\"compensation\":"
    IS(an_error(&some), FAILED "{\"type\":\"rollback\",\"data\":{\"event_ids\":[\"" ID1 "\",\"" ID2 "\"]}}}}");
    some = bp_compensation_notify(&ids[0], "hello");
    IS(an_error(&some), FAILED "{\"type\":\"notify\",\"data\":{\"target_id\":\"" ID1 "\",\"message\":\"hello\"}}}}");
    some = bp_compensation_release(ids, 0);
    IS(an_error(&some), FAILED "{\"type\":\"release\",\"data\":{\"resource_ids\":[]}}}}");
    some = bp_compensation_custom("refund", "\0\1\xff\xfe", 4);
    IS(an_error(&some), FAILED "{\"type\":\"custom\",\"data\":{\"action_type\":\"refund\",\"data\":\"AAH//g==\"}}}}");
    IS(bp_outcome_retry(UINT64_MAX, 1, 2, "r"), "{\"type\":\"retry\",\"data\":{\"after_ms\":\"18446744073709551615\","
                                                "\"attempt\":1,\"max_attempts\":2,\"reason\":"
                                                "\"r\"}}");
    IS(bp_outcome_retry(UINT64_C(1) << 53, 1, 2, ""), "{\"type\":\"retry\",\"data\":{\"after_ms\":9007199254740992,"
                                                      "\"attempt\":1,\"max_attempts\":2,\"reason\":\"\"}}");
    IS(bp_outcome_retry((UINT64_C(1) << 53) + 1, 1, 2, ""),
       "{\"type\":\"retry\",\"data\":{\"after_ms\":\"9007199254740993\",\"attempt\":1,\"max_attempts\":2,\"reason\":"
       "\"\"}}");
    const bp_wait parts[] = {bp_wait_until(5), bp_wait_event(&ids[0]), bp_wait_custom(9, "ab", 2),
                             bp_wait_all(NULL, 0)};
    bp_wait any = bp_wait_any(parts, 4);
    IS(bp_outcome_pending(&any, &ids[1]),
       "{\"type\":\"pending\",\"data\":{\"condition\":{\"type\":\"any\",\"data\":[{\"type\":\"until\",\"data\":{"
       "\"until_"
       "ms\":5}},{\"type\":\"event\",\"data\":{\"event_id\":\"" ID1 "\"}},{\"type\":\"custom\",\"data\":{\"tag\":9,"
       "\"data\":\"YWI=\"}},{\"type\":\"all\",\"data\":[]}]},\"resume_token\":\"" ID2 "\"}}");
    bp_outcome *items[] = {bp_outcome_ok(bp_value_none()),
                           bp_outcome_ok(bp_value_of_payload(bp_json("{ \"x\" : 1.50 }")))};
    IS(bp_outcome_batch(items, 2),
       "{\"type\":\"batch\",\"data\":[{\"type\":\"ok\",\"data\":null},{\"type\":\"ok\",\"data\":"
       "{ \"x\" : 1.50 }}]}");
}

static void the_msgpack_form_is_this(void **state)
{
    (void)state;
    static const char wanted[] = "\x82\xa4type\xa7pending\xa4"
                                 "data\x82\xa9"
                                 "condition\x82\xa4type\xa5"
                                 "event\xa4"
                                 "data\x81\xa8"
                                 "event_id\xc4\x10\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\xac"
                                 "resume_token\xc4\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1";
    bp_error error;
    bp_id id = bp_id_from_parts(0x0011223344556677u, 0x8899aabbccddeeffu);
    bp_id token = bp_id_from_parts(0, 1);
    bp_wait wait = bp_wait_event(&id);
    bp_outcome *outcome = bp_outcome_pending(&wait, &token);
    bp_output *output = bp_output_new(bpt_memory_allocator());
    CHECK_OK(bp_outcome_encode(outcome, BP_PAYLOAD_MSGPACK, output, &error), &error);
    assert_int_equal(bp_output_size(output), sizeof wanted - 1);
    assert_memory_equal(bp_output_data(output), wanted, sizeof wanted - 1);
    bp_output_free(output);
    bp_outcome_free(outcome);
}

/* ---- there and back ---- */

static void there_and_back(const bp_outcome *outcome, bp_payload_type form, const bp_value_type *type)
{
    bp_error error;
    bp_outcome *again = NULL;
    bp_output *first = bp_output_new(bpt_memory_allocator());
    bp_output *second = bp_output_new(bpt_memory_allocator());
    assert_true(bp_output_append(second, "behind this", 11)); /* what is there stays */
    CHECK_OK(bp_outcome_encode(outcome, form, first, &error), &error);
    CHECK_OK(bp_outcome_decode(written(first, form), type, &again, &error), &error);
    CHECK_OK(bp_outcome_encode(again, form, second, &error), &error);
    assert_int_equal(bp_output_size(second), bp_output_size(first) + 11);
    assert_memory_equal((const char *)bp_output_data(second) + 11, bp_output_data(first), bp_output_size(first));
    bp_outcome_free(again);
    /* without a type values stay bytes, and are written as they were */
    CHECK_OK(bp_outcome_decode(written(first, form), NULL, &again, &error), &error);
    bp_output_clear(second);
    CHECK_OK(bp_outcome_encode(again, form, second, &error), &error);
    assert_int_equal(bp_output_size(second), bp_output_size(first));
    assert_memory_equal(bp_output_data(second), bp_output_data(first), bp_output_size(first));
    bp_outcome_free(again);
    bp_output_free(first);
    bp_output_free(second);
}

static void all_outcomes_come_back(void **state)
{
    (void)state;
    uint64_t seed = bpt_seed(7);
    uint64_t amount = bpt_amount("BATPAK_TRIALS", 2000, 200000);
    for (uint64_t trial = 0; trial < amount; trial++) {
        bpt_note("seed of the outcome %" PRIu64, seed + trial);
        bp_outcome *outcome = bpt_random_outcome(seed + trial);
        there_and_back(outcome, BP_PAYLOAD_JSON, &bpt_number_type);
        there_and_back(outcome, BP_PAYLOAD_MSGPACK, &bpt_number_type);
        bp_outcome_free(outcome);
    }
}

static void sizes_of_every_width_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000};
    char *long_text = calloc(1, 70001);
    bp_outcome **many = calloc(70000, sizeof(bp_outcome *));
    assert_true(long_text != NULL && many != NULL);
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        memset(long_text, 'x', sizes[index]);
        long_text[sizes[index]] = '\0';
        for (size_t item = 0; item < sizes[index]; item++) {
            many[item] = bpt_ok((int64_t)item);
        }
        bp_compensation custom = bp_compensation_custom(long_text, long_text, sizes[index]);
        bp_outcome *outcomes[] = {bp_outcome_cancelled(long_text), an_error(&custom),
                                  bp_outcome_retry(sizes[index], 3, 4, ""), bp_outcome_batch(many, sizes[index])};
        for (size_t which = 0; which < 4; which++) {
            there_and_back(outcomes[which], BP_PAYLOAD_JSON, &bpt_number_type);
            there_and_back(outcomes[which], BP_PAYLOAD_MSGPACK, &bpt_number_type);
            bp_outcome_free(outcomes[which]);
        }
    }
    free(long_text);
    free((void *)many);
}

static void readers_take_what_others_write(void **state)
{
    (void)state;
    bp_error error;
    bp_outcome *outcome = NULL;
    CHECK_OK(read_text(" {\n\"data\" : { \"reason\" : \"\\u00e4\\ud83d\\udc18\\t\\/\" } , \"type\" : \"cancelled\" } ",
                       &outcome, &error),
             &error);
    assert_true(bp_text_equal(*bp_outcome_as_cancelled(outcome), bp_text_of("\xc3\xa4\xf0\x9f\x90\x98\t/")));
    bp_outcome_free(outcome);
    CHECK_OK(read_text("{\"type\":\"ok\",\"data\": [1 , {\"a\":null}] }", &outcome, &error), &error);
    const bp_payload *bytes = bp_value_payload(bp_outcome_as_ok(outcome));
    assert_int_equal(bytes->size, strlen("[1 , {\"a\":null}]"));
    assert_int_equal(bytes->type, BP_PAYLOAD_JSON);
    bp_outcome_free(outcome);
    CHECK_OK(
        read_text(
            "{\"type\":\"retry\",\"data\":{\"after_ms\":\"7\",\"attempt\":0,\"max_attempts\":4294967295,\"reason\":"
            "\"\"}}",
            &outcome, &error),
        &error);
    assert_true(bp_outcome_as_retry(outcome)->after_ms == 7 &&
                bp_outcome_as_retry(outcome)->max_attempts == UINT32_MAX);
    bp_outcome_free(outcome);
    CHECK_OK(
        read_text("{\"type\":\"error\",\"data\":{\"compensation\":null,\"retryable\":true,\"message\":\"\",\"kind\":"
                  "\"storage\"}}",
                  &outcome, &error),
        &error);
    assert_null(bp_outcome_as_error(outcome)->compensation);
    bp_outcome_free(outcome);
}

#ifdef BPT_SECOND_READERS
static void other_readers_read_them(void **state)
{
    (void)state;
    uint64_t seed = bpt_seed(19);
    for (uint64_t trial = 0; trial < 300; trial++) {
        bp_error error;
        json_error_t json_error;
        bp_outcome *again = NULL;
        bpt_note("seed of the outcome %" PRIu64, seed + trial);
        bp_outcome *outcome = bpt_random_outcome(seed + trial);
        char *text = bpt_text_of(outcome);
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &json_error);
        CHECK(json != NULL, "%s: %s", json_error.text, text);
        char *sorted = json_dumps(json, JSON_SORT_KEYS | JSON_INDENT(1)); /* "data" before "type", spaces */
        CHECK_OK(bp_outcome_decode(bp_json(sorted), &bpt_number_type, &again, &error), &error);
        IS(again, text);
        json_decref(json);
        free(sorted);
        free(text);

        bp_output *output = bp_output_new(NULL);
        msgpack_unpacked unpacked;
        msgpack_sbuffer packed;
        size_t offset = 0;
        CHECK_OK(bp_outcome_encode(outcome, BP_PAYLOAD_MSGPACK, output, &error), &error);
        msgpack_unpacked_init(&unpacked);
        msgpack_sbuffer_init(&packed);
        msgpack_packer packer;
        msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
        assert_int_equal(msgpack_unpack_next(&unpacked, bp_output_data(output), bp_output_size(output), &offset),
                         MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(offset, bp_output_size(output));
        assert_int_equal(msgpack_pack_object(&packer, unpacked.data), 0);
        again = NULL;
        bp_payload bytes = {.data = packed.data, .size = packed.size, .type = BP_PAYLOAD_MSGPACK};
        CHECK_OK(bp_outcome_decode(bytes, NULL, &again, &error), &error);
        bp_outcome_free(again);
        msgpack_sbuffer_destroy(&packed);
        msgpack_unpacked_destroy(&unpacked);
        bp_output_free(output);
        bp_outcome_free(outcome);
    }
}

/* Texts bent at random: we take for an ok's value exactly what jansson takes for JSON. */
static void json_is_judged_as_by_another_reader(void **state)
{
    static const char *const parts[] = {"{",
                                        "}",
                                        "[",
                                        "]",
                                        ":",
                                        ",",
                                        "\"",
                                        "\"a\"",
                                        "\"\\u00e4\"",
                                        "\\ud800",
                                        "\"\\ud83d\\udc18\"",
                                        "\\",
                                        "null",
                                        "true",
                                        "fals",
                                        "0",
                                        "-1",
                                        "01",
                                        "1.5",
                                        "1.",
                                        "1e5",
                                        "1E+",
                                        "\x1f",
                                        " ",
                                        "\n",
                                        "\t",
                                        "\"\xc3\xa4\"",
                                        "\"\xc3\"",
                                        "\x7f",
                                        "-",
                                        "\"\\n\"",
                                        "\"\\x\"",
                                        "\"\xed\xa0\x80\""};
    (void)state;
    bpt_random random = {bpt_seed(23)};
    uint64_t amount = bpt_amount("BATPAK_TRIALS", 60000, 3000000);
    uint64_t good = 0;
    for (uint64_t trial = 0; trial < amount; trial++) {
        char inner[256] = "";
        size_t size = 0;
        char text[320];
        bp_outcome *outcome = NULL;
        bp_error error;
        json_error_t json_error;
        uint64_t count = 1 + bpt_random_below(&random, 7);
        for (uint64_t index = 0; index < count; index++) {
            const char *part = parts[bpt_random_below(&random, sizeof parts / sizeof *parts)];
            size += (size_t)snprintf(inner + size, sizeof inner - size, "%s", part);
        }
        (void)snprintf(text, sizeof text, "{\"type\":\"ok\",\"data\":%s}", inner);
        json_t *json = json_loads(inner, JSON_DECODE_ANY | JSON_ALLOW_NUL, &json_error);
        bool right = json != NULL;
        /* a number too large for jansson's own types ends its look, but may be JSON all the same */
        bool unsure = !right && json_error_code(&json_error) == json_error_numeric_overflow;
        good += right;
        json_decref(json);
        bp_status status = read_text(text, &outcome, &error);
        /* "data": 1, "data": 2 and the like are JSON all the same, and the outcome's business */
        CHECK((status == BP_OK) == right || unsure || strchr(inner, ',') != NULL, "%s: %s, jansson: %s", text,
              error.message, right ? "fine" : json_error.text);
        CHECK(status == BP_OK || status == BP_ERR_FORMAT, "%s", error.message);
        bp_outcome_free(outcome);
    }
    assert_true(good > amount / 20);
}
#endif

/* {type: retry, data: {after_ms: <the object>, ...}} */
static bp_status read_after(const char *object, size_t size, uint64_t *after_out)
{
    static const char head[] = "\x82\xa4type\xa5retry\xa4"
                               "data\x84\xa6reason\xa0\xa7"
                               "attempt\x01\xac"
                               "max_attempts\x02\xa8"
                               "after_ms";
    char bytes[128];
    bp_error error;
    bp_outcome *outcome = NULL;
    memcpy(bytes, head, sizeof head - 1);
    memcpy(bytes + sizeof head - 1, object, size);
    bp_status status = bp_outcome_decode(bp_msgpack(bytes, sizeof head - 1 + size), NULL, &outcome, &error);
    *after_out = status == BP_OK ? bp_outcome_as_retry(outcome)->after_ms : 0;
    bp_outcome_free(outcome);
    return status;
}

static void whole_numbers_are_read_in_every_width(void **state)
{
    static const struct {
        const char *object;
        size_t size;
        uint64_t number; /* UINT64_MAX: it is none */
    } rows[] = {
        {"\x7f", 1, 127},
        {"\xcc\xff", 2, 255},
        {"\xcd\xff\xff", 3, 65535},
        {"\xce\xff\xff\xff\xff", 5, UINT32_MAX},
        {"\xcf\x80\0\0\0\0\0\0\0", 9, UINT64_C(1) << 63},
        {"\xd0\x7f", 2, 127},
        {"\xd1\x7f\xff", 3, 32767},
        {"\xd2\x7f\xff\xff\xff", 5, INT32_MAX},
        {"\xd3\0\0\0\0\0\0\0\x05", 9, 5},
        {"\xd0\x80", 2, UINT64_MAX},
        {"\xd1\x80\0", 3, UINT64_MAX},
        {"\xd2\x80\0\0\0", 5, UINT64_MAX},
        {"\xd3\x80\0\0\0\0\0\0\0", 9, UINT64_MAX},
        {"\xff", 1, UINT64_MAX},
        {"\xca\0\0\0\0", 5, UINT64_MAX},
        {"\xcb\0\0\0\0\0\0\0\0", 9, UINT64_MAX},
        {"\xa1"
         "5",
         2, UINT64_MAX},
        {"\xc0", 1, UINT64_MAX},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        uint64_t after = 0;
        bp_status status = read_after(rows[index].object, rows[index].size, &after);
        bpt_note("row %zu", index);
        assert_int_equal(status, rows[index].number == UINT64_MAX ? BP_ERR_FORMAT : BP_OK);
        assert_true(status != BP_OK || after == rows[index].number);
    }
}

static void conditions_end_at_4096(void **state)
{
    (void)state;
    static const char one[] = "{\"type\":\"until\",\"data\":{\"until_ms\":1}},";
    for (size_t items = BP_WAIT_MAX - 1; items <= BP_WAIT_MAX; items++) {
        bp_error error;
        bp_outcome *outcome = NULL;
        char *text = malloc(items * sizeof one + 256);
        assert_non_null(text);
        char *at = stpcpy(text, "{\"type\":\"pending\",\"data\":{\"condition\":{\"type\":\"any\",\"data\":[");
        for (size_t index = 0; index < items; index++) {
            at = stpcpy(at, one);
        }
        (void)stpcpy(at - 1, "]},\"resume_token\":\"" ID1 "\"}}");
        CHECK_STATUS(items < BP_WAIT_MAX ? BP_OK : BP_ERR_FORMAT, read_text(text, &outcome, &error), &error);
        bp_outcome_free(outcome);
        free(text);
    }
}

/* ---- what is refused ---- */

static void what_is_no_outcome_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"", "at byte 0"},
        {"[]", "no map at byte 0"},
        {"{\"type\":\"ok\"}", "'data' is missing"},
        {"{\"data\":1}", "'type' is missing"},
        {"{\"type\":\"ok\",\"data\":1}x", "behind it at byte 22"},
        {"{\"type\":\"ok\",\"data\":1,\"more\":2}", "unknown field at byte 22"},
        {"{\"type\":\"ok\",\"data\":1,\"data\":2}", "second time at byte 22"},
        {"{\"type\":\"okay\",\"data\":1}", "unknown type at byte 8"},
        {"{\"type\":7,\"data\":1}", "unknown type"},
        {"{\"type\":\"batch\",\"data\":{}}", "array of outcomes"},
        {"{\"type\":\"batch\",\"data\":[1]}", "no map at byte 24"},
        {"{\"type\":\"cancelled\",\"data\":{\"reason\":1}}", "no text"},
        {"{\"type\":\"cancelled\",\"data\":{\"reason\":\"\\ud800\"}}", "bad escape"},
        {"{\"type\":\"cancelled\",\"data\":{\"reason\":\"\\udc00\"}}", "bad escape"},
        {"{\"type\":\"cancelled\",\"data\":{\"reason\":\"\\ud800\\u0041\"}}", "bad escape"},
        {"{\"type\":\"cancelled\",\"data\":{\"reason\":\"\xff\"}}", "UTF-8"},
        {"{\"type\":\"error\",\"data\":{\"kind\":\"odd\",\"message\":\"\",\"retryable\":true}}", "unknown kind"},
        {"{\"type\":\"error\",\"data\":{\"kind\":\"custom\",\"message\":\"\",\"retryable\":true}}", "code"},
        {"{\"type\":\"error\",\"data\":{\"kind\":\"storage\",\"code\":1,\"message\":\"\",\"retryable\":true}}", "code"},
        {"{\"type\":\"error\",\"data\":{\"kind\":\"custom\",\"code\":65536,\"message\":\"\",\"retryable\":true}}",
         "fits"},
        {"{\"type\":\"error\",\"data\":{\"kind\":\"custom\",\"code\":-1,\"message\":\"\",\"retryable\":true}}", "fits"},
        {"{\"type\":\"error\",\"data\":{\"kind\":\"custom\",\"code\":1.0,\"message\":\"\",\"retryable\":true}}",
         "fits"},
        {"{\"type\":\"error\",\"data\":{\"kind\":\"storage\",\"message\":\"\",\"retryable\":1}}", "true nor false"},
        {"{\"type\":\"error\",\"data\":{\"kind\":\"storage\",\"message\":\"\",\"retryable\":true,\"compensation\":{"
         "\"type\":"
         "\"rollback\",\"data\":{\"event_ids\":[\"x\"]}}}}",
         "no id"},
        {"{\"type\":\"error\",\"data\":{\"kind\":\"storage\",\"message\":\"\",\"retryable\":true,\"compensation\":{"
         "\"type\":"
         "\"custom\",\"data\":{\"action_type\":\"\",\"data\":\"AB==\"}}}}",
         "no bytes"},
        {"{\"type\":\"retry\",\"data\":{\"after_ms\":18446744073709551616,\"attempt\":1,\"max_attempts\":1,\"reason\":"
         "\"\"}}",
         "fits"},
        {"{\"type\":\"retry\",\"data\":{\"after_ms\":1,\"attempt\":4294967296,\"max_attempts\":1,\"reason\":\"\"}}",
         "fits"},
        {"{\"type\":\"pending\",\"data\":{\"condition\":{\"type\":\"all\",\"data\":{}},\"resume_token\":\"" ID1 "\"}}",
         "array of conditions"},
        {"{\"type\":\"pending\",\"data\":{\"condition\":{\"type\":\"until\",\"data\":{\"until_ms\":1}},\"resume_"
         "token\":1}}",
         "no id"},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        bp_error error;
        bp_outcome *outcome = (bp_outcome *)&error;
        bpt_note("%s", rows[index].text);
        CHECK_STATUS(BP_ERR_FORMAT, read_text(rows[index].text, &outcome, &error), &error);
        CHECK_SAYS(&error, rows[index].says);
        assert_null(outcome);
    }
}

static void hostile_arguments_are_refused(void **state)
{
    (void)state;
    bp_error error;
    bp_outcome *outcome = NULL;
    bp_outcome *ok = bpt_ok(1);
    bp_output *output = bp_output_new(NULL);
    bp_value_type mute = {.size = sizeof mute, .name = "mute"};
    bp_outcome *silent = bp_outcome_ok(bp_value_of(&mute, &error));
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_outcome_encode(ok, BP_PAYLOAD_JSON, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_outcome_encode(ok, BP_PAYLOAD_RAW, output, &error), &error);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_outcome_encode(silent, BP_PAYLOAD_JSON, output, &error), &error);
    CHECK_SAYS(&error, "'mute'");
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_outcome_decode(bp_json("1"), NULL, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_outcome_decode(bp_json_bytes(NULL, 3), NULL, &outcome, &error), &error);
    CHECK_STATUS(BP_ERR_FORMAT, bp_outcome_decode(bp_json_bytes(NULL, 0), NULL, &outcome, &error), &error);
    CHECK_STATUS(BP_ERR_FORMAT, bp_outcome_decode(bp_msgpack(NULL, 0), NULL, &outcome, &error), &error);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_outcome_decode(bp_raw("{}", 2), NULL, &outcome, &error), &error);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_outcome_decode(bp_json("{}"), &mute, &outcome, &error), &error);
    CHECK_STATUS(BP_ERR_TOO_LARGE,
                 bp_outcome_decode(bp_json_bytes("{}", BP_OUTCOME_SIZE_MAX + 1), NULL, &outcome, &error), &error);
    bp_outcome *raw = bp_outcome_ok(bp_value_of_payload(bp_raw("x", 1)));
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_outcome_encode(raw, BP_PAYLOAD_JSON, output, &error), &error);
    bp_outcome *bad[] = {bp_outcome_ok(bp_value_of_payload(bp_json("1,2"))),
                         bp_outcome_ok(bp_value_of_payload(bp_json(""))),
                         bp_outcome_ok(bp_value_of_payload(bp_json("{\"a\""))),
                         bp_outcome_ok(bp_value_of_payload(bp_json("1 2"))), bp_outcome_cancelled("\xff")};
    for (size_t index = 0; index < 5; index++) {
        CHECK_STATUS(BP_ERR_FORMAT, bp_outcome_encode(bad[index], BP_PAYLOAD_JSON, output, &error), &error);
        bp_outcome_free(bad[index]);
    }
    bp_outcome *wrong = NULL;
    CHECK_STATUS(BP_ERR_FORMAT,
                 bp_outcome_decode(bp_json("{\"type\":\"ok\",\"data\":\"x\"}"), &bpt_number_type, &wrong, &error),
                 &error);
    assert_int_equal(bp_output_size(output), 0);
    bp_output_free(output);
    bp_outcome_free(ok);
    bp_outcome_free(raw);
    bp_outcome_free(silent);
}

static char *nested(const char *open, const char *middle, const char *close, size_t depth)
{
    char *text = calloc(1, depth * (strlen(open) + strlen(close)) + strlen(middle) + 1);
    assert_non_null(text);
    char *at = text;
    for (size_t index = 0; index < depth; index++) {
        at = stpcpy(at, open);
    }
    at = stpcpy(at, middle);
    for (size_t index = 0; index < depth; index++) {
        at = stpcpy(at, close);
    }
    return text;
}

static void nesting_ends_at_64(void **state)
{
    static const struct {
        const char *open;
        const char *middle;
        const char *close;
        size_t good; /* repetitions that are read */
        const char *before;
        const char *after;
    } rows[] = {
        {"{\"type\":\"batch\",\"data\":[", "{\"type\":\"ok\",\"data\":1}", "]}", 63, "", ""},
        {"{\"type\":\"batch\",\"data\":[", "", "]}", 64, "", ""},
        {"{\"type\":\"any\",\"data\":[", "{\"type\":\"until\",\"data\":{\"until_ms\":1}}", "]}", 63,
         "{\"type\":\"pending\",\"data\":{\"condition\":", ",\"resume_token\":\"" ID1 "\"}}"},
        {"[", "1", "]", 64, "{\"type\":\"ok\",\"data\":", "}"},
        {"{\"a\":", "1", "}", 64, "{\"type\":\"ok\",\"data\":", "}"},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        const size_t depths[] = {rows[index].good, rows[index].good + 1, 1000, 100000};
        for (size_t which = 0; which < 4; which++) {
            bp_error error;
            bp_outcome *outcome = NULL;
            char *inner = nested(rows[index].open, rows[index].middle, rows[index].close, depths[which]);
            size_t size = strlen(inner) + 256;
            char *text = malloc(size);
            assert_non_null(text);
            (void)snprintf(text, size, "%s%s%s", rows[index].before, inner, rows[index].after);
            bpt_note("row %zu depth %zu", index, depths[which]);
            CHECK_STATUS(which == 0 ? BP_OK : BP_ERR_FORMAT, read_text(text, &outcome, &error), &error);
            if (which == 0) {
                there_and_back(outcome, BP_PAYLOAD_JSON, NULL);
                bp_outcome_free(outcome);
            } else {
                CHECK(strstr(error.message, "deep") != NULL, "%s", error.message);
            }
            free(text);
            free(inner);
        }
    }
    uint8_t arrays[100000];
    bp_error error;
    bp_outcome *outcome = NULL;
    memset(arrays, 0x91, sizeof arrays);
    CHECK_STATUS(BP_ERR_FORMAT, bp_outcome_decode(bp_msgpack(arrays, sizeof arrays), NULL, &outcome, &error), &error);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_json_form_is_this),
        CASE(the_msgpack_form_is_this),
        CASE(all_outcomes_come_back),
        CASE(sizes_of_every_width_come_back),
        CASE(readers_take_what_others_write),
        CASE(whole_numbers_are_read_in_every_width),
        CASE(conditions_end_at_4096),
#ifdef BPT_SECOND_READERS
        CASE(other_readers_read_them),
        CASE(json_is_judged_as_by_another_reader),
#endif
        CASE(what_is_no_outcome_is_told),
        CASE(hostile_arguments_are_refused),
        CASE(nesting_ends_at_64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
