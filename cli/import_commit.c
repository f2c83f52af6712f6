/*
 * import_commit.c: lines on their way into the store. See import_commit.h.
 */
#include "import_commit.h"

#include <stdlib.h>
#include <string.h>

#include "session.h"

enum { SYNC_EVENTS = 1000 };

static const double sync_seconds = 0.05;

void import_begin(struct import *import)
{
    syncer_begin(&import->syncer, import->store);
    import->lines = memory_resize(NULL, BP_BATCH_MAX * sizeof *import->lines);
    import->receipts = memory_resize(NULL, BP_BATCH_MAX * sizeof *import->receipts);
    if (import->exact) {
        import->events = memory_resize(NULL, BP_BATCH_MAX * sizeof *import->events);
    } else {
        import->items = memory_resize(NULL, BP_BATCH_MAX * sizeof *import->items);
        import->options = memory_resize(NULL, BP_BATCH_MAX * sizeof *import->options);
    }
}

void import_end(struct import *import)
{
    free(import->lines);
    free(import->receipts);
    free(import->events);
    free(import->items);
    free(import->options);
    arena_free(&import->arenas[0]);
    arena_free(&import->arenas[1]);
    heads_free(&import->heads);
    syncer_end(&import->syncer);
    text_free(&import->acks);
    text_free(&import->acks_syncing);
}

struct arena *import_arena(struct import *import)
{
    return &import->arenas[import->arena];
}

size_t import_held(const struct import *import)
{
    return arena_size(&import->arenas[0]) + arena_size(&import->arenas[1]);
}

void import_refuse(struct import *import, uint64_t number, size_t column, const char *what)
{
    const char *consequence = import->skip ? "; left out" : "";

    if (column > 0) {
        say("line %llu, column %zu: %s%s", (unsigned long long)number, column, what, consequence);
    } else {
        say("line %llu: %s%s", (unsigned long long)number, what, consequence);
    }
    if (!import->skip) {
        import->code = EXIT_NO;
    }
}

/* An error of the library that is the line's own; all others end the import whatever was asked for. */
static bool is_of_the_line(bp_status status)
{
    int code = exit_code_of(status);

    return code == EXIT_NO || code == EXIT_USAGE;
}

static void refuse_lines(struct import *import, size_t first, size_t n, bp_status status, const bp_error *error)
{
    char line[BP_ERROR_MESSAGE_SIZE + BP_ERROR_HINT_SIZE + BP_ERROR_PATH_SIZE + BP_ERROR_ENTITY_SIZE];
    size_t index = first + (error->has_index && error->index < n ? error->index : 0);

    (void)bp_error_format(error, line, sizeof line);
    if (!is_of_the_line(status)) {
        say("line %llu: %s", (unsigned long long)import->lines[index].number, line);
        import->code = exit_code_of(status);
        import->broken = true;
        return;
    }
    import_refuse(import, import->lines[index].number, 0, line);
    if (n > 1) {
        say("with it the other lines of its batch, %llu to %llu, are left out",
            (unsigned long long)import->lines[first].number, (unsigned long long)import->lines[first + n - 1].number);
    }
    import->skipped += import->skip ? n : 0;
}

static void fill_options(const struct import *import, const struct import_line *line, bp_append_options *options)
{
    const bp_event *event = &line->event;

    bp_append_options_init(options);
    options->expect = line->expect;
    options->id = event->id;
    /* A correlation equal to the id is none: retries compare it as it is stored. */
    if (!bp_id_equal(&event->correlation, &event->id)) {
        options->correlation = event->correlation;
    }
    options->causes = event->causes;
    options->cause_count = event->cause_count;
    options->external = event->external;
    options->has_time = line->has_time;
    options->time_us = event->time_us;
    options->flags = event->flags;
    options->lane = event->lane;
    options->depth = event->depth;
    options->kind_name = line->kind_name;
    options->subject = line->subject;
    options->strict_kind = import->strict_kinds;
}

