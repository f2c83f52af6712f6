/*
 * indexing.c: the store and its index files.
 *
 * Holds: a segment is not read at opening only if a file that is bound to it answers for it; what the store itself learns
 * from the log (how many events of which kind, the names of kinds) is learnt from such a file and from the records that it
 * leads to, after everything that is looked at in it was found right.
 */
#include "store/indexing.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "format/frame.h"
#include "index/block.h"
#include "log/rewrite.h"

enum { UNFILED_MOST = 6 };

static const bpi_home *home_of(const bp_store *store)
{
    return store->reader ? &store->follower.home : &store->log.home;
}

static const bpi_catalog *catalog_of(const bp_store *store)
{
    return store->reader ? &store->follower.catalog : &store->log.catalog;
}

/*
 * What seeds the fingerprints where no file says otherwise: the same for the writer and for readers that opened before there was a file,
 * so that they can use it when there is one; and known to nobody who cannot read the directory, so that nobody chooses names or ids
 * that collide.
 */
static uint64_t key_of(const bpi_catalog *catalog)
{
    static const char context[] = "batpak 2026 v1 index key";
    uint8_t bytes[sizeof(bp_id) + 8] = {0};
    bp_hash hash;
    memcpy(bytes, catalog->manifest.store_id.bytes, sizeof(bp_id));
    bpi_put64(bytes + sizeof(bp_id), catalog->count == 0 ? 0 : catalog->entries[0].salt);
    bpi_hash_derive(context, sizeof context - 1, bytes, sizeof bytes, &hash);
    return bpi_get64(hash.bytes);
}

void bpi_indexing_begin(bp_store *store)
{
    const bpi_manifest *manifest = &catalog_of(store)->manifest;
    (void)bpi_folder_open(&store->folder, home_of(store), &manifest->store_id);
    if (store->options.layout == BP_LAYOUT_DEFAULT) {
        bpi_index_set_layout(store->index, (bp_layout)(manifest->layout + 1));
    }
    bpi_index_set_key(store->index, key_of(catalog_of(store)));
    if (store->reindex) {
        bpi_folder_sweep(&store->folder, store->index); /* no block uses any */
        bpi_folder_close(&store->folder);
        (void)bpi_folder_open(&store->folder, home_of(store), &manifest->store_id);
    }
    store->loading = true;
    bpi_index_one_book(store->index, true);
}

/* The kinds that bpi_store_learn makes something of. */
static bool taught_by(bp_kind_code kind)
{
    return kind == BP_KIND_NAME || kind == BP_KIND_ERASURE || kind == BP_KIND_TOMBSTONE;
}

/* Do the numbers that are told without a look at rows hold together? Each row is of one kind, and the system's entity has the events of
 * the system's kinds; of what was dropped the kind is not known. */
static bool adds_up(const bpi_image *image)
{
    const bpi_list *kinds = &image->kinds;
    uint32_t next = 0;
    uint32_t system = 0;
    uint32_t dropped = 0;
    uint32_t before = 0;
    for (uint32_t at = 0; at < kinds->key_count; at++) {
        uint32_t from = 0;
        uint32_t to = 0;
        uint32_t key = bpi_list_key(kinds, at, &from, &to);
        if (from != next || to == from || (at > 0 && key <= before)) {
            return false;
        }
        bool is_dropped = key == BPI_KIND_FOLDED;
        dropped += is_dropped ? to - from : 0;
        system += !is_dropped && bp_kind_is_system((bp_kind_code)key) && key != BP_KIND_DATA ? to - from : 0;
        before = key;
        next = to;
    }
    return next == image->header.rows && image->header.system >= system && image->header.system - system <= dropped;
}

