"""Pages of ebpf_exporter's metrics, made of the bytes of tables and records."""

import struct
from collections.abc import Sequence

import pytest

from beepy.btf.writer import BtfWriter
from beepy.conventions.exporter.config import read
from beepy.errors import DecodeError
from beepy.events.batch import Batch, Schema
from beepy.obj.exporter import MetricPlan
from beepy.outputs.exporter_metrics import EventsPlan, TablePlan
from tests.support.events import entries_of, ring, stream, table
from tests.unit.events.test_label_decoders import NAMES

HISTOGRAM = """
  histograms:
    - name: times
      help: Times
      bucket_type: %s
      bucket_min: 0
      bucket_max: 2
      bucket_multiplier: 0.1
      labels:
        - {name: op, size: 4, decoders: [{name: uint}]}
        - {name: bucket, size: 4, decoders: [{name: uint}]}
"""
LABELS = """
  counters:
    - name: calls
      help: "All \\"calls\\" \\\\ of\\nprocesses"
      labels:
        - {name: op, size: 4, decoders: [{name: uint}]}
        - name: comm
          size: 4
          decoders: [{name: string}, {name: regexp, regexps: ["(?s)^[^x].*"]}]
"""


def plan_of(text: str, **changes: object) -> MetricPlan:
    (metric,) = read(f"metrics: {text}".encode(), "pair", "x").metrics
    return metric.plan._replace(**changes)  # type: ignore[arg-type]


def schema_of(key_size: int, cpus: int = 0) -> Schema:
    writer = BtfWriter()
    key = writer.struct("", key_size)
    return table(writer, key, writer.integer("u64", 8, 0), key_size, 8, cpus=cpus)


def page(
    plan: MetricPlan, entries: Sequence[tuple[bytes, bytes]], cpus: int = 0, most: int = 100
) -> list[str]:
    schema = schema_of(len(entries[0][0]) if entries else 4, cpus)
    made = TablePlan(plan, NAMES, most)
    runs = [entries[:2], entries[2:]]
    made.page([entries_of(schema, run) for run in runs])  # twice: the limit starts anew
    return b"".join(made.page([entries_of(schema, run) for run in runs])).decode().splitlines()


def u64(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def call(op: int, comm: bytes) -> bytes:
    return struct.pack("<I4s", op, comm)


def test_a_counter() -> None:
    entries = [
        (call(2, b"cat"), u64(5)),
        (call(10, b'l"s\n'), u64(1)),
        (call(2, b"xx"), u64(100)),  # the regular expression leaves it out
    ]
    assert page(plan_of(LABELS), entries) == [
        '# HELP ebpf_exporter_calls All "calls" \\\\ of\\nprocesses',
        "# TYPE ebpf_exporter_calls counter",
        'ebpf_exporter_calls{comm="cat",op="2"} 5',
        'ebpf_exporter_calls{comm="l\\"s\\n",op="10"} 1',
    ]


def test_equal_labels_are_summed_and_large_numbers_are_gos() -> None:
    text = LABELS.replace("(?s)^[^x].*", "^(.).*")
    entries = [(call(1, b"aa"), u64(1_000_000)), (call(1, b"ab"), u64(2)), (call(1, b"b"), u64(3))]
    assert page(plan_of(text), entries)[2:] == [
        'ebpf_exporter_calls{comm="a",op="1"} 1.000002e+06',
        'ebpf_exporter_calls{comm="b",op="1"} 3',
    ]


def test_without_labels_there_is_one_key() -> None:
    plan = plan_of("{counters: [{name: all, help: All}]}")
    assert page(plan, [(bytes(4), u64(7))])[2:] == ["ebpf_exporter_all 7"]
    assert page(plan, []) == []
    with pytest.raises(DecodeError, match="a key of 4 bytes, its labels have 0"):
        page(plan, [(bytes(4), u64(7)), (b"\1\0\0\0", u64(7))])


def test_values_of_cpus() -> None:
    label = "{name: cpu, size: 2, decoders: [{name: uint}]}"
    cpu = f"{{counters: [{{name: x, help: X, labels: [%s{label}]}}]}}"
    plan = plan_of(cpu % "", percpu=True)
    assert page(plan, [(bytes(4), u64(3, 4))], cpus=2)[2:] == [
        'ebpf_exporter_x{cpu="0"} 3',
        'ebpf_exporter_x{cpu="1"} 4',
    ]
    op = "{name: op, size: 4, decoders: [{name: uint}]}, "
    plan = plan_of(cpu % op, percpu=True)
    assert page(plan, [(struct.pack("<I", 9), u64(3, 0))], cpus=2)[2:] == [
        'ebpf_exporter_x{cpu="0",op="9"} 3',
        'ebpf_exporter_x{cpu="1",op="9"} 0',
    ]
    plan = plan_of(LABELS)
    assert page(plan, [(call(1, b"a"), u64(3, 4))], cpus=2)[2:] == [
        'ebpf_exporter_calls{comm="a",op="1"} 7'
    ]


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [
        ("exp2", ("0.1", "0.2", "0.4")),
        ("exp2zero", ("0", "0.1", "0.2")),
        ("linear", ("0", "0.1", "0.2")),
    ],
)
def test_histograms(kind: str, bounds: tuple[str, ...]) -> None:
    buckets = {0: 2, 2: 1, 3: 50, 7: 9}  # 3 has the sum, 7 is outside
    entries = [(struct.pack("<II", 1, bucket), u64(value)) for bucket, value in buckets.items()]
    lines = page(plan_of(HISTOGRAM % kind), [*entries, (struct.pack("<II", 2, 9), u64(1))])
    assert lines == [
        "# HELP ebpf_exporter_times Times",
        "# TYPE ebpf_exporter_times histogram",
        f'ebpf_exporter_times_bucket{{op="1",le="{bounds[0]}"}} 2',
        f'ebpf_exporter_times_bucket{{op="1",le="{bounds[1]}"}} 2',
        f'ebpf_exporter_times_bucket{{op="1",le="{bounds[2]}"}} 3',
        'ebpf_exporter_times_bucket{op="1",le="+Inf"} 3',
        'ebpf_exporter_times_sum{op="1"} 5',
        'ebpf_exporter_times_count{op="1"} 3',
        f'ebpf_exporter_times_bucket{{op="2",le="{bounds[0]}"}} 0',
        f'ebpf_exporter_times_bucket{{op="2",le="{bounds[1]}"}} 0',
        f'ebpf_exporter_times_bucket{{op="2",le="{bounds[2]}"}} 0',
        'ebpf_exporter_times_bucket{op="2",le="+Inf"} 0',
        'ebpf_exporter_times_sum{op="2"} 0',
        'ebpf_exporter_times_count{op="2"} 0',
    ]


