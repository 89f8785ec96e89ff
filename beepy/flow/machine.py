"""What one instruction does to registers and stack slots.

Only what the verifier accepts is followed exactly. It forbids to use what a number has overwritten
as an address, so stores of numbers at unknown places leave addresses in slots alone.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from beepy.flow.budget import Budget
from beepy.flow.facts import LOST, Fact, Facts
from beepy.flow.values import (
    ANY_STACK,
    UNKNOWN,
    Kind,
    Value,
    Values,
    add,
    constant,
    is_constant,
    join,
    may_be_stack,
    moved,
    number,
    somewhere,
    subtract,
)
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import DataRef, MapRef, Ref

REGISTERS: Final = 16  # that an instruction can name; the kernel has 11
SLOT: Final = 8  # bytes
MAX_STACK: Final = 512  # bytes of a function's: the kernel's MAX_BPF_STACK

_U32: Final = 0xFFFFFFFF
_SIZES: Final = {op.B: 1, op.H: 2, op.W: 4, op.DW: 8}
_LOAD: Final = op.LDX | op.MEM | op.DW
_FOLLOWED: Final = (op.MOV, op.ADD, op.SUB)
_MEMORY: Final = (Kind.RECORD, Kind.ELEMENT, Kind.DATA)  # in which stores are collected


class State(NamedTuple):
    """What is held at one place of the code; ``slots`` by their offset from the frame pointer.

    A slot that is not there is UNKNOWN. A state does not change.
    """

    registers: tuple[Values, ...]
    slots: Mapping[int, Values]


class Memory(NamedTuple):
    """Memory that is not on a stack: the ``kind`` and ``base`` of its addresses."""

    kind: Kind
    base: str | int


class Write(NamedTuple):
    """A store of the program itself, not of a helper; ``zero``: of nothing but zeros."""

    offset: int
    size: int
    zero: bool


class Machine:
    """Registers and slots of the function that begins at ``frame``, while it is walked."""

    def __init__(
        self,
        insns: tuple[Insn, ...],
        refs: Mapping[int, Ref],
        patched: frozenset[int],
        budget: Budget,
    ) -> None:
        self.registers: list[Values] = []
        self.slots: dict[int, Values] = {}
        self.frame = 0
        self.facts = Facts()
        self.writes: dict[Memory, set[Write]] = {}
        self._insns = insns
        self._refs = refs
        self._budget = budget
        self._patched = patched  # by CO-RE: what they hold is decided when they are loaded

    def set(self, state: State, frame: int) -> None:
        """Begin to walk a block."""
        self._budget.spend(len(state.slots))
        self.registers = [*state.registers]
        self.slots = {**state.slots}
        self.frame = frame

    def state(self) -> State:
        """Return what is held now."""
        return State(tuple(self.registers), {**self.slots})

    def step(self, index: int, insn: Insn) -> None:
        """Do an instruction that neither jumps nor calls."""
        code, dst, src, off, imm = insn
        registers = self.registers
        patched = index in self._patched
        result = UNKNOWN  # what other instructions compute or load
        match code & op.CLASS:
            case op.ALU64 | op.ALU if code & op.OPERATION in _FOLLOWED:
                operand = registers[src] if code & op.X else constant(imm)
                result = _computed(insn, registers[dst], UNKNOWN if patched else operand)
            case op.LDX if code == _LOAD and not patched:
                result = self.loaded(moved(registers[src], off))
            case op.ST | op.STX:
                address = moved(registers[dst], off)
                self._written(insn, somewhere(address) if patched else address)
                return
            case op.LD if code == op.LD_IMM64:
                result = self._wide(index)
            case op.LD:  # LD_ABS and LD_IND, which read packets
                registers[:6] = (UNKNOWN,) * 6
                return
            case _:  # another ALU instruction, or load
                pass
        if dst != op.FRAME:
            registers[dst] = result

    def called(self, result: Values) -> None:
        """Set what is left of the registers by a call."""
        self.registers[:6] = (result,) + (UNKNOWN,) * 5

    def loaded(self, address: Values) -> Values:
        """Return what 8 bytes at an address hold."""
        if address is UNKNOWN:
            return UNKNOWN
        result: Values | None = None
        for value in address:
            held = UNKNOWN
            if value.kind is Kind.STACK:
                held = self._slot(value)
            result = held if result is None else join(result, held)
        return UNKNOWN if result is None else result

    def share(self) -> None:
        """Let other functions read the stack; numbers in it may be overwritten without notice."""
        self._budget.spend(len(self.slots))
        for offset, values in self.slots.items():
            self.facts.learn(Fact("slot", self.frame, offset), _addresses(values))

    def take_back(self) -> None:
        """Forget what other functions, which had addresses on the stack, may have overwritten."""
        self.forget_numbers()
        if self.facts.recall(LOST):
            self.slots.clear()
        for offset in list(self.slots):
            if values := self.facts.recall(Fact("overwritten", self.frame, offset)):
                self._keep(offset, join(self.slots[offset], values))

    def forget_numbers(self, address: Value | None = None) -> None:
        """Forget the constants in slots, or in those behind an address."""
        self._budget.spend(len(self.slots))
        start = (
            -MAX_STACK - SLOT
            if address is None or address.offset is None
            else address.offset - SLOT
        )
        for offset in [offset for offset in self.slots if offset > start]:
            if is_constant(self.slots[offset]):
                del self.slots[offset]

    def keep(self, address: Values, values: Values) -> None:
        """Store something in the slot at an address, if that is one of this stack."""
        if len(address) == 1:
            self._store(address, SLOT, values)

    def _written(self, insn: Insn, address: Values) -> None:
        """Do a store, or an atomic operation."""
        code, size = insn.code, _SIZES[insn.code & op.SIZE]
        if code & (op.CLASS | op.MODE) == op.STX | op.ATOMIC:
            self._atomic(insn, address, size)
        elif address is not UNKNOWN:
            is_number = code & op.CLASS == op.ST
            values = constant(insn.imm) if is_number else self.registers[insn.src]
            self._store(address, size, values)

    def _put(self, register: int, values: Values) -> None:
        if register != op.FRAME:
            self.registers[register] = values

    def _wide(self, index: int) -> Values:
        insn, ref = self._insns[index], self._refs.get(index)
        if isinstance(ref, MapRef):
            return frozenset({Value(Kind.MAP, ref.map)})
        if isinstance(ref, DataRef):
            return frozenset({Value(Kind.DATA, ref.map, ref.offset)})
        if insn.src == op.PSEUDO_FUNC:
            return frozenset({Value(Kind.FUNCTION, index + 1 + insn.imm)})
        if ref or insn.src or index in self._patched or index + 1 == len(self._insns):
            return UNKNOWN
        return constant(self._insns[index + 1].imm << 32 | insn.imm & _U32)

    def _slot(self, address: Value) -> Values:
        if address.offset is not None:
            if address.base == self.frame:
                held = self.slots.get(address.offset)
            else:
                held = self.facts.recall(Fact("slot", int(address.base), address.offset))
            if held:
                return held
        return ANY_STACK if self.facts.recall(LOST) else UNKNOWN

    def _atomic(self, insn: Insn, address: Values, size: int) -> None:
        if insn.imm == op.LOAD_ACQUIRE:  # a load: what from is not followed
            self._put(insn.dst, ANY_STACK)
            return
        self._store(
            address, size, self.registers[insn.src] if insn.imm == op.STORE_RELEASE else UNKNOWN
        )
        if insn.imm == op.CMPXCHG:
            self._put(0, UNKNOWN)
        elif insn.imm & op.FETCH:
            self._put(insn.src, UNKNOWN)

    def _store(self, address: Values, size: int, values: Values) -> None:
        for value in address:
            if value.kind in _MEMORY and value.offset is not None:
                write = Write(value.offset, size, number(values) == 0)
                self.writes.setdefault(Memory(value.kind, value.base), set()).add(write)
            elif value.kind is Kind.STACK:
                if value.offset is None:
                    self._store_somewhere(value, size, values)
                elif value.base == self.frame:
                    self._store_here(value.offset, size, values, alone=len(address) == 1)
                else:
                    self._store_elsewhere(value, size, values)

    def _store_here(self, start: int, size: int, values: Values, *, alone: bool) -> None:
        """Store at a known offset of this stack; not ``alone``: or somewhere else."""
        for offset in _slots(start, size):
            kept = values if size == SLOT and offset == start else UNKNOWN
            self._keep(offset, kept if alone else join(self.slots.get(offset, UNKNOWN), kept))

    def _store_elsewhere(self, address: Value, size: int, values: Values) -> None:
        """Store on the stack of another function, which reads it after it has called."""
        assert address.offset is not None
        for offset in _slots(max(address.offset, -MAX_STACK), size):
            whole = size == SLOT and offset == address.offset
            kept = _addresses(values) if whole else UNKNOWN
            for kind in ("slot", "overwritten"):
                self.facts.learn(Fact(kind, int(address.base), offset), kept)

    def _store_somewhere(self, address: Value, size: int, values: Values) -> None:
        if size < SLOT or is_constant(values):
            self.forget_numbers()
            return
        self._budget.spend(len(self.slots))
        if address.base != self.frame or any(map(may_be_stack, (values, *self.slots.values()))):
            self.facts.learn(LOST, UNKNOWN)
        self.slots.clear()

    def _keep(self, offset: int, values: Values) -> None:
        if values is UNKNOWN:
            self.slots.pop(offset, None)
        elif -MAX_STACK <= offset < 0:
            self.slots[offset] = values


def joined(known: State, state: State) -> State:
    """Return what holds on either of two paths; ``known`` itself if nothing changes."""
    registers, slots = known
    if registers != state.registers:
        pairs = zip(registers, state.registers, strict=True)
        registers = tuple([left if left is right else join(left, right) for left, right in pairs])
    if slots != state.slots:
        both = [
            (offset, join(known.slots.get(offset, UNKNOWN), state.slots.get(offset, UNKNOWN)))
            for offset in {*known.slots, *state.slots}
        ]
        slots = {offset: values for offset, values in both if values is not UNKNOWN}
    state = State(registers, slots)
    return known if state == known else state


def _computed(insn: Insn, left: Values, right: Values) -> Values:
    """Return the result of an ALU instruction that is one of ``_FOLLOWED``."""
    operation = insn.code & op.OPERATION
    if insn.code & op.CLASS == op.ALU64:
        if operation == op.ADD:
            return add(left, right)
        if operation == op.SUB:
            return subtract(left, right)
        if not insn.off:
            return right
    elif operation == op.MOV and not insn.off and (value := number(right)) is not None:
        return constant(value & _U32)
    return UNKNOWN


def _addresses(values: Values) -> Values:
    """Return ``values`` without constants."""
    kept = frozenset([value for value in values if value.kind is not Kind.CONSTANT])
    return values if kept == values else kept or UNKNOWN


def _slots(start: int, size: int) -> Iterable[int]:
    """Return the slots of which ``size`` bytes at ``start`` are a part."""
    return range(start - start % SLOT, start + size, SLOT)
