"""Which calls are counted, and the code that counts them."""

import pytest

from beepy.btf.types import TypeId
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import (
    CollectionSpec,
    DataRef,
    MapRef,
    MapSpec,
    ProgramSpec,
    Ref,
    Tracked,
)
from beepy.rewrite import losses
from beepy.rewrite.losses import MAP, Site
from beepy.uapi import HELPERS, MapFlag, MapType
from tests.support.objects import EXIT
from tests.support.specs import program, spec

R0_IS_SET = Insn(op.JMP | 0x50, 0, off=1)  # the program's own check of r0
WIDE = Insn(op.LD_IMM64, 1)
SECOND = Insn(0)
RING = MapSpec("ring", ".maps", MapType.RINGBUF)
PERF = MapSpec("perf", ".maps", MapType.PERF_EVENT_ARRAY)
TABLE = MapSpec("table", ".maps", MapType.HASH)
ARRAY = MapSpec("array", ".maps", MapType.ARRAY)
LRU = MapSpec("lru", ".maps", MapType.LRU_HASH)
HIDDEN = MapSpec("hidden", ".maps", MapType.RINGBUF)
SHOWN = tuple(
    Tracked(m.name, None, TypeId(0 if m in (TABLE, LRU) else 1)) for m in (RING, PERF, TABLE, LRU)
)


def call(helper: str) -> Insn:
    return Insn(op.CALL, imm=HELPERS.index(helper))


def of(
    *programs: ProgramSpec, tracked: tuple[Tracked, ...] = SHOWN, maps: tuple[MapSpec, ...] = ()
) -> CollectionSpec:
    maps = maps or (RING, PERF, TABLE, LRU, HIDDEN)
    return spec(*maps)._replace(programs=programs, tracked=tracked)


def sending(helper: str, map_name: str, register: int = 1, *after: Insn) -> ProgramSpec:
    """Return a program that calls a helper with a map, and then ends."""
    load = WIDE._replace(dst=register)
    return program(load, SECOND, call(helper), *after, EXIT, refs=(MapRef(0, map_name),))


def counting(program_spec: ProgramSpec) -> ProgramSpec:
    return losses.count(of(program_spec)).spec.programs[0]


COUNT = (WIDE, SECOND, Insn(op.MOV64_IMM, 2, imm=1), Insn(0xDB, 1, 2))


def test_a_reserved_record() -> None:
    changed = counting(sending("ringbuf_reserve", "ring"))
    assert changed.insns == (
        WIDE, SECOND, call("ringbuf_reserve"), Insn(0xB5, 0, off=1), EXIT,
        *COUNT, Insn(op.GOTO, off=-6),
    )  # fmt: skip
    assert changed.refs == (MapRef(0, "ring"), DataRef(5, MAP, 0))


@pytest.mark.parametrize(
    ("helper", "register", "map_name"),
    [
        ("ringbuf_output", 1, "ring"),
        ("ringbuf_reserve_dynptr", 1, "ring"),
        ("perf_event_output", 2, "perf"),
        ("skb_output", 2, "perf"),
        ("xdp_output", 2, "perf"),
    ],
)
def test_a_call_that_returns_0_or_an_error(helper: str, register: int, map_name: str) -> None:
    changed = counting(sending(helper, map_name, register))
    assert changed.insns[2:] == (
        call(helper), Insn(0xBC, 1, 0), Insn(0x74, 1, imm=31), Insn(0x55, 1, off=1), EXIT,
        *COUNT, Insn(op.GOTO, off=-6),
    )  # fmt: skip


