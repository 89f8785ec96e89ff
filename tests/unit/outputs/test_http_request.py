"""Requests that are parsed, and that nothing else is parsed as one."""

import random
from http import HTTPStatus

import pytest

from beepy.outputs.http_request import MAX_HEAD, HttpRequest, parse

GET = b"GET /metrics HTTP/1.1\r\n"


def request(data: bytes) -> HttpRequest:
    parsed = parse(data)
    assert isinstance(parsed, HttpRequest), parsed
    return parsed


def test_a_request() -> None:
    data = GET + b"Host: x\r\nAccept-Encoding: br, gzip\r\n\r\n"
    assert request(data) == HttpRequest("GET", "/metrics", gzip=True, last=False, size=len(data))
    assert request(data + b"GET").size == len(data)
    assert request(GET + b"\r\n") == HttpRequest(
        "GET", "/metrics", gzip=False, last=False, size=len(GET) + 2
    )


@pytest.mark.parametrize("length", range(len(GET) + 9))
def test_an_incomplete_request_is_none(length: int) -> None:
    assert parse((GET + b"Host: x\r\n\r\n")[:length]) is None


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/metrics?name=x", "/metrics"),
        (b"http://x/metrics", "/metrics"),
        (b"//metrics", ""),
        (b"http://[/metrics", ""),
        (b"*", "*"),
    ],
)
def test_the_path(target: bytes, path: str) -> None:
    assert request(b"GET " + target + b" HTTP/1.1\r\n\r\n").path == path


@pytest.mark.parametrize(
    ("header", "last"),
    [
        (b"", False),
        (b"Connection: keep-alive\r\n", False),
        (b"Connection: TE, Close\r\n", True),
        (b"Content-Length: 0\r\n", False),
        (b"Content-Length: 5\r\n", True),
        (b"Content-Length: -1\r\n", True),
        (b"Content-Length: 0\r\nContent-Length: 9\r\n", True),
        (b"content-LENGTH:\t0x0 \r\n", True),
        (b"Transfer-Encoding: chunked\r\n", True),
        (b"Content-Length: 0\r\nTransfer-Encoding: identity\r\n", True),
    ],
)
def test_a_request_that_may_have_a_body_is_the_last(header: bytes, last: bool) -> None:
    assert request(GET + header + b"\r\n").last == last
    assert request(GET.replace(b"1.1", b"1.0") + header + b"\r\n").last


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET /metrics\r\n\r\n",  # HTTP/0.9
        b"GET  /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1 \r\n\r\n",
        b"GET /met\0rics HTTP/1.1\r\n\r\n",
        "GET /metrics HTTP/\u0661.1\r\n\r\n".encode(),
        b"GET /metrics HTTP/1.11\r\n\r\n",
        b"GET /metrics HTTP/1.1\nHost: x\n\n",
        b"\r\n" + GET + b"\r\n",
        GET + b"Transfer-Encoding : chunked\r\n\r\n",
        GET + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n",
        GET + b"X: a\rContent-Length: 5\r\n\r\n",
        GET + b"X: a\nContent-Length: 5\r\n\r\n",
        GET + b"X: \0\r\n\r\n",
        GET + b"no header\r\n\r\n",
        GET + b": x\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n",
    ],
)
def test_a_malformed_request_is_refused(data: bytes) -> None:
    assert parse(data) is HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        (b"GET /" + b"a" * MAX_HEAD, HTTPStatus.REQUEST_URI_TOO_LONG),
        (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n\r\n", HTTPStatus.REQUEST_URI_TOO_LONG),
        (GET + b"X: " + b"a" * MAX_HEAD, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (GET + 101 * b"X: y\r\n" + b"\r\n", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    ],
)
def test_a_refusal_names_its_reason(data: bytes, status: HTTPStatus) -> None:
    assert parse(data) is status


def test_random_bytes_raise_nothing() -> None:
    dice = random.Random(13)
    words = [
        b"GET ",
        b"/metrics",
        b" HTTP/1.1",
        b"\r\n",
        b"\r",
        b"\n",
        b":",
        b" ",
        b"Content-Length",
        b"5",
        b"\0",
        b"\xff",
    ]
    for _ in range(5000):
        data = b"".join(dice.choices(words, k=dice.randint(0, 12)))
        parsed = parse(data)
        if isinstance(parsed, HttpRequest):
            assert data[: parsed.size].endswith(b"\r\n\r\n")
