"""Which types this kernel takes, found out by trying; each answer is kept."""

import errno
from functools import cache

from beepy import uapi
from beepy.btf import ctx_args
from beepy.btf.downgrade import Feature, sample
from beepy.errors import KernelError
from beepy.kernel import btf, program, syscall
from beepy.obj.insn import CALL, EXIT, LDX, MEM, PSEUDO_CALL, Insn, W, encode
from beepy.uapi import ProgType

_CONTEXT = (Insn(CALL, src=PSEUDO_CALL, imm=1), Insn(EXIT), Insn(LDX | MEM | W, dst=0, src=1), Insn(EXIT))


@cache
def takes(feature: Feature) -> bool:
    """Tell whether the kernel takes types that make use of ``feature``."""
    data = sample(feature)
    attr = uapi.BtfLoad(btf=syscall.address(data), btf_size=len(data))
    try:
        syscall.btf_load(attr, f"probe of {feature.text}").close()
    except KernelError:
        return False
    return True


@cache
def reads_context_tags() -> bool:
    """Tell whether the verifier takes a tagged argument for the context, as a program does that reads skb->len."""
    types, func_info = ctx_args.sample()
    try:
        with btf.load(types) as fd:
            insns = encode(_CONTEXT)
            program.load("context", "", ProgType.SOCKET_FILTER, insns, "GPL", btf=fd, func_info=func_info).close()
    except KernelError as error:
        return error.errno == errno.EPERM  # nobody knows; the program is not loaded either
    return True
