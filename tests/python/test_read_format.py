#!/usr/bin/env python3
"""tools/read_format.py against stores made by make_store.py. Run directly; exit code 0 if all holds."""

import base64
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

import make_store
from make_store import BOOT, CLOSE, DATA, MARK, MOUNT, PAD, SYSTEM, Maker, event_id, everything, extension, plain

from read_format import events, expect, files as store_files, recovery, selftest, verify
from read_format.hashes import crc32c

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "read_format.py"
HERE = (BOOT, MOUNT)
NOWHERE = (bytes(range(16)), None)


def recover(files, identity=HERE):
    try:
        return recovery.recover(store_files.Files(files), identity).as_json()
    except store_files.Fault as fault:
        return recovery.refusal(fault)


def verified(files, identity=HERE):
    """(exit code, lines)"""
    lines = []
    code = verify.run(store_files.Files(files), identity, lines.append)
    return code, lines


def listed(files, **options):
    lines = []
    events.print_events(store_files.Files(files), HERE, lines.append, **options)
    return [json.loads(line) for line in lines]


def flipped(files, name, offset, xor=1):
    data = bytearray(files[name])
    data[offset] ^= xor
    return {**files, name: bytes(data)}


def patched(files, name, offset, raw):
    data = files[name]
    return {**files, name: data[:offset] + raw + data[offset + len(raw):]}


class Case(unittest.TestCase):
    def opens(self, files, events, identity=HERE, **more):
        answer = recover(files, identity)
        self.assertEqual(answer["outcome"], "open", answer)
        self.assertEqual(answer["events"], events)
        for name, value in more.items():
            self.assertEqual(answer[name], value, name)
        return answer

    def refuses(self, files, status="CORRUPT", identity=HERE, file=None, what=None):
        answer = recover(files, identity)
        self.assertEqual(answer["outcome"], "refuse", answer)
        self.assertEqual(answer["status"], status)
        if file:
            self.assertEqual(answer["file"], file, answer)
        if what:
            self.assertIn(what, answer["what"])
        self.assertEqual(verified(files, identity)[0], 3)
        return answer

    def clean(self, files):
        self.assertEqual(verified(files), (0, []))

    def faulty(self, files, *whats):
        """verify says each of these, in this order, and nothing else."""
        code, lines = verified(files)
        self.assertEqual(code, 3)
        self.assertEqual(len(lines), len(whats), lines)
        for line, what in zip(lines, whats):
            self.assertIn(what, line)


class Hashes(Case):
    def test_selftest(self):
        self.assertEqual(list(selftest.crc_faults()), [])
        self.assertEqual(list(selftest.blake3_faults()), [])


def three_segments():
    m = Maker()
    everything(m)
    m.roll(seal=True)
    plain(m, 12)
    m.roll(seal=True)
    plain(m, 5)
    m.roll()
    plain(m, 4)
    return m


