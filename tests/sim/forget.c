/*
 * forget.c: tombstones, and keys that are destroyed.
 *
 * Both are said by an event of the log, so that what they did is exact: an event is tombstoned if the TOMBSTONE that names it is
 * there, and its payload is out of reach if the record of its key is, after any crash, in every process. A payload for a subject
 * never lies open in any file; a key that is on record as destroyed lies in none.
 */
#include <errno.h>

#include "sim/sim.h"

#include "format/key_file.h"

enum { BURY_IDS = 3 };

/* ---- tombstones ---- */

typedef struct asked {
    bp_id ids[BURY_IDS];
    bp_region region;
    bp_tombstone_options options;
    bool wanted[SIM_EVENTS_MAX];
    uint64_t count; /* of the ledger */
} asked;

/* False: there is nothing to bury. */
static bool make_burial(const sim_run *run, bpt_random *random, asked *out)
{
    const sim_ledger *ledger = &run->ledger;
    memset(out, 0, sizeof *out);
    out->count = ledger->count;
    bp_tombstone_options_init(&out->options);
    out->options.reason = "a mistake";
    out->options.by = "officer 7";
    if (bpt_random_chance(random, 40)) {
        out->region = sim_some_region(random);
        out->options.region = &out->region;
        for (uint64_t at = 0; at < ledger->count; at++) {
            out->wanted[at] = !ledger->events[at].system && sim_lies_in(ledger, at, &out->region);
        }
        return true;
    }
    for (size_t tries = 0; tries < BURY_IDS && ledger->count != 0; tries++) {
        uint64_t at = bpt_random_below(random, ledger->count);
        if (!ledger->events[at].system && (ledger->fates.most[at] & SIM_DROP) == 0) {
            out->ids[out->options.id_count++] = ledger->events[at].id;
            out->wanted[at] = true;
        }
    }
    out->options.ids = out->ids;
    return out->options.id_count != 0;
}

/* All of them are, and no crash takes that back. */
static void check_buried(sim_run *run, const asked *request, uint64_t before, const bp_tombstone_report *report)
{
    sim_ledger *ledger = &run->ledger;
    uint64_t now = 0;
    for (uint64_t at = 0; at < request->count; at++) {
        uint64_t by = ledger->events[at].buried_by;
        if (!request->wanted[at] || (ledger->fates.most[at] & SIM_DROP) != 0) {
            continue;
        }
        SIM_CHECK(by != BP_NONE, "event %llu was to be tombstoned, and is not", (unsigned long long)at);
        ledger->durable = by >= ledger->durable ? by + 1 : ledger->durable;
    }
    for (uint64_t at = 0; at < request->count; at++) {
        now += ledger->events[at].buried_by != BP_NONE && ledger->events[at].buried_by >= before;
    }
    SIM_CHECK(now == report->buried, "%llu events were tombstoned, it says %llu", (unsigned long long)now,
              (unsigned long long)report->buried);
    ledger->acked = ledger->count;
}

void sim_op_tombstone(sim_run *run, bpt_random *random)
{
    static asked request;
    bp_error error = {0};
    bp_tombstone_report report = {0};
    uint64_t before = run->ledger.count;
    if (!make_burial(run, random, &request)) {
        return;
    }
    run->ledger.burying = request.wanted;
    bp_status status = bp_tombstone(run->store, &request.options, &report, &error);
    sim_run_learn(run);
    run->ledger.burying = NULL;
    if (sim_done(run, status, &error)) {
        check_buried(run, &request, before, &report);
    }
}

/* ---- keys ---- */

typedef struct key_search {
    bp_text subject;
    sim_key *key;
} key_search;

static int read_key(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    key_search *wanted = argument;
    bpi_key_file file;
    size_t length = strlen(path);
    if (strncmp(path, "store/keys/", 11) != 0 || strcmp(path + length - 4, ".key") != 0 ||
        bpi_key_file_get(data, (size_t)size, &file) != NULL || !bp_text_equal(file.subject, wanted->subject)) {
        return 0;
    }
    wanted->key->id = file.key_id;
    memcpy(wanted->key->bytes, file.key, sizeof wanted->key->bytes);
    return 1;
}

/* As it lies on the medium; false: there is none. */
static bool note_key(sim_run *run, uint8_t subject)
{
    sim_ledger *ledger = &run->ledger;
    SIM_CHECK(ledger->key_count < SIM_KEYS, "too many keys");
    sim_key *key = &ledger->keys[ledger->key_count];
    key_search wanted = {.subject = bp_text_of(sim_subject(subject)), .key = key};
    if (bpi_fault_each_file(run->world.fault, read_key, &wanted) == 0) {
        return false;
    }
    key->subject = subject;
    ledger->key_count++;
    return true;
}

