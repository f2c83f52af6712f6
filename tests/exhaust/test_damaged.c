/*
 * test_damaged.c: repairing, inspecting, verifying, dumping and reading damaged stores with every failure (support/exhaust.h). The
 * damage is taken back behind each call: none of them may have changed anything, and the store is whole again.
 *
 * ctest: labels=exhaust,slow wrap=bp_allocator_system timeout=600
 */
#include "support/exhaust.h"

enum { SEALED = 2, FILES_MOST = 8 };

/* ---- damage, and what takes it back ---- */

typedef struct file {
    char name[64];
    uint8_t *data;
    size_t size;
} file;

typedef struct files {
    file items[FILES_MOST];
    size_t count;
} files;

static file *keep(bpt_exhaust *x, const char *name)
{
    files *all = x->thing[0];
    assert_true(all->count < FILES_MOST);
    file *f = &all->items[all->count++];
    (void)snprintf(f->name, sizeof f->name, "%s", name);
    f->data = bpt_file_read(&x->world, name, &f->size);
    assert_non_null(f->data);
    return f;
}

/* Two sealed segments behind what every run begins with, and one that is open. */
static void prepare(bpt_exhaust *x)
{
    bp_store *store = bpt_open(&x->world);
    for (unsigned i = 0; i < SEALED; i++) {
        bpt_put(store, "stock", "one more");
        bpt_put(store, "order:1", "another");
        CHECK_OK(bp_seal(store, &x->error), &x->error);
    }
    x->base = bp_store_frontiers(store).published;
    bpt_close(store);
    x->thing[0] = calloc(1, sizeof(files));
    assert_non_null(x->thing[0]);
}

static void finish(bpt_exhaust *x)
{
    files *all = x->thing[0];
    for (size_t i = 0; i < all->count; i++) {
        bpt_file_write(&x->world, all->items[i].name, all->items[i].data, all->items[i].size);
        free(all->items[i].data);
    }
    free(all);
    if (x->thing[1] != NULL) {
        bpt_file_remove(&x->world, x->thing[1]);
    }
}

static const char first[] = "log/0000000000-1.seg";
static const char second[] = "log/0000000001-1.seg";

static void change(bpt_exhaust *x, const char *name, size_t at, size_t size, uint8_t mask)
{
    file *f = keep(x, name);
    uint8_t *data = malloc(f->size);
    assert_non_null(data);
    memcpy(data, f->data, f->size);
    for (size_t i = at; i < at + size; i++) {
        data[i] = (uint8_t)(mask == 0 ? 0 : data[i] ^ mask);
    }
    bpt_file_write(&x->world, name, data, f->size);
    free(data);
}

static void lose(bpt_exhaust *x, const char *name)
{
    (void)keep(x, name);
    bpt_file_remove(&x->world, name);
}

static void see_list(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "SEGMENTS-", 9) == 0) {
        lose(argument, name);
    }
}

static void flipped(bpt_exhaust *x)
{
    prepare(x);
    change(x, second, 64 + 64 + 130, 1, 1);
}

static void without_frame_header(bpt_exhaust *x)
{
    prepare(x);
    change(x, second, 64, 64, 0);
}

static void without_segment_header(bpt_exhaust *x)
{
    prepare(x);
    change(x, second, 0, 64, 0);
}

static void without_segment(bpt_exhaust *x)
{
    prepare(x);
    lose(x, second);
}

static void cut_short(bpt_exhaust *x)
{
    prepare(x);
    file *f = keep(x, second);
    bpt_file_write(&x->world, second, f->data, 300);
}

static void without_manifest(bpt_exhaust *x)
{
    prepare(x);
    lose(x, "MANIFEST");
}

static void without_lists(bpt_exhaust *x)
{
    prepare(x);
    lose(x, "MANIFEST");
    bpt_file_each(&x->world, see_list, x);
    change(x, first, 0, 64, 0);
}

/* Twice the same segment, under two generations. */
static void doubled(bpt_exhaust *x)
{
    static char other[] = "log/0000000001-2.seg";
    prepare(x);
    file *f = keep(x, second);
    bpt_file_write(&x->world, other, f->data, f->size);
    x->thing[1] = other;
    lose(x, "MANIFEST");
    bpt_file_each(&x->world, see_list, x);
}

/* ---- the calls ---- */

