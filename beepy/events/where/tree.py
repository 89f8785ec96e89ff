"""The tree of an expression; ``column`` is where its text begins, from 1 on."""

from typing import Literal, NamedTuple, TypeAlias

Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
Kind: TypeAlias = Literal["number", "text", "address", "name"]


class Name(NamedTuple):
    """The name of a field."""

    text: str
    column: int


class Constant(NamedTuple):
    """A constant as it is written; of a text in quotes, what is between them."""

    kind: Kind
    text: str
    column: int


class Comparison(NamedTuple):
    """A field beside a constant, or beside another field."""

    field: Name
    operator: Operator
    other: "Name | Constant"
    column: int


class Membership(NamedTuple):
    """A field that has one of several values, or an address in one of several networks."""

    field: Name
    items: tuple[Constant, ...]


class Match(NamedTuple):
    """A field in whose text a regular expression is found."""

    field: Name
    regex: Constant


class IsNull(NamedTuple):
    """A field that is not in the record."""

    field: Name


class Truth(NamedTuple):
    """A field that is true."""

    field: Name


class Not(NamedTuple):
    """The opposite of a node."""

    of: "Node"


class And(NamedTuple):
    """Nodes that must all be true."""

    of: "tuple[Node, ...]"


class Or(NamedTuple):
    """Nodes of which one must be true."""

    of: "tuple[Node, ...]"


Node: TypeAlias = Comparison | Membership | Match | IsNull | Truth | Not | And | Or


class Expression(NamedTuple):
    """An expression: its text, the map that it names (""), and the tree."""

    source: str
    map: str
    node: Node


def names(node: Node) -> list[Name]:
    """Return the names of fields in a tree, in their order.

    Without those behind a comparison, which may be names of numbers.
    """
    match node:
        case Comparison() | Membership() | Match() | IsNull() | Truth():
            return [node.field]
        case Not(of):
            return names(of)
        case And(parts) | Or(parts):
            return [name for part in parts for name in names(part)]
