"""The histograms of libbpf-tools beside those of beepy, on the same workload."""

import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support import tools
from tests.support.command import PATIENCE, Beepy

pytestmark = pytest.mark.kernel

SLOT_ROW: Final = re.compile(r" *\d+ -> \d+ +: (\d+) +\|[* +]*\|")
# Two processes on one CPU: each waits for the other to be preempted, which takes milliseconds.
WAITER: Final = """
import os, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(flush=True), input()
rival = os.fork()
while time.process_time() < 0.2:
    pass
if not rival:
    os._exit(0)
os.wait()
print(flush=True), input()
"""
BLOCK: Final = 4096
READS: Final = 60


def check_alike(ours: Sequence[int], theirs: Sequence[int]) -> None:
    """Check that both histograms have the same events.

    The programs of both ask for the time themselves, one after the other: an event may stand in
    neighboring slots, and one in ten further away, for a machine can stop between them.
    """
    total = sum(ours)
    assert total == sum(theirs) > 0
    sums = [[0, *itertools.accumulate(slots), total] for slots in (ours, theirs)]
    length = max(map(len, sums))
    padded = [column + [total] * (length - len(column)) for column in sums]
    for less, more in (padded, padded[::-1]):
        assert all(
            below - above <= total // 10 for below, above in zip(less, more[1:], strict=False)
        ), (ours, theirs)


def wait_until_asleep(pid: int) -> None:
    """Wait until a process sleeps in a read from a pipe."""
    deadline = time.monotonic() + PATIENCE
    while b"pipe_read" not in Path(f"/proc/{pid}/wchan").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def slots_of(out: str) -> list[int]:
    return [int(match[1]) for match in map(SLOT_ROW.fullmatch, out.splitlines()) if match]


@pytest.mark.usefixtures("same_pids")
def test_runqlat(beepy: Beepy, tmp_path: Path) -> None:
    programs = ("sched_wakeup", "sched_wakeup_new", "sched_switch")  # the tool takes these
    chosen = [argument for name in programs for argument in ("--prog", name)]
    with subprocess.Popen(
        [sys.executable, "-c", WAITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdout.readline()
        wait_until_asleep(child.pid)
        one_process = ["--set", f"targ_tgid={child.pid}", "--set", "targ_ms=true"]
        options = [*chosen, *one_process, "--interval", "1h"]
        object_path = tools.object_of("runqlat", tmp_path)
        with (
            tools.start("runqlat", "-m", "-p", f"{child.pid}") as other,
            beepy.start("-v", "run", object_path, "-o", "json", *options) as running,
        ):
            other.until(lambda: b"Ctrl-C" in other.out)
            running.until_attached(len(programs))
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()
            wait_until_asleep(child.pid)
            done = running.end()
            seen = other.end(signal.SIGINT)
        child.communicate("\n")
    found = json.loads(done.out)
    assert found["value"]["comm"] == Path(sys.executable).name[:15]
    check_alike(found["value"]["slots"], slots_of(seen.out))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A block device which nothing else reads."""
    backing = tmp_path / "backing"
    backing.write_bytes(bytes(1 << 20))
    if not shutil.which("losetup"):
        pytest.skip("losetup is not installed")
    command = ["losetup", "--find", "--show", str(backing)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    path = Path(done.stdout.strip())
    yield path
    subprocess.run(["losetup", "--detach", path], check=True)


def test_biolatency(beepy: Beepy, disk: Path, tmp_path: Path) -> None:
    programs = ("block_rq_insert_btf", "block_rq_issue_btf", "block_rq_complete_btf")
    chosen = [argument for name in programs for argument in ("--prog", name)]
    number = disk.stat().st_rdev
    device = os.major(number) << 20 | os.minor(number)  # MKDEV() of the kernel
    one_disk = ["--set", "filter_dev=true", "--set", f"targ_dev={device}", "--interval", "1h"]
    page = ctypes.create_string_buffer(2 * BLOCK)
    start = -ctypes.addressof(page) % BLOCK  # O_DIRECT wants aligned memory
    buffer = memoryview(page)[start : start + BLOCK]
    with (
        tools.start("biolatency", "-d", disk.name) as other,
        beepy.start(
            "-v", "run", tools.object_of("biolatency", tmp_path), "-o", "json", *chosen, *one_disk
        ) as running,
    ):
        other.until(lambda: b"Ctrl-C" in other.out)
        running.until_attached(len(programs))
        fd = os.open(disk, os.O_RDONLY | os.O_DIRECT)
        for read in range(READS):
            assert os.preadv(fd, [buffer], read * BLOCK) == BLOCK
        os.close(fd)
        done = running.end()
        seen = other.end(signal.SIGINT)
    found = json.loads(done.out)
    assert sum(found["value"]["slots"]) >= READS
    check_alike(found["value"]["slots"], slots_of(seen.out))
