"""Images as Inspektor Gadget's tools write them, from objects of our own."""

import hashlib
import json
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT = "application/vnd.gadget.v1+binary"
EMPTY = "application/vnd.oci.empty.v1+json"
CONFIG = "application/vnd.gadget.config.v1+yaml"
PROGRAM = "application/vnd.gadget.ebpf.program.v1+binary"
WASM = "application/vnd.gadget.wasm.program.v1+binary"
REF_NAME = "org.opencontainers.image.ref.name"


class Layout:
    """An image layout in a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "blobs" / "sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._index: list[dict[str, Any]] = []

    def blob(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Store a blob and return its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs" / "sha256" / digest).write_bytes(data)
        return {
            "mediaType": media_type,
            "digest": f"sha256:{digest}",
            "size": len(data),
            **more,
        }

    def gadget(
        self, name: str, program: bytes | None, metadata: bytes = b"", *, wasm: bytes = b""
    ) -> dict[str, Any]:
        """Store a gadget for two platforms under ``name``; return the descriptor of its index."""
        layers = [self.blob(program, PROGRAM)] if program else []
        layers += [self.blob(wasm, WASM)] if wasm else []
        config = self.blob(metadata, CONFIG) if metadata else self.blob(b"{}", EMPTY)
        manifest = {  # without a mediaType: the descriptor has it
            "schemaVersion": 2,
            "artifactType": ARTIFACT,
            "config": config,
            "layers": layers,
            "annotations": {"org.opencontainers.image.title": name},
        }
        data = json.dumps(manifest).encode()
        platforms = [{"architecture": arch, "os": "linux"} for arch in ("amd64", "arm64")]
        manifests = [self.blob(data, MANIFEST, platform=platform) for platform in platforms]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        descriptor = self.blob(json.dumps(index).encode(), INDEX)
        self._index.append({**descriptor, "annotations": {REF_NAME: name}})
        (self.path / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": self._index})
        )
        return descriptor
