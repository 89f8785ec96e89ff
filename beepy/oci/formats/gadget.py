"""Inspektor Gadget's format: programs as ELF objects, and metadata (gadget.yaml) as the config.

Its tools write an index for amd64 and arm64, whose manifests have no media type of their own. What
a gadget's WASM module adds or changes is not supported: the module is not read.
"""

from typing import Final

from beepy.oci.descriptor import Descriptor
from beepy.oci.image import Content, Program
from beepy.oci.manifest import TITLE, Manifest, Read

ARTIFACT: Final = "application/vnd.gadget.v1+binary"
CONFIG: Final = "application/vnd.gadget.config.v1+yaml"
PROGRAM: Final = "application/vnd.gadget.ebpf.program.v1+binary"
WASM: Final = "application/vnd.gadget.wasm.program.v1+binary"
BTFGEN: Final = "application/vnd.gadget.btfgen.v1+binary"

METADATA: Final = "gadget.yaml"
"""The hint with the metadata."""

LAYERS: Final = "layers"
"""The hint with the media types of the layers, one a line."""


def matches(manifest: Manifest, _read: Read) -> bool:
    """Tell whether a manifest has the artifact type of gadgets, or a layer with their programs."""
    return manifest.artifact_type == ARTIFACT or bool(_programs(manifest))


def content(manifest: Manifest, read: Read) -> Content:
    """Return the programs; hints are the metadata, if there are any, and the layers' types."""
    hints = {LAYERS: "\n".join([layer.media_type for layer in manifest.layers]).encode()}
    if manifest.config and manifest.config.media_type == CONFIG:
        hints[METADATA] = read(manifest.config)
    programs = [
        Program(layer.annotations.get(TITLE, ""), read(layer)) for layer in _programs(manifest)
    ]
    return Content(tuple(programs), hints)


def _programs(manifest: Manifest) -> list[Descriptor]:
    return [layer for layer in manifest.layers if layer.media_type == PROGRAM]
