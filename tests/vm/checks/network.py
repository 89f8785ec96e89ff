"""Network interfaces, sockets and namespaces: programs see the frames and connections of a test."""

import os
import socket
import struct
import time
from functools import partial
from pathlib import Path
from typing import Final

from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.errors import KernelError
from beepy.hooks import Target
from beepy.host.machine import release
from tests.support import network
from tests.support.sockets import HOST, connection, exchange, talk
from tests.vm.checks.check import Check, parsed
from tests.vm.checks.counted import ALWAYS, SEEN, Counted, Requirements, alone, excused, hits

_WAITING: Final = 64  # frames that may, for another processor
_STRUCT_OPS_LINKS: Final = (6, 4, 0)
# Debian's 5.10.223 hangs in sk_psock_skb_ingress_enqueue(), with frames that it receives.
_INGRESS: Final = (5, 15, 0)
_CONTROLS: Final = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")


def frames(name: str, needs: Requirements, rows: dict[str, int]) -> str:
    """Send frames both ways over a wire, to programs of one of its ends."""
    with network.private() as wire:

        def provoke(_: Collection) -> None:
            wire.send(2)
            wire.send(2, wire.b)

        return Counted(name, rows, Target(iface=wire.b, netns=wire.name), least=2).show(
            provoke, needs
        )


def directed() -> str:
    """Send frames over a wire, to programs that say a direction."""
    return frames(
        "new_tc", Requirements(option="CONFIG_NET_CLS_BPF"), {"on_ingress": 0, "on_egress": 1}
    )


def entries(program: str, kind: str) -> str:
    """Send frames to where an entry of a map leads, which runs its own program."""
    row = {"on_devmap": 0, "on_cpumap": 1}[program]
    with (
        network.private() as wire,
        load(alone(parsed("redirect"), "pass", f"to_{kind}", program)) as collection,
    ):
        table = collection.maps["devices" if kind == "device" else "processors"]
        held = collection.programs[program].fd.fileno()
        with wire.inside():  # where a device's index means it
            first = socket.if_nametoindex(wire.b) if kind == "device" else _WAITING
            table.update(bytes(4), struct.pack("<II", first, held))
        targets = {
            "pass": Target(iface=wire.a, netns=wire.name),
            f"to_{kind}": Target(iface=wire.b, netns=wire.name),
        }
        collection.targets = {**collection.targets, **targets}
        collection.attach()
        end = time.monotonic() + 20
        while not hits(collection, row):  # another processor's turn
            assert time.monotonic() < end
            wire.put(network.frame(network.EXPERIMENTAL))
            time.sleep(0.05)
    return f"{SEEN}, by an entry of a {'DEVMAP' if kind == 'device' else 'CPUMAP'}"


def netkit() -> str:
    """Send out of both ends of a pair of netkit devices."""
    needs = Requirements((6, 7), "CONFIG_NETKIT")
    if not needs.met():
        return Counted("netkit", {"on_primary": 0}, Target(iface="lo")).show(lambda _: None, needs)
    with network.netkit() as pair:
        targets = Target(iface=pair.a, netns=pair.name)

        def provoke(_: Collection) -> None:
            pair.put(network.frame(network.EXPERIMENTAL))
            pair._replace(a=pair.b, b=pair.a).put(network.frame(network.EXPERIMENTAL))

        return Counted("netkit", {"on_primary": 0, "on_peer": 1}, targets).show(provoke, needs)


def connections(name: str, program: str, row: int, place: str, needs: Requirements) -> str:
    """Connect within a namespace."""
    with network.private() as wire:

        def provoke(_: Collection) -> None:
            with wire.inside(), connection():
                pass
            wire.send(2)

        return Counted(name, {program: row}, Target(place, netns=wire.name)).show(provoke, needs)


def messages() -> str:
    """Send over sockets that are in a map."""
    rows = {"on_stream": 3, "on_message": 4, "on_send": 5}
    arrives = release() >= _INGRESS
    return Counted("sockets", rows, variables={} if arrives else {"verdict": 0}).show(
        lambda collection: exchange(collection.maps["connections"], arrives=arrives)
    )


def shared() -> str:
    """Send to a port that sockets share."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as one,
        socket.socket(type=socket.SOCK_DGRAM) as sender,
    ):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind((HOST, 0))

        def provoke(_: Collection) -> None:
            sender.sendto(b"x", one.getsockname())

        target = Target(str(one.getsockname()[1]), pid=os.getpid())
        return Counted("reuseport", {"on_choice": 0}, target).show(provoke)


def operations() -> str:
    """Let programs control TCP's congestion, registered by a link and without one."""
    spec = parsed("struct_ops")
    names = ["beepy_plain", "beepy_linked"]
    if release() < _STRUCT_OPS_LINKS:
        names.remove("beepy_linked")
        spec = spec._replace(maps=tuple([one for one in spec.maps if one.name != "linked"]))
    try:
        with load(spec) as collection:
            collection.attach()
            for name in names:
                talk(name)
            asked = collection.maps[".bss"].lookup(bytes(4)) or b""
            assert int.from_bytes(asked[:4], "little") > 0
    except KernelError as error:
        return excused(error, Requirements((5, 6), "CONFIG_BPF_JIT"))
    assert not set(names) & set(_CONTROLS.read_text().split())
    return SEEN if len(names) > 1 else f"{SEEN}, without a link"


_CLASSIFIER: Final = Requirements(option="CONFIG_NET_CLS_BPF")
_FILTER: Final = Requirements((6, 4), "CONFIG_NETFILTER_BPF_LINK")

CHECKS: Final = (
    Check("xdp", partial(frames, "net", ALWAYS, {"on_xdp": 0}), ("net",), kinds=("xdp",)),
    Check(
        "xdp.frags",
        partial(frames, "net", Requirements((5, 18)), {"on_frags": 1}),
        ("net",),
        kinds=("xdp.frags",),
    ),
    Check(
        "xdp/devmap", partial(entries, "on_devmap", "device"), ("redirect",), kinds=("xdp/devmap",)
    ),
    Check(
        "xdp/cpumap",
        partial(entries, "on_cpumap", "processor"),
        ("redirect",),
        kinds=("xdp/cpumap",),
    ),
    Check("tc", partial(frames, "net", _CLASSIFIER, {"on_either": 2}), ("net",), kinds=("tc",)),
    Check("tcx", directed, ("new_tc",), kinds=("tcx",)),
    Check("netkit", netkit, ("netkit",), kinds=("netkit",)),
    Check(
        "socket",
        partial(frames, "sockets", ALWAYS, {"on_frame": 0}),
        ("sockets",),
        kinds=("socket",),
    ),
    Check(
        "sk_lookup",
        partial(connections, "sockets", "on_lookup", 1, "", ALWAYS),
        ("sockets",),
        kinds=("sk_lookup",),
    ),
    Check(
        "flow_dissector",
        partial(connections, "sockets", "on_flow", 2, "", ALWAYS),
        ("sockets",),
        kinds=("flow_dissector",),
    ),
    Check("sk_skb, sk_msg", messages, ("sockets",), kinds=("sk_skb", "sk_msg")),
    Check("sk_reuseport", shared, ("reuseport",), kinds=("sk_reuseport",)),
    Check(
        "netfilter",
        partial(connections, "new_netfilter", "on_packet", 0, "ipv4/input", _FILTER),
        ("new_netfilter",),
        kinds=("netfilter",),
    ),
    Check("struct_ops", operations, ("struct_ops",), kinds=("struct_ops",)),
)
