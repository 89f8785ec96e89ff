"""The metrics ``beepy_*`` and ``process_*`` of the run itself, rendered by prometheus_client."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from beepy.events.batch import total_lost
from beepy.events.stats import RunStats
from beepy.outputs.series import StreamCounts
from beepy.text import safe

_LABELS = ("image", "map")


class SelfMetrics:
    """A registry that holds only these metrics: other libraries' metrics are not on the page."""

    def __init__(
        self,
        streams: Sequence[StreamCounts],
        stats: RunStats,
        overflowed: Callable[[], Iterable[str]],
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_RunCollector(streams, stats, overflowed))
        ProcessCollector(registry=self._registry)

    def page(self) -> bytes:
        """Return the text."""
        return generate_latest(self._registry)


class _RunCollector(Collector):
    def __init__(
        self,
        streams: Sequence[StreamCounts],
        stats: RunStats,
        overflowed: Callable[[], Iterable[str]],
    ) -> None:
        self._overflowed = overflowed
        self._streams = streams
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now; a loss that cannot be counted has no sample, not 0."""
        events = CounterMetricFamily(
            "beepy_events", "Events that the filters let pass.", labels=_LABELS
        )
        short = CounterMetricFamily(
            "beepy_short_records", "Records shorter than their type.", labels=_LABELS
        )
        lost = CounterMetricFamily(
            "beepy_lost_events", "Events lost, where the source can tell.", labels=_LABELS
        )
        by_labels: dict[tuple[str, str], list[StreamCounts]] = {}
        for stream in self._streams:
            labels = safe(stream.schema.image), safe(stream.schema.map)
            by_labels.setdefault(labels, []).append(stream)
        for labels, streams in by_labels.items():  # several if one image runs twice
            events.add_metric(labels, sum(stream.events for stream in streams))
            short.add_metric(labels, sum(stream.short for stream in streams))
            losses = [stream.lost for stream in streams if stream.lost is not None]
            if len(losses) == len(streams):
                lost.add_metric(labels, sum(losses))
        for labels, count in self._other_losses().items():
            if labels not in by_labels and count is not None:
                lost.add_metric(labels, count)
        yield from (events, short, lost)
        text = "Events that the filters left out."
        yield CounterMetricFamily("beepy_filtered_events", text, value=self._stats.filtered)
        text = "Events of beepy's own process, left out."
        yield CounterMetricFamily("beepy_own_events", text, value=self._stats.own)
        text = "Runs of programs that the kernel skipped, where it counts them."
        missed = CounterMetricFamily("beepy_missed_runs", text, labels=("image", "program"))
        for names, count in [*self._stats.missed.items()]:
            if count is not None:
                missed.add_metric([safe(name) for name in names], count)
        yield missed
        if self._stats.skipped_programs:
            text = "Programs left out because this kernel lacks what they attach to."
            skipped = GaugeMetricFamily("beepy_programs_skipped", text, labels=("image", "program"))
            for names in self._stats.skipped_programs:
                skipped.add_metric([safe(name) for name in names], 1)
            yield skipped
        if metrics := [*self._overflowed()]:
            text = "Metrics with too many series: the rest count as 'other'."
            overflowed = GaugeMetricFamily("beepy_metric_overflowed", text, labels=("metric",))
            for metric in metrics:
                overflowed.add_metric([metric], 1)
            yield overflowed
        yield from self._cost()

    def _other_losses(self) -> dict[tuple[str, str], int | None]:
        """Return the losses of tables, and those of calls that do not show their map."""
        losses: dict[tuple[str, str], int | None] = {
            (safe(image), place): count for (image, place), count in [*self._stats.lost_at.items()]
        }
        for schema, count in [*self._stats.lost.items()]:
            labels = safe(schema.image), safe(schema.map)
            if not schema.is_stream:
                losses[labels] = total_lost(losses.get(labels, 0), count)
        return losses

    def _cost(self) -> Iterator[Metric]:
        """Yield what programs cost, if that is known: only while runs are counted, see the last."""
        cost = self._stats.cost
        if cost is None or cost.unknown:
            return
        labels = ("image", "program")
        text = "Time that programs ran, while runs were counted."
        seconds = CounterMetricFamily("beepy_program_run_seconds", text, labels=labels)
        text = "Runs of programs, while they were counted."
        runs = CounterMetricFamily("beepy_program_runs", text, labels=labels)
        totals: dict[tuple[str, str], tuple[int, int]] = {}
        for program in cost.programs:  # several of one name if one image runs twice
            key = safe(program.image), safe(program.program)
            ns, count = totals.get(key, (0, 0))
            totals[key] = ns + program.ns, count + program.runs
        for key, (ns, count) in totals.items():
            seconds.add_metric(key, ns / 1e9)
            runs.add_metric(key, count)
        yield from (seconds, runs)
        text = "Time in which runs of programs were counted."
        yield CounterMetricFamily("beepy_program_counted_seconds", text, value=cost.counted_s)
