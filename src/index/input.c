/*
 * input.c: the tables of an open block.
 *
 * Holds: within a key, rows ascend; a list covers every row once. Time is a few passes over 8 bytes a row: a radix
 * sort that leaves out the digits in which all keys agree.
 */
#include "index/input.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "io/pace.h"

enum { DIGIT_BITS = 11, DIGITS = 3, DIGIT_COUNT = 1 << DIGIT_BITS, FEW = 64 };

/* Room to sort in, and for two fields of all rows. */
typedef struct scratch {
    const bp_allocator *allocator;
    uint64_t *pairs;
    uint64_t *other;
    size_t capacity;
    uint32_t *column;
    uint8_t *bits;
    uint32_t rows;
} scratch;

static bool scratch_init(scratch *room, const bp_allocator *allocator, uint32_t rows)
{
    *room = (scratch){.allocator = allocator, .rows = rows};
    room->column = bpi_allocate(allocator, ((size_t)rows + 1) * sizeof(uint32_t));
    room->bits = bpi_allocate(allocator, (size_t)rows + 1);
    return room->column != NULL && room->bits != NULL;
}

static bool scratch_reserve(scratch *room, size_t count)
{
    if (count <= room->capacity) {
        return true;
    }
    size_t old = room->capacity * sizeof(uint64_t);
    bpi_release(room->allocator, room->pairs, old);
    bpi_release(room->allocator, room->other, old);
    room->pairs = bpi_allocate(room->allocator, count * sizeof(uint64_t));
    room->other = bpi_allocate(room->allocator, count * sizeof(uint64_t));
    room->capacity = count;
    return room->pairs != NULL && room->other != NULL;
}

static void scratch_fini(scratch *room)
{
    bpi_release(room->allocator, room->pairs, room->capacity * sizeof(uint64_t));
    bpi_release(room->allocator, room->other, room->capacity * sizeof(uint64_t));
    bpi_release(room->allocator, room->column, ((size_t)room->rows + 1) * sizeof(uint32_t));
    bpi_release(room->allocator, room->bits, (size_t)room->rows + 1);
}

static unsigned digit_of(uint64_t pair, unsigned digit)
{
    return (unsigned)(pair >> (32 + digit * DIGIT_BITS)) & (DIGIT_COUNT - 1);
}

static void sort_few(uint64_t *pairs, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint64_t pair = pairs[i];
        uint32_t at = i;
        for (; at > 0 && pairs[at - 1] >> 32 > pair >> 32; at--) {
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = pair;
    }
}

/* Sorts by key; the order of rows within a key stays as it is. The result is in room->pairs. */
static void sort(scratch *room, uint32_t count)
{
    uint32_t starts[DIGITS][DIGIT_COUNT];
    if (count < FEW) { /* to clear the tables would take longer */
        sort_few(room->pairs, count);
        return;
    }
    bpi_pace_piece();
    memset(starts, 0, sizeof starts);
    for (uint32_t i = 0; i < count; i++) {
        for (unsigned digit = 0; digit < DIGITS; digit++) {
            starts[digit][digit_of(room->pairs[i], digit)]++;
        }
    }
    for (unsigned digit = 0; digit < DIGITS && count > 0; digit++) {
        uint32_t *start = starts[digit];
        if (start[digit_of(room->pairs[0], digit)] == count) {
            continue;
        }
        uint32_t sum = 0;
        for (unsigned value = 0; value < DIGIT_COUNT; value++) {
            uint32_t here = start[value];
            start[value] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < count; i++) {
            uint64_t pair = room->pairs[i];
            room->other[start[digit_of(pair, digit)]++] = pair;
        }
        uint64_t *sorted = room->other;
        room->other = room->pairs;
        room->pairs = sorted;
    }
}

/* Memory that goes with the input; NULL: none. One byte at least, so that empty tables have a place too. */
static void *own(bpi_input *input, size_t size)
{
    void *memory = bpi_allocate(input->allocator, size + 1);
    if (memory != NULL) {
        input->owned[input->owned_count].memory = memory;
        input->owned[input->owned_count++].size = size + 1;
    }
    return memory;
}

