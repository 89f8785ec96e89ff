"""Parse ``-b`` (bounds of buckets), ``-k`` (the field with a value) and ``--labels``."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from beepy.events import named
from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.metrics import Metric, as_number, decide
from beepy.events.selection import Option, field_of, maps_of_role
from beepy.obj.spec import Role
from beepy.text import safe

_T = TypeVar("_T")

# The buckets of bee.
DEFAULT_BUCKETS: Final = (
    *(0.0, 10.0, 20.0, 50.0, 100.0),
    *(200.0, 500.0, 1000.0, 2000.0, 5000.0),
)
MAX_SERIES: Final = 10_000  # of one metric; what exceeds them shares one more

_MAX_BUCKETS: Final = 1000


class Buckets(NamedTuple):
    """The parts of one ``-b``; ``map`` is "" if it names no map."""

    option: Option
    map: str
    bounds_text: str
    bounds: tuple[float, ...]


class ValueKey(NamedTuple):
    """The parts of one ``-k``; ``map`` is "" if it names no map."""

    option: Option
    map: str
    field: str


def parse_buckets(text: str) -> Buckets:
    """Split ``map,[1,2.5,1e3]`` or ``[1,2.5,1e3]``; the last bound may be ``+Inf``.

    Raises UsageError unless the bounds are increasing numbers.
    """
    option = Option("--hist-buckets", "-b", text)
    before, bracket, after = text.partition("[")
    name, comma, surplus = before.strip().partition(",")
    name, bounds_text = name.strip(), (bracket + after).strip()
    is_list = bounds_text.startswith("[") and bounds_text.endswith("]")
    if bool(name) != bool(comma) or surplus.strip() or not is_list:
        raise option.refuse("expected map,[1,2,3] or [1,2,3]")
    try:
        bounds = [float(bound) for bound in bounds_text[1:-1].split(",")]
    except ValueError:
        raise option.refuse("expected numbers between the brackets") from None
    if bounds[-1] == math.inf:
        bounds.pop()
    if not bounds or not all(map(math.isfinite, bounds)):
        raise option.refuse("expected finite bounds, at least one")
    if any(low >= high for low, high in pairwise(bounds)):
        raise option.refuse("bounds must increase")
    if len(bounds) > _MAX_BUCKETS:
        raise option.refuse(f"{len(bounds)} bounds exceed {_MAX_BUCKETS}")
    return Buckets(option, name, bounds_text, tuple(bounds))


def parse_value_key(text: str) -> ValueKey:
    """Split ``map,field`` or ``field``. Raises UsageError for anything else."""
    option = Option("--hist-value-key", "-k", text)
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 2 or not all(parts):
        raise option.refuse("expected map,field or field")
    return ValueKey(option, parts[0] if len(parts) > 1 else "", parts[-1])


def check(buckets: Iterable[str], value_keys: Iterable[str], labels: Iterable[str] = ()) -> None:
    """Raise UsageError for a -b, -k or --labels that no map could make right."""
    for text in buckets:
        parse_buckets(text)
    for text in value_keys:
        parse_value_key(text)
    for text in labels:
        _split_labels(text)


def bounds_of(
    buckets: Iterable[str], decoders: Sequence[Decoder]
) -> dict[Schema, tuple[float, ...]]:
    """Return the bounds that -b gives, by map. Raises UsageError, also if it names a map twice."""
    bounds_by_map: dict[Schema, tuple[float, ...]] = {}
    for option, name, bounds_text, bounds in map(parse_buckets, buckets):
        for decoder in maps_of_role(option, name, bounds_text, decoders, roles=(Role.HIST,)):
            _add(bounds_by_map, option, decoder.schema, bounds)
    return bounds_by_map


def values_of(value_keys: Iterable[str], decoders: Sequence[Decoder]) -> dict[Schema, Field]:
    """Return the fields that -k names, by map. Raises UsageError, also if it names a map twice."""
    fields: dict[Schema, Field] = {}
    roles = (Role.HIST, Role.GAUGE)
    for option, name, field_name in map(parse_value_key, value_keys):
        maps = maps_of_role(option, name, field_name, decoders, roles=roles, field=field_name)
        for decoder in maps:
            schema = decoder.schema
            field = as_number(field_of(option, decoder, field_name))
            if not field:
                title = f"field '{safe(field_name)}' of {safe(schema.map)}"
                raise option.refuse(f"{title} is not a number")
            _add(fields, option, schema, field)
    return fields


def _split_labels(text: str) -> tuple[Option, named.Words]:
    option = Option("--labels", "--labels", text)
    words = named.split(option, mark="=")
    if not words.map:
        raise option.refuse("expected MAP=FIELD,FIELD")
    return option, words


def labels_of(
    labels: Iterable[str], decoders: Sequence[Decoder], values: Mapping[Schema, Field]
) -> dict[Schema, tuple[Field, ...]]:
    """Return the fields that --labels names, by map; ``values`` are the fields that -k names.

    Raises UsageError, also for a map without a metric and for a field that is not a label.
    """
    metrics = {metric.schema: metric for metric in decide(decoders, values).accepted}
    fields: dict[Schema, tuple[Field, ...]] = {}
    for option, words in map(_split_labels, labels):
        for decoder, groups in named.fields_of_maps(option, words, decoders):
            metric = metrics.get(decoder.schema)
            if metric is None:
                why = f"map '{safe(decoder.schema.map)}' has no metric of which labels are chosen"
                raise option.refuse(why)
            chosen = tuple(dict.fromkeys(field for group in groups for field in group))
            if wrong := [field for field in chosen if not _is_label(field, metric)]:
                raise option.refuse(f"field '{safe(wrong[0].name)}' is not a label of it")
            _add(fields, option, decoder.schema, chosen)
    return fields


def _is_label(field: Field, metric: Metric) -> bool:
    """Return whether a field may be a label: a derived text may, an age has too many values."""
    return field in metric.fields or bool(field.derived and not field.codec.number)


def _add(by_map: dict[Schema, _T], option: Option, schema: Schema, value: _T) -> None:
    if schema in by_map:
        raise option.refuse(f"map '{safe(schema.map)}' is named twice")
    by_map[schema] = value
