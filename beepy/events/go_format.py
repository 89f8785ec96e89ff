"""Format values as Go prints them, as bee does: for labels, columns and filters alike."""

import math
import struct
from typing import Final

from beepy.text import escaped

# size of a float -> its struct, the decimal digits that every normal number keeps, and the
# smallest normal number
_NARROW: Final = {2: (struct.Struct("<e"), 3, 2.0**-14), 4: (struct.Struct("<f"), 6, 2.0**-126)}
_EXACT_DIGITS: Final = 9  # enough to distinguish any two floats of 4 bytes
_MINUTE: Final = 60_000_000_000
_UNITS: Final = ((1_000, 1, "ns"), (1_000_000, 1_000, "µs"), (1_000_000_000, 1_000_000, "ms"))


def narrow(value: float, size: int) -> float:
    """Return the float64 with the fewest digits that give a float of ``size`` bytes back.

    0.1 as a float32 is 0.10000000149011612; this returns 0.1.
    """
    if not math.isfinite(value):
        return value
    packer, kept, normal = _NARROW[size]
    for digits in range(kept if abs(value) >= normal else 1, _EXACT_DIGITS):
        short = float(f"{value:.{digits}g}")
        try:
            if packer.unpack(packer.pack(short)) == (value,):
                return short
        except OverflowError:  # rounded up to more than the largest
            continue
    return value


def real(value: float) -> str:
    """Return ``%v`` of a float64: the shortest digits that give the value back.

    An exponent is used below 1e-4 and from 1e+06 on (strconv.FormatFloat, 'g', -1).
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{value:.{max(len(_digits(value)) - 1, 0)}e}".partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    digits, power = mantissa.replace(".", "").rstrip("0"), int(exponent)
    if not digits:
        return f"{sign}0"
    if not -4 <= power < 6:
        tail = f".{digits[1:]}" if digits[1:] else ""
        return f"{sign}{digits[0]}{tail}e{power:+03d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    whole, tail = digits[: power + 1].ljust(power + 1, "0"), digits[power + 1 :]
    return f"{sign}{whole}.{tail}" if tail else f"{sign}{whole}"


def _digits(value: float) -> str:
    return repr(abs(value)).partition("e")[0].replace(".", "").strip("0")


def duration(nanoseconds: int) -> str:
    """Return Go's ``time.Duration.String()``: ``1.5ms``, ``1h2m3.000000001s``.

    The number wraps around as an int64, as in Go.
    """
    nanoseconds = (nanoseconds + (1 << 63)) % (1 << 64) - (1 << 63)
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if not rest:
        return "0s"
    for limit, unit, name in _UNITS:
        if rest < limit:
            return f"{sign}{_decimal(rest, unit)}{name}"
    minutes, rest = divmod(rest, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(rest, 1_000_000_000)}s"


def brief_duration(nanoseconds: int) -> str:
    """Return a duration for people: ``200.3ms``, ``1h2m3s``.

    It has four digits, and whole seconds from a minute on.
    """
    if abs(nanoseconds) >= _MINUTE:
        return duration(round(nanoseconds, -9))
    for limit, unit, name in _UNITS:
        if abs(nanoseconds) < limit:
            return f"{nanoseconds / unit:.4g}{name}" if nanoseconds else "0s"
    return f"{nanoseconds / 1_000_000_000:.4g}s"


def _decimal(value: int, unit: int) -> str:
    whole, part = divmod(value, unit)
    return f"{whole}.{str(unit + part)[1:].rstrip('0')}" if part else str(whole)


def boolean(value: object) -> str:
    """Return ``true`` or ``false``."""
    return "true" if value else "false"


def text(raw: bytes) -> str:
    r"""Return the text up to the first NUL, ``escaped``: bytes outside UTF-8 become ``\xNN``."""
    return escaped(raw.partition(b"\0")[0])
