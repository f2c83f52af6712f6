/*
 * page.h: a reader's mappings of `live`.
 *
 * The file may be removed, and the next writer makes another: then the page that is mapped stands still. So it is compared with
 * what has the name, from time to time. What was mapped stays mapped until the reader is closed: who looks at it takes no lock.
 */
#ifndef BPI_STORE_PAGE_H
#define BPI_STORE_PAGE_H

#include "store/store.h"

struct bpi_page {
    bpi_page *before;
    bp_file *file;
    bpi_live *live;
};

/* All of these but bpi_page_due with the follower's lock held. */

/* Maps what is called `live`, for as long as the reader is open. ENOENT: there is none, or it is just being made. */
int bpi_page_open(bpi_follower *follower, bool writable, bpi_page **page_out);

/* Is it time to compare? */
bool bpi_page_due(const bpi_follower *follower);

/* Goes over to what is called `live` if that is believed, and nothing is mapped or something that knows less. */
void bpi_page_compare(bpi_follower *follower);

void bpi_page_close_all(bpi_follower *follower);

#endif