/* Makes item i of line `from`. */
static void fill_item(const struct import *import, size_t i, size_t from)
{
    const struct import_line *line = &import->lines[from];
    const bp_event *event = &line->event;

    fill_options(import, line, &import->options[i]);
    import->items[i].at = (bp_coordinate){event->entity, event->scope};
    import->items[i].kind = event->kind;
    import->items[i].payload =
        (bp_payload){event->payload, event->payload_size, event->payload_type, event->payload_version};
    import->items[i].options = &import->options[i];
}

static void say_named(const char *name, bp_kind_code kind)
{
    char number[BP_KIND_TEXT_SIZE];

    bp_kind_print(kind, number);
    say("%s is new and names kind %s from now on", name, number);
}

static bp_status append_lines(struct import *import, size_t first, size_t n, bp_error *error)
{
    bp_batch_options batch;

    for (size_t i = 0; i < n; i++) {
        fill_item(import, i, first + i);
    }
    if (n == 1 && import->policy == NULL) {
        const bp_batch_item *item = &import->items[0];

        return bp_append(import->store, item->at, item->kind, item->payload, item->options, import->receipts, error);
    }
    bp_batch_options_init(&batch);
    return bp_policy_append(import->policy, import->store, import->items, n, &batch, import->receipts, error);
}

/* prev_hash is bound by the event hash; it is compared all the same, so that no field of a line goes unread. */
static bool check_previous(struct import *import, const struct import_line *line, bp_error *error)
{
    const struct head *head = heads_find(&import->heads, line->event.entity);
    bp_hash previous = head != NULL ? head->hash : (bp_hash){{0}};

    heads_note(&import->heads, &line->event);
    if (!line->has_previous || bp_hash_equal(&previous, &line->previous)) {
        return true;
    }
    error->status = BP_ERR_HASH;
    (void)snprintf(error->message, sizeof error->message, "prev_hash is not the hash of the entity's event before");
    return false;
}

static bp_status append_exactly(struct import *import, size_t n, bp_error *error)
{
    for (size_t i = 0; i < n; i++) {
        bp_receipt *receipt = &import->receipts[i];
        bp_event *event = &import->events[i];

        if (!check_previous(import, &import->lines[i], error)) {
            error->has_index = true;
            error->index = i;
            return BP_ERR_HASH;
        }
        *event = import->lines[i].event;
        event->batch_count = (uint32_t)n;
        *receipt = (bp_receipt){.sequence = event->sequence, .id = event->id};
    }
    return bp_append_exact(import->store, import->events, n, error);
}

static void note_receipt(struct import *import, const struct import_line *line, const bp_receipt *receipt)
{
    if (receipt->kind_named) {
        say_named(line->kind_name, receipt->kind);
    }
    if (receipt->duplicate) {
        import->duplicates++;
    } else {
        import->events_done++;
    }
    if (import->ack) {
        text_add_char(&import->acks, '{');
        put_u64(&import->acks, "ack", receipt->sequence);
        put_id(&import->acks, "id", &receipt->id);
        if (receipt->duplicate) {
            put_bool(&import->acks, "duplicate", true);
        }
        text_add(&import->acks, "}\n", 2);
    }
}

static void acknowledge(struct import *import, struct text *acks)
{
    if (acks->size > 0) {
        text_add(out(), acks->data, acks->size);
        acks->size = 0;
        out_flush();
        if (out_closed() && import->code == 0) {
            /* Nobody hears the acknowledgements: going on would append what nobody knows of. */
            import->code = EXIT_IO;
            import->broken = true;
        }
    }
}

static bp_status commit_lines(struct import *import, size_t first, size_t n, bp_error *error)
{
    bp_status status = import->exact ? append_exactly(import, n, error) : append_lines(import, first, n, error);

    if (status != BP_OK) {
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        note_receipt(import, &import->lines[first + i], &import->receipts[i]);
    }
    if (import->unsynced == 0) {
        import->unsynced_since = seconds_now();
    }
    import->unsynced += n;
    return BP_OK;
}

