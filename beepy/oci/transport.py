"""Below HTTP: connections that a deadline can cut, TLS contexts, errors as one line."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from weakref import ref

import requests.adapters
import requests.utils
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.connection import allowed_gai_family

from beepy.errors import RegistryError, UsageError
from beepy.oci.options import Options
from beepy.text import excerpt, safe

CERTS_D = (Path("/etc/docker/certs.d"), Path("/etc/containers/certs.d"))
"""docker's and podman's: authorities (``*.crt``), client certificates (``*.cert``, ``*.key``)."""

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
"""What sending a request and reading a body raise; http.client's own exceptions come wrapped."""

_TLS_RECORDS = (b"\x15", b"\x16")  # alert, handshake
_PROBE_S = 5


class Limits(NamedTuple):
    """Seconds to connect, of silence, and of one exchange; and the slowest rate of a body."""

    connect_s: float = 5
    read_s: float = 30
    exchange_s: float = 60
    bytes_per_s: int = 32 << 10


class Deadline:
    """Shuts down every connection when an exchange takes too long.

    A socket timeout limits one read only: a server that sends a byte now and then never reaches it.
    """

    def __init__(self, limits: Limits) -> None:
        self.expired = False
        self._limits = limits
        self._lock = threading.Lock()
        self._watched: list[tuple[ref[HTTPConnection], socket.socket]] = []

    def connect(
        self, connection: HTTPConnection, connect_once: Callable[[], socket.socket]
    ) -> socket.socket:
        """Return a connection's socket, created by ``connect_once``, and watch it.

        A duplicate is watched: ``ssl`` detaches the descriptor of the socket that it wraps.
        """
        connected = self._connect_first(connection, connect_once)
        with self._lock:
            self._watched.append((ref(connection), connected.dup()))
        if self.expired:  # the timer fired before the socket was watched
            self._cut()
        return connected

    def connected(self, connection: HTTPConnection) -> None:
        """Let the peer be silent longer than while connecting, as when it stops taking a body."""
        if connection.sock:
            connection.sock.settimeout(self._limits.read_s)

    def _connect_first(
        self, connection: HTTPConnection, connect_once: Callable[[], socket.socket]
    ) -> socket.socket:
        """Connect to the first address of a name that answers; the addresses share the time.

        urllib3 tries every address with the whole timeout, and a name may have a thousand: the name
        is resolved here, and urllib3 is given one address at a time.
        """
        # not .host, which lacks the dot at the name's end that forbids search domains
        name, timeout = connection._dns_host, connection.timeout  # noqa: SLF001
        try:
            resolved = socket.getaddrinfo(
                name, connection.port, allowed_gai_family(), socket.SOCK_STREAM
            )
        except socket.gaierror as error:
            raise urllib3.exceptions.NameResolutionError(name, connection, error) from error
        except UnicodeError:
            return connect_once()  # raises: not a valid name
        # as text, with the %scope of a link-local address; the same one once
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        names = [socket.getnameinfo(address, numeric)[0] for *_, address in resolved]
        addresses = dict.fromkeys(names)
        connection.timeout = min(self._limits.connect_s, self._limits.exchange_s / len(addresses))
        try:
            while True:
                connection.host = next(iter(addresses))
                del addresses[connection.host]
                try:
                    connected = connect_once()
                except urllib3.exceptions.ConnectTimeoutError:  # NewConnectionError is one
                    if not addresses or self.expired:
                        raise
                else:
                    connected.settimeout(self._limits.connect_s)  # for the TLS handshake
                    return connected
        finally:
            connection.host, connection.timeout = name, timeout

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Shut down all connections if the block takes longer than ``seconds``."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            # what is still connected stays in the pool, and is watched for the next exchange
            self._forget(lambda connection: connection is None or connection.sock is None)

    def close(self) -> None:
        """Forget the connections."""
        self._forget(lambda _: True)

    def _forget(self, is_closed: Callable[[HTTPConnection | None], bool]) -> None:
        with self._lock:
            closed = [pair for pair in self._watched if is_closed(pair[0]())]
            self._watched = [pair for pair in self._watched if pair not in closed]
        for _, watched in closed:
            watched.close()

    def _cut(self) -> None:
        self.expired = True
        with self._lock:
            for _, watched in self._watched:
                with suppress(OSError):
                    watched.shutdown(socket.SHUT_RDWR)


