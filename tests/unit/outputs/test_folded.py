"""Lines that flamegraph.pl takes."""

import os
import struct
from collections.abc import Sequence
from pathlib import Path

from beepy import outputs
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from tests.support.events import ring, snapshot
from tests.unit.events.test_stacks import entry, of_ids


def written(path: Path, batches: Sequence[Batch], output: str = "folded") -> bytes:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    sink = outputs.make(output, fd)
    sink.open([Decoder(schema) for schema in dict.fromkeys(batch.schema for batch in batches)])
    for batch in batches:
        sink.write(batch)
    sink.close()
    os.close(fd)
    return path.read_bytes()


def test_a_table_has_its_last_snapshot(tmp_path: Path) -> None:
    schema = of_ids()
    first = snapshot(schema, [entry(7, 8, b"cat", 3)])
    second = snapshot(schema, [entry(7, 8, b"cat", 5), entry(7, -1, b"", 0)])._replace(snapshot=2)
    cut = snapshot(schema, [entry(7, 8, b"cat", 9)])._replace(snapshot=3, final=False)
    assert written(tmp_path / "x", [first, second, cut]) == (
        b"cat;main;0x10;entry;ksys_read;do_read 5\n"
    )
    after = first._replace(snapshot=4)
    assert written(tmp_path / "x", [second, cut, after]).endswith(b";do_read 3\n")


def test_what_is_read_and_deleted_adds_up(tmp_path: Path) -> None:
    schema = of_ids()._replace(drains=True)
    batches = [snapshot(schema, [entry(7, -1, b"cat", count)]) for count in (3, 4)]
    assert written(tmp_path / "x", batches) == b"cat;entry;ksys_read;do_read 7\n"


def test_a_name_is_one_frame_of_one_line(tmp_path: Path) -> None:
    schema = of_ids()
    names = (b"a;b", b"\x1b[2J", b"a\nb 7", b"\xff", "\u202e".encode(), b"")
    data = written(tmp_path / "x", [snapshot(schema, [entry(7, -1, n, 1) for n in names])])
    assert [line.partition(b";entry")[0] for line in data.splitlines()] == [
        rb"a\x3bb",
        rb"\x1b[2J",
        rb"a\x0ab 7",
        rb"\xff",
        rb"\xe2\x80\xae",
        b"[unknown]",
    ]


def test_rows_of_a_stream_count_one(tmp_path: Path) -> None:
    schema = of_ids()
    events = schema._replace(record=schema.key, key=schema.record, value=schema.record)
    record = struct.pack("<ii16s", 7, -1, b"cat")
    data = written(tmp_path / "x", [ring(events, [record] * 3), ring(events, [record])])
    assert data == b"cat;entry;ksys_read;do_read 4\n"
