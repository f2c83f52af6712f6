/*
 * upkeep.c: compaction and erasure.
 *
 * Before either begins, the ledger notes what it may do to which event; when it was acknowledged, what it did. A crash in between
 * leaves each event as it was or as it was asked for. What the store does not tell is looked for in its files: bytes of an
 * erased payload, once that was acknowledged, must be in none, after any crash.
 */
#include "sim/sim.h"

enum { NEEDLE = 24, ERASE_IDS = 3, STORE_PREFIX = 6 };

/* ---- bytes in files ---- */

typedef struct needle {
    const uint8_t *payload;
    size_t size;
    const char *prefix; /* of paths that are looked at */
    const char *beside; /* names that end so are left out; NULL */
    char found[256];
} needle;

/* Its beginning, its middle or its end: a file that was overwritten half still has one of them. */
static int look_for(void *argument, const char *path, const uint8_t *data, uint64_t size)
{
    needle *wanted = argument;
    const size_t places[] = {0, (wanted->size - NEEDLE) / 2, wanted->size - NEEDLE};
    size_t length = strlen(path);
    if (strncmp(path, wanted->prefix, strlen(wanted->prefix)) != 0 ||
        (wanted->beside != NULL && length > 5 && strcmp(path + length - 5, wanted->beside) == 0)) {
        return 0;
    }
    for (size_t index = 0; index < sizeof places / sizeof places[0]; index++) {
        if (memmem(data, (size_t)size, wanted->payload + places[index], NEEDLE) != NULL) {
            (void)snprintf(wanted->found, sizeof wanted->found, "%s", path);
            return 1;
        }
    }
    return 0;
}

bool sim_find_bytes(bpi_fault *fault, const char *prefix, const char *beside, const uint8_t *bytes, size_t size,
                    char found_out[256])
{
    needle wanted = {.payload = bytes, .size = size, .prefix = prefix, .beside = beside};
    bool found = bpi_fault_each_file(fault, look_for, &wanted) != 0;
    (void)snprintf(found_out, 256, "%s", wanted.found);
    return found;
}

/* The first file whose path begins so and that has bytes of the event's payload; false: none, or it is too short to be told. */
static bool find_payload(const sim_event *event, bpi_fault *fault, const char *prefix, const char *beside,
                         char found_out[256])
{
    static uint8_t bytes[SIM_PAYLOAD_MAX + 8];
    if (event->payload_size < NEEDLE) {
        return false;
    }
    sim_event_payload(event, bytes);
    return sim_find_bytes(fault, prefix, beside, bytes, event->payload_size, found_out);
}

static void check_one_erased(const sim_run *run, bpi_fault *fault, uint64_t sequence)
{
    char found[256];
    const sim_event *event = &run->ledger.events[sequence];
    if (event->subject != 0) {
        SIM_CHECK(!find_payload(event, fault, "", NULL, found), "event %llu is encrypted, and %s has its payload",
                  (unsigned long long)sequence, found);
        return;
    }
    bool erased = !event->blanked && (run->fates.least[sequence] & run->ledger.fates.least[sequence] & SIM_STUB) != 0;
    /* A compaction leaves what recovery had set aside. */
    if (find_payload(event, fault, "store/", erased ? NULL : ".torn", found)) {
        sim_fail("P9: event %llu was %s, and %s has its bytes", (unsigned long long)sequence,
                 erased ? "erased" : "dropped", found);
    }
}

void sim_check_erased(const sim_run *run, bpi_fault *fault, unsigned tries, bpt_random *random)
{
    uint64_t count = run->ledger.count;
    for (uint64_t start = count == 0 ? 0 : bpt_random_below(random, count), at = 0; tries > 0 && at < count; at++) {
        uint64_t sequence = (start + at) % count;
        uint8_t gone = run->fates.least[sequence] & run->ledger.fates.least[sequence];
        bool hidden = gone != 0 || run->ledger.events[sequence].subject != 0;
        if (hidden && run->ledger.events[sequence].payload_size >= NEEDLE) {
            check_one_erased(run, fault, sequence);
            tries--;
        }
    }
}

