"""Make the test of a tree for one map: every field has a type, and is compared with its like."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, Final

from beepy.errors import UsageError, restated
from beepy.events import regex
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.memo import Memo
from beepy.events.where import constants, tree
from beepy.events.where.constants import Type
from beepy.events.where.grammar import refused
from beepy.events.where.tests import (
    Test,
    all_of,
    any_of,
    compared,
    compared_columns,
    found,
    missing,
    negated,
)
from beepy.text import safe

_ORDERED: Final = ("<", "<=", ">", ">=")
_WITHOUT_ORDER: Final = (Type.TEXT, Type.ADDRESS, Type.BOOL)


def test_of(expression: tree.Expression, decoder: Decoder, columns: dict[Field, int]) -> Test:
    """Return the test of one map's rows.

    ``columns`` gets the fields whose values it takes, each with its place. Raises UsageError.
    """
    return _Typed(expression, decoder, columns).test(expression.node)


class _Typed:
    """Turns the nodes of one expression into tests of one map's columns."""

    def __init__(
        self, expression: tree.Expression, decoder: Decoder, columns: dict[Field, int]
    ) -> None:
        self._source = expression.source
        self._decoder = decoder
        self._columns = columns

    def test(self, node: tree.Node) -> Test:
        match node:
            case tree.Or(parts):
                return any_of([self.test(part) for part in parts])
            case tree.And(parts):
                return all_of([self.test(part) for part in parts])
            case tree.Not(inner):
                return negated(self.test(inner))
            case tree.IsNull(name):
                return missing(self._column(self._field(name)))
            case tree.Truth(name):
                return self._truth(name)
            case tree.Match(name, constant):
                return self._match(name, constant)
            case tree.Membership(name, items):
                return any_of([self._equal(name, item) for item in items])
            case tree.Comparison(name, operator, other, column):
                if isinstance(other, tree.Name):
                    return self._beside(name, operator, other, column)
                return self._comparison(name, operator, other, column)

    def _truth(self, name: tree.Name) -> Test:
        field, kind = self._typed(name)
        if kind is not Type.BOOL:
            raise self._refuse(name.column, f"'{safe(name.text)}' is {kind.value}: compare it")
        return compared(self._column(field), "==", constant=True)

    def _match(self, name: tree.Name, constant: tree.Constant) -> Test:
        field, kind = self._typed(name)
        if kind in (Type.NUMBER, Type.DURATION, Type.BOOL):
            why = f"'{safe(name.text)}' is {kind.value}: ~ searches texts"
            raise self._refuse(name.column, why)
        try:
            search = regex.searcher(constant.text)
        except UsageError as error:
            refusal = self._refuse(constant.column, safe(str(error)))
            raise restated(refusal, error) from None
        holds = Memo(lambda value: search(str(value))).__getitem__
        return found(self._column(field), holds)

    def _beside(self, name: tree.Name, sign: str, other: tree.Name, column: int) -> Test:
        """Compare two fields; or a field with a name that is no field, such as that of an errno."""
        if not self._decoder.named(other.text):
            constant = tree.Constant("name", other.text, other.column)
            return self._comparison(name, sign, constant, column)
        (left, left_kind), (right, right_kind) = self._typed(name), self._typed(other)
        if left_kind is not right_kind:
            texts = f"{left_kind.value} beside {right_kind.value}"
            raise self._refuse(column, f"{texts}: not comparable")
        if sign in _ORDERED and left_kind in _WITHOUT_ORDER:
            raise self._refuse(column, f"'{safe(name.text)}' is {left_kind.value}: it has no order")
        if left_kind is Type.ENUM:  # names have another order than numbers
            left, right = self._as_number(left), self._as_number(right)
        units = constants.unit_of(self._decoder, left), constants.unit_of(self._decoder, right)
        return compared_columns(self._column(left), sign, self._column(right), units)

    def _comparison(self, name: tree.Name, sign: str, constant: tree.Constant, column: int) -> Test:
        field, kind = self._typed(name)
        if kind is Type.ADDRESS and sign in ("==", "!="):
            equal = self._equal(name, constant)
            return equal if sign == "==" else negated(equal)
        if sign in _ORDERED and kind in _WITHOUT_ORDER:
            raise self._refuse(column, f"'{safe(name.text)}' is {kind.value}: it has no order")
        value = self._constant(field, kind, constant)
        if kind is Type.ENUM:
            field = self._as_number(field)
        return compared(self._column(field), sign, value)

    def _equal(self, name: tree.Name, constant: tree.Constant) -> Test:
        field, kind = self._typed(name)
        if kind is not Type.ADDRESS:
            return self._comparison(name, "==", constant, constant.column)
        try:
            network = ip_network(constant.text)
        except ValueError as error:
            text = safe(constant.text)
            why = f"'{text}': expected an address or a network"
            if "host bits" in str(error):
                why = f"'{text}': it has bits behind the prefix"
            raise self._refuse(constant.column, why) from None
        return found(self._column(field), Memo(_is_in(network)).__getitem__)

    def _constant(self, field: Field, kind: Type, constant: tree.Constant) -> Any:  # noqa: ANN401 - of the field's type
        try:
            return constants.value(self._decoder, field, kind, constant)
        except ValueError as error:
            raise self._refuse(constant.column, str(error)) from None

    def _typed(self, name: tree.Name) -> tuple[Field, Type]:
        field = self._field(name)
        kind = constants.type_of(self._decoder, field)
        if kind is None:
            raise self._refuse(name.column, f"'{safe(name.text)}' is an array or a struct")
        return field, kind

    def _field(self, name: tree.Name) -> Field:
        field = self._decoder.named(name.text)
        assert field  # the map was chosen because it has it
        return field

    def _as_number(self, field: Field) -> Field:
        codec = field.codec.as_number()
        assert codec  # enums have one
        return field._replace(codec=codec)

    def _column(self, field: Field) -> int:
        return self._columns.setdefault(field, len(self._columns))

    def _refuse(self, column: int, why: str) -> UsageError:
        return refused(self._source, column, why)


def _is_in(network: Any) -> Callable[[str], bool]:  # noqa: ANN401 - of either version
    def holds(text: str) -> bool:
        try:
            return ip_address(text) in network
        except ValueError:
            return False

    return holds
