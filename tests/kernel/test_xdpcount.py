"""The packet counter: frames of every family that it names, and what it makes of them."""

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.hooks import Target
from beepy.kernel.map import Map
from beepy.obj.spec import Role
from beepy.source import parse
from tests.support import compiled, network

pytestmark = pytest.mark.kernel

ADDRESSES = bytes(12)
KEY = struct.Struct("<I8s8s")
VLAN = struct.pack(">HH", 0x8100, 7)
SERVICE_VLAN = struct.pack(">HH", 0x88A8, 7)


def ipv4(protocol: int) -> bytes:
    return struct.pack(">HBBHHHBBH", 0x0800, 0x45, 0, 20, 0, 0, 1, protocol, 0) + bytes(8)


def ipv6(protocol: int) -> bytes:
    return struct.pack(">HIHBB", 0x86DD, 6 << 28, 0, protocol, 1) + bytes(32)


FRAMES = {  # what follows the addresses: family, protocol
    ipv4(6): ("ipv4", "tcp"),
    ipv4(17): ("ipv4", "udp"),
    ipv4(1): ("ipv4", "icmp"),
    ipv4(132): ("ipv4", "sctp"),
    ipv4(47): ("ipv4", "other"),
    ipv6(6): ("ipv6", "tcp"),
    ipv6(58): ("ipv6", "icmpv6"),
    ipv6(0): ("ipv6", "other"),
    b"\x08\x06" + bytes(28): ("arp", ""),
    b"\x88\x47" + bytes(28): ("other", ""),
    VLAN + ipv4(17): ("ipv4", "udp"),
    SERVICE_VLAN + VLAN + ipv6(17): ("ipv6", "udp"),
    SERVICE_VLAN + VLAN + VLAN + ipv6(17): ("other", ""),
    b"\x08\x00\x45": ("ipv4", ""),  # cut: the driver pads nothing
}


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[tuple[Collection, network.Network]]:
    data = compiled.objects(tmp_path, ["xdpcount"])["xdpcount"].read_bytes()
    spec = parse(data, name="xdpcount")
    assert [(tracked.map, tracked.role) for tracked in spec.tracked] == [
        ("counter_packets", Role.COUNTER),
        ("counter_bytes", Role.COUNTER),
    ]
    with (
        network.private() as wire,
        load(spec, targets={"count": Target(iface=wire.b, netns=wire.name)}) as loaded,
    ):
        loaded.attach()
        yield loaded, wire


def rows(counted: Map) -> dict[tuple[str, str], int]:
    """The sums over all CPUs, by family and protocol."""
    found: dict[tuple[str, str], int] = {}
    key = counted.next_key(None)
    while key is not None:
        _, family, protocol = KEY.unpack(key)
        value = counted.lookup(key) or b""
        names = family.rstrip(b"\0").decode(), protocol.rstrip(b"\0").decode()
        found[names] = sum(struct.unpack(f"<{len(value) // 8}Q", value))
        key = counted.next_key(key)
    return found


def test_counts_packets_and_bytes_by_protocol(
    collection: tuple[Collection, network.Network],
) -> None:
    loaded, wire = collection
    packets: Counter[tuple[str, str]] = Counter()
    size: Counter[tuple[str, str]] = Counter()
    for times, (rest, names) in enumerate(FRAMES.items(), 1):
        wire.put(*[ADDRESSES + rest] * times)
        packets[names] += times
        size[names] += times * len(ADDRESSES + rest)
    wire.send(1)  # it arrives after all others
    packets["other", ""] += 1
    size["other", ""] += 60
    assert rows(loaded.maps["counter_packets"]) == packets
    assert rows(loaded.maps["counter_bytes"]) == size
