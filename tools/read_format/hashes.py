"""CRC-32C and BLAKE3 (plain and derive-key mode) in plain Python."""

import struct

# ---- CRC-32C ---------------------------------------------------------------------------------------------------------

POLYNOMIAL = 0x82F63B78
BLOCK = 256  # the unit whose CRC register is memoised


def _byte_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_T0 = _byte_table()
_T1 = [_T0[x & 255] ^ x >> 8 for x in _T0]
_T2 = [_T0[x & 255] ^ x >> 8 for x in _T1]
_T3 = [_T0[x & 255] ^ x >> 8 for x in _T2]


def _register(register, data):
    """The shift register after the bytes of data, no inversion."""
    words = len(data) >> 2
    t0, t1, t2, t3 = _T0, _T1, _T2, _T3
    for word in struct.unpack_from(f"<{words}I", data):
        word ^= register
        register = t3[word & 255] ^ t2[word >> 8 & 255] ^ t1[word >> 16 & 255] ^ t0[word >> 24]
    for byte in data[words * 4:]:
        register = t0[(register ^ byte) & 255] ^ register >> 8
    return register


def _block_tables():
    """Four tables that move a register over BLOCK zero bytes."""
    single = [_register(1 << bit, bytes(BLOCK)) for bit in range(32)]
    tables = []
    for part in range(4):
        table = [0] * 256
        for value in range(256):
            for bit in range(8):
                if value >> bit & 1:
                    table[value] ^= single[part * 8 + bit]
        tables.append(table)
    return tables


_S0, _S1, _S2, _S3 = _block_tables()


class Crc:
    """crc(data, crc=0): CRC-32C, going on from an earlier one.

    With remember set, the registers of whole blocks are kept (they combine because the CRC is linear), and blocks met
    while it was set cost one look-up afterwards.
    """

    def __init__(self):
        self.blocks = {}
        self.remember = False

    def __call__(self, data, crc=0):
        register = crc ^ 0xFFFFFFFF
        if not self.blocks and not self.remember or len(data) < BLOCK:
            return _register(register, data) ^ 0xFFFFFFFF
        end = len(data) - len(data) % BLOCK
        for at in range(0, end, BLOCK):
            block = data[at:at + BLOCK]
            own = self.blocks.get(block)
            if own is None:
                own = _register(0, block)
                if self.remember:
                    self.blocks[block] = own
            register = (_S0[register & 255] ^ _S1[register >> 8 & 255] ^ _S2[register >> 16 & 255]
                        ^ _S3[register >> 24] ^ own)
        return _register(register, data[end:]) ^ 0xFFFFFFFF


crc32c = Crc()

# ---- BLAKE3 ----------------------------------------------------------------------------------------------------------

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT, DERIVE_CONTEXT, DERIVE_MATERIAL = 1, 2, 4, 8, 32, 64
CHUNK = 1024
QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
M32 = 0xFFFFFFFF


def _compress_source():
    """Source of the compression function with its seven rounds written out: local names are the fast ones."""
    lines = ["def compress(cv, words, counter, size, flags):",
             " v0, v1, v2, v3, v4, v5, v6, v7 = cv",
             " v8, v9, v10, v11 = IV[:4]",
             " v12, v13, v14, v15 = counter & M32, counter >> 32, size, flags",
             " m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15 = words"]
    order = list(range(16))
    for _ in range(7):
        for quarter, (a, b, c, d) in enumerate(QUARTERS):
            for half, (turn_d, turn_b) in enumerate(((16, 12), (8, 7))):
                lines += [f" v{a} = v{a} + v{b} + m{order[2 * quarter + half]} & M32",
                          f" x = v{d} ^ v{a}",
                          f" v{d} = x >> {turn_d} | x << {32 - turn_d} & M32",
                          f" v{c} = v{c} + v{d} & M32",
                          f" x = v{b} ^ v{c}",
                          f" v{b} = x >> {turn_b} | x << {32 - turn_b} & M32"]
        order = [order[i] for i in PERMUTATION]
    lines.append(" return (" + ", ".join(f"v{i} ^ v{i + 8}" for i in range(8)) + ")")
    return "\n".join(lines)


def _make_compress():
    names = {"IV": IV, "M32": M32}
    exec(_compress_source(), names)
    return names["compress"]


_compress = _make_compress()
_WORDS = struct.Struct("<16I")


def _words(block):
    return _WORDS.unpack(block if len(block) == 64 else block + bytes(64 - len(block)))


def _chunk(key, data, index, flags, root):
    """Chaining value of one chunk (of the root, if it is the only one)."""
    value = key
    last = max(len(data) - 1, 0) // 64 * 64
    for at in range(0, last + 1, 64):
        block = data[at:at + 64]
        extra = (CHUNK_START if at == 0 else 0) | ((CHUNK_END | root) if at == last else 0)
        value = _compress(value, _words(block), index, len(block), flags | extra)
    return value


def _tree(key, data, index, flags, root):
    if len(data) <= CHUNK:
        return _chunk(key, data, index, flags, root)
    left = 1 << ((len(data) - 1) // CHUNK).bit_length() - 1  # chunks of the left side
    one = _tree(key, data[:left * CHUNK], index, flags, 0)
    two = _tree(key, data[left * CHUNK:], index + left, flags, 0)
    return _compress(key, one + two, 0, 64, flags | PARENT | root)


def _blake3(key, data, flags):
    return struct.pack("<8I", *_tree(key, bytes(data), 0, flags, ROOT))


def blake3(data):
    return _blake3(IV, data, 0)


_context_keys = {}


def derive(context, data):
    """B3(context, data) of the page."""
    key = _context_keys.get(context)
    if key is None:
        key = struct.unpack("<8I", _blake3(IV, context.encode(), DERIVE_CONTEXT))
        _context_keys[context] = key
    return _blake3(key, data, DERIVE_MATERIAL)
