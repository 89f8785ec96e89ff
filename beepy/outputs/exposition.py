"""Prometheus' text format 0.0.4, byte for byte as Go's client writes it. Pure: names and numbers in, lines out.

::

    # HELP name help            (no help: the line ends in one blank)
    # TYPE name counter
    name{a="x",b="y"} 1
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPED = re.compile('[\\\\"\n\ud800-\udfff]')


def number(value: float) -> str:
    """Return a sample's value as Go's ``strconv.FormatFloat(value, 'g', -1, 64)``: ``1``, ``1e+06``, ``1.5e+07``."""
    if -1_000_000 < value < 1_000_000 and isinstance(value, int):
        return str(int(value))
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    text = repr(value)  # the shortest digits, as Go's; only their shape differs between 1e6 and 1e16
    if "e" in text or abs(value) < 1e6:
        return text.removesuffix(".0")
    sign, text = ("-", text[1:]) if value < 0 else ("", text)
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).rstrip("0")
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{sign}{mantissa}e+{len(whole) - 1:02}"


def label_texts(names: Sequence[str], columns: Sequence[Sequence[str]], rows: int) -> list[str]:
    r"""Return ``a="x",b="y"`` for each row of ``columns``, one column a name; "" where there are no names.

    ``\``, ``"`` and newlines are escaped; bytes that are no UTF-8 (as surrogateescape holds them) become ``\xNN``.
    Equal texts mean equal labels.
    """
    if not names:
        return [""] * rows
    template = ",".join([f'{name}="%s"' for name in names])
    return [template % row for row in zip(*[_escape(column) for column in columns], strict=True)]


def _escape(column: Sequence[str]) -> Sequence[str]:
    if not _ESCAPED.search("".join(column)):
        return column
    return [_ESCAPED.sub(_escaped, text) for text in column]


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code < 0x80:
        return "\\n" if character == "\n" else "\\" + character
    return f"\\\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\\\u{code:04x}"


def head(name: str, kind: str) -> str:
    """Return the two lines that come before a metric's samples."""
    return f"# HELP {name} \n# TYPE {name} {kind}\n"


def samples(name: str, series: Mapping[str, float]) -> Iterator[str]:
    """Return one line a series; the keys are texts of ``label_texts``."""
    for labels, value in series.items():
        shown = value if value.__class__ is int and 0 <= value < 1_000_000 else number(value)
        yield f"{name}{{{labels}}} {shown}\n" if labels else f"{name} {shown}\n"


class Histogram:
    """What was observed under one set of labels.

    ``counts[i]`` counts values of at most ``bounds[i]`` that are in no bucket before (not cumulative), the last one all
    others; ``total`` is the sum of the values.
    """

    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.total: float = 0

    def observe(self, bounds: Sequence[float], value: float, times: int) -> None:
        """Add a value seen ``times`` times; NaN is greater than every bound, as in Go."""
        self.counts[bisect_left(bounds, value) if value == value else -1] += times  # noqa: PLR0124 - NaN
        self.total += value * times


def histogram_samples(name: str, bounds: Sequence[float], series: Mapping[str, Histogram]) -> Iterator[str]:
    """Return the lines of each histogram: its buckets, cumulative, then sum and count; ``le`` is the last label."""
    edges = [f'le="{number(bound)}"}} ' for bound in (*bounds, math.inf)]
    for labels, histogram in series.items():
        bucket = f"{name}_bucket{{{labels}," if labels else f"{name}_bucket{{"
        plain = f"{{{labels}}} " if labels else " "
        count = 0
        for edge, value in zip(edges, histogram.counts, strict=True):
            count += value
            yield f"{bucket}{edge}{number(count)}\n"
        yield f"{name}_sum{plain}{number(histogram.total)}\n"
        yield f"{name}_count{plain}{number(count)}\n"
