import csv
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.outputs.csv_lines import CsvLines
from beepy.outputs.row_writer import RowWriter
from tests.support.events import Exits, ring, snapshot, stream, table

TIME = "2026-11-01T12:00:00.000000042Z"


def written(path: Path, batches: Sequence[Batch]) -> bytes:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    sink = CsvLines(RowWriter(fd))
    sink.open([Decoder(schema) for schema in dict.fromkeys(batch.schema for batch in batches)])
    for batch in batches:
        sink.write(batch)
    sink.close()
    os.close(fd)
    return path.read_bytes()


def test_a_line_is_as_documented(tmp_path: Path) -> None:
    batch = ring(Exits().schema, [Exits.record(b"bash", 42, -1), Exits.record(b"sh", 43)])
    assert written(tmp_path / "x", [batch]) == (
        b"map,time,start_time,exit_time,pid,tid,ppid,sig,exit_code,comm\r\n"
        + f"print_exits,{TIME},10,15,42,42,1,0,-1,bash\r\n".encode()
        + f"print_exits,{TIME},10,15,43,43,1,0,0,sh\r\n".encode()
    )


@pytest.mark.parametrize(
    ("comm", "cell"),
    [
        (b"a,b", b'"a,b"'),
        (b'say "no"', b'"say ""no"""'),
        (b" x", b'" x"'),
        (b"a\nb\r", rb"a\x0ab\x0d"),
        (b"\x1b[2J", rb"\x1b[2J"),
        (b"\xff", rb"\xff"),
        (b"=1+1", b"=1+1"),
        (b"[/]", b"[/]"),
        (b"100%d", b"100%d"),
        (b"", b""),
    ],
)
def test_every_text_is_one_cell_of_one_line(tmp_path: Path, comm: bytes, cell: bytes) -> None:
    data = written(tmp_path / "x", [ring(Exits().schema, [Exits.record(comm, 42)])])
    header, line, end = data.split(b"\r\n")
    assert end == b""
    assert line.endswith(b",0,0," + cell)
    (_, row) = csv.reader(data.decode().splitlines(keepends=True))
    assert row[-1] == (cell.decode()[1:-1] if cell[:1] == b'"' else cell.decode()).replace(
        '""', '"'
    )
    assert len(row) == len(header.split(b","))


def test_maps_share_a_header_whatever_the_order_of_their_fields(tmp_path: Path) -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    array = w.array(u32, 2, u32)
    first = stream(w, w.struct("first", 8, [("a", u32, 0), ("b", u32, 32)]), "one")
    second = stream(
        w, w.struct("second", 16, [("b", u32, 0), ("c", array, 32), ("a", u32, 96)]), "two"
    )
    counts = table(w, u32, u32, 4, 4, name="t,able")
    one, two = b"\1\0\0\0", b"\2\0\0\0"
    data = written(
        tmp_path / "x",
        [
            ring(first, [one + two]),
            ring(second, [one + two + one + two]),
            ring(second, [one]),
            snapshot(counts, [(one, two)]),
        ],
    )
    assert data.decode().splitlines() == [
        "map,time,a,b,c,key,value",
        f"one,{TIME},1,2,,,",
        f'two,{TIME},2,1,"[2, 1]",,',
        f"two,{TIME},,1,,,",
        f'"t,able",{TIME},,,,1,2',
    ]
