"""A profile is read back by a small reader of protobuf, and by pprof itself where it is."""

import gzip
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.support.events import snapshot
from tests.unit.events.test_stacks import entry, of_ids
from tests.unit.outputs.test_folded import written


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at


def message(data: bytes) -> dict[int, list[Any]]:
    """The fields of a message by number."""
    fields: dict[int, list[Any]] = defaultdict(list)
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            number, at = varint(data, at)
            fields[key >> 3].append(number)
        else:
            assert key & 7 == 2
            length, at = varint(data, at)
            fields[key >> 3].append(data[at : at + length])
            at += length
    return fields


def numbers(packed: bytes) -> list[int]:
    found, at = [], 0
    while at < len(packed):
        number, at = varint(packed, at)
        found.append(number)
    return found


class Profile:
    """What profile.proto says of these bytes."""

    def __init__(self, data: bytes) -> None:
        fields = message(gzip.decompress(data))
        self.strings = [text.decode() for text in fields[6]]
        assert self.strings[0] == ""
        names = {f[1][0]: self.strings[f[2][0]] for f in map(message, fields[5])}
        lines = {f[1][0]: message(f[4][0])[1][0] for f in map(message, fields[4])}
        self.types = [
            (self.strings[kind[1][0]], self.strings[kind[2][0]]) for kind in map(message, fields[1])
        ]
        self.samples = []
        for sample in map(message, fields[2]):
            frames = [names[lines[number]] for number in numbers(sample[1][0])]
            labels = [
                (self.strings[label[1][0]], self.strings[label[2][0]])
                for label in map(message, sample[3])
            ]
            self.samples.append((frames, numbers(sample[2][0]), labels))
        self.time, self.duration = fields[9][0], fields[10][0]


def test_a_profile_has_the_stacks_the_innermost_frame_first(tmp_path: Path) -> None:
    schema = of_ids()
    first = snapshot(schema, [entry(7, 8, b"cat", 3)])
    last = snapshot(schema, [entry(7, 8, b"cat", 2**40), entry(7, -1, b"\x1b;", 300)])
    profile = Profile(
        written(tmp_path / "x", [first, last._replace(time_ns=first.time_ns + 7)], "pprof")
    )
    assert profile.types == [("print_table", "count")]
    assert profile.samples == [
        (["do_read", "ksys_read", "entry", "0x10", "main"], [2**40], [("comm", "cat")]),
        (["do_read", "ksys_read", "entry"], [300], [("comm", r"\x1b;")]),
    ]
    assert (profile.time, profile.duration) == (first.time_ns, 7)


def test_each_map_has_its_own_type_of_samples(tmp_path: Path) -> None:
    one, other = of_ids(), of_ids()._replace(map="others")
    batches = [snapshot(schema, [entry(7, -1, b"a", 5)]) for schema in (one, other)]
    profile = Profile(written(tmp_path / "x", batches, "pprof"))
    assert profile.types == [("print_table", "count"), ("others", "count")]
    assert [values for _, values, _ in profile.samples] == [[5, 0], [0, 5]]


def test_an_empty_profile(tmp_path: Path) -> None:
    profile = Profile(written(tmp_path / "x", [snapshot(of_ids(), [])], "pprof"))
    assert profile.samples == []


def test_equal_rows_make_equal_bytes(tmp_path: Path) -> None:
    batch = snapshot(of_ids(), [entry(7, 8, b"cat", 3)])
    assert written(tmp_path / "x", [batch], "pprof") == written(tmp_path / "y", [batch], "pprof")


@pytest.mark.peer("go")
def test_pprof_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "x.pb.gz"
    written(path, [snapshot(of_ids(), [entry(7, 8, b"cat", 3)])], "pprof")
    done = subprocess.run(
        ["go", "tool", "pprof", "-traces", str(path)], check=True, capture_output=True, text=True
    )
    words = done.stdout.split()
    assert words[words.index("comm:") : words.index("comm:") + 8] == [
        *("comm:", "cat", "3", "do_read", "ksys_read", "entry", "0x10", "main"),
    ]