/* What is built is not what the log says: false. */
static bool contradicts(bpi_input *input, const bpi_block *block, const char *what)
{
    input->status = bpi_block_contradicts(block, what, input->error);
    return false;
}

static bool read_record(bpi_input *input, const bpi_block *block, uint32_t row, bp_event *event_out)
{
    bp_status status = bpi_block_event(block, row, event_out, input->error);
    if (status != BP_OK) {
        input->status = status;
    }
    return status == BP_OK;
}

void bpi_input_fini(bpi_input *input)
{
    for (unsigned i = 0; i < input->owned_count; i++) {
        bpi_release(input->allocator, input->owned[i].memory, input->owned[i].size);
    }
    input->owned_count = 0;
}

/* ---- lists and pairs ---- */

static bool list_take(bpi_input *input, bpi_list *list, const uint64_t *pairs, uint32_t count)
{
    uint32_t keys = 0;
    for (uint32_t i = 0; i < count; i++) {
        keys += i == 0 || pairs[i] >> 32 != pairs[i - 1] >> 32;
    }
    uint32_t *rows = own(input, count * sizeof *rows);
    bpi_key *directory = own(input, ((size_t)keys + 1) * sizeof *directory);
    if (rows == NULL || directory == NULL) {
        return false;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || pairs[i] >> 32 != pairs[i - 1] >> 32) {
            directory[at++] = (bpi_key){.key = (uint32_t)(pairs[i] >> 32), .start = i};
        }
        rows[i] = (uint32_t)pairs[i];
    }
    directory[at] = (bpi_key){.key = UINT32_MAX, .start = count};
    *list = (bpi_list){.rows = rows, .keys = directory, .row_count = count, .key_count = keys};
    return true;
}

static bool build_list(scratch *room, bpi_input *input, bpi_list *list, unsigned field)
{
    bpi_rows_column(input->rows, 0, input->count, field, sizeof(uint32_t), room->column);
    for (uint32_t row = 0; row < input->count; row++) {
        room->pairs[row] = (uint64_t)room->column[row] << 32 | row;
    }
    sort(room, input->count);
    return list_take(input, list, room->pairs, input->count);
}

static bool build_kinds(scratch *room, bpi_input *input)
{
    uint16_t *kinds = (uint16_t *)(void *)room->column;
    bpi_rows_column(input->rows, 0, input->count, BPI_ROW_KIND, sizeof *kinds, kinds);
    for (uint32_t row = 0; row < input->count; row++) {
        room->pairs[row] = (uint64_t)kinds[row] << 32 | row;
    }
    sort(room, input->count);
    return list_take(input, &input->kinds, room->pairs, input->count);
}

/* An event may name a cause twice. */
static uint32_t without_doubles(uint64_t *pairs, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || pairs[i] != pairs[kept - 1]) {
            pairs[kept++] = pairs[i];
        }
    }
    return kept;
}

static bool pairs_take(scratch *room, bpi_input *input, bpi_pairs *pairs, uint32_t count)
{
    sort(room, count);
    count = without_doubles(room->pairs, count);
    bpi_pair *taken = own(input, count * sizeof *taken);
    if (taken == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        taken[i] = (bpi_pair){.row = (uint32_t)room->pairs[i], .key = (uint32_t)(room->pairs[i] >> 32)};
    }
    *pairs = (bpi_pairs){.pairs = taken, .count = count};
    return true;
}

static bool build_correlations(scratch *room, bpi_input *input)
{
    uint32_t found = 0;
    bpi_rows_column(input->rows, 0, input->count, BPI_ROW_BITS, 1, room->bits);
    for (uint32_t row = 0; row < input->count; row++) {
        if (room->bits[row] & BPI_ROW_CORRELATED) {
            room->pairs[found++] = (uint64_t)bpi_row_u32(input->rows, row, BPI_ROW_CORRELATION) << 32 | row;
        }
    }
    return pairs_take(room, input, &input->correlations, found);
}

