/*
 * test_compacting.c: a merge of small segments and an erasure with every failure (support/exhaust.h): whatever fails, every
 * event is there.
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

static bp_status act_erase(bpt_exhaust *x)
{
    bp_region region = bp_region_stream("stock");
    bp_erase_options options;
    bp_erase_report report;
    bp_erase_options_init(&options);
    options.region = &region;
    options.reason = "asked for";
    options.by = "the test";
    bp_status status = bp_erase(x->store, &options, &report, &x->error);
    CHECK(status != BP_OK || report.erased >= 2, "%u events were erased", (unsigned)report.erased);
    return status;
}

/* Failed or not: none or both are flagged, and what was said to be done is. */
static bp_status act_tombstone(bpt_exhaust *x)
{
    bp_region region = bp_region_stream("stock");
    bp_tombstone_options options;
    bp_tombstone_report report;
    bp_tombstone_options_init(&options);
    options.region = &region;
    options.reason = "asked for";
    options.by = "the test";
    bp_status status = bp_tombstone(x->store, &options, &report, &x->error);
    CHECK(status != BP_OK || report.buried + report.before >= 2, "%u were tombstoned", (unsigned)report.buried);
    return status;
}

static const bpt_exhaust_row rows[] = {
    {"bp_compact", 0, 0, 0, prepare_sealed, act_compact, NULL},
    {"bp_erase", 0, 1, 0, prepare_sealed, act_erase, NULL},
    {"bp_tombstone", 0, 1, 0, prepare_sealed, act_tombstone, NULL},
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