/* Where the run that begins at `first` ends; a line without a batch is a run by itself. */
static size_t run_end(const struct import *import, size_t first, size_t n)
{
    const struct slice *name = &import->lines[first].batch;
    size_t end = first + 1;

    while (name->data != NULL && end < n && import->lines[end].batch.data != NULL &&
           import->lines[end].batch.size == name->size &&
           memcmp(import->lines[end].batch.data, name->data, name->size) == 0) {
        end++;
    }
    return end;
}

/* Are all of these lines in the store already, by their ids? */
static bool all_there(struct import *import, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        const bp_event *event = NULL;

        if (bp_id_is_nil(&import->lines[i].event.id) ||
            bp_get(import->store, &import->lines[i].event.id, &event, NULL) != BP_OK) {
            return false;
        }
        bp_event_release(event);
    }
    return true;
}

static void commit_run(struct import *import, size_t first, size_t n)
{
    bp_error error = {0};
    bp_status status = commit_lines(import, first, n, &error);

    if (status == BP_ERR_IDEMPOTENCY && n > 1 && all_there(import, first, n)) {
        /*
         * An earlier import had these lines in a commit of another size. Nothing can be appended any more, so each line
         * is compared by itself.
         */
        for (size_t i = first; i < first + n && import->code == 0; i++) {
            status = commit_lines(import, i, 1, &error);
            if (status != BP_OK) {
                refuse_lines(import, i, 1, status, &error);
            }
        }
    } else if (status != BP_OK) {
        refuse_lines(import, first, n, status, &error);
    }
}

void import_commit(struct import *import, size_t n)
{
    bp_error error = {0};
    bp_status status;

    if (n == 0) {
        return;
    }
    status = commit_lines(import, 0, n, &error);
    if (status != BP_OK && is_of_the_line(status) && !import->exact && n > 1) {
        for (size_t first = 0, end; first < n && import->code == 0; first = end) {
            end = run_end(import, first, n);
            commit_run(import, first, end - first);
        }
    } else if (status != BP_OK) {
        refuse_lines(import, 0, n, status, &error);
    }
    /* What stands behind a line that ends the import is dropped with it. */
    import->count = import->code != 0 ? 0 : import->count - n;
    memmove(import->lines, import->lines + n, import->count * sizeof *import->lines);
    if (import->count == 0) {
        import->arena ^= 1;
        arena_reset(&import->arenas[import->arena]);
    }
    if (import->broken) {
        return;
    }
    if (import->durable && !import->exact) {
        import->unsynced = 0; /* each receipt waited for its sync */
        acknowledge(import, &import->acks);
    } else if (import->unsynced >= SYNC_EVENTS || import->durable) {
        import_sync_start(import);
        import_settle(import, import->durable);
    }
}

void import_sync_start(struct import *import)
{
    struct text acks;

    import_settle(import, true);
    if (import->unsynced == 0 || import->broken) {
        return;
    }
    acks = import->acks_syncing;
    import->acks_syncing = import->acks;
    import->acks = acks;
    import->unsynced = 0;
    syncer_start(&import->syncer);
}

void import_settle(struct import *import, bool wait)
{
    bp_status status;
    bp_error error;

    if (!import->syncer.busy || !syncer_take(&import->syncer, wait, &status, &error)) {
        return;
    }
    if (status == BP_OK) {
        acknowledge(import, &import->acks_syncing);
        return;
    }
    /* The outcome is unknown, so nothing more is acknowledged; a repeat with the same ids is safe. */
    import->code = fail(&error);
    import->broken = true;
    import->acks.size = 0;
    import->acks_syncing.size = 0;
    import->unsynced = 0;
}

int import_sync_due_ms(const struct import *import)
{
    double left = sync_seconds;

    if (import->unsynced > 0) {
        left -= seconds_now() - import->unsynced_since;
    }
    return left > 0 ? (int)(left * 1000) + 1 : 0;
}
