/*
 * verbs.h: the verbs, each in a file of its own.
 */
#ifndef BATPAK_CLI_VERBS_H
#define BATPAK_CLI_VERBS_H

#include "options.h"

extern const struct verb verb_init;
extern const struct verb verb_append;
extern const struct verb verb_import;
extern const struct verb verb_export;
extern const struct verb verb_get;
extern const struct verb verb_query;
extern const struct verb verb_stream;
extern const struct verb verb_tail;
extern const struct verb verb_walk;
extern const struct verb verb_kinds;
extern const struct verb verb_verify;
extern const struct verb verb_stats;
extern const struct verb verb_dump;
extern const struct verb verb_seal;
extern const struct verb verb_consumers;
extern const struct verb verb_inspect_recovery;
extern const struct verb verb_repair;
extern const struct verb verb_reindex;
extern const struct verb verb_bench;
extern const struct verb verb_policy;
extern const struct verb verb_why;
extern const struct verb verb_snapshot;
extern const struct verb verb_restore;
extern const struct verb verb_erase;
extern const struct verb verb_compact;
extern const struct verb verb_tombstone;

#endif
