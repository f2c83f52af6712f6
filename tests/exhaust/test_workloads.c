/*
 * test_workloads.c: every workload of up to three operations from an alphabet of eleven, a crash before and behind every
 * step of it, every subset of what was not synced then.
 *
 * A workload runs once, over a store that has events already; before each step the world is copied. Each copy is then killed,
 * and has its power cut with every subset of its unsynced writes, sizes and names if those are at most ten (in a plain `make
 * test` at most SUBSETS of them), else with none, all, each alone kept, each alone lost, and some at random. What is found must be
 * the beginning of what the workload left, at the border of a commit (P2), byte for byte (P3), with all that was acknowledged
 * by then (P1); what an opening has shown stays; and the workload done again leaves each of its events there once (P7).
 *
 * A plain run takes the workloads of one and two operations, and the others by the dozen; the campaign takes all.
 *
 * ctest: labels=exhaust,campaign timeout=7200
 */
#include "support/script.h"

enum { OPS_MAX = 3, POINTS_MAX = 512, CHOICES_MAX = 10 };

typedef enum op {
    OP_DURABLE,
    OP_BUFFERED,
    OP_BATCH,
    OP_NAMED,  /* a durable batch with a new kind name */
    OP_LARGE,  /* more than is left of a segment */
    OP_RETRY,  /* of the operation before, and durable */
    OP_EXPECT, /* what does not hold: refused */
    OP_SYNC,
    OP_SEAL,
    OP_REOPEN,
    OP_REINDEX,
    OP_COUNT
} op;

static const char *const op_names[OP_COUNT] = {"durable", "buffered", "batch", "named",  "large",  "retry",
                                               "expect",  "sync",     "seal",  "reopen", "reindex"};

/* A copy of the world before a step, and what was promised by then. */
typedef struct point {
    bpi_fault *fault;
    uint64_t step;
    uint64_t acked;
    uint64_t durable;
    uint64_t tried;
} point;

typedef struct workload {
    bpt_world world;
    bp_store *store;
    op ops[OPS_MAX];
    unsigned count;
    uint64_t acked;
    uint64_t durable;
    uint64_t tried;
    point points[POINTS_MAX];
    size_t point_count;
    bpt_reference reference;
} workload;

static struct {
    bpi_fault *base;
    uint64_t base_count;
    bpt_random random;
    uint64_t subsets; /* at most so many at a point */
    uint64_t workloads, points, whole, worlds;
} all;

/* ---- the operations ---- */

static const char bytes[30000] = "not zeros, so that a lost sector shows";

static bp_status append(workload *w, unsigned key, size_t size, bp_durability durability, bool retry)
{
    bp_error error = {0};
    bp_receipt receipt = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    options.id = bp_id_from("workload", &key, sizeof key);
    options.durability = durability;
    w->tried += retry ? 0 : 1;
    bp_status status = bp_append(w->store, bp_at(key % 2 == 0 ? "order:1" : "order:2", "eu"), 0xf001,
                                 bp_raw(bytes + key, size), &options, &receipt, &error);
    CHECK_OK(status, &error);
    CHECK(receipt.duplicate == retry || w->reference.count > 0, "duplicate: %d", receipt.duplicate);
    w->acked = receipt.sequence + 1 > w->acked ? receipt.sequence + 1 : w->acked;
    w->durable = receipt.durable && receipt.sequence + 1 > w->durable ? receipt.sequence + 1 : w->durable;
    return status;
}

static void batch(workload *w, unsigned key, const char *kind_name, bp_durability durability)
{
    static const uint32_t zero = 0;
    bp_error error = {0};
    bp_receipt receipts[3];
    bp_append_options options[3];
    bp_batch_item items[3];
    bp_batch_options how;
    bp_batch_options_init(&how);
    how.durability = durability;
    for (unsigned index = 0; index < 3; index++) {
        unsigned number = key * 10 + 1000 + index;
        bp_append_options_init(&options[index]);
        options[index].id = bp_id_from("workload", &number, sizeof number);
        options[index].cause_items = index > 0 ? &zero : NULL;
        options[index].cause_item_count = index > 0 ? 1 : 0;
        options[index].kind_name = kind_name;
        items[index] =
            (bp_batch_item){bp_at(index == 1 ? "stock" : "order:9", "us"), 0xf002, bp_raw(bytes, 900), &options[index]};
    }
    w->tried += kind_name != NULL ? 4 : 3;
    CHECK_OK(bp_append_batch(w->store, items, 3, &how, receipts, &error), &error);
    uint64_t end = receipts[2].sequence + 1;
    w->acked = end > w->acked ? end : w->acked;
    w->durable = receipts[2].durable && end > w->durable ? end : w->durable;
}

static void refused(workload *w)
{
    bp_error error = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    options.expect.kind = BP_EXPECT_NONE; /* it has some from the beginning */
    CHECK_STATUS(BP_ERR_CONFLICT,
                 bp_append(w->store, bp_at("stock", "eu"), 0xf001, bp_raw("x", 1), &options, NULL, &error), &error);
}