def adapter(context: ssl.SSLContext, deadline: Deadline) -> requests.adapters.HTTPAdapter:
    """Return an adapter for both schemes, with this TLS context; ``deadline`` watches connections.

    The classes exist because requests and urllib3 have no parameter for it. urllib3 creates sockets
    in ``_new_conn`` of a connection class (of ``create_connection`` only options can be set), a
    pool names its connection class in ``ConnectionCls``, a pool manager its pools by scheme in
    ``pool_classes_by_scheme``, and requests creates its pool managers in the methods overridden
    below.
    """

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return deadline.connect(self, super()._new_conn)

        def connect(self) -> None:
            super().connect()
            deadline.connected(self)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return deadline.connect(self, super()._new_conn)

        def connect(self) -> None:
            super().connect()
            deadline.connected(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    pools = {"http": PlainPool, "https": TlsPool}

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - handed on
            super().init_poolmanager(*args, ssl_context=context, **kwargs)
            self.poolmanager.pool_classes_by_scheme = pools

        def cert_verify(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            """Do nothing: requests would add the authorities of its own bundle to the context."""

        def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on
            manager = super().proxy_manager_for(proxy, ssl_context=context, **kwargs)
            manager.pool_classes_by_scheme = pools
            return manager

    return Adapter(max_retries=0)


def tls_context(registry: str, options: Options) -> ssl.SSLContext:
    """Return a context that trusts the system, ``options.ca_file`` and the registry's certs.d."""
    context = ssl.create_default_context()
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if options.ca_file:
        _trust(context, options.ca_file)
    for directory in CERTS_D:
        for path in sorted((directory / registry).glob("*.crt")):
            _trust(context, path)
    return context


def client_context(registry: str, options: Options) -> ssl.SSLContext:
    """Return the same with the registry's client certificate of certs.d: for its origin only."""
    context = tls_context(registry, options)
    for directory in CERTS_D:
        for path in sorted((directory / registry).glob("*.cert")):
            with _usage_errors(path):
                context.load_cert_chain(path, path.with_suffix(".key"))
    return context


def _trust(context: ssl.SSLContext, path: Path) -> None:
    with _usage_errors(path):
        context.load_verify_locations(cafile=path)


@contextmanager
def _usage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise UsageError(f"{safe(str(path))}: not a PEM file: {error.reason or error}") from error
    except OSError as error:
        raise UsageError(f"{safe(str(path))}: {error.strerror}") from error


def is_loopback(host: str) -> bool:
    """Tell whether a host name is this machine's loopback, without a DNS query."""
    parts = host.split(".")
    is_127 = len(parts) == 4 and parts[0] == "127" and all(part.isdigit() for part in parts)
    return is_127 or host.lower() == "localhost" or host == "::1"


def speaks_tls(host: str, port: int) -> bool:
    """Send a TLS ClientHello; return False only if the peer's answer is not a TLS record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=host).do_handshake()
    try:
        with socket.create_connection((host, port), timeout=_PROBE_S) as peer:
            peer.sendall(outgoing.read())
            answer = peer.recv(1)
    except OSError:
        return True
    return not answer or answer in _TLS_RECORDS


def proxies(url: str, host: str) -> dict[str, str]:
    """Return the proxy of the environment for a URL, by its scheme; none for this machine itself.

    Raises ValueError, without the proxy's address (it may hold a password), if that is malformed.
    """
    if is_loopback(host):
        return {}
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if not proxy:
        return {}
    address = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_proxy(address):
        raise ValueError("proxy of the environment: expected http://HOST:PORT or https://HOST:PORT")
    return {url.partition(":")[0]: address}


def _is_proxy(address: str) -> bool:
    try:
        parts = urllib3.util.parse_url(address)
    except urllib3.exceptions.LocationParseError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.host)


def explain(error: BaseException, limits: Limits) -> tuple[str, str]:
    """Return why a request failed, by its innermost cause, and advice, "" if there is none."""
    chain = list(_causes(error))
    if proxy := _failed_proxy(chain):
        # its answer must come within the time of a connection
        why, _ = _explain(chain, limits._replace(read_s=limits.connect_s))
        return f"proxy {proxy}: {why}", ""
    return _explain(chain, limits)


def _failed_proxy(chain: Iterable[BaseException]) -> str:
    """Return host and port of the proxy that failed, never its user and password; "" if none did.

    urllib3 has no exception for a proxy that is silent: the URL is the proxy's then.
    """
    for cause in chain:
        if isinstance(cause, urllib3.exceptions.RequestError):
            proxy = getattr(cause.pool, "proxy", None)
            is_refused = isinstance(getattr(cause, "reason", None), urllib3.exceptions.ProxyError)
            if proxy and (is_refused or cause.url == proxy.url):
                return excerpt(f"{proxy.host}:{proxy.port}")
    return ""


def _explain(chain: Sequence[BaseException], limits: Limits) -> tuple[str, str]:
    if any(isinstance(cause, TimeoutError) and "handshake" in str(cause) for cause in chain):
        return f"no TLS handshake within {limits.connect_s:g} s", ""
    for cause in chain:
        match cause:
            case ssl.SSLCertVerificationError():
                why = excerpt(cause.verify_message.rstrip("."))
                return (
                    f"certificate verification failed: {why}",
                    "--ca-file FILE trusts the registry's own authority",
                )
            case ssl.SSLError():
                return (
                    f"TLS failed: {excerpt(cause.reason or cause)}",
                    "--plain-http speaks HTTP without TLS",
                )
            # a ConnectTimeoutError by inheritance alone
            case urllib3.exceptions.NewConnectionError():
                pass
            case requests.ConnectTimeout() | urllib3.exceptions.ConnectTimeoutError():
                return "connection timed out", ""
            case requests.ReadTimeout() | urllib3.exceptions.ReadTimeoutError() | TimeoutError():
                return f"no answer for {limits.read_s:g} s", ""
            case socket.gaierror():
                return f"name resolution failed: {cause.strerror}", ""
            case http.client.RemoteDisconnected():
                return "connection closed without an answer", ""
            case urllib3.exceptions.IncompleteRead():
                return "connection closed before the end of the answer", ""
            case _:
                pass
    last = chain[-1]
    if isinstance(last, OSError) and last.strerror:
        return last.strerror.lower(), ""
    return excerpt(last, 160) or type(last).__name__, ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those in its args (requests), reason (urllib3) and __context__."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        current = todo.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [
            getattr(current, "reason", None),
            *current.args,
            current.__cause__,
            current.__context__,
        ]
        todo.extend(cause for cause in inner if isinstance(cause, BaseException))


def refuse_late(deadline: Deadline, where: str) -> None:
    """Raise RegistryError if the deadline has shut the connections down."""
    if deadline.expired:
        raise RegistryError(f"{where}: timed out")
