/*
 * world.h: a small writer for the index's tests, with a model beside it: segments on the heap, real records, and an
 * array of everything that was appended.
 */
#ifndef TESTS_INDEX_WORLD_H
#define TESTS_INDEX_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "format/record.h"
#include "index/index.h"
#include "index/names.h"

enum { WORLD_SEGMENT = 1 << 20, WORLD_CAUSES = 4, WORLD_SEED = 77 };

/* ---- random numbers, repeatable ---- */

typedef struct dice {
    uint64_t state;
} dice;

static inline uint64_t roll(dice *d)
{
    uint64_t z = (d->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint32_t below(dice *d, uint32_t end)
{
    return (uint32_t)(roll(d) % end);
}

static inline bool chance(dice *d, uint32_t percent)
{
    return below(d, 100) < percent;
}

/* ---- memory that counts and can fail ---- */

typedef struct meter {
    _Atomic long balance;
    _Atomic long fail_at; /* the allocation that fails, counted down; negative: never */
} meter;

static inline bool meter_fails(meter *m)
{
    return atomic_load(&m->fail_at) >= 0 && atomic_fetch_sub(&m->fail_at, 1) == 0;
}

static inline void *meter_allocate(void *context, size_t size)
{
    meter *m = context;
    void *memory = meter_fails(m) ? NULL : malloc(size);
    if (memory != NULL) {
        atomic_fetch_add(&m->balance, (long)size);
    }
    return memory;
}

static inline void *meter_resize(void *context, void *memory, size_t old_size, size_t size)
{
    meter *m = context;
    void *resized = meter_fails(m) ? NULL : realloc(memory, size);
    if (resized != NULL) {
        atomic_fetch_add(&m->balance, (long)size - (long)old_size);
    }
    return resized;
}

static inline void meter_release(void *context, void *memory, size_t size)
{
    meter *m = context;
    if (memory != NULL) {
        atomic_fetch_sub(&m->balance, (long)size);
        free(memory);
    }
}

/* ---- the world ---- */

typedef struct model_event {
    uint64_t sequence;
    bp_id id;
    bp_id correlation;
    bp_id causes[WORLD_CAUSES];
    uint16_t cause_count;
    const char *entity;
    const char *scope;
    bp_kind_code kind;
    uint64_t clock;
    bp_hlc hlc;
    int64_t time_us;
    uint32_t lane;
    uint64_t batch;
    uint32_t batch_count;
    bp_hash hash;
    bpi_segment *segment;
    uint32_t offset;
} model_event;

typedef struct world {
    meter meter;
    bp_allocator allocator;
    bp_io io;
    bpi_index *index;
    bpi_segment *segment; /* the active one */
    uint32_t ordinal;     /* of the next */
    uint32_t used;        /* bytes of it */
    uint32_t segment_size;
    size_t max_rows;
    bp_layout layout;
    model_event *events;
    size_t count;
    size_t capacity;
    uint64_t clock_base; /* where clocks begin: near the end of what a row holds */
} world;

static inline void world_map_close(void *context, bp_file *file, void *address, size_t size)
{
    (void)context;
    (void)file;
    (void)size;
    free(address);
}

static inline void world_begin(world *w, bp_layout layout)
{
    memset(w, 0, sizeof *w);
    atomic_init(&w->meter.fail_at, -1);
    w->allocator = (bp_allocator){sizeof(bp_allocator), &w->meter, meter_allocate, meter_resize, meter_release};
    w->io.map_close = world_map_close;
    w->segment_size = WORLD_SEGMENT;
    w->max_rows = WORLD_SEGMENT / BPI_RECORD_MIN;
    w->layout = layout;
    w->index = bpi_index_new(&w->allocator, layout, 0x1234567);
    assert_non_null(w->index);
}

static inline void world_free_index(world *w)
{
    bpi_index_free(w->index);
    w->index = NULL;
    bpi_segment_drop(w->segment);
    w->segment = NULL;
}

static inline void world_end(world *w)
{
    if (w->index != NULL) {
        world_free_index(w);
    }
    free(w->events);
    assert_int_equal(atomic_load(&w->meter.balance), 0);
}

/* A new segment becomes the active one, in a new block. */
static inline bool world_rotate(world *w)
{
    bpi_segment *segment = meter_allocate(&w->meter, sizeof *segment);
    if (segment == NULL) {
        return false;
    }
    memset(segment, 0, sizeof *segment);
    segment->io = &w->io;
    segment->allocator = &w->allocator;
    segment->writable = malloc(w->segment_size);
    segment->address = segment->writable;
    atomic_store(&segment->bytes, segment->address);
    segment->map_size = w->segment_size;
    segment->ordinal = w->ordinal;
    segment->generation = 1;
    segment->seed = WORLD_SEED;
    atomic_init(&segment->size, w->segment_size);
    atomic_init(&segment->references, 1);
    if (!bpi_index_begin_block(w->index, segment, bpi_index_next(w->index), w->max_rows)) {
        bpi_segment_drop(segment);
        return false;
    }
    bpi_segment_drop(w->segment);
    w->segment = segment;
    w->ordinal++;
    w->used = 64;
    return true;
}

static inline uint64_t world_write(world *w, const model_event *event, const bpi_head *head)
{
    uint8_t extensions[64];
    size_t size = 0;
    if (event->lane != 0) {
        uint8_t lane[8] = {(uint8_t)event->lane, (uint8_t)(event->lane >> 8)};
        size += bpi_extension_put(extensions + size, BP_TAG_LANE, lane, sizeof lane);
    }
    if (!bp_id_equal(&event->correlation, &event->id)) {
        size += bpi_extension_put(extensions + size, BP_TAG_CORRELATION, &event->correlation, sizeof(bp_id));
    }
    bpi_record_input input = {
        .id = event->id,
        .kind = event->kind,
        .cause_count = (uint8_t)event->cause_count,
        .entity = bp_text_of(event->entity),
        .scope = bp_text_of(event->scope),
        .causes = event->causes,
        .public_extensions = extensions,
        .public_size = size,
        .payload = &event->sequence,
        .payload_size = sizeof event->sequence,
    };
    bpi_record_assigned assigned = {event->sequence, event->clock, event->hlc, event->time_us, event->hash};
    (void)head;
    size_t length = bpi_record_size(&input);
    assert_true(w->used + length <= w->segment_size);
    uint8_t *bytes = (uint8_t *)w->segment->writable + w->used;
    bpi_record_assign(bytes, &assigned, bpi_record_build(bytes, &input, WORLD_SEED));
    uint32_t offset = w->used;
    w->used += (uint32_t)length;
    return offset;
}

/* NULL: no memory. */
static inline bpi_entity *world_take(world *w, bp_text name)
{
    bpi_entity *entity = NULL;
    bool added = false;
    uint32_t expected = bpi_names_expect_slot(bpi_index_expect_begin(w->index), name);
    bpi_index_expect_end(w->index);
    bp_status status = bpi_index_take_entity(w->index, name, expected, true, &entity, &added, NULL);
    assert_true(status == BP_OK || status == BP_ERR_NO_MEMORY);
    return status == BP_OK ? entity : NULL;
}

static inline bpi_entity *world_entity(world *w, const char *name)
{
    bpi_entity *entity = world_take(w, bp_text_of(name));
    assert_non_null(entity);
    return entity;
}

static inline bool world_find(const bpi_view *view, const bp_id *id, uint64_t *sequence_out)
{
    bp_status status = bpi_view_find_id(view, id, sequence_out, NULL);
    assert_true(status == BP_OK || status == BP_ERR_NOT_FOUND);
    return status == BP_OK;
}

/* Appends one event, filled in but for sequence, clock and hash. The caller publishes. */
static inline model_event *world_append(world *w, model_event event)
{
    if (w->count == w->capacity) {
        w->capacity = w->capacity == 0 ? 1024 : w->capacity * 2;
        w->events = realloc(w->events, w->capacity * sizeof *w->events);
    }
    bpi_entity *entity = world_entity(w, event.entity);
    bpi_entity *scope = NULL;
    assert_int_equal(bpi_index_take_scope(w->index, bp_text_of(event.scope), &scope, NULL), BP_OK);
    assert_true(bpi_index_reserve(w->index, 1));
    bool genesis = entity->head.last == BP_NONE;
    event.sequence = bpi_index_next(w->index);
    event.clock = genesis ? w->clock_base : entity->head.events;
    memset(&event.hash, 0, sizeof event.hash);
    memcpy(event.hash.bytes, &event.sequence, sizeof event.sequence);
    event.offset = (uint32_t)world_write(w, &event, &entity->head);
    event.segment = w->segment;
    bpi_row row = {
        .id = event.id,
        .correlation = event.correlation,
        .causes = event.causes,
        .cause_count = event.cause_count,
        .clock = event.clock,
        .hlc = event.hlc,
        .time_us = event.time_us,
        .previous = entity->head.last,
        .offset = event.offset,
        .lane = event.lane,
        .kind = event.kind,
        .first_of_commit = event.batch == event.sequence,
    };
    bpi_index_append(w->index, entity, scope, &row);
    entity->head = (bpi_head){event.clock + 1, event.sequence, event.hash};
    w->events[w->count++] = event;
    return &w->events[w->count - 1];
}

static inline bp_id world_id(uint64_t number)
{
    uint64_t words[2] = {number * UINT64_C(0x9e3779b97f4a7c15) + 1, ~number};
    bp_id id;
    memcpy(id.bytes, words, sizeof id.bytes);
    return id;
}

/* ---- random histories ---- */

static const char *const world_entities[] = {"order",
                                             "order:1",
                                             "order:10",
                                             "order:1:item",
                                             "orders",
                                             "player:alice",
                                             "player",
                                             "\xc3\xa9t\xc3\xa9",
                                             BP_SYSTEM_ENTITY,
                                             "a-name-that-is-longer-than-what-lies-beside-the-head-of-its-entity:1",
                                             "x",
                                             "y",
                                             "z",
                                             "hot",
                                             "hot",
                                             "hot",
                                             "hot",
                                             "hot",
                                             "hot",
                                             "hot",
                                             "hot",
                                             "hot"};
static const char *const world_scopes[] = {"eu", "us", "eu:1", "room:dungeon", "s5", "s6", "s7"};
enum {
    WORLD_ENTITIES = sizeof world_entities / sizeof world_entities[0],
    WORLD_SCOPES = sizeof world_scopes / sizeof world_scopes[0],
    WORLD_KINDS = 12
};

static inline bp_kind_code world_kind(uint32_t i)
{
    return i == 0 ? BP_KIND_DATA : BP_KIND(1 + i % 4, i * 7);
}

static inline model_event world_random(world *w, dice *d, uint64_t sequence)
{
    model_event event = {.id = world_id(sequence)};
    event.entity = world_entities[below(d, WORLD_ENTITIES)];
    event.scope = world_scopes[below(d, WORLD_SCOPES)];
    event.kind = world_kind(below(d, WORLD_KINDS));
    event.hlc = (w->count == 0 ? 1000 : w->events[w->count - 1].hlc) + 1 + below(d, 5);
    event.time_us = (int64_t)below(d, 2000) - 1000;
    event.lane = chance(d, 10) ? 1 + below(d, 300) : 0;
    /* Some of any event, some of one that lies in the middle of its followers. */
    uint64_t other = chance(d, 50) ? roll(d) % (sequence + 5) : sequence / 16 * 16 + 7;
    event.correlation = chance(d, 40) ? world_id(other) : event.id;
    event.cause_count = chance(d, 40) ? (uint16_t)(1 + below(d, WORLD_CAUSES)) : 0;
    for (uint16_t i = 0; i < event.cause_count; i++) {
        event.causes[i] = world_id(chance(d, 80) ? sequence - roll(d) % (sequence + 1) : roll(d));
        if (i > 0 && chance(d, 20)) {
            event.causes[i] = event.causes[i - 1]; /* a cause named twice */
        }
    }
    return event;
}

/* One commit of 1..9 events, published. */
static inline void world_commit(world *w, dice *d)
{
    uint32_t count = chance(d, 60) ? 1 : 1 + below(d, 9);
    uint64_t batch = bpi_index_next(w->index);
    for (uint32_t i = 0; i < count; i++) {
        model_event event = world_random(w, d, bpi_index_next(w->index));
        event.batch = batch;
        event.batch_count = count;
        world_append(w, event);
    }
    bpi_index_publish(w->index, bpi_index_next(w->index));
}

/* About `count` events, in segments of random size; each is sealed with the chance `sealed` (percent). */
static inline void world_history(world *w, dice *d, size_t count, uint32_t sealed)
{
    assert_true(world_rotate(w));
    while (w->count < count) {
        world_commit(w, d);
        if (chance(d, 1) || w->used > w->segment_size - 65536) {
            assert_true(world_rotate(w));
        }
    }
    for (uint32_t ordinal = 0; ordinal < w->ordinal; ordinal++) {
        if (chance(d, sealed)) {
            assert_true(bpi_index_seal_block(w->index, ordinal));
        }
    }
}

static inline uint64_t world_seed(void)
{
    const char *given = getenv("BATPAK_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 1;
    printf("BATPAK_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* ---- the model's answer ---- */

static inline bool world_prefix(bp_text prefix, const char *name)
{
    size_t size = strlen(name);
    return size >= prefix.size && memcmp(name, prefix.data, prefix.size) == 0 &&
           (size == prefix.size || name[prefix.size] == ':');
}

static inline bool world_matches(const bp_region *r, const model_event *e)
{
    uint32_t f = r->fields;
    bool caused = false;
    for (uint16_t i = 0; i < e->cause_count; i++) {
        caused = caused || bp_id_equal(&e->causes[i], &r->cause);
    }
    bool entity =
        f & BP_REGION_PREFIX ? world_prefix(r->entity, e->entity) : bp_text_equal(r->entity, bp_text_of(e->entity));
    return (!(f & BP_REGION_ENTITY) || entity) &&
           (!(f & BP_REGION_SCOPE) || bp_text_equal(r->scope, bp_text_of(e->scope))) &&
           (!(f & BP_REGION_KIND) || r->kind == e->kind) &&
           (!(f & BP_REGION_CATEGORY) || r->category == e->kind >> 12) &&
           (!(f & BP_REGION_CLOCK) || (e->clock >= r->clock_min && e->clock <= r->clock_max)) &&
           (!(f & BP_REGION_SEQUENCE) || (e->sequence >= r->sequence_min && e->sequence <= r->sequence_max)) &&
           (!(f & BP_REGION_TIME) || (e->time_us >= r->time_min_us && e->time_us <= r->time_max_us)) &&
           (!(f & BP_REGION_COMMITTED) || (e->hlc >= r->committed_min && e->hlc <= r->committed_max)) &&
           (!(f & BP_REGION_CORRELATION) || bp_id_equal(&e->correlation, &r->correlation)) &&
           (!(f & BP_REGION_CAUSE) || caused) && (!(f & BP_REGION_LANE) || r->lane == e->lane) &&
           ((f & BP_REGION_SYSTEM) || strcmp(e->entity, BP_SYSTEM_ENTITY) != 0);
}

#endif
