"""TABLE: what is known of each map type, whatever the kernel is. How a type is created and read: ``beepy.maps``."""

import mmap
from collections.abc import Mapping
from typing import Final, NamedTuple

from beepy.uapi import MapFlag, MapType

_NO_READER: Final = "nothing reads {} yet"
_INNER_MAPS: Final = "nothing reads the maps in {} yet"
_INTERFACES: Final = "{} holds network interfaces"
_SOCKETS: Final = "{} holds sockets"


class Sample(NamedTuple):
    """The fields of BPF_MAP_CREATE that make the smallest map of a type.

    ``typed``: it must have BTF. ``nests``: it needs an inner map.
    """

    key_size: int = 4
    value_size: int = 4
    max_entries: int = 1
    map_flags: int = 0
    map_extra: int = 0
    numa_node: int = 0
    typed: bool = False
    nests: bool = False


_STORAGE: Final = Sample(4, 4, 0, MapFlag.NO_PREALLOC, typed=True)
_RING: Final = Sample(0, 0, mmap.PAGESIZE)


class MapKind(NamedTuple):
    """One map type.

    ``not_shown`` is why its contents are not shown ("{}" is its name), "" where ``beepy.maps`` has a reader.
    ``has_btf``: its keys and values may carry BTF ids; libbpf's bpf_object__create_map clears them for the others.
    ``is_percpu``: a value is one slot for each possible CPU. ``is_stream``: it carries records, and has no keys.
    ``counts_loss``: it counts the records that are lost. ``net_admin``: creating it needs CAP_NET_ADMIN.
    ``smallest`` makes one.
    """

    type: MapType
    not_shown: str = ""
    has_btf: bool = True
    is_percpu: bool = False
    is_stream: bool = False
    counts_loss: bool = False
    net_admin: bool = False
    smallest: Sample = Sample()


TABLE: Final[tuple[MapKind, ...]] = (
    MapKind(MapType.HASH),
    MapKind(MapType.ARRAY),
    MapKind(MapType.PROG_ARRAY, "{} holds programs"),
    MapKind(MapType.PERF_EVENT_ARRAY, has_btf=False, is_stream=True, counts_loss=True),
    MapKind(MapType.PERCPU_HASH, is_percpu=True),
    MapKind(MapType.PERCPU_ARRAY, is_percpu=True),
    MapKind(MapType.STACK_TRACE, _NO_READER, has_btf=False, smallest=Sample(4, 8)),
    MapKind(MapType.CGROUP_ARRAY, "{} holds control groups", has_btf=False),
    MapKind(MapType.LRU_HASH),
    MapKind(MapType.LRU_PERCPU_HASH, is_percpu=True),
    MapKind(MapType.LPM_TRIE, smallest=Sample(8, 8, 1, MapFlag.NO_PREALLOC)),
    MapKind(MapType.ARRAY_OF_MAPS, _INNER_MAPS, has_btf=False, smallest=Sample(nests=True)),
    MapKind(MapType.HASH_OF_MAPS, _INNER_MAPS, has_btf=False, smallest=Sample(nests=True)),
    MapKind(MapType.DEVMAP, _INTERFACES, has_btf=False, net_admin=True),
    MapKind(MapType.SOCKMAP, _SOCKETS, has_btf=False, net_admin=True),
    MapKind(MapType.CPUMAP, "{} holds CPUs", has_btf=False),
    MapKind(MapType.XSKMAP, _SOCKETS, has_btf=False, net_admin=True),
    MapKind(MapType.SOCKHASH, _SOCKETS, has_btf=False, net_admin=True),
    MapKind(MapType.CGROUP_STORAGE, smallest=Sample(16, 8, 0)),
    MapKind(MapType.REUSEPORT_SOCKARRAY, _SOCKETS),
    MapKind(MapType.PERCPU_CGROUP_STORAGE, is_percpu=True, smallest=Sample(16, 8, 0)),
    MapKind(MapType.QUEUE, _NO_READER, has_btf=False, smallest=Sample(0)),
    MapKind(MapType.STACK, _NO_READER, has_btf=False, smallest=Sample(0)),
    MapKind(MapType.SK_STORAGE, _NO_READER, smallest=_STORAGE),
    MapKind(MapType.DEVMAP_HASH, _INTERFACES, has_btf=False, net_admin=True),
    MapKind(MapType.STRUCT_OPS, "{} holds functions that the kernel calls", has_btf=False),
    MapKind(MapType.RINGBUF, has_btf=False, is_stream=True, smallest=_RING),
    MapKind(MapType.INODE_STORAGE, _NO_READER, smallest=_STORAGE),
    MapKind(MapType.TASK_STORAGE, _NO_READER, smallest=_STORAGE),
    MapKind(MapType.BLOOM_FILTER, "the values in {} cannot be listed", smallest=Sample(0)),
    MapKind(
        MapType.USER_RINGBUF,
        "{} carries records to programs, not from them",
        has_btf=False,
        smallest=_RING,
    ),
    MapKind(MapType.CGRP_STORAGE, _NO_READER, smallest=_STORAGE),
    MapKind(
        MapType.ARENA,
        "{} is memory without keys and values",
        has_btf=False,
        smallest=Sample(0, 0, 1, MapFlag.MMAPABLE),
    ),
    MapKind(MapType.INSN_ARRAY, "{} holds addresses of instructions", smallest=Sample(4, 16)),
    MapKind(MapType.RHASH, smallest=Sample(4, 4, 1, MapFlag.NO_PREALLOC)),
)

_KINDS: Final[Mapping[int, MapKind]] = {kind.type: kind for kind in TABLE}
_UNKNOWN: Final = MapKind(MapType.UNSPEC)


def is_known(map_type: int) -> bool:
    """Tell whether the table has the type: any number may stand in an object."""
    return map_type in _KINDS


def of(map_type: int) -> MapKind:
    """Return what is known of a map type; a type that is not in the table has no property."""
    return _KINDS.get(map_type, _UNKNOWN)


def not_shown(map_type: int) -> str:
    """Return why the contents of maps of this type are not shown, "" if they are."""
    kind = of(map_type)
    return kind.not_shown.format(kind.type.name)
