"""Socket filters: a packet socket of our own, whose filter sees every frame and keeps none."""

from contextlib import ExitStack

from beepy import uapi
from beepy.errors import AttachError
from beepy.hooks.interface import interface, namespace
from beepy.hooks.target import Target
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.sys.fd import Fd
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to a packet socket of the interface of --attach, else --iface, else of all; both directions are seen.

    What the filter accepts fills the socket's small buffer, and the rest of it is dropped: it runs for every frame.
    Raises AttachError.
    """
    import socket  # noqa: PLC0415 - only where there is such a program

    name = target.name or target.iface
    where = f"program '{safe(program.name)}': packet socket"
    with ExitStack() as stack:
        if name:
            stack.enter_context(interface(program, target, name))
        else:
            stack.enter_context(namespace(program, target.netns))
        try:
            protocol = 0 if name else socket.htons(uapi.ETH_P_ALL)  # 0: nothing is seen before it is bound
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, protocol) as made:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                made.setsockopt(socket.SOL_SOCKET, uapi.SO_ATTACH_BPF, program.fd.fileno())
                if name:
                    made.bind((name, uapi.ETH_P_ALL))
                return Link(Fd(made.detach()))
        except OSError as error:
            raise AttachError.of(where, error) from None
