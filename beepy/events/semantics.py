"""Typedefs with a meaning: bee's ``solo_types.h``. What needs this machine (users, symbols) is handed in by enrich."""

from collections.abc import Mapping
from typing import Final

from beepy.events import go_format
from beepy.events.codec import Codec

_MAPPED: Final = bytes(10) + b"\xff\xff"  # RFC 4291, 2.5.5.2


def ipv4(raw: bytes) -> str:
    """Return the dotted form of four bytes in network order."""
    return f"{raw[0]}.{raw[1]}.{raw[2]}.{raw[3]}"


def ipv6(raw: bytes) -> str:
    """Return the text of 16 bytes in network order (RFC 5952); an IPv4 address in IPv6's shape is dotted, as in Go."""
    if raw.startswith(_MAPPED):
        return ipv4(raw[12:])
    from socket import AF_INET6, inet_ntop  # noqa: PLC0415 - only who shows such an address pays for the import

    return inet_ntop(AF_INET6, raw)


def ipv4_bytes(text: str) -> bytes:
    """Return the four bytes of a dotted address, in network order. Raises ValueError that says what is expected."""
    from socket import AF_INET, inet_pton  # noqa: PLC0415 - few have such variables

    try:
        return inet_pton(AF_INET, text)
    except (OSError, ValueError):
        raise ValueError("an address such as 10.0.0.1") from None


def ipv6_bytes(text: str) -> bytes:
    """Return the 16 bytes of an IPv6 address. Raises ValueError that says what is expected."""
    from socket import AF_INET6, inet_pton  # noqa: PLC0415 - few have such variables

    try:
        return inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        raise ValueError("an address such as fe80::1") from None


_IPV4: Final = Codec("4s", 4, ipv4, str, width=15, cacheable=True, from_text=ipv4_bytes)

# typedef -> size of what it names -> how that is read; of another size the typedef has no meaning. Values that are no
# numbers are not added up over CPUs. bee's ipv6_addr is a u32 that it prints as four dotted bytes.
TABLE: Final[Mapping[str, Mapping[int, Codec]]] = {
    "ipv4_addr": {4: _IPV4},
    "ipv6_addr": {
        4: _IPV4,
        16: Codec("16s", 16, ipv6, str, width=39, cacheable=True, from_text=ipv6_bytes),
    },
    "duration": {8: Codec("Q", 8, None, go_format.duration, width=12, number=True, unit_ns=1)},
}