/* ---- what is meant ---- */

/* Marks which events an operation is about. */
typedef struct meant {
    bool of[SIM_EVENTS_MAX];
    uint64_t count; /* events that there were */
} meant;

typedef struct rule {
    bp_region region;
    bool has_region;
    uint64_t keep_last;
    uint64_t third; /* drop_if: sequences with that rest; 3: no such rule */
} rule;

bool sim_lies_in(const sim_ledger *ledger, uint64_t sequence, const bp_region *region)
{
    const sim_event *event = &ledger->events[sequence];
    bp_event shape = {.kind = event->kind,
                      .entity = bp_text_of(sim_entity(event->entity)),
                      .scope = bp_text_of(sim_scope(event->scope)),
                      .hlc = event->hlc,
                      .tombstoned = sim_ledger_buried(ledger, sequence, ledger->count),
                      .clock = event->clock};
    return bp_region_matches(region, &shape);
}

bp_region sim_some_region(bpt_random *random)
{
    bp_region region = bp_region_all();
    switch (bpt_random_below(random, 6)) {
    case 0:
        return bp_region_stream(sim_entity((unsigned)bpt_random_below(random, SIM_ENTITIES)));
    case 1:
        return bp_region_by_scope(sim_scope((unsigned)bpt_random_below(random, SIM_SCOPES)));
    case 2:
        return bp_region_by_kind(bp_kind(0xF, 1 + (unsigned)bpt_random_below(random, 3)));
    case 3:
        bp_region_set_tombstoned(&region, bpt_random_chance(random, 80));
        return region;
    case 4:
        bp_region_set_prefix(&region, bp_text_of("order"));
        return region;
    default:
        bp_region_set_clock(&region, 0, bpt_random_below(random, 6));
        return region;
    }
}

static void mean_by_rule(const sim_run *run, const rule *wanted, meant *out)
{
    const sim_ledger *ledger = &run->ledger;
    memset(out, 0, sizeof *out);
    out->count = ledger->count;
    for (uint64_t at = 0; at < ledger->count; at++) {
        const sim_event *event = &ledger->events[at];
        bool in = !event->system && (!wanted->has_region || sim_lies_in(ledger, at, &wanted->region));
        if (in && wanted->keep_last != 0) {
            uint64_t newer = sim_ledger_clock(ledger, event->entity, ledger->count) - event->clock - 1;
            in = newer >= wanted->keep_last;
        }
        out->of[at] = in && (wanted->third == 3 || at % 3 == wanted->third);
    }
}

static void note_may(sim_run *run, const meant *wanted, uint8_t fate)
{
    for (uint64_t at = 0; at < wanted->count; at++) {
        run->ledger.fates.most[at] |= wanted->of[at] ? fate : 0;
    }
    run->rewrites++;
}

static void note_pending(sim_run *run, const meant *wanted, uint8_t fate, bool acknowledged)
{
    for (uint64_t at = 0; !acknowledged && at < wanted->count; at++) {
        run->ledger.fates.pending[at] |= wanted->of[at] ? fate : 0;
    }
}

/* So many are done, as the handle shows it; some of them perhaps by an operation before. */
static bool is_count(const sim_run *run, const bool *done, uint64_t count, uint8_t fate, uint64_t reported)
{
    uint64_t now = 0;
    uint64_t before = 0;
    for (uint64_t at = 0; at < count; at++) {
        now += done[at];
        before += done[at] && (run->ledger.fates.pending[at] & fate) != 0;
    }
    return reported <= now && reported + before >= now;
}

/* What the store shows now is so for good; when it was acknowledged, nothing else may be. */
static void note_shown(sim_run *run, const uint8_t *shown, bool acknowledged)
{
    sim_fates *fates = &run->ledger.fates;
    for (uint64_t at = 0; at < run->ledger.count; at++) {
        fates->least[at] |= shown[at];
        if (acknowledged) {
            fates->most[at] = fates->least[at] | fates->pending[at];
        }
    }
}

