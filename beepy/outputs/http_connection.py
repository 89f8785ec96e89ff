"""A connection of the metrics server: the bytes received, and the response to send."""

import socket
import time
from collections.abc import Iterator, Sequence
from enum import IntEnum
from http import HTTPStatus
from typing import Final, NamedTuple

from beepy.outputs.http_request import MAX_HEAD, HttpRequest

PLAIN: Final = "text/plain; charset=utf-8"

_CLOSE: Final = "Connection: close\r\n"
_SEND_BUFFER: Final = 1 << 18  # bytes that the kernel holds for a client that does not read


class State(IntEnum):
    """The state of a connection; if there are too many, one in the lowest state is closed."""

    LINGERING = 0
    READING = 1
    SENDING = 2
    WAITING = 3


class Response(NamedTuple):
    """A response; ``head`` has no ``Connection`` header yet, ``body`` is shared by connections."""

    head: str
    body: Sequence[bytes]


def make_response(
    status: HTTPStatus,
    body: Sequence[bytes] | None = None,
    *,
    content_type: str = PLAIN,
    gzipped: bool = False,
    allow: bool = False,
) -> Response:
    """Return a response; the default ``body`` is the phrase of the status.

    ``allow`` adds the header that lists the methods.
    """
    if body is None:
        body = [f"{status.phrase.lower()}\n".encode()]
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Server: beepy",
        f"Date: {date}",
        f"Content-Type: {content_type}",
        *(["Content-Encoding: gzip"] if gzipped else []),
        f"Content-Length: {sum(map(len, body))}",
        *(["Allow: GET, HEAD"] if allow else []),
    ]
    return Response("\r\n".join(lines) + "\r\n", body)


class Connection:
    """Owns the socket of a client; it is in its ``state`` ``since`` (seconds, time.monotonic)."""

    def __init__(self, client_socket: socket.socket) -> None:
        client_socket.setblocking(False)
        client_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.socket = client_socket
        self.received = bytearray()
        self.request: HttpRequest | None = None
        self.body: Sequence[bytes] = ()
        self.last = False
        self._pieces: Iterator[bytes] = iter(())
        self._unsent = memoryview(b"")
        self.enter(State.READING)

    def enter(self, state: State) -> None:
        """Change the state."""
        self.state = state
        self.since = time.monotonic()

    def receive(self) -> bool:
        """Receive what has arrived; return whether the client may send more. Raises OSError."""
        data = self.socket.recv(MAX_HEAD)
        self.received += data
        return bool(data)

    def discard(self) -> bool:
        """Discard what has arrived; return whether the client may send more. Raises OSError."""
        return bool(self.socket.recv(MAX_HEAD))

    def prepare(self, response: Response, *, last: bool) -> None:
        """Set the response that ``send`` sends; the connection ends after the ``last`` one."""
        self.last = last
        head = f"{response.head}{_CLOSE if last else ''}\r\n".encode()
        is_head_request = self.request is not None and self.request.method == "HEAD"
        self.body = () if is_head_request else response.body
        self._pieces = iter(self.body)
        self._unsent = memoryview(head)

    def send(self) -> None:
        """Send the rest of the response. Raises BlockingIOError if the buffer is full, OSError."""
        while True:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._unsent = memoryview(piece)
        self.body = ()
        self.request = None
