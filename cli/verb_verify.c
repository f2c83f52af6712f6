/*
 * verb_verify.c: proves a store.
 */
#include "progress.h"
#include "session.h"
#include "times.h"
#include "verbs.h"

static struct {
    bool json;
} given;

static const struct option options[] = {
    {"json", 0, OPTION_FLAG, &given.json, NULL, "a line of JSON for each fault, and one at the end", NULL},
    {.name = NULL},
};

static int print_fault(void *context, const bp_fault *fault)
{
    struct progress *progress = context;
    struct text *text = out();

    progress_end(progress);
    if (given.json) {
        text_add_char(text, '{');
        put_string(text, "file", fault->file);
        put_u64(text, "offset", fault->offset);
        if (fault->has_sequence) {
            put_u64(text, "sequence", fault->sequence);
        }
        if (fault->entity != NULL) {
            put_string(text, "entity", fault->entity);
        }
        put_string(text, "what", fault->what);
        text_add_string(text, "}\n");
    } else {
        text_add_format(text, "%s:%llu: %s", fault->file, (unsigned long long)fault->offset, fault->what);
        if (fault->has_sequence) {
            text_add_format(text, ", sequence %llu", (unsigned long long)fault->sequence);
        }
        if (fault->entity != NULL) {
            text_add_format(text, ", entity %s", fault->entity);
        }
        text_add_char(text, '\n');
    }
    out_commit();
    return out_closed() ? 1 : 0;
}

/* No fault: what is derived is made anew. So it is said, not answered. */
static int say_index_fault(void *context, const bp_fault *fault)
{
    progress_end(context);
    say("%s, page %llu: %s", fault->file, (unsigned long long)fault->offset / 4096, fault->what);
    return 0;
}

static void print_report(const bp_verify_report *report, bool whole, double seconds)
{
    struct text *text = out();

    text_add_char(text, '{');
    put_bool(text, "ok", whole);
    put_u64(text, "faults", report->faults);
    put_u64(text, "events", report->events);
    put_u64(text, "entities", report->entities);
    put_u64(text, "segments", report->segments);
    put_u64(text, "frames", report->frames);
    put_u64(text, "bytes", report->bytes);
    put_u64(text, "stubs", report->stubs);
    put_u64(text, "dropped", report->dropped);
    put_u64(text, "unsettled_bytes", report->unsettled_bytes);
    put_u64(text, "unfinished_erasures", report->unfinished_erasures);
    put_u64(text, "index_files", report->index_files);
    put_u64(text, "index_files_wrong", report->index_files_wrong);
    put_hash(text, "root", &report->root);
    put_number(text, "seconds", seconds, 3);
    text_add_string(text, "}\n");
}

static void say_report(const bp_verify_report *report, bool whole, double seconds)
{
    struct text line = {0};

    if (whole) {
        text_add_string(&line, "everything holds: ");
    } else {
        text_add_count(&line, report->faults);
        text_add_string(&line, report->faults == 1 ? " fault: " : " faults: ");
    }
    text_add_count(&line, report->events);
    text_add_string(&line, " events of ");
    text_add_count(&line, report->entities);
    text_add_string(&line, " entities, ");
    text_add_bytes(&line, report->bytes);
    text_add_string(&line, " in ");
    text_add_duration(&line, seconds);
    if (seconds > 0.001) {
        text_add_string(&line, ", ");
        text_add_bytes(&line, (uint64_t)((double)report->bytes / seconds));
        text_add_string(&line, "/s");
    }
    say("%s", text_string(&line));
    if (report->stubs > 0) {
        say("of %llu events the payload was erased; their place in the chain holds", (unsigned long long)report->stubs);
    }
    if (report->dropped > 0) {
        say("%llu of them were dropped by retention; their place in chain and order holds",
            (unsigned long long)report->dropped);
    }
    if (report->unsettled_bytes > 0) {
        say("%llu bytes behind the end are vouched for by nothing; the next opening for writing cuts them",
            (unsigned long long)report->unsettled_bytes);
    }
    if (report->unfinished_erasures > 0) {
        say("%llu erasures are not finished: what is to go may still be there; the next opening for writing finishes "
            "them",
            (unsigned long long)report->unfinished_erasures);
    }
    if (report->index_files_wrong > 0) {
        say("%llu of %llu index files are left aside; the next opening for writing, or batpak reindex, makes them anew",
            (unsigned long long)report->index_files_wrong, (unsigned long long)report->index_files);
    }
    if (whole) {
        line.size = 0;
        text_add_hex(&line, report->root.bytes, sizeof report->root.bytes);
        say("root %s", text_string(&line));
    }
    text_free(&line);
}

static int run(size_t count, char **arguments)
{
    bp_verify_options verify;
    bp_verify_report report = {0};
    bp_error error = {0};
    struct progress progress;
    bp_status status;
    double started = seconds_now();
    double seconds;

    (void)count;
    progress_begin(&progress, "verified", NULL);
    bp_verify_options_init(&verify);
    verify.fault = print_fault;
    verify.index_fault = say_index_fault;
    verify.fault_context = &progress;
    verify.progress = progress_callback;
    verify.progress_context = &progress;
    status = bp_verify(arguments[0], &verify, &report, &error);
    progress_end(&progress);
    seconds = seconds_now() - started;
    if (status != BP_OK && (status != BP_ERR_CORRUPT || report.faults == 0)) {
        return fail(&error);
    }
    if (given.json) {
        print_report(&report, status == BP_OK, seconds);
    } else {
        say_report(&report, status == BP_OK, seconds);
    }
    return status == BP_OK ? EXIT_DONE : EXIT_DAMAGE;
}

const struct verb verb_verify = {
    .name = "verify",
    .summary = "prove that every byte, hash and chain holds",
    .arguments = "DIR",
    .about = "Reads everything: checksums, chains, order, roots. Each fault is a line on stdout: FILE:OFFSET: WHAT;\n"
             "the summary goes to stderr. Writes nothing and works beside a writer, up to what was published.",
    .examples = "batpak verify ./s\nbatpak verify ./s --json | tail -n 1",
    .exits = "0  everything holds\n1  no such store\n2  the command line is wrong\n3  faults were found\n"
             "4  the system refused",
    .groups = {options},
    .least = 1,
    .most = 1,
    .run = run,
};