static void look_around(sim_run *run, uint8_t *shown)
{
    uint64_t count = run->ledger.count;
    sim_pause(run);
    (void)sim_ledger_compare(&run->ledger, run->store, &run->ledger.fates, count, count, shown);
    sim_resume(run);
}

/* ---- compaction ---- */

static bool is_third(void *context, const bp_event *event)
{
    return event->sequence % 3 == *(const uint64_t *)context;
}

static bool stop_at_random(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    (void)done;
    (void)total;
    return !bpt_random_chance(context, 20);
}

static rule some_rule(bpt_random *random)
{
    rule made = {.third = 3};
    if (bpt_random_chance(random, 70)) {
        made.has_region = true;
        made.region = sim_some_region(random);
    }
    if (bpt_random_chance(random, 40)) {
        made.keep_last = 1 + bpt_random_below(random, 3);
    }
    if (bpt_random_chance(random, 30)) {
        made.third = bpt_random_below(random, 3);
    }
    return made;
}

/* Dropped is what was asked for, among the sealed: all that is meant up to some event, and all of `sealed`. */
static void check_dropped(const sim_run *run, const meant *wanted, const uint8_t *shown, uint64_t sealed,
                          uint64_t reported)
{
    bool now[SIM_EVENTS_MAX] = {0};
    uint64_t end = sealed;
    for (uint64_t at = 0; at < wanted->count; at++) {
        bool new = (shown[at] & SIM_DROP) != 0 && (run->ledger.fates.least[at] & SIM_DROP) == 0;
        now[at] = new;
        end = new &&at >= end ? at + 1 : end;
    }
    SIM_CHECK(is_count(run, now, wanted->count, SIM_DROP, reported), "P9: it says that %llu events were dropped",
              (unsigned long long)reported);
    for (uint64_t at = 0; at < end; at++) {
        SIM_CHECK(!wanted->of[at] || (shown[at] & SIM_DROP) != 0, "P9: event %llu was to be dropped, and is there",
                  (unsigned long long)at);
    }
}

/* Those whose payload a compaction is to take. */
static void mean_tombstoned(sim_run *run, bool any, meant *out)
{
    sim_ledger *ledger = &run->ledger;
    memset(out, 0, sizeof *out);
    out->count = ledger->count;
    for (uint64_t at = 0; any && at < ledger->count; at++) {
        out->of[at] = sim_ledger_buried(ledger, at, ledger->count) && (ledger->fates.least[at] & SIM_STUB) == 0;
        ledger->events[at].blanked = ledger->events[at].blanked || out->of[at];
    }
}

static void check_blanked(const sim_run *run, const meant *wanted, const uint8_t *shown, uint64_t sealed,
                          uint64_t reported)
{
    bool now[SIM_EVENTS_MAX] = {0};
    for (uint64_t at = 0; at < wanted->count; at++) {
        now[at] = wanted->of[at] && (shown[at] & SIM_STUB) != 0 && (run->ledger.fates.least[at] & SIM_STUB) == 0;
        SIM_CHECK(at >= sealed || !wanted->of[at] || shown[at] != 0,
                  "event %llu is tombstoned and was to be a stub, and has its payload", (unsigned long long)at);
    }
    SIM_CHECK(is_count(run, now, wanted->count, SIM_STUB, reported), "it says that %llu tombstoned events became stubs",
              (unsigned long long)reported);
}

