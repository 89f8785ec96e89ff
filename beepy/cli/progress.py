"""Bars on stderr for transfers that take longer than a second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from beepy.cli.stdio import STDERR
from beepy.oci.descriptor import Descriptor
from beepy.oci.manifest import TITLE
from beepy.oci.progress import Progress
from beepy.text import excerpt
from beepy.width import columns_of_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

_AFTER_S: Final = 1.0
_LABEL: Final = 19  # characters: a digest shortened as elsewhere


@contextmanager
def bars(verb: str) -> Iterator[Progress | None]:
    """Yield what is to be called with the progress; None if stderr is not a terminal.

    ``verb`` says what is done to each blob. The bars are removed at the end.
    """
    if columns_of_terminal(STDERR) is None:
        yield None
        return
    shown = _Bars(verb)
    try:
        yield shown.update
    finally:
        shown.close()


class _Bars:
    """One bar for each blob that has begun; nothing is shown or imported before a second."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._start = time.monotonic()
        self._display: Display | None = None
        self._tasks: dict[str, TaskID] = {}

    def update(self, blob: Descriptor, done: int) -> None:
        if self._display is None:
            if time.monotonic() - self._start < _AFTER_S:
                return
            self._display = _display()
        if blob.digest not in self._tasks:
            label = excerpt(blob.annotations.get(TITLE) or blob.digest[:_LABEL], _LABEL)
            task = self._display.add_task(f"{self._verb} {label}", total=blob.size)
            self._tasks[blob.digest] = task
        self._display.update(self._tasks[blob.digest], completed=done)

    def close(self) -> None:
        if self._display:
            self._display.stop()


def _display() -> "Display":
    from rich import progress  # noqa: PLC0415 - a quarter of a second, only for long transfers
    from rich.console import Console  # noqa: PLC0415 - as above

    display = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=None),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        console=Console(stderr=True, no_color=True, highlight=False),
        transient=True,
        expand=True,
        redirect_stdout=False,
    )
    display.start()
    return display
