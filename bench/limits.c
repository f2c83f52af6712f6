/*
 * limits.c: what the machine gives without any store: the same bytes through bare loops, in the same run.
 *
 * A record here is as many bytes as batpak puts into its log for one event of the workload appended alone. Each limit
 * is kept under the case that it bounds.
 */
#include "bench.h"

#include <batpak/batpak.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH = 100, ROUNDS = 8 };

struct course {
    const struct settings *settings;
    const struct workload *workload;
    struct results *results;
    size_t record;
    uint8_t *bytes; /* BATCH records */
    int file;
    char folder[FOLDER_SIZE];
};

static int file_make(const struct course *course)
{
    char path[FOLDER_SIZE + 16];
    snprintf(path, sizeof path, "%s/bytes", course->folder);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        die("cannot make %s: %s", path, strerror(errno));
    }
    return file;
}

static void write_at(int file, const void *data, size_t size, uint64_t offset, int flags)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    if (pwritev2(file, &piece, 1, (off_t)offset, flags) != (ssize_t)size) {
        die("cannot write: %s", strerror(errno));
    }
}

enum way { WAY_WRITE, WAY_APPEND_SYNC, WAY_OVERWRITE_SYNC };

/* Records a second, so many a call. Overwriting is done in a file filled with zeros and synced before. */
static double write_records(const struct course *course, enum way way, size_t batch)
{
    static const uint64_t limit = (uint64_t)512 << 20;
    int file = file_make(course);
    size_t size = course->record * batch;
    uint64_t offset = 0;
    if (way == WAY_OVERWRITE_SYNC) {
        uint64_t zeros = (uint64_t)32 << 20;
        uint8_t *block = memory_get(1 << 20);
        for (uint64_t at = 0; at < zeros; at += 1 << 20) {
            write_at(file, block, 1 << 20, at, 0);
        }
        free(block);
        fsync(file);
    }
    double begun = seconds_now();
    double now = begun;
    uint64_t calls = 0;
    while (now < begun + course->settings->seconds && offset + size < limit) {
        if (way == WAY_OVERWRITE_SYNC && offset + size > (uint64_t)32 << 20) {
            break;
        }
        write_at(file, course->bytes, size, offset, way == WAY_OVERWRITE_SYNC ? RWF_DSYNC : 0);
        if (way == WAY_APPEND_SYNC && fdatasync(file) != 0) {
            die("cannot sync: %s", strerror(errno));
        }
        offset += size;
        calls++;
        now = way != WAY_WRITE || calls % 64 == 0 ? seconds_now() : now;
    }
    double taken = seconds_now() - begun;
    close(file);
    return (double)(calls * batch) / taken;
}

static void keep(const struct course *course, struct result result)
{
    result.engine = "limit";
    results_keep(course->results, result);
}

static void measure_writes(const struct course *course)
{
    static const struct {
        const char *group;
        const char *name;
        const char *remark;
        enum way way;
        size_t batch;
    } loops[] = {
        {"append buffered", "one by one", "write() a record", WAY_WRITE, 1},
        {"append buffered", "in batches of 100", "write() of 100 records", WAY_WRITE, BATCH},
        {"append durable", "one by one", "overwriting zeros, RWF_DSYNC", WAY_OVERWRITE_SYNC, 1},
        {"append durable", "8 threads, one by one", "8 records a RWF_DSYNC", WAY_OVERWRITE_SYNC, 8},
        {"append durable", "in batches of 100", "100 records a RWF_DSYNC", WAY_OVERWRITE_SYNC, BATCH},
        {"limits", "append and fdatasync, a record", "write() and fdatasync()", WAY_APPEND_SYNC, 1},
        {"limits", "append and fdatasync, 100 records", "write() and fdatasync()", WAY_APPEND_SYNC, BATCH},
    };
    for (size_t index = 0; index < sizeof loops / sizeof *loops; index++) {
        if (!settings_want(course->settings, loops[index].group)) {
            continue;
        }
        struct result result = {.group = loops[index].group,
                                .name = loops[index].name,
                                .unit = "events/s",
                                .remark = loops[index].remark,
                                .runs = course->settings->runs};
        write_records(course, loops[index].way, loops[index].batch);
        for (unsigned run = 0; run < result.runs; run++) {
            result.values[run] = write_records(course, loops[index].way, loops[index].batch);
        }
        keep(course, result);
    }
}

