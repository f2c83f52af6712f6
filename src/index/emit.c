/*
 * emit.c: the sections of an image, from the tables of one block or of several that follow one another.
 *
 * Rows of an input come behind those of the inputs before it, names too: what is sorted is merged, what is in order is
 * joined. Everything is read front to back and written front to back, so that a merge of any size takes little memory.
 */
#include "index/input.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

enum { INPUTS_MAX = 8 };

typedef struct emitter {
    bpi_sink *sink;
    const bpi_input *inputs;
    size_t count;
    bpi_index_header *header;
    uint32_t base[INPUTS_MAX]; /* rows before those of the input */
} emitter;

bool bpi_emit_plan(const bpi_input *inputs, size_t count, bpi_index_header *header)
{
    uint64_t rows = 0;
    uint64_t entity_text = 0;
    uint64_t scope_text = 0;
    header->first_entity = inputs[0].entity_names.first;
    header->first_scope = inputs[0].scope_names.first;
    header->entities = 0;
    header->scopes = 0;
    header->system = 0;
    bpi_id_range_init(&header->ids);
    for (size_t i = 0; i < count; i++) {
        const bpi_input *input = &inputs[i];
        if (input->entity_names.first != header->first_entity + header->entities ||
            input->scope_names.first != header->first_scope + header->scopes) {
            return false;
        }
        rows += input->count;
        entity_text += input->entity_names.text_size;
        scope_text += input->scope_names.text_size;
        header->entities += input->entity_names.count;
        header->scopes += input->scope_names.count;
        header->system += input->system;
        header->ids.others = header->ids.others || input->ids.others;
        header->ids.least_ms = input->ids.least_ms < header->ids.least_ms ? input->ids.least_ms : header->ids.least_ms;
        header->ids.greatest_ms =
            input->ids.greatest_ms > header->ids.greatest_ms ? input->ids.greatest_ms : header->ids.greatest_ms;
    }
    header->rows = (uint32_t)rows;
    return count <= INPUTS_MAX && rows < UINT32_MAX / 2 && entity_text < UINT32_MAX && scope_text < UINT32_MAX;
}

/* Words on their way to the sink, some at a time. */
typedef struct words {
    bpi_sink *sink;
    uint32_t filled;
    uint32_t word[512];
} words;

static void words_begin(words *some, emitter *e, unsigned section)
{
    some->sink = e->sink;
    some->filled = 0;
    bpi_sink_begin(e->sink, e->header, section);
}

static void words_send(words *some)
{
    bpi_sink_put(some->sink, some->word, some->filled * sizeof some->word[0]);
    some->filled = 0;
}

static inline void words_put(words *some, uint32_t word)
{
    if (some->filled == sizeof some->word / sizeof some->word[0]) {
        words_send(some);
    }
    some->word[some->filled++] = word;
}

static void words_end(words *some, emitter *e, unsigned section)
{
    words_send(some);
    bpi_sink_end(e->sink, e->header, section);
}

/* ---- lists ---- */

typedef void (*span_fn)(void *argument, const bpi_span *span, size_t input);

static const bpi_list *list_of(const bpi_input *input, unsigned section)
{
    return section == BPI_SECTION_ENTITY_ROWS  ? &input->entities
           : section == BPI_SECTION_SCOPE_ROWS ? &input->scopes
                                               : &input->kinds;
}

/* All rows in order of (key, row), those of one key in one input together. Before the rows of each key `key` is called; either may be NULL. */
static void each_row(const emitter *e, unsigned section, void (*key)(void *argument, uint32_t key, uint32_t rows),
                     span_fn take, void *argument)
{
    uint32_t at[INPUTS_MAX] = {0};
    for (;;) {
        uint64_t least = UINT64_MAX;
        uint32_t from[INPUTS_MAX];
        uint32_t to[INPUTS_MAX];
        uint32_t keys[INPUTS_MAX];
        uint32_t rows = 0;
        for (size_t i = 0; i < e->count; i++) {
            const bpi_list *list = list_of(&e->inputs[i], section);
            if (at[i] < list->key_count) {
                keys[i] = bpi_list_key(list, at[i], &from[i], &to[i]);
                least = keys[i] < least ? keys[i] : least;
            }
        }
        if (least == UINT64_MAX) {
            return;
        }
        for (size_t i = 0; i < e->count; i++) {
            const bpi_list *list = list_of(&e->inputs[i], section);
            if (at[i] >= list->key_count || keys[i] != least) {
                continue;
            }
            at[i]++;
            rows += to[i] - from[i];
            bpi_span span = {list->rows + from[i], 1, to[i] - from[i], list->pages};
            if (take != NULL) {
                take(argument, &span, i);
            }
        }
        if (key != NULL) {
            key(argument, (uint32_t)least, rows);
        }
    }
}

