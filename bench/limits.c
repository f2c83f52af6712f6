/*
 * limits.c: what the machine gives without any store: the same bytes through bare loops, in the same run.
 *
 * A record here is as many bytes as batpak puts into its log for one event of the workload appended alone. Each limit
 * is kept under the case that it bounds. Limits of reading: engine_limit.c.
 */
#include "bench.h"

#include <batpak/batpak.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ROUNDS = 8, BYTES = 1 << 20 };

struct course {
    const struct settings *settings;
    const struct workload *workload;
    struct results *results;
    size_t record;
    size_t payload;
    uint8_t *bytes; /* BYTES of them */
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

enum way { WAY_WRITE, WAY_HASH, WAY_APPEND_SYNC, WAY_OVERWRITE_SYNC };

enum { ZEROS = 64 << 20, PIECE = 1 << 20, CHUNK = 256 << 10 };

/* Bytes that can be overwritten: few when runs are so short that filling them would outlast the runs. */
static uint64_t zeros_of(const struct course *course)
{
    return course->settings->seconds < 0.1 ? PIECE : ZEROS;
}

static void fill_with_zeros(const struct course *course, int file)
{
    uint8_t *block = memory_get(PIECE);
    for (uint64_t at = 0; at < zeros_of(course); at += PIECE) {
        write_at(file, block, PIECE, at, 0);
    }
    free(block);
    fsync(file);
}

/* What one event costs at least that is hashed twice, content and chain, and goes into memory that is written in large
 * pieces. */
static void hash_record(const struct course *course, uint64_t number, uint8_t *chunk, uint64_t offset, int file)
{
    uint8_t chain[192] = {0};
    size_t payload = course->payload;
    uint8_t *to = chunk + offset % CHUNK;
    const uint8_t *from = course->workload->payloads + (number & 1023u) * 64;
    bp_hash content = bp_hash_bytes(from, payload);
    memcpy(chain, content.bytes, sizeof content.bytes);
    memcpy(chain + sizeof content.bytes, &number, sizeof number);
    bp_hash event = bp_hash_bytes(chain, sizeof chain);
    memcpy(to, event.bytes, sizeof event.bytes);
    memcpy(to + course->record - payload, from, payload);
    if ((offset + course->record) / CHUNK != offset / CHUNK) {
        write_at(file, chunk, CHUNK, offset / CHUNK * CHUNK, 0);
    }
}

/* Records a second, so many a call. Overwriting is done in a file filled with zeros and synced before. */
static double write_records(const struct course *course, enum way way, size_t batch)
{
    uint64_t most = way == WAY_OVERWRITE_SYNC ? zeros_of(course) : (uint64_t)1 << 30;
    double seconds = course->settings->seconds / 4;
    int file = file_make(course);
    size_t size = course->record * batch;
    uint64_t offset = 0;
    uint64_t calls = 0;
    uint8_t *chunk = memory_get(CHUNK + course->record);
    if (way == WAY_OVERWRITE_SYNC) {
        fill_with_zeros(course, file);
    }
    if ((way == WAY_WRITE || way == WAY_HASH) && !course->settings->cold) {
        memory_let_go((size_t)(seconds * 3e9));
    }
    double begun = seconds_now();
    double now = begun;
    while (now < begun + seconds && offset + size < most) {
        if (way == WAY_HASH) {
            hash_record(course, calls, chunk, offset, file);
        } else {
            write_at(file, course->bytes, size, offset, way == WAY_OVERWRITE_SYNC ? RWF_DSYNC : 0);
        }
        if (way == WAY_APPEND_SYNC && fdatasync(file) != 0) {
            die("cannot sync: %s", strerror(errno));
        }
        offset += size;
        calls++;
        now = way == WAY_APPEND_SYNC || way == WAY_OVERWRITE_SYNC || calls % 64 == 0 ? seconds_now() : now;
    }
    double taken = seconds_now() - begun;
    close(file);
    if (!course->settings->cold) {
        memory_hold();
    }
    free(chunk);
    return (double)(calls * batch) / taken;
}

static void measure_writes(const struct course *course)
{
    static const struct {
        const char *group;
        const char *name;
        const char *remark;
        enum way way;
        size_t batch;
        uint32_t payload;
    } loops[] = {
        {"append buffered", "one by one", "two hashes, copy, pwrite() of 256 KiB", WAY_HASH, 1, 256},
        {"append buffered", "64 bytes, one by one", "two hashes, copy, pwrite() of 256 KiB", WAY_HASH, 1, 64},
        {"append buffered", "4096 bytes, one by one", "two hashes, copy, pwrite() of 256 KiB", WAY_HASH, 1, 4096},
        {"append buffered", "in batches of 100", "pwrite() of 100 records", WAY_WRITE, 100, 256},
        {"append buffered", "64 bytes, in batches of 100", "pwrite() of 100 records", WAY_WRITE, 100, 64},
        {"append buffered", "4096 bytes, in batches of 100", "pwrite() of 100 records", WAY_WRITE, 100, 4096},
        {"append buffered", "in batches of 1000", "pwrite() of 1000 records", WAY_WRITE, 1000, 256},
        {"append durable", "one by one", "overwriting zeros, RWF_DSYNC", WAY_OVERWRITE_SYNC, 1, 256},
        {"append durable", "64 bytes, one by one", "overwriting zeros, RWF_DSYNC", WAY_OVERWRITE_SYNC, 1, 64},
        {"append durable", "4096 bytes, one by one", "overwriting zeros, RWF_DSYNC", WAY_OVERWRITE_SYNC, 1, 4096},
        {"append durable", "8 threads, one by one", "8 records a RWF_DSYNC", WAY_OVERWRITE_SYNC, 8, 256},
        {"append durable", "in batches of 100", "100 records a RWF_DSYNC", WAY_OVERWRITE_SYNC, 100, 256},
        {"append durable", "in batches of 1000", "1000 records a RWF_DSYNC", WAY_OVERWRITE_SYNC, 1000, 256},
        {"limits", "pwrite() of a record", "no hashing, no batch", WAY_WRITE, 1, 256},
        {"limits", "append and fdatasync, a record", "pwrite() and fdatasync()", WAY_APPEND_SYNC, 1, 256},
        {"limits", "append and fdatasync, 100 records", "pwrite() and fdatasync()", WAY_APPEND_SYNC, 100, 256},
    };
    for (size_t index = 0; index < sizeof loops / sizeof *loops; index++) {
        struct course sized = *course;
        struct workload workload = *course->workload;
        if (!settings_want(course->settings, loops[index].group)) {
            continue;
        }
        workload.payload_size = loops[index].payload;
        sized.payload = workload.payload_size;
        sized.record = workload_record_size(&workload);
        struct result result = result_of(loops[index].group, loops[index].name, "limit", "events/s");
        result.remark = loops[index].remark;
        for (unsigned run = 0; run < course->settings->runs + 1; run++) {
            double rate = write_records(&sized, loops[index].way, loops[index].batch);
            if (run > 0) {
                result.values[result.runs++] = rate;
            }
        }
        results_keep(course->results, result);
    }
}

static void measure_memory(const struct course *course)
{
    memory_let_go(SIZE_MAX);
    size_t size = (size_t)64 << 20;
    uint8_t *from = memory_get(size);
    uint8_t *to = memory_get(size);
    struct result copy = result_of("limits", "memcpy of 64 MiB", "limit", "GB/s");
    struct result hash = result_of("limits", "BLAKE3 of a payload, one at a time", "limit", "hashes/s");
    memset(from, 1, size);
    memset(to, 1, size);
    for (unsigned run = 0; run < course->settings->runs; run++) {
        double begun = seconds_now();
        for (unsigned round = 0; round < ROUNDS; round++) {
            memcpy(to, from, size);
            from[round]++;
        }
        copy.values[copy.runs++] = (double)size * ROUNDS / (seconds_now() - begun) / 1e9;
        unsigned hashes = (unsigned)(course->settings->seconds * 200000);
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
    results_keep(course->results, copy);
    results_keep(course->results, hash);
}

void bench_limits(const struct settings *settings, const struct workload *workload, struct results *results)
{
    struct course course = {.settings = settings, .workload = workload, .results = results};
    course.bytes = memory_get(BYTES);
    memset(course.bytes, 0xa5, BYTES);
    folder_make(settings, "limits", course.folder);
    measure_writes(&course);
    if (settings_want(settings, "limits")) {
        measure_memory(&course);
    }
    folder_remove(course.folder);
    free(course.bytes);
}
