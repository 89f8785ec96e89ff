"""Expressions against a second evaluator, which was written from ``docs/where.md`` alone."""

import random
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beepy.errors import UsageError
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.where import Where
from tests.soak import times
from tests.support import compared, expressions
from tests.support.compared import SIZE, Choices
from tests.support.events import ring
from tests.support.told import notes

_SCHEMA = compared.schema()
_DECODER = Decoder(_SCHEMA)
_OTHER = Decoder(compared.schema("print_others"))
_RECORDS = 4
_BYTES = st.binary(min_size=160, max_size=160)  # shorter ones make simple expressions


@pytest.mark.soak
@settings(
    max_examples=times(2000),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(made_by=_BYTES, held=_BYTES)
def test_random_expressions_on_random_records(made_by: bytes, held: bytes) -> None:
    expression = expressions.expression(Choices(made_by))
    choices = Choices(held)
    length = choices.pick((SIZE, SIZE, choices.below(SIZE + 1)))
    records = [compared.record(choices)[:length] for _ in range(_RECORDS)]
    wanted = [record for record in records if expression.meaning(compared.values(record)) is True]
    shown = Where([expression.text], [_DECODER]).apply(ring(_SCHEMA, records))
    assert _records(shown) == wanted, expression.text


# a test that is wrong, and where in it
_WRONG: Final = (
    ("nosuch == 1", 1),
    ("peer.nosuch == 1", 1),
    ("peer == 1", 1),
    ("'bash' == comm", 1),
    ("pid", 1),
    ("pid ~ 'x'", 1),
    ("pid = 1", 5),
    ("pid === 1", 7),
    ("pid == 'x'", 8),
    ("pid == NOSUCH", 8),
    ("pid == 1x", 8),
    ("pid == 10ms", 8),
    ("pid == (1)", 8),
    ("pid in 1", 8),
    ("pid in ()", 9),
    ("pid in (1, 'x')", 12),
    ("took < pid", 6),
    ("took == 1k", 9),
    ("comm < 'x'", 6),
    ("comm < path", 6),
    ("comm == 5", 9),
    ("comm ~ '('", 8),
    ("comm ~ x", 8),
    ("failed > false", 8),
    ("failed == 1", 11),
    ("state == NOSUCH", 10),
    ("saddr < daddr", 7),
    ("saddr == 10.1.2", 10),
    ("saddr in 10.0.0.1/8", 10),
    ("saddr in (10.0.0.0/8, 10.0.0.0/33)", 23),
    ("pid is 1", 8),
    ("pid not == 1", 9),
    ("and pid == 1", 1),
    ("not or pid == 1", 5),
    ("pid == 1 pid", 10),
)


@pytest.mark.soak
@pytest.mark.parametrize(("wrong", "column"), _WRONG, ids=[wrong for wrong, _ in _WRONG])
def test_an_error_points_to_its_column(wrong: str, column: int) -> None:
    for number in range(times(4)):
        choices = Choices(random.Random(f"{wrong} {number}").randbytes(160))
        before = expressions.expression(choices, 2).text
        after = expressions.expression(choices, 2).text
        start = choices.pick(("", "print_exits: ")) + choices.pick(("", f"({before}) or ("))
        end = choices.pick(("", f" or {after}")) + ")" * start.endswith("(")
        source = start + wrong + end
        with pytest.raises(UsageError) as caught:
            Where([source], [_DECODER])
        place = len(start) + column
        assert str(caught.value).startswith(f"where: column {place}: "), source
        if "\t" not in source:  # else it is shown with escapes, in other columns
            assert notes(caught.value)[0] == f"here:\n  {source}\n  {' ' * (place - 1)}^"


def _records(batch: Batch) -> list[bytes]:
    (part,) = batch.parts
    starts = [part.stride * at + part.skip for at in range(batch.records)]
    return [part.raw[start : start + batch.length] for start in starts]
