/*
 * verb_repair.c: takes what can be proven of a damaged store over into a new one.
 */
#include <batpak/repair.h>

#include "progress.h"
#include "session.h"
#include "verbs.h"

static struct {
    bool dry_run;
    bool json;
    uint64_t lost_max;
} given;

static const struct option options[] = {
    {"dry-run", 'n', OPTION_FLAG, &given.dry_run, NULL, "only tell what is lost and what can be taken over", NULL},
    {"lost-max", 0, OPTION_U64, &given.lost_max, "N", "refuse if more events than that are lost (50000000)", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "a line of JSON for each finding, and one at the end", NULL},
    {.name = NULL},
};

static const char *const note_names[] = {"file", "damage", "rejected", "lost", "run", "entity"};

static void print_json(struct text *text, const bp_repair_note *note)
{
    text_add_char(text, '{');
    put_string(text, "finding", note_names[note->kind]);
    if (note->file != NULL) {
        put_string(text, "file", note->file);
    }
    if (note->has_offset) {
        put_u64(text, "offset", note->offset);
    }
    if (note->kind == BP_REPAIR_DAMAGE) {
        put_u64(text, "bytes", note->bytes);
    }
    if (note->kind >= BP_REPAIR_REJECTED && note->kind <= BP_REPAIR_RUN) {
        put_u64(text, "first", note->first);
        put_u64(text, "last", note->last);
    }
    if (note->kind == BP_REPAIR_RUN) {
        put_string(text, "proof", note->proof == BP_PROOF_CHAIN ? "chain" : "checksum");
        put_bool(text, "changed", note->changed);
    }
    if (note->entity != NULL) {
        put_string(text, "entity", note->entity);
    }
    if (note->kind == BP_REPAIR_ENTITY) {
        put_u64(text, "lost", note->count);
    }
    if (note->what != NULL) {
        put_string(text, "what", note->what);
    }
    text_add_string(text, "}\n");
}

static void add_range(struct text *text, const bp_repair_note *note)
{
    if (note->first == note->last) {
        text_add_format(text, "sequence %llu", (unsigned long long)note->first);
    } else {
        text_add_format(text, "sequences %llu to %llu", (unsigned long long)note->first,
                        (unsigned long long)note->last);
    }
}

static void print_words(struct text *text, const bp_repair_note *note)
{
    switch (note->kind) {
    case BP_REPAIR_FILE:
        text_add_format(text, "file      %s: %s\n", note->file, note->what);
        break;
    case BP_REPAIR_DAMAGE:
        text_add_format(text, "damage    %s, %llu bytes from offset %llu: %s\n", note->file,
                        (unsigned long long)note->bytes, (unsigned long long)note->offset, note->what);
        break;
    case BP_REPAIR_REJECTED:
        text_add_format(text, "rejected  sequence %llu of %s: %s\n", (unsigned long long)note->first, note->entity,
                        note->what);
        break;
    case BP_REPAIR_LOST:
        text_add_string(text, "lost      ");
        add_range(text, note);
        text_add_char(text, '\n');
        break;
    case BP_REPAIR_RUN:
        text_add_string(text, "saved     ");
        add_range(text, note);
        text_add_string(text, note->proof == BP_PROOF_CHAIN ? ", proven by hash"
                                                            : ", by checksum alone: the event before is lost");
        text_add_string(text, note->changed ? "; rehashed\n" : "\n");
        break;
    case BP_REPAIR_ENTITY:
        text_add_format(text, "affected  %s: %llu of its events are lost\n", note->entity,
                        (unsigned long long)note->count);
        break;
    default:
        break;
    }
}

static void print_note(void *context, const bp_repair_note *note)
{
    progress_end(context);
    if (given.json) {
        print_json(out(), note);
    } else {
        print_words(out(), note);
    }
    out_commit();
}

