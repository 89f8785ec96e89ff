"""The buckets of a histogram: its numbers in the map, and their upper bounds in the metric.

::

    bucket_type     number 0, 1, 2, 3      upper bound, times bucket_multiplier
    exp2                                   1, 2, 4, 8
    exp2zero                               0, 1, 2, 4
    linear                                 0, 1, 2, 3
    fixed           one of bucket_keys     the number itself
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from beepy.conventions.yaml_values import integer, items, real, text, wrong
from beepy.errors import UnsupportedImage
from beepy.obj.exporter import Buckets, Scale
from beepy.yaml_text import Node

_MAX_BUCKETS: Final = 4096
_MAX_NUMBER: Final = 1 << 53
_MAX_EXPONENT: Final = 1000  # 2 to the power of 1024 is no float any more


def read(node: Mapping[str, Node], where: str) -> Buckets:
    """Return the buckets that a histogram's YAML describes. Raises UnsupportedImage."""
    kind = text(node.get("bucket_type"), f"{where}: bucket_type")
    if kind not in [scale.value for scale in Scale]:
        expected = ", ".join([scale.value for scale in Scale])
        raise wrong(f"{where}: bucket_type", expected, kind)
    scale = Scale(kind)
    multiplier = real(node.get("bucket_multiplier"), f"{where}: bucket_multiplier") or 1.0
    if multiplier < 0:
        raise UnsupportedImage(f"{where}: bucket_multiplier: must not be negative")
    numbers = _keys(node, where) if scale is Scale.FIXED else _range(node, where, scale)
    return Buckets(
        scale=scale,
        numbers=numbers,
        bounds=tuple([_bound(scale, number) * multiplier for number in numbers]),
        total=numbers[-1] + 1,
        multiplier=multiplier,
    )


def _range(node: Mapping[str, Node], where: str, scale: Scale) -> tuple[float, ...]:
    most = _MAX_NUMBER if scale is Scale.LINEAR else _MAX_EXPONENT
    first, last = (
        integer(node.get(key), f"{where}: {key}", -most, most)
        for key in ("bucket_min", "bucket_max")
    )
    if not 0 < last - first < _MAX_BUCKETS:
        why = "must be smaller" if last <= first else f"at most {_MAX_BUCKETS} buckets are possible"
        raise UnsupportedImage(f"{where}: bucket_min {first}, bucket_max {last}: {why}")
    return tuple(map(float, range(first, last + 1)))


def _keys(node: Mapping[str, Node], where: str) -> tuple[float, ...]:
    path = f"{where}: bucket_keys"
    keys = tuple(
        [real(item, item_path) for item_path, item in items(node.get("bucket_keys"), path, 4096)]
    )
    if not keys:
        raise UnsupportedImage(f"{path}: no buckets")
    if any(low >= high for low, high in pairwise(keys)):
        raise UnsupportedImage(f"{path}: must increase")
    return keys


def _bound(scale: Scale, number: float) -> float:
    match scale:
        case Scale.EXP2:
            return float(2.0**number)
        case Scale.EXP2_ZERO:
            return float(2.0 ** (number - 1)) if number else 0.0
        case Scale.LINEAR | Scale.FIXED:
            return number