static void reopen(workload *w, bool reindex)
{
    bp_error error = {0};
    bpt_close(w->store);
    w->durable = w->acked; /* a close syncs */
    if (reindex) {
        CHECK_OK(bp_reindex(w->world.path, &w->world.options, NULL, &error), &error);
    }
    w->store = bpt_open(&w->world);
}

/* The operation at a place; the place is the key, so that doing it again is a retry. */
static void perform(workload *w, unsigned place);

static void retry(workload *w, unsigned place)
{
    op before = place > 0 ? w->ops[place - 1] : OP_RETRY;
    if (before == OP_DURABLE || before == OP_BUFFERED) {
        (void)append(w, place - 1, 40, BP_DURABLE, true);
    } else {
        (void)append(w, place, 60, BP_DURABLE, w->reference.count > 0);
    }
}

static void perform(workload *w, unsigned place)
{
    bp_error error = {0};
    char name[16];
    switch (w->ops[place]) {
    case OP_DURABLE:
    case OP_BUFFERED:
        (void)append(w, place, 40, w->ops[place] == OP_DURABLE ? BP_DURABLE : BP_BUFFERED, false);
        break;
    case OP_LARGE:
        (void)append(w, place, 29000, BP_BUFFERED, false);
        break;
    case OP_BATCH:
        batch(w, place, NULL, BP_BUFFERED);
        break;
    case OP_NAMED:
        (void)snprintf(name, sizeof name, "kind-%u", place);
        batch(w, place, name, BP_DURABLE);
        break;
    case OP_RETRY:
        retry(w, place);
        break;
    case OP_EXPECT:
        refused(w);
        break;
    case OP_SYNC:
        CHECK_OK(bp_sync(w->store, &error), &error);
        w->durable = w->acked;
        break;
    case OP_SEAL:
        CHECK_OK(bp_seal(w->store, &error), &error);
        break;
    default:
        reopen(w, w->ops[place] == OP_REINDEX);
        break;
    }
}

/* ---- one run, copied before each step ---- */

static void copy_world(void *argument, const bpi_fault_step *step)
{
    workload *w = argument;
    if (step != NULL && step->done) {
        return;
    }
    assert_true(w->point_count < POINTS_MAX);
    point *at = &w->points[w->point_count++];
    *at = (point){.fault = bpi_fault_clone(w->world.fault),
                  .step = step != NULL ? step->number : 0,
                  .acked = w->acked,
                  .durable = w->durable,
                  .tried = w->tried};
    assert_non_null(at->fault);
}

static void keep_reference(workload *w)
{
    bp_error error = {0};
    uint64_t count = bp_store_frontiers(w->store).published;
    assert_true(count < BPT_SCRIPT_EVENTS);
    for (uint64_t sequence = 0; sequence < count; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(w->store, sequence, &event, &error), &error);
        w->reference.hashes[sequence] = event->event_hash;
        w->reference.commits[sequence] = event->batch;
        bp_event_release(event);
    }
    w->reference.count = count;
    CHECK(count == w->tried && count == w->acked, "%llu events, %llu tried, %llu acknowledged",
          (unsigned long long)count, (unsigned long long)w->tried, (unsigned long long)w->acked);
}

static void record(workload *w)
{
    bpt_world_adopt(&w->world, bpi_fault_clone(all.base));
    w->world.entropy.state = 7;
    w->acked = w->durable = w->tried = all.base_count;
    bpi_fault_watch(w->world.fault, copy_world, w);
    w->store = bpt_open(&w->world);
    for (unsigned place = 0; place < w->count; place++) {
        perform(w, place);
    }
    bpi_fault_watch(w->world.fault, NULL, NULL);
    copy_world(w, NULL);
    keep_reference(w);
    bpt_close(w->store);
    bpt_world_end(&w->world);
}

/* ---- what a restart finds ---- */

static void do_again(workload *w, bp_store *store)
{
    w->store = store;
    w->tried = w->acked = w->durable = 0;
    for (unsigned place = 0; place < w->count; place++) {
        if (w->ops[place] < OP_EXPECT) {
            perform(w, place);
        }
    }
    uint64_t count = bp_store_frontiers(store).published;
    CHECK(count == w->reference.count, "P7: done again it leaves %llu events, not %llu", (unsigned long long)count,
          (unsigned long long)w->reference.count);
}

static void end_world(bpt_world *world, bp_store *store)
{
    bpi_fault_process_kill(world->fault); /* the quickest end */
    (void)bp_close(store, NULL);
    bpt_world_end(world);
}

static void judge(workload *w, bpt_world *world, uint64_t least, uint64_t most)
{
    world->entropy.state = 99; /* another process has other random bytes */
    bp_store *store = bpt_open(world);
    uint64_t count = bpt_reference_check(&w->reference, store, least, most);
    switch (all.worlds++ % 6) {
    case 0: /* what an opening shows is durable */
        (void)bpt_power_cut(world, BPT_KEEP_NONE, 0);
        (void)bp_close(store, NULL);
        store = bpt_open(world);
        (void)bpt_reference_check(&w->reference, store, count, count);
        break;
    case 3: {
        bpt_world kept = w->world;
        w->world = *world;
        do_again(w, store);
        w->world = kept;
        break;
    }
    default:
        break;
    }
    end_world(world, store);
}

