"""Format what ``beepy inspect`` shows as text and as JSON."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from beepy.oci.admission import ImageSource
from beepy.oci.descriptor import Descriptor
from beepy.oci.inspect import Inspected
from beepy.oci.manifest import TITLE, Index, Manifest
from beepy.text import excerpt, safe
from beepy.width import pad, width, wrap

_MAX_CONFIG: Final = 1000  # characters of a config, and of an annotation, in text
_MAX_NAME: Final = 40  # columns; a longer name of an annotation does not align the others
_MAX_WORD: Final = 100  # characters of a media type or title
_PLACES: Final[Mapping[ImageSource, str]] = {
    ImageSource.REGISTRY: "in its registry",
    ImageSource.STORE: "in the local store",
    ImageSource.ARCHIVE: "in an archive",
    ImageSource.BUNDLED: "bundled",
    ImageSource.FILE: "in a file",
}


def as_json(inspected: Inspected) -> str:
    """Return one object; it has the same members for a manifest and for an index."""
    document = inspected.document
    manifest = document if isinstance(document, Manifest) else None
    index = document if isinstance(document, Index) else None
    config = manifest.config if manifest else None
    referrers = inspected.referrers
    plain = {
        "name": inspected.name,
        "source": inspected.source.value,
        "digest": inspected.top.digest,
        "media_type": inspected.top.media_type,
        "artifact_type": (manifest.artifact_type if manifest else "") or None,
        "size": inspected.top.size,
        "subject": inspected.subject or None,
        "annotations": inspected.annotations,
        "config": {**_plain(config), "content": _content(inspected.config)} if config else None,
        "layers": [_plain(layer) for layer in manifest.layers] if manifest else [],
        "manifests": [_plain(child) for child in index.manifests] if index else [],
        "referrers": None if referrers is None else [_plain(referrer) for referrer in referrers],
    }
    return json.dumps(plain, indent=2) + "\n"


def _plain(blob: Descriptor) -> dict[str, object]:
    return {
        "media_type": blob.media_type,
        "digest": blob.digest,
        "size": blob.size,
        "platform": blob.platform or None,
        "artifact_type": blob.artifact_type or None,
        "annotations": dict(blob.annotations),
    }


def _content(config: bytes | None) -> object:
    """Return the parsed config, None if it is not JSON."""
    try:
        return None if config is None else json.loads(config)
    except (ValueError, RecursionError):
        return None


def as_text(inspected: Inspected, max_width: int | None = None) -> Iterator[str]:
    """Return the lines, wrapped at ``max_width`` columns if given; digests are not wrapped."""
    for line in _lines(inspected):
        if max_width and width(line) > max_width and "sha256:" not in line:
            yield from wrap(line, max_width, " " * (len(line) - len(line.lstrip()) + 4))
        else:
            yield line


def _lines(inspected: Inspected) -> Iterator[str]:
    document, top = inspected.document, inspected.top
    yield f"image    {excerpt(inspected.name, 200)} ({_PLACES[inspected.source]})"
    yield f"digest   {top.digest}"  # 80 columns
    yield f"type     {excerpt(top.media_type, _MAX_WORD)}"
    if isinstance(document, Manifest) and document.artifact_type:
        yield f"artifact {excerpt(document.artifact_type, _MAX_WORD)}"
    yield f"size     {top.size} bytes"
    if inspected.subject:
        yield f"subject  {excerpt(inspected.subject, _MAX_WORD)}"
    if inspected.annotations:
        yield ""
        yield "annotations"
        names = [excerpt(name, _MAX_WORD) for name in inspected.annotations]
        columns = min(max(map(width, names)), _MAX_NAME)
        for name, value in zip(names, inspected.annotations.values(), strict=True):
            line = " ".join(value[: _MAX_CONFIG + 1].split())
            yield f"  {pad(name, columns)}  {excerpt(line, _MAX_CONFIG)}".rstrip()
    if isinstance(document, Manifest):
        yield from _manifest(document, inspected.config)
    else:
        yield from _section("platforms", document.manifests)
    if inspected.referrers is None:
        yield ""
        yield "referrers  unknown"
    elif inspected.referrers:
        yield from _section("referrers", inspected.referrers)


def _manifest(manifest: Manifest, config: bytes | None) -> Iterator[str]:
    if manifest.config:
        yield from _section("config", (manifest.config,))
        if config is not None:
            text = " ".join(config[: _MAX_CONFIG + 1].decode("utf-8", "replace").split())
            yield f"    {excerpt(text, _MAX_CONFIG)}"
    yield from _section("layers", manifest.layers)


def _section(title: str, blobs: tuple[Descriptor, ...]) -> Iterator[str]:
    yield ""
    yield title
    for blob in blobs:
        name = blob.platform or blob.annotations.get(TITLE, "")
        words = (name, blob.artifact_type or blob.media_type, f"{blob.size} bytes")
        yield "  " + "  ".join([excerpt(word, _MAX_WORD) for word in words if word])
        yield f"    {safe(blob.digest)}"
