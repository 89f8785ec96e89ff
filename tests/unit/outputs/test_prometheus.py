"""The pages of the Prometheus sink, as text: bee's literal ones first."""

import logging
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter, Member
from beepy.errors import UsageError
from beepy.events.batch import Batch, Schema
from beepy.events.costs import Cost, ProgramCost
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.obj.spec import Role
from beepy.outputs import pending
from beepy.outputs.metric_options import bounds_of, values_of
from beepy.outputs.prometheus import Prometheus
from tests.support.events import Exits, ring, snapshot, stream, table, with_role

EXIT = struct.pack(
    "<QQIIIIi16s4x", 2396599269958, 2396600383928, 16234, 16234, 16221, 0, 0, b"infocmp"
)
Entries = Sequence[tuple[bytes, bytes]]


@contextmanager
def opened(
    *schemas: Schema,
    tables: Mapping[Schema, Entries] | None = None,
    buckets: Sequence[str] = (),
    value_keys: Sequence[str] = (),
    max_series: int = 10_000,
    stats: RunStats | None = None,
) -> Iterator[Prometheus]:
    """An open sink; ``tables`` may change while it is."""
    number = 0

    def read(wanted: tuple[Schema, ...]) -> Iterator[Batch]:
        nonlocal number
        number += 1
        for schema in wanted:
            yield from snapshots(schema, (tables or {})[schema], number)

    sink = Prometheus(
        "127.0.0.1",
        0,
        read_tables=read,
        bounds=bounds_of(buckets, [Decoder(schema) for schema in schemas]),
        values=values_of(value_keys, [Decoder(schema) for schema in schemas]),
        stats=stats or RunStats(),
        max_series=max_series,
    )
    sink.open([Decoder(schema) for schema in schemas])
    try:
        yield sink
    finally:
        sink.close()


def snapshots(schema: Schema, entries: Entries, number: int) -> list[Batch]:
    """A reading in batches of at most three entries."""
    runs = [entries[at : at + 3] for at in range(0, len(entries), 3)] or [[]]
    batches = [snapshot(schema, run)._replace(snapshot=number, final=False) for run in runs]
    return [*batches[:-1], batches[-1]._replace(final=True)]


def page(sink: Prometheus) -> str:
    """What the maps make of the page."""
    text = b"".join(sink.page()).decode()
    return text[: text.index("# HELP beepy_events_total")]


def parsed(sink: Prometheus) -> dict[str, Metric]:
    return {
        metric.name: metric
        for metric in text_string_to_metric_families(b"".join(sink.page()).decode())
    }


def record_of(role: Role, name: str, size: int, members: Sequence[tuple[str, str, int]]) -> Schema:
    """A stream of structs; members are (name, type, byte offset)."""
    writer = BtfWriter()
    kinds = _kinds(writer)
    layout: list[Member] = [(member, kinds[kind], 8 * at) for member, kind, at in members]
    return with_role(stream(writer, writer.struct("event", size, layout), name), role)


def table_of(
    role: Role, name: str, value: str = "u64", value_size: int = 8, cpus: int = 0
) -> Schema:
    """A table whose key is {u32 pid, char comm[16]}."""
    writer = BtfWriter()
    kinds = _kinds(writer)
    key = writer.struct("key", 20, [("pid", kinds["u32"], 0), ("comm", kinds["comm"], 32)])
    return with_role(table(writer, key, kinds[value], 20, value_size, cpus=cpus, name=name), role)


def _kinds(writer: BtfWriter) -> dict[str, TypeId]:
    u64 = writer.integer("unsigned long long", 8, 0)
    return {
        "u64": u64,
        "u32": writer.integer("unsigned int", 4, 0),
        "s64": writer.integer("long long", 8, 1),
        "double": writer.real("double", 8),
        "comm": writer.array(writer.integer("char", 1), 16),
        "duration": writer.typedef("duration", u64),
        "pair": writer.struct("pair", 16, [("a", u64, 0), ("b", u64, 64)]),
        "bool": writer.integer("_Bool", 1, 4),
        "state": writer.enum("state", {"IDLE": 0, "BUSY": 1}),
        "level": writer.enum64("level", {"LOW": -1, "HIGH": 1 << 40}, signed=True),
    }


