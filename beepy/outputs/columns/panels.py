"""Which panel a map is shown in."""

from collections.abc import Sequence

from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.metrics import value_field
from beepy.obj.spec import Role
from beepy.outputs.columns.counts import Counts
from beepy.outputs.columns.histograms import Histograms, shape
from beepy.outputs.columns.panel import Panel
from beepy.outputs.columns.tables import Table


def of(schema: Schema, decoder: Decoder, given: Field | None, bounds: Sequence[float], *, live: bool) -> Panel | None:
    """Return the map's panel, None if it is shown as rows.

    ``given`` is the field that -k names, ``bounds`` the -b. ``live``: tables are drawn in place.
    """
    value = value_field(schema, decoder, given)
    where = shape(schema, decoder, value)
    if where:
        return _panel(Histograms(schema, decoder, where, bounds))
    if not schema.is_stream:
        return table(schema, decoder) if live else None
    if schema.role is Role.COUNTER:
        return _panel(Counts(schema, decoder))
    return _panel(Counts(schema, decoder, value)) if schema.role is Role.GAUGE and value else None


def table(schema: Schema, decoder: Decoder) -> Panel:
    """Return the panel of a table as its last snapshot has it."""
    return _panel(Table(schema, decoder))


def _panel(shown: Counts | Histograms | Table) -> Panel:
    return Panel(shown.add, shown.lines)
