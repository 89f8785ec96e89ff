"""Kernel operations that programs implement (``.struct_ops``), registered by updating their map."""

from beepy.errors import AttachError, KernelError
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.map import Map
from beepy.text import safe
from beepy.uapi import MapFlag

_KEY = bytes(4)


def attach(map_: Map, value: bytes, flags: int) -> Link:
    """Register the operations in ``value``; their programs are loaded.

    With ``MapFlag.LINK`` (v6.4) a link keeps them registered. Without it they stay until the map's
    entry is deleted, which closing the Link does. Raises AttachError.
    """
    try:
        map_.update(_KEY, value)
    except KernelError as error:
        raise AttachError.wrap(error, f"map '{safe(map_.name)}': register") from error
    if flags & MapFlag.LINK:
        return link.struct_ops(map_)
    return Link(then=[lambda: _delete(map_)])


def _delete(map_: Map) -> None:
    map_.delete(_KEY)
