/*
 * posix_map.c: shared mappings.
 *
 * Holds: a mapping may be longer than its file, since the file grows below it and the address must stay; only what
 * lies within the file may be touched. It is coherent with pread and pwrite (one page cache).
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/posix.h"

enum { LARGE_PAGE = 2 << 20 };

/* At a multiple of a large page, so that what the page cache holds in large pages is mapped so too. */
static void *map_aligned(int descriptor, size_t size, int protection)
{
    uint8_t *room = mmap(NULL, size + LARGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        return MAP_FAILED;
    }
    size_t whole = (size_t)bpi_round_up(size, (uint64_t)sysconf(_SC_PAGESIZE));
    size_t before = (size_t)(bpi_round_up((uintptr_t)room, LARGE_PAGE) - (uintptr_t)room);
    void *address = mmap(room + before, size, protection, MAP_SHARED | MAP_FIXED, descriptor, 0);
    if (address == MAP_FAILED) {
        int code = errno;
        (void)munmap(room, size + LARGE_PAGE);
        errno = code;
        return MAP_FAILED;
    }
    if (before != 0) {
        (void)munmap(room, before);
    }
    if (before + whole < size + LARGE_PAGE) {
        (void)munmap(room + before + whole, size + LARGE_PAGE - before - whole);
    }
    return address;
}

int bpi_posix_map_open(void *context, bp_file *file, size_t size, bool writable, void **address_out)
{
    (void)context;
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    int descriptor = bpi_posix_file_of(file)->fd;
    *address_out = NULL;
    void *address = size < LARGE_PAGE ? mmap(NULL, size, protection, MAP_SHARED, descriptor, 0)
                                      : map_aligned(descriptor, size, protection);
    if (address == MAP_FAILED) {
        return errno;
    }
    *address_out = address;
    return 0;
}

void bpi_posix_map_close(void *context, bp_file *file, void *address, size_t size)
{
    (void)context;
    (void)file;
    if (address != NULL) {
        (void)munmap(address, size);
    }
}

/* One small page of a file that is cached in large ones would be counted as a large one. */
void bpi_posix_map_sparse(void *context, bp_file *file, void *address, uint64_t offset, uint64_t size)
{
    (void)context;
    (void)file;
#ifdef MADV_NOHUGEPAGE
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t from = offset / page * page;
    (void)madvise((uint8_t *)address + from, (size_t)(bpi_round_up(offset + size, page) - from), MADV_NOHUGEPAGE);
#else
    (void)address;
    (void)offset;
    (void)size;
#endif
}

void bpi_posix_map_store(void *context, bp_file *file, void *address, uint64_t offset, const void *data, size_t size)
{
    (void)context;
    (void)file;
    bpi_copy((uint8_t *)address + offset, data, size);
    /* a reader, in any process, that sees the next store sees this one */
    atomic_thread_fence(memory_order_release);
}
