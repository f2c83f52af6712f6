/*
 * match.c: regions against rows and records.
 *
 * The loops over 64 values have a constant count, contiguous input and a local output, which is what compilers need to
 * use vectors; layouts whose tiles are smaller are gathered first.
 */
#include "index/match.h"

#include "base/bytes.h"
#include "index/block.h"

enum { STEP = 64 };

/* 64 bytes of 0 and 1 as 64 bits. */
static uint64_t mask_of(const uint8_t hit[STEP])
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < STEP / 8; i++) {
        mask |= (bpi_get64(hit + (size_t)i * 8) * UINT64_C(0x0102040810204080) >> 56) << (i * 8);
    }
    return mask;
}

static bool contiguous(const bpi_rows *rows)
{
    return rows->shift >= 6 && rows->places == NULL;
}

static const uint32_t *column32(const bpi_rows *rows, uint32_t start, unsigned field, uint32_t room[STEP])
{
    if (contiguous(rows)) {
        return bpi_rows_at(rows, start, field, 4);
    }
    for (uint32_t i = 0; i < STEP; i++) {
        room[i] = bpi_row_u32(rows, start + i, field);
    }
    return room;
}

static const uint16_t *column16(const bpi_rows *rows, uint32_t start, uint16_t room[STEP])
{
    if (contiguous(rows)) {
        return bpi_rows_at(rows, start, BPI_ROW_KIND, 2);
    }
    for (uint32_t i = 0; i < STEP; i++) {
        room[i] = bpi_row_kind(rows, start + i);
    }
    return room;
}

static const uint8_t *column8(const bpi_rows *rows, uint32_t start, uint8_t room[STEP])
{
    if (contiguous(rows)) {
        return bpi_rows_at(rows, start, BPI_ROW_BITS, 1);
    }
    for (uint32_t i = 0; i < STEP; i++) {
        room[i] = bpi_row_u8(rows, start + i, BPI_ROW_BITS);
    }
    return room;
}

static uint64_t equal32(const bpi_rows *rows, uint32_t start, unsigned field, uint32_t wanted)
{
    uint32_t room[STEP];
    uint8_t hit[STEP];
    const uint32_t *values = column32(rows, start, field, room);
    for (unsigned i = 0; i < STEP; i++) {
        hit[i] = values[i] == wanted;
    }
    return mask_of(hit);
}

static uint64_t range32(const bpi_rows *rows, uint32_t start, unsigned field, uint32_t low, uint32_t high)
{
    uint32_t room[STEP];
    uint8_t hit[STEP];
    const uint32_t *values = column32(rows, start, field, room);
    for (unsigned i = 0; i < STEP; i++) {
        hit[i] = values[i] - low <= high - low;
    }
    return mask_of(hit);
}

static uint64_t equal16(const bpi_rows *rows, uint32_t start, uint16_t bits, uint16_t wanted)
{
    uint16_t room[STEP];
    uint8_t hit[STEP];
    const uint16_t *values = column16(rows, start, room);
    for (unsigned i = 0; i < STEP; i++) {
        hit[i] = (values[i] & bits) == wanted;
    }
    return mask_of(hit);
}

static uint64_t equal8(const bpi_rows *rows, uint32_t start, uint8_t bits, uint8_t wanted)
{
    uint8_t room[STEP];
    uint8_t hit[STEP];
    const uint8_t *values = column8(rows, start, room);
    for (unsigned i = 0; i < STEP; i++) {
        hit[i] = (values[i] & bits) == wanted;
    }
    return mask_of(hit);
}

static uint64_t range_time(const bpi_rows *rows, uint32_t start, int64_t low, int64_t high)
{
    uint8_t hit[STEP];
    for (uint32_t i = 0; i < STEP; i++) {
        int64_t value = bpi_row_time(rows, start + i);
        hit[i] = value >= low && value <= high;
    }
    return mask_of(hit);
}

static bool in_set(const bpi_query *query, uint32_t entity)
{
    return entity < query->set_end && (query->set[entity >> 6] >> (entity & 63) & 1) != 0;
}

