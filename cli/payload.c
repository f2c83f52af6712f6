/*
 * payload.c: payloads and what is shown of them. See payload.h.
 */
#include "payload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <msgpack.h>

#include "options.h"
#include "scan.h"
#include "utf8.h"

enum {
    DEPTH_MAX = 64,
    SHOWN_MAX = 1 << 20, /* MessagePack beyond this is not unpacked: it takes up to 24 times the memory */
    PREVIEW_BYTES = 64   /* of raw bytes, in hex */
};

static const char *const type_names[] = {"raw", "json", "msgpack"};

bool payload_type_parse(const char *text, size_t size, uint8_t *type_out)
{
    uint64_t number;

    for (uint8_t i = 0; i < 3; i++) {
        if (strlen(type_names[i]) == size && memcmp(type_names[i], text, size) == 0) {
            *type_out = i;
            return true;
        }
    }
    if (!number_parse(text, size, &number) || number < 128 || number > 255) {
        return false;
    }
    *type_out = (uint8_t)number;
    return true;
}

void text_add_payload_type(struct text *text, uint8_t type)
{
    if (type < 3) {
        text_add_string(text, type_names[type]);
    } else {
        text_add_u64(text, type);
    }
}

/* ---- JSON to MessagePack ---- */

/* A container that is being written; recursion would let the input choose the depth of the stack. */
struct json_level {
    json_t *container;
    void *member; /* of an object */
    size_t index; /* of an array */
};

static int write_bytes(void *context, const char *data, size_t size)
{
    text_add(context, data, size);
    return 0;
}

static void pack_string(msgpack_packer *packer, const char *string, size_t size)
{
    (void)msgpack_pack_str(packer, size);
    (void)msgpack_pack_str_body(packer, string, size);
}

/* Writes a value, of a container its head only. */
static void pack_head(msgpack_packer *packer, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        (void)msgpack_pack_map(packer, json_object_size(value));
        break;
    case JSON_ARRAY:
        (void)msgpack_pack_array(packer, json_array_size(value));
        break;
    case JSON_STRING:
        pack_string(packer, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        (void)msgpack_pack_int64(packer, json_integer_value(value));
        break;
    case JSON_REAL:
        (void)msgpack_pack_double(packer, json_real_value(value));
        break;
    case JSON_TRUE:
        (void)msgpack_pack_true(packer);
        break;
    case JSON_FALSE:
        (void)msgpack_pack_false(packer);
        break;
    default:
        (void)msgpack_pack_nil(packer);
        break;
    }
}

/* The next value of a container, after having written its key; NULL when there is no more. */
static json_t *next_value(msgpack_packer *packer, struct json_level *level)
{
    json_t *value;

    if (!json_is_object(level->container)) {
        return json_array_get(level->container, level->index++);
    }
    if (level->member == NULL) {
        return NULL;
    }
    pack_string(packer, json_object_iter_key(level->member), json_object_iter_key_len(level->member));
    value = json_object_iter_value(level->member);
    level->member = json_object_iter_next(level->container, level->member);
    return value;
}

static bool pack_value(msgpack_packer *packer, json_t *root)
{
    struct json_level levels[DEPTH_MAX];
    size_t depth = 0;
    json_t *value = root;

    for (;;) {
        if (value != NULL) {
            pack_head(packer, value);
            if (json_is_object(value) || json_is_array(value)) {
                if (depth == DEPTH_MAX) {
                    return false;
                }
                levels[depth++] = (struct json_level){value, json_object_iter(value), 0};
            }
        } else {
            depth--;
        }
        if (depth == 0) {
            return true;
        }
        value = next_value(packer, &levels[depth - 1]);
    }
}

