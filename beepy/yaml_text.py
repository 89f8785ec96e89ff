"""YAML from outside: a tree of texts, lists and mappings, bounded in size, depth and repetition.

Nothing is guessed of scalars: ``0x800`` and ``no`` are texts, and the reader of the tree knows what
they are to be. An alias can repeat its node many million times in a few lines: what it repeats
counts as if it were written there.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from beepy.errors import UnsupportedImage
from beepy.text import excerpt

if TYPE_CHECKING:
    from yaml.events import Event, ScalarEvent

Node: TypeAlias = "str | list[Node] | dict[str, Node] | None"

MAX_SIZE: Final = 1 << 18
"""Limit of a file in bytes."""

_MAX_DEPTH: Final = 32
_MAX_NODES: Final = 1 << 16
_MERGE: Final = "<<"
_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))


def load(data: bytes, where: str) -> Node:
    """Return the first document, None if it is empty. Raises UnsupportedImage."""
    if len(data) > MAX_SIZE:
        raise UnsupportedImage(f"{where}: YAML of {len(data)} bytes, at most {MAX_SIZE} are read")
    import yaml  # noqa: PLC0415 - few images have YAML

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # 10 times as fast
    try:
        return _Tree(where).document(yaml.parse(data.decode(), Loader=loader))
    except UnicodeDecodeError:
        raise UnsupportedImage(f"{where}: not YAML: not UTF-8") from None
    except yaml.YAMLError as error:
        raise UnsupportedImage(f"{where}: not YAML: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "malformed"
    return f"line {mark.line + 1}: {excerpt(reason)}" if mark else excerpt(reason)


class _Tree:
    """Builds the nodes of one document from its events."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._nodes = 0
        self._anchors: dict[str, tuple[Node, int]] = {}  # and how many nodes each has

    def document(self, events: "Iterator[Event]") -> Node:
        """Return the node of the first document."""
        from yaml.events import DocumentStartEvent  # noqa: PLC0415 - as above

        for event in events:
            if isinstance(event, DocumentStartEvent):
                return self._node(events, next(events), 0)
        return None

    def _node(self, events: "Iterator[Event]", event: "Event", depth: int) -> Node:
        from yaml.events import AliasEvent, MappingStartEvent, ScalarEvent  # noqa: PLC0415 - as above

        if depth > _MAX_DEPTH:
            raise self._refused(event, f"nested deeper than {_MAX_DEPTH}")
        before = self._nodes
        node: Node
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise self._refused(event, f"alias '{excerpt(event.anchor)}': no such anchor")
            node, size = self._anchors[event.anchor]
            self._count(size, event)
            return node
        self._count(1, event)
        if isinstance(event, ScalarEvent):
            is_plain = bool(event.implicit[0])
            node = None if is_plain and event.value in _NULLS else self._text(event)
        elif isinstance(event, MappingStartEvent):
            node = self._mapping(events, depth)
        else:
            node = self._list(events, depth)
        anchor = getattr(event, "anchor", None)
        if anchor:
            self._anchors[anchor] = node, self._nodes - before
        return node

    def _list(self, events: "Iterator[Event]", depth: int) -> Node:
        from yaml.events import SequenceEndEvent  # noqa: PLC0415 - as above

        items: list[Node] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self._node(events, event, depth + 1))
        return items

    def _mapping(self, events: "Iterator[Event]", depth: int) -> Node:
        from yaml.events import MappingEndEvent, ScalarEvent  # noqa: PLC0415 - as above

        members: dict[str, Node] = {}
        merged: list[Node] = []
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            if not isinstance(event, ScalarEvent):
                raise self._refused(event, "a key is expected to be a text")
            name, is_plain = self._text(event), bool(event.implicit[0])
            value = self._node(events, next(events), depth + 1)
            if name == _MERGE and is_plain:
                merged += value if isinstance(value, list) else [value]
            elif name in members:
                raise self._refused(event, f"key '{excerpt(name)}': duplicate")
            else:
                members[name] = value
        for other in merged:  # the mapping's own members, and earlier ones, take precedence
            if isinstance(other, dict):
                members = {**other, **members}
        return members

    def _text(self, event: "ScalarEvent") -> str:
        text: str = event.value
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            raise self._refused(event, "a lone surrogate")  # which has no UTF-8
        return text

    def _count(self, nodes: int, event: "Event") -> None:
        self._nodes += nodes
        if self._nodes > _MAX_NODES:
            raise self._refused(event, f"more than {_MAX_NODES} nodes, aliases counted")

    def _refused(self, event: "Event", reason: str) -> UnsupportedImage:
        mark = getattr(event, "start_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        return UnsupportedImage(f"{self._where}: {line}{reason}")
