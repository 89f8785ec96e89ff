"""Credentials of the user, and challenges of a registry. Opens no socket and says no secret in a message."""

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

_HELPER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_HELPER_S = 10
_DOCKER_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
_MAX_CONFIG = 1 << 20
_MAX_SCOPES = 8
_CHANGING = ("push", "delete", "*")

RUN = Path("/run/containers")
"""Where skopeo and podman log in, by user number, without XDG_RUNTIME_DIR: as root, say."""


class Credentials(NamedTuple):
    """Name and password, or an identity token that a realm exchanges for a bearer token."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return "Credentials(...)"

    @property
    def basic(self) -> str:
        """The value of an Authorization header. Raises RegistryError for what has no bytes."""
        try:
            words = f"{self.username}:{self.password}".encode(errors="surrogateescape")  # as the command line had them
        except UnicodeEncodeError:
            raise RegistryError("credentials: a user name or password that is no text") from None
        return "Basic " + base64.b64encode(words).decode("ascii")


def find(reference: Reference, options: Options) -> Credentials | None:
    """Return the credentials for a registry: the command line's, then those of the first file that knows it."""
    if options.username is not None:
        return Credentials(options.username, options.password or "")
    for path in options.configs:
        if not path.is_file():
            raise UsageError(f"{safe(str(path))}: no such file of credentials")
    for path in (*options.configs, *_files(options)):
        if found := _from_file(path, reference):
            return found
    return None


def _files(options: Options) -> Iterator[Path]:
    """Name the files: beepy's, bee's, docker's, podman's."""
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
            config = json.loads(file.read(_MAX_CONFIG))
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("%s: %s", safe(str(path)), error.strerror)
        return None
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{safe(str(path))}: not a file of credentials: no JSON") from error
    if not isinstance(config, dict):
        raise RegistryError(f"{safe(str(path))}: not a file of credentials: a JSON object is expected")
    helper = _best(config.get("credHelpers"), reference) or config.get("credsStore")
    entry = _best(config.get("auths"), reference)
    if isinstance(entry, dict) and (found := _from_entry(entry, path)):
        return found
    if isinstance(helper, str) and helper:
        return _from_helper(helper, reference, path)
    return None


def _best(table: object, reference: Reference) -> object:
    """Return the entry whose key is the longest part of the name: a registry, or with podman a namespace too."""
    best: tuple[int, object] = -1, None
    for key, value in table.items() if isinstance(table, dict) else ():
        place = re.sub(r"^https?://", "", key).rstrip("/")
        place = re.sub(r"/v[12]$", "", place)
        host, slash, rest = place.partition("/")
        place = (DOCKER if host in _DOCKER_NAMES else host) + slash + rest
        if f"{reference.name}/".startswith(f"{place}/") and len(place) > best[0]:
            best = len(place), value
    return best[1]


def _from_entry(entry: Mapping[object, object], path: Path) -> Credentials | None:
    username, password = entry.get("username"), entry.get("password")
    if isinstance(secret := entry.get("auth"), str) and secret:
        try:
            username, _, password = base64.b64decode(secret, validate=True).decode().partition(":")
        except (binascii.Error, ValueError) as error:
            raise RegistryError(f"{safe(str(path))}: a value of auth is not base64 of name:password") from error
        password = password.rstrip("\0")
    if isinstance(identity := entry.get("identitytoken"), str) and identity:
        return Credentials(identity_token=identity)
    if isinstance(username, str) and isinstance(password, str) and username:
        return Credentials(username, password)
    return None


def _from_helper(name: str, reference: Reference, path: Path) -> Credentials | None:
    """Ask ``docker-credential-NAME`` (its protocol: the server on stdin, a JSON object on stdout)."""
    import subprocess  # noqa: PLC0415 - only where a helper is configured

    where = f"{safe(str(path))}: credential helper '{safe(name)}'"
    if not _HELPER.fullmatch(name):
        raise RegistryError(f"{where}: not the name of a program")
    server = "https://index.docker.io/v1/" if reference.registry == DOCKER else reference.registry
    command = [f"docker-credential-{name}", "get"]
    try:
        ran = subprocess.run(command, input=server.encode(), capture_output=True, timeout=_HELPER_S, check=False)  # noqa: S603 - the user's own configuration names it
    except (OSError, subprocess.TimeoutExpired) as error:
        why = error.strerror if isinstance(error, OSError) else f"no answer in {_HELPER_S} s"
        _log.warning("%s: %s: going on without credentials", where, why)
        return None
    if ran.returncode:  # "credentials not found in native keychain" is the usual case
        _log.info("%s: has nothing for %s", where, server)
        return None
    try:
        answer = json.loads(ran.stdout)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise RegistryError(f"{where}: an answer that is no credentials") from error
    if not isinstance(username, str) or not isinstance(secret, str):
        raise RegistryError(f"{where}: an answer that is no credentials")
    return Credentials(identity_token=secret) if username == "<token>" else Credentials(username, secret)


class Challenge(NamedTuple):
    """One way in that a registry offers: ``scheme`` in lower case, parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str]


# Possessive quantifiers: a header of 60,000 blanks takes no time.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_PIECE = re.compile(
    rf'\s*+,?+\s*+(?:({_WORD})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|({_WORD}))|({_WORD})(?=\s|,|$))',
)


def challenges(header: str) -> tuple[Challenge, ...]:
    """Read a WWW-Authenticate header (RFC 9110, 11.6.1); reading stops where the grammar is not met."""
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while match := _PIECE.match(header, position):
        position = match.end()
        name, quoted, plain, scheme = match.groups()
        if scheme:
            found.append((scheme.lower(), {}))
        elif found:
            found[-1][1].setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if plain is None else plain)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def scopes(challenge: Challenge, own: str) -> list[str]:
    """Return the scopes to ask a token for: our own, and those of the challenge that have the form of one.

    That is a word (public ECR's ``aws``), or ``type:name:actions`` with no part empty (distribution's token
    specification); a registry challenges with ``::`` and refuses to be asked for it. A request that only reads
    asks for no right to change anything.
    """
    found = [own]
    for scope in challenge.parameters.get("scope", "").split()[:_MAX_SCOPES]:
        resource, _, listed = scope.rpartition(":")
        kind, colon, name = resource.partition(":")
        actions = [action for action in listed.split(",") if action]
        if own.endswith(":pull"):
            actions = [action for action in actions if action not in _CHANGING]
        if not resource:
            found += [scope] if not scope.startswith(":") else []
        elif kind and colon and name and actions:
            found.append(f"{resource}:{','.join(actions)}")
    return list(dict.fromkeys(scope for scope in found if re.fullmatch(r"[!-~]{1,255}", scope)))


def token(body: bytes, where: str) -> str:
    """Return the token in a realm's answer; raise RegistryError if there is none that a header can carry."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{where}: an answer that is not JSON") from error
    found = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    if not isinstance(found, str) or not re.fullmatch(r"[!-~]+", found):
        raise RegistryError(f"{where}: an answer without a token")
    return found
