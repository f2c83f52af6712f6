#!/usr/bin/env python3
"""tools/read_format.py against stores whose segments were rewritten, made by make_store.py, and against tombstones."""

import unittest

from make_store import SYSTEM, Maker, everything, plain
from test_read_format import HERE, Case, listed, recover, verified

from read_format import expect, files as store_files


def fate_of(event):
    """Every third event is dropped, every fifth is a stub; of the library's own all are kept."""
    if event["entity"] == SYSTEM.encode():
        return "keep"
    return "drop" if event["sequence"] % 3 == 1 else "stub" if event["sequence"] % 5 == 0 else "keep"


def four_sealed():
    m = Maker()
    everything(m)
    for count in (12, 5, 4):
        m.roll(seal=True)
        plain(m, count)
    m.mark()
    m.roll(seal=True)
    m.append()
    return m


def rewritten(count=3, fate=fate_of, **wrong):
    m = four_sealed()
    m.rewrite(0, count, fate, **wrong)
    return m


class Rewritten(Case):
    """Sections 7 and 17: segments that were made anew, with fold entries, stubs, and commits in several frames."""

    def test_read(self):
        plain_events = {line["sequence"]: line for line in listed(rewritten(1, lambda event: "keep").files(), system=True)}
        for count in (1, 2, 3):
            m = rewritten(count)
            files = m.files()
            self.clean(files)
            self.opens(files, m.sequence)
            lines = {line["sequence"]: line for line in listed(files, system=True)}
            seen = {event["sequence"]: fate_of(event) for event in m.events
                    if any(event in commit for commit in m.segments[0].commits)}
            for sequence, line in plain_events.items():
                if seen.get(sequence) == "drop":
                    self.assertNotIn(sequence, lines)
                    continue
                got = lines[sequence]
                self.assertEqual(got["event_hash"], line["event_hash"])
                self.assertEqual(got["content_hash"], line["content_hash"])
                if seen.get(sequence) == "stub":
                    self.assertEqual((got["payload_base64"], got["state"] & 1), (None, 1))
                else:
                    self.assertEqual(got["payload_base64"], line["payload_base64"])

    def test_frames(self):
        frames = [line for line in listed(rewritten().files(), system=True, frames=True) if "frame" in line]
        self.assertGreater(sum(frame["frame"] == "FOLD" for frame in frames), 3)
        self.assertGreater(sum(frame["frame"] == "DATA" and frame["flags"] == 129 for frame in frames), 0)
        self.assertEqual(sum(frame["records"] for frame in frames), rewritten().sequence)

    def test_rewritten_again(self):
        m = rewritten(2)
        m.rewrite(0, 2, lambda event: "drop" if fate_of(event) == "drop" or event["sequence"] % 2 else fate_of(event))
        self.clean(m.files())
        self.opens(m.files(), m.sequence)

    def test_retired_entries(self):
        m = four_sealed()
        sources = m.rewrite(0, 2, fate_of)
        for source in sources:
            source.retired = True
        m.segments[1:1] = sources
        self.clean(m.files())
        files = m.files()
        for source in sources:
            files.pop(source.name)  # it may be gone already
        self.clean(files)
        answer = recover({**m.files(), sources[0].name: b"whatever" * 99})
        self.assertEqual(answer["outcome"], "open")

    def test_only_where_it_is_listed_as_rewritten(self):
        m = rewritten()
        m.changes = {"incompat": 0}
        self.refuses(m.files(), "CORRUPT")
        m = rewritten()
        m.segments[0].rewritten = 0
        m.segments[0].last = 0
        self.refuses(m.files(), "VERSION")  # a FOLD frame elsewhere is an unknown type

    def test_links(self):
        m = rewritten()
        m.segments[0].last ^= 1
        self.refuses(m.files(), "CORRUPT")
        m = rewritten()
        sealed = m.segments[0].sealed
        m.segments[0].sealed = (sealed[0] ^ 1, *sealed[1:])  # what the successor follows
        self.refuses(m.files(), "CORRUPT")

    def test_wrong_entries(self):
        for wrong in (dict(fold_flags=2), dict(fold_zero=1), dict(flags=129)):
            with self.subTest(wrong):
                self.refuses(rewritten(**wrong).files(), "CORRUPT")

    def test_hashes_of_folds_are_in_the_chain(self):
        m = four_sealed()
        event = next(e for e in m.events if fate_of(e) == "drop" and any(e in c for c in m.segments[0].commits))
        event["hash"] = bytes(32)
        m.rewrite(0, 2, fate_of)
        code, lines = verified(m.files())
        self.assertEqual(code, 3)
        self.assertTrue(any("Merkle" in line for line in lines) or any("hash" in line for line in lines))

    def test_mutations(self):
        """Every damage in the rewritten segment is refused; none opens to something else."""
        m = Maker()
        plain(m, 9)
        m.roll(seal=True)
        plain(m, 3)
        m.rewrite(0, 1, fate_of)
        m.close()
        files = m.files(full=False)
        name = m.segments[0].name
        judge = expect.Judge(store_files.Files(files), HERE)
        judge.answer(judge.files)
        for how in ("flip", "cut"):
            answers = {answer for _, _, answer in expect.runs(judge, how, name, 0, len(files[name]), 1)}
            self.assertEqual(answers, {"refuse CORRUPT"}, how)


class Tombstones(Case):
    def bury(self, payload, **more):
        m = Maker()
        plain(m, 4)
        m.append(entity=SYSTEM, scope=SYSTEM, kind=0x0FFE, payload=payload, payload_type=1, payload_version=1, **more)
        return m.files()

    def test_flagged(self):
        files = self.bury(b'{"sequences":[0,3],"reason":"x","by":"y"}')
        self.clean(files)
        self.assertEqual([line["state"] for line in listed(files)], [2, 0, 0, 2])

    def test_wrong_payloads(self):
        for payload in (b"", b"{}", b'{"sequences":[]}', b'{"sequences":[1,1]}', b'{"sequences":[4]}', b'{"sequences":[01]}',
                        b'{"sequences": [1]}', b'{"sequences":[' + b",".join(b"%d" % i for i in range(65)) + b"]"):
            with self.subTest(payload):
                code, lines = verified(self.bury(payload))
                self.assertEqual(code, 3)
                self.assertIn("TOMBSTONE", lines[0])


if __name__ == "__main__":
    unittest.main()
