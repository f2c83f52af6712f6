/*
 * match.h: a region with its names resolved, against rows and against records.
 *
 * Rows answer with columns: one by one, or 64 at a time as a mask. A row that matches may still have to be confirmed by
 * its record: correlations and causes are fingerprints, a lane is only a bit, a very great clock is cut.
 */
#ifndef BPI_INDEX_MATCH_H
#define BPI_INDEX_MATCH_H

#include <batpak/region.h>

#include "index/rows.h"

/* Tests beside those of BP_REGION_...: not of the system's entity; one of several kinds; still there. */
enum { BPI_TEST_NO_SYSTEM = 1 << 30, BPI_TEST_KINDS = 1 << 29, BPI_TEST_THERE = 1 << 28 };

/* Tests that look at columns. */
enum {
    BPI_TEST_COLUMNS = BP_REGION_ENTITY | BP_REGION_PREFIX | BP_REGION_SCOPE | BP_REGION_KIND | BP_REGION_CATEGORY |
                       BP_REGION_CLOCK | BP_REGION_TIME | BP_REGION_CORRELATION | BP_REGION_CAUSE | BP_REGION_LANE |
                       BPI_TEST_NO_SYSTEM | BPI_TEST_KINDS | BPI_TEST_THERE
};

typedef struct bpi_query {
    uint32_t tests; /* BP_REGION_ENTITY: `entity`; BP_REGION_PREFIX (alone): `set` */
    uint32_t entity;
    uint64_t *set; /* a bit for each entity whose number is below set_end */
    uint32_t set_end;
    size_t set_count; /* bits of it that are set; one that was marked twice may count twice */
    uint32_t scope;
    uint16_t kind;
    uint16_t *kinds; /* BPI_TEST_KINDS: sorted */
    uint32_t kind_count;
    uint64_t kind_marks; /* a bit for what each of them is modulo 64 */
    uint16_t category;   /* in its place: the top four bits of a kind */
    uint32_t lane;
    uint64_t clock_min, clock_max;
    uint32_t clock_low, clock_high; /* the same as a row has them */
    int64_t time_min, time_max;
    bp_id correlation;
    bp_id cause;
    uint32_t correlation_key;
    uint32_t cause_key;
    uint32_t cause_marks;
    bool by_tombstone; /* only those that are tombstoned, or that are not; rows cannot say */
    bool tombstoned;
    bool confirm;        /* every row needs its record */
    uint32_t fields;     /* of the region, as it was asked */
    bp_text entity_name; /* or prefix */
    bp_text scope_name;
    bp_hlc committed_min, committed_max;
    bool confirm_clocks; /* rows with a cut clock do */
} bpi_query;

/* Do rows [start, start + 64) pass? Bit i for row start + i. start is a multiple of 64; only `count` rows are there. */
uint64_t bpi_match_rows(const bpi_query *query, uint32_t tests, const bpi_rows *rows, uint32_t start, uint32_t count);
bool bpi_match_row(const bpi_query *query, uint32_t tests, const bpi_rows *rows, uint32_t row);
/* What rows cannot say for sure. */
bool bpi_match_event(const bpi_query *query, const bp_event *event);
/* What rows and postings have said: an event that a right index led to is what they say. */
bool bpi_match_claims(const bpi_query *query, const bp_event *event);
/* Does a prefix cover a name: it is the name, or the name goes on with a colon? */
bool bpi_prefix_covers(bp_text prefix, bp_text name);

#endif
