"""Image references by distribution's grammar, with docker.io's short forms."""

import re
from typing import NamedTuple

from beepy.errors import InvalidReference
from beepy.oci.descriptor import is_digest
from beepy.text import safe

DOCKER = "docker.io"

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"

_REPOSITORY = rf"{_PART}(?:/{_PART})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_ALGORITHM = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_IDENTIFIER = r"[0-9a-f]{64}"

_MAX_NAME = 255
_MAX_TEXT = 1024


class Reference(NamedTuple):
    """A normalized reference; ``registry`` is a host, perhaps with a port; default docker.io."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse(text: str) -> Reference:
    """Parse ``[registry/]repository[:tag][@digest]``; raise InvalidReference if it is malformed.

    ``tag`` is "latest" if the text has neither tag nor digest. Digests are sha256 only.
    """
    where = f"reference '{safe(text[:100])}'"
    if len(text) > _MAX_TEXT:
        raise InvalidReference(f"{where}: longer than {_MAX_TEXT} characters")
    if len(text) == 64 and re.fullmatch(_IDENTIFIER, text):
        raise InvalidReference(f"{where}: 64 hex digits are an image id, not a name")
    scheme, separator, name = text.partition("://")
    if separator:
        error = InvalidReference(f"{where}: a reference has no '{safe(scheme[:20])}://' in front")
        error.add_note(f"write {safe(name[:200])}")
        raise error
    rest, _, digest = text.partition("@")
    if "@" in text and not is_digest(digest):
        known = (
            "only sha256 is supported"
            if re.fullmatch(_ALGORITHM, digest)
            else "not sha256: and 64 hex digits"
        )
        raise InvalidReference(f"{where}: digest: {known}")
    colon = rest.rfind(":")
    tag = None
    if colon > rest.rfind("/"):
        rest, tag = rest[:colon], rest[colon + 1 :]
        if not re.fullmatch(_TAG, tag):
            raise InvalidReference(f"{where}: tag: not 1 to 128 letters, digits, '_', '.' or '-'")
    if not rest:
        raise InvalidReference(f"{where}: the name is empty")
    registry, repository = _split(rest)
    if registry != DOCKER and not re.fullmatch(_HOST, registry):
        raise InvalidReference(f"{where}: registry: not a host name with an optional port")
    if not re.fullmatch(_REPOSITORY, repository):
        raise InvalidReference(f"{where}: repository: {_wrong(repository)}")
    if len(registry) + 1 + len(repository) > _MAX_NAME:
        raise InvalidReference(f"{where}: name longer than {_MAX_NAME} characters")
    if tag is None and not digest:
        tag = "latest"
    return Reference(registry, repository, tag, digest or None)


def _wrong(repository: str) -> str:
    """Return why a text is not a repository name."""
    if ":" in repository:
        return "':' is allowed only before the tag"
    if re.fullmatch(_REPOSITORY, repository.lower()):
        return "upper case is not allowed"
    return "not a repository name"


def has_host(text: str) -> bool:
    """Tell whether the first part names a registry: it has a dot or a port, or is localhost."""
    first, slash, _ = text.partition("@")[0].partition("/")
    return bool(slash) and (first == "localhost" or bool(set(first) & set(".:[")))


def name_of(text: str) -> str:
    """Return the text of a reference without its tag and digest."""
    bare = text.partition("@")[0]
    colon = bare.rfind(":")
    return bare[:colon] if colon > bare.rfind("/") else bare


def is_reference(text: str) -> bool:
    """Tell whether ``parse`` accepts the text."""
    try:
        parse(text)
    except InvalidReference:
        return False
    return True


def _split(name: str) -> tuple[str, str]:
    """Split a name into registry and repository.

    As in distribution, a first part with upper case is a registry.
    """
    first, slash, rest = name.partition("/")
    if not has_host(name) and (not slash or first.lower() == first):
        registry, repository = DOCKER, name
    elif first == "index.docker.io":
        registry, repository = DOCKER, rest
    else:
        registry, repository = first, rest
    if registry == DOCKER and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def same(left: str, right: str) -> bool:
    """Tell whether two texts normalise to the same reference; False if one is not a reference."""
    try:
        return parse(left) == parse(right)
    except InvalidReference:
        return False


def same_repository(left: str, right: str) -> bool:
    """Tell whether two texts name the same repository, whatever their tags and digests."""
    try:
        return parse(left).name == parse(right).name
    except InvalidReference:
        return False
