"""Choose the panel that a map is shown in."""

from collections.abc import Sequence

from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.metrics import value_field
from beepy.obj.spec import Role
from beepy.outputs.columns.counts import CountsPanel
from beepy.outputs.columns.histograms import HistogramsPanel, find_fields
from beepy.outputs.columns.panel import Panel, Sorting
from beepy.outputs.columns.tables import TablePanel


def make_panel(
    decoder: Decoder,
    value_key: Field | None,
    bounds: Sequence[float],
    *,
    can_redraw: bool,
    sortable: bool = False,
) -> Panel | None:
    """Return the map's panel, None if it is shown as rows.

    ``value_key`` is the field that -k names, ``bounds`` are those of -b. ``can_redraw``: tables are
    redrawn in place. ``sortable``: a user may sort it.
    """
    schema = decoder.schema
    value = value_field(schema, decoder, value_key)
    histogram_fields = find_fields(decoder, value)
    if histogram_fields:
        histograms = HistogramsPanel(decoder, histogram_fields, bounds, sortable=sortable)
        return _panel(histograms, histograms.sorting if sortable else None)
    if not schema.is_stream:
        return table_panel(decoder) if can_redraw else None
    if schema.role is Role.COUNTER:
        counts = CountsPanel(decoder, sortable=sortable)
    elif schema.role is Role.GAUGE and value:
        counts = CountsPanel(decoder, value, sortable=sortable)
    else:
        return None
    return _panel(counts, counts.sorting if sortable else None)


def table_panel(decoder: Decoder) -> Panel:
    """Return the panel that shows the last snapshot of a table."""
    return _panel(TablePanel(decoder))


def _panel(
    panel: CountsPanel | HistogramsPanel | TablePanel, sorting: Sorting | None = None
) -> Panel:
    return Panel(panel.add, panel.lines, sorting)
