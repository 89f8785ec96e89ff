"""Tell whether a program may write to its context: a uprobe's is the process's registers.

The analysis is conservative: it finds every write in code that the verifier accepts, and may
report one that never happens. Each instruction has a state, an integer of bits: which registers
(bit N) and which 8-byte slots of the function's stack (bit 10 + N) may hold a pointer to the
context. States are propagated along all jumps and calls, and joined where paths meet, until
nothing changes.
"""

from typing import Final

from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import JumpTableRef, ProgramSpec

_MAX_STEPS: Final = 200_000  # instructions visited; beyond them a write is assumed
_STACK: Final = 512  # bytes
_CLOBBERED: Final = 0b111111  # the registers that a call overwrites: r0 to r5
_ARGUMENTS: Final = 0b111110  # r1 to r5


def writes(program: ProgramSpec) -> bool:
    """Tell whether a program or one of its subprograms may store through its context pointer."""
    if not any(_base(insn) not in (None, op.FRAME) for insn in program.insns):
        return False
    walk = _Walk(program)
    while walk.changed:  # what one function spills or returns changes the states of others
        if walk.run():
            return True
    return False


def _base(insn: Insn) -> int | None:
    """Return the register that an instruction stores through, None if it does not store."""
    kind = insn.code & op.CLASS
    return insn.dst if kind == op.ST or (kind == op.STX and not _acquires(insn)) else None


def _acquires(insn: Insn) -> bool:
    return insn.code & op.MODE == op.ATOMIC and insn.imm == op.LOAD_ACQUIRE


def _loaded(insn: Insn) -> tuple[int, int] | None:
    """Return the register that an instruction loads into, and the one with the address."""
    kind, mode = insn.code & op.CLASS, insn.code & op.MODE
    if kind == op.LDX or (kind == op.STX and _acquires(insn)):
        return insn.dst, insn.src
    if kind == op.STX and mode == op.ATOMIC and insn.imm & op.FETCH:
        return 0 if insn.imm == op.CMPXCHG else insn.src, insn.dst
    return None


class _Walk:
    """All paths through a program.

    ``_spilled``: the context may be on some function's stack; ``_lost``: in an unknown slot of it;
    ``_returned``: a function may return it.
    """

    def __init__(self, program: ProgramSpec) -> None:
        self._insns = program.insns
        self._starts = [start for _, start in program.functions if start]
        self._targets = [
            target
            for ref in program.refs
            if isinstance(ref, JumpTableRef)
            for target in ref.targets
        ]
        self._steps = 0
        self._spilled = self._lost = self._returned = False
        self.changed = True

    def run(self) -> bool:
        """Follow all paths once; return True at the first store through the context."""
        before = self._spilled, self._lost, self._returned
        states: dict[int, int] = {}
        waiting = [*[(start, 0) for start in self._starts], (0, 1 << 1)]
        while waiting:
            index, state = waiting.pop()
            known = states.get(index)
            if not 0 <= index < len(self._insns):
                continue
            if known is not None and known | state == known:
                continue
            states[index] = state = state | (known or 0)
            insn = self._insns[index]
            self._steps += 1
            base = _base(insn)
            if self._steps > _MAX_STEPS or (base is not None and state >> base & 1):
                return True
            if insn.call:
                waiting.append((index + 1 + insn.imm, state & _ARGUMENTS))
            state = self._step(insn, state)
            waiting += [(after, state) for after in op.successors(index, insn, self._targets)]
        self.changed = before != (self._spilled, self._lost, self._returned)
        return False

    def _step(self, insn: Insn, state: int) -> int:
        """Return the state after an instruction."""
        code, dst, src, off, _ = insn
        kind = code & op.CLASS
        after = state
        if code == op.CALL:
            after = state & ~_CLOBBERED | (insn.call and self._returned)
        elif code == op.EXIT:
            self._returned |= bool(state & 1)
        elif kind in (op.LD, op.ALU, op.ALU64) and (kind == op.LD or code & op.OPERATION == op.MOV):
            copies = code == op.ALU64 | op.X | op.MOV and not off
            after = _put(state, dst, copies and state >> src & 1)
        elif kind == op.ALU64 and code & op.X:  # either operand of an addition may be the pointer
            after = state | (state >> src & 1) << dst
        if _base(insn) is not None:
            after = self._store(insn, state)
        if load := _loaded(insn):
            register, base = load
            is_context = code & op.SIZE == op.DW and self._may_hold_context(state, base, off)
            after = _put(after, register, is_context)
        return after

    def _store(self, insn: Insn, state: int) -> int:
        """Return the state after a store, which may spill the context to the stack."""
        context = insn.code & op.CLASS == op.STX and state >> insn.src & 1
        if context:
            self._spilled = True
            self._lost |= insn.dst != op.FRAME
        if insn.dst != op.FRAME:
            return state
        if context:
            return state | _slot(insn.off)
        whole = insn.code & op.SIZE == op.DW and not insn.off % 8
        return state & ~_slot(insn.off) if whole else state

    def _may_hold_context(self, state: int, base: int, off: int) -> bool:
        """Tell whether the 8 bytes at ``base + off`` may be a pointer to the context."""
        if base == op.FRAME:
            return self._lost or bool(state & _slot(off))
        return self._spilled  # ``base`` may point to the stack


def _slot(off: int) -> int:
    """Return the bit of the stack slot at an offset, 0 for an offset outside the stack."""
    return 1 << op.FRAME + -off // 8 if -_STACK <= off < 0 and not off % 8 else 0


def _put(state: int, register: int, context: int) -> int:
    """Return the state with a register set to hold the context (1) or not (0)."""
    return state & ~(1 << register) | bool(context) << register
