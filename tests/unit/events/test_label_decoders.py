"""Each decoder of ebpf_exporter's labels, on bytes as programs write them."""

import errno
import struct

import pytest

from beepy.errors import DecodeError
from beepy.events.label_decoders import TABLE, MachineNames, PciNames, compiled
from beepy.obj.exporter import Label, Step

PCI = PciNames(
    vendors={"8086": "Intel", "0e11": "Compaq"},
    devices={"8086100e": "Gigabit"},
    classes={"02": "Network controller"},
    subclasses={"0200": "Ethernet controller"},
)
NAMES = MachineNames(
    cgroup={7: "/sys/fs/cgroup/a"}.get,  # type: ignore[arg-type]
    symbol=lambda address: "vfs_read" if address == 0x1000 else "",
    function=lambda address: "vfs_read" if address >= 0x1000 else "",
    interface=lambda index: "lo" if index == 1 else "",
    device=lambda major, minor: "sda1" if (major, minor) == (8, 1) else "",
    pci=lambda: PCI,
    machine="x86_64",
)


def decode(raw: bytes, *steps: Step | str, names: MachineNames = NAMES) -> str | None:
    chain = tuple(Step(step) if isinstance(step, str) else step for step in steps)
    return compiled(Label("x", len(raw), 0, chain), names)(raw)


def u16(number: int) -> bytes:
    return struct.pack("<H", number)


def u32(number: int) -> bytes:
    return struct.pack("<I", number)


def u64(number: int) -> bytes:
    return struct.pack("<Q", number)


