"""What carries requests: connections that a deadline can cut, TLS with the user's authorities, errors as one line."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
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
"""docker's and podman's folders of authorities (``*.crt``) and client certificates (``*.cert``, ``*.key``)."""

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
"""What sending, and reading a body, raise; http.client's own come wrapped."""

_TLS_RECORDS = (b"\x15", b"\x16")  # alert, handshake
_PROBE_S = 5


class Limits(NamedTuple):
    """How long a registry may take: seconds to connect, of silence, for one exchange; and the slowest body."""

    connect_s: float = 5
    read_s: float = 30
    exchange_s: float = 60
    bytes_per_s: int = 32 << 10


class Deadline:
    """Cuts every connection when an exchange takes too long: a body or header that drips meets no socket timeout."""

    def __init__(self, limits: Limits) -> None:
        self.expired = False
        self._limits = limits
        self._lock = threading.Lock()
        self._watched: list[tuple[ref[HTTPConnection], socket.socket]] = []

    def connect(self, connection: HTTPConnection, once: Callable[[], socket.socket]) -> socket.socket:
        """Return a connection's socket, made by ``once``, and watch it (a duplicate: TLS takes the original over)."""
        made = self._first(connection, once)
        with self._lock:
            self._watched.append((ref(connection), made.dup()))
        if self.expired:
            self._cut()
        return made

    def _first(self, connection: HTTPConnection, once: Callable[[], socket.socket]) -> socket.socket:
        """Try the addresses of a name, each for its share of the time: there may be a thousand."""
        name, limit = connection._dns_host, connection.timeout  # noqa: SLF001 - .host lacks the dot at the name's end
        try:
            found = socket.getaddrinfo(name, connection.port, allowed_gai_family(), socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise urllib3.exceptions.NameResolutionError(name, connection, error) from error
        except UnicodeError:
            return once()  # raises: it is no name
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        addresses = dict.fromkeys([socket.getnameinfo(address, numeric)[0] for *_, address in found])  # %scope too
        connection.timeout = min(self._limits.connect_s, self._limits.exchange_s / len(addresses))
        try:
            while True:
                connection.host = next(iter(addresses))
                del addresses[connection.host]
                try:
                    made = once()
                except urllib3.exceptions.ConnectTimeoutError:  # NewConnectionError is one
                    if not addresses or self.expired:
                        raise
                else:
                    made.settimeout(self._limits.connect_s)  # for the handshake
                    return made
        finally:
            connection.host, connection.timeout = name, limit

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut what is connected if the block takes longer than ``seconds``."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            self._forget(lambda connection: connection is None or connection.sock is None)

    def close(self) -> None:
        """Forget the connections."""
        self._forget(lambda _: True)

    def _forget(self, is_over: Callable[[HTTPConnection | None], bool]) -> None:
        with self._lock:
            over = [(connection, watched) for connection, watched in self._watched if is_over(connection())]
            self._watched = [one for one in self._watched if one not in over]
        for _, watched in over:
            watched.close()

    def _cut(self) -> None:
        self.expired = True
        with self._lock:
            for _, watched in self._watched:
                with suppress(OSError):
                    watched.shutdown(socket.SHUT_RDWR)


def adapter(context: ssl.SSLContext, deadline: Deadline) -> requests.adapters.HTTPAdapter:
    """Return the adapter for both schemes: no retries, own TLS context, connections watched by the deadline."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return deadline.connect(self, super()._new_conn)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return deadline.connect(self, super()._new_conn)

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
            """Leave the context as it is: requests would add the authorities of its own bundle to it."""

        def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on
            manager = super().proxy_manager_for(proxy, ssl_context=context, **kwargs)
            manager.pool_classes_by_scheme = pools
            return manager

    return Adapter(max_retries=0)


def tls_context(registry: str, options: Options) -> ssl.SSLContext:
    """Return a context that trusts the system, ``options.ca_file`` and the registry's folders in certs.d."""
    context = ssl.create_default_context()
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if options.ca_file:
        _trust(context, options.ca_file)
    for folder in CERTS_D:
        for path in sorted((folder / registry).glob("*.crt")):
            _trust(context, path)
    return context


def client_context(registry: str, options: Options) -> ssl.SSLContext:
    """Return the same with the client certificate that certs.d has for the registry: for its own origin alone."""
    context = tls_context(registry, options)
    for folder in CERTS_D:
        for path in sorted((folder / registry).glob("*.cert")):
            with _telling(path):
                context.load_cert_chain(path, path.with_suffix(".key"))
    return context


def _trust(context: ssl.SSLContext, path: Path) -> None:
    with _telling(path):
        context.load_verify_locations(cafile=path)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise UsageError(f"{safe(str(path))}: not what PEM holds: {error.reason or error}") from error
    except OSError as error:
        raise UsageError(f"{safe(str(path))}: {error.strerror}") from error


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its name, without asking a name server."""
    parts = host.split(".")
    is_127 = len(parts) == 4 and parts[0] == "127" and all(part.isdigit() for part in parts)
    return is_127 or host.lower() == "localhost" or host == "::1"


def speaks_tls(host: str, port: int) -> bool:
    """Greet a peer with TLS; False only where it answers and the answer is no TLS record."""
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
    """Return the proxies of the environment for a URL; this machine is never reached through one."""
    if is_loopback(host):
        return {}
    found: dict[str, str] = requests.utils.get_environ_proxies(url)
    return found


def explain(error: BaseException, limits: Limits) -> tuple[str, str]:
    """Say in a few words why a request failed (its innermost cause), and what may help, "" if nothing is known to."""
    chain = list(_causes(error))
    if any(isinstance(cause, TimeoutError) and "handshake" in str(cause) for cause in chain):
        return f"no TLS handshake within {limits.connect_s:g} s", ""
    for cause in chain:
        match cause:
            case ssl.SSLCertVerificationError():
                why = excerpt(cause.verify_message.rstrip("."))
                return f"its certificate is refused: {why}", "--ca-file FILE trusts the registry's own authority"
            case ssl.SSLError():
                return f"TLS fails: {excerpt(cause.reason or cause)}", "--plain-http speaks HTTP without TLS"
            case urllib3.exceptions.NewConnectionError():  # a ConnectTimeoutError by inheritance alone
                pass
            case requests.ConnectTimeout() | urllib3.exceptions.ConnectTimeoutError():
                return "no connection in time", ""
            case requests.ReadTimeout() | urllib3.exceptions.ReadTimeoutError() | TimeoutError():
                return f"silent for {limits.read_s:g} s", ""
            case socket.gaierror():
                return f"name look-up fails: {cause.strerror}", ""
            case urllib3.exceptions.IncompleteRead():
                return "the answer is cut short", ""
            case _:
                pass
    last = chain[-1]
    if isinstance(last, OSError) and last.strerror:
        return last.strerror.lower(), ""
    return excerpt(last, 160) or type(last).__name__, ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it wraps: requests keeps it in args, urllib3 in reason, Python in __context__."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        current = todo.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        todo.extend(cause for cause in inner if isinstance(cause, BaseException))


def refuse_late(deadline: Deadline, where: str) -> None:
    """Raise RegistryError if the deadline has cut the connections."""
    if deadline.expired:
        raise RegistryError(f"{where}: the answer takes too long: cut off")
