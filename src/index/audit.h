/*
 * audit.h: an image held against events: does it say of each what a block made of them would, and no more?
 */
#ifndef BPI_INDEX_AUDIT_H
#define BPI_INDEX_AUDIT_H

#include "index/core.h"

typedef struct bpi_audit {
    bpi_image *image; /* owned */
    uint64_t key;     /* of the sums: random, so that no file can be made to fit them */
    uint32_t rows;    /* that were compared */
    uint32_t entities;
    uint32_t scopes;
    uint32_t system;
    uint64_t correlations;
    uint64_t causes;
    uint64_t id_sum; /* over the pairs that the rows ask for */
    uint64_t correlation_sum;
    uint64_t cause_sum;
    const char *fault; /* the first; NULL: none so far */
    size_t offset;     /* of the page where it shows */
} bpi_audit;

/* An event and what is known of it. */
typedef struct bpi_audited {
    bpi_row row;
    uint64_t sequence;
    bp_text entity;
    bp_text scope;
    bpi_numbers numbers;
    bool entity_new;   /* the first event of its entity */
    bool scope_new;    /* or scope */
    uint32_t entities; /* given before it */
    uint32_t scopes;
} bpi_audited;

/* The image's next row against the next event. */
void bpi_audit_row(bpi_audit *audit, const bpi_audited *next);
/* All its rows were compared: what leads to them. */
void bpi_audit_end(bpi_audit *audit);

#endif
