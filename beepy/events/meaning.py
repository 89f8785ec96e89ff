"""What the numbers of a record mean, by the name of their typedef or member: errno, signals, time.

These texts are for people only: JSON, labels and filters keep the numbers.
"""

import math
import time
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias, cast

from beepy.events import go_format
from beepy.events.batch import NO_MACHINE, Machine, no_name
from beepy.events.clock import LIVE, SECOND, Clock
from beepy.events.codec import Value
from beepy.events.fields import RECORD, VALUE, Field
from beepy.events.memo import Memo
from beepy.events.rules import BEGIN, DURATION, END, EVENT, RECENT, TABLE, TIME, Rule, Text

Texts: TypeAlias = Callable[[Sequence[Value]], list[str]]

_MILLISECOND: Final = 1_000_000
_DAY: Final = 24 * 3600  # seconds: an older time is shown as an age
_GADGET_DURATION: Final = "gadget_duration"  # its meaning is a field beside it
_FRESH: Final = 600 * SECOND  # an event is read sooner than this after it happened


class Meaning(NamedTuple):
    """What a field's values mean: ``text`` makes their text, "" for a missing value (None).

    ``name`` is the rule's meaning, TIME of a recent time too. ``texts`` makes the texts of many
    timestamps at once, which is faster; None for other meanings.
    """

    name: str
    text: Callable[[Value], str]
    texts: Texts | None = None


class Timed(NamedTuple):
    """A field that counts time, and how many nanoseconds one count of it is."""

    field: Field
    unit: int


class EventTime(NamedTuple):
    """The field that says when an event happened."""

    field: Field
    unit: int
    clock: Clock

    def to_wall(self, values: Sequence[Value], read_ns: int) -> list[int]:
        """Return the wall clock (ns since the epoch) of each value.

        ``read_ns`` is when the rows were read. A row gets that time if it has no value, or one that
        is not shortly before it.
        """
        oldest, latest = read_ns - _FRESH, read_ns + SECOND
        walls = self.clock.walls(_timestamps(values, self.unit))
        return [
            wall if wall is not None and oldest <= wall <= latest else read_ns for wall in walls
        ]

    def common(self, first: int, last: int, read_ns: int) -> int | None:
        """Return a time within the second that all values from ``first`` to ``last`` share.

        Return None if they may be in different seconds.
        """
        first, last = first * self.unit, last * self.unit
        offset = self.clock.offset(first, last)
        if offset is None:
            return None
        first, last = first + offset, last + offset
        if last < read_ns - _FRESH:  # to_wall() replaces all of them
            return read_ns
        recent = first >= read_ns - _FRESH and last <= read_ns + SECOND
        return first if recent and first // SECOND == last // SECOND else None


def of(
    fields: Sequence[Field], clock: Clock = LIVE, machine: Machine = NO_MACHINE
) -> dict[Field, Meaning]:
    """Return the meanings of a record's fields, without fields that are best shown as numbers.

    A meaning may depend on other fields: ``flags`` beside a file name are those of open(2). Names
    that only a machine knows are those that ``machine`` has.
    """
    meanings = [(field, _meaning(rule, clock, machine)) for field, rule in _ruled(fields)]
    return {field: meaning for field, meaning in meanings if meaning}


def named_numbers(fields: Sequence[Field]) -> list[tuple[Field, str]]:
    """Return the fields whose names only a machine knows, each with the function of ``Machine``."""
    return [(field, rule.machine) for field, rule in _ruled(fields) if rule.machine]


def duration_unit(field: Field, fields: Sequence[Field]) -> int:
    """Return how many nanoseconds one count of a field is, 0 if it is no duration.

    ``fields`` are all of its record.
    """
    if field.codec.unit_ns:
        return field.codec.unit_ns
    if _GADGET_DURATION in field.typedefs and field.codec.number:
        return 1
    rule = _rule(field, _names(fields))
    return rule.unit if rule and rule.meaning == DURATION else 0


def beginning_and_end(fields: Sequence[Field]) -> tuple[Timed | None, Timed | None]:
    """Return when what a record is about began, and when it ended or was seen, None if unknown.

    Fields whose times may be durations (``time``) are neither.
    """
    times = _times(fields, TIME)
    end = _first_named(times, END | {"last"}) or _first_named(times, EVENT)
    return _first_named(times, BEGIN | {"first"}), end


def _meaning(rule: Rule, clock: Clock, machine: Machine) -> Meaning | None:
    match rule.meaning:
        case "time" | "recent time":
            texts = _clock_times(rule, clock)
            return Meaning(TIME, lambda value: texts((value,))[0], texts)
        case "duration":
            unit = rule.unit
            text = _optional(lambda count: go_format.brief_duration(count * unit))
            return Meaning(rule.meaning, text)
        case _:
            named = _named(rule, machine)
            return Meaning(rule.meaning, Memo(_optional(named)).__getitem__) if named else None


