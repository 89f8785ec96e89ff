"""The code at the entry of a program that lets only some processes through.

::

            r6 = r1                       the context
            call bpf_get_current_...      one check for each kind of choice
            if it is another goto skip
            ...
            r1 = r6
            the program
    skip:   r0 = 0; exit

r6 to r9 and the stack are free at the entry of a program, r2 to r5 have no value.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from beepy.obj.insn import (
    ADD,
    ALU,
    ALU64,
    CALL,
    DW,
    EXIT,
    FRAME,
    JMP,
    JMP32,
    LD_IMM64,
    LDX,
    MEM,
    MOV,
    MOV64_IMM,
    PSEUDO_MAP_FD,
    ST,
    STX,
    Insn,
    W,
    X,
    s32,
)
from beepy.obj.spec import MapRef
from beepy.rewrite.edit import Code
from beepy.uapi import HELPERS

_JEQ: Final = 0x10
_JNE: Final = 0x50
_RSH: Final = 0x70
_XOR: Final = 0xA0
_KEY: Final = -8  # of the stack: an id
_NAME: Final = -16  # of the stack: a name
_NAME_SIZE: Final = 16  # TASK_COMM_LEN


class Ancestor(NamedTuple):
    """A cgroup: its depth below the root of all cgroups, which has 0, and its id."""

    level: int
    id: int


class Choice(NamedTuple):
    """Which processes are let through: of each kind one of the values, None for all.

    One pid, uid or name is in the code. ``pids``, ``uids`` and ``names`` that are the name of a map
    have several, as its keys. ``cgroups`` is an array of cgroups with ``cgroup_count`` of them: a
    process may be in a cgroup below them. ``ancestors`` are cgroups as well, for programs that may
    sleep: the kernel gives those no such array.
    """

    pids: int | str | None = None
    uids: int | str | None = None
    names: bytes | str | None = None
    cgroups: str = ""
    cgroup_count: int = 0
    ancestors: tuple[Ancestor, ...] = ()


class _Step(NamedTuple):
    """An instruction; ``skips``: it jumps out of the program, ``map`` is the one that it loads."""

    insn: Insn
    skips: bool = False
    map: str = ""


def entry(choice: Choice) -> Code:
    """Return the code for the entry of a program."""
    return _code(_checks(choice))


def entry_with_note(choice: Choice, notes: str) -> Code:
    """Return the code for the entry of a pair: it notes in the map which threads came through."""
    return _code([*_checks(choice), *_note(notes)])


def returning(notes: str) -> Code:
    """Return the code for the other end of such a pair: it asks for the note, and removes it."""
    return _code(
        [
            *_thread_key(),
            *_lookup(notes, _KEY),
            _Step(Insn(JMP | _JEQ, 0), skips=True),
            *_map_call(notes, _KEY, "map_delete_elem"),
        ]
    )


def _checks(choice: Choice) -> Iterator[_Step]:
    if choice.pids is not None:
        yield _call("get_current_pid_tgid")
        yield _Step(Insn(ALU64 | _RSH, 0, 0, 0, 32))
        yield from _id(choice.pids)
    if choice.uids is not None:
        yield _call("get_current_uid_gid")
        yield _Step(Insn(ALU | MOV | X, 0, 0))  # the lower half
        yield from _id(choice.uids)
    if choice.names is not None:
        yield from _name(choice.names)
    if choice.cgroups:
        indexes = range(choice.cgroup_count)
        yield from _in_one([_is_under(choice.cgroups, index) for index in indexes], 1)
    if choice.ancestors:
        yield from _in_one([_is_below(ancestor) for ancestor in choice.ancestors], 0)


def _in_one(checks: Sequence[Sequence[_Step]], equal: int) -> Iterator[_Step]:
    """Skip unless one of the checks leaves ``equal`` in r0."""
    for index, check in enumerate(checks):
        yield from check
        if rest := sum(len(other) + 1 for other in checks[index + 1 :]):
            yield _Step(Insn(JMP | _JEQ, 0, 0, rest, equal))
        else:
            yield _Step(Insn(JMP | _JNE, 0, 0, 0, equal), skips=True)


def _is_under(array: str, index: int) -> Sequence[_Step]:
    move = _Step(Insn(MOV64_IMM, 2, 0, 0, index))
    return [*_load_map(1, array), move, _call("current_task_under_cgroup")]


def _is_below(ancestor: Ancestor) -> Sequence[_Step]:
    return [
        _Step(Insn(MOV64_IMM, 1, 0, 0, ancestor.level)),
        _call("get_current_ancestor_cgroup_id"),  # 0: the process is not that deep
        *_load_number(1, ancestor.id),
        _Step(Insn(ALU64 | _XOR | X, 0, 1)),
    ]


def _id(chosen: int | str) -> Iterator[_Step]:
    """Skip unless the lower half of r0, of which the upper is 0, is the id, or one in a map."""
    if isinstance(chosen, int):
        yield _Step(Insn(JMP32 | _JNE, 0, 0, 0, s32(chosen)), skips=True)
    else:
        yield _Step(Insn(STX | MEM | W, FRAME, 0, _KEY))
        yield from _lookup(chosen, _KEY)
        yield _Step(Insn(JMP | _JEQ, 0), skips=True)


def _name(chosen: bytes | str) -> Iterator[_Step]:
    for at in (0, 8):  # some kernels (v6.1) write nothing behind the end of a name
        yield _Step(Insn(ST | MEM | DW, FRAME, 0, _NAME + at))
    yield from _address(1, _NAME)
    yield _Step(Insn(MOV64_IMM, 2, 0, 0, _NAME_SIZE))
    yield _call("get_current_comm")
    if isinstance(chosen, str):
        yield from _lookup(chosen, _NAME)
        yield _Step(Insn(JMP | _JEQ, 0), skips=True)
        return
    padded = chosen.ljust(_NAME_SIZE, b"\0")
    for at in (0, 8):
        yield _Step(Insn(LDX | MEM | DW, 0, FRAME, _NAME + at))
        yield from _load_number(1, int.from_bytes(padded[at : at + 8], "little"))
        yield _Step(Insn(JMP | _JNE | X, 0, 1), skips=True)


def _note(notes: str) -> Iterator[_Step]:
    yield from _thread_key()
    yield _Step(Insn(ST | MEM | DW, FRAME, 0, _NAME, 1))
    yield from _load_map(1, notes)
    yield from _address(2, _KEY)
    yield from _address(3, _NAME)
    yield _Step(Insn(MOV64_IMM, 4))
    yield _call("map_update_elem")


def _thread_key() -> Iterator[_Step]:
    yield _call("get_current_pid_tgid")
    yield _Step(Insn(STX | MEM | DW, FRAME, 0, _KEY))


def _lookup(map_name: str, key: int) -> Iterator[_Step]:
    return _map_call(map_name, key, "map_lookup_elem")


def _map_call(map_name: str, key: int, helper: str) -> Iterator[_Step]:
    yield from _load_map(1, map_name)
    yield from _address(2, key)
    yield _call(helper)


def _address(register: int, offset: int) -> Iterator[_Step]:
    yield _Step(Insn(ALU64 | MOV | X, register, FRAME))
    yield _Step(Insn(ALU64 | ADD, register, 0, 0, offset))


def _load_map(register: int, name: str) -> Iterator[_Step]:
    yield _Step(Insn(LD_IMM64, register, PSEUDO_MAP_FD), map=name)
    yield _Step(Insn(0))


def _load_number(register: int, number: int) -> Iterator[_Step]:
    yield _Step(Insn(LD_IMM64, register, 0, 0, s32(number & 0xFFFFFFFF)))
    yield _Step(Insn(0, 0, 0, 0, s32(number >> 32)))


def _call(helper: str) -> _Step:
    return _Step(Insn(CALL, 0, 0, 0, HELPERS.index(helper)))


def _code(checks: Iterable[_Step]) -> Code:
    """Return the code of checks between saving and restoring the context."""
    save = _Step(Insn(ALU64 | MOV | X, 6, 1))
    restore = _Step(Insn(ALU64 | MOV | X, 1, 6))
    steps = [save, *checks, restore]
    near = [
        step.insn._replace(off=len(steps) - at - 1) if step.skips else step.insn
        for at, step in enumerate(steps)
    ]
    refs = tuple([MapRef(at, step.map) for at, step in enumerate(steps) if step.map])
    return Code(tuple(near), (Insn(MOV64_IMM), Insn(EXIT)), refs)
