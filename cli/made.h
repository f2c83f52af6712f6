/*
 * made.h: what snapshot and restore tell of what they made.
 */
#ifndef BATPAK_CLI_MADE_H
#define BATPAK_CLI_MADE_H

#include <batpak/batpak.h>

/* `made`: "snapshot", "restored". */
void print_made(const char *made, const char *path, const bp_snapshot_report *report, bool as_json);

#endif
