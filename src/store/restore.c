/*
 * restore.c: bp_restore: a proof, a copy of every file, a proof.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/plant.h"
#include "base/options.h"
#include "io/optional.h"
#include "store/making.h"

#include <batpak/verify.h>

void bp_restore_options_default(bp_restore_options *options, size_t size)
{
    bp_restore_options defaults = {.size = size, .consumers = true, .keys = true};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

typedef struct restoring {
    bpi_home home;
    bp_file *lock;
    const bp_restore_options *options;
    bpi_making making;
} restoring;

/* Keeps writers out while it lasts. Where we may not take the lock nobody else of our rights may. */
static bp_status keep_writers_out(restoring *r, bp_error *error)
{
    const bp_io *io = r->home.io;
    uint64_t holder = 0;
    int code = io->file_open(io->context, r->home.root, "LOCK", BP_OPEN_WRITE, &r->lock);
    if (code == ENOENT || code == EROFS || code == EACCES || code == EPERM) {
        return BP_OK; /* no writer was ever here, or we may not write */
    }
    code = code == 0 ? io->file_lock(io->context, r->lock, &holder) : code;
    if (code == EAGAIN) {
        bpi_error_set(error, BP_ERR_LOCKED, "%s is being written by process %llu", r->home.path,
                      (unsigned long long)holder);
        bpi_error_hint(error, "take a snapshot of it, and restore that");
        return BP_ERR_LOCKED;
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot lock %s", r->home.path);
}

static bp_status take_picture(restoring *r, bp_error *error)
{
    bpi_catalog catalog = {0};
    bp_status status = bpi_catalog_load(&r->home, &catalog, error);
    if (status != BP_OK) {
        return status;
    }
    r->making.epoch = catalog.manifest.epoch + 1;
    return bpi_picture_take(&r->making.picture, &r->home, &catalog, UINT64_MAX, error);
}

static bp_status restore(restoring *r, const char *target, bp_error *error)
{
    const bp_restore_options *o = r->options;
    bp_verify_report proven;
    bpi_making *m = &r->making;
    *m = (bpi_making){
        .progress = o->progress, .progress_context = o->progress_context, .transfer = {.way = BPI_WAY_CLONE}};
    bp_status status = keep_writers_out(r, error);
    if (status == BP_OK) {
        status = bpi_site_open(&m->site, &r->home, target, error); /* whoever named a wrong one is told so at once */
    }
    if (status != BP_OK) {
        return status;
    }
    status = bpi_make_gather(m, &r->home, o->consumers, error);
    if (status == BP_OK && o->keys) {
        status = bpi_make_gather_keys(m, &r->home, error);
    }
    if (status == BP_OK) {
        status = bpi_make_gather_erasures(m, &r->home, error);
    }
    if (status == BP_OK && !bpi_planted(BPI_PLANT_RESTORE_UNPROVEN)) {
        status = bpi_prove(&r->home, o->progress, o->progress_context, &proven, error);
    }
    if (status == BP_OK) {
        status = take_picture(r, error);
    }
    if (status != BP_OK) {
        bpi_site_close(&m->site);
        bpi_make_forget(m);
        return status == BP_ERR_CORRUPT ? bpi_error_wrap(error, status, "%s cannot be restored", r->home.path) : status;
    }
    return bpi_make(m, error);
}

static bp_status open_source(restoring *r, const char *snapshot, bp_error *error)
{
    const bp_restore_options *o = r->options;
    r->home = (bpi_home){.io = o->io != NULL ? o->io : bp_io_posix(),
                         .clock = o->clock != NULL ? o->clock : bp_clock_system(),
                         .random = o->random != NULL ? o->random : bp_random_system(),
                         .allocator = o->allocator != NULL ? o->allocator : bp_allocator_system()};
    bp_status status = bpi_home_open(&r->home, snapshot, false, error);
    if (status == BP_ERR_NOT_FOUND) {
        bpi_error_set(error, BP_ERR_NOT_FOUND, "no snapshot at %s", snapshot);
        bpi_error_hint(error, "name the directory that `batpak snapshot` was given");
    }
    return status;
}

bp_status bp_restore(const char *snapshot, const char *target, const bp_restore_options *options,
                     bp_snapshot_report *report_out, bp_error *error)
{
    bp_restore_options taken;
    bp_restore_options_init(&taken);
    bp_status status = bpi_options_take(options, sizeof taken, &taken, sizeof taken, "bp_restore_options", error);
    if (status != BP_OK) {
        return status;
    }
    if (snapshot == NULL || snapshot[0] == '\0' || target == NULL || target[0] == '\0' ||
        (taken.io != NULL && !bpi_size_fits(taken.io, BPI_IO_LEAST, sizeof *taken.io))) {
        return bpi_error_set(error, BP_ERR_ARGUMENT,
                             "a restore needs a snapshot and a target, and tables whose size is set");
    }
    const bp_allocator *allocator = taken.allocator != NULL ? taken.allocator : bp_allocator_system();
    restoring *r = bpi_allocate_zero(allocator, sizeof *r);
    if (r == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a restore");
    }
    r->options = &taken;
    status = open_source(r, snapshot, error);
    if (status == BP_OK) {
        status = restore(r, target, error);
        if (r->lock != NULL) {
            r->home.io->file_close(r->home.io->context, r->lock);
        }
        bpi_home_close(&r->home);
    }
    if (status == BP_OK && report_out != NULL) {
        *report_out = r->making.report;
    }
    bpi_release(allocator, r, sizeof *r);
    return status;
}
