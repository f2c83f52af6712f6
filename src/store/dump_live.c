/*
 * dump_live.c: the fields of the page `live` (docs/format.md, section 8). Read while the writer may be storing to it:
 * each field is right by itself, two of them may be of different moments.
 */
#include "store/dump.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "format/live.h"

typedef struct live_context {
    uint32_t crc; /* the right one; first, for bpi_dump_judge_crc */
} live_context;

static bool judge_state(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    uint64_t state = bpi_dump_number(row, field);
    return bpi_dump_bad(dump, state < BPI_LIVE_OPEN || state > BPI_LIVE_FAILED, "unknown");
}

static const bpi_dump_name states[] = {
    {BPI_LIVE_OPEN, "open"}, {BPI_LIVE_CLOSED, "closed"}, {BPI_LIVE_FAILED, "failed"}, {0, NULL}};

static const bpi_dump_row rows[] = {
    {"magic", 8, BPI_FORM_MAGIC, .magic = BP_MAGIC_LIVE},
    {"version", 4, BPI_FORM_VERSION, .judge = NULL},
    {"crc", 4, BPI_FORM_HEX, .judge = bpi_dump_judge_crc},
    {"store id", 16, BPI_FORM_ID, .judge = NULL},
    {"boot id", 16, BPI_FORM_ID, .judge = NULL},
    {"mount", 8, BPI_FORM_HEX, .judge = NULL},
    {"epoch", 4, BPI_FORM_NUMBER, .judge = NULL},
    {"pid", 4, BPI_FORM_NUMBER, .judge = NULL},
    {"published LSN", 8, BPI_FORM_LSN, .judge = NULL},
    {"published sequence", 8, BPI_FORM_NUMBER, .judge = NULL},
    {"durable LSN", 8, BPI_FORM_LSN, .judge = NULL},
    {"manifest generation", 8, BPI_FORM_NUMBER, .judge = NULL},
    {"futex", 4, BPI_FORM_NUMBER, .judge = NULL},
    {"waiters", 4, BPI_FORM_NUMBER, .judge = NULL},
    {"state", 4, BPI_FORM_NAMED, .judge = judge_state, .names = states},
    {"rest", BPI_LIVE_SIZE - (BPI_LIVE_STATE + 4), BPI_FORM_ZERO, .judge = NULL},
};

bp_status bpi_dump_live(bpi_dump *dump)
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bp_status status = bpi_dump_read(dump, 0, BPI_LIVE_SIZE, &bytes, &available);
    if (status != BP_OK) {
        return status;
    }
    live_context live = {0};
    if (available >= BPI_LIVE_PUBLISHED) {
        live.crc = bpi_crc32c(0, bytes + BPI_LIVE_STORE_ID, BPI_LIVE_PUBLISHED - BPI_LIVE_STORE_ID);
    }
    bpi_dump_group(dump, "live");
    status = bpi_dump_rows(dump, rows, sizeof rows / sizeof rows[0], 0, bytes,
                           available < BPI_LIVE_SIZE ? available : BPI_LIVE_SIZE, &live);
    if (status == BP_OK && dump->size > BPI_LIVE_SIZE) {
        uint64_t more = dump->size - BPI_LIVE_SIZE;
        bpi_dump_group(dump, "rest");
        bpi_dump_say(dump, "%" PRIu64 " bytes behind the page", more);
        status = bpi_dump_field(dump, "unreadable", BPI_LIVE_SIZE, more, true);
    }
    return status;
}
