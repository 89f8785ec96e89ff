"""The maps of an object: created, or found where they are pinned, and filled with what the object says."""

import struct
from collections.abc import Mapping
from contextlib import ExitStack

from beepy import maps
from beepy.collection import pins
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


def create(spec: MapSpec, types: Fd | None, wanted: Pins, undo: ExitStack) -> tuple[Map, bool]:
    """Return the map of ``spec`` with its contents, and whether it is new: it was not pinned before.

    ``types`` are the object's, ``wanted`` are the folders of pins. ``undo`` unpins the map if loading fails.
    Raises KernelError.
    """
    path = wanted.path(spec)
    while True:
        pinned = pins.reuse(spec, path) if path else None
        if pinned:
            pinned.pinned = path
            _log.info("map '%s': the one pinned at %s", safe(spec.name), safe(path))
            return pinned, False
        with ExitStack() as on_failure:
            created = on_failure.enter_context(_new(spec, types))
            _fill(created, spec)
            if path and not pins.pin_map(created, path, undo):
                continue  # another process was faster: use its map
            on_failure.pop_all()
        created.pinned = path
        _log.info("map '%s': created%s", safe(spec.name), f", pinned at {safe(path)}" if path else "")
        return created, True


def fill_slots(spec: MapSpec, owned: Mapping[str, Map], programs: Mapping[str, Program]) -> None:
    """Set the initial entries of a map of maps or of programs. Raises ElfError for one that was not loaded."""
    fds = {name: map_.fd for name, map_ in owned.items()} | {name: program.fd for name, program in programs.items()}
    for index, name in spec.slots:
        if name not in fds:
            raise ElfError(
                f"map '{safe(spec.name)}': entry {index}: '{safe(name)}' is no map or program that is loaded"
            )
        owned[spec.name].update(struct.pack("<I", index), struct.pack("<I", fds[name].fileno()))


def _new(spec: MapSpec, types: Fd | None) -> Map:
    if spec.inner:
        with maps.create(spec.inner, types) as inner:
            return maps.create(spec, types, inner)
    return maps.create(spec, types)


def _fill(created: Map, spec: MapSpec) -> None:
    if spec.type == MapType.ARENA:
        created.fill_arena(spec.map_extra, spec.contents or b"")
    elif spec.type == MapType.ARRAY and spec.contents is not None:  # a section of data
        if any(spec.contents):
            created.update(bytes(4), spec.contents.ljust(spec.value_size, b"\0"))
        if spec.flags & MapFlag.RDONLY_PROG:
            created.freeze()
