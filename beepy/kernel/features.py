"""What this kernel can do, found out by trying; each answer is kept."""

import ctypes
import errno
import os
from functools import cache
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.kernel import host, syscall
from beepy.obj.insn import CALL, EXIT, MOV64_IMM, Insn, encode
from beepy.uapi import NO_ATTACH_TYPE, AttachType, MapFlag, MapType, ProgFlag, ProgType

_KTIME_GET_COARSE_NS: Final = 160  # BPF_FUNC_ktime_get_coarse_ns
_GET_ATTACH_COOKIE: Final = 174  # BPF_FUNC_get_attach_cookie
_GPL: Final = b"GPL\0"
_NO_FLAGS: Final = ProgFlag(0)

SYSCALL_PREFIXES: Final = {
    "x86_64": "__x64_sys_",
    "aarch64": "__arm64_sys_",
    "s390x": "__s390x_sys_",
    "riscv64": "__riscv_sys_",
}
"""How system calls that take a ``struct pt_regs`` are named, by uname's machine."""

_NO_WRAPPER: Final = "__se_sys_"


@cache
def charges_memlock() -> bool:
    """Tell whether BPF memory counts against RLIMIT_MEMLOCK: before v5.11, where memory cgroups took over.

    The probe is libbpf's: a helper that came with the same release (d05512618056, "bpf: Add bpf_ktime_get_coarse_ns
    helper").
    """
    return not _loads(ProgType.SOCKET_FILTER, _KTIME_GET_COARSE_NS)


@cache
def has_bpf_cookie() -> bool:
    """Tell whether links carry a cookie: from v5.15 on (7adfc6c9b315, "bpf: Add bpf_get_attach_cookie() ...")."""
    return _loads(ProgType.TRACEPOINT, _GET_ATTACH_COOKIE)


@cache
def has_mmapable_arrays() -> bool:
    """Tell whether arrays can be mapped: from v5.5 on.

    The source is fc9702273e2e, "bpf: Add mmap() support for BPF_MAP_TYPE_ARRAY".
    """
    attr = uapi.MapCreate(map_type=MapType.ARRAY, key_size=4, value_size=4, max_entries=1, map_flags=MapFlag.MMAPABLE)
    try:
        syscall.map_create(attr, "probe of arrays that can be mapped").close()
    except KernelError:
        return False
    return True


@cache
def has_syscall_wrapper() -> bool:
    """Tell whether the kernel's system calls take their arguments in a ``struct pt_regs`` (``__x64_sys_bpf``).

    Raises KernelError where it lets nobody know its symbols.
    """
    name = SYSCALL_PREFIXES.get(os.uname().machine, _NO_WRAPPER) + "bpf"
    return any(found == name for _, _, found in host.symbols())


def syscall_prefix() -> str:
    """Return what stands before a system call's name in the name of the kernel's function."""
    return SYSCALL_PREFIXES.get(os.uname().machine, _NO_WRAPPER) if has_syscall_wrapper() else _NO_WRAPPER


@cache
def takes_attach_types() -> bool:
    """Tell whether BPF_PROG_LOAD takes an expected_attach_type: from v4.17 on (5e43f899b03a)."""
    return _loads(ProgType.CGROUP_SOCK, 0, AttachType.CGROUP_INET4_POST_BIND)


@cache
def knows_helper(number: int) -> bool:
    """Tell whether the kernel has a helper of that number at all, for whatever type of program."""
    _, log = attempt(ProgType.SOCKET_FILTER, (Insn(CALL, imm=number), Insn(EXIT)))
    return b"invalid func " not in log  # check_helper_call: beyond the last; "unknown func": not for this type


@cache
def _takes_name(name: bytes) -> bool:
    attr = uapi.MapCreate(map_type=MapType.ARRAY, key_size=4, value_size=4, max_entries=1, map_name=name)
    try:
        syscall.map_create(attr, "probe of names").close()
    except KernelError:
        return False
    return True


def taken_name(name: bytes) -> bytes:
    """Return as much of a map's or program's name as the kernel takes, where it has refused it.

    Names came with v4.15 (ad5b177bd73f), dots in them with v5.2 (3e0ddc4f3ff1).
    """
    for one in (name, name.replace(b".", b"_")):
        if _takes_name(one):
            return one
    return b""


def _loads(prog_type: ProgType, helper: int, attach_type: AttachType = NO_ATTACH_TYPE) -> bool:
    """Tell whether a program loads that only calls ``helper``, or returns 1 (0)."""
    first = Insn(CALL, imm=helper) if helper else Insn(MOV64_IMM, imm=1)
    return attempt(prog_type, (first, Insn(EXIT)), attach_type)[0] == 0


def attempt(
    prog_type: ProgType,
    insns: tuple[Insn, ...],
    attach_type: AttachType = NO_ATTACH_TYPE,
    flags: ProgFlag = _NO_FLAGS,
    attach_btf_id: int = 0,
) -> tuple[int, bytes]:
    """Load a program and let it go; return 0 or the errno of the refusal, and what the verifier wrote."""
    code = encode(insns)
    log = ctypes.create_string_buffer(4096)
    attr = uapi.ProgLoad(
        prog_type=prog_type,
        insn_cnt=len(insns),
        insns=syscall.address(code),
        license=syscall.address(_GPL),
        log_level=1,
        log_size=len(log),
        log_buf=ctypes.addressof(log),
        prog_flags=flags,
        expected_attach_type=attach_type,
        attach_btf_id=attach_btf_id,
    )
    try:
        syscall.prog_load(attr, f"probe of programs: {prog_type.name}").close()
    except KernelError as error:
        return error.errno or errno.EINVAL, log.value
    return 0, log.value


@cache
def raise_memlock() -> bool:
    """Raise RLIMIT_MEMLOCK as far as allowed, where this kernel charges it; tell whether that gave any room."""
    import resource  # noqa: PLC0415 - only on Unix

    if not charges_memlock():
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    for limits in ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
        except (OSError, ValueError):
            continue
        return limits[0] != soft
    return False
