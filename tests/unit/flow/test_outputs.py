"""Which calls send records, into which map, of what size and type."""

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.flow.outputs import Output, Outputs, outputs
from beepy.flow.values import Kind, Value
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import (
    CollectionSpec,
    CoreRef,
    DataRef,
    FuncInfo,
    MapRef,
    MapSpec,
    ProgramSpec,
    Ref,
    VariableSpec,
)
from beepy.uapi import HELPERS, CoreReloKind, MapType

MOVE, NUMBER, PLUS = op.ALU64 | op.X | op.MOV, op.MOV64_IMM, op.ALU64 | op.K
FRAME, EXIT = op.FRAME, Insn(op.EXIT)
MAPS = (
    MapSpec("events", ".maps", MapType.RINGBUF),
    MapSpec("heap", ".maps", MapType.ARRAY, 4, 16),
    MapSpec("queue", ".maps", MapType.QUEUE, 0, 16),
    MapSpec("outer", ".maps", MapType.ARRAY_OF_MAPS, 4, 4, inner=MapSpec("", "", MapType.HASH)),
)


def call(name: str) -> Insn:
    return Insn(op.CALL, imm=HELPERS.index(name))


def load(register: int) -> tuple[Insn, Insn]:
    return Insn(op.LD_IMM64, register), Insn(0)


def on_stack(register: int, offset: int = -16) -> tuple[Insn, Insn]:
    return Insn(MOVE, register, FRAME), Insn(PLUS, register, imm=offset)


class Given:
    """An object with one program; ``event`` has 16 bytes: two u32 and a u64."""

    def __init__(self, *insns: Insn, refs: tuple[Ref, ...] = ()) -> None:
        self.writer = BtfWriter()
        u32 = self.writer.integer("unsigned int", 4, 0)
        u64 = self.writer.integer("unsigned long long", 8, 0)
        self.event = self.writer.struct(
            "event", 16, [("a", u32, 0), ("b", u32, 32), ("c", u64, 64)]
        )
        self.maps = {map_spec.name: map_spec for map_spec in MAPS}
        self.variables: list[VariableSpec] = []
        self.program = ProgramSpec("p", "kprobe", insns, refs, (), (), (), (("p", 0),))

    def variable(self, type_id: int, name: str = "x", section: str = ".bss") -> None:
        self.variables.append(VariableSpec(name, section, TypeId(type_id), 0, 16, const=False))

    def value_of(self, name: str, type_id: int) -> None:
        self.maps[name] = self.maps[name]._replace(value=TypeId(type_id))

    def spec(self) -> CollectionSpec:
        maps, variables = tuple(self.maps.values()), tuple(self.variables)
        btf = Btf(self.writer.data())
        return CollectionSpec("o", "GPL", (self.program,), maps, variables, (), btf)

    def sent(self) -> Output:
        (output,) = outputs(self.spec()).found
        return output

    def records(self) -> list[tuple[int, str]]:
        return [(record.type, record.reason) for record in self.sent().records]


SEND = (*load(1), *on_stack(2), Insn(NUMBER, 3, imm=16), call("ringbuf_output"), EXIT)
EVENTS = (MapRef(0, "events"),)


def test_what_is_sent() -> None:
    sent = Given(*SEND, refs=EVENTS).sent()
    at = frozenset({Value(Kind.STACK, 0, -16)})
    assert sent == Output("p", 5, "ringbuf_output", ("events",), 16, at, ())


def test_perf_buffers() -> None:
    for name in ("perf_event_output", "skb_output", "xdp_output"):
        code = (*load(2), *on_stack(4), Insn(NUMBER, 5, imm=8), call(name), EXIT)
        sent = Given(*code, refs=(MapRef(0, "events"),)).sent()
        assert (sent.maps, sent.size, len(sent.data)) == (("events",), 8, 1)


def test_reserved_records() -> None:
    for name in ("ringbuf_reserve", "ringbuf_reserve_dynptr"):
        sent = Given(*load(1), Insn(NUMBER, 2, imm=8), call(name), EXIT, refs=EVENTS).sent()
        assert (sent.maps, sent.size) == (("events",), 8)
        assert sent.data == {Value(Kind.RECORD, 3)}


