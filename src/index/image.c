/*
 * image.c: from bytes to the tables in them.
 *
 * Holds: every section has the size that the numbers in the header ask for, or there is no image.
 */
#include "index/image.h"

#include <errno.h>
#include <string.h>

#include "base/ids.h"
#include "base/memory.h"
#include "io/optional.h"

/* ---- sections ---- */

static const char wrong_sections[] = "index sections have not the sizes that its header asks for";
static const char no_memory[] = "no memory for an index file";

static const void *section(const bpi_image *image, const uint8_t *bytes, unsigned number, uint64_t *size_out)
{
    *size_out = image->header.sections[number].size;
    return bytes + image->header.sections[number].offset;
}

/* A section of exactly that size. */
static bool exact(const bpi_image *image, const uint8_t *bytes, unsigned number, uint64_t size, const void **at_out)
{
    uint64_t there = 0;
    *at_out = section(image, bytes, number, &there);
    return there == size;
}

static bool take_list(bpi_image *image, const uint8_t *bytes, unsigned number, bpi_list *list)
{
    const void *rows = NULL;
    uint64_t size = 0;
    if (!exact(image, bytes, number, (uint64_t)image->header.rows * sizeof(uint32_t), &rows)) {
        return false;
    }
    list->rows = rows;
    list->keys = section(image, bytes, number + 1, &size);
    if (size % sizeof(bpi_key) != 0 || size < sizeof(bpi_key) || size / sizeof(bpi_key) > UINT32_MAX) {
        return false;
    }
    list->row_count = image->header.rows;
    list->key_count = (uint32_t)(size / sizeof(bpi_key)) - 1;
    list->pages = image->pages;
    return true;
}

static bool take_pairs(bpi_image *image, const uint8_t *bytes, unsigned number, bpi_pairs *pairs)
{
    uint64_t size = 0;
    pairs->pairs = section(image, bytes, number, &size);
    pairs->count = (uint32_t)(size / sizeof(bpi_pair));
    pairs->pages = image->pages;
    return size % sizeof(bpi_pair) == 0 && size / sizeof(bpi_pair) < UINT32_MAX;
}

static bool take_hashed(bpi_image *image, const uint8_t *bytes, unsigned number, uint32_t count, bpi_hashed *hashed)
{
    const void *starts = NULL;
    hashed->buckets = bpi_bucket_count(count);
    bool good = take_pairs(image, bytes, number, &hashed->pairs) && hashed->pairs.count == count &&
                exact(image, bytes, number + 1, ((uint64_t)hashed->buckets + 1) * sizeof(uint32_t), &starts);
    hashed->starts = starts;
    return good;
}

static bool take_names(bpi_image *image, const uint8_t *bytes, unsigned number, uint32_t first, uint32_t count,
                       bpi_name_table *table)
{
    const void *starts = NULL;
    const void *order = NULL;
    uint64_t text_size = 0;
    table->key = image->header.key;
    table->first = first;
    table->count = count;
    table->pages = image->pages;
    table->text = section(image, bytes, number + BPI_NAMES_TEXT, &text_size);
    table->text_size = (uint32_t)text_size;
    bool good = text_size < UINT32_MAX && first <= UINT32_MAX - count &&
                exact(image, bytes, number + BPI_NAMES_STARTS, ((uint64_t)count + 1) * sizeof(uint32_t), &starts) &&
                exact(image, bytes, number + BPI_NAMES_ORDER, (uint64_t)count * sizeof(uint32_t), &order) &&
                take_hashed(image, bytes, number + BPI_NAMES_HASHES, count, &table->hashes);
    table->starts = starts;
    table->order = order;
    return good;
}

/* How many bytes the rows take: whole chunks, and of the last the tiles that it needs. */
static uint64_t rows_size(const bpi_index_header *header)
{
    uint64_t tile = UINT64_C(1) << header->shift;
    return (header->rows + tile - 1) / tile * tile * BPI_ROW_SIZE;
}

