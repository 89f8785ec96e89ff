"""Which fields are stacks, and what their frames are."""

import struct

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events import stacks
from beepy.events.batch import Frame, Machine, Schema
from beepy.events.choice import apply as choose
from beepy.events.decoder import Decoder
from beepy.events.stacks import Sample, Stacks
from beepy.obj.exporter import Label, MetricPlan, Step
from tests.support.events import Exits, ring, snapshot, stream, table

KERNEL = 0xFFFF_FFFF_8000_0000
MACHINE = Machine(
    kernel_stack={7: "do_read; ksys_read; entry"}.get,  # type: ignore[arg-type]
    user_stack={8: "0x10; main"}.get,  # type: ignore[arg-type]
    kernel_function=lambda address: {KERNEL: "do_exit"}.get(address, ""),
)


def of_ids(kernel: str = "kern_stack_id", user: str = "user_stack_id") -> Schema:
    w = BtfWriter()
    i32, u64 = w.integer("int", 4), w.integer("u64", 8, 0)
    comm = w.array(w.integer("char", 1), 16)
    key = w.struct("key", 24, [(kernel, i32, 0), (user, i32, 32), ("comm", comm, 64)])
    return table(w, key, u64, 24, 8)._replace(machine=MACHINE)


def entry(kernel: int, user: int, comm: bytes, count: int) -> tuple[bytes, bytes]:
    return struct.pack("<ii16s", kernel, user, comm), struct.pack("<Q", count)


def test_ids_lead_to_frames_the_outermost_first() -> None:
    schema = of_ids()
    read = Stacks(Decoder(schema))
    batch = snapshot(
        schema,
        [entry(7, 8, b"cat", 3), entry(7, -14, b"cat", 2), entry(-17, -14, b"a", 1)],
    )
    assert list(read.samples(batch)) == [
        Sample(("cat",), ("main", "0x10", "entry", "ksys_read", "do_read"), 3),
        Sample(("cat",), ("entry", "ksys_read", "do_read"), 2),
        Sample(("a",), ("[no stack]",), 1),
    ]


def test_an_id_whose_stack_is_not_known_is_a_frame() -> None:
    """As in a recording, which has no maps of stacks."""
    schema = of_ids()._replace(machine=Machine())
    (sample,) = Stacks(Decoder(schema)).samples(snapshot(schema, [entry(7, 8, b"cat", 3)]))
    assert sample.frames == ("[stack 8]", "[stack 7]")


@pytest.mark.parametrize("names", [("a_stack", "b_stack"), ("kern_stack", "stackid_")])
def test_other_names_are_no_stacks(names: tuple[str, str]) -> None:
    schema = of_ids("number", names[0])
    assert stacks.lacks(Decoder(schema)) == "no field with a stack"
    assert stacks.lacks(Decoder(of_ids())) == ""
    assert stacks.lacks(Decoder(Exits().schema))


def test_addresses_end_at_zero_or_where_a_size_says() -> None:
    w = BtfWriter()
    u64, s32 = w.integer("u64", 8, 0), w.integer("int", 4)
    trace = w.array(u64, 4)
    members = [("kstack_sz", s32, 0), ("ustack_sz", s32, 32), ("kstack", trace, 64)]
    schema = stream(w, w.struct("event", 72, [*members, ("ustack", trace, 320)]))
    schema = schema._replace(machine=MACHINE)
    record = struct.pack("<ii4Q4Q", 16, -14, KERNEL, KERNEL + 9, 5, 6, 1, 2, 3, 4)
    whole = struct.pack("<ii4Q4Q", 32, 32, KERNEL, 0, 5, 6, 0x10, 0x20, 0, 4)
    samples = list(Stacks(Decoder(schema)).samples(ring(schema, [record, whole])))
    assert [sample.frames for sample in samples] == [
        (hex(KERNEL + 9), "do_exit"),
        ("0x20", "0x10", "do_exit"),
    ]
    assert [sample.value for sample in samples] == [1, 1]
    assert samples[0].before == ()


