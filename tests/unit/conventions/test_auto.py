"""What is shown of objects whose maps do not say what they mean."""

import pytest

from beepy import conventions
from beepy.btf.btf import MAX_WALKED, Btf
from beepy.btf.cformat import c_type
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.events.decoder import Decoder
from beepy.events.schemas import of_tracked
from beepy.flow import budget
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import (
    CollectionSpec,
    DataRef,
    MapRef,
    MapSpec,
    NotShown,
    ProgramSpec,
    Ref,
    VariableSpec,
)
from beepy.uapi import HELPERS, MapType
from tests.support.specs import program

EVENTS = MapSpec("events", ".maps", MapType.RINGBUF, max_entries=4096)
PERF = MapSpec("events", ".maps", MapType.PERF_EVENT_ARRAY, 4, 4)
EXIT = Insn(op.EXIT)


class Types:
    """A u32, a u64, and structs of 16 and 8 bytes."""

    def __init__(self) -> None:
        self.writer = BtfWriter()
        self.u32 = self.writer.integer("u32", 4, 0)
        self.u64 = self.writer.integer("u64", 8, 0)
        members = [("pid", self.u32, 0), ("tid", self.u32, 32), ("time", self.u64, 64)]
        self.event = self.writer.struct("event", 16, members)
        self.pair = self.writer.struct("pair", 8, members[:2])

    def table(self, name: str, value: TypeId | None = None) -> MapSpec:
        size = 8 if value is None else 16
        value = self.u64 if value is None else value
        return MapSpec(name, ".maps", MapType.HASH, 4, size, 16, key=self.u32, value=value)


def load(register: int) -> tuple[Insn, Insn]:
    return Insn(op.LD_IMM64, register), Insn(0)


def call(name: str) -> Insn:
    return Insn(op.CALL, imm=HELPERS.index(name))


def on_stack(register: int) -> tuple[Insn, Insn]:
    move, plus = op.ALU64 | op.X | op.MOV, op.ALU64 | op.K
    return Insn(move, register, op.FRAME), Insn(plus, register, imm=-16)


def sender(size: int = 16, ring: str = "events", name: str = "p") -> ProgramSpec:
    """A program that sends a record from its stack."""
    number = Insn(op.MOV64_IMM, 3, imm=size)
    insns = (*load(1), *on_stack(2), number, call("ringbuf_output"), EXIT)
    return program(*insns, refs=(MapRef(0, ring),), name=name)


def user(*uses: tuple[str, Ref]) -> ProgramSpec:
    """A program that calls helpers, each with an address in r1."""
    insns: list[Insn] = []
    refs: list[Ref] = []
    for helper, ref in uses:
        refs.append(ref._replace(insn=len(insns)))
        insns += [*load(1), *on_stack(2), *on_stack(3), call(helper)]
    return program(*insns, EXIT, refs=tuple(refs), name="user")


def applied(
    *maps: MapSpec,
    programs: tuple[ProgramSpec, ...] = (),
    types: Types | None = None,
    variables: tuple[VariableSpec, ...] = (),
) -> CollectionSpec:
    btf = Btf(types.writer.data(), name="object") if types else None
    spec = CollectionSpec("o", "GPL", programs, maps, variables, (), btf)
    return conventions.apply(spec, "elf")


def shown(spec: CollectionSpec) -> dict[str, tuple[str, str]]:
    """The type of each map that is shown, and the reason."""
    names = {}
    for tracked in spec.tracked:
        schema = of_tracked(spec, tracked)
        assert Decoder(schema).fields
        names[tracked.map] = c_type(schema.btf, schema.record or schema.value), tracked.reason
    return names


def hidden(spec: CollectionSpec) -> dict[str, str]:
    return {refusal.map: refusal.reason for refusal in spec.not_shown}


