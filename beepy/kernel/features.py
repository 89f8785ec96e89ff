"""What this kernel can do, found out by trying; each answer is kept."""

from functools import cache
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.kernel import syscall
from beepy.obj.insn import CALL, EXIT, Insn, encode
from beepy.uapi import ProgType

_KTIME_GET_COARSE_NS: Final = 160  # BPF_FUNC_ktime_get_coarse_ns


@cache
def charges_memlock() -> bool:
    """Tell whether BPF memory counts against RLIMIT_MEMLOCK: before v5.11, where memory cgroups took over.

    The probe is libbpf's: a helper that came with the same release (d05512618056, "bpf: Add bpf_ktime_get_coarse_ns
    helper").
    """
    insns = encode((Insn(CALL, imm=_KTIME_GET_COARSE_NS), Insn(EXIT)))
    license_text = b"GPL\0"
    attr = uapi.ProgLoad(
        prog_type=ProgType.SOCKET_FILTER,
        insn_cnt=2,
        insns=syscall.address(insns),
        license=syscall.address(license_text),
    )
    try:
        syscall.prog_load(attr, "probe of memory accounting").close()
    except KernelError:
        return True
    return False


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