/* NULL, or what there is not. */
static const char *take_rows(bpi_image *image, const uint8_t *bytes)
{
    const bpi_index_header *header = &image->header;
    const void *base = NULL;
    const void *zones = NULL;
    const void *firsts = NULL;
    const void *places = NULL;
    uint64_t chunks = ((uint64_t)header->rows + BPI_CHUNK_ROWS - 1) / BPI_CHUNK_ROWS;
    bool grouped = header->layout == BP_LAYOUT_SOAOS - 1;
    if (!exact(image, bytes, BPI_SECTION_ROWS, rows_size(header), &base) ||
        !exact(image, bytes, BPI_SECTION_ZONES, chunks * sizeof(bpi_zone), &zones) ||
        !exact(image, bytes, BPI_SECTION_FIRSTS, ((uint64_t)header->rows + 63) / 64 * 8, &firsts) ||
        !exact(image, bytes, BPI_SECTION_PLACES, grouped ? (uint64_t)header->rows * sizeof(uint32_t) : 0, &places)) {
        return wrong_sections;
    }
    image->rows = bpi_rows_borrow(image->allocator, header->shift, header->rows, base);
    if (image->rows == NULL) {
        return no_memory;
    }
    /* loaded as atomics like those of open blocks, never stored to */
    union {
        const void *read;
        bpi_zone *zones;
        _Atomic uint64_t *words;
    } as = {.read = zones};
    image->rows->zones = as.zones;
    as.read = firsts;
    image->rows->firsts = as.words;
    image->rows->places = grouped ? places : NULL;
    image->rows->pages = image->pages;
    return NULL;
}

static const char *take_sections(bpi_image *image, const uint8_t *bytes)
{
    const bpi_index_header *h = &image->header;
    const void *filter = NULL;
    image->filter_lines = bpi_filter_lines(h->rows);
    const char *fault = h->rows < UINT32_MAX ? take_rows(image, bytes) : wrong_sections;
    if (fault != NULL) {
        return fault;
    }
    bool good =
        take_list(image, bytes, BPI_SECTION_ENTITY_ROWS, &image->entities) &&
        take_list(image, bytes, BPI_SECTION_SCOPE_ROWS, &image->scopes) &&
        take_list(image, bytes, BPI_SECTION_KIND_ROWS, &image->kinds) &&
        take_pairs(image, bytes, BPI_SECTION_CORRELATIONS, &image->correlations) &&
        take_pairs(image, bytes, BPI_SECTION_CAUSES, &image->causes) &&
        take_hashed(image, bytes, BPI_SECTION_IDS, h->rows, &image->ids) &&
        exact(image, bytes, BPI_SECTION_ID_FILTER, (uint64_t)image->filter_lines * 64, &filter) &&
        take_names(image, bytes, BPI_SECTION_ENTITY_NAMES, h->first_entity, h->entities, &image->entity_names) &&
        take_names(image, bytes, BPI_SECTION_SCOPE_NAMES, h->first_scope, h->scopes, &image->scope_names);
    image->filter = filter;
    return good ? NULL : wrong_sections;
}

/* ---- life ---- */

static bpi_image *image_new(const bp_allocator *allocator)
{
    bpi_image *image = bpi_allocate_zero(allocator, sizeof *image);
    if (image != NULL) {
        image->allocator = allocator;
    }
    return image;
}

bpi_image *bpi_image_of_heap(const bp_allocator *allocator, uint8_t *bytes, size_t size, const char **fault_out)
{
    uint32_t version = 0;
    bpi_image *image = image_new(allocator);
    *fault_out = NULL;
    if (image == NULL) {
        bpi_release(allocator, bytes, size);
        return NULL;
    }
    image->heap = bytes;
    image->size = size;
    const char *fault = bpi_index_header_get(bytes, size, &image->header, &version);
    fault = fault == NULL ? take_sections(image, bytes) : fault;
    if (fault == NULL) {
        return image;
    }
    *fault_out = fault == no_memory ? NULL : fault;
    bpi_image_free(image);
    return NULL;
}

/* What an opening looks at lies in three places of a file of any size: its header, the sums, how many events of which kind. */
static void spare_pages(const bpi_image *image)
{
    const bpi_index_header *header = &image->header;
    uint64_t kinds = header->sections[BPI_SECTION_KIND_KEYS].offset;
    uint64_t kinds_size = header->sections[BPI_SECTION_KIND_KEYS].size;
    bpi_io_sparse(image->io, image->file, image->address, 0, BPI_PAGE_SIZE);
    bpi_io_sparse(image->io, image->file, image->address, kinds, kinds_size);
    bpi_io_sparse(image->io, image->file, image->address, header->sums_offset, image->size - header->sums_offset);
}

