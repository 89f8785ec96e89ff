"""What the kernel says of a program as it is, and of the same program changed."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from beepy.collection.load import load
from beepy.errors import BeepyError, VerifierError
from beepy.kernel.program import Program
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.uapi import MapType

PACKET: Final = bytes(range(64))
# what a program may be refused for because it has more instructions
_SIZE: Final = re.compile(r"processed \d+ insns|BPF program is too large|stack depth|too complex")

Change = Callable[[ProgramSpec], ProgramSpec]


class Verdict(NamedTuple):
    """``refused`` is "" for a program that loads, else the reason, without numbers.

    ``result`` is what a run on a packet gave, None where programs of its type cannot be run.
    """

    refused: str
    result: tuple[int, bytes] | None = None

    @property
    def of_size(self) -> bool:
        return bool(_SIZE.search(self.refused))


def verdicts(spec: CollectionSpec, change: Change | None = None) -> dict[str, Verdict]:
    """Return the verdict on each program that is loaded by default: together, else each alone.

    The kernel then says which of them it refuses.
    """
    if change:
        spec = spec._replace(programs=tuple(map(change, spec.programs)))
    try:
        with load(spec) as collection:
            return {name: Verdict("", result(of)) for name, of in collection.programs.items()}
    except BeepyError:
        return {program.name: _alone(spec, program) for program in spec.loaded}


def _alone(spec: CollectionSpec, program: ProgramSpec) -> Verdict:
    try:
        with load(alone(spec, program)) as collection:
            return Verdict("", *[result(of) for of in collection.programs.values()])
    except BeepyError as error:
        return Verdict(reason(error))


def alone(spec: CollectionSpec, program: ProgramSpec) -> CollectionSpec:
    """Return an object of one program; maps name no other ones."""
    maps = [m if m.type == MapType.STRUCT_OPS else m._replace(slots=()) for m in spec.maps]
    return spec._replace(programs=(program,), maps=tuple(maps))


def reason(error: BeepyError) -> str:
    """Return why a program was refused, without numbers: those of instructions differ."""
    log = error.log.strip().splitlines() if isinstance(error, VerifierError) else []
    text = next((line for line in log if _SIZE.search(line) and "processed" not in line), "")
    return re.sub(r"\d+", "N", text or str(error))


def result(program: Program) -> tuple[int, bytes] | None:
    """Run a program on a packet; return its value and the packet then."""
    try:
        ran = program.run(data=PACKET, repeat=1)
    except BeepyError:
        return None
    return ran.retval, ran.data
