"""Write errors, their notes and log records to stderr."""

import logging
from typing import Final

from typer.exceptions import TyperException

from beepy.cli import advice
from beepy.cli.stdio import eprint
from beepy.errors import (
    BeepyError,
    InvalidReference,
    OverheadError,
    UsageError,
    VerifierError,
    typed,
)
from beepy.text import brief, safe

_MAX_NOTES: Final = 1500  # characters of all notes


class Handler(logging.Handler):
    """Writes each log record as a line to stderr, with unsafe characters escaped once more."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        eprint(f"{record.levelname.lower()}: {_abridge(safe(record.getMessage()))}")


def log_to_stderr(level: str) -> None:
    """Write to stderr what beepy's modules log at ``level`` and above."""
    logger = logging.getLogger("beepy")
    logger.setLevel(level)
    if not logger.handlers:
        logger.addHandler(Handler())


def _is_debug() -> bool:
    return logging.getLogger("beepy").isEnabledFor(logging.DEBUG)


def _abridge(text: str, max_length: int = 1000) -> str:
    """Return a message without its middle if it is long: names in objects may have any length.

    With --debug it is kept whole.
    """
    return text if _is_debug() else brief(text, max_length)


def usage(error: TyperException) -> int:
    """Print what is wrong with the command line; return the exit code."""
    message = getattr(error, "format_message", lambda: str(error))().strip()
    message = message.replace(":\n\t", ": ").replace(",\n\t", ", ")  # the choices of an argument
    if similar := getattr(error, "possibilities", None):  # options, sorted by click: best first
        message = f"{error}: did you mean {similar[0]}?"
    if message:
        eprint(f"beepy: {_abridge(safe(message[:1].lower() + message[1:]).rstrip('.'))}")
        context = getattr(error, "ctx", None)
        eprint(f"note: {context.command_path if context else 'beepy'} --help")
    return error.exit_code


def failure(error: BeepyError) -> int:
    """Print an error and its notes, with --debug also the traceback; return the exit code.

    With --debug the whole log of a VerifierError is printed, too.
    """
    if limit_error := advice.open_files(error):
        limit_error.__cause__ = error
        error = limit_error
    eprint(f"beepy: {_abridge(safe(typed(error)))}")
    notes = [f"note: {typed(note)}" for note in getattr(error, "__notes__", ())]
    if notes:
        lines = [safe(line) for note in notes for line in note.split("\n")]
        eprint(_abridge("\n".join(lines), _MAX_NOTES))
    if _is_debug():
        if isinstance(error, VerifierError):
            for line in error.log.splitlines():
                eprint(safe(line))
        import traceback  # noqa: PLC0415 - only for developers

        for line in "".join(traceback.format_exception(error)).splitlines():
            eprint(safe(line))
    if isinstance(error, OverheadError):
        return 4
    return 2 if isinstance(error, UsageError | InvalidReference) else 1
