/*
 * carry.c: the small files of a folder from one store to another, by way of memory. See transfer.h.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cipher.h"
#include "base/error.h"
#include "log/transfer.h"

enum { FILE_MAX = 32 << 20, ALIGN = 8, READS_MOST = 3 };

typedef struct listing {
    bpi_buffer names; /* BPI_FOLDER_NAME each */
    bpi_wanted_fn wanted;
} listing;

static int note_name(void *argument, const char *name, bool is_directory, uint64_t size)
{
    listing *list = argument;
    char kept[BPI_FOLDER_NAME] = {0};
    size_t length = strlen(name);
    (void)size;
    if (is_directory || length >= sizeof kept || !list->wanted(name)) {
        return 0;
    }
    memcpy(kept, name, length);
    return bpi_buffer_append(&list->names, kept, sizeof kept) ? 0 : ENOMEM;
}

/* Twice: of a key nothing else would tell, before the copy is needed, that a read had lied. A key that is destroyed meanwhile
 * changes between. */
static int read_alike(const bp_io *io, bp_file *file, uint8_t *bytes, uint8_t *again, size_t size)
{
    int code = EIO;
    for (int tries = 0; tries < READS_MOST && code == EIO; tries++) {
        size_t got[2] = {0, 0};
        code = io->file_read(io->context, file, 0, bytes, size, &got[0]);
        code = code != 0 ? code : io->file_read(io->context, file, 0, again, size, &got[1]);
        code = code == 0 && (got[0] != size || got[1] != size || memcmp(bytes, again, size) != 0) ? EIO : code;
    }
    return code;
}

void bpi_folder_forget(bpi_buffer *files)
{
    if (files->data != NULL) {
        bpi_wipe(files->data, files->capacity);
    }
    bpi_buffer_fini(files);
}

/* As bpi_buffer_reserve; where it grows, nothing stays behind: there may be keys in it. */
static bool reserve(bpi_buffer *files, size_t more)
{
    bpi_buffer larger;
    if (files->capacity - files->size >= more) {
        return true;
    }
    bpi_buffer_init(&larger, files->allocator);
    if (!bpi_buffer_reserve(&larger, 2 * files->size + more)) {
        return false;
    }
    if (files->size != 0) {
        memcpy(larger.data, files->data, files->size);
    }
    larger.size = files->size;
    bpi_folder_forget(files);
    *files = larger;
    return true;
}

/* Behind what is in the buffer. A file that is gone by now is none. */
static int read_one(const bpi_home *home, bp_dir *dir, const char *name, bpi_buffer *files)
{
    const bp_io *io = home->io;
    bp_file *file = NULL;
    bpi_folder_file head = {0};
    int code = io->file_open(io->context, dir, name, BP_OPEN_READ, &file);
    if (code != 0) {
        return code == ENOENT ? 0 : code;
    }
    code = io->file_size(io->context, file, &head.size);
    code = code == 0 && head.size > FILE_MAX ? EFBIG : code;
    size_t room = (size_t)bpi_round_up(head.size, ALIGN);
    if (code == 0 && !reserve(files, sizeof head + 2 * room)) {
        code = ENOMEM;
    }
    if (code == 0) {
        uint8_t *bytes = files->data + files->size + sizeof head;
        memset(bytes, 0, 2 * room);
        code = read_alike(io, file, bytes, bytes + room, (size_t)head.size);
        memset(bytes + room, 0, room);
    }
    if (code == 0) {
        memcpy(head.name, name, strlen(name));
        memcpy(files->data + files->size, &head, sizeof head);
        files->size += sizeof head + room;
    }
    io->file_close(io->context, file);
    return code;
}

static int open_folder(const bpi_home *home, const char *folder, bool create, bp_dir **dir_out)
{
    *dir_out = folder == NULL ? home->root : NULL;
    return folder == NULL ? 0 : home->io->dir_open_at(home->io->context, home->root, folder, create, dir_out);
}

static void close_folder(const bpi_home *home, bp_dir *dir)
{
    if (dir != home->root) {
        home->io->dir_close(home->io->context, dir);
    }
}

static int read_folder(const bpi_home *home, const char *folder, bpi_wanted_fn wanted, bpi_buffer *files)
{
    const bp_io *io = home->io;
    listing list = {.wanted = wanted};
    bp_dir *dir = NULL;
    int code = open_folder(home, folder, false, &dir);
    if (code != 0) {
        return code == ENOENT ? 0 : code;
    }
    bpi_buffer_init(&list.names, home->allocator);
    code = io->dir_list(io->context, dir, note_name, &list);
    for (size_t at = 0; code == 0 && at < list.names.size; at += BPI_FOLDER_NAME) {
        code = read_one(home, dir, (const char *)list.names.data + at, files);
    }
    bpi_buffer_fini(&list.names);
    close_folder(home, dir);
    return code;
}

static bp_status told(const bpi_home *home, const char *folder, int code, const char *what, bp_error *error)
{
    const char *named = folder != NULL ? folder : ".";
    bp_status status = bpi_error_system(error, code, "cannot %s %s/", what, named);
    bpi_error_file(error, "%s/%s", home->path, named);
    return status == BP_ERR_NOT_FOUND ? BP_ERR_IO : status;
}

bp_status bpi_folder_read(const bpi_home *home, const char *folder, bpi_wanted_fn wanted, bpi_buffer *files,
                          bp_error *error)
{
    int code = read_folder(home, folder, wanted, files);
    return code == 0 ? BP_OK : told(home, folder, code, "read", error);
}

bool bpi_folder_next(const bpi_buffer *files, size_t *at, bpi_folder_file **file_out, const uint8_t **bytes_out)
{
    if (*at >= files->size) {
        return false;
    }
    *file_out = (bpi_folder_file *)(void *)(files->data + *at);
    *bytes_out = files->data + *at + sizeof(bpi_folder_file);
    *at += sizeof(bpi_folder_file) + (size_t)bpi_round_up((*file_out)->size, ALIGN);
    return true;
}

static int write_folder(const bpi_home *home, const char *folder, const bpi_buffer *files, uint32_t *count_out)
{
    const bp_io *io = home->io;
    bpi_folder_file *file = NULL;
    const uint8_t *bytes = NULL;
    bp_dir *dir = NULL;
    int code = open_folder(home, folder, true, &dir);
    for (size_t at = 0; code == 0 && bpi_folder_next(files, &at, &file, &bytes);) {
        if (!file->left_out) {
            code = bpi_write_fresh(home, dir, file->name, bytes, (size_t)file->size);
            *count_out += code == 0;
        }
    }
    if (dir != NULL) {
        code = code == 0 ? io->dir_sync(io->context, dir) : code;
        close_folder(home, dir);
    }
    return code == 0 ? io->dir_sync(io->context, home->root) : code;
}

bp_status bpi_folder_write(const bpi_home *home, const char *folder, const bpi_buffer *files, uint32_t *count_out,
                           bp_error *error)
{
    *count_out = 0;
    int code = files->size == 0 ? 0 : write_folder(home, folder, files, count_out);
    return code == 0 ? BP_OK : told(home, folder, code, "write", error);
}
