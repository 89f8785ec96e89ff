"""Parse HTTP requests strictly by RFC 9112.

A malformed request is refused and ends its connection. A request with a body ends it too, so that
no byte of a body is ever parsed as another request (request smuggling).
"""

import re
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

MAX_HEAD: Final = 1 << 14
"""Bytes that a request line and its headers may have."""

_MAX_HEADERS: Final = 100
_HEAD_END: Final = b"\r\n\r\n"
_REQUEST_LINE: Final = rb"([!-~]+) ([!-~]+) HTTP/([0-9])\.([0-9])"
_HEADER: Final = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t -~\x80-\xff]*)"
_ZERO_WEIGHT: Final = re.compile(r"q=0(\.0{0,3})?")


class HttpRequest(NamedTuple):
    """A parsed request of ``size`` bytes without a body; ``gzip``: the client accepts gzip.

    ``path`` is "" for a target without one. ``last``: the connection ends after the response.
    """

    method: str
    path: str
    gzip: bool
    last: bool
    size: int


def parse(received: bytes) -> HttpRequest | HTTPStatus | None:
    """Return the first request in ``received``, None if it is incomplete, or the error's status."""
    head, head_end, _ = received.partition(_HEAD_END)
    line, line_end, header_lines = head.partition(b"\r\n")
    request_line = _request_line(line) if head_end or line_end else None
    if isinstance(request_line, HTTPStatus):
        return request_line
    if len(head) > MAX_HEAD:
        if line_end:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        return HTTPStatus.REQUEST_URI_TOO_LONG
    if not head_end or request_line is None:
        # A bare CR or LF can never become a request, whatever follows.
        return HTTPStatus.BAD_REQUEST if re.search(rb"(?<!\r)\n|\r[^\n]", received) else None
    headers = _headers(header_lines)
    if not isinstance(headers, dict):
        return headers
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    options = [option.strip() for option in headers.get("connection", "").lower().split(",")]
    is_http_1_0 = request_line[4] == b"0"
    return HttpRequest(
        method=request_line[1].decode(),
        path=_path(request_line[2].decode()),
        gzip=_accepts_gzip(headers.get("accept-encoding", "")),
        last=has_body or "close" in options or is_http_1_0,
        size=len(head) + len(_HEAD_END),
    )


def _request_line(line: bytes) -> re.Match[bytes] | HTTPStatus:
    """Return the parts of a request line, or the error's status."""
    parts = re.fullmatch(_REQUEST_LINE, line)
    if not parts:
        return HTTPStatus.BAD_REQUEST
    return parts if parts[3] == b"1" else HTTPStatus.HTTP_VERSION_NOT_SUPPORTED


def _headers(text: bytes) -> dict[str, str] | HTTPStatus:
    """Return the headers by lower-case name, with joined values, or the error's status."""
    lines = text.split(b"\r\n") if text else []
    if len(lines) > _MAX_HEADERS:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    headers: dict[str, str] = {}
    for line in lines:
        parts = re.fullmatch(_HEADER, line)
        if not parts:
            return HTTPStatus.BAD_REQUEST
        name, value = parts[1].decode().lower(), parts[2].decode("latin-1").strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _path(target: str) -> str:
    """Return the path of a target, which may be a whole URL; "" if it has none."""
    try:
        return urlsplit(target).path
    except ValueError:
        return ""


def _accepts_gzip(accept_encoding: str) -> bool:
    for part in accept_encoding.lower().split(","):
        coding, *parameters = [text.strip() for text in part.split(";")]
        if coding == "gzip":
            weights = [parameter.replace(" ", "") for parameter in parameters]
            return not any(map(_ZERO_WEIGHT.fullmatch, weights))
    return False
