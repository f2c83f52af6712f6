/* fix.c: checksums, hashes and roots of a store's files, computed as a writer would. */
#include "fuzz/fix.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "format/consumer.h"
#include "format/fold.h"
#include "format/frame.h"
#include "format/hashing.h"
#include "format/index_file.h"
#include "format/live.h"
#include "format/manifest.h"
#include "format/record.h"
#include "store/intent.h"

enum {
    HEADER_CRC = 12, /* of segments, lists, manifests, consumers and index files */
    SEGMENT_STORE_ID = 16,
    SEGMENT_ORDINAL = 32,
    SEGMENT_SALT = 40,
    LIST_STATE = 8,
    LIST_LINK = 12,
    LIST_REWRITTEN = 96,
    LIST_OWN_LINK = 100,
    INTENT_CRC = 12,
    INTENT_RECORD = 16,
    CONSUMER_SIZE = 96,
    INDEX_FIRST = 40,
    INDEX_LAST = 44,
    INDEX_SUMS_OFFSET = 112,
    INDEX_SUMS_CRC = 120,
    INDEX_BINDING = 128,
    INDEX_TAIL_SALT = 160 + 16 * BPI_SECTIONS,
    ENTITIES = 64
};

/* The newest event of each entity so far, and what a segment comes to. */
typedef struct chains {
    size_t count;
    struct {
        char name[BP_NAME_MAX + 1];
        bp_hash hash;
    } entities[ENTITIES];
    bpi_segment_entry sum;
    bpi_merkle merkle;
} chains;

size_t fuzz_fix_record(uint8_t *record, size_t size, const uint8_t store_id[16])
{
    size_t length = size >= BPI_RECORD_MIN ? bpi_get32(record + BPI_RECORD_LENGTH) : 0;
    if (length < BPI_RECORD_FIXED || length > size) {
        return 0;
    }
    uint32_t crc = bpi_crc32c(0, store_id, 16);
    crc = bpi_crc32c(crc, record + BPI_RECORD_FIXED, length - BPI_RECORD_FIXED);
    bpi_put32(record, bpi_crc32c(crc, record + 4, BPI_RECORD_FIXED - 4));
    return length;
}

/* Where the hash of an entity's newest event is; NULL: there is no room for one more. */
static bp_hash *head_of(chains *known, bp_text entity, bool *known_out)
{
    *known_out = true;
    for (size_t i = 0; i < known->count; i++) {
        if (strlen(known->entities[i].name) == entity.size &&
            memcmp(known->entities[i].name, entity.data, entity.size) == 0) {
            return &known->entities[i].hash;
        }
    }
    *known_out = false;
    if (known->count == ENTITIES || entity.size > BP_NAME_MAX) {
        return NULL;
    }
    memcpy(known->entities[known->count].name, entity.data, entity.size);
    return &known->entities[known->count++].hash;
}

static void count_event(chains *known, const bp_hash *hash, bp_hlc hlc)
{
    bpi_merkle_add(&known->merkle, hash);
    known->sum.count++;
    known->sum.last_hlc = hlc;
}

/* The event hash of a record that can be read, on top of its entity's newest. */
static void fix_hash(chains *known, uint8_t *record, size_t length, const bp_id *store_id)
{
    bp_event event;
    size_t whole = 0;
    bool follows = false;
    if (bpi_record_view(record, length, bpi_record_seed(store_id), &event, &whole) != NULL) {
        return;
    }
    bp_hash *head = head_of(known, event.entity, &follows);
    bp_hash hash = bp_event_compute_hash(&event, follows ? head : NULL);
    if (head != NULL) {
        *head = hash;
    }
    memcpy(record + BPI_RECORD_EVENT_HASH, hash.bytes, sizeof hash.bytes);
    (void)fuzz_fix_record(record, length, store_id->bytes);
    count_event(known, &hash, event.hlc);
}

/* A fold entry keeps the hash it says; the next event of its entity follows that. */
static size_t fix_fold(chains *known, uint8_t *bytes, size_t size, const bp_id *store_id)
{
    size_t length = size >= BPI_FOLD_MIN ? bpi_get32(bytes + BPI_FOLD_LENGTH) : 0;
    if (length < BPI_FOLD_MIN || length > size) {
        return 0;
    }
    bpi_put32(bytes, bpi_crc32c(bpi_record_seed(store_id), bytes + 4, length - 4));
    bp_event event;
    bool first = false;
    size_t whole = 0;
    if (known != NULL && bpi_fold_view(bytes, length, bpi_record_seed(store_id), &event, &first, &whole) == NULL) {
        bool follows = false;
        bp_hash *head = head_of(known, event.entity, &follows);
        if (head != NULL) {
            *head = event.event_hash;
        }
        count_event(known, &event.event_hash, event.hlc);
    }
    return length;
}

