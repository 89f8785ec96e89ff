"""Types of maps and programs that this kernel has, found out by making one of each; each answer is kept."""

import errno
import mmap
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from typing import Final, NamedTuple

from beepy import uapi
from beepy.errors import KernelError
from beepy.kernel import features, syscall
from beepy.kernel.fd import Fd
from beepy.obj.insn import EXIT, MOV64_IMM, Insn
from beepy.uapi import NO_ATTACH_TYPE, AttachType, MapFlag, MapType, ProgFlag, ProgType


class Sample(NamedTuple):
    """The fields of BPF_MAP_CREATE that make the smallest map of a type; ``typed``: it must have BTF."""

    key_size: int = 4
    value_size: int = 4
    max_entries: int = 1
    map_flags: int = 0
    map_extra: int = 0
    numa_node: int = 0
    typed: bool = False
    nests: bool = False


_STORAGE: Final = Sample(4, 4, 0, MapFlag.NO_PREALLOC, typed=True)
_SAMPLES: Final[Mapping[int, Sample]] = {  # of the other types Sample()
    MapType.STACK_TRACE: Sample(4, 8),
    MapType.LPM_TRIE: Sample(8, 8, 1, MapFlag.NO_PREALLOC),
    MapType.ARRAY_OF_MAPS: Sample(nests=True),
    MapType.HASH_OF_MAPS: Sample(nests=True),
    MapType.CGROUP_STORAGE: Sample(16, 8, 0),
    MapType.PERCPU_CGROUP_STORAGE: Sample(16, 8, 0),
    MapType.QUEUE: Sample(0),
    MapType.STACK: Sample(0),
    MapType.SK_STORAGE: _STORAGE,
    MapType.INODE_STORAGE: _STORAGE,
    MapType.TASK_STORAGE: _STORAGE,
    MapType.CGRP_STORAGE: _STORAGE,
    MapType.RINGBUF: Sample(0, 0, mmap.PAGESIZE),
    MapType.USER_RINGBUF: Sample(0, 0, mmap.PAGESIZE),
    MapType.BLOOM_FILTER: Sample(0),
    MapType.ARENA: Sample(0, 0, 1, MapFlag.MMAPABLE),
    MapType.INSN_ARRAY: Sample(4, 16),
    MapType.RHASH: Sample(4, 4, 1, MapFlag.NO_PREALLOC),
}
_INT_TYPE: Final = 1  # of _types()
_ATTACH_TYPES: Final[Mapping[int, AttachType]] = {  # without which a type is not loaded
    ProgType.CGROUP_SOCK_ADDR: AttachType.CGROUP_INET4_CONNECT,
    ProgType.CGROUP_SOCKOPT: AttachType.CGROUP_GETSOCKOPT,
    ProgType.SK_LOOKUP: AttachType.SK_LOOKUP,
    ProgType.NETFILTER: AttachType.NETFILTER,
    ProgType.TRACING: AttachType.TRACE_RAW_TP,
    ProgType.LSM: AttachType.LSM_MAC,
}
_TYPED: Final = (ProgType.TRACING, ProgType.STRUCT_OPS, ProgType.EXT, ProgType.LSM)  # they name a type of the kernel


def sample(map_type: int) -> Sample:
    """Return what a map of that type is made with."""
    return _SAMPLES.get(map_type, Sample())


@cache
def has_map_type(map_type: MapType) -> bool:
    """Tell whether the kernel has maps of a type. Raises KernelError (EPERM) where it lets nobody know."""
    if map_type == MapType.STRUCT_OPS:
        return _has_operations()
    return makes(map_type, sample(map_type)) == 0


def makes(map_type: MapType, wanted: Sample) -> int:
    """Make a map and let it go; return 0, or the errno of the refusal. Raises KernelError if that is EPERM."""
    where = f"probe of maps: {map_type.name}"
    attr = uapi.MapCreate(map_type=map_type, **{name: getattr(wanted, name) for name in Sample._fields[:-2]})
    with ExitStack() as stack:
        if wanted.typed:
            attr.btf_fd = stack.enter_context(_types(where)).fileno()
            attr.btf_key_type_id = attr.btf_value_type_id = _INT_TYPE
        if wanted.nests:
            inner = uapi.MapCreate(map_type=MapType.HASH, key_size=4, value_size=4, max_entries=1)
            attr.inner_map_fd = stack.enter_context(syscall.map_create(inner, where)).fileno()
        try:
            _permitted(lambda: syscall.map_create(attr, where))
        except KernelError as error:
            if error.errno == errno.EPERM:
                raise
            return error.errno or errno.EINVAL
    return 0


def _permitted(make: Callable[[], Fd]) -> None:
    """Make something and let it go; again with more of RLIMIT_MEMLOCK, where that counts. Raises KernelError."""
    try:
        make().close()
    except KernelError as error:
        if error.errno != errno.EPERM or not features.raise_memlock():
            raise
        make().close()


def _has_operations() -> bool:
    """Type 1 of the kernel's types is no struct of operations: ENOTSUPP, where it has the map's type."""
    attr = uapi.MapCreate(map_type=MapType.STRUCT_OPS, key_size=4, max_entries=1, btf_vmlinux_value_type_id=1)
    try:
        _permitted(lambda: syscall.map_create(attr, "probe of maps: STRUCT_OPS"))
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise
        return error.errno == syscall.ENOTSUPP
    return True


def _types(where: str) -> Fd:
    """Give the kernel the type ``int``."""
    from beepy.btf.writer import BtfWriter  # noqa: PLC0415 - few programs are probed with types

    writer = BtfWriter()
    writer.integer()
    body = writer.data()
    return syscall.btf_load(uapi.BtfLoad(btf=syscall.address(body), btf_size=len(body)), where)


@cache
def has_prog_type(prog_type: ProgType) -> bool:
    """Tell whether the kernel has programs of a type. Raises KernelError (EPERM) where it lets nobody know."""
    flags = ProgFlag.SLEEPABLE if prog_type == ProgType.SYSCALL else ProgFlag(0)
    return loads(prog_type, _ATTACH_TYPES.get(prog_type, NO_ATTACH_TYPE), flags)


def loads(prog_type: ProgType, attach_type: AttachType, flags: ProgFlag) -> bool:
    """Tell whether the kernel looks at programs of that type, attach type and flags, whatever it says of this one.

    Before the verifier, which writes a log, it refuses by EINVAL what it does not know. Raises KernelError for EPERM.
    """
    kind = 1 if prog_type in _TYPED else 0
    program = (prog_type, (Insn(MOV64_IMM), Insn(EXIT)), attach_type, flags, kind)
    refused, log = features.attempt(*program)
    if refused == errno.EPERM and features.raise_memlock():
        refused, log = features.attempt(*program)
    if refused == errno.EPERM:
        raise KernelError(f"probe of programs: {prog_type.name}: {syscall.reason(refused)}", refused)
    return bool(log) or refused != errno.EINVAL