typedef struct put_state {
    emitter *e;
    words *words;
    uint32_t start;
} put_state;

static void put_rows(void *argument, const bpi_span *span, size_t input)
{
    put_state *state = argument;
    for (uint32_t n = 0; n < span->count; n++) {
        words_put(state->words, bpi_span_row(span, n) + state->e->base[input]);
    }
}

static void put_key(void *argument, uint32_t key, uint32_t rows)
{
    put_state *state = argument;
    words_put(state->words, key);
    words_put(state->words, state->start);
    state->start += rows;
}

static void emit_list(emitter *e, unsigned section)
{
    words some;
    put_state state = {e, &some, 0};
    words_begin(&some, e, section);
    each_row(e, section, NULL, put_rows, &state);
    words_end(&some, e, section);
    words_begin(&some, e, section + 1);
    each_row(e, section, put_key, NULL, &state);
    put_key(&state, UINT32_MAX, 0);
    words_end(&some, e, section + 1);
}

/* ---- rows ---- */

typedef struct chunk_state {
    emitter *e;
    uint8_t *chunk;
    uint32_t filled;
    uint32_t *places; /* of grouped rows */
    uint32_t place;
} chunk_state;

/* Writes the tiles of a chunk that have rows. */
static void put_chunk(chunk_state *state)
{
    uint32_t tile = UINT32_C(1) << state->e->header->shift;
    uint32_t tiles = (state->filled + tile - 1) / tile;
    bpi_sink_put(state->e->sink, state->chunk, (size_t)tiles * tile * BPI_ROW_SIZE);
    memset(state->chunk, 0, BPI_CHUNK_SIZE);
    state->filled = 0;
}

static void put_row(chunk_state *state, uint32_t row, size_t input)
{
    const bpi_input *from = &state->e->inputs[input];
    bpi_fields fields;
    if (row >= from->count) {
        bpi_disbelieve(from->rows->pages);
        return;
    }
    bpi_rows_get(from->rows, row, &fields);
    bpi_rows_store(state->chunk, state->e->header->shift, state->filled++, &fields);
    if (state->places != NULL) {
        state->places[state->e->base[input] + row] = state->place++;
    }
    if (state->filled == BPI_CHUNK_ROWS) {
        put_chunk(state);
    }
}

static void put_grouped(void *argument, const bpi_span *span, size_t input)
{
    for (uint32_t n = 0; n < span->count; n++) {
        put_row(argument, bpi_span_row(span, n), input);
    }
}

/* All rows of an input, field by field: as many at once as lie together in the chunk. */
static void put_input(chunk_state *state, size_t input)
{
    static const struct {
        uint8_t offset;
        uint8_t size;
    } fields[] = {{BPI_ROW_HLC, 8},    {BPI_ROW_TIME, 8},   {BPI_ROW_CLOCK, 4}, {BPI_ROW_PREVIOUS, 4},
                  {BPI_ROW_OFFSET, 4}, {BPI_ROW_ENTITY, 4}, {BPI_ROW_SCOPE, 4}, {BPI_ROW_CORRELATION, 4},
                  {BPI_ROW_CAUSE, 4},  {BPI_ROW_KIND, 2},   {BPI_ROW_BITS, 1},  {BPI_ROW_FAR, 1}};
    const bpi_input *from = &state->e->inputs[input];
    unsigned shift = state->e->header->shift;
    uint32_t tile = UINT32_C(1) << shift;
    for (uint32_t row = 0; row < from->count;) {
        uint32_t run = tile - (state->filled & (tile - 1));
        run = run < from->count - row ? run : from->count - row;
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            bpi_rows_column(from->rows, row, run, fields[i].offset, fields[i].size,
                            state->chunk + bpi_layout_at(shift, state->filled, fields[i].offset, fields[i].size));
        }
        row += run;
        state->filled += run;
        if (state->filled == BPI_CHUNK_ROWS) {
            put_chunk(state);
        }
    }
}

