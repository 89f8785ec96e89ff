"""Connections over loopback, and what makes the programs of bpf/test/sockets.bpf.c run."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from beepy.kernel.map import Map

HOST = "127.0.0.1"


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Hold both ends of a TCP connection."""
    with (
        socket.create_server((HOST, 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        yield client, accepted


def exchange(connections: Map, *, arrives: bool = True) -> None:
    """Put one end of a connection into the map, send to it and from it.

    ``arrives`` says whether what is sent to it arrives.
    """
    with connection() as (client, accepted):
        connections.update(bytes(4), client.fileno().to_bytes(4, "little"))
        accepted.sendall(b"to")
        assert not arrives or client.recv(2) == b"to"
        client.sendall(b"from")
        assert accepted.recv(4) == b"from"
        connections.delete(bytes(4))


def talk(control: str) -> None:
    """Send something over a connection whose sender's congestion is controlled so."""
    with socket.create_server((HOST, 0)) as server, socket.socket() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
        client.connect(server.getsockname())
        with server.accept()[0] as peer:
            client.sendall(b"x" * 100)
            assert len(peer.recv(100)) == 100
            peer.sendall(b"y")
            client.recv(1)