@pytest.mark.parametrize("helper", ["map_update_elem", "map_push_elem"])
def test_a_table_that_has_no_room(helper: str) -> None:
    """Of the errors only E2BIG, ENOMEM and EBUSY are losses."""
    changed = counting(sending(helper, "table"))
    assert changed.insns[2:] == (
        call(helper), Insn(0xBC, 1, 0), Insn(0x74, 1, imm=31), Insn(0x55, 1, off=1), EXIT,
        Insn(0xBC, 1, 0), Insn(0x84, 1),
        Insn(0x15, 1, off=2, imm=7), Insn(0x15, 1, off=1, imm=12), Insn(0x55, 1, off=-6, imm=16),
        *COUNT, Insn(op.GOTO, off=-11),
    )  # fmt: skip


def test_a_jump_to_the_instruction_after_a_send_lands_behind_the_counter() -> None:
    """if (x) e = reserve(); else e = 0; if (!e) ...: the counter would count the else, too."""
    skips = program(
        Insn(op.JMP | 0x10, 6, off=3), WIDE, SECOND, call("ringbuf_reserve"),
        R0_IS_SET, EXIT, EXIT, refs=(MapRef(1, "ring"),),
    )  # fmt: skip
    changed = counting(skips)
    assert changed.insns[:6] == (
        Insn(op.JMP | 0x10, 6, off=4), WIDE, SECOND, call("ringbuf_reserve"),
        Insn(0xB5, 0, off=3), R0_IS_SET,
    )  # fmt: skip
    assert changed.insns[-1] == Insn(op.GOTO, off=-8)  # back to the program's own check
    assert changed.insns[len(changed.insns) - 8] == R0_IS_SET


def test_the_other_form_tests_for_equality() -> None:
    changed = counting(sending("ringbuf_reserve", "ring"))
    other = losses.with_equality(changed)
    assert other.insns[3] == Insn(0x15, 0, off=1)
    assert other._replace(insns=changed.insns) == changed
    assert losses.with_equality(other) == other
    perf = counting(sending("perf_event_output", "perf", 2))
    assert losses.with_equality(perf) == perf


def test_each_call_has_a_slot_of_the_map() -> None:
    first, second = sending("ringbuf_reserve", "ring"), sending("ringbuf_output", "ring")
    counted = losses.count(of(first, second._replace(name="q")))
    assert counted.sites == (Site("p", 2, "ring", ""), Site("q", 2, "ring", ""))
    assert counted.counting == {"p", "q"}
    assert [
        ref.offset
        for of_program in counted.spec.programs
        for ref in of_program.refs
        if isinstance(ref, DataRef)
    ] == [0, 8]
    added = counted.spec.maps[-1]
    assert (added.name, added.type, added.value_size, added.max_entries, added.flags) == (
        MAP, MapType.ARRAY, 16, 1, MapFlag.MMAPABLE,
    )  # fmt: skip
    assert counted.original.maps == counted.spec.maps[:-1]


@pytest.mark.parametrize(
    "program_spec",
    [
        sending("ringbuf_reserve", "hidden"),
        sending("map_update_elem", "hidden"),
        sending("ringbuf_submit", "ring"),
        sending("map_delete_elem", "table"),
        program(Insn(op.CALL, src=op.PSEUDO_KFUNC_CALL, imm=131), EXIT),
        program(WIDE, Insn(op.CALL, imm=131), EXIT),  # the second half of a constant
        sending("ringbuf_reserve", "ring")._replace(section="?raw_tp/x"),
    ],
)
def test_calls_that_are_not_counted(program_spec: ProgramSpec) -> None:
    given = of(program_spec)
    counted = losses.count(given)
    assert (counted.sites, counted.spec) == ((), given)


def test_nothing_is_shown() -> None:
    given = of(sending("ringbuf_reserve", "ring"), tracked=())
    assert losses.count(given).spec == given


def test_updates_count_only_where_tables_are_shown() -> None:
    unknown = program(call("map_update_elem"), EXIT)
    assert losses.count(of(unknown)).sites
    assert not losses.count(of(unknown, tracked=SHOWN[:2])).sites
    assert not losses.count(of(program(call("ringbuf_output"), EXIT), tracked=SHOWN[2:])).sites


