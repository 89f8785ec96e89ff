"""Stacks in records: ids of a map of stacks, and arrays of addresses."""

import struct
from collections.abc import Mapping

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events import stacks
from beepy.events.batch import Batch, Frame, Machine, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.recording.blocks import Item
from beepy.recording.items import Kind
from beepy.recording.names import NamesWriter, RecordedNames
from tests.support.events import ring, stream

KERNEL: Mapping[int, str] = {3: "schedule; do_exit"}
USER: Mapping[int, str] = {4: "0x1000; 0x2000", 6: "ab12+0x1f; 0x2000; 0xyz"}
FUNCTIONS = {Frame(42, 0x1000): "work", Frame(42, 0x2000): "main", Frame(1, 0x2000): "init"}
MACHINE = Machine(
    kernel_stack=lambda number: KERNEL.get(number, ""),
    user_stack=lambda number: USER.get(number, ""),
    kernel_function=lambda address: "schedule" if address == 0xFFFFFFFF81000000 else "",
    user_function=lambda frame: FUNCTIONS.get(frame, ""),
)


def by_id() -> Schema:
    w = BtfWriter()
    u32, i32 = w.integer("u32", 4, 0), w.integer("int", 4, 1)
    members = [("pid", u32, 0), ("kern_stack_id", i32, 32), ("user_stack_id", i32, 64)]
    return stream(w, w.struct("event", 12, members))._replace(machine=MACHINE)


def by_address(*, sized: bool) -> Schema:
    w = BtfWriter()
    u32, i32, u64 = w.integer("u32", 4, 0), w.integer("int", 4, 1), w.integer("u64", 8, 0)
    array = w.array(u64, 3)
    members = [("kstack", array, 0), ("ustack", array, 192), ("pid", u32, 384)]
    members += [("ustack_sz", i32, 416)] if sized else [("other", i32, 416)]
    return stream(w, w.struct("event", 56, members))._replace(machine=MACHINE)


BY_ID, BY_ADDRESS, SIZED = by_id(), by_address(sized=False), by_address(sized=True)


def frames(batch: Batch, machine: Machine = MACHINE) -> list[list[Value]]:
    decoder = Decoder(batch.schema._replace(machine=machine))
    fields = [decoder.named(name) for name in ("kernel_frames", "user_frames")]
    return decoder.values(batch, [field for field in fields if field])


def ids(*rows: tuple[int, int, int]) -> Batch:
    return ring(BY_ID, [struct.pack("<Iii", *row) for row in rows])


def addresses(schema: Schema, pid: int, size: int, *user: int) -> Batch:
    kernel = 0xFFFFFFFF81000000, 0xFFFFFFFF82000000, 0
    return ring(schema, [struct.pack("<6QIi", *kernel, *user, pid, size)])


BATCHES = [
    (
        ids((42, 3, 4), (42, -14, -17), (1, 5, 4), (1, 3, 6)),
        [
            ["schedule; do_exit", None, None, "schedule; do_exit"],
            ["work; main", None, "0x1000; init", "ab12+0x1f; init; 0xyz"],
        ],
    ),
    (
        addresses(BY_ADDRESS, 42, 0, 0x1000, 0x2000, 0),
        [["schedule; 0xffffffff82000000"], ["work; main"]],
    ),
    (
        addresses(BY_ADDRESS, 42, 0, 0x1000, 0x9000, 0x2000),
        [["schedule; 0xffffffff82000000"], ["work; 0x9000; main"]],
    ),
    (
        addresses(SIZED, 42, 8, 0x1000, 0x2000, 0x2000),
        [["schedule; 0xffffffff82000000"], ["work"]],
    ),
    (
        addresses(SIZED, 42, -14, 0x1000, 0x2000, 0),
        [["schedule; 0xffffffff82000000"], [None]],
    ),
]


@pytest.mark.parametrize(("batch", "expected"), BATCHES)
def test_functions_of_stacks(batch: Batch, expected: list[list[Value]]) -> None:
    assert frames(batch) == expected


@pytest.mark.parametrize(("batch", "expected"), BATCHES)
def test_a_recording_has_them(batch: Batch, expected: list[list[Value]]) -> None:
    names = NamesWriter([Decoder(batch.schema)])
    recorded = RecordedNames()
    for raw in names.items(batch):
        recorded.read(Item(Kind.NAMES, raw[5:]), "x")
    assert names.items(batch) == []
    assert frames(batch, recorded.machine) == expected


def test_records_without_stacks_have_none() -> None:
    w = BtfWriter()
    schema = stream(w, w.struct("event", 4, [("pid", w.integer("u32", 4, 0), 0)]))
    decoder = Decoder(schema)
    assert decoder.named("user_frames") is decoder.named("kernel_frames") is None


def test_what_is_folded_has_frames_as_fields_too() -> None:
    """One name in two structs gets a "_" behind it; a pointer is no address of a stack."""
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    array, pointers = w.array(u64, 2), w.array(w.ptr(u32), 2)
    for name, kind, known in (("kstack_", array, True), ("kstack", pointers, False)):
        schema = stream(w, w.struct(f"{name}_event", 16, [(name, kind, 0)]))
        decoder = Decoder(schema._replace(machine=MACHINE))
        assert (decoder.named("kernel_frames") is not None) == known
        assert (stacks.lacks(decoder) == "") == known