def test_addresses_as_bytes() -> None:
    w = BtfWriter()
    u8, u64 = w.integer("unsigned char", 1, 0), w.integer("u64", 8, 0)
    key = w.struct("key", 16, [("kstack", w.array(u8, 16), 0)])
    schema = table(w, key, u64, 16, 8)._replace(machine=MACHINE)
    batch = snapshot(schema, [(struct.pack("<QQ", KERNEL, 0), struct.pack("<Q", 5))])
    assert [*Stacks(Decoder(schema)).samples(batch)] == [Sample((), ("do_exit",), 5)]


@pytest.mark.parametrize(("decoder", "lacks"), [("kstack", ""), ("hex", "no field with a stack")])
def test_labels_that_ebpf_exporter_decodes_as_stacks(decoder: str, lacks: str) -> None:
    w = BtfWriter()
    u8, u64 = w.integer("unsigned char", 1, 0), w.integer("u64", 8, 0)
    key = w.struct("key", 16, [("where", w.array(u8, 16), 0)])
    plan = MetricPlan("x", "calls_total", "", (Label("where", 16, 0, (Step(decoder),)),))
    schema = table(w, key, u64, 16, 8)._replace(machine=MACHINE, metrics=(plan,))
    assert stacks.lacks(Decoder(schema)) == lacks
    if not lacks:
        batch = snapshot(schema, [(struct.pack("<QQ", KERNEL, 0), struct.pack("<Q", 5))])
        assert [*Stacks(Decoder(schema)).samples(batch)] == [Sample((), ("do_exit",), 5)]


def test_the_number_is_the_first_of_the_value_that_is_shown() -> None:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    value = w.struct("value", 16, [("delta_us", u64, 0), ("calls", u64, 64)])
    schema = table(w, w.struct("key", 4, [("stack_id", u32, 0)]), value, 4, 16)
    batch = snapshot(schema, [(struct.pack("<I", 7), struct.pack("<QQ", 1500, 3))])
    read = Stacks(Decoder(schema))
    assert [sample.value for sample in read.samples(batch)] == [1500]
    assert read.value
    assert (stacks.name_of(schema, read.value), read.unit_ns) == ("delta_us", 1000)
    decoder = Decoder(schema)
    choose(["stack_id,value.calls"], [decoder])
    read = Stacks(decoder)
    assert [sample.value for sample in read.samples(batch)] == [3]
    assert (stacks.name_of(schema, read.value), read.unit_ns) == ("calls", 0)


def test_fields_choose_what_stands_before_the_frames() -> None:
    schema = of_ids()
    decoder = Decoder(schema)
    choose(["user_stack_id,comm,kern_stack_id,value"], [decoder])
    assert [field.name for field in Stacks(decoder).before] == ["comm"]
    decoder = Decoder(schema)
    choose(["kern_stack_id,value"], [decoder])
    read = Stacks(decoder)
    (sample,) = read.samples(snapshot(schema, [entry(7, 8, b"cat", 3)]))
    assert sample == Sample((), ("entry", "ksys_read", "do_read"), 3)


def test_stacks_of_a_vocabulary() -> None:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    kernel = w.typedef("gadget_kernel_stack", u32)
    user = w.struct("gadget_user_stack", 8, [("stack_id", u32, 0), ("pid", u32, 32)])
    members = [("kstack_raw", kernel, 0), ("ustack_raw", user, 32), ("user_stack_id", u32, 96)]
    schema = table(w, w.struct("key", 16, members), u64, 16, 8)
    schema = schema._replace(machine=MACHINE, vocabulary="gadget")
    batch = snapshot(schema, [(struct.pack("<IIII", 7, 8, 1, 9), struct.pack("<Q", 4))])
    (sample,) = Stacks(Decoder(schema)).samples(batch)
    assert sample == Sample((), ("main", "0x10", "entry", "ksys_read", "do_read"), 4)


def test_functions_of_processes_have_names() -> None:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    members = [("ustack", w.array(u64, 3), 0), ("pid", u32, 192)]
    machine = Machine(user_function=lambda f: "main" if f == Frame(42, 0x10) else "")
    schema = stream(w, w.struct("event", 28, members))._replace(machine=machine)
    records = [struct.pack("<3QI", 0x20, 0x10, 0, pid) for pid in (42, 43)]
    samples = list(Stacks(Decoder(schema)).samples(ring(schema, records)))
    assert [sample.frames for sample in samples] == [("main", "0x20"), ("0x10", "0x20")]
