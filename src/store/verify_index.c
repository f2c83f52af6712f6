/*
 * verify_index.c: the index files of a store, every page of them, and every row against the log.
 *
 * Holds: names get their numbers here as in any index, in order of first appearance; nothing of a file is believed. Behind the
 * first event that was dropped (compaction) only headers, bindings and pages are judged: of what was dropped the log keeps no
 * names of scopes.
 */
#include "store/verify_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "index/audit.h"
#include "index/folder.h"
#include "index/names.h"

enum { PIECE = 256 << 10, BATCH = 64, KEPT_MOST = BP_NAME_MAX + BP_CAUSES_MAX * sizeof(bp_id), ROOM = 8 * KEPT_MOST };

typedef struct audited_file {
    bpi_audit audit;
    char name[sizeof "index/" + BPI_INDEX_NAME_SIZE];
} audited_file;

/* An event that waits for what is known of its entity. Its scope and causes lie in the room. */
typedef struct waiting {
    bpi_audited event;
    size_t place;
    uint32_t scope_mark;
} waiting;

struct bpi_index_proof {
    const bpi_home *home;
    const bpi_catalog *catalog;
    const bp_verify_options *options;
    bp_verify_report *report;
    audited_file *files; /* those that are right by themselves, in order of first sequence */
    size_t count;
    size_t capacity;
    size_t low;       /* files before it are passed */
    uint64_t next;    /* sequence; others: events were dropped, and what they were cannot be told any more */
    bpi_names scopes; /* all so far */
    uint64_t key;
    size_t waiting_count;
    size_t used; /* of the room */
    waiting waiting[BATCH];
    _Alignas(bp_id) uint8_t room[ROOM];
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

/* Does the medium give all of it? An error here is a word; in the mapping, which is looked at next, it would be a signal. False: no
 * memory. */
static bool read_through(const bpi_home *home, bp_file *file, uint64_t *offset_out, const char **fault_out)
{
    const bp_io *io = home->io;
    size_t got = 0;
    int code = 0;
    uint8_t *piece = bpi_allocate(home->allocator, PIECE);
    *offset_out = 0;
    if (piece == NULL) {
        return false;
    }
    do {
        *offset_out += got;
        code = io->file_read(io->context, file, *offset_out, piece, PIECE, &got);
    } while (code == 0 && got == PIECE);
    bpi_release(home->allocator, piece, PIECE);
    *fault_out = code == 0 ? NULL : "index file cannot be read";
    return true;
}

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to verify index files");
}

/* Of one that cannot be looked at nothing is said. */
static bp_status not_seen(int code, const char *name, const char *what, bp_error *error)
{
    bp_status status = bpi_error_system(error, code, "%s", what);
    bpi_error_file(error, "%s", name);
    return status;
}

static bp_status take_file(bpi_index_proof *proof, const bpi_folder *folder, const bpi_found_file *found,
                           bp_error *error)
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
    int code = home->io->file_open(home->io->context, folder->dir, file->name + sizeof path - 1, BP_OPEN_READ, &opened);
    if (code != 0) { /* ENOENT: removed meanwhile, by who merged it */
        return code == ENOENT ? BP_OK : not_seen(code, file->name, "index file cannot be opened", error);
    }
    uint64_t unread = 0;
    bool read = read_through(home, opened, &unread, &fault);
    if (!read || fault != NULL) {
        home->io->file_close(home->io->context, opened);
        if (read) {
            tell(proof, file->name, unread, fault);
        }
        return read ? BP_OK : no_memory(error);
    }
    file->audit.image = bpi_image_of_file(home->allocator, home->io, opened, &fault, &code);
    if (file->audit.image == NULL && code != 0) {
        return not_seen(code, file->name, fault, error);
    }
    if (file->audit.image != NULL) {
        fault = fault_of(file->audit.image, found, proof->catalog, &page);
    }
    if (fault == NULL) {
        file->audit.key = proof->key;
        proof->count++;
        return BP_OK;
    }
    /* Of a segment that was rewritten since the list was read there may be a file that is bound to the next list. */
    if (page != 0 || file->audit.image == NULL || !bpi_catalog_moved(home, proof->catalog)) {
        tell(proof, file->name, (uint64_t)page * BPI_PAGE_SIZE, fault);
    }
    bpi_image_free(file->audit.image);
    return BP_OK;
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
    bpi_index_proof *proof = bpi_allocate_zero(home->allocator, sizeof *proof);
    *proof_out = proof;
    if (proof == NULL) {
        return no_memory(error);
    }
    proof->home = home;
    proof->catalog = catalog;
    proof->options = options;
    proof->report = report;
    /* without it strangers may choose what collides */
    (void)home->random->fill(home->random->context, &proof->key, sizeof proof->key);
    int code = bpi_folder_open(&folder, home, &catalog->manifest.store_id);
    bp_status status = code == 0 ? BP_OK : not_seen(code, "index", "index files cannot be listed", error);
    proof->capacity = folder.found_count;
    proof->files = bpi_allocate_zero(home->allocator, (proof->capacity + 1) * sizeof *proof->files);
    bpi_names_init(&proof->scopes, home->allocator, proof->key);
    if (proof->files == NULL) {
        bpi_folder_close(&folder);
        return no_memory(error);
    }
    for (size_t i = 0; i < folder.found_count && status == BP_OK; i++) {
        status = take_file(proof, &folder, &folder.found[i], error);
    }
    bpi_folder_close(&folder);
    if (status == BP_OK && proof->count > 0) {
        qsort(proof->files, proof->count, sizeof *proof->files, by_first);
    }
    return status;
}

