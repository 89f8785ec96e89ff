"""Decide which metric each map becomes, if any: for the page of metrics and for ``describe``."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.endless import endless
from beepy.events.fields import VALUE, Field
from beepy.events.naming import label_names
from beepy.events.selection import KINDS, fields_by_name, listed
from beepy.obj.spec import Role
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.obj.measures import Measure  # of gadgets only

SCOPE: Final = "otel_scope_name"
"""The label with the name of a gadget's data source, as OpenTelemetry's exporter has it."""

_SUFFIXES: Final = ("_bucket", "_sum", "_count")  # of a histogram's samples


class Metric(NamedTuple):
    """The metric of one map.

    ``value`` is the field with its number, read as a number; None if records are counted.
    ``chosen`` are the fields that are its labels, None: all others. ``measure`` is what a gadget
    says of it: the names of the labels, the buckets, the data source.
    """

    name: str
    role: Role
    decoder: Decoder
    value: Field | None
    chosen: tuple[Field, ...] | None = None
    measure: "Measure | None" = None

    @property
    def schema(self) -> Schema:
        """The schema of the map."""
        return self.decoder.schema

    @property
    def fields(self) -> list[Field]:
        """The fields that are its labels."""
        if self.chosen is not None:
            return [*self.chosen]
        return [
            field
            for field in self.decoder.fields
            if self.value is None or field.name != self.value.name
        ]

    @property
    def reserved(self) -> tuple[str, ...]:
        """The names that its labels may not have."""
        reserved = ("le",) if self.role is Role.HIST else ()
        return (*reserved, SCOPE) if self.measure else reserved

    @property
    def scope(self) -> str:
        """The value of the label ``SCOPE``, "" without that label."""
        return self.measure.scope if self.measure else ""

    @property
    def help(self) -> str:
        """The text that explains it."""
        return self.measure.help if self.measure else ""

    @property
    def bounds(self) -> tuple[float, ...]:
        """The upper bounds of a histogram's buckets, () where options decide."""
        return self.measure.bounds if self.measure else ()

    @property
    def names(self) -> list[str]:
        """What the labels are called, in the order of ``fields``, before they are made valid."""
        if self.measure:
            return [name for _, name in self.measure.labels]
        return [field.label for field in self.fields]

    @property
    def endless(self) -> tuple[str, ...]:
        """The names of labels that grow without end, sorted."""
        return tuple(sorted([field.label for field in endless(self.fields)]))

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its labels, sorted."""
        scope = [SCOPE] if self.measure else []
        return tuple(sorted([*label_names(self.names, self.reserved), *scope]))


class Metrics(NamedTuple):
    """The metrics of some maps, and a warning for each other map whose role asks for one.

    ``planned`` are the maps of which ebpf_exporter's YAML says what their metrics are.
    """

    accepted: tuple[Metric, ...]
    warnings: tuple[str, ...]
    planned: tuple[Schema, ...] = ()


def as_number(field: Field) -> Field | None:
    """Return the field, with a codec that reads it as a number; None if it has no number."""
    codec = field.codec.as_number()
    return codec and field._replace(codec=codec)


def value_field(schema: Schema, decoder: Decoder, given: Field | None = None) -> Field | None:
    """Return the field with the number of a map's metric, read as a number; None if it has none.

    In a table it is the value; in a stream the field ``given`` by -k, else the one that the map's
    convention names. A counter of events has none: each event counts 1.
    """
    if not schema.is_stream:
        values = [field for field in decoder.fields if field.part == VALUE]
        return as_number(values[0]) if len(values) == 1 else None
    if given:
        return given
    named = fields_by_name(decoder.fields).get(schema.metric_value) if schema.metric_value else None
    return named and as_number(named)


def decide(
    decoders: Iterable[Decoder],
    values: Mapping[Schema, Field] | None = None,
    labels: Mapping[Schema, tuple[Field, ...]] | None = None,
) -> Metrics:
    """Return the metrics of the maps with the role counter, gauge or hist, in their order.

    ``values`` are the fields that -k names, ``labels`` those of --labels. If maps would
    share series, the first has the metric.
    """
    by_name: dict[str, list[Metric]] = {}
    warnings = []
    planned: dict[str, Schema] = {}
    for decoder in decoders:
        schema = decoder.schema
        if schema.metrics:
            reason = _add_planned(schema, planned)
            if reason:
                warnings.append(f"map '{safe(schema.map)}' has no metric: {reason}")
        elif schema.measures:
            warnings += _add_measured(decoder, by_name)
        elif schema.role in KINDS:
            metric = _metric(decoder, (values or {}).get(schema))
            reason = metric if isinstance(metric, str) else _clash(metric, by_name)
            if reason:
                warnings.append(f"map '{safe(schema.map)}' has no metric: {reason}")
            elif isinstance(metric, Metric):
                metric = metric._replace(chosen=(labels or {}).get(schema))
                by_name.setdefault(metric.name, []).append(metric)
    accepted = [metric for metrics in by_name.values() for metric in metrics]
    return Metrics(tuple(accepted), tuple(warnings), tuple(dict.fromkeys(planned.values())))


def _add_measured(decoder: Decoder, by_name: dict[str, list[Metric]]) -> Iterator[str]:
    """Add the metrics of a gadget's data source by name; yield why one of them is left out."""
    schema = decoder.schema
    named = fields_by_name(decoder.fields)
    for measure in schema.measures:
        value = named.get(measure.field)
        if value and not measure.slots:
            value = as_number(value)
        chosen = tuple([named[field] for field, _ in measure.labels if field in named])
        metric = Metric(measure.name, measure.role, decoder, value, chosen, measure)
        if reason := _misfit(metric, measure) or _clash(metric, by_name):
            yield f"map '{safe(schema.map)}': no metric of '{safe(measure.field)}': {reason}"
        else:
            by_name.setdefault(metric.name, []).append(metric)


