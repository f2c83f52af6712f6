/*
 * test_merkle.c: the root is the same however the leaves come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "format/hashing.h"
#include "support/check.h"

enum { LEAVES = 1100 };

static bp_hash leaves[LEAVES];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEAVES; i++) {
        memset(leaves[i].bytes, (int)(i % 256), sizeof leaves[i].bytes);
        leaves[i].bytes[0] = (uint8_t)(i / 256);
    }
    return 0;
}

/* Level by level: neighbours make a node, one that is left over goes up as it is. */
static bp_hash root_of(size_t count)
{
    static bp_hash level[LEAVES];
    memcpy(level, leaves, count * sizeof leaves[0]);
    for (; count > 1; count = (count + 1) / 2) {
        for (size_t i = 0; i + 1 < count; i += 2) {
            bp_hash node;
            bpi_hash(BPI_HASH_NODE, level[i].bytes, 2 * sizeof(bp_hash), &node);
            level[i / 2] = node;
        }
        if (count % 2 != 0) {
            level[count / 2] = level[count - 1];
        }
    }
    return level[0];
}

static void assert_root(const bpi_merkle *merkle, size_t count)
{
    bp_hash root;
    bp_hash wanted = root_of(count);
    bpi_merkle_root(merkle, &root);
    assert_int_equal(merkle->count, count);
    assert_memory_equal(root.bytes, wanted.bytes, sizeof root.bytes);
}

static void many_at_once_are_as_one_by_one(void **state)
{
    bpi_merkle one_by_one;
    (void)state;
    bpi_merkle_begin(&one_by_one);
    for (size_t count = 1; count <= LEAVES; count++) {
        bpi_merkle at_once;
        bpi_merkle_begin(&at_once);
        bpi_merkle_add_many(&at_once, leaves, count);
        bpi_merkle_add(&one_by_one, &leaves[count - 1]);
        assert_root(&at_once, count);
        assert_root(&one_by_one, count);
    }
}

static void portions_of_any_size_give_the_same_root(void **state)
{
    bpt_random random = {bpt_seed(51)};
    (void)state;
    for (int turn = 0; turn < 200; turn++) {
        bpi_merkle merkle;
        size_t done = 0;
        bpi_merkle_begin(&merkle);
        while (done < LEAVES) {
            size_t part = (size_t)bpt_random_below(&random, turn % 2 == 0 ? 20 : 600);
            part = part < LEAVES - done ? part : LEAVES - done;
            bpi_merkle_add_many(&merkle, leaves + done, part);
            done += part;
        }
        assert_root(&merkle, LEAVES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once_are_as_one_by_one),
        cmocka_unit_test(portions_of_any_size_give_the_same_root),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
