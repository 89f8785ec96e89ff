"""What ``-b`` and ``-k`` say: bounds of a histogram's buckets, and the field that is a metric's value."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, TypeVar

from beepy.errors import UsageError
from beepy.text import safe

_T = TypeVar("_T")

DEFAULT_BUCKETS: Final = (0.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)  # bee's
MAX_SERIES: Final = 10_000  # of one metric, before the one that all others count in

_MAX_BUCKETS: Final = 1000


def all_buckets(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return the bounds of each map that -b names. Raises UsageError, for a map that is named twice too."""
    return _by_map("--hist-buckets", texts, parse_buckets)


def all_value_keys(texts: Sequence[str]) -> dict[str, str]:
    """Return the field of each map that -k names. Raises UsageError, for a map that is named twice too."""
    return _by_map("--hist-value-key", texts, parse_value_key)


def _by_map(option: str, texts: Sequence[str], parse: Callable[[str], tuple[str, _T]]) -> dict[str, _T]:
    found: dict[str, _T] = {}
    for text in texts:
        name, value = parse(text)
        if name in found:
            raise UsageError(f"{option} '{safe(text)}': map '{safe(name)}' is named twice")
        found[name] = value
    return found


def parse_buckets(text: str) -> tuple[str, tuple[float, ...]]:
    """Return map and bounds of ``map,[1,2.5,1e3]``; the bucket of all others (``+Inf``) may be named, and is left out.

    Raises UsageError unless the bounds are numbers that rise.
    """
    where = f"--hist-buckets '{safe(text)}'"
    name, comma, listed = [part.strip() for part in text.partition(",")]
    if not name or not comma or not (listed.startswith("[") and listed.endswith("]")):
        raise UsageError(f"{where}: expected map,[1,2,3]")
    try:
        bounds = [float(bound) for bound in listed[1:-1].split(",")]
    except ValueError:
        raise UsageError(f"{where}: expected numbers between the brackets") from None
    if bounds[-1] == math.inf:
        bounds.pop()
    if not bounds or not all(map(math.isfinite, bounds)):
        raise UsageError(f"{where}: expected finite bounds, at least one")
    if any(low >= high for low, high in pairwise(bounds)):
        raise UsageError(f"{where}: bounds do not rise")
    if len(bounds) > _MAX_BUCKETS:
        raise UsageError(f"{where}: {len(bounds)} bounds exceed {_MAX_BUCKETS}")
    return name, tuple(bounds)


def parse_value_key(text: str) -> tuple[str, str]:
    """Return map and field of ``map,field``; raises UsageError."""
    name, _, field = [part.strip() for part in text.partition(",")]
    if not name or not field or "," in field:
        raise UsageError(f"--hist-value-key '{safe(text)}': expected map,field")
    return name, field
