"""One value in its cell: its text for people, safe for a terminal."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from beepy.events import go_format, meaning
from beepy.events.fields import Field
from beepy.text import safe

_TIME_WIDTH: Final = len("12:00:00.000")
_MEANT_WIDTH: Final = 12
_PATHS: Final = frozenset(("fname", "filename", "file_name", "path", "pathname", "exe", "exepath", "cwd"))


class Cell(NamedTuple):
    """How a field is shown: ``raw`` makes a value's text, not yet safe, ``texts`` those of many points in time at once.

    ``right`` says that texts stand to the right, as numbers do, ``time`` that they are points in time, ``duration``
    that they are times that something took, ``path`` that they are paths, whose ends tell most, ``plain`` that they are
    integers just as they are, ``signed`` that these may be negative. ``width`` is how many columns they usually take at
    most, ``bound`` how many they need at most if the type says it: a ``char[16]`` is wider only where it is not fit to
    print.
    """

    name: str
    raw: Callable[[Any], str]
    texts: meaning.Texts | None
    right: bool
    time: bool
    duration: bool
    plain: bool
    signed: bool
    path: bool
    width: int
    bound: int | None

    def text(self, value: Any) -> str:  # noqa: ANN401 - any field's value
        """Return a value's text, safe for a terminal; "" of None."""
        return "" if value is None else safe(self.raw(value))


def cells(fields: Sequence[Field], *, exact: bool = False) -> dict[Field, Cell]:
    """Return how each field of a record is shown; ``exact``: points in time are all the digits of the record."""
    meanings = meaning.of(fields)
    return {field: _cell(field, meanings.get(field), exact=exact) for field in fields}


def _cell(field: Field, meant: meaning.Meaning | None, *, exact: bool) -> Cell:
    codec = field.codec
    time = meant is not None and meant.name == meaning.TIME
    took = codec.text is go_format.duration or (meant is not None and meant.name == meaning.DURATION)
    text, columns = codec.text, codec.width
    if meant and not (time and exact):
        text = meant.text
        columns = _TIME_WIDTH if time else max(codec.width, _MEANT_WIDTH)
    elif codec.text is go_format.duration and not exact:
        text = go_format.brief_duration
    texts = meant.texts if meant and not exact else None
    right = codec.number and (meant is None or time or took)  # elsewhere a name stands beside the number
    plain = codec.is_plain_int and text is str
    bound = codec.size if codec.value is go_format.text and codec.size == codec.width else None
    path = codec.value is go_format.text and field.path[-1] in _PATHS
    return Cell(safe(field.name), text, texts, right, time, took, plain, codec.code.islower(), path, columns, bound)
