/*
 * test_ids.c: ids and hashes as text, ids made from names, times and batches, and the mixes for hash tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/ids.h"

static bp_id counting(void)
{
    bp_id id;
    for (unsigned index = 0; index < 16; index++) {
        id.bytes[index] = (uint8_t)(index * 17);
    }
    return id;
}

static void an_id_prints_as_a_uuid(void **state)
{
    char text[BP_ID_TEXT_SIZE];
    bp_id id = counting();
    (void)state;
    bp_id_print(&id, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
}

static void every_way_of_writing_an_id_is_read(void **state)
{
    static const char *const texts[] = {
        "00112233-4455-6677-8899-aabbccddeeff",       "00112233-4455-6677-8899-AABBCCDDEEFF",
        "00112233445566778899aabbccddeeff",           "order:00112233445566778899AABBccddeeff",
        "order:00112233-4455-6677-8899-aabbccddeeff", "urn:uuid:00112233-4455-6677-8899-aabbccddeeff",
    };
    bp_id wanted = counting();
    (void)state;
    for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
        bp_id id = {{0}};
        assert_true(bp_id_parse(texts[index], strlen(texts[index]), &id));
        assert_true(bp_id_equal(&id, &wanted));
    }
}

static void what_is_no_id_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        ":",
        "order:",
        ":00112233445566778899aabbccddeeff",
        "00112233445566778899aabbccddeef",
        "00112233445566778899aabbccddeeff0",
        "0011223g445566778899aabbccddeeff",
        "00112233_4455-6677-8899-aabbccddeeff",
        "00112233-44556677-8899-aabb-ccddeeff",
        "001122334455-6677-8899-aabbccddeeff-",
        " 0112233445566778899aabbccddeeff",
        "00112233445566778899aabbccddeeff:x",
        "+1112233445566778899aabbccddeeff",
    };
    bp_id before = counting();
    (void)state;
    for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
        bp_id id = before;
        assert_false(bp_id_parse(texts[index], strlen(texts[index]), &id));
        assert_true(bp_id_equal(&id, &before));
    }
}

static void hashes_go_through_text_unchanged(void **state)
{
    char text[BP_HASH_TEXT_SIZE];
    bp_hash hash;
    bp_hash back;
    (void)state;
    for (unsigned index = 0; index < 32; index++) {
        hash.bytes[index] = (uint8_t)(index * 37 + 5);
    }
    bp_hash_print(&hash, text);
    assert_int_equal(strlen(text), 64);
    assert_true(bp_hash_parse(text, 64, &back));
    assert_true(bp_hash_equal(&hash, &back));
    assert_false(bp_hash_parse(text, 63, &back));
    text[10] = 'x';
    assert_false(bp_hash_parse(text, 64, &back));
    back.bytes[31] ^= 1;
    assert_false(bp_hash_equal(&hash, &back));
}

static void ids_compare_as_their_bytes(void **state)
{
    bp_id nil = {{0}};
    bp_id a = counting();
    bp_id b = counting();
    (void)state;
    assert_true(bp_id_is_nil(&nil));
    assert_false(bp_id_is_nil(&a));
    assert_true(bp_id_equal(&a, &b));
    assert_int_equal(bp_id_compare(&a, &b), 0);
    b.bytes[15]++;
    assert_true(bp_id_compare(&a, &b) > 0); /* 0xff + 1 */
    b.bytes[0] = 0xff;
    assert_true(bp_id_compare(&a, &b) < 0);
    nil.bytes[15] = 1;
    assert_false(bp_id_is_nil(&nil));
}

/* Ids are idempotency keys: were this to change, retries would be taken for new requests. */
static void an_id_from_a_name_never_changes(void **state)
{
    char text[BP_ID_TEXT_SIZE];
    bp_hash hash;
    (void)state;
    bp_id id = bp_id_from("orders", "42", 2);
    bpi_hash_derive("batpak id orders", 16, "42", 2, &hash);
    hash.bytes[6] = (uint8_t)((hash.bytes[6] & 0x0f) | 0x80);
    hash.bytes[8] = (uint8_t)((hash.bytes[8] & 0x3f) | 0x80);
    assert_memory_equal(id.bytes, hash.bytes, 16);
    bp_id_print(&id, text);
    assert_string_equal(text, "7597a842-1197-8c52-bdee-1cd04243d3b2");
    bp_id other = bp_id_from("order", "s42", 3);
    assert_false(bp_id_equal(&id, &other));
    id = bp_id_from(NULL, NULL, 0);
    other = bp_id_from("", "", 0);
    assert_true(bp_id_equal(&id, &other));
}

