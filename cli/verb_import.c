/*
 * verb_import.c: JSON Lines into a store.
 *
 * Lines with the same `batch`, one behind another, are a run: they become one commit or none. A line that cannot be
 * read may belong to the run that is open, so it spoils it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "import_commit.h"
#include "lines.h"
#include "policy.h"
#include "progress.h"
#include "session.h"
#include "times.h"
#include "verbs.h"

enum { ACK_IDLE_MS = 2, PROGRESS_EVERY = 1024, CLOCK_EVERY = 64, GROUP_BYTES = 8 << 20 };
enum { ON_ERROR_STOP, ON_ERROR_SKIP };

static const char *const on_error[] = {"stop", "skip", NULL};

static struct {
    uint64_t batch;
    bool durable;
    bool ack;
    bool exact;
    bool strict_kinds;
    bool json;
    const char *policy;
    int on_error;
} given = {.batch = 1};

static const struct option options[] = {
    {"batch", 'b', OPTION_U64, &given.batch, "N", "commit N lines at once, up to 4096 (1)", NULL},
    {"durable", 0, OPTION_FLAG, &given.durable, NULL, "sync each commit", NULL},
    {"ack", 0, OPTION_FLAG, &given.ack, NULL, "print {\"ack\":SEQUENCE,\"id\":ID} for each event once it is\ndurable",
     NULL},
    {"on-error", 0, OPTION_CHOICE, &given.on_error, "WHAT", "stop at a bad line, or skip it (stop)", on_error},
    {"strict-kinds", 0, OPTION_FLAG, &given.strict_kinds, NULL, "refuse unknown names of kinds", NULL},
    {"policy", 0, OPTION_TEXT, &given.policy, "FILE", "go by this policy too, beside the one the store carries", NULL},
    {"exact", 0, OPTION_FLAG, &given.exact, NULL, "rebuild from export --all into an empty store, every\nhash checked",
     NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "the summary as JSON on stdout", NULL},
    {.name = NULL},
};

/* The run of lines with the same `batch`. */
struct run {
    bool named;   /* they have one */
    bool spoiled; /* a line of it was bad: no line of it is taken */
    struct text name;
    size_t start; /* its first line among those held */
};

struct job {
    struct import import;
    struct lines lines;
    struct run run;
    struct import_line line; /* at hand */
    struct import_fault fault;
    struct progress progress;
    uint64_t number; /* of the line at hand */
    bool over;       /* the input has ended */
    double started;
};

static bool in_run(const struct run *run, const struct import_line *line)
{
    if (!run->named) {
        return false;
    }
    return !line->batch_known || (line->batch.data != NULL && line->batch.size == run->name.size &&
                                  memcmp(line->batch.data, run->name.data, run->name.size) == 0);
}

/* A new run begins with the line at hand; what is held goes out if it is enough. */
static void begin_run(struct job *job)
{
    struct import *import = &job->import;
    const struct import_line *line = &job->line;
    struct run *run = &job->run;

    if (import->exact || import->count >= import->group || import_held(import) > GROUP_BYTES) {
        import_commit(import, import->count);
    }
    run->named = line->batch.data != NULL;
    run->spoiled = false;
    run->start = import->count;
    run->name.size = 0;
    if (run->named) {
        text_add(&run->name, line->batch.data, line->batch.size);
    }
}

/* Holds the line at hand; what came before its run makes room for it if need be. */
static void hold(struct job *job)
{
    struct import *import = &job->import;
    struct run *run = &job->run;

    if (import->count == BP_BATCH_MAX) {
        import_commit(import, run->start);
        run->start = 0;
        if (import->code != 0) {
            return;
        }
    }
    import->lines[import->count++] = job->line;
    if (!run->named && import->count >= import->group) {
        import_commit(import, import->count);
    }
}

/* The line at hand is no good: it is left out with its whole run, or ends the import. */
static void refuse(struct job *job, const char *what, size_t column)
{
    struct import *import = &job->import;
    struct run *run = &job->run;

    if (!import->skip) {
        /* What stands before it comes first, and may itself be what ends the import. */
        import_commit(import, run->named ? run->start : import->count);
        run->start = 0;
    }
    if (import->code == 0) {
        import_refuse(import, job->number, column, what);
    }
    if (!run->named) {
        import->skipped += import->skip ? 1 : 0;
        return;
    }
    if (import->count > run->start) {
        say("with it the lines from %llu on that have the same batch are left out",
            (unsigned long long)import->lines[run->start].number);
    }
    import->skipped += import->skip ? import->count - run->start + 1 : 0;
    import->count = run->start;
    run->spoiled = true;
}

static bool is_blank(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t')) {
        size--;
    }
    return size == 0;
}

