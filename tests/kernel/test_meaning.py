"""What records mean, beside what the field's tools say on the same events."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import pytest

from tests.kernel.conftest import ObjectOf
from tests.support import apart, bundle, tools
from tests.support.command import PATIENCE, Beepy

pytestmark = pytest.mark.kernel

# comm, pid, ppid, tid, age in seconds
_ENDED: Final = re.compile(r"(?m)^(.{16}) (\d+) +(\d+) +(\d+) +([\d.]+) ")
# crun takes a machine with cgroup v2 alone: it gets a mount where it looks
_CGROUP_V2: Final = "umount -l /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup"
_SHELL: Final = "echo ready; while read line; do /bin/busybox sh -c 'exit 3'; echo done; done"

ENDS = """
#include "include/core.h"
#include "maps.h"

struct event {
	u64 cgroup_id;
	u32 pid;
	u32 uid;
	char comm[TASK_COMM_LEN];
};

RING(print_ends, struct event);

SEC("raw_tp/sched_process_exit")
int ended(void *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct event *event;

	event = bpf_ringbuf_reserve(&print_ends, sizeof(*event), 0);
	if (!event)
		return 0;
	event->cgroup_id = bpf_get_current_cgroup_id();
	event->pid = id >> 32;
	event->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


OPENER: Final = """
import os, sys
sys.stdin.readline()
for number, flags in enumerate(map(int, sys.argv[2:])):
    try:
        os.close(os.open(f"{sys.argv[1]}/{number}", flags, 0o640))
    except OSError:
        pass
"""
_OPENS: Final = (
    os.O_RDONLY,
    os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    os.O_RDWR | os.O_APPEND | os.O_NONBLOCK,
    os.O_RDONLY | os.O_DIRECTORY | os.O_PATH,
    os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_SYNC,
    os.O_WRONLY | os.O_DSYNC | os.O_NOFOLLOW | os.O_NOCTTY,
    os.O_RDWR | os.O_TMPFILE | os.O_NOATIME,
)


@contextmanager
def container(directory: Path, identity: str) -> Iterator["subprocess.Popen[str]"]:
    """A container of crun's, whose shell starts and ends a process for each line."""
    if not bundle.CRUN.exists():
        pytest.skip("not installed: crun")
    bundle.write(directory / identity, identity, _SHELL)
    run = f"{bundle.CRUN} --cgroup-manager=cgroupfs run -b {directory / identity} {identity}"
    command = [*apart.command(), "sh", "-ec", f"{_CGROUP_V2}; exec {run}"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin
        assert running.stdout
        assert running.stdout.readline() == "ready\n"
        yield running
        running.stdin.close()
        running.wait(PATIENCE)


def end_one(running: "subprocess.Popen[str]") -> None:
    assert running.stdin
    assert running.stdout
    running.stdin.write("\n")
    running.stdin.flush()
    assert running.stdout.readline() == "done\n"


@pytest.mark.usefixtures("same_pids")
def test_age_is_exitsnoops(beepy: Beepy) -> None:
    with (
        tools.start("exitsnoop") as other,
        beepy.start("-v", "run", "exitsnoop", "-o", "json", "--fields", "pid,tid,age") as running,
    ):
        other.until(lambda: b"EXIT_CODE\n" in other.out)
        running.until_attached()
        pids = set()
        for seconds in ("0", "0.05", "0.2"):
            with subprocess.Popen(["sleep", seconds]) as child:
                pids.add(child.pid)
        done = running.end()
        other.until(lambda: all(f" {pid} ".encode() in other.out for pid in pids))
        seen = other.end(signal.SIGINT)
    ages = {row["pid"]: row["age"] for row in rows(done.out) if row["pid"] in pids}
    theirs = {int(pid): age for _, pid, _, _, age in _ENDED.findall(seen.out) if int(pid) in pids}
    assert {pid: f"{age / 1e9:.2f}" for pid, age in ages.items()} == theirs
    assert set(ages) == pids


@pytest.mark.usefixtures("same_pids")
def test_who_a_process_is(beepy: Beepy, tmp_path: Path) -> None:
    """Its program, its arguments and its user, as proc_pid_cmdline(5) and id(1) say."""
    path = tmp_path / "a file"
    path.touch()
    code = "import sys\nfor line in sys.stdin: open(sys.argv[1]).close()"
    command = [sys.executable, "-c", code, str(path)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as child,
        beepy.start(
            *("-v", "run", "opensnoop", "--pid", str(child.pid), "-o", "json"),
            *("--fields", "+exe,+argv,+cgroup,+unit,+pod", "--where", 'fname ~ "a file$"'),
        ) as running,
        beepy.start(
            *("-v", "run", "opensnoop", "--pid", str(child.pid), "-o", "columns", "--rows"),
            *("--fields", "pid,uid", "--where", 'argv ~ "a file" and exe ~ "python"'),
        ) as columns,
    ):
        assert child.stdin
        running.until(lambda: b"opensnoop: files" in running.err)  # all are attached
        columns.until(lambda: b"opensnoop: files" in columns.err)
        child.stdin.write("\n")
        child.stdin.flush()
        running.until(lambda: b"a file" in running.out)
        columns.until(lambda: str(child.pid).encode() in columns.out)
        shown = columns.end().out
        proc = Path("/proc", str(child.pid))
        exe, argv = str(proc.joinpath("exe").readlink()), proc.joinpath("cmdline").read_text()
        (row,) = rows(running.end().out)
    assert row["exe"] == exe
    assert re.sub(r"'(?=/)|'$", "", row["argv"].split("' ")[-1]) == argv.split("\0")[3]
    assert row["cgroup"].startswith("/")
    assert row["unit"] is None or "." in row["unit"]
    assert row["pod"] is None
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    (line,) = [line for line in shown.splitlines() if str(child.pid) in line]
    assert line.split()[1:3] == [str(child.pid), user]


@pytest.mark.usefixtures("same_pids")
def test_flags_and_errors_are_straces(beepy: Beepy, tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("not installed: strace")
    opened, log = tmp_path / "opened", tmp_path / "strace"
    opened.mkdir()
    opener = [sys.executable, "-c", OPENER, str(opened), *map(str, _OPENS)]
    traced = ["strace", "-o", str(log), "-e", "trace=openat", *opener]
    fields = "fname,flags,ret"
    with (
        subprocess.Popen(traced, stdin=subprocess.PIPE, text=True) as child,
        beepy.start(
            *("-v", "run", "opensnoop", "-o", "columns", "--fields", fields),
            *("--where", f'fname ~ "^{opened}/"'),
        ) as running,
    ):
        running.until(lambda: b"opensnoop: files" in running.err)
        child.communicate("\n")
        running.until(lambda: running.out.count(b"\n") > len(_OPENS))
        shown = running.end().out
    rows = re.findall(rf"{opened}/(\d+) +(\S+) +(\S.*)", shown)
    ours = [(int(n), {*flags.split("|")}, re.findall("E[A-Z]+", ret)) for n, flags, ret in rows]
    calls = re.findall(
        rf'"{opened}/(\d+)", ([A-Z_|]+)(?:, \d+)?\) += \S+ ?(E[A-Z]+)?', log.read_text()
    )
    theirs = [(int(n), {*flags.split("|")}, [error] if error else []) for n, flags, error in calls]
    assert sorted(ours, key=str) == sorted(theirs, key=str)
    assert len(ours) == len(_OPENS)
    assert {error for _, _, errors in ours for error in errors} >= {"ENOENT"}


@pytest.mark.usefixtures("same_pids")
@pytest.mark.parametrize("is_named", [True, False], ids=["name", "id"])
def test_a_container_of_crun(beepy: Beepy, tmp_path: Path, *, is_named: bool) -> None:
    identity = f"web-{token_hex(4)}" if is_named else token_hex(32)
    name = identity if is_named else identity[:12]
    where = f'container == "{name}"'
    fields = "comm,container,cgroup,exe,argv,pod"
    with (
        container(tmp_path, identity) as running,
        beepy.start(
            *("-v", "run", "exitsnoop", "-o", "json", "--fields", fields, "--where", where)
        ) as exits,
    ):
        exits.until_attached()
        deadline = time.monotonic() + PATIENCE
        while not exits.out and time.monotonic() < deadline:
            end_one(running)  # what ends soon may be gone when it is read
            subprocess.run(["sh", "-c", "exit 4"], check=False)
        done = exits.end()
    seen = rows(done.out)
    assert {row["container"] for row in seen} == {name}
    assert {row["comm"] for row in seen} == {"busybox"}
    assert {row["cgroup"] for row in seen} == {f"/{identity}"}


@pytest.mark.usefixtures("same_pids")
def test_a_process_that_is_gone_is_found_by_its_cgroup(
    beepy: Beepy, compiled: ObjectOf, tmp_path: Path
) -> None:
    """All of them, though none is in /proc any more."""
    identity = f"web-{token_hex(4)}"
    fields = "comm,cgroup_id,container,cgroup,exe"
    with (
        container(tmp_path, identity) as running,
        beepy.start(
            *("-v", "run", compiled(ENDS), "-o", "json", "--fields", fields),
            *("--where", f'container ~ "^{identity}$"', "--record", str(tmp_path / "x.rec")),
        ) as ends,
        beepy.start("-v", "run", compiled(ENDS), "-o", "columns") as shown,
        beepy.start(
            *("-v", "run", compiled(ENDS), "-o", "json", "--top", "1", "--by", "container"),
            *("--where", "container is not null"),
        ) as top,
    ):
        ends.until_attached()
        shown.until_attached()
        top.until_attached()
        for _ in range(10):
            end_one(running)
        ends.until(lambda: ends.out.count(b"\n") >= 10)
        out = ends.end().out
        text = shown.end().out
        (group,) = rows(top.end().out)
    # the container is gone, and with it its cgroup and crun's files
    assert beepy("replay", str(tmp_path / "x.rec"), "-o", "json", "--fields", fields).out == out
    seen = rows(out)
    assert len(seen) == 10
    assert all(row["container"] == identity and row["cgroup"] == f"/{identity}" for row in seen)
    assert all(isinstance(row["cgroup_id"], int) for row in seen)
    assert (group["container"], group["count"]) == (identity, 10)
    assert text.count(f" /{identity} ") >= 10  # the number is a path in columns
