"""The end of ``beepy run``: signals, closed pipes, full disks; nothing stays in the kernel."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kernel.conftest import ObjectOf
from tests.support import exits
from tests.support.command import BEEPY, Beepy, Running, environment
from tests.support.exits import Exit
from tests.support.held import held, wait_for_end
from tests.support.trigger import trigger

pytestmark = pytest.mark.kernel

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_and_detaches(beepy: Beepy, object_of: ObjectOf, number: int) -> None:
    files = (
        "exitsnoop",
        object_of("raw_tp"),
        object_of("tp_btf"),
        object_of("tables"),
        object_of("counter_hash"),
    )
    with beepy.start("-v", "run", *files, "--prom-port", "0") as running:
        running.until_attached(6)
        numbers = held(running.process.pid)
        assert {kind: sum(kind == other for other, _ in numbers) for kind in ("prog", "link")} == {
            "prog": 6,
            "link": 6,
        }
        assert sum(kind == "map" for kind, _ in numbers) >= 10
        done = running.end(number)
    assert done.code == 0
    assert done.said[-1].startswith("beepy: ")
    assert done.said[-1].endswith(" s")
    wait_for_end(numbers)


def test_nohup_ignores_sighup(beepy: Beepy, object_of: ObjectOf) -> None:
    """A SIGHUP that is ignored at the start stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with beepy.start(
            "-v", "run", object_of("gauge_ring"), "-o", "json", "--no-metrics", "--count", "1"
        ) as running:
            running.until_attached()
            running.process.send_signal(signal.SIGHUP)
            trigger(0, 1)
            done = running.wait()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (done.code, done.said[-1].startswith("beepy: 1 shown, ")) == (0, True)


def test_events_before_the_signal_are_shown(beepy: Beepy, object_of: ObjectOf) -> None:
    """After the programs are detached, the ring is drained and the tables are read once more."""
    files = (object_of("gauge_ring"), object_of("counter_hash"))
    with beepy.start("-v", "run", *files, "--no-metrics", "--interval", "1h") as running:
        running.until_attached(2)
        for number in range(1000):
            trigger(0, number)
        done = running.end()
    lines = done.out.splitlines()
    assert len(lines) == 1001
    assert f'"value": {sum(range(1000))}}}' in lines[-1]


def test_a_pipe_closed_before_the_header(beepy: Beepy) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ("run", "exitsnoop", "-o", "columns", "--no-metrics", "-f", "comm,^nobody$")
    with beepy.start(*arguments, stdout=writer) as running:
        os.close(writer)
        done = running.wait()
    assert (done.code, len(done.said)) == (0, 2)
    assert done.said[1].startswith("beepy: 0 shown, ")


def test_a_second_signal_interrupts_a_stalled_write(beepy: Beepy, object_of: ObjectOf) -> None:
    reader, writer = os.pipe()
    with beepy.start(
        "-v", "run", object_of("tables"), "-o", "json", "--interval", "1ms", stdout=writer
    ) as running:
        os.close(writer)
        running.until_attached()
        numbers = held(running.process.pid)
        os.read(reader, 1)
        while b"pipe_write" not in Path(f"/proc/{running.process.pid}/wchan").read_bytes():
            assert running.process.poll() is None
        running.process.send_signal(signal.SIGINT)
        while running.process.poll() is None:
            running.process.send_signal(signal.SIGINT)  # the first two may have become one
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(0.2)
        done = running.wait()
    os.close(reader)
    assert (done.code, "Traceback" in done.err) == (130, False)
    assert re.match(r"beepy: \d+ shown, ", done.said[-1])
    wait_for_end(numbers)


@pytest.mark.parametrize("arguments", [(), ("--timeout", "1s")])
def test_an_unread_pipe_does_not_delay_the_end(
    beepy: Beepy, object_of: ObjectOf, arguments: Sequence[str]
) -> None:
    reader, writer = os.pipe()
    command = ("-v", "run", object_of("tables"), "-o", "json", "--interval", "1ms", *arguments)
    with beepy.start(*command, stdout=writer) as running:
        os.close(writer)
        running.until_attached()
        numbers = held(running.process.pid)
        os.read(reader, 1)
        while b"pipe_write" not in Path(f"/proc/{running.process.pid}/wchan").read_bytes():
            assert running.process.poll() is None
        if not arguments:
            running.process.send_signal(signal.SIGTERM)
        done = running.wait()
    os.close(reader)
    assert done.code == 1
    assert re.match(r"beepy: \d+ shown, ", done.said[-2])
    assert done.said[-1] == "beepy: standard output: write: nobody reads it"
    wait_for_end(numbers)