static const char *map_file(bpi_image *image, int *code_out)
{
    const bp_io *io = image->io;
    uint64_t size = 0;
    uint32_t version = 0;
    *code_out = io->file_size(io->context, image->file, &size);
    if (*code_out != 0) {
        return "index file has no size";
    }
    if (size < BPI_PAGE_SIZE || size > SIZE_MAX) {
        return "index file is cut short";
    }
    *code_out = io->map_open(io->context, image->file, (size_t)size, false, &image->address);
    if (*code_out != 0) {
        image->address = NULL;
        return "index file cannot be mapped";
    }
    image->size = (size_t)size;
    const char *fault = bpi_index_header_get(image->address, size, &image->header, &version);
    if (fault != NULL) {
        return fault;
    }
    image->pages = bpi_pages_new(image->allocator, image->address, &image->header);
    fault = image->pages == NULL ? no_memory : take_sections(image, image->address);
    if (fault != NULL) {
        *code_out = fault == no_memory ? ENOMEM : 0;
        return fault;
    }
    spare_pages(image);
    if (io->file_rest != NULL) {
        io->file_rest(io->context, image->file);
    }
    return NULL;
}

bpi_image *bpi_image_of_file(const bp_allocator *allocator, const bp_io *io, bp_file *file, const char **fault_out,
                             int *code_out)
{
    bpi_image *image = image_new(allocator);
    if (image == NULL) {
        io->file_close(io->context, file);
        *fault_out = no_memory;
        *code_out = ENOMEM;
        return NULL;
    }
    image->io = io;
    image->file = file;
    *fault_out = map_file(image, code_out);
    if (*fault_out != NULL) {
        bpi_image_free(image);
        return NULL;
    }
    return image;
}

void bpi_image_free(bpi_image *image)
{
    if (image == NULL) {
        return;
    }
    bpi_rows_drop(image->rows);
    bpi_pages_free(image->pages);
    if (image->address != NULL) {
        image->io->map_close(image->io->context, image->file, image->address, image->size);
    }
    if (image->file != NULL) {
        image->io->file_close(image->io->context, image->file);
    }
    bpi_release(image->allocator, image->heap, image->heap == NULL ? 0 : image->size);
    bpi_release(image->allocator, image, sizeof *image);
}

/* ---- ids ---- */

static const uint64_t *line_of(const bpi_image *image, uint32_t fingerprint)
{
    return image->filter + (size_t)bpi_filter_line(image->filter_lines, fingerprint) * BPI_FILTER_WORDS;
}

void bpi_image_prefetch(const bpi_image *image, uint32_t fingerprint)
{
    BPI_PREFETCH(line_of(image, fingerprint));
    BPI_PREFETCH(&image->ids.starts[bpi_bucket_of(image->ids.buckets, fingerprint)]);
}

bool bpi_image_may_have(const bpi_image *image, const bpi_wanted *wanted)
{
    const uint64_t *line = line_of(image, wanted->fingerprint);
    const uint16_t *bits = wanted->bits;
    if (!bpi_see(image->pages, line, BPI_FILTER_WORDS * sizeof *line)) {
        return false;
    }
    return (line[bits[0] >> 6] >> (bits[0] & 63) & line[bits[1] >> 6] >> (bits[1] & 63) &
            line[bits[2] >> 6] >> (bits[2] & 63) & 1) != 0;
}

void bpi_id_range_init(bpi_id_range *range)
{
    *range = (bpi_id_range){.least_ms = UINT64_MAX, .greatest_ms = 0, .others = false};
}

/* The milliseconds of a UUIDv7: its first six bytes. */
static bool v7_ms(const bp_id *id, uint64_t *ms_out)
{
    const uint8_t *b = id->bytes;
    *ms_out = (uint64_t)b[0] << 40 | (uint64_t)b[1] << 32 | (uint64_t)b[2] << 24 | (uint64_t)b[3] << 16 |
              (uint64_t)b[4] << 8 | b[5];
    return b[6] >> 4 == 7 && b[8] >> 6 == 2;
}

void bpi_wanted_init(bpi_wanted *wanted, const bp_id *id, uint32_t fingerprint)
{
    wanted->id = id;
    wanted->fingerprint = fingerprint;
    wanted->v7 = v7_ms(id, &wanted->ms);
    bpi_filter_bits(fingerprint, wanted->bits);
}

void bpi_id_range_add(bpi_id_range *range, const bp_id *id)
{
    uint64_t ms = 0;
    if (!v7_ms(id, &ms)) {
        range->others = true;
        return;
    }
    range->least_ms = ms < range->least_ms ? ms : range->least_ms;
    range->greatest_ms = ms > range->greatest_ms ? ms : range->greatest_ms;
}

