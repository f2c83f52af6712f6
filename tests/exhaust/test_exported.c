/*
 * test_exported.c: every function that the library exports has a row in one of these programs, or a reason why it needs
 * none; and nothing is listed that is not exported.
 */
#include "exhaust/functions.h"
#include "support/check.h"

enum { EXPORTED_MAX = 2048 };

static char exported[EXPORTED_MAX][96];
static size_t exported_count;

/* The dynamic symbols of the shared library, as the linker's own tool lists them. */
static int setup(void **state)
{
    (void)state;
    char command[1200];
    char line[512];
    const char *build = getenv("BATPAK_BUILD");
    if (build == NULL) {
        print_message("BATPAK_BUILD is not set: run it by ctest\n");
        exit(77);
    }
    (void)snprintf(command, sizeof command, "nm -D --defined-only '%s/libbatpak.so'", build);
    FILE *stream = popen(command, "r"); /* NOLINT(cert-env33-c,bugprone-command-processor): the build's own folder */
    assert_non_null(stream);
    while (fgets(line, sizeof line, stream) != NULL) {
        char kind = 0;
        char name[96] = "";
        if (sscanf(line, "%*s %c %95[^@\n]", &kind, name) == 2 && kind == 'T') {
            assert_true(exported_count < EXPORTED_MAX);
            memcpy(exported[exported_count++], name, sizeof name);
        }
    }
    assert_int_equal(pclose(stream), 0);
    return 0;
}

static const bpt_function *listed(const char *name)
{
    for (size_t index = 0; index < BPT_FUNCTION_COUNT; index++) {
        if (strcmp(bpt_functions[index].name, name) == 0) {
            return &bpt_functions[index];
        }
    }
    return NULL;
}

static bool is_exported(const char *name)
{
    for (size_t index = 0; index < exported_count; index++) {
        if (strcmp(exported[index], name) == 0) {
            return true;
        }
    }
    return false;
}

static void every_function_has_a_row_or_a_reason(void **state)
{
    unsigned missing = 0;
    (void)state;
    assert_true(exported_count > 300);
    for (size_t index = 0; index < exported_count; index++) {
        if (listed(exported[index]) == NULL) {
            print_error("%s is in no line of tests/exhaust/functions.h\n", exported[index]);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static void what_is_listed_is_exported_once_and_placed(void **state)
{
    (void)state;
    for (size_t index = 0; index < BPT_FUNCTION_COUNT; index++) {
        const bpt_function *function = &bpt_functions[index];
        CHECK(is_exported(function->name), "%s is listed, and not exported", function->name);
        CHECK(listed(function->name) == function, "%s is listed twice", function->name);
        CHECK((function->group == NULL) != (function->reason == NULL), "%s: a row, or a reason", function->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_has_a_row_or_a_reason),
        cmocka_unit_test(what_is_listed_is_exported_once_and_placed),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
