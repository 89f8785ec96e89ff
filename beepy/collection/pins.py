"""Pin maps and programs in the BPF file system, where they outlive the process.

A map defined with ``__uint(pinning, LIBBPF_PIN_BY_NAME)`` is pinned in ``Pins.root``, as by libbpf.
With ``Pins.maps`` every map but .data, .bss and .rodata is pinned in that directory. A map that is
pinned there already is reused with its entries if it has the same definition, else loading fails.
Programs are pinned in the directory ``Pins.programs`` and replace an earlier run's. Missing
directories are created. Closing a map or program keeps its pin; removing the file ends it. Where no
BPF file system is mounted, maps are pinned by name in a private one while the objects of a run are
loaded, which so share them.
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
from beepy.obj.pinning import Pins, file_name
from beepy.obj.spec import CollectionSpec, MapSpec
from beepy.text import safe
from beepy.uapi import MapFlag, MapType

_log = Log(__name__)

_MAX_LISTED: Final = 8  # names in a message
_DEVMAPS: Final = (MapType.DEVMAP, MapType.DEVMAP_HASH)  # the kernel gives them BPF_F_RDONLY_PROG


def with_root(pins: Pins, specs: Iterable[CollectionSpec], while_loading: ExitStack) -> Pins:
    """Return ``pins`` with a root for maps pinned by name, private if no other is mounted.

    ``while_loading`` unmounts it. If it cannot be mounted, return ``pins``: pinning says why.
    """
    if pins.maps or pins.root != Pins().root:
        return pins
    names = list(dict.fromkeys([m.name for spec in specs for m in spec.maps if pins.path(m)]))
    if not names or bpffs.is_mounted(pins.root):
        return pins
    try:
        fd, root = bpffs.mount_private()
    except KernelError as error:
        _log.info("%s", error)
        return pins
    while_loading.enter_context(fd)
    listed = ", ".join([safe(name) for name in names[:_MAX_LISTED]])
    more = ", ..." if len(names) > _MAX_LISTED else ""
    _log.warning(
        "maps pinned by name, %s%s: they end with this run, for no BPF file system is mounted: %s",
        listed,
        more,
        f"mount -t bpf bpf {pins.root}",
    )
    return pins._replace(root=root)


def reuse(spec: MapSpec, path: str) -> Map | None:
    """Return the map that is pinned at ``path``, None if the path is free; the caller closes it.

    Raises KernelError if its definition differs from ``spec``.
    """
    where = f"map '{safe(spec.name)}'"
    fd = bpffs.get(path, "map", where)
    if fd is None:
        return None
    with ExitStack() as on_failure:
        on_failure.enter_context(fd)
        pinned = kernel_map.from_fd(fd, spec.name)
        if differences := _differences(spec, pinned):
            error = KernelError(f"{where}: pinned at {safe(path)}: {differences}", errno.EINVAL)
            error.add_note(
                f"it is another program's, or an older version's; remove it with rm {safe(path)}"
            )
            raise error
        on_failure.pop_all()
    return pinned


def pin_map(new: Map, path: str, undo: ExitStack) -> bool:
    """Pin a map, and unpin it if ``undo`` runs; return False if the path is in use."""
    where = f"map '{safe(new.name)}'"
    directory = os.path.dirname(path)  # noqa: PTH120 - a text for the kernel
    is_private = bpffs.is_private(directory)
    if not is_private:
        bpffs.make_directory(directory, where)
    try:
        bpffs.pin(new.fd, path, where)
    except KernelError as error:
        if error.errno != errno.EEXIST:
            raise
        return False
    if not is_private:  # else the pin ends with its file system, and then the path is another's
        undo.callback(bpffs.unpin, path, where)
    return True


def pin_programs(programs: Iterable[Program], directory: str, undo: ExitStack) -> None:
    """Pin programs, and replace earlier pins of their names; all or none. ``undo`` unpins them.

    Raises KernelError, also for two programs with the same file name.
    """
    ready: dict[str, str] = {}
    bpffs.make_directory(directory, "programs")
    # pin all under temporary names first, so that a failure leaves the earlier pins as they are
    with bpffs.locked(directory), ExitStack() as unfinished:
        for program in programs:
            where = f"program '{safe(program.name)}'"
            path = os.path.join(directory, file_name(program.name))  # noqa: PTH118
            if path in ready:
                raise KernelError(
                    f"{where}: pin at {safe(path)}: another program has this file", errno.EEXIST
                )
            if earlier := bpffs.get(path, "prog", where):
                earlier.close()
            new = f"{path}~"  # no program has this name; a killed process may have left it
            bpffs.unpin(new, where)
            bpffs.pin(program.fd, new, where)
            unfinished.callback(bpffs.unpin, new, where)
            ready[path] = where
        for path, where in ready.items():
            bpffs.rename(f"{path}~", path, where)
            undo.callback(bpffs.unpin, path, where)
            _log.info("%s: pinned at %s", where, safe(path))


def _differences(spec: MapSpec, pinned: Map) -> str:
    """Return how a pinned map differs from ``spec``, "" if it does not."""
    expected, info = maps.adjusted(spec), pinned.info()
    flags = info.map_flags & ~(MapFlag.RDONLY_PROG if pinned.type in _DEVMAPS else 0)
    # max_entries 0: the application that created the map has chosen its size
    max_entries = expected.max_entries or pinned.max_entries
    fields = (
        ("type", pinned.type, expected.type),
        ("key size", pinned.key_size, expected.key_size),
        ("value size", pinned.value_size, expected.value_size),
        ("max_entries", pinned.max_entries, max_entries),
        ("flags", flags, expected.flags),
        ("map_extra", info.map_extra, expected.map_extra),
    )
    return ", ".join(
        [f"{name} {got}, expected {want}" for name, got, want in fields if got != want]
    )
