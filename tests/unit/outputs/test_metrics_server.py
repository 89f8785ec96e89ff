"""The metrics server over real loopback connections."""

import gzip
import http.client
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import pytest

from beepy.errors import OutputError, UsageError
from beepy.outputs import metrics_server
from beepy.outputs.exposition import CONTENT_TYPE
from beepy.outputs.metrics_server import MetricsServer
from tests.support.told import notes

PAGE = [b"# HELP a \n", b"# TYPE a counter\n", b"a 1\n"]
WAIT = 20  # seconds; only a hang gets there


def page() -> Sequence[bytes]:
    return PAGE


class Pieces(list[bytes]):
    """A page that can be referred to weakly."""


@contextmanager
def serving(server: MetricsServer) -> Iterator[http.client.HTTPConnection]:
    with (
        closing(server),
        closing(http.client.HTTPConnection(server.host, server.port, timeout=WAIT)) as client,
    ):
        yield client
    assert not server_threads()


def server_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("metrics")]


@pytest.fixture
def server() -> MetricsServer:
    return MetricsServer("127.0.0.1", 0, page)


def test_the_page_and_its_headers(server: MetricsServer) -> None:
    with serving(server) as client:
        client.request("GET", "/metrics?name=x")
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, b"".join(PAGE))
        assert (
            answer.headers["Content-Type"]
            == CONTENT_TYPE
            == "text/plain; version=0.0.4; charset=utf-8"
        )
        assert answer.headers["Content-Encoding"] is None
        assert answer.headers["Server"] == "beepy"


def test_connections_wait_until_it_starts() -> None:
    server = MetricsServer("127.0.0.1", 0, page, serving=False)
    with serving(server) as client:
        assert not server_threads()
        client.request("GET", "/metrics")
        server.start()
        assert client.getresponse().read() == b"".join(PAGE)


def test_one_that_never_starts_is_closed() -> None:
    server = MetricsServer("127.0.0.1", 0, page, serving=False)
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), WAIT)


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
        ("xgzip", False),
        ("", False),
    ],
)
def test_gzip_when_asked(server: MetricsServer, accepted: str, zipped: bool) -> None:
    with serving(server) as client:
        client.request("GET", "/metrics", headers={"Accept-Encoding": accepted})
        answer = client.getresponse()
        body = answer.read()
        assert (answer.headers["Content-Encoding"] == "gzip") == zipped
        assert (gzip.decompress(body) if zipped else body) == b"".join(PAGE)


def test_one_connection_serves_many_requests(server: MetricsServer) -> None:
    with serving(server) as client:
        seen = []
        for method, path in (
            ("GET", "/healthz"),
            ("HEAD", "/metrics"),
            ("GET", "/"),
            ("GET", "/metrics/"),
            ("HEAD", "/x"),
        ):
            client.request(method, path)
            answer = client.getresponse()
            seen.append((answer.status, answer.read(), int(answer.headers["Content-Length"])))
            assert client.sock is not None
        missing = b"not found: there is /metrics\n"
        assert seen == [
            (200, b"ok\n", 3),
            (200, b"", len(b"".join(PAGE))),
            (404, missing, len(missing)),
            (404, missing, len(missing)),
            (404, b"", len(missing)),
        ]


def test_a_target_that_is_not_a_url_is_not_found(server: MetricsServer) -> None:
    with serving(server) as client:
        client.connect()
        client.send(b"GET http://[/metrics HTTP/1.1\r\nConnection: close\r\n\r\n")
        with client.sock.makefile("rb") as stream:
            answer = stream.read()
        assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert answer.endswith(b"\r\n\r\nnot found: there is /metrics\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_other_methods_are_refused(server: MetricsServer, method: str) -> None:
    with serving(server) as client:
        client.request(method, "/metrics", body=b"GET /healthz HTTP/1.1\r\n\r\n")
        answer = client.getresponse()
        assert (answer.status, answer.headers["Allow"], answer.headers["Connection"]) == (
            405,
            "GET, HEAD",
            "close",
        )


def test_a_body_is_not_read_as_the_next_request(server: MetricsServer) -> None:
    with serving(server) as client:
        client.request("GET", "/healthz", body=b"GET /metrics HTTP/1.1\r\n\r\n")
        assert client.sock is not None
        stream = client.sock.makefile("rb")
        with stream:
            assert stream.read().count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"GET /metrics HTTP/1.1 x\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"GET /metrics HTTP/7.0\r\n\r\n", b"HTTP/1.1 505 HTTP Version Not Supported\r\n"),
        (b"GET /".ljust(65537, b"x"), b"HTTP/1.1 414 "),
    ],
)
def test_a_malformed_request_is_refused(server: MetricsServer, sent: bytes, answer: bytes) -> None:
    with serving(server), socket.create_connection((server.host, server.port), WAIT) as client:
        client.sendall(sent)
        with client.makefile("rb") as stream:
            assert stream.readline().startswith(answer)