/* How many causes the rows have in all; false: a record cannot be read, or more than fit. */
static bool count_causes(const scratch *room, bpi_input *input, const bpi_block *block, uint32_t *total_out)
{
    uint64_t total = 0;
    for (uint32_t row = 0; row < input->count; row++) {
        if (room->bits[row] & BPI_ROW_MANY_CAUSES) {
            bp_event event;
            if (!read_record(input, block, row, &event)) {
                return false;
            }
            total += event.cause_count;
        } else {
            total += room->column[row] != 0;
        }
    }
    *total_out = (uint32_t)total;
    return total < UINT32_MAX || contradicts(input, block, "more causes than a part of the index can have");
}

static bool build_causes(scratch *room, bpi_input *input, const bpi_block *block)
{
    uint32_t total = 0;
    bpi_rows_column(input->rows, 0, input->count, BPI_ROW_BITS, 1, room->bits);
    bpi_rows_column(input->rows, 0, input->count, BPI_ROW_CAUSE, sizeof(uint32_t), room->column);
    if (!count_causes(room, input, block, &total) || !scratch_reserve(room, total)) {
        return false;
    }
    uint32_t found = 0;
    for (uint32_t row = 0; row < input->count; row++) {
        uint32_t cause = room->column[row];
        if ((room->bits[row] & BPI_ROW_MANY_CAUSES) == 0) {
            if (cause != 0) {
                room->pairs[found++] = (uint64_t)cause << 32 | row;
            }
            continue;
        }
        bp_event event;
        if (!read_record(input, block, row, &event)) {
            return false;
        }
        if (event.cause_count > total - found) {
            return contradicts(input, block, "a record that changes while it is read");
        }
        for (size_t i = 0; i < event.cause_count; i++) {
            uint32_t key = bpi_cause_key(bpi_fingerprint(&event.causes[i], block->key));
            room->pairs[found++] = (uint64_t)key << 32 | row;
        }
    }
    return pairs_take(room, input, &input->causes, found);
}

/* The fingerprints of the ids, from the table that the block has of them. */
static bool build_fingerprints(scratch *room, bpi_input *input, const bpi_block *block)
{
    const bpi_slots *slots = atomic_load_explicit(&block->ids.slots, memory_order_acquire);
    uint32_t found = 0;
    for (uint32_t at = 0; slots != NULL && at < slots->capacity; at++) {
        uint64_t slot = atomic_load_explicit(&slots->slot[at], memory_order_relaxed);
        if (slot != 0 && (uint32_t)slot - 1 < input->count && found < input->count) {
            room->pairs[found++] = slot >> 32 << 32 | ((uint32_t)slot - 1);
        }
    }
    if (found != input->count) {
        return contradicts(input, block, "rows without an id");
    }
    return pairs_take(room, input, &input->fingerprints, found);
}

/* ---- names ---- */

typedef struct named {
    bp_text name;
    uint32_t i;
} named;

static int by_bytes(const void *a, const void *b)
{
    const named *left = a;
    const named *right = b;
    size_t least = left->name.size < right->name.size ? left->name.size : right->name.size;
    int order = memcmp(left->name.data, right->name.data, least);
    return order != 0 ? order : (left->name.size > right->name.size) - (left->name.size < right->name.size);
}

/* Names lie in the records of the rows that are the first with them. */
static bool read_names(bpi_input *input, const bpi_block *block, const uint32_t *rows, uint32_t count, bool entity,
                       named *names, size_t *size_out)
{
    *size_out = 0;
    for (uint32_t i = 0; i < count; i++) {
        bp_event event;
        if (!read_record(input, block, rows[i], &event)) {
            return false;
        }
        names[i] = (named){.name = entity ? event.entity : event.scope, .i = i};
        *size_out += names[i].name.size;
    }
    return *size_out < UINT32_MAX || contradicts(input, block, "names longer than a part of the index can have");
}

static bool fill_names(scratch *room, bpi_input *input, bpi_name_table *table, named *names, size_t size, uint64_t key)
{
    uint32_t count = table->count;
    uint32_t *starts = own(input, ((size_t)count + 1) * sizeof *starts);
    char *text = own(input, size);
    uint32_t *order = own(input, count * sizeof *order);
    if (starts == NULL || text == NULL || order == NULL) {
        return false;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = at;
        memcpy(text + at, names[i].name.data, names[i].name.size);
        at += (uint32_t)names[i].name.size;
        room->pairs[i] = (uint64_t)bpi_name_fingerprint(names[i].name, key) << 32 | i;
    }
    starts[count] = at;
    table->starts = starts;
    table->text = text;
    table->text_size = at;
    table->order = order;
    if (count > 0) {
        qsort(names, count, sizeof *names, by_bytes);
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = names[i].i;
    }
    return pairs_take(room, input, &table->hashes.pairs, count);
}

