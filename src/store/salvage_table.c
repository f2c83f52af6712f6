/*
 * salvage_table.c: two hash tables with a random key, at most 70 % full.
 */
#include "store/salvage_table.h"

#include <string.h>

#include "base/ids.h"
#include "base/memory.h"

enum { FIRST_SLOTS = 256 };

bool bpi_salvage_table_init(bpi_salvage_table *table, const bp_allocator *allocator, uint64_t key)
{
    *table =
        (bpi_salvage_table){.allocator = allocator, .key = key, .id_slots = FIRST_SLOTS, .head_slots = FIRST_SLOTS};
    table->ids = bpi_allocate_array(allocator, FIRST_SLOTS, sizeof *table->ids);
    table->heads = bpi_allocate_array(allocator, FIRST_SLOTS, sizeof *table->heads);
    return table->ids != NULL && table->heads != NULL;
}

void bpi_salvage_table_fini(bpi_salvage_table *table)
{
    for (size_t i = 0; table->heads != NULL && i < table->head_slots; i++) {
        bpi_release(table->allocator, table->heads[i].name, table->heads[i].name_size);
    }
    bpi_release(table->allocator, table->heads, table->head_slots * sizeof *table->heads);
    bpi_release(table->allocator, table->ids, table->id_slots * sizeof *table->ids);
    table->heads = NULL;
    table->ids = NULL;
}

static size_t id_slot(const bpi_salvage_id *ids, size_t slots, const bp_id *id, uint64_t key)
{
    size_t at = (size_t)bpi_id_mix(id, key) & (slots - 1);
    while (!bp_id_is_nil(&ids[at].id) && !bp_id_equal(&ids[at].id, id)) {
        at = (at + 1) & (slots - 1);
    }
    return at;
}

bool bpi_salvage_table_has(const bpi_salvage_table *table, const bp_id *id)
{
    return !bp_id_is_nil(&table->ids[id_slot(table->ids, table->id_slots, id, table->key)].id);
}

bool bpi_salvage_table_has_at(const bpi_salvage_table *table, const bp_id *id, uint64_t sequence)
{
    const bpi_salvage_id *at = &table->ids[id_slot(table->ids, table->id_slots, id, table->key)];
    return !bp_id_is_nil(&at->id) && at->sequence == sequence;
}

static bool grow_ids(bpi_salvage_table *table)
{
    size_t slots = table->id_slots * 2;
    bpi_salvage_id *ids = bpi_allocate_array(table->allocator, slots, sizeof *ids);
    if (ids == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->id_slots; i++) {
        if (!bp_id_is_nil(&table->ids[i].id)) {
            ids[id_slot(ids, slots, &table->ids[i].id, table->key)] = table->ids[i];
        }
    }
    bpi_release(table->allocator, table->ids, table->id_slots * sizeof *ids);
    table->ids = ids;
    table->id_slots = slots;
    return true;
}

bool bpi_salvage_table_add(bpi_salvage_table *table, const bp_id *id, uint64_t sequence)
{
    if (table->id_count * 10 >= table->id_slots * 7 && !grow_ids(table)) {
        return false;
    }
    size_t at = id_slot(table->ids, table->id_slots, id, table->key);
    table->id_count += bp_id_is_nil(&table->ids[at].id);
    table->ids[at] = (bpi_salvage_id){*id, sequence};
    return true;
}

static bpi_salvage_head *head_slot(bpi_salvage_head *heads, size_t slots, bp_text name, uint64_t mixed)
{
    size_t at = (size_t)mixed & (slots - 1);
    while (heads[at].name != NULL && (heads[at].mixed != mixed || heads[at].name_size != name.size ||
                                      memcmp(heads[at].name, name.data, name.size) != 0)) {
        at = (at + 1) & (slots - 1);
    }
    return &heads[at];
}

static bool grow_heads(bpi_salvage_table *table)
{
    size_t slots = table->head_slots * 2;
    bpi_salvage_head *heads = bpi_allocate_array(table->allocator, slots, sizeof *heads);
    if (heads == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->head_slots; i++) {
        const bpi_salvage_head *old = &table->heads[i];
        if (old->name != NULL) {
            *head_slot(heads, slots, (bp_text){old->name, old->name_size}, old->mixed) = *old;
        }
    }
    bpi_release(table->allocator, table->heads, table->head_slots * sizeof *heads);
    table->heads = heads;
    table->head_slots = slots;
    return true;
}

bpi_salvage_head *bpi_salvage_table_head(bpi_salvage_table *table, bp_text name)
{
    if (table->head_count * 10 >= table->head_slots * 7 && !grow_heads(table)) {
        return NULL;
    }
    uint64_t mixed = bpi_name_mix(name.data, name.size, table->key);
    bpi_salvage_head *head = head_slot(table->heads, table->head_slots, name, mixed);
    if (head->name == NULL) {
        char *copy = bpi_allocate(table->allocator, name.size);
        if (copy == NULL) {
            return NULL;
        }
        memcpy(copy, name.data, name.size);
        *head = (bpi_salvage_head){.mixed = mixed, .name = copy, .name_size = name.size};
        table->head_count++;
    }
    return head;
}