@pytest.mark.parametrize(
    ("raw", "steps", "text"),
    [
        (b"\xff", ("uint",), "255"),
        (u16(0x1234), ("uint",), "4660"),
        (u32(2**32 - 1), ("uint",), "4294967295"),
        (u64(2**64 - 1), ("uint",), "18446744073709551615"),
        (b"\x00\x7f\xff", ("hex",), "007fff"),
        (b"bash\0\xff\xff", ("string",), "bash"),
        (b"bash", ("string",), "bash"),
        (b"", ("string",), ""),
        (b"\xff\xfea", ("string",), "\udcff\udcfea"),
        (b"\x03www\x02at\x00", ("dname",), "www.at."),
        (b"\x03www", ("dname",), "www"),
        (b"\x09www", ("dname",), "\twww"),
        (b"\x00", ("dname",), ""),
        (bytes([10, 0, 0, 1]), ("inet_ip",), "10.0.0.1"),
        (bytes(15) + b"\x01", ("inet_ip",), "::1"),
        (bytes(10) + b"\xff\xff\x7f\0\0\x01", ("inet_ip",), "127.0.0.1"),
        (bytes(12) + bytes([1, 2, 3, 4]), ("inet_ip",), "::102:304"),
        (b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01", ("inet_ip",), "2001:db8::1"),
        (b"\x01\x02", ("inet_ip",), "?0102"),
        (u64(2), ("uint", "errno"), "ENOENT"),
        (u64(11), ("uint", "errno"), "EAGAIN"),
        (u64(errno.EDEADLK), ("uint", "errno"), "EDEADLK"),
        (u64(95), ("uint", "errno"), "ENOTSUP"),
        (u64(0), ("uint", "errno"), "unknown:0"),
        (u64(524), ("uint", "errno"), "unknown:524"),
        (u64(7), ("uint", "cgroup"), "/sys/fs/cgroup/a"),
        (u64(8), ("uint", "cgroup"), "unknown_cgroup_id:8"),
        (u64(0x1000), ("ksym",), "vfs_read"),
        (u64(0xABCD), ("ksym",), "unknown_addr:0xabcd"),
        (u64(0x1008) + u64(1) + bytes(8) + u64(0x1000), ("kstack",), "vfs_read\n??"),
        (bytes(16), ("kstack",), ""),
        (u32(1), ("ifname",), "lo"),
        (u32(2), ("ifname",), "unknown:2"),
        (u32(8 << 8 | 1), ("majorminor",), "sda1"),
        (u32(8 << 8 | 2) + bytes(4), ("majorminor",), "unknown:8:2"),
        (u32(0x12 << 20 | 0x34 << 8 | 0x56), ("majorminor",), f"unknown:{0x34}:{0x1256}"),
        (u64(1), ("uint", "syscall"), "write"),
        (u64(7), ("uint", "syscall"), "poll_time64"),
        (u64(231), ("uint", "syscall"), "exit"),
        (u64(9999), ("uint", "syscall"), "unknown_syscall:9999"),
        (u32(0x8086), ("uint", "pci_vendor"), "Intel"),
        (u32(0x0E11), ("uint", "pci_vendor"), "unknown pci vendor: 0xe11"),
        (u32(0x8086100E), ("uint", "pci_device"), "Gigabit"),
        (u32(0x1234), ("uint", "pci_device"), "unknown pci device: 0x1234"),
        (u16(2), ("uint", "pci_class"), "Network controller"),
        (u16(3), ("uint", "pci_class"), "unknown pci class: 0x03"),
        (u16(0x200), ("uint", "pci_subclass"), "Ethernet controller"),
        (u16(0x201), ("uint", "pci_subclass"), "unknown pci subclass: 0x01 (class 0x02)"),
        (u16(0x301), ("uint", "pci_subclass"), "unknown pci class: 0x03"),
    ],
)
def test_decoders(raw: bytes, steps: tuple[str, ...], text: str) -> None:
    assert decode(raw, *steps) == text


def test_every_decoder_has_a_row_above() -> None:
    rows = {name for name, *_ in [mark.args[1] for mark in test_decoders.pytestmark] for _ in name}  # type: ignore[attr-defined]
    assert rows
    assert set(TABLE) == {
        *("cgroup", "dname", "errno", "hex", "ifname", "inet_ip", "kstack", "ksym", "majorminor"),
        *("pci_class", "pci_device", "pci_subclass", "pci_vendor", "regexp", "static_map"),
        *("string", "syscall", "uint"),
    }


def test_static_maps() -> None:
    step = Step("static_map", (("1", "one"), ("a\x01", "text")))
    assert decode(b"\x01", "uint", step) == "one"
    assert decode(b"\x02", "uint", step) == "unknown:2"
    assert decode(b"\x02", "uint", step._replace(allow_unknown=True)) == "2"
    assert decode(b"a\x01", step) == "text"
    assert decode(b"\xff", step) == "unknown:\udcff"
    assert decode(b"\x01", "uint", "static_map") == "empty mapping"
    assert decode(b"\x01", "uint", Step("static_map", ())) == "unknown:1"


@pytest.mark.parametrize(
    ("regexps", "raw", "text"),
    [
        (("^(kswapd).*$", "^x"), b"kswapd0", "kswapd"),
        (("^(kswapd).*$", "^x."), b"xyz", "xy"),
        (("^(kswapd).*$", "^x."), b"other", None),
        (("(a)(b)", "a"), b"ab", "a"),  # two groups match nothing
        (("a(x)?b",), b"ab", ""),
        (("^.*$",), b"\xff\xfe", "\udcff\udcfe"),
        (("^..$",), "äö".encode(), "äö"),
        ((), b"a", None),
    ],
)
def test_regular_expressions(regexps: tuple[str, ...], raw: bytes, text: str | None) -> None:
    assert decode(raw, "string", Step("regexp", None, regexps)) == text


def test_without_pci_ids() -> None:
    names = NAMES._replace(pci=lambda: None)
    for decoder in ("pci_vendor", "pci_device", "pci_class", "pci_subclass"):
        assert decode(u16(2), "uint", decoder, names=names) == "missing pci.ids db"


@pytest.mark.parametrize(
    ("raw", "steps", "message"),
    [
        (b"abc", ("uint",), "uint: 3 bytes, expected 1, 2, 4 or 8"),
        (b"abc", ("errno",), "errno: a number is expected"),
        (b"-1", ("errno",), "errno: a number is expected"),
        (u64(2**63), ("uint", "cgroup"), "cgroup: a number is expected"),
        (b"", ("syscall",), "syscall: a number is expected"),
        (b"+", ("syscall",), "syscall: a number is expected"),
        (b"1234", ("ksym",), "ksym: 4 bytes, expected 8"),
        (u64(0x1000) + b"1", ("kstack",), "kstack: 1 bytes, expected 8"),
        (b"1", ("ifname",), "ifname: 1 bytes, expected 4"),
        (b"1", ("majorminor",), "majorminor: 1 bytes, expected 4"),
        ("²".encode(), ("errno",), "errno: a number is expected"),
    ],
)
def test_what_cannot_be_decoded(raw: bytes, steps: tuple[str, ...], message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(raw, *steps)
    assert message in str(caught.value)


def test_signed_numbers() -> None:
    assert decode(b"-1", "cgroup") == "unknown_cgroup_id:-1"
    assert decode(b"-1", "syscall") == "unknown_syscall:18446744073709551615"
