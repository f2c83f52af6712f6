/*
 * fuzz_live.c: any page `live` beside a store whose writer was killed. The first byte says what is made right: 1 the
 * identity, so that the page is believed, 2 its size, 4 that the page is cut there. The rest is the page, as far as it goes.
 */
#include "fuzz/store.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "format/live.h"

enum { KILLED = 3 };

static bpt_world *base; /* made once */

static void make_base(void)
{
    const char *name = NULL;
    base = calloc(1, sizeof *base);
    CHECK(base != NULL && fuzz_store_make(KILLED, base, &name), "no store");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t page[BPI_LIVE_SIZE + 8] = {0};
    size_t real_size = 0;
    bpt_world world;
    if (size == 0) {
        return 0;
    }
    if (base == NULL) {
        make_base();
    }
    size_t given = size - 1 < sizeof page ? size - 1 : sizeof page;
    memcpy(page, data + 1, given);
    if ((data[0] & 1) != 0) {
        uint8_t *real = bpt_file_read(base, "live", &real_size);
        CHECK(real != NULL && real_size == BPI_LIVE_SIZE, "the killed store has no page");
        memcpy(page, real, BPI_LIVE_PUBLISHED - 4);
        memcpy(page + BPI_LIVE_EPOCH, data + 1, given < 8 ? given : 8);
        bpi_put32(page + BPI_LIVE_CRC,
                  bpi_crc32c(0, page + BPI_LIVE_STORE_ID, (size_t)BPI_LIVE_PUBLISHED - BPI_LIVE_STORE_ID));
        free(real);
    }
    bpt_world_adopt(&world, bpi_fault_clone(base->fault));
    bpt_file_write(&world, "live", page, (data[0] & 4) != 0 ? given : BPI_LIVE_SIZE);
    fuzz_store_ask(&world, bpi_crc32c(0, data, size));
    bpt_world_end(&world);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    (void)seed;
    return LLVMFuzzerMutate(data, size, max);
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    size_t size = 0;
    make_base();
    uint8_t *real = bpt_file_read(base, "live", &size);
    CHECK(real != NULL, "the killed store has no page");
    uint8_t bytes[1 + 108];
    memcpy(bytes + 1, real, 108);
    for (uint8_t flags = 0; flags < 4; flags++) {
        char name[16];
        bytes[0] = flags;
        (void)snprintf(name, sizeof name, "flags-%u", flags);
        emit(argument, name, bytes, sizeof bytes);
    }
    free(real);
}
