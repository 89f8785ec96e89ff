"""Units of sizes and of times, as they are typed: ``64M``, ``1.5s``."""

from typing import Final

SIZES: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
"""The factor of a suffix, of bytes or of entries."""

NANOSECONDS: Final = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 24 * 3600 * 10**9,
}
"""How many nanoseconds a unit of time has."""
