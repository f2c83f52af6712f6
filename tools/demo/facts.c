/*
 * facts.c: turns what a machine has written down anyway into facts for `batpak import`, one JSON object a line.
 *
 *   facts packages [ROUND] <dpkg.log    Debian's package log. A ROUND makes other ids of the same lines.
 *   facts commits NAME <git-log         a git history, of the repository NAME; see read_commits for the options
 *
 * Ids are derived from what a line says, so the same line gives the same id on every day and importing twice changes
 * nothing. What happened is linked to what came before:
 *
 *   packages  correlation: the run of the package manager, whose id is that of its first "startup" line. Causes: the
 *             step before of the same package in this run, and the run's newest startup line when that came since.
 *   commits   causes: the parents, in git's order.
 */
#define _GNU_SOURCE

#include <batpak/batpak.h>

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATHS_SHOWN = 12, RUN_GAP_S = 600 };

static void *memory(size_t size)
{
    void *room = calloc(1, size);
    if (room == NULL) {
        fputs("facts: out of memory\n", stderr);
        exit(4);
    }
    return room;
}

/* ---- JSON ---- */

/* Bytes of the well-formed UTF-8 character at the start of data, 0 if there is none. */
static size_t character_size(const unsigned char *data, size_t size)
{
    unsigned char first = data[0];
    size_t length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
    if (length > size || (first >= 0x80 && first < 0xc2) || first > 0xf4) {
        return 0;
    }
    for (size_t index = 1; index < length; index++) {
        if ((data[index] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (first == 0xe0 && data[1] < 0xa0) || (first == 0xf0 && data[1] < 0x90);
    bool outside = (first == 0xed && data[1] > 0x9f) || (first == 0xf4 && data[1] > 0x8f);
    return overlong || outside ? 0 : length;
}

/* A JSON string; what is no UTF-8 becomes U+FFFD. In a name (an entity) control characters do too, and it ends in time. */
static void print_string(const char *text, size_t size, bool is_name)
{
    const unsigned char *data = (const unsigned char *)text;
    size_t room = is_name ? 900 : SIZE_MAX;
    putchar('"');
    for (size_t at = 0; at < size && at < room;) {
        size_t length = character_size(data + at, size - at);
        bool control = data[at] < 0x20 || data[at] == 0x7f || (length == 2 && data[at] == 0xc2 && data[at + 1] < 0xa0);
        if (length == 0 || (control && is_name)) {
            fputs("\xef\xbf\xbd", stdout);
            length = length == 0 ? 1 : length;
        } else if (control && length == 1) {
            printf("\\u%04x", data[at]);
        } else if (data[at] == '"' || data[at] == '\\') {
            printf("\\%c", data[at]);
        } else {
            fwrite(data + at, 1, length, stdout);
        }
        at += length;
    }
    putchar('"');
}

static void print_member(const char *key, const char *text)
{
    printf(",\"%s\":", key);
    print_string(text, strlen(text), false);
}

/* Begins the payload with its first member. */
static void print_payload(const char *key, const char *text)
{
    printf(",\"payload\":{\"%s\":", key);
    print_string(text, strlen(text), false);
}

static void print_id(const char *before, const bp_id *id, const char *after)
{
    char text[BP_ID_TEXT_SIZE];
    bp_id_print(id, text);
    printf("%s\"%s\"%s", before, text, after);
}

static void print_entity(const char *prefix, const char *name)
{
    char *entity = memory(strlen(prefix) + strlen(name) + 1);
    strcpy(entity, prefix);
    strcat(entity, name);
    print_string(entity, strlen(entity), true);
    free(entity);
}

/* ---- ids that were given, steps that were last ---- */

struct last_step {
    char *name; /* of the package, the tree's key */
    bp_id id;
    bp_id run;
    bp_id startup;
};

static int compare_ids(const void *a, const void *b)
{
    return bp_id_compare(a, b);
}

static int compare_steps(const void *a, const void *b)
{
    return strcmp(((const struct last_step *)a)->name, ((const struct last_step *)b)->name);
}

static void *known_ids;
static void *known_steps;

static bool id_is_known(const bp_id *id)
{
    return tfind(id, &known_ids, compare_ids) != NULL;
}

static void id_remember(const bp_id *id)
{
    bp_id *copy = memory(sizeof *copy);
    *copy = *id;
    if (tsearch(copy, &known_ids, compare_ids) == NULL) {
        exit(4);
    }
}

static struct last_step *step_of(const char *name)
{
    struct last_step key = {.name = strdup(name)};
    struct last_step **found = tfind(&key, &known_steps, compare_steps);
    if (found != NULL) {
        free(key.name);
        return *found;
    }
    struct last_step *step = memory(sizeof *step);
    step->name = key.name;
    if (step->name == NULL || tsearch(step, &known_steps, compare_steps) == NULL) {
        exit(4);
    }
    return step;
}

/* The id of a line: of its text and of how many the same were before it (they are, within a second). */
static bp_id line_id(const char *line, const char *round)
{
    char *text = memory(strlen(line) + strlen(round) + 32);
    for (unsigned nth = 0;; nth++) {
        int size = sprintf(text, "%s/%u/%s", round, nth, line);
        bp_id id = bp_id_from("dpkg.log", text, (size_t)size);
        if (!id_is_known(&id)) {
            id_remember(&id);
            free(text);
            return id;
        }
    }
}

/* ---- the package log ---- */

struct run {
    bool begun;
    bp_id id;      /* of its first startup line: the correlation */
    bp_id startup; /* of its newest one */
    time_t seen;
};

/* "2025-06-24 14:36:25", in local time as dpkg writes it; -1 if it is none. */
static time_t read_time(const char *text)
{
    struct tm parts = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%d %H:%M:%S", &parts);
    return end == NULL || *end != ' ' ? (time_t)-1 : mktime(&parts);
}

static void print_begin(const bp_id *id, const char *prefix, const char *name, const char *scope, const char *kind,
                        int64_t time_us)
{
    print_id("{\"id\":", id, ",\"entity\":");
    print_entity(prefix, name);
    fputs(",\"scope\":", stdout);
    print_string(scope, strlen(scope), true);
    printf(",\"kind\":\"%s\",\"time\":%" PRId64, kind, time_us);
}

static void print_startup(struct run *run, const bp_id *id, const char *what, time_t when)
{
    bool goes_on = run->begun && strcmp(what, "packages configure") == 0 && when - run->seen < RUN_GAP_S;
    if (!goes_on) {
        run->id = *id;
    }
    print_begin(id, "machine:dpkg", "", "machine/dpkg", "run.startup", (int64_t)when * 1000000);
    if (goes_on) {
        print_id(",\"correlation\":", &run->id, "");
        print_id(",\"causes\":[", &run->startup, "]");
    }
    print_payload("what", what);
    fputs("}}\n", stdout);
    run->begun = true;
    run->startup = *id;
}

/* The payload from the versions that end a line: of an installation the old one and the new one, else the first is all. */
static void print_versions(char **words, bool two)
{
    bool old = two && words[0] != NULL && strcmp(words[0], "<none>") != 0;
    const char *version = two && words[0] != NULL ? words[1] : words[0];
    if (old) {
        print_payload("from", words[0]);
        print_member("to", version != NULL ? version : "");
    } else {
        print_payload("version", version != NULL ? version : "");
    }
}

/* One line of a package: `action name:architecture [state] version...`; words ends with NULLs. */
static void print_step(const struct run *run, const bp_id *id, char **words, time_t when)
{
    bool is_status = strcmp(words[0], "status") == 0;
    char *package = is_status ? words[2] : words[1];
    char kind[64];
    snprintf(kind, sizeof kind, "package.%s", words[0]);
    struct last_step *last = step_of(package);
    print_begin(id, "package:", package, "machine/dpkg", kind, (int64_t)when * 1000000);
    if (run->begun) {
        bool follows = bp_id_equal(&last->run, &run->id);
        bool started = !follows || !bp_id_equal(&last->startup, &run->startup);
        print_id(",\"correlation\":", &run->id, ",\"causes\":[");
        if (follows) {
            print_id("", &last->id, started ? "," : "");
        }
        if (started) {
            print_id("", &run->startup, "");
        }
        putchar(']');
        last->run = run->id;
        last->startup = run->startup;
    }
    last->id = *id;
    if (is_status) {
        print_payload("status", words[1]);
        print_member("version", words[3] != NULL ? words[3] : "");
    } else {
        print_versions(words + 2, strcmp(words[0], "install") == 0 || strcmp(words[0], "upgrade") == 0);
    }
    fputs("}}\n", stdout);
}

/* Lower-case words only: what stands in a kind's name. */
static bool is_action(const char *word)
{
    return word != NULL && *word != '\0' && strspn(word, "abcdefghijklmnopqrstuvwxyz-") == strlen(word) &&
           *word != '-' && strlen(word) < 40;
}

static bool read_line(struct run *run, char *line, const char *round)
{
    enum { WORDS = 6, TIME_SIZE = 20 };
    line[strcspn(line, "\n")] = '\0';
    time_t when = read_time(line);
    if (when == (time_t)-1 || strlen(line) <= TIME_SIZE) {
        return false;
    }
    char *words[WORDS] = {NULL};
    char *copy = strdup(line + TIME_SIZE);
    char *rest = copy;
    size_t count = 0;
    for (char *word; count < WORDS - 2 && (word = strsep(&rest, " ")) != NULL;) {
        words[count++] = word;
    }
    bool is_status = count > 0 && strcmp(words[0], "status") == 0;
    bool is_startup = count > 0 && strcmp(words[0], "startup") == 0;
    bool good = is_action(words[0]) && count >= (is_status ? 3u : 2u) && strcmp(words[0], "conffile") != 0;
    if (good) {
        bp_id id = line_id(line, round);
        if (is_startup) {
            print_startup(run, &id, line + TIME_SIZE + strlen("startup "), when);
        } else {
            print_step(run, &id, words, when);
        }
        run->seen = when;
    }
    free(copy);
    return good;
}

static int read_packages(const char *round)
{
    struct run run = {0};
    char *line = NULL;
    size_t room = 0;
    uint64_t passed_over = 0;
    while (getline(&line, &room, stdin) > 0) {
        passed_over += read_line(&run, line, round) ? 0 : 1;
    }
    free(line);
    if (passed_over > 0) {
        fprintf(stderr, "%" PRIu64 " lines of the package log are about no package and were left out\n", passed_over);
    }
    return ferror(stdin) || fflush(stdout) != 0 ? 4 : 0;
}

/* ---- the git history ---- */

static bp_id commit_id(const char *hash, size_t size)
{
    return bp_id_from("git.commit", hash, size);
}

struct commit {
    char *hash;
    char *parents;
    char *author;
    char *time;
    char *subject;
};

/* The next field, which ends with a NUL byte; NULL at the end. */
static char *read_field(void)
{
    char *field = NULL;
    size_t room = 0;
    if (getdelim(&field, &room, '\0', stdin) <= 0) {
        free(field);
        return NULL;
    }
    return field;
}

static void print_causes(const char *parents)
{
    bool missing = false;
    unsigned count = 0;
    for (const char *at = parents; *at != '\0' && count < BP_CAUSES_MAX; count++) {
        size_t size = strcspn(at, " ");
        bp_id id = commit_id(at, size);
        missing = missing || !id_is_known(&id);
        print_id(count == 0 ? ",\"causes\":[" : ",", &id, "");
        at += size + (at[size] == ' ' ? 1 : 0);
    }
    if (count > 0) {
        fputs(missing ? "],\"external\":true" : "]", stdout); /* the parents of a shallow clone are elsewhere */
    }
}

/* The files of a commit, "added\tdeleted\tpath" each, up to the field that is none and is returned. */
static char *print_files(void)
{
    char *shown[PATHS_SHOWN]; /* whole fields; the path is behind the second tab */
    uint64_t files = 0;
    uint64_t added = 0;
    uint64_t deleted = 0;
    char *field = NULL;
    while ((field = read_field()) != NULL) {
        char *text = field + strspn(field, "\n");
        char *first = strchr(text, '\t');
        char *second = first == NULL ? NULL : strchr(first + 1, '\t');
        if (*text != '\0' && second == NULL) {
            break;
        }
        if (second != NULL) {
            added += strtoull(text, NULL, 10);
            deleted += strtoull(first + 1, NULL, 10);
        }
        if (second != NULL && files++ < PATHS_SHOWN) {
            shown[files - 1] = field;
        } else {
            free(field);
        }
    }
    printf(",\"files\":%" PRIu64 ",\"added\":%" PRIu64 ",\"deleted\":%" PRIu64 ",\"paths\":[", files, added, deleted);
    for (uint64_t index = 0; index < files && index < PATHS_SHOWN; index++) {
        char *path = strchr(strchr(shown[index], '\t') + 1, '\t') + 1;
        fputs(index == 0 ? "" : ",", stdout);
        print_string(path, strlen(path), false);
        free(shown[index]);
    }
    putchar(']');
    return field;
}

/*
 * Reads git log -z --reverse --topo-order --no-renames --numstat --diff-merges=first-parent
 *   --format=%H%x00%P%x00%an%x00%at%x00%s: parents come before their children.
 */
static int read_commits(const char *repository)
{
    char scope[256];
    snprintf(scope, sizeof scope, "git/%.200s", repository);
    char *hash = read_field();
    while (hash != NULL) {
        struct commit commit = {.hash = hash};
        commit.parents = read_field();
        commit.author = read_field();
        commit.time = read_field();
        commit.subject = read_field();
        if (commit.subject == NULL) {
            fputs("facts: the git log ends in the middle of a commit\n", stderr);
            return 4;
        }
        bp_id id = commit_id(hash, strlen(hash));
        bool is_merge = strchr(commit.parents, ' ') != NULL;
        print_begin(&id, "author:", commit.author, scope, is_merge ? "git.merge" : "git.commit",
                    (int64_t)strtoll(commit.time, NULL, 10) * 1000000);
        print_causes(commit.parents);
        id_remember(&id);
        print_payload("subject", commit.subject);
        print_member("hash", hash);
        char *next = print_files();
        fputs("}}\n", stdout);
        free(hash);
        free(commit.parents);
        free(commit.author);
        free(commit.time);
        free(commit.subject);
        hash = next;
    }
    return ferror(stdin) || fflush(stdout) != 0 ? 4 : 0;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "packages") == 0) {
        return read_packages(argc > 2 ? argv[2] : "0");
    }
    if (argc == 3 && strcmp(argv[1], "commits") == 0) {
        return read_commits(argv[2]);
    }
    fputs("usage: facts packages [ROUND] <dpkg.log | facts commits NAME <git-log\n", stderr);
    return 2;
}
