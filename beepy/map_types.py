"""TABLE: map type -> its properties, the same on every kernel. ``beepy.maps`` creates and reads."""

import mmap
from collections.abc import Mapping
from typing import Final, NamedTuple

from beepy.uapi import MapFlag, MapType

_NO_READER: Final = "nothing reads {} yet"
_INNER_MAPS: Final = "nothing reads the maps in {} yet"
_INTERFACES: Final = "{} holds network interfaces"
_SOCKETS: Final = "{} holds sockets"


class Sample(NamedTuple):
    """The fields of BPF_MAP_CREATE for the smallest map of a type, which probes create.

    ``needs_btf``: it must have types. ``needs_inner_map``: it must have the fd of an inner map.
    """

    key_size: int = 4
    value_size: int = 4
    max_entries: int = 1
    map_flags: int = 0
    map_extra: int = 0
    numa_node: int = 0
    needs_btf: bool = False
    needs_inner_map: bool = False


_STORAGE: Final = Sample(max_entries=0, map_flags=MapFlag.NO_PREALLOC, needs_btf=True)
_RING: Final = Sample(key_size=0, value_size=0, max_entries=mmap.PAGESIZE)
_QUEUE: Final = Sample(key_size=0)
_NESTED: Final = Sample(needs_inner_map=True)
_CGROUP_STORAGE: Final = Sample(key_size=16, value_size=8, max_entries=0)
_LPM_TRIE: Final = Sample(key_size=8, value_size=8, map_flags=MapFlag.NO_PREALLOC)
_ARENA: Final = Sample(key_size=0, value_size=0, map_flags=MapFlag.MMAPABLE)


class MapKind(NamedTuple):
    """The properties of one map type.

    ``not_shown`` is the reason why its contents are not shown ("{}" is its name), "" if
    ``beepy.maps`` has a reader. ``has_btf``: its keys and values may have BTF ids; libbpf's
    bpf_object__create_map clears them for the others. ``is_percpu``: a value is one slot for each
    possible CPU. ``is_stream``: it carries records, and has no keys. ``counts_loss``: it counts the
    records that are lost. ``net_admin``: creating it needs CAP_NET_ADMIN. ``smallest`` is how to
    create the smallest one.
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
    MapKind(MapType.PROG_ARRAY, not_shown="{} holds programs"),
    MapKind(MapType.PERF_EVENT_ARRAY, has_btf=False, is_stream=True, counts_loss=True),
    MapKind(MapType.PERCPU_HASH, is_percpu=True),
    MapKind(MapType.PERCPU_ARRAY, is_percpu=True),
    MapKind(
        MapType.STACK_TRACE, not_shown=_NO_READER, has_btf=False, smallest=Sample(value_size=8)
    ),
    MapKind(MapType.CGROUP_ARRAY, not_shown="{} holds control groups", has_btf=False),
    MapKind(MapType.LRU_HASH),
    MapKind(MapType.LRU_PERCPU_HASH, is_percpu=True),
    MapKind(MapType.LPM_TRIE, smallest=_LPM_TRIE),
    MapKind(MapType.ARRAY_OF_MAPS, not_shown=_INNER_MAPS, has_btf=False, smallest=_NESTED),
    MapKind(MapType.HASH_OF_MAPS, not_shown=_INNER_MAPS, has_btf=False, smallest=_NESTED),
    MapKind(MapType.DEVMAP, not_shown=_INTERFACES, has_btf=False, net_admin=True),
    MapKind(MapType.SOCKMAP, not_shown=_SOCKETS, has_btf=False, net_admin=True),
    MapKind(MapType.CPUMAP, not_shown="{} holds CPUs", has_btf=False),
    MapKind(MapType.XSKMAP, not_shown=_SOCKETS, has_btf=False, net_admin=True),
    MapKind(MapType.SOCKHASH, not_shown=_SOCKETS, has_btf=False, net_admin=True),
    MapKind(MapType.CGROUP_STORAGE, smallest=_CGROUP_STORAGE),
    MapKind(MapType.REUSEPORT_SOCKARRAY, not_shown=_SOCKETS),
    MapKind(MapType.PERCPU_CGROUP_STORAGE, is_percpu=True, smallest=_CGROUP_STORAGE),
    MapKind(MapType.QUEUE, not_shown=_NO_READER, has_btf=False, smallest=_QUEUE),
    MapKind(MapType.STACK, not_shown=_NO_READER, has_btf=False, smallest=_QUEUE),
    MapKind(MapType.SK_STORAGE, not_shown=_NO_READER, smallest=_STORAGE),
    MapKind(MapType.DEVMAP_HASH, not_shown=_INTERFACES, has_btf=False, net_admin=True),
    MapKind(
        MapType.STRUCT_OPS, not_shown="{} holds functions that the kernel calls", has_btf=False
    ),
    MapKind(MapType.RINGBUF, has_btf=False, is_stream=True, smallest=_RING),
    MapKind(MapType.INODE_STORAGE, not_shown=_NO_READER, smallest=_STORAGE),
    MapKind(MapType.TASK_STORAGE, not_shown=_NO_READER, smallest=_STORAGE),
    MapKind(MapType.BLOOM_FILTER, not_shown="the values in {} cannot be listed", smallest=_QUEUE),
    MapKind(
        MapType.USER_RINGBUF,
        not_shown="{} carries records to programs, not from them",
        has_btf=False,
        smallest=_RING,
    ),
    MapKind(MapType.CGRP_STORAGE, not_shown=_NO_READER, smallest=_STORAGE),
    MapKind(
        MapType.ARENA,
        not_shown="{} is memory without keys and values",
        has_btf=False,
        smallest=_ARENA,
    ),
    MapKind(
        MapType.INSN_ARRAY,
        not_shown="{} holds addresses of instructions",
        smallest=Sample(value_size=16),
    ),
    MapKind(MapType.RHASH, smallest=Sample(map_flags=MapFlag.NO_PREALLOC)),
)

_KINDS: Final[Mapping[int, MapKind]] = {kind.type: kind for kind in TABLE}
_UNKNOWN: Final = MapKind(MapType.UNSPEC)


def is_known(map_type: int) -> bool:
    """Return whether the table has the type: an object can contain any number."""
    return map_type in _KINDS


def of(map_type: int) -> MapKind:
    """Return the row of a map type; for unknown types, one without any property."""
    return _KINDS.get(map_type, _UNKNOWN)


def not_shown(map_type: int) -> str:
    """Return the reason why maps of this type are not shown, "" if they are."""
    kind = of(map_type)
    return kind.not_shown.format(kind.type.name)
