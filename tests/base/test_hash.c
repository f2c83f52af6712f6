/*
 * test_hash.c: the digests are plain BLAKE3 derive-key digests, by every way that leads to one.
 *
 * ctest: labels=threads
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { LONGEST = 70 * 1024 };

static const char *const context_names[3] = {
    "batpak 2026 v1 content",
    "batpak 2026 v1 event",
    "batpak 2026 v1 node",
};

static uint8_t *input;

static int set_up(void **state)
{
    (void)state;
    input = malloc(LONGEST);
    for (size_t index = 0; index < LONGEST; index++) {
        input[index] = (uint8_t)(index % 251); /* as the published vectors have it */
    }
    return input == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(input);
    return 0;
}

/* bpi_hash_derive is held against the published vectors; everything else against bpi_hash_derive. */
static bp_hash expected(unsigned context, const void *data, size_t size)
{
    bp_hash hash;
    bpi_hash_derive(context_names[context], strlen(context_names[context]), data, size, &hash);
    return hash;
}

static void assert_hash(const bp_hash *actual, const bp_hash *wanted)
{
    assert_memory_equal(actual->bytes, wanted->bytes, sizeof(actual->bytes));
}

static void derive_matches_the_published_vectors(void **state)
{
    static const struct {
        size_t size;
        const char *digest;
    } vectors[] = {
        {0, "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"},
        {1, "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c"},
        {1023, "74a16c1c3d44368a86e1ca6df64be6a2f64cce8f09220787450722d85725dea5"},
        {1024, "7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706"},
        {1025, "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb"},
    };
    static const char context[] = "BLAKE3 2019-12-27 16:29:52 test vectors context";
    (void)state;
    for (size_t index = 0; index < sizeof(vectors) / sizeof(vectors[0]); index++) {
        bp_hash hash;
        char text[BP_HASH_TEXT_SIZE];
        bpi_hash_derive(context, sizeof(context) - 1, input, vectors[index].size, &hash);
        bp_hash_print(&hash, text);
        assert_string_equal(text, vectors[index].digest);
    }
}

static void derive_takes_a_context_in_two_parts(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 3000; size += 37) {
        for (size_t cut = 0; cut <= size; cut += 1 + size / 5) {
            bp_hash whole;
            bp_hash parts;
            const char *context = (const char *)input;
            bpi_hash_derive(context, size, input, 100, &whole);
            bpi_hash_derive_two(context, cut, context + cut, size - cut, input, 100, &parts);
            assert_hash(&parts, &whole);
        }
    }
}

static void one_is_plain_blake3_in_every_context(void **state)
{
    (void)state;
    for (unsigned context = 0; context < 3; context++) {
        for (size_t size = 64; size <= 5 * 1024; size += 64) {
            bp_hash hash;
            bp_hash wanted = expected(context, input, size);
            bpi_hash((bpi_hash_context)context, input, size, &hash);
            assert_hash(&hash, &wanted);
        }
        bp_hash hash;
        bp_hash wanted = expected(context, input, 64 * 1024);
        bpi_hash((bpi_hash_context)context, input, 64 * 1024, &hash);
        assert_hash(&hash, &wanted);
    }
}

static void one_needs_no_alignment(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 16; shift++) {
        bp_hash hash;
        bp_hash wanted = expected(0, input + shift, 320);
        bpi_hash(BPI_HASH_CONTENT, input + shift, 320, &hash);
        assert_hash(&hash, &wanted);
    }
}

static void the_split_gives_the_digest_of_the_whole(void **state)
{
    (void)state;
    for (size_t size = 64; size <= BPI_HASH_PREFIX_MAX; size += 64) {
        bpi_hash_prefix prefix;
        bp_hash hash;
        bp_hash wanted = expected(1, input, size + 64);
        bpi_hash_prefix_begin(BPI_HASH_EVENT, input, size, &prefix);
        bpi_hash_prefix_end(BPI_HASH_EVENT, &prefix, input + size, &hash);
        assert_hash(&hash, &wanted);
        bpi_hash_prefix_end(BPI_HASH_EVENT, &prefix, input + size, &hash); /* the state can be used again */
        assert_hash(&hash, &wanted);
    }
}

static void two_pieces_of_any_length_give_the_digest_of_the_whole(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 4096; size += 64) {
        bp_hash hash;
        bp_hash wanted = expected(1, input, size + 64);
        bpi_hash_two(BPI_HASH_EVENT, input, size, input + size, &hash);
        assert_hash(&hash, &wanted);
    }
}

