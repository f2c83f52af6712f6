/*
 * verb_inspect.c: tells what opening a store would do, without doing it.
 */
#include "session.h"
#include "verbs.h"

static bool json;

static const struct option options[] = {
    {"json", 0, OPTION_FLAG, &json, NULL, "a line of JSON for each step, and one at the end", NULL},
    {.name = NULL},
};

static const char *const step_names[] = {"finish", "remove", "read",  "replay", "seal",
                                         "cut",    "drop",   "erase", "forget"};

static const char *const verdict_names[] = {"nothing", "settle", "cut", "make", "refuse"};

static void describe(struct text *text, const bp_recovery_step *step)
{
    unsigned long long events = step->events;

    switch (step->kind) {
    case BP_STEP_FINISH:
        text_add_string(text, "removed: it was rewritten, and what replaced it is in the list");
        break;
    case BP_STEP_REMOVE:
        text_add_string(text, "removed: no list names it and it holds no frame");
        break;
    case BP_STEP_READ:
        text_add_format(text, "read whole, %llu events, and an index file written for it", events);
        break;
    case BP_STEP_REPLAY:
        text_add_format(text, "replayed from offset %llu: %llu frames, %llu events", (unsigned long long)step->offset,
                        (unsigned long long)step->frames, events);
        break;
    case BP_STEP_SEAL:
        text_add_format(text, "sealed with %llu events, and an index file written for it", events);
        break;
    case BP_STEP_CUT:
        text_add_format(text, "cut from offset %llu: %llu bytes with %llu frame headers go into a .torn file",
                        (unsigned long long)step->offset, (unsigned long long)step->bytes,
                        (unsigned long long)step->frames);
        break;
    case BP_STEP_DROP:
        text_add_string(text, "taken off the list: the log does not reach it");
        break;
    case BP_STEP_ERASE:
        text_add_string(text, "an erasure that was interrupted: finished, and the note of it removed");
        break;
    case BP_STEP_FORGET:
        text_add_string(text, "an erasure that was not begun: the note of it removed");
        break;
    default:
        text_add_string(text, "?");
        break;
    }
}

static int print_step(void *context, const bp_recovery_step *step)
{
    struct text *text = out();

    (void)context;
    if (json) {
        text_add_char(text, '{');
        put_string(text, "step", step_names[step->kind]);
        put_string(text, "file", step->file);
        put_u64(text, "offset", step->offset);
        put_u64(text, "bytes", step->bytes);
        put_u64(text, "frames", step->frames);
        put_u64(text, "events", step->events);
        text_add_string(text, "}\n");
    } else {
        text_add_format(text, "%s: ", step->file);
        describe(text, step);
        text_add_char(text, '\n');
    }
    out_commit();
    return out_closed() ? 1 : 0;
}

static void print_verdict(const bp_inspection *found)
{
    struct text *text = out();
    const bp_error *refusal = &found->refusal;

    text_add_char(text, '{');
    put_string(text, "verdict", verdict_names[found->verdict]);
    if (found->verdict == BP_RECOVERY_REFUSE) {
        put_string(text, "status", bp_status_name(refusal->status));
        put_string(text, "what", refusal->message);
        put_string(text, "file", refusal->file);
        if (refusal->has_offset) {
            put_u64(text, "offset", refusal->offset);
        }
    }
    put_u64(text, "events", found->events);
    put_u64(text, "epoch", found->epoch);
    put_u64(text, "end", found->end);
    put_u64(text, "vouched", found->vouched);
    put_u64(text, "sealed", found->sealed);
    put_u64(text, "indexed", found->indexed);
    put_u64(text, "replayed_frames", found->replayed_frames);
    put_u64(text, "replayed_events", found->replayed_events);
    put_u64(text, "cut_bytes", found->cut_bytes);
    put_u64(text, "cut_frames", found->cut_frames);
    put_u64(text, "cut_files", found->cut_files);
    put_u64(text, "segment_files", found->segment_files);
    put_u64(text, "erasures", found->erasures);
    put_u64(text, "writer", found->writer);
    text_add_string(text, "}\n");
}

static void say_verdict(const bp_inspection *found)
{
    unsigned long long events = found->events;

    switch (found->verdict) {
    case BP_RECOVERY_NOTHING:
        say("it was closed cleanly and opens as it is: %llu events, epoch %u", events, (unsigned)found->epoch);
        break;
    case BP_RECOVERY_SETTLE:
        say("it was not closed; all of it counts: %llu events, claimed under epoch %u", events, (unsigned)found->epoch);
        break;
    case BP_RECOVERY_CUT:
        say("it was not closed; it opens with %llu events under epoch %u, and %llu bytes that nothing vouches for are "
            "set aside",
            events, (unsigned)found->epoch, (unsigned long long)found->cut_bytes);
        break;
    default:
        say("it is refused: %s", bp_status_text(found->refusal.status));
        break;
    }
    if (found->erasures != 0) {
        say("%u erasures were interrupted; opening finishes them first", (unsigned)found->erasures);
    }
    if (found->writer != 0) {
        say("process %u had it open when it was last heard of; as long as that runs, opening is refused",
            (unsigned)found->writer);
    }
}

static int run(size_t count, char **arguments)
{
    bp_inspection found;
    bp_options store_options;
    bp_error error = {0};

    (void)count;
    bp_options_init(&store_options);
    store_options.create = false;
    if (bp_inspect_recovery(arguments[0], &store_options, print_step, NULL, &found, &error) != BP_OK) {
        return fail(&error);
    }
    if (json) {
        print_verdict(&found);
    } else if (found.refusal.status != BP_ERR_NOT_FOUND) {
        say_verdict(&found);
    }
    if (found.verdict != BP_RECOVERY_REFUSE) {
        return EXIT_DONE;
    }
    return json ? exit_code_of(found.refusal.status) : fail(&found.refusal);
}

const struct verb verb_inspect_recovery = {
    .name = "inspect-recovery",
    .summary = "tell what opening would do, without doing it",
    .arguments = "DIR",
    .about = "After a crash or with a suspicion: what the next opening for writing would replay, cut, seal, remove or\n"
             "refuse, one line for each file, the verdict on stderr. Writes nothing, takes no lock. What an index\n"
             "file answers for is not read, neither here nor by an opening: batpak verify reads everything.",
    .examples = "batpak inspect-recovery ./s\nbatpak inspect-recovery ./s --json | tail -n 1",
    .exits = "0  it opens\n1  no such store\n2  the command line is wrong\n3  opening is refused: damage, or a newer "
             "format\n4  the system refused",
    .groups = {options},
    .least = 1,
    .most = 1,
    .run = run,
};