/* Looks at everything that is about to be learnt; whether it was right the block then knows. */
static void look(const bpi_image *image)
{
    const bpi_list *kinds = &image->kinds;
    if (!adds_up(image)) {
        bpi_disbelieve(kinds->pages);
        return;
    }
    for (uint32_t at = 0; at < kinds->key_count; at++) {
        uint32_t from = 0;
        uint32_t to = 0;
        uint32_t kind = bpi_list_key(kinds, at, &from, &to);
        bpi_span span = {.rows = kinds->rows + from, .stride = 1, .count = to - from, .pages = kinds->pages};
        if (kind > UINT16_MAX) {
            bpi_disbelieve(kinds->pages);
        }
        for (uint32_t i = 0; taught_by((bp_kind_code)kind) && i < span.count; i++) {
            uint32_t row = bpi_span_row(&span, i);
            if (row >= image->header.rows) {
                bpi_disbelieve(kinds->pages);
                return;
            }
            (void)bpi_row_u32(image->rows, row, BPI_ROW_OFFSET);
        }
    }
}

static bp_status learn_events(bp_store *store, const bpi_block *block, const bpi_span *span, bp_error *error)
{
    for (uint32_t i = 0; i < span->count; i++) {
        bp_event event;
        bp_status status = bpi_block_event(block, bpi_span_row(span, i), &event, error);
        if (status == BP_OK) {
            status = bpi_store_learn(store, &event, error);
        }
        if (status != BP_OK) {
            return bpi_error_wrap(error, status,
                                  "cannot learn the names of kinds, what was erased, or what is tombstoned");
        }
    }
    return BP_OK;
}

static bp_status learn(bp_store *store, const bpi_block *block, bp_error *error)
{
    const bpi_list *kinds = &block->image->kinds;
    for (uint32_t at = 0; at < kinds->key_count; at++) {
        uint32_t from = 0;
        uint32_t to = 0;
        bp_kind_code kind = (bp_kind_code)bpi_list_key(kinds, at, &from, &to);
        bpi_span span = {.rows = kinds->rows + from, .stride = 1, .count = to - from, .pages = kinds->pages};
        if (kind == BPI_KIND_FOLDED) {
            continue;
        }
        if (!bpi_kinds_reserve_count(&store->kinds, kind)) {
            return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to count kinds");
        }
        bpi_kinds_count_events(&store->kinds, kind, span.count);
        if (bp_kind_is_system(kind) && kind != BP_KIND_DATA) {
            atomic_fetch_add_explicit(&store->counters.system_events, span.count, memory_order_relaxed);
        }
        bp_status status = taught_by(kind) ? learn_events(store, block, &span, error) : BP_OK;
        if (status != BP_OK) {
            return status;
        }
    }
    return BP_OK;
}

/* Beside a writer files may go: before anything is learnt from them, which is not to be learnt twice. */
static bp_status map_parts(const bpi_block *block, bp_error *error)
{
    bp_status status = BP_OK;
    for (uint32_t i = 0; i < block->part_count && status == BP_OK; i++) {
        status = bpi_segment_keep(block->parts[i].segment, error);
    }
    return status;
}

bp_status bpi_indexing_covered(void *argument, size_t entry, size_t *count_out, bp_error *error)
{
    bp_store *store = argument;
    bpi_opener *opener = store->reader ? store->follower.opener : store->log.opener;
    *count_out = 0;
    if (!store->loading || store->disbelieving) {
        return BP_OK; /* readers are about: a block is only attached where nobody looks */
    }
    if (store->block_segment != NULL) {
        bpi_indexing_loaded(store, store->block_segment);
    }
    for (size_t skip = 0;; skip++) {
        bpi_block *block =
            bpi_folder_find(&store->folder, store->index, opener, catalog_of(store), entry, skip, count_out);
        if (block == NULL) {
            *count_out = 0;
            return BP_OK;
        }
        look(block->image);
        if (bpi_block_broken(block)) {
            bpi_block_drop(block);
            continue;
        }
        store->believed = true;
        bp_status status = store->reader ? map_parts(block, error) : BP_OK;
        if (status == BP_OK) {
            status = learn(store, block, error);
        }
        if (status != BP_OK) {
            bpi_block_drop(block);
            return status;
        }
        store->block_segment = NULL;
        return bpi_index_attach(store->index, block)
                   ? BP_OK
                   : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the index");
    }
}

