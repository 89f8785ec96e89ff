"""Random expressions of ``--where`` with their meaning, written from ``docs/where.md`` alone.

An expression is made together with what it means, so that nothing here parses, and nothing is
shared with what is tested. What is made is chosen by bytes: equal bytes make equal expressions,
shorter ones simpler ones.
"""

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple, TypeAlias

from tests.support.compared import (
    EDGES,
    FIELDS,
    REALS,
    STATES,
    TEXTS,
    V4,
    V6,
    Choices,
    Scalar,
)

Record: TypeAlias = Mapping[str, Scalar | None]
"""Values by field, None for a member that the record does not have."""

Meaning: TypeAlias = Callable[[Record], bool | None]
"""What an expression is of a record: true, false, or None for what is not known."""

_NAMES: Final = {
    "SIGKILL": 9, "SIGTERM": 15, "CAP_BPF": 39, "AF_INET": 2, "AF_INET6": 10, "IPPROTO_TCP": 6,
    "TCP_ESTABLISHED": 1, "TCP_LISTEN": 10,
}  # fmt: skip
_ERRNOS: Final = {"EPERM": 1, "ENOENT": 2, "EACCES": 13, "EEXIST": 17, "ETIMEDOUT": 110}
_REGEXES: Final = ("^ng", "x$", "a.b", "A", "n?g+i", "^$", "[a-c]b", "(bash|ng)", "\u00e9", "")
_NETWORKS: Final = (
    *("10.0.0.0/8", "10.1.2.0/24", "0.0.0.0/0", "127.0.0.1/32", "fe80::/10", "::/0", "::1/128"),
    *("2001:db8::/32", "128.0.0.0/1"),
)
_UNITS: Final = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}  # fmt: skip
_MULTIPLES: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_DEPTH: Final = 4


class Made(NamedTuple):
    """An expression; ``binds`` is 3 for a test or what has parentheses, 2 not, 1 and, 0 or."""

    text: str
    binds: int
    meaning: Meaning


class Kind(NamedTuple):
    """A kind of field: its constants, each with its value, and the comparisons that it has."""

    constant: Callable[[Choices], tuple[str, Scalar]]
    orders: bool = True


def _number(choices: Choices, *, signed: bool = False) -> tuple[str, Scalar]:
    match choices.below(8):
        case 0:
            whole = choices.pick(EDGES)
            return f"{whole}.5", Fraction(2 * whole + 1, 2)
        case 1:
            unit = choices.pick([*_MULTIPLES])
            few = choices.below(9)
            return f"{few}{unit}", few * _MULTIPLES[unit]
        case 2:
            name = choices.pick([*_NAMES])
            return name, _NAMES[name]
        case 3:
            name = choices.pick([*_ERRNOS])
            return name, -_ERRNOS[name] if signed else _ERRNOS[name]
        case 4:
            edge = choices.pick(EDGES)
            return f"{edge:#x}", edge
        case 5:
            edge = choices.pick(EDGES)
            return f"-{edge}", -edge
        case _:
            edge = choices.pick(EDGES)
            return f"{edge}", edge


def _signed_number(choices: Choices) -> tuple[str, Scalar]:
    return _number(choices, signed=True)


def _real(choices: Choices) -> tuple[str, Scalar]:
    if choices.below(2):
        edge = choices.pick(EDGES[:20])
        return f"{edge}", edge
    real = choices.pick(REALS[:6])
    return f"{real}", real


def _duration(choices: Choices) -> tuple[str, Scalar]:
    if choices.below(3):
        return _time(choices)
    edge = choices.pick(EDGES)
    return f"{edge}", edge


def _time(choices: Choices) -> tuple[str, Scalar]:
    unit = choices.pick([*_UNITS])
    few = choices.below(20)
    return f"{few}{unit}", few * _UNITS[unit]


def _microseconds(choices: Choices) -> tuple[str, Scalar]:
    """Return a duration beside a field whose own unit is the microsecond."""
    if choices.below(3):
        return _time(choices)
    edge = choices.pick(EDGES)
    return f"{edge}", edge * _UNITS["us"]


def _state(choices: Choices) -> tuple[str, Scalar]:
    if choices.below(3):
        name = choices.pick([*STATES])
        return name, STATES[name]
    edge = choices.pick(EDGES[:12])
    return f"{edge}", edge


def _text(choices: Choices) -> tuple[str, Scalar]:
    text = choices.pick(TEXTS)
    quote = choices.pick("\"'")
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}", text


def _address(choices: Choices) -> tuple[str, Scalar]:
    text = choices.pick((*V4, *V6))
    return text, ipaddress.ip_address(text)


def _bool(choices: Choices) -> tuple[str, Scalar]:
    return choices.pick([("true", True), ("false", False)])


_KINDS: Final[Mapping[str, Kind]] = {
    "unsigned": Kind(_number),
    "signed": Kind(_signed_number),
    "real": Kind(_real),
    "duration": Kind(_duration),
    "microseconds": Kind(_microseconds),
    "state": Kind(_state),
    "text": Kind(_text, orders=False),
    "address": Kind(_address, orders=False),
    "bool": Kind(_bool, orders=False),
}

# kinds that are compared with each other
_LIKE: Final = {kind: kind for kind in _KINDS} | {
    "microseconds": "duration",
    "signed": "number",
    "unsigned": "number",
    "real": "number",
}


