"""The HTTP server of the metrics: ``/metrics`` and ``/healthz``, in one thread that waits for no client.

Pages are made in a thread beside it, one at a time; all who asked before a page was begun share it::

    accept -> READING a request -> WAITING for a page -> SENDING it -> READING the next one
                                                                   -> LINGERING, where it was the last

A client costs its socket. Where there are too many, the one that waits longest makes room for the next: who asks at
once always gets in. Pages that only slow clients still read are bounded together.
"""

import errno
import os
import selectors
import socket
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from http import HTTPStatus
from typing import Final, NamedTuple

from beepy.errors import BeepyError, OutputError, UsageError
from beepy.log import Log
from beepy.outputs import http_request
from beepy.outputs.exposition import CONTENT_TYPE
from beepy.outputs.http_client import PLAIN, Answer, Client, State, answer
from beepy.outputs.http_request import Request
from beepy.text import safe

CONNECTIONS: Final = 128  # at once
REQUEST_TIME: Final = 10.0  # seconds for a request to arrive whole, and for a kept connection to lie idle
ANSWER_TIME: Final = 30.0  # seconds for an answer to be made and taken
LINGER_TIME: Final = 1.0  # seconds for a client to end a connection after the last answer
CLOSE_TIME: Final = 1.0  # seconds that answers under way get when the server closes
OLD_PAGES: Final = 16 << 20  # bytes of all pages but the newest

_TICK: Final = 1.0  # seconds
_BACKLOG: Final = 128

_log = Log(__name__)


class _Page(NamedTuple):
    """A page made for all who waited: as it is, and packed, as far as somebody takes it so."""

    status: HTTPStatus
    plain: Sequence[bytes]
    packed: Sequence[bytes]


_FAILED: Final = _Page(HTTPStatus.INTERNAL_SERVER_ERROR, [b"internal server error\n"], ())


