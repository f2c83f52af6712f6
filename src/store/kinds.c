/*
 * kinds.c: the table of kind names.
 */
#include "store/kinds.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

static const struct constant {
    bp_kind_code kind;
    const char *name;
} constants[] = {
    {BP_KIND_DATA, "DATA"},
    {BP_KIND_INIT, "INIT"},
    {BP_KIND_SHUTDOWN, "SHUTDOWN"},
    {BP_KIND_HEARTBEAT, "HEARTBEAT"},
    {BP_KIND_CONFIG_CHANGE, "CONFIG_CHANGE"},
    {BP_KIND_CHECKPOINT, "CHECKPOINT"},
    {BP_KIND_NAME, "KIND_NAME"},
    {BP_KIND_DENIAL, "DENIAL"},
    {BP_KIND_ERASURE, "ERASURE"},
    {BP_KIND_POLICY, "POLICY"},
    {BP_KIND_TOMBSTONE, "TOMBSTONE"},
    {BP_KIND_ERROR, "ERROR"},
    {BP_KIND_RETRY, "RETRY"},
    {BP_KIND_ACK, "ACK"},
    {BP_KIND_BACKPRESSURE, "BACKPRESSURE"},
    {BP_KIND_CANCEL, "CANCEL"},
    {BP_KIND_CONFLICT, "CONFLICT"},
};

enum { CONSTANT_COUNT = sizeof constants / sizeof constants[0], NAMED_CATEGORY = 1 };

const char *bpi_kind_constant_name(bp_kind_code kind)
{
    for (size_t i = 0; i < CONSTANT_COUNT; i++) {
        if (constants[i].kind == kind) {
            return constants[i].name;
        }
    }
    return NULL;
}

bool bpi_kind_constant_find(const char *name, size_t size, bp_kind_code *kind_out)
{
    for (size_t i = 0; i < CONSTANT_COUNT; i++) {
        if (strlen(constants[i].name) == size && memcmp(constants[i].name, name, size) == 0) {
            *kind_out = constants[i].kind;
            return true;
        }
    }
    return false;
}

