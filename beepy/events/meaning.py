"""What the numbers of a record mean, by the name of their typedef or member: errno, signals, time.

These texts are for people only: JSON, labels and filters keep the numbers.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias, cast

from beepy.events import go_format, numbers
from beepy.events.clock import LIVE, SECOND, Clock
from beepy.events.codec import Value
from beepy.events.fields import RECORD, VALUE, Field
from beepy.events.memo import Memo

Text: TypeAlias = Callable[[int], str]
Texts: TypeAlias = Callable[[Sequence[Value]], list[str]]

_MICROSECOND: Final = 1_000
_MILLISECOND: Final = 1_000_000
_DAY: Final = 24 * 3600  # seconds: an older time is shown as an age
_FRESH: Final = 600 * SECOND  # an event is read sooner than this after it happened


class Meaning(NamedTuple):
    """What a field's values mean: ``text`` makes their text, "" for a missing value (None).

    ``texts`` makes the texts of many timestamps at once, which is faster; None for other meanings.
    """

    name: str
    text: Callable[[Value], str]
    texts: Texts | None = None


class Rule(NamedTuple):
    """One meaning, and which integers have it.

    They have one of the ``typedefs``, or one of the ``names``, or a name with one of the
    ``endings``. Their size is one of ``bits``. ``signed``: only signed integers. ``beside``: only
    if a member of one of these names is in the same record. ``unit`` is how many nanoseconds one
    count of a time or duration is. ``text`` is None if the number itself is shown.
    """

    meaning: str
    text: Text | None = None
    unit: int = 0
    typedefs: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()
    bits: tuple[int, ...] = (32, 64)
    signed: bool = False
    beside: frozenset[str] = frozenset()

    def fits(self, field: Field, name: str, others: frozenset[str]) -> bool:
        """Return whether a field of that name, beside those ``others``, has this meaning."""
        if field.bits not in self.bits or (self.signed and field.codec.code not in {"i", "q"}):
            return False
        if not self.typedefs.isdisjoint(field.typedefs):
            return True
        named = name in self.names or name.endswith(self.endings)
        return named and (not self.beside or not self.beside.isdisjoint(others))


TIME: Final = "time"
RECENT: Final = "recent time"
DURATION: Final = "duration"

_BEGIN: Final = frozenset(("start", "begin", "enter", "entry", "create", "birth", "fork"))
_END: Final = frozenset(("end", "exit", "stop"))
_EVENT: Final = frozenset(("ts", "timestamp", "time", "ktime"))
_FILE: Final = frozenset(("fname", "filename", "file_name", "pathname"))
_ADDRESS: Final = frozenset(("sport", "dport", "lport", "saddr", "daddr", "laddr", "raddr"))


def _beginnings_and_ends(*suffixes: str) -> frozenset[str]:
    """Return names such as ``start_SUFFIX`` and ``exit_SUFFIX``."""
    return frozenset([f"{word}_{suffix}" for word in _BEGIN | _END for suffix in suffixes])


TABLE: Final = (  # the first rule that fits applies
    Rule(
        "namespace",
        names=frozenset(("pid_ns", "mnt_ns", "net_ns", "user_ns", "uts_ns", "ipc_ns", "cgroup_ns")),
    ),
    Rule(
        TIME,
        unit=1,
        typedefs=frozenset(("gadget_timestamp", "ktime_t")),
        names=_beginnings_and_ends("time", "ns", "time_ns")
        | {
            "ts",
            "timestamp",
            "ktime",
            "ts_ns",
            "timestamp_ns",
            "ktime_ns",
            "start_boottime",
            "first_seen",
            "last_seen",
        },
        endings=("_ts", "_timestamp", "_ktime", "_ts_ns", "_timestamp_ns"),
        bits=(64,),
    ),
    Rule(
        TIME,
        unit=_MICROSECOND,
        names=_beginnings_and_ends("us", "time_us") | {"ts_us", "timestamp_us"},
        endings=("_ts_us", "_timestamp_us"),
        bits=(64,),
    ),
    Rule(
        TIME,
        unit=_MILLISECOND,
        names=_beginnings_and_ends("ms", "time_ms") | {"ts_ms", "timestamp_ms"},
        endings=("_ts_ms", "_timestamp_ms"),
        bits=(64,),
    ),
    Rule(
        RECENT, unit=1, names=frozenset(("time", "time_ns")), bits=(64,)
    ),  # a duration is called so, too
    Rule(RECENT, unit=_MICROSECOND, names=frozenset(("time_us",)), bits=(64,)),
    Rule(RECENT, unit=_MILLISECOND, names=frozenset(("time_ms",)), bits=(64,)),
    Rule(DURATION, unit=1, endings=("_ns", "_nsec", "_nsecs", "_nanos"), bits=(64,)),
    Rule(DURATION, unit=_MICROSECOND, endings=("_us", "_usec", "_usecs", "_micros")),
    Rule(DURATION, unit=_MILLISECOND, endings=("_ms", "_msec", "_msecs", "_millis")),
    Rule(
        "errno", numbers.errno, typedefs=frozenset(("gadget_errno",)), names=frozenset(("errno",))
    ),
    Rule(
        "result",
        text=numbers.result,
        names=frozenset(("ret", "retval", "rc", "err", "error", "res", "result")),
        endings=("_ret", "_retval", "_err", "_errno"),
        signed=True,
    ),
    Rule(
        "open flags",
        text=numbers.open_flags,
        typedefs=frozenset(("gadget_file_flags",)),
        names=frozenset(("open_flags", "oflags", "o_flags")),
    ),
    Rule("open flags", text=numbers.open_flags, names=frozenset(("flags",)), beside=_FILE),
    Rule(
        "file mode",
        text=numbers.mode,
        typedefs=frozenset(("umode_t", "mode_t", "gadget_file_mode")),
        names=frozenset(("file_mode", "i_mode", "st_mode", "umask")),
        bits=(16, 32),
    ),
    Rule("file mode", text=numbers.mode, names=frozenset(("mode",)), bits=(16, 32), beside=_FILE),
    Rule(
        "signal",
        text=numbers.signal,
        typedefs=frozenset(("gadget_signal",)),
        names=frozenset(("sig", "signal", "signo", "signum", "exit_signal")),
        bits=(8, 16, 32),
    ),
    Rule(
        "capability", numbers.capability, names=frozenset(("cap", "capability")), bits=(8, 16, 32)
    ),
    Rule(
        "address family",
        text=numbers.family,
        typedefs=frozenset(("sa_family_t",)),
        names=frozenset(
            ("family", "af", "sa_family", "address_family", "addr_family", "skc_family")
        ),
        bits=(8, 16, 32),
    ),
    Rule(
        "protocol",
        text=numbers.protocol,
        names=frozenset(
            ("proto", "protocol", "ip_proto", "ipproto", "l4_proto", "l4proto", "ip_protocol")
        ),
        bits=(8, 16, 32),
    ),
    Rule(
        "tcp state",
        text=numbers.tcp_state,
        names=frozenset(("tcp_state", "skc_state")),
        bits=(8, 32),
    ),
    Rule(
        "tcp state",
        text=numbers.tcp_state,
        names=frozenset(("oldstate", "newstate", "old_state", "new_state")),
        bits=(8, 32),
        beside=_ADDRESS,
    ),
)


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


def of(fields: Sequence[Field], clock: Clock = LIVE) -> dict[Field, Meaning]:
    """Return the meanings of a record's fields, without fields that are best shown as numbers.

    A meaning may depend on other fields: ``flags`` beside a file name are those of open(2).
    """
    names = _names(fields)
    rules = [(field, rule) for field in fields if (rule := _rule(field, names))]
    meanings = [(field, _meaning(rule, clock)) for field, rule in rules]
    return {field: meaning for field, meaning in meanings if meaning}


def duration_unit(field: Field, fields: Sequence[Field]) -> int:
    """Return how many nanoseconds one count of a field is, 0 if it is no duration."""
    rule = _rule(field, _names(fields))
    return rule.unit if rule and rule.meaning == DURATION else 0


def beginning_and_end(fields: Sequence[Field]) -> list[tuple[Field, int] | None]:
    """Return when what a record is about began, and when it ended or was seen, None if unknown.

    Each is a field, and how many nanoseconds one count of it is.
    """
    names = _names(fields)
    times = [
        (field, rule.unit)
        for field in fields
        if (rule := _rule(field, names)) and rule.meaning == TIME
    ]
    return [
        next(
            (
                (field, unit)
                for words in groups
                for field, unit in times
                if _name(field).partition("_")[0] in words
            ),
            None,
        )
        for groups in ((_BEGIN | {"first"},), (_END | {"last"}, _EVENT))
    ]


def _meaning(rule: Rule, clock: Clock) -> Meaning | None:
    match rule.meaning:
        case "time" | "recent time":
            texts = _clock_times(rule, clock)
            return Meaning(TIME, lambda value: texts((value,))[0], texts)
        case "duration":
            unit = rule.unit
            text = _optional(lambda count: go_format.brief_duration(count * unit))
            return Meaning(rule.meaning, text)
        case _ if rule.text:
            return Meaning(rule.meaning, Memo(_optional(rule.text)).__getitem__)
        case _:
            return None


def event_time(fields: Sequence[Field], clock: Clock = LIVE) -> EventTime | None:
    """Return the field with the time of the event itself, None if a record has none, or for tables.

    ``ts``, ``time`` and ``timestamp`` are preferred to the end of something. The beginning of
    something is not the time of the event, which is reported when it ends.
    """
    if any(field.part == VALUE for field in fields):
        return None
    names = _names(fields)
    times = [
        (field, rule)
        for field in fields
        if (rule := _rule(field, names)) and rule.meaning in {TIME, RECENT}
    ]
    for words in (_EVENT, _END):
        for field, rule in times:
            if field.part == RECORD and _name(field).partition("_")[0] in words:
                return EventTime(field, rule.unit, clock)
    return None


def _rule(field: Field, names: frozenset[str]) -> Rule | None:
    """Return the rule of the table for a field of a record whose members have those ``names``."""
    if not field.codec.number or field.codec.text is not str:
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
        text(value) if isinstance(value, int) else "" if value is None else str(value)
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