/* The names of `rows`, each of which is the first with its name. */
static bool build_names(scratch *room, bpi_input *input, const bpi_block *block, const uint32_t *rows, bool entity,
                        bpi_name_table *table)
{
    size_t size = 0;
    named *names = bpi_allocate(input->allocator, ((size_t)table->count + 1) * sizeof *names);
    bool built = names != NULL && read_names(input, block, rows, table->count, entity, names, &size) &&
                 fill_names(room, input, table, names, size, block->key);
    bpi_release(input->allocator, names, ((size_t)table->count + 1) * sizeof *names);
    return built;
}

/* Numbers are given in order of first appearance, so the first row with a new name has the next number. */
static bool find_new(const scratch *room, bpi_input *input, const bpi_block *block, unsigned field, uint32_t *rows,
                     bpi_name_table *table)
{
    bpi_rows_column(input->rows, 0, input->count, field, sizeof(uint32_t), room->column);
    for (uint32_t row = 0; row < input->count; row++) {
        uint32_t number = room->column[row];
        if (number > table->first + table->count) {
            return contradicts(input, block, "a name that no record begins");
        }
        if (number == table->first + table->count) {
            rows[table->count++] = row;
        }
    }
    return true;
}

static bool build_tables_of_names(scratch *room, bpi_input *input, const bpi_block *block)
{
    size_t size = ((size_t)input->count + 1) * sizeof(uint32_t);
    uint32_t *rows = bpi_allocate(input->allocator, size);
    input->entity_names.first = block->first_entity;
    input->scope_names.first = block->first_scope;
    bool built = rows != NULL && find_new(room, input, block, BPI_ROW_ENTITY, rows, &input->entity_names) &&
                 build_names(room, input, block, rows, true, &input->entity_names) &&
                 find_new(room, input, block, BPI_ROW_SCOPE, rows, &input->scope_names) &&
                 build_names(room, input, block, rows, false, &input->scope_names);
    bpi_release(input->allocator, rows, size);
    return built;
}

/* ---- inputs ---- */

bp_status bpi_input_of_block(bpi_input *input, const bp_allocator *allocator, const bpi_block *block, uint32_t count,
                             bp_error *error)
{
    scratch room;
    memset(input, 0, sizeof *input);
    input->status = BP_ERR_NO_MEMORY; /* whatever else it is says so */
    input->error = error;
    input->allocator = allocator;
    input->rows = block->rows;
    input->count = count;
    input->system = atomic_load_explicit(&block->system, memory_order_relaxed);
    input->ids = block->id_range;
    bool built = scratch_init(&room, allocator, count) && scratch_reserve(&room, (size_t)count + 1) &&
                 build_list(&room, input, &input->entities, BPI_ROW_ENTITY) &&
                 build_list(&room, input, &input->scopes, BPI_ROW_SCOPE) && build_kinds(&room, input) &&
                 build_correlations(&room, input) && build_fingerprints(&room, input, block) &&
                 build_tables_of_names(&room, input, block) && build_causes(&room, input, block);
    scratch_fini(&room);
    input->error = NULL;
    if (built) {
        return BP_OK;
    }
    bpi_input_fini(input);
    return input->status == BP_ERR_NO_MEMORY
               ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to build a part of the index")
               : input->status;
}

void bpi_input_of_image(bpi_input *input, const bpi_image *image)
{
    memset(input, 0, sizeof *input);
    input->allocator = image->allocator;
    input->rows = image->rows;
    input->count = image->header.rows;
    input->system = image->header.system;
    input->ids = image->header.ids;
    input->entities = image->entities;
    input->scopes = image->scopes;
    input->kinds = image->kinds;
    input->correlations = image->correlations;
    input->causes = image->causes;
    input->fingerprints = image->ids.pairs;
    input->entity_names = image->entity_names;
    input->scope_names = image->scope_names;
}