def _named(rule: Rule, machine: Machine) -> Text | None:
    """Return what makes a text, with the names that the machine has; None for a plain number."""
    name_of: Text = getattr(machine, rule.machine) if rule.machine else no_name
    plain = rule.text or str
    if name_of is no_name:
        return rule.text

    def text(value: int) -> str:
        name = name_of(value)
        return f"{plain(value)} {name}" if rule.both and name else name or plain(value)

    return text


def event_time(fields: Sequence[Field], clock: Clock = LIVE) -> EventTime | None:
    """Return the field with the time of the event itself, None if a record has none, or for tables.

    ``ts``, ``time`` and ``timestamp`` are preferred to the end of something. The beginning of
    something is not the time of the event, which is reported when it ends.
    """
    if any(field.part == VALUE for field in fields):
        return None
    times = [time for time in _times(fields, TIME, RECENT) if time.field.part == RECORD]
    found = _first_named(times, EVENT) or _first_named(times, END)
    return found and EventTime(*found, clock)


def _times(fields: Sequence[Field], *meanings: str) -> list[Timed]:
    return [Timed(field, rule.unit) for field, rule in _ruled(fields) if rule.meaning in meanings]


def _first_named(times: Iterable[Timed], words: Container[str]) -> Timed | None:
    """Return the first whose name begins with one of the words."""
    return next((time for time in times if first_word(time.field) in words), None)


def first_word(field: Field) -> str:
    """Return the first word of a member's own name: ``start`` of ``start_time``."""
    return _name(field).partition("_")[0]


def _ruled(fields: Sequence[Field]) -> list[tuple[Field, Rule]]:
    """Return the fields of a record that have a meaning, each with its rule."""
    names = _names(fields)
    return [(field, rule) for field in fields if (rule := _rule(field, names))]


def _rule(field: Field, names: frozenset[str]) -> Rule | None:
    """Return the rule of the table for a field of a record whose members have those ``names``."""
    if not (field.codec.number and field.codec.text is str) and field.codec.value is not bytes.hex:
        return None  # a float, or a typedef with a text of its own
    name = _name(field)
    return next((rule for rule in TABLE if rule.fits(field, name, names)), None)


def _names(fields: Sequence[Field]) -> frozenset[str]:
    return frozenset([_name(field) for field in fields])


def _name(field: Field) -> str:
    """Return the member's own name, without the ``_`` that makes it distinct."""
    return field.path[-1].strip("_").lower()


def _optional(text: Text) -> Callable[[Value], str]:
    return lambda value: (
        text(value) if isinstance(value, int | str) else "" if value is None else str(value)
    )


def _timestamps(values: Sequence[Value], unit: int) -> Sequence[int]:
    """Return timestamps in ns; 0, which is not a time, for values that are not integers."""
    if unit == 1 and set(map(type, values)) == {int}:
        return cast("Sequence[int]", values)
    return [value * unit if isinstance(value, int) else 0 for value in values]


def _moment(milliseconds: int) -> str:
    second, rest = divmod(milliseconds, 1000)
    return f"{time.strftime('%H:%M:%S', time.localtime(second))}.{rest:03d}"


def _clock_times(rule: Rule, clock: Clock) -> Texts:
    """Return a function that shows timestamps as local times, and as ages if older than a day."""
    oldest = _FRESH // SECOND if rule.meaning == RECENT else math.inf
    moments = Memo(_moment)  # by milliseconds: many events share one

    def text(value: Value, wall: int | None, now: int) -> str:
        if wall is None:
            return "" if value is None else str(value)
        age = now - wall // SECOND
        if age >= _DAY or age > oldest:
            return str(value) if age > oldest else f"{age // _DAY}d{age % _DAY // 3600}h ago"
        return str(moments[wall // _MILLISECOND])

    def texts(values: Sequence[Value]) -> list[str]:
        timestamps = _timestamps(values, rule.unit)
        # mostly one offset is right for all, and each time is one addition and one look-up
        now = clock.now() // SECOND
        first = min(timestamps)
        offset = clock.offset(first, max(timestamps))
        if offset is not None and now - (first + offset) // SECOND < min(_DAY, oldest):
            return [moments[(timestamp + offset) // _MILLISECOND] for timestamp in timestamps]
        walls = clock.walls(timestamps)
        return [text(value, wall, now) for value, wall in zip(values, walls, strict=True)]

    return texts