static bool emit_rows(emitter *e)
{
    const bp_allocator *allocator = e->sink->allocator;
    bool grouped = e->header->layout == BP_LAYOUT_SOAOS - 1;
    size_t places_size = grouped ? (size_t)e->header->rows * sizeof(uint32_t) : 0;
    chunk_state state = {.e = e, .chunk = bpi_allocate_zero(allocator, BPI_CHUNK_SIZE)};
    state.places = grouped ? bpi_allocate_zero(allocator, places_size + 1) : NULL;
    if (state.chunk == NULL || (grouped && state.places == NULL)) {
        bpi_release(allocator, state.chunk, BPI_CHUNK_SIZE);
        bpi_release(allocator, state.places, state.places == NULL ? 0 : places_size + 1);
        return false;
    }
    bpi_sink_begin(e->sink, e->header, BPI_SECTION_ROWS);
    if (grouped) {
        each_row(e, BPI_SECTION_ENTITY_ROWS, NULL, put_grouped, &state);
    }
    for (size_t i = 0; i < e->count && !grouped; i++) {
        put_input(&state, i);
    }
    put_chunk(&state);
    bpi_sink_end(e->sink, e->header, BPI_SECTION_ROWS);
    bpi_sink_begin(e->sink, e->header, BPI_SECTION_PLACES);
    bpi_sink_put(e->sink, state.places, places_size);
    bpi_sink_end(e->sink, e->header, BPI_SECTION_PLACES);
    bpi_release(allocator, state.chunk, BPI_CHUNK_SIZE);
    bpi_release(allocator, state.places, state.places == NULL ? 0 : places_size + 1);
    return true;
}

enum { SOME = 512 };

/* The times between which each run of rows lies, and which rows are the first of their commit. */
static void emit_zones(emitter *e)
{
    int64_t zone[2] = {INT64_MAX, INT64_MIN};
    int64_t times[SOME];
    uint32_t filled = 0;
    bpi_sink_begin(e->sink, e->header, BPI_SECTION_ZONES);
    for (size_t i = 0; i < e->count; i++) {
        for (uint32_t row = 0; row < e->inputs[i].count; row++) {
            uint32_t left = e->inputs[i].count - row;
            if (row % SOME == 0) {
                bpi_rows_column(e->inputs[i].rows, row, left < SOME ? left : SOME, BPI_ROW_TIME, 8, times);
            }
            int64_t time = times[row % SOME];
            zone[0] = time < zone[0] ? time : zone[0];
            zone[1] = time > zone[1] ? time : zone[1];
            if (++filled % BPI_CHUNK_ROWS == 0 || filled == e->header->rows) {
                bpi_sink_put(e->sink, zone, sizeof zone);
                zone[0] = INT64_MAX;
                zone[1] = INT64_MIN;
            }
        }
    }
    bpi_sink_end(e->sink, e->header, BPI_SECTION_ZONES);
}

static void emit_firsts(emitter *e)
{
    uint64_t word = 0;
    uint8_t bits[SOME];
    uint32_t filled = 0;
    bpi_sink_begin(e->sink, e->header, BPI_SECTION_FIRSTS);
    for (size_t i = 0; i < e->count; i++) {
        for (uint32_t row = 0; row < e->inputs[i].count; row++) {
            uint32_t left = e->inputs[i].count - row;
            if (row % SOME == 0) {
                bpi_rows_column(e->inputs[i].rows, row, left < SOME ? left : SOME, BPI_ROW_BITS, 1, bits);
            }
            uint64_t first = (bits[row % SOME] & BPI_ROW_FIRST) != 0;
            word |= first << (filled & 63);
            if (++filled % 64 == 0 || filled == e->header->rows) {
                bpi_sink_put(e->sink, &word, sizeof word);
                word = 0;
            }
        }
    }
    bpi_sink_end(e->sink, e->header, BPI_SECTION_FIRSTS);
}

/* ---- pairs ---- */

/* Pairs of several inputs in order of (key, row). */
typedef struct pair_merge {
    const bpi_pairs *pairs[INPUTS_MAX];
    uint32_t base[INPUTS_MAX];
    uint32_t at[INPUTS_MAX];
    bpi_pair now[INPUTS_MAX];
    size_t count;
} pair_merge;

static void merge_load(pair_merge *merge, size_t i)
{
    if (merge->at[i] < merge->pairs[i]->count) {
        merge->now[i] = bpi_pair_at(merge->pairs[i], merge->at[i]);
        merge->now[i].row += merge->base[i];
    }
}

