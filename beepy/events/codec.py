"""How one value is read: from its bytes to a Python value, and on to Go's text."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

Value: TypeAlias = "int | float | str | tuple[Value, ...] | dict[str, Value] | None"  # bool is an int

_INTEGERS: Final = frozenset("bBhHiIqQ")


class Codec(NamedTuple):
    """What reads a value of one type.

    ``code`` is ``struct``'s for the item of ``size`` bytes that is unpacked (little endian), ``value`` makes the value
    of it (None: the item is the value), ``text`` Go's text of the value. ``width`` is how many characters that text
    usually takes at most. ``number`` says that values are numbers to count with; ``stands_for`` makes the number of an
    item whose value is another thing that stands for one: the name of an enumerator, a bool. ``few`` says that the same
    values come again and again, so that what is made of them is worth remembering. ``open`` says that ``value`` reads
    any number of bytes, not only ``size``: an array of bytes that the record's end cuts, or an array without a length.
    ``cost`` is how many functions are called for a value: those of all that is in it. ``integer`` is ``struct``'s code
    of the integer or bool that ``value`` makes of bytes, "" if it makes something else. ``inner`` are the codecs of
    what values consist of: of an array its element's, under the name "", of a struct its members'.
    """

    code: str
    size: int
    value: Callable[[Any], Value] | None
    text: Callable[[Any], str]
    width: int
    number: bool = False
    few: bool = False
    open: bool = False
    cost: int = 1
    stands_for: Callable[[Any], int] | None = None
    integer: str = ""
    inner: "tuple[tuple[str, Codec], ...]" = ()

    @property
    def plain(self) -> bool:
        """Whether values are integers just as they are unpacked."""
        return self.value is None and self.code in _INTEGERS

    def as_number(self) -> "Codec | None":
        """Return what reads the value as a number, which a metric needs: of an enum its own, 0 or 1 of a bool.

        None if it has none.
        """
        if self.number:
            return self
        return self._replace(value=self.stands_for, text=str, number=True) if self.stands_for else None
