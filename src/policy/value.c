/*
 * value.c: the values of outcomes: the program's own by a table, and the library's: bytes, lists, outcomes.
 *
 * Holds: a value is its type and its data, and whoever has it owns it. The library's types are known by their address.
 */
#include "policy/outcome.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

enum { LIST_ROOM = 4 };

static void no_memory_is_nothing(void *data)
{
    (void)data;
}

static const bp_value_type no_memory_type = {
    .size = sizeof(bp_value_type), .name = "out of memory", .destroy = no_memory_is_nothing};

bp_value bp_value_none(void)
{
    return (bp_value){.type = NULL, .data = NULL};
}

bp_value bp_value_no_memory(void)
{
    return (bp_value){.type = &no_memory_type, .data = NULL};
}

bool bpi_value_is_no_memory(const bp_value *value)
{
    return value->type == &no_memory_type;
}

bp_value bp_value_of(const bp_value_type *type, void *data)
{
    return (bp_value){.type = type, .data = data};
}

void *bp_value_data(const bp_value *value, const bp_value_type *type)
{
    return value != NULL && type != NULL && value->type == type ? value->data : NULL;
}

void bp_value_destroy(bp_value value)
{
    if (value.type != NULL && value.type->destroy != NULL) {
        value.type->destroy(value.data);
    }
}

static const bp_value_type list_type;

/* The type that keeps this value from being copied, or NULL. */
static const bp_value_type *fixed_type(const bp_value *value)
{
    if (value->type == NULL) {
        return NULL;
    }
    if (value->type == &list_type) {
        return ((const bpi_list *)value->data)->fixed;
    }
    return value->type->copy == NULL ? value->type : NULL;
}

bp_status bp_value_copy(const bp_value *value, bp_value *copy_out, bp_error *error)
{
    *copy_out = bp_value_none();
    if (value->type == NULL) {
        return BP_OK;
    }
    const bp_value_type *fixed = fixed_type(value);
    if (fixed != NULL) {
        return bpi_error_set(error, BP_ERR_UNSUPPORTED, "a value of the type '%s' cannot be copied",
                             fixed->name != NULL ? fixed->name : "?");
    }
    void *data = value->type->copy(value->data);
    if (data == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to copy a value");
    }
    *copy_out = bp_value_of(value->type, data);
    return BP_OK;
}

/* ---- bytes ---- */

static void payload_destroy(void *data)
{
    bp_payload *payload = data;
    bpi_release(bpi_outcome_allocator(), payload, sizeof(*payload) + payload->size);
}

static void *payload_new(const bp_payload *from)
{
    if (from->size > SIZE_MAX / 2) {
        return NULL;
    }
    bp_payload *payload = bpi_allocate(bpi_outcome_allocator(), sizeof(*payload) + from->size);
    if (payload != NULL) {
        *payload = *from;
        bpi_copy(payload + 1, from->data, from->size);
        payload->data = payload + 1;
    }
    return payload;
}

static void *payload_copy(const void *data)
{
    return payload_new(data);
}

static bp_status payload_encode(const void *data, bp_payload_type form, bp_output *output, bp_error *error)
{
    const bp_payload *payload = data;
    if (payload->type != (uint8_t)form) {
        return bpi_error_set(error, BP_ERR_UNSUPPORTED, "a value of payload type %u has no form as %s", payload->type,
                             form == BP_PAYLOAD_JSON ? "JSON" : "MessagePack");
    }
    (void)bp_output_append(output, payload->data, payload->size);
    return BP_OK;
}

static const bp_value_type payload_type = {.size = sizeof(bp_value_type),
                                           .name = "payload",
                                           .destroy = payload_destroy,
                                           .copy = payload_copy,
                                           .encode = payload_encode};

bp_value bp_value_of_payload(bp_payload payload)
{
    void *data = payload_new(&payload);
    return data != NULL ? bp_value_of(&payload_type, data) : bp_value_no_memory();
}

const bp_payload *bp_value_payload(const bp_value *value)
{
    return bp_value_data(value, &payload_type);
}

/* ---- lists ---- */

static size_t list_size(size_t room)
{
    return sizeof(bpi_list) + room * sizeof(bp_value);
}

void bpi_list_free(bpi_list *list)
{
    if (list == NULL) {
        return;
    }
    for (size_t index = 0; index < list->count; index++) {
        bp_value_destroy(list->items[index]);
    }
    bpi_release(bpi_outcome_allocator(), list, list_size(list->room));
}

bool bpi_list_push(bpi_list **list, bp_value value)
{
    bpi_list *old = *list;
    size_t room = old == NULL ? 0 : old->room;
    if (old == NULL || old->count == room) {
        size_t more = room == 0 ? LIST_ROOM : room * 2;
        bpi_list *grown =
            more > SIZE_MAX / 2 / sizeof(bp_value)
                ? NULL
                : bpi_resize(bpi_outcome_allocator(), old, old == NULL ? 0 : list_size(room), list_size(more));
        if (grown == NULL) {
            bp_value_destroy(value);
            return false;
        }
        if (old == NULL) {
            grown->count = 0;
            grown->fixed = NULL;
        }
        grown->room = more;
        *list = grown;
    }
    (*list)->items[(*list)->count++] = value;
    if ((*list)->fixed == NULL) {
        (*list)->fixed = fixed_type(&value);
    }
    return true;
}

