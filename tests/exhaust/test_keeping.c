/*
 * test_keeping.c: snapshots, restoring and keys with every failure (support/exhaust.h).
 *
 * ctest: labels=exhaust wrap=bp_allocator_system timeout=600
 */
#include "support/exhaust.h"

/* ---- snapshots ---- */

static bp_status act_snapshot(bpt_exhaust *x)
{
    bp_snapshot_report report;
    bp_status status = bp_snapshot(x->store, "copy", NULL, &report, &x->error);
    x->id = status == BP_OK ? report.id : x->id;
    x->thing[0] = status == BP_OK ? x : NULL;
    return status;
}

/* Whatever was answered: the directory holds the whole snapshot, or nothing that opens. */
static void finish_snapshot(bpt_exhaust *x)
{
    bp_error error = {0};
    bp_store *copy = NULL;
    bp_status status = bp_open_reader("copy", &x->world.options, &copy, &error);
    CHECK(status == BP_OK || x->thing[0] == NULL, "a snapshot that was answered BP_OK is %s: %s",
          bp_status_name(status), error.message);
    CHECK(status != BP_OK || bp_store_frontiers(copy).published == x->base, "half a snapshot opens");
    bpt_close(copy);
}

static void prepare_snapshot(bpt_exhaust *x)
{
    CHECK_OK(act_snapshot(x), &x->error);
    bpt_exhaust_rebase(x);
}

static int visit_snapshot(void *argument, const bp_snapshot_info *info)
{
    ++*(unsigned *)argument;
    (void)info; /* one that cannot be looked at is told as not present */
    return 0;
}

static bp_status act_snapshots(bpt_exhaust *x)
{
    unsigned count = 0;
    bp_status status = bp_snapshots(x->store, visit_snapshot, &count, &x->error);
    CHECK(status != BP_OK || count == 1, "%u snapshots of one", count);
    return status;
}

static bp_status act_snapshot_forget(bpt_exhaust *x)
{
    return bp_snapshot_forget(x->store, &x->id, &x->error);
}

static bp_status act_restore(bpt_exhaust *x)
{
    bp_restore_options options;
    bp_restore_options_init(&options);
    options.io = x->world.io;
    options.random = x->world.options.random;
    options.clock = x->world.options.clock;
    options.allocator = bpt_exhaust_allocator();
    bp_status status = bp_restore(x->world.path, "restored", &options, NULL, &x->error);
    x->thing[0] = status == BP_OK ? x : NULL;
    return status;
}

static void finish_restore(bpt_exhaust *x)
{
    bp_error error = {0};
    bp_store *restored = NULL;
    bp_status status = bp_open_reader("restored", &x->world.options, &restored, &error);
    CHECK(status == BP_OK || x->thing[0] == NULL, "a store that was restored is %s: %s", bp_status_name(status),
          error.message);
    CHECK(status != BP_OK || bp_store_frontiers(restored).published == x->base, "half a store was restored");
    bpt_close(restored);
}

/* ---- keys ---- */

static bp_status append_secret(bpt_exhaust *x)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = "person:1";
    options.id = bp_id_from("exhaust", "secret", 6);
    bp_status status = bp_append(x->store, bp_at("order:5", "eu"), 0xf001, bp_raw("a secret", 8), &options,
                                 &x->receipts[0], &x->error);
    return bpt_exhaust_acked(x, status, 1);
}

static void prepare_secret(bpt_exhaust *x)
{
    CHECK_OK(append_secret(x), &x->error);
    x->acked = 0;
    bpt_exhaust_rebase(x);
}

static bp_status act_key_find(bpt_exhaust *x)
{
    return bp_key_find(x->store, "person:1", &x->id, &x->error);
}

static bp_status act_key_destroy(bpt_exhaust *x)
{
    bp_key_options options;
    bp_key_options_init(&options);
    options.reason = "asked for";
    options.by = "the test";
    uint64_t before = bp_store_frontiers(x->store).published;
    bp_status status = bp_key_destroy(x->store, "person:1", &options, NULL, &x->error);
    return bpt_exhaust_acked(x, status, bp_store_frontiers(x->store).published - before);
}

/* A secret that was told is told again, encrypted or not. */
static bp_status act_read_secret(bpt_exhaust *x)
{
    const bp_event *event = NULL;
    bp_status status = bp_get_sequence(x->store, x->base - 1, &event, &x->error);
    CHECK(status != BP_OK || event->payload_size == 8, "a secret of %zu bytes", event->payload_size);
    bp_event_release(event);
    return status;
}

enum { CLOSED = BPT_EXHAUST_CLOSED, BOTH = BPT_EXHAUST_READER, DURABLE = BPT_EXHAUST_DURABLE };

static const bpt_exhaust_row rows[] = {
    {"bp_snapshot", BOTH, 0, 0, NULL, act_snapshot, finish_snapshot},
    {"bp_snapshots", 0, 0, 0, prepare_snapshot, act_snapshots, NULL},
    {"bp_snapshot_forget", 0, 0, 0, prepare_snapshot, act_snapshot_forget, NULL},
    {"bp_restore", CLOSED, 0, 0, NULL, act_restore, finish_restore},
    {"bp_key_find", 0, 0, 0, prepare_secret, act_key_find, NULL},
    {"bp_key_destroy", DURABLE, 1, 0, prepare_secret, act_key_destroy, NULL},
    {"bp_append", DURABLE | BPT_EXHAUST_AGAIN, 1, 0, NULL, append_secret, NULL},
    {"bp_get_sequence", 0, 0, 0, prepare_secret, act_read_secret, NULL},
};

static void every_call_with_every_failure(void **state)
{
    (void)state;
    if (!bp_encryption_available()) {
        print_message("built without encryption\n");
        skip();
    }
    bpt_exhaust_rows("keeping", rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_with_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