class Reading(Case):
    def test_everything(self):
        m = Maker()
        everything(m)
        m.close()
        files = m.files(live=m.live(state=2))
        self.clean(files)
        self.opens(files, 10, cut=False, torn_bytes=0, clean=True, epoch_after=1, next_sequence=10)
        shown = listed(files)
        self.assertEqual([e["sequence"] for e in shown], list(range(1, 10)))
        whole = listed(files, system=True)
        self.assertEqual(len(whole), 10)
        self.assertEqual(whole[0]["kind"], 0x0010)
        last = {}
        for line, made in zip(whole, m.events):
            self.assertEqual(line["id"].replace("-", ""), made["id"].hex())
            self.assertEqual(line["entity"], made["entity"].decode())
            self.assertEqual(line["event_hash"], made["hash"].hex())
            self.assertEqual(line["prev_hash"], last.get(line["entity"], bytes(32).hex()))
            last[line["entity"]] = line["event_hash"]
            if not line["state"] & 1:
                self.assertEqual(base64.b64decode(line["payload_base64"]), made["payload"])

    def test_fields(self):
        m = Maker()
        everything(m)
        by = {e["sequence"]: e for e in listed(m.files(), system=True)}
        self.assertEqual(by[0]["time"], -5)
        self.assertEqual(by[2]["scope"], "büro")
        self.assertEqual((by[2]["payload_type"], by[2]["payload_version"]), (2, 7))
        self.assertEqual((by[3]["lane"], by[3]["depth"], by[3]["clock"]), (3, 2, 1))
        self.assertEqual(by[3]["correlation"], by[1]["id"])
        self.assertEqual(by[3]["causes"], [by[1]["id"]])
        self.assertEqual(by[5]["causes"], [by[3]["id"], by[4]["id"]])
        self.assertEqual(by[4]["correlation"], by[4]["id"])
        self.assertEqual(by[1]["hlc"], "1790000000000.2")
        self.assertEqual([x["tag"] for x in by[7]["extensions"]], [0x8001, 0x8002])
        stub = by[8]
        self.assertEqual((stub["state"], stub["payload_base64"], stub["salt"]), (3, None, "00" * 16))

    def test_frames(self):
        m = three_segments()
        frames = [line for line in listed(m.files(), system=True, frames=True) if "frame" in line]
        names = [frame["frame"] for frame in frames]
        self.assertEqual(names.count("PAD"), 3)
        self.assertEqual(names.count("MARK"), 1)
        self.assertEqual(sum(frame["records"] for frame in frames), m.sequence)

    def test_segments(self):
        m = three_segments()
        for full in (True, False):
            files = m.files(full)
            self.clean(files)
            self.opens(files, 31, p=f"3:{m.seg.end}", cut=False)

    def test_ordinals_need_not_start_at_0(self):
        m = Maker(first_ordinal=9999999999 & 0xFFFFFFF)
        plain(m, 3)
        self.clean(m.files())

    def test_command_line(self):
        m = Maker()
        everything(m)
        with tempfile.TemporaryDirectory() as directory:
            make_store.write(directory, m.files(full=False))

            def tool(*arguments):
                done = subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True)
                return done.returncode, done.stdout

            self.assertEqual(tool("selftest")[0], 0)
            self.assertEqual(tool("verify", directory), (0, ""))
            self.assertEqual(len(tool("events", directory)[1].splitlines()), 9)
            answer = json.loads(tool("recover", directory, "--boot", BOOT.hex(), "--mount", "7")[1])
            self.assertEqual(answer["events"], 10)
            code, text = tool("expect", directory, "--cuts", "--jobs", "2")
            self.assertEqual(code, 0)
            self.assertIn("remove MANIFEST - refuse CORRUPT\n", text)
            make_store.write(directory, flipped(m.files(full=False), m.seg.name, 100))
            self.assertEqual(tool("recover", directory)[0], 3)
            self.assertEqual(tool("verify", directory)[0], 3)
            self.assertEqual(tool("events", directory), (3, ""))


