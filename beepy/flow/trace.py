"""Follow a program's instructions to what registers hold at each call.

The code is cut into blocks. Each has the state in which it begins: what all paths to it have in
common. A block whose state changes is walked again, until nothing changes. So it is with functions:
each is walked once for all its calls.

The code is that of an untrusted object, which no verifier has seen: the work is bounded.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping
from heapq import heappop, heappush
from types import MappingProxyType
from typing import NamedTuple

from beepy.flow import helpers
from beepy.flow.budget import Budget
from beepy.flow.facts import Fact
from beepy.flow.helpers import NO_ARGUMENTS, Arguments
from beepy.flow.machine import REGISTERS, Machine, Memory, State, Write, joined
from beepy.flow.values import UNKNOWN, Kind, Value, Values, may_be_stack
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import ExternRef, JumpTableRef, MapSpec, ProgramSpec, Ref

_JOIN, _CALL = 8, 4  # what they cost: an instruction costs 1


class Call(NamedTuple):
    """A call of a helper or kfunc, and what r1 to r5 hold; a helper's ``name`` is without bpf_."""

    insn: int
    name: str
    arguments: Arguments


class Flow(NamedTuple):
    """What is known of a program.

    ``entries`` are the arguments of its functions by their first instruction, and so is what each
    has ``returned``. If the budget did not suffice, it is not ``complete``, and all is empty.
    """

    complete: bool
    calls: tuple[Call, ...] = ()
    writes: Mapping[Memory, Collection[Write]] = MappingProxyType({})
    entries: Mapping[int, Arguments] = MappingProxyType({})
    returned: Mapping[int, Values] = MappingProxyType({})


def trace(program: ProgramSpec, maps: Mapping[str, MapSpec], budget: Budget) -> Flow:
    """Return what is known of the program. ``maps`` are those of its object, by name."""
    if not budget.spend(len(program.insns)):
        return Flow(complete=False)
    walk = _Walk(program, maps, budget)
    if not walk.run():
        return Flow(complete=False)
    return Flow(
        complete=True,
        calls=tuple(
            [
                Call(index, walk.name(index, insn), walk.arguments.get(index, NO_ARGUMENTS))
                for index, insn in enumerate(program.insns)
                if insn.code == op.CALL and not walk.is_subprogram(index, insn)
            ]
        ),
        writes=walk.machine.writes,
        entries={
            start: walk.states[start].registers[1:6]
            for _, start in program.functions
            if start in walk.states
        },
        returned={
            fact.function: values
            for fact, values in walk.machine.facts.known.items()
            if fact.kind == "returned"
        },
    )


