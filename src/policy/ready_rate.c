/*
 * ready_rate.c: so many events within so much time, counted in the log.
 */
#include <string.h>

#include <batpak/policy.h>

#include "base/error.h"
#include "policy/ready.h"
#include "store/read.h"

typedef struct rate_gate {
    bpi_ready head;
    bp_region region;
    char texts[2 * BP_NAME_MAX];
    bp_rate_by by;
    uint32_t most;
    uint64_t within_ms;
} rate_gate;

static bp_verdict judge_rate(const void *state, const void *context, bp_denial *denial)
{
    const rate_gate *gate = state;
    const bp_event *event = bp_commit_event(context);
    bp_region region = gate->region;
    uint64_t now_ms = BP_HLC_MS(bp_commit_hlc(context));
    uint64_t count = 0;
    if (gate->by == BP_RATE_ENTITY) {
        bp_region_set_entity(&region, event->entity);
    } else if (gate->by == BP_RATE_SCOPE) {
        bp_region_set_scope(&region, event->scope);
    }
    uint64_t from_ms = now_ms >= gate->within_ms ? now_ms - gate->within_ms + 1 : 0;
    bp_region_set_committed(&region, BP_HLC_MIN_OF_MS(from_ms), UINT64_MAX);
    if (bp_commit_query(context, &region, gate->most, NULL, NULL, &count) != BP_OK) {
        (void)bp_denial_say(denial, "UNKNOWN", "the events cannot be counted");
        return (bp_verdict)0;
    }
    if (count < gate->most) {
        return BP_VERDICT_PASS;
    }
    bp_verdict verdict = bp_denial_say(denial, "RATE", "%u events within %llu ms are there already",
                                       (unsigned)gate->most, (unsigned long long)gate->within_ms);
    bp_denial_add(denial, "most", "%u", (unsigned)gate->most);
    bp_denial_add(denial, "within_ms", "%llu", (unsigned long long)gate->within_ms);
    return verdict;
}

static bp_text keep(char *to, bp_text text)
{
    memcpy(to, text.data, text.size);
    return (bp_text){to, text.size};
}

bp_status bp_gate_push_rate(bp_gate_set *set, const char *name, const bp_region *region, bp_rate_by by, uint32_t most,
                            uint64_t within_ms, bp_error *error)
{
    bp_region taken;
    bp_status status = bpi_region_take(region, &taken, error);
    if (status != BP_OK) {
        return status;
    }
    if (most == 0 || most > BP_COMMIT_QUERY_MAX || within_ms == 0 || within_ms > BPI_RATE_MS_MOST ||
        (unsigned)by > BP_RATE_SCOPE || taken.entity.size > BP_NAME_MAX || taken.scope.size > BP_NAME_MAX) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a rate is 1 to %d events within 1 ms or more",
                             BP_COMMIT_QUERY_MAX);
    }
    rate_gate *gate = bpi_ready_new(sizeof *gate);
    if (gate != NULL) {
        gate->region = taken;
        gate->by = by;
        gate->most = most;
        gate->within_ms = within_ms;
        if (taken.fields & BP_REGION_ENTITY) {
            gate->region.entity = keep(gate->texts, taken.entity);
        }
        if (taken.fields & BP_REGION_SCOPE) {
            gate->region.scope = keep(gate->texts + BP_NAME_MAX, taken.scope);
        }
    }
    return bpi_ready_push(set, name, "no more events than the rate allows", judge_rate, gate, error);
}
