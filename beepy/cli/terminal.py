"""Whether a full screen can be shown here, and with which colors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from beepy.cli.stdio import STDIN, STDOUT, eprint

INSTALL: Final = "python3 -m pip install 'beepy-ebpf[tui]'"


def can_show() -> bool:
    """Return whether stdin and stdout are a terminal that can be drawn on."""
    is_terminal = os.isatty(STDIN) and os.isatty(STDOUT)
    return is_terminal and os.environ.get("TERM", "") not in {"", "dumb"}


def has_textual() -> bool:
    """Return whether textual is installed, without importing it."""
    from importlib.util import find_spec  # noqa: PLC0415 - only on a terminal

    return find_spec("textual") is not None


def default_output(*, plain: bool, bounded: bool) -> str:
    """Return the output of a run without -o; ``plain`` is --no-tty.

    ``bounded``: the run ends by itself, and its rows are to stay on the terminal.
    """
    if not os.isatty(STDOUT):
        return "json"
    if plain or bounded or not can_show():
        return "columns"
    if not has_textual():
        eprint(f"note: -o columns; the screen needs textual: {INSTALL}")
        return "columns"
    return "tui"


@contextmanager
def colors() -> Iterator[None]:
    """Let textual see NO_COLOR only if it is not empty; it removes the variable, which stays."""
    value = os.environ.pop("NO_COLOR", None)
    if value:
        os.environ["NO_COLOR"] = value
    try:
        yield
    finally:
        if value is not None:
            os.environ["NO_COLOR"] = value
