"""One committed recording through every output, byte for byte.

It has each kind of BTF alone and nested, and hostile texts in every place: as values, as names of
fields, enumerators, maps and images. ``python -m tests.unit.outputs.test_every_output`` writes what
is expected anew; the recording only if it is gone.
"""

import gzip
import json
import os
import random
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beepy import outputs
from beepy.btf.writer import BtfWriter
from beepy.errors import BeepyError
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.outputs.files import Files
from beepy.outputs.only import OnlyMaps
from beepy.recording import blocks
from beepy.recording.playback import Playback
from beepy.recording.recorder import Recorder
from beepy.session import Run
from beepy.text import safe
from tests.soak import times
from tests.support.events import TIME_NS, ring, snapshot, stream, table
from tests.unit.outputs.test_files import unpacked

PLACE: Final = Path(__file__).parent / "hostile"
RECORDING: Final = PLACE / "hostile.rec"
LINES: Final = ("json", "csv", "columns", "wide", "none", "folded", "perfetto")
HOSTILE: Final = (
    *(
        b"[/]",
        b"[bold red]x[/bold red]",
        b"\x1b[2J\x1b]0;title\x07",
        "\u202egpj.exe\u2066".encode(),
    ),
    *(b"a\nb\r\nc\td", b"\xff\xfe\x80", b"\\x1b \\", b"=1+1", b"+1", b"-1", b"@SUM(A1)", b'",",'),
    *(
        b"%s%d%n",
        b";main 7",
        b" blanks ",
        b"",
        "\u00e4\u4e2d\U0001f600e\u0301".encode(),
        b"{}",
        b"'",
    ),
    *(b"x" * 4096, b"\x1b" * 4096),
)
_OWN: Final = ("map", "image", "time")
BEFORE_NUL: Final = b"seen\0unseen"


