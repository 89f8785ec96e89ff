"""Images in a store that are more than one program: with signatures, behind an index."""

import json
from collections.abc import Mapping
from pathlib import Path

from beepy.oci.descriptor import Descriptor, descriptor_of
from beepy.oci.layout import IndexEntry
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.store import Store

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ELF = b"\x7fELF" + bytes(range(256)) * 4


def blob(store: Store, digest: str) -> Path:
    return store.path / "blobs" / "sha256" / digest.removeprefix("sha256:")


def digests(store: Store) -> set[str]:
    """Return the digests of the blobs on disk."""
    return {f"sha256:{path.name}" for path in (store.path / "blobs" / "sha256").iterdir()}


def referrer(store: Store, subject: str, text: bytes = b"signature", **more: object) -> bytes:
    """Add a layer, and return a manifest with it that refers to ``subject``, if that is given."""
    layer = descriptor_of(text, BUNDLE)
    store.layout.add_blob(text, layer)
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layer.entry(),
        "layers": [layer.entry()],
        **({"subject": _named(store, subject).entry()} if subject else {}),
    }
    return json.dumps({**body, **more}).encode()


def _named(store: Store, digest: str) -> Descriptor:
    path = blob(store, digest)
    return Descriptor(OCI_MANIFEST, digest, path.stat().st_size if path.exists() else 100)


def sign(store: Store, subject: str, text: bytes = b"signature") -> str:
    """Add a signature; return its digest."""
    return store.add_referrer(referrer(store, subject, text)).digest


def add_index(store: Store, name: str, platforms: Mapping[str, bytes]) -> str:
    """Add an index of images by architecture, whose manifests have no name; return its digest."""
    parts = []
    for architecture, program in platforms.items():
        digest = store.add_image(f"{name}-{architecture}", program, {})
        size = blob(store, digest).stat().st_size
        part = Descriptor(OCI_MANIFEST, digest, size).entry()
        parts.append({**part, "platform": {"os": "linux", "architecture": architecture}})
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": parts}
    digest = store.put(name, json.dumps(body).encode(), OCI_INDEX)
    forget(store, *[f"{name}-{architecture}" for architecture in platforms])
    return digest


def forget(store: Store, *names: str) -> None:
    """Remove names, as a killed process does that comes no further."""
    store.layout.replace_entries(lambda now: [entry for entry in now if name(entry) not in names])


def name(entry: IndexEntry) -> str | None:
    annotations = entry.get("annotations")
    assert annotations is None or isinstance(annotations, dict)
    return (annotations or {}).get("org.opencontainers.image.ref.name")


def snapshot(path: Path) -> dict[str, bytes]:
    """Return every file below a directory."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }
