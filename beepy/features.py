"""TABLE: the kernel features that beepy depends on or names in messages.

A row has the name of the feature in messages and its first release. Releases are for messages only,
since distributions backport features: ``kernel.features.has`` runs the probe that ``kernel.probes``
has for each row. Helpers, types, flags and kfuncs are in ``since``.
"""

from collections.abc import Mapping
from enum import Enum, unique
from errno import EOPNOTSUPP
from typing import Final

from beepy.errors import NotSupported
from beepy.uapi import HELPERS

_VERSION_ONLY: Final = True


@unique
class Feature(Enum):
    """``text`` for messages; ``since``: the first release; ``version_only``: it has no probe."""

    # named as libbpf names them (enum kern_feature_id)
    EXP_ATTACH_TYPE = "expected attach types", "4.17"
    SYSCALL_WRAPPER = "system calls that take a struct pt_regs", "4.17"
    ARRAY_MMAP = "arrays that can be mapped", "5.5"
    MEMCG_ACCOUNT = "BPF memory charged to memory cgroups", "5.11"
    BPF_COOKIE = "bpf cookies", "5.15"
    ARG_CTX_TAG = "tags of contexts", "6.8"
    TOKEN = "BPF tokens", "6.9"

    # BTF kinds and the like, see btf.downgrade
    FUNC = "functions", "5.0"
    DATASEC = "sections of variables", "5.2"
    GLOBAL_FUNC = "global functions", "5.6"
    EMPTY_DATASEC = "sections of no variables", "5.12"
    FLOAT = "floating-point numbers", "5.13"
    DECL_TAG = "tags of declarations", "5.16"
    TYPE_TAG = "tags of types", "5.17"
    ENUM64 = "signs and 64 bits of enums", "6.0"
    QMARK_DATASEC = "sections whose names begin with '?'", "6.9"

    # what programs may use
    SUBPROGRAMS = "functions of its own", "4.16", _VERSION_ONLY
    JMP32 = "32-bit jumps", "5.1", _VERSION_ONLY
    GLOBAL_DATA = "global variables", "5.2", _VERSION_ONLY
    LARGE_PROGRAMS = "more than 4096 instructions", "5.2", _VERSION_ONLY
    LOOPS = "loops", "5.3", _VERSION_ONLY
    TYPED_KSYMS = "kernel variables", "5.10", _VERSION_ONLY
    ATOMICS = "atomic operations", "5.12", _VERSION_ONLY  # all but an addition without BPF_FETCH
    KFUNCS = "calls of kernel functions", "5.13", _VERSION_ONLY
    CALLBACKS = "callbacks", "5.13", _VERSION_ONLY
    BSWAP = "unconditional byte swaps", "6.6", _VERSION_ONLY
    JMP32_JA = "long jumps", "6.6", _VERSION_ONLY
    LOAD_SIGNED = "sign-extending loads", "6.6", _VERSION_ONLY
    MOVE_SIGNED = "sign-extending moves", "6.6", _VERSION_ONLY
    DIVIDE_SIGNED = "signed division", "6.6", _VERSION_ONLY
    ADDRESS_SPACES = "address spaces", "6.9", _VERSION_ONLY
    MAY_GOTO = "may_goto", "6.9", _VERSION_ONLY
    LOAD_ACQUIRE = "load-acquire, store-release", "6.15", _VERSION_ONLY

    USDT_SEMAPHORES = "USDT semaphores", "4.20", _VERSION_ONLY  # ref_ctr_offset of uprobes
    KERNEL_BTF = "BTF of the kernel", "5.4", _VERSION_ONLY  # /sys/kernel/btf/vmlinux
    PRINTK_EVENT = "events of bpf_trace_printk()", "5.9", _VERSION_ONLY
    RUN_TIME_STATS = "run-time statistics", "5.8", _VERSION_ONLY  # BPF_ENABLE_STATS
    CAP_BPF = (
        "CAP_BPF and CAP_PERFMON",
        "5.8",
        _VERSION_ONLY,
    )  # split from CAP_SYS_ADMIN: "bpf: Implement CAP_BPF"

    def __init__(
        self,
        text: str,
        since: str,
        version_only: bool = False,  # noqa: FBT001, FBT002 - a row
    ) -> None:
        self.text = text
        self.since = since
        self.version_only = version_only

    def not_supported(self, message: str, errno: int = EOPNOTSUPP) -> NotSupported:
        """Return the error for a kernel that lacks the feature."""
        return NotSupported(message, errno, self.text, self.since)


OLDER_HELPERS: Final[Mapping[int, int]] = {
    HELPERS.index(newer): HELPERS.index(older)
    for newer, older in {
        "probe_read_user": "probe_read",
        "probe_read_kernel": "probe_read",
        "probe_read_user_str": "probe_read_str",
        "probe_read_kernel_str": "probe_read_str",
        "ktime_get_boot_ns": "ktime_get_ns",
    }.items()
}
"""Helper -> the older helper that replaces it, as in libbpf; the clock's is beepy's own."""
