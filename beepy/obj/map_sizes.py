"""``--map-size MAP=16M``: sizes of maps; and sizes for those that other loaders set at run time."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

from beepy import map_types
from beepy.errors import UsageError, worded
from beepy.log import Log
from beepy.obj.spec import CollectionSpec, MapSpec
from beepy.text import safe
from beepy.uapi import MapType
from beepy.units import SIZES

_log = Log(__name__)

_MAX: Final = (1 << 32) - 1  # max_entries is a u32
_RINGS: Final = (MapType.RINGBUF, MapType.USER_RINGBUF)
_ENTRIES: Final = 10240  # as libbpf-tools define most of their tables
_STACKS: Final = 1024  # of 127 frames, a kilobyte each
_RING: Final = 256 << 10  # bytes
_FRAME: Final = 8  # bytes
_FRAMES: Final = 127  # PERF_MAX_STACK_DEPTH, the kernel's default of perf_event_max_stack


def settings(texts: Iterable[str]) -> Mapping[str, str]:
    """Return the sizes by map, from the values of ``--map-size``. Raises UsageError."""
    sizes: dict[str, str] = {}
    for text in texts:
        name, _, size = text.partition("=")
        if not name or name in sizes:
            reason = f"map '{safe(name)}' is given twice" if name else "expected MAP=SIZE"
            raise UsageError(worded(f"--map-size '{safe(text)}': {reason}"))
        _number(name, size)
        sizes[name] = size
    return sizes


def apply_all(
    specs: Sequence[CollectionSpec],
    sizes: Mapping[str, int | str],
    existing: Container[str] = (),
) -> Sequence[CollectionSpec]:
    """Return the specs with maps of these sizes: bytes of a ring, else entries.

    Maps are named as in the object, or as they are shown.
    A map that has none in the object, because its own loader sets it at run time, gets a default,
    with a warning, unless it is among the ``existing`` ones, which are pinned. Raises UsageError
    for a map that is not there, or has no size of its own.
    """
    if not sizes and not any(_lacks_size(map_spec) for spec in specs for map_spec in spec.maps):
        return specs
    known = {m.name: m for spec in specs for m in spec.maps if m.contents is None}
    shown = {t.shown_as: t.map for spec in specs for t in spec.tracked if t.shown_as not in known}
    sizes = {shown.get(name, name): size for name, size in sizes.items()}
    for name in sizes:
        _check(name, known, sizes[name])
    return [
        spec._replace(maps=tuple([_sized(map_spec, sizes, existing) for map_spec in spec.maps]))
        for spec in specs
    ]


def _sized(map_spec: MapSpec, sizes: Mapping[str, int | str], existing: Container[str]) -> MapSpec:
    if map_spec.name in sizes and map_spec.contents is None:
        map_spec = map_spec._replace(max_entries=_number(map_spec.name, sizes[map_spec.name]))
    elif map_spec.name in existing:
        return map_spec
    elif map_spec.max_entries == 0 and _lacks_size(map_spec):
        map_spec = map_spec._replace(max_entries=_default(map_spec))
        unit = "bytes" if map_spec.type in _RINGS else "entries"
        name = safe(map_spec.name)
        _log.warning(
            "map '%s': %d %s: its size is left to who loads it: --map-size %s=N sets it",
            name,
            map_spec.max_entries,
            unit,
            name,
        )
    if map_spec.type == MapType.STACK_TRACE and not map_spec.value_size:
        map_spec = map_spec._replace(value_size=_FRAMES * _FRAME)
    return map_spec


def _default(map_spec: MapSpec) -> int:
    if map_spec.type in _RINGS:
        return _RING
    return _STACKS if map_spec.type == MapType.STACK_TRACE else _ENTRIES


def _lacks_size(map_spec: MapSpec) -> bool:
    """Tell whether the kernel would refuse a map, for it has no size."""
    if map_spec.contents is not None or map_spec.type == MapType.STRUCT_OPS:
        return False
    is_stack = map_spec.type == MapType.STACK_TRACE and not map_spec.value_size
    return is_stack or (map_spec.max_entries == 0 and not _why_fixed(map_spec.type))


def _why_fixed(map_type: int) -> str:
    """Return why maps of a type have no size of their own, "" if they have."""
    if map_type == MapType.PERF_EVENT_ARRAY:
        return "a perf buffer has one entry for each CPU"
    if map_type == MapType.STRUCT_OPS or not map_types.is_known(map_type):
        return "its size is fixed"
    kind = map_types.of(map_type)
    return "" if kind.smallest.max_entries else "it has one entry for each object of the kernel"


def _check(name: str, known: Mapping[str, MapSpec], size: int | str) -> None:
    _number(name, size)
    if name in known:
        if reason := _why_fixed(known[name].type):
            raise UsageError(worded(f"--map-size '{safe(name)}={size}': {reason}"))
        return
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    listed = ", ".join(map(safe, sorted(known))) or "none"
    text = f"--map-size '{safe(name)}={size}': no map has that name: expected {listed}"
    error = UsageError(worded(text))
    if similar := get_close_matches(name, known, 3):
        error.add_note(f"did you mean {' or '.join(map(safe, similar))}?")
    raise error


def _number(name: str, size: int | str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([KMG]?)(?:iB|B)?", str(size).strip(), re.ASCII)
    number = int(match[1]) * SIZES.get(match[2], 1) if match else 0
    if not 0 < number <= _MAX:
        shown = f"{safe(name)}={safe(str(size))}"
        expected = f"a size from 1 to {_MAX}, such as 4096, 64K or 16M"
        raise UsageError(worded(f"--map-size '{shown}': expected {expected}"))
    return number
