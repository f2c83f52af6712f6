/*
 * frame.h: the 64 bytes in front of every commit (docs/format.md, section 5).
 *
 * Valid if and only if: the salt is the segment's, the CRC over bytes 0..60 is right, and the LSN is the position where
 * it lies. Only then is the length believed. What else must hold of a frame in its place is judged by src/log.
 */
#ifndef BPI_FORMAT_FRAME_H
#define BPI_FORMAT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <batpak/tools.h>

enum {
    BPI_FRAME_SALT = 0,
    BPI_FRAME_LENGTH = 8,
    BPI_FRAME_RECORDS = 12,
    BPI_FRAME_TYPE = 16,
    BPI_FRAME_FLAGS = 17,
    BPI_FRAME_ZERO = 18,
    BPI_FRAME_EPOCH = 20,
    BPI_FRAME_LSN = 24,
    BPI_FRAME_SEQUENCE = 32,
    BPI_FRAME_FRONTIER = 40,
    BPI_FRAME_ORIGIN = 48,
    BPI_FRAME_PREVIOUS = 52,
    BPI_FRAME_BODY_CRC = 56,
    BPI_FRAME_CRC = 60,
    BPI_FRAME_HEADER = 64,
    BPI_FRAME_ALIGN = 8,
    BPI_FRAME_CONTINUES = 0x01,
    BPI_FRAME_MUST_UNDERSTAND = 0x80
};

_Static_assert(BPI_FRAME_CRC + 4 == BPI_FRAME_HEADER, "the CRC is the last field");
_Static_assert(BPI_FRAME_HEADER == BP_FRAME_HEADER_SIZE, "as published");
_Static_assert(BPI_FRAME_HEADER % BPI_FRAME_ALIGN == 0, "headers keep the alignment");

/* An LSN: segment ordinal and byte offset. */
static inline uint64_t bpi_lsn(uint32_t ordinal, uint64_t offset)
{
    return (uint64_t)ordinal << 32 | offset;
}

static inline uint32_t bpi_lsn_ordinal(uint64_t lsn)
{
    return (uint32_t)(lsn >> 32);
}

static inline uint64_t bpi_lsn_offset(uint64_t lsn)
{
    return lsn & 0xffffffffu;
}

/* Writes the header and its CRC. frame->header_crc is ignored; the CRC written is returned. */
uint32_t bpi_frame_put(const bp_frame *frame, uint8_t bytes[BPI_FRAME_HEADER]);

/* Reads all fields; false when the CRC is wrong. */
bool bpi_frame_get(const uint8_t bytes[BPI_FRAME_HEADER], bp_frame *frame_out);

/* A valid frame header at that LSN? salt 0: any salt but zero. Cheap when the bytes are zero. */
bool bpi_frame_header_valid(const uint8_t bytes[BPI_FRAME_HEADER], uint64_t salt, uint64_t lsn, bp_frame *frame_out);

/* NULL when type, flags, counts, zero fields and length fit together, else what is wrong. Sets *unknown_out when the type is
 * unknown (the rest is then not judged). */
const char *bpi_frame_shape_fault(const uint8_t bytes[BPI_FRAME_HEADER], const bp_frame *frame, bool *unknown_out);

/* "DATA", "PAD", ...; "?" when unknown. */
const char *bpi_frame_type_name(unsigned type);

#endif