MOV = Insn(op.ALU64 | op.X | op.MOV, 1, 7)


@pytest.mark.parametrize(
    ("insns", "refs", "name"),
    [
        ((WIDE._replace(dst=7), SECOND, MOV), (MapRef(0, "ring"),), "ring"),
        ((WIDE, SECOND, Insn(op.MOV64_IMM, 2, imm=8)), (MapRef(0, "ring"),), "ring"),
        ((Insn(op.LDX | op.MEM | op.DW, 1, 10, -8),), (), ""),  # spilled
        ((WIDE._replace(dst=7), SECOND, MOV._replace(off=8)), (MapRef(0, "ring"),), ""),
        ((WIDE, SECOND, Insn(op.ALU64 | op.K, 1, imm=8)), (MapRef(0, "ring"),), ""),
        ((WIDE, SECOND), (), ""),  # a constant
        ((WIDE, SECOND, call("map_lookup_elem")), (MapRef(0, "ring"),), ""),
        ((WIDE, SECOND, Insn(0xDB, 10, 1, imm=1)), (MapRef(0, "ring"),), ""),  # fetched
        # cond ? &ring : &other
        ((Insn(0x15, 6, off=2), WIDE, SECOND), (MapRef(1, "ring"),), ""),
        ((Insn(op.GOTO_LONG, imm=2), WIDE, SECOND), (MapRef(1, "ring"),), ""),
    ],
)
def test_which_map(insns: tuple[Insn, ...], refs: tuple[Ref, ...], name: str) -> None:
    (site,) = losses.count(of(program(*insns, call("ringbuf_output"), EXIT, refs=refs))).sites
    assert site.map == name
    at = len(insns)
    assert site.place == ("" if name else f"program 'p', instruction {at}")


@pytest.mark.parametrize("insns", [(call("ringbuf_reserve"),), (EXIT, call("ringbuf_output"))])
def test_a_program_that_cannot_be_changed(insns: tuple[Insn, ...]) -> None:
    given = of(program(*insns))
    counted = losses.count(given)
    assert counted.spec == given
    assert not counted.counting
    assert counted.reasons == {"p": "program 'p': a function ends with a call"}
    assert losses.unknown_maps(counted, ("p",)) == {"ring", "perf", "table", "lru"}


def test_one_program_of_two_is_left_alone() -> None:
    good, bad = sending("ringbuf_reserve", "ring"), program(call("ringbuf_output"), name="q")
    counted = losses.count(of(good, bad))
    assert counted.counting == {"p"}
    assert counted.spec.programs[1] == bad
    assert losses.counts(counted.spec.programs[0])


def test_a_map_of_that_name() -> None:
    given = of(sending("ringbuf_reserve", "ring"), maps=(RING, RING._replace(name=MAP)))
    counted = losses.count(given)
    assert counted.spec == given
    assert counted.reasons == {"p": f"a map is called '{MAP}'"}


def test_maps_of_programs_that_do_not_count() -> None:
    first, second = sending("ringbuf_reserve", "ring"), sending("perf_event_output", "perf", 2)
    counted = losses.count(of(first, second._replace(name="q")))
    assert losses.unknown_maps(counted, ()) == set()
    assert losses.unknown_maps(counted, ("q",)) == {"perf"}


def test_tables_that_evict() -> None:
    assert losses.count(of(sending("map_update_elem", "lru"))).evicting == ("lru",)


@pytest.mark.parametrize(("table", "counted"), [(TABLE, 1), (ARRAY, 0), (LRU, 0)])
def test_an_update_of_an_unknown_map_counts_if_a_shown_one_can_be_full(
    table: MapSpec, counted: int
) -> None:
    update = program(Insn(op.LDX | op.MEM | op.DW, 1, 10, -8), call("map_update_elem"), EXIT)
    shown = (Tracked(table.name, None, TypeId(0)),)
    assert len(losses.count(of(update, tracked=shown, maps=(table,))).sites) == counted