class Tails(Case):
    """What stands behind the last accepted frame."""

    def test_clean_and_unclean(self):
        m = Maker(epoch=4)
        plain(m, 5)
        self.opens(m.files(), 5, clean=False, epoch_after=5)
        m.close()
        self.opens(m.files(), 5, clean=True, epoch_after=4)
        files = m.files()
        junk = patched(files, m.seg.name, m.seg.end + 5, b"\7")
        self.opens(junk, 5, cut=True, torn_bytes=6, clean=True, epoch_after=5)

    def test_torn_frame(self):
        m = Maker()
        plain(m, 5)
        m.mark()
        end = m.end()
        plain(m, 1)
        files = m.files(full=False)
        data = files[m.seg.name]
        for size in range(m.end() - 1, end - 1, -37):
            torn = {**files, m.seg.name: data[:size]}
            self.opens(torn, 5, cut=size > end, p=f"0:{end}")
        self.assertEqual(verified(torn)[0], 0)

    def test_vouched_tail(self):
        """A damaged last frame: cut, unless something vouches for it."""
        m = Maker()
        plain(m, 5)
        m.mark()
        plain(m, 1)
        middle = m.end()
        plain(m, 1)
        bad = flipped(m.files(), m.seg.name, middle + 64 + 130)
        cut = dict(events=6, cut=True, torn_bytes=m.end() - middle - trailing_zeros(m))
        self.opens(bad, **cut)
        self.refuses({**bad, "live": m.live()}, file=m.seg.name)
        self.opens({**bad, "live": m.live()}, identity=(BOOT, MOUNT + 1), **cut)
        self.opens({**bad, "live": m.live()}, identity=(BOOT, None), **cut)
        self.opens({**bad, "live": m.live(boot=bytes(16))}, identity=(bytes(16), MOUNT), **cut)
        self.opens({**bad, "live": m.live(published=middle)}, **cut)
        self.refuses({**bad, "live": m.live(durable=m.end())}, identity=(BOOT, None))
        self.opens({**bad, "live": m.live()[:-1]}, **cut)
        for offset in (0, 8, 12, 20, 40, 50, 57, 61):
            self.opens(flipped({**bad, "live": m.live()}, "live", offset), **cut)
        m.changes["durable"] = m.end()
        self.refuses(flipped(m.files(), m.seg.name, middle + 200))

    def test_frontier_behind_vouches(self):
        m = Maker()
        plain(m, 3)
        middle = m.end()
        plain(m, 1)
        plain(m, 1)
        bad = flipped(m.files(), m.seg.name, middle + 70)
        self.opens(bad, 3, cut=True)
        m.sync()
        m.frame(MARK)
        self.refuses(flipped(m.files(), m.seg.name, middle + 70), what="vouches")
        m.changes["durable"] = 0
        bad = flipped(m.files(), m.seg.name, middle + 70)
        self.refuses(bad, what="vouches")
        self.opens(flipped(bad, m.seg.name, m.end() - 1), 3, cut=True)

    def test_frontier_in_a_later_segment(self):
        m = Maker()
        plain(m, 3)
        middle = m.end()
        plain(m, 1)
        m.roll()
        plain(m, 1)
        bad = flipped(m.files(), m.segments[0].name, middle + 70)
        answer = self.opens(bad, 3, cut=True, p=f"0:{middle}")
        self.assertEqual(answer["torn_bytes"], m.segments[0].end - middle + m.seg.end - 64 - trailing_zeros(m))
        m.mark()
        self.refuses(flipped(m.files(), m.segments[0].name, middle + 70))

    def test_not_accepted(self):
        """Valid headers that are no next frame: the log ends before them."""
        bad = (dict(epoch=2), dict(epoch=0), dict(previous=5), dict(first=9), dict(flags=129), dict(flags=0),
               dict(zero=1), dict(frontier=1 << 40), dict(type=PAD, body=bytes(8)), dict(type=MARK, count=1),
               dict(type=CLOSE, body_crc=1), dict(length=72), dict(length=1 << 30), dict(body_crc=3), dict(count=2),
               dict(type=9, flags=1), dict(type=6, flags=0), dict(type=0, flags=4), dict(lsn=8), dict(salt=3))
        for change in bad:
            m = Maker()
            plain(m, 2)
            change = dict(change)
            type = change.pop("type", DATA)
            records = [m.record()] if type == DATA else []
            m.frame(type, records, **change)
            with self.subTest(change, type=type):
                if "frontier" in change:
                    self.refuses(m.files(), what="vouches")
                else:
                    self.opens(m.files(), 2, cut=True)

    def test_unknown_types(self):
        m = Maker()
        plain(m, 2)
        m.frame(9, flags=0, body=b"12345678")
        m.frame(7, flags=0)
        plain(m, 1)
        self.opens(m.files(), 3, cut=False)
        for type in (5, 6, 7, 99):
            n = Maker()
            plain(n, 2)
            n.frame(type, flags=128)
            self.refuses(n.files(), "VERSION", file=n.seg.name)

    def test_records_not_accepted(self):
        bad = (dict(id=bytes(16)), dict(flags=4), dict(payload_type=3), dict(entity=b"a\xff"), dict(scope="a\x85"),
               dict(entity=b"\xed\xa0\x80"), dict(entity=b"\xc0\x80"), dict(causes=[bytes(16)]), dict(sequence=7),
               dict(extra=b"\1"), dict(extra=extension(5, b"x")), dict(extra=extension(0x8001, b"x")),
               dict(private=extension(0x0777, b"x")), dict(correlation=bytes(16)), dict(entity="x" * 1025),
               dict(scope=""),
               dict(extra=extension(9, b"") + extension(9, b"")), dict(extra=extension(1, bytes(8))),
               dict(extra=extension(3, b"\5a")))
        for fields in bad:
            m = Maker()
            plain(m, 2)
            m.append(**fields)
            with self.subTest(fields):
                self.opens(m.files(), 2, cut=True)

    def test_history_contradicted(self):
        """Right CRCs and a wrong story: damage wherever it stands."""
        bad = (dict(clock=5), dict(hlc=0), dict(entity=SYSTEM), dict(kind=0x0010), dict(kind=0x0020), dict(kind=0xD003),
               dict(entity=SYSTEM, kind=0), dict(entity=SYSTEM, kind=0x0001), dict(kind=0xDFFF))
        for fields in bad:
            m = Maker()
            plain(m, 2)
            m.append(**fields)
            with self.subTest(fields):
                self.refuses(m.files(), file=m.seg.name)


