/*
 * verify.h: proving a store whose directory is open.
 */
#ifndef BPI_STORE_VERIFY_H
#define BPI_STORE_VERIFY_H

#include <batpak/verify.h>

#include "log/home.h"

/* bp_verify without opening by name: what is proven is what lies in that directory. options: all of them, tables left out. */
bp_status bpi_verify_home(const bpi_home *home, const bp_verify_options *options, bp_verify_report *report,
                          bp_error *error);

#endif