/* ---- names ---- */

uint32_t bpi_name_fingerprint(bp_text name, uint64_t key)
{
    return (uint32_t)(bpi_name_mix(name.data, name.size, key) >> 32);
}

bp_text bpi_name_table_at(const bpi_name_table *table, uint32_t i)
{
    bp_text name = {"", 0};
    const uint32_t *start = &table->starts[i];
    if (!bpi_see(table->pages, start, 2 * sizeof *start)) {
        return name;
    }
    if (start[0] >= start[1] || start[1] > table->text_size) {
        bpi_disbelieve(table->pages);
        return name;
    }
    if (bpi_see(table->pages, table->text + start[0], start[1] - start[0])) {
        name = (bp_text){table->text + start[0], start[1] - start[0]};
    }
    return name;
}

bool bpi_name_table_find(const bpi_name_table *table, bp_text name, uint32_t fingerprint, uint32_t *number_out)
{
    uint32_t at = 0;
    uint32_t end = 0;
    if (table->count == 0) {
        return false;
    }
    bpi_hashed_bucket(&table->hashes, fingerprint, &at, &end);
    for (; at < end; at++) {
        bpi_pair pair = bpi_pair_at(&table->hashes.pairs, at);
        if (pair.key != fingerprint) {
            continue;
        }
        if (pair.row >= table->count) {
            bpi_disbelieve(table->pages);
            return false;
        }
        bp_text there = bpi_name_table_at(table, pair.row);
        if (bp_text_equal(there, name)) {
            *number_out = table->first + pair.row;
            return true;
        }
        if (there.size > 0 && bpi_name_fingerprint(there, table->key) != fingerprint) {
            bpi_disbelieve(
                table->pages); /* another name was put in its place: who looks for the one must not find none */
            return false;
        }
    }
    return false;
}

/* A number of the order; out of it when the page is not right. */
static bool order_at(const bpi_name_table *table, uint32_t place, uint32_t *i_out)
{
    const uint32_t *at = &table->order[place];
    if (!bpi_see(table->pages, at, sizeof *at)) {
        return false;
    }
    *i_out = *at;
    if (*at >= table->count) {
        bpi_disbelieve(table->pages);
        return false;
    }
    return true;
}

/* Is the name at a place of the order below `prefix` and then `behind`? */
static bool name_below(const bpi_name_table *table, uint32_t place, bp_text prefix, bool colon)
{
    uint32_t i = 0;
    if (!order_at(table, place, &i)) {
        return false;
    }
    bp_text name = bpi_name_table_at(table, i);
    size_t least = name.size < prefix.size ? name.size : prefix.size;
    int order = least == 0 ? 0 : memcmp(name.data, prefix.data, least);
    if (order != 0 || name.size < prefix.size) {
        return order < 0 || (order == 0 && name.size < prefix.size);
    }
    return colon && (name.size == prefix.size || (unsigned char)name.data[prefix.size] < ':');
}

static uint32_t lower(const bpi_name_table *table, bp_text prefix, bool colon)
{
    uint32_t low = 0;
    uint32_t high = table->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (name_below(table, middle, prefix, colon)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool begins(bp_text name, bp_text prefix)
{
    return name.size >= prefix.size && memcmp(name.data, prefix.data, prefix.size) == 0;
}

/* Marks the names from a place on, as long as the prefix covers them. */
static size_t mark(const bpi_name_table *table, uint32_t place, bp_text prefix, uint64_t *set, uint32_t end,
                   uint32_t *one_out)
{
    size_t marked = 0;
    for (; place < table->count; place++) {
        uint32_t i = 0;
        if (!order_at(table, place, &i)) {
            return marked;
        }
        bp_text name = bpi_name_table_at(table, i);
        if (!begins(name, prefix) || (name.size > prefix.size && name.data[prefix.size] != ':')) {
            return marked;
        }
        uint32_t number = table->first + i;
        if (number < end && (set[number >> 6] >> (number & 63) & 1) == 0) {
            set[number >> 6] |= UINT64_C(1) << (number & 63);
            *one_out = number;
            marked++;
        }
    }
    return marked;
}

size_t bpi_name_table_prefix(const bpi_name_table *table, bp_text prefix, uint64_t *set, uint32_t end,
                             uint32_t *one_out)
{
    size_t marked = mark(table, lower(table, prefix, false), prefix, set, end, one_out);
    return marked + mark(table, lower(table, prefix, true), prefix, set, end, one_out);
}
