"""How one value is read: from its bytes to a Python value, and from that to Go's text."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

Value: TypeAlias = "int | float | str | tuple[Value, ...] | dict[str, Value] | None"  # bool is an int

_INTEGERS: Final = frozenset("bBhHiIqQ")


class Codec(NamedTuple):
    """What reads a value of one type.

    ``code`` is the format character of ``struct`` for the item of ``size`` bytes that is unpacked (little endian).
    ``value`` makes the value of the item (None: the item is the value), ``text`` Go's text of the value. ``width`` is
    how many characters that text usually takes at most.

    ``number``: values are numbers to count with. ``stands_for`` makes the number of an item whose value is a name or a
    bool in its place. ``cacheable``: the same values come again and again, so that what is made of them is worth
    remembering. ``open``: ``value`` reads any number of bytes, not only ``size``; the value is an array of bytes that
    the record's end cuts, or an array without a length. ``calls_per_value`` is how many functions are called to read
    one value, with those of all that is in it.

    For ``--set``: ``from_text`` makes the item's bytes of a text (None: the type decides, without its typedef), and
    raises ValueError that says what is expected. ``unit_ns`` is how many nanoseconds one count is (0: no time).
    """

    code: str
    size: int
    value: Callable[[Any], Value] | None
    text: Callable[[Any], str]
    width: int
    number: bool = False
    cacheable: bool = False
    open: bool = False
    calls_per_value: int = 1
    stands_for: Callable[[Any], int] | None = None
    from_text: Callable[[str], bytes] | None = None
    unit_ns: int = 0

    @property
    def is_plain_int(self) -> bool:
        """Whether values are integers just as they are unpacked."""
        return self.value is None and self.code in _INTEGERS

    def as_number(self) -> "Codec | None":
        """Return what reads the value as a number, which a metric needs: of an enum its own, 0 or 1 of a bool.

        None if it has none.
        """
        if self.number:
            return self
        return self._replace(value=self.stands_for, text=str, number=True) if self.stands_for else None