def test_a_full_disk_leaves_whole_lines(beepy: Beepy, object_of: ObjectOf, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=True)
    try:
        with (disk / "rows.json").open("wb") as full:
            arguments = (
                "run",
                object_of("tables"),
                "-o",
                "json",
                "--interval",
                "1ms",
                "--no-metrics",
            )
            with beepy.start(*arguments, stdout=full.fileno()) as running:
                done = running.wait()
        text = (disk / "rows.json").read_bytes()
    finally:
        subprocess.run(["umount", disk], check=True)
    assert done.code == 1
    assert re.match(r"beepy: \d+ shown, ", done.said[-2])
    assert done.said[-1] == "beepy: standard output: write: no space left on device"
    assert text.endswith(b"}\n")
    assert all(json.loads(line) for line in text.splitlines())


def test_out_of_memory_is_one_line(beepy: Beepy, tmp_path: Path) -> None:
    types = tmp_path / "types"
    types.write_bytes(b"\x9f\xeb")
    os.truncate(types, 256 << 20)
    small = beepy._replace(prefix=("bash", "-c", f'ulimit -v {256 << 10}; exec "$@"', "bash"))
    assert small("run", "exitsnoop", "--btf", str(types)) == (1, "", "beepy: out of memory\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_anything_is_attached(beepy: Beepy, number: int) -> None:
    """It waits for a registry that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/some/image:1"
        # requests leaves a socket open
        with Running(
            [sys.executable, "-m", "beepy", "run", image], environment(beepy.home)
        ) as running:
            connection, _ = silent.accept()
            with connection:
                done = running.end(number)
    assert done == (130, "", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_the_start(beepy: Beepy, number: int, tmp_path: Path) -> None:
    """A module that it imports sends the signal."""
    (tmp_path / "typer.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\n")
    variables = {"PYTHONPATH": f"{tmp_path}:{environment(tmp_path)['PYTHONPATH']}"}
    done = beepy._replace(variables=variables)("run", "exitsnoop")
    assert done == (130, "", "")


@pytest.mark.parametrize("output", ["json", "columns"])
def test_a_closed_pipe_ends_a_run_like_a_signal(beepy: Beepy, output: str) -> None:
    """``beepy run exitsnoop | head -1``."""
    reader, writer = os.pipe()
    with beepy.start("-v", "run", "exitsnoop", "-o", output, stdout=writer) as running:
        os.close(writer)
        running.until_attached()
        exits.fork([Exit(b"one")])
        with os.fdopen(reader) as head:
            assert head.readline()
        while running.process.poll() is None:
            exits.fork([Exit(b"another")])
        done = running.wait()
    assert done.code == 0
    assert "Error" not in done.err
    assert done.said[-1].startswith("beepy: ")


@pytest.mark.parametrize("output", ["json", "columns"])
def test_a_full_disk_is_one_line(beepy: Beepy, object_of: ObjectOf, output: str) -> None:
    with Path("/dev/full").open("wb") as full:
        arguments = ("run", object_of("tables"), "-o", output, "--zero", "--interval", "1ms")
        with beepy.start("-v", *arguments, stdout=full.fileno()) as running:
            done = running.wait()
    assert done.code == 1
    lines = [line for line in done.said if not line.startswith("info: ")]
    closing, error = lines[1:]
    assert re.match(r"beepy: 0 shown, ", closing)
    assert error == "beepy: standard output: write: no space left on device"


def with_closed(beepy: Beepy, closed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *BEEPY, *arguments]
    return subprocess.run(
        command,
        env=environment(beepy.home),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_with_stderr_closed(beepy: Beepy, object_of: ObjectOf) -> None:
    done = with_closed(beepy, "2>&-", "-v", "run", object_of("tables"), "--count", "3")
    assert (done.returncode, done.stdout.count("\n")) == (0, 3)
    assert with_closed(beepy, "2>&-", "run", "exitsnoop", "-f", "x").returncode == 2


def test_with_stdin_closed(beepy: Beepy, object_of: ObjectOf) -> None:
    done = with_closed(beepy, "<&-", "run", object_of("tables"), "--count", "3")
    assert (done.returncode, done.stdout.count("\n")) == (0, 3)


def test_with_stdout_closed(beepy: Beepy, object_of: ObjectOf) -> None:
    """No other file gets the number of the closed one."""
    done = with_closed(beepy, ">&-", "run", object_of("tables"), "--count", "3")
    opening, closing, *rest = done.stderr.splitlines()
    assert (done.returncode, rest) == (1, ["beepy: standard output: write: bad file descriptor"])
    assert re.match(r"beepy: 0 shown, ", closing)
    assert opening.endswith("(1 program; ends after 3 rows)")
    done = with_closed(beepy, ">&-", "run", object_of("tables"), "-o", "none", "--timeout", "1ms")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("beepy: ")


def test_an_error_detaches_everything(beepy: Beepy, object_of: ObjectOf) -> None:
    """The metrics' port is opened last, when everything is loaded and nothing attached."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"{taken.getsockname()[1]}"
        done = beepy("-d", "run", object_of("hist"), "-k", "hist_lat,us", "--prom-port", port)
    assert done.code == 1
    assert f"beepy: prometheus: 127.0.0.1:{port}: address in use" in done.said
    assert "debug: PROG_LOAD: " in done.err
    assert "LINK_CREATE" not in done.err
    assert "attached to" not in done.err
