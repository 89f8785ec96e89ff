"""The metrics of an object's maps, for its description."""

from collections.abc import Mapping
from typing import NamedTuple

from beepy.analysis.description import MetricInfo
from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.metrics import decide
from beepy.events.selection import KINDS
from beepy.obj.spec import Role


class MapMetrics(NamedTuple):
    """The metrics that a map feeds; ``endless`` are labels with ever more values."""

    infos: tuple[MetricInfo, ...] = ()
    endless: tuple[str, ...] = ()


def of(schemas: Mapping[str, Schema]) -> tuple[dict[str, MapMetrics], tuple[str, ...]]:
    """Return the metrics by map, and a warning for each that is not made."""
    with_metric = [s for s in schemas.values() if s.role in KINDS or s.metrics or s.measures]
    decision = decide([Decoder(schema) for schema in with_metric])
    found: dict[Schema, MapMetrics] = {}
    for metric in decision.accepted:
        infos, endless = found.get(metric.schema, MapMetrics())
        info = MetricInfo(metric.name, KINDS[metric.role], metric.labels)
        both = tuple(sorted({*endless, *metric.endless}))
        found[metric.schema] = MapMetrics((*infos, info), both)
    for schema in decision.planned:
        found[schema] = MapMetrics(tuple(_planned(schema)))
    names = {schema: name for name, schema in schemas.items()}
    return {names[schema]: metrics for schema, metrics in found.items()}, decision.warnings


def _planned(schema: Schema) -> list[MetricInfo]:
    infos = []
    for plan in schema.metrics:
        labels = plan.labels[:-1] if plan.buckets else plan.labels
        kind = KINDS[Role.HIST if plan.buckets else Role.COUNTER]
        infos.append(MetricInfo(plan.name, kind, tuple(sorted([label.name for label in labels]))))
    return infos
