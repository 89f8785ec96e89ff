"""Credentials of the user, and challenges of a registry.

Opens no socket; no message has a secret in it.
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from beepy.errors import RegistryError, UsageError
from beepy.log import Log
from beepy.oci.options import Options, bee_dir, default_config_dir, home
from beepy.oci.ownership import refuse_others
from beepy.oci.reference import DOCKER, Reference
from beepy.text import safe

_log = Log(__name__)

_DOCKER_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
_MAX_SCOPES = 8
_CHANGING = ("push", "delete", "*")

MAX_CONFIG = 1 << 20
"""Limit of a credentials file in bytes."""

RUN = Path("/run/containers")
"""Where skopeo and podman keep log-ins, by user id, if XDG_RUNTIME_DIR is unset: as for root."""


class Credentials(NamedTuple):
    """Name and password, or an identity token that a realm exchanges for a bearer token."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return "Credentials(...)"

    @property
    def basic(self) -> str:
        """The value of an Authorization header.

        Raises RegistryError for text that cannot be encoded.
        """
        try:
            # surrogateescape: the bytes that the command line had
            pair = f"{self.username}:{self.password}".encode(errors="surrogateescape")
        except UnicodeEncodeError:
            raise RegistryError("credentials: user name or password is not valid text") from None
        return "Basic " + base64.b64encode(pair).decode("ascii")


def find(reference: Reference, options: Options) -> Credentials | None:
    """Return the command line's credentials, else those of the first file that has any."""
    if options.username is not None:
        return Credentials(options.username, options.password or "")
    for path in options.configs:
        if not path.is_file():
            raise UsageError(f"{safe(str(path))}: no such credentials file")
    return next((credentials for _, credentials in in_files(reference, options)), None)


def in_files(reference: Reference, options: Options) -> Iterator[tuple[Path, Credentials]]:
    """Yield the credentials for a registry in the files, each file's path with its own."""
    for path in (*options.configs, *_files(options)):
        if credentials := _from_file(path, reference):
            yield path, credentials


def _files(options: Options) -> Iterator[Path]:
    """Yield the credentials files of beepy, bee, docker and podman."""
    if options.config_dir:
        yield options.config_dir / "config.json"
    else:
        yield default_config_dir() / "config.json"
        yield bee_dir() / "config.json"
    docker = os.environ.get("DOCKER_CONFIG")
    yield (Path(docker) if docker else home() / ".docker") / "config.json"
    if podman := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(podman)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    yield (Path(runtime) / "containers" if runtime else RUN / str(os.getuid())) / "auth.json"
    config = os.environ.get("XDG_CONFIG_HOME")
    yield (Path(config) if config else home() / ".config") / "containers" / "auth.json"


def _from_file(path: Path, reference: Reference) -> Credentials | None:
    refuse_others(path, "credentials", RegistryError)
    try:
        with path.open("rb") as file:
            config = parse_config(file.read(MAX_CONFIG), safe(str(path)))
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("%s: %s", safe(str(path)), error.strerror)
        return None
    entry = _best(config.get("auths"), reference)
    if isinstance(entry, dict) and (credentials := _from_entry(entry, path)):
        return credentials
    helper = helper_of(config, reference)
    return _from_helper(helper, reference, path) if helper else None


def parse_config(data: bytes, where: str) -> dict[str, object]:
    """Return the JSON object in a credentials file; raise RegistryError for anything else."""
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{where}: not a credentials file: not JSON") from error
    if not isinstance(config, dict):
        raise RegistryError(f"{where}: not a credentials file: a JSON object is expected")
    return config


def helper_of(config: Mapping[str, object], reference: Reference) -> str:
    """Return the credential helper that a file names for a registry, "" if it names none."""
    helper = _best(config.get("credHelpers"), reference) or config.get("credsStore")
    return helper if isinstance(helper, str) else ""


def _best(table: object, reference: Reference) -> object:
    """Return the entry with the longest matching key: a registry or (podman) a namespace in it."""
    best: tuple[int, object] = -1, None
    for key, value in table.items() if isinstance(table, dict) else ():
        prefix = normalized(key)
        if f"{reference.name}/".startswith(f"{prefix}/") and len(prefix) > best[0]:
            best = len(prefix), value
    return best[1]


def normalized(key: str) -> str:
    """Return the registry, or the namespace in one, that a key of a credentials file means."""
    prefix = re.sub(r"^https?://", "", key).rstrip("/")
    prefix = re.sub(r"/v[12]$", "", prefix)
    host, slash, rest = prefix.partition("/")
    return (DOCKER if host in _DOCKER_NAMES else host) + slash + rest


