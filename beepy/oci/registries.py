"""``registries.toml``: aliases, default registry and namespace, mirrors, connection settings.

``endpoints`` says what they mean for an image.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from beepy.errors import InvalidReference, RegistryError, UsageError
from beepy.log import Log
from beepy.oci.options import Options, registries_file
from beepy.oci.ownership import refuse_others
from beepy.oci.reference import has_host, name_of, parse
from beepy.text import excerpt, safe

_log = Log(__name__)

_MAX_FILE: Final = 1 << 20
_TYPES: Final = {
    str: "a text",
    bool: "true or false",
    list: "an array",
    dict: "a table",
    int: "a number",
    float: "a number",
}
_KEYS: Final[Mapping[str, type]] = {
    "default-registry": str,
    "default-namespace": str,
    "aliases": dict,
    "registry": list,
    "policy": dict,
}
_REGISTRY_KEYS: Final[Mapping[str, type]] = {
    "prefix": str,
    "mirrors": list,
    "insecure": bool,
    "plain-http": bool,
    "ca-file": str,
    "blocked": bool,
}
_NO_ALIASES: Final[Mapping[str, str]] = MappingProxyType({})


class Registry(NamedTuple):
    """One ``[[registry]]``: what applies to the images below ``prefix``, a host or a namespace."""

    prefix: str = ""
    mirrors: tuple[str, ...] = ()
    insecure: bool = False
    plain_http: bool = False
    ca_file: Path | None = None
    blocked: bool = False


class Registries(NamedTuple):
    """The contents of ``path``; ``policy`` is the table of that name, unparsed, None without it."""

    path: Path
    default_registry: str = ""
    default_namespace: str = ""
    aliases: Mapping[str, str] = _NO_ALIASES
    registries: tuple[Registry, ...] = ()
    policy: Mapping[str, object] | None = None


def read(options: Options) -> Registries:
    """Return the settings of ``registries.toml`` in the configuration directory.

    Raises UsageError, which names file and key, if it is malformed; RegistryError if it cannot be
    read, or if root would trust what others may write: it may hold ``blocked`` and a policy, so it
    is not skipped, unless this user may not search its directory.
    """
    path = registries_file(options)
    refuse_others(path, "registries", RegistryError)
    where = safe(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Registries(path)
    except OSError as error:
        why = (error.strerror or "").lower()
        if not os.access(path.parent, os.X_OK, effective_ids=True):
            _log.info("%s: skipped: %s", where, why)  # after su, HOME can still be another user's
            return Registries(path)
        raise RegistryError(f"{where}: {why}") from error
    if len(data) > _MAX_FILE:
        raise UsageError(f"{where}: more than {_MAX_FILE} bytes")
    import tomllib  # noqa: PLC0415 - only where the file exists

    try:
        table = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: not TOML: not UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        why = excerpt(error, 160)
        raise UsageError(f"{where}: not TOML: {why[:1].lower()}{why[1:]}") from error
    return _parse(table, path)


def _parse(table: Mapping[str, Any], path: Path) -> Registries:
    where = safe(str(path))
    _check(table, _KEYS, where)
    host, namespace = table.get("default-registry", ""), table.get("default-namespace", "")
    if host and ("/" in host or _location(host) is None):
        raise UsageError(
            f"{where}: default-registry: '{excerpt(host)}': expected a registry's host"
        )
    if namespace and not _is_name(namespace):
        raise UsageError(
            f"{where}: default-namespace: '{excerpt(namespace)}': not the name of a namespace"
        )
    if namespace and not host:
        raise UsageError(f"{where}: default-namespace: expected default-registry too")
    aliases = table.get("aliases", {})
    for name, target in aliases.items():
        _check_alias(name, target, aliases, where)
    registries: dict[str, Registry] = {}
    for number, item in enumerate(table.get("registry", ()), 1):
        registry = _parse_registry(item, path.parent, f"{where}: registry {number}")
        if registry.prefix in registries:
            raise UsageError(f"{where}: registry {number}: prefix: '{registry.prefix}' is repeated")
        registries[registry.prefix] = registry
    return Registries(
        path=path,
        default_registry=host,
        default_namespace=namespace,
        aliases=aliases,
        registries=tuple(registries.values()),
        policy=table.get("policy"),
    )


def _parse_registry(item: object, directory: Path, where: str) -> Registry:
    if not isinstance(item, dict):
        raise UsageError(f"{where}: expected a table, got {_type(item)}")
    _check(item, _REGISTRY_KEYS, where)
    if "prefix" not in item:
        raise UsageError(f"{where}: prefix: missing")
    mirrors = []
    for mirror in item.get("mirrors", ()):
        if not isinstance(mirror, str):
            raise UsageError(f"{where}: mirrors: expected texts, got {_type(mirror)}")
        mirrors.append(_checked_location(mirror, f"{where}: mirrors"))
    ca_file = item.get("ca-file")
    return Registry(
        prefix=_checked_location(item["prefix"], f"{where}: prefix").lower(),
        mirrors=tuple(mirrors),
        insecure=item.get("insecure", False),
        plain_http=item.get("plain-http", False),
        ca_file=directory / ca_file if ca_file else None,
        blocked=item.get("blocked", False),
    )


def _check(table: Mapping[str, object], types: Mapping[str, type], where: str) -> None:
    """Raise UsageError for an unknown key, and for a value of the wrong type."""
    for key, value in table.items():
        if key not in types:
            error = UsageError(f"{where}: {excerpt(key)}: unknown key")
            error.add_note(f"known keys: {', '.join(types)}")
            raise error
        if type(value) is not types[key]:
            expected = _TYPES[types[key]]
            raise UsageError(f"{where}: {key}: expected {expected}, got {_type(value)}")


def _type(value: object) -> str:
    return _TYPES.get(type(value), "a date or time")


def _check_alias(name: str, target: object, aliases: Mapping[str, object], where: str) -> None:
    where = f"{where}: aliases: {excerpt(name)}"
    if has_host(name) or not _is_name(name):
        raise UsageError(f"{where}: not a name without registry, tag and digest")
    if not isinstance(target, str):
        raise UsageError(f"{where}: expected a text, got {_type(target)}")
    if name_of(target) in aliases:
        raise UsageError(f"{where}: '{excerpt(target)}' is an alias, too: expected a reference")
    if not has_host(target):
        raise UsageError(
            f"{where}: '{excerpt(target)}': expected a reference with a registry's host"
        )
    try:
        parse(target)
    except InvalidReference as error:
        raise UsageError(f"{where}: {error}") from error


def _is_name(text: str) -> bool:
    """Tell whether ``text`` is a repository's name or the beginning of one."""
    try:
        reference = parse(f"localhost/{text}/x")
    except InvalidReference:
        return False
    return reference.repository == f"{text}/x"


def _location(text: str) -> str | None:
    """Return a registry's host, perhaps with a namespace, normalised; None for other texts."""
    try:
        reference = parse(f"{text}/x/y")  # two parts: docker.io gives a single one a namespace
    except InvalidReference:
        return None
    return reference.name.removesuffix("/x/y") if has_host(f"{text}/x") else None


def _checked_location(text: str, where: str) -> str:
    if (location := _location(text)) is None:
        why = "expected a registry's host, perhaps with a namespace"
        raise UsageError(f"{where}: '{excerpt(text)}': {why}")
    return location