bp_status bpi_indexing_tail(void *argument, size_t entry, bp_file *file, bpi_index_tail *tail_out, uint64_t *next_out,
                            bp_error *error)
{
    bp_store *store = argument;
    const bpi_catalog *catalog = catalog_of(store);
    (void)error;
    memset(tail_out, 0, sizeof *tail_out);
    if (!store->loading || store->disbelieving) {
        return BP_OK;
    }
    if (store->block_segment != NULL) {
        bpi_indexing_loaded(store, store->block_segment);
    }
    bpi_image *image = bpi_folder_find_tail(&store->folder, store->index, &catalog->entries[entry]);
    if (image == NULL) {
        return BP_OK;
    }
    const bpi_index_tail *tail = &image->header.tail;
    uint64_t next = image->header.first_sequence + image->header.rows;
    look(image);
    if (bpi_pages_broken(image->pages) ||
        bpi_lsn(catalog->entries[entry].ordinal, tail->length) > catalog->manifest.durable ||
        !bpi_tail_confirmed(home_of(store), file, &catalog->entries[entry], tail, next)) {
        bpi_image_free(image);
        return BP_OK;
    }
    store->believed = true;
    *tail_out = *tail;
    *next_out = next;
    store->tail = image;
    return BP_OK;
}

bp_status bpi_indexing_take_tail(bp_store *store, bpi_segment *segment, bp_error *error)
{
    bpi_block *block = bpi_folder_tail_block(store->index, segment, store->tail);
    store->tail = NULL;
    store->block_segment = NULL;
    if (block == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the index");
    }
    bp_status status = learn(store, block, error);
    if (status != BP_OK) {
        bpi_block_drop(block);
        return status;
    }
    return bpi_index_attach(store->index, block) ? BP_OK
                                                 : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the index");
}

void bpi_indexing_closing(bp_store *store, uint32_t ordinal, const bpi_index_tail *tail)
{
    bpi_folder_close_tail(&store->folder, store->index, ordinal, tail);
}

static bool binding(void *argument, const bpi_part *parts, uint32_t count, bp_hash *binding_out)
{
    bp_store *store = argument;
    bool bound =
        bpi_log_binding(&store->log, parts[0].segment->ordinal, parts[count - 1].segment->ordinal, binding_out);
    /* Afterwards: what was rewritten since is not what the binding was made of. */
    for (uint32_t i = 0; bound && i < count; i++) {
        bound = bpi_log_is_listed(&store->log, parts[i].segment->ordinal, parts[i].segment->generation);
    }
    return bound;
}

static bool is_sealed(const bpi_catalog *catalog, uint32_t ordinal)
{
    for (size_t i = catalog->count; i > 0; i--) {
        if (catalog->entries[i - 1].ordinal == ordinal && catalog->entries[i - 1].state == BPI_SEGMENT_SEALED) {
            return true;
        }
    }
    return false;
}

/*
 * A few segments without a file are what a killed process leaves: their files are written when the store is open. When there are
 * more, the index is being made anew, and the tender writes files while the log is read on.
 */
static void defer(bp_store *store, uint32_t ordinal)
{
    if (store->read_any && store->read_last == ordinal) {
        return; /* told before: by who looks for a file for the next segment, and by who begins to read that */
    }
    store->read_any = true;
    store->read_last = ordinal;
    if (store->unfiled++ == 0) {
        store->unfiled_first = ordinal;
    }
    bool at_once = !store->tender.threaded;
    if (at_once || store->unfiled > UNFILED_MOST) {
        bool begins = !at_once && store->unfiled == UNFILED_MOST + 1;
        bpi_tender_sealed_all(store, begins ? store->unfiled_first : ordinal, ordinal);
    }
}

