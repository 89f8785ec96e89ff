"""Metrics for Prometheus: each counter, gauge and hist map is one, under bee's names, on a page that scrapes read."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from beepy.btf.types import VOID
from beepy.errors import UsageError
from beepy.events.batch import Batch, Demand, Schema, Tally
from beepy.events.decoder import Decoder
from beepy.events.fields import VALUE, Field
from beepy.events.naming import VALUE_FIELDS, metric_name
from beepy.log import Log
from beepy.obj.spec import Role
from beepy.outputs.exposition import head
from beepy.outputs.metric_options import DEFAULT_BUCKETS, MAX_SERIES
from beepy.outputs.series import Counts, EventMetric, Labels, TableMetric
from beepy.outputs.snapshots import Snapshots
from beepy.text import safe

_log = Log(__name__)

_KINDS: Final[Mapping[Role, str]] = {Role.COUNTER: "counter", Role.GAUGE: "gauge", Role.HIST: "histogram"}


class _Plan(NamedTuple):
    """What becomes of one map; ``value`` is the field of its number, None where records are counted."""

    schema: Schema
    decoder: Decoder
    role: Role
    value: Field | None

    @property
    def place(self) -> str:
        return f"map '{safe(self.schema.map)}' of image '{safe(self.schema.image)}'"


class Prometheus:
    """The sink that serves ``http://host:port/metrics`` from ``open`` to ``close``.

    ``buckets`` (-b) and ``value_keys`` (-k) are by map, ``max_series`` bounds each metric. ``tally`` is where the
    command counts what its filters left out. ``write`` wants every batch, empty ones too: they carry losses, and the
    ends of snapshots. Maps of two images that have one name share a metric, and a label ``image`` tells them apart.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        buckets: Mapping[str, Sequence[float]],
        value_keys: Mapping[str, str],
        tally: Tally,
        max_series: int = MAX_SERIES,
    ) -> None:
        self._listen = (host, port)
        self._buckets = buckets
        self._value_keys = value_keys
        self._tally = tally
        self._max_series = max_series
        self._kinds: dict[str, str] = {}  # metric -> TYPE, sorted
        self._events: dict[Schema, EventMetric] = {}
        self._tables: dict[Schema, TableMetric] = {}
        self._counts: dict[Schema, Counts] = {}
        self._rendering = threading.Lock()
        self._own_page: Callable[[], bytes] | None = None

    def open(self, schemas: tuple[Schema, ...], demand: Demand) -> None:
        """Make the metrics and listen.

        Raises UsageError where -b or -k name a map or field that is not there or does not fit, or where two maps would
        share series; OutputError where the address cannot be listened on.
        """
        from beepy.outputs.metrics_server import MetricsServer  # noqa: PLC0415 - http.server takes 34 ms

        self._check_maps(schemas)
        families: dict[str, list[_Plan]] = {}
        for plan in filter(None, map(self._plan, schemas)):
            families.setdefault(metric_name(plan.schema.map), []).append(plan)
        _check(families)
        for name, plans in sorted(families.items()):
            self._kinds[name] = _KINDS[plans[0].role]
            for plan in plans:
                self._add(name, plan, plan.schema.image if len(plans) > 1 else "")
        self._counts = {schema: Counts(schema) for schema in schemas if schema.record != VOID}
        self._snapshots = Snapshots(tuple(self._tables), demand)
        self._server = MetricsServer(*self._listen, self.page)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: host and port (the one that the kernel chose, if 0 was asked for)."""
        return self._server.host, self._server.port

    @property
    def url(self) -> str:
        """Where the page is."""
        return self._server.url

    def write(self, batch: Batch) -> None:
        """Count a stream's batch; keep a table's if a scrape waits for it."""
        schema = batch.schema
        counts = self._counts.get(schema)
        if counts is not None:
            counts.add(batch)
            if batch.records and schema in self._events:
                self._events[schema].write(batch)
        elif schema in self._tables:
            self._snapshots.write(batch)

    def close(self) -> None:
        """Turn away the scrapes that wait, and end the server with its threads."""
        self._snapshots.close()
        self._server.close()

    def page(self) -> list[bytes]:
        """Return the text of all metrics as they are now, in pieces; called by the server's threads.

        Raises OutputError when the tables are not read in time.
        """
        tables = self._snapshots.read()
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

                self._own_page = OwnMetrics(self._counts, self._tally).page
            made.append(self._own_page())
        return made

    def _check_maps(self, schemas: Iterable[Schema]) -> None:
        """Refuse -b and -k for a map that has no use for it."""
        roles: dict[str, list[Schema]] = {}
        for schema in schemas:
            roles.setdefault(schema.map, []).append(schema)
        for flag, given, wanted in (
            ("--hist-buckets", self._buckets, (Role.HIST,)),
            ("--hist-value-key", self._value_keys, (Role.HIST, Role.GAUGE)),
        ):
            for name in given:
                if name not in roles:
                    known = ", ".join(sorted(safe(known) for known in roles)) or "none"
                    raise UsageError(f"{flag}: unknown map '{safe(name)}': there are: {known}")
                if not any(schema.role in wanted and schema.record != VOID for schema in roles[name]):
                    kinds = " or ".join(_KINDS[role] for role in wanted)
                    raise UsageError(f"{flag}: map '{safe(name)}': is no {kinds} of a stream of events")

    def _plan(self, schema: Schema) -> _Plan | None:
        """Decide what a map's metric is made of; None: it has no metric."""
        role = schema.role
        if role is None or role is Role.PRINT:
            return None
        decoder = Decoder(schema)
        if schema.record == VOID:
            return _table_plan(schema, decoder, role)
        if role is Role.COUNTER:
            return _Plan(schema, decoder, role, None)
        wanted = self._value_keys.get(schema.map, VALUE_FIELDS[role])
        known = {field.label: field for field in decoder.fields} | {field.name: field for field in decoder.fields}
        value = known.get(wanted)
        where = f"map '{safe(schema.map)}': field '{safe(wanted)}'"
        if value is None:
            error = UsageError(f"{where}: unknown: there are: {', '.join(safe(name.name) for name in decoder.fields)}")
            error.add_note(f"-k {safe(schema.map)},FIELD names the field that holds the {role}'s number")
            raise error
        if not value.codec.number:
            raise UsageError(f"{where}: is no number")
        return _Plan(schema, decoder, role, value)

    def _add(self, name: str, plan: _Plan, image: str) -> None:
        schema, decoder, role, value = plan
        fields = [field for field in decoder.fields if field is not value]
        labels = Labels(decoder, fields, image, taken=("le",) if role is Role.HIST else ())
        if schema.record == VOID:
            assert value is not None
            self._tables[schema] = TableMetric(name, decoder, labels, value, self._max_series)
        else:
            bounds = self._buckets.get(schema.map, DEFAULT_BUCKETS)
            self._events[schema] = EventMetric(
                name, role, decoder, labels, value=value, bounds=bounds, max_series=self._max_series
            )