def test_values_that_are_stored_have_the_size_of_their_map() -> None:
    push = (*load(1), *on_stack(2), call("map_push_elem"), EXIT)
    assert Given(*push, refs=(MapRef(0, "queue"),)).sent().size == 16
    update = (*load(1), *on_stack(3), call("map_update_elem"), EXIT)
    sent = Given(*update, refs=(MapRef(0, "heap"),)).sent()
    assert (sent.maps, sent.size) == (("heap",), 16)
    assert sent.data == {Value(Kind.STACK, 0, -16)}
    assert Given(*update).sent().size is None


def test_programs_that_only_store_are_skipped_if_that_does_not_matter() -> None:
    update = (*load(1), *on_stack(3), call("map_update_elem"))
    refs = (MapRef(0, "heap"), MapRef(6, "events"))
    assert outputs(Given(*update, EXIT, refs=refs[:1]).spec(), stores=False) == Outputs((), ())
    spec = Given(*update, *SEND, refs=refs).spec()
    found = outputs(spec, stores=False)
    assert [sent.call for sent in found.found] == ["map_update_elem", "ringbuf_output"]
    assert found == outputs(spec)


def test_what_an_iterator_writes_has_no_map() -> None:
    code = (Insn(MOVE, 1, 6), *on_stack(2), Insn(NUMBER, 3, imm=4), call("seq_write"), EXIT)
    assert Given(*code).sent()[3:5] == ((), 4)


def test_several_maps_and_unknown_ones() -> None:
    branch = Insn(op.JMP | op.K | 0x10, 9, off=2)
    rest = (Insn(NUMBER, 2, imm=8), call("ringbuf_reserve"), EXIT)
    both = (MapRef(0, "events"), MapRef(3, "queue"))
    assert Given(*load(1), branch, *load(1), *rest, refs=both).sent().maps == ("events", "queue")
    assert Given(*rest).sent().maps == ()
    inner = (*load(1), call("map_lookup_elem"), Insn(MOVE, 1, 0), *rest)
    assert Given(*inner, refs=(MapRef(0, "outer"),)).sent().maps == ("outer",)


def test_sizes_that_vary() -> None:
    assert Given(*load(1), call("ringbuf_reserve"), EXIT, refs=EVENTS).sent().size is None


def test_too_large_programs_are_named() -> None:
    program = ProgramSpec("p", "kprobe", SEND * 100_000, (), (), (), (), (("p", 0),))
    spec = CollectionSpec("o", "GPL", (program,), (), (), (), None)
    assert outputs(spec) == Outputs((), ("p",))


FROM_HEAP = (
    *(*load(1), call("map_lookup_elem"), Insn(MOVE, 2, 0), *load(1)),
    *(Insn(NUMBER, 3, imm=16), call("ringbuf_output"), EXIT),
)
HEAP = (MapRef(0, "heap"), MapRef(4, "events"))


def test_the_value_of_a_map() -> None:
    given = Given(*FROM_HEAP, refs=HEAP)
    given.value_of("heap", given.event)
    assert given.records() == [(given.event, "the value of map 'heap'")]


def test_a_struct_in_the_value_of_a_map() -> None:
    given = Given(*FROM_HEAP, refs=HEAP)
    array = given.writer.array(given.event, 4)
    given.value_of("heap", given.writer.struct("scratch", 64, [("all", array, 0)]))
    assert given.records() == [(given.event, "the value of map 'heap'")]


def test_bytes_in_a_map_tell_nothing() -> None:
    given = Given(*FROM_HEAP, refs=HEAP)
    given.value_of("heap", given.writer.array(given.writer.integer("char", 1), 16))
    assert given.records() == []


def test_global_variables() -> None:
    code = (*load(1), *load(2), Insn(NUMBER, 3, imm=16), call("ringbuf_output"), EXIT)
    given = Given(*code, refs=(*EVENTS, DataRef(2, ".bss", 0)))
    given.variable(given.event, "last")
    assert given.records() == [(given.event, "variable 'last'")]


def with_function(given: Given, declared: str) -> None:
    """Give the program a function of which the parameter or result points to the struct."""
    pointer = given.writer.ptr(given.event)
    parameters = [("e", pointer)] if declared == "parameter" else []
    proto = given.writer.func_proto(pointer if declared == "result" else 0, parameters)
    start = len(given.program.insns)
    insns = (*given.program.insns, Insn(MOVE, 0, 1), EXIT)
    infos = (FuncInfo(start, TypeId(given.writer.func("fill", proto, 0))),)
    functions = (("p", 0), ("fill", start))
    given.program = given.program._replace(insns=insns, func_infos=infos, functions=functions)


