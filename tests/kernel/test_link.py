"""Attach by link and by ioctl, and detach: programs count the forks of this process."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from beepy import hooks, sections
from beepy.errors import AttachError
from beepy.hooks import Target, tracepoint
from beepy.kernel import btf, link, program
from beepy.kernel import map as maps
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.uapi import AttachType, MapType
from tests.support import child, pids, programs

pytestmark = pytest.mark.kernel

TRACEPOINT = "tracepoint/sched/sched_process_fork"
SECTIONS = [
    TRACEPOINT,
    "tp/sched/sched_process_fork",
    "raw_tp/sched_process_fork",
    "raw_tracepoint/sched_process_fork",
    "tp_btf/sched_process_fork",
]


@contextmanager
def loaded(section: str) -> Iterator[tuple[Program, Map]]:
    hook = sections.find(section)
    assert hook
    type_id = 0
    if kernel_type := hook.kernel_type(sections.target(hook, section)):
        _, name, kind = kernel_type
        type_id = btf.vmlinux().find(name, kind) or 0
        assert type_id
    with maps.create(MapType.ARRAY, "counter", 4, 8, 1) as counter:
        code = programs.counts(counter, pids.seen())
        with program.load(
            "count",
            section,
            hook.prog_type,
            code,
            "GPL",
            attach_type=hook.attach_type,
            attach_btf_id=type_id,
        ) as counting:
            yield counting, counter


def fork(times: int) -> None:
    for _ in range(times):
        subprocess.run(["true"], check=True)


def count(counter: Map) -> int:
    return int.from_bytes(counter.lookup(bytes(4)) or b"", "little")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_program_runs_only_while_attached(section: str) -> None:
    hook = sections.find(section)
    assert hook
    with loaded(section) as (counting, counter):
        fork(1)
        with hooks.attach(counting, Target(sections.target(hook, section))):
            fork(3)
        assert count(counter) == 3
        fork(2)
        assert count(counter) == 3


def test_a_program_can_be_attached_again() -> None:
    with loaded(TRACEPOINT) as (counting, counter):
        for _ in range(2):
            with hooks.attach(counting, Target("sched/sched_process_fork")):
                fork(1)
        assert count(counter) == 2


def test_without_perf_links_an_ioctl_attaches() -> None:
    """As before v5.15: BPF_LINK_CREATE fails with EINVAL (by seccomp here)."""
    output = child.run(
        """
import errno, logging, sys
from beepy import uapi
from beepy import hooks
from beepy.hooks import Target
from beepy.sys import call
from tests.kernel.test_link import TRACEPOINT, count, fork, loaded
from tests.support.seccomp import refuse

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
refuse(call.numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.LINK_CREATE)
with loaded(TRACEPOINT) as (counting, counter):
    with hooks.attach(counting, Target("sched/sched_process_fork")):
        fork(3)
    fork(2)
    assert count(counter) == 3, count(counter)
""",
    )
    assert "no link, attaching by ioctl" in output
    assert "ioctl 0x40042408: program 'count': tracepoint sched/sched_process_fork = 0" in output


def test_a_link_is_tried_first(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with loaded(TRACEPOINT) as (counting, _):
        hooks.attach(counting, Target("sched/sched_process_fork")).close()
    if "no link, attaching by ioctl" in caplog.text:
        pytest.skip("this kernel has no links for perf events")
    assert (
        "LINK_CREATE: program 'count': tracepoint sched/sched_process_fork: link (PERF_EVENT) = "
        in caplog.text
    )


@pytest.mark.parametrize(
    ("section", "name", "message"),
    [
        (
            "tp/x/y",
            "sched/sched_process_frk",
            "tracepoint sched/sched_process_frk: not found in this kernel",
        ),
        (
            "tp/x/y",
            "shed/sched_process_fork",
            "tracepoint shed/sched_process_fork: not found in this kernel",
        ),
        ("tp/x/y", "../events", "tracepoint ../events: not found in this kernel"),
        (
            "tp/x/y",
            "sched/../sched/sched_switch",
            "tracepoint sched/../sched/sched_switch: not found in this kernel",
        ),
        ("tp/x/y", "a\0b/c\n", r"tracepoint a\x00b/c\x0a: not found in this kernel"),
        ("tp/x/y", "sched", "tracepoint 'sched': expected CATEGORY/NAME"),
        ("tp/x/y", "", "tracepoint '': expected CATEGORY/NAME"),
        (
            "raw_tp/x",
            "sched_process_frk",
            "raw tracepoint sched_process_frk: not found in this kernel",
        ),
        ("raw_tp/x", "", "raw tracepoint '': expected a NAME"),
    ],
)
def test_the_error_of_a_missing_target_is_one_line(section: str, name: str, message: str) -> None:
    with loaded(section) as (counting, _), pytest.raises(AttachError) as caught:
        hooks.attach(counting, Target(name))
    assert str(caught.value) == f"program 'count': {message}"


@pytest.mark.parametrize(
    ("name", "similar"),
    [("sched/sched_process_frk", "sched/sched_process_fork"), ("shed/sched_switch", "sched/...")],
)
def test_a_note_has_similar_names(name: str, similar: str) -> None:
    with loaded("tp/x/y") as (counting, _), pytest.raises(AttachError) as caught:
        hooks.attach(counting, Target(name))
    (note,) = caught.value.__notes__
    assert similar in note


def test_a_target_that_is_not_a_perf_event_is_an_attach_error() -> None:
    with loaded(TRACEPOINT) as (counting, _), pytest.raises(AttachError) as caught:
        link.create(counting, 2, AttachType.PERF_EVENT)
    assert str(caught.value).startswith("program 'count': link (PERF_EVENT): ")


def test_a_refused_perf_event_is_closed() -> None:
    """Link and ioctl refuse a program of another type; -W error fails if a descriptor leaks."""
    code = programs.returns(0)
    socket = sections.TABLE[0]
    with (
        program.load("socket", "socket", socket.prog_type, code, "GPL") as other,
        pytest.raises(AttachError) as caught,
    ):
        tracepoint.attach(other, Target("sched/sched_switch"))
    assert (
        str(caught.value)
        == "program 'socket': tracepoint sched/sched_switch: invalid argument (EINVAL)"
    )


def test_a_link_keeps_a_closed_program_attached() -> None:
    target = Target("sched/sched_process_fork")
    with loaded(TRACEPOINT) as (counting, counter), hooks.attach(counting, target):
        counting.close()
        fork(1)
        assert count(counter) == 1
