/*
 * types.c: the small functions of types.h that make and compare values: text, coordinates, payloads, kinds, hashes.
 *
 * Holds: nothing is copied, checked or allocated here; a NULL string is an empty text.
 */
#include <batpak/types.h>

#include <string.h>

const char *bp_version(void)
{
    return BP_VERSION;
}

bp_text bp_text_of(const char *string)
{
    const char *data = string == NULL ? "" : string;
    return (bp_text){.data = data, .size = strlen(data)};
}

bool bp_text_equal(bp_text a, bp_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bp_coordinate bp_at(const char *entity, const char *scope)
{
    return (bp_coordinate){.entity = bp_text_of(entity), .scope = bp_text_of(scope)};
}

bp_coordinate bp_at_bytes(const void *entity, size_t entity_size, const void *scope, size_t scope_size)
{
    return (bp_coordinate){
        .entity = {.data = (const char *)entity, .size = entity_size},
        .scope = {.data = (const char *)scope, .size = scope_size},
    };
}

static bp_payload payload_of(const void *data, size_t size, bp_payload_type type)
{
    return (bp_payload){.data = data, .size = size, .type = (uint8_t)type, .version = 0};
}

bp_payload bp_raw(const void *data, size_t size)
{
    return payload_of(data, size, BP_PAYLOAD_RAW);
}

bp_payload bp_json(const char *text)
{
    bp_text json = bp_text_of(text);
    return payload_of(json.data, json.size, BP_PAYLOAD_JSON);
}

bp_payload bp_json_bytes(const void *data, size_t size)
{
    return payload_of(data, size, BP_PAYLOAD_JSON);
}

bp_payload bp_msgpack(const void *data, size_t size)
{
    return payload_of(data, size, BP_PAYLOAD_MSGPACK);
}

bp_payload bp_payload_versioned(bp_payload payload, uint16_t version)
{
    payload.version = version;
    return payload;
}

bp_kind_code bp_kind(unsigned category, unsigned type)
{
    return BP_KIND(category, type);
}

unsigned bp_kind_category(bp_kind_code kind)
{
    return (unsigned)kind >> 12;
}

unsigned bp_kind_type(bp_kind_code kind)
{
    return (unsigned)kind & 0xfffu;
}

bool bp_kind_is_system(bp_kind_code kind)
{
    return bp_kind_category(kind) == 0x0u;
}

bool bp_kind_is_effect(bp_kind_code kind)
{
    return bp_kind_category(kind) == 0xdu;
}

bool bp_kind_is_open(bp_kind_code kind)
{
    if (bp_kind_is_system(kind)) {
        return kind == BP_KIND_DATA;
    }
    if (!bp_kind_is_effect(kind)) {
        return true;
    }
    switch (kind) {
    case BP_KIND_ERROR:
    case BP_KIND_RETRY:
    case BP_KIND_ACK:
    case BP_KIND_BACKPRESSURE:
    case BP_KIND_CANCEL:
    case BP_KIND_CONFLICT:
        return true;
    default:
        return false;
    }
}