def test_nothing_is_written_to_stderr(
    server: MetricsServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(server) as client:
        client.request("GET", "/x")
        client.getresponse().read()
        with socket.create_connection((server.host, server.port), WAIT) as other:
            other.sendall(b"GET /metrics HTTP/1.1\r\n")
    assert capfd.readouterr() == ("", "")


def test_an_error_of_the_page_is_503() -> None:
    def fails() -> Sequence[bytes]:
        raise OutputError("prometheus: tables: not read within 5 s")

    with serving(MetricsServer("127.0.0.1", 0, fails)) as client:
        client.request("GET", "/metrics")
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (503, b"prometheus: tables: not read within 5 s\n")


def test_a_port_in_use_is_an_error(server: MetricsServer) -> None:
    with serving(server):
        with pytest.raises(OutputError) as caught:
            MetricsServer(server.host, server.port, page)
        assert str(caught.value) == f"prometheus: 127.0.0.1:{server.port}: address in use"
        assert "--prom-port" in notes(caught.value)[0]


@pytest.mark.parametrize(
    ("host", "port"),
    [("192.0.2.1", 0), ("no such host", 0), ("a\x1b.b", 1), ("x" * 70, 1), ("", 0)],
)
def test_an_address_that_cannot_be_listened_on_is_an_error(host: str, port: int) -> None:
    with pytest.raises(OutputError, match=r"prometheus: \S.*: [a-z]") as caught:
        MetricsServer(host, port, page)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_a_usage_error(port: int) -> None:
    with pytest.raises(UsageError, match=f"port {port}: not between 0 and 65535"):
        MetricsServer("127.0.0.1", port, page)


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        server = MetricsServer("::1", 0, page)
    except OutputError as error:
        pytest.skip(str(error))
    with serving(server) as client:
        client.request("GET", "/healthz")
        assert client.getresponse().read() == b"ok\n"


def test_idle_connections_are_closed_for_new_ones(server: MetricsServer) -> None:
    """Who holds many connections, and renews them, keeps nobody from the page."""
    with serving(server) as client, ExitStack() as stack:
        for _ in range(3):
            for _ in range(metrics_server.CONNECTIONS):
                stack.enter_context(socket.create_connection((server.host, server.port), WAIT))
            client.close()
            client.request("GET", "/metrics")
            assert client.getresponse().read() == b"".join(PAGE)


def test_the_connection_that_is_idle_longest_is_closed_first(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "CONNECTIONS", 2)
    address = (server.host, server.port)
    with serving(server) as client, socket.create_connection(address, WAIT) as idle:
        client.request("GET", "/healthz")
        client.getresponse().read()
        with socket.create_connection(address, WAIT):
            assert idle.recv(1) == b""
            client.request("GET", "/healthz")
            assert client.getresponse().read() == b"ok\n"


def test_slow_readers_share_pages_and_old_ones_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new page for each of them: what is held is the newest and those of ``OLD_PAGES``."""
    monkeypatch.setattr(metrics_server, "OLD_PAGES", 20 << 20)
    size = 8 << 20
    held: list[weakref.ref[Pieces]] = []

    def page() -> Sequence[bytes]:
        made = Pieces([bytes(1 << 18)] * (size >> 18))
        held.append(weakref.ref(made))
        return made

    server = MetricsServer("127.0.0.1", 0, page)
    with serving(server) as client, ExitStack() as stack:
        for number in range(8):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((server.host, server.port))
            slow.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert slow.recv(1)  # its page is made
            assert len(held) == number + 1
        client.request("GET", "/metrics")
        assert len(client.getresponse().read()) == size
        # Two old pages, the newest, and the one just read.
        assert sum(one() is not None for one in held) <= 3 + 1
        assert held[0]() is None


def test_many_requests_at_once_on_one_connection(server: MetricsServer) -> None:
    with serving(server), socket.create_connection((server.host, server.port), WAIT) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n" * 3000 + b"GET /x HTTP/1.0\r\n\r\n")
        with client.makefile("rb") as stream:
            answers = stream.read()
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3000
    assert answers.count(b"HTTP/1.1 404 Not Found\r\n") == 1


@pytest.mark.parametrize(
    "header",
    [b"Content-Length: 30\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n"],
)
def test_no_request_is_smuggled_in_a_body(server: MetricsServer, header: bytes) -> None:
    with serving(server), socket.create_connection((server.host, server.port), WAIT) as client:
        smuggled = b"0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n"
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + header + b"\r\n" + smuggled)
        with client.makefile("rb") as stream:
            answers = stream.read()
    assert answers.count(b"HTTP/1.1 ") == 1
    assert b"a 1\n" not in answers


def test_a_page_that_fails_is_500_and_the_next_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[type[BaseException] | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: told.append(arguments.exc_type))
    pages: list[Sequence[bytes]] = [PAGE]

    def page() -> Sequence[bytes]:
        if len(told) < 1:
            raise ZeroDivisionError
        return pages.pop()

    with serving(MetricsServer("127.0.0.1", 0, page)) as client:
        answers = []
        for _ in range(2):
            client.request("GET", "/metrics")
            answer = client.getresponse()
            answers.append((answer.status, answer.read()))
    assert answers == [(500, b"internal server error\n"), (200, b"".join(PAGE))]
    assert told == [ZeroDivisionError]


def test_the_server_survives_without_a_free_descriptor() -> None:
    code = """
import http.client, os, resource, socket
from beepy.outputs.metrics_server import MetricsServer
server = MetricsServer("127.0.0.1", 0, lambda: [b"a 1\\n"])
client = http.client.HTTPConnection(server.host, server.port, timeout=20)
waiting = [socket.socket() for _ in range(4)]
resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), 4096))
for one in waiting:
    one.connect((server.host, server.port))  # nobody can accept it
