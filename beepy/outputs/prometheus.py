"""Metrics for Prometheus: each counter, gauge and hist map is one, under bee's names, on a page that scrapes read."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from beepy.errors import OutputError
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.metrics import Metric, decide
from beepy.events.selection import KINDS
from beepy.events.stats import RunStats
from beepy.log import Log
from beepy.outputs.exposition import head
from beepy.outputs.metric_options import (
    DEFAULT_BUCKETS,
    MAX_SERIES,
)
from beepy.outputs.series import Counts, EventMetric, Labels, TableMetric

_log = Log(__name__)


class Prometheus:
    """The sink that serves ``http://host:port/metrics`` from ``open`` to ``close``.

    ``read_tables`` reads tables now, in the thread of a scrape: the stream's thread may wait for who reads the rows.
    ``bounds`` are those of -b, ``values`` the fields of -k, ``max_series`` bounds each metric. ``stats`` is
    where the command counts what its filters left out. Where no map has a metric it serves only if ``always``, and has
    no ``url`` otherwise. ``write`` wants every batch, empty ones too: they carry losses.
    Maps of two images that have one name share a metric, and a label ``image`` tells them apart.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        read_tables: Callable[[tuple[Schema, ...]], Iterable[Batch]],
        bounds: Mapping[Schema, Sequence[float]] = MappingProxyType({}),
        values: Mapping[Schema, Field] = MappingProxyType({}),
        stats: RunStats,
        always: bool = True,
        max_series: int = MAX_SERIES,
    ) -> None:
        self._listen = (host, port)
        self._read_tables = read_tables
        self._bounds = bounds
        self._values = values
        self._stats = stats
        self._always = always
        self._max_series = max_series
        self._kinds: dict[str, str] = {}  # metric -> TYPE, sorted
        self._events: dict[Schema, EventMetric] = {}
        self._tables: dict[Schema, TableMetric] = {}
        self._counts: dict[Schema, Counts] = {}
        self._rendering = threading.Lock()
        self._closed = False
        self._own_page: Callable[[], bytes] | None = None
        self._close_server: Callable[[], None] | None = None
        self.address = ("", 0)  # where it listens: the port that the kernel chose, if 0 was asked for
        self.url = ""  # where the page is

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Make the metrics and listen; a map that cannot have one is a warning.

        Raises OutputError where the address cannot be listened on.
        """
        from beepy.outputs.metrics_server import MetricsServer  # noqa: PLC0415 - not where no map has a metric

        decided = decide(decoders, self._values)
        for warning in decided.warnings:
            _log.warning("%s", warning)
        shared = Counter(metric.name for metric in decided.metrics)
        for metric in sorted(decided.metrics, key=lambda metric: metric.name):
            self._kinds[metric.name] = KINDS[metric.role]
            image = metric.schema.image if shared[metric.name] > 1 else ""
            self._add(metric, image, self._bounds.get(metric.schema, DEFAULT_BUCKETS))
        self._counts = {decoder.schema: Counts(decoder.schema) for decoder in decoders if decoder.schema.is_stream}
        if self._kinds or self._always:
            server = MetricsServer(*self._listen, self.page)
            self._close_server = server.close
            self.address = server.host, server.port
            self.url = server.url

    def write(self, batch: Batch) -> None:
        """Count a stream's batch."""
        schema = batch.schema
        counts = self._counts.get(schema)
        if counts is not None:
            counts.add(batch)
            if batch.records and schema in self._events:
                self._events[schema].write(batch)

    def close(self) -> None:
        """Turn away the scrapes that wait, and end the server with its threads."""
        self._closed = True
        if self._close_server:
            self._close_server()

    def page(self) -> list[bytes]:
        """Return the text of all metrics as they are now, in pieces; called by any thread.

        Raises OutputError when it is closed, and what ``read_tables`` raises.
        """
        tables: dict[Schema, list[Batch]] = {schema: [] for schema in self._tables}
        for batch in self._read_tables(tuple(tables)) if tables else ():
            self._check_open()  # a large table takes its time
            tables[batch.schema].append(batch)
        self._check_open()
        with self._rendering:
            bodies: dict[str, list[bytes]] = {name: [] for name in self._kinds}
            for metric in self._events.values():
                bodies[metric.name] += metric.page()
            for schema, batches in tables.items():
                table = self._tables[schema]
                bodies[table.name] += table.page(batches)
            made = []
            for name, body in bodies.items():
                if body:
                    made += [head(name, self._kinds[name]).encode(), *body]
            if self._own_page is None:
                from beepy.outputs.own_metrics import OwnMetrics  # noqa: PLC0415 - prometheus_client takes 63 ms

                self._own_page = OwnMetrics(self._counts, self._stats).page
            made.append(self._own_page())
        return made

    def _check_open(self) -> None:
        if self._closed:
            raise OutputError("prometheus: the run ends")

    def _add(self, metric: Metric, image: str, bounds: Sequence[float]) -> None:
        name, role, decoder, value = metric
        labels = Labels(decoder, metric.fields, image, metric.reserved)
        if not metric.schema.is_stream:
            assert value is not None
            self._tables[metric.schema] = TableMetric(name, decoder, labels, value, self._max_series)
        else:
            self._events[metric.schema] = EventMetric(
                name, role, decoder, labels, value=value, bounds=bounds, max_series=self._max_series
            )
