/*
 * position.c: places in the graph of branches.
 *
 * Holds: bp_dag_is_ancestor_of says yes only where bp_dag_compare says less.
 */
#include <batpak/position.h>

#include <inttypes.h>
#include <stdio.h>

bp_dag_position bp_dag_root(void)
{
    return (bp_dag_position){.depth = 0, .lane = 0, .clock = 0, .hlc = 0};
}

bp_dag_position bp_dag_child(const bp_dag_position *parent, uint64_t clock, bp_hlc hlc)
{
    return (bp_dag_position){.depth = parent->depth, .lane = parent->lane, .clock = clock, .hlc = hlc};
}

bp_dag_position bp_dag_fork(const bp_dag_position *parent, uint32_t lane)
{
    uint32_t depth = parent->depth == UINT32_MAX ? UINT32_MAX : parent->depth + 1;
    return (bp_dag_position){.depth = depth, .lane = lane, .clock = 0, .hlc = 0};
}

bp_dag_position bp_dag_position_of(const bp_event *event)
{
    return (bp_dag_position){.depth = event->depth, .lane = event->lane, .clock = event->clock, .hlc = event->hlc};
}

bool bp_dag_is_root(const bp_dag_position *position)
{
    return position->depth == 0 && position->lane == 0 && position->clock == 0;
}

static bool same_branch(const bp_dag_position *a, const bp_dag_position *b)
{
    return a->lane == b->lane && a->depth == b->depth;
}

bool bp_dag_is_ancestor_of(const bp_dag_position *position, const bp_dag_position *other)
{
    return same_branch(position, other) && position->clock < other->clock;
}

bp_dag_order bp_dag_compare(const bp_dag_position *a, const bp_dag_position *b)
{
    if (!same_branch(a, b)) {
        return BP_DAG_INCOMPARABLE;
    }
    if (a->clock != b->clock) {
        return a->clock < b->clock ? BP_DAG_LESS : BP_DAG_GREATER;
    }
    if (a->hlc != b->hlc) {
        return a->hlc < b->hlc ? BP_DAG_LESS : BP_DAG_GREATER;
    }
    return BP_DAG_EQUAL;
}

void bp_dag_print(const bp_dag_position *position, char text_out[BP_DAG_TEXT_SIZE])
{
    (void)snprintf(text_out, BP_DAG_TEXT_SIZE, "%" PRIu32 ":%" PRIu32 ":%" PRIu64 "@%" PRIu64 ".%" PRIu32,
                   position->depth, position->lane, position->clock, BP_HLC_MS(position->hlc),
                   BP_HLC_COUNTER(position->hlc));
}
