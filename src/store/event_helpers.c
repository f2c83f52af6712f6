/*
 * event_helpers.c: questions about one event that need no store, and places in the graph.
 *
 * Holds: an event may come from a caller, so that its sizes are looked at before its bytes are hashed.
 */
#include <batpak/event.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format/hashing.h"

uint64_t bp_event_age_us(const bp_event *event, int64_t now_us)
{
    return event == NULL || now_us <= event->time_us ? 0 : (uint64_t)now_us - (uint64_t)event->time_us;
}

bool bp_event_is_genesis(const bp_event *event)
{
    return event != NULL && event->clock == 0;
}

bool bp_event_is_correlated(const bp_event *event)
{
    return event != NULL && !bp_id_equal(&event->correlation, &event->id);
}

bool bp_event_is_caused_by(const bp_event *event, const bp_id *cause)
{
    for (size_t i = 0; event != NULL && cause != NULL && i < event->cause_count; i++) {
        if (bp_id_equal(&event->causes[i], cause)) {
            return true;
        }
    }
    return false;
}

bool bp_event_is_root_cause(const bp_event *event)
{
    return event != NULL && event->cause_count == 0;
}

bool bp_event_extension(const bp_event *event, uint16_t tag, const uint8_t **value_out, size_t *size_out)
{
    const uint8_t *value = NULL;
    size_t size = 0;
    bool found = false;
    if (event != NULL && event->extensions != NULL) {
        found = (tag & 0x8000u) == 0
                    ? bpi_extension_find(event->extensions, event->public_extensions_size, tag, &value, &size)
                    : bpi_extension_find(event->extensions + event->public_extensions_size,
                                         event->private_extensions_size, tag, &value, &size);
    }
    if (value_out != NULL) {
        *value_out = value;
    }
    if (size_out != NULL) {
        *size_out = size;
    }
    return found;
}

bp_hash bp_event_content_hash(const bp_event *event)
{
    bp_hash hash = {{0}};
    if (event == NULL || event->payload_absent || event->encryption == BP_ENCRYPTION_OPENED) {
        return event == NULL ? hash : event->content_hash;
    }
    const uint8_t *private =
        event->private_extensions_size == 0 ? NULL : event->extensions + event->public_extensions_size;
    bpi_content_hash(event->salt, private, event->private_extensions_size, event->payload, event->payload_size, &hash);
    return hash;
}

bp_hash bp_event_compute_hash(const bp_event *event, const bp_hash *previous)
{
    uint8_t prefix[BPI_EVENT_PREFIX_MAX];
    uint8_t last[BPI_HASH_BLOCK];
    bp_hash hash = {{0}};
    bpi_record_input input;
    if (event == NULL || event->entity.size > BP_NAME_MAX || event->scope.size > BP_NAME_MAX ||
        event->cause_count > BP_CAUSES_MAX || event->public_extensions_size > BPI_EXTENSIONS_MAX ||
        event->private_extensions_size > BPI_EXTENSIONS_MAX) {
        return hash;
    }
    bp_hash content = bp_event_content_hash(event);
    bpi_record_input_of(event, &input);
    bpi_event_prefix(prefix, &input, &content);
    bpi_event_last_block(last, previous, event->sequence, event->clock, event->hlc, event->time_us);
    bpi_hash_two(BPI_HASH_EVENT, prefix, bpi_event_prefix_size(&input), last, &hash);
    return hash;
}

bool bp_chain_verify(const bp_event *event, const bp_event *previous)
{
    if (event == NULL) {
        return false;
    }
    if (previous == NULL) {
        if (event->clock != 0) {
            return false;
        }
    } else if (!bp_text_equal(event->entity, previous->entity) || event->clock == 0 ||
               event->clock - 1 != previous->clock || event->sequence <= previous->sequence ||
               event->hlc <= previous->hlc) {
        return false;
    }
    bp_hash hash = bp_event_compute_hash(event, previous == NULL ? NULL : &previous->event_hash);
    return bp_hash_equal(&hash, &event->event_hash);
}

bp_hash bp_hash_bytes(const void *data, size_t size)
{
    bp_hash hash;
    bpi_hash_plain(data == NULL ? "" : data, data == NULL ? 0 : size, &hash);
    return hash;
}

/* ---- places ---- */

bp_place bp_place_root(bp_hlc hlc)
{
    return (bp_place){.hlc = hlc};
}

bp_place bp_place_child(bp_place parent, bp_hlc hlc)
{
    return (bp_place){.hlc = hlc, .clock = parent.clock + 1, .lane = parent.lane, .depth = parent.depth};
}

bp_place bp_place_fork(bp_place parent, uint32_t lane, bp_hlc hlc)
{
    return (bp_place){.hlc = hlc, .lane = lane, .depth = parent.depth + 1};
}

bp_place bp_place_of(const bp_event *event)
{
    if (event == NULL) {
        return (bp_place){.hlc = 0};
    }
    return (bp_place){.hlc = event->hlc, .clock = event->clock, .lane = event->lane, .depth = event->depth};
}

bool bp_place_is_root(bp_place place)
{
    return place.clock == 0 && place.lane == 0 && place.depth == 0;
}

bool bp_place_is_ancestor_of(bp_place a, bp_place b)
{
    return bp_place_compare(a, b) == BP_LESS;
}

bp_order bp_place_compare(bp_place a, bp_place b)
{
    if (a.lane != b.lane || a.depth != b.depth) {
        return BP_INCOMPARABLE;
    }
    return a.clock < b.clock ? BP_LESS : a.clock > b.clock ? BP_GREATER : BP_EQUAL;
}

void bp_place_print(bp_place place, char text_out[BP_PLACE_TEXT_SIZE])
{
    if (text_out == NULL) {
        return;
    }
    (void)snprintf(text_out, BP_PLACE_TEXT_SIZE, "%" PRIu32 ":%" PRIu32 ":%" PRIu64 "@%" PRIu64 ".%" PRIu32,
                   place.depth, place.lane, place.clock, (uint64_t)BP_HLC_MS(place.hlc), BP_HLC_COUNTER(place.hlc));
}
