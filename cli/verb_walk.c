/*
 * verb_walk.c: along chains, causes, effects and correlations; as a table, as JSON Lines or as a picture.
 */
#include <stdlib.h>
#include <string.h>

#include "payload.h"
#include "session.h"
#include "show.h"
#include "verbs.h"

enum { LABEL_COLUMNS = 40, SHORT_ID = 8 };

static struct {
    bool chain;
    bool causes;
    bool effects;
    bool correlation;
    uint32_t depth;
    uint64_t limit;
    bool verify;
    bool dot;
    bool json;
} given;

static const struct option options[] = {
    {"chain", 0, OPTION_FLAG, &given.chain, NULL, "back along the entity's events, newest first", NULL},
    {"causes", 0, OPTION_FLAG, &given.causes, NULL, "what led to it, and what led to that (the default)", NULL},
    {"effects", 0, OPTION_FLAG, &given.effects, NULL, "what it led to, and what that led to", NULL},
    {"correlation", 0, OPTION_FLAG, &given.correlation, NULL, "all events of its workflow, in sequence order", NULL},
    {"depth", 'd', OPTION_U32, &given.depth, "N", "at most N steps from the start", NULL},
    {"limit", 'n', OPTION_U64, &given.limit, "N", "at most N events (1,000,000)", NULL},
    {"verify", 0, OPTION_FLAG, &given.verify, NULL, "with --chain: check the hash of each link", NULL},
    {"dot", 0, OPTION_FLAG, &given.dot, NULL, "a picture for Graphviz: boxes, and arrows from cause\nto effect", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one line of JSON for each event, with its step", NULL},
    {.name = NULL},
};

/* An arrow of the picture. */
struct edge {
    bp_id from;
    bp_id to;
    bool chain; /* along an entity, not a cause */
};

/* What was drawn: arrows are drawn last, and only between events that are there. */
struct picture {
    bp_id *ids;
    size_t id_count;
    size_t id_capacity;
    struct edge *edges;
    size_t edge_count;
    size_t edge_capacity;
};

static void add_id(struct picture *picture, const bp_id *id)
{
    if (picture->id_count == picture->id_capacity) {
        picture->id_capacity = picture->id_capacity * 2 + 64;
        picture->ids = memory_resize(picture->ids, picture->id_capacity * sizeof *picture->ids);
    }
    picture->ids[picture->id_count++] = *id;
}

static void add_edge(struct picture *picture, const bp_id *from, const bp_id *to, bool chain)
{
    if (picture->edge_count == picture->edge_capacity) {
        picture->edge_capacity = picture->edge_capacity * 2 + 64;
        picture->edges = memory_resize(picture->edges, picture->edge_capacity * sizeof *picture->edges);
    }
    picture->edges[picture->edge_count++] = (struct edge){*from, *to, chain};
}

static int compare_ids(const void *a, const void *b)
{
    return bp_id_compare(a, b);
}

/* A string of a label: what Graphviz would take for its own is escaped. */
static void add_label(struct text *text, const char *data, size_t size)
{
    struct text shown = {0};

    text_add_shown(&shown, data, size, LABEL_COLUMNS);
    for (size_t i = 0; i < shown.size; i++) {
        if (shown.data[i] == '"' || shown.data[i] == '\\') {
            text_add_char(text, '\\');
        }
        text_add_char(text, shown.data[i]);
    }
    text_free(&shown);
}

static void draw_event(struct picture *picture, bp_store *store, const bp_event *event, uint32_t step)
{
    struct text *text = out();
    const char *name = bp_kind_name(store, event->kind);
    char number[BP_KIND_TEXT_SIZE];
    char id[BP_ID_TEXT_SIZE];

    bp_kind_print(event->kind, number);
    bp_id_print(&event->id, id);
    text_add_format(text, "  \"%s\" [label=\"", id);
    add_label(text, name != NULL ? name : number, strlen(name != NULL ? name : number));
    text_add_string(text, "\\n");
    add_label(text, event->entity.data, event->entity.size);
    /* The end of a time-ordered id is what tells two of the same moment apart. */
    text_add_format(text, "\\n#%llu  %s\"%s];\n", (unsigned long long)event->sequence,
                    id + BP_ID_TEXT_SIZE - 1 - SHORT_ID,
                    step == 0 ? ", style=\"filled,rounded\", fillcolor=\"#dbe9f6\"" : "");
    add_id(picture, &event->id);
    for (size_t i = 0; i < event->cause_count; i++) {
        add_edge(picture, &event->causes[i], &event->id, false);
    }
    out_commit();
}

static void draw_edges(struct picture *picture)
{
    struct text *text = out();

    if (picture->id_count == 0) {
        return;
    }
    qsort(picture->ids, picture->id_count, sizeof *picture->ids, compare_ids);
    for (size_t i = 0; i < picture->edge_count; i++) {
        const struct edge *edge = &picture->edges[i];

        if (bsearch(&edge->from, picture->ids, picture->id_count, sizeof edge->from, compare_ids) == NULL) {
            continue;
        }
        text_add_string(text, "  \"");
        text_add_id(text, &edge->from);
        text_add_string(text, "\" -> \"");
        text_add_id(text, &edge->to);
        text_add_string(text, edge->chain ? "\" [style=dashed, color=gray];\n" : "\";\n");
        out_commit();
    }
}

static bp_status draw(bp_walk *walk, bp_store *store, struct picture *picture, uint64_t *count, bp_error *error)
{
    const bp_event *event;
    bp_id later = {0};
    bp_status status;
    uint32_t step;

    text_add_string(out(), "digraph batpak {\n  rankdir=TB;\n"
                           "  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=10];\n");
    while ((status = bp_walk_next(walk, &event, &step, error)) == BP_OK && !out_closed()) {
        draw_event(picture, store, event, step);
        if (given.chain && *count > 0) {
            add_edge(picture, &event->id, &later, true);
        }
        later = event->id;
        ++*count;
    }
    draw_edges(picture);
    text_add_string(out(), "}\n");
    return status;
}

static bp_status print(bp_walk *walk, struct show *show, uint64_t *count, bp_error *error)
{
    const bp_event *event;
    bp_status status;
    uint32_t step;

    while ((status = bp_walk_next(walk, &event, &step, error)) == BP_OK && !out_closed()) {
        status = show_event(show, event, step, error);
        if (status != BP_OK) {
            break;
        }
        ++*count;
    }
    return status;
}

/* Why it ended, in words. */
static void say_reason(bp_walk_stop reason, uint64_t count)
{
    unsigned long long events = count;
    const char *plural = count == 1 ? "" : "s";

    switch (reason) {
    case BP_WALK_LIMIT:
        say("%llu event%s, stopped at --limit: there may be more", events, plural);
        break;
    case BP_WALK_DEPTH:
        say("%llu event%s, stopped at --depth: there is more below", events, plural);
        break;
    case BP_WALK_DROPPED:
        say("%llu event%s; retention took away what lies behind", events, plural);
        break;
    case BP_WALK_MISSING:
        say("%llu event%s; some causes are not in this store", events, plural);
        break;
    default:
        say("%llu event%s, that is all%s", events, plural, given.verify ? ", every link holds" : "");
        break;
    }
}

static int walk_from(bp_store *store, const bp_id *id, const bp_walk_options *walk_options)
{
    static struct show show;
    struct picture picture = {0};
    bp_walk *walk = NULL;
    bp_error error = {0};
    uint64_t count = 0;
    bp_status status;
    int code = 0;

    if (bp_walk_begin(store, id, walk_options, &walk, &error) != BP_OK) {
        return fail(&error);
    }
    show_begin(&show, store, given.json, true);
    status = given.dot ? draw(walk, store, &picture, &count, &error) : print(walk, &show, &count, &error);
    show_end(&show);
    if (status != BP_OK && status != BP_END) {
        code = fail(&error);
    } else if (!out_closed()) {
        say_reason(bp_walk_reason(walk), count);
    }
    free(picture.ids);
    free(picture.edges);
    bp_walk_end(walk);
    return code;
}

static int run(size_t count, char **arguments)
{
    bp_walk_options walk_options;
    bp_store *store = NULL;
    bp_id id;
    int code;

    (void)count;
    bp_walk_options_init(&walk_options);
    if (given.chain + given.causes + given.effects + given.correlation > 1) {
        return fail_usage("one of --chain, --causes, --effects, --correlation");
    }
    if (given.dot && given.json) {
        return fail_usage("either --dot or --json");
    }
    if (given.verify && !given.chain) {
        return fail_usage("--verify goes with --chain");
    }
    walk_options.kind = given.chain         ? BP_WALK_CHAIN
                        : given.effects     ? BP_WALK_EFFECTS
                        : given.correlation ? BP_WALK_CORRELATION
                                            : BP_WALK_CAUSES;
    walk_options.depth = given.depth;
    walk_options.limit = given.limit;
    walk_options.verify = given.verify;
    code = open_reader(arguments[0], &store);
    if (code != 0) {
        return code;
    }
    code = id_find(store, arguments[1], &id);
    if (code == 0) {
        code = walk_from(store, &id, &walk_options);
    }
    return close_store(store, code);
}

const struct verb verb_walk = {
    .name = "walk",
    .summary = "follow causes, effects, a chain or a workflow",
    .arguments = "DIR ID",
    .about = "Starts at the event ID (a UUID, a sequence or urn:NAMESPACE:TEXT) and shows each event once, with how\n"
             "many steps away it is. Why it ended is said on stderr.",
    .examples = "batpak walk ./s 12\nbatpak walk ./s 12 --effects --depth 3\nbatpak walk ./s 12 --chain --verify\n"
                "batpak walk ./s 12 --causes --dot | dot -Tsvg > causes.svg",
    .exits = "0  shown\n1  no such event or store\n2  the command line is wrong\n"
             "3  the store is damaged, or a link does not hold\n4  the system refused",
    .groups = {options},
    .least = 2,
    .most = 2,
    .run = run,
};
