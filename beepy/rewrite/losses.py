"""Count in the kernel what a program fails to send or to store: one slot for each call that may.

::

    call ringbuf_reserve           call ringbuf_output, and others that return 0 or an error
    if r0 <= 0 goto FAR            w1 = w0; w1 >>= 31; if r1 != 0 goto FAR
    BACK: ...                      BACK: ...

    FAR: r1 = slot; r2 = 1; lock *(u64 *)(r1 + 0) += r2; goto BACK       at the function's end

After a call r1 to r5 are free, while r0 must stay as it is. The verifier must learn nothing of it
either: before v6.12 it would not know of a reserved record that was found to exist that it is not
null, and would see a leaked reference in the program's own check. An unsigned comparison with 0
tells it nothing; it needs CAP_PERFMON, so ``with_equality`` is the other form.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy.errors import BtfError, RewriteError
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CollectionSpec, DataRef, JumpTableRef, MapRef, MapSpec, ProgramSpec
from beepy.rewrite import edit
from beepy.rewrite.assemble import distance
from beepy.rewrite.edit import Code, ReachedBy
from beepy.text import safe
from beepy.uapi import HELPERS, MapFlag, MapType

MAP: Final = "beepy.lost"
_SECTION: Final = ".data.beepy"  # as a section of data, it is neither shown nor pinned
_SLOT: Final = 8  # bytes
_ERRORS: Final = (7, 12, 16)  # E2BIG, ENOMEM, EBUSY: no room; other errors are the program's wish

# helper -> the register with the map
_RESERVE: Final = HELPERS.index("ringbuf_reserve")
_SENDS: Final[Mapping[int, int]] = {
    _RESERVE: 1,
    HELPERS.index("ringbuf_reserve_dynptr"): 1,
    HELPERS.index("ringbuf_output"): 1,
    HELPERS.index("perf_event_output"): 2,
    HELPERS.index("skb_output"): 2,
    HELPERS.index("xdp_output"): 2,
}
_UPDATE: Final = HELPERS.index("map_update_elem")
_STORES: Final[Mapping[int, int]] = {_UPDATE: 1, HELPERS.index("map_push_elem"): 1}
_CALLS: Final = _SENDS.keys() | _STORES.keys()
_NEVER_FULL: Final = (  # an element is there, or another one is dropped
    *(MapType.ARRAY, MapType.PERCPU_ARRAY, MapType.LRU_HASH, MapType.LRU_PERCPU_HASH),
    *(MapType.RINGBUF, MapType.PERF_EVENT_ARRAY),  # nothing is stored
)
_LRU: Final = (MapType.LRU_HASH, MapType.LRU_PERCPU_HASH)

_IF_AT_MOST: Final = Insn(op.JMP | op.K | 0xB0)  # r0, unsigned, 0
_IF_EQUAL: Final = op.JMP | op.K | 0x10
_IF_NOT: Final = op.JMP | op.K | 0x50
_MOV32: Final = Insn(op.ALU | op.X | op.MOV, 1, 0)  # w1 = w0
_IS_NEGATIVE: Final = (_MOV32, Insn(op.ALU | op.K | 0x70, 1, imm=31))  # w1 >>= 31
_NEGATED: Final = (_MOV32, Insn(op.ALU | 0x80, 1))  # w1 = -w1
_COUNT: Final = (
    Insn(op.LD_IMM64, 1),
    Insn(0),
    Insn(op.MOV64_IMM, 2, imm=1),
    Insn(op.STX | op.ATOMIC | op.DW, 1, 2, imm=op.ADD),
    Insn(op.GOTO),
)


class Site(NamedTuple):
    """A call that may fail to deliver; its number in ``Counted.sites`` is that of its slot.

    ``insn`` is the call in the program that was given. ``map`` is "" if the code does not show
    which one it is; ``place`` then says where the call is, as the user may read it.
    """

    program: str
    insn: int
    map: str
    place: str


class Counted(NamedTuple):
    """An object whose programs count; ``spec`` has one more map, ``MAP``, if there are ``sites``.

    ``original`` is the object that was given. ``reasons`` says of programs why they were left
    alone. ``evicting`` are shown tables that drop entries by themselves, uncounted.
    """

    spec: CollectionSpec
    original: CollectionSpec
    sites: tuple[Site, ...]
    reasons: Mapping[str, str] = MappingProxyType({})
    evicting: tuple[str, ...] = ()

    @property
    def counting(self) -> frozenset[str]:
        """The programs that count."""
        return frozenset([site.program for site in self.sites]) - self.reasons.keys()


def count(spec: CollectionSpec) -> Counted:
    """Return the object with programs that count what its shown maps lose."""
    shown = _shown(spec)
    evicting = tuple([name for name, map_spec in shown.items() if map_spec.type in _LRU])
    if not shown:
        return Counted(spec, spec, ())
    streams = any(tracked.record for tracked in spec.tracked)
    tables = any(not tracked.record for tracked in spec.tracked)
    can_be_full = any(map_spec.type not in _NEVER_FULL for map_spec in shown.values())
    kinds = streams, tables, can_be_full
    loaded = {program.name for program in spec.loaded}
    sites: list[Site] = []
    reasons: dict[str, str] = {}
    programs = []
    for program in spec.programs:
        found = list(_sites(spec, program, shown, kinds)) if program.name in loaded else ()
        if found:
            slots = range(len(sites), len(sites) + len(found))
            sites += found
            try:
                program = _counting(program, found, slots)  # noqa: PLW2901
            except RewriteError as error:
                reasons[program.name] = str(error)
        programs.append(program)
    if any(map_spec.name == MAP for map_spec in spec.maps):
        reasons = {site.program: f"a map is called '{MAP}'" for site in sites}
    if reasons.keys() >= {site.program for site in sites}:
        return Counted(spec, spec, tuple(sites), reasons, evicting)
    counts = MapSpec(
        name=MAP,
        section=_SECTION,
        type=MapType.ARRAY,
        key_size=4,
        value_size=_SLOT * len(sites),
        max_entries=1,
        flags=MapFlag.MMAPABLE,
        contents=b"",
    )
    counting = spec._replace(programs=tuple(programs), maps=(*spec.maps, counts))
    return Counted(counting, spec, tuple(sites), reasons, evicting)


def counts(program: ProgramSpec) -> bool:
    """Return whether the program has counting code."""
    return any(isinstance(ref, DataRef) and ref.map == MAP for ref in program.refs)


def with_equality(program: ProgramSpec) -> ProgramSpec:
    """Return a counting program that tests reserved records for equality with null."""
    insns = list(program.insns)
    for at in range(1, len(insns)):
        if _is_at_most(insns[at]) and insns[at - 1] == Insn(op.CALL, imm=_RESERVE):
            # the long form of the jump steps over another one
            insns[at] = insns[at]._replace(code=_IF_EQUAL)
    return program._replace(insns=tuple(insns))


def unknown_maps(counted: Counted, uncounted: Sequence[str]) -> frozenset[str]:
    """Return the shown maps whose losses are not known if these programs do not count."""
    missing = [site for site in counted.sites if site.program in uncounted]
    if any(not site.map for site in missing):
        return frozenset(_shown(counted.original))
    return frozenset([site.map for site in missing])


def _is_at_most(insn: Insn) -> bool:
    return insn.code == _IF_AT_MOST.code and not insn.dst and not insn.imm


def _shown(spec: CollectionSpec) -> dict[str, MapSpec]:
    names = {tracked.map for tracked in spec.tracked}
    return {map_spec.name: map_spec for map_spec in spec.maps if map_spec.name in names}


def _sites(
    spec: CollectionSpec,
    program: ProgramSpec,
    shown: Mapping[str, MapSpec],
    kinds: tuple[bool, bool, bool],
) -> Iterator[Site]:
    """Yield the calls that may fail to deliver to a shown map, or to one that is not known.

    ``kinds``: whether streams are shown, whether tables are, and whether one of them can be full.
    """
    insns = program.insns
    maps = landings = None
    for at, insn in enumerate(insns):
        if (
            insn.code != op.CALL
            or insn.src
            or insn.imm not in _CALLS
            or (at and insns[at - 1].wide)
        ):
            continue
        if not kinds[insn.imm in _STORES]:
            continue
        if maps is None or landings is None:
            maps = {ref.insn: ref.map for ref in program.refs if isinstance(ref, MapRef)}
            landings = _landings(program)
        register = _SENDS.get(insn.imm) or _STORES[insn.imm]
        name = _map(insns, at, register, maps, landings)
        if not name and (kinds[2] or insn.imm in _SENDS):
            yield Site(program.name, at, "", _place(spec, program, at))
        elif name in shown:
            yield Site(program.name, at, name, "")


def _landings(program: ProgramSpec) -> set[int]:
    """Return the instructions that are reached in another way than from the one before."""
    landings = {
        at + 1 + apart
        for at, insn in enumerate(program.insns)
        if (apart := distance(insn)) is not None
    }
    for ref in program.refs:
        if isinstance(ref, JumpTableRef):
            landings.update(ref.targets)
    return landings


def _map(
    insns: Sequence[Insn],
    call: int,
    register: int,
    maps: Mapping[int, str],
    landings: set[int],
) -> str:
    """Return the map that a register holds at a call, "" if the call's own block does not say."""
    for at in range(call - 1, -1, -1):
        if at + 1 in landings:
            return ""  # the code before it is not the only way here
        insn = insns[at]
        kind = insn.code & op.CLASS
        if insn.code == op.LD_IMM64 and insn.dst == register:
            return maps.get(at, "")
        if kind in (op.JMP, op.JMP32):
            return ""
        if kind in (op.ALU, op.ALU64, op.LDX) and insn.dst == register:
            if insn.code != op.ALU64 | op.X | op.MOV or insn.off:
                return ""
            register = insn.src
        if kind == op.STX and insn.code & op.MODE == op.ATOMIC and insn.src == register:
            return ""
    return ""


