"""``--until``: the row that ends a run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from beepy.errors import UsageError, as_usage_error
from beepy.events import where
from beepy.events.batch import Batch
from beepy.events.batch_ops import take
from beepy.events.decoder import Decoder


class Ending:
    """A stage that calls ``stop`` at the first row for which an expression is true.

    Of streams, no row after it passes. Snapshots of tables pass whole: the last one of each comes
    after the end. Raises UsageError for an expression that is wrong.
    """

    def __init__(self, source: str, decoders: Sequence[Decoder], stop: Callable[[], None]) -> None:
        with _named():
            self._where = where.Where([source], decoders)
        self._stop = stop
        self._has_ended = False

    def apply(self, batch: Batch) -> Batch:
        """Return what is up to the row."""
        left = 0
        if not self._has_ended:
            position = self._where.first(batch)
            if position is None:
                return batch
            self._has_ended = True
            self._stop()
            left = position + 1
        return take(batch, left) if batch.schema.is_stream else batch


def check(source: str) -> None:
    """Raise UsageError for what is wrong with an expression whatever maps there are."""
    with _named():
        where.check([source])


@contextmanager
def _named() -> Iterator[None]:
    """Have errors in an expression name the option that it is of."""
    try:
        yield
    except UsageError as error:
        raise as_usage_error(error, lambda text: text.replace("--where", "--until", 1)) from None
