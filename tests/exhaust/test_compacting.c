/*
 * test_compacting.c: a merge of small segments with every failure (support/exhaust.h): whatever fails, every event is there.
 *
 * ctest: labels=exhaust wrap=bp_allocator_system timeout=600
 */
#include "support/exhaust.h"

static void prepare_sealed(bpt_exhaust *x)
{
    for (unsigned i = 0; i < 2; i++) {
        bpt_put(x->store, "stock", "one more");
        CHECK_OK(bp_seal(x->store, &x->error), &x->error);
    }
    bpt_exhaust_rebase(x);
}

static bp_status act_compact(bpt_exhaust *x)
{
    bp_compact_report report;
    bp_status status = bp_compact(x->store, NULL, &report, &x->error);
    CHECK(status != BP_OK || report.events_kept >= 2, "%u events were looked at", (unsigned)report.events_kept);
    return status;
}

static const bpt_exhaust_row rows[] = {
    {"bp_compact", 0, 0, 0, prepare_sealed, act_compact, NULL},
};

static void every_call_with_every_failure(void **state)
{
    (void)state;
    bpt_exhaust_rows("compacting", rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_with_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
