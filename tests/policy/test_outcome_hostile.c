/*
 * test_outcome_hostile.c: no bytes, however hostile, do more than a typed error within bounded memory; and every allocation may
 * fail.
 */
#include <inttypes.h>

#include "support/outcomes.h"

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

static bp_payload_type form_of(unsigned index)
{
    return index == 0 ? BP_PAYLOAD_JSON : BP_PAYLOAD_MSGPACK;
}

static bp_payload written(bp_output *output, bp_payload_type form)
{
    return (bp_payload){.data = bp_output_data(output), .size = bp_output_size(output), .type = (uint8_t)form};
}

/* ---- any bytes ---- */

/* Must be an outcome or a typed error, in bounded memory; what was read is written and read again. */
static bool digested(bp_payload bytes, const bp_value_type *type)
{
    bp_error error = {0};
    bp_outcome *outcome = NULL;
    bpt_memory_mark();
    bp_status status = bp_outcome_decode(bytes, type, &outcome, &error);
    CHECK(bpt_memory_peak() <= 32 * bytes.size + 8192, "%llu bytes of memory for %zu bytes",
          (unsigned long long)bpt_memory_peak(), bytes.size);
    if (status != BP_OK) {
        CHECK(status == BP_ERR_FORMAT, "%s", error.message);
        assert_null(outcome);
        assert_true(error.message[0] != '\0');
        return false;
    }
    bp_output *output = bp_output_new(NULL);
    CHECK_OK(bp_outcome_encode(outcome, (bp_payload_type)bytes.type, output, &error), &error);
    bp_output_free(output);
    bp_outcome_free(outcome);
    return true;
}

/* Copies into fresh memory of just that size, so that the address sanitizer sees a look beyond. */
static bool digested_copy(const uint8_t *data, size_t size, bp_payload_type form)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, data, size);
    bool whole = digested((bp_payload){.data = copy, .size = size, .type = (uint8_t)form}, NULL);
    free(copy);
    return whole;
}

static void no_part_of_an_outcome_is_one(void **state)
{
    (void)state;
    uint64_t seed = bpt_seed(3);
    for (unsigned round = 0; round < 40; round++) {
        bp_error error;
        bp_payload_type form = form_of(round % 2);
        bp_outcome *outcome = bpt_random_outcome(seed + round);
        bp_output *output = bp_output_new(NULL);
        CHECK_OK(bp_outcome_encode(outcome, form, output, &error), &error);
        for (size_t size = 0; size < bp_output_size(output); size++) {
            CHECK(!digested_copy(bp_output_data(output), size, form), "%zu of %zu bytes", size, bp_output_size(output));
        }
        assert_true(digested_copy(bp_output_data(output), bp_output_size(output), form));
        bp_output_free(output);
        bp_outcome_free(outcome);
    }
}

static void any_bytes_are_digested(void **state)
{
    (void)state;
    bpt_random random = {bpt_seed(29)};
    uint64_t amount = bpt_amount("BATPAK_TRIALS", 40000, 4000000);
    bp_output *output = bp_output_new(NULL);
    uint64_t whole = 0;
    for (uint64_t trial = 0; trial < amount; trial++) {
        bp_error error;
        uint8_t bytes[4096];
        bp_payload_type form = form_of(trial % 2);
        if (trial % 50 < 2) { /* another outcome to be bent, one of each form */
            bp_outcome *outcome = bpt_random_outcome(bpt_random_next(&random));
            bp_output_clear(output);
            CHECK_OK(bp_outcome_encode(outcome, form, output, &error), &error);
            bp_outcome_free(outcome);
        }
        size_t size = bp_output_size(output) < sizeof bytes ? bp_output_size(output) : sizeof bytes;
        memcpy(bytes, bp_output_data(output), size);
        uint64_t changes = 1 + bpt_random_below(&random, 3);
        for (uint64_t index = 0; index < changes; index++) {
            uint8_t *at = &bytes[bpt_random_below(&random, size)];
            *at = bpt_random_chance(&random, 50) ? (uint8_t)bpt_random_next(&random)
                                                 : bytes[bpt_random_below(&random, size)];
        }
        if (bpt_random_chance(&random, 5)) { /* noise */
            size = (size_t)bpt_random_below(&random, 64);
            for (size_t index = 0; index < size; index++) {
                bytes[index] = (uint8_t)bpt_random_next(&random);
            }
        }
        bpt_note("trial %llu", (unsigned long long)trial);
        whole += digested_copy(bytes, size,
                               bpt_random_chance(&random, 50) ? form : form_of(bpt_random_below(&random, 2) != 0));
    }
    bp_output_free(output);
    assert_true(whole > 0 && whole < amount / 2);
}

