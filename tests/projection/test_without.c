/*
 * test_without.c: what a library that was built without LMDB and SQLite answers. The sources themselves, in that form: tests
 * are compiled without the definitions that say these libraries are there.
 */
#include "projection/cache_lmdb.c"   /* NOLINT(bugprone-suspicious-include) */
#include "projection/cache_sqlite.c" /* NOLINT(bugprone-suspicious-include) */
#include "projection/read_model.c"   /* NOLINT(bugprone-suspicious-include) */
#include "support/check.h"

static void what_is_left_out_says_so(void **state)
{
    bp_error error = {0};
    bp_cache *cache = (bp_cache *)&error;
    (void)state;
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_cache_lmdb(NULL, NULL, &cache, &error), &error);
    CHECK_SAYS(&error, "built without LMDB");
    assert_null(cache);
    cache = (bp_cache *)&error;
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_cache_sqlite(NULL, ".", &cache, &error), &error);
    CHECK_SAYS(&error, "built without SQLite");
    assert_null(cache);
    bp_read_handle *handle = (bp_read_handle *)&error;
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_read_model_open(NULL, NULL, NULL, &handle, &error), &error);
    CHECK_SAYS(&error, "built without SQLite");
    assert_null(handle);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_read_model_update(NULL, NULL, NULL, NULL), NULL);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_read_model_rebuild(NULL, NULL), NULL);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_read_run(NULL, 0, NULL), NULL);
    bp_read_model_close(NULL);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_cache_lmdb(NULL, NULL, NULL, NULL), NULL);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_cache_sqlite(NULL, NULL, NULL, NULL), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_left_out_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
