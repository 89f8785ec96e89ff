"""The metrics of maps in a description: bee's one, and several of other formats."""

from beepy.analysis import metric_infos
from beepy.analysis.description import MetricInfo
from beepy.analysis.metric_infos import MapMetrics
from beepy.obj.exporter import Buckets, Label, MetricPlan, Scale, Step
from beepy.obj.measures import Measure
from beepy.obj.spec import Role
from tests.support.events import Exits, with_role

LABEL = Label("pid", 4, 0, (Step("uint"),))
BUCKET = Label("bucket", 4, 0, (Step("uint"),))


def test_all_metrics_of_a_map() -> None:
    bees = with_role(Exits("counter_exits").schema, Role.COUNTER)
    buckets = Buckets(Scale.EXP2, (0, 1), (1, 2), 3, 1)
    planned = Exits("planned").schema._replace(
        metrics=(
            MetricPlan("c", "calls_total", "help", (LABEL,)),
            MetricPlan("c", "calls_seconds", "help", (LABEL, BUCKET), buckets),
        )
    )
    pid = (("pid", "process"),)
    measured = Exits("measured").schema._replace(
        measures=(
            Measure("x_total", Role.COUNTER, "", "", pid, "measured"),
            Measure("y", Role.GAUGE, "exit_code", "", (), "measured"),
            Measure("y", Role.GAUGE, "sig", "", (), "measured"),
        )
    )
    found, warnings = metric_infos.of({"a": bees, "b": planned, "c": measured})
    assert [info.name for info in found["a"].infos] == ["ebpf_solo_io_counter_exits"]
    assert "pid" in found["a"].endless
    assert found["b"] == MapMetrics(
        (
            MetricInfo("calls_total", "counter", ("pid",)),
            MetricInfo("calls_seconds", "histogram", ("pid",)),
        )
    )
    assert found["c"] == MapMetrics(
        (
            MetricInfo("x_total", "counter", ("otel_scope_name", "process")),
            MetricInfo("y", "gauge", ("otel_scope_name",)),
        ),
        ("pid",),
    )
    assert len(warnings) == 1
