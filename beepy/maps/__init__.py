"""TABLE: how maps of each type are created and read; ``beepy.map_types`` has their other facts."""

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

_MAX_RING: Final = 1 << 31  # bytes; larger sizes are not rounded, and the kernel refuses them


def _unchanged(spec: MapSpec) -> MapSpec:
    return spec


def _ring(spec: MapSpec) -> MapSpec:
    """Round max_entries up, as libbpf's adjust_ringbuf_sz does, and set the other sizes to 0.

    In the object, key and value sizes come from ``__type(value, ...)``, which is the records' type.
    """
    size = mmap.PAGESIZE
    while size < spec.max_entries and size < _MAX_RING:
        size *= 2
    entries = max(size, spec.max_entries) if spec.max_entries else 0
    return spec._replace(key_size=0, value_size=0, max_entries=entries)


def _perf(spec: MapSpec) -> MapSpec:
    """Set one slot per CPU, for the fd of its event, as libbpf's map_set_def_max_entries does."""
    return spec._replace(
        key_size=4, value_size=4, max_entries=spec.max_entries or machine.possible_cpus()
    )


def _perf_reader(map_: Map, schema: Schema) -> Reader:
    from beepy.maps.perfbuf import PerfReader  # noqa: PLC0415 - most runs read ring buffers only

    return PerfReader(map_, schema)


def _table_reader(map_: Map, schema: Schema) -> Reader:
    from beepy.maps.table import TableReader  # noqa: PLC0415 - as above

    return TableReader(map_, schema)


def _keywise_reader(map_: Map, schema: Schema) -> Reader:
    from beepy.maps.table import keywise_reader  # noqa: PLC0415 - as above

    return keywise_reader(map_, schema)


class MapOps(NamedTuple):
    """How maps of one type are created and read.

    ``reader`` is None for a type that beepy does not read; ``map_types`` has the reason. ``adjust``
    changes the sizes in a spec to those that the kernel accepts.
    """

    reader: Callable[[Map, Schema], Reader] | None = None
    adjust: Callable[[MapSpec], MapSpec] = _unchanged


# a type without a row is created as the object defines it, and is not read
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
    """Return ``spec`` with sizes that the kernel accepts. Raises ElfError for an unknown type."""
    if not map_types.is_known(spec.type):
        raise ElfError(f"map '{safe(spec.name)}': type {spec.type}: unknown")
    return TABLE.get(spec.type, _DEFAULT).adjust(spec)


def create(
    spec: MapSpec, btf: Fd | None, inner: Map | None = None, *, vmlinux_value_type_id: int = 0
) -> Map:
    """Create the map of ``spec``; the caller owns it.

    ``btf`` is the object's BTF, to which the type ids of the spec belong. ``inner`` is the template
    of the maps in a map of maps. ``vmlinux_value_type_id`` is the kernel's type of a STRUCT_OPS
    map.

    If the kernel refuses for another reason than privilege, the map is created without its key and
    value types, as libbpf does, and a data section without BPF_F_MMAPABLE on kernels that lack it.
    Raises ElfError for an unknown type, KernelError if the kernel refuses all the same.
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
            key_size=spec.key_size,
            value_size=spec.value_size,
            max_entries=spec.max_entries,
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
        if _lacks_mmapable(spec, error):
            return create(spec._replace(flags=spec.flags & ~MapFlag.MMAPABLE), btf)
        # EPERM: not permitted without types either
        if btf is None or vmlinux_value_type_id or error.errno == errno.EPERM:
            raise
        map_ = attempt(spec, None)
        _log.warning("%s; created without its key and value types", error)
        return map_


def _lacks_mmapable(spec: MapSpec, error: KernelError) -> bool:
    """Return whether the kernel refused a data section because it cannot map arrays."""
    is_data = spec.contents is not None and spec.type == MapType.ARRAY
    if not (is_data and spec.flags & MapFlag.MMAPABLE) or error.errno != errno.EINVAL:
        return False
    from beepy.features import Feature  # noqa: PLC0415 - only where the kernel refuses
    from beepy.kernel import features  # noqa: PLC0415 - as above

    return not features.has(Feature.ARRAY_MMAP)


def reader(map_: Map, schema: Schema) -> Reader | None:
    """Return a reader of ``map_``, or None if beepy does not read its type.

    The caller closes the reader, before the map. Raises KernelError if the map cannot be read.
    """
    make_reader = TABLE.get(map_.type, _DEFAULT).reader
    return make_reader(map_, schema) if make_reader else None
