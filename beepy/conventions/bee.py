"""bee's convention: a map's section or name gives its role, a field's name the metric's number.

::

    up to 0.0.14    struct { ... } exits SEC(".maps.counter");
    from 0.0.15 on  struct { ... } counter_exits SEC(".maps");

In the older form the section only has to contain the role's name. It overrides the map's name.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from beepy import map_types
from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.btf.types import VOID, TypeId
from beepy.obj.sections import LEGACY_MAPS, is_maps
from beepy.obj.spec import CollectionSpec, MapSpec, NotShown, Role, Tracked
from beepy.uapi import MapType

_FD_SIZE: Final = 4  # bytes

_LEGACY: Final = (
    'a legacy definition has no types: define it in SEC(".maps") with __type(value, ...)'
)
_NO_RECORD: Final = (
    "the type of its records is unknown: declare it with __type(value, struct event)"
)
_DESCRIPTORS: Final = _NO_RECORD.replace(":", " (its own values are file descriptors):", 1)

# the field of a record with the number of the metric; each record of a counter counts 1
_METRIC_VALUES: Final[Mapping[Role, str]] = {Role.HIST: "le", Role.GAUGE: "value"}


def tracked(spec: CollectionSpec, _hints: Mapping[str, bytes]) -> Iterator[Tracked | NotShown]:
    """Yield the maps that have a role, in their order; bee's images have no hints."""
    for map_spec in spec.maps:
        role = _role(map_spec)
        if role is None:
            continue
        name = map_spec.name
        reason = _why_unknown(spec.btf, map_spec)
        if reason:
            yield NotShown(name, role, reason)
        else:
            record = declared_record(spec.btf, map_spec)
            metric = "" if role is Role.PRINT else metric_name(name)
            yield Tracked(
                map=name,
                role=role,
                record=record,
                metric=metric,
                metric_value=metric_value(role),
            )


def declared_record(btf: Btf | None, map_spec: MapSpec) -> TypeId:
    """Return the type that a buffer declares for its records, 0 if it declares none."""
    if not map_types.of(map_spec.type).is_stream:
        return VOID
    if map_spec.type == MapType.PERF_EVENT_ARRAY and _is_fd(btf, map_spec.value):
        return VOID
    return map_spec.value


def metric_name(map_name: str) -> str:
    """Return the name of a map's metric."""
    return "ebpf_solo_io_" + re.sub("[^a-zA-Z0-9_]", "_", map_name)


def metric_value(role: Role | None) -> str:
    """Return the field with the number of a stream's metric, "" if records are counted."""
    return _METRIC_VALUES.get(role, "") if role else ""


def _role(map_spec: MapSpec) -> Role | None:
    if not is_maps(map_spec.section) and map_spec.section != LEGACY_MAPS:
        return None
    suffix = map_spec.section.removeprefix(".maps")
    by_section = (role for role in Role if role in suffix)
    by_name = (role for role in Role if map_spec.name.startswith(f"{role}_"))
    return next(by_section, None) or next(by_name, None)


def _why_unknown(btf: Btf | None, map_spec: MapSpec) -> str:
    """Return the reason why the types of a map's contents are unknown, "" if they are known.

    Return "", too, for map types that nothing reads: that is a better reason.
    """
    kind = map_types.of(map_spec.type)
    if kind.not_shown:
        return ""
    if map_spec.section == LEGACY_MAPS and not (map_spec.key or map_spec.value):
        return _LEGACY
    if map_spec.type == MapType.PERF_EVENT_ARRAY and _is_fd(btf, map_spec.value):
        return _DESCRIPTORS
    return _NO_RECORD if kind.is_stream and not map_spec.value else ""


def _is_fd(btf: Btf | None, value: TypeId) -> bool:
    """Return whether a perf event array declares an integer of 4 bytes, or nothing.

    That is what the kernel has in it, fds of perf events, and not the records that programs write.
    """
    if btf is None or not value:
        return not value
    _, resolved = skip_mods_and_typedefs(btf, value)
    return isinstance(resolved, types.Int) and resolved.size == _FD_SIZE
