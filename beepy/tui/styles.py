"""The styles of the screen: the terminal's own colors, so that they fit a light and a dark one."""

from typing import Final

from rich.style import Style

PLAIN: Final = Style()
DIM: Final = Style(dim=True)
BOLD: Final = Style(bold=True)
HEADING: Final = Style(bold=True, underline=True)
CHOSEN: Final = Style(bold=True, underline=True, reverse=True)  # the heading under the cursor
CURSOR: Final = Style(reverse=True)
CURSOR_CELL: Final = Style(reverse=True, bold=True, underline=True)
FOUND: Final = Style(color="black", bgcolor="yellow")
CHANGED: Final = Style(color="yellow")
FAILED: Final = Style(color="red")
ALARM: Final = Style(color="red", bold=True)
NOTE: Final = Style(color="yellow")
NAME: Final = Style(color="cyan")
TITLE: Final = Style(color="cyan", bold=True)
KEY: Final = Style(bold=True)
BAR: Final = Style(color="cyan")
