"""What the user is told on stderr: log lines, errors, advice."""

import logging
from typing import Final

from typer.exceptions import TyperException

from beepy.cli import advice
from beepy.cli.standard import say
from beepy.errors import BeepyError, InvalidReference, UsageError, VerifierError, typed
from beepy.text import brief, safe

_MAX_NOTES: Final = 1500  # characters of all advice


class Handler(logging.Handler):
    """Writes log records as lines on stderr; what a record quotes is made safe once more."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        say(f"{record.levelname.lower()}: {_cut(safe(record.getMessage()))}")


def listen(level: str) -> None:
    """Tell on stderr what beepy's modules log from ``level`` on."""
    root = logging.getLogger("beepy")
    root.setLevel(level)
    if not root.handlers:
        root.addHandler(Handler())


def _debugs() -> bool:
    return logging.getLogger("beepy").isEnabledFor(logging.DEBUG)


def _cut(text: str, most: int = 1000) -> str:
    """Return what is told of a message without --debug: an object's names may be any length."""
    return text if _debugs() else brief(text, most)


def usage(error: TyperException) -> int:
    """Tell what the command line lacks or has too much of; return the exit code."""
    message = getattr(error, "format_message", lambda: str(error))().strip()
    if similar := getattr(error, "possibilities", None):  # options, the most similar first; click sorts them
        message = f"{error}: did you mean {similar[0]}?"
    if message:
        say(f"beepy: {_cut(safe(message[:1].lower() + message[1:]).rstrip('.'))}")
        context = getattr(error, "ctx", None)
        say(f"note: {context.command_path if context else 'beepy'} --help")
    return error.exit_code


def failure(error: BeepyError) -> int:
    """Tell an error and its advice, and with --debug all about it; return the exit code."""
    reached = advice.open_files(error)
    if reached:
        reached.__cause__ = error
        error = reached
    say(f"beepy: {_cut(safe(typed(error)))}")
    notes = [f"note: {typed(note)}" for note in getattr(error, "__notes__", ())]
    if notes:
        say(_cut("\n".join([safe(line) for note in notes for line in note.split("\n")]), _MAX_NOTES))
    if _debugs():
        if isinstance(error, VerifierError):
            for line in error.log.splitlines():
                say(safe(line))
        import traceback  # noqa: PLC0415 - only for developers

        for line in "".join(traceback.format_exception(error)).splitlines():
            say(safe(line))
    return 2 if isinstance(error, UsageError | InvalidReference) else 1
