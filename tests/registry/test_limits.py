"""What is too much, too slow, or nothing, ends in time.

Where oras-py's own client falls for it, the test shows that too.
"""

import contextlib
import re
import socket
import threading
import time
from types import SimpleNamespace
from typing import Any

import oras.layout
import oras.provider
import pytest
import requests

from beepy.oci import client, transport
from tests.registry.conftest import Ours, Theirs
from tests.registry.hostile import (
    NAME,
    PROGRAM,
    Call,
    Hostile,
    digest,
    on,
)

pytestmark = pytest.mark.registry


def test_an_endless_body(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    enough = 16 << 20

    def pour(call: Call) -> bool:
        call.send_response_only(200)
        call.end_headers()
        call.close_connection = True
        poured = 0
        with contextlib.suppress(OSError):
            while poured < enough:
                call.wfile.write(bytes(1 << 20))
                poured += 1 << 20
        sizes.append(poured)
        return True

    sizes: list[int] = []
    plain.twists.append(on(f"/blobs/{digest(PROGRAM)}", pour))
    assert "more than the expected" in ours.refuses(plain.image, plain_http=True)
    assert len(theirs.program(plain, plain.image)) == enough
    assert sizes[-1] == enough
    assert all(size < enough for size in sizes[:-1])


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_an_endless_line_of_a_chunks_size(plain: Hostile, ours: Ours, part: str) -> None:
    def pour(call: Call) -> bool:
        call.send_response_only(200)
        call.send_header("Transfer-Encoding", "chunked")
        call.end_headers()
        with contextlib.suppress(OSError):
            while True:
                call.wfile.write(b"0" * (1 << 16))
        call.close_connection = True
        return True

    plain.twists.append(on(part, pour))
    ours.refuses(plain.image, plain_http=True)


@pytest.mark.parametrize("where", ["header", "manifest", "blob"])
def test_a_drip_is_cut_off_in_time(
    plain: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """No socket's timeout ever passes: only the bound on the whole exchange ends this."""
    ended = threading.Event()

    def drip(call: Call) -> bool:
        if where != "header":
            call.send_response_only(200)
            call.send_header("Content-Length", str(len(PROGRAM)))
            call.end_headers()
        with contextlib.suppress(OSError):
            while True:
                call.wfile.write(b"x")
                ended.wait(0.01)
        call.close_connection = True
        return True

    plain.twists.append(on("/blobs/" if where == "blob" else "/manifests/", drip))
    monkeypatch.setattr(
        client, "LIMITS", transport.Limits(5, 10, exchange_s=0.3, bytes_per_s=1 << 30)
    )
    assert "timed out" in ours.refuses(plain.image, plain_http=True)
    ended.set()


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_a_silent_server(
    plain: Hostile, ours: Ours, theirs: Theirs, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    twist = on(part, Call.wait_until_cut)
    plain.twists.append(twist)
    monkeypatch.setattr(client, "LIMITS", transport.Limits(5, read_s=0.3, exchange_s=20))
    assert "no answer for 0.3 s" in ours.refuses(plain.image, plain_http=True)
    plain.twists.remove(twist)
    timeouts: list[object] = []
    send = requests.Session.send

    def note(
        self: requests.Session,
        request: requests.PreparedRequest,
        **kwargs: Any,  # noqa: ANN401 - handed on
    ) -> requests.Response:
        timeouts.append(kwargs["timeout"])
        return send(self, request, **kwargs)

    monkeypatch.setattr(requests.Session, "send", note)
    theirs.program(plain, plain.image)
    assert set(timeouts) == {None}, "oras-py would have waited for ever"


def test_nobody_listens(
    ours: Ours, theirs: Theirs, plain: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        assert "connection refused" in ours.refuses(f"{host}/{NAME}:1", plain_http=True)
        assert "connection refused" in ours.refuses(f"{host}/{NAME}:1")
        assert slept == []
        monkeypatch.setattr(oras.decorator, "time", SimpleNamespace(sleep=slept.append))
        with pytest.raises(requests.ConnectionError):
            theirs.client(plain).pull(f"{host}/{NAME}:1")
        assert sum(slept) > 120


def test_a_huge_manifest(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    plain.replace_manifest(annotations={"a": "x" * (5 << 20)})
    assert "manifest: more than 4194304 bytes" in ours.refuses(plain.image, plain_http=True)
    assert theirs.program(plain, plain.image) == PROGRAM


@pytest.mark.parametrize(
    "case",
    [
        (503, "0", 3, "answers 503"),
        (429, "3600", 1, "answers 429, retry after 3600 s$"),
        (502, "99999999999999999999", 3, "answers 502"),
        (504, "Tue, 24 Nov 2026 10:00:00 GMT", 3, "answers 504"),
        (500, "0", 1, "answers 500"),
    ],
)
def test_a_busy_registry(
    plain: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch, case: tuple[int, str, int, str]
) -> None:
    status, after, tries, why = case
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    plain.twists.append(lambda call: call.answer(status, Retry_After=after))
    assert re.search(why, ours.refuses(plain.image, plain_http=True))
    assert len(plain.seen) == tries
    assert sum(slept) <= 20


def test_a_registry_that_is_busy_once(plain: Hostile, ours: Ours) -> None:
    plain.twists.append(lambda call: len(plain.seen) == 1 and call.answer(429, Retry_After="0"))
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
