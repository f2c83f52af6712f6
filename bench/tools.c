/*
 * tools.c: clocks, ids, folders: what every part of the benchmark and its probes need.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("batpak-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

enum { HELD = 1 << 30, LARGE_PAGE = 2 << 20 };

void *memory_get(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        die("out of memory (%zu bytes)", size);
    }
    return memory;
}

uint64_t nanoseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double seconds_now(void)
{
    return (double)nanoseconds_now() / 1e9;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

void id_print(const struct id *id, char text_out[33])
{
    for (size_t index = 0; index < sizeof id->bytes; index++) {
        snprintf(text_out + 2 * index, 3, "%02x", id->bytes[index]);
    }
}

bool id_parse(const char *text, struct id *id_out)
{
    if (strlen(text) != 2 * sizeof id_out->bytes || strspn(text, "0123456789abcdef") != 2 * sizeof id_out->bytes) {
        return false;
    }
    for (size_t index = 0; index < sizeof id_out->bytes; index++) {
        char digits[3] = {text[2 * index], text[2 * index + 1], '\0'};
        id_out->bytes[index] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return true;
}

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    return remove(path);
}

void folder_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        die("cannot remove %s: %s", path, strerror(errno));
    }
}

void folder_make(const struct settings *settings, const char *name, char path_out[FOLDER_SIZE])
{
    if (snprintf(path_out, FOLDER_SIZE, "%s/%s", settings->folder, name) >= FOLDER_SIZE) {
        die("the path %s is too long", settings->folder);
    }
    folder_remove(path_out);
    for (char *slash = path_out + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        int result = mkdir(path_out, 0777);
        *slash = '/';
        if (result != 0 && errno != EEXIST) {
            die("cannot make the folders of %s: %s", path_out, strerror(errno));
        }
    }
    if (mkdir(path_out, 0700) != 0) {
        die("cannot make %s: %s", path_out, strerror(errno));
    }
}

void folder_settle(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || syncfs(folder) != 0) {
        die("cannot sync the filesystem of %s: %s", path, strerror(errno));
    }
    close(folder);
}

static uint8_t *held;
static size_t let_go = HELD; /* the first bytes of it */

void memory_hold(void)
{
    if (held == NULL) {
        void *memory = mmap(NULL, HELD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            die("cannot map memory: %s", strerror(errno));
        }
        (void)madvise(memory, HELD, MADV_HUGEPAGE); /* the faster way where there is one */
        held = memory;
    }
    for (size_t at = 0; at < let_go; at += 4096) {
        held[at] = 1;
    }
    let_go = 0;
}

void memory_let_go(size_t bytes)
{
    bytes = bytes < HELD ? (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE : HELD;
    if (held != NULL && bytes > let_go) {
        if (madvise(held + let_go, bytes - let_go, MADV_DONTNEED) != 0) {
            die("cannot give memory back: %s", strerror(errno));
        }
        let_go = bytes;
    }
}

static uint64_t disk_bytes;

static int add_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    enum { STAT_BLOCK = 512 };
    (void)path;
    (void)where;
    if (type == FTW_F) {
        disk_bytes += (uint64_t)about->st_blocks * STAT_BLOCK;
    }
    return 0;
}

uint64_t folder_disk(const char *path)
{
    disk_bytes = 0;
    if (nftw(path, add_one, 16, FTW_PHYS) != 0) {
        die("cannot look into %s: %s", path, strerror(errno));
    }
    return disk_bytes;
}

uint64_t folder_free(const char *path)
{
    struct statvfs about;
    if (statvfs(path, &about) != 0) {
        die("cannot look at the filesystem of %s: %s", path, strerror(errno));
    }
    return (uint64_t)about.f_bavail * about.f_frsize;
}
