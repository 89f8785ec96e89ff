"""The part of the page for images of ebpf_exporter: their metrics, and those about them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from beepy.errors import DecodeError
from beepy.events.batch import Batch, Schema
from beepy.events.costs import ProgramState
from beepy.events.label_decoders import MachineNames
from beepy.log import Log
from beepy.outputs.exporter_metrics import EventsPlan, TablePlan
from beepy.outputs.exposition import head, label_texts, samples
from beepy.outputs.series_limit import SeriesLimit

_log = Log(__name__)

_NANOSECOND: Final = 1e-9
_PREFIX: Final = "ebpf_exporter_"
_HELP: Final = {
    "enabled_configs": ("gauge", "The set of enabled configs"),
    "decoder_errors_total": ("counter", "How many times has decoders encountered errors"),
    "ebpf_program_info": ("gauge", "Info about ebpf programs"),
    "ebpf_program_attached": ("gauge", "Whether a program is attached"),
    "ebpf_program_run_time_seconds": ("counter", "How long has the program been executing"),
    "ebpf_program_run_count_total": ("counter", "How many times has the program been executed"),
}


class Exporter(NamedTuple):
    """What the page of images of ebpf_exporter needs of this machine.

    ``configs`` are the names of the configurations by object; ``read_programs`` returns the
    programs of the run as they are now.
    """

    configs: Mapping[str, str]
    names: MachineNames
    read_programs: Callable[[], Iterable[ProgramState]]


class ExporterPage:
    """The metrics of all schemas that have plans."""

    def __init__(self, schemas: Iterable[Schema], exporter: Exporter, max_series: int) -> None:
        self._configs, self._read_programs = exporter.configs, exporter.read_programs
        self._tables: dict[Schema, list[TablePlan]] = {}
        self._events: dict[Schema, list[EventsPlan]] = {}
        self._errors: Counter[str] = Counter()
        self._warned: set[str] = set()
        for schema in schemas:
            if schema.is_stream:
                self._events[schema] = [
                    EventsPlan(plan, exporter.names, max_series) for plan in schema.metrics
                ]
            else:
                self._tables[schema] = [
                    TablePlan(plan, exporter.names, max_series) for plan in schema.metrics
                ]

    @property
    def tables(self) -> tuple[Schema, ...]:
        """The tables that are read for a page."""
        return tuple(self._tables)

    @property
    def limits(self) -> list[SeriesLimit]:
        """The bounds of all metrics."""
        limits = [plan.limit for plans in self._events.values() for plan in plans]
        return [*limits, *[plan.limit for plans in self._tables.values() for plan in plans]]

    def write(self, batch: Batch) -> None:
        """Count the records of a stream's batch; called by the stream's thread."""
        for plan in self._events.get(batch.schema, ()):
            plan.write(batch)

    def page(self, snapshots: Mapping[Schema, Sequence[Batch]]) -> list[bytes]:
        """Return the text in pieces; one call at a time."""
        pages: dict[str, list[bytes]] = {}
        for schema, plans in self._tables.items():
            for plan in plans:
                try:
                    pages[plan.plan.name] = plan.page(snapshots[schema])
                except DecodeError as error:
                    self._refuse(plan.plan.config, plan.plan.name, error)
        errors = Counter(self._errors)
        for event_plans in self._events.values():
            for event_plan in event_plans:
                pages[event_plan.plan.name] = event_plan.page()
                errors[event_plan.plan.config] += event_plan.errors
        lines = [line for name in sorted(pages) for line in pages[name]]
        return [*self._about(errors), *lines]

    def _refuse(self, config: str, name: str, error: DecodeError) -> None:
        self._errors[config] += 1
        if name not in self._warned:
            self._warned.add(name)
            _log.warning("metric %s is left out: %s", name, error)

    def _about(self, errors: "Counter[str]") -> Iterator[bytes]:
        """Yield the metrics about the configurations and programs."""
        configs = sorted(self._configs.values())
        programs = [program for program in self._read_programs() if program.image in self._configs]
        names = [self._configs[program.image] for program in programs]
        ids = [str(program.id) for program in programs]
        by_id = label_texts(("id",), [ids], len(ids))
        info = label_texts(
            ("config", "id", "program", "tag"),
            [
                names,
                ids,
                [program.program for program in programs],
                [program.tag for program in programs],
            ],
            len(ids),
        )
        by_config = label_texts(("config",), [configs], len(configs))
        counted = [
            (text, p) for text, p in zip(by_id, programs, strict=True) if p.run_count is not None
        ]
        series: Mapping[str, Mapping[str, float]] = {
            "enabled_configs": dict.fromkeys(label_texts(("name",), [configs], len(configs)), 1),
            "decoder_errors_total": {
                text: errors[config] for text, config in zip(by_config, configs, strict=True)
            },
            "ebpf_program_info": dict.fromkeys(info, 1),
            "ebpf_program_attached": {
                text: int(program.attached) for text, program in zip(by_id, programs, strict=True)
            },
            "ebpf_program_run_time_seconds": {
                text: (program.run_time_ns or 0) * _NANOSECOND for text, program in counted
            },
            "ebpf_program_run_count_total": {
                text: program.run_count or 0 for text, program in counted
            },
        }
        for name, values in series.items():
            if values:
                kind, help_text = _HELP[name]
                full = _PREFIX + name
                text = head(full, kind, help_text) + "".join(samples(full, values))
                yield text.encode()
