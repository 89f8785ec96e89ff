import errno
from pathlib import Path

import pytest

from beepy.errors import KernelError
from beepy.kernel import map as maps
from beepy.sys import syscall
from beepy.uapi import MapType, PerfEventAttr
from tests.support import child

pytestmark = pytest.mark.kernel


def test_each_call_is_one_line_of_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "beepy.sys.syscall")
    with maps.create(MapType.HASH, "hash", 4, 4, 1) as table:
        number = table.fd.fileno()
        table.lookup(b"abcd")
    assert caplog.messages == [
        f"MAP_CREATE: map 'hash': create = {number}",
        "MAP_LOOKUP_ELEM: map 'hash': look-up = -1 no such file or directory (ENOENT)",
    ]


def test_an_error_begins_with_where() -> None:
    with pytest.raises(KernelError, match=r"a test: .* \(E[A-Z]+\)") as caught:
        syscall.perf_event_open(PerfEventAttr(type=0xFFFF, config=1), "a test")
    assert caught.value.errno in {errno.ENOENT, errno.EINVAL}


def test_mounting_an_unknown_file_system_leaks_no_descriptor() -> None:
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    with pytest.raises(KernelError, match=r"a test: no such device \(ENODEV\)"):
        syscall.mount_detached("nosuchfs", "a test")
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before


def test_standard_descriptors_are_never_used() -> None:
    """0 means "no fd" in a struct, so a process without stdin must not get that number."""
    output = child.run(
        """
import os
from beepy.kernel import map as maps
from beepy.uapi import MapType

os.close(0)
with maps.create(MapType.HASH, "hash", 4, 4, 1) as table:
    print(table.fd.fileno() > 2)
try:
    os.fstat(0)
except OSError:
    print("closed")
"""
    )
    assert output == "True\nclosed\n"


def test_signals_are_handled_while_a_call_waits() -> None:
    """A signal ends a test run with EINTR; the handler runs, and its exception propagates."""
    output = child.run(
        """
import signal
from beepy.kernel import program
from beepy.uapi import ProgType
from tests.support import programs

class Stop(Exception):
    pass

def stop(number, frame):
    raise Stop

signal.signal(signal.SIGALRM, stop)
with program.load("long", "tc", ProgType.SCHED_CLS, programs.returns(0), "GPL") as loaded:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        loaded.run(data=bytes(64), repeat=2**31)
    except Stop:
        print("stopped")
"""
    )
    assert output == "stopped\n"


def test_importing_makes_no_system_call() -> None:
    """Neither libc nor the system call numbers are looked up before the first call."""
    output = child.run(
        """
import sys
from beepy import sections
from beepy.host import machine
from beepy.kernel import btf, features, link, map, program
from beepy.sys import call
cached = [function.cache_info().currsize for function in (call.libc, call.numbers)]
print(*cached, len(sections.TABLE) > 100)
heavy = {"fcntl", "resource", "json", "subprocess", "socket", "dataclasses", "platform"}
print(heavy & set(sys.modules) or "light")
"""
    )
    assert output == "0 0 True\nlight\n"
