/* forge.c: finding frames and records in a segment's bytes, and making checksums right after a change. */
#include "support/forge.h"

#include "base/checksum.h"
#include "format/record.h"

uint32_t bpt_get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void bpt_set32(uint8_t *bytes, uint32_t value)
{
    for (unsigned index = 0; index < 4; index++) {
        bytes[index] = (uint8_t)(value >> (8 * index));
    }
}

uint64_t bpt_get64(const uint8_t *bytes)
{
    return bpt_get32(bytes) | (uint64_t)bpt_get32(bytes + 4) << 32;
}

void bpt_set64(uint8_t *bytes, uint64_t value)
{
    bpt_set32(bytes, (uint32_t)value);
    bpt_set32(bytes + 4, (uint32_t)(value >> 32));
}

static void find_records(bpt_forge *forge, bpt_frame_at *frame)
{
    size_t at = frame->offset + 64;
    frame->first_record = forge->record_count;
    while (at < frame->offset + frame->length) {
        size_t length = bpt_get32(forge->data + at + 4);
        assert_true(length >= 136 && at + length <= frame->offset + frame->length);
        assert_true(forge->record_count < BPT_FORGE_RECORDS);
        forge->records[forge->record_count++] = at;
        at += length;
    }
    frame->record_count = forge->record_count - frame->first_record;
}

bpt_forge *bpt_forge_begin(bpt_world *world, unsigned ordinal)
{
    bpt_forge *forge = calloc(1, sizeof *forge);
    assert_non_null(forge);
    forge->world = world;
    (void)snprintf(forge->name, sizeof forge->name, "log/%010u-1.seg", ordinal);
    forge->data = bpt_file_read(world, forge->name, &forge->size);
    assert_non_null(forge->data);
    memcpy(&forge->store_id, forge->data + 16, 16);
    size_t at = 64;
    while (at + 64 <= forge->size && memcmp(forge->data + at, forge->data + 40, 8) == 0) {
        bpt_frame_at *frame = &forge->frames[forge->frame_count++];
        assert_true(forge->frame_count < BPT_FORGE_FRAMES);
        frame->offset = at;
        frame->length = bpt_get32(forge->data + at + 8);
        frame->type = forge->data[at + 16];
        assert_true(frame->length >= 64 && at + frame->length <= forge->size);
        if (frame->type == BP_FRAME_DATA) {
            find_records(forge, frame);
        }
        at += frame->length;
    }
    forge->end = at;
    return forge;
}

uint8_t *bpt_forge_record(bpt_forge *forge, size_t record)
{
    assert_true(record < forge->record_count);
    return forge->data + forge->records[record];
}

size_t bpt_forge_length(const bpt_forge *forge, size_t record)
{
    return bpt_get32(forge->data + forge->records[record] + 4);
}

static void fix_record(bpt_forge *forge, size_t record)
{
    uint8_t *bytes = bpt_forge_record(forge, record);
    uint32_t crc = bpi_crc32c(0, forge->store_id.bytes, 16);
    crc = bpi_crc32c(crc, bytes + 128, bpt_forge_length(forge, record) - 128);
    crc = bpi_crc32c(crc, bytes + 4, 124);
    bpt_set32(bytes, crc);
}

bp_hash bpt_forge_hash_of(bpt_forge *forge, size_t record)
{
    bp_hash hash;
    memcpy(&hash, bpt_forge_record(forge, record) + 80, 32);
    return hash;
}

void bpt_forge_hash(bpt_forge *forge, size_t record, const bp_hash *previous)
{
    bp_event event;
    size_t length = 0;
    uint8_t *bytes = bpt_forge_record(forge, record);
    fix_record(forge, record);
    assert_null(
        bpi_record_view(bytes, bpt_forge_length(forge, record), bpi_record_seed(&forge->store_id), &event, &length));
    bp_hash hash = bp_event_compute_hash(&event, previous);
    memcpy(bytes + 80, &hash, 32);
}

void bpt_forge_fix(bpt_forge *forge)
{
    uint32_t previous = bpt_get32(forge->data + forge->frames[0].offset + 52);
    for (size_t index = 0; index < forge->frame_count; index++) {
        bpt_frame_at *frame = &forge->frames[index];
        uint8_t *header = forge->data + frame->offset;
        uint32_t body = 0;
        for (size_t record = 0; record < frame->record_count; record++) {
            fix_record(forge, frame->first_record + record);
            body = bpi_crc32c(body, bpt_forge_record(forge, frame->first_record + record), 4);
        }
        bpt_set32(header + 52, previous);
        bpt_set32(header + 56, body);
        previous = bpi_crc32c(0, header, 60);
        bpt_set32(header + 60, previous);
    }
}

void bpt_forge_end(bpt_forge *forge)
{
    bpt_file_write(forge->world, forge->name, forge->data, forge->size);
    free(forge->data);
    free(forge);
}

/* ---- manifest and list ---- */

unsigned bpt_newest_slot(const uint8_t *manifest)
{
    return bpt_get64(manifest + 16) > bpt_get64(manifest + 4096 + 16) ? 0 : 1;
}

void bpt_change_manifest(bpt_world *world, bpt_change_fn change)
{
    size_t size = 0;
    uint8_t *data = bpt_file_read(world, "MANIFEST", &size);
    assert_non_null(data);
    assert_int_equal(size, 8192);
    uint8_t *slot = data + (size_t)bpt_newest_slot(data) * 4096;
    change(slot, 4096);
    bpt_put_crc(slot, 4096, 12);
    bpt_file_write(world, "MANIFEST", data, size);
    free(data);
}

void bpt_change_list(bpt_world *world, bpt_change_fn change)
{
    char name[64];
    size_t size = 0;
    size_t list_size = 0;
    uint8_t *manifest = bpt_file_read(world, "MANIFEST", &size);
    assert_int_equal(size, 8192);
    uint8_t *slot = manifest + (size_t)bpt_newest_slot(manifest) * 4096;
    (void)snprintf(name, sizeof name, "SEGMENTS-%llu", (unsigned long long)bpt_get64(slot + 88));
    uint8_t *list = bpt_file_read(world, name, &list_size);
    assert_non_null(list);
    change(list, list_size);
    bpt_put_crc(list, list_size, 12);
    bpt_set32(slot + 100, bpi_crc32c(0, list, list_size));
    bpt_put_crc(slot, 4096, 12);
    bpt_file_write(world, name, list, list_size);
    bpt_file_write(world, "MANIFEST", manifest, 8192);
    free(list);
    free(manifest);
}
