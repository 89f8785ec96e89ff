"""Insert and replace instructions of a program; all that counts instructions moves along.

::

    before   ... | a | b | ... | exit ||           || is the end of a function
    after    ... | a | near | b | ... | exit | far ||

``far`` is reached by jumps of ``near`` only, so that the usual path has few instructions more.
Programs are those of an object: before CO-RE relocations and descriptors are applied.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from itertools import pairwise
from typing import Final, NamedTuple

from beepy.errors import RewriteError
from beepy.obj.insn import EXIT, GOTO, GOTO_LONG, GOTO_TABLE, Insn
from beepy.obj.spec import DataRef, JumpTableRef, LineInfo, MapRef, ProgramSpec, Ref
from beepy.rewrite.assemble import assemble, distance
from beepy.text import safe

_ENDS: Final = (EXIT, GOTO, GOTO_LONG, GOTO_TABLE)


class ReachedBy(Enum):
    """How inserted code is reached: by falling through (and by calls, at a function's start)."""

    FALL_THROUGH = 0
    JUMPS = 1
    BOTH = 2


class Code(NamedTuple):
    """Instructions to insert.

    Jumps count as if ``far`` followed ``near``. Where ``near`` ends the program goes on; the end
    of ``far`` is that place, too. ``far`` must not fall through. ``refs`` count in the same way.
    """

    near: tuple[Insn, ...]
    far: tuple[Insn, ...] = ()
    refs: tuple[MapRef | DataRef, ...] = ()


class Edit(NamedTuple):
    """Code to insert before an instruction, or (``replaces``) to put in its place."""

    at: int
    code: Code
    reached_by: ReachedBy = ReachedBy.BOTH
    replaces: bool = False


def insert(at: int, code: Code, reached_by: ReachedBy) -> Edit:
    """Return the edit that inserts ``code`` before instruction ``at``.

    Jumps to ``at`` lead behind code that is reached by falling through only, and the program steps
    over code that is reached by jumps only.
    """
    return Edit(at, code, reached_by)


def replace(at: int, code: Code) -> Edit:
    """Return the edit that puts ``code`` in the place of instruction ``at``, refs included."""
    return Edit(at, code, replaces=True)


class _Draft:
    """A program being put together: ``cells``, with the ``targets`` of jumps, both by cell.

    By old instruction: ``place`` is its cell, ``entry`` where falling through leads, ``landing``
    where jumps lead. ``near`` and ``far`` are the first cells of each code.
    """

    def __init__(self) -> None:
        self.cells: list[Insn] = []
        self.targets: dict[int, int] = {}
        self.place: list[int] = []
        self.entry: list[int] = []
        self.landing: list[int] = []
        self.near: list[tuple[Edit, int]] = []
        self.far: list[int] = []


def apply(program: ProgramSpec, edits: Iterable[Edit]) -> ProgramSpec:
    """Return the program with all ``edits``, whose places are those in ``program``.

    Code for one place comes in the order of ``edits``: first what falls through reaches, then what
    jumps reach, then the rest. Raises RewriteError for a program that cannot be changed, such as
    one with a jump out of it; the kernel refuses that as well.
    """
    places: dict[int, list[Edit]] = {}
    for edit in edits:
        places.setdefault(edit.at, []).append(edit)
    draft = _draft(program, places)
    assert len(draft.near) == sum(map(len, places.values())), "edits of no instruction"
    removed = {at for at, here in places.items() if any(edit.replaces for edit in here)}
    _retarget(program, draft, removed)
    insns, starts = assemble(draft.cells, draft.targets)
    return _moved(program, draft, insns, starts, removed)


def _draft(program: ProgramSpec, places: Mapping[int, list[Edit]]) -> _Draft:
    """Lay the cells out, with the targets of jumps in new code."""
    insns = program.insns
    bounds = [*(start for _, start in program.functions), len(insns)]
    draft = _Draft()
    cells = draft.cells
    for start, end in pairwise(bounds):
        first_code = len(draft.near)
        at = start
        while at < end:
            insn = insns[at]
            here = places.get(at)
            before = len(cells)
            falls = (
                at == start
                or insns[at - 1].code not in _ENDS
                or any(edit.replaces for edit in places.get(at - 1, ()))
            )
            landing = _insert(draft, here, falls=falls) if here else before
            width = min(1 + insn.wide, end - at)
            draft.entry.append(before)
            draft.landing.append(landing)
            draft.place.append(len(cells))
            if here and any(edit.replaces for edit in here):
                for edit in here:
                    if edit.replaces:
                        _near(draft, edit)
            else:
                cells.extend(insns[at : at + width])
            # a jump between the halves stays one, for the kernel to refuse
            for second in range(1, width):
                for indexes in (draft.entry, draft.landing, draft.place):
                    indexes.append(min(draft.place[at] + second, len(cells)))
            at += width
        _append_far(draft, first_code, insns[end - 1] if end > start else None, program)
    for indexes in (draft.entry, draft.landing, draft.place):
        indexes.append(len(cells))
    return draft


def _insert(draft: _Draft, here: Sequence[Edit], *, falls: bool) -> int:
    """Append the near code that is inserted at one place; return where jumps to it land.

    ``falls``: the instruction before falls through, so it has to step over what only jumps reach.
    """
    inserted = sorted(
        [edit for edit in here if not edit.replaces], key=lambda edit: edit.reached_by.value
    )
    landing = -1
    over = -1  # the jump over code that only jumps reach
    for edit in inserted:
        kind = edit.reached_by
        if kind is ReachedBy.JUMPS and over < 0 and falls:
            over = len(draft.cells)
            draft.cells.append(Insn(GOTO))
        if kind is ReachedBy.BOTH and over >= 0:
            draft.targets.setdefault(over, len(draft.cells))
        if kind is not ReachedBy.FALL_THROUGH and landing < 0:
            landing = len(draft.cells)
        _near(draft, edit)
    if over >= 0:
        draft.targets.setdefault(over, len(draft.cells))
    return len(draft.cells) if landing < 0 else landing


def _near(draft: _Draft, edit: Edit) -> None:
    draft.near.append((edit, len(draft.cells)))
    draft.cells.extend(edit.code.near)


def _append_far(draft: _Draft, first: int, last: Insn | None, program: ProgramSpec) -> None:
    """Append the far code of a function, and find the targets of the jumps in its new code."""
    for edit, base in draft.near[first:]:
        code = edit.code
        if code.far and (last is None or last.code not in _ENDS):
            name = safe(program.name)
            raise RewriteError(f"program '{name}': a function ends without exit or jump")
        far_base = len(draft.cells)
        draft.far.append(far_base)
        draft.cells.extend(code.far)
        size = len(code.near)
        for at, insn in enumerate((*code.near, *code.far)):
            if (apart := distance(insn)) is not None:
                draft.targets[_cell(at, size, base, far_base)] = (
                    base + size
                    if (target := at + 1 + apart) == size + len(code.far)
                    else _cell(target, size, base, far_base)
                )


def _cell(at: int, size: int, base: int, far_base: int) -> int:
    return base + at if at < size else far_base + at - size


def _retarget(program: ProgramSpec, draft: _Draft, removed: set[int]) -> None:
    """Find the targets of the jumps, calls and addresses of functions in the program itself."""
    patched = {ref.insn for ref in program.refs}
    second = False
    for at, insn in enumerate(program.insns):
        if second or at in patched or at in removed:
            second = insn.wide and not second
            continue
        second = insn.wide
        apart = distance(insn)
        if apart is None:
            continue
        target = at + 1 + apart
        if not 0 <= target < len(program.insns):
            where = f"program '{safe(program.name)}': instruction {at}"
            raise RewriteError(f"{where}: a jump or call out of the program")
        to = draft.entry if insn.call or insn.wide else draft.landing
        draft.targets[draft.place[at]] = to[target]


def _moved(
    program: ProgramSpec,
    draft: _Draft,
    insns: tuple[Insn, ...],
    starts: Sequence[int],
    removed: set[int],
) -> ProgramSpec:
    """Return the program with new instructions, and all that refers to them."""
    place = [starts[cell] for cell in draft.place]
    entry = [starts[cell] for cell in draft.entry]
    landing = [starts[cell] for cell in draft.landing]
    functions = {start for _, start in program.functions}

    def record(at: int) -> int:
        # code that is inserted at the start of a function belongs to its first line
        return entry[at] if at in functions else place[at]

    refs: list[Ref] = []
    tables: dict[tuple[int, ...], tuple[int, ...]] = {}
    for ref in program.refs:
        if ref.insn in removed:
            continue
        if isinstance(ref, JumpTableRef):
            if ref.targets not in tables:
                tables[ref.targets] = tuple([landing[target] for target in ref.targets])
            refs.append(JumpTableRef(place[ref.insn], tables[ref.targets]))
        else:
            refs.append(ref._replace(insn=place[ref.insn]))
    lines = [LineInfo(record(at), *words) for at, *words in program.line_infos]
    before = [info.insn for info in program.line_infos]
    for (edit, base), far_base in zip(draft.near, draft.far, strict=True):
        size = len(edit.code.near)
        refs += [
            ref._replace(insn=starts[_cell(ref.insn, size, base, far_base)])
            for ref in edit.code.refs
        ]
        index = bisect_right(before, edit.at - (not edit.replaces)) - 1
        if edit.code.far and index >= 0:  # the line of the instruction before
            lines.append(program.line_infos[index]._replace(insn=starts[far_base]))
    return program._replace(
        insns=insns,
        refs=tuple(sorted(refs, key=lambda ref: ref.insn)),
        core=tuple(
            [ref._replace(insn=place[ref.insn]) for ref in program.core if ref.insn not in removed]
        ),
        func_infos=tuple([info._replace(insn=record(info.insn)) for info in program.func_infos]),
        line_infos=tuple(sorted(lines)),
        functions=tuple([(name, entry[start]) for name, start in program.functions]),
    )
