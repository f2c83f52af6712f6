/*
 * fault_setup.h: a world of the fault implementation with one durable directory "d", and what the tests of it use.
 */
#ifndef BPI_TEST_FAULT_SETUP_H
#define BPI_TEST_FAULT_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/fault.h"

enum { NEW = BP_OPEN_WRITE | BP_OPEN_CREATE, SECTOR = 512 };

static bpi_fault *fault;
static const bp_io *io;
static bp_dir *dir;

/* Opens directory "d" of the world, durable. */
static inline void enter_world(bpi_fault *world)
{
    fault = world;
    io = bpi_fault_io(world);
    bp_dir *root = NULL;
    assert_int_equal(io->dir_open(io->context, "", false, &root), 0);
    assert_int_equal(io->dir_open(io->context, "d", true, &dir), 0);
    assert_int_equal(io->dir_sync(io->context, root), 0);
    io->dir_close(io->context, root);
}

static inline int setup(void **state)
{
    (void)state;
    enter_world(bpi_fault_new());
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    bpi_fault_free(fault);
    return 0;
}

/* ---- choices ---- */

static inline unsigned lose(void *argument, unsigned options)
{
    (void)argument;
    assert_true(options >= 2);
    return 0;
}

static inline unsigned keep(void *argument, unsigned options)
{
    (void)argument;
    return options - 1;
}

typedef struct script {
    const unsigned *picks;
    unsigned count;
    unsigned asked;
} script;

static inline unsigned follow(void *argument, unsigned options)
{
    script *plan = argument;
    unsigned pick = plan->asked < plan->count ? plan->picks[plan->asked] : options - 1;
    plan->asked++;
    return pick < options ? pick : options - 1;
}

static inline unsigned binary(void *argument, unsigned options)
{
    uint64_t *bits = argument;
    unsigned pick = (*bits & 1u) != 0 ? options - 1 : 0;
    *bits >>= 1;
    return pick;
}

/* ---- helpers ---- */

static inline bp_file *make(const char *name)
{
    bp_file *file = NULL;
    assert_int_equal(io->file_open(io->context, dir, name, NEW, &file), 0);
    return file;
}

static inline void put(bp_file *file, uint64_t offset, uint8_t value, size_t size)
{
    uint8_t bytes[8 * SECTOR];
    assert_true(size <= sizeof(bytes));
    memset(bytes, value, size);
    assert_int_equal(io->file_write(io->context, file, offset, bytes, size), 0);
}

static inline void sync_all(bp_file *file)
{
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_DATA), 0);
    assert_int_equal(io->dir_sync(io->context, dir), 0);
}

/* The byte at an offset of a file in the world, -1 beyond its end, -2 when there is no such file. */
static inline int byte_at(const char *path, uint64_t offset)
{
    uint8_t *data = NULL;
    uint64_t size = 0;
    if (bpi_fault_read_file(fault, path, &data, &size) != 0) {
        return -2;
    }
    int value = offset < size ? data[offset] : -1;
    free(data);
    return value;
}

static inline void reopen(void)
{
    assert_int_equal(io->dir_open(io->context, "d", false, &dir), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
