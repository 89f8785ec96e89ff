"""Choose the columns that a line has room for, and their widths.

Columns are hidden by one rule: the lowest rank first, among equal ranks the rightmost. Those that
fit after all, because a wider one was hidden, are shown again::

    REPEATED    repeats another column: the time of the row, a tid that has been the pid so far
    EMPTY       nothing but 0 or "" so far
    TIME        other times
    OWNER       ids of users and groups, control groups, namespaces, CPUs; sizes of other columns
    NUMBER      other numbers
    TEXT        other texts, except the last one, which is cut
    KEPT        pid, comm, what a call returned, a value, a duration: never hidden
"""

from collections.abc import Collection, Container, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

_GAP: Final = 1
_LAST_TEXT: Final = 32  # width of the last text below which it is not cut to keep other columns
LONG_TEXT: Final = 48  # width that the last text gets before hidden columns are shown again
_MIN_TEXT: Final = 8  # width that texts keep when no more columns can be hidden

_OWNER_IDS: Final = (
    "uid",
    "gid",
    "cgroup",
    "cgroup_id",
    "cgid",
    "netns",
    "mntns",
    "pidns",
    "userns",
)
_OWNER_ENDINGS: Final = (*[f"_{name}" for name in _OWNER_IDS], "_ns")
_OWNER_NAMES: Final = frozenset(
    (*_OWNER_IDS, "euid", "egid", "suid", "sgid", "fsuid", "fsgid", "loginuid", "cpu")
)
_SIZES: Final = frozenset(("count", "size", "len", "length"))
_KEPT: Final = frozenset(
    (
        *("pid", "tgid", "comm", "task", "ret", "retval"),
        *("exit_code", "error", "key", "value", "line", "count"),
    )
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
    """A column; ``wanted`` is the width of its widest value so far, or of its name."""

    name: str
    right: bool
    wanted: int
    rank: Rank


class ColumnLayout(NamedTuple):
    """The positions of the columns that are shown, their widths, and the names of hidden ones."""

    shown: tuple[int, ...]
    widths: tuple[int, ...]
    hidden: tuple[str, ...]


def rank_of(name: str, others: Container[str] = (), *, right: bool, time: bool) -> Rank:
    """Return the rank of a column beside ``others``; ``time``: its values are points in time."""
    member = name.rpartition(".")[2]
    if time:
        return Rank.TIME
    other, _, ending = name.rpartition("_")
    is_size_of_other = ending in _SIZES and other in others
    if member in _OWNER_NAMES or member.endswith(_OWNER_ENDINGS) or is_size_of_other:
        return Rank.OWNER
    if member in _KEPT:
        return Rank.KEPT
    return Rank.NUMBER if right else Rank.TEXT


def fit(columns: Sequence[Column], width: int | None) -> ColumnLayout:
    """Choose columns and widths for a line of ``width``; None: all columns, as wide as wanted."""
    positions = range(len(columns))
    widths = [column.wanted for column in columns]
    if width is None or _total(widths, positions) <= width:
        return _layout(columns, widths, positions, width)
    texts = [position for position, column in enumerate(columns) if not column.right]
    last_text = texts[-1] if texts else None
    if last_text is not None:
        widths[last_text] = min(widths[last_text], _LAST_TEXT)
    shown = set(positions)
    hidden = _hide(columns, widths, shown, width, last_text)
    # Hidden columns come back, the last hidden first, unless the last text needs their room.
    growth = 0
    if last_text is not None:
        growth = min(columns[last_text].wanted, LONG_TEXT) - widths[last_text]
    for position in reversed(hidden):
        if _total(widths, shown | {position}) + growth <= width:
            shown.add(position)
    # If it is still too wide, texts are cut, the widest first.
    for position in sorted(shown, key=lambda position: -widths[position]):
        if not columns[position].right:
            excess = _total(widths, shown) - width
            widths[position] -= max(min(excess, widths[position] - _MIN_TEXT), 0)
    if last_text is not None:
        missing = columns[last_text].wanted - widths[last_text]
        widths[last_text] += max(min(width - _total(widths, shown), missing), 0)
    return _layout(columns, widths, sorted(shown), width)


def _hide(
    columns: Sequence[Column],
    widths: Sequence[int],
    shown: set[int],
    width: int,
    last_text: int | None,
) -> list[int]:
    """Remove columns from ``shown`` until the rest fits; return them in the order of removal."""
    removable = [
        position
        for position, column in enumerate(columns)
        if position != last_text and column.rank is not Rank.KEPT
    ]
    removable.sort(key=lambda position: (columns[position].rank, -position))
    hidden = []
    for position in removable:
        if _total(widths, shown) <= width or len(shown) == 1:
            break
        shown.remove(position)
        hidden.append(position)
    return hidden


def _layout(
    columns: Sequence[Column], widths: Sequence[int], shown: Sequence[int], width: int | None
) -> ColumnLayout:
    """Return the layout; a text in the last column gets the rest of the line."""
    shown_widths = [widths[position] for position in shown]
    if width is not None and shown and not columns[shown[-1]].right:
        shown_widths[-1] += max(width - _total(widths, shown), 0)
    hidden = [column.name for position, column in enumerate(columns) if position not in shown]
    return ColumnLayout(tuple(shown), tuple(shown_widths), tuple(hidden))


def _total(widths: Sequence[int], shown: Collection[int]) -> int:
    """Return the width of a line of these columns."""
    return sum(widths[position] + _GAP for position in shown) - _GAP
