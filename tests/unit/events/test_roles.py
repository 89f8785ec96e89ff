import logging

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.btf.writer import BtfWriter
from beepy.errors import BtfError
from beepy.events.decoder import Decoder
from beepy.events.roles import assign, schema
from beepy.obj.spec import CollectionSpec, MapSpec, Role, Tracked
from beepy.uapi import MapType
from tests.support.refusal import refused


def spec(*maps: MapSpec, image_format: str = "bee", writer: BtfWriter | None = None) -> CollectionSpec:
    btf = Btf(writer.data(), name="object") if writer else None
    return CollectionSpec("exitsnoop:1", image_format, {}, "GPL", (), maps, (), (), btf)


def types() -> tuple[BtfWriter, TypeId, TypeId, TypeId]:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    return w, u32, u64, w.struct("event", 8, [("pid", u32, 0), ("tid", u32, 32)])


@pytest.mark.parametrize(
    ("section", "name", "role"),
    [
        (".maps.print", "exits", Role.PRINT),
        (".maps.counter", "exits", Role.COUNTER),
        (".maps.gauge", "exits", Role.GAUGE),
        (".maps.hist", "exits", Role.HIST),
        (".maps.my_counter_x", "exits", Role.COUNTER),
        (".maps.print", "counter_exits", Role.PRINT),
        (".maps", "print_exits", Role.PRINT),
        (".maps", "counter_exits", Role.COUNTER),
        (".maps", "gauge_exits", Role.GAUGE),
        (".maps", "hist_exits", Role.HIST),
        (".maps.other", "hist_exits", Role.HIST),
        (".maps", "exits", None),
        (".maps", "printer", None),
        (".maps", "my_print_exits", None),
        (".rodata", "print_exits", None),
        ("maps.print", "print_exits", None),
    ],
)
@pytest.mark.parametrize("image_format", ["bee", "elf"])
def test_both_conventions(section: str, name: str, role: Role | None, image_format: str) -> None:
    w, _, _, event = types()
    ring = MapSpec(name, section, MapType.RINGBUF, max_entries=4096, value=event)
    found = assign(spec(ring, image_format=image_format, writer=w)).tracked
    assert found == ((Tracked(name, role, event),) if role else ())


def test_an_unknown_format_has_no_convention() -> None:
    w, _, _, event = types()
    ring = MapSpec("print_exits", ".maps", MapType.RINGBUF, value=event)
    assert assign(spec(ring, image_format="other", writer=w)).tracked == ()


def test_streams_have_a_record_and_tables_none() -> None:
    w, u32, u64, event = types()
    maps = (
        MapSpec("print_a", ".maps", MapType.PERF_EVENT_ARRAY, value=event),
        MapSpec("print_b", ".maps", MapType.PERCPU_HASH, 8, 8, 16, key=event, value=u64),
        MapSpec("helper", ".maps", MapType.ARRAY, 4, 4, 1, key=u32, value=u32),
    )
    assigned = assign(spec(*maps, writer=w))
    assert assigned.tracked == (Tracked("print_a", Role.PRINT, event), Tracked("print_b", Role.PRINT, VOID))
    stream, table = (schema(assigned, tracked, 4) for tracked in assigned.tracked)
    assert (stream.image, stream.map, stream.role, stream.record, stream.cpus) == (
        "exitsnoop:1",
        "print_a",
        Role.PRINT,
        event,
        0,
    )
    assert (table.key, table.value, table.key_size, table.value_size, table.cpus) == (event, u64, 8, 8, 4)
    assert [field.name for field in Decoder(table).fields] == ["pid", "tid", "value"]