def _place(spec: CollectionSpec, program: ProgramSpec, at: int) -> str:
    """Return the C line of an instruction, "instruction N" where that is not known."""
    index = bisect_right([line.insn for line in program.line_infos], at) - 1
    if spec.btf and index >= 0:
        line = program.line_infos[index]
        with suppress(BtfError):
            name = spec.btf.string(line.file_off).rpartition("/")[2]
            return f"program '{safe(program.name)}', {safe(name)}:{line.line_col >> 10}"
    return f"program '{safe(program.name)}', instruction {at}"


def _counting(program: ProgramSpec, sites: Sequence[Site], slots: Sequence[int]) -> ProgramSpec:
    """Return the program with the counting code. Raises RewriteError."""
    starts = {start for _, start in program.functions}
    edits = []
    for site, slot in zip(sites, slots, strict=True):
        after = site.insn + 1
        if after == len(program.insns) or after in starts:
            raise RewriteError(f"program '{safe(program.name)}': a function ends with a call")
        helper = program.insns[site.insn].imm
        code = _code(helper, DataRef(0, MAP, slot * _SLOT))
        edits.append(edit.insert(after, code, ReachedBy.FALL_THROUGH))
    return edit.apply(program, edits)


def _code(helper: int, slot: DataRef) -> Code:
    if helper == _RESERVE:
        near: tuple[Insn, ...] = (_IF_AT_MOST,)
    else:
        near = (*_IS_NEGATIVE, Insn(_IF_NOT, 1))
    choice = _no_room() if helper in _STORES else ()
    return Code(near, (*choice, *_COUNT), (slot._replace(insn=len(near) + len(choice)),))


def _no_room() -> tuple[Insn, ...]:
    """Return code that goes back unless r0 has one of ``_ERRORS``."""
    *errors, last = _ERRORS
    tests = [
        Insn(_IF_EQUAL, 1, off=len(errors) - number, imm=error)
        for number, error in enumerate(errors)
    ]
    return (*_NEGATED, *tests, Insn(_IF_NOT, 1, off=len(_COUNT), imm=last))
