"""Stacks of many rows as one tree, from the outermost frame inwards, with how often each was."""

from collections.abc import Iterator, Mapping
from typing import Final

_MAX_NODES: Final = 100_000


class Node:
    """A frame below those that called it; ``count`` stacks go through it."""

    __slots__ = ("count", "depth", "inner", "is_open", "name")

    def __init__(self, name: str, depth: int) -> None:
        self.name = name
        self.depth = depth
        self.count = 0
        self.inner: dict[str, Node] = {}
        self.is_open = False


class Tree:
    """The tree of the stacks counted; what was opened stays open when they are counted again."""

    def __init__(self) -> None:
        self.root = Node("", -1)
        self.root.is_open = True
        self._nodes = 0

    def count(self, stacks: Mapping[tuple[str, ...], int]) -> None:
        """Count stacks anew; of each, the outermost frame comes first."""
        pending = [self.root]
        while pending:
            node = pending.pop()
            node.count = 0
            pending += node.inner.values()
        for frames, count in stacks.items():
            node = self.root
            node.count += count
            for name in frames:
                inner = node.inner.get(name)
                if inner is None:
                    if self._nodes >= _MAX_NODES:
                        break
                    self._nodes += 1
                    inner = node.inner[name] = Node(name, node.depth + 1)
                inner.count += count
                node = inner

    def visible(self) -> Iterator[Node]:
        """Yield the nodes that are not folded away, the most frequent first."""
        pending = [self.root]
        while pending:
            node = pending.pop()
            if node is not self.root:
                yield node
            if node.is_open:
                pending += sorted(
                    [inner for inner in node.inner.values() if inner.count],
                    key=lambda inner: inner.count,
                )

    def toggle(self, node: Node) -> None:
        """Open a node, and those below it that are the only ones; or fold it."""
        node.is_open = not node.is_open
        while node.is_open and len(node.inner) == 1:
            (node,) = node.inner.values()
            node.is_open = True