static void merge_begin(pair_merge *merge, const emitter *e, unsigned section)
{
    merge->count = e->count;
    for (size_t i = 0; i < e->count; i++) {
        const bpi_input *input = &e->inputs[i];
        merge->at[i] = 0;
        merge->base[i] = e->base[i];
        switch (section) {
        case BPI_SECTION_CORRELATIONS:
            merge->pairs[i] = &input->correlations;
            break;
        case BPI_SECTION_CAUSES:
            merge->pairs[i] = &input->causes;
            break;
        case BPI_SECTION_ENTITY_NAMES:
            merge->pairs[i] = &input->entity_names.hashes.pairs;
            merge->base[i] = input->entity_names.first - e->header->first_entity;
            break;
        case BPI_SECTION_SCOPE_NAMES:
            merge->pairs[i] = &input->scope_names.hashes.pairs;
            merge->base[i] = input->scope_names.first - e->header->first_scope;
            break;
        default:
            merge->pairs[i] = &input->fingerprints;
            break;
        }
        merge_load(merge, i);
    }
}

static bool merge_next(pair_merge *merge, bpi_pair *pair_out)
{
    size_t best = merge->count;
    if (merge->count == 1) {
        best = merge->at[0] < merge->pairs[0]->count ? 0 : 1;
    }
    for (size_t i = 0; merge->count > 1 && i < merge->count; i++) {
        if (merge->at[i] < merge->pairs[i]->count &&
            (best == merge->count || merge->now[i].key < merge->now[best].key)) {
            best = i; /* with equal keys the earlier input has the smaller rows */
        }
    }
    if (best == merge->count) {
        return false;
    }
    *pair_out = merge->now[best];
    merge->at[best]++;
    merge_load(merge, best);
    return true;
}

static void emit_pairs(emitter *e, unsigned from, unsigned section)
{
    pair_merge merge;
    bpi_pair pair;
    words some;
    merge_begin(&merge, e, from);
    words_begin(&some, e, section);
    while (merge_next(&merge, &pair)) {
        words_put(&some, pair.row);
        words_put(&some, pair.key);
    }
    words_end(&some, e, section);
}

static void emit_buckets(emitter *e, unsigned from, unsigned section, uint32_t count)
{
    pair_merge merge;
    bpi_pair pair;
    uint32_t buckets = bpi_bucket_count(count);
    uint32_t next = 0;
    uint32_t seen = 0;
    words some;
    merge_begin(&merge, e, from);
    words_begin(&some, e, section);
    while (merge_next(&merge, &pair)) {
        for (; next <= bpi_bucket_of(buckets, pair.key); next++) {
            words_put(&some, seen);
        }
        seen++;
    }
    for (; next <= buckets; next++) {
        words_put(&some, seen);
    }
    words_end(&some, e, section);
}

static void emit_filter(emitter *e)
{
    pair_merge merge;
    bpi_pair pair;
    uint32_t lines = bpi_filter_lines(e->header->rows);
    uint32_t at = 0;
    uint64_t line[BPI_FILTER_WORDS] = {0};
    merge_begin(&merge, e, BPI_SECTION_IDS);
    bpi_sink_begin(e->sink, e->header, BPI_SECTION_ID_FILTER);
    while (merge_next(&merge, &pair)) {
        uint16_t bits[3];
        for (; at < bpi_filter_line(lines, pair.key); at++) {
            bpi_sink_put(e->sink, line, sizeof line);
            memset(line, 0, sizeof line);
        }
        bpi_filter_bits(pair.key, bits);
        for (unsigned i = 0; i < 3; i++) {
            line[bits[i] >> 6] |= UINT64_C(1) << (bits[i] & 63);
        }
    }
    for (; at < lines; at++) {
        bpi_sink_put(e->sink, line, sizeof line);
        memset(line, 0, sizeof line);
    }
    bpi_sink_end(e->sink, e->header, BPI_SECTION_ID_FILTER);
}

/* ---- names ---- */

static const bpi_name_table *names_of(const emitter *e, size_t i, unsigned section)
{
    return section == BPI_SECTION_ENTITY_NAMES ? &e->inputs[i].entity_names : &e->inputs[i].scope_names;
}

