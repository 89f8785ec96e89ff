"""The HTTP server of the metrics: ``/metrics`` and ``/healthz``, in one thread that never blocks.

Pages are rendered in another thread, one at a time. Requests that arrive before a rendering begins
share its page::

    accept -> READING a request -> WAITING for a page -> SENDING it -> READING the next one
                                                                   -> LINGERING after the last one

A connection costs its socket. Where there are too many, the one that is idle longest is closed for
the next, so that a new client is always served. The memory of pages that only slow clients still
read is bounded too.
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

from beepy import threads
from beepy.errors import BeepyError, OutputError, UsageError
from beepy.log import Log
from beepy.outputs import http_request
from beepy.outputs.exposition import CONTENT_TYPE
from beepy.outputs.http_connection import PLAIN, Connection, Response, State, make_response
from beepy.outputs.http_request import HttpRequest
from beepy.text import safe

CONNECTIONS: Final = 128  # at a time
REQUEST_TIME: Final = 10.0  # seconds until a request is complete, and that a connection may be idle
ANSWER_TIME: Final = 30.0  # seconds to render a response, and to send it
LINGER_TIME: Final = 1.0  # seconds for a client to close its side after the last response
CLOSE_TIME: Final = 1.0  # seconds for unfinished responses when the server closes
OLD_PAGES: Final = 16 << 20  # bytes of all pages but the newest

_TICK: Final = 1.0  # seconds between looks for connections that are late
_BACKLOG: Final = 128

_log = Log(__name__)


class _Page(NamedTuple):
    """A page for all waiting requests; ``plain`` or ``gzipped`` is () if nobody asked for it."""

    status: HTTPStatus
    plain: Sequence[bytes]
    gzipped: Sequence[bytes]


_FAILED: Final = _Page(HTTPStatus.INTERNAL_SERVER_ERROR, [b"internal server error\n"], ())


class MetricsServer:
    """Listens on ``host:port`` (0: any free port) and serves in its own threads until ``close``.

    ``page`` renders the body of ``/metrics`` in pieces, in a thread of the server; if it raises a
    BeepyError, the response is 503. If not ``serving`` yet, connections wait for ``start``. Raises
    OutputError if the address cannot be listened on.
    """

    def __init__(
        self, host: str, port: int, page: Callable[[], Sequence[bytes]], *, serving: bool = True
    ) -> None:
        if not 0 <= port < 1 << 16:  # getaddrinfo takes it modulo 2**16
            raise UsageError(f"prometheus: port {port}: not between 0 and 65535")
        try:
            info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            family, _, _, _, address = info
            listener = _listen(family, (str(address[0]), int(address[1])))
        except (OSError, UnicodeError) as error:
            raise _listen_error(host, port, error) from None
        bound_address = listener.getsockname()
        self.host = str(bound_address[0])
        self.port = int(bound_address[1])
        self.url = f"http://{_host_port(self.host, self.port)}/metrics"
        self._loop = _Loop(listener, page)
        self._thread: threading.Thread | None = None
        if serving:
            self.start()

    def start(self) -> None:
        """Serve from now on."""
        self._thread = threads.start(self._loop.run, "metrics")

    def close(self) -> None:
        """Stop listening, give responses ``CLOSE_TIME`` to finish, end all threads. Idempotent."""
        if self._thread and self._thread.is_alive():
            self._loop.stop()
            self._thread.join()
        self._loop.close()


def _listen(family: int, address: tuple[str, int]) -> socket.socket:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        stack.pop_all()
    return listener


def _listen_error(host: str, port: int, error: Exception) -> OutputError:
    # The errno of gaierror is an EAI_ number, not the system's.
    number = None
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror):
        number = error.errno
    if number == errno.EADDRINUSE:
        why = "address in use"
    elif number:
        why = os.strerror(number).lower()
    else:
        why = str(getattr(error, "strerror", None) or error).lower()
    output_error = OutputError(f"prometheus: {safe(_host_port(host, port))}: {why}")
    if number == errno.EADDRINUSE:
        output_error.add_note("--prom-port chooses another port, --no-metrics serves none")
    return output_error


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Loop:
    """The loop of the server's thread; it owns ``listener`` and all connections."""

    def __init__(self, listener: socket.socket, page: Callable[[], Sequence[bytes]]) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._render = page
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_sender.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._connections: set[Connection] = set()
        self._stopping = False
        self._renderer: threading.Thread | None = None
        self._waiting: list[Connection] = []  # those that the page being rendered is for
        self._rendered = False  # set by the renderer at its end, after ``_page``
        self._page: _Page | None = None

    def stop(self) -> None:
        """Let ``run`` return; from another thread."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Serve until ``stop``, then send unfinished responses for at most ``CLOSE_TIME``."""
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        self._accept_connections(on=True)
        ticked = time.monotonic()
        while not self._stopping:
            self._poll(ticked + _TICK - time.monotonic())
            if (now := time.monotonic()) >= ticked + _TICK:
                ticked = now
                self._accept_connections(on=True)
                self._close_late(now)
        self._accept_connections(on=False)
        self._listener.close()
        end = time.monotonic() + CLOSE_TIME
        for connection in [*self._connections]:
            if connection.state in {State.READING, State.LINGERING}:
                self._close(connection)
        while self._connections and (left := end - time.monotonic()) > 0:
            self._poll(left)
        for connection in [*self._connections]:
            self._close(connection)
        if self._renderer:
            self._renderer.join()
        self._selector.close()

    def close(self) -> None:
        """Release what is open when no thread runs it."""
        self._listener.close()
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # the buffer is full: the loop wakes up anyway
            self._wake_sender.send(b"\0")

    def _poll(self, timeout_s: float) -> None:
        """Wait for events and handle them once."""
        for key, _ in self._selector.select(max(timeout_s, 0)):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._wake_receiver:
                self._wake_receiver.recv(1 << 12)
            elif key.data in self._connections:  # an event before may have closed it
                self._serve(key.data)
        if self._rendered:
            self._deliver()

    def _accept_connections(self, *, on: bool) -> None:
        registered = self._listener in self._selector.get_map()
        if on and not registered:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif registered and not on:
            self._selector.unregister(self._listener)

    def _accept(self) -> None:
        try:
            client_socket, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:  # no descriptor is free: try again at the next tick
            _log.debug("metrics: accept: %s", error)
            self._close_idlest()
            self._accept_connections(on=False)
            return
        if len(self._connections) >= CONNECTIONS:
            self._close_idlest()
        connection = Connection(client_socket)
        self._connections.add(connection)
        self._enter(connection, State.READING)
        self._serve(connection)

    def _close_idlest(self) -> None:
        if self._connections:
            self._close(min(self._connections, key=lambda other: (other.state, other.since)))

    def _close_late(self, now: float) -> None:
        times = {State.LINGERING: LINGER_TIME, State.READING: REQUEST_TIME}
        for connection in [*self._connections]:
            if connection.since + times.get(connection.state, ANSWER_TIME) <= now:
                self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection.socket in self._selector.get_map():
            self._selector.unregister(connection.socket)
        connection.socket.close()

    def _enter(self, connection: Connection, state: State) -> None:
        """Change the state of a connection, and wait for the events of that."""
        connection.enter(state)
        events_of = {State.SENDING: selectors.EVENT_WRITE, State.WAITING: 0}
        events = events_of.get(state, selectors.EVENT_READ)
        if connection.socket in self._selector.get_map():
            self._selector.unregister(connection.socket)
        if events:
            self._selector.register(connection.socket, events, connection)

    def _serve(self, connection: Connection) -> None:
        """Do all steps of a connection that need no waiting."""
        try:
            while connection in self._connections and self._advance(connection):
                pass
        except BlockingIOError:
            return
        except OSError as error:  # the client has closed it
            _log.debug("metrics: %s", error)
            self._close(connection)

    def _advance(self, connection: Connection) -> bool:
        """Do the next step of a connection; return whether another may follow.

        Raises BlockingIOError, OSError.
        """
        match connection.state:
            case State.READING:
                request = http_request.parse(bytes(connection.received))
                if request is not None:
                    self._handle(connection, request)
                elif not connection.receive():
                    self._close(connection)
            case State.WAITING:
                return False
            case State.SENDING:
                connection.send()
                last = connection.last or self._stopping
                if last:
                    connection.socket.shutdown(socket.SHUT_WR)
                self._enter(connection, State.LINGERING if last else State.READING)
            case State.LINGERING:
                if not connection.discard():
                    self._close(connection)
        return True

    def _handle(self, connection: Connection, request: HttpRequest | HTTPStatus) -> None:
        """Respond to a request, or let a page be rendered for it."""
        if isinstance(request, HTTPStatus):
            self._respond(connection, make_response(request), last=True)
            return
        if _log.is_debug():
            _log.debug("metrics: %s %s", safe(request.method), safe(request.path))
        del connection.received[: request.size]
        connection.request = request
        if request.method not in {"GET", "HEAD"}:
            response = make_response(HTTPStatus.METHOD_NOT_ALLOWED, allow=True)
            self._respond(connection, response, last=True)
        elif request.path == "/metrics":
            self._enter(connection, State.WAITING)
            self._start_renderer()
        elif request.path == "/healthz":
            response = make_response(HTTPStatus.OK, [b"ok\n"])
            self._respond(connection, response, last=request.last)
        else:
            response = make_response(HTTPStatus.NOT_FOUND, [b"not found: there is /metrics\n"])
            self._respond(connection, response, last=request.last)

    def _respond(self, connection: Connection, response: Response, *, last: bool) -> None:
        connection.prepare(response, last=last)
        self._enter(connection, State.SENDING)

    def _start_renderer(self) -> None:
        """Render a page for all waiting connections, unless one is being rendered."""
        if self._renderer:
            return
        self._waiting = [
            connection for connection in self._connections if connection.state is State.WAITING
        ]
        requests = [connection.request for connection in self._waiting if connection.request]
        if requests:
            self._rendered = False
            self._renderer = threading.Thread(
                target=self._run_renderer, name="metrics page", args=(requests,), daemon=True
            )
            self._renderer.start()

    def _run_renderer(self, requests: Sequence[HttpRequest]) -> None:
        try:
            self._page = self._render_page(requests)
        finally:  # a fault of ours shows its traceback, and the response is 500
            self._rendered = True
            self._wake()

    def _render_page(self, requests: Sequence[HttpRequest]) -> _Page:
        try:
            plain = self._render()
            gzipped: Sequence[bytes] = ()
            if any(request.gzip for request in requests):
                compressor = zlib.compressobj(level=1, wbits=31)  # 31: with gzip's header
                gzipped = [*[compressor.compress(piece) for piece in plain], compressor.flush()]
            if all(request.gzip for request in requests):
                plain = ()
            return _Page(HTTPStatus.OK, plain, gzipped)
        except BeepyError as error:
            return _Page(HTTPStatus.SERVICE_UNAVAILABLE, [f"{safe(str(error))}\n".encode()], ())
        except MemoryError:
            return _Page(HTTPStatus.SERVICE_UNAVAILABLE, [b"out of memory\n"], ())

    def _deliver(self) -> None:
        """Send the rendered page to the connections it is for, and start the next rendering."""
        if self._renderer:
            self._renderer.join()
        self._renderer, self._rendered = None, False
        page, self._page = self._page or _FAILED, None
        content_type = CONTENT_TYPE if page.status is HTTPStatus.OK else PLAIN
        connections, self._waiting = self._waiting, []
        for connection in connections:
            request = connection.request
            if connection not in self._connections or request is None:
                continue
            gzipped = request.gzip and bool(page.gzipped)
            response = make_response(
                page.status,
                page.gzipped if gzipped else page.plain,
                content_type=content_type,
                gzipped=gzipped,
            )
            self._respond(connection, response, last=request.last)
        self._bound_old_pages(page)
        for connection in connections:
            self._serve(connection)
        self._start_renderer()

    def _bound_old_pages(self, newest: _Page) -> None:
        """Close the slowest connections until older pages take at most ``OLD_PAGES`` bytes."""
        newest_bodies = (newest.plain, newest.gzipped)
        slow = [
            connection
            for connection in self._connections
            if connection.state is State.SENDING
            and not any(connection.body is body for body in newest_bodies)
        ]
        slow.sort(key=lambda connection: connection.since)
        while slow:
            # Connections share a page's body: count it once.
            sizes = {id(other.body): sum(map(len, other.body)) for other in slow}
            if sum(sizes.values()) <= OLD_PAGES:
                break
            self._close(slow.pop(0))
