"""Rows in files: each is complete by itself, and what a kill leaves can be read."""

import csv
import io
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from zstandard import ZstdDecompressor, ZstdError

from beepy import outputs
from beepy.errors import OutputError, UsageError
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.outputs import arrow, frames, parquet
from beepy.outputs.files import Files
from beepy.outputs.rotation import Rotation
from tests.soak import times
from tests.support.command import ROOT
from tests.support.events import Exits, ring

EXITS = Exits().schema
LINES = [name for name in outputs.suffixes() if name.startswith((".jsonl", ".csv"))]
TABLES = [".arrow", ".parquet"]


def batch(*pids: int, schema: Schema = EXITS) -> Batch:
    return ring(schema, [Exits.record(b"a,\x1b", pid) for pid in pids])


def sink(path: Path, rotation: Rotation | None = None) -> Files:
    return Files(outputs.destination(str(path)), outputs.DEFAULT, rotation)


def written(
    path: Path, batches: Iterable[Batch], rotation: Rotation | None = None, *schemas: Schema
) -> list[Path]:
    rows = sink(path, rotation)
    rows.open([Decoder(schema) for schema in schemas or (EXITS,)])
    for each in batches:
        rows.write(each)
    rows.close()
    return sorted(path.parent.iterdir())


def unpacked(data: bytes) -> bytes:
    """All whole frames."""
    plain = b""
    while data:
        frame = ZstdDecompressor().decompressobj()
        try:
            plain += frame.decompress(data)
        except ZstdError:
            break
        if not frame.eof:
            break
        data = frame.unused_data
    return plain


def pids(path: Path, *, cut: bool = False) -> list[int]:
    """The pids of the rows in a file; ``cut``: what follows its last whole row is no error."""
    data = path.read_bytes()
    name = path.name.removesuffix(".part")
    if name.endswith(".zst"):
        data, name = unpacked(data), name.removesuffix(".zst")
    if name.endswith(".parquet"):
        return list(map(int, pq.read_table(path)["pid"].to_pylist()))
    if name.endswith(".arrow"):
        return arrow_pids(data, cut=cut)
    if cut:
        data = data[: data.rfind(b"\n") + 1]
    text = data.decode()
    if name.endswith(".csv"):
        assert text.startswith("map,time,") or (cut and not text)
        return [int(row["pid"]) for row in csv.DictReader(io.StringIO(text, newline=""))]
    return [json.loads(line)["pid"] for line in text.splitlines()]


def arrow_pids(data: bytes, *, cut: bool) -> list[int]:
    found: list[int] = []
    try:
        for record_batch in pa.ipc.open_stream(data):
            found += record_batch["pid"].to_pylist()
    except (pa.ArrowInvalid, OSError):
        assert cut
    return found


@pytest.mark.parametrize("suffix", [*LINES, *TABLES])
def test_rows_are_in_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    assert written(path, [batch(1, 2), batch(), batch(3)]) == [path]
    assert pids(path) == [1, 2, 3]


@pytest.mark.parametrize("suffix", [*LINES, *TABLES])
def test_without_rows_it_is_complete_too(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    assert written(path, []) == [path]
    assert pids(path) == []


@pytest.mark.parametrize("name", ["x.json", "x", ".jsonl", "d/.csv", "x.parquet.zst", "x.JSONL"])
def test_other_names_are_refused(name: str) -> None:
    expected = r"unknown: expected json, .*, or a file: NAME.jsonl,"
    with pytest.raises(UsageError, match=expected) as raised:
        outputs.destination(name)
    notes = ["-o x.jsonl writes JSON lines"] if name == "x.json" else []
    assert getattr(raised.value, "__notes__", []) == notes


@pytest.mark.parametrize("suffix", [".jsonl", ".csv.zst", *TABLES])
def test_what_exists_is_not_overwritten(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"x\..*: file exists \(EEXIST\)$"):
        written(path, [])
    assert [path] == list(tmp_path.iterdir())
    assert path.read_text() == "mine"


@pytest.mark.parametrize("suffix", [*LINES, *TABLES])
@pytest.mark.parametrize("step", [1, 5000])
def test_a_file_ends_when_it_is_large_and_the_next_is_complete_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, step: int
) -> None:
    """What is pending does not count: that of a second, or a row group."""
    monkeypatch.setattr(arrow, "_PERIOD", 0)
    monkeypatch.setattr(frames, "_PERIOD", 0)
    monkeypatch.setattr(parquet, "_MAX_ROWS", step)
    count = 12 if step == 1 else 10_000
    numbers = range(1, count + 1)
    batches = [batch(*numbers[at : at + step]) for at in range(0, count, step)]
    limit = Rotation(size=1 if step == 1 else 4096)
    found = written(tmp_path / f"x.y{suffix}", batches, limit)
    assert [path.name for path in found[:2]] == [f"x.y.0001{suffix}", f"x.y.0002{suffix}"]
    rows = [pids(path) for path in found]
    assert [pid for part in rows for pid in part] == list(numbers)
    assert all(rows[:-1])


