"""The sink for Prometheus: each counter, gauge and hist map is a metric, named as bee names it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from beepy.errors import OutputError
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.metrics import Metric, decide
from beepy.events.selection import KINDS
from beepy.events.stats import RunStats
from beepy.log import Log
from beepy.outputs.exposition import head
from beepy.outputs.metric_options import DEFAULT_BUCKETS, MAX_SERIES
from beepy.outputs.series import EventMetric, MetricLabels, StreamCounts, TableMetric

if TYPE_CHECKING:
    from beepy.events.slots import Slots  # few metrics have derived labels
    from beepy.outputs.exporter_page import Exporter, ExporterPage  # few runs need it
    from beepy.outputs.metrics_server import MetricsServer

_log = Log(__name__)

_SLOT: Final = 256  # bytes of a derived label: pending records have it, too


class _Stream(NamedTuple):
    """A stream's counters, and its metrics."""

    counts: StreamCounts
    metrics: list[EventMetric]


class Prometheus:
    """The sink that serves ``http://host:port/metrics`` from ``open`` to ``close``.

    ``read_tables`` reads tables now, in the thread of a scrape: the stream's thread may be waiting
    for a slow reader of the rows. ``bounds`` are those of -b, ``values`` the fields of -k,
    ``labels`` those of --labels, ``max_series`` bounds each metric. ``stats`` are the counters
    of the run. If no map has a metric, nothing is served and ``url`` is "", unless ``always``.
    ``exporter`` is given if an image is of ebpf_exporter. If not ``serving`` once it is open,
    scrapes wait for ``start``.

    Write every batch, empty ones too: they carry the number of lost records. Maps of several images
    with one name share a metric; its label ``image`` distinguishes them.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        read_tables: Callable[[tuple[Schema, ...]], Iterable[Batch]],
        bounds: Mapping[Schema, Sequence[float]] = MappingProxyType({}),
        values: Mapping[Schema, Field] = MappingProxyType({}),
        labels: Mapping[Schema, tuple[Field, ...]] = MappingProxyType({}),
        stats: RunStats,
        always: bool = True,
        max_series: int = MAX_SERIES,
        exporter: "Exporter | None" = None,
        serving: bool = True,
    ) -> None:
        self._serving = serving
        self._listen = (host, port)
        self._read_tables = read_tables
        self._bounds = bounds
        self._values = values
        self._labels = labels
        self._stats = stats
        self._always = always
        self._max_series = max_series
        self._exporter = exporter
        self._exporter_page: ExporterPage | None = None
        self._types: dict[str, tuple[str, str]] = {}  # metric name -> TYPE and HELP, sorted
        self._streams: dict[Schema, _Stream] = {}
        self._slots: dict[EventMetric, Slots] = {}  # of those with derived labels
        self._tables: dict[Schema, TableMetric] = {}
        self._drained: dict[Schema, list[EventMetric]] = {}  # tables that the run empties
        self._render_lock = threading.Lock()
        self._closed = False
        self._self_page: Callable[[], bytes] | None = None
        self._server: MetricsServer | None = None
        self.address = ("", 0)  # of the listening socket: with the port that the kernel chose for 0
        self.url = ""  # of the page

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Create the metrics and listen; warn about maps that cannot have one.

        Raises OutputError if it cannot listen on the address.
        """
        from beepy.outputs.metrics_server import MetricsServer  # noqa: PLC0415 - not where no map has a metric

        metrics = decide(decoders, self._values, self._labels)
        for warning in metrics.warnings:
            _log.warning("%s", warning)
        self._streams = {
            decoder.schema: _Stream(StreamCounts(decoder.schema), [])
            for decoder in decoders
            if decoder.schema.is_stream
        }
        maps_of = Counter((metric.name, metric.scope) for metric in metrics.accepted)
        for metric in sorted(metrics.accepted, key=lambda metric: metric.name):
            self._types.setdefault(metric.name, (KINDS[metric.role], metric.help))
            several = maps_of[metric.name, metric.scope] > 1
            self._add(metric, metric.schema.image if several else "")
        if self._exporter:
            from beepy.outputs.exporter_page import ExporterPage  # noqa: PLC0415 - few runs need it

            self._exporter_page = ExporterPage(metrics.planned, self._exporter, self._max_series)
        if self._types or self._exporter or self._always:
            server = MetricsServer(*self._listen, self.page, serving=self._serving)
            self._server = server
            self.address = server.host, server.port
            self.url = server.url

    def start(self) -> None:
        """Serve the page from now on."""
        if self._server:
            self._server.start()

    def write(self, batch: Batch) -> None:
        """Count the records of a stream's batch."""
        stream = self._streams.get(batch.schema)
        if stream is not None:
            stream.counts.add(batch)
            if batch.records:
                for metric in stream.metrics:
                    metric.write(self._slotted(metric, batch))
            if batch.records and self._exporter_page:
                self._exporter_page.write(batch)
        elif batch.records:
            for metric in self._drained.get(batch.schema, ()):
                metric.write(batch)

    def _slotted(self, metric: EventMetric, batch: Batch) -> Batch:
        """Return the batch with what the metric's derived labels are now."""
        slots = self._slots.get(metric)
        return slots.add(batch) if slots else batch

    def close(self) -> None:
        """Refuse waiting scrapes, and stop the server and its threads."""
        self._closed = True
        if self._server:
            self._server.close()

    def page(self) -> list[bytes]:
        """Return the text of all metrics as they are now, in pieces; any thread may call it.

        Raises OutputError once the sink is closed, and what ``read_tables`` raises.
        """
        planned = self._exporter_page.tables if self._exporter_page else ()
        snapshots: dict[Schema, list[Batch]] = {schema: [] for schema in (*self._tables, *planned)}
        for batch in self._read_tables(tuple(snapshots)) if snapshots else ():
            self._check_open()  # reading a large table takes long
            snapshots[batch.schema].append(batch)
        self._check_open()
        with self._render_lock:
            samples: dict[str, list[bytes]] = {name: [] for name in self._types}
            for metric in self._event_metrics():
                samples[metric.name] += metric.page()
            for schema, table in self._tables.items():
                samples[table.name] += table.page(snapshots[schema])
            pieces = []
            for name, lines in samples.items():
                if lines:
                    pieces += [head(name, *self._types[name]).encode(), *lines]
            if self._exporter_page:
                pieces += self._exporter_page.page(snapshots)
            pieces.append(self._render_self())
        return pieces

    def _render_self(self) -> bytes:
        """Return the text of the run's own metrics."""
        if self._self_page is None:
            # Imported with the first scrape: prometheus_client takes 63 ms.
            from beepy.outputs.self_metrics import SelfMetrics  # noqa: PLC0415 - see above

            counts = [stream.counts for stream in self._streams.values()]
            self._self_page = SelfMetrics(counts, self._stats, self._overflowed).page
        return self._self_page()

    def _overflowed(self) -> dict[str, None]:
        """Return the names of the metrics that had more series than they may have."""
        limits = [metric.limit for metric in self._event_metrics()]
        limits += [table.limit for table in self._tables.values()]
        limits += self._exporter_page.limits if self._exporter_page else []
        return dict.fromkeys(limit.name for limit in limits if limit.overflowed)

    def _event_metrics(self) -> list[EventMetric]:
        streams = [stream.metrics for stream in self._streams.values()]
        return [metric for metrics in (*streams, *self._drained.values()) for metric in metrics]

    def _check_open(self) -> None:
        if self._closed:
            raise OutputError("prometheus: the run ends")

    def _add(self, metric: Metric, image: str) -> None:
        """Add a map's metric; ``image`` is the value of its label of that name, or ""."""
        name, role, decoder, value, chosen, measure = metric
        schema, fields = metric.schema, metric.fields
        derived = [field for field in fields if field.derived] if schema.is_stream else []
        slots = None
        if derived:
            from beepy.events.slots import Slots  # noqa: PLC0415 - few metrics have such labels

            slots = Slots(decoder, derived, _SLOT)
            decoder, fields = slots.decoder, [slots.of(field) for field in fields]
            value = value and slots.of(value)
        labels = MetricLabels(
            decoder,
            fields,
            metric.names,
            image=image,
            taken=metric.reserved,
            scope=metric.scope,
        )
        if not schema.is_stream and not measure:
            assert value is not None
            self._tables[schema] = TableMetric(
                name, decoder, labels, value, self._max_series, aggregated=chosen is not None
            )
            return
        event_metric = EventMetric(
            name,
            role,
            decoder,
            labels,
            value=value,
            bounds=metric.bounds or self._bounds.get(schema, DEFAULT_BUCKETS),
            max_series=self._max_series,
            slots=bool(measure and measure.slots),
        )
        if slots:
            self._slots[event_metric] = slots
        if schema.is_stream:
            self._streams[schema].metrics.append(event_metric)
        else:
            self._drained.setdefault(schema, []).append(event_metric)
