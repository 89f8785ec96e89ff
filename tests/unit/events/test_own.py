"""Records that name beepy's own process are left out, and no others."""

import random
import struct

import pytest

from beepy.btf.writer import BtfWriter, Member
from beepy.events.batch_ops import take
from beepy.events.decoder import Decoder
from beepy.events.own import OwnRecords, pid_field, pid_offset
from tests.support.events import Exits, decode, ring, snapshot, stream, table

OURS = 0x00012A3F
ALIKE = (
    0x3F,
    0x2A3F,
    0x00013F3F,
    0x2A3F0001,
    0x3F2A0100,
    0x01012A3F,
    0x00002A3F,
    OURS + 1,
    OURS - 1,
    0,
)


def test_our_own_records_are_removed_and_all_else_stays() -> None:
    schema = Exits().schema
    own = OwnRecords(OURS, [Decoder(schema)])
    pids = [*ALIKE, OURS, 7, OURS, OURS]
    batch = ring(schema, [Exits.record(pid=pid) for pid in pids])._replace(lost=3)
    kept = own.apply(batch)
    assert decode(schema, kept)["pid"] == [*ALIKE, 7]
    assert (kept.lost, kept.records) == (3, len(ALIKE) + 1)


def test_a_batch_without_our_own_records_is_the_same_batch() -> None:
    schema = Exits().schema
    own = OwnRecords(OURS, [Decoder(schema)])
    for pids in ([], [1], list(ALIKE), [OURS ^ 1 << bit for bit in range(32)]):
        batch = ring(schema, [Exits.record(pid=pid) for pid in pids])
        assert own.apply(batch) is batch


@pytest.mark.parametrize("count", [1, 2, 255, 4097])
def test_any_mixture_of_records(count: int) -> None:
    schema = Exits().schema
    chance = random.Random(count)
    pids = [chance.choice((OURS, *ALIKE)) for _ in range(count)]
    kept = OwnRecords(OURS, [Decoder(schema)]).apply(
        ring(schema, [Exits.record(pid=pid) for pid in pids])
    )
    assert decode(schema, kept)["pid"] == [pid for pid in pids if pid != OURS]


def test_a_batch_that_was_cut_to_its_first_rows() -> None:
    schema = Exits().schema
    batch = take(ring(schema, [Exits.record(pid=pid) for pid in (1, 2, OURS)]), 2)
    assert OwnRecords(OURS, [Decoder(schema)]).apply(batch) is batch


def test_a_record_that_ends_before_the_field() -> None:
    schema = Exits().schema
    batch = ring(schema, [Exits.record(pid=OURS)[:18]])
    assert OwnRecords(OURS, [Decoder(schema)]).apply(batch) is batch


def test_a_table_is_left_alone() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = table(w, w.struct("key", 4, [("pid", u32, 0)]), u32, 4, 4)
    batch = snapshot(schema, [(struct.pack("<I", OURS), bytes(4))])
    assert OwnRecords(OURS, [Decoder(schema)]).apply(batch) is batch


def record(*members: tuple[str, str]) -> int | None:
    """Where a record of members (name, type) has the id of a process."""
    w = BtfWriter()
    u32 = w.integer("unsigned int", 4, 0)
    types = {
        "u32": u32,
        "s32": w.integer(),
        "pid_t": w.typedef("pid_t", w.typedef("__kernel_pid_t", w.integer())),
        "u16": w.integer("unsigned short", 2, 0),
        "u64": w.integer("unsigned long long", 8, 0),
        "float": w.real("float", 4),
        "enum": w.enum("kind", {"A": 1}),
        "array": w.array(u32, 1),
        "struct": w.struct("inner", 4, [("pid", u32, 0)]),
        "union": w.union("", 4, [("pid", u32, 0), ("other", w.integer(), 0)]),
    }
    placed: list[Member] = [(name, types[kind], 64 * at) for at, (name, kind) in enumerate(members)]
    return pid_offset(Decoder(stream(w, w.struct("event", 8 * len(placed), placed))))


@pytest.mark.parametrize(
    ("members", "offset"),
    [
        ([("a", "u64"), ("pid", "u32")], 8),
        ([("pid", "s32")], 0),
        ([("pid", "pid_t")], 0),
        ([("pid", "u32"), ("tgid", "u32")], 8),  # the kernel's words: a thread, and its process
        ([("tgid", "u32"), ("pid", "u32")], 0),
        ([("pid", "u32"), ("tgid", "u64")], 0),
        ([("", "union")], 0),
        ([("tid", "u32"), ("ppid", "u32"), ("PID", "u32"), ("target_pid", "u32")], None),
        ([("pid", "struct")], None),
        *[([("pid", kind)], None) for kind in ("u16", "u64", "float", "enum", "array")],
    ],
)
def test_which_field_is_a_process_id(members: list[tuple[str, str]], offset: int | None) -> None:
    assert record(*members) == offset


def test_bitfields_and_records_that_are_not_structs_have_no_process_id() -> None:
    w = BtfWriter()
    u32 = w.integer("unsigned int", 4, 0)
    split = w.struct("event", 4, [("pid", u32, 0, 22), ("cpu", u32, 22, 10)])
    assert pid_offset(Decoder(stream(w, split))) is None
    assert pid_offset(Decoder(stream(w, u32))) is None
    assert pid_offset(Decoder(table(w, u32, u32, 4, 4))) is None


def test_the_process_of_a_gadget() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    process = w.struct("gadget_process", 8, [("tid", u32, 0), ("pid", u32, 32)])
    schema = stream(w, w.struct("event", 12, [("fd", u32, 0), ("proc", process, 32)]))
    assert pid_offset(Decoder(schema)) == 8


def test_the_process_of_a_record_is_known_even_where_the_kernels_number_is_not() -> None:
    """A number of another size names a process as well; a text and a thread's id do not."""
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    text = w.array(w.integer("char", 1, 0), 8)
    both = Decoder(stream(w, w.struct("event", 16, [("pid", u32, 0), ("tgid", u64, 64)])))
    field = pid_field(both)
    assert (field and field.name, pid_offset(both)) == ("tgid", 0)
    named = Decoder(stream(w, w.struct("named", 12, [("pid", text, 0), ("tid", u32, 64)])))
    assert pid_field(named) is None
