"""Which columns a line has room for, and how wide they are. Pure.

What does not fit is hidden by one rule, the lowest rank first, of equal ranks the rightmost; what then fits after all,
because a wider one went, is shown again::

    REPEATED    what another column shows: the time of the row, a tid that is the pid so far
    EMPTY       nothing but 0 or "" so far
    TIME        another time
    OWNER       ids of users and groups, control groups, namespaces, CPUs; sizes of other columns
    NUMBER      another number
    TEXT        another text, but the last one, which is cut
    KEPT        pid, comm, what a call returned, a value, how long it took: never hidden
"""

from collections.abc import Container, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

_GAP: Final = 1
_LAST: Final = 32  # columns that the last text keeps before others are hidden for it
MUCH: Final = 48  # ... and gets before others come back
_LEAST: Final = 8  # ... and that texts keep when nothing more can be hidden

_IDS: Final = ("uid", "gid", "cgroup", "cgroup_id", "cgid", "netns", "mntns", "pidns", "userns")  # of an owner
_OWNERS: Final = (*[f"_{name}" for name in _IDS], "_ns")
_OWNER: Final = frozenset((*_IDS, "euid", "egid", "suid", "sgid", "fsuid", "fsgid", "loginuid", "cpu"))
_SIZES: Final = frozenset(("count", "size", "len", "length"))
_KEPT: Final = frozenset(
    ("pid", "tgid", "comm", "task", "ret", "retval", "exit_code", "error", "key", "value", "line", "count")
)


class Rank(IntEnum):
    """How soon a column is hidden: the lowest first."""

    REPEATED = 0
    EMPTY = 1
    TIME = 2
    OWNER = 3
    NUMBER = 4
    TEXT = 5
    KEPT = 6


class Column(NamedTuple):
    """A column that wants to be ``wanted`` wide: its widest value so far, or its name."""

    name: str
    right: bool
    wanted: int
    rank: Rank


class Layout(NamedTuple):
    """The columns that are shown: their places among all, and widths; ``hidden`` are the names of the others."""

    shown: tuple[int, ...]
    widths: tuple[int, ...]
    hidden: tuple[str, ...]


def rank(name: str, others: Container[str] = (), *, right: bool, time: bool) -> Rank:
    """Return how useful a column of that name is, beside ``others``; ``time``: points in time are in it."""
    own = name.rpartition(".")[2]
    if time:
        return Rank.TIME
    whose, _, what = name.rpartition("_")
    if own in _OWNER or own.endswith(_OWNERS) or (what in _SIZES and whose in others):
        return Rank.OWNER
    if own in _KEPT:
        return Rank.KEPT
    return Rank.NUMBER if right else Rank.TEXT


def fit(columns: Sequence[Column], width: int | None) -> Layout:
    """Choose columns and widths for a line of ``width``; None: all, as wide as they want to be."""
    places = range(len(columns))
    widths = [column.wanted for column in columns]
    if width is None or _total(widths, places) <= width:
        return _layout(columns, widths, places, width)
    last = max((at for at, column in enumerate(columns) if not column.right), default=-1)
    if last >= 0:
        widths[last] = min(widths[last], _LAST)
    shown = set(places)
    may_go = [at for at in places if at != last and columns[at].rank is not Rank.KEPT]
    gone = []
    for at in sorted(may_go, key=lambda at: (columns[at].rank, -at)):
        if _total(widths, shown) <= width or len(shown) == 1:
            break
        shown.remove(at)
        gone.append(at)
    more = min(columns[last].wanted, MUCH) - widths[last] if last >= 0 else 0
    for at in reversed(gone):
        if _total(widths, shown | {at}) + more <= width:
            shown.add(at)
    for at in sorted(shown, key=lambda at: -widths[at]):  # texts give way, the widest first
        if not columns[at].right:
            over = _total(widths, shown) - width
            widths[at] -= max(min(over, widths[at] - _LEAST), 0)
    if last >= 0:
        widths[last] += max(min(width - _total(widths, shown), columns[last].wanted - widths[last]), 0)
    return _layout(columns, widths, sorted(shown), width)


def _layout(columns: Sequence[Column], widths: Sequence[int], shown: Sequence[int], width: int | None) -> Layout:
    """Return the layout; a text at the end of the line may go on to its end."""
    given = [widths[at] for at in shown]
    if width is not None and shown and not columns[shown[-1]].right:
        given[-1] += max(width - _total(widths, shown), 0)
    hidden = tuple(column.name for at, column in enumerate(columns) if at not in shown)
    return Layout(tuple(shown), tuple(given), hidden)


def _total(widths: Sequence[int], shown: Sequence[int] | set[int]) -> int:
    return sum(widths[at] + _GAP for at in shown) - _GAP
