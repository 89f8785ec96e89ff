"""Redirects, TLS and proxies: where requests go.

Where oras-py's own client falls for it, the test shows that too.
"""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
import urllib3.util.connection
from urllib3.connection import HTTPConnection

from beepy.errors import RegistryError, UsageError
from beepy.oci import client, lookup, reference, transport
from tests.registry.conftest import Authority, Ours, Theirs
from tests.registry.hostile import (
    NAME,
    PROGRAM,
    Call,
    Hostile,
    Seen,
    challenge,
    digest,
    give_token,
    on,
    redirect,
    serving,
)

pytestmark = pytest.mark.registry


def test_a_blob_on_another_https_host_gets_no_credentials(
    tls: Hostile, other: Hostile, ours: Ours
) -> None:
    ours.log_in(tls.host)
    header = f'Bearer realm="{tls.url}/token",service="s"'
    tls.twists += [
        challenge(lambda: header),
        on("/token", give_token),
        redirect("/blobs/", lambda call: f"{other.url}{call.path}?signature=x"),
    ]
    assert ours.pull(tls.image).programs == (PROGRAM,)
    assert len(other.seen) == 2
    assert other.authorizations == set()


def test_a_redirect_from_https_to_http(
    tls: Hostile, plain: Hostile, ours: Ours, theirs: Theirs
) -> None:
    tls.twists.append(redirect("/blobs/", lambda call: plain.url + call.path))
    assert f"redirect from https to '{plain.url}" in ours.refuses(tls.image)
    assert plain.seen == []
    assert theirs.program(tls, tls.image) == PROGRAM
    assert plain.seen


def test_a_detour_over_https_back_to_http(tls: Hostile, plain: Hostile, ours: Ours) -> None:
    plain.twists.append(redirect("/blobs/", lambda call: tls.url + call.path))
    tls.twists.append(redirect("/blobs/", lambda call: plain.url + call.path))
    assert "redirect from https" in ours.refuses(plain.image, plain_http=True)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "file:///etc/passwd",
        "ftp://h/",
        "https://u:p@h/",
        "https://h:99999/",
        "https://[::1/",
        "gopher:x",
    ],
)
def test_a_redirect_to_nowhere(tls: Hostile, ours: Ours, location: str) -> None:
    tls.twists.append(redirect("/blobs/", lambda _: location))
    assert (
        "refused" in (line := ours.refuses(tls.image))
        or "not an " in line
        or "more than 3 redirects" in line
    )


def test_the_body_of_a_redirect_is_not_read(tls: Hostile, ours: Ours, theirs: Theirs) -> None:
    enough, poured = 32 << 20, []

    def pour(call: Call) -> bool:
        call.send_response_only(307)
        call.send_header("Location", "/elsewhere")
        call.end_headers()
        call.close_connection = True
        poured.append(0)
        with contextlib.suppress(OSError):
            while poured[-1] < enough:
                call.wfile.write(bytes(1 << 20))
                poured[-1] += 1 << 20
        return True

    tls.twists.append(on(f"/blobs/{digest(PROGRAM)}", pour))
    ours.refuses(tls.image)
    assert max(poured) < enough
    with pytest.raises(requests.RequestException):
        theirs.pull(tls, tls.image)
    assert poured[-1] == enough


def test_redirects_in_a_circle(tls: Hostile, ours: Ours) -> None:
    tls.twists.append(redirect("/manifests/", lambda call: call.path))
    assert "more than 3 redirects" in ours.refuses(tls.image)
    assert len(tls.seen) == 4