def test_a_file_ends_after_a_time_if_it_has_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rows = sink(tmp_path / "x.csv", Rotation(seconds=60))
    rows.open([Decoder(EXITS)])
    now += 120
    rows.write(batch())  # no rows yet
    rows.write(batch(1))
    now += 60
    rows.write(batch(2))
    rows.write(batch(3))  # in the second file
    now += 61
    rows.write(batch())  # time passes
    now += 1000
    rows.write(batch())
    rows.close()
    found = sorted(tmp_path.iterdir())
    assert [pids(path) for path in found] == [[1, 2], [3], []]
    assert [path.name for path in found] == ["x.0001.csv", "x.0002.csv", "x.0003.csv"]


def test_the_names_go_on_after_those_of_an_earlier_run(tmp_path: Path) -> None:
    written(tmp_path / "x.parquet", [batch(1), batch(2)], Rotation(size=1))
    (tmp_path / "x.0007.parquet.part").touch()  # of a run that was killed
    found = written(tmp_path / "x.parquet", [batch(3)], Rotation(size=4096))
    assert [path.name for path in found][-1] == "x.0008.parquet"
    assert pids(found[-1]) == [3]


@pytest.mark.parametrize("suffix", TABLES)
def test_each_map_has_its_own_table(tmp_path: Path, suffix: str) -> None:
    maps = ["exits", "../exits\x1b", "exits", ".._exits_"]
    schemas = [EXITS._replace(map=name, image=str(at)) for at, name in enumerate(maps)]
    batches = [batch(pid, schema=schema) for pid, schema in enumerate(schemas, 1)]
    found = written(tmp_path / f"x{suffix}", batches, None, *schemas)
    assert {path.name: pids(path) for path in found} == {
        f"x.exits{suffix}": [1],
        f"x..._exits_{suffix}": [2],
        f"x.exits-2{suffix}": [3],
        f"x..._exits_-2{suffix}": [4],
    }


def test_nothing_can_be_read_of_parquet_before_its_end(tmp_path: Path) -> None:
    rows = sink(tmp_path / "x.parquet")
    rows.open([Decoder(EXITS)])
    rows.write(batch(1))
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet.part"]
    (tmp_path / "x.parquet").write_text("another's")
    with pytest.raises(OutputError, match=r"x.parquet: file exists"):
        rows.close()
    assert (tmp_path / "x.parquet").read_text() == "another's"
    assert pids(tmp_path / "x.parquet.part") == [1]


def test_rows_that_are_pending_are_written_when_time_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    other = EXITS._replace(map="other")
    for name in ("x.arrow", "y.jsonl.zst"):
        rows = sink(tmp_path / name)
        rows.open([Decoder(EXITS), Decoder(other)])
        rows.write(batch(1))
        now += 1
        rows.write(batch(schema=other))  # a tick is of any map
        path = next(tmp_path.glob("y*" if name[0] == "y" else "x.print*"))
        assert pids(path, cut=True) == [1]
        rows.close()


FULL = """
import resource
from tests.unit.outputs.test_files import *
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
parquet._MAX_ROWS = 20
rng = random.Random(1)
for name in sys.argv[1:]:
    rows = sink(Path(name))
    try:
        rows.open([Decoder(EXITS)])
        for _ in range(100):
            numbers = [rng.randrange(1 << 31) for _ in range(20)]
            rows.write(batch(*numbers)._replace(final=True))
    except OutputError as error:
        print(error)
    finally:
        rows.close()
"""


def test_a_full_disk_leaves_whole_rows(tmp_path: Path) -> None:
    paths = [tmp_path / f"x{suffix}" for suffix in (".jsonl", ".csv.zst", ".arrow", ".parquet")]
    command = [sys.executable, "-W", "error", "-c", FULL, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    names = [*paths[:-1], f"{paths[-1]}.part"]
    assert done.stdout.splitlines() == [f"{name}: write: file too large" for name in names]
    for path in paths[:-1]:
        assert len(pids(path)) >= 20, path.name
        assert path.stat().st_size <= 5000
    assert not paths[-1].exists()


KILLED = """
import sys
from tests.unit.outputs.test_files import *
arrow._PERIOD = frames._PERIOD = 0.02  # seconds: as in a run that is fifty times as long
names = sys.argv[1:]
sinks = [sink(Path(name)) for name in names]
for rows in sinks:
    rows.open([Decoder(EXITS)])
number = 0
while True:
    for rows in sinks:
        rows.write(batch(*range(number, number + 50)))
    number += 50
    if number == 100:
        print("ready", flush=True)  # each has whole rows
    if number < 100:
        time.sleep(0.03)
"""


@pytest.mark.soak
@pytest.mark.parametrize("number", range(times(1)))
def test_what_a_kill_leaves_is_read_up_to_its_last_row(tmp_path: Path, number: int) -> None:
    paths = [tmp_path / f"x{suffix}" for suffix in [*LINES, *TABLES]]
    command = [sys.executable, "-c", KILLED, *map(str, paths)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        time.sleep(random.Random(number).uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "x.parquet").exists()
    for path in paths[:-1]:
        found = pids(path, cut=True)
        assert found == list(range(len(found)))
        assert found, path.name


def test_a_package_that_is_missing_leaves_no_file(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['nanoarrow'] = None\n"
        "from tests.support.command import ROOT\n"
        "from beepy import outputs\nfrom beepy.outputs.files import Files\n"
        "Files(outputs.destination(sys.argv[1]), outputs.DEFAULT, None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.arrow"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Arrow needs the package nanoarrow" in done.stderr
    assert list(tmp_path.iterdir()) == []
