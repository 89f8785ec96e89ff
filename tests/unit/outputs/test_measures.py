"""The metrics of gadgets on the page: of streams, and of tables that are emptied."""

import logging
import struct

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.events.batch import Schema
from beepy.obj.measures import Measure
from beepy.obj.spec import Role
from tests.support.events import ring, snapshot
from tests.support.gadget_types import Vocabulary
from tests.unit.outputs.test_prometheus import opened, page

COMM = (("comm", "proc_comm"),)
EVENT = struct.Struct("<I4xQ16s")


def records(*rows: tuple[int, int, str]) -> list[bytes]:
    return [EVENT.pack(number, size, comm.encode()) for number, size, comm in rows]


def opens() -> Schema:
    t = Vocabulary()
    members = [
        ("number", t.u32, 0),
        ("size", t.u64, 64),
        ("comm", t.writer.array(t.char, 16), 128),
    ]
    record = t.writer.struct("event", 32, members)
    btf = Btf(t.writer.data(), name="object")
    return Schema("image:1", "open", None, btf, record, vocabulary="gadget")


def test_a_stream_with_several_metrics() -> None:
    schema = opens()._replace(
        measures=(
            Measure("size_bytes_total", Role.COUNTER, "size", "a \\ help", COMM, "open"),
            Measure("number", Role.GAUGE, "number", "", (), "open"),
            Measure("events_total", Role.COUNTER, "", "", COMM, "open"),
            Measure("size_bytes", Role.HIST, "size", "", (), "open", (10.0, 100.0)),
        )
    )
    with opened(schema) as sink:
        sink.write(ring(schema, records((1, 10, "a"), (2, 20, "b"), (3, 30, "a"), (3, 30, "a"))))
        assert page(sink) == (
            "# HELP events_total \n# TYPE events_total counter\n"
            'events_total{otel_scope_name="open",proc_comm="a"} 3\n'
            'events_total{otel_scope_name="open",proc_comm="b"} 1\n'
            "# HELP number \n# TYPE number gauge\n"
            'number{otel_scope_name="open"} 3\n'
            "# HELP size_bytes \n# TYPE size_bytes histogram\n"
            'size_bytes_bucket{otel_scope_name="open",le="10"} 1\n'
            'size_bytes_bucket{otel_scope_name="open",le="100"} 4\n'
            'size_bytes_bucket{otel_scope_name="open",le="+Inf"} 4\n'
            'size_bytes_sum{otel_scope_name="open"} 90\n'
            'size_bytes_count{otel_scope_name="open"} 4\n'
            "# HELP size_bytes_total a \\\\ help\n# TYPE size_bytes_total counter\n"
            'size_bytes_total{otel_scope_name="open",proc_comm="a"} 70\n'
            'size_bytes_total{otel_scope_name="open",proc_comm="b"} 20\n'
        )


def test_a_table_that_is_emptied() -> None:
    """What each reading takes out is added up, and a page takes out nothing."""
    t = Vocabulary()
    key = t.writer.struct("key", 4, [("op", t.u32, 0)])
    slots = t.writer.array(t.typedef("histogram_slot__u32"), 4)
    value = t.writer.struct("value", 24, [("latency", slots, 0), ("calls", t.u64, 128)])
    ops = (("op", "op"),)
    schema = Schema(
        "image:1",
        "top",
        None,
        Btf(t.writer.data(), name="object"),
        key=TypeId(key),
        value=TypeId(value),
        key_size=4,
        value_size=24,
        drains=True,
        vocabulary="gadget",
        measures=(
            Measure("calls_total", Role.COUNTER, "calls", "", ops, "top"),
            Measure("latency", Role.HIST, "latency", "", (), "top", (1, 3, 7, 15), slots=True),
        ),
    )

    def entry(op: int, calls: int, *slots: int) -> tuple[bytes, bytes]:
        return struct.pack("<I", op), struct.pack("<4IQ", *slots, calls)

    with opened(schema) as sink:
        assert page(sink) == ""
        sink.write(snapshot(schema, [entry(1, 5, 1, 0, 2, 0), entry(2, 7, 0, 0, 0, 1)]))
        sink.write(snapshot(schema, []))
        sink.write(snapshot(schema, [entry(1, 1, 0, 1, 0, 0)]))
        assert (
            page(sink)
            == page(sink)
            == (
                "# HELP calls_total \n# TYPE calls_total counter\n"
                'calls_total{op="1",otel_scope_name="top"} 6\n'
                'calls_total{op="2",otel_scope_name="top"} 7\n'
                "# HELP latency \n# TYPE latency histogram\n"
                'latency_bucket{otel_scope_name="top",le="1"} 1\n'
                'latency_bucket{otel_scope_name="top",le="3"} 2\n'
                'latency_bucket{otel_scope_name="top",le="7"} 4\n'
                'latency_bucket{otel_scope_name="top",le="15"} 5\n'
                'latency_bucket{otel_scope_name="top",le="+Inf"} 5\n'
                'latency_sum{otel_scope_name="top"} 19\n'
                'latency_count{otel_scope_name="top"} 5\n'
            )
        )


def test_data_sources_share_a_metric_and_a_name_is_given_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = opens()._replace(
        measures=(
            Measure("n_total", Role.COUNTER, "number", "", (), "open"),
            Measure("n_total", Role.COUNTER, "size", "", (), "open"),
            Measure("n_total_count", Role.GAUGE, "size", "", (), "open"),
        )
    )
    second = opens()._replace(
        map="close",
        measures=(
            Measure("n_total", Role.COUNTER, "number", "", (), "close"),
            Measure("n_total_count", Role.COUNTER, "number", "", (), "close"),
        ),
    )
    with caplog.at_level(logging.WARNING), opened(first, second) as sink:
        sink.write(ring(first, records((1, 10, "a"))))
        sink.write(ring(second, records((2, 10, "a"))))
        text = page(sink)
    assert 'n_total{otel_scope_name="open"} 1\nn_total{otel_scope_name="close"} 2\n' in text
    image = "of image 'image:1'"
    assert [record.getMessage() for record in caplog.records] == [
        f"map 'open': no metric of 'size': n_total is the metric of map 'open' {image}",
        f"map 'close': no metric of 'number': n_total_count is the gauge of map 'open' {image}",
    ]


def test_a_series_beyond_the_limit_keeps_its_data_source() -> None:
    schema = opens()._replace(
        measures=(Measure("events_total", Role.COUNTER, "", "", COMM, "open"),)
    )
    with opened(schema, max_series=2) as sink:
        sink.write(ring(schema, records((1, 1, "a"), (1, 1, "b"), (1, 1, "c"), (1, 1, "d"))))
        assert 'events_total{otel_scope_name="open",proc_comm="other"} ' in page(sink)
