"""Operations that programs implement (``.struct_ops``): registered when their map is given its value."""

from beepy.errors import AttachError, KernelError
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.map import Map
from beepy.text import safe
from beepy.uapi import MapFlag

_KEY = bytes(4)


def attach(map_: Map, value: bytes, flags: int) -> Link:
    """Register the operations in ``value``, whose programs are loaded.

    With ``MapFlag.LINK`` (v6.4) a link holds them, else they stay until the map's entry is deleted, at the Link's end.
    Raises AttachError.
    """
    try:
        map_.update(_KEY, value)
    except KernelError as error:
        raise AttachError(f"map '{safe(map_.name)}': register: {error}", error.errno or 0) from error
    if flags & MapFlag.LINK:
        return link.struct_ops(map_)
    return Link(then=[lambda: _delete(map_)])


def _delete(map_: Map) -> None:
    map_.delete(_KEY)