static void many_of_one_size_are_each_hashed(void **state)
{
    (void)state;
    for (size_t count = 0; count <= 150; count += count < 20 ? 1 : 43) {
        const uint8_t *inputs[150] = {0};
        size_t sizes[150] = {0};
        bp_hash hashes[150];
        for (size_t index = 0; index < count; index++) {
            inputs[index] = input + 3 * index;
            sizes[index] = 320;
        }
        bpi_hash_many(BPI_HASH_NODE, inputs, sizes, count, hashes);
        for (size_t index = 0; index < count; index++) {
            bp_hash wanted = expected(2, inputs[index], sizes[index]);
            assert_hash(&hashes[index], &wanted);
        }
    }
}

static void many_of_mixed_sizes_are_each_hashed(void **state)
{
    enum { COUNT = 200 };
    const uint8_t *inputs[COUNT];
    size_t sizes[COUNT];
    bp_hash hashes[COUNT];
    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        uint32_t random = round + 1;
        for (size_t index = 0; index < COUNT; index++) {
            random = random * 1664525u + 1013904223u;
            inputs[index] = input + random % 977;
            sizes[index] = 64 * (size_t)(1 + (random >> 16) % (round % 2 == 0 ? 20 : 5));
        }
        bpi_hash_many(BPI_HASH_CONTENT, inputs, sizes, COUNT, hashes);
        for (size_t index = 0; index < COUNT; index++) {
            bp_hash wanted = expected(0, inputs[index], sizes[index]);
            assert_hash(&hashes[index], &wanted);
        }
    }
}

static void many_prefixes_equal_one_at_a_time(void **state)
{
    enum { COUNT = 131 };
    const uint8_t *inputs[COUNT];
    size_t sizes[COUNT];
    bpi_hash_prefix states[COUNT];
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        for (size_t index = 0; index < COUNT; index++) {
            inputs[index] = input + index * round;
            sizes[index] = 64 * (1 + (index * (round + 1)) % 15);
        }
        bpi_hash_prefix_many(BPI_HASH_EVENT, inputs, sizes, COUNT, states);
        for (size_t index = 0; index < COUNT; index++) {
            bpi_hash_prefix one;
            bpi_hash_prefix_begin(BPI_HASH_EVENT, inputs[index], sizes[index], &one);
            assert_memory_equal(states[index].words, one.words, sizeof(one.words));
        }
    }
}

static void pieces_give_the_digest_of_the_whole(void **state)
{
    (void)state;
    for (size_t size = 64; size <= 5 * 1024; size += 64) {
        bpi_hash_stream stream;
        bp_hash hash;
        bp_hash wanted = expected(0, input, size);
        bpi_hash_stream_begin(&stream, BPI_HASH_CONTENT);
        for (size_t done = 0; done < size;) {
            size_t part = done * 7 % 333 + 1;
            part = part < size - done ? part : size - done;
            bpi_hash_stream_add(&stream, input + done, part);
            done += part;
        }
        bpi_hash_stream_end(&stream, &hash);
        assert_hash(&hash, &wanted);
    }
}

static void plain_matches_the_published_vector(void **state)
{
    char text[BP_HASH_TEXT_SIZE];
    bp_hash hash;
    (void)state;
    bpi_hash_plain(input, 0, &hash);
    bp_hash_print(&hash, text);
    assert_string_equal(text, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
}

static void *hash_in_thread(void *argument)
{
    bpi_hash(BPI_HASH_EVENT, input, 128, argument);
    return NULL;
}

static void threads_may_begin_at_once(void **state)
{
    enum { COUNT = 8 };
    pthread_t threads[COUNT];
    bp_hash hashes[COUNT];
    bp_hash wanted = expected(1, input, 128);
    (void)state;
    for (size_t index = 0; index < COUNT; index++) {
        assert_int_equal(pthread_create(&threads[index], NULL, hash_in_thread, &hashes[index]), 0);
    }
    for (size_t index = 0; index < COUNT; index++) {
        assert_int_equal(pthread_join(threads[index], NULL), 0);
        assert_hash(&hashes[index], &wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derive_matches_the_published_vectors),
        cmocka_unit_test(derive_takes_a_context_in_two_parts),
        cmocka_unit_test(one_is_plain_blake3_in_every_context),
        cmocka_unit_test(one_needs_no_alignment),
        cmocka_unit_test(the_split_gives_the_digest_of_the_whole),
        cmocka_unit_test(two_pieces_of_any_length_give_the_digest_of_the_whole),
        cmocka_unit_test(many_of_one_size_are_each_hashed),
        cmocka_unit_test(many_of_mixed_sizes_are_each_hashed),
        cmocka_unit_test(many_prefixes_equal_one_at_a_time),
        cmocka_unit_test(pieces_give_the_digest_of_the_whole),
        cmocka_unit_test(plain_matches_the_published_vector),
        cmocka_unit_test(threads_may_begin_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