/* The records of one frame, or its fold entries; the CRC over their CRCs. */
static uint32_t fix_records(chains *known, uint8_t type, uint8_t *bytes, size_t size, const bp_id *store_id)
{
    uint32_t crc = 0;
    for (size_t at = 0; at < size;) {
        size_t length = type == BP_FRAME_FOLD ? fix_fold(known, bytes + at, size - at, store_id)
                                              : fuzz_fix_record(bytes + at, size - at, store_id->bytes);
        if (length == 0) {
            break;
        }
        if (known != NULL && type != BP_FRAME_FOLD) {
            fix_hash(known, bytes + at, length, store_id);
        }
        crc = bpi_crc32c(crc, bytes + at, 4);
        at += length;
    }
    return crc;
}

/* known NULL: only sums; else hashes too, and known->sum is what a list would say. */
static void fix_segment(fuzz_file *file, chains *known)
{
    bp_id store_id;
    if (file->size < BPI_SEGMENT_HEADER) {
        return;
    }
    fuzz_put_crc(file->data, BPI_SEGMENT_HEADER, HEADER_CRC);
    memcpy(store_id.bytes, file->data + SEGMENT_STORE_ID, sizeof store_id.bytes);
    size_t at = BPI_SEGMENT_HEADER;
    uint32_t previous = file->size >= at + BPI_FRAME_HEADER ? bpi_get32(file->data + at + BPI_FRAME_PREVIOUS) : 0;
    uint64_t frames = 0;
    while (file->size - at >= BPI_FRAME_HEADER && memcmp(file->data + at, file->data + SEGMENT_SALT, 8) == 0) {
        uint8_t *header = file->data + at;
        size_t length = bpi_get32(header + BPI_FRAME_LENGTH);
        if (length < BPI_FRAME_HEADER || length > file->size - at) {
            break;
        }
        uint8_t type = header[BPI_FRAME_TYPE];
        if (type == BP_FRAME_DATA || type == BP_FRAME_FOLD) {
            bpi_put32(header + BPI_FRAME_BODY_CRC,
                      fix_records(known, type, header + BPI_FRAME_HEADER, length - BPI_FRAME_HEADER, &store_id));
        }
        bpi_put32(header + BPI_FRAME_PREVIOUS, previous);
        previous = bpi_crc32c(0, header, BPI_FRAME_CRC);
        bpi_put32(header + BPI_FRAME_CRC, previous);
        frames++;
        at += length;
    }
    if (known != NULL) {
        known->sum.length = at;
        known->sum.frames = frames;
        known->sum.link = previous;
        bpi_merkle_root(&known->merkle, &known->sum.root);
    }
}

static void fix_index(fuzz_file *file)
{
    if (file->size < BPI_PAGE_SIZE) {
        return;
    }
    uint64_t sums = bpi_get64(file->data + INDEX_SUMS_OFFSET);
    if (sums >= BPI_PAGE_SIZE && sums <= file->size) {
        size_t pages = (size_t)sums / BPI_PAGE_SIZE - 1;
        size_t room = (file->size - (size_t)sums) / 4;
        pages = pages < room ? pages : room;
        for (size_t i = 0; i < pages; i++) {
            uint32_t crc = bpi_crc32c(0, file->data + (i + 1) * BPI_PAGE_SIZE, BPI_PAGE_SIZE);
            bpi_put32(file->data + sums + 4 * i, crc);
        }
        bpi_put32(file->data + INDEX_SUMS_CRC, bpi_crc32c(0, file->data + sums, 4 * pages));
    }
    fuzz_put_crc(file->data, BPI_PAGE_SIZE, HEADER_CRC);
}

static void fix_manifest(fuzz_file *file)
{
    for (size_t at = 0; at + BPI_SLOT_SIZE <= file->size; at += BPI_SLOT_SIZE) {
        fuzz_put_crc(file->data + at, BPI_SLOT_SIZE, HEADER_CRC);
    }
}

void fuzz_fix_file(fuzz_file *file)
{
    if (fuzz_name_begins(file, "log/")) {
        fix_segment(file, NULL);
    } else if (fuzz_name_begins(file, "index/")) {
        fix_index(file);
    } else if (fuzz_name_begins(file, "MANIFEST")) {
        fix_manifest(file);
    } else if (fuzz_name_begins(file, "live") && file->size >= BPI_LIVE_PUBLISHED) {
        uint32_t crc = bpi_crc32c(0, file->data + BPI_LIVE_STORE_ID, (size_t)BPI_LIVE_PUBLISHED - BPI_LIVE_STORE_ID);
        bpi_put32(file->data + BPI_LIVE_CRC, crc);
    } else if (fuzz_name_begins(file, "consumers/") && file->size >= BPI_CONSUMER_HEADER) {
        bpi_put32(file->data + CONSUMER_SIZE, (uint32_t)file->size);
        fuzz_put_crc(file->data, file->size, HEADER_CRC);
    } else if (fuzz_name_begins(file, BPI_INTENT_PREFIX) && file->size >= INTENT_RECORD) {
        bpi_put32(file->data + INTENT_CRC, bpi_crc32c(0, file->data + INTENT_RECORD, file->size - INTENT_RECORD));
    } else if (fuzz_name_begins(file, "SEGMENTS-")) {
        fuzz_put_crc(file->data, file->size, HEADER_CRC);
    }
}

