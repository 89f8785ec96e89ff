"""Expressions in a gadget's declaration tags: when it can run, and where programs attach.

::

    params.filesystem in ['ext4', 'xfs']
    kallsyms.exists('f') ? 'f' : program.disabled
    let table = {'ext4': {read: 'ext4_read'}}; table[params.filesystem].read

They are those of expr-lang that gadgets use: no arithmetic, and no functions but ``kallsyms``.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from beepy.errors import UnsupportedImage
from beepy.text import excerpt

Scope = Mapping[str, Any]
"""The values of names: texts, numbers, booleans, None, lists, dicts, and functions of texts."""

_MAX_LENGTH: Final = 1 << 13  # characters
_MAX_DEPTH: Final = 32
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>\d+)|(?P<name>[A-Za-z_]\w*)
    |'(?P<single>[^'\\]*)'|"(?P<double>[^"\\]*)"
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-!<>?:.,;=()\[\]{}]))""",
    re.VERBOSE | re.ASCII,
)
_WORDS: Final = {"true": True, "false": False, "nil": None}
_SIGNS: Final = {"and": "&&", "or": "||", "not": "!", "in": "in", "let": "let"}
_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}

Expression = Callable[[Scope], Any]
"""Returns its value, given those of names. Raises UnsupportedImage for values of wrong types."""


class _Token(NamedTuple):
    """``kind`` is a sign, or ``name``, ``value`` or ``end``."""

    kind: str
    value: Any = None


def parse(text: str) -> Expression:
    """Return an expression. Raises UnsupportedImage for what is malformed, or not supported."""
    return _Parser(text).whole()


def _tokens(text: str) -> list[_Token]:
    if len(text) > _MAX_LENGTH:
        raise UnsupportedImage(f"expression of {len(text)} characters, at most {_MAX_LENGTH}")
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise UnsupportedImage(f"'{excerpt(text[at:].lstrip(), 20)}': not supported")
        at = match.end()
        found = match.groupdict()
        if found["sign"]:
            tokens.append(_Token(found["sign"]))
        elif found["name"] in _SIGNS:
            tokens.append(_Token(_SIGNS[found["name"]]))
        elif found["name"] in _WORDS:
            tokens.append(_Token("value", _WORDS[found["name"]]))
        elif found["name"]:
            tokens.append(_Token("name", found["name"]))
        elif found["number"]:
            tokens.append(_Token("value", int(found["number"][:20])))
        else:
            single = found["single"]
            tokens.append(_Token("value", found["double"] if single is None else single))
    return [*tokens, _Token("end")]


