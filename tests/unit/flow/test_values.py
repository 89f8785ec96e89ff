"""How values are joined, added and subtracted."""

import pytest

from beepy.flow.values import (
    ANY_STACK,
    UNKNOWN,
    Kind,
    Value,
    Values,
    add,
    constant,
    join,
    number,
    somewhere,
    subtract,
)

A, B = frozenset({Value(Kind.MAP, "a")}), frozenset({Value(Kind.MAP, "b")})
RECORD = frozenset({Value(Kind.RECORD, 12)})
STACK = frozenset({Value(Kind.STACK, 0, -40)})
ELEMENT = frozenset({Value(Kind.ELEMENT, "a", 8)})


def at(values: Values, offset: int | None) -> Values:
    return frozenset([value._replace(offset=offset) for value in values])


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        (A, A, A),
        (A, B, A | B),
        (RECORD, constant(0), RECORD | constant(0)),
        (constant(1), constant(2), UNKNOWN),
        (RECORD | constant(0), constant(1), UNKNOWN),
        (A, UNKNOWN, UNKNOWN),
        (STACK, UNKNOWN, ANY_STACK),
        (ANY_STACK, A, ANY_STACK),
        (UNKNOWN, ANY_STACK, ANY_STACK),
        (STACK, at(STACK, -48), at(STACK, None)),
        (at(STACK, None), STACK, at(STACK, None)),
        (A | B, RECORD | ELEMENT | STACK, ANY_STACK),
    ],
)
def test_join(left: Values, right: Values, joined: Values) -> None:
    assert join(left, right) == join(right, left) == joined


def test_a_join_that_changes_nothing_is_the_left_one() -> None:
    assert join(both := A | B, frozenset([*A])) is both


@pytest.mark.parametrize(
    ("left", "right", "total", "difference"),
    [
        (constant(5), constant(3), constant(8), constant(2)),
        (constant(0), constant(-1), constant(-1), constant(1)),
        (STACK, constant(-8), at(STACK, -48), at(STACK, -32)),
        (ELEMENT, UNKNOWN, at(ELEMENT, None), at(ELEMENT, None)),
        (at(ELEMENT, None), constant(4), at(ELEMENT, None), at(ELEMENT, None)),
        (UNKNOWN, constant(4), UNKNOWN, UNKNOWN),
        (ANY_STACK, UNKNOWN, ANY_STACK, ANY_STACK),
        (A | STACK, constant(0), A | STACK, A | STACK),
    ],
)
def test_add_and_subtract(left: Values, right: Values, total: Values, difference: Values) -> None:
    assert add(left, right) == add(right, left) == total
    assert subtract(left, right) == difference


def test_number() -> None:
    assert number(constant(-1)) == (1 << 64) - 1
    assert number(UNKNOWN) is number(RECORD | constant(0)) is None


def test_somewhere_has_no_numbers() -> None:
    assert somewhere(RECORD | constant(0)) == at(RECORD, None)
    assert somewhere(constant(0)) == UNKNOWN
    assert somewhere(ANY_STACK | A) == ANY_STACK