def key(pid: int, comm: bytes = b"bash") -> bytes:
    return struct.pack("<I16s", pid, comm)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def test_bees_counter_page() -> None:
    exits = with_role(Exits("exits").schema, Role.COUNTER)
    with opened(exits) as sink:
        sink.write(ring(exits, [EXIT]))
        assert page(sink) == (
            "# HELP ebpf_solo_io_exits \n"
            "# TYPE ebpf_solo_io_exits counter\n"
            'ebpf_solo_io_exits{comm="infocmp",exit_code="0",exit_time="2396600383928",pid="16234",ppid="16221",sig="0",'
            'start_time="2396599269958",tid="16234"} 1\n'
        )


def test_bees_gauge_page() -> None:
    calls = table_of(Role.GAUGE, "gauge_calls")
    with opened(calls, tables={calls: [(key(17881), u64(9))]}) as sink:
        assert page(sink) == (
            "# HELP ebpf_solo_io_gauge_calls \n"
            "# TYPE ebpf_solo_io_gauge_calls gauge\n"
            'ebpf_solo_io_gauge_calls{comm="bash",pid="17881"} 9\n'
        )


def test_bees_histogram_page() -> None:
    lat = record_of(Role.HIST, "hist_lat", 16, [("us", "u64", 0), ("kind", "u32", 8)])
    values = (
        [100, 101, 500, 900, 1000, 1000] + [1001, 1500, 1999, 2000, 2000] + [4430] * 22 + [2639]
    )
    records = [struct.pack("<QI4x", value, 0) for value in values]
    with opened(lat, value_keys=["hist_lat,us"], buckets=["hist_lat,[100,1000.5,2e3]"]) as sink:
        sink.write(ring(lat, records[:20]))
        sink.write(ring(lat, records[20:]))
        assert page(sink) == (
            "# HELP ebpf_solo_io_hist_lat \n"
            "# TYPE ebpf_solo_io_hist_lat histogram\n"
            'ebpf_solo_io_hist_lat_bucket{kind="0",le="100"} 1\n'
            'ebpf_solo_io_hist_lat_bucket{kind="0",le="1000.5"} 6\n'
            'ebpf_solo_io_hist_lat_bucket{kind="0",le="2000"} 11\n'
            'ebpf_solo_io_hist_lat_bucket{kind="0",le="+Inf"} 34\n'
            'ebpf_solo_io_hist_lat_sum{kind="0"} 112200\n'
            'ebpf_solo_io_hist_lat_count{kind="0"} 34\n'
        )


def test_a_histogram_by_default_is_of_le_in_bees_buckets() -> None:
    lat = record_of(Role.HIST, "hist_lat", 8, [("le", "u64", 0)])
    with opened(lat) as sink:
        sink.write(ring(lat, [u64(value) for value in (0, 1, 10, 5000, 5001)]))
        lines = page(sink).splitlines()[2:]
    assert lines[:2] == [
        'ebpf_solo_io_hist_lat_bucket{le="0"} 1',
        'ebpf_solo_io_hist_lat_bucket{le="10"} 3',
    ]
    assert lines[-4:] == [
        'ebpf_solo_io_hist_lat_bucket{le="5000"} 4',
        'ebpf_solo_io_hist_lat_bucket{le="+Inf"} 5',
        "ebpf_solo_io_hist_lat_sum 10012",
        "ebpf_solo_io_hist_lat_count 5",
    ]
    assert len(lines) == 13


def test_le_is_a_label_of_counters_and_le_underscore_of_histograms() -> None:
    members = [("le", "u64", 0), ("v", "u64", 8)]
    counter, hist = (
        record_of(Role.COUNTER, "counter_a", 16, members),
        record_of(Role.HIST, "hist_a", 16, members),
    )
    with opened(counter, hist, value_keys=["hist_a,v"], buckets=["hist_a,[1]"]) as sink:
        for schema in (counter, hist):
            sink.write(ring(schema, [u64(7) + u64(1)]))
        assert 'ebpf_solo_io_counter_a{le="7",v="1"} 1\n' in page(sink)
        assert 'ebpf_solo_io_hist_a_bucket{le_="7",le="1"} 1\n' in page(sink)


