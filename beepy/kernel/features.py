"""What this kernel can do, found out by trying; each answer is kept.

``has`` answers for the rows of ``beepy.features``, the other functions for what the kernel numbers itself.
"""

import os
from functools import cache
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.features import Feature
from beepy.host import machine
from beepy.kernel import probes, samples
from beepy.obj.insn import CALL, EXIT, Insn
from beepy.sys import syscall
from beepy.uapi import NO_ATTACH_TYPE, AttachType, MapType, ProgFlag, ProgType

_ATTACH_TYPES: Final = {  # without which a program type is not loaded
    ProgType.CGROUP_SOCK_ADDR: AttachType.CGROUP_INET4_CONNECT,
    ProgType.CGROUP_SOCKOPT: AttachType.CGROUP_GETSOCKOPT,
    ProgType.SK_LOOKUP: AttachType.SK_LOOKUP,
    ProgType.NETFILTER: AttachType.NETFILTER,
    ProgType.TRACING: AttachType.TRACE_RAW_TP,
    ProgType.LSM: AttachType.LSM_MAC,
}


@cache
def has(feature: Feature) -> bool:
    """Tell whether the kernel has a feature. Raises KernelError where it does not let this process know."""
    return probes.PROBES[feature]()


@cache
def has_helper(number: int) -> bool:
    """Tell whether the kernel has a helper of that number at all, for whatever type of program."""
    _, log = samples.attempt(ProgType.SOCKET_FILTER, (Insn(CALL, imm=number), Insn(EXIT)))
    return b"invalid func " not in log  # check_helper_call: beyond the last; "unknown func": not for this type


@cache
def has_map_type(map_type: MapType) -> bool:
    """Tell whether the kernel has maps of a type. Raises KernelError (EPERM) where this process may not know."""
    if map_type == MapType.STRUCT_OPS:
        return samples.has_struct_ops_maps()
    return samples.makes(map_type, samples.sample(map_type)) == 0


@cache
def has_prog_type(prog_type: ProgType) -> bool:
    """Tell whether the kernel has programs of a type. Raises KernelError (EPERM) where this process may not know."""
    flags = ProgFlag.SLEEPABLE if prog_type == ProgType.SYSCALL else ProgFlag(0)
    return samples.loads(prog_type, _ATTACH_TYPES.get(prog_type, NO_ATTACH_TYPE), flags)


def sanitize_name(name: bytes) -> bytes:
    """Return as much of a map's or program's name as the kernel takes, once it has refused the name.

    Names came with v4.15 (ad5b177bd73f), dots in them with v5.2 (3e0ddc4f3ff1).
    """
    for candidate in (name, name.replace(b".", b"_")):
        if _takes_name(candidate):
            return candidate
    return b""


@cache
def _takes_name(name: bytes) -> bool:
    attr = uapi.MapCreate(map_type=MapType.ARRAY, key_size=4, value_size=4, max_entries=1, map_name=name)
    try:
        syscall.map_create(attr, "probe of names").close()
    except KernelError:
        return False
    return True


def syscall_prefix() -> str:
    """Return what precedes a system call's name in the name of its function in the kernel."""
    if has(Feature.SYSCALL_WRAPPER):
        return machine.SYSCALL_PREFIXES.get(os.uname().machine, machine.NO_SYSCALL_WRAPPER)
    return machine.NO_SYSCALL_WRAPPER
