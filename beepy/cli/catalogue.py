"""``beepy`` alone on a terminal: a full-screen catalogue of the images, where textual is installed.

The command that the user chooses is run as if it was typed, and then the images are there again.
"""

import gc
import os
import shlex
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from beepy import log
from beepy.cli import signals, stdio, terminal
from beepy.cli.settings import CONFIG_VARIABLE, STORAGE_VARIABLE, Settings, log_to_stderr
from beepy.errors import BeepyError, KernelError, OutputError, typed
from beepy.oci.options import Options
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.oci.store import Entry  # only where there is a catalogue
    from beepy.tui.catalogue_form import Program
    from beepy.tui.catalogue_items import Details, Item, Remembered


def is_possible() -> bool:
    """Return whether a full screen can be shown: on a terminal that can, and with textual."""
    draws_there = os.isatty(stdio.STDERR)
    return draws_there and terminal.can_show() and terminal.has_textual()


def main() -> int:
    """Let the user choose images and run them; return the exit code to end with.

    Raise KeyboardInterrupt if a signal ended the catalogue.
    """
    from beepy.cli import child  # noqa: PLC0415 - after the decision
    from beepy.oci import lookup  # noqa: PLC0415 - as above
    from beepy.tui.catalogue_items import Remembered  # noqa: PLC0415 - as above

    settings = Settings(storage=_path(STORAGE_VARIABLE), config_dir=_path(CONFIG_VARIABLE))
    log_to_stderr(settings)
    options = settings.registry_options()._replace(pull="never")
    remembered = Remembered()
    while True:
        items = _items(lookup.list_images(options))
        arguments = _shown(items, lambda name: _details(name, options), remembered)
        if not arguments:
            return 0
        stdio.eprint(f"$ {safe(shlex.join(['beepy', *arguments]))}")
        ended = child.run(arguments)
        if ended.by_signal or not child.asks_for_more():
            return ended.code


def _path(variable: str) -> Path | None:
    """Return the path in a variable of the environment; the command line has no options."""
    text = os.environ.get(variable)
    return Path(text) if text else None


def _items(entries: "Sequence[tuple[Entry, bool]]") -> "list[Item]":
    """Return the images under the names that find them; the first of a name hides the others."""
    from beepy.tui.catalogue_items import Item  # noqa: PLC0415 - as above

    items: dict[str, Item] = {}
    for entry, bundled in entries:
        description = " ".join((entry.description or "").split())
        items.setdefault(entry.name, Item(entry.name, description, bundled))
    return [*items.values()]


def _shown(
    items: "list[Item]", read: "Callable[[str], Details]", remembered: "Remembered"
) -> list[str]:
    """Show the catalogue; warnings about images would be written over it, ``run`` repeats them.

    Return the arguments that the user chose, [] if none.
    """
    from beepy.tui.catalogue import Catalogue  # noqa: PLC0415 - textual: a quarter of a second
    from beepy.tui.driver import TerminalDriver  # noqa: PLC0415 - as above
    from beepy.tui.terminal_file import (  # noqa: PLC0415 - as above
        OF_TEXTUAL,
        UNHANDLED,
        TerminalFile,
    )

    collector_was_enabled = gc.isenabled()
    gc.enable()  # screens are garbage with cycles
    with terminal.colors():
        app = Catalogue(items, read, _program(), remembered)
    log.set_warning_handler(lambda _: None)
    changed = (*signals.END_SIGNALS, *OF_TEXTUAL, *UNHANDLED)
    handlers = {number: signal.getsignal(number) for number in changed}
    TerminalDriver.file = file = TerminalFile()
    try:
        for number in UNHANDLED:
            signal.signal(number, signals.interrupt)
        with file.restored():
            arguments = app.run()
    finally:
        file.close()
        log.set_warning_handler(None)
        for number, handler in handlers.items():  # asyncio and textual had theirs
            signal.signal(number, handler)
        if not collector_was_enabled:
            gc.disable()
    if app.failure:
        raise _error(app.failure) from app.failure
    if app.was_ended:
        raise KeyboardInterrupt
    return arguments or []


def _error(failure: Exception) -> BeepyError:
    """Return the error that is reported when the catalogue could not go on."""
    if isinstance(failure, BeepyError):
        return failure
    cause = getattr(failure, "error", failure)  # of a thread's, textual makes one of its own
    error = OutputError(f"catalogue: {type(cause).__name__}: {cause}")
    error.add_note("beepy list shows the images, beepy run IMAGE runs one")
    return error


def _program() -> "Program":
    from beepy.tui.catalogue_form import Program  # noqa: PLC0415 - as above

    if os.geteuid():
        from beepy.cli import unprivileged  # noqa: PLC0415 - not for root

        try:
            unprivileged.check()
        except KernelError:
            note = "not as this user: Enter shows the command that runs it as root"
            return Program(("sudo", "beepy"), note)
    return Program()


def _details(name: str, options: Options) -> "Details":
    """Return what is known of an image, or why it cannot be read."""
    from beepy.analysis.describe import describe  # noqa: PLC0415 - for the image that is looked at
    from beepy.cli import catalogue_options  # noqa: PLC0415 - as above
    from beepy.oci import lookup  # noqa: PLC0415 - as above
    from beepy.source import parse_all  # noqa: PLC0415 - as above
    from beepy.tui import catalogue_boxes, catalogue_facts  # noqa: PLC0415 - as above
    from beepy.tui.catalogue_items import Details, Group  # noqa: PLC0415 - as above

    try:
        image = lookup.find(name, options)
        specs = parse_all(image, warn=False)
        descriptions = [describe(image, spec) for spec in specs]
        own, others = catalogue_boxes.of_image(specs, descriptions)
        boxes = {
            "where it attaches": catalogue_options.attach(specs),
            "options of this image": own,
            "what is shown": catalogue_options.shown(specs),
            "other variables, as they begin": others,
        }
    except BeepyError as error:
        return Details(error=typed(error))
    except OSError as error:
        return Details(error=str(error))
    groups = [Group(title, of_title) for title, of_title in boxes.items() if of_title]
    return Details(catalogue_facts.of_image(descriptions, [box.title for box in own]), groups)