static void print_report(const bp_repair_report *report)
{
    struct text *text = out();

    text_add_char(text, '{');
    put_id(text, "source", &report->source_id);
    put_bool(text, "manifest_good", report->manifest_good);
    put_bool(text, "list_good", report->list_good);
    put_u64(text, "events", report->events);
    put_u64(text, "unchanged", report->unchanged);
    put_u64(text, "checked", report->checked);
    put_u64(text, "dropped", report->dropped);
    put_u64(text, "lost", report->lost);
    put_u64(text, "lost_ranges", report->lost_ranges);
    put_u64(text, "next_sequence", report->next_sequence);
    put_u64(text, "rejected", report->rejected);
    put_u64(text, "entities", report->entities);
    put_u64(text, "entities_affected", report->entities_affected);
    put_u64(text, "causes_lost", report->causes_lost);
    put_u64(text, "partial_commits", report->partial_commits);
    put_u64(text, "damages", report->damages);
    put_u64(text, "damaged_bytes", report->damaged_bytes);
    put_u64(text, "segments", report->segments);
    put_u64(text, "segments_missing", report->segments_missing);
    put_u64(text, "segments_foreign", report->segments_foreign);
    put_u64(text, "segments_superseded", report->segments_superseded);
    put_u64(text, "unsettled_bytes", report->unsettled_bytes);
    put_bool(text, "dry_run", given.dry_run);
    text_add_string(text, "}\n");
}

static void say_report(const bp_repair_report *report, const char *target)
{
    struct text line = {0};

    text_add_count(&line, report->events);
    text_add_format(&line, " events of %llu entities %s", (unsigned long long)report->entities,
                    given.dry_run ? "can be saved" : "saved");
    if (!given.dry_run) {
        text_add_format(&line, " in %s, which verifies", target);
    }
    if (report->dropped > 0) {
        text_add_string(&line, "; ");
        text_add_count(&line, report->dropped);
        text_add_string(&line, " that retention had dropped keep their place");
    }
    if (report->lost == 0) {
        text_add_string(&line, "; nothing is lost, and every hash is the same");
    } else {
        text_add_string(&line, "; ");
        text_add_count(&line, report->lost);
        text_add_format(&line, " lost, %llu entities known to be affected",
                        (unsigned long long)report->entities_affected);
    }
    say("%s", text_string(&line));
    if (report->lost > 0) {
        say("%llu events have another hash (their old one is in the extension 0x0010); %llu of all are by checksum "
            "alone",
            (unsigned long long)(report->events - report->unchanged), (unsigned long long)report->checked);
    }
    if (report->partial_commits > 0 || report->causes_lost > 0) {
        say("%llu commits are there in part; %llu events name a cause that is lost",
            (unsigned long long)report->partial_commits, (unsigned long long)report->causes_lost);
    }
    if (report->unsettled_bytes > 0) {
        say("%llu bytes behind the end were left: nothing vouches for them, opening would have cut them too",
            (unsigned long long)report->unsettled_bytes);
    }
    text_free(&line);
}

static int run(size_t count, char **arguments)
{
    bp_repair_options repair;
    bp_repair_report report;
    bp_error error = {0};
    struct progress progress;
    const char *target = count > 1 ? arguments[1] : NULL;

    if (target == NULL && !given.dry_run) {
        return fail_usage("wants DIR NEW, or --dry-run");
    }
    progress_begin(&progress, "read", NULL);
    bp_repair_options_init(&repair);
    repair.dry_run = given.dry_run;
    repair.lost_max = given.lost_max != 0 ? given.lost_max : repair.lost_max;
    repair.note = print_note;
    repair.note_context = &progress;
    repair.progress = progress_callback;
    repair.progress_context = &progress;
    bp_status status = bp_repair(arguments[0], target, &repair, &report, &error);
    progress_end(&progress);
    if (status != BP_OK) {
        return fail(&error);
    }
    if (given.json) {
        print_report(&report);
    } else {
        say_report(&report, target);
    }
    return report.lost > 0 ? EXIT_DAMAGE : EXIT_DONE;
}

const struct verb verb_repair = {
    .name = "repair",
    .summary = "take what can be proven of a damaged store into a new one",
    .arguments = "DIR [NEW]",
    .about =
        "Reads DIR, whatever its state, and never writes to it. Each event whose place, checksum and hash can be\n"
        "proven goes into a new store at NEW, a directory that is not there or empty, with its sequence, id and\n"
        "times; a stand-in takes the place of each lost one. Findings are lines on stdout, the sum goes to stderr.\n"
        "Nobody should be writing DIR meanwhile. More in docs/guide/recovery.md.",
    .examples = "batpak repair ./s --dry-run\nbatpak repair ./s ./saved",
    .exits = "0  done, and nothing is lost\n1  no store there, or NEW is not empty\n2  the command line is wrong\n"
             "3  done, but events are lost; or nothing can be told of DIR\n4  the system refused",
    .groups = {options},
    .least = 1,
    .most = 2,
    .run = run,
};
