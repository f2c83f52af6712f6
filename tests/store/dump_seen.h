/*
 * dump_seen.h: a fault world with a store's directories, and what a dump of one of its files said.
 *
 * Held over every dump: the fields lie one behind the other and cover the file.
 */
#ifndef TESTS_STORE_DUMP_SEEN_H
#define TESTS_STORE_DUMP_SEEN_H

#include "support/world.h"

enum { FIELDS_MAX = 4096, TEXT_MAX = 160 };

static const bp_id store_id = {{0xca, 0xfe, 2, 3, 4, 5, 0x76, 7, 0x88, 9, 10, 11, 12, 13, 14, 15}};

typedef struct field {
    char group[64];
    char name[40];
    uint64_t offset;
    uint64_t size;
    char value[TEXT_MAX];
    bool bad;
} field;

static struct {
    field fields[FIELDS_MAX];
    size_t count; /* all, of which the first FIELDS_MAX are kept */
    size_t bad;
    uint64_t covered;
    size_t stop_at; /* 0: never */
} seen;

static bpi_fault *world;

static inline int take_field(void *argument, const bp_field *f)
{
    assert_ptr_equal(argument, &seen);
    CHECK(f->size == 0 || f->offset == seen.covered, "%s %s at %llu, not at %llu", f->group, f->name,
          (unsigned long long)f->offset, (unsigned long long)seen.covered);
    seen.covered += f->size;
    seen.bad += f->bad;
    if (seen.count < FIELDS_MAX) {
        field *to = &seen.fields[seen.count];
        (void)snprintf(to->group, sizeof to->group, "%s", f->group);
        (void)snprintf(to->name, sizeof to->name, "%s", f->name);
        (void)snprintf(to->value, sizeof to->value, "%s", f->value);
        to->offset = f->offset;
        to->size = f->size;
        to->bad = f->bad;
    }
    seen.count++;
    return seen.count == seen.stop_at;
}

static inline bp_status dump_status(const char *name, bp_error *error)
{
    size_t stop_at = seen.stop_at;
    memset(&seen, 0, sizeof seen);
    seen.stop_at = stop_at;
    return bp_dump_file("s", name, bpi_fault_io(world), take_field, &seen, error);
}

/* Writes the file and dumps it; every byte of it must have been named. */
static inline void dump(const char *name, const uint8_t *data, size_t size)
{
    char path[128];
    bp_error error;
    (void)snprintf(path, sizeof path, "s/%s", name);
    assert_int_equal(bpi_fault_write_file(world, path, data, size), 0);
    CHECK_OK(dump_status(name, &error), &error);
    CHECK(seen.covered == size, "%llu of %zu bytes of %s are named", (unsigned long long)seen.covered, size, name);
}

static inline const field *find(const char *group, const char *name)
{
    for (size_t i = 0; i < seen.count && i < FIELDS_MAX; i++) {
        if (strcmp(seen.fields[i].group, group) == 0 && strcmp(seen.fields[i].name, name) == 0) {
            return &seen.fields[i];
        }
    }
    bpt_fail(__FILE__, __LINE__, "no field %s of %s", name, group);
}

static inline void says(const char *group, const char *name, const char *value)
{
    CHECK(strcmp(find(group, name)->value, value) == 0, "%s of %s is '%s', not '%s'", name, group,
          find(group, name)->value, value);
}

/* The only bad field is this one, and its value has that part. */
static inline void only_bad(const char *group, const char *name, const char *part)
{
    const field *f = find(group, name);
    for (size_t i = 0; i < seen.count && i < FIELDS_MAX; i++) {
        CHECK(!seen.fields[i].bad || &seen.fields[i] == f, "bad is %s of %s: %s", seen.fields[i].name,
              seen.fields[i].group, seen.fields[i].value);
    }
    CHECK(f->bad && strstr(f->value, part) != NULL, "%s of %s is '%s'", name, group, f->value);
}

static inline int setup(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    world = bpi_fault_new();
    const bp_io *io = bpi_fault_io(world);
    bp_dir *root = NULL;
    bp_dir *log = NULL;
    int code = io->dir_open(io->context, "s", true, &root);
    code = code == 0 ? io->dir_open_at(io->context, root, "log", true, &log) : code;
    io->dir_close(io->context, log);
    io->dir_close(io->context, root);
    return code;
}

static inline int teardown(void **state)
{
    (void)state;
    bpi_fault_free(world);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
