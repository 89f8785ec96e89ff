"""Where rows go: -o, --rotate, --until of replay, and what is refused."""

import json
import os
import pty
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from beepy.__main__ import main
from beepy.btf.writer import BtfWriter
from beepy.cli import rows
from beepy.cli.stdio import STDOUT
from beepy.errors import UsageError
from beepy.events.batch import Batch
from beepy.outputs import DEFAULT
from beepy.session import Run
from tests.support.command import Done
from tests.support.events import Exits, ring, stream
from tests.support.given import Given
from tests.unit.recording.test_recording import record

Command = Callable[..., Done]
EXITS = Exits().schema
PIDS = range(1, 6)


def batches() -> list[Batch]:
    """Rows of a map with a span, and of one that has none."""
    w = BtfWriter()
    plain = stream(w, w.struct("event", 4, [("number", w.integer("u32", 4, 0), 0)]), "plain")
    rows_of_one = [ring(EXITS, [Exits.record(pid=pid)]) for pid in PIDS]
    return [*rows_of_one, ring(plain, [struct.pack("<I", 7)] * 2)]


def recording(tmp_path: Path, count: int | None = None) -> str:
    path = tmp_path / "x.rec"
    given = batches()[:count]
    record(path, given, *dict.fromkeys(batch.schema for batch in given))
    return str(path)


@pytest.fixture
def beepy(tmp_path: Path) -> Command:
    """Runs the command in forks of this process, which has all imports."""

    def run(*arguments: str) -> Done:
        files = [tmp_path / name for name in ("stdout", "stderr")]
        pid = os.fork()
        if not pid:
            code = 70  # of an exception, which must not reach the tests again
            try:
                for number, path in enumerate(files, 1):
                    os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
                sys.argv = ["beepy", *arguments, "--no-metrics"]
                sys.stderr = os.fdopen(2, "w")
                code = main()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        return Done(os.waitstatus_to_exitcode(status), *[path.read_text() for path in files])

    return run


def test_an_output_that_does_not_show_a_map_counts_its_rows(beepy: Command, tmp_path: Path) -> None:
    done = beepy("replay", recording(tmp_path), "-o", "perfetto")
    assert len([event for event in json.loads(done.out) if event["ph"] == "b"]) == len(PIDS)
    assert "beepy: 5 shown, 0 filtered, 2 not shown (--output), " in done.err


def test_files_are_rotated(beepy: Command, tmp_path: Path) -> None:
    path = recording(tmp_path)
    target = tmp_path / "out" / "x.csv.zst"
    target.parent.mkdir()
    done = beepy("replay", path, "-o", str(target), "--rotate", "4K", "--where", "pid > 0")
    assert (done.code, done.out) == (0, "")
    assert [each.name for each in target.parent.iterdir()] == ["x.0001.csv.zst"]
    again = beepy("replay", path, "-o", str(target), "--rotate", "1h")
    assert again.code == 0
    assert sorted(each.name for each in target.parent.iterdir())[1:] == ["x.0002.csv.zst"]


def test_until_ends_with_its_row(beepy: Command, tmp_path: Path) -> None:
    done = beepy(
        "replay", recording(tmp_path), "-o", "json", "--until", "pid == 3 or exit_code != 0"
    )
    assert [json.loads(line)["pid"] for line in done.out.splitlines()] == [1, 2, 3]
    assert done.said[-1].startswith("beepy: 3 shown, 0 filtered, ")


@pytest.mark.parametrize("end", [("--count", "2"), ("--until", "pid == 2")])
def test_rows_up_to_an_end_stay_on_the_terminal(tmp_path: Path, end: tuple[str, str]) -> None:
    pid, terminal = pty.fork()
    if not pid:
        code = 70
        try:
            os.environ["TERM"] = "xterm"
            sys.argv = ["beepy", "replay", recording(tmp_path), *end, "--no-metrics"]
            sys.stderr = os.fdopen(os.open(tmp_path / "err", os.O_CREAT | os.O_WRONLY), "w")
            signal.alarm(20)  # a screen would wait for a key
            code = main()
        finally:
            os._exit(code)
    shown = b""
    with suppress(OSError):  # the end of a terminal
        while data := os.read(terminal, 4096):
            shown += data
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"exit_code" in shown
    assert b"\x1b[?1049h" not in shown


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["-o", "folded"], "no map can be shown so: print_exits: no field with a stack"),
        (["-o", "pprof"], "no map can be shown so: print_exits: no field with a stack"),
        (["-o", "perfetto", "--top", "2", "--by", "pid"], "no map can be shown so: print_exits:"),
        (["-o", "x.json"], "output 'x.json': unknown: expected json, csv, "),
        (["-o", "json", "--rotate", "1h"], "--rotate: expected -o FILE too"),
        (["-o", "x.csv", "--rotate", "9"], "--rotate '9': expected a size from 4K on"),
        (["--until", "pid ="], "--until: column 5: "),
        (["--until", "pidd == 1"], "--until: column 1: no field 'pidd' in print_exits"),
    ],
)
def test_what_cannot_be_is_refused(
    beepy: Command, tmp_path: Path, options: list[str], error: str
) -> None:
    done = beepy("replay", recording(tmp_path, 5), *options)
    assert (done.code, done.out) == (2, "")
    assert error in done.err


def test_a_table_has_the_rows_of_one_map(beepy: Command, tmp_path: Path) -> None:
    path = recording(tmp_path)
    done = beepy("replay", path, "-o", "arrow")
    assert (done.code, done.out, done.said) == (
        2,
        "",
        [
            (
                "beepy: --output: it holds the rows of one map, and there are several: "
                "print_exits, plain"
            ),
            "note: -o NAME.arrow writes a file for each",
        ],
    )
    assert beepy("replay", path, "-o", str(tmp_path / "x.arrow")).code == 0
    assert sorted(each.name for each in tmp_path.glob("*.arrow")) == [
        "x.plain.arrow",
        "x.print_exits.arrow",
    ]


def test_without_maps_there_is_no_table() -> None:
    with Run(Given([])) as run:
        for output in ("x.arrow", "parquet", "folded"):
            with pytest.raises(UsageError, match="no map can be shown so: there is none"):
                rows.sink(output, "", None, run, DEFAULT)
        assert rows.sink("x.csv", "", None, run, DEFAULT)


def test_a_file_that_exists_is_one_error(beepy: Command, tmp_path: Path) -> None:
    (tmp_path / "x.csv").touch()
    done = beepy("replay", recording(tmp_path), "-o", str(tmp_path / "x.csv"))
    assert done.code == 1
    assert f"beepy: {tmp_path}/x.csv: file exists (EEXIST)\n" in done.err


@pytest.mark.parametrize("output", ["arrow", "parquet", "pprof"])
def test_bytes_are_not_for_a_terminal(output: str) -> None:
    ours, theirs = pty.openpty()
    before = os.dup(STDOUT)
    os.dup2(theirs, STDOUT)
    try:
        with Run(Given([], EXITS._replace(map="x"))) as run:
            expected = "not for a terminal" if output != "pprof" else "no field with a stack"
            with pytest.raises(UsageError, match=expected):
                rows.sink(output, "", None, run, DEFAULT)
    finally:
        os.dup2(before, STDOUT)
        for fd in (before, ours, theirs):
            os.close(fd)
