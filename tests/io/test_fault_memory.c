/*
 * test_fault_memory.c: the allocator that runs dry: at its call, once or for good; and what is outstanding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/fault_memory.h"

static void *take(bpi_fault_memory *memory, size_t size)
{
    return memory->table.allocate(memory->table.context, size);
}

static void give(bpi_fault_memory *memory, void *bytes, size_t size)
{
    memory->table.release(memory->table.context, bytes, size);
}

static void without_a_plan_nothing_fails(void **state)
{
    bpi_fault_memory memory;
    (void)state;
    bpi_fault_memory_init(&memory);
    void *bytes = take(&memory, 100);
    assert_non_null(bytes);
    assert_int_equal(atomic_load(&memory.bytes), 100);
    bytes = memory.table.resize(memory.table.context, bytes, 100, 300);
    assert_non_null(bytes);
    assert_int_equal(atomic_load(&memory.bytes), 300);
    assert_int_equal(atomic_load(&memory.calls), 2);
    give(&memory, bytes, 300);
    give(&memory, NULL, 0);
    assert_int_equal(atomic_load(&memory.bytes), 0);
}

static void the_nth_call_fails_once(void **state)
{
    bpi_fault_memory memory;
    (void)state;
    bpi_fault_memory_init(&memory);
    memory.fails_at = 2;
    void *first = take(&memory, 8);
    assert_null(take(&memory, 8));
    void *third = take(&memory, 8);
    assert_non_null(first);
    assert_non_null(third);
    give(&memory, first, 8);
    give(&memory, third, 8);
    assert_int_equal(atomic_load(&memory.bytes), 0);
}

static void from_the_nth_call_on_all_fail(void **state)
{
    bpi_fault_memory memory;
    (void)state;
    bpi_fault_memory_init(&memory);
    memory.fails_at = 2;
    memory.persistent = true;
    uint8_t *first = take(&memory, 8);
    assert_non_null(first);
    first[7] = 42;
    assert_null(memory.table.resize(memory.table.context, first, 8, 16));
    assert_null(take(&memory, 8));
    assert_int_equal(first[7], 42); /* what could not grow is as it was */
    assert_int_equal(atomic_load(&memory.bytes), 8);
    give(&memory, first, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_plan_nothing_fails),
        cmocka_unit_test(the_nth_call_fails_once),
        cmocka_unit_test(from_the_nth_call_on_all_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
