"""Values that registers and stack slots hold, as far as the code alone decides them.

What paths through a program put into one place is joined::

    events                     and  events         {map events}
    a reserved record          and  NULL           {record of instruction 12, 0}
    stack - 40                 and  stack - 48     {stack, somewhere}
    a packet                   and  anything       UNKNOWN
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

_U64: Final = (1 << 64) - 1
_S64_MAX: Final = (1 << 63) - 1
_MAX_ALTERNATIVES: Final = 4
_ANY_FRAME: Final = -1
_CACHED: Final = 1024  # results: most numbers and sums of a program are needed again


class Kind(StrEnum):  # whose members are hashed without a call in Python
    """The kind of a value, with the meaning of its ``base``."""

    UNKNOWN = "unknown"
    CONSTANT = "constant"
    CONTEXT = "context"  # what the program is called with
    MAP = "map"  # base: the map's name
    INNER_MAP = "inner map"  # a map found in the map of maps ``base``
    ELEMENT = "element"  # the value of an entry of the map ``base``, or of a map in it
    DATA = "data"  # global variables: the map ``base`` of their section
    RECORD = "record"  # of a ring buffer; base: the instruction that reserved it
    STACK = "stack"  # base: the first instruction of the function whose stack it is
    FUNCTION = "function"  # a callback; base: its first instruction


class Value(NamedTuple):
    """A constant ``offset`` (unsigned, 64 bits), or an address ``offset`` bytes from its base.

    Offsets on a stack count from the frame pointer. None: an address somewhere in it.
    """

    kind: Kind
    base: str | int = 0
    offset: int | None = 0


Values: TypeAlias = frozenset[Value]
"""What a place may hold: one of these. ``UNKNOWN`` and ``ANY_STACK`` stand alone."""

UNKNOWN: Final[Values] = frozenset({Value(Kind.UNKNOWN)})
"""Anything but an address on a stack."""

ANY_STACK: Final[Values] = frozenset({Value(Kind.STACK, _ANY_FRAME, None)})
"""Anything, and perhaps an address on a stack, through which slots may be overwritten."""


@lru_cache(_CACHED)
def constant(number: int) -> Values:
    """Return a constant, of which the lower 64 bits count."""
    return frozenset({Value(Kind.CONSTANT, 0, number & _U64)})


def number(values: Values) -> int | None:
    """Return the only number that ``values`` may be, as an unsigned one; None if there is none."""
    if len(values) == 1:
        (value,) = values
        if value.kind is Kind.CONSTANT:
            return value.offset
    return None


def is_constant(values: Values) -> bool:
    """Tell whether ``values`` are constants only."""
    return all(value.kind is Kind.CONSTANT for value in values)


def may_be_stack(values: Values) -> bool:
    """Tell whether ``values`` may be an address on a stack."""
    for value in values:  # noqa: SIM110 - any() with a generator takes three times as long
        if value.kind is Kind.STACK:
            return True
    return False


def join(left: Values, right: Values) -> Values:
    """Return what holds on either of two paths."""
    if left is right or left == right:
        return left
    if left is UNKNOWN or right is UNKNOWN:
        return ANY_STACK if may_be_stack(left) or may_be_stack(right) else UNKNOWN
    bases: dict[tuple[Kind, str | int], Value] = {}
    for value in (*left, *right):
        key = value.kind, value.base
        known = bases.setdefault(key, value)
        if known.offset != value.offset:
            bases[key] = value._replace(offset=None)
    joined = frozenset(bases.values())
    if len(joined) > _MAX_ALTERNATIVES or any(_absorbs(value) for value in joined):
        return ANY_STACK if may_be_stack(joined) else UNKNOWN
    return left if joined == left else joined


def _absorbs(value: Value) -> bool:
    is_any_number = value.kind is Kind.CONSTANT and value.offset is None
    return value.kind is Kind.UNKNOWN or value.base == _ANY_FRAME or is_any_number


def add(left: Values, right: Values) -> Values:
    """Return the sum of two operands."""
    if (step := number(right)) is not None:
        return moved(left, step)
    if (step := number(left)) is not None:
        return moved(right, step)
    return somewhere(left | right)


def subtract(left: Values, right: Values) -> Values:
    """Return the difference of two operands."""
    step = number(right)
    return somewhere(left) if step is None else moved(left, -step)


def somewhere(values: Values) -> Values:
    """Return addresses with unknown offsets for those in ``values``, UNKNOWN if there is none."""
    if values is UNKNOWN or values is ANY_STACK:
        return values
    addresses = [
        value._replace(offset=None)
        for value in values
        if value.kind not in (Kind.CONSTANT, Kind.UNKNOWN)
    ]
    if len(set(addresses)) > _MAX_ALTERNATIVES or any(_absorbs(value) for value in addresses):
        return ANY_STACK if may_be_stack(values) else UNKNOWN
    return frozenset(addresses) or UNKNOWN


@lru_cache(_CACHED)
def moved(values: Values, step: int) -> Values:
    """Return ``values`` with a constant added, of which the lower 64 bits count."""
    if not step or values is UNKNOWN or values is ANY_STACK:
        return values
    step &= _U64
    signed = step - (1 << 64) if step > _S64_MAX else step
    sums = []
    for value in values:
        kind, base, offset = value
        if kind is Kind.CONSTANT and offset is not None:
            sums.append(Value(kind, base, offset + step & _U64))
        elif offset is not None:
            sums.append(Value(kind, base, offset + signed))
        else:
            sums.append(value)
    return frozenset(sums)
