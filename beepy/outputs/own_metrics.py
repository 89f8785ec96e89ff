"""``beepy_*`` and ``process_*``: what the run itself did and takes, rendered by prometheus-client (63 ms to import)."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from beepy.events.batch import Schema
from beepy.events.stats import RunStats
from beepy.outputs.series import Counts
from beepy.text import safe

_LABELS = ("image", "map")


class OwnMetrics:
    """A registry of its own: no other library's metrics are on the page."""

    def __init__(self, counts: Mapping[Schema, Counts], stats: RunStats) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Run(counts, stats))
        ProcessCollector(registry=self._registry)

    def page(self) -> bytes:
        """Return the text."""
        return generate_latest(self._registry)


class _Run(Collector):
    def __init__(self, counts: Mapping[Schema, Counts], stats: RunStats) -> None:
        self._counts = counts
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """Give the counters as they are now; a loss that cannot be seen has no sample, and is no 0."""
        events = CounterMetricFamily("beepy_events", "Events that the filters let pass.", labels=_LABELS)
        short = CounterMetricFamily("beepy_short_records", "Records shorter than their type.", labels=_LABELS)
        lost = CounterMetricFamily("beepy_lost_events", "Events lost, where the source can tell.", labels=_LABELS)
        named: dict[tuple[str, str], list[Counts]] = {}
        for schema, counts in self._counts.items():
            named.setdefault((safe(schema.image), safe(schema.map)), []).append(counts)
        for labels, same in named.items():  # the same image may run twice
            events.add_metric(labels, sum(counts.events for counts in same))
            short.add_metric(labels, sum(counts.short for counts in same))
            known = [counts.lost for counts in same if counts.lost is not None]
            if len(known) == len(same):
                lost.add_metric(labels, sum(known))
        filtered = "Events that the filters left out."
        yield from (events, short, lost)
        yield CounterMetricFamily("beepy_filtered_events", filtered, value=self._stats.filtered)
        own = "Events of beepy's own process, left out."
        yield CounterMetricFamily("beepy_own_events", own, value=self._stats.own)
        if self._stats.skipped_programs:
            told = "Programs left out because this kernel lacks what they attach to."
            skipped = GaugeMetricFamily("beepy_programs_skipped", told, labels=("image", "program"))
            for names in self._stats.skipped_programs:
                skipped.add_metric([safe(name) for name in names], 1)
            yield skipped
