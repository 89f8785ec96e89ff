"""Descriptors name a blob by media type, digest and size; they come in untrusted JSON."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from beepy.errors import DigestMismatch, UnsupportedImage
from beepy.oci.sha256 import sha256
from beepy.text import excerpt

MAX_MANIFEST = 4 << 20
"""Limit of a manifest, index or config in bytes; registries have the same one."""

MAX_IMAGE = 64 << 20
"""Limit of all blobs of one image in bytes; a large eBPF object has 2 MB."""

MAX_MOVED = 1 << 40
"""The same where blobs are neither loaded nor accepted: what is pushed is on this disk already."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KEYS = ("mediaType", "digest", "size", "annotations", "platform", "artifactType")
_NONE: Mapping[str, str] = MappingProxyType({})


class Descriptor(NamedTuple):
    """One entry of a manifest or index; ``platform`` is ``os/architecture[/variant]`` or "".

    ``artifact_type`` is that of a referrer, as a list of referrers has it.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = _NONE
    platform: str = ""
    artifact_type: str = ""

    def entry(self) -> dict[str, object]:
        """Return what names the blob, as manifests and indexes write it, without the rest."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def is_digest(text: object) -> bool:
    """Tell whether ``text`` is ``sha256:`` and 64 lower-case hex digits: safe as a file name."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def digest_of(data: bytes) -> str:
    """Return the digest of ``data``."""
    return f"sha256:{sha256(data).hexdigest()}"


def descriptor_of(data: bytes, media_type: str = "") -> Descriptor:
    """Return the descriptor of ``data``."""
    return Descriptor(media_type, digest_of(data), len(data))


def check(data: bytes, descriptor: Descriptor, where: str) -> bytes:
    """Return ``data`` if it has the descriptor's size and digest, else raise DigestMismatch."""
    for _ in verified((data,), descriptor, where):
        pass
    return data


def verified(chunks: Iterable[bytes], expected: Descriptor, where: str) -> Iterator[bytes]:
    """Yield ``chunks`` as they come, each hashed once; raise DigestMismatch if they are too long.

    Raises it after the last one too, if size or digest are wrong: what was yielded may be used only
    when the iterator has ended.
    """
    hashed, size = sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > expected.size:
            raise DigestMismatch(
                f"{where}: {expected.digest}: more than the expected {expected.size} bytes"
            )
        hashed.update(chunk)
        yield chunk
    if size != expected.size:
        raise DigestMismatch(f"{where}: {expected.digest}: {size} bytes, expected {expected.size}")
    if (digest := f"sha256:{hashed.hexdigest()}") != expected.digest:
        raise DigestMismatch(f"{where}: content is {digest}, expected {expected.digest}")


def parse_object(data: bytes, where: str) -> dict[str, object]:
    """Parse a JSON object from untrusted bytes.

    Raises UnsupportedImage for anything else, or a duplicate key.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members: dict[str, object] = {}
        for name, value in pairs:
            if name in members:
                raise UnsupportedImage(f"{where}: key '{excerpt(name)}': duplicate")
            members[name] = value
        return members

    try:
        value = json.loads(data, object_pairs_hook=unique)
    except ValueError as error:  # also bad UTF-8 and integers of thousands of digits
        raise UnsupportedImage(f"{where}: not JSON: {excerpt(error)}") from error
    except RecursionError as error:
        raise UnsupportedImage(f"{where}: not JSON: nested too deeply") from error
    if not isinstance(value, dict):
        raise UnsupportedImage(f"{where}: a JSON object is expected")
    return value


def refuse_other_case(value: Mapping[str, object], known: Collection[str], where: str) -> None:
    """Raise UnsupportedImage for a key that differs from a known one only in case.

    Go's encoding/json accepts "Layers" for "layers": in tools written in Go the same digest would
    mean another program.
    """
    folded = {
        name.casefold(): name for name in known
    }  # K (kelvin sign) and long s too, as Go folds them
    for key in value:
        name = folded.get(key.casefold(), key)
        if name != key:
            raise UnsupportedImage(
                f"{where}: key '{excerpt(key)}': Go programs read it as '{name}'"
            )


def parse_text(value: object, where: str) -> str:
    """Return a string, "" if it is absent or null; raise UnsupportedImage for another type."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnsupportedImage(f"{where}: a string is expected, not {excerpt(value)}")
    return value


def parse_annotations(value: object, where: str) -> Mapping[str, str]:
    """Return a mapping of strings to strings (absent and null are empty).

    Raises UnsupportedImage for another type.
    """
    if value is None:
        return _NONE
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise UnsupportedImage(f"{where}: annotations: an object of strings is expected")
    return value


def parse_descriptor(value: object, where: str, max_size: int = MAX_IMAGE) -> Descriptor:
    """Return a descriptor of parsed JSON; raise UnsupportedImage for a bad digest, size or type."""
    if not isinstance(value, dict):
        raise UnsupportedImage(f"{where}: a descriptor is expected, not {excerpt(value)}")
    refuse_other_case(value, _KEYS, where)
    digest, size = value.get("digest"), value.get("size")
    if not isinstance(digest, str) or not is_digest(digest):
        raise UnsupportedImage(
            f"{where}: digest '{excerpt(digest)}': not sha256: and 64 hex digits"
        )
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= max_size:
        raise UnsupportedImage(f"{where}: size {excerpt(size)}: not from 0 to {max_size}")
    return Descriptor(
        parse_text(value.get("mediaType"), f"{where}: mediaType"),
        digest,
        size,
        parse_annotations(value.get("annotations"), where),
        parse_platform(value.get("platform"), f"{where}: platform"),
        parse_text(value.get("artifactType"), f"{where}: artifactType"),
    )


_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv8l": "arm",
    "i386": "386",
    "i686": "386",
    "loongarch64": "loong64",
}


def architecture(machine: str) -> str:
    """Translate a machine name of ``uname -m`` to GOARCH, which images use.

    Unknown names are unchanged.
    """
    return _ARCHITECTURES.get(machine, machine)


def parse_platform(value: object, where: str) -> str:
    """Return a descriptor's platform as ``os/architecture[/variant]`` of Go, "" if it has none."""
    if value is None:
        return ""
    if not isinstance(value, dict):
        raise UnsupportedImage(f"{where}: an object is expected")
    refuse_other_case(value, ("os", "architecture", "variant"), where)
    system = parse_text(value.get("os"), where).lower()
    machine = architecture(parse_text(value.get("architecture"), where))
    variant = parse_text(value.get("variant"), where)
    return "/".join(part for part in (system, machine, variant) if part)