def test_a_bucket_that_is_no_number() -> None:
    plan = plan_of(
        HISTOGRAM.replace(
            "bucket, size: 4, decoders: [{name: uint}]", "b, size: 4, decoders: [{name: string}]"
        )
        % "exp2"
    )
    with pytest.raises(DecodeError, match="bucket 'abc': not a number"):
        page(plan, [(b"\1\0\0\0abc\0", u64(1))])


def test_series_are_bounded() -> None:
    entries = [(call(op, b"a"), u64(op)) for op in range(5)]
    assert page(plan_of(LABELS), entries, most=2)[2:] == [
        'ebpf_exporter_calls{comm="a",op="0"} 0',
        'ebpf_exporter_calls{comm="a",op="1"} 1',
        'ebpf_exporter_calls{comm="other",op="other"} 9',
    ]


def test_a_batch_of_too_few_bytes() -> None:
    schema = schema_of(8)
    batch = entries_of(schema, [(call(1, b"a"), u64(1))])
    made = TablePlan(plan_of(LABELS), NAMES, 10)
    for part in (0, 1):
        parts = [*batch.parts]
        parts[part] = parts[part]._replace(raw=parts[part].raw[:-1])
        with pytest.raises(DecodeError):
            made.page([batch._replace(parts=tuple(parts))])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def records(*raw: bytes) -> Batch:
    writer = BtfWriter()
    return ring(stream(writer, writer.struct("", 8)), raw)


def test_events_are_counted_and_forgotten() -> None:
    clock = Clock()
    plan = EventsPlan(plan_of(LABELS, flush_s=60.0), NAMES, 2, clock)
    assert plan.page() == []
    plan.write(records(call(1, b"a"), call(1, b"a"), call(2, b"x")))
    plan.write(records(call(1, b"a") + b"what follows the labels"))
    plan.write(records(b"short"))
    assert b"".join(plan.page()).decode().splitlines()[2:] == [
        'ebpf_exporter_calls{comm="a",op="1"} 3'
    ]
    assert plan.errors == 1
    plan.write(records(*[call(op, b"a") for op in range(5)]))
    assert b"".join(plan.page()).decode().splitlines()[2:] == [
        'ebpf_exporter_calls{comm="a",op="1"} 4',
        'ebpf_exporter_calls{comm="a",op="0"} 1',
        'ebpf_exporter_calls{comm="other",op="other"} 3',
    ]
    clock.now = 60.0
    assert plan.page() == []


def test_many_pending_events_are_decoded_early() -> None:
    plan = EventsPlan(plan_of(LABELS, flush_s=60.0), NAMES, 2)
    for start in range(0, 40_000, 1000):
        plan.write(records(*[call(op, b"a") for op in range(start, start + 1000)]))
    lines = b"".join(plan.page()).decode().splitlines()[2:]
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == 40_000
