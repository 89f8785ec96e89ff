"""The page of metrics of a run, and the tables that are read for it."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from beepy import outputs
from beepy.chosen import Chosen, passing
from beepy.events.batch import Batch, Schema
from beepy.launch import Loaded
from beepy.obj.spec import Role
from beepy.session import Run

if TYPE_CHECKING:
    from beepy.cli.session import ShowOptions  # it imports this module
    from beepy.outputs.exporter_page import Exporter  # few images are
    from beepy.outputs.prometheus import Prometheus  # not for every run

MEASURED_S: Final = 1.0
"""How often tables are read for metrics alone."""

_DEFAULT_PORT: Final = 9091  # bee's
_METRICS: Final = (Role.COUNTER, Role.GAUGE, Role.HIST)


def listen(
    chosen: Chosen,
    options: "ShowOptions",
    running: Run,
    row_options: outputs.RowOptions,
    loaded: Sequence[Loaded],
) -> "Prometheus | None":
    """Listen for scrapes if the metrics page is wanted; return its sink. Raise OutputError."""
    exporter = _exporter(loaded)
    has_metrics = exporter or any(
        schema.role in _METRICS or schema.measures for schema in running.schemas
    )
    asked_for = options.port is not None or options.buckets or options.value_keys or options.labels
    if not options.metrics or not (has_metrics or asked_for):
        return None
    from beepy.outputs.prometheus import Prometheus  # noqa: PLC0415 - not for every run

    # a second filter for the server's thread: filters cache results and are not thread-safe
    choose = passing(chosen, running.decoders)

    def read_tables(schemas: tuple[Schema, ...]) -> Iterator[Batch]:
        return running.snapshot(schemas, choose)

    metrics = Prometheus(
        options.host,
        _DEFAULT_PORT if options.port is None else options.port,
        read_tables=read_tables,
        bounds=row_options.bounds,
        values=row_options.values,
        labels=row_options.labels,
        stats=running.stats,
        always=options.port is not None,
        exporter=exporter,
        serving=False,
    )
    running.add_observer(metrics)
    return metrics


def measured(running: Run, output: str) -> tuple[Schema, ...]:
    """Return the tables of gadgets that are read for their metrics alone: no rows are shown."""
    if outputs.output(output).shows_rows:
        return ()
    return tuple([s for s in running.schemas if s.measures and not s.is_stream])


def _exporter(loaded: Sequence[Loaded]) -> "Exporter | None":
    """Return what the page of images of ebpf_exporter needs, None if there are none."""
    collections = [collection for image in loaded for collection in image.collections]
    configs = {c.spec.name: c.spec.exporter.name for c in collections if c.spec.exporter}
    if not configs:
        return None
    from beepy.collection.program_states import program_states  # noqa: PLC0415 - few images are
    from beepy.enrich.names import of_this_machine  # noqa: PLC0415 - as above
    from beepy.outputs.exporter_page import Exporter  # noqa: PLC0415 - as above

    return Exporter(configs, of_this_machine(), partial(program_states, collections))
