"""Expressions against a second evaluator, which was written from ``docs/where.md`` alone."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.where import Where
from tests.soak import times
from tests.support import expressions
from tests.support.events import ring
from tests.support.expressions import SIZE, Choices

_SCHEMA = expressions.schema()
_DECODER = Decoder(_SCHEMA)
_OTHER = Decoder(expressions.schema("print_others"))
_RECORDS = 4
_BYTES = 160


@pytest.mark.soak
@settings(
    max_examples=times(2000),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(made_by=st.binary(max_size=_BYTES), held=st.binary(max_size=_BYTES))
def test_random_expressions_on_random_records(made_by: bytes, held: bytes) -> None:
    expression = expressions.expression(Choices(made_by))
    choices = Choices(held)
    length = choices.pick((SIZE, SIZE, choices.below(SIZE + 1)))
    records = [expressions.record(choices)[:length] for _ in range(_RECORDS)]
    wanted = [
        record for record in records if expression.meaning(expressions.values(record)) is True
    ]
    shown = Where([expression.text], [_DECODER]).apply(ring(_SCHEMA, records))
    assert _records(shown) == wanted, expression.text


def _records(batch: Batch) -> list[bytes]:
    (part,) = batch.parts
    starts = [part.stride * at + part.skip for at in range(batch.records)]
    return [part.raw[start : start + batch.length] for start in starts]
