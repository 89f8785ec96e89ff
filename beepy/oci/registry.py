"""A client of registries (distribution's HTTP API v2, OCI distribution-spec), trusting it with as little as possible.

Credentials and tokens go to the registry's own origin (scheme, host, port), and credentials to the token realm that
this origin itself names; to no redirect's target. Every byte that enters the store has been checked.
"""

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import oras.container
import oras.provider
import requests

from beepy.errors import DigestMismatch, ImageNotFound, RegistryError
from beepy.log import Log
from beepy.oci import answers, auth, formats, transport
from beepy.oci.descriptor import MAX_MANIFEST, Descriptor, check, digest_of, is_digest
from beepy.oci.options import Options
from beepy.oci.reference import DOCKER, Reference
from beepy.oci.store import Store
from beepy.oci.transport import Limits
from beepy.text import excerpt

_log = Log(__name__)

LIMITS = Limits()

_DOCKER_HOST = "registry-1.docker.io"
_CHUNK = 64 << 10
_MAX_TOKEN = 1 << 20
_MAX_DETAIL = 8 << 10
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 3
_BUSY = (429, 502, 503, 504)
_RETRIES = 2
_MAX_WAIT_S = 10
_OTHER_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-zA-Z=_-]{32,}")
_HIDDEN = "the image may not exist, or be private"