def test_a_gauge_of_a_stream_is_the_last_value() -> None:
    load = record_of(
        Role.GAUGE,
        "gauge_load",
        24,
        [("cpu", "u32", 0), ("value", "double", 8), ("other", "s64", 16)],
    )
    records = [
        struct.pack("<I4xdq", cpu, value, -5)
        for cpu, value in ((0, 1.5), (1, 2.5), (0, 3.0), (1, 2.5), (0, 1.5))
    ]
    with opened(load) as sink:
        sink.write(ring(load, records))
        assert page(sink).splitlines()[2:] == [
            'ebpf_solo_io_gauge_load{cpu="0",other="-5"} 1.5',
            'ebpf_solo_io_gauge_load{cpu="1",other="-5"} 2.5',
        ]
        sink.write(ring(load, [records[2], records[0], records[2]]))
        assert 'ebpf_solo_io_gauge_load{cpu="0",other="-5"} 3\n' in page(sink)
    with opened(load, value_keys=["gauge_load,other"]) as sink:
        sink.write(ring(load, records[:1]))
        assert 'ebpf_solo_io_gauge_load{cpu="0",value="1.5"} -5\n' in page(sink)


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        ("bool", [b"\1", b"\0", b"\2"], [1, 0, 1]),
        ("state", [b"\1\0\0\0", b"\0\0\0\0", b"\7\0\0\0"], [1, 0, 7]),
        ("level", [struct.pack("<q", -1), u64(1 << 40), u64(5)], [-1, 1 << 40, 5]),
    ],
)
def test_the_value_of_a_bool_or_enum_is_its_number(
    kind: str, values: Sequence[bytes], shown: Sequence[int]
) -> None:
    """In gauges, histograms and tables; as a label an enum is its name."""
    padded = [value.ljust(8, b"\0") for value in values]
    gauge = record_of(
        Role.GAUGE, "gauge_up", 16, [("value", kind, 0), ("unit", "u32", 8), ("was", "state", 12)]
    )
    hist = record_of(Role.HIST, "hist_up", 16, [("le", kind, 0), ("unit", "u32", 8)])
    up = table_of(Role.GAUGE, "gauge_table", kind, len(values[0]))
    rows = table_of(Role.GAUGE, "gauge_rows", kind, len(values[0]), cpus=2)
    tables: dict[Schema, Entries] = {
        up: [(key(pid), value) for pid, value in enumerate(values)],
        rows: [(key(1), padded[0] + padded[1])],
    }
    with opened(gauge, hist, up, rows, tables=tables) as sink:
        for unit, value in enumerate(padded):
            sink.write(ring(gauge, [value + struct.pack("<II", unit, 1)]))
            sink.write(ring(hist, [value + struct.pack("<II", 0, 0)]))
        samples = {
            (
                sample.name.removeprefix("ebpf_solo_io_"),
                *sorted(sample.labels.items()),
            ): sample.value
            for family in parsed(sink).values()
            for sample in family.samples
        }
    for unit, number in enumerate(shown):
        assert samples["gauge_up", ("unit", str(unit)), ("was", "BUSY")] == number
        assert samples["gauge_table", ("comm", "bash"), ("pid", str(unit))] == number
    for cpu, number in enumerate(shown[:2]):
        assert samples["gauge_rows", ("comm", "bash"), ("cpu", str(cpu)), ("pid", "1")] == number
    assert samples["hist_up_sum", ("unit", "0")] == sum(shown)
    assert samples["hist_up_bucket", ("le", "0"), ("unit", "0")] == sum(
        number <= 0 for number in shown
    )


def test_a_counter_adds_up_over_scrapes_and_ignores_bytes_of_no_label() -> None:
    """Records of equal labels differ in their padding and after a NUL."""
    exits = record_of(Role.COUNTER, "exits", 24, [("pid", "u32", 0), ("comm", "comm", 4)])
    with opened(exits) as sink:
        sink.write(ring(exits, [key(1, b"a\0junk") + b"pad1", key(1, b"a\0") + b"pad2"]))
        assert 'ebpf_solo_io_exits{comm="a",pid="1"} 2\n' in page(sink)
        sink.write(
            ring(
                exits, [key(1, b"a\0") + b"pad2", key(2, b"b\0") + b"pad2", key(1, b"a") + b"pad3"]
            )
        )
        sink.write(ring(exits, [key(1, b"a") + b"pad3 and a tail"]))
        assert page(sink).splitlines()[2:] == [
            'ebpf_solo_io_exits{comm="a",pid="1"} 5',
            'ebpf_solo_io_exits{comm="b",pid="2"} 1',
        ]


def test_raw_records_are_decoded_when_many_are_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_MAX_RECORDS", 100)
    monkeypatch.setattr(pending, "_BATCH_RECORDS", 7)
    exits = record_of(Role.COUNTER, "exits", 20, [("pid", "u32", 0), ("comm", "comm", 4)])
    with opened(exits) as sink:
        (metric,) = sink._streams[exits].metrics
        for start in range(0, 1000, 30):
            sink.write(ring(exits, [key(pid % 250) for pid in range(start, min(start + 30, 1000))]))
            assert len(metric._pending._records) < 100
        assert [line.rpartition(" ")[2] for line in page(sink).splitlines()[2:]] == ["4"] * 250


