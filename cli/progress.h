/*
 * progress.h: how far a long job is, on stderr of a terminal, once it has taken a second.
 */
#ifndef BATPAK_CLI_PROGRESS_H
#define BATPAK_CLI_PROGRESS_H

#include <batpak/batpak.h>

struct progress {
    const char *what; /* "imported" */
    const char *unit; /* "events"; NULL: bytes */
    double started;
    double shown;
    bool wanted;
    bool visible;
};

void progress_begin(struct progress *progress, const char *what, const char *unit);
/* Call as often as you like, but not in the innermost loop. `total` 0: not known. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total);
/* Takes the line away. */
void progress_end(struct progress *progress);

/* The callback of bp_open and bp_verify; its context is a struct progress. */
void progress_callback(void *context, const char *what, uint64_t done, uint64_t total);

#endif
