"""Typedefs with a meaning: those of bee's ``solo_types.h``, and our own."""

from collections.abc import Iterator, Mapping
from typing import Final

from beepy.btf.btf import Btf
from beepy.btf.layout import typedef_names
from beepy.btf.types import TypeId
from beepy.events import go_format
from beepy.events.codec import Codec

REST_LENGTH: Final = "beepy_rest_length"
"""A typedef of an array without a length: how many bytes of the record are left."""

_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96 (RFC 4291, 2.5.5.2)


def ipv4(raw: bytes) -> str:
    """Return the dotted form of four bytes in network order."""
    return f"{raw[0]}.{raw[1]}.{raw[2]}.{raw[3]}"


def ipv6(raw: bytes) -> str:
    """Return the text of 16 bytes in network order (RFC 5952).

    An IPv4-mapped address has the dotted form alone, as in Go.
    """
    if raw.startswith(_IPV4_MAPPED):
        return ipv4(raw[12:])
    from socket import AF_INET6, inet_ntop  # noqa: PLC0415 - few records have such an address

    return inet_ntop(AF_INET6, raw)


def ipv4_bytes(text: str) -> bytes:
    """Return the four bytes of a dotted address, in network order.

    Raises ValueError; its text says what was expected.
    """
    from socket import AF_INET, inet_pton  # noqa: PLC0415 - few have such variables

    try:
        return inet_pton(AF_INET, text)
    except (OSError, ValueError):
        raise ValueError("an address such as 10.0.0.1") from None


def ipv6_bytes(text: str) -> bytes:
    """Return the 16 bytes of an IPv6 address.

    Raises ValueError; its text says what was expected.
    """
    from socket import AF_INET6, inet_pton  # noqa: PLC0415 - few have such variables

    try:
        return inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        raise ValueError("an address such as fe80::1") from None


_IPV4: Final = Codec(
    code="4s",
    size=4,
    value=ipv4,
    text=str,
    width=15,
    cacheable=True,
    from_text=ipv4_bytes,
)
_IPV6: Final = Codec(
    code="16s",
    size=16,
    value=ipv6,
    text=str,
    width=39,
    cacheable=True,
    from_text=ipv6_bytes,
)
_LENGTH: Final = Codec(
    code="0s",
    size=0,
    value=len,
    text=str,
    width=6,
    number=True,
    open_ended=True,
    integer="I",
)
_DURATION: Final = Codec(
    code="Q",
    size=8,
    value=None,
    text=go_format.duration,
    width=12,
    number=True,
    unit_ns=1,
)

# typedef -> size of its type -> codec; with any other size the typedef has no meaning. Values that
# are not numbers are not added up over CPUs.
TABLE: Final[Mapping[str, Mapping[int, Codec]]] = {
    "ipv4_addr": {4: _IPV4},
    "ipv6_addr": {4: _IPV4, 16: _IPV6},  # bee's is a u32, which it prints as four dotted bytes
    "duration": {8: _DURATION},
    REST_LENGTH: {0: _LENGTH},
}


def codec_of(typedef: str, size: int) -> Codec | None:
    """Return the codec of a typedef's values of ``size`` bytes, None if it has no meaning."""
    return TABLE.get(typedef, {}).get(size)


def rows(btf: Btf, type_id: TypeId) -> Iterator[Mapping[int, Codec]]:
    """Yield the rows of the table for the typedefs of a type, the outermost typedef first."""
    for name in typedef_names(btf, type_id):
        if name in TABLE:
            yield TABLE[name]


def codec(btf: Btf, type_id: TypeId, size: int) -> Codec | None:
    """Return the codec of the outermost typedef with a meaning for ``size`` bytes, None if none."""
    return next((row[size] for row in rows(btf, type_id) if size in row), None)
