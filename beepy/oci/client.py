"""A client of registries (OCI distribution-spec): authorization and redirects.

A registry is trusted as little as possible. Credentials and tokens go to its own origin (scheme,
host, port), and credentials to the token realm that this origin itself names; to no redirect's
target.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import oras.container
import oras.provider
import requests

from beepy.errors import ImageError, ImageNotFound, RegistryError
from beepy.oci import answers, auth, transport
from beepy.oci.options import Options
from beepy.oci.reference import DOCKER, Reference
from beepy.oci.session import (
    BUSY,
    READING,
    Request,
    Session,
    host_of,
    origin_of,
    retry_after,
)
from beepy.oci.transport import Limits
from beepy.text import excerpt

LIMITS = Limits()

_DOCKER_HOST = "registry-1.docker.io"
_MAX_TOKEN = 1 << 20
_REDIRECTS = (301, 302, 303, 307, 308)
_KEEPING_REDIRECTS = (307, 308)  # with the method and the body
_MAX_REDIRECTS = 3
_HIDDEN = "the image may not exist, or be private"


class Client(oras.provider.Registry):  # type: ignore[misc] # oras has no types
    """One repository of one registry; close it, or use it in a ``with`` statement.

    With ``push`` it asks for the right to push there from the first request on. ``where`` begins
    messages, in the place of the reference. A reference without a repository is good for
    ``log_in`` only.

    Of oras it uses the requests session and the URLs. How requests are sent, redirected, retried
    and authorized is its own: ``do_request`` replaces oras's, so that oras's primitives on blobs
    and manifests, which all call it, have the same guarantees.
    """

    def __init__(
        self,
        reference: Reference,
        options: Options,
        limits: Limits | None = None,
        *,
        push: bool = False,
        where: str = "",
    ) -> None:
        self.where = where or str(reference)
        self._is_pushing = push
        actions = "pull,push" if push else "pull"
        self._scope = f"repository:{reference.repository}:{actions}" if reference.repository else ""
        self._reference = reference
        self._options = options
        host = _DOCKER_HOST if reference.registry == DOCKER else reference.registry
        plain = _is_plain(host, self.where, options)
        super().__init__(host, plain, tls_verify=not options.insecure)
        own = origin_of(f"{self.prefix}://{host}", self.where)
        self.http = Session(self.session, own, self.where, reference.registry, limits or LIMITS)
        self._authorization = ""
        self._has_introduced = False
        self.session.verify = not options.insecure
        others = transport.tls_context(reference.registry, options)
        registry = transport.client_context(reference.registry, options)
        for prefix in ("https://", "http://"):
            self.session.mount(prefix, transport.adapter(others, self.http.deadline))
        # the client certificate is shown to the registry alone: requests takes the longest prefix
        own_adapter = transport.adapter(registry, self.http.deadline)
        self.session.mount(f"{self.prefix}://{host}/", own_adapter)
        self._container = oras.container.Container("x")
        self._container.registry = host
        self._container.repository = reference.repository

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self.http.close()

    def manifest_url(self, tag: str) -> str:
        """Return the URL of a manifest or index, by tag or digest."""
        return f"{self.prefix}://{self._container.manifest_url(tag)}"

    def blob_url(self, digest: str) -> str:
        """Return the URL of a blob."""
        return f"{self.prefix}://{self._container.get_blob_url(digest)}"

    def referrers_url(self, digest: str) -> str:
        """Return the URL of the list of what refers to a manifest."""
        before, _, _ = self.manifest_url(digest).rpartition("/manifests/")
        return f"{before}/referrers/{digest}"

    @property
    def uploads_url(self) -> str:
        """The URL where uploads of blobs begin."""
        return f"{self.prefix}://{self._container.upload_blob_url()}"

    @contextmanager
    def get(
        self, url: str, what: str, headers: Mapping[str, str] | None = None, size: int = 0
    ) -> Iterator[requests.Response]:
        """Request ``url`` and yield the answer, which has status 200; see ``request``."""
        with self.request(Request("GET", url, headers or {}), what, size=size) as response:
            yield response

    @contextmanager
    def request(
        self, request: Request, what: str, expected: Collection[int] = (200,), size: int = 0
    ) -> Iterator[requests.Response]:
        """Send a request and yield the answer, whose body is not read yet.

        ``what`` names it in messages. The block must end in the time that a body of ``size`` bytes
        may take. If the status is not one of ``expected``, raises RegistryError, or ImageNotFound
        if what should be read is not there.
        """
        with self.http.within(size), closing(self._exchange(request)) as response:
            if response.status_code not in expected:
                raise self._refusal(response, what)
            yield response

    def do_request(  # noqa: PLR0917 - oras's signature
        self,
        url: str,
        method: str = "GET",
        data: dict[str, Any] | bytes | None = None,
        headers: dict[str, str] | None = None,
        json: dict[str, Any] | None = None,
        stream: bool = True,  # noqa: ARG002, FBT001, FBT002 - oras's signature; bodies are always streamed
    ) -> requests.Response:
        """Send what a primitive of oras sends."""
        return self._exchange(Request(method, url, headers or {}, data, json))

    def _exchange(self, request: Request) -> requests.Response:
        """Send a request: to the registry with its authorization, to where it redirects without.

        Redirects are followed if they keep the method, so that what is sent stays what it is.
        """
        kept = _REDIRECTS if request.method in READING else _KEEPING_REDIRECTS
        redirects, has_answered = 0, False
        if self._options.username is not None:
            self._introduce()
        while True:
            is_own = self.http.origin(request.url) == self.http.own
            response = self.http.send(self._authorized(request, is_own=is_own))
            if response.status_code == 401 and is_own and not has_answered:
                has_answered = True
                response.close()
                self._authorization = self._authorize(response)
            elif response.status_code in (403, 404) and is_own and self._introduce():
                response.close()
            elif response.status_code in kept:
                response.close()
                redirects += 1
                if redirects > _MAX_REDIRECTS:
                    raise RegistryError(f"{self.where}: more than {_MAX_REDIRECTS} redirects")
                request = request._replace(url=self.http.location(response))
            else:
                return response

    def _authorized(self, request: Request, *, is_own: bool) -> Request:
        """Return the request with an Authorization for the registry, without any for others."""
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() != "authorization"
        }
        if is_own and self._authorization:
            headers["Authorization"] = self._authorization
        return request._replace(headers=headers)

    @cached_property
    def _credentials(self) -> auth.Credentials | None:
        return auth.find(self._reference, self._options)

    def _introduce(self) -> bool:
        """Log in at /v2/ if there are credentials and the registry wants them; tell whether it did.

        It is tried once. A registry that hides its repositories from strangers answers 404 for
        them, and challenges only at /v2/.
        """
        if self._has_introduced or self._authorization:
            return False
        self._has_introduced = True
        if self._credentials is None:
            return False
        with closing(self.http.send(Request("GET", self._base_url))) as response:
            if response.status_code == 401:
                self._authorization = self._authorize(response)
        return bool(self._authorization)

    def log_in(self, credentials: auth.Credentials) -> bool:
        """Check credentials; return False if the registry does not ask for any.

        Raises RegistryError if it refuses them, or is not a registry.
        """
        self._credentials = credentials
        request = Request("GET", self._base_url)
        with self.http.within(0):
            with closing(self.http.send(request)) as response:
                if response.status_code == 200:
                    return False
                if response.status_code != 401:
                    raise self._no_log_in(response)
                self._authorization = self._authorize(response)
            with closing(self.http.send(self._authorized(request, is_own=True))) as response:
                if response.status_code != 200:
                    raise self._no_log_in(response)
        return True

    def _no_log_in(self, response: requests.Response) -> RegistryError:
        status, detail = response.status_code, self.http.detail(response)
        refused = " refuses these credentials:" if status in (401, 403) else ""
        return RegistryError(
            f"{self.where}: {host_of(response)}{refused} answers {status} at /v2/{detail}"
        )

    @property
    def _base_url(self) -> str:
        return f"{self.prefix}://{self.hostname}/v2/"

    def _authorize(self, response: requests.Response) -> str:
        """Return the Authorization that the registry's 401 asks for."""
        header = response.headers.get("WWW-Authenticate", "")
        offered = {challenge.scheme: challenge for challenge in auth.challenges(header)[::-1]}
        credentials = self._credentials
        if "bearer" in offered:
            bearer = offered["bearer"]
            return "Bearer " + self._token(bearer, auth.scopes(bearer, self._scope), credentials)
        where = f"{self.where}: {self._reference.registry}"
        if "basic" not in offered:
            raise RegistryError(f"{where}: unsupported authentication scheme")
        if credentials is None or not credentials.username:
            raise self._advised(RegistryError(f"{where}: authentication required"))
        return credentials.basic

    def _token(
        self, challenge: auth.Challenge, scopes: list[str], credentials: auth.Credentials | None
    ) -> str:
        """Request a token from the realm, by distribution's token specification.

        An identity token is exchanged by its OAuth2 variant.
        """
        realm = challenge.parameters.get("realm", "")
        where = f"{self.where}: token realm '{excerpt(realm, 200)}'"
        if (
            origin_of(realm, f"{self.where}: token realm").scheme != "https"
            and self.prefix == "https"
        ):
            raise RegistryError(f"{where}: not https, but the registry is: refused")
        service = challenge.parameters.get("service")
        parameters = {"service": service} if service else {}
        if credentials and credentials.identity_token:
            form = {
                "scope": " ".join(scopes),
                **parameters,
                "grant_type": "refresh_token",
                "client_id": "beepy",
                "refresh_token": credentials.identity_token,
            }
            request = Request("POST", realm, body=form)
        else:
            headers = {"Authorization": credentials.basic} if credentials else {}
            query = {"scope": scopes, **parameters}
            try:
                url = str(requests.Request("GET", realm, params=query).prepare().url)
            except transport.FAILURES as error:
                raise RegistryError(f"{where}: not an address") from error
            request = Request("GET", url, headers)
        with closing(self.http.send(request)) as response:
            status = response.status_code
            if status in (401, 403):
                why = "gives no token without credentials"
                if credentials:
                    why = "refuses these credentials"
                elif not self._is_pushing:
                    why += f": {_HIDDEN}"
                detail = self.http.detail(response)
                raise self._advised(RegistryError(f"{where}: {why}: answers {status}{detail}"))
            if status != 200:
                detail = self.http.detail(response)
                raise RegistryError(f"{where}: answers {status} and not with a token{detail}")
            body = self.http.read(response, _MAX_TOKEN, "token")
        if page := answers.page(body, response.headers.get("Content-Type", "")):
            raise RegistryError(f"{where}: answers with {page} and not with a token")
        return auth.token(body, where)

    def _refusal(self, response: requests.Response, what: str) -> ImageError:
        """Return the error for a status, with the registry's own words."""
        status = response.status_code
        is_reading = response.request.method in READING
        where = f"{self.where}: {what}"
        host, detail = host_of(response), self.http.detail(response)
        if status == 404 and is_reading:
            error = ImageNotFound(f"{where}: {host} does not have it{detail}")
            if self._options.username is not None and not self._authorization:
                error.add_note(
                    "the registry did not ask for credentials: those given were not sent"
                )
            return error
        detail = f"{host} answers {status}{detail}"
        if status in (401, 403):
            is_own = self.http.origin(response.url) == self.http.own
            is_hidden = is_own and not self._is_pushing and self._credentials is None
            hidden = f"{_HIDDEN}: " if is_hidden else ""
            return self._advised(RegistryError(f"{where}: access denied: {hidden}{detail}"))
        if status in BUSY and (seconds := retry_after(response)):
            detail += f", retry after {seconds} s"
        too_large = "larger than what it accepts: " if status == 413 else ""
        return RegistryError(f"{where}: {too_large}{detail}")

    def _advised(self, error: RegistryError) -> RegistryError:
        if self._reference.repository:
            error.add_note(
                "credentials are read from -u and -p, from -c FILE, and from log-ins:"
                f" beepy login {self._reference.registry}"
            )
        return error


def _is_plain(host: str, where: str, options: Options) -> bool:
    """Decide for plain HTTP: if the user says so, or if a peer on this machine speaks no TLS."""
    _, name, port = origin_of(f"https://{host}", where)
    if options.plain_http:
        return True
    return transport.is_loopback(name) and not transport.speaks_tls(name, port)