def trailing_zeros(m):
    data = bytes(m.seg.body)
    return len(data) - len(data.rstrip(b"\0"))


class Manifests(Case):
    def setUp(self):
        self.m = Maker()
        plain(self.m, 3)

    def changed(self, **changes):
        self.m.changes = changes
        return self.m.files()

    def test_versions_and_bits(self):
        for changes in (dict(version=2), dict(incompat=2), dict(incompat=1 << 40), dict(ro_compat=1)):
            with self.subTest(changes):
                answer = recover(self.changed(**changes))
                self.assertEqual((answer["outcome"], answer["status"]), ("refuse", "VERSION"))
        self.assertIn("APPLIED", recover(self.changed(incompat=3))["what"])
        self.clean(self.changed(compat=9))
        self.clean(self.changed(ro_compat=1))

    def test_fields(self):
        for changes in (dict(version=0), dict(epoch=0), dict(layout=6), dict(segment_size=4096), dict(flags=2),
                        dict(segment_size=65537), dict(segment_size=1 << 31), dict(magic=b"BATPAKMG", keep=True)):
            keep = changes.pop("keep", False)
            files = self.changed(**changes)
            with self.subTest(changes):
                self.opens(files, 3) if keep else self.refuses(files, file="MANIFEST")

    def test_slots(self):
        files = self.m.files()
        self.opens(flipped(files, "MANIFEST", 500), 3)
        both = flipped(flipped(files, "MANIFEST", 500), "MANIFEST", 5000)
        self.refuses(both, file="MANIFEST")
        swapped = {**files, "MANIFEST": files["MANIFEST"][4096:] + files["MANIFEST"][:4096]}
        self.refuses(swapped, file="MANIFEST")
        self.m.generation = 1
        self.clean(self.m.files())

    def test_lists(self):
        files = self.m.files()
        self.refuses(flipped(files, "SEGMENTS-2", 70), file="SEGMENTS-2")
        without = {name: data for name, data in files.items() if name != "SEGMENTS-2"}
        self.refuses(without, file="SEGMENTS-2")
        without = {name: data for name, data in files.items() if name != "SEGMENTS-1"}
        self.opens(without, 3)
        self.assertEqual(verified(without)[0], 3)

    def test_segment_headers(self):
        files = self.m.files()
        name = self.m.seg.name
        for offset in range(64):
            self.refuses(flipped(files, name, offset), file=name)
        self.m.seg.generation = 2
        other = self.m.segment_file(self.m.seg, True)
        self.refuses({**files, name: other}, file=name, what="generation")
        newer = bytearray(files[name])
        newer[8] = 2
        self.refuses({**files, name: Maker._sum(bytes(newer[:64])) + files[name][64:]}, "VERSION", file=name)

    def test_no_manifest(self):
        files = {name: data for name, data in self.m.files().items() if name != "MANIFEST"}
        self.refuses(files, file=self.m.seg.name)
        self.refuses(flipped(files, self.m.seg.name, 3), file=self.m.seg.name)
        empty = Maker()
        files = {name: data for name, data in empty.files().items() if name != "MANIFEST"}
        self.opens(files, 0, made=True, epoch_after=1)
        self.opens({}, 0, made=True)
        self.opens(empty.files(), 0)

    def test_unlisted_segments(self):
        files = self.m.files()
        self.opens({**files, "log/0000000001-1.seg": bytes(65536)}, 3)
        self.opens({**files, "log/0000000000-2.seg": b""}, 3)
        m = Maker()
        plain(m, 1)
        m.roll()
        plain(m, 1)
        self.refuses({**files, m.seg.name: m.files()[m.seg.name]}, file=m.seg.name)
        self.refuses(flipped({**files, m.seg.name: m.files()[m.seg.name]}, m.seg.name, 13), file=m.seg.name)


