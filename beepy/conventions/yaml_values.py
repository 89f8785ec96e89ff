"""Read values of a YAML tree; each function raises UnsupportedImage for one of another type.

``where`` is the path of the value, for messages.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

from beepy.errors import UnsupportedImage
from beepy.text import excerpt
from beepy.units import NANOSECONDS
from beepy.yaml_text import Node

_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|[0-9]+)")
_FLOAT: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|ms|s|m|h)")
_MAX_DIGITS: Final = 32


def mapping(node: Node, where: str) -> Mapping[str, Node]:
    """Return a mapping; without a node an empty one."""
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise wrong(where, "a mapping", node)
    return node


def items(node: Node, where: str, most: int) -> Iterator[tuple[str, Node]]:
    """Yield the items of a list, at most ``most``, each with its path; none without a node."""
    if node is None:
        return
    if not isinstance(node, list):
        raise wrong(where, "a list", node)
    if len(node) > most:
        raise UnsupportedImage(f"{where}: {len(node)} items, at most {most} are read")
    for number, item in enumerate(node, 1):
        yield f"{where} {number}", item


def text(node: Node, where: str, default: str = "") -> str:
    """Return a text."""
    if node is None:
        return default
    if not isinstance(node, str):
        raise wrong(where, "a text", node)
    return node


def texts(node: Node, where: str, most: int) -> tuple[str, ...] | None:
    """Return a list of texts, None without a node."""
    if node is None:
        return None
    return tuple([text(item, path) for path, item in items(node, where, most)])


def integer(node: Node, where: str, least: int, most: int, default: int = 0) -> int:
    """Return a whole number from ``least`` to ``most``."""
    if node is None:
        return default
    if not isinstance(node, str) or len(node) > _MAX_DIGITS or not _INTEGER.fullmatch(node):
        raise wrong(where, "a whole number", node)
    number = int(node, 16 if "x" in node.lower() else 10)
    if not least <= number <= most:
        raise wrong(where, f"a number from {least} to {most}", node)
    return number


def real(node: Node, where: str, default: float = 0.0) -> float:
    """Return a finite number."""
    if node is None:
        return default
    if not isinstance(node, str) or len(node) > _MAX_DIGITS or not _FLOAT.fullmatch(node):
        raise wrong(where, "a number", node)
    number = float(node)
    if not math.isfinite(number):
        raise wrong(where, "a number", node)
    return number


def boolean(node: Node, where: str) -> bool:
    """Return a boolean, which is false without a node."""
    if node is None:
        return False
    if not isinstance(node, str) or node not in _BOOLEANS:
        raise wrong(where, "true or false", node)
    return _BOOLEANS[node]


def seconds(node: Node, where: str) -> float:
    """Return a duration as Go writes it (``1m30s``) in seconds, 0 without a node."""
    if node is None:
        return 0.0
    if isinstance(node, str) and len(node) <= _MAX_DIGITS:
        parts = _DURATION.findall(node)
        if parts and "".join([number + unit for number, unit in parts]) == node:
            return sum(float(number) * NANOSECONDS[unit] / 1e9 for number, unit in parts)
        if node.isdigit():
            return int(node) * 1e-9
    raise wrong(where, "a duration such as 30s", node)


def wrong(where: str, expected: str, node: Node) -> UnsupportedImage:
    """Return the error for a value of another type."""
    got = "a list" if isinstance(node, list) else "a mapping" if isinstance(node, dict) else ""
    return UnsupportedImage(f"{where}: expected {expected}, got {got or repr_of(node)}")


def repr_of(node: Node) -> str:
    """Return a scalar for a message."""
    return "nothing" if node is None else f"'{excerpt(node)}'"