def kinds() -> tuple[Schema, bytes]:
    """A record with each kind of type, alone and in structs, arrays and unions, and one of it."""
    w = BtfWriter()
    numbers = [
        *(("u8", w.integer("u8", 1, 0), 1), ("s8", w.integer("s8", 1), 1)),
        *(("u16", w.integer("u16", 2, 0), 2), ("s16", w.integer("s16", 2), 2)),
        *(("u32", w.integer("u32", 4, 0), 4), ("s32", w.integer("s32", 4), 4)),
        *(("u64", w.integer("u64", 8, 0), 8), ("s64", w.integer("s64", 8), 8)),
        *(("u128", w.integer("u128", 16, 0), 16), ("flag", w.integer("_Bool", 1, 4), 1)),
        *(("f32", w.real("float", 4), 4), ("f64", w.real("double", 8), 8)),
        ("kind", w.enum("kind", {"[/]\x1b[31m": 1, "TWO": 2}), 4),
        ("wide", w.enum64("wide", {"HUGE": 1 << 40}), 8),
    ]
    u8, u32, u64 = numbers[0][1], numbers[4][1], numbers[6][1]
    char = w.integer("char", 1)
    others = [
        ("pointer", w.restrict(w.ptr(w.type_tag("user", u64))), 8),
        ("address", w.typedef("ipv4_addr", u32), 4),
        ("took", w.typedef("duration", u64), 8),
        ("mac", w.array(u8, 6), 6),
        ("text", w.array(char, 8), 8),
        ("list", w.array(u32, 2), 8),
        ("const", w.const(w.volatile(u32)), 4),
    ]
    inner = w.struct("inner", 16, [("x", u32, 0), ("b[/]\x1b", u32, 32, 3), ("y", u64, 64)])
    either = w.union("either", 8, [("word", u64, 0), ("half", u32, 0)])
    composites = [
        ("peer", inner, 16),
        ("both", either, 8),
        ("peers", w.array(inner, 2), 32),
        ("", either, 8),
    ]
    times = [("start_time", u64, 8), ("exit_time", u64, 8)]
    members: list[Any] = []
    at = 0
    for name, type_id, size in [*numbers, *others, *composites, *times]:
        members.append((name, type_id, 8 * at))
        at += size
    members += [("low", u32, 8 * at, 3), ("high", w.integer("s32b", 4), 8 * at + 3, 5)]
    at += 4
    record = bytearray((7 * number + 3) % 256 for number in range(at))
    starts = {name: start // 8 for name, _, start, *_ in members}
    struct.pack_into("<QQI", record, starts["start_time"], 5000, 9000, 0b10101_101)
    struct.pack_into("<IQ", record, starts["kind"], 1, 1 << 40)
    return stream(w, w.struct("event", at, members), "print_kinds"), bytes(record)


def texts() -> tuple[Schema, list[bytes]]:
    w = BtfWriter()
    u32, u64, char = w.integer("u32", 4, 0), w.integer("u64", 8, 0), w.integer("char", 1)
    members = [
        *(("start_time", u64, 0), ("exit_time", u64, 64), ("pid", u32, 128)),
        *(("\x1b[7m[/],%s", w.array(char, 28), 160), ("comm", w.array(char, 4096), 384)),
    ]
    name = 'print_[/]\x1b[2J\u202e,"%s\n'
    schema = stream(w, w.struct("event", 48 + 4096, members), name)
    return schema._replace(image='i[/]\x1b[2J,"%s'), [
        struct.pack("<QQI28s4096s", 1000, 1000 + at, at, text[:28], text)
        for at, text in enumerate([*HOSTILE, BEFORE_NUL])
    ]


def stacks() -> tuple[Schema, list[tuple[bytes, bytes]]]:
    w = BtfWriter()
    i32, u64 = w.integer("int", 4), w.integer("u64", 8, 0)
    comm = w.array(w.integer("char", 1), 16)
    members = [("kern_stack_id", i32, 0), ("user_stack_id", i32, 32), ("comm", comm, 64)]
    schema = table(w, w.struct("key", 24, members), u64, 24, 8, name="counts")
    return schema, [
        (struct.pack("<ii16s", at, at - 3, text[:16]), struct.pack("<Q", at))
        for at, text in enumerate(HOSTILE)
    ]


def batches() -> list[Batch]:
    (known, record), (hostile, records), (counts, entries) = kinds(), texts(), stacks()
    return [
        ring(known, [record, bytes(len(record)), b"\xff" * len(record)]),
        ring(known, [record[:33]])._replace(lost=7),
        ring(hostile, records)._replace(time_ns=TIME_NS + 1_000_000_000),
        ring(hostile, [records[0][:60]]),
        snapshot(counts, entries)._replace(time_ns=TIME_NS + 2_000_000_000),
    ]


def shown(path: Path, name: str, recording: Path = RECORDING) -> bytes:
    """Show the recording through an output in a file, or through one that writes files itself."""
    output = outputs.output(name)
    with (
        Playback(str(recording)) as playback,
        Run(playback, hides_zeros=output.hides_zeros) as run,
    ):
        decoders = [d for d in run.decoders if not (output.lacks and output.lacks(d))]
        if name in outputs.TABLE:
            fd = os.open(path, os.O_CREAT | os.O_WRONLY)
            sink = outputs.make(name, fd)
        else:
            fd = -1
            sink = Files(outputs.destination(str(path / name)), outputs.DEFAULT, None)
        run.add_sink(OnlyMaps(decoders, sink, run.stats))
        for _ in run.batches():
            pass
    if fd < 0:
        return b""
    os.close(fd)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("COLUMNS", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("output", LINES)
def test_every_byte_is_as_it_was(tmp_path: Path, output: str) -> None:
    data = shown(tmp_path / "x", output)
    assert data == (PLACE / f"{output}.txt").read_bytes()
    assert not set(data) & ({*range(32), 127} - {*b"\r\n"})  # no control character
    assert "\u202e" not in data.decode()


def test_a_profile_is_as_it_was(tmp_path: Path) -> None:
    data = gzip.decompress(shown(tmp_path / "x", "pprof"))
    assert data == (PLACE / "pprof.bin").read_bytes()


@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
def test_tables_have_the_rows_of_json(tmp_path: Path, suffix: str) -> None:
    shown(tmp_path, f"x{suffix}")
    expected: dict[str, list[Any]] = {}
    for line in (PLACE / "json.txt").read_bytes().splitlines():
        row = json.loads(line)
        rows = expected.setdefault(safe(row["map"]), [])
        rows.append({name: _as_table(name, row[name]) for name in row if name not in _OWN})
    found = {}
    for path in tmp_path.iterdir():
        if suffix == ".parquet":
            data = pq.read_table(path)
        else:
            data = pa.ipc.open_stream(path.read_bytes()).read_all()
        name = data.schema.metadata[b"map"].decode()
        found[name] = _without_nan(data.drop_columns(["time"]).to_pylist())
    assert found == expected


def _as_table(name: str, value: Any) -> Any:  # noqa: ANN401 - what JSON has
    """Return what JSON has as Arrow has it: enums and 128 bits are text, floats have 32 bits."""
    if value is None:
        return None
    if name == "f32":
        return struct.unpack("<f", struct.pack("<f", value))[0]
    return str(value) if name in {"u128", "kind", "wide"} else value


def _without_nan(value: Any) -> Any:  # noqa: ANN401 - as above
    """Return what Arrow has as JSON has it: NaN is null."""
    if isinstance(value, dict):
        return {name: _without_nan(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if value != value else value  # noqa: PLR0124 - NaN alone


@pytest.mark.parametrize(("name", "output"), [("x.jsonl", "json"), ("x.csv", "csv")])
@pytest.mark.parametrize("end", ["", ".zst"])
def test_files_are_what_standard_output_is(
    tmp_path: Path, name: str, output: str, end: str
) -> None:
    shown(tmp_path, name + end)
    data = (tmp_path / (name + end)).read_bytes()
    assert (unpacked(data) if end else data) == (PLACE / f"{output}.txt").read_bytes()


@pytest.mark.soak
def test_damaged_records_are_shown_or_refused(tmp_path: Path) -> None:
    """With right checksums: whoever writes a recording can choose all of it."""
    with RECORDING.open("rb") as file:
        groups = list(blocks.read(file, "x"))
    rng = random.Random(11)
    damaged = tmp_path / "x.rec"
    for number in range(times(25)):
        with damaged.open("wb") as file:
            writer = blocks.BlockWriter(file)
            for group in groups:
                items = []
                for kind, body in group:
                    mutated = bytearray(body)
                    for _ in range(rng.choice((0, 0, 1, 4))):
                        mutated[rng.randrange(len(mutated))] = rng.choice((0, 1, 255, 128, 4))
                    items.append(blocks.packed(kind, bytes(mutated)))
                writer.write(items)
        folder = tmp_path / str(number)
        folder.mkdir()
        for output in outputs.TABLE:
            names = [output] if not outputs.TABLE[output].one_map else [f"x.{output}"]
            for name in names:
                with suppress(BeepyError):
                    shown(folder if "." in name else folder / name, name, damaged)


def test_every_output_is_here() -> None:
    assert {*LINES, "pprof", "arrow", "parquet", "tui"} == set(outputs.TABLE)  # it writes nothing


def _make() -> None:
    PLACE.mkdir(exist_ok=True)
    if not RECORDING.exists():
        recorder = Recorder(str(RECORDING), {"beepy": "0", "images": {"image:1": "sha256:0"}})
        given = batches()
        schemas = dict.fromkeys(batch.schema for batch in given)
        recorder.open([Decoder(schema) for schema in schemas])
        known = {repr(schema): schema for schema in schemas}
        for batch in given:
            recorder.write(batch._replace(schema=known[repr(batch.schema)]))
        recorder.close()
    os.environ["TZ"] = "UTC"
    time.tzset()
    with TemporaryDirectory() as folder:
        for output in LINES:
            (PLACE / f"{output}.txt").write_bytes(shown(Path(folder, output), output))
        profile = gzip.decompress(shown(Path(folder, "pprof"), "pprof"))
        (PLACE / "pprof.bin").write_bytes(profile)


if __name__ == "__main__":
    _make()
