"""HTTP requests, each to one server, within limits of time and size; no authorization."""

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests

from beepy.errors import RegistryError
from beepy.log import Log
from beepy.oci import answers, transport
from beepy.oci.transport import Limits
from beepy.text import excerpt

_log = Log(__name__)

READING = ("GET", "HEAD")
"""Methods that change nothing."""

BUSY = (429, 502, 503, 504)

_CHUNK = 64 << 10
_SEND_BUFFER = 4 << 20  # the largest of a TCP socket (net.ipv4.tcp_wmem)
_MAX_DETAIL = 8 << 10
_RETRIES = 2
_MAX_WAIT_S = 10


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Origin(NamedTuple):
    """The server of a URL (RFC 6454): credentials are sent to the registry's own only."""

    scheme: str
    host: str
    port: int


class Request(NamedTuple):
    """What is sent; ``body`` is bytes, a form, or a ``Body``, which is streamed.

    It may be sent more than once: after a 401, a redirect, or if the server is busy.
    """

    method: str
    url: str
    headers: Mapping[str, str] = _NO_HEADERS
    body: object = None
    json: object = None


class Body:
    """A body of ``size`` bytes; ``read`` opens it again for each time that it is sent."""

    def __init__(self, read: Callable[[], Iterable[bytes]], size: int) -> None:
        self._read = read
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._read())


class Session:
    """Sends requests for one registry, whose origin is ``own``; close it at the end.

    ``where`` begins messages, ``registry`` names the registry in them. Of the environment, requests
    uses nothing but the proxies that ``transport.proxies`` chooses.
    """

    def __init__(
        self, session: requests.Session, own: Origin, where: str, registry: str, limits: Limits
    ) -> None:
        self.own = own
        self.where = where
        self.deadline = transport.Deadline(limits)
        self._limits = limits
        self._session = session
        self._registry = registry
        session.trust_env = False  # no ~/.netrc; proxies are chosen by transport.proxies
        session.auth = _keep_headers
        session.get_redirect_target = _no_redirect_target  # type: ignore[method-assign, assignment] # a hook of requests
        session.headers.update({"Accept-Encoding": "identity", "User-Agent": "beepy"})

    def close(self) -> None:
        """Close every connection."""
        self._session.close()
        self.deadline.close()

    @contextmanager
    def within(self, size: int) -> Iterator[None]:
        """Cut the connections if the block takes longer than a body of ``size`` bytes may take."""
        with self.deadline.within(self._limits.exchange_s + size / self._limits.bytes_per_s):
            yield

    def send(self, request: Request) -> requests.Response:
        """Send a request, and again if the server is busy."""
        for attempt in range(_RETRIES + 1):
            response = self._send_once(request)
            if attempt == _RETRIES or not _may_repeat(request, response):
                break
            seconds = retry_after(response)
            wait_s = 1 << attempt if seconds is None else min(int(seconds), 1 << 20)
            if wait_s > _MAX_WAIT_S:
                break
            response.close()
            _log.info("%s: %s: trying again in %d s", self.where, response.status_code, wait_s)
            time.sleep(wait_s)
        return response

    def _send_once(self, request: Request) -> requests.Response:
        origin = self.origin(request.url)
        path = excerpt(urlsplit(request.url).path, 300)
        _log.debug("%s %s://%s:%d%s", request.method, origin.scheme, origin.host, origin.port, path)
        try:
            return self._session.request(
                request.method,
                request.url,
                data=request.body,  # type: ignore[arg-type] # requests checks it
                json=request.json,
                headers=dict(request.headers),
                stream=True,
                allow_redirects=False,
                timeout=(self._limits.connect_s, self._answer_s(request.body)),
                proxies=transport.proxies(request.url, origin.host),
            )
        except transport.FAILURES as error:
            raise self._failure(error, origin.host) from error

    def _answer_s(self, body: object) -> float:
        """Return the seconds to wait for an answer: what the socket buffers is still to be sent."""
        buffered = min(len(body), _SEND_BUFFER) if isinstance(body, Body) else 0
        return self._limits.read_s + buffered / self._limits.bytes_per_s

    def read(self, response: requests.Response, limit: int, what: str) -> bytes:
        """Return a body; raise RegistryError beyond ``limit`` bytes, which names ``what``."""
        body = bytearray()
        for chunk in self.chunks(response):
            body += chunk
            if len(body) > limit:
                raise RegistryError(f"{self.where}: {what}: more than {limit} bytes")
        return bytes(body)

    def chunks(self, response: requests.Response) -> Generator[bytes]:
        """Yield a body as sent: an unrequested encoding is not decoded, so the digest is wrong.

        Not with ``raw.stream``, which reads the line of a chunk's size without a limit.
        """
        try:
            while chunk := response.raw.read(_CHUNK, decode_content=False):
                yield chunk
        except transport.FAILURES as error:
            raise self._failure(error, urlsplit(response.url).hostname or "") from error
        transport.refuse_late(self.deadline, self.where)

    def detail(self, response: requests.Response) -> str:
        """Return the server's own words as `` (...)``, "" if it has none."""
        body = b""
        with suppress(RegistryError), closing(self.chunks(response)) as chunks:
            for chunk in chunks:
                body += chunk
                if len(body) > _MAX_DETAIL:
                    break
        content_type = response.headers.get("Content-Type", "")
        words = answers.words(body[:_MAX_DETAIL], content_type)
        return f" ({words})" if words else ""

    def location(self, response: requests.Response, what: str = "redirect") -> str:
        """Return the URL of a Location header: of a redirect, or of an upload's next request.

        ``what`` names it in messages. Raises RegistryError if it is not a URL, or leads from https
        to http.
        """
        location = response.headers.get("Location", "")
        where = f"{self.where}: {what}"
        try:
            target = urljoin(response.url, location)
        except ValueError as error:
            raise RegistryError(f"{where} to '{excerpt(location)}': not an address") from error
        scheme = origin_of(target, where).scheme
        if scheme == "http" and urlsplit(response.url).scheme == "https":
            raise RegistryError(f"{where} from https to '{excerpt(location)}': refused")
        return target

    def origin(self, url: str) -> Origin:
        """Return a URL's origin; raise RegistryError if it is not an absolute http(s) URL."""
        return origin_of(url, self.where)

    def _failure(self, error: BaseException, host: str) -> RegistryError:
        transport.refuse_late(self.deadline, self.where)
        at = "" if host == self.own.host else f" ({excerpt(host)})"
        why, advice = transport.explain(error, self._limits)
        refusal = RegistryError(f"{self.where}: {self._registry}{at}: {why}")
        if advice:
            refusal.add_note(advice)
        return refusal


