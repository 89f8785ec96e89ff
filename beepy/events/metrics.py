"""Which metric each map becomes, if any: decided here for the page of metrics and for ``describe``."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import VALUE, Field
from beepy.events.naming import label_names
from beepy.events.selection import KINDS, by_name, listed
from beepy.obj.spec import Role
from beepy.text import safe

_SUFFIXES: Final = ("_bucket", "_sum", "_count")  # of a histogram's samples


class Metric(NamedTuple):
    """The metric of one map: ``value`` is the field of its number, read as one, None where records are counted."""

    name: str
    role: Role
    decoder: Decoder
    value: Field | None

    @property
    def schema(self) -> Schema:
        """The map's."""
        return self.decoder.schema

    @property
    def fields(self) -> list[Field]:
        """The fields that are its labels."""
        return [field for field in self.decoder.fields if self.value is None or field.name != self.value.name]

    @property
    def taken(self) -> tuple[str, ...]:
        """The names that no label of it may have."""
        return ("le",) if self.role is Role.HIST else ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its labels, sorted."""
        return tuple(sorted(label_names([field.label for field in self.fields], self.taken)))


class Metrics(NamedTuple):
    """The metrics of some maps, and why others that have such a role have none: a line for each."""

    found: tuple[Metric, ...]
    warnings: tuple[str, ...]


def as_number(field: Field) -> Field | None:
    """Return the field read as a number: of an enum its own, 0 or 1 of a bool. None if it has no number."""
    codec = field.codec.as_number()
    return codec and field._replace(codec=codec)


def value_field(schema: Schema, decoder: Decoder, given: Field | None = None) -> Field | None:
    """Return the field that has the number of a map's role, read as a number; None if there is none.

    ``given`` is the field that -k names. Of a table it is the value, of a stream the field that its convention names; a
    counter of events has none, each counts 1.
    """
    if not schema.is_stream:
        values = [field for field in decoder.fields if field.part == VALUE]
        return as_number(values[0]) if len(values) == 1 else None
    if given:
        return given
    named = by_name(decoder.fields).get(schema.metric_value) if schema.metric_value else None
    return named and as_number(named)


def decide(decoders: Iterable[Decoder], values: Mapping[Schema, Field] | None = None) -> Metrics:
    """Return what each map with the role counter, gauge or hist becomes, in their order.

    ``values`` are the fields that -k names. Of maps that would share series the first has the metric.
    """
    found: dict[str, list[Metric]] = {}
    warnings = []
    for decoder in decoders:
        schema = decoder.schema
        if schema.role in KINDS:
            metric = _metric(decoder, (values or {}).get(schema))
            why = metric if isinstance(metric, str) else _clash(metric, found)
            if why:
                warnings.append(f"map '{safe(schema.map)}' has no metric: {why}")
            elif isinstance(metric, Metric):
                found.setdefault(metric.name, []).append(metric)
    return Metrics(tuple(metric for metrics in found.values() for metric in metrics), tuple(warnings))


def _metric(decoder: Decoder, given: Field | None) -> Metric | str:
    """Return the metric of a map by itself, or why it has none."""
    schema = decoder.schema
    role = schema.role
    assert role
    if not schema.is_stream and role is Role.HIST:
        return "a table is not a histogram"
    value = value_field(schema, decoder, given)
    if value or (schema.is_stream and role is Role.COUNTER):
        return Metric(schema.metric, role, decoder, value)
    if not schema.is_stream:
        return "its value is not a number"
    wanted = schema.metric_value
    named = wanted in by_name(decoder.fields)
    why = f"its field '{wanted}' is not a number" if named else f"it has no field '{wanted}'"
    numbers = [field.name for field in decoder.fields if as_number(field)]
    return f"{why}: -k {safe(schema.map)},FIELD takes another: {listed(numbers)}" if numbers else why


def _clash(metric: Metric, found: Mapping[str, list[Metric]]) -> str:
    """Return why the metric cannot stand beside those that are there, "" if it can."""
    name, role, schema = metric.name, metric.role, metric.schema
    for other in found.get(name, ()):
        where = f"map '{safe(other.schema.map)}' of image '{safe(other.schema.image)}'"
        if other.role is not role:
            return f"{name} is the {KINDS[other.role]} of {where}"
        if other.schema.image == schema.image:
            return f"{name} is the metric of {where}"
    for suffix in _SUFFIXES:
        whole = name.removesuffix(suffix)
        if whole != name and whole in found and found[whole][0].role is Role.HIST:
            return f"{name} is a part of the histogram {whole}"
        if role is Role.HIST and name + suffix in found:
            return f"{name + suffix}, a part of it, is another metric"
    return ""