class _Parser:
    """One function a precedence, the loosest first."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def whole(self) -> Expression:
        lets = []
        while self._takes("let"):
            name = self._expect("name").value
            self._expect("=")
            lets.append((name, self._choice()))
            self._expect(";")
        body = self._choice()
        self._expect("end")

        def value(scope: Scope) -> Any:  # noqa: ANN401 - of any type
            for name, of_name in lets:
                scope = {**scope, name: of_name(scope)}
            return body(scope)

        return value

    def _choice(self) -> Expression:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UnsupportedImage(f"nested deeper than {_MAX_DEPTH}")
        condition = self._either()
        if self._takes("?"):
            yes = self._choice()
            self._expect(":")
            no = self._choice()
            expression = condition

            def condition(scope: Scope) -> Any:  # noqa: ANN401 - as above
                return yes(scope) if _boolean(expression(scope)) else no(scope)

        self._depth -= 1
        return condition

    def _either(self) -> Expression:
        parts = [self._both()]
        while self._takes("||"):
            parts.append(self._both())
        if len(parts) == 1:
            return parts[0]
        return lambda scope: any(_boolean(part(scope)) for part in parts)

    def _both(self) -> Expression:
        parts = [self._comparison()]
        while self._takes("&&"):
            parts.append(self._comparison())
        if len(parts) == 1:
            return parts[0]
        return lambda scope: all(_boolean(part(scope)) for part in parts)

    def _comparison(self) -> Expression:
        left = self._unary()
        sign = self._tokens[self._at].kind
        if sign not in {"==", "!=", "in", *_ORDERS}:
            return left
        self._at += 1
        right = self._unary()
        return lambda scope: _compare(sign, left(scope), right(scope))

    def _unary(self) -> Expression:
        if self._takes("!"):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise UnsupportedImage(f"nested deeper than {_MAX_DEPTH}")
            inner = self._unary()
            self._depth -= 1
            return lambda scope: not _boolean(inner(scope))
        if self._takes("-"):
            return partial(_constant, -_number(self._expect("value").value))
        return self._postfix()

    def _postfix(self) -> Expression:
        expression = self._primary()
        while True:
            if self._takes("."):
                name = self._expect("name").value
                expression = _member(expression, partial(_constant, name))
            elif self._takes("["):
                expression = _member(expression, self._choice())
                self._expect("]")
            elif self._takes("("):
                expression = _call(expression, self._list(")"))
            else:
                return expression

    def _primary(self) -> Expression:
        token = self._tokens[self._at]
        self._at += 1
        match token.kind:
            case "value":
                return partial(_constant, token.value)
            case "name":
                return lambda scope: _named(scope, token.value)
            case "(":
                inner = self._choice()
                self._expect(")")
                return inner
            case "[":
                items = self._list("]")
                return lambda scope: [item(scope) for item in items]
            case "{":
                return self._dict()
            case _:
                raise self._unexpected(token)

    def _list(self, end: str) -> list[Expression]:
        items: list[Expression] = []
        while not self._takes(end):
            if items:
                self._expect(",")
                if self._takes(end):  # a comma at the end
                    break
            items.append(self._choice())
        return items

    def _dict(self) -> Expression:
        items: list[tuple[str, Expression]] = []
        while not self._takes("}"):
            if items:
                self._expect(",")
            token = self._tokens[self._at]
            self._at += 1
            if token.kind not in {"name", "value"}:
                raise self._unexpected(token)
            self._expect(":")
            items.append((str(token.value), self._choice()))
        return lambda scope: {name: item(scope) for name, item in items}

    def _takes(self, kind: str) -> bool:
        takes = self._tokens[self._at].kind == kind
        self._at += takes
        return takes

    def _expect(self, kind: str) -> _Token:
        token = self._tokens[self._at]
        if token.kind != kind:
            raise self._unexpected(token, kind)
        self._at += 1
        return token

    def _unexpected(self, token: _Token, expected: str = "a value") -> UnsupportedImage:
        got = token.kind if token.value is None else f"'{excerpt(token.value, 20)}'"
        return UnsupportedImage(f"expected {expected}, got {got}")


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise UnsupportedImage(f"expected true or false, got '{excerpt(value, 40)}'")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnsupportedImage(f"expected a number, got '{excerpt(value, 40)}'")
    return value


def _compare(sign: str, left: object, right: object) -> bool:
    match sign:
        case "==":
            return type(left) is type(right) and left == right
        case "!=":
            return type(left) is not type(right) or left != right
        case "in":
            if not isinstance(right, list | dict):
                raise UnsupportedImage(f"in: expected a list, got '{excerpt(right, 40)}'")
            return any(_compare("==", left, item) for item in right)
        case _:
            return _ORDERS[sign](_number(left), _number(right))


def _constant(value: Any, _scope: Scope) -> Any:  # noqa: ANN401 - as above
    return value


def _named(scope: Scope, name: str) -> Any:  # noqa: ANN401 - as above
    if name not in scope:
        raise UnsupportedImage(f"'{excerpt(name, 40)}': unknown")
    return scope[name]


def _member(of: Expression, key: Expression) -> Expression:
    def value(scope: Scope) -> Any:  # noqa: ANN401 - as above
        members, name = of(scope), key(scope)
        if not isinstance(members, Mapping) or not isinstance(name, str) or name not in members:
            raise UnsupportedImage(f"'{excerpt(name, 40)}': not found")
        return members[name]

    return value


def _call(function: Expression, arguments: list[Expression]) -> Expression:
    def value(scope: Scope) -> Any:  # noqa: ANN401 - as above
        called, values = function(scope), [argument(scope) for argument in arguments]
        if not callable(called) or not all(isinstance(text, str) for text in values):
            raise UnsupportedImage("only functions of texts can be called")
        return called(*values)

    return value
