"""Fold entries: section 7 of the page. What retention left of an event."""

import struct

from .hashes import crc32c
from .records import NIL, SYSTEM_NAME, Reject, good_name

FIXED = struct.Struct("<IIQ16sQQHHB3s32s")


class Fold:
    """One entry; it takes the place of its record. faults() judges it."""

    folded = True
    state = 0

    def __init__(self, data, offset):
        (self.crc, self.length, self.sequence, self.id, self.hlc, self.clock, self.entity_size, self.scope_size, self.flags,
         self.zero, self.event_hash) = FIXED.unpack_from(data, offset)
        self.offset = offset
        self.data = data
        at = offset + FIXED.size
        self.entity = data[at:at + self.entity_size]
        self.scope = data[at + self.entity_size:at + self.entity_size + self.scope_size]
        self.end = at + self.entity_size + self.scope_size

    def faults(self):
        """(offset in the entry, what) for every rule that it breaks by itself."""
        end = self.offset + self.length
        checks = ((self.id != NIL, 16, "nil id"),
                  (good_name(self.entity) and 1 <= self.entity_size <= 1024, 48, "entity is not a name"),
                  (good_name(self.scope) and 1 <= self.scope_size <= 1024, 50, "scope is not a name"),
                  (self.flags <= 1, 52, f"flags {self.flags:#x}"),
                  (not any(self.zero) and not any(self.data[self.end:end]), 53, "zero fields are not zero"))
        for right, offset, what in checks:
            if not right:
                yield offset, what

    def is_system(self):
        return self.entity == SYSTEM_NAME


def checked_fold(data, offset, end, store_id):
    """The entry at offset if its length is possible and its CRC right; else Reject."""
    if end - offset < FIXED.size:
        raise Reject(offset, "no room for a fold entry")
    fold = Fold(data, offset)
    least = FIXED.size + fold.entity_size + fold.scope_size
    if offset + fold.length > end or fold.length != -(-least // 8) * 8:
        raise Reject(offset + 4, f"fold entry length {fold.length}")
    if crc32c(data[offset + 4:offset + fold.length], crc32c(store_id)) != fold.crc:
        raise Reject(offset, "fold entry CRC is wrong", bad_sum=True)
    return fold