class MetricsServer:
    """Listens on ``host:port`` (0: any free port) from the start and serves in threads of its own until ``close``.

    ``page`` makes the body of ``/metrics`` in pieces, in a thread of the server; a BeepyError that it raises is
    answered 503. Raises OutputError when the address cannot be listened on.
    """

    def __init__(self, host: str, port: int, page: Callable[[], Sequence[bytes]]) -> None:
        if not 0 <= port < 1 << 16:  # getaddrinfo takes it modulo 2**16
            raise UsageError(f"prometheus: port {port}: not between 0 and 65535")
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = _listener(family, (str(address[0]), int(address[1])))
        except (OSError, UnicodeError) as error:
            raise _refused(host, port, error) from None
        bound = listener.getsockname()
        self.host = str(bound[0])
        self.port = int(bound[1])
        self.url = f"http://{_shown(self.host, self.port)}/metrics"
        self._loop = _Loop(listener, page)
        self._thread = threading.Thread(target=self._loop.run, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, let answers under way end for ``CLOSE_TIME``, and end every thread. Idempotent."""
        if self._thread.is_alive():
            self._loop.stop()
            self._thread.join()
            self._loop.close()


def _listener(family: int, address: tuple[str, int]) -> socket.socket:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        stack.pop_all()
    return listener


def _refused(host: str, port: int, error: Exception) -> OutputError:
    number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
    if number == errno.EADDRINUSE:
        why = "address in use"
    else:
        why = os.strerror(number).lower() if number else str(getattr(error, "strerror", None) or error).lower()
    refused = OutputError(f"prometheus: {safe(_shown(host, port))}: {why}")
    if number == errno.EADDRINUSE:
        refused.add_note("--prom-port chooses another port, --no-metrics serves none")
    return refused


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Loop:
    """What the server's thread runs; it owns ``listener``."""

    def __init__(self, listener: socket.socket, page: Callable[[], Sequence[bytes]]) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._make = page
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._clients: set[Client] = set()
        self._stopping = False
        self._maker: threading.Thread | None = None
        self._asked: list[Client] = []  # whom the page that is being made is for
        self._finished = False  # the maker's last word, after it set ``_made``
        self._made: _Page | None = None

    def stop(self) -> None:
        """Let ``run`` end; from another thread."""
        self._stopping = True
        self._notify()

    def run(self) -> None:
        """Serve until ``stop``, then until the answers under way have been taken."""
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._listen(on=True)
        ticked = time.monotonic()
        while not self._stopping:
            self._turn(ticked + _TICK - time.monotonic())
            if (now := time.monotonic()) >= ticked + _TICK:
                ticked = now
                self._listen(on=True)
                self._drop_late(now)
        self._listen(on=False)
        self._listener.close()
        end = time.monotonic() + CLOSE_TIME
        for client in [one for one in self._clients if one.state in {State.READING, State.LINGERING}]:
            self._drop(client)
        while self._clients and (left := end - time.monotonic()) > 0:
            self._turn(left)
        for client in [*self._clients]:
            self._drop(client)
        if self._maker:
            self._maker.join()
        self._selector.close()

    def close(self) -> None:
        """Release what ``stop`` needs, after ``run``."""
        self._woken.close()
        self._wake.close()

    def _notify(self) -> None:
        with suppress(BlockingIOError):  # it is awake
            self._wake.send(b"\0")

    def _turn(self, seconds: float) -> None:
        for key, _ in self._selector.select(max(seconds, 0)):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._woken:
                self._woken.recv(1 << 12)
            elif key.data in self._clients:  # it may have made room for another one
                self._serve(key.data)
        if self._finished:
            self._deliver()

    def _listen(self, *, on: bool) -> None:
        listening = self._listener in self._selector.get_map()
        if on and not listening:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif listening and not on:
            self._selector.unregister(self._listener)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:  # want of descriptors: until the next tick others may end
            _log.debug("metrics: accept: %s", error)
            self._make_room()
            self._listen(on=False)
            return
        if len(self._clients) >= CONNECTIONS:
            self._make_room()
        client = Client(connection)
        self._clients.add(client)
        self._enter(client, State.READING)
        self._serve(client)

    def _make_room(self) -> None:
        if self._clients:
            self._drop(min(self._clients, key=lambda client: (client.state, client.since)))

    def _drop_late(self, now: float) -> None:
        times = {State.LINGERING: LINGER_TIME, State.READING: REQUEST_TIME}
        for client in [*self._clients]:
            if client.since + times.get(client.state, ANSWER_TIME) <= now:
                self._drop(client)

    def _drop(self, client: Client) -> None:
        self._clients.discard(client)
        if client.socket in self._selector.get_map():
            self._selector.unregister(client.socket)
        client.socket.close()

    def _enter(self, client: Client, state: State) -> None:
        """Let a client wait in another state, for what that waits for."""
        client.enter(state)
        events = {State.SENDING: selectors.EVENT_WRITE, State.WAITING: 0}.get(state, selectors.EVENT_READ)
        if client.socket in self._selector.get_map():
            self._selector.unregister(client.socket)
        if events:
            self._selector.register(client.socket, events, client)

    def _serve(self, client: Client) -> None:
        """Do what a client is ready for, as long as it is."""
        try:
            while client in self._clients and self._advance(client):
                pass
        except BlockingIOError:
            return
        except OSError as error:  # the client was quicker
            _log.debug("metrics: %s", error)
            self._drop(client)

    def _advance(self, client: Client) -> bool:
        """Do a client's next step; tell whether another one may follow. Raises BlockingIOError, OSError."""
        match client.state:
            case State.READING:
                request = http_request.parse(bytes(client.received))
                if request is not None:
                    self._take(client, request)
                elif not client.receive():
                    self._drop(client)
            case State.WAITING:
                return False
            case State.SENDING:
                client.send()
                if client.last or self._stopping:
                    client.socket.shutdown(socket.SHUT_WR)
                self._enter(client, State.LINGERING if client.last or self._stopping else State.READING)
            case State.LINGERING:
                if not client.discard():
                    self._drop(client)
        return True

    def _take(self, client: Client, request: Request | HTTPStatus) -> None:
        """Answer a request, or have a page made for it."""
        if isinstance(request, HTTPStatus):
            self._answer(client, answer(request), last=True)
            return
        if _log.is_debug():
            _log.debug("metrics: %s %s", safe(request.method), safe(request.path))
        del client.received[: request.size]
        client.request = request
        if request.method not in {"GET", "HEAD"}:
            self._answer(client, answer(HTTPStatus.METHOD_NOT_ALLOWED, allow=True), last=True)
        elif request.path == "/metrics":
            self._enter(client, State.WAITING)
            self._begin()
        elif request.path == "/healthz":
            self._answer(client, answer(HTTPStatus.OK, [b"ok\n"]), last=request.last)
        else:
            missing = answer(HTTPStatus.NOT_FOUND, [b"not found: there is /metrics\n"])
            self._answer(client, missing, last=request.last)

    def _answer(self, client: Client, answered: Answer, *, last: bool) -> None:
        client.prepare(answered, last=last)
        self._enter(client, State.SENDING)

    def _bound_pages(self, newest: _Page) -> None:
        """Drop the clients that are slowest until what only they hold is not too much."""
        sending = [one for one in self._clients if one.state is State.SENDING]
        old = sorted(
            [one for one in sending if one.body is not newest.plain and one.body is not newest.packed],
            key=lambda one: one.since,
        )
        while old and sum({id(one.body): sum(map(len, one.body)) for one in old}.values()) > OLD_PAGES:
            self._drop(old.pop(0))

    def _begin(self) -> None:
        """Let a page be made for all who wait, if none is being made."""
        if self._maker:
            return
        self._asked = [client for client in self._clients if client.state is State.WAITING]
        requests = [client.request for client in self._asked if client.request]
        if requests:
            self._finished = False
            self._maker = threading.Thread(target=self._run_maker, name="metrics page", args=(requests,), daemon=True)
            self._maker.start()

    def _run_maker(self, requests: Sequence[Request]) -> None:
        try:
            self._made = self._page(requests)
        finally:  # an error of ours is shown as one, and answered 500
            self._finished = True
            self._notify()

    def _page(self, requests: Sequence[Request]) -> _Page:
        try:
            body = self._make()
            packed: Sequence[bytes] = ()
            if any(request.gzip for request in requests):
                packer = zlib.compressobj(level=1, wbits=31)
                packed = [*[packer.compress(piece) for piece in body], packer.flush()]
            return _Page(HTTPStatus.OK, body if any(not request.gzip for request in requests) else (), packed)
        except BeepyError as error:
            return _Page(HTTPStatus.SERVICE_UNAVAILABLE, [f"{safe(str(error))}\n".encode()], ())
        except MemoryError:
            return _Page(HTTPStatus.SERVICE_UNAVAILABLE, [b"out of memory\n"], ())

    def _deliver(self) -> None:
        """Answer those whom a page was made for, and have the next one made for those who came since."""
        if self._maker:
            self._maker.join()
        self._maker, self._finished = None, False
        page, self._made = self._made or _FAILED, None
        asked, self._asked = self._asked, []
        for client in asked:
            request = client.request
            if client not in self._clients or request is None:
                continue
            kind = CONTENT_TYPE if page.status is HTTPStatus.OK else PLAIN
            packed = request.gzip and bool(page.packed)
            body = page.packed if packed else page.plain
            self._answer(client, answer(page.status, body, content_type=kind, packed=packed), last=request.last)
        self._bound_pages(page)
        for client in asked:
            self._serve(client)
        self._begin()
