"""Each test mounts or unmounts tracefs in a mount namespace of its own."""

import pytest

from beepy.errors import KernelError
from beepy.host.tracefs import tracepoint_id
from tests.support import child

pytestmark = pytest.mark.kernel

UNMOUNT = """
import errno, logging, subprocess, sys
from pathlib import Path
from beepy.errors import KernelError
from beepy.sys import call
from beepy.host.tracefs import tracepoint_id
from tests.support.seccomp import refuse

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
def mounts():
    return Path("/proc/self/mounts").read_text()
for path in ("/sys/kernel/debug", "/sys/kernel/tracing"):
    while f" {path} " in mounts() or f" {path}/tracing " in mounts():
        subprocess.run(["umount", "--recursive", path], check=True)
before = mounts()
assert "tracefs" not in before
"""


def test_each_tracepoint_has_its_own_id() -> None:
    assert tracepoint_id("sched", "sched_process_exit") > 0
    assert tracepoint_id("sched", "sched_process_exit") != tracepoint_id("sched", "sched_switch")


def test_an_unknown_tracepoint_is_an_error_with_similar_names() -> None:
    with pytest.raises(
        KernelError, match="tracepoint sched/sched_process_frk: not found in this kernel"
    ) as caught:
        tracepoint_id("sched", "sched_process_frk")
    assert "sched/sched_process_fork" in caught.value.__notes__[0]


def test_tracefs_that_is_not_mounted_is_read_through_a_detached_mount() -> None:
    output = child.run(
        UNMOUNT
        + """
print("id", tracepoint_id("sched", "sched_switch"))
assert mounts() == before
""",
        mounts=True,
    )
    assert f"id {tracepoint_id('sched', 'sched_switch')}" in output
    assert "fsmount: tracepoint sched/sched_switch = " in output


def test_mounted_tracefs_is_read_where_it_is() -> None:
    output = child.run(
        UNMOUNT
        + """
subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], check=True)
print("id", tracepoint_id("sched", "sched_switch"))
""",
        mounts=True,
    )
    assert f"id {tracepoint_id('sched', 'sched_switch')}" in output
    assert "fsopen" not in output


def test_without_detached_mounts_tracefs_is_mounted_in_place() -> None:
    """As before v5.2: fsopen fails with ENOSYS (by seccomp here)."""
    output = child.run(
        UNMOUNT
        + """
refuse(call.numbers().fsopen, errno.ENOSYS)
print("id", tracepoint_id("sched", "sched_switch"))
assert "tracefs /sys/kernel/tracing tracefs" in mounts()
""",
        mounts=True,
    )
    assert f"id {tracepoint_id('sched', 'sched_switch')}" in output
    warning = "tracepoint sched/sched_switch: mounted tracefs at /sys/kernel/tracing"
    assert f"WARNING:beepy.host.tracefs:{warning}" in output


def test_a_refused_mount_is_an_error_with_the_command_to_mount_it() -> None:
    output = child.run(
        UNMOUNT
        + """
refuse(call.numbers().fsopen, errno.EPERM)
try:
    tracepoint_id("sched", "sched_switch")
except KernelError as error:
    print("error", error, error.errno == errno.EPERM, error.__notes__)
assert mounts() == before
""",
        mounts=True,
    )
    message = (
        "tracepoint sched/sched_switch: tracefs is not mounted: operation not permitted (EPERM)"
    )
    assert (
        f"error {message} True ['mount it: sudo mount -t tracefs tracefs /sys/kernel/tracing']"
        in output
    )


def test_without_permission_the_error_names_the_capability() -> None:
    output = child.run(
        UNMOUNT
        + """
import os
from beepy.host.tracefs import functions
subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], check=True)
Path("/sys/kernel/tracing/events").stat()
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
for read in (lambda: tracepoint_id("sched", "sched_switch"), lambda: next(functions())):
    try:
        read()
    except KernelError as error:
        print("error", error, error.errno == errno.EACCES, error.__notes__)
""",
        mounts=True,
    )
    why = (
        "/sys/kernel/tracing: permission denied (EACCES): "
        "needs CAP_DAC_READ_SEARCH, or to be readable by this user"
    )
    note = (
        "['let your group read it: sudo mount -o remount,gid=65534,mode=0750 /sys/kernel/tracing']"
    )
    assert f"error tracepoint sched/sched_switch: {why} True {note}" in output
    assert f"error traceable functions: {why} True {note}" in output
