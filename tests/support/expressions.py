"""Random expressions of ``--where`` with their meaning, written from ``docs/where.md`` alone.

An expression is made together with what it means, and a record as bytes together with its values,
so that nothing here parses, and nothing is shared with what is tested. What is made is chosen by
bytes: equal bytes make equal expressions, shorter ones simpler ones.
"""

import ipaddress
import operator
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias, TypeVar

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Schema
from tests.support.events import stream

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Scalar: TypeAlias = int | float | str | Address | Fraction
Record: TypeAlias = Mapping[str, Scalar | None]
"""Values by field, None for a member that the record does not have."""

Meaning: TypeAlias = Callable[[Record], bool | None]
"""What an expression is of a record: true, false, or None for what is not known."""

_T = TypeVar("_T")

_STATES: Final = {"IDLE": 0, "RUN": 1, "WAIT": 7, "GONE": 4_000_000_000}
_NAMES: Final = {
    "SIGKILL": 9, "SIGTERM": 15, "CAP_BPF": 39, "AF_INET": 2, "AF_INET6": 10, "IPPROTO_TCP": 6,
    "TCP_ESTABLISHED": 1, "TCP_LISTEN": 10,
}  # fmt: skip
_ERRNOS: Final = {"EPERM": 1, "ENOENT": 2, "EACCES": 13, "EEXIST": 17, "ETIMEDOUT": 110}
_EDGES: Final = (
    *(0, 1, 2, 3, 5, 6, 7, 9, 10, 13, 15, 39, 110, 127, 128, 255, 1024, 4096, 65_535, 65_536),
    *(1 << 20, 1 << 30, 1_500_000, 10_000_000, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 53),
    *((1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 127) - 1, (1 << 128) - 1),
)
_REALS: Final = (0.0, 1.0, -1.0, 1.5, -2.25, 0.1, 1e300, float(1 << 53), float("inf"))
_TEXTS: Final = (
    *("", "nginx", "ng", "bash", "a.b", "A", "say \"no\"", "it's", "back\\slash", "\u00e9t\u00e9"),
    *("0", "null", "not", "nginx: worker", "\u65e5\u672c", "(", "x" * 15),
)
_REGEXES: Final = ("^ng", "x$", "a.b", "A", "n?g+i", "^$", "[a-c]b", "(bash|ng)", "\u00e9", "")
_V4: Final = ("10.1.2.3", "10.0.0.0", "11.0.0.1", "127.0.0.1", "255.255.255.255", "0.0.0.0")
_V6: Final = ("fe80::1", "fe80::", "2001:db8::1", "::", "::1", "ffff::ffff")
_NETWORKS: Final = (
    *("10.0.0.0/8", "10.1.2.0/24", "0.0.0.0/0", "127.0.0.1/32", "fe80::/10", "::/0", "::1/128"),
    *("2001:db8::/32", "128.0.0.0/1"),
)
_UNITS: Final = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}  # fmt: skip
_MULTIPLES: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_COMPARISONS: Final[Mapping[str, Callable[[object, object], bool]]] = {
    "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_DEPTH: Final = 4


class Choices:
    """Choices that bytes make; when they are used up, the first of everything."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def below(self, count: int) -> int:
        return next(self._data, 0) % count

    def pick(self, values: Sequence[_T]) -> _T:
        return values[self.below(len(values))]

    def some(self, count: int) -> bytes:
        return bytes([self.below(256) for _ in range(count)])


class Made(NamedTuple):
    """An expression; ``binds`` is 3 for a test or what has parentheses, 2 not, 1 and, 0 or."""

    text: str
    binds: int
    meaning: Meaning


class Kind(NamedTuple):
    """A kind of field: its constants, each with its value, and the comparisons that it has."""

    constant: Callable[[Choices], tuple[str, Scalar]]
    orders: bool = True


class At(NamedTuple):
    """A field: ``fmt`` and ``start`` are where it is, ``value`` makes its value of that item."""

    kind: str
    fmt: str
    start: int
    value: Callable[..., Scalar] | None = None


def _number(choices: Choices, *, signed: bool = False) -> tuple[str, Scalar]:
    match choices.below(8):
        case 0:
            whole = choices.pick(_EDGES)
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
            edge = choices.pick(_EDGES)
            return f"{edge:#x}", edge
        case 5:
            edge = choices.pick(_EDGES)
            return f"-{edge}", -edge
        case _:
            edge = choices.pick(_EDGES)
            return f"{edge}", edge


def _signed_number(choices: Choices) -> tuple[str, Scalar]:
    return _number(choices, signed=True)


def _real(choices: Choices) -> tuple[str, Scalar]:
    if choices.below(2):
        edge = choices.pick(_EDGES[:20])
        return f"{edge}", edge
    real = choices.pick(_REALS[:6])
    return f"{real}", real


def _duration(choices: Choices) -> tuple[str, Scalar]:
    if choices.below(3):
        unit = choices.pick([*_UNITS])
        few = choices.below(20)
        return f"{few}{unit}", few * _UNITS[unit]
    edge = choices.pick(_EDGES)
    return f"{edge}", edge


def _state(choices: Choices) -> tuple[str, Scalar]:
    if choices.below(3):
        name = choices.pick([*_STATES])
        return name, _STATES[name]
    edge = choices.pick(_EDGES[:12])
    return f"{edge}", edge


def _text(choices: Choices) -> tuple[str, Scalar]:
    text = choices.pick(_TEXTS)
    quote = choices.pick("\"'")
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}", text


def _address(choices: Choices) -> tuple[str, Scalar]:
    text = choices.pick((*_V4, *_V6))
    return text, ipaddress.ip_address(text)


def _bool(choices: Choices) -> tuple[str, Scalar]:
    return choices.pick([("true", True), ("false", False)])


_KINDS: Final[Mapping[str, Kind]] = {
    "unsigned": Kind(_number),
    "signed": Kind(_signed_number),
    "real": Kind(_real),
    "duration": Kind(_duration),
    "state": Kind(_state),
    "text": Kind(_text, orders=False),
    "address": Kind(_address, orders=False),
    "bool": Kind(_bool, orders=False),
}


def _decoded(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def _shown_address(raw: bytes) -> Address:
    """Return the address; an IPv4-mapped one is shown, and so compared, as that of IPv4."""
    if len(raw) == 4:
        return ipaddress.IPv4Address(raw)
    address = ipaddress.IPv6Address(raw)
    return address.ipv4_mapped or address


def _wide(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


FIELDS: Final[Mapping[str, At]] = {
    "big": At("unsigned", "Q", 0),
    "small": At("signed", "q", 8),
    "took": At("duration", "Q", 16),
    "pid": At("unsigned", "I", 24),
    "ret": At("signed", "i", 28),
    "real": At("real", "d", 32),
    "state": At("state", "I", 40),
    "next": At("state", "I", 44),
    "failed": At("bool", "B", 48, bool),
    "flags": At("unsigned", "B", 49, lambda byte: byte & 0x1F),
    "delta": At("signed", "B", 49, lambda byte: (byte >> 5 ^ 4) - 4),
    "peer.port": At("unsigned", "H", 52),
    "peer.level": At("signed", "b", 54),
    "saddr": At("address", "4s", 56, _shown_address),
    "daddr": At("address", "16s", 60, _shown_address),
    "huge": At("unsigned", "16s", 80, _wide),
    "path": At("text", "8s", 96, _decoded),
    "comm": At("text", "16s", 104, _decoded),
}
SIZE: Final = 120


def schema(name: str = "print_exits") -> Schema:
    """Return the schema of a ring buffer whose records have ``FIELDS``."""
    w = BtfWriter()
    u32 = w.integer("unsigned int", 4, 0)
    u64, s64 = w.integer("unsigned long long", 8, 0), w.integer("long long", 8)
    u8, s8 = w.integer("unsigned char", 1, 0), w.integer("signed char", 1)
    s32 = w.integer()
    char = w.integer("char", 1)
    states = w.enum("state", _STATES)
    peer = w.struct("peer", 4, [("port", w.integer("unsigned short", 2, 0), 0), ("level", s8, 16)])
    members = [
        ("big", u64, 0), ("small", s64, 64), ("took", w.typedef("duration", u64), 128),
        ("pid", u32, 192), ("ret", s32, 224), ("real", w.real("double", 8), 256),
        ("state", states, 320), ("next", states, 352), ("failed", w.integer("_Bool", 1, 4), 384),
        ("flags", u8, 392, 5), ("delta", s8, 397, 3), ("peer", peer, 416),
        ("saddr", w.typedef("ipv4_addr", u32), 448),
        ("daddr", w.typedef("ipv6_addr", w.array(u8, 16)), 480),
        ("huge", w.integer("unsigned __int128", 16, 0), 640),
        ("path", w.array(char, 8), 768), ("comm", w.array(char, 16), 832),
    ]  # fmt: skip
    return stream(w, w.struct("event", SIZE, members), name)


def record(choices: Choices) -> bytes:
    """Return a record of random values; of each field some come often."""
    raw = bytearray(SIZE)
    for at in FIELDS.values():
        size = struct.calcsize(f"<{at.fmt}")
        item: bytes
        match at.kind:
            case "text":
                text = choices.pick((*_TEXTS, "\udcff"))
                item = text.encode("utf-8", "surrogateescape")[:size].ljust(size, b"\0")
            case "address" if size == 4:
                item = ipaddress.IPv4Address(choices.pick(_V4)).packed
            case "address":
                mapped = [f"::ffff:{text}" for text in _V4]
                item = ipaddress.IPv6Address(choices.pick((*_V6, *mapped))).packed
            case "real":
                item = struct.pack("<d", choices.pick((*_REALS, float("nan"))))
            case "state":
                item = struct.pack("<I", choices.pick((*_STATES.values(), 3)))
            case "bool":
                item = choices.pick((b"\0", b"\1"))
            case _:
                sign = choices.pick((1, 1, -1))
                number = sign * choices.pick((*_EDGES, choices.below(256)))
                item = (number & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        raw[at.start : at.start + size] = item
    return bytes(raw)


def values(raw: bytes) -> dict[str, Scalar | None]:
    """Return what a record, perhaps a short one, has in each field."""
    return {name: _value(at, raw) for name, at in FIELDS.items()}


def _value(at: At, raw: bytes) -> Scalar | None:
    size = struct.calcsize(f"<{at.fmt}")
    piece = raw[at.start : at.start + size]
    if at.kind == "text" and piece:  # an array of bytes ends where the record does
        return _decoded(piece)
    if len(piece) < size:
        return None
    (item,) = struct.unpack(f"<{at.fmt}", piece)
    value: Scalar = at.value(item) if at.value else item
    return value


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
    forms = [_against_constant, _against_field, _in_list, _is_null]
    match FIELDS[name].kind:
        case "text":
            forms.append(_match)
        case "address":
            forms.append(_in_network)
        case "bool":
            forms.append(_alone)
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
    like = [other for other, at in FIELDS.items() if at.kind == FIELDS[name].kind]
    other = choices.pick(like)
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
