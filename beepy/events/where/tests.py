"""Tests of columns: each returns for every row True, False, or None where it is not known.

Comparisons with a value that is missing (None) are not known, nor is their opposite.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from beepy.events.codec import Value

Columns: TypeAlias = Sequence[list[Value]]
Verdict: TypeAlias = bool | None
Verdicts: TypeAlias = list[Verdict]
Test: TypeAlias = Callable[[Columns], Verdicts]

_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compared(column: int, sign: str, constant: Any) -> Test:  # noqa: ANN401 - of the column's type
    """Return the test of one column beside a constant."""
    compare = _OPERATORS[sign]
    # with the operator in the code a list takes half the time
    loops: dict[str, Callable[[list[Any]], Verdicts]] = {
        "==": lambda values: [value == constant for value in values],
        "!=": lambda values: [value != constant for value in values],
        "<": lambda values: [value < constant for value in values],
        "<=": lambda values: [value <= constant for value in values],
        ">": lambda values: [value > constant for value in values],
        ">=": lambda values: [value >= constant for value in values],
    }
    loop = loops[sign]

    def test(columns: Columns) -> Verdicts:
        values = columns[column]
        if None in values:
            return [None if value is None else compare(value, constant) for value in values]
        return loop(values)

    return test


def compared_columns(left: int, sign: str, right: int, units: tuple[int, int] = (1, 1)) -> Test:
    """Return the test of one column beside another; ``units`` are what one count of each is."""
    compare = _OPERATORS[sign]

    def test(columns: Columns) -> Verdicts:
        pairs = zip(columns[left], columns[right], strict=True)
        return [None if None in pair else compare(*pair) for pair in pairs]

    def test_in_units(columns: Columns) -> Verdicts:
        pairs: Iterable[tuple[Any, Any]] = zip(columns[left], columns[right], strict=True)
        return [
            None if one is None or other is None else compare(one * units[0], other * units[1])
            for one, other in pairs
        ]

    return test if units[0] == units[1] else test_in_units


def found(column: int, holds: Callable[[Any], bool]) -> Test:
    """Return the test of one column by a function, such as that of a regular expression."""

    def test(columns: Columns) -> Verdicts:
        return [None if value is None else holds(value) for value in columns[column]]

    return test


def missing(column: int) -> Test:
    """Return the test whether a value is missing: it is always known."""
    return lambda columns: [value is None for value in columns[column]]


def negated(test: Test) -> Test:
    """Return the opposite of a test."""
    return lambda columns: [None if verdict is None else not verdict for verdict in test(columns)]


def all_of(tests: Sequence[Test]) -> Test:
    """Return the test whether all are true: not if one is false, whatever is not known."""

    def both(left: Verdict, right: Verdict) -> Verdict:
        if left is False or right is False:
            return False
        return None if left is None or right is None else True

    return _joined(tests, both)


def any_of(tests: Sequence[Test]) -> Test:
    """Return the test whether one is true, whatever is not known."""

    def either(left: Verdict, right: Verdict) -> Verdict:
        if left is True or right is True:
            return True
        return None if left is None or right is None else False

    return _joined(tests, either)


def _joined(tests: Sequence[Test], join: Callable[[Any, Any], Verdict]) -> Test:
    def test(columns: Columns) -> Verdicts:
        verdicts = tests[0](columns)
        for other in tests[1:]:
            verdicts = list(map(join, verdicts, other(columns)))
        return verdicts

    return test
