"""Every bundled image: it attaches, and shows the event that is provoked here."""

import os
import subprocess
import sys
from functools import partial
from typing import Any, Final
from urllib.request import urlopen

from beepy.host.machine import release
from tests.vm.checks.check import Check
from tests.vm.checks.command import Run
from tests.vm.checks.counted import SEEN

_PERF_LINK: Final = (5, 15, 0)  # b89fbfbb854c, "bpf: Implement minimal BPF perf link"
_METRICS: Final = "http://127.0.0.1:9091/metrics"
_NO_LINK: Final = ": no link, attaching by ioctl"
_NO_TYPES: Final = ": BTF not loaded"


def attached_by(told: str) -> str:
    """Return how a run attached to tracepoints, by its log (-d); newer kernels must use links."""
    way = "ioctl" if _NO_LINK in told else "link"
    assert (way == "link") == (release() >= _PERF_LINK), told
    return f"{way}, no types" if _NO_TYPES in told else way


def ends(code: int) -> int:
    """Let a process end with that code; return its number."""
    with subprocess.Popen(["sh", "-c", f"exit {code}"]) as process:
        return process.pid


def exits(image: str) -> str:
    """Show a process that ends."""
    with Run(image, "-o", "json", "-d") as run:
        run.attached(1)
        pid = ends(7)
        row = run.row(lambda row: row["pid"] == pid)
        if "counter" in image:
            _counted(row)
    told = {name: row[name] for name in ("tid", "ppid", "sig", "exit_code", "comm")}
    assert told == {"tid": pid, "ppid": os.getpid(), "sig": 0, "exit_code": 7, "comm": "sh"}, row
    assert 0 < row["start_time"] < row["exit_time"]
    return f"{SEEN}, {attached_by(run.told)}"


def _counted(row: dict[str, Any]) -> None:
    names = sorted(name for name in row if name not in {"map", "time"})
    labels = ",".join(f'{name}="{row[name]}"' for name in names)
    with urlopen(_METRICS) as page:
        assert f"ebpf_solo_io_{row['map']}{{{labels}}} 1\n" in page.read().decode()


def opens() -> str:
    """Show a file that is opened, and one that is not there."""
    oldest = os.uname().machine == "x86_64"  # open(2) itself; newer architectures have openat alone
    with Run("opensnoop", "-o", "json", "-d", "--missing", "fail" if oldest else "skip") as run:
        run.attached(6 if oldest else 4)
        os.close(fd := os.open("/etc/passwd", os.O_RDONLY | os.O_NOFOLLOW))
        found = run.row(lambda row: row["pid"] == os.getpid() and row["fname"] == "/etc/passwd")
        try:
            os.open("/etc/none", os.O_RDONLY)
        except FileNotFoundError:
            missed = run.row(lambda row: row["pid"] == os.getpid() and row["fname"] == "/etc/none")
    assert (found["ret"], found["uid"], found["flags"] & os.O_NOFOLLOW) == (fd, 0, os.O_NOFOLLOW)
    assert missed["ret"] == -2
    return attached_by(run.told)


def executions() -> str:
    """Show a program that is started."""
    with Run("execsnoop", "-o", "json", "-d") as run:
        run.attached(4)
        with subprocess.Popen(["/bin/true", "one", "two words"]) as process:
            row = run.row(lambda row: row["pid"] == process.pid)
    told = {name: row[name] for name in ("ppid", "uid", "retval", "args_count", "comm", "args")}
    assert told == {
        "ppid": os.getpid(),
        "uid": 0,
        "retval": 0,
        "args_count": 3,
        "comm": "true",
        "args": "/bin/true one two words",
    }, row
    return attached_by(run.told)


def unmounted() -> str:
    """Attach while tracefs is mounted nowhere: it is mounted for beepy alone, and goes with it."""
    for place in ("/sys/kernel/debug", "/sys/kernel/tracing"):  # debugfs has another one below it
        while os.path.ismount(place):
            subprocess.run(["umount", "-l", place], check=True)
    try:
        with open("/proc/mounts") as mounts:  # noqa: PTH123
            before = mounts.read()
        assert "tracefs" not in before
        attached_by_ = exits("exitsnoop")
        with open("/proc/mounts") as mounts:  # noqa: PTH123
            assert mounts.read() == before
    finally:
        subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], check=True)
    return attached_by_


def started() -> str:
    """Start it as a user does: another interpreter."""
    command = [
        sys.executable,
        "-m",
        "beepy",
        "run",
        "exitsnoop",
        "-o",
        "json",
        "--no-metrics",
        "--count",
        "1",
        "-v",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert process.stdout
        while ": attached to " not in (line := process.stderr.readline()):
            assert line
        pid = ends(3)
        assert f'"pid": {pid}, ' in process.stdout.readline()
        assert "1 shown, " in process.stderr.read()
    assert process.returncode == 0
    return "yes"


CHECKS: Final = (
    Check("python -m beepy", started),
    *[
        Check(image, partial(exits, image), kinds=("tracepoint",) if image == "exitsnoop" else ())
        for image in ("exitsnoop", "exitsnoop-counter", "exitsnoop-old", "exitsnoop-old-counter")
    ],
    Check("opensnoop", opens),
    Check("execsnoop", executions),
    Check("tracefs not mounted", unmounted),
)