static void counts_are_not_believed(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } rows[] = {
        {"\xdd\xff\xff\xff\xff", 5},
        {"\xdf\xff\xff\xff\xff", 5},
        {"\xdb\xff\xff\xff\xff", 5},
        {"\xc6\xff\xff\xff\xff", 5},
        {"\xc9\xff\xff\xff\xff", 5},
        {"\xc1", 1},
        {"\x82\xa4type\xa5"
         "batch\xa4"
         "data\xdd\xff\xff\xff\xff",
         22},
        {"\x82\xa4type\xa5"
         "batch\xa4"
         "data\xdc\xff\xff",
         20},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        assert_false(digested_copy((const uint8_t *)rows[index].bytes, rows[index].size, BP_PAYLOAD_MSGPACK));
    }
    assert_true(bpt_memory_peak() < 4096);
}

/* ---- memory that fails ---- */

static bp_outcome *no_longer(void *context, bp_value value)
{
    (void)context;
    bp_value_destroy(value);
    return bpt_error(BP_FAILURE_TIMEOUT, "no longer");
}

static bp_value one_more(void *context, bp_value value)
{
    (void)context;
    bp_value more = bpt_number(bpt_number_of(&value) + 1);
    bp_value_destroy(value);
    return more;
}

/* A bit of everything. */
static void script(uint64_t seed)
{
    bp_error error = {0};
    bp_outcome *parts[3];
    bp_outcome *again = NULL;
    bp_value value;
    for (size_t index = 0; index < 3; index++) {
        parts[index] = bp_outcome_map(bpt_random_outcome(seed + index), one_more, NULL);
    }
    bp_outcome *both = bp_outcome_zip(bp_outcome_batch(parts, 3), bpt_ok(1));
    bp_output *output = bp_output_new(bpt_memory_allocator());
    for (unsigned form = 0; output != NULL && form < 2; form++) {
        bp_output_clear(output);
        bp_status status = bp_outcome_encode(both, form_of(form), output, &error);
        CHECK(status == BP_OK || status == BP_ERR_NO_MEMORY, "%s", error.message);
        if (status == BP_OK) {
            status = bp_outcome_decode(written(output, form_of(form)), NULL, &again, &error);
            CHECK(status == BP_OK || status == BP_ERR_NO_MEMORY, "%s", error.message);
            bp_outcome_free(again);
            again = NULL;
        }
    }
    bp_output_free(output);
    bp_outcome *joined[] = {both, bp_outcome_and_then(bpt_random_outcome(seed), no_longer, NULL)};
    bp_outcome *all = bp_outcome_join_any(joined, 2);
    all = bp_outcome_flatten(bp_outcome_ok(bp_value_of_outcome(all)));
    again = bp_outcome_join_all(&all, 1);
    if (!bp_outcome_into_result(again, &value, &all)) {
        bp_outcome_free(all);
    }
    bp_value_destroy(value);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    uint64_t seed = bpt_seed(13);
    for (uint64_t round = 0; round < bpt_amount("BATPAK_TRIALS", 24, 1000); round++) {
        uint64_t calls = UINT64_MAX;
        for (uint64_t fail_at = 1; fail_at <= calls; fail_at++) {
            bpt_note("seed %" PRIu64 ", allocation %" PRIu64 " fails", seed + round, fail_at);
            bpt_memory_begin(fail_at);
            script(seed + round);
            uint64_t made = bpt_memory_end();
            calls = made < fail_at ? made : calls; /* none failed: done */
        }
    }
    bpt_memory_begin(0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(no_part_of_an_outcome_is_one),
        CASE(any_bytes_are_digested),
        CASE(counts_are_not_believed),
        CASE(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