def test_text_that_a_process_can_choose_is_a_valid_label() -> None:
    exits = record_of(Role.COUNTER, "exits", 20, [("pid", "u32", 0), ("comm", "comm", 4)])
    names = [
        b'q"\\\n}',
        b"\xff\xfe",
        "é\u202e".encode(),
        b"[/]",
        b"%s%d{}",
        b"\x1b[2J",
        b"a\rb",
        b"",
        b" ",
        b"\xc3",
    ]
    with opened(exits) as sink:
        sink.write(ring(exits, [key(pid, name) for pid, name in enumerate(names)]))
        labels = [sample.labels["comm"] for sample in parsed(sink)["ebpf_solo_io_exits"].samples]
    assert labels == [
        'q"\\\n}',
        "\\xff\\xfe",
        "é\u202e",
        "[/]",
        "%s%d{}",
        "\x1b[2J",
        "a\rb",
        "",
        " ",
        "\\xc3",
    ]


def test_labels_are_written_as_go_prints_values() -> None:
    members = [
        ("took", "duration", 0),
        ("part", "double", 8),
        ("state", "state", 16),
        ("__pad", "u32", 20),
    ]
    calls = record_of(Role.COUNTER, "counter_calls", 24, members)
    with opened(calls) as sink:
        sink.write(ring(calls, [struct.pack("<QdII", 1_500_000, 1e6, 1, 3)]))
        assert '{_pad="3",part="1e+06",state="BUSY",took="1.5ms"} 1\n' in page(sink)


@pytest.mark.parametrize("role", [Role.COUNTER, Role.GAUGE])
def test_a_table_has_a_series_for_each_present_entry(role: Role) -> None:
    calls = table_of(role, "calls")
    entries: list[tuple[bytes, bytes]] = [(key(pid), u64(10 * pid)) for pid in range(1, 9)]
    tables: dict[Schema, Entries] = {calls: entries}
    with opened(calls, tables=tables) as sink:
        assert len(page(sink).splitlines()) == 10
        tables[calls] = [(key(2), u64(1)), (key(9), u64(1_000_000))]
        assert page(sink) == (
            "# HELP ebpf_solo_io_calls \n"
            f"# TYPE ebpf_solo_io_calls {role}\n"
            'ebpf_solo_io_calls{comm="bash",pid="2"} 1\n'
            'ebpf_solo_io_calls{comm="bash",pid="9"} 1e+06\n'
        )
        tables[calls] = []
        assert page(sink) == ""


def test_entries_with_equal_labels_are_one_series() -> None:
    calls = table_of(Role.COUNTER, "calls")
    entries = [(key(1, b"a\0x"), u64(3)), (key(1, b"a\0y"), u64(4))]
    with opened(calls, tables={calls: entries}) as sink:
        for _ in range(2):
            assert page(sink).splitlines()[2:] == ['ebpf_solo_io_calls{comm="a",pid="1"} 7']