class Client(oras.provider.Registry):  # type: ignore[misc] # oras has no types
    """One registry, asked about one repository; close it, or use it in a ``with`` statement.

    Of oras it uses the session, the URLs and the primitives on blobs; how requests are sent, redirected, retried and
    authorised is its own.
    """

    def __init__(self, reference: Reference, options: Options, limits: Limits | None = None) -> None:
        self.where = str(reference)
        self._limits = limits or LIMITS
        self._reference = reference
        self._options = options
        host = _DOCKER_HOST if reference.registry == DOCKER else reference.registry
        super().__init__(host, _is_plain(host, self.where, options), tls_verify=not options.insecure)
        self._origin = _origin(f"{self.prefix}://{host}", self.where)
        self._authorizations: dict[str, str] = {}
        self._is_introduced = False
        self._deadline = transport.Deadline(self._limits)
        self.session.trust_env = False  # no ~/.netrc; proxies are chosen by transport.proxies
        self.session.auth = _untouched
        self.session.get_redirect_target = _no_target
        self.session.headers.update({"Accept-Encoding": "identity", "User-Agent": "beepy"})
        others = transport.adapter(transport.tls_context(reference.registry, options), self._deadline)
        own = transport.adapter(transport.client_context(reference.registry, options), self._deadline)
        self.session.mount("https://", others)
        self.session.mount("http://", others)
        self.session.mount(f"{self.prefix}://{host}/", own)
        self._container = oras.container.Container("x")
        self._container.registry, self._container.repository = host, reference.repository

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self.session.close()
        self._deadline.close()

    def manifest(self, tag: str) -> tuple[Descriptor, bytes]:
        """Return a manifest or index by tag or digest, and its descriptor.

        A digest is checked; for a tag, the registry's own Docker-Content-Digest is.
        """
        url = f"{self.prefix}://{self._container.manifest_url(tag)}"
        headers = {"Accept": ", ".join(formats.MANIFESTS)}
        with self._deadline.within(self._limits.exchange_s), closing(self.do_request(url, headers=headers)) as response:
            self._expect_ok(response, "manifest")
            data = self._read(response, MAX_MANIFEST, "manifest")
        content_type = response.headers.get("Content-Type", "")
        if page := answers.page(data, content_type):
            raise RegistryError(f"{self.where}: manifest: {self._host_of(response)} answers with {page}")
        digest = digest_of(data)
        named = response.headers.get("Docker-Content-Digest", digest)
        if not is_digest(named) and not _OTHER_DIGEST.fullmatch(named):
            raise RegistryError(f"{self.where}: Docker-Content-Digest '{excerpt(named)}': not a digest")
        for wanted in (tag, named):
            if is_digest(wanted):
                check(data, Descriptor("", wanted, len(data)), self.where)
        kind = content_type.partition(";")[0].strip()
        parsed = formats.parse(data, self.where, kind if kind in formats.MANIFESTS else "")
        return Descriptor(parsed.media_type, digest, len(data)), data

    def fetch(self, descriptor: Descriptor, store: Store) -> None:
        """Bring a blob, or the manifest that an index names, into the store."""
        if descriptor.media_type in formats.MANIFESTS:
            store.add_blob(self.blob(descriptor))
            return
        with self._blob(descriptor) as response:
            store.add_blob(self._chunks(response), descriptor, self.where)

    def blob(self, descriptor: Descriptor) -> bytes:
        """Return the same in memory, checked."""
        if descriptor.media_type in formats.MANIFESTS:
            _, data = self.manifest(descriptor.digest)
        else:
            with self._blob(descriptor) as response:
                data = self._read(response, descriptor.size, f"blob {descriptor.digest}")
                return check(data, descriptor, self.where)
        return check(data, descriptor, self.where)

    @contextmanager
    def _blob(self, descriptor: Descriptor) -> Iterator[requests.Response]:
        seconds = self._limits.exchange_s + descriptor.size / self._limits.bytes_per_s
        with (
            self._deadline.within(seconds),
            closing(self.get_blob(self._container, descriptor.digest, stream=True)) as response,
        ):
            self._expect_ok(response, f"blob {descriptor.digest}")
            try:
                yield response
            except DigestMismatch as error:
                content_type = excerpt(response.headers.get("Content-Type", ""), 60)
                if content_type.startswith("text/"):
                    error.add_note(f"{self._host_of(response)} answers with {content_type}")
                raise

    def do_request(  # noqa: PLR0917 - oras's signature
        self,
        url: str,
        method: str = "GET",
        data: dict[str, Any] | bytes | None = None,
        headers: dict[str, str] | None = None,
        json: dict[str, Any] | None = None,
        stream: bool = True,  # noqa: ARG002, FBT001, FBT002 - oras's signature; bodies are always streamed
    ) -> requests.Response:
        """Send a request: to the registry with its authorisation, to where it redirects without."""
        scope = f"repository:{self._reference.repository}:{'pull' if method in ('GET', 'HEAD') else 'pull,push'}"
        redirects, answered = 0, False
        if self._options.username is not None:
            self._introduce(scope)
        while True:
            own = _origin(url, self.where) == self._origin
            sent = {name: value for name, value in (headers or {}).items() if name.lower() != "authorization"}
            if own and scope in self._authorizations:
                sent["Authorization"] = self._authorizations[scope]
            response = self._send_patiently(method, url, sent, data, json)
            if response.status_code == 401 and own and not answered:
                answered = True
                response.close()
                self._authorizations[scope] = self._authorize(response, scope)
            elif response.status_code in (403, 404) and own and self._introduce(scope):
                response.close()
            elif response.status_code in _REDIRECTS and method in ("GET", "HEAD"):
                response.close()
                redirects += 1
                if redirects > _MAX_REDIRECTS:
                    raise RegistryError(f"{self.where}: more than {_MAX_REDIRECTS} redirects")
                url = self._redirected(url, response)
            else:
                return response

    def _send_patiently(
        self, method: str, url: str, headers: dict[str, str], data: dict[str, Any] | bytes | None, json: object
    ) -> requests.Response:
        """Send, and send again what only reads when the server is busy."""
        for attempt in range(_RETRIES + 1):
            response = self._send(method, url, headers, data, json)
            if response.status_code not in _BUSY or method not in ("GET", "HEAD") or attempt == _RETRIES:
                break
            asked = response.headers.get("Retry-After", "")
            wait = min(int(asked), 1 << 20) if re.fullmatch(r"[0-9]{1,9}", asked) else 1 << attempt
            if wait > _MAX_WAIT_S:
                break
            response.close()
            _log.info("%s: %s: trying again in %d s", self.where, response.status_code, wait)
            time.sleep(wait)
        return response

    def _send(
        self, method: str, url: str, headers: dict[str, str], data: object = None, json: object = None
    ) -> requests.Response:
        """Send one request to exactly one place."""
        scheme, host, port = _origin(url, self.where)
        _log.debug("%s %s://%s:%d%s", method, scheme, host, port, excerpt(urlsplit(url).path, 300))
        try:
            response: requests.Response = self.session.request(
                method,
                url,
                data=data,
                json=json,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=(self._limits.connect_s, self._limits.read_s),
                verify=self._tls_verify,
                proxies=transport.proxies(url, host),
            )
        except transport.FAILURES as error:
            raise self._failure(error, host) from error
        return response

    def _failure(self, error: BaseException, host: str) -> RegistryError:
        transport.refuse_late(self._deadline, self.where)
        at = "" if host == self._origin[1] else f" ({excerpt(host)})"
        why, advice = transport.explain(error, self._limits)
        refusal = RegistryError(f"{self.where}: {self._reference.registry}{at}: {why}")
        if advice:
            refusal.add_note(advice)
        return refusal

    def _redirected(self, url: str, response: requests.Response) -> str:
        location = response.headers.get("Location", "")
        try:
            target = urljoin(url, location)
        except ValueError as error:
            raise RegistryError(f"{self.where}: redirect to '{excerpt(location)}': not an address") from error
        scheme, _, _ = _origin(target, f"{self.where}: redirect")
        if scheme == "http" and urlsplit(url).scheme == "https":
            raise RegistryError(f"{self.where}: redirect from https to '{excerpt(location)}': refused")
        return target

    @cached_property
    def _credentials(self) -> auth.Credentials | None:
        return auth.find(self._reference, self._options)

    def _introduce(self, scope: str) -> bool:
        """Log in at /v2/, once, if there are credentials and the registry wants them; tell whether it did.

        A registry that hides from strangers what it has answers 404 for it, and asks for a log-in at /v2/ alone.
        """
        if self._is_introduced or scope in self._authorizations:
            return False
        self._is_introduced = True
        if self._credentials is None:
            return False
        with closing(self._send_patiently("GET", f"{self.prefix}://{self.hostname}/v2/", {}, None, None)) as response:
            if response.status_code == 401:
                self._authorizations[scope] = self._authorize(response, scope)
        return scope in self._authorizations

    def _authorize(self, response: requests.Response, scope: str) -> str:
        """Return the Authorization that the registry's 401 asks for."""
        offered = {way.scheme: way for way in auth.challenges(response.headers.get("WWW-Authenticate", ""))[::-1]}
        credentials = self._credentials
        if "bearer" in offered:
            return "Bearer " + self._token(offered["bearer"], auth.scopes(offered["bearer"], scope), credentials)
        if "basic" not in offered:
            raise RegistryError(f"{self.where}: {self._reference.registry}: asks for a log-in that beepy does not know")
        if credentials is None or not credentials.username:
            raise _advised(RegistryError(f"{self.where}: {self._reference.registry}: wants a user name and a password"))
        return credentials.basic

    def _token(self, challenge: auth.Challenge, scopes: list[str], credentials: auth.Credentials | None) -> str:
        """Ask the realm for a token (distribution's token specification; OAuth2 for an identity token)."""
        realm = challenge.parameters.get("realm", "")
        where = f"{self.where}: token realm '{excerpt(realm, 200)}'"
        scheme, host, _ = _origin(realm, f"{self.where}: token realm")
        if scheme != "https" and self.prefix == "https":
            raise RegistryError(f"{where}: not https, but the registry is: refused")
        service = challenge.parameters.get("service")
        asked = {"service": service} if service else {}
        if credentials and credentials.identity_token:
            form = {"grant_type": "refresh_token", "client_id": "beepy", "refresh_token": credentials.identity_token}
            response = self._send("POST", realm, {}, {"scope": " ".join(scopes), **asked, **form})
        else:
            headers = {"Authorization": credentials.basic} if credentials else {}
            try:
                request = requests.Request("GET", realm, params={"scope": scopes, **asked}).prepare()
            except transport.FAILURES as error:
                raise RegistryError(f"{where}: not an address") from error
            response = self._send_patiently("GET", str(request.url), headers, None, None)
        with closing(response):
            if response.status_code in (401, 403):
                who = "refuses these credentials" if credentials else f"gives no token without credentials: {_HIDDEN}"
                raise _advised(RegistryError(f"{where}: {who}: answers {response.status_code}{self._detail(response)}"))
            if response.status_code != 200:
                detail = self._detail(response)
                raise RegistryError(f"{where}: answers {response.status_code} and not with a token{detail}")
            body = self._read(response, _MAX_TOKEN, "token", host)
        if page := answers.page(body, response.headers.get("Content-Type", "")):
            raise RegistryError(f"{where}: answers with {page} and not with a token")
        return auth.token(body, where)

    def _expect_ok(self, response: requests.Response, what: str) -> None:
        """Raise for every status but 200, with what the registry says of it."""
        status = response.status_code
        if status == 200:
            return
        where = f"{self.where}: {what}"
        host, detail = self._host_of(response), self._detail(response)
        if status == 404:
            error = ImageNotFound(f"{where}: {host} does not have it{detail}")
            if self._options.username is not None and not self._authorizations:
                error.add_note("the registry asked for no credentials: those that were given were not sent")
            raise error
        detail = f"{host} answers {status}{detail}"
        if status in (401, 403):
            is_own = _origin(response.url, where) == self._origin
            hidden = f"{_HIDDEN}: " if is_own and self._credentials is None else ""
            raise _advised(RegistryError(f"{where}: access denied: {hidden}{detail}"))
        if status in _BUSY and re.fullmatch(r"[0-9]{1,9}", asked := response.headers.get("Retry-After", "")):
            detail += f", wants to be asked again in {asked} s"
        raise RegistryError(f"{where}: {detail}")

    @staticmethod
    def _host_of(response: requests.Response) -> str:
        return excerpt(urlsplit(response.url).netloc)

    def _detail(self, response: requests.Response) -> str:
        """Return the server's own words in parentheses, "" where it has none."""
        body = b""
        with suppress(RegistryError):
            for chunk in self._chunks(response, urlsplit(response.url).hostname or ""):
                body += chunk
                if len(body) > _MAX_DETAIL:
                    break
        said = answers.words(body[:_MAX_DETAIL], response.headers.get("Content-Type", ""))
        return f" ({said})" if said else ""

    def _read(self, response: requests.Response, limit: int, what: str, host: str = "") -> bytes:
        body = bytearray()
        for chunk in self._chunks(response, host):
            body += chunk
            if len(body) > limit:
                raise RegistryError(f"{self.where}: {what}: more than {limit} bytes")
        return bytes(body)

    def _chunks(self, response: requests.Response, host: str = "") -> Iterator[bytes]:
        """Yield the body as sent: an encoding that was not asked for is not undone, so its digest is wrong.

        Not with ``raw.stream``, which reads the line of a chunk's size without a limit.
        """
        try:
            while chunk := response.raw.read(_CHUNK, decode_content=False):
                yield chunk
        except transport.FAILURES as error:
            raise self._failure(error, host or self._origin[1]) from error
        transport.refuse_late(self._deadline, self.where)


def _untouched(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Be the session's auth, so that requests looks for none in ~/.netrc or in a URL."""
    return request


def _no_target(_response: requests.Response) -> None:
    """Hide redirects from requests, which would read a redirect's whole body even when told not to follow it."""


def _advised(error: RegistryError) -> RegistryError:
    error.add_note("credentials are read from -u and -p, from -c FILE, and from docker's and podman's log-ins")
    return error


def _is_plain(host: str, where: str, options: Options) -> bool:
    """Decide for plain HTTP: where the user says so, or where a peer on this machine speaks no TLS."""
    _, name, port = _origin(f"https://{host}", where)
    return options.plain_http or (transport.is_loopback(name) and not transport.speaks_tls(name, port))


def _origin(url: str, where: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an absolute http(s) URL; raise RegistryError for any other text."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError) as error:
        raise RegistryError(f"{where}: '{excerpt(url, 200)}': not an http or https address") from error
    if not parts.hostname or "@" in parts.netloc or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        raise RegistryError(f"{where}: '{excerpt(url, 200)}': not an http or https address")
    return parts.scheme, parts.hostname, port
