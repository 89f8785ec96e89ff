import pytest

from beepy import conventions
from beepy.btf.types import VOID, TypeId
from beepy.btf.writer import BtfWriter
from beepy.conventions import bee
from beepy.events.decoder import Decoder
from beepy.events.schemas import of_tracked
from beepy.obj.spec import CollectionSpec, MapSpec, NotShown, Role, Tracked
from beepy.uapi import MapType
from tests.support.specs import spec


def applied(given: CollectionSpec) -> CollectionSpec:
    return conventions.apply(given, "bee")


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
def test_the_section_or_the_name_gives_the_role(section: str, name: str, role: Role | None) -> None:
    w, _, _, event = types()
    ring = MapSpec(name, section, MapType.RINGBUF, max_entries=4096, value=event)
    found = bee.tracked(spec(ring, writer=w), {})
    assert [
        (tracked.map, tracked.role, tracked.record)
        for tracked in found
        if isinstance(tracked, Tracked)
    ] == ([(name, role, event)] if role else [])


def test_streams_have_a_record_and_tables_none() -> None:
    w, u32, u64, event = types()
    maps = (
        MapSpec("print_a", ".maps", MapType.PERF_EVENT_ARRAY, value=event),
        MapSpec("print_b", ".maps", MapType.PERCPU_HASH, 8, 8, 16, key=event, value=u64),
        MapSpec("helper", ".maps", MapType.ARRAY, 4, 4, 1, key=u32, value=u32),
    )
    assigned = applied(spec(*maps, writer=w))
    assert assigned.tracked == (
        Tracked("print_a", Role.PRINT, event),
        Tracked("print_b", Role.PRINT, VOID),
    )
    stream, table = (of_tracked(assigned, tracked, 4) for tracked in assigned.tracked)
    assert (stream.image, stream.map, stream.role, stream.record, stream.cpus) == (
        "exitsnoop:1",
        "print_a",
        Role.PRINT,
        event,
        0,
    )
    assert (table.key, table.value, table.key_size, table.value_size, table.cpus) == (
        event,
        u64,
        8,
        8,
        4,
    )
    assert [field.name for field in Decoder(table).fields] == ["pid", "tid", "value"]


def test_a_record_with_a_meaning_keeps_it() -> None:
    w = BtfWriter()
    address = w.const(w.typedef("ipv4_addr", w.integer("u32", 4, 0)))
    (tracked,) = applied(
        spec(MapSpec("print_a", ".maps", MapType.RINGBUF, value=address), writer=w)
    ).tracked
    assert tracked.record == address


@pytest.mark.parametrize("value", ["int", "typedef", "no type"])
def test_the_value_of_a_perf_event_array_is_a_descriptor(value: str) -> None:
    w = BtfWriter()
    integer = w.integer("int", 4)
    named = {"int": integer, "typedef": w.const(w.typedef("__s32", integer)), "no type": VOID}[
        value
    ]
    found = applied(
        spec(MapSpec("print_a", ".maps", MapType.PERF_EVENT_ARRAY, 4, 4, value=named), writer=w)
    )
    why = "the type of its records is unknown (its own values are file descriptors)"
    reason = f"{why}: declare it with __type(value, struct event)"
    assert (found.tracked, found.not_shown) == ((), (NotShown("print_a", Role.PRINT, reason),))


def test_values_of_a_perf_event_array_and_a_ring_that_are_not_descriptors() -> None:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    packed = w.struct("event", 4, [("pid", u32, 0)])
    maps = (
        MapSpec("print_a", ".maps", MapType.PERF_EVENT_ARRAY, value=packed),
        MapSpec("print_b", ".maps", MapType.PERF_EVENT_ARRAY, value=u64),
        MapSpec("print_c", ".maps", MapType.RINGBUF, value=u32),
    )
    assert [tracked.record for tracked in applied(spec(*maps, writer=w)).tracked] == [
        packed,
        u64,
        u32,
    ]


def test_metrics_have_bees_names() -> None:
    w, *_, event = types()
    names = ("print_a", "counter_a.b:c\u00e9", "gauge_a", "hist_a")
    found = applied(
        spec(*[MapSpec(name, ".maps", MapType.RINGBUF, value=event) for name in names], writer=w)
    ).tracked
    assert [(tracked.metric, tracked.metric_value) for tracked in found] == [
        ("", ""),
        ("ebpf_solo_io_counter_a_b_c_", ""),
        ("ebpf_solo_io_gauge_a", "value"),
        ("ebpf_solo_io_hist_a", "le"),
    ]
    assert bee.metric_value(None) == ""
