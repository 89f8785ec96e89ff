"""Socket filters: a filter on a packet socket of our own, which sees every frame and keeps none."""

from contextlib import ExitStack

from beepy import uapi
from beepy.errors import AttachError
from beepy.hooks.interface import enter_netns, enter_netns_of_interface
from beepy.hooks.target import Target
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.sys.fd import Fd
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to a packet socket of the interface of --attach, else --iface, else of all interfaces.

    The filter runs for every frame in both directions. Frames that it accepts fill the socket's
    minimal buffer and are then dropped. Raises AttachError.
    """
    import socket  # noqa: PLC0415 - only where there is such a program

    name = target.name or target.iface
    where = f"program '{safe(program.name)}': packet socket"
    with ExitStack() as stack:
        if name:
            stack.enter_context(enter_netns_of_interface(program, target, name))
        else:
            stack.enter_context(enter_netns(program, target.netns))
        try:
            # Protocol 0 receives nothing: no frame of another interface is seen before bind().
            protocol = 0 if name else socket.htons(uapi.ETH_P_ALL)
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, protocol) as packets:
                packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                packets.setsockopt(socket.SOL_SOCKET, uapi.SO_ATTACH_BPF, program.fd.fileno())
                if name:
                    packets.bind((name, uapi.ETH_P_ALL))
                return Link(Fd(packets.detach()))
        except OSError as error:
            raise AttachError.of(where, error) from None