def test_a_certificate_of_nobody(
    tls: Hostile, ours: Ours, authority: Authority, home: Path
) -> None:
    assert "certificate verification failed" in ours.refuses(tls.image, ca_file=None)
    with serving(authority.server("elsewhere.example")) as wrong:
        assert "certificate verification failed" in ours.refuses(wrong.image)
        assert wrong.seen == []
        assert ours.pull(wrong.image, insecure=True).programs == (PROGRAM,)
    for bad in (home / "none.pem", Path(__file__)):
        with pytest.raises(UsageError, match=bad.name):
            ours.pull(tls.image, ca_file=bad)
    folder = home / "certs.d" / tls.host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.ca_file.read_bytes())
    assert ours.pull(tls.image, ca_file=None).programs == (PROGRAM,)


def test_the_bundle_of_requests_is_not_trusted(
    tls: Hostile, ours: Ours, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the system's authorities are, with those of --ca-file and certs.d."""
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(authority.ca_file))
    assert "certificate verification failed" in ours.refuses(tls.image, ca_file=None)
    assert ours.pull(tls.image, ca_file=None, insecure=True).programs == (PROGRAM,)


def test_the_addresses_of_one_answer_share_the_time(
    plain: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved once: a second answer could have a thousand addresses.

    Each connection has its own time limit.
    """
    host, _, port = plain.host.partition(":")
    asked: list[object] = []
    resolve = socket.getaddrinfo

    def answer(name: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - handed on
        asked.append(name)
        names = ["127.0.0.2", "127.0.0.3", host] if name == "many.test" else [name]
        return [found for each in names for found in resolve(each, *args, **options)]

    made: list[float | None] = []
    connect = urllib3.util.connection.create_connection

    def note(address: Any, timeout: Any, **options: Any) -> socket.socket:  # noqa: ANN401 - handed on
        made.append(timeout)
        return connect(address, timeout, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(urllib3.util.connection, "create_connection", note)
    monkeypatch.setattr(client, "LIMITS", transport.Limits(connect_s=5, exchange_s=6))
    image = f"many.test:{port}/{plain.image.partition('/')[2]}"
    assert ours.pull(image, plain_http=True).programs == (PROGRAM,)
    assert asked.count("many.test") == made.count(2) / 3 == len(made) / 3

    deadline = transport.Deadline(transport.Limits(connect_s=5, exchange_s=6))
    connection = HTTPConnection("many.test", int(port), timeout=4)
    with deadline.connect(connection, connection._new_conn) as connected:
        assert (connected.gettimeout(), connection.timeout, connection.host) == (5, 4, "many.test")
    deadline.close()


def test_names_and_addresses_are_asked_for_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name keeps its final dot (no search domains), a link-local address its interface."""
    asked: list[tuple[object, ...]] = []

    def answer(*what: object) -> list[tuple[object, ...]]:
        asked.append(what)
        return [
            (
                socket.AF_INET6,
                socket.SOCK_STREAM,
                6,
                "",
                ("fe80::1", 443, 0, socket.if_nametoindex("lo")),
            )
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(urllib3.util.connection, "HAS_IPV6", False)
    connection = HTTPConnection("registry.test.", 443, timeout=1)
    tried: list[str] = []

    def once() -> socket.socket:
        tried.append(connection.host)
        return socket.socket()

    deadline = transport.Deadline(transport.Limits())
    with deadline.connect(connection, once):
        assert asked == [("registry.test.", 443, socket.AF_INET, socket.SOCK_STREAM)]
        assert tried == ["fe80::1%lo"]
        assert connection._dns_host == "registry.test."
    deadline.close()


def test_a_peer_that_takes_the_connection_and_never_shakes_hands(
    authority: Authority, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LIMITS", transport.Limits(connect_s=0.3, read_s=10, exchange_s=20))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told = ours.refuses(
            f"localhost:{listener.getsockname()[1]}/bee/x:1", ca_file=authority.ca_file
        )
    assert told.endswith("no TLS handshake within 0.3 s")


def test_a_connection_that_is_over_is_let_go(plain: Hostile, ours: Ours) -> None:
    plain.twists.append(redirect("/blobs/", lambda call: f"{plain.url}{call.path}x"))
    options = lookup.Options(storage=ours.store.path, plain_http=True)
    with client.Client(reference.parse(plain.image), options) as asking:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(8):
            with (
                pytest.raises(RegistryError, match="more than 3 redirects"),
                asking.get(asking.blob_url(digest(PROGRAM)), "blob"),
            ):
                pass
        assert len(list(Path("/proc/self/fd").iterdir())) < before + 8


def test_a_loopback_registry_is_asked_over_https_first(tls: Hostile, ours: Ours) -> None:
    """A bad certificate is no reason for plain HTTP; an answer that is no TLS is."""
    ours.refuses(tls.image, ca_file=None)
    assert tls.seen == []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def reply() -> None:
            for _ in range(2):
                peer, _ = listening.accept()
                with peer:
                    head = peer.recv(1)
                    if head == b"\x16":
                        peer.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request")
                    else:
                        peer.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
                    with contextlib.suppress(OSError):
                        while peer.recv(4096):
                            peer.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=reply)
        thread.start()
        assert "ImageNotFound" in ours.refuses(f"127.0.0.1:{port}/x/y:1")
        thread.join()


def test_a_registry_that_wants_a_client_certificate(authority: Authority, ours: Ours) -> None:
    """It is shown to the registry alone, not to where a blob's redirect leads."""
    shown: dict[str, bool] = {}

    def note(name: str) -> Callable[[Call], bool]:
        def twist(call: Call) -> bool:
            assert isinstance(call.connection, ssl.SSLSocket)
            shown[name] = bool(call.connection.getpeercert())
            return False

        return twist

    contexts = [authority.server(), authority.server()]
    for context in contexts:
        context.load_verify_locations(authority.ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    with serving(contexts[0]) as server, serving(contexts[1]) as target:
        server.twists += [
            note("registry"),
            redirect("/blobs/", lambda call: target.url + call.path),
        ]
        target.twists.append(note("target"))
        folder = ours.home / "certs.d" / server.host
        folder.mkdir(parents=True)
        mine = authority.ca.issue_cert("me@example.org")
        mine.private_key_pem.write_to_path(str(folder / "me.key"))
        mine.cert_chain_pems[0].write_to_path(str(folder / "me.cert"))
        assert ours.pull(server.image).programs == (PROGRAM,)
    assert shown == {"registry": True, "target": False}


def splice(call: Call) -> None:
    """Connect as a proxy does, both ways, until one side ends."""
    call.owner.seen.append(Seen(call.command, call.path, call.headers.get("Authorization"), b""))
    host, _, port = call.path.partition(":")
    with socket.create_connection(
        ("127.0.0.1" if host == "registry.example" else host, int(port))
    ) as beyond:
        call.send_response_only(200)
        call.end_headers()
        near = call.connection
        while True:
            for ready in select.select([near, beyond], [], [])[0]:
                data = ready.recv(1 << 16)
                if not data:
                    call.close_connection = True
                    return
                (beyond if ready is near else near).sendall(data)


def test_the_environments_proxy(
    plain: Hostile, authority: Authority, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Call, "do_CONNECT", splice, raising=False)
    monkeypatch.setenv("https_proxy", plain.url)
    monkeypatch.setenv("http_proxy", plain.url)
    with serving(authority.server("registry.example", "127.0.0.1")) as server:
        image = f"registry.example:{server.port}/{NAME}:1"
        assert ours.pull(image).programs == (PROGRAM,)
        assert {(seen.method, seen.path) for seen in plain.seen} == {
            ("CONNECT", f"registry.example:{server.port}")
        }
        plain.seen.clear()
        assert ours.pull(f"registry.example:1/{NAME}:1", plain_http=True).programs == (PROGRAM,)
        assert plain.seen[0].path == f"http://registry.example:1/v2/{NAME}/manifests/1"
        plain.seen.clear()
        assert ours.pull(server.image).programs == (PROGRAM,)
        assert plain.seen == []