static void take_line(struct job *job, char *text, size_t size)
{
    struct import *import = &job->import;
    bool good;

    job->number++;
    if (size > 0 && text[size - 1] == '\r') {
        size--;
    }
    if (is_blank(text, size)) {
        return; /* it says nothing */
    }
    if (import->count == 0) {
        arena_reset(import_arena(import));
    }
    job->line.number = job->number;
    good = import_line_read(&job->line, text, size, import->exact, import_arena(import), &job->fault);
    if (!in_run(&job->run, &job->line)) {
        begin_run(job);
        if (import->code != 0) {
            return;
        }
    }
    if (!good) {
        refuse(job, text_string(&job->fault.what), job->fault.column);
    } else if (job->run.spoiled) {
        import->skipped++;
    } else if (job->run.named && import->count == BP_BATCH_MAX && job->run.start == 0) {
        refuse(job, "a batch has at most 4096 lines", 0);
    } else {
        hold(job);
    }
}

static void show_progress(struct job *job)
{
    const struct import *import = &job->import;
    uint64_t done = import->events_done + import->duplicates;
    double share = job->lines.total > 0 ? (double)job->lines.bytes / (double)job->lines.total : 0;

    progress_show(&job->progress, done, share > 0 ? (uint64_t)((double)done / share) : 0);
}

/* Nothing more is coming for now: what can go out goes out. A named run may not be complete yet. */
static void idle(struct job *job)
{
    struct import *import = &job->import;

    if (import->syncer.busy) {
        import_settle(import, true);
        return;
    }
    import_commit(import, job->run.named ? job->run.start : import->count);
    job->run.start = 0;
    if (import->code == 0) {
        import_sync_start(import);
    }
}

/* How long to wait for more input. Who wants acknowledgements may be waiting for one before it goes on. */
static int patience_ms(const struct job *job)
{
    const struct import *import = &job->import;
    int due;

    if (import->syncer.busy) {
        return 0;
    }
    if (import->unsynced == 0 && (import->count == 0 || (job->run.named && job->run.start == 0))) {
        return -1;
    }
    due = import_sync_due_ms(import);
    return import->ack && due > ACK_IDLE_MS ? ACK_IDLE_MS : due;
}

static void read_on(struct job *job)
{
    struct import *import = &job->import;

    switch (lines_fill(&job->lines, patience_ms(job))) {
    case LINES_MORE:
        break;
    case LINES_END:
        job->over = true;
        break;
    case LINES_WAITING:
        idle(job);
        break;
    case LINES_TOO_LONG:
        import->code = EXIT_NO;
        say("line %llu: longer than 512 MiB", (unsigned long long)job->number + 1);
        break;
    case LINES_ERROR:
        import->code = fail_system(errno, "cannot read the input");
        break;
    }
}

static void read_lines(struct job *job)
{
    struct import *import = &job->import;

    while (import->code == 0 && !job->over) {
        char *text;
        size_t size;

        if (!lines_take(&job->lines, &text, &size)) {
            read_on(job);
            continue;
        }
        take_line(job, text, size);
        if (job->number % CLOCK_EVERY == 0) {
            import_settle(import, false);
            if (import->code == 0 && import_sync_due_ms(import) == 0) {
                import_sync_start(import);
            }
        }
        if (job->number % PROGRESS_EVERY == 0) {
            show_progress(job);
        }
    }
}

/* Ends with what was good before the end, or before the line that ended it. */
static int finish(struct job *job)
{
    struct import *import = &job->import;
    int code = import->code;

    if (import->broken) {
        return code;
    }
    import->code = 0;
    import_commit(import, import->count);
    if (import->broken) {
        return import->code;
    }
    code = code != 0 ? code : import->code;
    import->code = 0;
    import_sync_start(import);
    import_settle(import, true);
    return import->code != 0 ? import->code : code;
}

static void print_summary(const struct job *job, int code)
{
    const struct import *import = &job->import;
    double seconds = seconds_now() - job->started;
    uint64_t done = import->events_done + import->duplicates;
    struct text line = {0};

    if (given.json) {
        text_add_char(&line, '{');
        put_u64(&line, "events", import->events_done);
        put_u64(&line, "duplicates", import->duplicates);
        put_u64(&line, "skipped", import->skipped);
        put_u64(&line, "lines", job->number);
        put_bool(&line, "complete", code == 0);
        put_number(&line, "seconds", seconds, 3);
        text_add_string(&line, "}\n");
        text_add(out(), line.data, line.size);
    } else {
        text_add_count(&line, import->events_done);
        text_add_string(&line, import->events_done == 1 ? " event appended" : " events appended");
        if (import->duplicates > 0) {
            text_add_string(&line, ", ");
            text_add_count(&line, import->duplicates);
            text_add_string(&line, " were there already");
        }
        if (import->skipped > 0) {
            text_add_string(&line, ", ");
            text_add_count(&line, import->skipped);
            text_add_string(&line, import->skipped == 1 ? " line left out" : " lines left out");
        }
        text_add_string(&line, code == EXIT_NO ? ", then stopped, in " : ", in ");
        text_add_duration(&line, seconds);
        if (seconds > 0.001 && done > 0) {
            text_add_string(&line, ", ");
            text_add_count(&line, (uint64_t)((double)done / seconds));
            text_add_string(&line, "/s");
        }
        say("%s", text_string(&line));
    }
    text_free(&line);
}

