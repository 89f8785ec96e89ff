"""TABLE: map type -> how it is read and created. What else is known of a type: ``beepy.map_types``."""

import errno
import mmap
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from beepy import map_types
from beepy.btf.types import VOID
from beepy.errors import ElfError, KernelError
from beepy.events.batch import Reader, Schema
from beepy.host import machine
from beepy.kernel import map as kernel_map
from beepy.kernel.map import Map
from beepy.log import Log
from beepy.maps.ringbuf import RingReader
from beepy.obj.spec import MapSpec
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import MapFlag, MapType

_log = Log(__name__)

_MAX_RING: Final = 1 << 31  # bytes; beyond it the kernel is given what was asked for, and refuses it


def _unchanged(spec: MapSpec) -> MapSpec:
    return spec


def _ring(spec: MapSpec) -> MapSpec:
    """Drop the sizes (``__type(value, ...)`` names the records) and round up, as libbpf's adjust_ringbuf_sz does."""
    size = mmap.PAGESIZE
    while size < spec.max_entries and size < _MAX_RING:
        size *= 2
    entries = max(size, spec.max_entries) if spec.max_entries else 0
    return spec._replace(key_size=0, value_size=0, max_entries=entries)


def _perf(spec: MapSpec) -> MapSpec:
    """One slot for the fd of an event per CPU, as libbpf's map_set_def_max_entries does."""
    return spec._replace(key_size=4, value_size=4, max_entries=spec.max_entries or machine.possible_cpus())


def _perf_reader(map_: Map, schema: Schema) -> Reader:
    from beepy.maps.perfbuf import PerfReader  # noqa: PLC0415 - most runs read rings alone

    return PerfReader(map_, schema)


def _table_reader(map_: Map, schema: Schema) -> Reader:
    from beepy.maps.table import TableReader  # noqa: PLC0415

    return TableReader(map_, schema)


def _keywise_reader(map_: Map, schema: Schema) -> Reader:
    from beepy.maps.table import keywise_reader  # noqa: PLC0415

    return keywise_reader(map_, schema)


class MapOps(NamedTuple):
    """How one map type is read and created.

    ``reader`` is None for a type that nothing reads; ``map_types`` has the reason. ``adjust`` turns the sizes of the
    object into those that the kernel takes.
    """

    reader: Callable[[Map, Schema], Reader] | None = None
    adjust: Callable[[MapSpec], MapSpec] = _unchanged


# a type without a row is created as the object defines it, and not read
TABLE: Final[Mapping[int, MapOps]] = {
    MapType.HASH: MapOps(_table_reader),
    MapType.ARRAY: MapOps(_table_reader),
    MapType.PERF_EVENT_ARRAY: MapOps(_perf_reader, _perf),
    MapType.PERCPU_HASH: MapOps(_table_reader),
    MapType.PERCPU_ARRAY: MapOps(_table_reader),
    MapType.LRU_HASH: MapOps(_table_reader),
    MapType.LRU_PERCPU_HASH: MapOps(_table_reader),
    MapType.LPM_TRIE: MapOps(_keywise_reader),
    MapType.CGROUP_STORAGE: MapOps(_keywise_reader),
    MapType.PERCPU_CGROUP_STORAGE: MapOps(_keywise_reader),
    MapType.RINGBUF: MapOps(RingReader, _ring),
    MapType.USER_RINGBUF: MapOps(adjust=_ring),
    MapType.RHASH: MapOps(_keywise_reader),
}

_DEFAULT: Final = MapOps()


def adjusted(spec: MapSpec) -> MapSpec:
    """Return ``spec`` with the sizes that the kernel takes. Raises ElfError for an unknown type."""
    if not map_types.is_known(spec.type):
        raise ElfError(f"map '{safe(spec.name)}': type {spec.type}: unknown")
    return TABLE.get(spec.type, _DEFAULT).adjust(spec)


def create(spec: MapSpec, btf: Fd | None, inner: Map | None = None, *, vmlinux_value_type_id: int = 0) -> Map:
    """Create the map of ``spec``; the caller owns it.

    ``btf`` holds the object's types, to which the spec's ids belong. ``inner`` shows what a map of maps holds.
    ``vmlinux_value_type_id`` is the kernel's type of a STRUCT_OPS map.

    Raises ElfError for an unknown type, KernelError when the kernel refuses. Unless that is for want of
    privilege, the map is tried without the types of its keys and values, as libbpf does, and a section of data without
    being mmap-able.
    """
    spec = adjusted(spec)
    kind = map_types.of(spec.type)
    if not kind.has_btf:
        spec = spec._replace(key=VOID, value=VOID)
    if not (spec.key or spec.value or vmlinux_value_type_id):
        btf = None

    def attempt(spec: MapSpec, btf: Fd | None) -> Map:
        return kernel_map.create(
            kind.type,
            spec.name,
            spec.key_size,
            spec.value_size,
            spec.max_entries,
            flags=spec.flags,
            btf=btf,
            key_type_id=spec.key if btf else 0,
            value_type_id=spec.value if btf else 0,
            vmlinux_value_type_id=vmlinux_value_type_id,
            inner=inner,
            numa_node=spec.numa_node,
            map_extra=spec.map_extra,
        )

    try:
        return attempt(spec, btf)
    except KernelError as error:
        if _too_old_to_map(spec, error):
            return create(spec._replace(flags=spec.flags & ~MapFlag.MMAPABLE), btf)
        if btf is None or vmlinux_value_type_id or error.errno == errno.EPERM:  # nothing else would be allowed either
            raise
        made = attempt(spec, None)
        _log.warning("%s; created without the types of its keys and values", error)
        return made


def _too_old_to_map(spec: MapSpec, error: KernelError) -> bool:
    asked = spec.contents is not None and spec.flags & MapFlag.MMAPABLE and spec.type == MapType.ARRAY
    if not asked or error.errno != errno.EINVAL:
        return False
    from beepy.features import Feature  # noqa: PLC0415 - only where the kernel refuses
    from beepy.kernel import features  # noqa: PLC0415 - as above

    return not features.has(Feature.ARRAY_MMAP)


def reader(map_: Map, schema: Schema) -> Reader | None:
    """Return what reads ``map_`` (the caller closes it before the map), or None for a type that nothing reads."""
    make = TABLE.get(map_.type, _DEFAULT).reader
    return make(map_, schema) if make else None
