/*
 * content.c: the bytes of the files of a world in memory, and their mappings.
 *
 * Holds: bytes of a region from `used` on are zero (but for stores that went past map_store), and so is everything
 * from the end of the region to the end of the file. A region from malloc is never mapped. A region that mappings
 * hold is neither moved nor grown: what would need that is refused.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "io/world.h"

enum { PLAIN_MIN = 512, PLAIN_MAX = 256 << 10, RESERVE_MIN = 64 << 20, ZERO_STEP = 4096 };

/*
 * Reservations of the usual size are kept for the next one: worlds come and go by the hundred thousand, and making address
 * space, faulting its pages in and giving it back would be most of what each costs.
 */
enum { SPARE_MAX = 32 };

static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uint8_t *bytes;
    size_t dirty;
} spares[SPARE_MAX];
static size_t spare_count;

static bool keep_spare(const bpi_region *region)
{
    bool kept = false;
    size_t clean = (size_t)bpi_round_up(region->dirty, ZERO_STEP);
    if (region->capacity == RESERVE_MIN && region->dirty <= PLAIN_MAX &&
        (!region->foul || madvise(region->bytes + clean, region->capacity - clean, MADV_DONTNEED) == 0)) {
        (void)pthread_mutex_lock(&spare_lock);
        kept = spare_count < SPARE_MAX;
        if (kept) {
            spares[spare_count].bytes = region->bytes;
            spares[spare_count++].dirty = region->dirty;
        }
        (void)pthread_mutex_unlock(&spare_lock);
    }
    return kept;
}

static uint8_t *take_spare(size_t capacity)
{
    uint8_t *bytes = NULL;
    size_t dirty = 0;
    if (capacity == RESERVE_MIN) {
        (void)pthread_mutex_lock(&spare_lock);
        if (spare_count != 0) {
            bytes = spares[--spare_count].bytes;
            dirty = spares[spare_count].dirty;
        }
        (void)pthread_mutex_unlock(&spare_lock);
    }
    if (bytes != NULL) {
        memset(bytes, 0, dirty);
    }
    return bytes;
}

void bpi_region_drop(bpi_region *region)
{
    if (region == NULL || --region->refs != 0) {
        return;
    }
    if (!region->reserved) {
        free(region->bytes);
    } else if (!keep_spare(region)) {
        (void)munmap(region->bytes, region->capacity);
    }
    free(region);
}

/* A file lets go of its region, and says how much of it is in use. */
void bpi_region_leave(bpi_node *node)
{
    if (node->region != NULL) {
        node->region->dirty = node->used > node->region->dirty ? node->used : node->region->dirty;
    }
    bpi_region_drop(node->region);
    node->region = NULL;
}

