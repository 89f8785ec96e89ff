"""The YAML of ebpf_exporter: which maps are metrics or spans, and how their labels are decoded.

What ebpf_exporter would refuse, at its start or with each scrape, is an error here. Keys that are
not known are ignored, as there.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from beepy.conventions.exporter import buckets
from beepy.conventions.yaml_values import (
    boolean,
    integer,
    items,
    mapping,
    seconds,
    text,
    texts,
    wrong,
)
from beepy.errors import UnsupportedImage, UsageError, restated
from beepy.events.label_decoders import TABLE, expected_sizes
from beepy.events.regex import capturer
from beepy.obj.exporter import CgroupIds, ExporterConfig, Label, MetricPlan, Step
from beepy.text import excerpt
from beepy.yaml_text import Node, load

NAMESPACE: Final = "ebpf_exporter_"

_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_SYMBOL: Final = re.compile(r"[a-zA-Z_.$][a-zA-Z0-9_.$]*")
_MAX_METRICS: Final = 256
_MAX_LABELS: Final = 64
_MAX_STEPS: Final = 16
_MAX_REGEXPS: Final = 256
_MAX_BYTES: Final = 1 << 16  # of a label
_HOUR: Final = 3600.0


class Metric(NamedTuple):
    """A metric and the map that feeds it: a table, or with ``is_stream`` a buffer of events."""

    map: str
    plan: MetricPlan
    is_stream: bool = False


class Span(NamedTuple):
    """A buffer of events that ebpf_exporter makes spans of."""

    map: str
    labels: tuple[Label, ...]


class Config(NamedTuple):
    """One file; ``needs`` is what is done before the programs run."""

    metrics: tuple[Metric, ...]
    spans: tuple[Span, ...]
    needs: ExporterConfig


def read(data: bytes, name: str, where: str) -> Config:
    """Return the configuration ``name``. Raises UnsupportedImage."""
    top = mapping(load(data, where), where)
    metrics = mapping(top.get("metrics"), f"{where}: metrics")
    tracing = mapping(top.get("tracing"), f"{where}: tracing")
    lists = {
        "counters": metrics.get("counters"),
        "histograms": metrics.get("histograms"),
        "spans": tracing.get("spans"),
    }
    if all(node is None for node in lists.values()):
        raise UnsupportedImage(f"{where}: neither metrics nor spans")
    counters, histograms, spans = (
        [(mapping(item, path), path) for path, item in items(node, f"{where}: {key}", _MAX_METRICS)]
        for key, node in lists.items()
    )
    kaddrs = texts(top.get("kaddrs"), f"{where}: kaddrs", _MAX_METRICS) or ()
    for symbol in kaddrs:
        if not _SYMBOL.fullmatch(symbol):
            raise UnsupportedImage(f"{where}: kaddrs: '{excerpt(symbol)}': not a symbol's name")
    config = Config(
        metrics=(
            *[_counter(node, path, where, name) for node, path in counters],
            *[_histogram(node, path, where, name) for node, path in histograms],
        ),
        spans=tuple([_span(node, path, where) for node, path in spans]),
        needs=ExporterConfig(
            name=name,
            kaddrs=tuple(dict.fromkeys(kaddrs)),
            cgroup_ids=_cgroup_ids(top.get("cgroup_id_map"), f"{where}: cgroup_id_map"),
        ),
    )
    labels = [label for metric in config.metrics for label in metric.plan.labels]
    regexps = sum([len(step.regexps or ()) for label in labels for step in label.steps])
    if regexps > _MAX_REGEXPS:  # each takes up to a megabyte
        raise UnsupportedImage(f"{where}: {regexps} regexps, at most {_MAX_REGEXPS} are used")
    return config


def _counter(node: Mapping[str, Node], path: str, where: str, config: str) -> Metric:
    map_name = _map_name(node, path)
    where = f"{where}: counter '{map_name}'"
    plan = _plan(node, map_name, where, config)
    is_stream = boolean(node.get("perf_event_array"), f"{where}: perf_event_array")
    flush_s = seconds(node.get("flush_interval"), f"{where}: flush_interval") or _HOUR
    _check_names(plan.labels, where)
    return Metric(map_name, plan._replace(flush_s=flush_s if is_stream else 0.0), is_stream)


def _histogram(node: Mapping[str, Node], path: str, where: str, config: str) -> Metric:
    map_name = _map_name(node, path)
    where = f"{where}: histogram '{map_name}'"
    plan = _plan(node, map_name, where, config)
    if not plan.labels:
        raise UnsupportedImage(f"{where}: no labels: the last one is the number of the bucket")
    _check_names(plan.labels[:-1], where, reserved=("le",))
    return Metric(map_name, plan._replace(buckets=buckets.read(node, where)))


def _map_name(node: Mapping[str, Node], path: str) -> str:
    """Return the name of a metric, which is that of its map."""
    name = text(node.get("name"), f"{path}: name")
    if not _METRIC.fullmatch(name):
        why = f"'{excerpt(name)}': not the name of a metric" if name else "missing"
        raise UnsupportedImage(f"{path}: name: {why}")
    return name


def _plan(node: Mapping[str, Node], name: str, where: str, config: str) -> MetricPlan:
    """Return what the plans of all kinds have."""
    help_text = text(node.get("help"), f"{where}: help")
    if not help_text:
        raise UnsupportedImage(f"{where}: help: missing")
    return MetricPlan(config, NAMESPACE + name, help_text, _labels(node, where))


def _span(node: Mapping[str, Node], path: str, where: str) -> Span:
    map_name = text(node.get("ringbuf"), f"{path}: ringbuf")
    if not map_name:
        raise UnsupportedImage(f"{path}: ringbuf: missing")
    labels = _labels(node, f"{where}: span '{excerpt(map_name)}'")
    if not labels:
        raise UnsupportedImage(f"{path}: labels: missing")
    return Span(map_name, labels)


def _labels(node: Mapping[str, Node], where: str) -> tuple[Label, ...]:
    labels = items(node.get("labels"), f"{where}: label", _MAX_LABELS)
    return tuple([_label(mapping(item, path), path, where) for path, item in labels])


def _label(node: Mapping[str, Node], path: str, where: str) -> Label:
    name = text(node.get("name"), f"{path}: name")
    if not name:
        raise UnsupportedImage(f"{path}: name: missing")
    where = f"{where}: label '{excerpt(name)}'"
    size = integer(node.get("size"), f"{where}: size", 0, _MAX_BYTES)
    padding = integer(node.get("padding"), f"{where}: padding", 0, _MAX_BYTES)
    if not size:
        raise UnsupportedImage(f"{where}: size: missing")
    decoders = items(node.get("decoders"), f"{where}: decoder", _MAX_STEPS)
    steps = tuple([_step(mapping(item, step_path), step_path) for step_path, item in decoders])
    if not steps:
        raise UnsupportedImage(f"{where}: no decoders")
    sizes = expected_sizes(steps)
    if sizes and size not in sizes:
        raise UnsupportedImage(f"{where}: {steps[0].name} does not decode {size} bytes")
    return Label(name, size, padding, steps)


def _step(node: Mapping[str, Node], where: str) -> Step:
    name = text(node.get("name"), f"{where}: name")
    if name not in TABLE:
        why = f"'{excerpt(name)}': unknown" if name else "no name"
        raise UnsupportedImage(f"{where}: {why}: expected {', '.join(TABLE)}")
    static_map = None
    if node.get("static_map") is not None:
        path = f"{where}: static_map"
        known = mapping(node["static_map"], path)
        static_map = tuple(
            [(key, text(value, f"{path}: {excerpt(key)}")) for key, value in known.items()]
        )
    regexps = _regexps(node, where)
    if name == "regexp" and regexps is None:
        raise UnsupportedImage(f"{where}: regexps: missing")
    allow_unknown = boolean(node.get("allow_unknown"), f"{where}: allow_unknown")
    return Step(name, static_map, regexps, allow_unknown)


def _regexps(node: Mapping[str, Node], where: str) -> tuple[str, ...] | None:
    """Return the regular expressions, None if there are none. Raises UsageError without RE2."""
    regexps = texts(node.get("regexps"), f"{where}: regexps", _MAX_REGEXPS)
    for regex in regexps or ():
        try:
            capturer(regex)
        except UsageError as error:
            why = f"{where}: regexp '{excerpt(regex)}': {error}"
            raise restated(UnsupportedImage(why), error) from None
    return regexps


def _check_names(labels: Sequence[Label], where: str, reserved: Sequence[str] = ()) -> None:
    """Raise UnsupportedImage for names of labels that Prometheus does not allow."""
    seen = set(reserved)
    for label in labels:
        if not _LABEL.fullmatch(label.name):
            raise UnsupportedImage(f"{where}: label '{excerpt(label.name)}': not a label's name")
        if label.name in seen:
            why = "reserved" if label.name in reserved else "duplicate"
            raise UnsupportedImage(f"{where}: label '{label.name}': {why}")
        seen.add(label.name)


def _cgroup_ids(node: Node, where: str) -> CgroupIds | None:
    members = mapping(node, where)
    name = text(members.get("name"), f"{where}: name")
    if not name:
        return None
    kind = text(members.get("type"), f"{where}: type") or "hash"
    if kind not in {"hash", "cgrp_storage"}:
        raise wrong(f"{where}: type", "hash or cgrp_storage", kind)
    return CgroupIds(name, _regexps(members, where) or (), kind == "cgrp_storage")
