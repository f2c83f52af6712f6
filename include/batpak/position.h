/*
 * position.h: where an event stands in the graph of branches: how deep its branch forked, which branch (lane), which
 * event of its entity (clock), when. Values only: nothing here looks into a store, allocates or fails.
 *
 * (bp_position of store.h is another thing: how far a process has read.)
 */
#ifndef BATPAK_POSITION_H
#define BATPAK_POSITION_H

#include <batpak/event.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_dag_position {
    uint32_t depth; /* forks between the root branch and this one */
    uint32_t lane;  /* the branch */
    uint64_t clock;
    bp_hlc hlc; /* 0: not committed yet */
} bp_dag_position;

/* How two positions lie. Numbers as of a comparison, but for the last. */
typedef enum bp_dag_order {
    BP_DAG_LESS = -1,
    BP_DAG_EQUAL = 0,
    BP_DAG_GREATER = 1,
    BP_DAG_INCOMPARABLE = 2 /* another lane or another depth */
} bp_dag_order;

/* Depth, lane and clock 0, no time. */
BP_API bp_dag_position bp_dag_root(void);
/* That clock, on the same branch as `parent`. */
BP_API bp_dag_position bp_dag_child(const bp_dag_position *parent, uint64_t clock, bp_hlc hlc);
/* The beginning of a new branch: one deeper than `parent` (UINT32_MAX stays), on `lane`, clock 0, no time. */
BP_API bp_dag_position bp_dag_fork(const bp_dag_position *parent, uint32_t lane);
/* Where this event stands. */
BP_API bp_dag_position bp_dag_position_of(const bp_event *event);

/* Depth, lane and clock are 0, whatever the time. */
BP_API bool bp_dag_is_root(const bp_dag_position *position);
/* Same lane, same depth, lower clock. */
BP_API bool bp_dag_is_ancestor_of(const bp_dag_position *position, const bp_dag_position *other);
/* By clock, then by time, within a branch; never across branches. */
BP_API bp_dag_order bp_dag_compare(const bp_dag_position *a, const bp_dag_position *b);

/* "depth:lane:clock@ms.counter" and a NUL. */
#define BP_DAG_TEXT_SIZE 72
BP_API void bp_dag_print(const bp_dag_position *position, char text_out[BP_DAG_TEXT_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
