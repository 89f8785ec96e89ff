"""The kernel features that a program's instructions need."""

from collections.abc import Iterator, Sequence
from typing import Final

from beepy.features import Feature
from beepy.obj import insn as op
from beepy.obj.insn import Insn

_MAX_OLD: Final = 4096  # instructions of a program without Feature.LARGE_PROGRAMS
_JA: Final = 0x00
_JCOND: Final = 0xE0
_END, _DIV, _MOD = 0xD0, 0x30, 0x90
_ORDERED: Final = (op.LOAD_ACQUIRE, op.STORE_RELEASE)


def features(insns: Sequence[Insn], *, search_loops: bool) -> Iterator[Feature]:
    """Yield the features that a program's code needs.

    Without ``search_loops``, which takes time, any jump back counts as a loop.
    """
    if len(insns) > _MAX_OLD:
        yield Feature.LARGE_PROGRAMS
    forms = {(code, src, off) for code, _, src, off, _ in insns}
    if any(code == op.CALL and src == op.PSEUDO_CALL for code, src, _ in forms):
        yield Feature.SUBPROGRAMS
    if any(code == op.LD_IMM64 and src == op.PSEUDO_FUNC for code, src, _ in forms):
        yield Feature.CALLBACKS
    # off tells instructions apart only in the ALU classes
    codes = {(code, off if code & op.CLASS in (op.ALU, op.ALU64) else 0) for code, _, off in forms}
    for code, off in sorted(codes):
        if code & (op.CLASS | op.MODE) == op.STX | op.ATOMIC:
            yield from _atomics({insn.imm for insn in insns if insn.code == code})
        else:
            yield from _instruction(code, off)
    jumps_back = any(off < 0 and op.jumps(code) for code, _, off in forms)
    if jumps_back and (not search_loops or _has_loop(insns)):
        yield Feature.LOOPS


def _atomics(operations: set[int]) -> Iterator[Feature]:
    if operations & set(_ORDERED):
        yield Feature.LOAD_ACQUIRE
    if operations - {op.ADD, *_ORDERED}:
        yield Feature.ATOMICS


def _instruction(code: int, off: int) -> Iterator[Feature]:
    """Yield the features of newer instructions.

    Documentation/bpf/standardization/instruction-set.rst
    """
    operation = code & op.OPERATION
    match code & op.CLASS:
        case op.JMP32:
            yield Feature.JMP32_JA if operation == _JA else Feature.JMP32
        case op.JMP if operation == _JCOND:
            yield Feature.MAY_GOTO
        case op.LDX if code & op.MODE == op.MEMSX:
            yield Feature.LOAD_SIGNED
        case op.ALU64 if operation == op.MOV and off == 1:
            yield Feature.ADDRESS_SPACES
        case op.ALU | op.ALU64 if operation == op.MOV and off:
            yield Feature.MOVE_SIGNED
        case op.ALU | op.ALU64 if operation in (_DIV, _MOD) and off:
            yield Feature.DIVIDE_SIGNED
        case op.ALU64 if operation == _END:
            yield Feature.BSWAP
        case _:
            pass


def _has_loop(insns: Sequence[Insn]) -> bool:
    """Tell whether the code has a loop, by depth-first search as the verifier (check_cfg)."""
    state = bytearray(len(insns))  # 1: on the current path, 2: done
    for start in range(len(insns)):
        if state[start]:
            continue
        path = [(start, iter(_successors(insns, start)))]
        state[start] = 1
        while path:
            index, successors = path[-1]
            target = next(successors, None)
            if target is None:
                state[index] = 2
                path.pop()
            elif state[target] == 1:
                return True
            elif not state[target]:
                state[target] = 1
                path.append((target, iter(_successors(insns, target))))
    return False


def _successors(insns: Sequence[Insn], index: int) -> list[int]:
    """Return the instructions that may run after this one."""
    successors = op.successors(index, insns[index])
    return [successor for successor in successors if 0 <= successor < len(insns)]
