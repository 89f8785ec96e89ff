"""The images with kprobes, on any kernel, even without kprobes: they get made-up objects."""

import ipaddress
import os
import struct
import threading
from pathlib import Path

import pytest

from beepy.btf.types import Kind
from beepy.kernel import btf
from beepy.obj.spec import CollectionSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.support import kprobed
from tests.support.kprobed import Kprobed

COMM = Path("/proc/thread-self/comm").read_text().strip()
AF_INET, AF_INET6, SYN_SENT, ESTABLISHED = 2, 10, 2, 1
ADDRESSES = {AF_INET: ("192.0.2.1", "198.51.100.7"), AF_INET6: ("2001:db8::1", "2001:db8::7")}

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the images' registers are x86-64's"),
]


def bundled(name: str) -> CollectionSpec:
    return parse(bundled_store().get(name))


def socket_of(kernel: Kprobed, family: int, state: int) -> int:
    ours, theirs = (ipaddress.ip_address(text).packed for text in ADDRESSES[family])
    where: dict[str, bytes] = (
        {"skc_rcv_saddr": ours, "skc_daddr": theirs}
        if family == AF_INET
        else {"skc_v6_rcv_saddr.in6_u.u6_addr8": ours, "skc_v6_daddr.in6_u.u6_addr8": theirs}
    )
    members: dict[str, int | bytes] = {
        "skc_family": family,
        "skc_state": state,
        "skc_num": 4711,
        "skc_dport": struct.pack(">H", 443),
        **where,
    }
    return kernel.make("sock", {f"__sk_common.{name}": value for name, value in members.items()})


def told(family: int) -> dict[str, object]:
    """Return the fields of an event about such a socket."""
    ours, theirs = ADDRESSES[family]
    return {"saddr": ours, "daddr": theirs, "sport": 4711, "dport": 443}


@pytest.mark.parametrize(("family", "version"), [(AF_INET, 4), (AF_INET6, 6)])
def test_tcpconnect(family: int, version: int) -> None:
    with kprobed.loaded(bundled("tcpconnect")) as kernel:
        sk = socket_of(kernel, family, SYN_SENT)

        def connect() -> None:
            for returned in (0, 2**64 - 111):  # ECONNREFUSED: nothing was sent
                kernel.call(f"enter_v{version}", sk)
                kernel.call(f"leave_v{version}", returned=returned)
            kernel.call(f"leave_v{version}", returned=0)  # a return whose entry was not seen

        rows = kernel.rows(connect)
    assert rows == [{"pid": os.getpid(), "uid": os.getuid(), **told(family), "comm": COMM}]


@pytest.mark.parametrize(("family", "version"), [(AF_INET, 4), (AF_INET6, 6)])
def test_tcpconnlat(family: int, version: int) -> None:
    with kprobed.loaded(bundled("tcpconnlat")) as kernel:
        sent, other = socket_of(kernel, family, SYN_SENT), socket_of(kernel, family, ESTABLISHED)

        def connect() -> None:
            kernel.call(f"connect_v{version}", sent)
            kernel.call("receive", other)
            kernel.call("receive", sent)
            kernel.call("receive", sent)  # told once

        (row,) = kernel.rows(connect)
    latency = row.pop("latency")
    assert row == {"pid": os.getpid(), **told(family), "comm": COMM}
    assert 0 < latency < 60 * 10**9


def test_oomkill() -> None:
    with kprobed.loaded(bundled("oomkill")) as kernel:
        chosen = kernel.make("task_struct", {"tgid": 4242, "comm": b"eater"})
        control = kernel.make("oom_control", {"chosen": chosen, "totalpages": 1 << 33})
        rows = kernel.rows(lambda: kernel.call("oom_kill_process", control))
    assert rows == [
        {"pid": os.getpid(), "tpid": 4242, "pages": 1 << 33, "comm": COMM, "tcomm": "eater"}
    ]


def test_capable() -> None:
    net_admin, perfmon, unaudited = 12, 38, 2
    with kprobed.loaded(bundled("capable")) as kernel:

        def look() -> None:
            kernel.call("cap_capable", 0, 0, net_admin, 0)
            kernel.call("cap_capable", 0, 0, perfmon, unaudited)

        rows = kernel.rows(look)
    common = {
        "pid": os.getpid(),
        "tid": threading.get_native_id(),
        "uid": os.getuid(),
        "comm": COMM,
    }
    assert rows == [
        {**common, "cap": "CAP_NET_ADMIN", "audit": True},
        {**common, "cap": "CAP_PERFMON", "audit": False},
    ]


def test_the_types_differ_in_the_registers_alone() -> None:
    kernel = btf.vmlinux()
    changed = kprobed._types(kernel)
    found = kernel.find("pt_regs", Kind.STRUCT)
    assert found
    assert changed.type(found) != kernel.type(found)
    sock = kernel.find("sock_common", Kind.STRUCT)
    assert sock
    assert changed.type(sock) == kernel.type(sock)