void sim_op_compact(sim_run *run, bpt_random *random)
{
    static meant wanted;
    static meant blanked;
    uint8_t shown[SIM_EVENTS_MAX];
    bp_error error = {0};
    bp_compact_options options;
    bp_compact_report report = {0};
    uint64_t sealed = 0;
    if (bpt_random_chance(random, 70)) {
        uint64_t count = run->ledger.count;
        bp_status status = bp_seal(run->store, &error);
        sim_run_learn(run);
        if (!sim_done(run, status, &error)) {
            return;
        }
        sealed = count;
    }
    bool drops = bpt_random_chance(random, 75);
    rule made = some_rule(random);
    bp_compact_options_init(&options);
    bool stops = bpt_random_chance(random, 15);
    bpt_random stopper = {bpt_random_next(random)};
    options.merge = bpt_random_chance(random, 60);
    options.progress = stops ? stop_at_random : NULL;
    options.progress_context = &stopper;
    if (drops) {
        options.drop = &made.region;
        options.drop_count = made.has_region;
        options.keep_last = made.keep_last;
        options.drop_if = made.third != 3 ? is_third : NULL;
        options.drop_context = &made.third;
        drops = made.has_region || made.keep_last != 0 || made.third != 3;
    }
    memset(&wanted, 0, sizeof wanted);
    if (drops) {
        mean_by_rule(run, &made, &wanted);
    }
    options.stub_tombstoned = bpt_random_chance(random, 40);
    mean_tombstoned(run, options.stub_tombstoned, &blanked);
    note_may(run, &wanted, SIM_DROP);
    note_may(run, &blanked, SIM_STUB);
    bp_status status = bp_compact(run->store, &options, &report, &error);
    sim_run_learn(run);
    look_around(run, shown);
    bool acknowledged = !(stops && status == BP_END) && sim_done(run, status, &error);
    if (acknowledged) {
        check_dropped(run, &wanted, shown, sealed, report.events_dropped);
        check_blanked(run, &blanked, shown, sealed, report.events_stubbed);
    }
    note_pending(run, &wanted, SIM_DROP, acknowledged);
    note_pending(run, &blanked, SIM_STUB, acknowledged);
    note_shown(run, shown, acknowledged);
}

/* ---- erasure ---- */

/* What an erasure asks for. */
typedef struct asked {
    bp_id ids[ERASE_IDS];
    bp_region region;
    bp_erase_options options;
    meant wanted;
} asked;

static void init_options(bp_erase_options *options)
{
    bp_erase_options_init(options);
    options->reason = "asked to";
    options->by = "officer 7";
}

/* Some events by their ids, one of them twice at times; or a region. False: there is nothing to erase. */
static bool make_erasure(const sim_run *run, bpt_random *random, asked *out)
{
    const sim_ledger *ledger = &run->ledger;
    memset(out, 0, sizeof *out);
    init_options(&out->options);
    if (bpt_random_chance(random, 40)) {
        rule made = {.has_region = true, .region = sim_some_region(random), .third = 3};
        mean_by_rule(run, &made, &out->wanted);
        out->region = made.region;
        out->options.region = &out->region;
        return true;
    }
    out->wanted.count = ledger->count;
    if (bp_encryption_available() && bpt_random_chance(random, 25)) {
        uint8_t subject = 1 + (uint8_t)bpt_random_below(random, SIM_SUBJECTS);
        out->options.subject = sim_subject(subject);
        for (uint64_t at = 0; at < ledger->count; at++) {
            out->wanted.of[at] = !ledger->events[at].system && ledger->events[at].subject == subject;
        }
        return true;
    }
    for (size_t tries = 0; tries < ERASE_IDS && ledger->count != 0; tries++) {
        uint64_t sequence = bpt_random_below(random, ledger->count);
        if (!ledger->events[sequence].system && (ledger->fates.most[sequence] & SIM_DROP) == 0) {
            out->ids[out->options.id_count++] = ledger->events[sequence].id;
            out->wanted.of[sequence] = true;
        }
    }
    out->options.ids = out->ids;
    return out->options.id_count != 0;
}

/* Says who else has the bytes: a snapshot, which the store has a note of. */
typedef struct holder {
    const char *path;
    bool named;
} holder;

static int find_holder(void *argument, const bp_snapshot_info *snapshot)
{
    holder *wanted = argument;
    wanted->named = wanted->named || (snapshot->present && strncmp(wanted->path, snapshot->path, 5) == 0);
    return 0;
}