def test_more_entries_of_equal_labels_than_series_are_one_series(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = table_of(Role.COUNTER, "calls")
    entries = [(key(1, b"a\0%d" % number), u64(1)) for number in range(10)]
    with opened(calls, tables={calls: entries}, max_series=3) as sink:
        for _ in range(2):
            assert page(sink).splitlines()[2:] == ['ebpf_solo_io_calls{comm="a",pid="1"} 10']
    assert not caplog.records


def test_a_table_without_labels_is_one_series(caplog: pytest.LogCaptureFixture) -> None:
    w = BtfWriter()
    total = table(w, w.struct("nothing", 4), w.integer("unsigned long", 8, 0), 4, 8, name="total")
    total = with_role(total, Role.COUNTER)
    with opened(total, tables={total: [(bytes(4), u64(5))]}) as sink:
        for _ in range(2):
            assert page(sink).splitlines()[2:] == ["ebpf_solo_io_total 5"]
    assert not caplog.records


def test_the_length_of_labels_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    w = BtfWriter()
    record = w.struct(
        "event", 1 << 16, [("data", w.array(w.integer("unsigned char", 1, 0), 1 << 16), 0)]
    )
    events = with_role(stream(w, record, "events"), Role.COUNTER)
    with opened(events) as sink:
        for start in range(0, 300, 20):
            sink.write(
                ring(
                    events,
                    [bytes([at % 256, at // 256]) * (1 << 15) for at in range(start, start + 20)],
                )
            )
        pieces = sink.page()
        assert sum(map(len, pieces)) < 20 << 20
        assert max(map(len, pieces)) < 1 << 20
        (family,) = [
            one for name, one in parsed(sink).items() if name.endswith("events") and "solo" in name
        ]
        assert sum(sample.value for sample in family.samples) == 300
        assert [sample.labels["data"] for sample in family.samples].count("other") == 1
    assert "what exceeds them counts as 'other'" in caplog.text


def test_the_length_of_a_tables_labels_is_bounded_over_scrapes() -> None:
    w = BtfWriter()
    key_type = w.struct("key", 1 << 16, [("data", w.array(w.integer("char", 1), 1 << 16), 0)])
    calls = with_role(
        table(w, key_type, w.integer("unsigned long", 8, 0), 1 << 16, 8, name="calls"), Role.COUNTER
    )
    entries = [(b"%04d" % number + b"z" * ((1 << 16) - 5) + b"\0", u64(1)) for number in range(400)]
    with opened(calls, tables={calls: entries}) as sink:
        sizes = [sum(map(len, sink.page())) for _ in range(3)]
        assert max(sizes) < 18 << 20
        assert max(sizes) - min(sizes) < 1 << 16


def test_the_length_of_a_histograms_labels_is_bounded_on_all_its_lines() -> None:
    w = BtfWriter()
    data, number = w.array(w.integer("char", 1), 1 << 12), w.integer("unsigned long", 8, 0)
    event = w.struct("event", (1 << 12) + 8, [("data", data, 0), ("value", number, 8 << 12)])
    times = with_role(stream(w, event, "times"), Role.HIST)
    records = [b"%04d" % number + b"z" * ((1 << 12) - 5) + b"\0" + u64(1) for number in range(1000)]
    with opened(times, value_keys=["times,value"], buckets=["times,[1,2,4,8,16]"]) as sink:
        sink.write(ring(times, records))
        assert sum(map(len, sink.page())) < 18 << 20


def test_entries_that_all_change_beyond_the_bound_get_series_at_once() -> None:
    calls = table_of(Role.COUNTER, "calls")
    tables: dict[Schema, Entries] = {}
    with opened(calls, tables=tables, max_series=3) as sink:
        for start in (0, 100, 200):
            tables[calls] = [(key(start + pid), u64(1)) for pid in range(4)]
            assert page(sink).count("bash") == 3


def test_per_cpu_values() -> None:
    summed = table_of(Role.COUNTER, "counter_sum", cpus=3)
    rows = table_of(Role.GAUGE, "gauge_rows", "double", cpus=3)
    tables: dict[Schema, Entries] = {
        summed: [(key(1), u64(1) + u64(2) + u64(4))],
        rows: [(key(1), struct.pack("<3d", 0.5, 1.5, math.inf))],
    }
    with opened(summed, rows, tables=tables) as sink:
        for _ in range(2):
            assert [line for line in page(sink).splitlines() if line[0] != "#"] == [
                'ebpf_solo_io_counter_sum{comm="bash",pid="1"} 7',
                'ebpf_solo_io_gauge_rows{comm="bash",cpu="0",pid="1"} 0.5',
                'ebpf_solo_io_gauge_rows{comm="bash",cpu="1",pid="1"} 1.5',
                'ebpf_solo_io_gauge_rows{comm="bash",cpu="2",pid="1"} +Inf',
            ]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (table_of(Role.HIST, "hist_t"), "map 'hist_t' has no metric: a table is not a histogram"),
        (
            table_of(Role.GAUGE, "gauge_t", "pair", 16),
            "map 'gauge_t' has no metric: its value is not a number",
        ),
        (
            table_of(Role.COUNTER, "counter_t", "comm", 16),
            "map 'counter_t' has no metric: its value is not a number",
        ),
    ],
)
def test_tables_without_a_metric_warn_once(
    schema: Schema, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(schema) as sink:
        assert page(sink) == page(sink) == ""
        sink.write(snapshots(schema, [(key(1), bytes(schema.value_size))], 1)[0])
    assert [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ] == [why]


def test_maps_that_are_printed_or_have_no_role_have_no_metric(
    caplog: pytest.LogCaptureFixture,
) -> None:
    printed, plain = Exits("print_exits").schema._replace(role=Role.PRINT), Exits("exits").schema
    with opened(printed, plain) as sink:
        sink.write(ring(printed, [EXIT]))
        assert page(sink) == ""
        assert (
            'beepy_events_total{image="image:1",map="print_exits"} 1.0\n'
            in b"".join(sink.page()).decode()
        )
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def test_series_of_a_stream_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    exits = record_of(Role.COUNTER, "exits", 20, [("pid", "u32", 0), ("comm", "comm", 4)])
    with opened(exits, max_series=3) as sink:
        for _ in range(2):
            sink.write(ring(exits, [key(pid) for pid in range(10)]))
            text = page(sink)
        assert text.splitlines()[2:] == [
            *[f'ebpf_solo_io_exits{{comm="bash",pid="{pid}"}} 2' for pid in range(3)],
            'ebpf_solo_io_exits{comm="other",pid="other"} 14',
        ]
    warnings = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    bound = (
        "more than 3 series, or than 16 MiB of labels on all its lines: "
        "what exceeds them counts as 'other'"
    )
    assert warnings == [f"metric ebpf_solo_io_exits: {bound}"]


def test_series_of_histograms_and_gauges_are_bounded() -> None:
    members = [("pid", "u32", 0), ("value", "u64", 8)]
    hist, gauge = (
        record_of(Role.HIST, "hist_a", 16, members),
        record_of(Role.GAUGE, "gauge_a", 16, members),
    )
    with opened(
        hist, gauge, max_series=1, value_keys=["hist_a,value"], buckets=["hist_a,[1]"]
    ) as sink:
        for schema in (hist, gauge):
            sink.write(ring(schema, [struct.pack("<I4xQ", pid, pid) for pid in range(1, 5)]))
        lines = page(sink).splitlines()
        assert 'ebpf_solo_io_gauge_a{pid="other"} 4' in lines
        assert 'ebpf_solo_io_hist_a_sum{pid="other"} 9' in lines
        assert 'ebpf_solo_io_hist_a_count{pid="other"} 3' in lines
        assert len(lines) == 4 + 2 + 2 * 4


def test_series_of_a_table_are_bounded_and_keep_their_entries(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = table_of(Role.COUNTER, "calls")
    tables: dict[Schema, Entries] = {calls: [(key(pid), u64(1)) for pid in range(3, 7)]}
    with opened(calls, tables=tables, max_series=4) as sink:
        assert len(page(sink).splitlines()) == 2 + 4
        tables[calls] = [(key(pid), u64(1)) for pid in range(9)]
        for _ in range(2):
            assert page(sink).splitlines()[2:] == [
                'ebpf_solo_io_calls{comm="other",pid="other"} 5',
                *[f'ebpf_solo_io_calls{{comm="bash",pid="{pid}"}} 1' for pid in range(3, 7)],
            ]
        # Two of the four are gone: their places are free next time.
        tables[calls] = [(key(pid), u64(1)) for pid in range(5)]
        page(sink)
        assert 'pid="0"' in page(sink)
        assert 'pid="other"} 1\n' in page(sink)
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_all_entries_of_a_table_may_change_at_once() -> None:
    calls = table_of(Role.COUNTER, "calls")
    tables: dict[Schema, Entries] = {}
    with opened(calls, tables=tables, max_series=4) as sink:
        for start in (0, 10, 20):
            tables[calls] = [(key(pid), u64(1)) for pid in range(start, start + 4)]
            assert "other" not in page(sink)


def test_maps_of_one_name_have_the_label_image() -> None:
    first = record_of(Role.COUNTER, "exits", 20, [("pid", "u32", 0), ("comm", "comm", 4)])
    second = first._replace(image='two"\udcff')
    with opened(first, second) as sink:
        sink.write(ring(first, [key(1)]))
        sink.write(ring(second, [key(1)] * 2))
        assert page(sink) == (
            "# HELP ebpf_solo_io_exits \n"
            "# TYPE ebpf_solo_io_exits counter\n"
            'ebpf_solo_io_exits{comm="bash",image="image:1",pid="1"} 1\n'
            'ebpf_solo_io_exits{comm="bash",image="two\\"\\\\xff",pid="1"} 2\n'
        )
        assert (
            'beepy_events_total{image="two\\"\\\\xff",map="exits"} 2.0\n'
            in b"".join(sink.page()).decode()
        )


FIELDS = [("us", "u64", 0), ("state", "state", 8), ("comm", "comm", 12)]
HIST = record_of(Role.HIST, "hist_a", 32, FIELDS)
GAUGE = record_of(Role.GAUGE, "gauge_a", 32, FIELDS)
TEXT = record_of(Role.GAUGE, "gauge_text", 16, [("value", "comm", 0)])
COUNTER = with_role(Exits("exits").schema, Role.COUNTER)
TABLE = table_of(Role.GAUGE, "gauge_t")


@pytest.mark.parametrize(
    ("schemas", "buckets", "value_keys", "why"),
    [
        (
            [HIST],
            [],
            ["hist_a,x\x1b"],
            r"'hist_a,x\\x1b': no field 'x\\x1b' in hist_a: its fields are us, state, comm",
        ),
        ([HIST], [], ["u"], "--hist-value-key 'u': no field 'u' in hist_a: its fields are us"),
        (
            [HIST],
            [],
            ["hist_a,comm"],
            "--hist-value-key 'hist_a,comm': field 'comm' of hist_a is not a number",
        ),
        (
            [HIST, COUNTER],
            ["x,[1]"],
            [],
            r"--hist-buckets 'x,\[1\]': no map 'x': the maps are hist_a, exits",
        ),
        (
            [HIST, COUNTER],
            ["a,[1]", "[2]"],
            [],
            r"--hist-buckets '\[2\]': map 'hist_a' is named twice",
        ),
        ([HIST, COUNTER], [], ["a,us", "us"], "--hist-value-key 'us': map 'hist_a' is named twice"),
        ([], [], ["x,y"], "--hist-value-key 'x,y': no map 'x': no map is shown"),
        ([COUNTER], ["exits,[1]"], [], "map 'exits' is not a histogram of a stream of events"),
        (
            [COUNTER],
            [],
            ["exits,pid"],
            "map 'exits' is not a histogram or gauge of a stream of events",
        ),
        ([TABLE], [], ["gauge_t,value"], "map 'gauge_t' is not a histogram or gauge of a stream"),
    ],
)
def test_usage_errors(
    schemas: list[Schema], buckets: list[str], value_keys: list[str], why: str
) -> None:
    with (
        pytest.raises(UsageError, match=why),
        opened(*schemas, buckets=buckets, value_keys=value_keys),
    ):
        pass


@pytest.mark.parametrize(
    ("schemas", "value_keys", "names", "why"),
    [
        (
            [HIST, COUNTER],
            [],
            ["exits"],
            "hist_a' has no metric: it has no field 'le': -k hist_a,FIELD takes another: us, state",
        ),
        (
            [GAUGE],
            [],
            [],
            (
                "gauge_a' has no metric: "
                "it has no field 'value': -k gauge_a,FIELD takes another: us, state"
            ),
        ),
        ([TEXT], [], [], "gauge_text' has no metric: its field 'value' is not a number"),
        (
            [COUNTER, COUNTER._replace(btf=HIST.btf, record=HIST.record)],
            [],
            ["exits"],
            (
                "exits' has no metric: "
                "ebpf_solo_io_exits is the metric of map 'exits' of image 'image:1'"
            ),
        ),
        (
            [COUNTER, with_role(TABLE._replace(map="exits", image="b"), Role.GAUGE)],
            [],
            ["exits"],
            (
                "exits' has no metric: "
                "ebpf_solo_io_exits is the counter of map 'exits' of image 'image:1'"
            ),
        ),
        (
            [HIST, with_role(COUNTER._replace(map="hist_a_sum"), Role.COUNTER)],
            ["us"],
            ["hist_a"],
            (
                "hist_a_sum' has no metric: "
                "ebpf_solo_io_hist_a_sum is a part of the histogram ebpf_solo_io_hist_a"
            ),
        ),
        (
            [with_role(COUNTER._replace(map="hist_a_sum"), Role.COUNTER), HIST],
            ["us"],
            ["hist_a_sum"],
            "hist_a' has no metric: ebpf_solo_io_hist_a_sum, a part of it, is another metric",
        ),
    ],
)
def test_a_map_that_cannot_have_a_metric_is_a_warning(
    schemas: list[Schema],
    value_keys: list[str],
    names: list[str],
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The others have theirs, and the rows of all are counted."""
    tables: dict[Schema, Entries] = {schema: [] for schema in schemas}
    with opened(*schemas, value_keys=value_keys, tables=tables) as sink:
        for schema in schemas:
            if schema.is_stream:
                sink.write(ring(schema, [bytes(64)]))
        sample_names = {
            line.split("{")[0] for line in page(sink).splitlines() if not line.startswith("#")
        }
    plain = {
        name.removeprefix("ebpf_solo_io_").removesuffix("_bucket").removesuffix("_count")
        for name in sample_names
    }
    assert {name if name in names else name.removesuffix("_sum") for name in plain} == set(names)
    assert [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ] == [f"map '{why}"]


def test_losses_before_the_first_batch_and_of_one_image_twice() -> None:
    exits = Exits("exits").schema
    perf = exits._replace(counts_loss=True, map="perf")
    other = Exits("other").schema._replace(map="exits")
    assert other != exits
    with opened(exits, perf, other, perf._replace(btf=other.btf)) as sink:
        assert "twice" not in parsed(sink)
        sink.write(ring(exits, [EXIT]))
        sink.write(ring(other, [EXIT] * 2))
        samples = {
            (name, sample.labels["map"]): sample.value
            for name, metric in parsed(sink).items()
            if name in {"beepy_events", "beepy_lost_events"}
            for sample in metric.samples
        }
        text = b"".join(sink.page()).decode()
    assert samples == {
        ("beepy_events", "exits"): 3,
        ("beepy_events", "perf"): 0,
        ("beepy_lost_events", "perf"): 0,
    }
    assert text.count('beepy_events_total{image="image:1",map="exits"}') == 1


def test_losses_of_tables_and_of_calls_whose_map_is_not_known() -> None:
    exits = Exits("exits").schema
    table = exits._replace(map="table", record=TypeId(0))
    tally = RunStats()
    tally.lost = {table: 3, table._replace(map="other"): None}
    tally.lost_at = {("image:1", "program 'p', x.bpf.c:7"): 4}
    tally.missed = {("image:1", "p"): 5, ("image:1", "q"): None}
    with opened(exits, stats=tally) as sink:
        samples = {
            sample.labels["map"]: sample.value
            for sample in parsed(sink)["beepy_lost_events"].samples
        }
        (missed,) = parsed(sink)["beepy_missed_runs"].samples
    assert samples == {"table": 3, "program 'p', x.bpf.c:7": 4}
    assert (missed.labels, missed.value) == ({"image": "image:1", "program": "p"}, 5)


def test_metrics_of_beepy_and_its_process() -> None:
    exits = with_role(Exits("exits").schema, Role.COUNTER)
    seen = exits._replace(map="seen", counts_loss=True)
    tally = RunStats()
    tally.filtered, tally.own = 7, 4
    with opened(exits, seen, stats=tally) as sink:
        sink.write(ring(exits, [EXIT]))
        sink.write(ring(exits, [EXIT[:40]] * 2))
        sink.write(ring(seen, [EXIT])._replace(lost=5))
        sink.write(ring(seen, [])._replace(lost=6))
        metrics = parsed(sink)
    samples = {
        (name, sample.labels.get("map")): sample.value
        for name, metric in metrics.items()
        if name.startswith("beepy_")
        for sample in metric.samples
    }
    assert samples == {
        ("beepy_events", "exits"): 3,
        ("beepy_events", "seen"): 1,
        ("beepy_short_records", "exits"): 2,
        ("beepy_short_records", "seen"): 0,
        ("beepy_lost_events", "seen"): 11,
        ("beepy_filtered_events", None): 7,
        ("beepy_own_events", None): 4,
    }
    assert metrics["process_resident_memory_bytes"].samples[0].value > 1 << 20
    assert metrics["process_open_fds"].type == "gauge"


def test_the_cost_of_programs() -> None:
    stats = RunStats()
    programs = [ProgramCost("a", "enter", 3, 1500), ProgramCost("b", "enter", 1, 500)]
    stats.cost = Cost((*programs, programs[0]), counted_s=2.0, elapsed_s=9.0)
    with opened(Exits("exits").schema, stats=stats) as sink:
        samples = {
            (name, sample.labels.get("image")): sample.value
            for name, metric in parsed(sink).items()
            if name.startswith("beepy_program_")
            for sample in metric.samples
        }
        assert samples == {
            ("beepy_program_run_seconds", "a"): 3e-6,
            ("beepy_program_run_seconds", "b"): 5e-7,
            ("beepy_program_runs", "a"): 6,
            ("beepy_program_runs", "b"): 1,
            ("beepy_program_counted_seconds", None): 2,
        }
        stats.cost = Cost(unknown="no")
        assert not [name for name in parsed(sink) if name.startswith("beepy_program_")]