void bpi_indexing_loaded(bp_store *store, const bpi_segment *segment)
{
    if (store->reader) {
        (void)bpi_index_seal_block(store->index, segment->ordinal);
    } else if (is_sealed(catalog_of(store), segment->ordinal)) {
        defer(store, segment->ordinal);
    }
}

void bpi_indexing_follow(bp_store *store)
{
    bpi_folder_adopt(&store->folder, store->index, catalog_of(store));
}

void bpi_indexing_read(bp_store *store)
{
    bpi_tender_rest(store);
}

void bpi_indexing_settle(bp_store *store)
{
    uint32_t ordinal = 0;
    uint32_t first = store->read_last;
    uint32_t last = store->read_last;
    bool any = store->read_any;
    store->loading = false;
    bpi_index_one_book(store->index, false);
    bpi_folder_sweep(&store->folder, store->index);
    for (uint32_t from = 0; bpi_index_find_open(store->index, from, &ordinal); from = ordinal + 1) {
        if (is_sealed(catalog_of(store), ordinal)) {
            first = any && first < ordinal ? first : ordinal;
            last = any && last > ordinal ? last : ordinal;
            any = true;
        }
    }
    if (any) {
        bpi_tender_sealed_all(store, first, last);
    }
}

void bpi_indexing_revived(bp_store *store)
{
    uint32_t active = store->log.active->segment->ordinal;
    uint32_t ordinal = 0;
    uint32_t first = active;
    uint32_t last = 0;
    for (uint32_t from = 0; bpi_index_find_open(store->index, from, &ordinal) && ordinal < active; from = ordinal + 1) {
        first = first < ordinal ? first : ordinal;
        last = ordinal;
    }
    if (first < active) {
        bpi_tender_sealed_all(store, first, last);
    }
}

void bpi_indexing_tend(bp_store *store)
{
    bpi_folder_tend(&store->folder, store->index, binding, store);
}

void bpi_indexing_sealed(bp_store *store, uint32_t ordinal)
{
    bpi_folder_seal(&store->folder, store->index, ordinal, binding, store);
    if (!store->loading) {
        bpi_indexing_tend(store);
        bpi_opener_relieve(
            store->log.opener); /* what was sealed is mapped, and was counted where it must not cost anything */
    }
}

void bpi_indexing_replaced(bp_store *store, bpi_view *seen)
{
    (void)pthread_mutex_lock(&store->log.lock);
    bpi_index_follow(store->index);
    (void)pthread_mutex_unlock(&store->log.lock);
    bpi_view_leave(seen);
}

void bpi_indexing_rewritten(bp_store *store)
{
    bpi_view seen;
    bpi_view_take(store->index, &seen);
    bpi_tender_pause(store);
    bpi_indexing_tend(store);
    bpi_tender_resume(store);
    bpi_indexing_replaced(store, &seen);
}

/* Many segments are mapped. Whoever holds the commit lock maps too, and then the writer's own array stays until the next time. */
static void crowded(void *argument)
{
    bp_store *store = argument;
    bpi_view seen;
    bpi_view_take(store->index, &seen);
    bpi_index_spare(store->index, store->log.opener);
    if (pthread_mutex_trylock(&store->log.lock) == 0) {
        bpi_index_follow(store->index);
        (void)pthread_mutex_unlock(&store->log.lock);
    }
    bpi_view_leave(&seen);
    bpi_opener_give_back(store->log.opener, bpi_index_oldest(store->index));
}

void bpi_indexing_watch(bp_store *store, uint32_t most)
{
    bpi_opener_watch(store->log.opener, most, most == 0 ? NULL : crowded, store);
}

void bpi_indexing_end(bp_store *store)
{
    bpi_image_free(store->tail);
    store->tail = NULL;
    bpi_folder_close(&store->folder);
}
