"""The pass that lets programs run for some threads only: for one in N, which user space sets.

::

            r6 = r1                                     the context
            call bpf_get_current_pid_tgid
            r2 = the address of N; r2 = *(u32 *)r2
            if r2 <= 1 goto on                          all threads
            r0 *= a constant; r0 >>= 32                 a hash of the thread
            w0 %= w2
            if w0 != 0 goto skip
    on:     r1 = r6
            the program
    skip:   r0 = 0; exit

A thread is let through at both ends of what it does, or at none.
"""

from collections.abc import Collection
from typing import Final

from beepy.obj.insn import (
    ALU,
    ALU64,
    CALL,
    EXIT,
    JMP,
    LD_IMM64,
    LDX,
    MEM,
    MOV,
    MOV64_IMM,
    Insn,
    W,
    X,
    s32,
)
from beepy.obj.spec import CollectionSpec, DataRef, MapSpec
from beepy.rewrite import edit
from beepy.rewrite.edit import Code, ReachedBy
from beepy.uapi import HELPERS, MapFlag, MapType

MAP: Final = "beepy.shed"
"""The array whose only value, a u32, is N; 0 and 1 let all threads through."""

_SECTION: Final = ".data.beepy"  # as a section of data, it is neither shown nor pinned
_MULTIPLIER: Final = 0x9E3779B1  # 2^32 divided by the golden ratio, odd
_JLE: Final = 0xB0
_JNE: Final = 0x50
_MUL: Final = 0x20
_RSH: Final = 0x70
_MOD: Final = 0x90

_NEAR: Final = (
    Insn(ALU64 | MOV | X, 6, 1),
    Insn(CALL, imm=HELPERS.index("get_current_pid_tgid")),
    Insn(LD_IMM64, 2),
    Insn(0),
    Insn(LDX | MEM | W, 2, 2),
    Insn(JMP | _JLE, 2, off=4, imm=1),
    Insn(ALU64 | _MUL, imm=s32(_MULTIPLIER)),
    Insn(ALU64 | _RSH, imm=32),
    Insn(ALU | _MOD | X, 0, 2),
    Insn(JMP | _JNE, off=1),  # to what follows: the far code
    Insn(ALU64 | MOV | X, 1, 6),
)
_CODE: Final = Code(_NEAR, (Insn(MOV64_IMM), Insn(EXIT)), (DataRef(2, MAP, 0),))


def apply(spec: CollectionSpec, programs: Collection[str]) -> CollectionSpec:
    """Return the object with ``programs`` changed, and with the map ``MAP``.

    Raises RewriteError.
    """
    entry = [edit.insert(0, _CODE, ReachedBy.FALL_THROUGH)]
    changed = [
        edit.apply(program, entry) if program.name in programs else program
        for program in spec.programs
    ]
    number = MapSpec(
        name=MAP,
        section=_SECTION,
        type=MapType.ARRAY,
        key_size=4,
        value_size=4,
        max_entries=1,
        flags=MapFlag.MMAPABLE,
        contents=b"",
    )
    return spec._replace(programs=tuple(changed), maps=(*spec.maps, number))
