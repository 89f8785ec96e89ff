"""The HTTP server of the metrics: ``/metrics`` and ``/healthz``, bounded in threads and in a client's time."""

import errno
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Final
from urllib.parse import urlsplit

from beepy.errors import BeepyError, OutputError, UsageError
from beepy.log import Log
from beepy.outputs.exposition import CONTENT_TYPE
from beepy.text import safe

CONNECTIONS: Final = 32  # at once, a thread each; one more is answered 503
REQUEST_TIME: Final = 10.0  # seconds for a request to arrive whole, and for a kept connection to lie idle
ANSWER_TIME: Final = 30.0  # seconds for an answer to be made and taken
CLOSE_TIME: Final = 1.0  # seconds that answers under way get when the server closes

_PLAIN: Final = "text/plain; charset=utf-8"
_TOO_MANY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_log = Log(__name__)


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
            self._server = _Server(family, (str(address[0]), int(address[1])), page)
        except (OSError, UnicodeError) as error:
            raise _refused(host, port, error) from None
        bound = self._server.server_address
        self.host = str(bound[0])
        self.port = int(bound[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", args=(1.0,), daemon=True)
        self._thread.start()
        self.url = f"http://{_shown(self.host, self.port)}/metrics"

    def close(self) -> None:
        """Stop listening, let answers under way end for ``CLOSE_TIME``, and end every thread. Idempotent."""
        if self._thread.is_alive():
            self._server.wake()
            self._server.shutdown()
            self._thread.join()
            self._server.hang_up()
        self._server.server_close()


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


class _Server(ThreadingHTTPServer):
    """Accepts connections; each has a deadline, after which it is shut down under its thread's hands."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, family: int, address: tuple[str, int], page: Callable[[], Sequence[bytes]]) -> None:
        self.address_family = family
        self.page = page
        self._open: dict[socket.socket, float] = {}  # connection -> deadline
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without http.server's look-up of the host's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: object, client_address: object) -> None:
        """Give a new connection its thread, or refuse it."""
        assert isinstance(request, socket.socket)
        with self._changed:
            full = len(self._open) >= CONNECTIONS
            if not full:
                self._open[request] = time.monotonic() + REQUEST_TIME
        if full:
            _log.debug("metrics: more than %d connections", CONNECTIONS)
            request.setblocking(False)
            request.send(_TOO_MANY)
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def allow(self, connection: socket.socket, seconds: float) -> None:
        """Move a connection's deadline to ``seconds`` from now."""
        with self._changed:
            if connection in self._open:
                self._open[connection] = time.monotonic() + seconds

    def shutdown_request(self, request: object) -> None:
        """Close a connection, from its own thread."""
        assert isinstance(request, socket.socket)
        with self._changed:
            self._open.pop(request, None)
            self._changed.notify_all()
            super().shutdown_request(request)

    def service_actions(self) -> None:
        """End what is overdue; the accept loop calls this once a second."""
        now = time.monotonic()
        self._shut(socket.SHUT_RDWR, now)

    def _shut(self, how: int, at: float) -> None:
        with self._changed:
            for connection, deadline in self._open.items():
                if deadline <= at:
                    _shut_down(connection, how)

    def wake(self) -> None:
        """Make the accept loop look up: its listening socket becomes readable."""
        _shut_down(self.socket, socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """End all connections: idle ones now, those that still answer after ``CLOSE_TIME``."""
        self._shut(socket.SHUT_RD, float("inf"))
        with self._changed:
            self._changed.wait_for(lambda: not self._open, CLOSE_TIME)
        self._shut(socket.SHUT_RDWR, float("inf"))

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's signature
        """Note a connection that broke; stderr is the command's."""
        _log.debug("metrics: connection from %s", client_address, exc_info=True)


def _shut_down(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError as error:  # the client was quicker
        _log.debug("metrics: shutdown: %s", error)


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer GET and HEAD."""
        self.server.allow(self.connection, ANSWER_TIME)
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body is not read, and is no next request
        match _path(self.path):
            case "/metrics":
                self._metrics()
            case "/healthz":
                self._answer(HTTPStatus.OK, [b"ok\n"], _PLAIN)
            case _:
                self._answer(HTTPStatus.NOT_FOUND, [b"not found: there is /metrics\n"], _PLAIN)
        self.server.allow(self.connection, REQUEST_TIME)

    do_HEAD = do_GET  # noqa: N815

    def _metrics(self) -> None:
        try:
            pieces = self.server.page()
        except BeepyError as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, [f"{error}\n".encode()], _PLAIN)
            return
        encoding = {}
        if _takes_gzip(self.headers.get("Accept-Encoding", "")):
            packer = zlib.compressobj(level=1, wbits=31)
            pieces = [*[packer.compress(piece) for piece in pieces], packer.flush()]
            encoding = {"Content-Encoding": "gzip"}
        self._answer(HTTPStatus.OK, pieces, CONTENT_TYPE, encoding)

    def _answer(
        self, status: HTTPStatus, pieces: Sequence[bytes], content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(sum(map(len, pieces))))
        self.end_headers()
        if self.command != "HEAD":
            for piece in pieces:
                self.wfile.write(piece)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what http.server itself refuses: a method that has no ``do_`` (its 501), a malformed request."""
        allowed = {"Connection": "close"}
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code = HTTPStatus.METHOD_NOT_ALLOWED
            allowed["Allow"] = "GET, HEAD"
        self.close_connection = True
        self.request_version = self.protocol_version  # else what is no request counts as HTTP/0.9, without headers
        status = HTTPStatus(code)
        self._answer(status, [f"{status.phrase.lower()}\n".encode()], _PLAIN, allowed)

    def version_string(self) -> str:
        """Return the Server header: no version of anything."""
        return "beepy"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Log a request, whose text is the client's."""
        if _log.debugs():
            _log.debug("metrics: %s", safe(format % args))


def _path(target: str) -> str:
    """Return the path of a request's target, which may be a whole URL; "" for what is none."""
    try:
        return urlsplit(target).path
    except ValueError:
        return ""


def _takes_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding header allows gzip."""
    for part in accepted.lower().split(","):
        coding, *parameters = [text.strip() for text in part.split(";")]
        if coding == "gzip":
            return not any(text.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for text in parameters)
    return False
