/*
 * made.c: see made.h.
 */
#include "made.h"

#include "output.h"

void print_made(const char *made, const char *path, const bp_snapshot_report *report, bool as_json)
{
    struct text *text = out();

    if (as_json) {
        text_add_char(text, '{');
        put_string(text, "path", path);
        if (!bp_id_is_nil(&report->id)) {
            put_id(text, "id", &report->id);
            put_bool(text, "recorded", report->recorded);
        }
        put_id(text, "store_id", &report->store_id);
        put_u64(text, "events", report->events);
        put_u64(text, "epoch", report->epoch);
        put_hash(text, "root", &report->root);
        put_u64(text, "segments", report->segments);
        put_u64(text, "linked", report->linked);
        put_u64(text, "reused", report->reused);
        put_u64(text, "cloned", report->cloned);
        put_u64(text, "copied", report->copied);
        put_u64(text, "shared_bytes", report->shared_bytes);
        put_u64(text, "copied_bytes", report->copied_bytes);
        put_u64(text, "consumers", report->consumers);
        put_u64(text, "keys", report->keys);
        text_add_string(text, "}\n");
        return;
    }
    text_add_format(text, "%s %s: ", made, path);
    text_add_count(text, report->events);
    text_add_string(text, " events, ");
    text_add_bytes(text, report->copied_bytes);
    text_add_string(text, " copied, ");
    text_add_bytes(text, report->shared_bytes);
    text_add_string(text, " shared\nroot ");
    text_add_hex(text, report->root.bytes, sizeof report->root.bytes);
    text_add_char(text, '\n');
}
