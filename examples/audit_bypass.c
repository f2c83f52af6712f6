/*
 * audit_bypass.c: a change that a gate refuses, made all the same by somebody who says who and why.
 *
 *   audit_bypass DIR change TEXT                refused during the freeze
 *   audit_bypass DIR bypass TEXT NAME REASON    made, with name and reason on record
 *   audit_bypass DIR audit                      every bypass there was
 *
 * A bypass is not another way in: it gives a permit like any other, which is spent by the same commit. The reason is kept in
 * the event's private part: it is hashed with the event, and goes when the payload is erased.
 */
#include <batpak/batpak.h>
#include <stdio.h>
#include <string.h>

enum { CHANGED = 0xf001 };

static bp_verdict frozen(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    return bp_denial_say(denial, "FREEZE", "nothing is changed before the holidays");
}

static int change(bp_store *store, bp_pipeline *pipeline, char **arguments, int bypass, bp_error *error)
{
    bp_proposal *proposal = NULL;
    bp_committed committed;
    bp_permit permit;
    bp_status status = bp_proposal_new(bp_raw(arguments[3], strlen(arguments[3])), &proposal, error);

    if (status == BP_OK) {
        status = bypass ? bp_pipeline_bypass(pipeline, arguments[4], arguments[5], proposal, &permit, error)
                        : bp_pipeline_evaluate(pipeline, NULL, proposal, &permit, NULL, error);
    }
    if (status != BP_OK) {
        bp_proposal_free(proposal);
        return bp_print_error(stderr, error);
    }
    if (bp_pipeline_append(pipeline, &permit, store, bp_at("config", "production"), CHANGED, NULL, &committed, error) !=
        BP_OK) {
        return bp_print_error(stderr, error);
    }
    printf("changed, sequence %llu\n", (unsigned long long)committed.sequence);
    bp_committed_free(&committed);
    return 0;
}

static int audit(bp_store *store, bp_error *error)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    const uint8_t *reason = NULL;
    size_t size = 0;
    bp_status status;

    if (bp_query(store, NULL, NULL, &iterator, error) != BP_OK) {
        return bp_print_error(stderr, error);
    }
    while ((status = bp_next(iterator, &event, error)) == BP_OK) {
        if (bp_event_extension(event, BP_TAG_BYPASS, &reason, &size)) {
            printf("%llu %.*s\n", (unsigned long long)event->sequence, (int)size, (const char *)reason);
        }
    }
    bp_iterator_close(iterator);
    return status == BP_END ? 0 : bp_print_error(stderr, error);
}

int main(int count, char **arguments)
{
    const bp_gate freeze = {"freeze", "no changes now", frozen, NULL, NULL};
    bp_gate_set *gates = NULL;
    bp_pipeline *pipeline = NULL;
    bp_store *store = NULL;
    bp_error error = {0};
    const char *what = count > 2 ? arguments[2] : "";
    int code = 2;

    if (bp_gate_set_new(&gates, &error) != BP_OK || bp_gate_set_push(gates, &freeze, &error) != BP_OK ||
        bp_pipeline_new(gates, &pipeline, &error) != BP_OK) {
        return bp_print_error(stderr, &error);
    }
    if (count > 2 && bp_open(arguments[1], NULL, &store, &error) != BP_OK) {
        return bp_print_error(stderr, &error);
    }
    if (strcmp(what, "change") == 0 && count == 4) {
        code = change(store, pipeline, arguments, 0, &error);
    } else if (strcmp(what, "bypass") == 0 && count == 6) {
        code = change(store, pipeline, arguments, 1, &error);
    } else if (strcmp(what, "audit") == 0 && count == 3) {
        code = audit(store, &error);
    } else {
        fprintf(stderr, "usage: audit_bypass DIR change TEXT | bypass TEXT NAME REASON | audit\n");
    }
    bp_pipeline_free(pipeline);
    bp_gate_set_free(gates);
    return bp_close(store, &error) == BP_OK ? code : bp_print_error(stderr, &error);
}
