"""Create the maps of an object, or reuse pinned ones, and fill them with their initial contents."""

import struct
from collections.abc import Mapping
from contextlib import ExitStack

from beepy import maps
from beepy.errors import ElfError
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.pinning import Pins
from beepy.obj.spec import MapSpec
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import MapFlag, MapType

_log = Log(__name__)


def create(spec: MapSpec, types: Fd | None, pin_paths: Pins, undo: ExitStack) -> tuple[Map, bool]:
    """Return the map of ``spec`` with its contents, and whether it is new (not a pinned one).

    ``types`` is the object's BTF; ``pin_paths`` has the directories of pins. ``undo`` gets a
    callback that unpins a new map. Raises KernelError.
    """
    path = pin_paths.path(spec)
    if path:
        return _pinned(spec, types, path, undo)
    created = _filled(spec, types)
    _log.info("map '%s': created", safe(spec.name))
    return created, True


def _pinned(spec: MapSpec, types: Fd | None, path: str, undo: ExitStack) -> tuple[Map, bool]:
    """Return the map that is pinned at ``path``, or a new one that is pinned there."""
    from beepy.collection import pins  # noqa: PLC0415 - few maps are pinned

    while True:
        if pinned := pins.reuse(spec, path):
            pinned.pinned = path
            _log.info("map '%s': reusing map pinned at %s", safe(spec.name), safe(path))
            return pinned, False
        with ExitStack() as on_failure:
            created = on_failure.enter_context(_filled(spec, types))
            if not pins.pin_map(created, path, undo):
                continue  # another process pinned its map meanwhile: use that one
            on_failure.pop_all()
        created.pinned = path
        _log.info("map '%s': created, pinned at %s", safe(spec.name), safe(path))
        return created, True


def fill_slots(
    spec: MapSpec, collection_maps: Mapping[str, Map], programs: Mapping[str, Program]
) -> None:
    """Set the initial entries of a map of maps or of programs.

    Raises ElfError for an entry that is not loaded.
    """
    fds = {name: map_.fd for name, map_ in collection_maps.items()}
    fds |= {name: program.fd for name, program in programs.items()}
    for index, name in spec.slots:
        if name not in fds:
            where = f"map '{safe(spec.name)}': entry {index}"
            raise ElfError(f"{where}: '{safe(name)}' is not a loaded map or program")
        collection_maps[spec.name].update(
            struct.pack("<I", index), struct.pack("<I", fds[name].fileno())
        )


def _filled(spec: MapSpec, types: Fd | None) -> Map:
    """Return a new map with its initial contents."""
    with ExitStack() as on_failure:
        created = on_failure.enter_context(_create(spec, types))
        _fill(created, spec)
        on_failure.pop_all()
    return created


def _create(spec: MapSpec, types: Fd | None) -> Map:
    if spec.inner:
        with maps.create(spec.inner, types) as inner:
            return maps.create(spec, types, inner)
    return maps.create(spec, types)


def _fill(created: Map, spec: MapSpec) -> None:
    if spec.type == MapType.ARENA:
        created.fill_arena(spec.map_extra, spec.contents or b"")
    elif spec.type == MapType.ARRAY and spec.contents is not None:  # a section of data
        if any(spec.contents):  # the kernel's map is zeroed already
            created.update(bytes(4), spec.contents.ljust(spec.value_size, b"\0"))
        if spec.flags & MapFlag.RDONLY_PROG:
            created.freeze()
