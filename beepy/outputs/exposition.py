"""Write Prometheus' text format 0.0.4, byte for byte as Go's client does.

::

    # HELP name help            (without a help text the line ends in one blank)
    # TYPE name counter
    name{a="x",b="y"} 1
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_TO_ESCAPE = re.compile('[\\\\"\n\ud800-\udfff]')


def number(value: float) -> str:
    """Return a sample's value as Go's ``strconv.FormatFloat(value, 'g', -1, 64)``: ``1.5e+07``."""
    if -1_000_000 < value < 1_000_000 and isinstance(value, int):
        return str(int(value))
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    # repr() has the same digits as Go, the shortest that give the value back. Only from 1e6 to 1e16
    # it has no exponent where Go has one.
    text = repr(value)
    if "e" in text or abs(value) < 1e6:
        return text.removesuffix(".0")
    sign, text = ("-", text[1:]) if value < 0 else ("", text)
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).rstrip("0")
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{sign}{mantissa}e+{len(whole) - 1:02}"


def label_texts(names: Sequence[str], columns: Sequence[Sequence[str]], rows: int) -> list[str]:
    r"""Return ``a="x",b="y"`` for each row of ``columns``, one column per name; "" without names.

    ``\``, ``"`` and newlines are escaped. Bytes that are not UTF-8 (as surrogateescape holds them)
    become ``\xNN``. Texts are equal if and only if all labels are.
    """
    if not names:
        return [""] * rows
    template = ",".join([f'{name}="%s"' for name in names])
    escaped = [_escape(column) for column in columns]
    return [template % row for row in zip(*escaped, strict=True)]


def _escape(column: Sequence[str]) -> Sequence[str]:
    # One search over the whole column: most columns have nothing to escape.
    if not _TO_ESCAPE.search("".join(column)):
        return column
    return [_TO_ESCAPE.sub(_escape_match, text) for text in column]


def _escape_match(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code < 0x80:
        return "\\n" if character == "\n" else "\\" + character
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape's form of the byte
        return f"\\\\x{code - 0xDC00:02x}"
    return f"\\\\u{code:04x}"


def head(name: str, kind: str, help_text: str = "") -> str:
    """Return the two lines above a metric's samples; ``kind`` is its type."""
    escaped = help_text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {escaped}\n# TYPE {name} {kind}\n"


def samples(name: str, series: Mapping[str, float]) -> Iterator[str]:
    """Yield one line per series; the keys are texts of ``label_texts``."""
    for labels, value in series.items():
        # Most values are small integers, which need no call.
        text = value if value.__class__ is int and 0 <= value < 1_000_000 else number(value)
        yield f"{name}{{{labels}}} {text}\n" if labels else f"{name} {text}\n"


class Histogram:
    """The values observed with one set of labels.

    ``counts[i]`` is the number of values in ``(bounds[i - 1], bounds[i]]``, not cumulative; the
    last one counts those above all bounds. ``total`` is the sum of the values.
    """

    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.total: float = 0

    def observe(self, bounds: Sequence[float], value: float, times: int) -> None:
        """Add a value observed ``times`` times; NaN is above all bounds, as in Go."""
        is_nan = value != value  # noqa: PLR0124 - math.isnan is a call for each value
        self.counts[-1 if is_nan else bisect_left(bounds, value)] += times
        self.total += value * times


def histogram_samples(
    name: str, bounds: Sequence[float], series: Mapping[str, Histogram]
) -> Iterator[str]:
    """Yield the lines of each histogram: cumulative buckets, sum, count; ``le`` comes last."""
    edges = [f'le="{number(bound)}"}} ' for bound in (*bounds, math.inf)]
    for labels, histogram in series.items():
        bucket = f"{name}_bucket{{{labels}," if labels else f"{name}_bucket{{"
        braced = f"{{{labels}}} " if labels else " "
        count = 0
        for edge, value in zip(edges, histogram.counts, strict=True):
            count += value
            yield f"{bucket}{edge}{number(count)}\n"
        yield f"{name}_sum{braced}{number(histogram.total)}\n"
        yield f"{name}_count{braced}{number(count)}\n"
