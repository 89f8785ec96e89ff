"""Probe what this kernel supports; each answer is cached.

``has`` probes the rows of ``beepy.features``. The other functions probe what the kernel numbers
itself: helpers, map types and program types.
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

# program types that are not loaded without an attach type, each with one of its attach types
_ATTACH_TYPES: Final = {
    ProgType.CGROUP_SOCK_ADDR: AttachType.CGROUP_INET4_CONNECT,
    ProgType.CGROUP_SOCKOPT: AttachType.CGROUP_GETSOCKOPT,
    ProgType.SK_LOOKUP: AttachType.SK_LOOKUP,
    ProgType.NETFILTER: AttachType.NETFILTER,
    ProgType.TRACING: AttachType.TRACE_RAW_TP,
    ProgType.LSM: AttachType.LSM_MAC,
}


@cache
def has(feature: Feature) -> bool:
    """Return whether the kernel has a feature. Raises KernelError if it may not be probed."""
    return probes.PROBES[feature]()


@cache
def has_helper(number: int) -> bool:
    """Return whether the kernel has the helper of that number, for any type of program."""
    _, log = samples.load(ProgType.SOCKET_FILTER, (Insn(CALL, imm=number), Insn(EXIT)))
    # the verifier's check_helper_call: "invalid func" if there is no such number, "unknown func" if
    # there is, but not for this program type
    return b"invalid func " not in log


@cache
def has_map_type(map_type: MapType) -> bool:
    """Return whether the kernel has a map type. Raises KernelError: EPERM if not permitted."""
    if map_type == MapType.STRUCT_OPS:
        return samples.has_struct_ops_maps()
    return samples.create_map(map_type, samples.sample(map_type)) == 0


@cache
def has_prog_type(prog_type: ProgType) -> bool:
    """Return whether the kernel has a program type. Raises KernelError: EPERM if not permitted."""
    flags = ProgFlag.SLEEPABLE if prog_type == ProgType.SYSCALL else ProgFlag(0)
    return samples.is_known(prog_type, _ATTACH_TYPES.get(prog_type, NO_ATTACH_TYPE), flags)


def sanitize_name(name: bytes) -> bytes:
    """Return a form of a map's or program's name that this kernel accepts, b"" if it has no names.

    Names came with v4.15 (ad5b177bd73f), dots in them with v5.2 (3e0ddc4f3ff1).
    """
    for candidate in (name, name.replace(b".", b"_")):
        if _accepts_name(candidate):
            return candidate
    return b""


@cache
def _accepts_name(name: bytes) -> bool:
    attr = uapi.MapCreate(
        map_type=MapType.ARRAY, key_size=4, value_size=4, max_entries=1, map_name=name
    )
    try:
        syscall.map_create(attr, "probe of names").close()
    except KernelError:
        return False
    return True


def syscall_prefix() -> str:
    """Return the prefix of the kernel's functions that implement system calls: ``__x64_sys_``."""
    if has(Feature.SYSCALL_WRAPPER):
        return machine.SYSCALL_PREFIXES.get(os.uname().machine, machine.NO_SYSCALL_WRAPPER)
    return machine.NO_SYSCALL_WRAPPER