def test_parameters_and_results_of_functions() -> None:
    calls = (*on_stack(1), Insn(op.CALL, src=op.PSEUDO_CALL, imm=len(SEND)))
    refs = (MapRef(3, "events"),)
    for declared, reason in (
        ("parameter", "parameter 'e' of function 'fill'"),
        ("result", "the result of function 'fill'"),
    ):
        given = Given(*calls, *SEND, refs=refs)
        with_function(given, declared)
        assert given.records() == [(given.event, reason)]


def test_a_variable_that_nothing_uses_names_the_record() -> None:
    for used in (False, True):
        given = Given(*SEND, *load(1), refs=(*EVENTS, *(DataRef(7, ".bss", 0),) * used))
        given.variable(given.writer.ptr(given.event), "unused")
        declared = [(given.event, "variable 'unused' points to it")]
        assert given.records() == ([] if used else declared)


def test_the_size_finds_a_struct_of_the_objects_own() -> None:
    given = Given(*SEND, refs=EVENTS)
    given.value_of("heap", given.event)
    assert given.records() == [(given.event, "a struct of 16 bytes")]
    other = given.writer.struct("other", 16)
    given.value_of("queue", other)
    assert [type_id for type_id, _ in given.records()] == [given.event, other]


def test_structs_of_the_kernel_are_not_found_by_their_size() -> None:
    given = Given(*SEND, refs=EVENTS)
    given.value_of("heap", given.event)
    core = CoreRef(0, TypeId(given.event), "0:0", CoreReloKind.FIELD_BYTE_OFFSET)
    given.program = given.program._replace(core=(core,))
    assert given.records() == []


def test_what_a_program_stores_rules_structs_out() -> None:
    reserve = (*load(1), Insn(NUMBER, 2, imm=16), call("ringbuf_reserve"))
    for store, fits in (
        (Insn(op.STX | op.MEM | op.DW, 0, 9, 8), True),
        (Insn(op.STX | op.MEM | op.W, 0, 9, 4), True),
        (Insn(op.STX | op.MEM | op.DW, 0, 9, 0), True),  # two members at once
        (Insn(op.ST | op.MEM | op.W, 0, off=8), True),  # zeros
        (Insn(op.STX | op.MEM | op.W, 0, 9, 8), False),
        (Insn(op.STX | op.MEM | op.B, 0, 9, 5), False),
    ):
        given = Given(*reserve, store, EXIT, refs=EVENTS)
        given.value_of("heap", given.event)
        assert bool(given.records()) is fits, store


def test_many_types_tell_nothing() -> None:
    given = Given(*SEND, refs=EVENTS)
    structs = [given.writer.struct(f"s{number}", 16) for number in range(9)]
    members = [(f"m{number}", struct, 128 * number) for number, struct in enumerate(structs)]
    given.value_of("heap", given.writer.struct("all", 144, members))
    assert given.records() == []


def test_malformed_types_tell_nothing() -> None:
    given = Given(*FROM_HEAP, refs=HEAP)
    given.value_of("heap", 999)
    assert given.records() == []
    given = Given(*SEND, refs=EVENTS)
    given.variable(999)
    given.value_of("queue", 999)
    given.value_of("heap", given.event)
    given.program = given.program._replace(func_infos=(FuncInfo(0, TypeId(999)),))
    assert given.records() == [(given.event, "a struct of 16 bytes")]


def test_maps_from_which_programs_delete() -> None:
    delete, look_up = call("map_delete_elem"), call("map_lookup_elem")
    insns = (*load(1), delete, *load(1), look_up, *load(1), delete, delete, EXIT)
    refs = (MapRef(0, "heap"), MapRef(3, "queue"), MapRef(6, "events"))
    program = ProgramSpec("p", "kprobe", insns, refs, (), (), (), (("p", 0),))
    spec = CollectionSpec("o", "GPL", (program,), MAPS, (), (), None)
    assert outputs(spec).deleted_from == {"heap", "events"}
