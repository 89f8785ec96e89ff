"""Random records with a field of each type that is compared, and what they hold."""

import ipaddress
import struct
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias, TypeVar

from beepy.btf.writer import BtfWriter, Member
from beepy.events.batch import Schema
from tests.support.events import stream

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Scalar: TypeAlias = int | float | str | Address | Fraction
_T = TypeVar("_T")

V4: Final = ("10.1.2.3", "10.0.0.0", "11.0.0.1", "127.0.0.1", "255.255.255.255", "0.0.0.0")
V6: Final = ("fe80::1", "fe80::", "2001:db8::1", "::", "::1", "ffff::ffff")
STATES: Final = {"IDLE": 0, "RUN": 1, "WAIT": 7, "GONE": 4_000_000_000}
EDGES: Final = (
    *(0, 1, 2, 3, 5, 6, 7, 9, 10, 13, 15, 39, 110, 127, 128, 255, 1024, 4096, 65_535, 65_536),
    *(1 << 20, 1 << 30, 1_500_000, 10_000_000, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 53),
    *((1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 127) - 1, (1 << 128) - 1),
)
REALS: Final = (0.0, 1.0, -1.0, 1.5, -2.25, 0.1, 1e300, float(1 << 53), float("inf"))
TEXTS: Final = (
    *("", "nginx", "ng", "bash", "a.b", "A", 'say "no"', "it's", "back\\slash", "\u00e9t\u00e9"),
    *("0", "null", "not", "nginx: worker", "\u65e5\u672c", "(", "x" * 15),
)


class Choices:
    """Choices that bytes make; when they are used up, the first of everything."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def below(self, count: int) -> int:
        return next(self._data, 0) % count

    def pick(self, values: Sequence[_T]) -> _T:
        return values[self.below(len(values))]


class At(NamedTuple):
    """A field: ``fmt`` and ``start`` are where it is, ``value`` makes its value of that item."""

    kind: str
    fmt: str
    start: int
    value: Callable[..., Scalar] | None = None


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
    "wait_us": At("microseconds", "I", 120, lambda count: 1000 * count),
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
SIZE: Final = 124


def schema(name: str = "print_exits") -> Schema:
    """Return the schema of a ring buffer whose records have ``FIELDS``."""
    w = BtfWriter()
    u32 = w.integer("unsigned int", 4, 0)
    u64, s64 = w.integer("unsigned long long", 8, 0), w.integer("long long", 8)
    u8, s8 = w.integer("unsigned char", 1, 0), w.integer("signed char", 1)
    s32 = w.integer()
    char = w.integer("char", 1)
    states = w.enum("state", STATES)
    peer = w.struct("peer", 4, [("port", w.integer("unsigned short", 2, 0), 0), ("level", s8, 16)])
    members: list[Member] = [
        ("big", u64, 0), ("small", s64, 64), ("took", w.typedef("duration", u64), 128),
        ("pid", u32, 192), ("ret", s32, 224), ("real", w.real("double", 8), 256),
        ("state", states, 320), ("next", states, 352), ("failed", w.integer("_Bool", 1, 4), 384),
        ("flags", u8, 392, 5), ("delta", s8, 397, 3), ("peer", peer, 416),
        ("saddr", w.typedef("ipv4_addr", u32), 448),
        ("daddr", w.typedef("ipv6_addr", w.array(u8, 16)), 480),
        ("huge", w.integer("unsigned __int128", 16, 0), 640),
        ("path", w.array(char, 8), 768), ("wait_us", u32, 960), ("comm", w.array(char, 16), 832),
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
                text = choices.pick((*TEXTS, "\udcff"))
                item = text.encode("utf-8", "surrogateescape")[:size].ljust(size, b"\0")
            case "address" if size == 4:
                item = ipaddress.IPv4Address(choices.pick(V4)).packed
            case "address":
                mapped = [f"::ffff:{text}" for text in V4]
                item = ipaddress.IPv6Address(choices.pick((*V6, *mapped))).packed
            case "real":
                item = struct.pack("<d", choices.pick((*REALS, float("nan"))))
            case "state":
                item = struct.pack("<I", choices.pick((*STATES.values(), 3)))
            case "bool":
                item = choices.pick((b"\0", b"\1"))
            case _:
                sign = choices.pick((1, 1, -1))
                number = sign * choices.pick((*EDGES, choices.below(256)))
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
