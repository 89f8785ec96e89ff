"""How the values of a field are shown to people."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from beepy.btf.types import VOID
from beepy.events import go_format, meaning, rules
from beepy.events.batch import NO_MACHINE, Machine
from beepy.events.clock import LIVE, Clock
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.obj.presentation import ColumnHint  # bee's images have none

_TIME_WIDTH: Final = len("12:00:00.000")
_MEANING_WIDTH: Final = 12


class Cell(NamedTuple):
    """How a field is shown.

    ``raw`` makes a value's text, which is not yet safe for a terminal; ``texts`` makes those of
    many points in time at once, and is None for other values.

    ``right``: texts are aligned to the right, as numbers are. ``time``: values are points in time.
    ``duration``: values are durations. ``plain``: values are integers and shown as such;
    ``signed``: they may be negative. ``path``: values are paths, of which the end matters most.

    ``width`` is the number of columns that texts usually take at most. ``bound`` is the number that
    they need at most, if the type gives it: of a ``char[16]``, unless it has unprintable bytes.
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


def cells(
    fields: Sequence[Field],
    clock: Clock = LIVE,
    machine: Machine = NO_MACHINE,
    *,
    exact: bool = False,
) -> dict[Field, Cell]:
    """Return how each field of a record is shown; ``exact``: with all digits of times."""
    meanings = meaning.of(fields, clock, machine)
    return {field: _cell(field, meanings.get(field), exact=exact) for field in fields}


def cells_of(decoder: Decoder, *, exact: bool = False) -> dict[Field, Cell]:
    """Return how the fields of a map are shown, without those that its presentation hides."""
    every = every_cell_of(decoder, exact=exact)
    presentation = decoder.schema.presentation
    hints = presentation.columns if presentation else {}
    hidden = [name for name, hint in hints.items() if hint.hidden]
    return {field: _hinted(every[field], hints.get(field.name)) for field in decoder.shown(hidden)}


def every_cell_of(decoder: Decoder, *, exact: bool = False) -> dict[Field, Cell]:
    """Return how all fields of a map are shown: those of its records, and those that are chosen."""
    fields = dict.fromkeys((*decoder.fields, *decoder.shown()))
    schema = decoder.schema
    if decoder.plain:
        return {field: _cell(field, None, exact=True) for field in fields}
    # a vocabulary has names in fields of their own
    machine = NO_MACHINE if schema.vocabulary else schema.machine
    return cells(tuple(fields), schema.clock, machine, exact=exact)


def _hinted(cell: Cell, hint: "ColumnHint | None") -> Cell:
    if hint is None:
        return cell
    cell_width = max(hint.width or cell.width, hint.min_width)
    return cell._replace(
        name=safe(hint.heading) or cell.name,
        right=cell.right if hint.right is None else hint.right,
        width=min(cell_width, hint.max_width or cell_width),
        bound=hint.max_width or cell.bound,
    )


def _cell(field: Field, field_meaning: meaning.Meaning | None, *, exact: bool) -> Cell:
    codec = field.codec
    name = field_meaning.name if field_meaning else ""
    time = name == rules.TIME
    duration = codec.unit_ns > 0 or name == rules.DURATION
    text, width = codec.text, codec.width
    if field_meaning and not (time and exact):
        text = field_meaning.text
        width = _TIME_WIDTH if time else max(codec.width, _MEANING_WIDTH)
    elif codec.unit_ns and not exact:
        text = _brief_duration(codec.unit_ns)
    if field.type == VOID and codec.value:  # it may be unknown in a whole record
        text = _known(text)
    is_text = codec.value is go_format.text
    return Cell(
        name=safe(field.name),
        raw=text,
        texts=field_meaning.texts if field_meaning and not exact else None,
        # Other numbers with a meaning are shown with a name: -2 ENOENT.
        right=codec.number and (field_meaning is None or time or duration),
        time=time,
        duration=duration,
        plain=codec.is_plain_int and text is str,
        signed=codec.code.islower(),
        path=is_text and field.path[-1] in rules.PATHS,
        width=width,
        bound=codec.size if is_text and codec.size == codec.width else None,
    )


def _known(text: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return a function that makes the texts of values that may be None."""
    return lambda value: "" if value is None else text(value)


def _brief_duration(unit_ns: int) -> Callable[[int], str]:
    """Return what makes a brief text of a duration in units of ``unit_ns``."""
    if unit_ns == 1:
        return go_format.brief_duration
    return lambda count: go_format.brief_duration(count * unit_ns)