def test_a_record_with_a_meaning_keeps_it() -> None:
    w = BtfWriter()
    address = w.const(w.typedef("ipv4_addr", w.integer("u32", 4, 0)))
    (tracked,) = assign(spec(MapSpec("print_a", ".maps", MapType.RINGBUF, value=address), writer=w)).tracked
    assert tracked.record == address


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("no record", "the type of its records is unknown: declare it with __type(value, struct event)"),
        ("no key", "the type of its keys is unknown: declare it with __type(key, ...)"),
        ("no value", "the type of its values is unknown: declare it with __type(value, ...)"),
        ("legacy", 'a legacy definition has no types: define it in SEC(".maps") with __type(value, ...)'),
        ("queue", "nothing reads QUEUE yet"),
        ("size", "the value's type has 8 bytes: the map has 4"),
        ("malformed", "object: struct s: member 'a': ends at bit 96 of 64"),
        ("no types", "the object has no type information: compile it with clang -g"),
    ],
)
def test_a_map_without_its_types_is_left_out_with_a_warning(
    case: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    w, u32, u64, event = types()
    match case:
        case "no record":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.RINGBUF)
        case "no key":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.HASH, 4, 8, 1, value=u64)
        case "no value":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.HASH, 4, 8, 1, key=u32)
        case "legacy":
            bad = MapSpec("print_bad\x1b", "maps", MapType.HASH, 4, 8, 1)
        case "queue":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.QUEUE, 0, 8, 4, value=u64)
        case "size":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.HASH, 4, 4, 1, key=u32, value=u64)
        case "malformed":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.RINGBUF, value=w.struct("s", 8, [("a", u64, 32)]))
        case _:
            bad = MapSpec("print_bad\x1b", ".maps", MapType.RINGBUF, value=event)
    good = MapSpec("print_good", ".maps", MapType.RINGBUF, value=event)
    with caplog.at_level(logging.WARNING):
        tracked = assign(spec(bad, good, writer=None if case == "no types" else w)).tracked
    assert [row.map for row in tracked] == ([] if case == "no types" else ["print_good"])
    assert f"map 'print_bad\\x1b': not shown: {why}" in caplog.text


@pytest.mark.parametrize("value", ["int", "typedef", "no type"])
def test_the_value_of_a_perf_event_array_is_a_descriptor(value: str, caplog: pytest.LogCaptureFixture) -> None:
    w = BtfWriter()
    integer = w.integer("int", 4)
    named = {"int": integer, "typedef": w.const(w.typedef("__s32", integer)), "no type": VOID}[value]
    with caplog.at_level(logging.WARNING):
        found = assign(spec(MapSpec("print_a", ".maps", MapType.PERF_EVENT_ARRAY, 4, 4, value=named), writer=w))
    assert not found.tracked
    why = "the type of its records is unknown (its own values are file descriptors)"
    assert f"map 'print_a': not shown: {why}: declare it with __type(value, struct event)" in caplog.text


def test_what_a_perf_event_array_and_a_ring_hold_that_is_no_descriptor() -> None:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    packed = w.struct("event", 4, [("pid", u32, 0)])
    maps = (
        MapSpec("print_a", ".maps", MapType.PERF_EVENT_ARRAY, value=packed),
        MapSpec("print_b", ".maps", MapType.PERF_EVENT_ARRAY, value=u64),
        MapSpec("print_c", ".maps", MapType.RINGBUF, value=u32),
    )
    assert [tracked.record for tracked in assign(spec(*maps, writer=w)).tracked] == [packed, u64, u32]


def test_a_schema_needs_types() -> None:
    with pytest.raises(BtfError, match="no type information"):
        schema(spec(MapSpec("a", ".maps", MapType.RINGBUF)), Tracked("a", Role.PRINT, TypeId(1)))


def test_maps_that_are_not_shown_are_told_of_as_one_after_ten(caplog: pytest.LogCaptureFixture) -> None:
    w, *_ = types()
    rings = [MapSpec(f"print_{number}", ".maps", MapType.RINGBUF, max_entries=4096) for number in range(13)]
    assert not assign(spec(*rings, writer=w)).tracked
    assert len(caplog.records) == 11
    assert caplog.records[-1].getMessage() == "3 more maps: not shown"


def test_records_with_too_many_members_together() -> None:
    """Maps of the same large struct, each by a name of its own for it."""
    w, u32, *_ = types()
    large = w.struct("large", 16_000, [(f"m{number}", u32, 32 * number) for number in range(4000)])
    rings = [
        MapSpec(f"print_{number}", ".maps", MapType.RINGBUF, max_entries=4096, value=w.typedef(f"t{number}", large))
        for number in range(9)
    ]
    assert len(assign(spec(*rings[:8], writer=w)).tracked) == 8
    with refused(BtfError, "exitsnoop:1: the records of all maps have more than 32768 members together"):
        assign(spec(*rings, writer=w))
