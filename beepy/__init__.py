"""Run eBPF programs that are packaged as OCI images.

::

    image = beepy.pull("ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14")
    spec = beepy.parse(image)
    with beepy.load(spec) as collection, beepy.stream(collection) as stream:
        collection.attach()
        for batch in stream:
            print(batch)

Importing this module loads nothing else: each name is resolved on its first use.
"""

from typing import Any

__version__ = "0.1.0"

_ROOMS = {
    "BeepyError": "beepy.errors",
    "Batch": "beepy.events.batch",
    "Collection": "beepy.collection.collection",
    "CollectionSpec": "beepy.obj.spec",
    "Decoder": "beepy.events.decoder",
    "Image": "beepy.oci.image",
    "Options": "beepy.oci.options",
    "Schema": "beepy.events.batch",
    "Stream": "beepy.streams",
    "find": "beepy.oci.lookup",
    "load": "beepy.collection.load",
    "parse": "beepy.source",
    "pull": "beepy.oci.lookup",
    "stream": "beepy.streams",
}

__all__ = sorted(["__version__", *_ROOMS])  # noqa: PLE0605 - all are strings


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    try:
        room = _ROOMS[name]
    except KeyError:
        raise AttributeError(f"module 'beepy' has no attribute '{name}'") from None
    from importlib import import_module  # noqa: PLC0415 - only where a name is used

    value = globals()[name] = getattr(import_module(room), name)
    return value


def __dir__() -> list[str]:
    return __all__
