"""A proxy on 127.0.0.1 (RFC 9110, 9.3.6): CONNECT, and requests in absolute form."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import requests


class Handler(BaseHTTPRequestHandler):
    """One connection to the proxy."""

    protocol_version = "HTTP/1.1"
    server: "Proxy"

    def do_CONNECT(self) -> None:
        self.server.seen.append(f"CONNECT {self.path}")
        self.server.authorizations.append(self.headers.get("Proxy-Authorization"))
        if self.server.instead and self.server.instead(self):
            self.close_connection = True
            return
        port = int(self.path.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as peer:
            self.send_response_only(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(peer, self.connection))
            back.start()
            _copy(self.connection, peer)
            back.join()
        self.close_connection = True

    def do_GET(self) -> None:
        self.server.seen.append(f"GET {self.path}")
        self.server.authorizations.append(self.headers.get("Proxy-Authorization"))
        url = urlsplit(self.path)
        headers = {name: self.headers[name] for name in ("Accept", "Range") if name in self.headers}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"http://127.0.0.1:{url.port}{url.path}", headers=headers)
        self.send_response_only(answer.status_code)
        for name in ("Content-Type", "Docker-Content-Digest"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Proxy(ThreadingHTTPServer):
    """It takes every host to be this machine; ``instead`` answers a CONNECT in its own way."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[str] = []
        self.authorizations: list[str | None] = []
        self.instead: Callable[[Handler], bool] | None = None
        self.open: set[socket.socket] = set()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = self.socket.accept()
        self.open.add(connection)
        return connection, address

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients hang up on purpose here."""

    def close(self) -> None:
        self.shutdown()
        self.thread.join()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy what comes until the end, and hand the end on."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxying() -> Iterator[Proxy]:
    proxy = Proxy()
    try:
        yield proxy
    finally:
        proxy.close()