def server_key(registry: str) -> str:
    """Return docker's key for a registry, in its file and for its helpers."""
    return "https://index.docker.io/v1/" if registry == DOCKER else registry


def _from_entry(entry: Mapping[object, object], path: Path) -> Credentials | None:
    username, password = entry.get("username"), entry.get("password")
    if isinstance(secret := entry.get("auth"), str) and secret:
        try:
            pair = base64.b64decode(secret, validate=True).decode(errors="surrogateescape")
        except (binascii.Error, ValueError) as error:
            raise RegistryError(
                f"{safe(str(path))}: auth is not base64 of name:password"
            ) from error
        username, _, password = pair.rstrip("\0").partition(":")
    if isinstance(identity := entry.get("identitytoken"), str) and identity:
        return Credentials(identity_token=identity)
    if isinstance(username, str) and isinstance(password, str) and username:
        return Credentials(username, password)
    return None


def _from_helper(name: str, reference: Reference, path: Path) -> Credentials | None:
    """Run ``docker-credential-NAME get``: the server on stdin, a JSON object on stdout."""
    from beepy.oci import credential_helper  # noqa: PLC0415 - only where a helper is configured

    where = f"{safe(str(path))}: credential helper '{safe(name)}'"
    server = server_key(reference.registry)
    try:
        code, output = credential_helper.run(name, "get", server.encode(), where)
    except OSError as error:
        _log.warning("%s: %s: continuing without credentials", where, error.strerror)
        return None
    if code:
        if why := credential_helper.failure(code, output):
            _log.warning("%s: %s: continuing without credentials", where, why)
        else:
            _log.info("%s: no credentials for %s", where, server)
        return None
    try:
        answer = json.loads(output)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise RegistryError(f"{where}: answer has no credentials") from error
    if not isinstance(username, str) or not isinstance(secret, str):
        raise RegistryError(f"{where}: answer has no credentials")
    return (
        Credentials(identity_token=secret)
        if username == "<token>"
        else Credentials(username, secret)
    )


class Challenge(NamedTuple):
    """One authentication scheme that a registry offers, in lower case.

    ``parameters`` are by lower-case name.
    """

    scheme: str
    parameters: Mapping[str, str]


# Possessive quantifiers do not backtrack: a header of 60,000 blanks would take minutes otherwise.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_PIECE = re.compile(
    rf'\s*+,?+\s*+(?:({_WORD})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|({_WORD}))|({_WORD})(?=\s|,|$))',
)


def challenges(header: str) -> tuple[Challenge, ...]:
    """Parse a WWW-Authenticate header (RFC 9110, 11.6.1), up to the first syntax error."""
    parsed: list[tuple[str, dict[str, str]]] = []
    position = 0
    while match := _PIECE.match(header, position):
        position = match.end()
        name, quoted, plain, scheme = match.groups()
        if scheme:
            parsed.append((scheme.lower(), {}))
        elif parsed:
            parsed[-1][1].setdefault(
                name.lower(), re.sub(r"\\(.)", r"\1", quoted) if plain is None else plain
            )
    return tuple(Challenge(scheme, parameters) for scheme, parameters in parsed)


def scopes(challenge: Challenge, own: str) -> list[str]:
    """Return the scopes to request a token for: our own, and the challenge's well-formed ones.

    Well-formed is a word (public ECR's ``aws``), or ``type:name:actions`` with no part empty
    (distribution's token specification): some registries challenge with ``::``, and refuse a
    request for it. If ``own`` only pulls, actions that change something are removed.
    """
    requested = [own]
    for scope in challenge.parameters.get("scope", "").split()[:_MAX_SCOPES]:
        resource, _, names = scope.rpartition(":")
        kind, colon, name = resource.partition(":")
        actions = [action for action in names.split(",") if action]
        if own.endswith(":pull"):
            actions = [action for action in actions if action not in _CHANGING]
        if not resource:
            requested += [scope] if not scope.startswith(":") else []
        elif kind and colon and name and actions:
            requested.append(f"{resource}:{','.join(actions)}")
    return list(dict.fromkeys(scope for scope in requested if re.fullmatch(r"[!-~]{1,255}", scope)))


def token(body: bytes, where: str) -> str:
    """Return the token in a realm's answer.

    Raises RegistryError if it has none, or not one for a header.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{where}: answer is not JSON") from error
    value = (
        (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    )
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        raise RegistryError(f"{where}: answer has no token")
    return value