const char *payload_to_msgpack(const char *json, size_t size, struct text *out)
{
    static char why[JSON_ERROR_TEXT_LENGTH + 1];
    json_error_t error;
    json_t *root = json_loadb(json, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    msgpack_packer packer;
    size_t start = out->size;
    bool packed;

    if (root == NULL) {
        (void)snprintf(why, sizeof why, "%s", error.text);
        return why;
    }
    msgpack_packer_init(&packer, out, write_bytes);
    packed = pack_value(&packer, root);
    json_decref(root);
    if (!packed) {
        out->size = start;
        return "nested too deep for MessagePack";
    }
    return NULL;
}

/* ---- MessagePack to JSON ---- */

/*
 * Is this one whole MessagePack value? Asked before it is unpacked, since the library takes memory for as many items as
 * a head promises, whatever follows.
 */
static bool is_msgpack(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    size_t owed = 1; /* values that must still come */

    while (owed > 0) {
        static const uint8_t head_sizes[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
                                               1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
        uint8_t byte;
        size_t number = 0;
        size_t body = 0;
        size_t values = 0;

        if (at == size) {
            return false;
        }
        byte = bytes[at++];
        if (byte >= 0xc0 && byte < 0xe0) {
            size_t head = head_sizes[byte - 0xc0];

            if (byte == 0xc1 || size - at < head) {
                return false;
            }
            for (size_t i = 0; i < head; i++) {
                number = number << 8 | bytes[at + i];
            }
            at += head;
        }
        if ((byte >= 0xc4 && byte <= 0xc6) || (byte >= 0xd9 && byte <= 0xdb)) {
            body = number;
        } else if (byte >= 0xc7 && byte <= 0xc9) {
            body = number + 1;
        } else if (byte >= 0xd4 && byte <= 0xd8) {
            body = ((size_t)1 << (byte - 0xd4)) + 1;
        } else if (byte >= 0xdc && byte <= 0xdd) {
            values = number;
        } else if (byte >= 0xde && byte <= 0xdf) {
            values = number * 2;
        } else if (byte >= 0xa0 && byte < 0xc0) {
            body = byte & 0x1f;
        } else if (byte >= 0x90 && byte < 0xa0) {
            values = byte & 0xf;
        } else if (byte >= 0x80 && byte < 0x90) {
            values = (size_t)(byte & 0xf) * 2;
        }
        if (body > size - at || values > size - at) {
            return false;
        }
        at += body;
        owed += values - 1;
    }
    return at == size;
}

struct msgpack_level {
    const msgpack_object *container;
    uint32_t index;
};

static void add_real(struct text *text, double value)
{
    char digits[40];

    if (!isfinite(value)) {
        text_add_string(text, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    text_add_string(text, digits);
    if (strpbrk(digits, ".e") == NULL) {
        text_add_string(text, ".0");
    }
}

/* Anything but a container. */
static void add_scalar(struct text *text, const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        text_add_string(text, object->via.boolean ? "true" : "false");
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        text_add_u64(text, object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        text_add_i64(text, object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        add_real(text, object->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        text_add_json(text, object->via.str.ptr, object->via.str.size);
        break;
    case MSGPACK_OBJECT_BIN:
        text_add_string(text, "\"base64:");
        text_add_base64(text, object->via.bin.ptr, object->via.bin.size);
        text_add_char(text, '"');
        break;
    case MSGPACK_OBJECT_EXT:
        text_add_format(text, "\"ext %d base64:", (int)object->via.ext.type);
        text_add_base64(text, object->via.ext.ptr, object->via.ext.size);
        text_add_char(text, '"');
        break;
    default:
        text_add_string(text, "null");
        break;
    }
}

static void add_map_key(struct text *text, const msgpack_object *key)
{
    struct text plain = {0};

    if (key->type == MSGPACK_OBJECT_STR) {
        add_scalar(text, key);
        return;
    }
    /* JSON has no such key; what is shown will not pass for an exact copy. */
    if (key->type == MSGPACK_OBJECT_MAP || key->type == MSGPACK_OBJECT_ARRAY) {
        text_add_string(&plain, "...");
    } else {
        add_scalar(&plain, key);
    }
    text_add_json(text, plain.data, plain.size);
    text_free(&plain);
}

/* The next value of a container, after its comma and key; NULL when there is no more. */
static const msgpack_object *next_object(struct text *text, struct msgpack_level *level)
{
    const msgpack_object *container = level->container;
    bool map = container->type == MSGPACK_OBJECT_MAP;
    uint32_t index = level->index++;

    if (index == (map ? container->via.map.size : container->via.array.size)) {
        text_add_char(text, map ? '}' : ']');
        return NULL;
    }
    if (index > 0) {
        text_add_char(text, ',');
    }
    if (!map) {
        return &container->via.array.ptr[index];
    }
    add_map_key(text, &container->via.map.ptr[index].key);
    text_add_char(text, ':');
    return &container->via.map.ptr[index].val;
}

static bool add_object(struct text *text, const msgpack_object *root)
{
    struct msgpack_level levels[DEPTH_MAX];
    size_t depth = 0;
    const msgpack_object *object = root;

    for (;;) {
        if (object == NULL) {
            depth--;
        } else if (object->type == MSGPACK_OBJECT_MAP || object->type == MSGPACK_OBJECT_ARRAY) {
            if (depth == DEPTH_MAX) {
                return false;
            }
            levels[depth++] = (struct msgpack_level){object, 0};
            text_add_char(text, object->type == MSGPACK_OBJECT_MAP ? '{' : '[');
        } else {
            add_scalar(text, object);
        }
        if (depth == 0) {
            return true;
        }
        object = next_object(text, &levels[depth - 1]);
    }
}

bool payload_from_msgpack(const void *data, size_t size, struct text *out)
{
    msgpack_unpacked unpacked;
    size_t start = out->size;
    size_t offset = 0;
    bool shown;

    if (size > SHOWN_MAX || !is_msgpack(data, size)) {
        return false;
    }
    msgpack_unpacked_init(&unpacked);
    shown = msgpack_unpack_next(&unpacked, data, size, &offset) == MSGPACK_UNPACK_SUCCESS && offset == size &&
            add_object(out, &unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    if (!shown) {
        out->size = start;
    }
    return shown;
}

/* ---- showing ---- */

/* Adds the JSON of a MessagePack payload if importing it gives the same bytes. */
static bool put_msgpack(struct text *text, const bp_event *event)
{
    static struct text json;
    static struct text again;

    json.size = 0;
    again.size = 0;
    if (!payload_from_msgpack(event->payload, event->payload_size, &json) ||
        payload_to_msgpack(json.data, json.size, &again) != NULL || again.size != event->payload_size ||
        memcmp(again.data, event->payload, again.size) != 0) {
        return false;
    }
    put_key(text, "payload");
    text_add(text, json.data, json.size);
    return true;
}

const char *encryption_name(const bp_event *event)
{
    static const char *const names[] = {"none", "stored", "opened", "shredded", "locked"};

    return event->encryption < sizeof names / sizeof names[0] ? names[event->encryption] : "unknown";
}

const char *absence_name(const bp_event *event)
{
    return event->encryption == BP_ENCRYPTION_SHREDDED ? "(shredded)"
           : event->encryption == BP_ENCRYPTION_LOCKED ? "(locked)"
                                                       : "(erased)";
}

void put_payload(struct text *text, const bp_event *event)
{
    if (event->payload_absent) {
        return;
    }
    if (event->payload_type == BP_PAYLOAD_JSON && scan_is_compact(event->payload, event->payload_size)) {
        put_key(text, "payload");
        text_add(text, event->payload, event->payload_size);
        return;
    }
    if (event->payload_type == BP_PAYLOAD_MSGPACK && put_msgpack(text, event)) {
        return;
    }
    put_key(text, "payload_base64");
    text_add_char(text, '"');
    text_add_base64(text, event->payload, event->payload_size);
    text_add_char(text, '"');
}

/* How many of these bytes are plain characters of one column. */
static size_t plain_run(const char *data, size_t size)
{
    size_t run = 0;

    while (run < size && data[run] >= 0x20 && data[run] < 0x7f) {
        run++;
    }
    return run;
}

/* One character that is not plain; what is better not sent to a terminal is replaced. */
static void add_shown_character(struct text *text, const char *data, size_t length, int width)
{
    if (data[0] == '\n' || data[0] == '\r' || data[0] == '\t') {
        text_add_char(text, ' ');
    } else if (width < 0) {
        text_add_string(text, "\xef\xbf\xbd");
    } else {
        text_add(text, data, length);
    }
}

void text_add_shown(struct text *text, const char *data, size_t size, size_t columns)
{
    size_t most = columns > 0 ? columns : SIZE_MAX;
    size_t used = 0;
    size_t last = text->size; /* where the text is cut to make room for the ellipsis */

    for (size_t i = 0; i < size;) {
        size_t run = plain_run(data + i, size - i < most - used ? size - i : most - used);
        size_t length;
        size_t step;
        int width;

        text_add(text, data + i, run);
        i += run;
        used += run;
        if (run > 0) {
            last = used < most ? text->size : text->size - 1;
        }
        if (i >= size) {
            return;
        }
        length = utf8_length(data + i, size - i);
        width = length > 0 ? utf8_width(utf8_character(data + i, length)) : -1;
        step = width < 0 ? 1 : (size_t)width;
        if (step > most - used) {
            text->size = last;
            text_add_string(text, "\xe2\x80\xa6");
            return;
        }
        add_shown_character(text, data + i, length, width);
        used += step;
        last = used < most ? text->size : last;
        i += length > 0 ? length : 1;
    }
}

static bool is_readable(const char *data, size_t size)
{
    for (size_t i = plain_run(data, size); i < size; i += plain_run(data + i, size - i)) {
        size_t length = utf8_length(data + i, size - i);

        if (length == 0 || (utf8_width(utf8_character(data + i, length)) < 0 && data[i] != '\t' && data[i] != '\n' &&
                            data[i] != '\r')) {
            return false;
        }
        i += length;
    }
    return true;
}

void text_add_payload(struct text *text, const bp_event *event, size_t columns)
{
    static struct text shown;

    shown.size = 0;
    if (event->payload_absent) {
        const char *why = absence_name(event);

        text_add_shown(text, why, strlen(why), columns);
        return;
    }
    if (event->payload_size == 0) {
        return;
    }
    if (event->payload_type == BP_PAYLOAD_MSGPACK &&
        payload_from_msgpack(event->payload, event->payload_size, &shown)) {
        text_add_shown(text, shown.data, shown.size, columns);
        return;
    }
    if (is_readable(event->payload, event->payload_size)) {
        text_add_shown(text, event->payload, event->payload_size, columns);
        return;
    }
    text_add_format(&shown, "%zu bytes ", event->payload_size);
    text_add_hex(&shown, event->payload, event->payload_size < PREVIEW_BYTES ? event->payload_size : PREVIEW_BYTES);
    text_add_string(&shown, event->payload_size > PREVIEW_BYTES ? "..." : "");
    text_add_shown(text, shown.data, shown.size, columns);
}
