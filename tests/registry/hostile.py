"""A registry on 127.0.0.1 that can lie: a thread for each connection, every request noted."""

import contextlib
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

from beepy.oci.formats import bee
from beepy.oci.manifest import OCI_MANIFEST

PROGRAM = b"\x7fELF" + bytes(range(256)) * 16
NAME = "bee/exitsnoop"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Seen(NamedTuple):
    """One request that arrived."""

    method: str
    path: str
    authorization: str | None
    body: bytes


class Call(BaseHTTPRequestHandler):
    """One request, for a twist to answer as it likes."""

    protocol_version = "HTTP/1.1"
    owner: "Hostile"

    def do_GET(self) -> None:
        for twist in self.owner.early_twists:
            if twist(self):
                return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.owner.seen.append(
            Seen(self.command, self.path, self.headers.get("Authorization"), body)
        )
        for twist in self.owner.twists:
            if twist(self):
                return
        self.owner.serve(self)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - named by http.server

    @property
    def route(self) -> str:
        return urlsplit(self.path).path

    def answer(self, status: int, body: bytes = b"", **headers: str) -> bool:
        self.send_response_only(status)
        sent = {"Content_Length": str(len(body)), **headers}
        for name, value in sent.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"" if self.command == "HEAD" else body)
        return True

    def wait_until_cut(self) -> bool:
        """Stay silent until the client goes away or the server stops."""
        with contextlib.suppress(OSError):
            self.rfile.read(1)
        self.close_connection = True
        return True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Twist = Callable[[Call], bool]


class Hostile(ThreadingHTTPServer):
    """Serves one bee image, by default ``bee/exitsnoop:1``, unless a twist answers first."""

    daemon_threads = False

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        address: tuple[str, int] = ("127.0.0.1", 0),
        image: str = f"{NAME}:1",
        program: bytes = PROGRAM,
    ) -> None:
        handler = type("Handler", (Call,), {"owner": self})
        super().__init__(address, handler)
        self.tls = tls
        self.name, _, self.tag = image.partition(":")
        self.seen: list[Seen] = []
        self.twists: list[Twist] = []
        self.early_twists: list[Twist] = []  # before the body is read
        self.blobs = {digest(blob): blob for blob in (program, b"{}")}
        self.manifest = bee.write_manifest(program, {})
        self.manifest_type = OCI_MANIFEST
        self.open: set[socket.socket] = set()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}"

    @property
    def image(self) -> str:
        return f"{self.host}/{self.name}:{self.tag}"

    @property
    def pinned(self) -> str:
        return f"{self.host}/{self.name}@{digest(self.manifest)}"

    @property
    def authorizations(self) -> set[str]:
        return {seen.authorization for seen in self.seen if seen.authorization}

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = self.socket.accept()
        if self.tls:
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients hang up on purpose here."""

    def close(self) -> None:
        self.shutdown()
        self.thread.join()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def serve(self, call: Call) -> bool:
        """Answer as an honest registry does."""
        kind, _, name = call.route.removeprefix(f"/v2/{self.name}/").partition("/")
        if kind == "manifests" and name in {self.tag, digest(self.manifest)}:
            return call.answer(
                200,
                self.manifest,
                Content_Type=self.manifest_type,
                Docker_Content_Digest=digest(self.manifest),
            )
        if kind in {"manifests", "blobs"} and name in self.blobs:
            return call.answer(200, self.blobs[name], Content_Type=OCI_MANIFEST)
        return call.answer(404, b'{"errors":[{"code":"NOT_FOUND","message":"nothing here"}]}')

    def replace_manifest(self, **changes: object) -> None:
        self.manifest = json.dumps({**json.loads(self.manifest), **changes}).encode()


def on(part: str, action: Twist) -> Twist:
    """Let ``action`` answer where the path holds ``part``."""
    return lambda call: part in call.route and action(call)


def program_is(body: bytes) -> Twist:
    return on(f"/blobs/{digest(PROGRAM)}", lambda call: call.answer(200, body))


def challenge(header: Callable[[], str], unless: str = "Bearer good") -> Twist:
    """Answer 401 with a WWW-Authenticate header to what does not show ``unless``."""

    def twist(call: Call) -> bool:
        if not call.route.startswith("/v2/") or call.headers.get("Authorization") == unless:
            return False
        return call.answer(401, b"{}", WWW_Authenticate=header())

    return twist


def give_token(call: Call) -> bool:
    return call.answer(200, b'{"token":"good"}')


def redirect(part: str, location: Callable[[Call], str], status: int = 307) -> Twist:
    return on(part, lambda call: call.answer(status, Location=location(call)))


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    server = Hostile(tls)
    try:
        yield server
    finally:
        server.close()
