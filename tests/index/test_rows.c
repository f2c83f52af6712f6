/*
 * test_rows.c: the ends of commits of every size, over words and chunks, against a look at each row.
 */
#include "index/rows.h"
#include "index/world.h"

enum { ROWS = 3 * BPI_CHUNK_ROWS - 100, LARGEST = 4096 };

static void put(bpi_rows *rows, uint32_t row, bool first)
{
    bpi_fields fields = {.offset = row, .bits = first ? BPI_ROW_FIRST : 0};
    bpi_rows_put(rows, row, &fields);
}

/* What the bits of the rows say, row by row. */
static void check_ends(const bpi_rows *rows, uint32_t row, uint32_t end)
{
    uint32_t first = row;
    uint32_t behind = row + 1;
    while (first > 0 && (bpi_row_u8(rows, first, BPI_ROW_BITS) & BPI_ROW_FIRST) == 0) {
        first--;
    }
    while (behind < end && (bpi_row_u8(rows, behind, BPI_ROW_BITS) & BPI_ROW_FIRST) == 0) {
        behind++;
    }
    assert_int_equal(bpi_rows_commit_first(rows, row), first);
    assert_int_equal(bpi_rows_commit_end(rows, row, end), behind);
}

static bpi_rows *random_rows(dice *d, bp_layout layout, uint32_t largest)
{
    bpi_rows *rows = bpi_rows_new(bp_allocator_system(), layout, ROWS);
    assert_non_null(rows);
    assert_true(bpi_rows_reserve(rows, ROWS));
    uint32_t left = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        put(rows, row, left == 0);
        left = left == 0 ? below(d, largest) : left - 1;
    }
    return rows;
}

static void the_ends_of_a_commit_are_found(void **state)
{
    (void)state;
    static const uint32_t largest[] = {1, 2, 63, 64, 65, 128, 1000, LARGEST};
    dice d = {41};
    for (size_t i = 0; i < sizeof largest / sizeof largest[0]; i++) {
        bpi_rows *rows = random_rows(&d, i % 2 == 0 ? BP_LAYOUT_SOA : BP_LAYOUT_AOSOA8, largest[i]);
        for (int n = 0; n < 1000; n++) {
            uint32_t row = below(&d, ROWS);
            check_ends(rows, row, row + 1 + below(&d, ROWS - row));
        }
        bpi_rows_drop(rows);
    }
}

static void every_row_beside_a_border_knows_its_commit(void **state)
{
    (void)state;
    bpi_rows *rows = bpi_rows_new(bp_allocator_system(), BP_LAYOUT_SOA, ROWS);
    assert_true(rows != NULL && bpi_rows_reserve(rows, ROWS));
    for (uint32_t row = 0; row < ROWS; row++) {
        put(rows, row, row == 0 || row == 63 || row == 64 || row == 128 || row == BPI_CHUNK_ROWS);
    }
    for (uint32_t row = 0; row < 200; row++) {
        check_ends(rows, row, row + 1);
        check_ends(rows, row, 200);
        check_ends(rows, row, ROWS);
    }
    check_ends(rows, BPI_CHUNK_ROWS - 1, ROWS);
    check_ends(rows, BPI_CHUNK_ROWS, ROWS);
    check_ends(rows, ROWS - 1, ROWS);
    bpi_rows_drop(rows);
}

/* A reader is told of `end` rows; what the writer has put behind them is not its business. */
static void nothing_beyond_the_end_is_seen(void **state)
{
    (void)state;
    bpi_rows *rows = bpi_rows_new(bp_allocator_system(), BP_LAYOUT_SOA, 256);
    assert_true(rows != NULL && bpi_rows_reserve(rows, 256));
    for (uint32_t row = 0; row < 200; row++) {
        put(rows, row, row == 0 || row == 100 || row == 130);
    }
    assert_int_equal(bpi_rows_commit_end(rows, 5, 50), 50);
    assert_int_equal(bpi_rows_commit_end(rows, 5, 110), 100);
    assert_int_equal(bpi_rows_commit_end(rows, 99, 100), 100);
    assert_int_equal(bpi_rows_commit_end(rows, 100, 120), 120);
    assert_int_equal(bpi_rows_commit_end(rows, 120, 200), 130);
    assert_int_equal(bpi_rows_commit_end(rows, 130, 200), 200);
    bpi_rows_drop(rows);
}

