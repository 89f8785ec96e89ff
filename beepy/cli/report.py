"""What the user is told on stderr: log lines, errors, advice."""

import logging

from typer.exceptions import TyperException

from beepy.cli import advice
from beepy.cli.standard import say
from beepy.errors import BeepyError, InvalidReference, UsageError, VerifierError
from beepy.text import safe


class Handler(logging.Handler):
    """Writes log records as lines on stderr; what a record quotes is made safe once more."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        say(f"{record.levelname.lower()}: {safe(record.getMessage())}")


def listen(level: str) -> None:
    """Tell on stderr what beepy's modules log from ``level`` on."""
    root = logging.getLogger("beepy")
    root.setLevel(level)
    if not root.handlers:
        root.addHandler(Handler())


def usage(error: TyperException) -> int:
    """Tell what the command line lacks or has too much of; return the exit code."""
    message = getattr(error, "format_message", lambda: str(error))().strip()
    if similar := getattr(error, "possibilities", None):  # options, the most similar first; click sorts them
        message = f"{error}: did you mean {similar[0]}?"
    if message:
        say(f"beepy: {safe(message[:1].lower() + message[1:]).rstrip('.')}")
        context = getattr(error, "ctx", None)
        say(f"note: {context.command_path if context else 'beepy'} --help")
    return error.exit_code


def failure(error: BeepyError) -> int:
    """Tell an error and its advice, and with --debug all about it; return the exit code."""
    reached = advice.open_files(error)
    if reached:
        reached.__cause__ = error
        error = reached
    say(f"beepy: {safe(str(error))}")
    for note in getattr(error, "__notes__", ()):
        first, *rest = note.split("\n")
        say(f"note: {safe(first)}")
        for line in rest:
            say(safe(line))
    if logging.getLogger("beepy").isEnabledFor(logging.DEBUG):
        if isinstance(error, VerifierError):
            for line in error.log.splitlines():
                say(safe(line))
        import traceback  # noqa: PLC0415 - only for developers

        for line in "".join(traceback.format_exception(error)).splitlines():
            say(safe(line))
    return 2 if isinstance(error, UsageError | InvalidReference) else 1
