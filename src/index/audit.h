/*
 * audit.h: an image held against events: does it say of each what a block made of them would, and no more?
 */
#ifndef BPI_INDEX_AUDIT_H
#define BPI_INDEX_AUDIT_H

#include "index/core.h"

typedef struct bpi_audit {
    bpi_image *image; /* owned */
    uint32_t rows;    /* that were compared */
    uint32_t entities;
    uint32_t scopes;
    uint32_t system;
    uint64_t correlations;
    uint64_t causes;
    const char *fault; /* the first; NULL: none so far */
    size_t offset;     /* of the page where it shows */
} bpi_audit;

/* What is known of an event beside its row. */
typedef struct bpi_audited {
    const bp_event *event;
    bpi_numbers numbers;
    uint64_t previous; /* sequence of the entity's previous event; BP_NONE */
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