for one in waiting:
    one.close()
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
client.request("GET", "/metrics")
print(client.getresponse().read())
client.close()
server.close()
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("b'a 1\\n'\n", "")


def test_a_client_that_sends_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "REQUEST_TIME", 0.0)
    server = MetricsServer("127.0.0.1", 0, page)
    with serving(server), socket.create_connection((server.host, server.port), WAIT) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        assert client.recv(100) == b""


def test_a_client_that_reads_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "ANSWER_TIME", 0.0)
    server = MetricsServer("127.0.0.1", 0, lambda: [b"x" * 65536] * 1024)
    with serving(server), socket.create_connection((server.host, server.port), WAIT) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert client.recv(1)
        while server._loop._connections:
            threading.Event().wait(0.01)


def test_closing_finishes_responses_and_closes_idle_connections() -> None:
    asked, closing_now = threading.Event(), threading.Event()

    def waits() -> Sequence[bytes]:
        asked.set()
        assert closing_now.wait(WAIT)
        raise OutputError("prometheus: the run ends")

    server = MetricsServer("127.0.0.1", 0, waits)
    answers: list[int] = []

    def scrape() -> None:
        with closing(http.client.HTTPConnection(server.host, server.port, timeout=WAIT)) as client:
            client.request("GET", "/metrics")
            answers.append(client.getresponse().status)

    thread = threading.Thread(target=scrape)
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=WAIT)) as idle:
        idle.request("GET", "/healthz")
        idle.getresponse().read()
        thread.start()
        assert asked.wait(WAIT)
        closing_now.set()
        server.close()
        assert not server_threads()
    thread.join(WAIT)
    assert answers == [503]
    server.close()  # idempotent


def test_closing_does_not_wait_for_a_client_that_reads_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics_server, "CLOSE_TIME", 0.0)
    server = MetricsServer("127.0.0.1", 0, lambda: [b"x" * 65536] * 1024)
    with socket.create_connection((server.host, server.port), WAIT) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert client.recv(1)  # the answer is under way
        server.close()
        assert not server_threads()