static void emit_text(emitter *e, unsigned section)
{
    uint32_t start = 0;
    words some;
    words_begin(&some, e, section + BPI_NAMES_STARTS);
    for (size_t i = 0; i < e->count; i++) {
        const bpi_name_table *table = names_of(e, i, section);
        for (uint32_t n = 0; n < table->count; n++) {
            words_put(&some, start);
            start += (uint32_t)bpi_name_table_at(table, n).size;
        }
    }
    words_put(&some, start);
    words_end(&some, e, section + BPI_NAMES_STARTS);
    bpi_sink_begin(e->sink, e->header, section + BPI_NAMES_TEXT);
    for (size_t i = 0; i < e->count; i++) {
        const bpi_name_table *table = names_of(e, i, section);
        for (uint32_t n = 0; n < table->count; n++) {
            bp_text name = bpi_name_table_at(table, n);
            bpi_sink_put(e->sink, name.data, name.size);
        }
    }
    bpi_sink_end(e->sink, e->header, section + BPI_NAMES_TEXT);
}

static bool text_below(bp_text a, bp_text b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    int order = least == 0 ? 0 : memcmp(a.data, b.data, least);
    return order != 0 ? order < 0 : a.size < b.size;
}

/* The name at a place of a table's order; empty when there is none, or it cannot be believed. */
static bp_text ordered(const bpi_name_table *table, uint32_t place, uint32_t *i_out)
{
    const bp_text none = {"", 0};
    if (place >= table->count || !bpi_see(table->pages, &table->order[place], sizeof(uint32_t))) {
        return none;
    }
    *i_out = table->order[place];
    if (*i_out >= table->count) {
        bpi_disbelieve(table->pages);
        return none;
    }
    return bpi_name_table_at(table, *i_out);
}

static void emit_order(emitter *e, unsigned section)
{
    uint32_t at[INPUTS_MAX] = {0};
    uint32_t first = names_of(e, 0, section)->first;
    words some;
    words_begin(&some, e, section + BPI_NAMES_ORDER);
    for (;;) {
        size_t best = e->count;
        uint32_t best_i = 0;
        bp_text best_name = {"", 0};
        for (size_t i = 0; i < e->count; i++) {
            const bpi_name_table *table = names_of(e, i, section);
            uint32_t number = 0;
            bp_text name = ordered(table, at[i], &number);
            if (at[i] < table->count && (best == e->count || text_below(name, best_name))) {
                best = i;
                best_i = number;
                best_name = name;
            }
        }
        if (best == e->count) {
            break;
        }
        words_put(&some, names_of(e, best, section)->first - first + best_i);
        at[best]++;
    }
    words_end(&some, e, section + BPI_NAMES_ORDER);
}

static void emit_names(emitter *e, unsigned section, uint32_t count)
{
    emit_text(e, section);
    emit_pairs(e, section, section + BPI_NAMES_HASHES);
    emit_buckets(e, section, section + BPI_NAMES_BUCKETS, count);
    emit_order(e, section);
}

int bpi_emit(bpi_sink *sink, const bpi_input *inputs, size_t count, bpi_index_header *header)
{
    emitter e = {.sink = sink, .inputs = inputs, .count = count, .header = header};
    for (size_t i = 1; i < count; i++) {
        e.base[i] = e.base[i - 1] + inputs[i - 1].count;
    }
    if (!emit_rows(&e)) {
        return ENOMEM;
    }
    emit_zones(&e);
    emit_firsts(&e);
    emit_pairs(&e, BPI_SECTION_IDS, BPI_SECTION_IDS);
    emit_buckets(&e, BPI_SECTION_IDS, BPI_SECTION_ID_STARTS, header->rows);
    emit_filter(&e);
    emit_list(&e, BPI_SECTION_ENTITY_ROWS);
    emit_list(&e, BPI_SECTION_SCOPE_ROWS);
    emit_list(&e, BPI_SECTION_KIND_ROWS);
    emit_pairs(&e, BPI_SECTION_CORRELATIONS, BPI_SECTION_CORRELATIONS);
    emit_pairs(&e, BPI_SECTION_CAUSES, BPI_SECTION_CAUSES);
    emit_names(&e, BPI_SECTION_ENTITY_NAMES, header->entities);
    emit_names(&e, BPI_SECTION_SCOPE_NAMES, header->scopes);
    for (size_t i = 0; i < count; i++) {
        if (bpi_pages_broken(inputs[i].rows->pages)) {
            return EAGAIN;
        }
    }
    return bpi_sink_finish(sink, header);
}