static uint8_t *reserve(size_t capacity)
{
    uint8_t *spare = take_spare(capacity);
    if (spare != NULL) {
        return spare;
    }
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE, flags, -1, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

static bpi_region *region_new(size_t capacity, bool reserved)
{
    bpi_region *region = calloc(1, sizeof(*region));
    if (region == NULL) {
        return NULL;
    }
    uint8_t *bytes = reserved ? reserve(capacity) : calloc(1, capacity);
    if (bytes == NULL) {
        free(region);
        return NULL;
    }
    *region = (bpi_region){.bytes = bytes, .capacity = capacity, .reserved = reserved, .refs = 1};
    return region;
}

/* Gives the file a region of at least `size` bytes with the same content. */
static int move_to_new(bpi_node *node, size_t size, bool reserved)
{
    if (size > SIZE_MAX / 4) {
        return EFBIG;
    }
    if (reserved) {
        size_t wanted = size > RESERVE_MIN / 2 ? 2 * size : RESERVE_MIN;
        size = (size_t)bpi_round_up(wanted, ZERO_STEP);
    }
    bpi_region *region = region_new(size, reserved);
    if (region == NULL) {
        return ENOMEM;
    }
    if (node->region != NULL) {
        memcpy(region->bytes, node->region->bytes, node->used);
    }
    bpi_region_leave(node);
    node->region = region;
    return 0;
}

static bool is_mapped(const bpi_node *node)
{
    return node->region != NULL && node->region->refs > 1;
}

/* Room for the first `size` bytes. */
static int make_room(bpi_node *node, size_t size)
{
    size_t capacity = node->region == NULL ? 0 : node->region->capacity;
    if (size <= capacity) {
        return 0;
    }
    if (is_mapped(node)) {
        return EFBIG;
    }
    size_t wanted = capacity * 2 > size ? capacity * 2 : size;
    wanted = wanted < PLAIN_MIN ? PLAIN_MIN : wanted;
    return move_to_new(node, wanted > PLAIN_MAX ? size : wanted, wanted > PLAIN_MAX);
}

size_t bpi_content_read(const bpi_node *node, uint64_t offset, void *buffer, size_t size)
{
    if (offset >= node->size) {
        return 0;
    }
    size_t got = node->size - offset < size ? (size_t)(node->size - offset) : size;
    size_t there = node->region == NULL ? 0 : node->region->capacity;
    size_t part = offset >= there ? 0 : there - (size_t)offset < got ? there - (size_t)offset : got;
    if (part != 0) {
        memcpy(buffer, node->region->bytes + offset, part);
    }
    if (got > part) {
        memset((uint8_t *)buffer + part, 0, got - part);
    }
    return got;
}

/* The size without the zeros at the end. */
static size_t trim_zeros(const uint8_t *data, size_t size)
{
    while (size >= ZERO_STEP && bpi_all_zero(data + size - ZERO_STEP, ZERO_STEP)) {
        size -= ZERO_STEP;
    }
    while (size != 0 && data[size - 1] == 0) {
        size--;
    }
    return size;
}

int bpi_content_write(bpi_node *node, uint64_t offset, const void *data, size_t size)
{
    if (size > SIZE_MAX / 4 || offset > SIZE_MAX / 4) {
        return EFBIG;
    }
    size_t at = (size_t)offset;
    /* zeros behind `used` are there already; in a mapped file somebody may have stored past us */
    size_t told = trim_zeros(data, size);
    size_t known = node->used > at ? (node->used - at < size ? node->used - at : size) : 0;
    size_t copied = is_mapped(node) ? size : told > known ? told : known;
    if (copied != 0) {
        int result = make_room(node, at + copied);
        if (result != 0) {
            return result;
        }
        memcpy(node->region->bytes + at, data, copied);
    }
    if (told != 0 && at + told > node->used) {
        node->used = at + told;
    }
    return bpi_content_grow(node, offset + size);
}

int bpi_content_grow(bpi_node *node, uint64_t size)
{
    if (size > SIZE_MAX / 2) {
        return EFBIG;
    }
    node->size = size > node->size ? size : node->size;
    return 0;
}

void bpi_content_cut(bpi_node *node, uint64_t size)
{
    if (node->used > size) {
        memset(node->region->bytes + size, 0, node->used - (size_t)size);
        node->used = (size_t)size;
    }
    node->size = size;
}

int bpi_content_detach(bpi_node *node)
{
    if (!is_mapped(node)) {
        return 0;
    }
    if (node->used == 0) {
        bpi_region_leave(node);
        return 0;
    }
    return move_to_new(node, node->used, node->used > PLAIN_MAX);
}

int bpi_content_view(bpi_node *node, const uint8_t **data_out)
{
    static const uint8_t nothing;
    *data_out = &nothing;
    if (node->size == 0) {
        return 0;
    }
    int result = make_room(node, (size_t)node->size);
    *data_out = result == 0 ? node->region->bytes : &nothing;
    return result;
}

int bpi_content_map(bp_file *handle, size_t size, bool writable, void **address_out)
{
    bpi_world_file *file = bpi_world_file_of(handle);
    bpi_node *node = file->node;
    *address_out = NULL;
    if (size == 0) {
        return EINVAL;
    }
    if (writable && !file->writable) {
        return EACCES;
    }
    if (node->region == NULL || !node->region->reserved || node->region->capacity < size) {
        if (is_mapped(node)) {
            return ENOMEM;
        }
        int result = move_to_new(node, size > node->used ? size : node->used, true);
        if (result != 0) {
            return result;
        }
    }
    bpi_world_map *map = malloc(sizeof(*map));
    if (map == NULL) {
        return ENOMEM;
    }
    *map = (bpi_world_map){.region = node->region, .size = size, .next = file->maps};
    file->maps = map;
    node->region->refs++;
    if (writable && size > BPI_WORLD_DIRECT_MAX) {
        node->region->foul = true;
    } else if (writable && node->region->dirty < size) {
        node->region->dirty = size;
    }
    if (writable && size <= BPI_WORLD_DIRECT_MAX && node->used < size) {
        node->used = size;
    }
    *address_out = node->region->bytes;
    return 0;
}

void bpi_content_unmap(bp_file *handle, const void *address, size_t size)
{
    bpi_world_file *file = bpi_world_file_of(handle);
    for (bpi_world_map **link = &file->maps; *link != NULL; link = &(*link)->next) {
        bpi_world_map *map = *link;
        if (map->region->bytes == address && map->size == size) {
            *link = map->next;
            bpi_region_drop(map->region);
            free(map);
            return;
        }
    }
}