def test_it_is_chosen_where_no_map_of_the_image_has_a_role() -> None:
    types = Types()
    plain = applied(types.table("start"), types=types)
    assert plain.convention == "automatic: no map has bee's prefix"
    with_role = applied(types.table("start"), types.table("counter_x"), types=types)
    assert with_role.convention == "bee"
    assert [tracked.map for tracked in with_role.tracked] == ["counter_x"]
    both = conventions.apply_all(
        [plain._replace(tracked=()), with_role._replace(tracked=())], "bee"
    )
    assert [spec.convention for spec in both] == ["bee", "bee"]
    assert [len(spec.tracked) for spec in both] == [0, 1]


@pytest.mark.parametrize("kind", [EVENTS, PERF])
def test_a_declared_type_is_no_guess(kind: MapSpec) -> None:
    types = Types()
    spec = applied(kind._replace(value=types.event), types=types)
    assert shown(spec) == {"events": ("struct event", "")}


def test_descriptors_are_no_records() -> None:
    types = Types()
    fds = PERF._replace(key=types.u32, value=types.u32)
    assert hidden(applied(fds, types=types)) == {"events": "no program sends records to it"}


def test_the_only_struct_of_that_size() -> None:
    types = Types()
    scratch = types.table("heap", types.event)
    spec = applied(EVENTS, scratch, programs=(sender(),), types=types)
    assert shown(spec) == {"events": ("struct event", "guess: the only struct of 16 bytes")}


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("two", "unknown: it may be struct event or struct other, or another"),
        ("two sizes", "unknown: it may be struct event or struct pair, or another"),
        ("one unknown", "unknown: it may be struct event, or another"),
        ("none", "untyped: the object has no type of 24 bytes"),
        ("too many", "unknown: no type in the object is certain"),
        ("unused", "unknown: no type in the object is certain"),
        ("no types", "unknown: the object has no type information"),
    ],
)
def test_records_in_hex(case: str, reason: str) -> None:
    types = Types()
    maps = [EVENTS, types.table("heap", types.event)]
    programs = [sender()]
    match case:
        case "two":
            other = types.writer.struct("other", 16, [("a", types.u64, 0), ("b", types.u64, 64)])
            maps.append(types.table("other", other))
        case "two sizes":
            maps.append(types.table("pairs")._replace(value=types.pair))
            programs.append(sender(8, name="q"))
        case "one unknown":
            programs.append(sender(24, name="q"))
        case "none":
            programs = [sender(24)]
        case "too many":
            programs = [sender(24)]
            for _ in range(MAX_WALKED):
                types.writer.struct("", 8, [])
        case "unused":
            maps = [EVENTS]
        case _:
            maps = [EVENTS]
    given = None if case == "no types" else types
    spec = applied(*maps, programs=tuple(programs), types=given)
    assert shown(spec)["events"] == ("hex", reason)


def test_a_map_that_calls_do_not_name() -> None:
    """The buffer that is sent to is not known: it may be any."""
    types = Types()
    insns = (*on_stack(2), Insn(op.MOV64_IMM, 3, imm=16), call("ringbuf_output"), EXIT)
    elsewhere = program(*insns, name="q")
    heap = types.table("heap", types.event)
    spec = applied(EVENTS, heap, programs=(sender(), elsewhere), types=types)
    assert shown(spec)["events"][0] == "hex"


def test_a_program_that_is_too_large_to_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget.Budget.__init__, "__defaults__", (3,))
    types = Types()
    heap = types.table("heap", types.event)
    spec = applied(EVENTS, heap, programs=(sender(),), types=types)
    assert shown(spec)["events"][0] == "hex"


def test_beside_events_tables_are_named() -> None:
    types = Types()
    spec = applied(EVENTS, types.table("start"), programs=(sender(),), types=types)
    assert list(shown(spec)) == ["events"]
    assert spec.not_shown == (NotShown("start", None, "events are shown", by_choice=True),)


