"""Privileges of a process, each in a process of its own: none of it can be undone."""

import pytest

from tests.support import child

pytestmark = pytest.mark.kernel

START = """
import errno, os, threading
from beepy import uapi
from beepy.errors import KernelError
from beepy.kernel import map as maps
from beepy.sys import process, syscall
from beepy.uapi import Cmd, MapType

def number(function, *arguments):
    try:
        return function(*arguments) and 0
    except OSError as error:
        return errno.errorcode[error.errno]

def create():
    maps.create(MapType.ARRAY, "a", 4, 4, 1).close()

status = {}
def read(name="self"):
    with open(f"/proc/{name}/status") as file:
        status.update(line.rstrip("\\n").split(":\\t", 1) for line in file if ":\\t" in line)
    return status
"""


def test_capabilities_are_those_of_the_thread() -> None:
    child.run(f"""{START}
held = process.capabilities()
assert [f"{{bits:016x}}" for bits in held] == [read()[n] for n in ("CapEff", "CapPrm", "CapInh")]
bit = 1 << uapi.CAPABILITIES["CAP_BPF"] | 1 << uapi.CAPABILITIES["CAP_SYSLOG"]
process.set_capabilities((0, held[1], 0))
assert process.capabilities() == (0, held[1], 0)
process.set_capabilities((bit, bit, 0))  # what is permitted can be effective again
assert process.capabilities() == (bit, bit, 0)
assert read()["CapEff"] == f"{{bit:016x}}"
try:
    process.set_capabilities(held)
except KernelError as error:
    assert error.errno == errno.EPERM, error
else:
    raise AssertionError
""")


def test_what_is_refused_is_refused_to_all_threads() -> None:
    child.run(f"""{START}
begin, end, results = threading.Event(), threading.Event(), []
def wait():
    begin.wait()
    results.append(number(create))
    end.set()
thread = threading.Thread(target=wait)
thread.start()
with maps.create(MapType.ARRAY, "a", 4, 4, 1) as table:
    process.refuse((Cmd.MAP_CREATE, Cmd.BTF_LOAD))
    begin.set()
    assert number(create) == "EPERM"
    assert table.lookup(bytes(4)) == bytes(4)
thread.join()
assert results == ["EPERM"], results
assert number(os.execv, "/bin/true", ["true"]) == "EPERM"
assert number(os.execve, os.open("/bin/true", os.O_RDONLY), ["true"], {{}}) == "EPERM"  # execveat
assert number(syscall.prog_load, uapi.ProgLoad(), "x") != "EPERM"
assert (read()["NoNewPrivs"], read()["Seccomp"]) == ("1", "2")
""")


@pytest.mark.parametrize("call", ["prctl", "seccomp"])
def test_a_kernel_may_have_no_filters(call: str) -> None:
    """Emulate a kernel built without CONFIG_SECCOMP_FILTER, by a filter."""
    child.run(f"""{START}
from tests.support import seccomp
numbers = uapi.SYSCALL_NUMBERS[os.uname().machine]
prctl = {{"x86_64": 157, "ppc64le": 171}}.get(os.uname().machine, 167)
seccomp.refuse(prctl if {call!r} == "prctl" else numbers.seccomp, errno.EINVAL)
try:
    process.refuse((Cmd.MAP_CREATE,))
except KernelError as error:
    assert error.errno == errno.EINVAL and {call!r} in str(error), error
else:
    raise AssertionError
create()
""")