static void copied_rows_keep_their_commits(void **state)
{
    (void)state;
    dice d = {43};
    bpi_rows *rows = random_rows(&d, BP_LAYOUT_SOAOS, 900);
    bpi_rows *copy = bpi_rows_copy(rows, ROWS);
    assert_non_null(copy);
    for (int n = 0; n < 1000; n++) {
        uint32_t row = below(&d, ROWS);
        assert_int_equal(bpi_row_u32(copy, row, BPI_ROW_OFFSET), row);
        check_ends(copy, row, ROWS);
        assert_int_equal(bpi_rows_commit_first(copy, row), bpi_rows_commit_first(rows, row));
    }
    bpi_rows_drop(copy);
    bpi_rows_drop(rows);
}

/* A field read as a column is what each row says of it, in every layout, from any row on. */
static void a_column_is_what_its_rows_say(void **state)
{
    (void)state;
    static const bp_layout layouts[] = {BP_LAYOUT_AOS, BP_LAYOUT_AOSOA8, BP_LAYOUT_AOSOA16, BP_LAYOUT_AOSOA64,
                                        BP_LAYOUT_SOA};
    static uint32_t clocks[ROWS];
    static uint8_t bits[ROWS];
    dice d = {43};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        bpi_rows *rows = bpi_rows_new(bp_allocator_system(), layouts[i], ROWS);
        assert_true(rows != NULL && bpi_rows_reserve(rows, ROWS));
        for (uint32_t row = 0; row < ROWS; row++) {
            bpi_fields fields = {.clock = below(&d, UINT32_MAX), .bits = (uint8_t)below(&d, 64)};
            bpi_rows_put(rows, row, &fields);
        }
        for (int n = 0; n < 50; n++) {
            uint32_t first = n == 0 ? 0 : below(&d, ROWS);
            uint32_t count = n == 0 ? ROWS : below(&d, ROWS - first + 1);
            bpi_rows_column(rows, first, count, BPI_ROW_CLOCK, sizeof clocks[0], clocks);
            bpi_rows_column(rows, first, count, BPI_ROW_BITS, sizeof bits[0], bits);
            for (uint32_t row = 0; row < count; row++) {
                assert_int_equal(clocks[row], bpi_row_u32(rows, first + row, BPI_ROW_CLOCK));
                assert_int_equal(bits[row], bpi_row_u8(rows, first + row, BPI_ROW_BITS));
            }
        }
        bpi_rows_drop(rows);
    }
}

/* Memory for rows comes one chunk at a time, then ten: whatever fails on the way, what is there can be given back, and the limit holds. */
static void chunks_come_alone_and_together(void **state)
{
    (void)state;
    enum { MOST = 30 * BPI_CHUNK_ROWS + 1 };
    bpi_rows *rows = bpi_rows_new(bp_allocator_system(), BP_LAYOUT_SOA, MOST);
    assert_non_null(rows);
    uint32_t before = 0;
    for (uint32_t count = 1; count <= MOST; count += BPI_CHUNK_ROWS) {
        assert_true(bpi_rows_reserve(rows, count));
        assert_true((size_t)rows->allocated * BPI_CHUNK_ROWS >= count);
        uint32_t more = rows->allocated - before;
        assert_true(more == 0 || more == 1 || more == 10 || rows->allocated == rows->capacity);
        assert_true(before >= 8 || more <= 1);
        before = rows->allocated;
        put(rows, count - 1, true);
    }
    assert_int_equal(rows->allocated, 31);
    assert_false(bpi_rows_reserve(rows, (size_t)rows->capacity * BPI_CHUNK_ROWS + 1));
    bpi_rows_drop(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ends_of_a_commit_are_found), cmocka_unit_test(every_row_beside_a_border_knows_its_commit),
        cmocka_unit_test(nothing_beyond_the_end_is_seen), cmocka_unit_test(copied_rows_keep_their_commits),
        cmocka_unit_test(a_column_is_what_its_rows_say),  cmocka_unit_test(chunks_come_alone_and_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