/* That subject's, or another's that has one, for which an append may be made first. */
static bool note_one(sim_run *run, bpt_random *random, uint8_t *subject)
{
    bool has = note_key(run, *subject);
    if (!has && bpt_random_chance(random, 60)) {
        sim_op_subject(run, random);
    }
    for (int tries = 0; tries < SIM_SUBJECTS && !has; tries++) {
        *subject = (uint8_t)(*subject % SIM_SUBJECTS + 1);
        has = note_key(run, *subject);
    }
    return has;
}

/* Do the first `count` events say that it is destroyed? */
static bool on_record(const sim_ledger *ledger, const sim_key *key, uint64_t count)
{
    uint64_t at = 0;
    while (at < count &&
           (ledger->events[at].key == 0 || !bp_id_equal(&ledger->keys[ledger->events[at].key - 1].id, &key->id))) {
        at++;
    }
    return at < count;
}

/* `subject`: of that one alone, or 0. */
static void check_keys(const sim_run *run, bpi_fault *fault, uint64_t count, uint8_t subject)
{
    const sim_ledger *ledger = &run->ledger;
    for (size_t key = 0; key < ledger->key_count; key++) {
        char found[256];
        SIM_CHECK(
            (subject != 0 && ledger->keys[key].subject != subject) || !on_record(ledger, &ledger->keys[key], count) ||
                !sim_find_bytes(fault, "store/", NULL, ledger->keys[key].bytes, sizeof ledger->keys[key].bytes, found),
            "P9: the key of %s was destroyed, and lies in %s", sim_subject(ledger->keys[key].subject), found);
    }
}

void sim_check_keys(const sim_run *run, bpi_fault *fault, uint64_t count)
{
    check_keys(run, fault, count, 0);
}

/* The handle knows what the log says, whether that came to the medium or not. */
static void check_found(sim_run *run, uint8_t subject)
{
    const sim_ledger *ledger = &run->ledger;
    const sim_key *key = &ledger->keys[ledger->key_count - 1];
    bp_error error = {0};
    if (!on_record(ledger, key, ledger->count)) {
        return;
    }
    sim_pause(run);
    bp_status status = bp_key_find(run->store, sim_subject(subject), NULL, &error);
    sim_resume(run);
    SIM_CHECK(status == BP_ERR_NOT_FOUND, "P9: the key of %s is on record as destroyed, and is: %s",
              sim_subject(subject), bp_status_name(status));
}

/* What this does fails where the record is written, synced, or the key's file opened behind it: by chance alone it would seldom
 * be there. */
static void fail_soon(sim_run *run, bpt_random *random)
{
    bpi_fault_plan plan = {.kind = BPI_FAULT_ERROR, .step = 6 + bpt_random_below(random, 3), .os_error = EIO};
    sim_op_fault(run, random);
    run->forgets = false;
    bpi_fault_set_plan(run->world.fault, &plan);
}

void sim_op_destroy(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    bp_key_options options;
    bp_key_report report = {0};
    uint8_t subject = 1 + (uint8_t)bpt_random_below(random, SIM_SUBJECTS);
    sim_ledger *ledger = &run->ledger;
    bp_key_options_init(&options);
    options.reason = "asked to";
    options.by = "officer 7";
    bool has = note_one(run, random, &subject);
    if (has && !run->faulty && !run->misread && !run->starved && bpt_random_chance(random, 50)) {
        fail_soon(run, random);
    }
    bp_status status = bp_key_destroy(run->store, sim_subject(subject), &options, &report, &error);
    sim_run_learn(run);
    if (has) {
        check_found(run, subject);
    }
    if (!sim_done(run, status, &error)) {
        return;
    }
    SIM_CHECK(report.destroyed || !has, "P9: %s has a key, and was told that it had none", sim_subject(subject));
    if (report.sequence != BP_NONE) {
        SIM_CHECK(report.sequence < ledger->count && ledger->events[report.sequence].subject == subject,
                  "P9: the record of a destroyed key is not event %llu", (unsigned long long)report.sequence);
        ledger->durable = report.sequence >= ledger->durable ? report.sequence + 1 : ledger->durable;
    }
    SIM_CHECK(!has || on_record(ledger, &ledger->keys[ledger->key_count - 1], ledger->count),
              "P9: the key of %s was destroyed, and no event says so", sim_subject(subject));
    ledger->acked = ledger->count;
    check_keys(run, run->world.fault, ledger->count, subject);
}
