/*
 * verify_index.h: are the index files what the log asks for, as far as they say themselves?
 */
#ifndef BPI_STORE_VERIFY_INDEX_H
#define BPI_STORE_VERIFY_INDEX_H

#include <batpak/verify.h>

#include "log/home.h"

/* Counts index files, and those that a store would leave aside: header, binding, or a page that is not right. */
void bpi_verify_index(const bpi_home *home, const bpi_catalog *catalog, bp_verify_report *report);

#endif
