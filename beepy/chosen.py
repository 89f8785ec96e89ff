"""Which rows of a run are shown: not beepy's own, and by filters and by expressions."""

from collections.abc import Sequence
from typing import NamedTuple

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.own import OwnRecords
from beepy.kernel.own_pid import own_pid
from beepy.log import Log
from beepy.session import BatchFilter
from beepy.text import safe

_log = Log(__name__)


class Chosen(NamedTuple):
    """Which rows are shown: those that pass all filters (-f) and expressions (--where)."""

    filters: Sequence[str] = ()
    wheres: Sequence[str] = ()


def check(chosen: Chosen, until: str) -> None:
    """Raise UsageError for what is wrong with expressions whatever maps there are."""
    if chosen.filters:
        from beepy.events import filter as row_filter  # noqa: PLC0415 - few runs have one

        row_filter.check(chosen.filters)
    if chosen.wheres:
        from beepy.events import where  # noqa: PLC0415 - as above

        where.check(chosen.wheres)
    if until:
        from beepy.events import ending  # noqa: PLC0415 - as above

        ending.check(until)


def passing(chosen: Chosen, decoders: Sequence[Decoder]) -> BatchFilter:
    """Return a stage that keeps the chosen rows. Raise UsageError."""
    stages: list[BatchFilter] = []
    if chosen.wheres:
        from beepy.events.where import Where  # noqa: PLC0415 - few runs have one

        stages.append(Where(chosen.wheres, decoders).apply)
    if chosen.filters:
        from beepy.events.filter import Filter  # noqa: PLC0415 - few runs have one

        stages.append(Filter(chosen.filters, decoders).apply)
    if len(stages) < 2:
        return stages[0] if stages else _unchanged
    first, second = stages
    return lambda batch: second(first(batch))


def not_own(decoders: Sequence[Decoder]) -> BatchFilter:
    """Return a stage that leaves out rows of beepy's own process, where rows have a pid."""
    pid = own_pid()
    own = OwnRecords(pid, decoders) if pid is not None else None
    if own is None:
        _log.info("beepy's own rows are shown: its pid in the first PID namespace is not known")
        return _unchanged
    mixed = [decoder.schema for decoder in decoders if not own.names_process(decoder.schema)]
    if mixed:
        listed = ", ".join(dict.fromkeys([safe(schema.map) for schema in mixed]))
        _log.info("beepy's own work may be in %s: no record names a process", listed)
    return own.apply


def _unchanged(batch: Batch) -> Batch:
    return batch