class Sealed(Case):
    def test_entries(self):
        """Each listed number is compared."""
        for field, what in ((0, "link"), (2, "events"), (3, ""), (4, "frames"), (5, "HLC"), (1, "join")):
            m = three_segments()
            sealed = list(m.segments[1].sealed)
            sealed[field] += 8
            m.segments[1].sealed = tuple(sealed)
            with self.subTest(what):
                self.refuses(m.files(), what=what)

    def test_root(self):
        m = three_segments()
        m.segments[1].sealed = (*m.segments[1].sealed[:6], bytes(32))
        self.opens(m.files(), 31)
        self.faulty(m.files(), "Merkle")

    def test_damage(self):
        m = three_segments()
        files = m.files()
        for seg in m.segments[:2]:
            for offset in range(64, seg.end, 61):
                self.refuses(flipped(files, seg.name, offset), file=seg.name)
            self.opens(flipped(files, seg.name, seg.end), 31, cut=False)
            self.refuses({**files, seg.name: files[seg.name][:seg.end - 8]}, file=seg.name)
        missing = m.segments[1].name
        self.refuses({name: data for name, data in files.items() if name != missing}, file=missing)

    def test_two_faults(self):
        m = three_segments()
        m.mark()
        files = m.files()
        one, two = m.segments[0], m.segments[1]
        bad = flipped(flipped(files, one.name, 64 + 64 + 130), two.name, 64 + 64 + 131)
        code, lines = verified(bad)
        self.assertEqual([line.split(" offset")[0] for line in lines], [one.name, two.name])
        self.assertTrue(all("record CRC" in line for line in lines), lines)
        lost = patched(files, two.name, 64, bytes(64))
        code, lines = verified(lost)
        self.assertEqual(code, 3)
        self.assertIn("sequences 10..11 are lost", "".join(lines))