def _table_plan(schema: Schema, decoder: Decoder, role: Role) -> _Plan | None:
    values = [field for field in decoder.fields if field.part == VALUE]
    if role is Role.HIST:
        _log.warning("map '%s': a table is no histogram: it has no metric", safe(schema.map))
    elif len(values) != 1 or not values[0].codec.number:
        _log.warning("map '%s': its value is no number: it has no metric", safe(schema.map))
    else:
        return _Plan(schema, decoder, role, values[0])
    return None


def _check(families: Mapping[str, Sequence[_Plan]]) -> None:
    """Refuse metrics that no page can hold: of two types, or with the same series from two maps."""
    for name, plans in families.items():
        first, images = plans[0], set()
        for plan in plans:
            if plan.role is not first.role:
                raise UsageError(
                    f"metric {name}: a {_KINDS[first.role]} from {first.place}, a {_KINDS[plan.role]} from {plan.place}"
                )
            if plan.schema.image in images:
                raise UsageError(f"metric {name}: twice from image '{safe(plan.schema.image)}'")
            images.add(plan.schema.image)
        if first.role is Role.HIST:
            for suffix in ("_bucket", "_sum", "_count"):
                if name + suffix in families:
                    raise UsageError(f"metric {name + suffix}: is also a part of the histogram {name}")
