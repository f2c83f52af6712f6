/*
 * policy.c: policies of the command line. See policy.h.
 */
#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

enum { READ_SIZE = 64 * 1024, FILE_MAX = 1 << 20 };

int policy_read(const char *name, struct text *text)
{
    bool standard = strcmp(name, "-") == 0;
    int file = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    ssize_t got;
    int os_error;

    if (file < 0) {
        return fail_system(errno, "cannot open %s", name);
    }
    do {
        got = read(file, text_reserve(text, READ_SIZE), READ_SIZE);
        os_error = errno;
        text->size += got > 0 ? (size_t)got : 0;
    } while ((got > 0 || (got < 0 && os_error == EINTR)) && text->size <= FILE_MAX);
    if (!standard) {
        (void)close(file);
    }
    if (got < 0) {
        return fail_system(os_error, "cannot read %s", name);
    }
    return text->size > FILE_MAX ? fail_usage("%s is larger than 1 MiB", name) : 0;
}

/* Behind the file's text, so that its lines keep their numbers; twice the same is once. */
static int add_carried(bp_store *store, struct text *text)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    bp_status status = bp_policy_stored(store, &event, &error);

    if (status == BP_ERR_NOT_FOUND) {
        return 0;
    }
    if (status != BP_OK) {
        return fail(&error);
    }
    if (text->data == NULL || text->size != event->payload_size ||
        memcmp(text->data, event->payload, text->size) != 0) {
        text_add_char(text, '\n');
        text_add(text, event->payload, event->payload_size);
    }
    bp_event_release(event);
    return 0;
}

int policy_enforce(bp_store *store, const char *file, bp_policy **policy_out)
{
    struct text text = {0};
    bp_error error = {0};
    int code = file != NULL ? policy_read(file, &text) : 0;

    *policy_out = NULL;
    if (code == 0) {
        code = add_carried(store, &text);
    }
    if (code == 0 && text.size > 0 &&
        (bp_policy_parse(store, text.data, text.size, policy_out, &error) != BP_OK ||
         bp_policy_bind(*policy_out, &error) != BP_OK)) {
        code = fail(&error);
    }
    text_free(&text);
    return code;
}

int policy_try_store(bp_io **io_out, bp_store **store_out)
{
    bp_options options;
    bp_error error = {0};

    *io_out = bp_io_memory_new();
    if (*io_out == NULL) {
        return fail_system(ENOMEM, "cannot make a store in memory");
    }
    bp_options_init(&options);
    options.io = *io_out;
    options.durability = BP_BUFFERED;
    options.payload_max = BP_PAYLOAD_MAX;
    if (bp_open("trial", &options, store_out, &error) != BP_OK) {
        bp_io_memory_free(*io_out);
        return fail(&error);
    }
    return 0;
}
