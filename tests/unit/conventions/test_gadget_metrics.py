"""The metrics of a gadget's rows, by its annotations and by the types of their fields."""

from collections.abc import Mapping

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.conventions import gadget_metrics
from beepy.conventions.gadget_metrics import metric_name
from beepy.conventions.gadget_yaml import DataSource
from beepy.events.batch import Schema
from beepy.obj.measures import Measure
from beepy.obj.spec import Role
from tests.support.gadget_types import Vocabulary


def measured(
    types: Vocabulary,
    record: TypeId,
    fields: Mapping[str, Mapping[str, str]] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> tuple[tuple[Measure, ...], list[str]]:
    btf = Btf(types.writer.data(), name="object")
    schema = Schema("image", "trace", None, btf, record, vocabulary="gadget")
    source = DataSource(
        annotations or {},
        {
            name: {f"metrics.{key}": text for key, text in t.items()}
            for name, t in (fields or {}).items()
        },
    )
    return gadget_metrics.of(schema, source)


def event(types: Vocabulary) -> TypeId:
    slots = types.writer.array(types.typedef("histogram_slot__u32"), 4)
    members = [
        ("proc", types.process, 0),
        ("calls", types.typedef("counter__u64", 64), 448),
        ("depth", types.typedef("gauge__u32"), 512),
        ("latency", slots, 544),
        ("size", types.u64, 704),
    ]
    return types.writer.struct("event", 96, members)


def test_metrics_by_types_and_keys_as_labels() -> None:
    types = Vocabulary()
    keys = {"proc.comm": {"type": "key"}, "proc.pid": {"type": "key", "name": "process"}}
    measures, refused = measured(types, event(types), keys)
    labels = (("proc.comm", "proc_comm"), ("proc.pid", "process"))
    assert measures == (
        Measure("calls_total", Role.COUNTER, "calls", "", labels, "trace"),
        Measure("depth", Role.GAUGE, "depth", "", labels, "trace"),
        Measure(
            "latency", Role.HIST, "latency", "", labels, "trace", (1.0, 3.0, 7.0, 15.0), slots=True
        ),
    )
    assert refused == []


def test_metrics_by_annotations() -> None:
    types = Vocabulary()
    fields = {
        "calls": {"type": "gauge", "name": "open.calls", "unit": "1"},
        "depth": {"type": "other"},
        "latency": {"unit": "us", "description": "how long"},
        "size": {"type": "histogram", "unit": "By", "boundaries": "1, 2.5,1e3"},
    }
    counted = {
        "metrics.implicit-counter.name": "events",
        "metrics.implicit-counter.description": "all of them",
    }
    measures, refused = measured(types, event(types), fields, counted)
    assert [(m.name, m.role, m.field, m.help) for m in measures] == [
        ("open_calls_ratio", Role.GAUGE, "calls", ""),
        ("latency_microseconds", Role.HIST, "latency", "how long"),
        ("size_bytes", Role.HIST, "size", ""),
        ("events_total", Role.COUNTER, "", "all of them"),
    ]
    assert measures[2].bounds == (1, 2.5, 1000)
    assert refused == []
    assert measured(types, event(types), fields, {**counted, "metrics.collect": "false"}) == (
        (),
        [],
    )


def test_the_usual_bounds() -> None:
    types = Vocabulary()
    measures, _ = measured(types, event(types), {"size": {"type": "histogram"}})
    assert measures[-1].bounds[:4] == (0, 5, 10, 25)


def test_what_has_no_metric() -> None:
    types = Vocabulary()
    fields = {
        "proc.comm": {"type": "counter"},
        "proc.creds.user": {"type": "histogram"},
        "size": {"type": "histogram", "boundaries": "1,nan"},
        "depth": {"type": "histogram", "boundaries": "2,1"},
        "calls": {"type": "histogram", "boundaries": "1," * 300},
    }
    measures, refused = measured(types, event(types), fields)
    assert [measure.field for measure in measures] == ["latency"]
    boundaries = "metrics.boundaries: not rising numbers"
    no_number = "neither a number nor an array of gadget_histogram_slot__"
    assert refused == [
        "metric of field 'proc.comm': not a number",
        f"metric of field 'proc.creds.user': {no_number}",
        f"metric of field 'calls': {boundaries}",
        f"metric of field 'depth': {boundaries}",
        f"metric of field 'size': {boundaries}",
    ]


def test_the_number_of_metrics_is_bounded() -> None:
    types = Vocabulary()
    members = [(f"f{number}", types.typedef("gauge__u32"), 32 * number) for number in range(70)]
    measures, refused = measured(types, types.writer.struct("event", 280, members))
    assert len(measures) == 64
    assert refused == ["70 metrics, at most 64 are made"]


@pytest.mark.parametrize(
    ("text", "unit", "role", "name"),
    [
        ("count", "", Role.COUNTER, "count_total"),
        ("x_total", "", Role.COUNTER, "x_total"),
        ("proc.tid", "ms", Role.COUNTER, "proc_tid_milliseconds_total"),
        ("My.__Hist__x", "By/s", Role.HIST, "My_Hist_x_bytes_per_second"),
        ("latency", "µs", Role.HIST, "latency_microseconds"),
        ("timestamp_raw", "foo", Role.GAUGE, "timestamp_raw_foo"),
        ("uid", "1", Role.GAUGE, "uid_ratio"),
        ("read_bytes", "By", Role.GAUGE, "read_bytes"),
        ("\x1b[2J", "", Role.GAUGE, "_2J"),
        ("---", "", Role.GAUGE, "unnamed"),
    ],
)
def test_names(text: str, unit: str, role: Role, name: str) -> None:
    """As OpenTelemetry's exporter makes them; but it takes µs for seconds."""
    assert metric_name(text, unit, role) == name