def test_beside_an_iterator_tables_are_named() -> None:
    types = Types()
    lines = program(EXIT)._replace(section="iter/task")
    spec = applied(types.table("start"), programs=(lines,), types=types)
    assert spec.tracked == ()
    assert hidden(spec) == {"start": "events are shown"}


def test_scratch_and_maps_of_libbpf() -> None:
    types = Types()
    insns = (
        *(*load(1), *on_stack(2), call("map_lookup_elem")),
        *(Insn(op.ALU64 | op.X | op.MOV, 2, 0), *load(1), Insn(op.MOV64_IMM, 3, imm=16)),
        *(call("ringbuf_output"), EXIT),
    )
    heap = types.table("heap", types.event)
    refs = (MapRef(0, "heap"), MapRef(6, "events"))
    usdt = types.table("__bpf_usdt_specs")
    spec = applied(EVENTS, heap, usdt, programs=(program(*insns, refs=refs),), types=types)
    assert shown(spec) == {"events": ("struct event", "guess: the value of map 'heap'")}
    assert hidden(spec) == {
        "heap": "scratch: programs build records in it",
        "__bpf_usdt_specs": "libbpf's, for USDT probes",
    }
    assert all(refusal.internal for refusal in spec.not_shown)


def test_tables_from_which_programs_delete() -> None:
    types = Types()
    start, hists = types.table("start"), types.table("hists")
    deletes = user(("map_delete_elem", MapRef(0, "start")))
    spec = applied(start, hists, programs=(deletes,), types=types)
    assert shown(spec) == {"hists": ("u64", "")}
    assert list(hidden(spec)) == ["start"]
    alone = applied(start, programs=(deletes,), types=types)
    assert shown(alone) == {"start": ("u64", "")}


def test_tables_without_types() -> None:
    legacy = MapSpec("old", "maps", MapType.HASH, 4, 8, 16)
    reason = "unknown: the map declares no types"
    assert shown(applied(legacy)) == {"old": ("hex", reason)}
    types = Types()
    keyed = types.table("keyed")._replace(value=TypeId(0))
    assert shown(applied(keyed, types=types)) == {"keyed": ("hex", reason)}


def test_types_that_nothing_reads() -> None:
    stacks = MapSpec("stacks", ".maps", MapType.STACK_TRACE, 4, 8, 16)
    spec = applied(stacks, MapSpec("odd", ".maps", 77, 4, 4, 1))
    assert (spec.tracked, spec.not_shown) == ((), ())


def test_global_variables() -> None:
    """Those that programs use, but not those that are copied into maps."""
    types = Types()
    bss = MapSpec(".bss", ".bss", MapType.ARRAY, 4, 32, 1, contents=b"")
    rodata = MapSpec(".rodata", ".rodata", MapType.ARRAY, 4, 8, 1, contents=bytes(8))
    variables = (
        VariableSpec("total", ".bss", types.u64, 0, 8, const=False),
        VariableSpec("zero", ".bss", types.u64, 8, 8, const=False),
        VariableSpec("unused", ".bss", types.u64, 16, 8, const=False),
        VariableSpec("filter", ".rodata", types.u64, 0, 8, const=True),
    )
    insns = (*load(6), *load(6), *load(1), *on_stack(2), *load(3), call("map_update_elem"), EXIT)
    refs = (
        *(DataRef(0, ".bss", 0), DataRef(2, ".rodata", 0)),
        *(MapRef(4, "hists"), DataRef(8, ".bss", 8)),
    )
    hists = types.table("hists")
    spec = applied(
        *(hists, bss, rodata),
        programs=(program(*insns, refs=refs),),
        types=types,
        variables=variables,
    )
    assert [tracked.map for tracked in spec.tracked] == ["hists", ".bss"]
    decoder = Decoder(of_tracked(spec, spec.tracked[1]))
    assert [(field.name, field.offset) for field in decoder.fields] == [("value.total", 0)]
