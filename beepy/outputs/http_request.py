"""Requests to the metrics page, as RFC 9112 writes them, taken strictly. Pure: bytes in, values out.

What is not strictly a request is refused and its connection ended, and so is one after a request with a body: no
byte that follows it is read as another request.
"""

import re
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

MAX_HEAD: Final = 1 << 14
"""Bytes of a request line and its headers."""

_MAX_HEADERS: Final = 100
_END: Final = b"\r\n\r\n"
_LINE: Final = rb"([!-~]+) ([!-~]+) HTTP/([0-9])\.([0-9])"
_HEADER: Final = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t -~\x80-\xff]*)"
_NOTHING: Final = re.compile(r"q=0(\.0{0,3})?")


class Request(NamedTuple):
    """``path`` is "" for a target that has none; ``last``: the connection ends with the answer."""

    method: str
    path: str
    gzip: bool
    last: bool
    size: int


def parse(received: bytes) -> Request | HTTPStatus | None:
    """Return the first request of what a client sent, None if more of it is to come, else why it is none."""
    head, whole, _ = received.partition(_END)
    line, ended, rest = head.partition(b"\r\n")
    start = _start(line) if whole or ended else None
    if isinstance(start, HTTPStatus):
        return start
    if len(head) > MAX_HEAD:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if ended else HTTPStatus.REQUEST_URI_TOO_LONG
    if not whole or start is None:
        return HTTPStatus.BAD_REQUEST if re.search(rb"(?<!\r)\n|\r[^\n]", received) else None
    headers = _headers(rest)
    if not isinstance(headers, dict):
        return headers
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    closes = "close" in [option.strip() for option in headers.get("connection", "").lower().split(",")]
    return Request(
        start[1].decode(),
        _path(start[2].decode()),
        _takes_gzip(headers.get("accept-encoding", "")),
        has_body or closes or start[4] == b"0",
        len(head) + len(_END),
    )


def _start(line: bytes) -> re.Match[bytes] | HTTPStatus:
    """Return the parts of a request line, or why it is none."""
    parts = re.fullmatch(_LINE, line)
    if not parts:
        return HTTPStatus.BAD_REQUEST
    return parts if parts[3] == b"1" else HTTPStatus.HTTP_VERSION_NOT_SUPPORTED


def _headers(text: bytes) -> dict[str, str] | HTTPStatus:
    """Return the headers by their names in lower case; the values of a name that comes twice are joined."""
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
    """Return the path of a target, which may be a whole URL; "" for what is none."""
    try:
        return urlsplit(target).path
    except ValueError:
        return ""


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, *parameters = [text.strip() for text in part.split(";")]
        if coding == "gzip":
            return not any(_NOTHING.fullmatch(text.replace(" ", "")) for text in parameters)
    return False
