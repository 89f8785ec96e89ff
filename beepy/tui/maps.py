"""The maps on the screen: a page for each image, a widget for each map."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, TypeAlias

from rich.segment import Segment
from textual.containers import Vertical

from beepy.text import safe
from beepy.tui import styles
from beepy.tui.line import Segments
from beepy.tui.model import MapModel
from beepy.tui.panel import PanelView
from beepy.tui.table import Table

MapWidget: TypeAlias = Table | PanelView


class Page(Vertical, can_focus=False):
    """The maps of one image."""

    DEFAULT_CSS: ClassVar[str] = "Page { height: 1fr; overflow-y: auto; scrollbar-size: 1 1; }"


class Maps:
    """All maps of a run; one of them is ``current``: it has the keys, and its page is shown."""

    def __init__(self, models: Iterable[MapModel]) -> None:
        by_image: dict[str, list[MapWidget]] = {}
        for model in models:
            by_image.setdefault(model.schema.image, []).append(_widget(model))
        self.images = tuple(by_image)
        self.pages = [Page(*widgets) for widgets in by_image.values()]
        self._places = [
            (number, widget)
            for number, widgets in enumerate(by_image.values())
            for widget in widgets
        ]
        self._current = 0  # among the places
        self._zoomed = False

    @property
    def current(self) -> MapWidget | None:
        """The widget that the keys are about."""
        return self._places[self._current][1] if self._places else None

    @property
    def table(self) -> Table | None:
        """The same, if it has rows."""
        current = self.current
        return current if isinstance(current, Table) else None

    @property
    def visible(self) -> list[MapWidget]:
        """The widgets that are on the screen."""
        return [
            widget
            for position, (page, widget) in enumerate(self._places)
            if page == self._page and (not self._zoomed or position == self._current)
        ]

    @property
    def _page(self) -> int:
        return self._places[self._current][0] if self._places else 0

    def show(self) -> None:
        """Show the page of the current map, and give it the keys."""
        visible = self.visible
        for number, page in enumerate(self.pages):
            page.display = number == self._page
        for _, widget in self._places:
            widget.display = widget in visible
        if current := self.current:
            current.focus()
            current.scroll_visible(animate=False)

    def step(self, step: int) -> None:
        """Go to another map."""
        if self._places:
            self._current = (self._current + step) % len(self._places)
            self.show()

    def choose(self, chosen: object) -> bool:
        """Make a widget the current one, if it is a map's; return whether another one was."""
        for position, (_, widget) in enumerate(self._places):
            if widget is chosen and position != self._current:
                self._current = position
                return True
        return False

    def zoom(self) -> None:
        """Show the current map alone, or all of its image."""
        self._zoomed = not self._zoomed
        self.show()

    def tabs(self, _: int) -> Segments:
        """Return the line with the images."""
        segments = []
        for number, name in enumerate(self.images):
            style = styles.CHOSEN if number == self._page else styles.DIM
            segments += [Segment(f" {safe(name)} ", style), Segment(" ")]
        return segments

    def plain_lines(self) -> Sequence[str]:
        """Return what is on the screen as plain text."""
        lines: list[str] = []
        for widget in self.visible:
            shown = widget.plain_lines() if widget.size.width else []
            lines += ["", *shown] if lines and shown else shown
        return lines


def _widget(model: MapModel) -> MapWidget:
    return PanelView(model) if model.panel else Table(model, safe(model.schema.map))
