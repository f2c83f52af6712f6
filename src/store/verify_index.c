/*
 * verify_index.c: the index files of a store, every page of them. They are derived, so that one that is wrong is no damage.
 */
#include "store/verify_index.h"

#include "index/folder.h"

static const bpi_segment_entry *entry_of(const bpi_catalog *catalog, uint32_t ordinal)
{
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->entries[i].ordinal == ordinal && catalog->entries[i].state != BPI_SEGMENT_RETIRED) {
            return &catalog->entries[i];
        }
    }
    return NULL;
}

/* Is it tied to what the list says? */
static bool bound(const bpi_index_header *header, const bpi_catalog *catalog)
{
    bp_hash binding;
    if (!bp_id_equal(&header->store_id, &catalog->manifest.store_id)) {
        return false;
    }
    const bpi_segment_entry *last = entry_of(catalog, header->last_ordinal);
    if (header->tail.salt == 0 && last != NULL && last->state == BPI_SEGMENT_OPEN) {
        return true; /* made by a writer after the list was read */
    }
    if (header->tail.salt == 0) {
        return bpi_catalog_binding(catalog, header->first_ordinal, header->last_ordinal, &binding) &&
               bp_hash_equal(&binding, &header->binding);
    }
    const bpi_segment_entry *entry = entry_of(catalog, header->first_ordinal);
    bpi_segment_entry stands;
    if (entry == NULL || entry->salt != header->tail.salt) {
        return false;
    }
    bpi_index_tail_entry(header, entry->generation, &stands);
    bpi_index_binding(&stands, 1, &binding);
    return bp_hash_equal(&binding, &header->binding);
}

static bool is_right(const bpi_folder *folder, const bpi_found_file *found, const bpi_catalog *catalog)
{
    const bpi_home *home = folder->home;
    char name[BPI_INDEX_NAME_SIZE];
    const char *fault = NULL;
    bp_file *file = NULL;
    bpi_index_name(found->first, found->last, found->generation, name);
    if (home->io->file_open(home->io->context, folder->dir, name, BP_OPEN_READ, &file) != 0) {
        return true; /* removed meanwhile, by who merged it */
    }
    bpi_image *image = bpi_image_of_file(home->allocator, home->io, file, &fault);
    bool right = image != NULL && image->header.first_ordinal == found->first &&
                 image->header.last_ordinal == found->last && bound(&image->header, catalog) &&
                 (image->pages->count < 2 || bpi_pages_check(image->pages, 1, image->pages->count - 1));
    bpi_image_free(image);
    return right;
}

void bpi_verify_index(const bpi_home *home, const bpi_catalog *catalog, bp_verify_report *report)
{
    bpi_folder folder;
    bpi_folder_open(&folder, home, &catalog->manifest.store_id);
    for (size_t i = 0; i < folder.found_count; i++) {
        report->index_files++;
        report->index_files_wrong += !is_right(&folder, &folder.found[i], catalog);
    }
    bpi_folder_close(&folder);
}
