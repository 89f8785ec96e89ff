"""One client of the metrics page: what it sent, what it gets."""

import socket
import time
from collections.abc import Iterator, Sequence
from enum import IntEnum
from http import HTTPStatus
from typing import Final, NamedTuple

from beepy.outputs.http_request import MAX_HEAD, Request

PLAIN: Final = "text/plain; charset=utf-8"
_CLOSE: Final = "Connection: close\r\n"
_SENT: Final = 1 << 18  # bytes that the kernel holds for a client that does not read


class State(IntEnum):
    """What a client waits for; of the first ones rather than of the last ones the server takes leave."""

    LINGERING = 0
    READING = 1
    SENDING = 2
    WAITING = 3


class Answer(NamedTuple):
    """An answer, without the header that says whether the connection ends; ``body`` is shared."""

    head: str
    body: Sequence[bytes]


def answer(
    status: HTTPStatus,
    body: Sequence[bytes] | None = None,
    *,
    content_type: str = PLAIN,
    packed: bool = False,
    allow: bool = False,
) -> Answer:
    """Return an answer; without a ``body`` it is what the status says."""
    if body is None:
        body = [f"{status.phrase.lower()}\n".encode()]
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Server: beepy",
        f"Date: {date}",
        f"Content-Type: {content_type}",
        *(["Content-Encoding: gzip"] if packed else []),
        f"Content-Length: {sum(map(len, body))}",
        *(["Allow: GET, HEAD"] if allow else []),
    ]
    return Answer("\r\n".join(lines) + "\r\n", body)


class Client:
    """Owns a connection; has been in its ``state`` ``since`` (of the monotonic clock)."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT)
        self.socket = connection
        self.received = bytearray()
        self.request: Request | None = None
        self.body: Sequence[bytes] = ()
        self.last = False
        self._pieces: Iterator[bytes] = iter(())
        self._rest = memoryview(b"")
        self.enter(State.READING)

    def enter(self, state: State) -> None:
        """Begin to wait for something else."""
        self.state = state
        self.since = time.monotonic()

    def receive(self) -> bool:
        """Take what has come; tell whether the client still sends. Raises OSError."""
        data = self.socket.recv(MAX_HEAD)
        self.received += data
        return bool(data)

    def discard(self) -> bool:
        """Take what has come, for nothing; tell whether the client still sends. Raises OSError."""
        return bool(self.socket.recv(MAX_HEAD))

    def prepare(self, answered: Answer, *, last: bool) -> None:
        """Have an answer to be sent; the connection ends after the ``last`` one."""
        self.last = last
        head = f"{answered.head}{_CLOSE if last else ''}\r\n".encode()
        silent = self.request is not None and self.request.method == "HEAD"
        self.body = () if silent else answered.body
        self._pieces = iter(self.body)
        self._rest = memoryview(head)

    def send(self) -> None:
        """Send all that is left of the answer. Raises BlockingIOError when the client takes no more, OSError."""
        while True:
            while self._rest:
                self._rest = self._rest[self.socket.send(self._rest) :]
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest = memoryview(piece)
        self.body = ()
        self.request = None