static void an_id_from_a_long_namespace_is_the_same_rule(void **state)
{
    char context[10 + 5000];
    bp_hash hash;
    (void)state;
    memset(context, 'n', sizeof(context));
    memcpy(context, "batpak id ", 10);
    context[sizeof(context) - 1] = '\0';
    bp_id id = bp_id_from(context + 10, "x", 1);
    bpi_hash_derive(context, sizeof(context) - 1, "x", 1, &hash);
    assert_memory_equal(id.bytes, hash.bytes, 6);
    assert_memory_equal(id.bytes + 9, hash.bytes + 9, 7);
}

static void a_batch_item_derives_from_the_first_id(void **state)
{
    uint8_t input[20];
    bp_id first = counting();
    (void)state;
    memcpy(input, first.bytes, 16);
    bpi_put32(input + 16, 0x0201);
    bp_id wanted = bp_id_from("batpak batch", input, sizeof(input));
    bp_id id = bpi_id_of_item(&first, 0x0201);
    assert_true(bp_id_equal(&id, &wanted));
}

static void a_v7_id_sorts_by_its_time(void **state)
{
    static const uint8_t random[10] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t zeros[10];
    char text[BP_ID_TEXT_SIZE];
    (void)state;
    bp_id id = bpi_id_v7(UINT64_C(0x0192f0c1a2b3), random);
    bp_id_print(&id, text);
    assert_string_equal(text, "0192f0c1-a2b3-7fff-bfff-ffffffffffff");
    bp_id later = bpi_id_v7(UINT64_C(0x0192f0c1a2b4), zeros);
    bp_id_print(&later, text);
    assert_string_equal(text, "0192f0c1-a2b4-7000-8000-000000000000");
    assert_true(bp_id_compare(&id, &later) < 0);
}

/* ---- mixes ---- */

static unsigned bits(uint64_t value)
{
    unsigned count = 0;
    for (; value != 0; value &= value - 1) {
        count++;
    }
    return count;
}

/* One flipped bit of the input flips about half of the output. */
static void ids_mix_well(void **state)
{
    bp_id id = counting();
    unsigned total = 0;
    (void)state;
    uint64_t before = bpi_id_mix(&id, 1);
    assert_true(before == bpi_id_mix(&id, 1));
    assert_true(before != bpi_id_mix(&id, 2));
    for (unsigned bit = 0; bit < 128; bit++) {
        id.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        unsigned changed = bits(before ^ bpi_id_mix(&id, 1));
        id.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(changed >= 12 && changed <= 52);
        total += changed;
    }
    assert_true(total / 128 >= 29 && total / 128 <= 35);
}

/* What loops use says the same of every id as what everybody uses. */
static void loops_see_ids_alike(void **state)
{
    bp_id nil = {{0}};
    bp_id id = counting();
    bpi_id_mixer mixer = bpi_id_mixer_of(3);
    (void)state;
    assert_true(bpi_id_none(&nil) && bpi_id_same(&nil, &nil) && !bpi_id_same(&nil, &id));
    for (unsigned bit = 0; bit < 128; bit++) {
        bp_id other = id;
        bp_id one = nil;
        other.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        one.bytes[bit / 8] = (uint8_t)(1u << bit % 8);
        assert_true(bpi_id_same(&other, &other) && !bpi_id_same(&id, &other) && !bpi_id_none(&one));
        assert_true(bpi_id_mixed(&mixer, &other) == bpi_id_mix(&other, 3));
    }
}

