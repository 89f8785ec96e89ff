"""Run eBPF programs that are packaged as OCI images, and read what they report.

::

    for event in beepy.run("exitsnoop", timeout=5):
        print(event.comm, event.exit_code)

``run`` does all of it; ``open`` gives a Run that can be stopped, asked for its maps and its losses,
and read in batches. Below them stand five verbs: ``find`` or ``pull`` an image, ``parse`` it,
``load`` it, attach it, ``stream`` its events. Every error is a BeepyError. Importing this module
loads nothing else: each name is resolved on its first use.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beepy.analysis.description import Description
    from beepy.api import open, replay, run  # noqa: A004 - as in tarfile and wave
    from beepy.collection.collection import Collection
    from beepy.collection.load import load
    from beepy.errors import (
        AttachError,
        BeepyError,
        BtfError,
        BuildError,
        DecodeError,
        DigestMismatch,
        ElfError,
        ImageError,
        ImageNotFound,
        InvalidReference,
        KernelError,
        NotSupported,
        ObjectError,
        OutputError,
        OverheadError,
        RecordingError,
        RegistryError,
        RelocationError,
        RewriteError,
        StoreError,
        TargetError,
        UnsupportedImage,
        UnsupportedSection,
        UntrustedImage,
        UsageError,
        VerifierError,
    )
    from beepy.events.batch import Batch, Schema
    from beepy.events.costs import Cost
    from beepy.events.decoder import Decoder
    from beepy.events.protocols import Sink, Source
    from beepy.events.row import Row, Rows
    from beepy.events.stats import RunStats
    from beepy.events.tables import Table
    from beepy.hooks.target import Target
    from beepy.image_api import describe, images, json_schema, verify
    from beepy.obj.pinning import Pins
    from beepy.obj.spec import CollectionSpec
    from beepy.oci.image import Image
    from beepy.oci.lookup import find, pull
    from beepy.oci.options import Options
    from beepy.oci.push import push
    from beepy.oci.signatures.signer import Signature, Signer
    from beepy.session import Run
    from beepy.source import parse
    from beepy.streams import Stream, stream
    from beepy.trace.lines import TraceLine

__version__ = "0.1.0"

_MODULES = {
    "beepy.analysis.description": "Description",
    "beepy.api": "open replay run",
    "beepy.collection.collection": "Collection",
    "beepy.collection.load": "load",
    "beepy.obj.pinning": "Pins",
    "beepy.errors": "AttachError BeepyError BtfError BuildError DecodeError DigestMismatch "
    "ElfError ImageError ImageNotFound InvalidReference KernelError NotSupported ObjectError "
    "OutputError OverheadError RecordingError RegistryError RelocationError RewriteError "
    "StoreError TargetError "
    "UnsupportedImage UnsupportedSection UntrustedImage UsageError VerifierError",
    "beepy.events.batch": "Batch Schema",
    "beepy.events.costs": "Cost",
    "beepy.events.decoder": "Decoder",
    "beepy.events.protocols": "Sink Source",
    "beepy.events.row": "Row Rows",
    "beepy.events.stats": "RunStats",
    "beepy.events.tables": "Table",
    "beepy.hooks.target": "Target",
    "beepy.obj.spec": "CollectionSpec",
    "beepy.image_api": "describe images json_schema verify",
    "beepy.oci.image": "Image",
    "beepy.oci.lookup": "find pull",
    "beepy.oci.options": "Options",
    "beepy.oci.push": "push",
    "beepy.oci.signatures.signer": "Signature Signer",
    "beepy.session": "Run",
    "beepy.source": "parse",
    "beepy.streams": "Stream stream",
    "beepy.trace.lines": "TraceLine",
}

__all__ = [
    "AttachError",
    "Batch",
    "BeepyError",
    "BtfError",
    "BuildError",
    "Collection",
    "CollectionSpec",
    "Cost",
    "DecodeError",
    "Decoder",
    "Description",
    "DigestMismatch",
    "ElfError",
    "Image",
    "ImageError",
    "ImageNotFound",
    "InvalidReference",
    "KernelError",
    "NotSupported",
    "ObjectError",
    "Options",
    "OutputError",
    "OverheadError",
    "Pins",
    "RecordingError",
    "RegistryError",
    "RelocationError",
    "RewriteError",
    "Row",
    "Rows",
    "Run",
    "RunStats",
    "Schema",
    "Signature",
    "Signer",
    "Sink",
    "Source",
    "StoreError",
    "Stream",
    "Table",
    "Target",
    "TargetError",
    "TraceLine",
    "UnsupportedImage",
    "UnsupportedSection",
    "UntrustedImage",
    "UsageError",
    "VerifierError",
    "__version__",
    "describe",
    "find",
    "images",
    "json_schema",
    "load",
    "open",
    "parse",
    "pull",
    "push",
    "replay",
    "run",
    "stream",
    "verify",
]


if not TYPE_CHECKING:  # type checkers would believe that it has every name

    def __getattr__(name: str) -> object:
        from importlib import import_module  # noqa: PLC0415 - only where a name is used

        for module, names in _MODULES.items():
            if name in names.split():
                value = globals()[name] = getattr(import_module(module), name)
                return value
        raise AttributeError(f"module 'beepy' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
