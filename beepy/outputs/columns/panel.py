"""A part of the screen beside rows: counts, histograms, a table (``panels`` makes them)."""

from collections.abc import Callable
from typing import NamedTuple

from beepy.events.batch import Batch


class PanelOrder(NamedTuple):
    """What a panel is sorted by: the position of a name in ``Sorting.names``."""

    column: int
    largest_first: bool


class Place(NamedTuple):
    """Where a name of ``Sorting.names`` is: the characters of a line of the panel."""

    line: int
    start: int
    end: int
    column: int


class Drawing(NamedTuple):
    """The lines of a panel; ``headings`` are the numbers of those that are only names."""

    lines: list[str]
    headings: tuple[int, ...] = ()
    places: tuple[Place, ...] = ()


class Sorting(NamedTuple):
    """How the user of a screen sorts a panel.

    ``draw(width, height, order)`` is as ``Panel.lines`` in another order (None: the usual one).
    ``hold(True)`` lets it show what it shows now, whatever is added, until ``hold(False)``.
    """

    names: tuple[str, ...]
    draw: Callable[[int | None, int | None, PanelOrder | None], Drawing]
    hold: Callable[[bool], None]


class Panel(NamedTuple):
    """``add`` adds a batch and returns whether the panel changed.

    ``lines(width, height)`` returns what it shows now: lines of at most that width, and at most
    that many, unless None. ``sorting`` is None if nobody asked for it, or it has one order.
    """

    add: Callable[[Batch], bool]
    lines: Callable[[int | None, int | None], list[str]]
    sorting: Sorting | None = None