static bp_status act_repair(bpt_exhaust *x)
{
    bp_repair_options options;
    bp_repair_options_init(&options);
    options.io = x->world.io;
    options.clock = x->world.options.clock;
    options.random = x->world.options.random;
    options.allocator = bpt_exhaust_allocator();
    return bp_repair(x->world.path, "saved", &options, NULL, &x->error);
}

static bp_status act_inspect(bpt_exhaust *x)
{
    bp_inspection found;
    return bp_inspect_recovery(x->world.path, &x->world.options, NULL, NULL, &found, &x->error);
}

static bp_status act_verify(bpt_exhaust *x)
{
    bp_verify_options options;
    bp_verify_report report;
    bp_verify_options_init(&options);
    options.io = x->world.io;
    options.allocator = bpt_exhaust_allocator();
    bp_status status = bp_verify(x->world.path, &options, &report, &x->error);
    CHECK(status != BP_OK, "verify finds nothing");
    return status == BP_ERR_CORRUPT ? BP_OK : status;
}

static int see_field(void *argument, const bp_field *field)
{
    ++*(unsigned *)argument;
    (void)field;
    return 0;
}

static bp_status act_dump(bpt_exhaust *x)
{
    unsigned fields = 0;
    bp_status status = bp_dump_file(x->world.path, second, x->world.io, see_field, &fields, &x->error);
    CHECK(status != BP_OK || fields > 10, "%u fields", fields);
    return status;
}

/* All events that a reader shows; damage is told of each that is touched. */
static bp_status act_read(bpt_exhaust *x)
{
    bp_store *store = NULL;
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_status status = bp_open_reader(x->world.path, &x->world.options, &store, &x->error);
    status = status == BP_OK ? bp_query(store, NULL, NULL, &iterator, &x->error) : status;
    for (unsigned i = 0;
         iterator != NULL && (status == BP_OK || status == BP_ERR_CORRUPT) && i < 2 * BPT_EXHAUST_EVENTS; i++) {
        status = bp_next(iterator, &event, &x->error);
    }
    bp_iterator_close(iterator);
    (void)bp_close(store, NULL);
    return status == BP_END || status == BP_ERR_CORRUPT ? BP_OK : status;
}

static bp_status act_open(bpt_exhaust *x)
{
    bp_store *store = NULL;
    bp_status status = bp_open(x->world.path, &x->world.options, &store, &x->error);
    CHECK(status != BP_OK, "it opens");
    return status == BP_ERR_CORRUPT ? BP_OK : status;
}

enum { CLOSED = BPT_EXHAUST_CLOSED, UNKNOWN = BPT_ALSO(BP_ERR_FAILED) };

static const bpt_exhaust_row rows[] = {
    {"bp_repair", CLOSED, 0, UNKNOWN, flipped, act_repair, finish},
    {"bp_repair", CLOSED, 0, UNKNOWN, without_frame_header, act_repair, finish},
    {"bp_repair", CLOSED, 0, UNKNOWN, without_segment_header, act_repair, finish},
    {"bp_repair", CLOSED, 0, UNKNOWN, without_segment, act_repair, finish},
    {"bp_repair", CLOSED, 0, UNKNOWN, cut_short, act_repair, finish},
    {"bp_repair", CLOSED, 0, UNKNOWN, without_lists, act_repair, finish},
    {"bp_repair", CLOSED, 0, UNKNOWN, doubled, act_repair, finish},
    {"bp_inspect_recovery", CLOSED, 0, 0, flipped, act_inspect, finish},
    {"bp_inspect_recovery", CLOSED, 0, 0, without_segment, act_inspect, finish},
    {"bp_verify", CLOSED, 0, 0, flipped, act_verify, finish},
    {"bp_verify", CLOSED, 0, 0, cut_short, act_verify, finish},
    {"bp_verify", CLOSED, 0, 0, without_segment, act_verify, finish},
    {"bp_dump_file", CLOSED, 0, 0, flipped, act_dump, finish},
    {"bp_dump_file", CLOSED, 0, 0, without_frame_header, act_dump, finish},
    {"bp_open_reader", CLOSED, 0, 0, flipped, act_read, finish},
    {"bp_open", CLOSED, 0, 0, without_segment, act_open, finish},
    {"bp_open", CLOSED, 0, 0, without_manifest, act_open, finish},
};

static void every_call_with_every_failure(void **state)
{
    (void)state;
    bpt_exhaust_rows("damaged", rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_with_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