static int check_empty(bp_store *store)
{
    bp_stats stats = {.size = sizeof stats};
    bp_error error = {0};

    if (bp_store_stats(store, &stats, &error) != BP_OK) {
        return fail(&error);
    }
    if (stats.events > 0) {
        say("the store holds %llu events, --exact needs an empty one; try: batpak init",
            (unsigned long long)stats.events);
        return EXIT_NO;
    }
    return 0;
}

static int run_job(struct job *job, int file)
{
    int code;

    job->started = seconds_now();
    import_begin(&job->import);
    lines_begin(&job->lines, file);
    progress_begin(&job->progress, "imported", "events");
    read_lines(job);
    code = finish(job);
    progress_end(&job->progress);
    print_summary(job, code);
    lines_end(&job->lines);
    import_end(&job->import);
    text_free(&job->run.name);
    text_free(&job->fault.what);
    return code;
}

int import_try(bp_store *store, bp_policy *policy, int file)
{
    static struct job job;
    int code;

    job.import.store = store;
    job.import.policy = policy;
    job.import.skip = true;
    job.import.group = 1;
    code = run_job(&job, file);
    return code == 0 && job.import.skipped > 0 ? EXIT_NO : code;
}

static int import_file(const char *path, int file)
{
    static struct job job;
    int code = open_writer(path, given.durable ? BP_DURABLE : BP_BUFFERED, BP_PAYLOAD_MAX, &job.import.store);

    if (code != 0) {
        return code;
    }
    code = given.exact ? check_empty(job.import.store)
                       : policy_enforce(job.import.store, given.policy, &job.import.policy);
    if (code == 0) {
        job.import.durable = given.durable;
        job.import.ack = given.ack;
        job.import.exact = given.exact;
        job.import.skip = given.on_error == ON_ERROR_SKIP;
        job.import.strict_kinds = given.strict_kinds;
        job.import.group = given.batch;
        code = run_job(&job, file);
    }
    bp_policy_free(job.import.policy);
    return close_store(job.import.store, code);
}

static int run(size_t count, char **arguments)
{
    bool standard = count < 2 || strcmp(arguments[1], "-") == 0;
    int file = STDIN_FILENO;
    int code;

    if (given.batch == 0 || given.batch > BP_BATCH_MAX) {
        return fail_usage("--batch is 1 to %u", BP_BATCH_MAX);
    }
    if (given.exact && given.policy != NULL) {
        return fail_usage("--exact takes events as they were: no --policy beside it");
    }
    if (given.exact && (given.batch > 1 || given.on_error == ON_ERROR_SKIP || given.strict_kinds)) {
        return fail_usage("--exact takes commits and kinds as they were and leaves nothing out: no --batch, "
                          "--on-error skip or --strict-kinds beside it");
    }
    if (!standard) {
        file = open(arguments[1], O_RDONLY | O_CLOEXEC);
        if (file < 0) {
            return fail_system(errno, "cannot open %s", arguments[1]);
        }
    }
    code = import_file(arguments[0], file);
    if (!standard) {
        (void)close(file);
    }
    return code;
}

const struct verb verb_import = {
    .name = "import",
    .summary = "append events from JSON Lines",
    .arguments = "DIR [FILE]",
    .about = "Each line is an object with entity and scope and any of: kind, payload (any JSON value, stored as it\n"
             "is written, without white space between its parts) or payload_base64, payload_type, payload_version,\n"
             "id, correlation, causes, time, batch, expect (\"none\", \"any\" or a clock), flags, lane, depth,\n"
             "external. Lines with the same batch, one behind another, become one commit or none. The lines of an\n"
             "export can be imported; what the store assigns anew is passed over. With ids it is safe to do it\n"
             "again: what is there already is not doubled.\n\n"
             "It syncs every 1000 lines or 50 ms, with --ack also when the input pauses, and before it ends with 0.\n"
             " FILE is stdin if it is not given.",
    .examples =
        "echo '{\"entity\":\"order:1\",\"scope\":\"eu\",\"kind\":\"order.placed\",\"payload\":{\"total\":42}}' |\n"
        "    batpak import ./s\n"
        "batpak import ./s events.jsonl --batch 100\n"
        "producer | batpak import ./s --ack\n"
        "batpak export ./s --all | batpak import ./copy --exact",
    .exits = "0  all of it is in the store and durable, or was left out as asked\n"
             "1  a line was refused, and the import stopped there; no such store\n"
             "2  the command line is wrong\n3  the store is damaged, or a hash of --exact does not match\n"
             "4  the system refused, another process writes the store, or nobody read the --ack lines",
    .groups = {options},
    .least = 1,
    .most = 2,
    .run = run,
};
