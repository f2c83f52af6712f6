"""Index files, as far as recovery cares: which sealed segments need not be read (sections 9 and 13)."""

import re
import struct

from .hashes import crc32c, derive
from .layout import RETIRED, SEALED, crc_without_own

NAME = re.compile(r"index/([0-9]{10})-([0-9]{10})-([0-9]+)\.idx")
PAGE = 4096
SECTIONS = 25
CONTEXT = "batpak 2026 v1 index binding"
_HEAD = struct.Struct("<8sII16sQIIIIQIBB2sIIIIIIQQQII32s")
_TAIL = struct.Struct("<QQIIQ")
_PART = struct.Struct("<IIQQQ")
_known = {}


class Header:
    def __init__(self, page):
        (self.magic, self.version, self.crc, self.store_id, self.key, self.first, self.last, self.generation,
         self.segments, self.first_sequence, self.rows, self.layout, self.shift, _, self.first_entity, self.entities,
         self.first_scope, self.scopes, self.system, self.flags, self.least, self.greatest, self.sums_offset,
         self.sums_crc, _, self.binding) = _HEAD.unpack_from(page)
        self.salt = _TAIL.unpack_from(page, _HEAD.size + SECTIONS * 16)[0]


def parse(data):
    """The header of a file that is right by itself, every page of it; None."""
    if id(data) not in _known:
        _known[id(data)] = (_parse(data), data)
    return _known[id(data)][0]


def _parse(data):
    if len(data) < PAGE or data[:8] != b"BATPAKIX" or crc_without_own(data[:PAGE]) != Header(data).crc:
        return None
    header = Header(data)
    start = header.sums_offset
    if header.version != 1 or start % PAGE or start < PAGE or len(data) - start != (start // PAGE - 1) * 4:
        return None
    sums = data[start:]
    if crc32c(sums) != header.sums_crc:
        return None
    pages = (crc32c(data[at:at + PAGE]) for at in range(PAGE, start, PAGE))
    right = all(page == found for page, (found,) in zip(pages, struct.iter_unpack("<I", sums)))
    return header if right else None


def binding(entries):
    key = tuple((e.ordinal, e.generation, e.first, e.events, e.length, e.root) for e in entries)
    if key not in _known:
        chained = bytes(32)
        for fields in key:
            chained = derive(CONTEXT, chained + _PART.pack(*fields[:5]) + fields[5])
        _known[key] = chained
    return _known[key]


def _belongs(header, entries, manifest):
    return (header is not None and header.salt == 0 and header.store_id == manifest.store_id and
            header.segments == len(entries) and header.first_sequence == entries[0].first and
            header.rows == sum(e.events for e in entries) and header.binding == binding(entries))


def covered(files, manifest, listed):
    """The ordinals of sealed segments that a valid index file answers for."""
    found = set()
    log = [e for e in listed.entries if e.state != RETIRED]
    at = 0
    while at < len(log) and log[at].state == SEALED:
        step = 0
        for name, data in files.index.items():
            first, last, _ = (int(number) for number in NAME.fullmatch(name).groups())
            run = [e for e in log[at:] if e.ordinal <= last]
            if first != log[at].ordinal or run[-1].ordinal != last or any(e.state != SEALED for e in run):
                continue
            if len(run) > step and _belongs(parse(data), run, manifest):
                step = len(run)
        found.update(e.ordinal for e in log[at:at + step])
        at += max(step, 1)
    return found