static void list_destroy(void *data)
{
    bpi_list_free(data);
}

static void *list_copy(const void *data)
{
    const bpi_list *list = data;
    bpi_list *copy = bpi_allocate(bpi_outcome_allocator(), list_size(list->room));
    if (copy == NULL) {
        return NULL;
    }
    copy->room = list->room;
    copy->count = 0;
    copy->fixed = NULL;
    for (size_t index = 0; index < list->count; index++) {
        if (bp_value_copy(&list->items[index], &copy->items[index], NULL) != BP_OK) {
            bpi_list_free(copy);
            return NULL;
        }
        copy->count++;
    }
    return copy;
}

static bp_status put_header(size_t count, bp_payload_type form, bp_output *output, bp_error *error)
{
    if (count > UINT32_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "a list of %zu values has no written form", count);
    }
    uint8_t header[5] = {0xdd, (uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count};
    (void)(form == BP_PAYLOAD_JSON ? bp_output_append(output, "[", 1)
                                   : bp_output_append(output, header, sizeof(header)));
    return BP_OK;
}

static bp_status item_encode(const bp_value *item, bp_payload_type form, bp_output *output, bp_error *error)
{
    if (item->type == NULL) {
        (void)(form == BP_PAYLOAD_JSON ? bp_output_append(output, "null", 4) : bp_output_append(output, "\xc0", 1));
        return BP_OK;
    }
    if (item->type->encode == NULL) {
        return bpi_error_set(error, BP_ERR_UNSUPPORTED, "a value of the type '%s' has no written form",
                             item->type->name != NULL ? item->type->name : "?");
    }
    return item->type->encode(item->data, form, output, error);
}

static bp_status list_encode(const void *data, bp_payload_type form, bp_output *output, bp_error *error)
{
    const bpi_list *list = data;
    bp_status status = put_header(list->count, form, output, error);
    for (size_t index = 0; status == BP_OK && index < list->count; index++) {
        if (index != 0 && form == BP_PAYLOAD_JSON) {
            (void)bp_output_append(output, ",", 1);
        }
        status = item_encode(&list->items[index], form, output, error);
    }
    if (form == BP_PAYLOAD_JSON) {
        (void)bp_output_append(output, "]", 1);
    }
    return status;
}

static const bp_value_type list_type = {
    .size = sizeof(bp_value_type), .name = "list", .destroy = list_destroy, .copy = list_copy, .encode = list_encode};

bp_value bpi_list_value(bpi_list *list)
{
    if (list == NULL) {
        list = bpi_allocate(bpi_outcome_allocator(), list_size(0));
        if (list == NULL) {
            return bp_value_no_memory();
        }
        list->room = 0;
        list->count = 0;
        list->fixed = NULL;
    }
    return bp_value_of(&list_type, list);
}

bp_value bp_value_list(const bp_value *values, size_t count)
{
    bpi_list *list = NULL;
    bool whole = true;
    for (size_t index = 0; index < count; index++) {
        if (!whole) {
            bp_value_destroy(values[index]);
        } else {
            whole = bpi_list_push(&list, values[index]) && !bpi_value_is_no_memory(&values[index]);
        }
    }
    if (!whole) {
        bpi_list_free(list);
        return bp_value_no_memory();
    }
    return bpi_list_value(list);
}

bool bp_value_is_list(const bp_value *value)
{
    return value != NULL && value->type == &list_type;
}

size_t bp_value_list_count(const bp_value *value)
{
    return bp_value_is_list(value) ? ((const bpi_list *)value->data)->count : 0;
}

const bp_value *bp_value_list_at(const bp_value *value, size_t index)
{
    return index < bp_value_list_count(value) ? &((const bpi_list *)value->data)->items[index] : NULL;
}

bp_value bp_value_list_take(bp_value *list, size_t index)
{
    if (index >= bp_value_list_count(list)) {
        return bp_value_none();
    }
    bp_value *item = &((bpi_list *)list->data)->items[index];
    bp_value taken = *item;
    *item = bp_value_none();
    return taken;
}

/* ---- outcomes ---- */

static void outcome_destroy(void *data)
{
    bp_outcome_free(data);
}

static bp_status outcome_encode(const void *data, bp_payload_type form, bp_output *output, bp_error *error)
{
    return bp_outcome_encode(data, form, output, error);
}

static const bp_value_type outcome_type = {
    .size = sizeof(bp_value_type), .name = "outcome", .destroy = outcome_destroy, .encode = outcome_encode};

bp_value bp_value_of_outcome(bp_outcome *outcome)
{
    return bp_value_of(&outcome_type, bpi_outcome_given(outcome));
}

bp_outcome *bpi_value_take_outcome(bp_value *value)
{
    bp_outcome *inner = bp_value_data(value, &outcome_type);
    if (inner != NULL) {
        *value = bp_value_none();
    }
    return inner;
}
