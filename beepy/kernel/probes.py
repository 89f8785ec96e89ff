"""PROBES: the probe of each feature of ``beepy.features`` that is probed.

A probe uses the feature in the smallest possible way. ``kernel.features.has`` calls it once and
caches the answer.
"""

import errno
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from beepy import uapi
from beepy.btf import ctx_args, downgrade
from beepy.errors import KernelError
from beepy.features import Feature
from beepy.host import machine
from beepy.kernel import btf, program, samples
from beepy.obj.insn import CALL, EXIT, LDX, MEM, MOV64_IMM, PSEUDO_CALL, Insn, W, encode
from beepy.sys import syscall, token
from beepy.uapi import HELPERS, NO_ATTACH_TYPE, AttachType, MapFlag, MapType, ProgType

_NO_FD: Final = 0xFFFFFFFF
# main calls a function, which reads a u32 through its argument
_READ_CONTEXT: Final = (
    Insn(CALL, src=PSEUDO_CALL, imm=1),
    Insn(EXIT),
    Insn(LDX | MEM | W, dst=0, src=1),
    Insn(EXIT),
)


def _has_exp_attach_type() -> bool:
    """Load a program with an expected_attach_type: since v4.17 (5e43f899b03a)."""
    return _loads(ProgType.CGROUP_SOCK, Insn(MOV64_IMM, imm=1), AttachType.CGROUP_INET4_POST_BIND)


def _has_syscall_wrapper() -> bool:
    """Look for ``__x64_sys_bpf``. Raises KernelError if the kernel's symbols cannot be read."""
    name = machine.SYSCALL_PREFIXES.get(os.uname().machine, machine.NO_SYSCALL_WRAPPER) + "bpf"
    return any(symbol == name for _, _, symbol in machine.symbols())


def _has_array_mmap() -> bool:
    """Create an array that can be mapped.

    Since v5.5 (fc9702273e2e, "bpf: Add mmap() support for BPF_MAP_TYPE_ARRAY").
    """
    attr = uapi.MapCreate(
        map_type=MapType.ARRAY, key_size=4, value_size=4, max_entries=1, map_flags=MapFlag.MMAPABLE
    )
    try:
        syscall.map_create(attr, "probe of arrays that can be mapped").close()
    except KernelError:
        return False
    return True


def _has_memcg_account() -> bool:
    """Call a helper that was added in the same release, v5.11, as libbpf does.

    See d05512618056, "bpf: Add bpf_ktime_get_coarse_ns helper".
    """
    return _loads(ProgType.SOCKET_FILTER, _call("ktime_get_coarse_ns"))


def _has_bpf_cookie() -> bool:
    """Call the helper: since v5.15 (7adfc6c9b315, "bpf: Add bpf_get_attach_cookie() ...")."""
    return _loads(ProgType.TRACEPOINT, _call("get_attach_cookie"))


def _has_arg_ctx_tag() -> bool:
    """Read skb->len through a tagged argument, which the verifier must treat as the context."""
    types, func_info = ctx_args.sample()
    try:
        with btf.load(types) as fd:
            insns = encode(_READ_CONTEXT)
            program.load(
                "context", "", ProgType.SOCKET_FILTER, insns, "GPL", btf=fd, func_info=func_info
            ).close()
    except KernelError as error:
        return error.errno == errno.EPERM  # unknown; the real program will be refused too
    return True


def _has_token() -> bool:
    """Create a token of no file system: only a kernel that knows the command looks for that.

    Since v6.9 (35f96de04127, "bpf: Introduce BPF token object").
    """
    try:
        token.create(uapi.TokenCreate(bpffs_fd=_NO_FD), "probe of tokens").close()
    except KernelError as error:
        return error.errno == errno.EBADF
    return True


def _has_btf(feature: Feature) -> bool:
    """Load BTF that uses ``feature``."""
    data = downgrade.sample(feature)
    attr = uapi.BtfLoad(btf=syscall.ptr(data), btf_size=len(data))
    try:
        syscall.btf_load(attr, f"probe of {feature.text}").close()
    except KernelError:
        return False
    return True


PROBES: Final[Mapping[Feature, Callable[[], bool]]] = {
    Feature.EXP_ATTACH_TYPE: _has_exp_attach_type,
    Feature.SYSCALL_WRAPPER: _has_syscall_wrapper,
    Feature.ARRAY_MMAP: _has_array_mmap,
    Feature.MEMCG_ACCOUNT: _has_memcg_account,
    Feature.BPF_COOKIE: _has_bpf_cookie,
    Feature.ARG_CTX_TAG: _has_arg_ctx_tag,
    Feature.TOKEN: _has_token,
    **{feature: partial(_has_btf, feature) for feature in downgrade.FEATURES},
}


def _call(helper: str) -> Insn:
    return Insn(CALL, imm=HELPERS.index(helper))


def _loads(prog_type: ProgType, first: Insn, attach_type: AttachType = NO_ATTACH_TYPE) -> bool:
    """Return whether the kernel loads a program of ``first`` and an exit."""
    return samples.load(prog_type, (first, Insn(EXIT)), attach_type)[0] == 0
