"""Where an image is requested, by ``registries.toml``: short names, mirrors, settings."""

from pathlib import Path
from typing import NamedTuple

from beepy.errors import RegistryError
from beepy.log import Log
from beepy.oci.options import Options
from beepy.oci.reference import Reference, name_of
from beepy.oci.registries import Registries, Registry, read
from beepy.text import safe

_log = Log(__name__)


class Endpoint(NamedTuple):
    """Where an image is requested: its reference there, and the options for that registry."""

    reference: Reference
    options: Options


def expand(text: str, options: Options) -> str:
    """Return the reference that a name without a registry's host stands for, "" if it has none.

    An alias comes first; a tag or digest in ``text`` replaces those of the alias. Any other name is
    one in the default registry; without a slash, in its default namespace.
    """
    registries = read(options)
    bare = name_of(text)
    where = safe(str(registries.path))
    if target := registries.aliases.get(bare):
        expanded = f"{name_of(target)}{text[len(bare) :]}" if bare != text else target
        _log.info("%s: alias of %s in %s", safe(text), safe(expanded), where)
        return expanded
    if not registries.default_registry:
        return ""
    namespace = registries.default_namespace if "/" not in bare else ""
    expanded = "/".join(filter(None, (registries.default_registry, namespace, text)))
    _log.info("%s: %s by default-registry in %s", safe(text), safe(expanded), where)
    return expanded


def endpoints(reference: Reference, options: Options) -> tuple[Endpoint, ...]:
    """Return where to pull an image from, in order: the mirrors, then the registry itself, last.

    A user name and a password in ``options`` are for the registry itself, so are ``insecure``,
    ``plain_http`` and ``ca_file``: if one of them is given, those three of the file do not apply to
    it. A mirror has the settings of the ``[[registry]]`` of its own name. Raises RegistryError if
    the reference is blocked.
    """
    registries = read(options)
    registry = _registry_of(reference, registries)
    own = _own(reference, registry, options, registries.path)
    anonymous = options._replace(username=None, password=None)
    mirrors = []
    for mirror in registry.mirrors:
        mirrored = _mirrored(reference, registry.prefix, mirror)
        settings = _registry_of(mirrored, registries)
        if settings.blocked:
            _log.info("mirror %s: blocked by %s", safe(mirror), safe(str(registries.path)))
        else:
            mirrors.append(Endpoint(mirrored, _connected(anonymous, settings)))
    return (*mirrors, own)


def own_endpoint(reference: Reference, options: Options) -> Endpoint:
    """Return the registry itself, which is where images are pushed to and users log in.

    Raises RegistryError if it is blocked.
    """
    registries = read(options)
    return _own(reference, _registry_of(reference, registries), options, registries.path)


def _own(reference: Reference, registry: Registry, options: Options, path: Path) -> Endpoint:
    if registry.blocked:
        raise RegistryError(
            f"{reference}: blocked by {safe(str(path))}: prefix '{registry.prefix}'"
        )
    is_given = options.insecure or options.plain_http or options.ca_file
    return Endpoint(reference, options if is_given else _connected(options, registry))


def _connected(options: Options, registry: Registry) -> Options:
    """Return the options with a registry's own settings of the connection."""
    return options._replace(
        insecure=registry.insecure, plain_http=registry.plain_http, ca_file=registry.ca_file
    )


def _registry_of(reference: Reference, registries: Registries) -> Registry:
    """Return the settings with the longest matching prefix; the host's case does not matter."""
    name = f"{reference.name.lower()}/"
    matching = [item for item in registries.registries if name.startswith(f"{item.prefix}/")]
    return max(matching, key=lambda item: len(item.prefix), default=Registry())


def _mirrored(reference: Reference, prefix: str, mirror: str) -> Reference:
    """Return the reference at a mirror, whose name replaces the prefix."""
    host, _, namespace = mirror.partition("/")
    rest = reference.name[len(prefix) + 1 :]
    repository = "/".join(filter(None, (namespace, rest))) or reference.repository
    return reference._replace(registry=host, repository=repository)