class Verifying(Case):
    """What only verify sees: right CRCs, wrong content."""

    def with_event(self, *many):
        m = Maker()
        plain(m, 4)
        for fields in many:
            m.append(**fields)
        return m.files()

    def rehashed(self, offset, raw):
        """A store whose last record is changed and has a right CRC."""
        m = Maker()
        plain(m, 4)
        record = m.record

        def changed(**fields):
            good = record(**fields)
            bad = good[:offset] + raw + good[offset + len(raw):]
            return struct.pack("<I", crc32c(m.store_id + bad[128:] + bad[4:128])) + bad[4:]
        m.frame(DATA, [changed(entity="z", payload=b"hello")])
        return m.files()

    def test_hashes(self):
        self.faulty(self.rehashed(80, b"\1\2\3"), "event hash")
        self.faulty(self.rehashed(40, b"\1"), "event hash")
        self.faulty(self.rehashed(112, b"\1\1"), "event hash")

    def test_ids_and_causes(self):
        self.faulty(self.with_event(dict(id=event_id(2))), "id is that of sequence 1")
        self.faulty(self.with_event(dict(causes=[event_id(6)]), {}), "no earlier event")
        self.clean(self.with_event(dict(causes=[event_id(6)], outside=True), {}))

    def test_kind_names(self):
        def named(kind, name):
            return make_store.name_kind(None, kind, name)
        self.clean(self.with_event(named(0x1001, "a-b/c.d_9"), named(0x1002, "ä")))
        self.faulty(self.with_event(named(0x1001, "a"), named(0x1001, "b")), "named before")
        self.faulty(self.with_event(named(0x1001, "a"), named(0x1002, "a")), "named before")
        for name in ("", "9a", "a b", "x" * 256):
            self.faulty(self.with_event(named(0x1001, name)), "kind")

    def test_ceiling(self):
        m = Maker()
        plain(m, 2)
        m.mark()
        m.changes["ceiling"] = m.hlc - 1
        self.opens(m.files(), 2)
        self.faulty(m.files(), "ceiling")

    def test_torn_tail_is_a_note(self):
        m = Maker()
        plain(m, 2)
        code, lines = verified(patched(m.files(), m.seg.name, m.end() + 9, b"junk"))
        self.assertEqual(code, 0)
        self.assertEqual(lines, [f"note: an opening would cut 13 bytes at 0:{m.end()}\n"])


class Mutations(Case):
    def small(self):
        m = Maker()
        plain(m, 3)
        m.roll(seal=True)
        plain(m, 2)
        m.mark()
        m.batch({}, {}, {})
        return m, m.files(full=False, live=m.live(durable=m.durable))

    def lines(self, files, identity, xor=1):
        return list(expect.expect(store_files.Files(files), identity, True, True, xor, 1))

    def test_expected(self):
        m, files = self.small()
        seg, first = m.seg, m.segments[0]
        mark = m.durable & 0xFFFFFFFF   # where the MARK stands: nothing vouches for it and the batch behind it
        batch, end = mark + 64, seg.end
        lines = self.lines(files, NOWHERE)
        for line in (f"flip {first.name} 0..{first.end} refuse CORRUPT",
                     f"cut {first.name} 0..{first.end} refuse CORRUPT",
                     f"flip {seg.name} {mark}..{end} open 5 1", f"cut {seg.name} {batch + 1}..{end} open 5 1",
                     f"cut {seg.name} {batch} open 5 0", f"remove {seg.name} - refuse CORRUPT",
                     "remove MANIFEST - refuse CORRUPT", "flip SEGMENTS-2 0..320 refuse CORRUPT",
                     "remove live - open 8 0"):
            self.assertIn(line, lines)
        vouched = self.lines(files, HERE)
        self.assertIn(f"cut {seg.name} 0..{end} refuse CORRUPT", vouched)
        self.assertNotIn("open-different", "".join(lines + vouched))

    def test_cached_is_uncached(self):
        """The cached answers are those of plain openings, for single and for random double changes."""
        _, files = self.small()
        for xor, identity in ((0x80, HERE), (0xFF, NOWHERE)):
            whole = store_files.Files(files)
            judge = expect.Judge(whole, identity)
            draw = random.Random(xor)
            for _ in range(400):
                name = draw.choice(list(files))
                changed = flipped(files, name, draw.randrange(len(files[name])), xor)
                other = draw.choice(list(files))
                if draw.random() < 0.5:
                    changed[other] = changed[other][:draw.randrange(len(files[other]))]
                mutant = whole
                for each in {name, other}:
                    mutant = mutant.replaced(each, changed[each])
                plain_answer = recover(changed, identity)
                if plain_answer["outcome"] == "refuse":
                    want = "refuse " + plain_answer["status"]
                else:
                    want = f"open {plain_answer['events']} {int(plain_answer['cut'])}"
                self.assertEqual(judge.answer(mutant), want)

    def test_different_content_is_seen(self):
        _, files = self.small()
        judge = expect.Judge(store_files.Files(files), NOWHERE)
        n = Maker()
        plain(n, 5, entity="other")
        self.assertEqual(judge.answer(store_files.Files(n.files())), "open-different")


if __name__ == "__main__":
    unittest.main()
