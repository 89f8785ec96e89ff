"""Maps and programs that outlive the process: pinned by name in the BPF file system.

A map whose definition says ``__uint(pinning, LIBBPF_PIN_BY_NAME)`` is pinned as libbpf does it, in ``Pins.root``. With
``Pins.maps`` every map is, but for sections of data, in that folder. What is pinned there already is used, if it is the
same kind of map, and keeps its entries; what is not is created and pinned. ``Pins.programs`` is a folder for programs;
of an earlier run's the pins are replaced. Folders are made. Pins stay when all is closed: removing the file ends them.
"""

import errno
import os
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Final

from beepy import maps
from beepy.errors import KernelError
from beepy.kernel import bpffs
from beepy.kernel import map as kernel_map
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.pinning import file_name
from beepy.obj.spec import MapSpec
from beepy.text import safe
from beepy.uapi import MapFlag, MapType

_log = Log(__name__)

_DEVMAPS: Final = (MapType.DEVMAP, MapType.DEVMAP_HASH)  # the kernel gives them BPF_F_RDONLY_PROG


def reuse(spec: MapSpec, path: str) -> Map | None:
    """Return the map pinned at ``path``, None if there is none. Raises KernelError if it is another kind of map."""
    where = f"map '{safe(spec.name)}'"
    fd = bpffs.get(path, "map", where)
    if fd is None:
        return None
    with ExitStack() as unless:
        unless.enter_context(fd)
        found = kernel_map.from_fd(fd, spec.name)
        if differences := _differences(spec, found):
            error = KernelError(f"{where}: pinned at {safe(path)}: {differences}", errno.EINVAL)
            error.add_note(f"it is another program's, or an older version's; rm {safe(path)} makes room")
            raise error
        unless.pop_all()
    return found


def pin_map(made: Map, path: str, undo: ExitStack) -> bool:
    """Pin a map, and note in ``undo`` how to unpin it; tell whether the path was free."""
    where = f"map '{safe(made.name)}'"
    bpffs.prepare(os.path.dirname(path), where)  # noqa: PTH120
    try:
        bpffs.pin(made.fd, path, where)
    except KernelError as error:
        if error.errno != errno.EEXIST:
            raise
        return False
    undo.callback(bpffs.unpin, path, where)
    return True


def pin_programs(programs: Iterable[Program], folder: str, undo: ExitStack) -> None:
    """Pin programs, each in the place of an earlier one of its name; no earlier pin goes before all new ones are made.

    ``undo`` takes what unpins them. Raises KernelError; two programs whose names the file system cannot tell apart are
    refused.
    """
    ready: dict[str, str] = {}
    bpffs.prepare(folder, "programs")
    with bpffs.locked(folder), ExitStack() as unfinished:
        for program in programs:
            where = f"program '{safe(program.name)}'"
            path = os.path.join(folder, file_name(program.name))  # noqa: PTH118
            if path in ready:
                raise KernelError(f"{where}: pin at {safe(path)}: another program has this file", errno.EEXIST)
            if earlier := bpffs.get(path, "prog", where):
                earlier.close()
            new = f"{path}~"  # not the file of any program; a killed process may have left it
            bpffs.unpin(new, where)
            bpffs.pin(program.fd, new, where)
            unfinished.callback(bpffs.unpin, new, where)
            ready[path] = where
        for path, where in ready.items():
            bpffs.rename(f"{path}~", path, where)
            undo.callback(bpffs.unpin, path, where)
            _log.info("%s: pinned at %s", where, safe(path))


def _differences(spec: MapSpec, found: Map) -> str:
    wanted, info = maps.adjusted(spec), found.info()
    flags = info.map_flags & ~(MapFlag.RDONLY_PROG if found.type in _DEVMAPS else 0)
    pairs = (
        ("type", found.type, wanted.type),
        ("key size", found.key_size, wanted.key_size),
        ("value size", found.value_size, wanted.value_size),
        ("max_entries", found.max_entries, wanted.max_entries or found.max_entries),  # 0: whoever made it has chosen
        ("flags", flags, wanted.flags),
        ("map_extra", info.map_extra, wanted.map_extra),
    )
    return ", ".join([f"{what} {got}, expected {want}" for what, got, want in pairs if got != want])
