/*
 * test_table.c: the hash table against an array: colliding fingerprints, growth, removals in any order, copies.
 */
#include "index/table.h"
#include "index/world.h"

enum { NUMBERS = 3000 };

static bool has(const bpi_table *table, uint32_t fingerprint, uint32_t number)
{
    bpi_probe probe = bpi_table_probe(table, fingerprint);
    uint32_t found = 0;
    while ((found = bpi_probe_next(&probe)) != BPI_TABLE_END) {
        if (found == number) {
            return true;
        }
    }
    return false;
}

static uint32_t count_of(const bpi_table *table, uint32_t fingerprint)
{
    bpi_probe probe = bpi_table_probe(table, fingerprint);
    uint32_t count = 0;
    while (bpi_probe_next(&probe) != BPI_TABLE_END) {
        count++;
    }
    return count;
}

static void an_empty_table_has_nothing(void **state)
{
    (void)state;
    bpi_table table;
    bpi_table_init(&table, bp_allocator_system());
    assert_int_equal(count_of(&table, 0), 0);
    bpi_table_fini(&table);
}

/* Fingerprints from few values near both ends, so that runs are long and wrap around. */
static uint32_t crowded(dice *d)
{
    uint32_t near = below(d, 40) * 1000003u;
    return chance(d, 50) ? UINT32_MAX - near : near;
}

static void numbers_come_and_go(uint32_t (*fingerprint)(dice *d), uint64_t seed)
{
    dice d = {seed};
    static uint32_t fingerprints[NUMBERS];
    static bool there[NUMBERS];
    bpi_table table;
    memset(there, 0, sizeof there);
    bpi_table_init(&table, bp_allocator_system());
    for (int step = 0; step < 20000; step++) {
        uint32_t number = below(&d, step < 10000 ? 60 : NUMBERS);
        if (there[number]) {
            bpi_table_remove(&table, fingerprints[number], number);
        } else {
            assert_true(bpi_table_reserve(&table, table.used + 1));
            fingerprints[number] = fingerprint(&d);
            bpi_table_put(&table, fingerprints[number], number);
        }
        there[number] = !there[number];
        uint32_t other = below(&d, step < 10000 ? 60 : NUMBERS);
        assert_int_equal(has(&table, fingerprints[other], other), there[other]);
        assert_int_equal(has(&table, fingerprints[number], number), there[number]);
    }
    bpi_table copy;
    bpi_table_init(&copy, bp_allocator_system());
    assert_true(bpi_table_reserve_tight(&copy, table.used));
    bpi_table_copy(&copy, &table, NUMBERS / 2);
    for (uint32_t number = 0; number < NUMBERS; number++) {
        assert_int_equal(has(&table, fingerprints[number], number), there[number]);
        assert_int_equal(has(&copy, fingerprints[number], number), there[number] && number < NUMBERS / 2);
    }
    bpi_table_fini(&copy);
    bpi_table_fini(&table);
}

static uint32_t any(dice *d)
{
    return (uint32_t)roll(d);
}

static void spread_fingerprints(void **state)
{
    (void)state;
    numbers_come_and_go(any, world_seed());
}

static void crowded_fingerprints(void **state)
{
    (void)state;
    numbers_come_and_go(crowded, world_seed());
}

static void equal_fingerprints_are_all_found(void **state)
{
    (void)state;
    bpi_table table;
    bpi_table_init(&table, bp_allocator_system());
    for (uint32_t number = 0; number < 500; number++) {
        assert_true(bpi_table_reserve(&table, number + 1));
        bpi_table_put(&table, UINT32_MAX, number);
        bpi_table_prefetch(&table, UINT32_MAX);
    }
    assert_int_equal(count_of(&table, UINT32_MAX), 500);
    assert_int_equal(count_of(&table, 0), 0);
    bpi_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_has_nothing),
        cmocka_unit_test(spread_fingerprints),
        cmocka_unit_test(crowded_fingerprints),
        cmocka_unit_test(equal_fingerprints_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
