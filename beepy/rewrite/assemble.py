"""Give instructions their places, and jumps their distances.

A jump that does not fit 16 bits becomes a long one (``gotol``, v6.6)::

    if CONDITION goto FAR    if CONDITION goto +1 | goto +1 | gotol FAR
    goto FAR                 gotol FAR
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

from beepy.obj.insn import GOTO, GOTO_LONG, GOTO_TABLE, LD_IMM64, PSEUDO_FUNC, Insn, jumps

_SHORT: Final = 1 << 15  # a 16-bit distance is below this, or at least minus this
_LONG_CONDITIONAL: Final = 3  # slots


def distance(insn: Insn) -> int | None:
    """Return how far the instruction jumps or refers, in slots from the next; None: it does not.

    Besides jumps these are calls of the program's own functions, and addresses of such functions.
    """
    if insn.code == GOTO_LONG or insn.call or (insn.code == LD_IMM64 and insn.src == PSEUDO_FUNC):
        return insn.imm
    return insn.off if jumps(insn.code) and insn.code != GOTO_TABLE else None


def assemble(
    cells: Sequence[Insn], targets: Mapping[int, int]
) -> tuple[tuple[Insn, ...], Sequence[int]]:
    """Return the instructions, and where each cell begins, the end included.

    A cell is one instruction, which may become several. ``targets`` has the cell that each jump,
    call or address of a function leads to.
    """
    short = [cell for cell in targets if _is_short(cells[cell])]
    long: set[int] = set()
    starts: Sequence[int] = range(len(cells) + 1)
    # each round makes some jumps longer, and perhaps others too long
    while grown := {
        cell
        for cell in short
        if cell not in long and not -_SHORT <= starts[targets[cell]] - starts[cell] - 1 < _SHORT
    }:
        long |= grown
        sizes = [
            _LONG_CONDITIONAL if cell in long and insn.code != GOTO else 1
            for cell, insn in enumerate(cells)
        ]
        starts = [*accumulate(sizes, initial=0)]
    insns = list(cells)
    for cell, target in targets.items():
        apart = starts[target] - starts[cell] - 1
        if cell not in long:
            insns[cell] = _with_distance(cells[cell], apart)
        elif cells[cell].code == GOTO:
            insns[cell] = Insn(GOTO_LONG, imm=apart)
    if not long:
        return tuple(insns), starts
    return tuple(_lengthened(insns, targets, long, starts)), starts


def _lengthened(
    insns: Sequence[Insn], targets: Mapping[int, int], long: set[int], starts: Sequence[int]
) -> list[Insn]:
    lengthened: list[Insn] = []
    for cell, insn in enumerate(insns):
        if cell in long and insn.code != GOTO_LONG:
            apart = starts[targets[cell]] - starts[cell] - _LONG_CONDITIONAL
            lengthened += [insn._replace(off=1), Insn(GOTO, off=1), Insn(GOTO_LONG, imm=apart)]
        else:
            lengthened.append(insn)
    return lengthened


def _is_short(insn: Insn) -> bool:
    return jumps(insn.code) and insn.code != GOTO_LONG


def _with_distance(insn: Insn, apart: int) -> Insn:
    return insn._replace(off=apart) if _is_short(insn) else insn._replace(imm=apart)
