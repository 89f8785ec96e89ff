"""The types of fields, and the values of constants beside them."""

import re
import struct
from enum import Enum
from fractions import Fraction
from typing import Any, Final

from beepy.btf import types
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.events import enums, meaning, numbers
from beepy.events.batch import Schema
from beepy.events.codec import Codec
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.where import tree
from beepy.text import safe
from beepy.units import NANOSECONDS, SIZES

_NUMBER: Final = re.compile(
    r"(-?)(0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?(?:[eE]-?[0-9]+)?)([a-zA-Z]*)"
)
_REALS: Final = frozenset("efd")
_SIGNED: Final = frozenset("bhiq")
_MAX_EXPONENT: Final = 400
_ADDRESSES: Final = frozenset(("ipv4_addr", "ipv6_addr", "gadget_ip_addr_t"))
_BOOLS: Final = {"true": True, "false": False}


class Type(Enum):
    """What a field is compared with; the values are for messages."""

    NUMBER = "a number"
    DURATION = "a duration"
    BOOL = "true or false"
    ENUM = "an enum"
    TEXT = "a text"
    ADDRESS = "an address"


def type_of(decoder: Decoder, field: Field) -> Type | None:
    """Return the type of a field, None for arrays and structs."""
    codec = field.codec
    if codec.inner:
        return None
    if codec.number:
        return Type.DURATION if unit_of(decoder, field) else Type.NUMBER
    if codec.to_number is not None:
        return Type.ENUM if _enum(decoder.schema, field) else Type.BOOL
    return Type.TEXT if _ADDRESSES.isdisjoint(field.typedefs) else Type.ADDRESS


def value(decoder: Decoder, field: Field, kind: Type, constant: tree.Constant) -> object:
    """Return the value that a constant has beside a field. Raises ValueError with the reason."""
    shown = safe(constant.text)
    match kind:
        case Type.BOOL:
            if constant.text in _BOOLS and constant.kind == "name":
                return _BOOLS[constant.text]
            raise ValueError(f"'{shown}': expected true or false")
        case Type.TEXT | Type.ADDRESS:
            if constant.kind == "text":
                return constant.text
            raise ValueError(f"'{shown}': expected a text in quotes: \"{shown}\"")
        case Type.NUMBER | Type.DURATION | Type.ENUM:
            if constant.kind == "name":
                return _named(decoder, field, constant.text)
            if constant.kind != "number":
                raise ValueError(f"'{shown}': expected a number: the field is {kind.value}")
            number = _number(constant.text, unit_of(decoder, field))
            return number if isinstance(number, int) else _rounded(number, field.codec)
    raise AssertionError(kind)


def _named(decoder: Decoder, field: Field, name: str) -> int:
    """Return the number of an enumerator, or of an errno, a signal, ..."""
    enum = _enum(decoder.schema, field)
    if enum:
        known = {enumerator.name: enumerator.value for enumerator in enum.values}
        if name in known:
            return known[name]
        from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

        similar = get_close_matches(name[:64], known, 3) or list(known)[:4]
        raise ValueError(f"'{safe(name)}': not of the enum: {', '.join(map(safe, similar))}, ...")
    number = numbers.by_name(name)
    if number is None:
        raise ValueError(f"'{safe(name)}': neither a field nor the name of a number")
    is_signed = not _SIGNED.isdisjoint((field.codec.code, field.codec.integer))
    return -number if is_signed and numbers.is_errno(name) else number


def _number(text: str, unit_ns: int) -> int | Fraction:
    """Return a number; with a unit of time, in a field's own of ``unit_ns`` nanoseconds."""
    parts = _NUMBER.fullmatch(text)
    if not parts:
        raise ValueError(f"'{safe(text)}': not a number")
    sign, digits, unit = parts.groups()
    if digits[:2] in ("0x", "0X"):
        plain = Fraction(int(digits, 16))
    elif abs(int(digits.lower().partition("e")[2] or 0)) > _MAX_EXPONENT:
        raise ValueError(f"'{safe(text)}': out of range")
    else:
        plain = Fraction(digits)
    plain = -plain if sign else plain
    if unit in NANOSECONDS and unit_ns:
        plain *= Fraction(NANOSECONDS[unit], unit_ns)
    elif unit in SIZES:
        plain *= SIZES[unit]
    elif unit in NANOSECONDS:
        raise ValueError(f"'{safe(text)}': a time, and the field is none")
    elif unit:
        hint = ": K is 1024" if unit == "k" else ""
        raise ValueError(f"'{safe(text)}': unknown unit '{safe(unit)}'{hint}")
    return plain.numerator if plain.denominator == 1 else plain


def _rounded(number: Fraction, codec: Codec) -> Any:  # noqa: ANN401 - of the field's type
    """Return a number with decimals as a field of real numbers has it: its own 0.1."""
    if codec.code not in _REALS:
        return number
    try:
        (rounded,) = struct.unpack(f"<{codec.code}", struct.pack(f"<{codec.code}", number))
    except OverflowError:  # beyond all that the field can have
        return number
    return codec.value(rounded) if codec.value else rounded


def unit_of(decoder: Decoder, field: Field) -> int:
    """Return how many nanoseconds one count of a duration is, 0 for a field that is none."""
    return meaning.duration_unit(field, decoder.fields)


def _enum(schema: Schema, field: Field) -> types.Enum | types.Enum64 | None:
    """Return the enum of a field, with the kernel's numbers."""
    _, resolved = skip_mods_and_typedefs(schema.btf, field.type)
    if not isinstance(resolved, types.Enum | types.Enum64):
        return None
    kernel = schema.kernel()
    return enums.renumbered(resolved, kernel) if kernel else resolved
