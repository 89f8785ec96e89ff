"""Parse the text of an expression. The parser is lark's; the grammar is docs/where.md's."""

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from beepy.errors import UsageError, worded
from beepy.events.where import tree
from beepy.text import safe

if TYPE_CHECKING:
    from lark import Lark, Token

_GRAMMAR: Final = r"""
    ?start: any
    ?any: all ("or" all)*
    ?all: negation ("and" negation)*
    ?negation: "not" negation -> not_
        | test
    ?test: "(" any ")"
        | field OPERATOR _other -> comparison
        | field "in" _items -> membership
        | field "not" "in" _items -> no_membership
        | field "~" TEXT -> match
        | field "!~" TEXT -> no_match
        | field "is" "null" -> is_null
        | field "is" "not" "null" -> is_not_null
        | field -> truth
    field: NAME
    _other: NAME | TEXT | NUMBER | ADDRESS
    _items: "(" _other ("," _other)* ")" | ADDRESS
    OPERATOR: "==" | "!=" | "<=" | ">=" | "<" | ">"
    NAME: /(?!(?:and|or|not|in|is|null)\b)[^\W\d]\w*(\.\w+)*/
    TEXT: /"(?:[^"\\]|\\.)*"/ | /'(?:[^'\\]|\\.)*'/
    ADDRESS.2: /\d+(\.\d+){2,}(\/\d+)?/ | /[0-9a-fA-F]*:[0-9a-fA-F.]*:[0-9a-fA-F:.]*(\/\d+)?/
    NUMBER: /-?(0[xX][0-9a-fA-F]+|\d+(\.\d+)?([eE]-?\d+)?)([a-zA-Z]+)?/
    %ignore /\s+/
"""
_MAX_LENGTH: Final = 1 << 12  # characters of an expression
_MAX_DEPTH: Final = 64
_MAP: Final = re.compile(r"\s*([^\s()'\"<>=!~]+):\s")
# texts in quotes, and all else, are one token each
_NESTING: Final = re.compile(
    r"""\"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[()]|\bnot\b|[^\s()"']+|["']"""
)
_ONE_SIGN: Final = re.compile(r"(?<![=!<>])=\s*$")
_TEXT: Final = re.compile(r"""\"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")
_WORDS: Final = {"&&": "and", "||": "or", "!": "not"}  # C's, and what they are here
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_KINDS: Final = {"TEXT": "text", "NUMBER": "number", "ADDRESS": "address", "NAME": "name"}


def parse(source: str) -> tree.Expression:
    """Return the tree of an expression. Raises UsageError with the place of what is wrong."""
    if len(source) > _MAX_LENGTH:
        raise UsageError(worded(f"--where: more than {_MAX_LENGTH} characters"))
    prefix = _MAP.match(source)
    map_name, start = (prefix[1], prefix.end()) if prefix else ("", 0)
    if _depth(source) > _MAX_DEPTH:
        raise refused(source, 1, f"nested deeper than {_MAX_DEPTH}")
    from lark.exceptions import UnexpectedInput  # noqa: PLC0415 - few runs have an expression

    text = source[start:]
    try:
        parsed = _lark().parse(text)
    except UnexpectedInput as error:
        column = len(text) + 1 if error.pos_in_stream is None else error.pos_in_stream + 1
        if getattr(getattr(error, "token", None), "type", "") == "$END":
            column = len(text) + 1
        raise refused(source, start + column, _why(text, column)) from None
    return tree.Expression(source, map_name, _node(parsed, start))


def _depth(source: str) -> int:
    """Return how deep parentheses and "not" are nested, at most."""
    deepest = depth = nots = 0
    opened: list[int] = []  # the depth outside of each parenthesis
    for token in _NESTING.findall(source):
        match token:
            case "not":
                nots += 1
            case "(":
                opened.append(depth)
                depth += nots + 1
                nots = 0
            case ")":
                depth = opened.pop() if opened else 0
                nots = 0
            case _:
                nots = 0
        deepest = max(deepest, depth + nots)
    return deepest


def refused(source: str, column: int, why: str) -> UsageError:
    """Return the error for what begins at ``column``; its note shows the place."""
    error = UsageError(worded(f"--where: column {column}: {why}"))
    shown = safe(source)
    if len(shown) == len(source) and "\n" not in source:  # else columns would not fit
        error.add_note(f"here:\n  {source}\n  {' ' * (column - 1)}^")
    return error


@cache
def _lark() -> "Lark":
    from lark import Lark  # noqa: PLC0415 - 40 ms, and few runs have an expression

    return Lark(_GRAMMAR, parser="lalr")


def _why(text: str, column: int) -> str:
    rest = text[column - 1 :].lstrip()
    if not rest:
        return "the expression ends here: expected more" if text.strip() else "expected a field"
    if rest.startswith("=") or _ONE_SIGN.search(text[: column - 1]):
        return "expected ==, or another comparison"
    if rest[0] in "\"'" and not _TEXT.match(rest):
        return "the quote is not closed"
    for sign, word in _WORDS.items():
        if rest.startswith(sign):
            return f"'{sign}': not expected here: it is written {word}"
    return f"'{safe(rest[:20])}': not expected here"


def _node(part: Any, start: int) -> tree.Node:  # noqa: ANN401 - what lark returns
    children = part.children
    if part.data in ("any", "all", "not_"):
        inner = tuple([_node(child, start) for child in children])
        if part.data == "not_":
            return tree.Not(inner[0])
        return tree.Or(inner) if part.data == "any" else tree.And(inner)
    field = _name(children[0].children[0], start)
    match part.data:
        case "comparison":
            operator, other = children[1:]
            right = _name(other, start) if other.type == "NAME" else _constant(other, start)
            column = start + operator.column
            return tree.Comparison(field, cast("tree.Operator", str(operator)), right, column)
        case "membership" | "no_membership":
            items = tuple([_constant(item, start) for item in children[1:]])
            node: tree.Node = tree.Membership(field, items)
        case "match" | "no_match":
            node = tree.Match(field, _constant(children[1], start))
        case "is_null" | "is_not_null":
            node = tree.IsNull(field)
        case _:
            node = tree.Truth(field)
    return tree.Not(node) if part.data in ("no_membership", "no_match", "is_not_null") else node


def _name(token: "Token", start: int) -> tree.Name:
    return tree.Name(str(token), start + (token.start_pos or 0) + 1)


def _constant(token: "Token", start: int) -> tree.Constant:
    text = str(token)
    if token.type == "TEXT":
        text = _ESCAPE.sub(_unescaped, text[1:-1])
    column = start + (token.start_pos or 0) + 1
    return tree.Constant(cast("tree.Kind", _KINDS[token.type]), text, column)


def _unescaped(escape: "re.Match[str]") -> str:
    """Return a quote or a backslash; a regular expression keeps its other escapes."""
    return escape[1] if escape[1] in "\"'\\" else escape[0]
