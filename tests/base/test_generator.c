/*
 * test_generator.c: what is drawn depends on the seed, never comes twice, and leaves no trace in the pool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/generator.h"

enum { DRAW = 26, DRAWS = 1000 };

static const uint8_t seed_a[BPI_SEED_SIZE] = {1};
static const uint8_t seed_b[BPI_SEED_SIZE] = {2};

static void seeded(bpi_generator *generator, const uint8_t *seed)
{
    memset(generator, 0, sizeof *generator);
    bpi_generator_seed(generator, seed);
}

static void a_new_generator_wants_a_seed(void **state)
{
    (void)state;
    bpi_generator generator = {.left = 0};
    assert_true(bpi_generator_wants_seed(&generator, 1));
    bpi_generator_seed(&generator, seed_a);
    assert_false(bpi_generator_wants_seed(&generator, 1));
}

static void the_same_seed_gives_the_same_and_another_gives_other_bytes(void **state)
{
    (void)state;
    bpi_generator a, again, b;
    uint8_t from_a[DRAW], from_again[DRAW], from_b[DRAW];
    seeded(&a, seed_a);
    seeded(&again, seed_a);
    seeded(&b, seed_b);
    for (int i = 0; i < DRAWS / 4; i++) {
        bpi_generator_draw(&a, from_a, DRAW);
        bpi_generator_draw(&again, from_again, DRAW);
        bpi_generator_draw(&b, from_b, DRAW);
        assert_memory_equal(from_a, from_again, DRAW);
        assert_memory_not_equal(from_a, from_b, DRAW);
    }
}

static void nothing_comes_twice(void **state)
{
    (void)state;
    static uint8_t drawn[DRAWS][DRAW];
    bpi_generator generator;
    seeded(&generator, seed_a);
    for (size_t i = 0; i < DRAWS; i++) {
        bpi_generator_draw(&generator, drawn[i], DRAW);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(drawn[i], drawn[j], DRAW);
        }
    }
}

static void what_was_given_is_wiped_and_the_key_replaced(void **state)
{
    (void)state;
    bpi_generator generator;
    uint8_t drawn[DRAW], key[BPI_SEED_SIZE], zeros[DRAW] = {0};
    seeded(&generator, seed_a);
    memcpy(key, generator.key, sizeof key);
    bpi_generator_draw(&generator, drawn, DRAW);
    assert_memory_not_equal(drawn, zeros, DRAW);
    assert_memory_equal(generator.pool + generator.left, zeros, DRAW);
    assert_memory_not_equal(generator.key, key, sizeof key);
}

static void it_asks_for_a_seed_again_and_mixes_it_in(void **state)
{
    (void)state;
    bpi_generator generator, other;
    uint8_t bytes[BPI_GENERATOR_POOL], others[BPI_GENERATOR_POOL];
    seeded(&generator, seed_a);
    int fillings = 0;
    while (!bpi_generator_wants_seed(&generator, sizeof bytes)) {
        bpi_generator_draw(&generator, bytes, sizeof bytes);
        assert_true(++fillings < 100);
    }
    assert_true(fillings > 1);
    other = generator;
    bpi_generator_seed(&generator, seed_a);
    bpi_generator_seed(&other, seed_b);
    bpi_generator_draw(&generator, bytes, sizeof bytes);
    bpi_generator_draw(&other, others, sizeof others);
    assert_memory_not_equal(bytes, others, sizeof bytes);
    seeded(&other, seed_a); /* the old key counts too */
    bpi_generator_draw(&other, others, sizeof others);
    assert_memory_not_equal(bytes, others, sizeof bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_generator_wants_a_seed),
        cmocka_unit_test(the_same_seed_gives_the_same_and_another_gives_other_bytes),
        cmocka_unit_test(nothing_comes_twice),
        cmocka_unit_test(what_was_given_is_wiped_and_the_key_replaced),
        cmocka_unit_test(it_asks_for_a_seed_again_and_mixes_it_in),
    };
    return cmocka_run_group_tests_name("base/generator", tests, NULL, NULL);
}
