"""When events begin and end, by the meaning of their fields."""

import struct

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events import spans
from beepy.events.clock import Clock
from beepy.events.decoder import Decoder
from beepy.events.spans import Spans
from beepy.events.where import Where
from tests.support.events import TIME_NS, Exits, ring, stream, table


def decoder(*names: str) -> Decoder:
    w = BtfWriter()
    u64 = w.integer("u64", 8, 0)
    members = [(name, u64, 64 * at) for at, name in enumerate(names)]
    schema = stream(w, w.struct("event", 8 * len(names), members))
    clock = Clock({0: TIME_NS, 1: 5_000_000_000, 7: 5_000_000_000}.__getitem__)
    return Decoder(schema._replace(clock=clock))


@pytest.mark.parametrize(
    ("names", "values", "span"),
    [
        (("start_time", "exit_time"), (10, 25), (10, 25)),
        (("exit_time", "start_time"), (25, 10), (10, 25)),
        (("enter_ts", "end_us"), (5_000, 9), (5_000, 9_000)),
        (("first_seen", "last_seen"), (10, 25), (10, 25)),
        (("ts", "delta_us"), (9_000, 4), (5_000, 9_000)),
        (("time", "delta_us"), (9_000, 4), (5_000, 9_000)),
        (("end_ns", "delta_us"), (9_000, 4), (5_000, 9_000)),
        (("start_ts", "duration_us"), (9_000, 4), (9_000, 13_000)),
        (("ts_us", "wait_ms", "span_us"), (9_000, 77, 4), (8_996_000, 9_000_000)),
        (("lat_ns",), (7,), (4_999_999_993, 5_000_000_000)),
        (("start_time", "exit_time"), (25, 10), (10, 10)),  # a clock that went back
        (("ts", "delta_us"), (9_000, 4_000), (0, 9_000)),
        (("start_ns", "exit_ns", "delta_ns"), (0, 90, 20), (70, 90)),  # it began unseen
    ],
)
def test_a_span_of_a_record(
    names: tuple[str, ...], values: tuple[int, ...], span: tuple[int, int]
) -> None:
    known = decoder(*names)
    assert spans.lacks(known) == ""
    batch = ring(known.schema, [struct.pack(f"<{len(values)}Q", *values)] * 2)
    assert Spans(known).read(batch) == [span, span]


@pytest.mark.parametrize("names", [("pid", "flags"), ("ts",), ("start_time",), ("ts", "exit_time")])
def test_other_records_have_none(names: tuple[str, ...]) -> None:
    assert spans.lacks(decoder(*names)) == "no fields with a beginning and an end"


def test_a_duration_may_be_known_by_its_typedef_alone() -> None:
    w = BtfWriter()
    took = w.typedef("gadget_duration", w.integer("u64", 8, 0))
    known = Decoder(stream(w, w.struct("event", 8, [("took", took, 0)])))
    assert Spans(known).duration == (known.fields[0], 1)
    batch = ring(known.schema, [struct.pack("<Q", ns) for ns in (9_000_000, 11_000_000)])
    assert Where(["took > 10ms"], [known]).apply(batch).records == 1


def test_a_short_record_has_a_span_of_nothing() -> None:
    schema = Exits().schema
    batch = ring(schema, [Exits.record(start_time=1000)[:8]])
    assert Spans(Decoder(schema)).read(batch) == [(1000, 1000)]


def test_a_table_has_no_events() -> None:
    w = BtfWriter()
    u64 = w.integer("u64", 8, 0)
    key = w.struct("key", 16, [("start_time", u64, 0), ("exit_time", u64, 64)])
    assert spans.lacks(Decoder(table(w, key, u64, 16, 8))) == "a table has no events"
