"""ebpf_exporter's convention: the YAML beside an object says what its maps mean.

::

    metrics: counters:   - name: MAP   labels: ...     a counter for each key of a table
             histograms: - name: MAP   labels: ...     the last label is the number of a bucket
    tracing: spans:      - ringbuf: MAP                rows

A table is shown as rows too, with the labels that the YAML cuts its keys into.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from beepy import map_types
from beepy.btf.types import VOID
from beepy.conventions.exporter import config as configs
from beepy.conventions.exporter.config import Config, Metric
from beepy.conventions.exporter.label_types import LabelTypes
from beepy.errors import UnsupportedImage
from beepy.obj.exporter import CgroupIds, Label
from beepy.obj.spec import CollectionSpec, MapSpec, ProgramSpec, Role, Tracked
from beepy.text import excerpt, safe
from beepy.uapi import MapType

CONFIG: Final = "config"
"""The hint with the YAML."""

NAME: Final = "name"
"""The hint with the name of the YAML's file, without its ending."""

_VALUE: Final = 8  # bytes: all values are counters
_CPU: Final = 2  # bytes of the number of a CPU, as ebpf_exporter appends it to a key
_CPU_LABEL: Final = "cpu"
_UNLABELED: Final = 4  # bytes of the key without labels: it is 0
_PREFIXES: Final = ("xdp/", "perf_event/")
_IN_MAPS: Final = ("xdp/devmap", "xdp/cpumap")


def adapt(spec: CollectionSpec, hints: Mapping[str, bytes]) -> CollectionSpec:
    """Return the object as ebpf_exporter loads it.

    It attaches what libbpf does not: XDP to the interface in the section's name, and perf events
    (``perf_event/type=0,config=3,frequency=99``).
    """
    needs = _config(spec, hints).needs
    if needs.cgroup_ids:
        _check_cgroup_ids(spec, needs.cgroup_ids)
    programs = tuple([_with_target(program) for program in spec.programs])
    return spec._replace(programs=programs, exporter=needs)


def tracked(spec: CollectionSpec, hints: Mapping[str, bytes]) -> Iterator[Tracked]:
    """Yield the maps of the metrics and spans; raise UnsupportedImage if one does not fit."""
    config = _config(spec, hints)
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    by_map: dict[str, list[Metric]] = {}
    for metric in config.metrics:
        by_map.setdefault(metric.map, []).append(metric)
    spans = {span.map: span for span in config.spans}
    types = LabelTypes(spec.btf, spec.name)
    decisions: list[Tracked] = []
    for name in dict.fromkeys((*by_map, *spans)):
        if name not in maps:
            raise UnsupportedImage(f"{safe(spec.name)}: map '{excerpt(name)}': not in the object")
        map_spec, metrics = maps[name], by_map.get(name, [])
        where = f"{safe(spec.name)}: map '{safe(name)}'"
        if metrics and not metrics[0].is_stream:
            decisions.append(_table(map_spec, metrics, types, where))
        else:
            labels = metrics[0].plan.labels if metrics else spans[name].labels
            decisions.append(_stream(map_spec, metrics, labels, types, where))
    btf = types.btf()
    order = {name: number for number, name in enumerate(maps)}
    decisions.sort(key=lambda decision: order[decision.map])
    for decision in decisions:
        yield decision._replace(types=btf)


def _config(spec: CollectionSpec, hints: Mapping[str, bytes]) -> Config:
    name = hints.get(NAME, b"").decode("utf-8", "replace")
    return configs.read(hints.get(CONFIG, b""), name, safe(spec.name))


def _with_target(program: ProgramSpec) -> ProgramSpec:
    section = program.section.removeprefix("?")
    for prefix in _PREFIXES:
        if section.startswith(prefix) and section not in _IN_MAPS:
            target = section.removeprefix(prefix)
            return program._replace(section=prefix.rstrip("/"), attach_to=target)
    return program


def _stream(
    map_spec: MapSpec,
    metrics: list[Metric],
    labels: tuple[Label, ...],
    types: LabelTypes,
    where: str,
) -> Tracked:
    expected = MapType.PERF_EVENT_ARRAY if metrics else MapType.RINGBUF
    if map_spec.type != expected:
        raise UnsupportedImage(f"{where}: not a {expected.name.lower()}")
    if len(metrics) > 1:
        raise UnsupportedImage(f"{where}: several metrics of one buffer")
    size = sum([label.span for label in labels])
    return Tracked(
        map=map_spec.name,
        role=Role.COUNTER if metrics else None,
        record=types.record(labels, size),
        metrics=tuple([metric.plan for metric in metrics]),
    )


def _table(map_spec: MapSpec, metrics: list[Metric], types: LabelTypes, where: str) -> Tracked:
    kind = map_types.of(map_spec.type)
    if kind.is_stream or any(metric.is_stream for metric in metrics):
        raise UnsupportedImage(f"{where}: perf_event_array: not what the map is")
    if map_spec.value_size != _VALUE:
        raise UnsupportedImage(f"{where}: values of {map_spec.value_size} bytes, expected {_VALUE}")
    plans = []
    for metric in metrics:
        labels = metric.plan.labels
        percpu = kind.is_percpu and bool(labels) and labels[-1].name == _CPU_LABEL
        _check_key(map_spec, labels, where, percpu=percpu)
        plans.append(metric.plan._replace(percpu=percpu))
    labels = plans[0].labels
    key_labels = labels[:-1] if plans[0].percpu else labels
    return Tracked(
        map=map_spec.name,
        role=None,
        record=VOID,
        key=types.record(key_labels, map_spec.key_size),
        value=types.number(_VALUE),
        metrics=tuple(plans),
    )


def _check_key(map_spec: MapSpec, labels: tuple[Label, ...], where: str, *, percpu: bool) -> None:
    """Raise UnsupportedImage unless the labels have the size of the map's keys."""
    size = sum([label.span for label in labels])
    if percpu:
        if labels[-1].span != _CPU:
            why = f"label 'cpu': {labels[-1].span} bytes, expected {_CPU}"
            raise UnsupportedImage(f"{where}: {why}")
        size -= _CPU
    if (size or _UNLABELED) != map_spec.key_size:
        why = f"labels of {size} bytes: its keys have {map_spec.key_size}"
        raise UnsupportedImage(f"{where}: {why}")


def _check_cgroup_ids(spec: CollectionSpec, ids: CgroupIds) -> None:
    where = f"{safe(spec.name)}: cgroup_id_map '{excerpt(ids.map)}'"
    map_spec = next((map_spec for map_spec in spec.maps if map_spec.name == ids.map), None)
    if map_spec is None:
        raise UnsupportedImage(f"{where}: not in the object")
    expected = (4, 8) if ids.storage else (8, 8)
    if (map_spec.key_size, map_spec.value_size) != expected:
        sizes = f"keys of {map_spec.key_size} and values of {map_spec.value_size} bytes"
        raise UnsupportedImage(f"{where}: {sizes}, expected {expected[0]} and {expected[1]}")
    is_storage = map_spec.type == MapType.CGRP_STORAGE
    if is_storage != ids.storage:
        kind = "cgrp_storage" if is_storage else "hash"
        raise UnsupportedImage(f"{where}: type: the map is a {kind}")