static bool in_kinds(const bpi_query *query, uint16_t kind)
{
    uint32_t low = 0;
    uint32_t high = query->kind_count;
    if ((query->kind_marks >> (kind & 63) & 1) == 0) {
        return false;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (query->kinds[middle] <= kind) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return query->kinds[low] == kind;
}

static uint64_t within_kinds(const bpi_query *query, const bpi_rows *rows, uint32_t start)
{
    uint16_t room[STEP];
    uint8_t hit[STEP];
    const uint16_t *values = column16(rows, start, room);
    for (unsigned i = 0; i < STEP; i++) {
        hit[i] = in_kinds(query, values[i]);
    }
    return mask_of(hit);
}

static uint64_t within_set(const bpi_query *query, const bpi_rows *rows, uint32_t start)
{
    uint32_t room[STEP];
    uint8_t hit[STEP];
    const uint32_t *values = column32(rows, start, BPI_ROW_ENTITY, room);
    for (unsigned i = 0; i < STEP; i++) {
        hit[i] = in_set(query, values[i]);
    }
    return mask_of(hit);
}

static uint64_t caused(const bpi_query *query, const bpi_rows *rows, uint32_t start)
{
    uint32_t room[STEP];
    uint8_t bits_room[STEP];
    uint8_t hit[STEP];
    const uint32_t *values = column32(rows, start, BPI_ROW_CAUSE, room);
    const uint8_t *bits = column8(rows, start, bits_room);
    for (unsigned i = 0; i < STEP; i++) {
        bool many = (bits[i] & BPI_ROW_MANY_CAUSES) != 0;
        bool marked = (values[i] & query->cause_marks) == query->cause_marks;
        hit[i] = (uint8_t)((many & marked) | (!many & (values[i] == query->cause_key)));
    }
    return mask_of(hit);
}

/* One test over 64 rows. */
static uint64_t test_rows(const bpi_query *query, uint32_t test, const bpi_rows *rows, uint32_t start)
{
    switch (test) {
    case BP_REGION_ENTITY:
        return equal32(rows, start, BPI_ROW_ENTITY, query->entity);
    case BP_REGION_PREFIX:
        return within_set(query, rows, start);
    case BP_REGION_SCOPE:
        return equal32(rows, start, BPI_ROW_SCOPE, query->scope);
    case BP_REGION_KIND:
        return equal16(rows, start, 0xffffu, query->kind);
    case BPI_TEST_KINDS:
        return within_kinds(query, rows, start);
    case BP_REGION_CATEGORY:
        return equal16(rows, start, 0xf000u, query->category);
    case BP_REGION_CLOCK:
        return range32(rows, start, BPI_ROW_CLOCK, query->clock_low, query->clock_high);
    case BP_REGION_TIME:
        return range_time(rows, start, query->time_min, query->time_max);
    case BP_REGION_CORRELATION:
        return equal32(rows, start, BPI_ROW_CORRELATION, query->correlation_key);
    case BP_REGION_CAUSE:
        return caused(query, rows, start);
    case BP_REGION_LANE:
        return equal8(rows, start, BPI_ROW_LANE, query->lane == 0 ? 0 : BPI_ROW_LANE);
    case BPI_TEST_THERE:
        return equal8(rows, start, BPI_ROW_FOLDED, 0);
    case BPI_TEST_NO_SYSTEM:
    default:
        return equal8(rows, start, BPI_ROW_SYSTEM, 0);
    }
}

uint64_t bpi_match_rows(const bpi_query *query, uint32_t tests, const bpi_rows *rows, uint32_t start, uint32_t count)
{
    if (count < STEP) {
        uint64_t mask = 0;
        for (uint32_t i = 0; i < count; i++) {
            mask |= (uint64_t)bpi_match_row(query, tests, rows, start + i) << i;
        }
        return mask;
    }
    uint64_t mask = UINT64_MAX;
    while (tests != 0 && mask != 0) {
        uint32_t test = tests & (~tests + 1);
        mask &= test_rows(query, test, rows, start);
        tests ^= test;
    }
    return mask;
}

static bool test_row(const bpi_query *query, uint32_t test, const bpi_rows *rows, uint32_t row)
{
    switch (test) {
    case BP_REGION_ENTITY:
        return bpi_row_u32(rows, row, BPI_ROW_ENTITY) == query->entity;
    case BP_REGION_PREFIX:
        return in_set(query, bpi_row_u32(rows, row, BPI_ROW_ENTITY));
    case BP_REGION_SCOPE:
        return bpi_row_u32(rows, row, BPI_ROW_SCOPE) == query->scope;
    case BP_REGION_KIND:
        return bpi_row_kind(rows, row) == query->kind;
    case BPI_TEST_KINDS:
        return in_kinds(query, bpi_row_kind(rows, row));
    case BP_REGION_CATEGORY:
        return (bpi_row_kind(rows, row) & 0xf000u) == query->category;
    case BP_REGION_CLOCK: {
        uint32_t clock = bpi_row_u32(rows, row, BPI_ROW_CLOCK);
        return clock >= query->clock_low && clock <= query->clock_high;
    }
    case BP_REGION_TIME: {
        int64_t time = bpi_row_time(rows, row);
        return time >= query->time_min && time <= query->time_max;
    }
    case BP_REGION_CORRELATION:
        return bpi_row_u32(rows, row, BPI_ROW_CORRELATION) == query->correlation_key;
    case BP_REGION_CAUSE: {
        uint32_t cause = bpi_row_u32(rows, row, BPI_ROW_CAUSE);
        return bpi_row_u8(rows, row, BPI_ROW_BITS) & BPI_ROW_MANY_CAUSES
                   ? (cause & query->cause_marks) == query->cause_marks
                   : cause == query->cause_key;
    }
    case BP_REGION_LANE:
        return ((bpi_row_u8(rows, row, BPI_ROW_BITS) & BPI_ROW_LANE) != 0) == (query->lane != 0);
    case BPI_TEST_THERE:
        return (bpi_row_u8(rows, row, BPI_ROW_BITS) & BPI_ROW_FOLDED) == 0;
    case BPI_TEST_NO_SYSTEM:
    default:
        return (bpi_row_u8(rows, row, BPI_ROW_BITS) & BPI_ROW_SYSTEM) == 0;
    }
}

bool bpi_match_row(const bpi_query *query, uint32_t tests, const bpi_rows *rows, uint32_t row)
{
    while (tests != 0) {
        uint32_t test = tests & (~tests + 1);
        if (!test_row(query, test, rows, row)) {
            return false;
        }
        tests ^= test;
    }
    return true;
}

bool bpi_match_event(const bpi_query *query, const bp_event *event)
{
    if ((query->tests & BP_REGION_CORRELATION) && !bp_id_equal(&event->correlation, &query->correlation)) {
        return false;
    }
    if ((query->tests & BP_REGION_CLOCK) && (event->clock < query->clock_min || event->clock > query->clock_max)) {
        return false;
    }
    if ((query->tests & BP_REGION_LANE) && event->lane != query->lane) {
        return false;
    }
    if (query->by_tombstone && event->tombstoned != query->tombstoned) {
        return false;
    }
    if (query->tests & BP_REGION_CAUSE) {
        for (size_t i = 0; i < event->cause_count; i++) {
            if (bp_id_equal(&event->causes[i], &query->cause)) {
                return true;
            }
        }
        return false;
    }
    return true;
}

bool bpi_prefix_covers(bp_text prefix, bp_text name)
{
    if (name.size < prefix.size || memcmp(name.data, prefix.data, prefix.size) != 0) {
        return false;
    }
    return name.size == prefix.size || name.data[prefix.size] == ':';
}

static bool names_claimed(const bpi_query *query, const bp_event *event)
{
    if ((query->fields & BP_REGION_SCOPE) && !bp_text_equal(event->scope, query->scope_name)) {
        return false;
    }
    if (query->fields & BP_REGION_ENTITY) {
        return query->fields & BP_REGION_PREFIX ? bpi_prefix_covers(query->entity_name, event->entity)
                                                : bp_text_equal(event->entity, query->entity_name);
    }
    return true;
}

bool bpi_match_claims(const bpi_query *query, const bp_event *event)
{
    uint32_t tests = query->tests;
    if (event->dropped || !names_claimed(query, event)) {
        return false;
    }
    if (((tests & BP_REGION_KIND) && event->kind != query->kind) ||
        ((tests & BP_REGION_CATEGORY) && (event->kind & 0xf000u) != query->category) ||
        ((tests & BPI_TEST_KINDS) && !in_kinds(query, event->kind))) {
        return false;
    }
    if (((tests & BP_REGION_CLOCK) && (event->clock < query->clock_min || event->clock > query->clock_max)) ||
        ((tests & BP_REGION_TIME) && (event->time_us < query->time_min || event->time_us > query->time_max)) ||
        ((query->fields & BP_REGION_COMMITTED) &&
         (event->hlc < query->committed_min || event->hlc > query->committed_max))) {
        return false;
    }
    return (query->fields & BP_REGION_SYSTEM) != 0 || !bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY));
}
