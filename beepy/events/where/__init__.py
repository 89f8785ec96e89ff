"""``--where EXPRESSION``: which rows reach the sinks, by typed comparisons of their fields.

The text becomes a ``tree`` (``grammar``), the tree a test of columns of values for each map that it
is about (``typed``, ``tests``). docs/where.md describes the language.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from beepy.events.batch import Batch, Schema
from beepy.events.batch_ops import select
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.where import grammar, scope
from beepy.events.where.tests import Test
from beepy.events.where.typed import test_of


class _Condition(NamedTuple):
    """A test of one map's rows, and the fields whose columns it takes."""

    decoder: Decoder
    fields: tuple[Field, ...]
    test: Test


def check(sources: Iterable[str]) -> None:
    """Raise UsageError for what is wrong with an expression whatever maps there are."""
    for source in sources:
        grammar.parse(source)


class Where:
    """The expressions of a run: a row passes if each expression about its map is true for it.

    Raises UsageError, with the place in the expression, for a field that does not exist, or that
    cannot be compared so.
    """

    def __init__(self, sources: Iterable[str], decoders: Sequence[Decoder]) -> None:
        self._conditions: dict[Schema, list[_Condition]] = {}
        for source in sources:
            expression = grammar.parse(source)
            for decoder in scope.maps(expression, decoders):
                fields: dict[Field, int] = {}
                test = test_of(expression, decoder, fields)
                condition = _Condition(decoder, tuple(fields), test)
                self._conditions.setdefault(decoder.schema, []).append(condition)

    def apply(self, batch: Batch) -> Batch:
        """Return the batch with the rows that pass; its other members (lost, final) are kept."""
        for condition in self._conditions.get(batch.schema, ()):
            if not batch.records:
                break
            verdicts = _verdicts(condition, batch)
            if not all(verdicts):
                batch = select(batch, verdicts)
        return batch

    def first(self, batch: Batch) -> int | None:
        """Return the position of the first row for which an expression about its map is true."""
        conditions = self._conditions.get(batch.schema, ()) if batch.records else ()
        verdicts = [_verdicts(condition, batch) for condition in conditions]
        return min([row.index(True) for row in verdicts if True in row], default=None)


def _verdicts(condition: _Condition, batch: Batch) -> list[bool]:
    verdicts = condition.test(condition.decoder.values(batch, condition.fields))
    return [verdict is True for verdict in verdicts]  # unknown is not true
