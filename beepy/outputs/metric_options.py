"""What ``-b`` and ``-k`` say: bounds of a histogram's buckets, and the field that is a metric's value."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.metrics import as_number
from beepy.events.selection import Option, field_of, maps_of_role
from beepy.obj.spec import Role
from beepy.text import safe

_T = TypeVar("_T")

DEFAULT_BUCKETS: Final = (0.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)  # bee's
MAX_SERIES: Final = 10_000  # of one metric, before the one that all others count in

_MAX_BUCKETS: Final = 1000


class Buckets(NamedTuple):
    """One ``-b``, split; ``map`` is "" where it names none."""

    option: Option
    map: str
    listed: str
    bounds: tuple[float, ...]


class ValueKey(NamedTuple):
    """One ``-k``, split; ``map`` is "" where it names none."""

    option: Option
    map: str
    field: str


def parse_buckets(text: str) -> Buckets:
    """Split ``map,[1,2.5,1e3]``, or the bounds alone; the bucket of all others (``+Inf``) may be named.

    Raises UsageError unless the bounds are numbers that rise.
    """
    option = Option("--hist-buckets", "-b", text)
    name, bracket, rest = text.partition("[")
    name, comma, more = name.strip().partition(",")
    name, listed = name.strip(), (bracket + rest).strip()
    if bool(name) != bool(comma) or more.strip() or not listed.startswith("[") or not listed.endswith("]"):
        raise option.refuse("expected map,[1,2,3] or [1,2,3]")
    try:
        bounds = [float(bound) for bound in listed[1:-1].split(",")]
    except ValueError:
        raise option.refuse("expected numbers between the brackets") from None
    if bounds[-1] == math.inf:
        bounds.pop()
    if not bounds or not all(map(math.isfinite, bounds)):
        raise option.refuse("expected finite bounds, at least one")
    if any(low >= high for low, high in pairwise(bounds)):
        raise option.refuse("bounds do not rise")
    if len(bounds) > _MAX_BUCKETS:
        raise option.refuse(f"{len(bounds)} bounds exceed {_MAX_BUCKETS}")
    return Buckets(option, name, listed, tuple(bounds))


def parse_value_key(text: str) -> ValueKey:
    """Split ``map,field``, or the field alone; raises UsageError."""
    option = Option("--hist-value-key", "-k", text)
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 2 or not all(parts):
        raise option.refuse("expected map,field or field")
    return ValueKey(option, parts[0] if len(parts) > 1 else "", parts[-1])


def check(buckets: Iterable[str], value_keys: Iterable[str]) -> None:
    """Raise UsageError for what is wrong with a -b or -k whatever the maps are."""
    for text in buckets:
        parse_buckets(text)
    for text in value_keys:
        parse_value_key(text)


def bounds_of(given: Iterable[str], decoders: Sequence[Decoder]) -> dict[Schema, tuple[float, ...]]:
    """Return the bounds of the maps that -b means. Raises UsageError, for a map that is named twice too."""
    found: dict[Schema, tuple[float, ...]] = {}
    for option, name, listed, bounds in map(parse_buckets, given):
        for decoder in maps_of_role(option, name, listed, decoders, roles=(Role.HIST,)):
            _add(found, option, decoder.schema, bounds)
    return found


def values_of(given: Iterable[str], decoders: Sequence[Decoder]) -> dict[Schema, Field]:
    """Return the fields that -k means, by their maps. Raises UsageError, for a map that is named twice too."""
    found: dict[Schema, Field] = {}
    for option, name, wanted in map(parse_value_key, given):
        for decoder in maps_of_role(option, name, wanted, decoders, roles=(Role.HIST, Role.GAUGE), field=wanted):
            value = as_number(field_of(option, decoder, wanted))
            if not value:
                raise option.refuse(f"field '{safe(wanted)}' of {safe(decoder.schema.map)} is not a number")
            _add(found, option, decoder.schema, value)
    return found


def _add(found: dict[Schema, _T], option: Option, schema: Schema, value: _T) -> None:
    if schema in found:
        raise option.refuse(f"map '{safe(schema.map)}' is named twice")
    found[schema] = value
