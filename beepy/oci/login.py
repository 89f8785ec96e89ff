"""Log-ins at registries, kept in ``config.json`` of beepy's configuration directory.

The file has docker's format. A credential helper that it names keeps the secrets in its place.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

from beepy.errors import RegistryError, UsageError
from beepy.oci import auth, credential_helper
from beepy.oci.auth import Credentials
from beepy.oci.client import Client
from beepy.oci.directory import Directory
from beepy.oci.endpoints import own_endpoint
from beepy.oci.options import Options, default_config_dir
from beepy.oci.ownership import refuse_others
from beepy.oci.reference import Reference, is_reference, parse
from beepy.text import safe

_FILE = "config.json"


class LogIn(NamedTuple):
    """Where credentials are kept now.

    ``helper`` is "" if it is the file. ``was_asked``: the registry did ask for them.
    """

    path: Path
    helper: str
    was_asked: bool


def log_in(server: str, credentials: Credentials, options: Options) -> LogIn:
    """Check credentials at a registry, and keep them.

    Raises RegistryError, and UsageError for what is not the name of a registry; nothing is written
    then.
    """
    registry = _registry(server)
    if ":" in credentials.username:
        raise UsageError(f"{safe(server)}: user name: ':' is not allowed")
    with Client(registry, own_endpoint(registry, options).options, where="login") as client:
        was_asked = client.log_in(credentials)
    path = _path(options)
    with _changed(path) as config:
        helper = auth.helper_of(config, registry)
        if helper:
            _store(helper, registry, credentials, path)
        auths = _auths(config, path)
        _forget(auths, registry)
        auths[auth.server_key(registry.registry)] = {} if helper else _entry(credentials)
    return LogIn(path, helper, was_asked)


def log_out(server: str, options: Options) -> bool:
    """Forget the credentials for a registry; return False if there were none.

    Raises RegistryError if they could not be removed; the file is left as it was then.
    """
    registry = _registry(server)
    path = _path(options)
    if not path.exists():
        return False
    with _changed(path) as config:
        was_known = _forget(_auths(config, path), registry)
        helper = auth.helper_of(config, registry)
        if helper:
            server = auth.server_key(registry.registry)
            was_known |= _run(helper, "erase", server.encode(), path)
    return was_known


def other_place(server: str, options: Options) -> Path | None:
    """Return the first file that still has credentials for a registry, such as docker's."""
    return next((path for path, _ in auth.in_files(_registry(server), options)), None)


def _registry(server: str) -> Reference:
    """Return a reference without a repository; docker's spellings of a server are accepted."""
    name = auth.normalized(server)
    if "/" in name or not is_reference(f"{name}/x") or parse(f"{name}/x").registry != name:
        raise UsageError(f"'{safe(server[:200])}': expected the name of a registry, HOST[:PORT]")
    return Reference(name, "", None, None)


def _path(options: Options) -> Path:
    return (options.config_dir or default_config_dir()) / _FILE


@contextmanager
def _changed(path: Path) -> Iterator[dict[str, object]]:
    """Yield what a credentials file has; it is replaced by what is left of it at the end."""
    where, directory = safe(str(path)), Directory(path.parent, ".")
    refuse_others(path, "credentials", RegistryError)
    try:
        directory.make()
        with directory.locked(where):
            config = _read(directory, where)
            before = deepcopy(config)
            yield config
            if config != before:
                _write(directory, config)
    except OSError as error:
        raise RegistryError(f"{where}: {error.strerror}") from error


def _read(directory: Directory, where: str) -> dict[str, object]:
    try:
        return auth.parse_config(directory.read(_FILE, limit=auth.MAX_CONFIG), where)
    except FileNotFoundError:
        return {}


def _write(directory: Directory, config: dict[str, object]) -> None:
    data = json.dumps(config, indent="\t").encode()
    with directory.temporary() as (file, name):
        with open(file, "wb", closefd=False) as stream:
            stream.write(data)
        directory.publish(file, name, _FILE, mode=0o600)


def _auths(config: dict[str, object], path: Path) -> dict[str, object]:
    auths = config.setdefault("auths", {})
    if not isinstance(auths, dict):
        raise RegistryError(f"{safe(str(path))}: auths: a JSON object is expected")
    return auths


def _forget(auths: dict[str, object], registry: Reference) -> bool:
    """Remove the entries of a registry, in all spellings; tell whether there were any."""
    keys = [key for key in auths if auth.normalized(key) == registry.registry]
    for key in keys:
        del auths[key]
    return bool(keys)


def _entry(credentials: Credentials) -> dict[str, str]:
    if credentials.identity_token:
        return {"identitytoken": credentials.identity_token}
    return {"auth": credentials.basic.removeprefix("Basic ")}


def _store(helper: str, registry: Reference, credentials: Credentials, path: Path) -> None:
    given = {
        "ServerURL": auth.server_key(registry.registry),
        "Username": "<token>" if credentials.identity_token else credentials.username,
        "Secret": credentials.identity_token or credentials.password,
    }
    if not _run(helper, "store", json.dumps(given).encode(), path):
        raise RegistryError(f"{_where(helper, path)}: store: no credentials were kept")


def _run(helper: str, action: str, given: bytes, path: Path) -> bool:
    """Run a helper; return False if it has no credentials for the server."""
    where = _where(helper, path)
    try:
        code, output = credential_helper.run(helper, action, given, where)
    except OSError as error:
        raise RegistryError(f"{where}: {error.strerror}") from error
    why = credential_helper.failure(code, output) if code else ""
    if why:
        raise RegistryError(f"{where}: {action}: {why}")
    return code == 0


def _where(helper: str, path: Path) -> str:
    return f"{safe(str(path))}: credential helper '{safe(helper)}'"
