/*
 * verify_index.c: the index files of a store, every page of them, and every row against the log.
 *
 * Holds: names get their numbers here as in any index, in order of first appearance; nothing of a file is believed. Behind the
 * first event that was dropped (compaction) only headers, bindings and pages are judged: of what was dropped the log keeps no
 * names of scopes.
 */
#include "store/verify_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "index/audit.h"
#include "index/folder.h"

typedef struct audited_file {
    bpi_audit audit;
    char name[sizeof "index/" + BPI_INDEX_NAME_SIZE];
} audited_file;

struct bpi_index_proof {
    const bpi_home *home;
    const bpi_catalog *catalog;
    const bp_verify_options *options;
    bp_verify_report *report;
    audited_file *files; /* those that are right by themselves, in order of first sequence */
    size_t count;
    size_t capacity;
    size_t low;     /* files before it are passed */
    uint64_t next;  /* sequence; others: events were dropped, and what they were cannot be told any more */
    bpi_book *book; /* of all names so far; a head has the sequence of the newest event */
};

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

static void tell(const bpi_index_proof *proof, const char *name, uint64_t offset, const char *what)
{
    bp_fault found = {.file = name, .offset = offset, .what = what};
    proof->report->index_files_wrong++;
    if (proof->options->index_fault != NULL) {
        (void)proof->options->index_fault(proof->options->fault_context, &found);
    }
}

/* What is wrong with a file by itself, and on which page; NULL: nothing. */
static const char *fault_of(bpi_image *image, const bpi_found_file *found, const bpi_catalog *catalog, size_t *page_out)
{
    *page_out = 0;
    if (image->header.first_ordinal != found->first || image->header.last_ordinal != found->last ||
        !bound(&image->header, catalog)) {
        return "index file of other segments";
    }
    for (size_t page = 1; page < image->pages->count; page++) {
        if (!bpi_pages_check(image->pages, page, page)) {
            *page_out = page;
            return "page checksum does not match";
        }
    }
    return NULL;
}

static void take_file(bpi_index_proof *proof, const bpi_folder *folder, const bpi_found_file *found)
{
    static const char path[] = "index/";
    const bpi_home *home = proof->home;
    audited_file *file = &proof->files[proof->count];
    const char *fault = NULL;
    size_t page = 0;
    bp_file *opened = NULL;
    memset(file, 0, sizeof *file);
    memcpy(file->name, path, sizeof path - 1);
    bpi_index_name(found->first, found->last, found->generation, file->name + sizeof path - 1);
    proof->report->index_files++;
    if (home->io->file_open(home->io->context, folder->dir, file->name + sizeof path - 1, BP_OPEN_READ, &opened) != 0) {
        return; /* removed meanwhile, by who merged it */
    }
    file->audit.image = bpi_image_of_file(home->allocator, home->io, opened, &fault);
    if (file->audit.image != NULL) {
        fault = fault_of(file->audit.image, found, proof->catalog, &page);
    }
    if (fault == NULL) {
        proof->count++;
        return;
    }
    tell(proof, file->name, (uint64_t)page * BPI_PAGE_SIZE, fault);
    bpi_image_free(file->audit.image);
}

static int by_first(const void *a, const void *b)
{
    uint64_t left = ((const audited_file *)a)->audit.image->header.first_sequence;
    uint64_t right = ((const audited_file *)b)->audit.image->header.first_sequence;
    return (left > right) - (left < right);
}

bp_status bpi_index_proof_begin(const bpi_home *home, const bpi_catalog *catalog, const bp_verify_options *options,
                                bp_verify_report *report, bpi_index_proof **proof_out, bp_error *error)
{
    bpi_folder folder;
    uint64_t key = 0;
    bpi_index_proof *proof = bpi_allocate_zero(home->allocator, sizeof *proof);
    *proof_out = proof;
    if (proof == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to verify index files");
    }
    *proof = (bpi_index_proof){.home = home, .catalog = catalog, .options = options, .report = report};
    (void)home->random->fill(home->random->context, &key,
                             sizeof key); /* without it strangers may choose what collides */
    bpi_folder_open(&folder, home, &catalog->manifest.store_id);
    proof->capacity = folder.found_count;
    proof->files = bpi_allocate_zero(home->allocator, (proof->capacity + 1) * sizeof *proof->files);
    proof->book = bpi_book_new(home->allocator, key);
    bool good = proof->files != NULL && proof->book != NULL;
    for (size_t i = 0; i < folder.found_count && good; i++) {
        take_file(proof, &folder, &folder.found[i]);
    }
    bpi_folder_close(&folder);
    if (good && proof->count > 0) {
        qsort(proof->files, proof->count, sizeof *proof->files, by_first);
    }
    return good ? BP_OK : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to verify index files");
}

/* The item of a name, which gets a number when it is new. NULL: no memory. */
static bpi_entity *take_name(bpi_names *names, bp_text name, bool *new_out)
{
    bpi_entity *item = bpi_names_find(names, name);
    *new_out = item == NULL;
    return item != NULL ? item : bpi_names_add(names, name, names->count);
}

bp_status bpi_index_proof_add(bpi_index_proof *proof, const bp_event *event, bp_error *error)
{
    if (proof->count == proof->low || event->dropped || event->sequence != proof->next) {
        return BP_OK; /* no file goes on so far; or names may have got numbers that nobody knows */
    }
    proof->next++;
    bpi_audited next = {.event = event, .entities = proof->book->entities.count, .scopes = proof->book->scopes.count};
    bpi_entity *entity = take_name(&proof->book->entities, event->entity, &next.entity_new);
    bpi_entity *scope = take_name(&proof->book->scopes, event->scope, &next.scope_new);
    if (entity == NULL || scope == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to verify index files");
    }
    next.previous = entity->head.last;
    next.numbers = (bpi_numbers){entity->number, scope->number, entity->system};
    entity->head.last = event->sequence;
    for (size_t i = proof->low; i < proof->count; i++) {
        bpi_audit *audit = &proof->files[i].audit;
        const bpi_index_header *header = &audit->image->header;
        if (event->sequence < header->first_sequence) {
            break;
        }
        if (event->sequence - header->first_sequence == audit->rows && audit->rows < header->rows) {
            bpi_audit_row(audit, &next);
        }
        if (i == proof->low && event->sequence - header->first_sequence + 1 >= header->rows) {
            proof->low++;
        }
    }
    return BP_OK;
}

void bpi_index_proof_end(bpi_index_proof *proof, bool whole)
{
    for (size_t i = 0; i < proof->count && whole; i++) {
        audited_file *file = &proof->files[i];
        if (file->audit.rows == file->audit.image->header.rows) {
            bpi_audit_end(&file->audit);
        }
        if (file->audit.fault != NULL) {
            tell(proof, file->name, file->audit.offset, file->audit.fault);
        }
    }
}

void bpi_index_proof_free(bpi_index_proof *proof)
{
    if (proof == NULL) {
        return;
    }
    for (size_t i = 0; i < proof->count; i++) {
        bpi_image_free(proof->files[i].audit.image);
    }
    bpi_release(proof->home->allocator, proof->files,
                proof->files == NULL ? 0 : (proof->capacity + 1) * sizeof *proof->files);
    bpi_book_drop(proof->book);
    bpi_release(proof->home->allocator, proof, sizeof *proof);
}
