"""Which functions match a pattern, and how they are given to the kernel."""

import errno
import logging
import re
from typing import Any

import pytest

from beepy.errors import AttachError, KernelError, NotSupported
from beepy.hooks import Target, kprobe_multi
from beepy.host import machine, tracefs
from beepy.kernel import multi_links
from beepy.kernel.program import Program
from beepy.uapi import AttachType

ADDRESSED = [(0x10, "tcp_ack"), (0x20, "cleanup"), (0x30, "cleanup"), (0x40, "tcp_close")]


@pytest.fixture
def program() -> Program:
    one = object.__new__(Program)
    one.name = "prog"
    one.section = "kprobe.multi"
    return one


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the arguments of the calls that attach."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(
        multi_links,
        "kprobe_multi",
        lambda _program, what, **places: found.append({"what": what, **places}),
    )
    return found


@pytest.mark.parametrize(
    ("pattern", "addresses"),
    [
        ("tcp_*", [0x10, 0x40]),
        ("cleanu?", [0x20, 0x30]),
        ("tcp_ac?", [0x10]),
        ("*c*", [0x10, 0x20, 0x30, 0x40]),
    ],
)
def test_functions_by_address(
    monkeypatch: pytest.MonkeyPatch,
    program: Program,
    asked: list[dict[str, Any]],
    pattern: str,
    addresses: list[int],
) -> None:
    monkeypatch.setattr(tracefs, "functions", lambda: iter(ADDRESSED))
    kprobe_multi.attach(program, Target(pattern))
    what = f"{len(addresses)} functions '{pattern}'" if len(addresses) > 1 else "function 'tcp_ack'"
    assert asked == [{"what": what, "addresses": addresses, "returns": False}]


def test_a_name_is_left_to_the_kernel(
    monkeypatch: pytest.MonkeyPatch, program: Program, asked: list[dict[str, Any]]
) -> None:
    """As libbpf does: the list is not read, because it has only one name of each address."""
    monkeypatch.setattr(tracefs, "functions", lambda: pytest.fail("it was read"))
    kprobe_multi.attach(program, Target("vfs_read"))
    assert asked == [{"what": "function 'vfs_read'", "names": ["vfs_read"], "returns": False}]


def test_functions_by_name_where_addresses_are_not_listed(
    monkeypatch: pytest.MonkeyPatch,
    program: Program,
    asked: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tracefs, "functions", lambda: iter([(0, name) for _, name in ADDRESSED]))
    with caplog.at_level(logging.WARNING):
        program.section = "kretprobe.multi"
        kprobe_multi.attach(program, Target("*"))
    assert asked == [
        {"what": "4 functions '*'", "names": ["cleanup", "tcp_ack", "tcp_close"], "returns": True}
    ]
    why = "1 not attached: another one has its name, and this kernel lists no addresses"
    assert caplog.messages == [f"program 'prog': 4 functions '*': {why}"]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [("none*", "no traceable function of this kernel matches"), ("a b", "expected a name, with")],
)
def test_nothing_matches(
    monkeypatch: pytest.MonkeyPatch, program: Program, pattern: str, why: str
) -> None:
    monkeypatch.setattr(machine, "symbols", lambda: iter([("0", "T", "register_fprobe_ips")]))
    monkeypatch.setattr(tracefs, "functions", lambda: iter(ADDRESSED))
    with pytest.raises(
        AttachError, match=f"program 'prog': functions '{re.escape(pattern)}': {why}"
    ):
        kprobe_multi.attach(program, Target(pattern))


def test_a_kernel_that_lists_no_functions_and_has_no_such_links(
    monkeypatch: pytest.MonkeyPatch, program: Program
) -> None:
    def refuse() -> None:
        raise KernelError("traceable functions: operation not permitted (EPERM)", errno.EPERM)

    program.attach_type = AttachType.TRACE_KPROBE_MULTI
    monkeypatch.setattr(tracefs, "functions", refuse)
    monkeypatch.setattr(machine, "symbols", lambda: iter([("0", "T", "vfs_read")]))
    with pytest.raises(
        NotSupported,
        match=r"program 'prog': this kernel has no links to many functions \(CONFIG_FPROBE",
    ):
        kprobe_multi.attach(program, Target("*"))
    monkeypatch.setattr(machine, "symbols", lambda: iter([("0", "T", "register_fprobe_ips")]))
    with pytest.raises(AttachError, match="traceable functions: operation not permitted"):
        kprobe_multi.attach(program, Target("*"))