static void check_holders(sim_run *run, uint64_t sequence)
{
    char found[256];
    bp_error error = {0};
    if (!find_payload(&run->ledger.events[sequence], run->world.fault, "copy", NULL, found)) {
        return;
    }
    holder wanted = {.path = found};
    sim_pause(run);
    bp_status status = bp_snapshots(run->store, find_holder, &wanted, &error);
    sim_resume(run);
    SIM_CHECK(status == BP_OK, "snapshots cannot be listed: %s", error.message);
    SIM_CHECK(wanted.named, "P9: event %llu was erased, %s has its bytes, and the store does not say so",
              (unsigned long long)sequence, found);
}

static void check_erasure(sim_run *run, const asked *request, const bp_erase_report *report, const uint8_t *shown)
{
    bool erased[SIM_EVENTS_MAX] = {0};
    const uint8_t *least = run->ledger.fates.least;
    for (uint64_t at = 0; at < request->wanted.count; at++) {
        if (!request->wanted.of[at] || (shown[at] & SIM_DROP) != 0) {
            continue;
        }
        SIM_CHECK((shown[at] & SIM_STUB) != 0, "P9: event %llu was to be erased, and has its payload",
                  (unsigned long long)at);
        erased[at] = (least[at] & SIM_STUB) == 0;
    }
    SIM_CHECK(run->faulty || is_count(run, erased, request->wanted.count, SIM_STUB, report->erased),
              "P9: it says that %llu events were erased", (unsigned long long)report->erased);
}

void sim_op_erase(sim_run *run, bpt_random *random)
{
    static asked request;
    uint8_t shown[SIM_EVENTS_MAX];
    bp_error error = {0};
    bp_erase_report report = {0};
    if (!make_erasure(run, random, &request)) {
        return;
    }
    bool stops = bpt_random_chance(random, 10);
    bpt_random stopper = {bpt_random_next(random)};
    request.options.progress = stops ? stop_at_random : NULL;
    request.options.progress_context = &stopper;
    note_may(run, &request.wanted, SIM_STUB);
    bp_status status = bp_erase(run->store, &request.options, &report, &error);
    sim_run_learn(run);
    look_around(run, shown);
    bool acknowledged = !(stops && status == BP_END) && sim_done(run, status, &error);
    if (acknowledged) {
        check_erasure(run, &request, &report, shown);
    }
    note_pending(run, &request.wanted, SIM_STUB, acknowledged);
    note_shown(run, shown, acknowledged);
    for (uint64_t at = 0; acknowledged && at < request.wanted.count; at++) {
        char found[256];
        if (request.wanted.of[at] && (shown[at] & SIM_STUB) != 0) {
            SIM_CHECK(!find_payload(&run->ledger.events[at], run->world.fault, "store/", NULL, found),
                      "P9: event %llu was erased, and %s has its bytes", (unsigned long long)at, found);
            check_holders(run, at);
        }
    }
}

void sim_erase_again(const sim_run *run, const bpt_world *world, bp_store *store, const uint8_t *shown,
                     bpt_random *random)
{
    bp_error error = {0};
    bp_erase_options options;
    bp_erase_report report = {0};
    uint64_t count = bp_store_frontiers(store).published;
    uint64_t sequence = count == 0 ? 0 : bpt_random_below(random, count);
    for (uint64_t at = 0; at < count; at++) { /* one that is erased, or was to be */
        uint64_t next = (sequence + at) % count;
        if (run->fates.most[next] == SIM_STUB) {
            sequence = next;
            break;
        }
    }
    const sim_event *event = &run->ledger.events[sequence];
    if (count == 0 || event->system || (shown[sequence] & SIM_DROP) != 0) {
        return;
    }
    init_options(&options);
    options.ids = &event->id;
    options.id_count = 1;
    bp_status status = bp_erase(store, &options, &report, &error);
    SIM_CHECK(status == BP_OK, "P9: an erasure after the crash says %s: %s", bp_status_name(status), error.message);
    SIM_CHECK(report.erased + report.before == 1, "P9: an erasure after the crash erased %llu events",
              (unsigned long long)report.erased);
    char found[256];
    SIM_CHECK(!find_payload(event, world->fault, "store/", NULL, found),
              "P9: event %llu was erased after the crash, and %s has its bytes", (unsigned long long)sequence, found);
}