static bool audit_event(bpi_index_proof *proof, waiting *one, const bpi_met *met)
{
    bpi_audited *next = &one->event;
    next->scopes = proof->scopes.count;
    const bpi_entity *scope = bpi_names_find_hashed(&proof->scopes, next->scope, one->scope_mark);
    next->scope_new = scope == NULL;
    scope = scope != NULL ? scope : bpi_names_add(&proof->scopes, next->scope, next->scopes);
    if (scope == NULL) {
        return false;
    }
    next->entity = met->entity;
    next->entity_new = met->previous == UINT64_MAX;
    next->entities = met->entities;
    next->row.previous = met->previous;
    next->numbers.entity = met->number;
    next->numbers.scope = scope->number;
    next->numbers.system = met->system;
    for (size_t i = proof->low; i < proof->count; i++) {
        bpi_audit *audit = &proof->files[i].audit;
        const bpi_index_header *header = &audit->image->header;
        if (next->sequence < header->first_sequence) {
            break;
        }
        if (next->sequence - header->first_sequence == audit->rows && audit->rows < header->rows) {
            bpi_audit_row(audit, next);
        }
        if (i == proof->low && next->sequence - header->first_sequence + 1 >= header->rows) {
            proof->low++;
        }
    }
    return true;
}

bp_status bpi_index_proof_flush(bpi_index_proof *proof, const bpi_met *met, bp_error *error)
{
    bool good = true;
    for (size_t i = 0; i < proof->waiting_count; i++) {
        bpi_names_expect_item(&proof->scopes, proof->waiting[i].scope_mark);
    }
    for (size_t i = 0; i < proof->waiting_count && good; i++) {
        good = audit_event(proof, &proof->waiting[i], &met[proof->waiting[i].place]);
    }
    proof->waiting_count = 0;
    proof->used = 0;
    return good ? BP_OK : no_memory(error);
}

static void *keep(bpi_index_proof *proof, const void *bytes, size_t size)
{
    uint8_t *kept = proof->room + proof->used;
    if (size > 0) {
        memcpy(kept, bytes, size);
    }
    proof->used += (size + sizeof(bp_id) - 1) / sizeof(bp_id) * sizeof(bp_id);
    return kept;
}

bool bpi_index_proof_room(const bpi_index_proof *proof)
{
    return proof->waiting_count < BATCH && ROOM - proof->used >= KEPT_MOST;
}

void bpi_index_proof_add(bpi_index_proof *proof, const bp_event *event, size_t place)
{
    if (proof->count == proof->low || event->dropped || event->sequence != proof->next) {
        return; /* no file goes on so far; or names may have got numbers that nobody knows */
    }
    proof->next++;
    waiting *one = &proof->waiting[proof->waiting_count++];
    bpi_row *row = &one->event.row;
    row->id = event->id;
    row->correlation = event->correlation;
    row->causes = keep(proof, event->causes, event->cause_count * sizeof(bp_id));
    row->cause_count = event->cause_count;
    row->clock = event->clock;
    row->hlc = event->hlc;
    row->time_us = event->time_us;
    row->offset = (uint32_t)event->position;
    row->lane = event->lane;
    row->kind = event->kind;
    row->first_of_commit = event->batch == event->sequence;
    row->dropped = false;
    one->event.sequence = event->sequence;
    one->event.scope = (bp_text){keep(proof, event->scope.data, event->scope.size), event->scope.size};
    one->scope_mark = bpi_names_expect_slot(&proof->scopes, one->event.scope);
    one->place = place;
}

bp_status bpi_index_proof_end(bpi_index_proof *proof, bool whole, bp_error *error)
{
    bpi_catalog now = {0};
    bool faulty = false;
    bp_status status = BP_OK;
    for (size_t i = 0; i < proof->count && whole && status == BP_OK; i++) {
        bpi_audit *audit = &proof->files[i].audit;
        if (audit->rows == audit->image->header.rows) {
            bpi_audit_end(audit);
        }
        faulty = faulty || audit->fault != NULL;
    }
    if (status != BP_OK || !faulty) {
        return status;
    }
    /* What was read may have been what took the place of the segments that a file is made from. */
    status = bpi_catalog_load_live(proof->home, &now, error);
    for (size_t i = 0; i < proof->count && status == BP_OK; i++) {
        const audited_file *file = &proof->files[i];
        if (file->audit.fault != NULL && bound(&file->audit.image->header, &now)) {
            tell(proof, file->name, file->audit.offset, file->audit.fault);
        }
    }
    bpi_catalog_free(proof->home, &now);
    return status;
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
    bpi_names_fini(&proof->scopes);
    bpi_release(proof->home->allocator, proof, sizeof *proof);
}