/* Records of a mapped file, every payload byte of each: what a scan without any check would cost. */
static void measure_scan(const struct course *course)
{
    uint64_t count = course->workload->events;
    size_t size = (size_t)count * course->record;
    size_t payload = course->workload->payload_size;
    int file = file_make(course);
    for (uint64_t at = 0; at + course->record * BATCH <= size; at += course->record * BATCH) {
        write_at(file, course->bytes, course->record * BATCH, at, 0);
    }
    if (ftruncate(file, (off_t)size) != 0) {
        die("cannot size a file: %s", strerror(errno));
    }
    uint8_t *map = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) {
        die("cannot map a file: %s", strerror(errno));
    }
    struct result result = {
        .group = "read", .name = "full scan", .unit = "events/s", .remark = "payload bytes of a mapped file"};
    for (unsigned run = 0; run < course->settings->runs + 1; run++) {
        struct tally tally = {0};
        double begun = seconds_now();
        for (uint64_t index = 0; index < count; index++) {
            tally_add(&tally, map + index * course->record + (course->record - payload), payload);
        }
        double taken = seconds_now() - begun;
        volatile uint64_t kept = tally.sum;
        (void)kept;
        if (run > 0) {
            result.values[result.runs++] = (double)count / taken;
        }
    }
    munmap(map, size);
    close(file);
    keep(course, result);
}

static void measure_memory(const struct course *course)
{
    size_t size = (size_t)64 << 20;
    uint8_t *from = memory_get(size);
    uint8_t *to = memory_get(size);
    struct result copy = {.group = "limits", .name = "memcpy of 64 MiB", .unit = "GB/s", .remark = "memcpy()"};
    struct result hash = {.group = "limits",
                          .name = "BLAKE3 of a payload, one at a time",
                          .unit = "hashes/s",
                          .remark = "bp_hash_bytes()"};
    memset(from, 1, size);
    memset(to, 1, size);
    for (unsigned run = 0; run < course->settings->runs; run++) {
        double begun = seconds_now();
        for (unsigned round = 0; round < ROUNDS; round++) {
            memcpy(to, from, size);
            from[round]++;
        }
        copy.values[copy.runs++] = (double)size * ROUNDS / (seconds_now() - begun) / 1e9;
        unsigned hashes = 200000;
        uint8_t kept = 0;
        begun = seconds_now();
        for (unsigned index = 0; index < hashes; index++) {
            bp_hash digest =
                bp_hash_bytes(course->workload->payloads + (index % 1024) * 64, course->workload->payload_size);
            kept ^= digest.bytes[0];
        }
        hash.values[hash.runs++] = hashes / (seconds_now() - begun);
        to[0] = kept;
    }
    free(from);
    free(to);
    keep(course, copy);
    keep(course, hash);
}

void bench_limits(const struct settings *settings, const struct workload *workload, struct results *results)
{
    struct course course = {
        .settings = settings, .workload = workload, .results = results, .record = workload->record_size};
    course.bytes = memory_get(course.record * BATCH);
    memcpy(course.bytes, workload->payloads, course.record * BATCH);
    folder_make(settings, "limits", course.folder);
    measure_writes(&course);
    if (settings_want(settings, "read")) {
        measure_scan(&course);
    }
    if (settings_want(settings, "limits")) {
        measure_memory(&course);
    }
    folder_remove(course.folder);
    free(course.bytes);
}
