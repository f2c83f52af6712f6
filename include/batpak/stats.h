/*
 * stats.h: counts, sizes, frontiers, segments, and Prometheus text.
 */
#ifndef BATPAK_STATS_H
#define BATPAK_STATS_H

#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_stats {
    size_t size;     /* set by the caller: sizeof(bp_stats) */
    uint64_t events; /* published, system events included */
    uint64_t system_events;
    uint64_t tombstoned; /* events that TOMBSTONE events of the log name */
    uint64_t entities;
    uint64_t scopes;
    uint64_t kinds;
    uint64_t segments;
    uint64_t sealed_segments;
    uint64_t log_bytes;    /* bytes of frames */
    uint64_t file_bytes;   /* sizes of the segment files */
    uint64_t mapped_bytes; /* of segments and index files, as far as they are mapped now */
    uint64_t heap_bytes;   /* what the store holds from its allocator now */
    uint64_t index_bytes;  /* of that, the index */
    uint64_t index_files;  /* in use */
    uint64_t index_file_bytes;
    bp_frontiers frontiers;
    bp_hlc last_hlc;
    bp_id store_id;
    uint32_t cuts;    /* cuts ever made by recovery */
    uint64_t cut_lsn; /* the last one */
    uint64_t cut_bytes;
    bool cut_now;        /* this opening made one */
    uint32_t recoveries; /* in this process, after failed writes */
    uint64_t appends;    /* calls that appended, through this handle */
    uint64_t duplicates;
    uint64_t conflicts;
    uint64_t syncs;
    uint64_t keeper_seals;
    uint64_t keeper_marks;
    bool read_only;
    bp_options options; /* as in effect */
} bp_stats;

/* A consistent enough picture; takes the store's locks for an instant. Any thread. */
BP_API BP_MUST_USE bp_status bp_store_stats(bp_store *store, bp_stats *stats_out, bp_error *error);

/* The directory as it was given to bp_open. */
BP_API const char *bp_store_path(const bp_store *store);

typedef struct bp_segment_info {
    uint32_t ordinal;
    uint32_t generation;
    bool sealed;
    uint64_t first_sequence;
    uint64_t events;
    uint64_t bytes; /* of frames and header */
    uint64_t file_bytes;
    bp_hash root;  /* sealed only */
    char name[64]; /* "log/0000000000-1.seg" */
} bp_segment_info;

typedef int (*bp_segment_fn)(void *argument, const bp_segment_info *segment);
BP_API BP_MUST_USE bp_status bp_segments(bp_store *store, bp_segment_fn visit, void *argument, bp_error *error);

/* Prometheus text format, to a stream. */
BP_API BP_MUST_USE bp_status bp_metrics_write(bp_store *store, FILE *stream, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