def origin_of(url: str, where: str) -> Origin:
    """Return the origin of an absolute http(s) URL; raise RegistryError for any other text."""
    refusal = RegistryError(f"{where}: '{excerpt(url, 200)}': not an http or https address")
    try:
        parts = urlsplit(url)
        default = {"http": 80, "https": 443}[parts.scheme]
        port = parts.port or default
    except (ValueError, KeyError) as error:
        raise refusal from error
    if not parts.hostname or "@" in parts.netloc or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        raise refusal
    return Origin(parts.scheme, parts.hostname, port)


def host_of(response: requests.Response) -> str:
    """Return host and port of what answered, for messages."""
    return excerpt(urlsplit(response.url).netloc)


def retry_after(response: requests.Response) -> str | None:
    """Return the seconds, in digits, of a Retry-After header; None if it has none, or a date."""
    seconds = response.headers.get("Retry-After", "")
    return seconds if re.fullmatch(r"[0-9]{1,9}", seconds) else None


def _may_repeat(request: Request, response: requests.Response) -> bool:
    """Tell whether a busy server may be sent the request again.

    One that changes something only if the server has refused it: 502 and 504 come from a proxy that
    does not know.
    """
    if request.method in READING:
        return response.status_code in BUSY
    return response.status_code == 429 or (
        response.status_code == 503 and "Retry-After" in response.headers
    )


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Be the session's auth, so that requests looks for none in ~/.netrc or in a URL."""
    return request


def _no_redirect_target(_response: requests.Response) -> None:
    """Hide redirects from requests, which reads their whole body even without following them."""