def expression(choices: Choices, depth: int = _DEPTH) -> Made:
    """Return a random expression."""
    match choices.below(6) if depth else 0:
        case 1 | 2:
            return _joined(choices, depth, "and", 1)
        case 3:
            return _joined(choices, depth, "or", 0)
        case 4:
            inner = expression(choices, depth - 1)
            text = f"not{_space(choices)}{_within(choices, inner, 2)}"
            return Made(text, 2, lambda record: _opposite(inner.meaning(record)))
        case 5:
            inner = expression(choices, depth - 1)
            return Made(f"({_blank(choices)}{inner.text})", 3, inner.meaning)
        case _:
            return _test(choices)


def _joined(choices: Choices, depth: int, word: str, binds: int) -> Made:
    left, right = expression(choices, depth - 1), expression(choices, depth - 1)
    sides = _within(choices, left, binds), _within(choices, right, binds)
    decisive = word == "or"  # one side that is so decides

    def meaning(record: Record) -> bool | None:
        both = left.meaning(record), right.meaning(record)
        if decisive in both:
            return decisive
        return None if None in both else not decisive

    return Made(f"{_space(choices)}{word}{_space(choices)}".join(sides), binds, meaning)


def _within(choices: Choices, inner: Made, binds: int) -> str:
    """Return the text of a part of something: in parentheses where it binds less, or at random."""
    if inner.binds < binds or not choices.below(8):
        return f"({inner.text})"
    return inner.text


def _opposite(known: bool | None) -> bool | None:
    return None if known is None else not known


def _test(choices: Choices) -> Made:
    name = choices.pick([*FIELDS])
    kind = _KINDS[FIELDS[name].kind]
    forms: list[_Form] = [_against_constant, _against_field, _in_list, _is_null]
    forms += _MORE.get(FIELDS[name].kind, ())
    text, meaning = choices.pick(forms)(choices, name, kind)
    return Made(text, 3, meaning)


def _against_constant(choices: Choices, name: str, kind: Kind) -> tuple[str, Meaning]:
    sign = _comparison(choices, kind)
    text, constant = kind.constant(choices)
    compare = _COMPARISONS[sign]
    test = _known(name, lambda value: compare(value, constant))
    return f"{name}{_blank(choices)}{sign}{_blank(choices)}{text}", test


def _against_field(choices: Choices, name: str, kind: Kind) -> tuple[str, Meaning]:
    sign = _comparison(choices, kind)
    alike = _LIKE[FIELDS[name].kind]
    other = choices.pick([field for field, at in FIELDS.items() if _LIKE[at.kind] == alike])
    compare = _COMPARISONS[sign]

    def meaning(record: Record) -> bool | None:
        left, right = record[name], record[other]
        return None if left is None or right is None else compare(left, right)

    return f"{name}{_blank(choices)}{sign}{_blank(choices)}{other}", meaning


def _in_list(choices: Choices, name: str, kind: Kind) -> tuple[str, Meaning]:
    made = [kind.constant(choices) for _ in range(1 + choices.below(4))]
    constants = [constant for _, constant in made]
    test = _known(name, lambda value: any(value == constant for constant in constants))
    listed = f",{_blank(choices)}".join([text for text, _ in made])
    return _with_in(choices, name, f"({listed})", test)


def _in_network(choices: Choices, name: str, kind: Kind) -> tuple[str, Meaning]:
    text = choices.pick(_NETWORKS)
    network = ipaddress.ip_network(text)
    if choices.below(2):
        other_text, other = kind.constant(choices)
        test = _known(name, lambda value: value == other or value in network)
        return _with_in(choices, name, f"({other_text}, {text})", test)
    return _with_in(choices, name, text, _known(name, lambda value: value in network))


def _with_in(choices: Choices, name: str, of: str, test: Meaning) -> tuple[str, Meaning]:
    if choices.below(3):
        return f"{name}{_space(choices)}in{_space(choices)}{of}", test
    return f"{name} not{_space(choices)}in {of}", lambda record: _opposite(test(record))


def _is_null(choices: Choices, name: str, _kind: Kind) -> tuple[str, Meaning]:
    if choices.below(2):
        return f"{name} is null", lambda record: record[name] is None
    return f"{name} is{_space(choices)}not null", lambda record: record[name] is not None


def _match(choices: Choices, name: str, _kind: Kind) -> tuple[str, Meaning]:
    regex = choices.pick(_REGEXES)
    test = _known(name, lambda value: bool(re.search(regex, str(value))))
    if choices.below(3):
        return f'{name}{_blank(choices)}~{_blank(choices)}"{regex}"', test
    return f"{name} !~ '{regex}'", lambda record: _opposite(test(record))


def _alone(_choices: Choices, name: str, _kind: Kind) -> tuple[str, Meaning]:
    return name, _known(name, bool)


_Form: TypeAlias = Callable[[Choices, str, Kind], tuple[str, Meaning]]
_MORE: Final[Mapping[str, Sequence[_Form]]] = {
    "text": (_match,),
    "address": (_in_network,),
    "bool": (_alone,),
}


def _known(name: str, test: Callable[[Scalar], bool]) -> Meaning:
    def meaning(record: Record) -> bool | None:
        value = record[name]
        return None if value is None else test(value)

    return meaning


def _comparison(choices: Choices, kind: Kind) -> str:
    return choices.pick([*_COMPARISONS][: 6 if kind.orders else 2])


def _blank(choices: Choices) -> str:
    return choices.pick(("", " ", " ", "  "))


def _space(choices: Choices) -> str:
    return choices.pick((" ", " ", "  ", "\t"))