static void names_mix_well(void **state)
{
    uint8_t name[23];
    unsigned total = 0;
    (void)state;
    memset(name, 'x', sizeof(name));
    uint64_t before = bpi_name_mix(name, sizeof(name), 1);
    assert_true(before != bpi_name_mix(name, sizeof(name), 2));
    for (unsigned bit = 0; bit < 8 * sizeof(name); bit++) {
        name[bit / 8] ^= (uint8_t)(1u << bit % 8);
        unsigned changed = bits(before ^ bpi_name_mix(name, sizeof(name), 1));
        name[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(changed >= 12 && changed <= 52);
        total += changed;
    }
    assert_true(total / (8 * sizeof(name)) >= 29 && total / (8 * sizeof(name)) <= 35);
    for (size_t size = 0; size < sizeof(name); size++) {
        uint64_t hash = bpi_name_mix(name, size, 1);
        for (size_t other = 0; other < size; other++) {
            assert_true(hash != bpi_name_mix(name, other, 1)); /* equal bytes, another length */
        }
    }
    assert_true(bpi_name_mix(NULL, 0, 1) == bpi_name_mix("", 0, 1));
}

/* Index files keep these numbers: with another mix nothing would be found in older ones. */
static void names_mix_as_ever(void **state)
{
    static const uint64_t of_size[] = {0xbee75de47bd091ec, 0xb0eec176b18c3393, 0x1b03e55e875e608e, 0x51fcd81cbe061a91,
                                       0x6eb001b0d8781cc8, 0x476d0469aafcbe03, 0xdb30c304cf924440, 0xcf5310b842000868,
                                       0xdf82cedf0a531123, 0x4071ae26b9980901, 0x26023a8b6f61a846, 0x1193d85b2f8b63ef,
                                       0xdabd602b19836122, 0x63b7791a0787e63c, 0x2ee3887f92aa9820, 0xa8af6145395e62ce,
                                       0x7c9e0de00bd485b1, 0xff7121a208fe7356, 0xfc2ab47717565492, 0xf7f657616813b443,
                                       0x48a7d15296ff0111, 0x513fdf8e4a77cacc, 0x3743e9d3dcbade37, 0x0a2909d081769788,
                                       0x7c0e04996b033187, 0xb6798377a4afa3a1};
    uint8_t name[sizeof of_size / sizeof of_size[0]];
    (void)state;
    for (size_t i = 0; i < sizeof name; i++) {
        name[i] = (uint8_t)(i * 37 + 200);
    }
    for (size_t size = 0; size < sizeof name; size++) {
        assert_true(bpi_name_mix(name, size, 1) == of_size[size]);
    }
}

static int order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void counted_ids_do_not_collide(void **state)
{
    enum { COUNT = 100000 };
    uint64_t *mixes = malloc(COUNT * sizeof(*mixes));
    (void)state;
    assert_non_null(mixes);
    for (unsigned index = 0; index < COUNT; index++) {
        bp_id id = {{0}};
        id.bytes[0] = (uint8_t)(index >> 16);
        id.bytes[7] = (uint8_t)(index >> 8);
        id.bytes[15] = (uint8_t)index;
        mixes[index] = bpi_id_mix(&id, 7) >> 16; /* 48 bits: about 0.00002 collisions expected */
    }
    qsort(mixes, COUNT, sizeof(*mixes), order);
    for (unsigned index = 1; index < COUNT; index++) {
        assert_true(mixes[index - 1] != mixes[index]);
    }
    free(mixes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_prints_as_a_uuid),
        cmocka_unit_test(every_way_of_writing_an_id_is_read),
        cmocka_unit_test(what_is_no_id_is_refused),
        cmocka_unit_test(hashes_go_through_text_unchanged),
        cmocka_unit_test(ids_compare_as_their_bytes),
        cmocka_unit_test(an_id_from_a_name_never_changes),
        cmocka_unit_test(an_id_from_a_long_namespace_is_the_same_rule),
        cmocka_unit_test(a_batch_item_derives_from_the_first_id),
        cmocka_unit_test(a_v7_id_sorts_by_its_time),
        cmocka_unit_test(ids_mix_well),
        cmocka_unit_test(loops_see_ids_alike),
        cmocka_unit_test(names_mix_well),
        cmocka_unit_test(names_mix_as_ever),
        cmocka_unit_test(counted_ids_do_not_collide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
