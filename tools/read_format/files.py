"""The files of a store in memory, and what is wrong with them."""

import pathlib
import re

LIST_NAME = re.compile(r"SEGMENTS-([0-9]+)")
SEGMENT_NAME = re.compile(r"log/([0-9]{10,})-([0-9]+)\.seg")
INDEX_NAME = re.compile(r"index/[0-9]{10}-[0-9]{10}-[0-9]+\.idx")


class Fault(Exception):
    """Why an opening is refused, or one finding of verify."""

    def __init__(self, status, file, offset, what, sequence=None):
        super().__init__(what)
        self.status = status
        self.file = file
        self.offset = offset
        self.what = what
        self.sequence = sequence

    def line(self):
        sequence = "-" if self.sequence is None else self.sequence
        return f"{self.file} offset {self.offset} sequence {sequence}: {self.what}"


def corrupt(file, offset, what, sequence=None):
    return Fault("CORRUPT", file, offset, what, sequence)


def newer(file, offset, what):
    return Fault("VERSION", file, offset, what)


class Files:
    """Contents by name. `lists` and `segments` map numbers to names (names are compared as numbers). `index` holds the derived
    files, which have no authority."""

    def __init__(self, data, index=None):
        self.data = data
        self.index = index or {}
        self.lists = {}
        self.segments = {}
        for name in sorted(data):
            match = LIST_NAME.fullmatch(name)
            if match:
                self.lists[int(match[1])] = name
            match = SEGMENT_NAME.fullmatch(name)
            if match:
                self.segments[int(match[1]), int(match[2])] = name

    def get(self, name):
        return self.data.get(name)

    def replaced(self, name, content):
        """The same store with another content of one file; None: without the file."""
        data = dict(self.data)
        if content is None:
            del data[name]
            return Files(data, self.index)
        data[name] = content
        other = Files.__new__(Files)
        other.data, other.lists, other.segments, other.index = data, self.lists, self.segments, self.index
        return other


def load(directory):
    root = pathlib.Path(directory)
    if not root.is_dir():
        raise Fault("NOT_FOUND", str(directory), 0, "no such directory")
    if (root / "INCOMPLETE").is_symlink() or (root / "INCOMPLETE").exists():
        raise corrupt("INCOMPLETE", 0, "an unfinished copy: no store (section 15)")
    names = [path.name for path in root.iterdir()]
    log = root / "log"
    if log.is_dir():
        names += ["log/" + path.name for path in log.iterdir()]
    wanted = [name for name in names
              if name in ("MANIFEST", "live") or LIST_NAME.fullmatch(name) or SEGMENT_NAME.fullmatch(name)]
    folder = root / "index"
    derived = sorted("index/" + path.name for path in folder.iterdir()) if folder.is_dir() else []
    return Files({name: (root / name).read_bytes() for name in sorted(wanted)},
                 {name: (root / name).read_bytes() for name in derived if INDEX_NAME.fullmatch(name)})


def all_zero(data, start, end):
    return data.count(0, start, end) == end - start if end - start < 64 else data[start:end] == bytes(end - start)


def data_end(data, start):
    """Behind the last byte of data[start:] that is not zero; start, if all of them are."""
    low, high = start, len(data)
    while high - low > 64:
        middle = (low + high) // 2
        if all_zero(data, middle, high):
            high = middle
        else:
            low = middle
    while high > start and data[high - 1] == 0:
        high -= 1
    return high


def lsn(ordinal, offset):
    return ordinal << 32 | offset


def lsn_text(value):
    return f"{value >> 32}:{value & 0xFFFFFFFF}"
