"""The screen of a run: ``-o tui``."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from beepy import hooks, outputs
from beepy.cli import recorded, terminal
from beepy.cli.stdio import STDIN, STDOUT, eprint, write
from beepy.errors import OutputError, UsageError
from beepy.launch import Launched, Loaded
from beepy.text import safe
from beepy.tui.about import About, ImageAbout
from beepy.tui.recording import Recording
from beepy.tui.showing import REPLAYED, SCROLLBACK, Showing

_MAX_MESSAGES: Final = 100  # that are printed after the end


def check() -> None:
    """Raise UsageError if the screen cannot be shown here."""
    if not terminal.can_show():
        is_terminal = os.isatty(STDIN) and os.isatty(STDOUT)
        why = "TERM is dumb or not set" if is_terminal else "stdin and stdout are no terminal"
        raise UsageError(f"output 'tui': {why}")
    if not terminal.has_textual():
        error = UsageError("output 'tui': textual is not installed")
        error.add_note(terminal.INSTALL)
        raise error


def make(
    row_options: outputs.RowOptions,
    scrollback: int | None,
    images: Sequence[Loaded],
    replayed: str,
) -> Showing:
    """Return the screen of a run of these images, or of a recording (``replayed`` is its file)."""
    recording = None if replayed else Recording(recorded.about_run(images))
    usual = REPLAYED if replayed else SCROLLBACK
    return Showing(row_options, scrollback or usual, recording, stays=True)


def show(showing: Showing, launched: Launched, replayed: str) -> None:
    """Show the run until its user leaves; then print what was on the screen. Raise BeepyError."""
    about = About(tuple(_images(launched.images)), safe(os.path.basename(replayed)))  # noqa: PTH119 - a path as typed
    if showing.recording:
        launched.run.add_observer(showing.recording)
    try:
        with terminal.colors():
            showing.show(launched.run, about)
    finally:
        messages = list(showing.messages)
        if len(messages) > _MAX_MESSAGES:
            eprint(f"... the last {_MAX_MESSAGES} of what was written meanwhile:")
        for message in messages[-_MAX_MESSAGES:]:
            eprint(message)
        with suppress(OutputError):  # they were seen: a terminal that is gone is no failure
            write("".join([f"{line}\n" for line in showing.lines]))


def print_recorded(showing: Showing) -> None:
    """Print which files were recorded, when the run has ended and closed them."""
    for line in showing.recording.done if showing.recording else ():
        eprint(line)


def _images(loaded: Sequence[Loaded]) -> Iterator[ImageAbout]:
    for item in loaded:
        targets = [
            safe(hooks.describe_target(program.section, collection.target(program.name)))
            for collection in item.collections
            for program in collection.programs.values()
            if program.name in collection.link_of
        ]
        yield ImageAbout(safe(item.name), len(targets), tuple(targets))