bool bp_kind_name_valid(const char *name, size_t size)
{
    if (name == NULL || size == 0 || size > BP_KIND_NAME_MAX ||
        !bpi_name_valid((const uint8_t *)name, size, BP_KIND_NAME_MAX)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
        bool later = (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/';
        if (!letter && (i == 0 || !later)) {
            return false;
        }
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decimal digits from `at` on, at most four; -1 when there are none or other characters. */
static int decimal(const char *text, size_t size)
{
    int number = 0;
    if (size == 0 || size > 4) {
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

bool bp_kind_parse_number(const char *text, size_t size, bp_kind_code *kind_out)
{
    if (text == NULL || kind_out == NULL || size < 3) {
        return false;
    }
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && size <= 6) {
        unsigned value = 0;
        for (size_t i = 2; i < size; i++) {
            int digit = hex_digit(text[i]);
            if (digit < 0) {
                return false;
            }
            value = value * 16 + (unsigned)digit;
        }
        *kind_out = (bp_kind_code)value;
        return true;
    }
    const char *colon = memchr(text, ':', size);
    if (colon == NULL) {
        return false;
    }
    int category = decimal(text, (size_t)(colon - text));
    int type = decimal(colon + 1, size - (size_t)(colon - text) - 1);
    if (category < 0 || category >= BPI_KIND_CATEGORIES || type < 0 || type >= BPI_KIND_TYPES) {
        return false;
    }
    *kind_out = bp_kind((unsigned)category, (unsigned)type);
    return true;
}

void bp_kind_print(bp_kind_code kind, char text_out[BP_KIND_TEXT_SIZE])
{
    if (text_out == NULL) {
        return;
    }
    (void)snprintf(text_out, BP_KIND_TEXT_SIZE, "0x%04X", (unsigned)kind);
}

void bpi_kinds_init(bpi_kinds *kinds, const bp_allocator *allocator)
{
    memset(kinds, 0, sizeof *kinds);
    kinds->allocator = allocator;
    (void)pthread_rwlock_init(&kinds->lock, NULL);
    (void)pthread_mutex_init(&kinds->naming, NULL);
}

void bpi_kinds_fini(bpi_kinds *kinds)
{
    for (size_t i = 0; i < kinds->count; i++) {
        bpi_release(kinds->allocator, kinds->by_kind[i], sizeof *kinds->by_kind[i]);
    }
    for (bpi_kind_entry *entry = kinds->spare; entry != NULL;) {
        bpi_kind_entry *next = entry->next;
        bpi_release(kinds->allocator, entry, sizeof *entry);
        entry = next;
    }
    bpi_release(kinds->allocator, kinds->by_kind, kinds->capacity * sizeof *kinds->by_kind);
    bpi_release(kinds->allocator, kinds->by_name, kinds->capacity * sizeof *kinds->by_name);
    for (size_t i = 0; i < BPI_KIND_CATEGORIES; i++) {
        bpi_release(kinds->allocator, kinds->events[i], BPI_KIND_TYPES * sizeof(uint64_t));
    }
    (void)pthread_rwlock_destroy(&kinds->lock);
    (void)pthread_mutex_destroy(&kinds->naming);
}

static bool grow(bpi_kinds *kinds, bpi_kind_entry ***array, size_t capacity)
{
    bpi_kind_entry **grown =
        bpi_resize(kinds->allocator, *array, kinds->capacity * sizeof **array, capacity * sizeof **array);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    return true;
}

static bool make_room(bpi_kinds *kinds, size_t more)
{
    if (kinds->capacity - kinds->count >= more) {
        return true;
    }
    size_t capacity = kinds->capacity * 2 + more + 16;
    bpi_kind_entry **fresh = bpi_allocate_array(kinds->allocator, capacity, sizeof *fresh);
    bool good = fresh != NULL && grow(kinds, &kinds->by_kind, capacity);
    if (good) {
        bpi_copy(fresh, kinds->by_name, kinds->count * sizeof *fresh);
        bpi_release(kinds->allocator, kinds->by_name, kinds->capacity * sizeof *fresh);
        kinds->by_name = fresh;
        kinds->capacity = capacity;
    } else {
        bpi_release(kinds->allocator, fresh, capacity * sizeof *fresh);
    }
    return good;
}

bool bpi_kinds_reserve(bpi_kinds *kinds, size_t more)
{
    (void)pthread_rwlock_wrlock(&kinds->lock);
    bool good = make_room(kinds, more);
    while (good && kinds->spare_count < more) {
        bpi_kind_entry *entry = bpi_allocate_zero(kinds->allocator, sizeof *entry);
        good = entry != NULL;
        if (good) {
            entry->next = kinds->spare;
            kinds->spare = entry;
            kinds->spare_count++;
        }
    }
    (void)pthread_rwlock_unlock(&kinds->lock);
    return good;
}

bool bpi_kinds_reserve_count(bpi_kinds *kinds, bp_kind_code kind)
{
    unsigned category = bp_kind_category(kind);
    if (kinds->events[category] == NULL) {
        kinds->events[category] = bpi_allocate_array(kinds->allocator, BPI_KIND_TYPES, sizeof(uint64_t));
    }
    return kinds->events[category] != NULL;
}

void bpi_kinds_count_events(bpi_kinds *kinds, bp_kind_code kind, uint64_t more)
{
    _Atomic uint64_t *count = &kinds->events[bp_kind_category(kind)][bp_kind_type(kind)];
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more, memory_order_relaxed);
}

void bpi_kinds_uncount_events(bpi_kinds *kinds, bp_kind_code kind, uint64_t fewer)
{
    if (kinds->events[bp_kind_category(kind)] == NULL) {
        return; /* none was counted: who says so had it from a forged file */
    }
    _Atomic uint64_t *count = &kinds->events[bp_kind_category(kind)][bp_kind_type(kind)];
    uint64_t now = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, fewer < now ? now - fewer : 0, memory_order_relaxed);
}

void bpi_kinds_count_event(bpi_kinds *kinds, bp_kind_code kind)
{
    bpi_kinds_count_events(kinds, kind, 1);
}

static int compare_name(const bpi_kind_entry *entry, const char *name, size_t size)
{
    size_t length = strlen(entry->name);
    int order = memcmp(entry->name, name, length < size ? length : size);
    if (order != 0) {
        return order;
    }
    return length < size ? -1 : length > size;
}

/* The first position whose name is not less. */
static size_t name_position(const bpi_kinds *kinds, const char *name, size_t size)
{
    size_t low = 0;
    size_t high = kinds->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_name(kinds->by_name[middle], name, size) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t kind_position(const bpi_kinds *kinds, bp_kind_code kind)
{
    size_t low = 0;
    size_t high = kinds->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kinds->by_kind[middle]->kind < kind) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool has_name(const bpi_kinds *kinds, size_t position, const char *name, size_t size)
{
    return position < kinds->count && compare_name(kinds->by_name[position], name, size) == 0;
}

bool bpi_kinds_find_name(bpi_kinds *kinds, const char *name, size_t size, bp_kind_code *kind_out)
{
    (void)pthread_rwlock_rdlock(&kinds->lock);
    size_t position = name_position(kinds, name, size);
    bool found = has_name(kinds, position, name, size);
    if (found) {
        *kind_out = kinds->by_name[position]->kind;
    }
    (void)pthread_rwlock_unlock(&kinds->lock);
    return found;
}

const char *bpi_kinds_name_of(bpi_kinds *kinds, bp_kind_code kind)
{
    (void)pthread_rwlock_rdlock(&kinds->lock);
    size_t position = kind_position(kinds, kind);
    const char *name = NULL;
    if (position < kinds->count && kinds->by_kind[position]->kind == kind) {
        name = kinds->by_kind[position]->name;
    }
    (void)pthread_rwlock_unlock(&kinds->lock);
    return name;
}

bool bpi_kinds_free_kind(bpi_kinds *kinds, unsigned from, bp_kind_code *kind_out)
{
    for (unsigned type = from; type < BPI_KIND_TYPES; type++) {
        bp_kind_code kind = bp_kind(NAMED_CATEGORY, type);
        const _Atomic uint64_t *events = kinds->events[NAMED_CATEGORY];
        bool used = events != NULL && atomic_load_explicit(&events[type], memory_order_relaxed) != 0;
        if (!used && bpi_kinds_name_of(kinds, kind) == NULL) {
            *kind_out = kind;
            return true;
        }
    }
    return false;
}

static void insert(bpi_kind_entry **array, size_t count, size_t position, bpi_kind_entry *entry)
{
    memmove(&array[position + 1], &array[position], (count - position) * sizeof *array);
    array[position] = entry;
}

static bp_status not_a_pair(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_CORRUPT, "a kind-name event does not hold a kind and a name");
}

static bool is_pair(const uint8_t *bytes, size_t size)
{
    return size > 2 && bp_kind_name_valid((const char *)bytes + 2, size - 2);
}

/* Where kind and name belong; false when one of them is taken. The lock is held. */
static bool places(const bpi_kinds *kinds, const uint8_t *bytes, size_t size, size_t *at_kind_out, size_t *at_name_out)
{
    const char *name = (const char *)bytes + 2;
    bp_kind_code kind = bpi_get16(bytes);
    size_t at_name = name_position(kinds, name, size - 2);
    size_t at_kind = kind_position(kinds, kind);
    *at_kind_out = at_kind;
    *at_name_out = at_name;
    return !has_name(kinds, at_name, name, size - 2) &&
           (at_kind == kinds->count || kinds->by_kind[at_kind]->kind != kind);
}

static bp_status named_twice(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_CORRUPT, "a kind or a name is named twice");
}

bp_status bpi_kinds_learn(bpi_kinds *kinds, const void *payload, size_t size, bp_error *error)
{
    const uint8_t *bytes = payload;
    size_t at_kind = 0;
    size_t at_name = 0;
    if (!is_pair(bytes, size)) {
        return not_a_pair(error);
    }
    if (!bpi_kinds_reserve(kinds, 1)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the name of a kind");
    }
    (void)pthread_rwlock_wrlock(&kinds->lock);
    bool good = places(kinds, bytes, size, &at_kind, &at_name);
    if (good) {
        bpi_kind_entry *entry = kinds->spare;
        kinds->spare = entry->next;
        kinds->spare_count--;
        entry->kind = bpi_get16(bytes);
        memcpy(entry->name, bytes + 2, size - 2);
        insert(kinds->by_name, kinds->count, at_name, entry);
        insert(kinds->by_kind, kinds->count, at_kind, entry);
        kinds->count++;
    }
    (void)pthread_rwlock_unlock(&kinds->lock);
    return good ? BP_OK : named_twice(error);
}

bp_status bpi_kinds_check(bpi_kinds *kinds, const void *payload, size_t size, bp_error *error)
{
    size_t at_kind = 0;
    size_t at_name = 0;
    if (!is_pair(payload, size)) {
        return not_a_pair(error);
    }
    (void)pthread_rwlock_rdlock(&kinds->lock);
    bool good = places(kinds, payload, size, &at_kind, &at_name);
    (void)pthread_rwlock_unlock(&kinds->lock);
    return good ? BP_OK : named_twice(error);
}

size_t bpi_kind_payload(uint8_t *bytes, bp_kind_code kind, const char *name)
{
    size_t size = strlen(name);
    bpi_put16(bytes, kind);
    memcpy(bytes + 2, name, size);
    return size + 2;
}