/* What every list says of a segment, if it calls it sealed. */
static void fix_entries(fuzz_archive *archive, const bpi_segment_entry *sum)
{
    for (size_t i = 0; i < archive->count; i++) {
        fuzz_file *list = &archive->files[i];
        for (size_t at = BPI_LIST_HEADER; fuzz_name_begins(list, "SEGMENTS-") && at + BPI_LIST_ENTRY <= list->size;
             at += BPI_LIST_ENTRY) {
            uint8_t *entry = list->data + at;
            if (bpi_get32(entry) == sum->ordinal && bpi_get32(entry + LIST_STATE) == BPI_SEGMENT_SEALED) {
                bool rewritten = bpi_get32(entry + LIST_REWRITTEN) == 1;
                bpi_put32(entry + (rewritten ? LIST_OWN_LINK : LIST_LINK), sum->link);
                bpi_put64(entry + 32, sum->count);
                bpi_put64(entry + 40, sum->length);
                bpi_put64(entry + 48, sum->frames);
                bpi_put64(entry + 56, sum->last_hlc);
                memcpy(entry + 64, sum->root.bytes, sizeof sum->root.bytes);
            }
        }
    }
}

/* Each slot's CRC and size of the list that it names. */
static void fix_slots(fuzz_archive *archive)
{
    fuzz_file *manifest = fuzz_archive_find(archive, "MANIFEST");
    for (size_t at = 0; manifest != NULL && at + BPI_SLOT_SIZE <= manifest->size; at += BPI_SLOT_SIZE) {
        char name[64];
        uint8_t *slot = manifest->data + at;
        (void)snprintf(name, sizeof name, "SEGMENTS-%llu",
                       (unsigned long long)bpi_get64(slot + BPI_SLOT_LIST_GENERATION));
        const fuzz_file *list = fuzz_archive_find(archive, name);
        if (list != NULL) {
            bpi_put32(slot + BPI_SLOT_LIST_SIZE, (uint32_t)list->size);
            bpi_put32(slot + BPI_SLOT_LIST_CRC, bpi_crc32c(0, list->data, list->size));
        }
        fuzz_put_crc(slot, BPI_SLOT_SIZE, HEADER_CRC);
    }
}

/* The binding of an index file of sealed segments to what the newest list says of them. */
static void fix_binding(fuzz_archive *archive, fuzz_file *index)
{
    bpi_segment_entry entries[FUZZ_FILES];
    bpi_segment_entry *bound = entries;
    size_t count = 0;
    bpi_manifest manifest;
    char name[64];
    const fuzz_file *file = fuzz_archive_find(archive, "MANIFEST");
    if (file == NULL || bpi_manifest_choose(file->data, file->size, &manifest, NULL) != BP_OK ||
        index->size < BPI_PAGE_SIZE || bpi_get64(index->data + INDEX_TAIL_SALT) != 0) {
        return;
    }
    (void)snprintf(name, sizeof name, "SEGMENTS-%llu", (unsigned long long)manifest.list_generation);
    const fuzz_file *list = fuzz_archive_find(archive, name);
    size_t listed = list == NULL ? 0 : bpi_list_count(list->size);
    if (listed == 0 || listed > FUZZ_FILES ||
        bpi_list_get(list->data, list->size, &manifest, entries, listed, NULL) != BP_OK) {
        return;
    }
    for (size_t i = 0; i < listed; i++) {
        bool in = entries[i].ordinal >= bpi_get32(index->data + INDEX_FIRST) &&
                  entries[i].ordinal <= bpi_get32(index->data + INDEX_LAST);
        bound = in && count == 0 ? &entries[i] : bound;
        count += in;
    }
    if (count > 0) {
        bp_hash binding;
        bpi_index_binding(bound, count, &binding);
        memcpy(index->data + INDEX_BINDING, binding.bytes, sizeof binding.bytes);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const fuzz_file *)a)->name, ((const fuzz_file *)b)->name);
}

void fuzz_fix_all(fuzz_archive *archive)
{
    chains *known = calloc(1, sizeof *known);
    CHECK(known != NULL, "no memory");
    qsort(archive->files, archive->count, sizeof *archive->files, by_name); /* segments in order */
    for (size_t i = 0; i < archive->count; i++) {
        fuzz_file *file = &archive->files[i];
        if (fuzz_name_begins(file, "log/") && file->size >= BPI_SEGMENT_HEADER) {
            memset(&known->sum, 0, sizeof known->sum);
            bpi_merkle_begin(&known->merkle);
            known->sum.ordinal = bpi_get32(file->data + SEGMENT_ORDINAL);
            fix_segment(file, known);
            fix_entries(archive, &known->sum);
        }
    }
    free(known);
    for (size_t i = 0; i < archive->count; i++) {
        if (!fuzz_name_begins(&archive->files[i], "log/") && !fuzz_name_begins(&archive->files[i], "index/")) {
            fuzz_fix_file(&archive->files[i]);
        }
    }
    fix_slots(archive);
    for (size_t i = 0; i < archive->count; i++) {
        if (fuzz_name_begins(&archive->files[i], "index/")) {
            fix_binding(archive, &archive->files[i]);
            fix_index(&archive->files[i]);
        }
    }
}
