/*
 * causes.h: which rows of a growing block name a cause. Sealed blocks have postings for that.
 *
 * A fixed array of chains by fingerprint; a link for each cause of each row, newest first. Nothing is allocated before the
 * first event with a cause, and events without causes do not come here. One writer adds, readers without locks follow: a
 * link never changes, and a row that a reader was told of (published sequence) is in its chain.
 */
#ifndef BPI_INDEX_CAUSES_H
#define BPI_INDEX_CAUSES_H

#include <stdatomic.h>

#include <batpak/io.h>

typedef struct bpi_cause_link {
    const struct bpi_cause_link *older;
    uint32_t key; /* the cause's fingerprint */
    uint32_t row;
} bpi_cause_link;

struct bpi_cause_chains;

typedef struct bpi_causes {
    const bp_allocator *allocator;
    _Atomic(struct bpi_cause_chains *) chains; /* NULL: no row has a cause */
    struct bpi_cause_links *links;             /* the writer's */
    size_t links_used;                         /* of the first of them */
    size_t max_rows;
    _Atomic bool partial; /* some are missing: columns must be asked */
} bpi_causes;

void bpi_causes_init(bpi_causes *causes, const bp_allocator *allocator, size_t max_rows);
void bpi_causes_fini(bpi_causes *causes);
/* The rows come in ascending order. Without memory the chains become partial. */
void bpi_causes_add(bpi_causes *causes, uint32_t key, uint32_t row);
/* Rows were or will be left out. */
void bpi_causes_give_up(bpi_causes *causes);

/* The newest link in whose chain the rows of a key are, among others; NULL: there are none. False: ask the columns. */
bool bpi_causes_find(const bpi_causes *causes, uint32_t key, const bpi_cause_link **link_out);

#endif
