"""Find differences of two packet pointers, which the verifier allows only with CAP_PERFMON.

The code is read once from start to end, and jumps are not followed. That finds what compilers make
of ``data_end - data``, where both are loaded at the beginning of a function.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import ProgramSpec
from beepy.uapi import ProgType

_SKB: Final = (76, 80, 140)  # data, data_end, data_meta of struct __sk_buff
_PACKET_FIELDS: Final[Mapping[int, tuple[int, ...]]] = MappingProxyType(
    {
        ProgType.XDP: (0, 4, 8),  # struct xdp_md
        ProgType.SCHED_CLS: _SKB,
        ProgType.SCHED_ACT: _SKB,
        ProgType.CGROUP_SKB: _SKB,
        ProgType.SK_SKB: _SKB,
        ProgType.LWT_IN: _SKB,
        ProgType.LWT_OUT: _SKB,
        ProgType.LWT_XMIT: _SKB,
        ProgType.LWT_SEG6LOCAL: _SKB,
        ProgType.SK_MSG: (0, 8),  # struct sk_msg_md
    }
)
_CONTEXT: Final = "context"
_PACKET: Final = "packet"
_CLOBBERED: Final = range(6)  # the registers that a call overwrites


def subtracts(prog_type: int, program: ProgramSpec) -> bool:
    """Tell whether a program subtracts one packet pointer from another."""
    fields = _PACKET_FIELDS.get(prog_type, ())
    if not fields:
        return False
    starts = {start for _, start in program.functions}
    # register, or stack offset (negative) -> the kind of pointer in it
    held: dict[int, str] = {}
    for number, insn in enumerate(program.insns):
        if number in starts:
            held = {} if number else {1: _CONTEXT}
        if (
            insn.code == op.ALU64 | op.X | op.SUB
            and held.get(insn.dst) == held.get(insn.src) == _PACKET
        ):
            return True
        _step(insn, held, fields)
    return False


def _step(insn: Insn, held: dict[int, str], fields: tuple[int, ...]) -> None:
    """Update ``held`` as the instruction changes registers and stack."""
    code, dst, src, off, _ = insn
    kind = code & op.CLASS
    if code == op.CALL:
        for register in _CLOBBERED:
            held.pop(register, None)
    elif kind == op.STX and code & op.MODE == op.MEM and dst == op.FRAME:
        _put(held, off, held.get(src))
    elif kind == op.LDX and code & op.MODE == op.MEM and src == op.FRAME:
        _put(held, dst, held.get(off))
    elif kind == op.LDX:
        _put(held, dst, _PACKET if held.get(src) == _CONTEXT and off in fields else None)
    elif code == op.ALU64 | op.X | op.MOV:
        _put(held, dst, None if off else held.get(src))
    elif code == op.ALU64 | op.X | op.ADD:
        _put(held, dst, held.get(dst) or held.get(src))
    elif kind in (op.LD, op.ALU, op.ALU64) and code not in (
        op.ALU64 | op.K | op.ADD,
        op.ALU64 | op.K | op.SUB,
    ):
        held.pop(dst, None)


def _put(held: dict[int, str], slot: int, pointer: str | None) -> None:
    if pointer:
        held[slot] = pointer
    else:
        held.pop(slot, None)