class _Walk:
    """A walk over the blocks of a program, in the order of the code where there is a choice."""

    def __init__(self, program: ProgramSpec, maps: Mapping[str, MapSpec], budget: Budget) -> None:
        self.states: dict[int, State] = {}
        self.arguments: dict[int, Arguments] = {}
        self._refs: dict[int, Ref] = {ref.insn: ref for ref in program.refs}
        patched = frozenset([ref.insn for ref in program.core])
        self.machine = Machine(program.insns, self._refs, patched, budget)
        self._insns = program.insns
        self._starts = [start for _, start in program.functions]
        self._functions = frozenset(self._starts)
        self._maps = maps
        self._budget = budget
        # refs to one table share its targets
        tables = {id(ref.targets): ref for ref in program.refs if isinstance(ref, JumpTableRef)}
        self._tables = list({target for ref in tables.values() for target in ref.targets})
        self._leaders: set[int] = set()
        self._waiting: list[int] = []
        self._queued: set[int] = set()

    def is_subprogram(self, index: int, insn: Insn) -> bool:
        """Tell whether a call is one of a function of the program."""
        return insn.call and not isinstance(self._refs.get(index), ExternRef)

    def name(self, index: int, insn: Insn) -> str:
        """Return the name of the helper or kfunc that is called, "" if it is unknown."""
        ref = self._refs.get(index)
        if isinstance(ref, ExternRef):
            return ref.name
        return "" if insn.src else helpers.name(insn.imm)

    def run(self) -> bool:
        """Walk until nothing changes; return False if the budget does not suffice."""
        self._leaders = {*self._starts, *self._tables}
        for index, insn in enumerate(self._insns):
            if insn.code in op.JUMPS:
                after = op.successors(index, insn)
                self._leaders.update([target for target in after if target != index + 1])
            elif insn.code == op.CALL and insn.call:
                self._leaders.add(index + 1)  # walked again when more is known of the function
        self._enter(0, (frozenset({Value(Kind.CONTEXT)}), *NO_ARGUMENTS[1:]))
        for start in self._starts:
            if start not in self.states:  # nothing calls it, or nothing that is known
                self._enter(start, NO_ARGUMENTS)
            while self._waiting and self._budget.left >= 0:
                index = heappop(self._waiting)
                self._queued.remove(index)
                self._block(index)
        return self._budget.left >= 0

    def _enter(self, start: int, arguments: Arguments) -> None:
        """Join a call of a function to the state in which it begins."""
        registers = [UNKNOWN] * REGISTERS
        registers[1:6] = arguments
        registers[op.FRAME] = frozenset({Value(Kind.STACK, start)})
        self._flow(start, State(tuple(registers), {}))

    def _flow(self, index: int, state: State) -> None:
        """Join a state to that in which a block begins; if it changes, walk the block again."""
        known = self.states.get(index)
        if known:
            self._budget.spend(_JOIN + len(known.slots) + len(state.slots))
            state = joined(known, state)
        if known is not state and 0 <= index < len(self._insns):
            self.states[index] = state
            self._queue(index)

    def _queue(self, index: int) -> None:
        if index not in self._queued:
            self._queued.add(index)
            heappush(self._waiting, index)

    def _block(self, index: int) -> None:
        """Walk a block from its state to its end."""
        machine, facts = self.machine, self.machine.facts
        facts.block = index
        machine.set(self.states[index], self._starts[bisect_right(self._starts, index) - 1])
        self._steps(index)
        for block in facts.outdated:
            self._queue(block)
        facts.outdated.clear()

    def _steps(self, index: int) -> None:
        """Do the instructions of a block, and join states to those of the blocks after it.

        It goes on behind a conditional jump if only that leads there: nothing is to be joined.
        """
        insns, leaders, machine = self._insns, self._leaders, self.machine
        while index < len(insns) and self._budget.spend(1):
            insn = insns[index]
            code = insn.code
            following = index + 1
            if code in op.JUMPS:
                after = op.successors(index, insn, self._tables)
                goes_on = following in after and following not in leaders
                state = machine.state()
                for target in after:
                    if target != following or not goes_on:
                        self._flow(target, state)
                if not goes_on:
                    break
            elif code == op.CALL:
                if not self._call(index, insn):
                    break
            elif code == op.EXIT:
                machine.facts.learn(Fact("returned", machine.frame), machine.registers[0])
                break
            else:
                machine.step(index, insn)
                following += code == op.LD_IMM64
            index = following
            if index in leaders:
                self._flow(index, machine.state())
                break

    def _call(self, index: int, insn: Insn) -> bool:
        """Do a call; return False if nothing is known yet of what comes after it."""
        machine = self.machine
        self._budget.spend(_CALL)
        arguments = tuple(machine.registers[1:6])
        is_subprogram = self.is_subprogram(index, insn)
        name = "" if is_subprogram else self.name(index, insn)
        callees = (
            [(index + 1 + insn.imm, arguments)]
            if is_subprogram
            else [*helpers.callbacks(name, arguments, self._maps)]
        )
        shares = bool(callees) and any(map(may_be_stack, arguments))
        if shares:
            machine.share()
        for start, given in callees:
            if start in self._functions:
                self._enter(start, given)
        if is_subprogram:
            result = machine.facts.recall(Fact("returned", index + 1 + insn.imm))
            if result is None:
                return False
        else:
            self.arguments[index] = arguments
            result = self._helper(name, arguments, index)
        if shares:
            machine.take_back()
        machine.called(result)
        return True

    def _helper(self, name: str, arguments: Arguments, site: int) -> Values:
        """Do what a helper does to the stack; return what it returns."""
        machine = self.machine
        for values in arguments:
            for value in values:
                if value.kind is Kind.STACK:
                    machine.forget_numbers(value)
        if name == "ringbuf_reserve_dynptr":
            machine.keep(arguments[3], frozenset({Value(Kind.RECORD, site)}))
        elif name in helpers.SLICES:
            return machine.loaded(arguments[0])
        return helpers.result(name, arguments, site, self._maps)