def _misfit(metric: Metric, measure: "Measure") -> str:
    """Return why the records do not have what a measure is about, as in a recording, "" if so."""
    if len(metric.fields) < len(measure.labels):
        return "its labels are no fields"
    counts_rows = measure.role is Role.COUNTER and not measure.field
    if measure.role not in KINDS or (metric.value is None and not counts_rows):
        return "it is not a number"
    if measure.slots and metric.value:
        items = [codec for _, codec in metric.value.codec.inner]
        if not items or not all(codec.number for codec in items):
            return "it is no array of numbers"
    return ""


def _add_planned(schema: Schema, planned: dict[str, Schema]) -> str:
    """Add the metrics of a map by name; return why they conflict with those before, "" if not."""
    names = [plan.name for plan in schema.metrics]
    samples = [
        plan.name + suffix for plan in schema.metrics if plan.buckets for suffix in _SUFFIXES
    ]
    for name in (*names, *samples):
        if name in planned or names.count(name) > 1:
            other = planned.get(name, schema)
            return f"{name} is one of map '{safe(other.map)}' of image '{safe(other.image)}'"
    planned.update(dict.fromkeys((*names, *samples), schema))
    return ""


def _metric(decoder: Decoder, given: Field | None) -> Metric | str:
    """Return the metric of a map, whatever the others are, or the reason why it has none."""
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
    named = wanted in fields_by_name(decoder.fields)
    reason = f"its field '{wanted}' is not a number" if named else f"it has no field '{wanted}'"
    numbers = [field.name for field in decoder.fields if as_number(field)]
    if not numbers:
        return reason
    return f"{reason}: -k {safe(schema.map)},FIELD takes another: {listed(numbers)}"


def _clash(metric: Metric, accepted: Mapping[str, list[Metric]]) -> str:
    """Return why the metric conflicts with those accepted so far (by name), "" if it does not."""
    name, role, schema = metric.name, metric.role, metric.schema
    for other in accepted.get(name, ()):
        owner = f"map '{safe(other.schema.map)}' of image '{safe(other.schema.image)}'"
        if other.role is not role:
            return f"{name} is the {KINDS[other.role]} of {owner}"
        if other.schema.image == schema.image and (not metric.measure or other.schema is schema):
            return f"{name} is the metric of {owner}"
    for suffix in _SUFFIXES:
        whole = name.removesuffix(suffix)
        if whole != name and whole in accepted and accepted[whole][0].role is Role.HIST:
            return f"{name} is a part of the histogram {whole}"
        if role is Role.HIST and name + suffix in accepted:
            return f"{name + suffix}, a part of it, is another metric"
    return ""
