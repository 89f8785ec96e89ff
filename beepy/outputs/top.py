"""The largest groups of events in the place of events: a sink before another one."""

from collections.abc import Iterable, Sequence

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.protocols import Sink
from beepy.events.stats import RunStats
from beepy.events.top import Top
from beepy.log import Log

_log = Log(__name__)


class TopRows:
    """Gives another sink the rows of the largest groups; those of other maps are not shown.

    ``stats`` are the counts of the run: it moves what is not shown.
    """

    def __init__(self, top: Top, sink: Sink, stats: RunStats) -> None:
        self._stats = stats
        self._top = top
        self._sink = sink
        self._is_open = False

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Open the other sink."""
        del decoders  # the top has been made for them
        self._sink.open(self._top.decoders)
        self._is_open = True

    def write(self, batch: Batch) -> None:
        """Count a batch."""
        self._pass(self._top.take(batch))
        if not self._top.counts(batch.schema):
            self._stats.shown -= batch.records  # which the run adds after this
            self._stats.cut_by_top += batch.records

    def close(self) -> None:
        """Write the rows a last time, and close the other sink."""
        try:
            if self._is_open:
                self._pass(self._top.rows())
                for exact, line in self._top.summary():
                    (_log.info if exact else _log.warning)("%s", line)
        except BrokenPipeError:  # the reader is gone, and nothing else is left to do
            return
        finally:
            self._sink.close()

    def _pass(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self._sink.write(batch)
