"""What the user is told on stderr: log lines, errors, advice."""

import logging
import os
from errno import EACCES, EPERM

from typer.exceptions import TyperException

from beepy.cli.standard import say
from beepy.errors import BeepyError, InvalidReference, KernelError, UsageError, VerifierError
from beepy.text import brief, safe


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


def _cut(text: str) -> str:
    """Return what is told of a message without --debug: an object's names may be any length."""
    return text if _debugs() else brief(text)


def usage(error: TyperException) -> int:
    """Tell what the command line lacks or has too much of; return the exit code."""
    message = getattr(error, "format_message", lambda: str(error))().strip()
    if message:
        say(f"beepy: {_cut(safe(message[:1].lower() + message[1:]).rstrip('.'))}")
        say("note: beepy --help, beepy COMMAND --help")
    return error.exit_code


def failure(error: BeepyError) -> int:
    """Tell an error and its advice, and with --debug all about it; return the exit code."""
    say(f"beepy: {_cut(safe(str(error)))}")
    notes = [f"note: {note}" for note in (*getattr(error, "__notes__", ()), *_privilege(error))]
    if notes:
        say(_cut("\n".join([safe(line) for note in notes for line in note.split("\n")])))
    if _debugs():
        if isinstance(error, VerifierError):
            for line in error.log.splitlines():
                say(safe(line))
        import traceback  # noqa: PLC0415 - only for developers

        for line in "".join(traceback.format_exception(error)).splitlines():
            say(safe(line))
    return 2 if isinstance(error, UsageError | InvalidReference) else 1


def _privilege(error: BeepyError) -> list[str]:
    """Return what to do where the kernel refused for want of capabilities, and the error does not say which."""
    if not isinstance(error, KernelError) or isinstance(error, VerifierError) or error.errno not in (EPERM, EACCES):
        return []
    if "CAP_" in str(error):
        return []
    from beepy.kernel import privilege  # noqa: PLC0415 - only on the way to an error

    missing = privilege.lacking({"CAP_BPF", "CAP_PERFMON"})
    if missing:
        return [f"this needs root, or CAP_BPF and CAP_PERFMON (missing: {', '.join(missing)})"]
    all_powerful = os.geteuid() == 0 or "CAP_SYS_ADMIN" in privilege.capabilities()
    return [] if all_powerful else ["this needs root: CAP_BPF and CAP_PERFMON do not suffice here"]