static void next_world(const point *at, bpt_world *world)
{
    bpt_world_adopt(world, bpi_fault_clone(at->fault));
}

static uint64_t cut(workload *w, const point *at, bpt_keep keep, uint64_t which)
{
    bpt_world world;
    next_world(at, &world);
    uint64_t choices = bpt_power_cut(&world, keep, which);
    judge(w, &world, at->durable, at->tried);
    return choices;
}

static void every_subset(workload *w, const point *at, uint64_t choices)
{
    uint64_t masks = UINT64_C(1) << choices;
    all.whole++;
    for (uint64_t mask = 1; mask + 1 < masks; mask++) {
        (void)cut(w, at, BPT_KEEP_MASK, mask);
    }
}

static void some_subsets(workload *w, const point *at, uint64_t choices)
{
    for (uint64_t index = 0; index < all.subsets; index++) {
        uint64_t which = bpt_random_next(&all.random);
        switch (index % 3) {
        case 0:
            (void)cut(w, at, BPT_KEEP_ONE, which % choices);
            break;
        case 1:
            (void)cut(w, at, BPT_LOSE_ONE, which % choices);
            break;
        default:
            (void)cut(w, at, BPT_KEEP_RANDOM, which);
            break;
        }
    }
}

static void judge_point(workload *w, const point *at)
{
    bpt_world world;
    uint64_t tried = w->tried;
    next_world(at, &world);
    bpi_fault_process_kill(world.fault);
    judge(w, &world, at->acked, at->tried);
    uint64_t choices = cut(w, at, BPT_KEEP_NONE, 0);
    if (choices > 0) {
        (void)cut(w, at, BPT_KEEP_ALL, 0);
    }
    if (choices > 1 && choices <= CHOICES_MAX && UINT64_C(1) << choices <= all.subsets + 2) {
        every_subset(w, at, choices);
    } else if (choices > 1) {
        some_subsets(w, at, choices);
    } else {
        all.whole++;
    }
    w->tried = tried;
    all.points++;
}

static void run(const op *ops, unsigned count)
{
    workload *w = calloc(1, sizeof *w);
    assert_non_null(w);
    memcpy(w->ops, ops, count * sizeof *ops);
    w->count = count;
    bpt_note("%s %s %s", op_names[ops[0]], count > 1 ? op_names[ops[1]] : "", count > 2 ? op_names[ops[2]] : "");
    record(w);
    for (size_t index = 0; index < w->point_count; index++) {
        point *at = &w->points[index];
        bpt_note("%s %s %s, step %llu", op_names[ops[0]], count > 1 ? op_names[ops[1]] : "",
                 count > 2 ? op_names[ops[2]] : "", (unsigned long long)at->step);
        at->tried = index + 1 < w->point_count ? w->points[index].tried : w->reference.count;
        judge_point(w, at);
        bpi_fault_free(at->fault);
    }
    all.workloads++;
    free(w);
}

static void make_base(void)
{
    bpt_world world;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put_sized(store, "stock", 20000); /* the large ones rotate */
    bpt_put_sized(store, "order:1", 10000);
    all.base_count = bp_store_frontiers(store).published;
    bpt_close(store);
    all.base = world.fault;
}

/* All of one and two operations, and each `stride`th of three. */
static void every_workload_every_crash_every_subset(void **state)
{
    double start = bpt_seconds();
    uint64_t stride = bpt_campaign() ? 1 : bpt_instrumented() ? 601 : 101;
    (void)state;
    all.random.state = bpt_seed(31);
    all.subsets = bpt_amount("BATPAK_SUBSETS", 6, UINT64_C(1) << CHOICES_MAX);
    make_base();
    for (unsigned number = 0; number < OP_COUNT * OP_COUNT * OP_COUNT; number++) {
        op ops[OPS_MAX] = {(op)(number / (OP_COUNT * OP_COUNT)), (op)(number / OP_COUNT % OP_COUNT),
                           (op)(number % OP_COUNT)};
        if (number < OP_COUNT) {
            run(&ops[2], 1);
        }
        if (number < OP_COUNT * OP_COUNT && (!bpt_instrumented() || bpt_campaign() || number % 7 == 0)) {
            run(&ops[1], 2);
        }
        if (number % stride == stride / 2) {
            run(ops, 3);
        }
    }
    bpi_fault_free(all.base);
    print_message("%llu workloads, %llu crash points, of %llu every subset, %llu restarts judged in %.1f s\n",
                  (unsigned long long)all.workloads, (unsigned long long)all.points, (unsigned long long)all.whole,
                  (unsigned long long)all.worlds, bpt_seconds() - start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_workload_every_crash_every_subset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
