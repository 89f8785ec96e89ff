"""The metrics of a gadget's data source, by annotations and types of its fields.

::

    metrics.type: counter, gauge, histogram, key     of a field; or its type gadget_counter__u64,
    metrics.name, .description, .unit, .boundaries   gadget_gauge__u64, gadget_histogram_slot__u32
    metrics.implicit-counter.name, .description      of the data source: rows are counted

Names are as OpenTelemetry's exporter makes them: with the unit, and ``_total`` for a counter.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.conventions.gadget_columns import typedefs
from beepy.conventions.gadget_yaml import DataSource
from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.events.fields import Field, fields
from beepy.obj.measures import Measure
from beepy.obj.spec import Role
from beepy.text import excerpt

_NO_TEXTS: Mapping[str, str] = MappingProxyType({})
_TYPES: Final = {"counter": Role.COUNTER, "gauge": Role.GAUGE, "histogram": Role.HIST}
_KEY: Final = "key"
_PREFIXES: Final = {
    "gadget_counter__": Role.COUNTER,
    "gadget_gauge__": Role.GAUGE,
    "gadget_histogram_slot__": Role.HIST,
}
_SLOTS: Final = "gadget_histogram_slot__"
_DEFAULT_BOUNDS: Final = "0,5,10,25,50,75,100,250,500,750,1000,2500,5000,7500,10000"
_MAX_BOUNDS: Final = 256
_MAX_SLOTS: Final = 64
_MAX_MEASURES: Final = 64  # of a data source
_MAX_NAME: Final = 200  # characters
_INVALID: Final = re.compile("[^a-zA-Z0-9]+")
_UNITS: Final = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds",
    "us": "microseconds", "µs": "microseconds", "μs": "microseconds", "ns": "nanoseconds",
    "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "Hz": "hertz", "%": "percent",
    "1": "",
}  # fmt: skip
_PER: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day"}


def of(schema: Schema, source: DataSource) -> tuple[tuple[Measure, ...], list[str]]:
    """Return the metrics of a data source, and which of them cannot be made."""
    if source.annotations.get("metrics.collect", "") == "false":
        return (), []
    all_fields: Sequence[Field] = ()
    with suppress(BtfError):  # it is reported where the map is checked
        all_fields = fields(schema)
    labels = tuple(_labels(all_fields, source))
    measures, refused = [], []
    for field in all_fields:
        texts = source.fields.get(field.name, _NO_TEXTS)
        role = _role(schema.btf, field, texts)
        if role is None:
            continue
        measure = _measure(schema, field, role, texts, labels)
        if isinstance(measure, Measure):
            measures.append(measure)
        else:
            refused.append(f"metric of field '{excerpt(field.name)}': {measure}")
    counted = source.annotations.get("metrics.implicit-counter.name", "")
    if counted:
        help_text = source.annotations.get("metrics.implicit-counter.description", "")
        name = metric_name(counted, "", Role.COUNTER)
        measures.append(Measure(name, Role.COUNTER, "", help_text, labels, schema.map))
    if len(measures) > _MAX_MEASURES:
        refused.append(f"{len(measures)} metrics, at most {_MAX_MEASURES} are made")
    return tuple(measures[:_MAX_MEASURES]), refused


def metric_name(text: str, unit: str, role: Role) -> str:
    """Return the name of a metric on the page."""
    whole, _, per = unit.partition("/")
    parts = [_UNITS.get(whole, whole)]
    if per:
        parts += ["per", _PER.get(per, per)]
    tokens = [token for token in _INVALID.split(text[:_MAX_NAME]) if token]
    for token in _INVALID.split("_".join(parts)[:_MAX_NAME]):
        if token and token not in tokens:
            tokens.append(token)
    suffix = "total" if role is Role.COUNTER else ""
    if unit == "1" and role is Role.GAUGE:
        suffix = "ratio"
    tokens = [token for token in tokens if token != suffix] + [suffix] * bool(suffix)
    name = "_".join(tokens) or "unnamed"
    return f"_{name}" if name[0].isdigit() else name


def _labels(all_fields: Sequence[Field], source: DataSource) -> Iterator[tuple[str, str]]:
    for field in all_fields:
        texts = source.fields.get(field.name, _NO_TEXTS)
        if texts.get("metrics.type", "") == _KEY:
            yield field.name, texts.get("metrics.name", "")[:_MAX_NAME] or field.label


def _role(btf: Btf, field: Field, texts: Mapping[str, str]) -> Role | None:
    kind = texts.get("metrics.type", "")
    if kind:
        return _TYPES.get(kind)
    for typedef in typedefs(btf, field):
        for prefix, role in _PREFIXES.items():
            if typedef.startswith(prefix):
                return role
    return None


def _measure(
    schema: Schema,
    field: Field,
    role: Role,
    texts: Mapping[str, str],
    labels: tuple[tuple[str, str], ...],
) -> Measure | str:
    """Return the metric of a field, or why there is none."""
    given = texts.get("metrics.name", "") or field.name
    measure = Measure(
        name=metric_name(given, texts.get("metrics.unit", ""), role),
        role=role,
        field=field.name,
        help=texts.get("metrics.description", ""),
        labels=labels,
        scope=schema.map,
    )
    if role is not Role.HIST:
        return measure if field.codec.number else "not a number"
    if any(typedef.startswith(_SLOTS) for typedef in typedefs(schema.btf, field)):
        return _of_slots(schema.btf, field, measure)
    if not field.codec.number:
        return "neither a number nor an array of gadget_histogram_slot__"
    bounds = _bounds(texts.get("metrics.boundaries", "") or _DEFAULT_BOUNDS)
    return measure._replace(bounds=bounds) if bounds else "metrics.boundaries: not rising numbers"


def _of_slots(btf: Btf, field: Field, measure: Measure) -> Measure | str:
    """Return the histogram of an array: item N counts whole numbers from 2**N to 2**(N + 1) - 1."""
    _, array = skip_mods_and_typedefs(btf, field.type)
    if not isinstance(array, types.Array) or not 0 < array.nelems <= _MAX_SLOTS:
        return f"not an array of at most {_MAX_SLOTS} slots"
    bounds = tuple([float((2 << slot) - 1) for slot in range(array.nelems)])
    return measure._replace(slots=True, bounds=bounds)


def _bounds(text: str) -> tuple[float, ...]:
    """Return the numbers in a list with commas, () if they do not rise."""
    parts = text.split(",")
    if len(parts) > _MAX_BOUNDS:
        return ()
    try:
        bounds = tuple([float(part) for part in parts])
    except ValueError:
        return ()
    is_rising = all(low < high for low, high in pairwise(bounds))
    return bounds if is_rising and all(map(math.isfinite, bounds)) else ()
